"""Expressions joined with functions, differentiated, and made into functions; what a Function accepts and refuses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fastexpr as fx
from fastexpr.errors import ShapeError
from fastexpr.expression import flatten

jax.config.update("jax_enable_x64", True)

random = np.random.default_rng(7)
V = random.standard_normal(4)


def small_network():
    x = fx.variables(4)
    W1, W2 = (np.random.default_rng(k).standard_normal(shape) for k, shape in ((1, (6, 4)), (2, (2, 6))))
    net = fx.Function(x, W2 @ np.tanh(W1 @ x + 0.3) - 0.1)
    return net, lambda v: W2 @ jnp.tanh(W1 @ v + 0.3) - 0.1


def assert_like_jax(f, reference):
    """Value, gradient and Hessian at V to 1e-12 of the largest entry."""
    everything = jax.jit(lambda v: (reference(v), jax.grad(reference)(v), jax.hessian(reference)(v)))
    value, gradient, hessian = everything(jnp.asarray(V))
    np.testing.assert_allclose(f(V), [value], rtol=1e-13)
    np.testing.assert_allclose(f.gradient(V), gradient, rtol=0, atol=1e-12 * np.abs(gradient).max())
    np.testing.assert_allclose(f.hessian(V), hessian, rtol=0, atol=1e-12 * np.abs(hessian).max())


def test_reduced_space_derivatives_against_jax():
    net, reference = small_network()
    x = fx.variables(4)
    f = fx.Function(x, np.tanh(net(x)[0]) * x[1] + (x**2).sum())
    assert_like_jax(f, lambda v: jnp.tanh(reference(v)[0]) * v[1] + (v**2).sum())


DERIVATIVES = {
    "products": lambda np, x: x[:2] @ np.outer(x[1:3], x[2:]) @ x[2:],
    "quotients": lambda np, x: np.sum(x[1:] / (1.0 + x[:-1] ** 2)),
    "powers": lambda np, x: np.sum((1.0 + x**2) ** x),
    "exponentials": lambda np, x: np.sum(np.expm1(x) * np.sinh(x[::-1]) + np.cosh(x) * np.tan(0.3 * x)),
    "logarithms": lambda np, x: np.logaddexp(x[0], 2 * x[1]) * np.log(3.0 + x[2]) + np.hypot(x[0], x[3]),
    "norm": lambda np, x: np.linalg.norm(x) ** 3 + np.var(x),
    "extremes": lambda np, x: np.max(x**2) * x[0] + np.minimum(x[0], x[1]) ** 2 + np.clip(x[2], -5.0, 5.0) ** 3,
    "where": lambda np, x: np.sum(np.where(V > 0, x**3, np.sin(x))),
    "running": lambda np, x: np.sum(np.cumsum(x) ** 2 * np.diff(np.append(x, 1.0))),
    "prod": lambda np, x: np.prod(x) + np.polyval(np.array([1.0, 2.0, 3.0]), x[0]),
    "stacked": lambda np, x: np.sum(np.tanh(np.stack([x[0] * x[1], x[2], x[3]]).reshape(3, 1) * x[None, :])),
}


@pytest.mark.parametrize("name", DERIVATIVES)
def test_derivatives_against_jax(name):
    build = DERIVATIVES[name]
    x = fx.variables(4)
    assert_like_jax(fx.Function(x, build(np, x)), lambda v: build(jnp, v))


def test_norm_squared_is_smooth_at_zero():
    x = fx.variables(3)
    f = fx.Function(x, np.linalg.norm(x - 1.0) ** 2)
    np.testing.assert_array_equal(f.gradient(np.ones(3)), np.zeros(3))
    np.testing.assert_array_equal(f.hessian(np.ones(3)), 2 * np.eye(3))


def test_functions_splice_into_expressions():
    net, _ = small_network()
    x = fx.variables((3, 4))
    points = random.standard_normal((3, 4))
    assert net(x).shape == (3, 2)
    assert net(x[0]).shape == (2,)
    np.testing.assert_allclose(fx.Function(x, net(x))(points.ravel()), net(points).ravel(), rtol=1e-13)
    z = fx.variables(2)
    np.testing.assert_allclose(
        fx.Function(z, net(np.array([z[1], z[0], 1.0, 2.0])))([3.0, 4.0]), net([4.0, 3.0, 1.0, 2.0]), rtol=1e-15
    )
    np.testing.assert_allclose(
        fx.Function(z, net(np.concatenate([z, [1.0, 2.0]])))([3.0, 4.0]), net([3.0, 4.0, 1.0, 2.0]), rtol=1e-15
    )
    with pytest.raises(ShapeError, match=r"got \(5,\), expected \(4,\)"):
        net(fx.variables(5))


def test_several_leaves_and_outputs():
    a, b = fx.variables(2), fx.variables((2, 2))
    f = fx.Function([a, b], [b @ a, a.sum(), 7.0])
    assert f.input_names == ("x0[0]", "x0[1]", "x1[0,0]", "x1[0,1]", "x1[1,0]", "x1[1,1]")
    assert f.output_names == ("y0[0]", "y0[1]", "y1", "y2")
    np.testing.assert_array_equal(f([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), [11.0, 17.0, 3.0, 7.0])
    g = fx.Function(a, a.sum())
    assert g.input_names == ("x[0]", "x[1]")
    assert g.output_names == ("y",)


@pytest.mark.parametrize(
    "build", [lambda x: x, lambda x: x.reshape(2, 2), lambda x: x[::-1], lambda x: [x, x], lambda x: x[1]]
)
def test_variables_as_outputs(build):
    x = fx.variables(4)
    f = fx.Function(x, build(x))
    np.testing.assert_array_equal(
        f(V), np.concatenate([np.ravel(entry) for entry in (build(V) if isinstance(build(V), list) else [build(V)])])
    )
    np.testing.assert_array_equal(f.jacobian(V) @ V, f(V))


def test_leaf_that_is_not_reached():
    a, b = fx.variables(2), fx.variables(3)
    f = fx.Function([a, b], np.sum(b**2))
    np.testing.assert_array_equal(f.gradient([9.0, 9.0, 1.0, 2.0, 3.0]), [0.0, 0.0, 2.0, 4.0, 6.0])


def test_flatten_keeps_only_used_components():
    a, b, c = fx.variables(5), fx.variables((2, 3)), fx.variables(4)
    expression = a[3] * b[:, 1].sum() + a[1]
    f, used = flatten([a, b, c], [expression, a[3]], compress=True)
    np.testing.assert_array_equal(used, [1, 3, 6, 9])
    assert f.n_inputs == 4
    np.testing.assert_array_equal(f([10.0, 2.0, 3.0, 4.0]), [24.0, 2.0])
    f, used = flatten([a, b, c], [np.tanh(a), b[0, 0]], compress=True)
    np.testing.assert_array_equal(used, range(6))
    f, used = flatten([a, b, c], [c[2] * 1.0])
    np.testing.assert_array_equal(used, range(15))
    assert f.n_inputs == 15


def test_common_nodes_are_computed_once():
    x = fx.variables(3)
    y = x
    for _ in range(60):  # 2^60 paths
        y = y * 0.5 + y * 0.5
    f = fx.Function(x, y)
    assert len(f._nodes()) <= 60 * 5
    np.testing.assert_allclose(f([1.0, 2.0, 3.0]), [1.0, 2.0, 3.0], rtol=1e-13)


def test_chain_of_100_000_operators():
    x = fx.variables(2)
    y = x
    for _ in range(100_000):
        y = np.sin(y)
    f = fx.Function(x, y)
    assert np.all(np.abs(f([1.0, 2.0])) < 0.01)
    gradient = f.vjp([1.0, 2.0], [1.0, 1.0])
    assert np.isfinite(gradient).all()
    z = f(x)  # spliced again
    del y, f, z  # deallocation does not recurse


def operator_network():
    """Every kind of operator that a batch must treat in a way of its own."""
    random = np.random.default_rng(4)
    W, b, v, c = (random.standard_normal(shape) for shape in ((3, 2), (3,), (3, 1), (1, 3, 2)))
    operator = fx._core.Operator
    nodes = [
        (operator("Reshape", [(6,)], {"shape": [2, 3]}), [0], "matrix"),
        (operator("Linear", [(2, 3)], {"axis": 0, "transposed": 0}, [W, b]), [1], "linear"),  # (3, 3)
        (operator("Constant", [], {}, [v]), [], "v"),
        (operator("Add", [(3, 1), (3, 3)]), [3, 2], "add"),
        (operator("Softmax", [(3, 3)], {"axis": 1, "n_axes": 1}), [4], "softmax"),
        (operator("LogSoftmax", [(3, 3)], {"axis": 0, "n_axes": 2}), [4], "logarithm"),
        (operator("ReduceSum", [(3, 3)], {"axis": 0, "n_axes": 1, "keepdims": 0}), [6], "sum"),  # (3,)
        (operator("Mul", [(3,), (3, 3)]), [7, 5], "lower rank first"),
        (operator("Constant", [], {}, [c]), [], "c"),
        (operator("Sin", [(1, 3, 2)]), [9], "constant branch"),
        (operator("Reshape", [(3, 3)], {"shape": [1, 3, 3]}), [8], "three"),
        (operator("Concat", [(1, 3, 2), (1, 3, 3)], {"axis": 2}), [10, 11], "concat"),  # (1, 3, 5)
        (operator("Select", [(1, 3, 5)], {"shape": [4]}, [np.array([14, 0, 7, 7])]), [12], "select"),
        (operator("ReduceMean", [(1, 3, 5)], {"axis": 1, "n_axes": 2, "keepdims": 1}), [12], "mean"),  # (1, 1, 1)
        (operator("Clip", [(4,)], {"lower": -0.5}), [13], "clip"),
    ]
    outputs = [("y", (4,)), ("c", (1, 3, 2)), ("mean", (1, 1, 1))]
    names = [f"y{k}" for k in range(11)]
    inputs = [f"x{k}" for k in range(6)]
    return fx.Function._from_nodes(6, nodes, [15, 10, 14], [("x", (6,))], outputs, inputs, names, None, None)


def test_batches_are_spliced_in_at_once():
    net = operator_network()
    points = random.standard_normal((5, 6))
    x = fx.variables((5, 6))
    f = fx.Function(x, net(x))
    assert len(f._nodes()) < 2 * len(net._nodes())
    np.testing.assert_allclose(f(points.ravel()).reshape(5, 11), net(points), rtol=1e-13, atol=1e-15)
    jacobian = f.jacobian(points.ravel()).reshape(5, 11, 5, 6)
    np.testing.assert_allclose(jacobian[range(5), :, range(5)], net.jacobian(points), rtol=1e-12, atol=1e-14)
    assert f.sparsity()[0].nnz <= 5 * 11 * 6
