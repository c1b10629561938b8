"""Expressions give the numbers that NumPy gives, whatever function made them, and exact derivatives."""

import doctest
import itertools

import numpy as np
import pytest
import scipy.sparse
import scipy.special

import fastexpr as fx
from fastexpr.expression import (
    building,
    indexing,
    joining,
    node,
    operands,
    products,
    reductions,
    splicing,
    ufuncs,
)

random = np.random.default_rng(7)
A = random.standard_normal((3, 4))
B = random.standard_normal((3, 4))
V = random.standard_normal(4)
POSITIVE = random.uniform(0.5, 2.0, (3, 4))


def evaluated(build, *arrays):
    """build on symbolic leaves, evaluated at the arrays, in the shape of the result."""
    leaves = [fx.variables(array.shape) for array in arrays]
    expression = build(*leaves)
    outputs = list(expression) if isinstance(expression, list | tuple) else expression
    return fx.Function(leaves, outputs)(np.concatenate([array.ravel() for array in arrays]))


def assert_like_numpy(build, *arrays, tolerance=1e-14):
    expected = build(*arrays)
    expected = list(expected) if isinstance(expected, list | tuple) else [expected]
    got = evaluated(build, *arrays)
    flat = np.concatenate([np.ravel(entry) for entry in expected])
    np.testing.assert_allclose(got, flat, rtol=tolerance, atol=tolerance)
    leaves = [fx.variables(array.shape) for array in arrays]
    shapes = build(*leaves)
    for entry, like in zip(shapes if isinstance(shapes, list | tuple) else [shapes], expected, strict=True):
        assert entry.shape == np.shape(like)


# ---- ufuncs ----------------------------------------------

UNARY = [
    np.negative, np.positive, np.absolute, np.fabs, np.exp, np.exp2, np.expm1, np.sqrt, np.square, np.log, np.log2,
    np.log10, np.reciprocal, np.sin, np.cos, np.tan, np.sinh, np.cosh, np.tanh, np.deg2rad, np.rad2deg, np.radians,
    np.degrees, np.arctan, np.arcsinh, np.sign, np.floor, np.ceil, np.rint, scipy.special.erf, scipy.special.expit,
    scipy.special.log_expit,
]  # fmt: skip
BINARY = [
    np.add, np.subtract, np.multiply, np.divide, np.power, np.float_power, np.maximum, np.minimum, np.fmax, np.fmin,
    np.logaddexp, np.hypot,
]  # fmt: skip


@pytest.mark.parametrize("ufunc", UNARY, ids=lambda ufunc: ufunc.__name__)
def test_unary_ufunc(ufunc):
    assert_like_numpy(ufunc, POSITIVE)
    with np.errstate(invalid="ignore"):
        takes_negatives = np.isfinite(ufunc(-0.5))
    if takes_negatives:
        assert_like_numpy(ufunc, A[:, :2] * 0.5)


@pytest.mark.parametrize("ufunc", [np.arcsin, np.arccos, np.arctanh, np.arccosh], ids=lambda ufunc: ufunc.__name__)
def test_unary_ufunc_on_an_interval(ufunc):
    inside = np.array([-0.9, -0.2, 0.3, 0.7]) if ufunc is not np.arccosh else np.array([1.1, 1.5, 2.0, 30.0])
    assert_like_numpy(ufunc, inside)
    x = fx.variables(4)
    fx.Function(x, ufunc(x)).check_derivatives(inside, tolerance=1e-7)


@pytest.mark.parametrize("ufunc", BINARY, ids=lambda ufunc: ufunc.__name__)
def test_binary_ufunc(ufunc):
    assert_like_numpy(ufunc, POSITIVE, POSITIVE[::-1, ::-1].copy())
    assert_like_numpy(ufunc, POSITIVE, POSITIVE[0])  # broadcasting
    assert_like_numpy(lambda x: ufunc(x, POSITIVE[1]), POSITIVE)
    assert_like_numpy(lambda x: ufunc(POSITIVE[1], x), POSITIVE)
    assert_like_numpy(lambda x: ufunc(x, 0.7), POSITIVE)
    assert_like_numpy(lambda x: ufunc(0.7, x), POSITIVE)


@pytest.mark.parametrize("ufunc", UNARY, ids=lambda ufunc: ufunc.__name__)
def test_derivatives_of_unary_ufunc(ufunc):
    x = fx.variables(4)
    fx.Function(x, ufunc(x)).check_derivatives(POSITIVE[0], tolerance=1e-8)


@pytest.mark.parametrize("ufunc", BINARY, ids=lambda ufunc: ufunc.__name__)
def test_derivatives_of_binary_ufunc(ufunc):
    x = fx.variables((2, 4))
    fx.Function(x, ufunc(x[0], x[1])).check_derivatives(POSITIVE[:2].ravel(), tolerance=1e-8)


def test_extremes_of_numbers_of_very_different_size():
    assert evaluated(lambda x: np.maximum(x[0], x[1]), np.array([1.0, -1e20])) == 1.0
    assert evaluated(lambda x: np.minimum(x[0], x[1]), np.array([1.0, 1e20])) == 1.0


def test_forms_that_do_not_cancel():
    small = np.array([1e-12, -3e-9, 1e-5, 0.3, 30.0, -40.0])
    for ufunc in (np.expm1, np.sinh, scipy.special.log_expit):
        got = evaluated(ufunc, small)
        np.testing.assert_allclose(got, ufunc(small), rtol=4e-15)
    assert evaluated(lambda x: np.logaddexp(0.0, x), np.array([800.0]))[0] == 800.0


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, -1, -2, 4.0])
def test_power_of_negative_base(exponent):
    assert_like_numpy(lambda x: x**exponent, np.array([-1.5, -0.25, 2.0]))


def test_special_powers():
    assert_like_numpy(lambda x: x**0.5, POSITIVE)
    assert_like_numpy(lambda x: x**-1.5, POSITIVE)
    assert_like_numpy(lambda x: 2**x, A)
    assert_like_numpy(lambda x, y: x**y, POSITIVE, A)


def test_operators_from_either_side():
    builds = [
        lambda x: x + 1, lambda x: 1 + x, lambda x: x - B, lambda x: B - x, lambda x: x * 2.5, lambda x: B * x,
        lambda x: x / POSITIVE, lambda x: 1 / x, lambda x: B / x, lambda x: -x, lambda x: +x, lambda x: abs(x),
        lambda x: x + V, lambda x: V[:1] * x, lambda x: x * [1.0, 2.0, 3.0, 4.0], lambda x: np.float32(0.1) * x,
        lambda x: np.arange(4) - x,
    ]  # fmt: skip
    for build in builds:
        assert_like_numpy(build, A)


def test_reduce_methods_of_ufuncs():
    assert_like_numpy(lambda x: np.add.reduce(x), A)
    assert_like_numpy(lambda x: np.multiply.reduce(x, axis=1), A)
    assert_like_numpy(lambda x: np.maximum.reduce(x, axis=None), A)


# ---- array functions ----------------------------------------------

ARRAY_FUNCTIONS = {
    "sum": lambda x: np.sum(x),
    "sum axis": lambda x: np.sum(x, axis=0),
    "sum last axis": lambda x: x.sum(axis=-1, keepdims=True),
    "mean": lambda x: np.mean(x, axis=1),
    "mean all": lambda x: x.mean(),
    "var": lambda x: np.var(x),
    "var ddof": lambda x: np.var(x, axis=0, ddof=1),
    "std": lambda x: np.std(x, axis=1, keepdims=True),
    "prod": lambda x: np.prod(x),
    "prod axis": lambda x: np.prod(x, axis=0),
    "max": lambda x: np.max(x, axis=1),
    "amin": lambda x: np.min(x),
    "cumsum": lambda x: np.cumsum(x, axis=1),
    "cumsum all": lambda x: np.cumsum(x),
    "diff": lambda x: np.diff(x),
    "diff twice": lambda x: np.diff(x, n=2, axis=0),
    "dot": lambda x: np.dot(x, V),
    "inner": lambda x: np.inner(x, B),
    "vdot": lambda x: np.vdot(x, B),
    "outer": lambda x: np.outer(x[0], x[:, 1]),
    "outer constant": lambda x: np.outer(V, x),
    "trace": lambda x: np.trace(x[:, :3]),
    "diagonal": lambda x: np.diagonal(x),
    "norm": lambda x: np.linalg.norm(x),
    "norm axis": lambda x: np.linalg.norm(x, axis=1),
    "norm 1": lambda x: np.linalg.norm(x[0], ord=1),
    "norm squared": lambda x: np.linalg.norm(x) ** 2,
    "concatenate": lambda x: np.concatenate([x, B]),
    "concatenate axis": lambda x: np.concatenate([B, x, x], axis=1),
    "concatenate flat": lambda x: np.concatenate([x, V], axis=None),
    "stack": lambda x: np.stack([x, B], axis=-1),
    "hstack": lambda x: np.hstack([x, B]),
    "vstack": lambda x: np.vstack([x, V]),
    "column_stack": lambda x: np.column_stack([x, x[:, 0]]),
    "append": lambda x: np.append(x, [1.0, 2.0]),
    "reshape": lambda x: np.reshape(x, (2, -1)),
    "reshape method": lambda x: x.reshape(4, 3),
    "reshape Fortran": lambda x: np.reshape(x, 12, order="F"),
    "ravel": lambda x: np.ravel(x),
    "flatten": lambda x: x.flatten(),
    "transpose": lambda x: np.transpose(x),
    "T": lambda x: x.T,
    "transpose axes": lambda x: x.reshape(3, 2, 2).transpose(1, 2, 0),
    "swapaxes": lambda x: x.swapaxes(0, 1),
    "moveaxis": lambda x: np.moveaxis(x, 0, 1),
    "squeeze": lambda x: np.squeeze(x.reshape(1, 12, 1)),
    "expand_dims": lambda x: np.expand_dims(x, 1),
    "broadcast_to": lambda x: np.broadcast_to(x, (2, 3, 4)),
    "tile": lambda x: np.tile(x, (2, 1)),
    "repeat": lambda x: np.repeat(x, 2, axis=0),
    "roll": lambda x: np.roll(x, 1, axis=1),
    "flip": lambda x: np.flip(x, axis=0),
    "take": lambda x: np.take(x, [2, 0], axis=0),
    "split": lambda x: np.split(x, 2, axis=1),
    "atleast_2d": lambda x: np.atleast_2d(x[0]),
    "clip": lambda x: np.clip(x, -0.5, 0.5),
    "clip one side": lambda x: np.clip(x, None, 0.5),
    "clip arrays": lambda x: np.clip(x, -abs(B), abs(B)),
    "clip method": lambda x: x.clip(0.1),
    "maximum 0": lambda x: np.maximum(x, 0),
    "minimum number": lambda x: np.minimum(0.3, x),
    "where": lambda x: np.where(B > 0, x, 0.0),
    "where both": lambda x: np.where(B > 0, 2 * x, x**2),
    "polyval": lambda x: np.polyval([1.0, -2.0, 3.0], x),
    "zeros_like": lambda x: x + np.zeros_like(x) + np.full_like(x, 2.0),
    "sum of nothing": lambda x: x + np.sum(x[:0], axis=0),
    "builtin sum": lambda x: sum(x),
}


@pytest.mark.parametrize("name", ARRAY_FUNCTIONS)
def test_array_function(name):
    assert_like_numpy(ARRAY_FUNCTIONS[name], A)


@pytest.mark.parametrize("name", ARRAY_FUNCTIONS)
def test_derivatives_of_array_function(name):
    x = fx.variables((3, 4))
    fx.Function(x, ARRAY_FUNCTIONS[name](x)).check_derivatives(A.ravel(), tolerance=1e-8)


def test_reductions_over_axes_that_are_not_neighbours():
    block = random.standard_normal((2, 3, 4, 5))
    for count in (1, 2, 3, 4):
        for axis in itertools.combinations(range(4), count):
            for keepdims in (False, True):
                assert_like_numpy(lambda x, axis=axis, keepdims=keepdims: x.sum(axis=axis, keepdims=keepdims), block)
                assert_like_numpy(
                    lambda x, axis=axis, keepdims=keepdims: np.mean(x, axis=axis, keepdims=keepdims), block
                )


MATMUL_SHAPES = [
    ((4,), (4,)), ((3, 4), (4,)), ((4,), (4, 3)), ((3, 4), (4, 2)), ((2, 3, 4), (4, 5)), ((2, 3, 4), (4,)),
    ((3, 4), (2, 4, 5)), ((4,), (2, 4, 5)), ((2, 3, 4), (2, 4, 5)), ((5, 1, 3, 4), (2, 4, 5)),
]  # fmt: skip


@pytest.mark.parametrize("shapes", MATMUL_SHAPES, ids=str)
def test_matmul(shapes):
    left, right = (random.standard_normal(shape) for shape in shapes)
    assert_like_numpy(lambda x: x @ right, left)
    assert_like_numpy(lambda x: left @ x, right)
    assert_like_numpy(lambda x, y: x @ y, left, right)
    assert_like_numpy(lambda x, y: np.matmul(x, y), left, right)


def test_matmul_with_views_and_single_precision():
    assert_like_numpy(lambda x: A.T @ x, random.standard_normal(3))
    assert_like_numpy(lambda x: A[:, ::2] @ x, random.standard_normal(2))
    assert_like_numpy(lambda x: x @ A[:, ::2], random.standard_normal(3))
    W = random.standard_normal((3, 4)).astype(np.float32)
    x = fx.variables(4)
    assert (W @ x).operator.constants[0].dtype == np.float32
    np.testing.assert_allclose(fx.Function(x, W @ x)(V), W.astype(np.float64) @ V, rtol=1e-15)
    assert_like_numpy(lambda x: x @ scipy.sparse.csr_array(np.eye(4)).toarray(), V)
    np.testing.assert_array_equal(fx.Function(x, x @ scipy.sparse.csr_array(A).T)(V), fx.Function(x, x @ A.T)(V))


def test_constants_are_copied():
    W, b, x = A.copy(), B[:, 0].copy(), fx.variables(4)
    f = fx.Function(x, W @ x + b)
    before = f(V)
    W[:], b[:] = 0.0, 0.0
    np.testing.assert_array_equal(f(V), before)


def test_where_leaves_out_the_other_branch():
    assert_like_numpy(lambda x: np.where([True, False], x, np.inf), np.array([1.0, 2.0]))
    f = fx.Function(x := fx.variables(2), np.where([True, False], np.log(x), x))
    np.testing.assert_array_equal(f([1.0, -1.0]), [0.0, -1.0])


# ---- indexing ----------------------------------------------

INDEX = [
    0, -1, np.int64(2), slice(None), slice(1, None), slice(None, None, -1), slice(2, 0, -1), slice(None, None, 2),
    Ellipsis, None, (0, 1), (-1, -1, -1), (slice(None), 1), (Ellipsis, 0), (slice(1, 3), slice(None, None, 2)),
    (None, Ellipsis, None), ([0, 2, 2],), (np.array([[0, 1], [2, -1]]),), ([0, 1], [1, 2], [0, 3]),
    (slice(None), [2, 0]), ([0, 1], slice(None), [1, 3]), np.array([True, False, True]),
    (slice(None), np.array([True, False])[[0, 1, 0]]), np.arange(24).reshape(3, 2, 4) % 5 == 0, (), (np.array([0]),),
    (2, Ellipsis, slice(None, None, -2)), True,
]  # fmt: skip


@pytest.mark.parametrize("key", INDEX, ids=str)
def test_indexing(key):
    block = (
        random.standard_normal((3, 3, 4))
        if isinstance(key, tuple) and len(key) == 2
        else random.standard_normal((3, 2, 4))
    )
    if isinstance(key, tuple) and any(np.any(np.asarray(entry, dtype=object) == 2) for entry in key[1:2]):
        block = random.standard_normal((3, 3, 4))
    assert_like_numpy(lambda x: x[key], block)


def test_iteration_and_length():
    x = fx.variables((3, 2))
    assert len(x) == 3
    assert [row.shape for row in x] == [(2,)] * 3
    assert_like_numpy(lambda x: [entry * 2 for entry in x], A)
    first, *rest = fx.variables(3)
    assert first.shape == ()
    assert len(rest) == 2


def test_selections_compose():
    x = fx.variables(10)
    y = x[2:].reshape(2, 4).T[1:][::-1].ravel()[3]
    assert y.operator.name == "Select"
    assert y.inputs == (x,)
    assert x.reshape(2, 5).reshape(10) is x
    assert np.concatenate([x[:4], x[4:]]).reshape(5, 2).inputs == (x,)
    assert np.array([x[3], x[1]], dtype=object).shape == (2,)
    assert np.stack([x[3], x[1]]).operator.name == "Select"


# ---- object arrays ----------------------------------------------


def test_object_arrays_of_single_expressions():
    def build(x):
        return np.array([[x[0], x[1]], [x[2], 3.0]])

    assert_like_numpy(lambda x: np.linalg.norm(x) + build(x), V)
    assert_like_numpy(lambda x: x[:2] * build(x), V)
    assert_like_numpy(lambda x: np.tanh(np.array([x[0], x[2]])) @ A[:2, :2] + x[:2], V)
    assert_like_numpy(lambda x: np.concatenate([x, build(x)[0]]), V)
    assert_like_numpy(lambda x: x[:3] * [x[0], 1.0, x[1]], V)
    assert_like_numpy(lambda x: [A[:2, :2] @ np.array([x[0], x[1]]) + 0 * x[:2]], V)
    x = fx.variables(4)
    np.testing.assert_allclose(fx.Function(x, build(x))(V), build(V).ravel())


@pytest.mark.parametrize(
    "module",
    [building, indexing, joining, node, operands, products, reductions, splicing, ufuncs],
    ids=lambda module: module.__name__,
)
def test_examples(module):
    assert doctest.testmod(module).failed == 0
