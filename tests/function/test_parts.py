"""Functions of fewer inputs (`with_fixed`) and of fewer outputs (`select`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx.parser
import pytest
from sklearn.datasets import load_diabetes
from sklearn.neural_network import MLPRegressor

import fastexpr as fx
from fastexpr.errors import GraphError, NotFoundError, ShapeError


def two_inputs() -> fx.Function:
    a, b = fx.variables(2), fx.variables((2, 2))
    return fx.Function([a, b], [a * b[0], (b @ b).sum() + np.exp(a).sum()]).with_bounds(-1, np.arange(1, 7))


FIXED: dict[str, tuple[dict[str, Any], dict[int, float]]] = {
    "component": ({"x0[1]": 0.3}, {1: 0.3}),
    "one number for a tensor": ({"x1": 2}, {2: 2, 3: 2, 4: 2, 5: 2}),
    "tensor": ({"x1": [[1, 2], [3, 4]]}, {2: 1, 3: 2, 4: 3, 5: 4}),
    "flat tensor and a component": ({"x1": np.arange(4), "x0[0]": 0}, {0: 0, 2: 0, 3: 1, 4: 2, 5: 3}),
    "of two tensors": ({"x0[0]": 0.5, "x1[1,0]": -0.5}, {0: 0.5, 4: -0.5}),
    "nothing": ({}, {}),
}


@pytest.mark.parametrize("case", FIXED)
def test_fixed(case: str) -> None:
    """Value and derivatives are those of the function there; names, bounds and sparsity those of what is left."""
    fixed, numbers = FIXED[case]
    net = two_inputs()
    part = net.with_fixed(fixed)
    x = np.random.default_rng(0).normal(size=6)
    x[list(numbers)] = list(numbers.values())
    free = [k for k in range(6) if k not in numbers]
    assert part.input_names == tuple(net.input_names[k] for k in free)
    assert np.array_equal(part.upper, np.arange(1, 7)[free])
    assert np.array_equal(part(x[free]), net(x))
    assert np.array_equal(part.jacobian(x[free]), net.jacobian(x)[:, free])
    weights = np.array([1.0, -2.0, 3.0])
    assert np.allclose(part.hessian(x[free], weights), net.hessian(x, weights)[np.ix_(free, free)], rtol=1e-15)
    assert np.array_equal(part.sparsity()[0].toarray(), net.sparsity()[0].toarray()[:, free])
    assert np.array_equal(part(np.stack([x[free], x[free]]))[1], net(x))
    assert sum(int(np.prod(shape)) for shape in part.inputs.values()) == len(free)


def test_fixed_in_a_trained_network(tmp_path: Path) -> None:
    """Also saved, written as ONNX, and with names that the user gave."""
    X, y = load_diabetes(return_X_y=True, scaled=False)
    features = load_diabetes().feature_names
    regressor = MLPRegressor(hidden_layer_sizes=(5,), solver="lbfgs", max_iter=5000, alpha=1.0).fit(
        X[:60] / 100, y[:60]
    )
    net = fx.from_sklearn(regressor).with_names(inputs=features)
    part = net.with_fixed({"age": 0.5, "sex": 2})
    expected = net(np.column_stack([np.full(20, 0.5), np.full(20, 2), X[:20, 2:] / 100]))
    assert np.array_equal(part(X[:20, 2:] / 100), expected)
    part.save(tmp_path / "part.fx")
    assert np.array_equal(fx.load(tmp_path / "part.fx")(X[:20, 2:] / 100), expected)
    part.to_onnx(tmp_path / "part.onnx")
    again = fx.load_onnx(tmp_path / "part.onnx")
    assert again.input_names == tuple(features[2:])
    assert np.allclose(again(X[:20, 2:] / 100), expected, rtol=1e-12)
    assert np.array_equal(part.with_fixed({"bmi": 0.3}).n_inputs, 7)


def test_image_beside_a_number() -> None:
    """A tensor with a leading 1 is given with or without it; what only the fixed tensor feeds costs no evaluation."""
    model = onnx.parser.parse_model(
        """<ir_version: 8, opset_import: ["" : 17]> g (float[N,2,2] image, float[N,1] t) => (float[N,2,2] y)
        <int64[3] shape = {-1, 1, 1}> { a = Exp(image) s = Reshape(t, shape) y = Mul(a, s) }"""
    )
    net = fx.load_onnx(model)
    image = np.array([[0.0, 1.0], [2.0, 3.0]])
    for value in (image, image[None], image.ravel()):
        assert np.allclose(net.with_fixed({"image": value})([2.0]), 2 * np.exp(image).ravel(), rtol=1e-15)
    assert net.with_fixed({"image": 0.0}).inputs == {"t": (1, 1)}


WRONG_FIXED: dict[str, tuple[Any, type[Exception], str]] = {
    "unknown": ({"z": 1}, NotFoundError, r"with_fixed: got 'z', expected one of 'x0\[0\]', .*'x0', 'x1'"),
    "position": ({0: 1}, NotFoundError, r"with_fixed: got 0, expected one of"),
    "twice": ({"x0": 1, "x0[1]": 2}, GraphError, r"'x0\[1\]' is fixed twice"),
    "everything": ({"x0": 1, "x1": 2}, ShapeError, "every input is fixed"),
    "shape": ({"x1": [1, 2, 3]}, ShapeError, r"got the shape \(3,\) for 'x1', expected \(2, 2\) or one number"),
    "several numbers": ({"x0[0]": [1, 2]}, ShapeError, r"got the shape \(2,\) for 'x0\[0\]', expected one number"),
    "nan": ({"x0": np.nan}, ValueError, "expected finite numbers"),
    "text": ({"x0": "abc"}, TypeError, "got 'abc' for 'x0', expected numbers"),
}


@pytest.mark.parametrize("case", WRONG_FIXED)
def test_wrong_fixed(case: str) -> None:
    values, error, message = WRONG_FIXED[case]
    with pytest.raises(error, match=message):
        two_inputs().with_fixed(values)


def test_selected() -> None:
    """Components and whole tensors, in any order; nodes that only others need are gone."""
    net, x = two_inputs(), np.random.default_rng(0).normal(size=6)
    part = net.select(["y1", "y0[1]"])
    assert part.outputs == {"y1": (), "y0[1]": ()}
    assert part.output_names == ("y1", "y0[1]")
    assert np.array_equal(part(x), net(x)[[2, 1]])
    assert np.array_equal(part.jacobian(x), net.jacobian(x)[[2, 1]])
    assert part.inputs == net.inputs
    assert np.array_equal(part.lower, net.lower)
    assert net.select(["y0"]).outputs == {"y0": (2,)}
    assert len(net.select(["y0"])._nodes()) < len(net._nodes())
    named = net.with_names(outputs=["a", "b", "conv"])
    assert named.select(["conv"]).output_names == ("conv",)
    assert named.select(["y0"]).output_names == ("a", "b")
    assert named.select(["y1"]).output_names == ("conv",)


def test_selected_input() -> None:
    """An output that is x itself."""
    x = fx.variables(2)
    assert fx.Function(x, x).select(["y[1]"])([3.0, 4.0]).tolist() == [4.0]


@pytest.mark.parametrize(
    ("outputs", "error", "message"),
    [
        (["q"], NotFoundError, r"select: got 'q', expected one of 'y0\[0\]', 'y0\[1\]', 'y1', 'y0'"),
        ([], GraphError, "no output is chosen"),
        (["y0", "y0[1]"], GraphError, r"'y0\[1\]' is chosen twice"),
        ("y0", TypeError, r"is a list of names: got the text 'y0'. Write \['y0'\]"),
    ],
)
def test_wrong_selection(outputs: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        two_inputs().select(outputs)


def test_unknown_among_many_names_the_nearest() -> None:
    x = fx.variables(300)
    with pytest.raises(NotFoundError, match=r"got 'x\[300\]', expected one of 'x\[30\]', .* \(301 in all\)"):
        fx.Function(x, x.sum()).with_fixed({"x[300]": 1.0})
