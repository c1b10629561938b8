"""The methods of a Function that live in Python: ports, names, bounds, scaling, kinks, check of derivatives."""

import copy
import doctest
import pickle

import numpy as np
import pytest

import fastexpr as fx
import fastexpr.function
from fastexpr.errors import DerivativeError, EvaluationError, FastexprError, GraphError, ShapeError
from fastexpr.function import derivative_check, kink, ports, variants

random = np.random.default_rng(3)
W1, B1, W2 = random.standard_normal((8, 4)), random.standard_normal(8), random.standard_normal((3, 8))
X = random.standard_normal(4)


def network(activation=np.tanh):
    x = fx.variables(4)
    return fx.Function(x, W2 @ activation(W1 @ x + B1))


def relu(x):
    return np.maximum(x, 0.0)


def several_ports():
    image, temperature = fx.variables((1, 2, 3)), fx.variables(1)
    return fx.Function([image, temperature], [image.sum(axis=2) * temperature, temperature**2])


# ---- ports ----------------------------------------------


def test_pack_joins_in_declared_order():
    f = several_ports()
    image = np.arange(6.0).reshape(2, 3)
    expected = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 300.0]
    for given in (image, image.ravel(), image.tolist()):
        np.testing.assert_array_equal(f.pack(x1=300.0, x0=given), expected)
    # the file's literal shape, beside one number
    np.testing.assert_array_equal(f.pack(x0=image[None], x1=300.0), expected)
    np.testing.assert_array_equal(f.pack(x0=image[None], x1=[300.0]), [expected])  # a batch of one


def test_pack_and_unpack_of_batches():
    f = several_ports()
    images, temperatures = random.standard_normal((5, 2, 3)), random.standard_normal((5, 1))
    for given in (temperatures, temperatures[:, 0]):
        x = f.pack(x0=images, x1=given)
        assert x.shape == (5, 7)
    y = f.unpack(f(x))
    np.testing.assert_allclose(y["y0"], images.sum(axis=2) * temperatures)
    np.testing.assert_allclose(y["y1"], temperatures[:, 0] ** 2)
    one = f.unpack(f(x[2]))
    assert one["y0"].shape == (2,)
    assert one["y1"].shape == ()
    np.testing.assert_allclose(one["y0"], y["y0"][2])


def test_pack_and_unpack_of_expressions():
    f = several_ports()
    x = fx.variables(4)
    image = np.outer(x[:2], x[1:])
    y = f.unpack(f(f.pack(x0=image, x1=x[3])))
    assert y["y0"].shape == (2,)
    assert y["y1"].shape == ()
    g = fx.Function(x, [y["y1"], y["y0"]])
    expected = f.unpack(f(f.pack(x0=np.outer(X[:2], X[1:]), x1=X[3])))
    np.testing.assert_allclose(g(X), [expected["y1"], *expected["y0"]], rtol=1e-14)
    assert f.pack(x0=np.stack([image, image]), x1=[x[0], 300.0]).shape == (2, 7)


PACK_ERRORS = {
    "missing": ({"x0": np.zeros(6)}, r"got x0, expected x0, x1"),
    "unknown": ({"x0": np.zeros(6), "x1": 1.0, "z": 1.0}, r"got x0, x1, z"),
    "shape": ({"x0": np.zeros(5), "x1": 1.0}, r"'x0': got \(5,\), expected \(2, 3\), or \(B, 2, 3\)"),
    "batches": ({"x0": np.zeros((4, 6)), "x1": np.zeros((5, 1))}, r"not one batch"),
    "batch and point": ({"x0": np.zeros((4, 6)), "x1": 1.0}, r"not one batch"),
}


@pytest.mark.parametrize("name", PACK_ERRORS)
def test_pack_refuses(name):
    inputs, message = PACK_ERRORS[name]
    with pytest.raises(ShapeError, match=message):
        several_ports().pack(**inputs)


def test_unpack_refuses():
    with pytest.raises(ShapeError, match=r"got \(4,\), expected \(3,\), or \(B, 3\)"):
        several_ports().unpack(np.zeros(4))


# ---- variants ----------------------------------------------


def test_with_names():
    net = network()
    named = net.with_names(inputs=["a", "b", "c", "d"])
    assert named.input_names == ("a", "b", "c", "d")
    assert named.output_names == net.output_names
    assert named.with_names(outputs=("u", "v", "w")).input_names == ("a", "b", "c", "d")
    assert net.input_names == ("x[0]", "x[1]", "x[2]", "x[3]")
    np.testing.assert_array_equal(named(X), net(X))
    for wrong, error, message in (
        (["a"], ShapeError, "got 1, expected 4"), ("abcd", TypeError, r"list of names"),
        (["a", "b", "a", "c"], GraphError, "'a'"), (["a", "b", "", "c"], GraphError, "empty"),
        ([1, 2, 3, 4], TypeError, "text"),
    ):  # fmt: skip
        with pytest.raises(error, match=message):
            net.with_names(inputs=wrong)


def test_with_bounds():
    net = network()
    assert net.lower is None
    assert net.upper is None
    bounded = net.with_bounds(-1.0, [1.0, 2.0, np.inf, 4.0])
    np.testing.assert_array_equal(bounded.lower, [-1.0] * 4)
    np.testing.assert_array_equal(bounded.upper, [1.0, 2.0, np.inf, 4.0])
    np.testing.assert_array_equal(net.with_bounds(upper=0.0).lower, [-np.inf] * 4)
    assert bounded.with_bounds().lower is None
    with pytest.raises(ValueError, match="read-only"):
        bounded.lower[0] = 3.0
    np.testing.assert_array_equal(bounded(X), net(X))
    for lower, upper, error, message in (
        (np.nan, 1.0, ValueError, r"lower is NaN at 'x\[0\]'"),
        (0.0, [1.0, 1.0, -1.0, 1.0], ValueError, r"above upper at 'x\[2\]'"),
        ([0.0, 1.0], 2.0, ShapeError, r"got \(2,\), expected one number or \(4,\)"),
    ):  # fmt: skip
        with pytest.raises(error, match=message):
            net.with_bounds(lower, upper)


def test_scaled_is_the_formula():
    net = network().with_bounds(-1.0, [1.0, 2.0, np.inf, 4.0]).with_names(inputs=list("abcd"))
    offset_in, factor_in = random.standard_normal(4), random.uniform(0.5, 2.0, 4)
    offset_out, factor_out = random.standard_normal(3), random.uniform(0.5, 2.0, 3)
    physical = net.scaled(offset_in, factor_in, offset_out, factor_out)
    np.testing.assert_array_equal(physical(X), offset_out + factor_out * net((X - offset_in) / factor_in))
    inner = net.jacobian((X - offset_in) / factor_in)
    np.testing.assert_allclose(physical.jacobian(X), factor_out[:, None] * inner / factor_in, rtol=1e-14)
    np.testing.assert_allclose(physical.lower, offset_in - factor_in, rtol=1e-15)
    np.testing.assert_array_equal(physical.upper[2], np.inf)
    assert physical.input_names == ("a", "b", "c", "d")
    assert physical.inputs == net.inputs
    batch = random.standard_normal((5, 4))
    np.testing.assert_allclose(physical(batch)[3], physical(batch[3]), rtol=1e-14)
    physical.check_derivatives(X)


def test_scaled_of_several_ports_and_of_variables():
    f = several_ports()
    x = random.standard_normal(7)
    np.testing.assert_allclose(
        f.scaled(1.0, 2.0, [1.0, 2.0, 3.0], 4.0)(x), [1.0, 2.0, 3.0] + 4.0 * f((x - 1.0) / 2.0), rtol=1e-15
    )
    v = fx.variables(2)
    np.testing.assert_array_equal(fx.Function(v, v).scaled(1.0, 2.0, 3.0, 5.0)([5.0, 1.0]), [13.0, 3.0])
    np.testing.assert_array_equal(fx.Function(v, v).scaled(output_factor=5.0)([5.0, 1.0]), [25.0, 5.0])
    assert len(f.scaled()._nodes()) == len(f._nodes())


@pytest.mark.parametrize(("settings", "error", "message"), [
    ({"input_factor": 0.0}, ValueError, "input_factor must be positive and finite: got 0.0 at position 0"),
    ({"output_factor": [1.0, -1.0, 1.0]}, ValueError, "position 1"), ({"input_factor": np.inf}, ValueError, "inf"),
    ({"input_offset": np.nan}, ValueError, "input_offset must be finite"),
    ({"output_offset": [1.0]}, ShapeError, r"output_offset has the wrong shape: got \(1,\), expected one .* \(3,\)"),
])  # fmt: skip
def test_scaled_refuses(settings, error, message):
    with pytest.raises(error, match=message):
        network().scaled(**settings)


def test_functions_are_immutable():
    net = network()
    assert copy.copy(net) is net
    assert copy.deepcopy(net) is net
    assert copy.deepcopy([net])[0] is net


@pytest.mark.parametrize(
    "activation", [np.tanh, relu, np.exp, np.sin, lambda x: x / (1.0 + x**2), lambda x: np.clip(x, -0.5, 0.5)]
)
def test_output_bounds_enclose_samples(activation):
    net = network(activation)
    lower, upper = X - 0.2, X + 0.3
    low, high = net.output_bounds(lower, upper)
    assert low.shape == high.shape == (3,)
    values = net(random.uniform(lower, upper, (2000, 4)))
    assert (values >= low - 1e-12).all()
    assert (values <= high + 1e-12).all()
    low, high = net.output_bounds(X, X)
    np.testing.assert_allclose(low, net(X), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(high, net(X), rtol=1e-9, atol=1e-9)


def test_to_onnx_keeps_values_names_and_bounds(tmp_path):
    net = network().scaled(1.0, 2.0, 3.0, 4.0).with_bounds(-1.0, 1.0).with_names(inputs=list("abcd"))
    net.to_onnx(tmp_path / "net.onnx")
    again = fx.load_onnx(tmp_path / "net.onnx", check=True)
    np.testing.assert_allclose(again(X), net(X), rtol=1e-12)
    assert (again.input_names, again.output_names, again.inputs) == (net.input_names, net.output_names, net.inputs)
    np.testing.assert_array_equal(again.upper, net.upper)
    net.to_onnx(tmp_path / "single.onnx", dtype=np.float32)
    np.testing.assert_allclose(fx.load_onnx(tmp_path / "single.onnx")(X), net(X), rtol=1e-5)


def test_functions_pickle():
    net = network().with_names(inputs=list("abcd"))
    again = pickle.loads(pickle.dumps(net))
    np.testing.assert_array_equal(again(X), net(X))
    assert again.input_names == net.input_names


# ---- kinks ----------------------------------------------


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_functions_pickle_by_every_protocol(protocol):
    x = fx.variables(2)
    square = pickle.loads(pickle.dumps(fx.Function(x, x**2), protocol))
    assert square([2.0, 3.0]).tolist() == [4.0, 9.0]


def test_arrays_of_objects_that_are_numbers():
    x = fx.variables(2)
    square = fx.Function(x, x**2)
    assert square(np.array([2, np.float32(3)], dtype=object)).tolist() == [4.0, 9.0]
    for entries in ([2.0, None], ["2", 3.0], [2j, 3.0]):
        with pytest.raises(TypeError, match="x must hold real numbers"):
            square(np.array(entries, dtype=object))
    assert isinstance(square(np.array([x[0], 3.0], dtype=object)), type(x))


def test_out_of_the_wrong_kind_is_named():
    x = fx.variables(2)
    square = fx.Function(x, x**2)
    fixed = np.empty(2)
    fixed.flags.writeable = False
    for out, message in [
        (np.empty(4)[::2], "not C-contiguous"),
        (fixed, "a read-only array"),
        (np.empty(2, "f4"), "float32"),
    ]:
        with pytest.raises(ValueError, match=message):
            square([2.0, 3.0], out=out)


def test_kinks_are_the_nearest_units():
    net = network(relu)
    arguments = W1 @ X + B1
    found = net.kinks(X)
    assert [kink.unit for kink in found] == [(int(k),) for k in np.argsort(np.abs(arguments))]
    assert found[0].operator == "Relu"
    assert found[0].kink == 0.0
    np.testing.assert_allclose(
        [kink.argument for kink in found], arguments[[kink.unit[0] for kink in found]], rtol=1e-14
    )
    np.testing.assert_allclose([kink.distance for kink in found], np.sort(np.abs(arguments)), rtol=1e-14)
    assert len(net.kinks(X, count=3)) == 3
    assert network().kinks(X) == []
    assert "Relu" in repr(found)
    assert "distance" in str(found[0])


def test_kinks_of_two_numbers_are_where_they_are_equal():
    x = fx.variables(4)
    found = fx.Function(x, np.maximum(x[:3], x[3])).kinks([1.0, 2.5, -4.0, 2.0])
    assert [(kink.operator, kink.unit, kink.kink) for kink in found] == [("Max", (k,), 0.0) for k in (1, 0, 2)]
    assert [kink.distance for kink in found] == [0.5, 1.0, 6.0]


def test_kinks_of_several_nodes_and_of_x_itself():
    x = fx.variables(3)
    f = fx.Function(x, np.abs(x).sum() + np.clip(x, -1.0, 2.0).reshape(3, 1).sum() + np.tanh(x[0]))
    found = f.kinks([1.9, -0.7, 50.0], count=None)
    assert len(found) == 6
    assert [(kink.operator, kink.unit, kink.kink) for kink in found[:3]] == [
        ("Clip", (0,), 2.0),
        ("Clip", (1,), -1.0),
        ("Abs", (1,), 0.0),
    ]
    with pytest.raises(ShapeError, match="one point"):
        f.kinks(np.zeros((2, 3)))


# ---- check of derivatives ----------------------------------------------


class Wrong:
    """A function that gives wrong derivatives."""

    def __init__(self, function, **methods):
        self.function, self.methods = function, methods

    def __getattr__(self, name):
        return self.methods.get(name) or getattr(self.function, name)

    def __call__(self, x):
        return self.function(x)


@pytest.mark.parametrize(
    "activation", [np.tanh, relu, np.exp, np.sin, np.expm1, lambda x: x**3, lambda x: np.sqrt(1.0 + x**2)]
)
def test_check_of_right_derivatives(activation):
    report = network(activation).check_derivatives(X)
    assert max(report.jacobian_error, report.hessian_error) < 1e-8
    assert max(report.adjoint_error, report.symmetry_error) < 1e-12
    assert report.n_directions == 4
    assert "Jacobian against differences" in str(report)


def test_check_on_scales_far_from_1():
    x = fx.variables(2)
    f = fx.Function(x, np.exp(1e4 * x[0]) * np.log(x[1]))
    assert f.check_derivatives([1e-5, 1e5]).jacobian_error < 1e-7


def test_check_in_random_directions():
    x = fx.variables(150)
    report = fx.Function(x, np.tanh(x).sum() ** 2).check_derivatives(random.standard_normal(150), weights=[2.0])
    assert report.n_directions == 64
    assert report.hessian_error < 1e-8


def test_check_catches_a_wrong_jacobian():
    net = network()
    jacobian = net.jacobian(X)
    jacobian[1, 2] *= 1.0 + 1e-4
    with pytest.raises(DerivativeError, match=r"Jacobian.*'y\[1\]' along input 'x\[2\]'"):
        derivative_check.check_derivatives(Wrong(net, jacobian=lambda x: jacobian), X)
    jacobian[1, 2] = np.nan
    with pytest.raises(DerivativeError, match="Jacobian"):
        derivative_check.check_derivatives(Wrong(net, jacobian=lambda x: jacobian), X)


def test_check_catches_a_wrong_hessian():
    net = network()
    wrong = Wrong(net, hessian=lambda x, w: net.hessian(x, w) * 1.001)
    with pytest.raises(DerivativeError, match="Hessian and differences disagree"):
        derivative_check.check_derivatives(wrong, X)
    wrong = Wrong(net, hessian=lambda x, w: np.triu(net.hessian(x, w)) + np.tril(net.hessian(x, w), -1) * (1 + 1e-7))
    with pytest.raises(DerivativeError, match="transpose"):
        derivative_check.check_derivatives(wrong, X)


def test_check_catches_a_wrong_mode():
    net = network()
    with pytest.raises(DerivativeError, match="forward and reverse mode"):
        derivative_check.check_derivatives(Wrong(net, jvp=lambda x, d: net.jvp(x, d) * (1.0 + 1e-7)), X)


def test_check_at_a_kink_warns():
    x = fx.variables(2)
    f = fx.Function(x, relu(x).sum())
    with pytest.warns(RuntimeWarning, match="at a kink"), pytest.raises(DerivativeError, match="x is at a kink"):
        f.check_derivatives([0.0, 1.0])


def test_check_refuses():
    x = fx.variables(2)
    f = fx.Function(x, np.log(x))
    with pytest.raises(EvaluationError, match="not finite"):
        f.check_derivatives([0.0, 1.0])
    with pytest.raises(ShapeError, match=r"got \(3,\), expected \(2,\)"):
        f.check_derivatives(np.ones(3))
    with pytest.raises(ShapeError, match="weights"):
        f.check_derivatives(np.ones(2), weights=[1.0])
    assert issubclass(DerivativeError, FastexprError)


@pytest.mark.parametrize(
    "module", [derivative_check, fastexpr.function, kink, ports, variants], ids=lambda module: module.__name__
)
def test_examples(module):
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_weights_and_directions_must_be_finite(bad):
    net = network()
    weights, direction = np.array([1.0, bad, 1.0]), np.array([0.0, 0.0, bad, 0.0])
    for call in (lambda: net.hessian(X, weights), lambda: net.vjp(X, weights), lambda: net.hvp(X, weights, X)):
        with pytest.raises(ValueError, match="weights is not finite: component 1 is"):
            call()
    for call in (lambda: net.jvp(X, direction), lambda: net.hvp(X, np.ones(3), direction)):
        with pytest.raises(ValueError, match="direction is not finite: component 2 is"):
            call()
    with pytest.raises(ValueError, match="weights is not finite: component 1 of point 1 is"):
        net.vjp(np.stack([X, X]), np.stack([np.ones(3), weights]))


def test_output_bounds_name_a_bound_that_is_not_a_number():
    with pytest.raises(ValueError, match=r"upper is not a number: component 2 \('x\[2\]'\) is nan"):
        network().output_bounds(np.zeros(4), [1.0, 1.0, np.nan, 1.0])


def test_an_object_without_a_network_cannot_be_made():
    for make in (lambda: fx.Function.__new__(fx.Function), lambda: fx.Function(), lambda: object.__new__(fx.Function)):
        with pytest.raises(TypeError):
            make()


def test_a_port_may_be_called_self():
    x = fx.variables(2)
    operators = fx.Function(x, np.exp(x))
    named = fx.Function._from_nodes(
        2, operators._nodes(), operators._output_ids(), [("self", (2,))], [("y", (2,))], ["a", "b"], ["c", "d"]
    )
    np.testing.assert_array_equal(named.pack(self=[1.0, 2.0]), [1.0, 2.0])
