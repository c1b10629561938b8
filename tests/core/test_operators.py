"""Every operator against formulas that are not ours: PyTorch, ONNX's reference evaluator, and mpmath.

The rows stand in tests/support/operator_table. Each makes two functions: the operator alone (its structure shows) and
the operator of matrix @ x (its tangents are dense).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import mpmath as mp
import numpy as np
import onnx
import onnx.reference
import pytest
import torch
from folders import ROOT
from operator_table import GRAPHS, ROWS, GraphRow, Nodes, Row, Shape

import fastexpr
from fastexpr import _core

TOLERANCE = 1e-12  # of max|a - b| / max|b|
HUGE = 1e300


def error(a: np.ndarray, b: np.ndarray) -> float:
    """The norm in which all errors are stated; a NaN on one side only is an infinite error."""
    a, b = np.asarray(a), np.asarray(b)
    assert a.shape == b.shape
    if a.size == 0:
        return 0.0
    both_not_finite = (np.isnan(a) & np.isnan(b)) | (a == b)
    difference = np.where(
        both_not_finite, 0.0, np.abs(np.where(both_not_finite, 0.0, a) - np.where(both_not_finite, 0.0, b))
    )
    scale = np.max(np.abs(np.where(np.isfinite(b), b, 0.0)))
    worst = np.inf if np.isnan(difference).any() else float(np.max(difference))
    return worst if scale == 0 else worst / scale


@dataclass(frozen=True)
class Expected:
    """What a reference gives at one point; the Hessian is that of weights @ f."""

    value: np.ndarray
    jacobian: np.ndarray
    weights: np.ndarray
    hessian: np.ndarray


def expected_at(formula: Callable[[Any], Any], x: np.ndarray) -> Expected:
    point = torch.tensor(x)
    value = formula(point).numpy()
    weights = np.random.default_rng(len(x)).uniform(0.5, 1.5, value.size)
    jacobian = torch.autograd.functional.jacobian(formula, point).numpy()
    combined = torch.tensor(weights)
    hessian = torch.autograd.functional.hessian(lambda u: torch.dot(combined, formula(u)), point).numpy()
    return Expected(value, jacobian, weights, hessian)


@cache
def expected_of(row: Row | GraphRow, index: int) -> Expected:
    return expected_at(row.reference_of_x, row.sample_points()[index])


@cache
def function_of(row: Row | GraphRow) -> _core.Function:
    return row.function()


def check_against(function: _core.Function, x: np.ndarray, expected: Expected, tolerance: float = TOLERANCE) -> None:
    """Value, Jacobian and Hessian, and the products with them, agree with the reference."""
    weights = expected.weights
    assert error(function(x), expected.value) <= tolerance
    assert error(function.jacobian(x), expected.jacobian) <= tolerance
    assert error(function.hessian(x, weights), expected.hessian) <= tolerance
    value, jacobian, hessian = function.evaluate(x, weights, order=2)
    assert error(value, expected.value) <= tolerance
    assert error(jacobian, expected.jacobian) <= tolerance
    assert error(hessian, expected.hessian) <= tolerance
    generator = np.random.default_rng(0)
    direction = generator.normal(size=len(x))
    assert error(function.jvp(x, direction), expected.jacobian @ direction) <= 10 * tolerance
    assert error(function.vjp(x, weights), weights @ expected.jacobian) <= 10 * tolerance
    columns = np.array([function.hvp(x, weights, unit) for unit in np.eye(len(x))])
    assert error(columns, expected.hessian) <= tolerance
    assert error(columns, columns.T) <= tolerance


SOURCES = ROOT / "src"
ALL = [*ROWS, *GRAPHS]
every_row = pytest.mark.parametrize("row", ALL, ids=str)


def test_every_registered_operator_has_a_row() -> None:
    in_graphs = {operator.name for row in GRAPHS for operator, _, _ in function_of(row)._nodes()}
    assert {row.name for row in ROWS} | (in_graphs & {"Constant"}) == set(_core.operator_names())


def test_an_operator_is_named_by_its_own_file_alone() -> None:
    """Adding one is its file, a converter and a row: nothing else in the core has a list to put it on."""
    texts = {path: re.sub("//.*", "", path.read_text()) for path in SOURCES.rglob("*.[ch]pp")}
    fusing = SOURCES / "function" / "simplify.cpp"  # makes some of others
    for name in _core.operator_names():
        registering = [path for path, text in texts.items() if re.search(rf'Registered<\w+> \w+\("{name}"', text)]
        naming = [path for path, text in texts.items() if f'"{name}"' in text and path != fusing]
        assert len(registering) == 1, name
        assert naming == registering, name
        assert registering[0].parent == SOURCES / "operators"


@every_row
def test_batches_of_expressions(row: Row | GraphRow) -> None:
    """Every operator says how it works on several points at once, with the points as one more dimension."""
    function = function_of(row)
    X = np.random.default_rng(8).uniform(*row.between, (4, function.n_inputs))
    x = fastexpr.variables(X.shape)
    at_once = fastexpr.Function(x, function(x))
    assert error(at_once(X.ravel()).reshape(4, -1), function(X)) <= TOLERANCE
    one = fastexpr.variables((1, function.n_inputs))
    alone = fastexpr.Function(one, function(one))
    assert error(alone(X[0]), function(X[0])) <= TOLERANCE


def test_a_batch_needs_a_place_for_every_input() -> None:
    add = _core.Operator("Add", [(2,), (3, 2)])
    assert add.batched(4, [True, False]).input_shapes == ((4, 1, 2), (3, 2))
    assert add.batched(4, [True, True]).shape == (4, 3, 2)
    with pytest.raises(fastexpr.errors.GraphError, match=r"\[Add\] got 1 inputs .* expected 2"):
        add.batched(4, [True])


@every_row
def test_derivatives(row: Row | GraphRow) -> None:
    for i, x in enumerate(row.sample_points()):
        check_against(function_of(row), x, expected_of(row, i))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((40, 5, 8), (40, 1, 8)),
        ((40, 1, 8), (40, 5, 8)),
        ((50, 8, 5), (50, 8, 1)),
        ((9, 1, 8, 1), (1, 4, 8, 6)),
        ((3, 40, 1), (40, 13)),
        ((40, 1), (1, 40)),
    ],
    ids=str,
)
def test_long_outputs_are_broadcast(a: Shape, b: Shape) -> None:
    """Beyond a thousand numbers, where each reads from is found in another way."""
    nodes = Nodes(int(np.prod(a) + np.prod(b)))
    inputs = nodes.piece(0, 0, a), nodes.piece(0, int(np.prod(a)), b)
    product = nodes.function(nodes.add("Mul", *inputs))
    x, direction = np.random.default_rng(2).normal(size=(2, nodes.n))
    (u, v), (du, dv) = ((y[: np.prod(a)].reshape(a), y[np.prod(a) :].reshape(b)) for y in (x, direction))
    assert product.n_outputs > 1024
    assert error(product(x), (u * v).ravel()) == 0
    assert error(product.jvp(x, direction), (du * v + u * dv).ravel()) <= TOLERANCE
    weights = np.random.default_rng(3).normal(size=product.n_outputs)
    assert weights @ product.jvp(x, direction) == pytest.approx(product.vjp(x, weights) @ direction, rel=1e-11)
    low, high = product.output_bounds(x, x)
    assert np.all((low <= product(x)) & (product(x) <= high) & (high - low <= 1e-13 * (1 + np.abs(product(x)))))


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_derivatives_with_dense_tangents(row: Row) -> None:
    matrix = np.linalg.qr(np.random.default_rng(7).normal(size=(row.n, row.n)))[0]
    function = row.function(matrix)
    point = row.sample_points()[0]
    expected = expected_of(row, 0)
    turned = replace(expected, jacobian=expected.jacobian @ matrix, hessian=matrix.T @ expected.hessian @ matrix)
    check_against(function, matrix.T @ point, turned, 10 * TOLERANCE)


@every_row
def test_adjoint_is_the_transpose_of_the_tangent(row: Row | GraphRow) -> None:
    function = function_of(row)
    generator = np.random.default_rng(5)
    x = row.sample_points()[0]
    direction, weights = generator.normal(size=function.n_inputs), generator.normal(size=function.n_outputs)
    forward, backward = weights @ function.jvp(x, direction), function.vjp(x, weights) @ direction
    assert forward == pytest.approx(backward, rel=1e-11, abs=1e-13)


@every_row
def test_batch_equals_single_points(row: Row | GraphRow) -> None:
    function = function_of(row)
    generator = np.random.default_rng(6)
    X = generator.uniform(*row.between, (5, function.n_inputs))
    weights = generator.normal(size=(5, function.n_outputs))
    directions = generator.normal(size=X.shape)
    assert error(function(X), np.array([function(x) for x in X])) <= TOLERANCE
    assert error(function.jacobian(X), np.array([function.jacobian(x) for x in X])) <= TOLERANCE
    assert (
        error(function.hessian(X, weights), np.array([function.hessian(x, w) for x, w in zip(X, weights, strict=True)]))
        <= TOLERANCE
    )
    assert (
        error(function.jvp(X, directions), np.array([function.jvp(x, d) for x, d in zip(X, directions, strict=True)]))
        <= TOLERANCE
    )
    assert (
        error(function.vjp(X, weights), np.array([function.vjp(x, w) for x, w in zip(X, weights, strict=True)]))
        <= TOLERANCE
    )
    products = np.array([function.hvp(x, w, d) for x, w, d in zip(X, weights, directions, strict=True)])
    assert error(function.hvp(X, weights, directions), products) <= TOLERANCE


@every_row
def test_bounds_hold_what_is_sampled(row: Row | GraphRow) -> None:
    function = function_of(row)
    generator = np.random.default_rng(8)
    low, high = row.between
    boxes = [(center - radius, center + radius) for center in row.sample_points() for radius in (0.0, 1e-3, 0.5, 4.0)]
    boxes += [
        (np.full(row.n, low), np.full(row.n, high)),
        (generator.uniform(low, high, row.n), np.full(row.n, np.inf)),
    ]
    boxes += [
        (np.full(row.n, -np.inf), generator.uniform(low, high, row.n)),
        (np.full(row.n, -np.inf), np.full(row.n, np.inf)),
    ]
    for lower, upper in boxes:
        bound_below, bound_above = function.output_bounds(lower, upper)
        assert not np.isnan(bound_below).any()
        assert not np.isnan(bound_above).any()
        inside = generator.uniform(
            np.maximum(lower, np.minimum(upper, 0) - 50), np.minimum(upper, np.maximum(lower, 0) + 50), (200, row.n)
        )
        values = function(np.vstack([inside, np.maximum(lower, -HUGE), np.minimum(upper, HUGE)]))
        assert np.all((values >= bound_below) | np.isnan(values))  # NaN: outside of the domain
        assert np.all((values <= bound_above) | np.isnan(values))


@pytest.mark.parametrize("row", [row for row in ROWS if row.exact], ids=str)
def test_bounds_of_one_number_are_its_range(row: Row) -> None:
    function = function_of(replace(row, shapes=[(1,)]))
    for lower, upper in (
        (0.2, 0.5),
        (0.1, 3.5),
        (-2.0, -1.5),
        (-3.0, 2.0),
        (-1.2, -0.3),
        (-40.0, 3.0),
        (2.0, 2.0),
        (1.0, 9.0),
    ):
        if lower < row.domain[0] or upper > row.domain[1]:
            continue
        if row.has_poles and np.diff(np.floor(np.array([lower, upper]) / np.pi + 0.5)):
            continue
        values = function(np.linspace(lower, upper, 4001)[:, None])
        below, above = function.output_bounds([lower], [upper])
        slack = 1e-3 * (1 + abs(values).max()) if upper > lower else 1e-13 * (1 + abs(values).max())
        assert values.min() - slack <= below[0] <= values.min()
        assert values.max() <= above[0] <= values.max() + slack


def bounds_behind(build: Callable[[Nodes, int], int], lower: float, upper: float) -> tuple[float, float]:
    """Of a graph of one number."""
    nodes = Nodes(1)
    below, above = nodes.function(build(nodes, 0)).output_bounds([lower], [upper])
    return float(below[0]), float(above[0])


UNDEFINED: dict[str, tuple[Callable[[Nodes, int], int], float, float]] = {
    "Asin": (lambda nodes, x: nodes.add("Asin", x), 0.0, 3.0),
    "Acos": (lambda nodes, x: nodes.add("Acos", x), -2.0, 0.5),
    "Atanh": (lambda nodes, x: nodes.add("Atanh", x), 0.0, 1.5),
    "Acosh": (lambda nodes, x: nodes.add("Acosh", x), 0.0, 2.0),
    "Log": (lambda nodes, x: nodes.add("Log", x), -1.0, 2.0),
    "Sqrt": (lambda nodes, x: nodes.add("Sqrt", x), -1.0, 4.0),
    "Matern": (lambda nodes, x: nodes.add("Matern", x, nu=1.5), -1.0, 4.0),
    "Pow": (lambda nodes, x: nodes.add("Pow", x, nodes.constant([0.5])), -1.0, 4.0),
    "Pow of x": (lambda nodes, x: nodes.add("Pow", x, x), -1.0, 4.0),
    "0 / 0": (lambda nodes, x: nodes.add("Div", x, x), -1.0, 4.0),
    "Mod": (lambda nodes, x: nodes.add("Mod", nodes.constant([2.0]), x, fmod=1), -1.0, 4.0),
    "0 * inf": (lambda nodes, x: nodes.add("Mul", x, nodes.constant([np.inf])), -1.0, 4.0),
    "NaN": (lambda nodes, x: nodes.add("Add", x, nodes.constant([np.nan])), -1.0, 4.0),
}
BEHIND: dict[str, Callable[[Nodes, int], int]] = {
    "nothing": lambda nodes, u: u,
    "Less": lambda nodes, u: nodes.add("Less", u, nodes.constant([5.0])),
    "greater": lambda nodes, u: nodes.add("Less", nodes.constant([-50.0]), u),
    "LessOrEqual": lambda nodes, u: nodes.add("LessOrEqual", u, nodes.constant([5.0])),
    "Equal": lambda nodes, u: nodes.add("Equal", u, nodes.constant([50.0])),
    "Where as condition": lambda nodes, u: nodes.add(
        "Where", nodes.add("Less", u, nodes.constant([5.0])), nodes.constant([1.0]), nodes.constant([2.0])
    ),
    "Where as branch": lambda nodes, u: nodes.add("Where", nodes.add("Less", 0, nodes.constant([0.5])), u, 0),
    "Clip": lambda nodes, u: nodes.add("Clip", u, lower=-1.0, upper=1.0),
    "Sigmoid": lambda nodes, u: nodes.add("Sigmoid", u),
    "Relu": lambda nodes, u: nodes.add("Relu", u),
    "Sign": lambda nodes, u: nodes.add("Sign", u),
    "Floor": lambda nodes, u: nodes.add("Floor", u),
    "Max": lambda nodes, u: nodes.add("Max", u, nodes.constant([0.0])),
    "Mul by 0": lambda nodes, u: nodes.add("Mul", u, nodes.constant([0.0])),
    "Linear of 0": lambda nodes, u: nodes.add("Linear", u, axis=0, transposed=0, constants=[np.zeros((1, 1))]),
    "Conv": lambda nodes, u: nodes.add(
        "Conv", nodes.add("Reshape", u, shape=[1, 1, 1]), constants=[np.zeros((1, 1, 1))],
        axis=1, group=1, strides=[1], dilations=[1], pads=[0, 0], transposed=0,
    ),
    "MatMul": lambda nodes, u: nodes.add("MatMul", nodes.add("Reshape", u, shape=[1, 1]), nodes.constant([[0.0]])),
    "Hardmax": lambda nodes, u: nodes.add("Hardmax", nodes.add("Concat", u, 0, axis=0), axis=0, n_axes=1),
    "Softmax": lambda nodes, u: nodes.add("Softmax", nodes.add("Concat", u, 0, axis=0), axis=0, n_axes=1),
    "LogSoftmax": lambda nodes, u: nodes.add("LogSoftmax", nodes.add("Concat", 0, u, axis=0), axis=0, n_axes=1),
    "CumSum": lambda nodes, u: nodes.add("CumSum", u, axis=0, n_axes=1, exclusive=0, reverse=0),
    **{
        name: partial(
            lambda nodes, u, name: nodes.add(name, nodes.add("Concat", 0, u, axis=0), axis=0, n_axes=1, keepdims=0),
            name=name,
        )
        for name in ("ReduceSum", "ReduceMean", "ReduceMax", "ReduceProd", "ReduceL2", "ReduceLogSumExp")
    },
}  # fmt: skip


@pytest.mark.parametrize("behind", BEHIND)
@pytest.mark.parametrize("name", UNDEFINED)
def test_what_may_be_nan_has_no_bounds_and_nothing_behind_it_has(name: str, behind: str) -> None:
    build, lower, upper = UNDEFINED[name]
    bounds = bounds_behind(lambda nodes, x: BEHIND[behind](nodes, build(nodes, x)), lower, upper)
    assert bounds == (-np.inf, np.inf)


@pytest.mark.parametrize("behind", [name for name in BEHIND if name != "Where as branch"])
def test_what_is_defined_everywhere_keeps_its_bounds(behind: str) -> None:
    below, above = bounds_behind(BEHIND[behind], 0.25, 0.5)
    assert np.isfinite([below, above]).all()


def test_an_unknown_condition_says_which_branch_only_where_it_is_known() -> None:
    def build(nodes: Nodes, x: int) -> int:
        """The root is not looked at for these x, and need not exist."""
        condition = nodes.add("Less", x, nodes.constant([0.0]))
        return nodes.add("Where", condition, nodes.add("Neg", x), nodes.add("Sqrt", x))

    assert bounds_behind(build, -3.0, -1.0) == pytest.approx((1.0, 3.0))
    assert bounds_behind(build, -3.0, 1.0) == (-np.inf, np.inf)
    assert bounds_behind(build, 1.0, 4.0) == pytest.approx((1.0, 2.0))


@pytest.mark.parametrize("name", ["Acos", "Asin"])
@pytest.mark.parametrize("inner", ["Sin", "Tanh", "Clip"])
def test_bounds_at_the_edge_of_a_domain_are_inside(name: str, inner: str) -> None:
    """The margin for rounding does not leave it."""
    attributes = {"lower": -1.0, "upper": 1.0} if inner == "Clip" else {}
    bounds = bounds_behind(lambda nodes, x: nodes.add(name, nodes.add(inner, x, **attributes)), -50.0, 50.0)
    assert bounds == pytest.approx((0.0, np.pi) if name == "Acos" else (-np.pi / 2, np.pi / 2))


@pytest.mark.parametrize(
    ("name", "attributes", "bounds"),
    [
        ("LeakyRelu", {"alpha": 0.0}, (0.0, np.inf)),
        ("HardSigmoid", {"alpha": 0.0, "beta": 0.5}, (0.5, 0.5)),
        ("Sigmoid", {}, (0.0, 1.0)),
        ("Relu", {}, (0.0, np.inf)),
        ("Clip", {"lower": -1.0, "upper": 1.0}, (-1.0, 1.0)),
        ("Exp", {}, (0.0, np.inf)),
        ("Sin", {}, (-1.0, 1.0)),
    ],
)
def test_an_infinite_box_is_no_nan(name: str, attributes: dict[str, Any], bounds: tuple[float, float]) -> None:
    assert bounds_behind(lambda nodes, x: nodes.add(name, x, **attributes), -np.inf, np.inf) == pytest.approx(bounds)


@every_row
def test_sparsity_is_that_of_the_derivatives(row: Row | GraphRow) -> None:
    function = function_of(row)
    jacobian_pattern, hessian_pattern = (pattern.toarray() for pattern in function.sparsity())
    generator = np.random.default_rng(9)
    X = generator.uniform(*row.between, (40, row.n))
    nonzero_jacobian = (function.jacobian(X) != 0).any(axis=0)
    weights = generator.uniform(0.5, 1.5, (40, function.n_outputs))
    nonzero_hessian = (function.hessian(X, weights) != 0).any(axis=0)
    if row.has_exact_pattern:
        np.testing.assert_array_equal(jacobian_pattern, nonzero_jacobian)
        np.testing.assert_array_equal(hessian_pattern, nonzero_hessian)
    else:
        assert not (nonzero_jacobian & ~jacobian_pattern).any()
        assert not (nonzero_hessian & ~hessian_pattern).any()
        assert jacobian_pattern.sum() < jacobian_pattern.size
    x, w = X[0], weights[0]
    assert error(function.jacobian(x, sparse=True).toarray(), function.jacobian(x)) <= TOLERANCE
    assert error(function.hessian(x, w, sparse=True).toarray(), function.hessian(x, w)) <= TOLERANCE


def test_convolutions_keep_images_apart() -> None:
    """Behind a dense layer the units of an image share their dependence; those of two images do not."""
    nodes = Nodes(6)
    rows = nodes.add("Reshape", 0, shape=[2, 3])
    images = nodes.add("Linear", rows, axis=1, transposed=0, constants=[np.ones((4, 3))])
    stacked = nodes.add("Reshape", nodes.add("Tanh", images), shape=[2, 1, 4])
    function = nodes.function(
        nodes.add(
            "Conv",
            stacked,
            constants=[np.ones((2, 1, 2))],
            axis=1,
            group=1,
            strides=[1],
            dilations=[1],
            pads=[0, 0],
            transposed=0,
        )
    )
    jacobian, hessian = (pattern.toarray() for pattern in function.sparsity())
    np.testing.assert_array_equal(jacobian, np.kron(np.eye(2), np.ones((6, 3))))
    np.testing.assert_array_equal(hessian, np.kron(np.eye(2), np.ones((3, 3))))


def test_derivatives_of_matrices_that_x_enters_at_once() -> None:
    """The tangent of x is the identity, which is not written out."""
    matrix = np.array([[1.0, 0, -2], [0, 0, 3], [0.5, 4, 0], [0, 0, 0]])
    rows, columns = np.nonzero(matrix)
    starts = np.searchsorted(rows, np.arange(5)).astype(np.int64)
    for name, constants, attributes in (
        ("SparseLinear", [starts, columns.astype(np.int64), matrix[rows, columns]], {}),
        ("Linear", [matrix], {"transposed": 0}),
        ("Linear", [np.ascontiguousarray(matrix.T)], {"transposed": 1}),
    ):
        nodes = Nodes(3)
        function = nodes.function(nodes.add("Tanh", nodes.add(name, 0, axis=0, constants=constants, **attributes)))
        X = np.random.default_rng(1).normal(size=(3, 3))
        expected = (1 - np.tanh(X @ matrix.T) ** 2)[:, :, None] * matrix
        assert error(function.jacobian(X), expected) <= TOLERANCE
        assert error(function.jacobian(X[0]), expected[0]) <= TOLERANCE


@every_row
def test_influence_is_all_that_moves_the_value(row: Row | GraphRow) -> None:
    """Steps and conditions included: the value moves with no other component."""
    function = function_of(row)
    starts, columns = function._influence()
    influences = np.zeros((function.n_outputs, row.n), bool)
    influences[np.repeat(np.arange(function.n_outputs), np.diff(starts)), columns] = True
    generator = np.random.default_rng(9)
    X, Y = (generator.uniform(*row.between, (20, row.n)) for _ in range(2))
    moves = np.zeros_like(influences)
    for k in range(row.n):
        changed = X.copy()
        changed[:, k] = Y[:, k]
        moves[:, k] = (function(changed) != function(X)).any(axis=0)
    assert not (moves & ~influences).any()


# ---- values against ONNX's reference evaluator


@pytest.mark.parametrize("row", [row for row in ROWS if row.onnx], ids=str)
def test_value_is_that_of_onnx(row: Row) -> None:
    assert row.onnx is not None
    operator, attributes, *extra = row.onnx
    names = [f"input{k}" for k in range(len(row.shapes) + len(extra))]
    node = onnx.helper.make_node(operator, names, ["y"], **attributes)
    declared = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.DOUBLE, None) for name in names[: len(row.shapes)]
    ]
    given = [
        onnx.numpy_helper.from_array(np.asarray(number), name)
        for number, name in zip(extra, names[len(row.shapes) :], strict=True)
    ]
    given = [
        onnx.numpy_helper.from_array(number.astype(np.float64), tensor.name) if number.dtype == np.float32 else tensor
        for number, tensor in zip(extra, given, strict=True)
    ]
    result = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.DOUBLE, None)
    graph = onnx.helper.make_graph([node], "row", declared, [result], given)
    evaluator = onnx.reference.ReferenceEvaluator(
        onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)])
    )
    x = row.sample_points()[0]
    feeds = {}
    first = 0
    for k, shape in enumerate(row.shapes):
        size = int(np.prod(shape))
        feeds[names[k]] = row.fixed[k] if k in row.fixed else x[first : first + size].reshape(shape)
        first += 0 if k in row.fixed else size
    (value,) = evaluator.run(None, feeds)
    function = function_of(row)
    assert tuple(function.outputs["y0"]) == np.shape(value)
    tolerance = (
        1e-6 if operator in ("Gelu", "Erf") or value.dtype == np.float32 else TOLERANCE
    )  # its erf has seven digits
    assert error(function(x), np.ravel(value)) <= tolerance


# ---- unary operators against mpmath, at ordinary and extreme arguments, with relative errors of single numbers

ARGUMENTS = [
    sign * magnitude
    for magnitude in (
        0.0,
        1e-300,
        1e-160,
        1e-12,
        1e-3,
        0.3,
        0.9,
        1.7,
        2.9,
        6.1,
        17.0,
        36.5,
        99.0,
        700.0,
        800.0,
        1e4,
        1e153,
        1e300,
    )
    for sign in (1.0, -1.0)
]


@pytest.mark.parametrize("row", [row for row in ROWS if row.exact], ids=str)
@pytest.mark.parametrize("order", [0, 1, 2], ids=["value", "first derivative", "second derivative"])
def test_unary_operators_keep_their_digits_everywhere(row: Row, order: int) -> None:
    function = function_of(replace(row, shapes=[(1,)]))
    one = np.ones(1)
    with mp.workdps(60):
        for argument in ARGUMENTS:
            if not row.domain[0] < argument < row.domain[1] or argument in row.at_kinks:
                continue
            x = np.array([argument])
            got = (function(x), function.vjp(x, one), function.hvp(x, one, one))[order][0]
            wanted = row.exact[order](mp.mpf(argument))
            if abs(wanted) > 1.7e308:
                assert not np.isfinite(got)
                continue
            # A tail such as exp(-u^2 / 2) magnifies the rounding of its exponent.
            digits = 2e-14 * max(1.0, min(abs(argument), 40.0)) ** 2
            assert abs(mp.mpf(float(got)) - wanted) <= digits * abs(wanted) + 1e-305, (
                f"at {argument}: got {got}, expected {wanted}"
            )


def arguments_of_all_sizes(row: Row) -> np.ndarray:
    generator = np.random.default_rng(5)
    exponents = np.concatenate([np.arange(-1074, 1024, 12), np.arange(-11, 10).repeat(4)])
    sizes = np.ldexp(generator.uniform(1, 2, exponents.size), exponents)
    both = np.concatenate([sizes, -sizes])
    return both[(row.domain[0] < both) & (both < row.domain[1]) & ~np.isin(both, list(row.at_kinks))]


@pytest.mark.parametrize("row", [row for row in ROWS if row.exact], ids=str)
def test_unary_operators_are_right_in_every_binade(row: Row) -> None:
    x = arguments_of_all_sizes(row)
    function = function_of(replace(row, shapes=[x.shape]))
    ones = np.ones(x.size)
    with mp.workdps(60):
        for order, found in enumerate((function(x), function.vjp(x, ones), function.hvp(x, ones, ones))):
            for argument, got in zip(x.tolist(), found.tolist(), strict=True):
                wanted = row.exact[order](mp.mpf(argument))
                if abs(wanted) < 1.7e308:
                    assert abs(got - wanted) <= 1e-15 * max(1, abs(wanted)), (order, argument, got, wanted)
                else:
                    assert abs(got) >= 1.7e308, (order, argument, got, wanted)


@pytest.mark.parametrize("row", [row for row in ROWS if row.at_kinks], ids=str)
def test_derivative_at_kinks_is_the_one_promised(row: Row) -> None:
    function = function_of(replace(row, shapes=[(1,)]))
    operator = _core.Operator(row.name, [(1,)], row.attributes, list(row.constants))
    jumps = [
        kink
        for kink in row.at_kinks
        if function.vjp([kink - 1e-9], [1.0]) != pytest.approx(function.vjp([kink + 1e-9], [1.0]))
        or function([kink - 1e-9]) != pytest.approx(function([kink + 1e-9]), abs=1e-6)
    ]
    assert sorted(operator.kinks) == sorted(jumps)
    for kink, slope in row.at_kinks.items():
        assert function.jacobian([kink]) == pytest.approx(slope, rel=1e-15)
        assert function.vjp([kink], [1.0]) == pytest.approx(slope, rel=1e-15)


def test_the_norm_has_no_slope_at_the_origin() -> None:
    row = next(row for row in ROWS if row.name == "ReduceL2")
    function, zeros = function_of(row), np.zeros(row.n)
    assert not function(zeros).any()
    assert not function.jacobian(zeros).any()
    assert not function.vjp(zeros, np.ones(function.n_outputs)).any()


def test_operators_without_kinks_name_none() -> None:
    for row in ROWS:
        if not row.at_kinks and row.name not in ("Max", "Min", "PRelu", "Less", "LessOrEqual", "Equal"):
            assert not _core.Operator(row.name, list(row.shapes), row.attributes, list(row.constants)).kinks


@pytest.mark.parametrize("row", [row for row in ROWS if row.limits], ids=str)
def test_infinite_arguments_give_limits_and_nan_stays(row: Row) -> None:
    nodes = Nodes(3)
    argument = nodes.add("Add", nodes.constant([-np.inf, np.inf, np.nan]), 0)  # x itself must be finite
    function = nodes.function(nodes.add(row.name, argument, **row.attributes))
    values = function(np.zeros(3))
    np.testing.assert_allclose(values[:2], row.limits, rtol=1e-15)
    assert np.isnan(values[2])
    slopes = function.vjp(np.zeros(3), np.ones(3))
    bends = function.hvp(np.zeros(3), np.ones(3), np.ones(3))
    has_slope = ~np.isnan(row.limits) & (
        row.name not in ("Cosh", "Exp", "Sinh", "Square")
    )  # their slope is infinite at inf: 0 * inf
    assert not np.isnan([slopes[:2], bends[:2]])[:, has_slope].any()


def test_every_unary_operator_says_its_limits() -> None:
    assert {row.name for row in ROWS if row.exact or row.at_kinks} == {row.name for row in ROWS if row.limits}


# ---- saturation: digits that a plain formula loses


@pytest.mark.parametrize("logits", [(18.0, 0.0, -3.0), (40.0, 1.0, 3.0), (-700.0, 0.0, 5.0)])
def test_saturated_softmax_keeps_the_digits_of_its_derivatives(logits: tuple[float, ...]) -> None:
    function = function_of(next(row for row in ROWS if row.name == "Softmax" and row.shapes[0] == (4,)))
    x = np.array([*logits, 0.5])
    with mp.workdps(60):
        e = [mp.exp(mp.mpf(u)) for u in x]
        p = [number / sum(e) for number in e]
        jacobian = np.array([[float(p[i] * ((i == j) - p[j])) for j in range(4)] for i in range(4)])
        a = [mp.mpf(weight) for weight in (0.3, -1.0, 2.0, 0.7)]
        mean = sum(p[i] * a[i] for i in range(4))
        g = [p[i] * (a[i] - mean) for i in range(4)]
        hessian = np.array([[float((i == j) * g[i] - g[i] * p[j] - p[i] * g[j]) for j in range(4)] for i in range(4)])
    np.testing.assert_allclose(function.jacobian(x), jacobian, rtol=1e-12, atol=1e-300)
    np.testing.assert_allclose(function.vjp(x, [0.3, -1.0, 2.0, 0.7]), [float(number) for number in g], rtol=1e-12)
    assert error(function.hessian(x, [0.3, -1.0, 2.0, 0.7]), hessian) <= TOLERANCE


def test_saturated_log_softmax_keeps_the_digits_of_its_derivatives() -> None:
    function = function_of(next(row for row in ROWS if row.name == "LogSoftmax" and row.shapes[0] == (4,)))
    x = np.array([30.0, 0.0, -3.0, 0.5])
    with mp.workdps(60):
        e = [mp.exp(mp.mpf(u)) for u in x]
        p = [number / sum(e) for number in e]
        gradient = [float((i == 0) - p[i]) for i in range(4)]
        value = float(mp.log(p[0]))
    assert function(x)[0] == pytest.approx(value, rel=1e-13)
    np.testing.assert_allclose(function.vjp(x, [1.0, 0, 0, 0]), gradient, rtol=1e-12)
    np.testing.assert_allclose(function.jacobian(x)[0], gradient, rtol=1e-12)


@pytest.mark.parametrize("row", [row for row in ROWS if row.exact], ids=str)
def test_derivatives_keep_twelve_digits_over_the_whole_range(row: Row) -> None:
    """Relative errors of single numbers; what is left far out is the rounding of an exponent, u^2 / 2 in Gelu."""
    generator = np.random.default_rng(2)
    sizes = np.concatenate([np.linspace(0.02, 45, 150), 2.0 ** generator.uniform(-30, 10, 150)])
    x = np.concatenate([sizes, -sizes])
    x = x[(row.domain[0] < x) & (x < row.domain[1]) & ~np.isin(x, list(row.at_kinks))]
    function = function_of(replace(row, shapes=[x.shape]))
    one = np.ones(x.size)
    with mp.workdps(60):
        for order, found in enumerate((function(x), function.vjp(x, one), function.hvp(x, one, one))):
            for argument, got in zip(x.tolist(), found.tolist(), strict=True):
                wanted = row.exact[order](mp.mpf(argument))
                if not 1e-290 < abs(wanted) < 1e300:
                    continue
                assert abs(got - wanted) <= 2.5e-13 * abs(wanted), (order, argument, got, wanted)


# ---- the checker itself


@pytest.mark.parametrize("field", ["value", "jacobian", "hessian"])
@pytest.mark.parametrize("name", ["Tanh", "Softmax", "Mul", "Pow"])
def test_a_wrong_reference_is_caught(name: str, field: str) -> None:
    row = next(row for row in ROWS if row.name == name)
    x, expected = row.sample_points()[0], expected_of(row, 0)
    check_against(function_of(row), x, expected)
    wrong = np.array(getattr(expected, field))
    wrong.flat[np.argmax(np.abs(wrong))] *= 1 + 1e-10
    with pytest.raises(AssertionError):
        check_against(function_of(row), x, replace(expected, **{field: wrong}))


def test_a_wrong_derivative_rule_is_caught() -> None:
    class NearlyTanh(torch.autograd.Function):
        @staticmethod
        def forward(context: Any, u: torch.Tensor) -> torch.Tensor:
            context.save_for_backward(u)
            return torch.tanh(u)

        @staticmethod
        def backward(context: Any, *adjoints: torch.Tensor) -> torch.Tensor:
            (u,) = context.saved_tensors
            return (1 + 1e-10) * adjoints[0] * (1 - torch.tanh(u) ** 2)

    row = next(row for row in ROWS if row.name == "Tanh")
    x = row.sample_points()[0]
    with pytest.raises(AssertionError):
        check_against(function_of(row), x, expected_at(NearlyTanh.apply, x))


# ---- what is refused


def refused(
    name: str, shapes: list[tuple[int, ...]], constants: list[np.ndarray] | None = None, **attributes: Any
) -> str:
    with pytest.raises((fastexpr.errors.GraphError, fastexpr.errors.ShapeError)) as caught:
        _core.Operator(name, shapes, attributes, constants or [])
    message = str(caught.value)
    assert message.startswith(f"[{name}") or name not in _core.operator_names()
    return message


def test_unknown_operators_are_refused_with_the_known_ones() -> None:
    message = refused("Tangent", [(2,)])
    assert "Tangent" in message
    assert all(name in message for name in _core.operator_names())


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_wrong_number_of_inputs_is_refused(row: Row) -> None:
    shapes = [*row.shapes, (1,)] if row.name != "Concat" else []
    with pytest.raises(fastexpr.errors.FastexprError, match="inputs"):
        _core.Operator(row.name, shapes, row.attributes, list(row.constants))


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(
    "row", [row for row in ROWS if any(isinstance(value, float) for value in row.attributes.values())], ids=str
)
def test_settings_that_are_not_finite_are_refused(row: Row, number: float) -> None:
    for attribute in row.attributes:
        message = refused(row.name, list(row.shapes), list(row.constants), **{**row.attributes, attribute: number})
        assert attribute in message


def test_missing_settings_are_named() -> None:
    assert "alpha" in refused("Elu", [(2,)])
    assert "axis" in refused("Softmax", [(2,)], n_axes=1)


def test_shapes_and_axes_that_do_not_fit_are_refused() -> None:
    assert "(2,)" in refused("Add", [(2,), (3,)])
    assert "axis" in refused("Softmax", [(2, 3)], axis=2, n_axes=1)
    assert "axis" in refused("Softmax", [(2, 3)], axis=-1, n_axes=1)
    assert "axes" in refused("LogSoftmax", [(2, 3)], axis=1, n_axes=2)
    assert "axes" in refused("ReduceSum", [(2, 3)], axis=0, n_axes=0, keepdims=0)
    assert "keepdims" in refused("ReduceMean", [(2, 3)], axis=0, n_axes=1, keepdims=2)
    assert "axis" in refused("Concat", [(2, 3), (2, 3)], axis=2)
    assert "(2, 4)" in refused("Concat", [(2, 3), (2, 4)], axis=0)
    assert "elements" in refused("Reshape", [(2, 3)], shape=[4])
    assert "negative" in refused("Reshape", [(2, 3)], shape=[-1, 6])
    assert "inner lengths" in refused("MatMul", [(2, 3), (2, 3)])
    assert "two dimensions" in refused("MatMul", [(3,), (3, 2)])
    assert "leading dimensions" in refused("MatMul", [(2, 2, 3), (3, 3, 2)])


def test_indices_are_checked() -> None:
    assert "out of range" in refused("Select", [(3,)], [np.array([0, 3])], shape=[2])
    assert "out of range" in refused("Select", [(3,)], [np.array([-1, 0])], shape=[2])
    assert "number of indices" in refused("Select", [(3,)], [np.array([0])], shape=[2])
    assert "int64" in refused("Select", [(3,)], [np.array([0.0, 1.0])], shape=[2])
    assert "int64" in refused("Select", [(3,)], shape=[2])
