"""Flat and singular points: a factor of the chain rule that is exactly 0 annihilates the other, whoever asks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from operator_table import ROWS, Nodes, Row
from tape_streams import Stream, dense, symmetric

import fastexpr as fx

INF = np.inf
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of NumPy, in the reference


def jacobians(f: Any, x: np.ndarray) -> dict[str, np.ndarray]:
    """J by every route."""
    n, m, w = f.n_inputs, f.n_outputs, np.ones(f.n_outputs)
    batch = np.array([x, x, x])
    return {
        "jacobian": f.jacobian(x),
        "evaluate, order 1": f.evaluate(x, order=1)[1],
        "evaluate, order 2": f.evaluate(x, w)[1],
        "batch": f.jacobian(batch)[2],
        "batch of evaluate": f.evaluate(batch, np.array([w, w, w]))[1][1],
        "sparse": f.jacobian(x, sparse=True).toarray(),
        "vjp": np.array([f.vjp(x, unit) for unit in np.eye(m)]).reshape(m, n),
        "jvp": np.array([f.jvp(x, unit) for unit in np.eye(n)]).reshape(n, m).T,
        "batch of vjp": f.vjp(np.tile(x, (m, 1)), np.eye(m)).reshape(m, n),
        "batch of jvp": f.jvp(np.tile(x, (n, 1)), np.eye(n)).reshape(n, m).T,
    }


def hessians(f: Any, x: np.ndarray, w: np.ndarray) -> dict[str, np.ndarray]:
    """H by every route."""
    n = f.n_inputs
    batch, weights = np.array([x, x, x]), np.array([w, w, w])
    return {
        "hessian": f.hessian(x, w),
        "evaluate": f.evaluate(x, w)[2],
        "batch": f.hessian(batch, weights)[1],
        "sparse": f.hessian(x, w, sparse=True).toarray(),
        "hvp": np.array([f.hvp(x, w, unit) for unit in np.eye(n)]).reshape(n, n),
        "batch of hvp": f.hvp(np.tile(x, (n, 1)), np.tile(w, (n, 1)), np.eye(n)).reshape(n, n),
    }


def same(a: np.ndarray, b: np.ndarray, scale: float = 0.0) -> bool:
    """NaN, infinities and zeros in the same places, the rest nearly equal; tiny beside the largest or `scale` is 0."""
    scale = np.abs(b[np.isfinite(b)]).max(initial=scale)
    a, b = (np.where(np.abs(c) <= 1e-13 * scale, 0.0, c) for c in (a, b))
    return bool(np.array_equal(a == 0, b == 0) and np.allclose(a, b, rtol=1e-11, atol=0.0, equal_nan=True))


def check(f: Any, x: Any, jacobian: Any, hessian: Any, w: Any = None) -> None:
    x = np.asarray(x, dtype=float)
    w = np.ones(f.n_outputs) if w is None else np.asarray(w, dtype=float)
    for name, found in jacobians(f, x).items():
        assert same(found, np.asarray(jacobian, dtype=float).reshape(found.shape)), (name, found)
    for name, found in hessians(f, x, w).items():
        assert same(found, np.asarray(hessian, dtype=float).reshape(found.shape)), (name, found)


def flat_sum(g: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda x: g(x).sum()


def sum_of_where() -> Any:
    """sum(log(x) where x > 0, else 3 x): on nodes, for expressions take constant conditions."""
    nodes = Nodes(2)
    condition = nodes.add("Less", nodes.constant([0.0]), 0)
    other = nodes.add("Mul", 0, nodes.constant([3.0]))
    chosen = nodes.add("Where", condition, nodes.add("Log", 0), other)
    return nodes.function(nodes.add("ReduceSum", chosen, axis=0, n_axes=1, keepdims=0))


ZERO = np.zeros((2, 2))
CASES: dict[str, tuple[Callable[[Any], Any], list[float], Any, Any]] = {
    "sqrt of relu": (flat_sum(lambda x: np.sqrt(np.maximum(x, 0))), [-1, -2], [0, 0], ZERO),
    "relu to the 1.5": (flat_sum(lambda x: np.maximum(x, 0) ** 1.5), [0, -1], [0, 0], ZERO),
    "relu to the 1.5, inside": (flat_sum(lambda x: np.maximum(x, 0) ** 1.5), [-2, -1], [0, 0], ZERO),
    "relu to the 0.5": (flat_sum(lambda x: np.maximum(x, 0) ** 0.5), [-3, -1], [0, 0], ZERO),
    "log of relu": (flat_sum(lambda x: np.log(np.maximum(x, 0))), [-1, 2], [0, 0.5], [[0, 0], [0, -0.25]]),
    "arccos of clip": (flat_sum(lambda x: np.arccos(np.clip(x, -1, 1))), [1, 2], [0, 0], ZERO),
    "arcsin of clip": (flat_sum(lambda x: np.arcsin(np.clip(x, -1, 1))), [-1, -7], [0, 0], ZERO),
    "arctanh of clip": (flat_sum(lambda x: np.arctanh(np.clip(x, -1, 1))), [-1, 7], [0, 0], ZERO),
    "arccosh of maximum": (flat_sum(lambda x: np.arccosh(np.maximum(x, 1))), [-1, 0.5], [0, 0], ZERO),
    "x0 sqrt(x1)": (lambda x: x[0] * np.sqrt(x[1]), [0, 0], [0, 0], [[0, INF], [INF, 0]]),
    "x0 sqrt(x1), at x0 = 2": (lambda x: x[0] * np.sqrt(x[1]), [2, 0], [0, INF], [[0, INF], [INF, -INF]]),
    "sqrt(x0^2 + x1^2)": (lambda x: np.sqrt(x[0] ** 2 + x[1] ** 2), [0, 0], [0, 0], [[INF, 0], [0, INF]]),
    "sqrt of a product": (lambda x: np.sqrt(x[0] * x[1]), [0, 0], [0, 0], [[0, INF], [INF, 0]]),
    "square of sqrt": (flat_sum(lambda x: np.sqrt(x) ** 2), [0, 4], [0, 1], [[INF, 0], [0, 0]]),
    "zero weights": (
        lambda x: np.array([[1.0, 0.0], [0.0, 2.0]]) @ np.sqrt(x),
        [0, 0],
        [[INF, 0], [0, INF]],
        [[-INF, 0], [0, -INF]],
    ),
    "a column of zeros": (lambda x: np.array([[0.0, 1.0], [0.0, 2.0]]) @ np.sqrt(x), [0, 1], [[0, 0.5], [0, 1]],
                          [[0, 0], [0, -0.75]]),
    "where": (lambda _: sum_of_where(), [-1, 2], [3, 0.5], [[0, 0], [0, -0.25]]),
    "sign": (flat_sum(lambda x: np.sign(x) * np.sqrt(np.maximum(x, 0))), [0, -1], [0, 0], ZERO),
    "tanh far out": (flat_sum(lambda x: np.tanh(1e3 + np.sqrt(x))), [0, 0], [0, 0], ZERO),
    "maximum": (lambda x: np.maximum(np.sqrt(x[0]), 1 + x[1]), [0, 0], [0, 1], ZERO),
    "minimum": (lambda x: np.minimum(np.sqrt(x[0]), 1 + x[1]), [0, 0], [INF, 0], [[-INF, 0], [0, 0]]),
    "division": (lambda x: np.sqrt(x[0]) / (1 + x[1]), [0, 0], [INF, 0], [[-INF, -INF], [-INF, 0]]),
    "division by infinity": (lambda x: np.sqrt(x[1]) / np.exp(x[0]), [800, 0], [0, 0], ZERO),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_every_route_gives_what_the_rule_says(name: str) -> None:
    formula, x, jacobian, hessian = CASES[name]
    variables = fx.variables(2)
    result = formula(variables)
    check(result if isinstance(result, fx.Function) else fx.Function(variables, result), x, jacobian, hessian)


def test_outputs_without_weight_take_no_part() -> None:
    x = fx.variables(2)
    f = fx.Function(x, np.array([np.log(x[0]), np.sqrt(x[0]), x[1] ** 2 * 3]))
    point, w = np.array([0.0, 1.0]), np.array([0.0, 0.0, 1.0])
    np.testing.assert_array_equal(f.vjp(point, w), [0.0, 6.0])
    for name, found in hessians(f, point, w).items():
        assert same(found, np.array([[0.0, 0.0], [0.0, 6.0]])), name
    negative = np.array([-1.0, 1.0])  # two values are NaN there
    for name, found in hessians(f, negative, w).items():
        assert same(found, np.array([[0.0, 0.0], [0.0, 6.0]])), name


def test_regular_points_beside_a_singular_one_keep_their_derivatives() -> None:
    x = fx.variables(3)
    f = fx.Function(x, np.array([[1.0, 2.0, 0.0], [0.5, 0.0, 1.0]]) @ np.sqrt(np.maximum(np.tanh(x), 0)))
    X = np.array([[0.3, 0.4, 0.5], [-1.0, 0.2, 0.0], [1.0, 2.0, 3.0], [-1.0, -1.0, -1.0]])
    W = np.ones((4, 2))
    for batch, single in ((f.jacobian(X), f.jacobian), (f.hessian(X, W), lambda z: f.hessian(z, W[0]))):
        assert np.isfinite(batch).all()
        for found, z in zip(batch, X, strict=True):
            np.testing.assert_allclose(found, single(z), rtol=1e-13, atol=0)
    np.testing.assert_array_equal(f.jacobian(X)[3], 0.0)


def window(n: int, width: int) -> np.ndarray:
    """Each unit sees `width` neighbours."""
    rows = np.random.default_rng(3).normal(size=(n, n))
    distance = (np.arange(n) - np.arange(n)[:, None]) % n
    return np.where(distance < width, rows, 0.0)


WIDE = {
    "few affine images": [np.random.default_rng(1).normal(size=(5, 40)), np.random.default_rng(2).normal(size=(3, 5))],
    "as many as inputs": [
        np.random.default_rng(1).normal(size=(12, 12)),
        np.random.default_rng(2).normal(size=(3, 12)),
    ],
    "windows": [window(48, 3), np.random.default_rng(2).normal(size=(4, 48))],
    "windows of windows": [window(64, 2), window(64, 3), np.random.default_rng(2).normal(size=(2, 64))],
    "more outputs than inputs": [np.random.default_rng(1).normal(size=(30, 3)), window(30, 4)],
}


@pytest.mark.parametrize("shape", WIDE)
def test_every_way_to_a_hessian(shape: str) -> None:
    """Seeds at affine images, fronts, compression: half of the units are cut off before a root and count for 0."""
    matrices = WIDE[shape]
    x = fx.variables(matrices[0].shape[1])
    point = np.random.default_rng(4).normal(size=x.shape)
    cut, regular, values = x, x, point
    for matrix in matrices[:-1]:
        u, v, values = matrix @ cut, matrix @ regular, matrix @ values
        is_cut = values < 0
        cut, regular = np.sqrt(np.maximum(u, 0)), np.where(is_cut, 0.0, np.sqrt(np.maximum(v, 0) + 1.0 * is_cut))
        values = np.sqrt(np.maximum(values, 0))
    f, g = (fx.Function(x, np.tanh(matrices[-1] @ last)) for last in (cut, regular))
    w = np.random.default_rng(5).normal(size=f.n_outputs)
    J, H = g.jacobian(point), g.hessian(point, w)
    assert np.isfinite(H).all()
    for name, found in jacobians(f, point).items():
        assert same(found, J, 1.0), name
    for name, found in hessians(f, point, w).items():
        np.testing.assert_allclose(found, H, atol=1e-12 * np.abs(H).max(), err_msg=name)


def test_values_that_are_not_finite_stay() -> None:
    x = fx.variables(1)
    f = fx.Function(x, np.array([0 * np.log(x[0]), np.log(x[0]), np.sqrt(x[0])]))
    assert np.isneginf(f([0.0])[1])
    assert np.isnan(f([0.0])[0])
    assert np.isnan(f([-1.0])).all()


# ---- every operator


def product(*factors: Any) -> np.ndarray:
    """The product of the chain rule."""
    factors = np.broadcast_arrays(*factors)
    plain = np.prod(factors, axis=0)
    return np.where(np.any([f == 0 for f in factors], axis=0), 0.0, plain)


# How u_i depends on x_i: the operator on nodes, x, and there its value, first and second derivative by the rule.
INNER: dict[str, tuple[Callable[[Nodes, int], int], float, float, float, float]] = {
    "flat": (lambda nodes, x: nodes.add("Sqrt", nodes.add("Relu", x)), -1.0, 0.0, 0.0, 0.0),
    "singular": (lambda nodes, x: nodes.add("Sqrt", x), 0.0, 0.0, INF, -INF),
    "regular": (lambda nodes, x: nodes.add("Square", x), 0.5, 0.25, 1.0, 2.0),
}


def inner_kinds(row: Row, kind: str) -> list[str]:
    if kind != "mixed":
        return [kind] * row.n
    return [str(k) for k in np.random.default_rng(row.n).choice(list(INNER), row.n)]


@pytest.mark.parametrize("kind", ["flat", "singular", "mixed"])
@pytest.mark.parametrize("row", [row for row in ROWS if row.n > 0], ids=str)
def test_every_operator_behind_flat_and_singular_ones(row: Row, kind: str) -> None:
    kinds = inner_kinds(row, kind)
    u = row.sample_points()[0]
    nodes = Nodes(row.n)
    parts = [INNER[k][0](nodes, nodes.piece(0, i, (1,))) for i, k in enumerate(kinds)]
    inner = nodes.add("Concat", *parts, axis=0) if len(parts) > 1 else parts[0]
    shifted = nodes.add("Add", inner, nodes.constant(u - np.array([INNER[k][2] for k in kinds])))
    inputs, first = [], 0
    for k, shape in enumerate(row.shapes):
        if k in row.fixed:
            inputs.append(nodes.constant(row.fixed[k]))
            continue
        inputs.append(nodes.piece(shifted, first, shape))
        first += int(np.prod(shape))
    f = nodes.function(nodes.add(row.name, *inputs, constants=row.constants, **row.attributes))
    w = np.random.default_rng(1).uniform(0.5, 1.5, f.n_outputs)
    plain = row.function()
    J, H = plain.jacobian(u), plain.hessian(u, w)
    slope, bend = (np.array([INNER[k][place] for k in kinds]) for place in (3, 4))
    x = np.array([INNER[k][1] for k in kinds])
    for name, found in jacobians(f, x).items():
        assert same(found, product(J, slope)), name
    by_route = hessians(f, x, w)
    for name, found in by_route.items():
        assert same(found, by_route["hessian"]), name
    # Whether an operator adds up what its units say before an infinite slope comes to it is its own affair.
    whole = product(slope[:, None], H, slope) + np.diag(product(w @ J, bend))
    units = [product(slope[:, None], plain.hessian(u, unit), slope) for unit in np.diag(w)]
    added = np.sum(units, axis=0) + np.diag(np.sum([product(part, bend) for part in w[:, None] * J], axis=0))
    found = by_route["hessian"]
    close = np.abs(found - whole) <= 1e-10 * np.abs(whole[np.isfinite(whole)]).max(initial=1e-300)
    is_whole = close | (found == whole) | (np.isnan(found) & np.isnan(whole))
    assert (is_whole | (np.isnan(found) & np.isnan(added))).all()


@pytest.mark.parametrize("name", ["Sqrt", "Log"])
@pytest.mark.parametrize("row", [row for row in ROWS if row.n > 0], ids=str)
def test_every_operator_before_flat_and_singular_ones(row: Row, name: str) -> None:
    """What the operator gives is cut off, and then has an infinite slope: nothing comes of it."""
    nodes = Nodes(row.n)
    inputs, first = [], 0
    for k, shape in enumerate(row.shapes):
        if k in row.fixed:
            inputs.append(nodes.constant(row.fixed[k]))
            continue
        inputs.append(nodes.piece(0, first, shape))
        first += int(np.prod(shape))
    v = nodes.add(row.name, *inputs, constants=row.constants, **row.attributes)
    x = row.sample_points()[0]
    value = row.function()(x).reshape(nodes.shapes[v])
    cut = nodes.add("Relu", nodes.add("Sub", v, nodes.constant(np.abs(value) * 2 + 1)))
    f = nodes.function(nodes.add(name, cut))
    check(f, x, np.zeros((f.n_outputs, row.n)), np.zeros((row.n, row.n)))


# ---- random graphs


def random_graph(seed: int) -> tuple[Any, np.ndarray]:
    """Operators of one and two numbers and matrices with zeros, at a point where some have slopes of 0 or infinity."""
    random = np.random.default_rng(seed)
    n = int(random.integers(2, 6))
    nodes = Nodes(n)
    pool = [0]
    for _ in range(random.integers(4, 12)):
        a, b = (int(random.choice(pool)) for _ in range(2))
        kind = random.integers(7)
        if kind == 0:
            new = nodes.add("Sqrt", nodes.add("Relu", a))
        elif kind == 1:
            new = nodes.add(str(random.choice(["Tanh", "Sin", "Square", "Relu", "Sigmoid", "Abs"])), a)
        elif kind == 2:
            new = nodes.add(str(random.choice(["Mul", "Add", "Max", "Min"])), a, b)
        elif kind == 3:
            matrix = random.normal(size=(n, n)) * (random.random((n, n)) < 0.5)
            new = nodes.add("Linear", a, axis=0, transposed=0, constants=[matrix])
        elif kind == 4:
            new = nodes.add("Pow", nodes.add("Relu", a), nodes.constant(float(random.choice([0.5, 1.5, 2.0]))))
        elif kind == 5:
            new = nodes.add("Softmax", nodes.add("Sqrt", nodes.add("Abs", a)), axis=0, n_axes=1)
        else:
            new = nodes.add("Clip", a, lower=-0.5, upper=0.5)
        pool.append(new)
    outputs = [pool[-1], int(random.choice(pool[1:]))]
    return nodes.function(*outputs), random.choice([-1.0, 0.0, 0.0, 0.5, 1.0], n)


@pytest.mark.parametrize("seed", range(300))
def test_routes_agree_on_random_graphs(seed: int) -> None:
    f, x = random_graph(seed)
    found = jacobians(f, x)
    for name, J in found.items():
        assert same(J, found["jacobian"], 1.0), name
    w = np.ones(f.n_outputs)
    seconds = hessians(f, x, w)
    for name, H in seconds.items():
        assert same(H, seconds["hessian"], 1.0), name


# ---- the scalar tape


def on_the_tape(name: str) -> tuple[Stream, int]:
    s = Stream(2)
    x = [s.x(0), s.x(1)]

    def relu(a: int) -> int:
        return s.node("maximum", a, 0.0)

    def both(g: Callable[[int], int]) -> int:
        return s.node("sum", g(x[0]), g(x[1]))

    def clip(a: int) -> int:
        return s.node("minimum", s.node("maximum", a, -1.0), 1.0)

    formulas: dict[str, Callable[[], int]] = {
        "sqrt of relu": lambda: both(lambda a: s.node("sqrt", relu(a))),
        "relu to the 1.5, inside": lambda: both(lambda a: s.node("power", relu(a), 1.5)),
        "relu to the 0.5": lambda: both(lambda a: s.node("power", relu(a), 0.5)),
        "log of relu": lambda: both(lambda a: s.node("log", relu(a))),
        "x0 sqrt(x1)": lambda: s.node("product", x[0], s.node("sqrt", x[1])),
        "x0 sqrt(x1), at x0 = 2": lambda: s.node("product", x[0], s.node("sqrt", x[1])),
        "sqrt(x0^2 + x1^2)": lambda: s.node("sqrt", both(lambda a: s.node("power", a, 2.0))),
        "sqrt of a product": lambda: s.node("sqrt", s.node("product", x[0], x[1])),
        "where": lambda: both(
            lambda a: s.node("select", s.node("less", 0.0, a), s.node("log", a), s.node("product", 3.0, a))
        ),
        "division by infinity": lambda: s.node("division", s.node("sqrt", x[1]), s.node("exp", x[0])),
        "tanh far out": lambda: both(lambda a: s.node("tanh", s.node("sum", 1e3, s.node("sqrt", a)))),
        "arctanh of clip": lambda: both(lambda a: s.node("atanh", clip(a))),
    }
    return s, formulas[name]()


@pytest.mark.parametrize(
    "name",
    [
        "sqrt of relu",
        "relu to the 1.5, inside",
        "relu to the 0.5",
        "log of relu",
        "x0 sqrt(x1)",
        "x0 sqrt(x1), at x0 = 2",
        "sqrt(x0^2 + x1^2)",
        "sqrt of a product",
        "where",
        "tanh far out",
    ],
)
@pytest.mark.parametrize("copies", [1, 6], ids=["alone", "in loops"])
def test_the_tape_has_the_same_rule(name: str, copies: int) -> None:
    _, x, jacobian, hessian = CASES[name]
    s, f = on_the_tape(name)
    rows = [f, *(s.node("product", 2.0 + k, f) for k in range(copies - 1))]
    functions = s.compile(f, rows)
    point, w = np.array(x, dtype=float), np.zeros(copies)
    assert same(functions.gradient(point), np.array(jacobian, dtype=float))
    found = dense(functions.jacobian_structure(), functions.jacobian(point), (copies, 2))
    for k, row in enumerate(found):
        assert same(row, product(np.array(jacobian, dtype=float), 1.0 if k == 0 else 1.0 + k))
    found = symmetric(functions.hessian_structure(), functions.hessian(point, w, 1.0), 2)
    assert same(found, np.array(hessian, dtype=float))


def test_a_network_without_weight_has_no_second_derivatives_on_the_tape() -> None:
    """In a branch that is not taken its inputs are NaN."""
    x = fx.variables(2)
    s = Stream(2)
    s.targets.append(fx.Function(x, np.tanh(x[0]) * np.exp(x[1])))
    call = s.output(0, 0, s.node("log", s.x(0)), s.x(1))
    f = s.node("select", s.node("less", 0.0, s.x(0)), call, s.node("product", s.x(0), s.x(1)))
    functions = s.compile(f, [])
    point = np.array([-1.0, 0.5])
    np.testing.assert_array_equal(functions.gradient(point), [0.5, -1.0])
    found = symmetric(functions.hessian_structure(), functions.hessian(point, np.zeros(0)), 2)
    np.testing.assert_array_equal(found, [[0.0, 1.0], [1.0, 0.0]])
