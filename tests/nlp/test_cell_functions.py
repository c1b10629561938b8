"""Programs on frozen branches: values and derivatives in a cell and beyond its walls, and walls as rows."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from onnx import helper
from onnx_models import make_model
from operator_table import ROWS, Row

import fastexpr as fx
import fastexpr.pyomo as fxp
from fastexpr import _core
from fastexpr.errors import GraphError, ShapeError
from fastexpr.nlp import Nlp
from fastexpr.nlp.arrays import Program
from fastexpr.pyomo.compile.compiled import compile_model
from fastexpr.solvers import run


def program_of(function: fx.Function, inputs: Any = None, n: int | None = None) -> Any:
    """Its outputs as rows, at variables; the first one is the objective, too."""
    n = function.n_inputs if n is None else n
    program = Program(n)
    places = np.arange(function.n_inputs)[np.newaxis] if inputs is None else np.asarray(inputs)
    outputs = program.outputs(function, program.variables(places))
    return program.compile(int(outputs[0, 0]), outputs.ravel())


def cells_at(function: fx.Function, x: np.ndarray) -> Any:
    cells = program_of(function).cells()
    cells.freeze(cells.branches(x))
    return cells


def dense(structure: Any, entries: np.ndarray, shape: tuple[int, int], is_symmetric: bool = False) -> np.ndarray:
    result = np.zeros(shape)
    for i, j, entry in zip(*structure, entries, strict=True):
        result[i, j] += entry
        if is_symmetric and i != j:
            result[j, i] += entry
    return result


def jacobian(cells: Any, x: np.ndarray) -> np.ndarray:
    return dense(cells.jacobian_structure(), cells.jacobian(x), (cells.n_rows + getattr(cells, "n_walls", 0), x.size))


def hessian(cells: Any, x: np.ndarray, multipliers: np.ndarray, factor: float = 0.0) -> np.ndarray:
    return dense(cells.hessian_structure(), cells.hessian(x, multipliers, factor), (x.size, x.size), True)


def assert_differences_agree(cells: Any, x: np.ndarray, rng: np.random.Generator, step: float = 1e-6) -> None:
    """Rows, walls included, against central differences: first derivatives, then those of the Lagrangian's gradient."""
    d = rng.standard_normal(x.size)
    ahead, behind = cells.constraints(x + step * d), cells.constraints(x - step * d)
    J = jacobian(cells, x)
    np.testing.assert_allclose(J @ d, (ahead - behind) / (2 * step), rtol=1e-6, atol=1e-6)
    w = rng.standard_normal(len(J))
    slopes = [w @ jacobian(cells, x + s * d) + 0.7 * cells.gradient(x + s * d) for s in (step, -step)]
    H = hessian(cells, x, w, 0.7)
    np.testing.assert_allclose(H @ d, (slopes[0] - slopes[1]) / (2 * step), rtol=1e-6, atol=1e-5)


# ---- every operator


def three(b: Any, low: Any, middle: Any, high: Any) -> Any:
    return np.where(b == 0, low, np.where(b == 1, middle, high))


def clipped(u: Any, b: Any, a: dict[str, Any]) -> Any:
    """Branches begin where there is a limit."""
    first = 0 if "lower" in a else 1
    return three(b + first, a.get("lower", 0.0), u, a.get("upper", 0.0))


def hard(u: Any, b: Any, a: dict[str, Any], inside: Any, above: Any) -> Any:
    return three(b, 0.0, inside, above) if a["alpha"] > 0 else three(b, above, inside, 0.0)


def member(u: Any, b: Any, a: dict[str, Any]) -> Any:
    axis, count = a["axis"], a["n_axes"]
    lanes = u.reshape(*u.shape[:axis], -1, *u.shape[axis + count :])
    return np.take_along_axis(lanes, b.reshape(*lanes.shape[:axis], 1, *lanes.shape[axis + 1 :]), axis)


#: What every kinked operator is on branches b, of its inputs and attributes: smooth, and defined beyond its walls.
PIECES: dict[str, Any] = {
    "Relu": lambda u, b, a: b * u,
    "LeakyRelu": lambda u, b, a: np.where(b == 1, u, a["alpha"] * u),
    "PRelu": lambda u, w, b, a: np.where(b == 1, u, w * u),
    "Abs": lambda u, b, a: np.where(b == 1, u, -u),
    "Elu": lambda u, b, a: np.where(b == 1, u, a["alpha"] * np.expm1(u)),
    "Selu": lambda u, b, a: a["gamma"] * np.where(b == 1, u, a["alpha"] * np.expm1(u)),
    "Clip": clipped,
    "HardSigmoid": lambda u, b, a: hard(u, b, a, a["alpha"] * u + a["beta"], 1.0),
    "HardSwish": lambda u, b, a: hard(u, b, a, u * (a["alpha"] * u + a["beta"]), u),
    "Max": lambda u, v, b, a: np.where(b == 0, u, v),
    "Min": lambda u, v, b, a: np.where(b == 0, u, v),
    "ReduceMax": member,
}
#: Constant on each branch: alone, they have no derivatives, so that no cell would help.
JUMPS = ("Less", "LessOrEqual", "Equal", "Sign")


def has_kinks(row: Row) -> bool:
    operator = _core.Operator(row.name, list(row.shapes), row.attributes, list(row.constants))
    return bool(operator.kinks) or row.name == "ReduceMax"


KINKED = [row for row in ROWS if has_kinks(row) and row.name not in JUMPS]


def of_random_x(row: Row, rng: np.random.Generator) -> tuple[fx.Function, np.ndarray]:
    """The operator of M x, and M."""
    M = rng.standard_normal((row.n, row.n)) + np.eye(row.n)
    return row.function(M), M


def inputs_of(row: Row, u: np.ndarray) -> list[np.ndarray]:
    inputs, first = [], 0
    for k, shape in enumerate(row.shapes):
        if k in row.fixed:
            inputs.append(row.fixed[k])
            continue
        inputs.append(u[first : first + int(np.prod(shape))].reshape(shape))
        first += int(np.prod(shape))
    return inputs


def test_every_kinked_operator_is_tested() -> None:
    assert {row.name for row in ROWS if has_kinks(row)} == {*PIECES, *JUMPS}


@pytest.mark.parametrize("row", KINKED, ids=str)
def test_on_the_branches_of_a_point_an_operator_is_what_it_is(row: Row) -> None:
    rng = np.random.default_rng(3)
    function, _ = of_random_x(row, rng)
    program = program_of(function)
    cells = program.cells()
    assert cells.n_units == function.n_outputs
    for _ in range(3):
        x, w = rng.standard_normal(row.n), rng.standard_normal(function.n_outputs)
        branches = cells.branches(x)
        cells.freeze(branches)
        np.testing.assert_array_equal(cells.frozen, branches)
        np.testing.assert_allclose(cells.constraints(x), program.constraints(x), rtol=1e-15, atol=1e-15)
        np.testing.assert_allclose(jacobian(cells, x), jacobian(program, x), rtol=1e-13, atol=1e-13)
        np.testing.assert_allclose(hessian(cells, x, w, 0.5), hessian(program, x, w, 0.5), rtol=1e-13, atol=1e-13)
        assert (cells.walls(x)[2] >= 0).all()


@pytest.mark.parametrize("row", KINKED, ids=str)
def test_on_any_branches_an_operator_is_smooth_everywhere(row: Row) -> None:
    rng = np.random.default_rng(4)
    function, M = of_random_x(row, rng)
    cells = program_of(function).cells()
    for _ in range(4):
        branches = random_branches(cells, rng.standard_normal(row.n), rng)
        cells.freeze(branches)
        b = branches.reshape(next(iter(function.outputs.values())))
        for x in rng.standard_normal((3, row.n)):
            expected = PIECES[row.name](*inputs_of(row, M @ x), b, row.attributes)
            expected = expected.ravel() if row.name == "ReduceMax" else np.broadcast_to(expected, b.shape).ravel()
            np.testing.assert_allclose(cells.constraints(x), expected, rtol=1e-13)
        units, to, arguments = cells.walls(x)
        cells.choose(units, to)
        np.testing.assert_array_equal(cells.constraints(x)[cells.n_rows :], arguments)
        assert_differences_agree(cells, x, rng)


@pytest.mark.parametrize("row", KINKED, ids=str)
def test_beyond_its_nearest_wall_a_unit_is_on_the_other_branch(row: Row) -> None:
    rng = np.random.default_rng(5)
    function, _ = of_random_x(row, rng)
    cells = program_of(function).cells()
    for _ in range(3):
        x = rng.standard_normal(row.n)
        cells.freeze(cells.branches(x))
        units, to, arguments = cells.walls(x)
        for unit in np.unique(units):
            nearest = np.flatnonzero(units == unit)[arguments[units == unit].argmin()]
            starts, columns, slopes = cells.wall_gradients(x, units[[nearest]], to[[nearest]])
            g = np.zeros(row.n)
            g[columns[starts[0] : starts[1]]] = slopes
            on_wall = x - arguments[nearest] * g / (g @ g)
            beyond = cells.branches(on_wall - 1e-6 * g / (g @ g))
            if row.name != "ReduceMax":  # of several members another one may be larger there
                assert beyond[unit] == to[nearest]
            values = []
            for branch in (cells.frozen[unit], to[nearest]):
                both = cells.frozen
                both[unit] = branch
                other = program_of(function).cells()
                other.freeze(both)
                values.append(other.constraints(on_wall)[unit])
            np.testing.assert_allclose(*values, atol=1e-12)  # branches agree at their wall


# ---- networks


def network(seed: int, n: int = 3, hidden: int = 6, m: int = 4) -> fx.Function:
    rng = np.random.default_rng(seed)
    x = fx.variables(n)
    h = np.maximum(rng.standard_normal((hidden, n)) @ x + rng.standard_normal(hidden), 0.0)
    return fx.Function(x, np.abs(rng.standard_normal((m, hidden)) @ np.tanh(h) + rng.standard_normal(m)))


def random_branches(cells: Any, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Half of the units on the other side of one of their walls."""
    branches = cells.branches(x)
    cells.freeze(branches)
    units, to, _ = cells.walls(x)
    for unit, other in zip(units, to, strict=True):
        if rng.random() < 0.5:
            branches[unit] = other
    return branches


def test_on_the_branches_of_a_point_everything_is_as_usual() -> None:
    rng = np.random.default_rng(1)
    function = network(0)
    program = program_of(function)
    assert program.has_kinks
    for _ in range(5):
        x = rng.standard_normal(3)
        cells = cells_at(function, x)
        w = rng.standard_normal(4)
        np.testing.assert_array_equal(cells.constraints(x), program.constraints(x))
        np.testing.assert_array_equal(jacobian(cells, x), jacobian(program, x))
        np.testing.assert_allclose(hessian(cells, x, w, 0.5), hessian(program, x, w, 0.5), rtol=1e-13, atol=1e-13)


def test_walls_are_rows_with_exact_derivatives() -> None:
    rng = np.random.default_rng(2)
    function = network(1)
    cells = program_of(function).cells()
    for _ in range(5):
        x = rng.standard_normal(3)
        cells.freeze(random_branches(cells, x, rng))
        units, to, arguments = cells.walls(x)
        cells.choose(units, to)
        np.testing.assert_array_equal(cells.constraints(x)[4:], arguments)
        assert_differences_agree(cells, x, rng)


def convolutional(padded: bool = True) -> fx.Function:
    """Convolution, leaky by channel, max-pool with padding, dense with abs and hard swish."""
    rng = np.random.default_rng(6)
    nodes = [
        helper.make_node("Conv", ["x", "W0", "b0"], ["c0"]),
        helper.make_node("PRelu", ["c0", "s"], ["p0"]),
        helper.make_node("MaxPool", ["p0"], ["m0"], kernel_shape=[2, 2], strides=[2, 2], pads=[1, 1, 0, 0]),
        helper.make_node("Flatten", ["m0"], ["f"]),
        helper.make_node("Gemm", ["f", "W1", "b1"], ["g"], transB=1),
        helper.make_node("HardSwish", ["g"], ["h"]),
        helper.make_node("Gemm", ["h", "W2", "b2"], ["k"], transB=1),
        helper.make_node("Abs", ["k"], ["y"]),
    ]
    sizes = {"W0": (3, 1, 2, 2), "b0": (3,), "s": (3, 1, 1), "W1": (5, 27), "b1": (5,), "W2": (2, 5), "b2": (2,)}
    arrays = {name: 0.7 * rng.standard_normal(shape) for name, shape in sizes.items()}
    return fx.load_onnx(make_model(nodes, {"x": [1, 1, 6, 6]}, ["y"], arrays))


def thresholded() -> fx.Function:
    """Three operators that are made of Where and comparisons; the second one jumps."""
    nodes = [
        helper.make_node("Gemm", ["x", "W", "b"], ["g"]),
        helper.make_node("ThresholdedRelu", ["g"], ["t"], alpha=0.3),
        helper.make_node("Shrink", ["g"], ["s"], lambd=0.4, bias=0.4),
        helper.make_node("Add", ["t", "s"], ["y"]),
    ]
    rng = np.random.default_rng(7)
    arrays = {"W": rng.standard_normal((3, 4)), "b": rng.standard_normal(4)}
    return fx.load_onnx(make_model(nodes, {"x": [1, 3]}, ["y"], arrays))


def wide() -> fx.Function:
    """Each output depends on two inputs."""
    x = fx.variables(60)
    return fx.Function(x, np.maximum(np.tanh(x[1:]) * x[:-1], 0.1) + np.abs(x[1:] - x[:-1]) ** 3)


def through_few_numbers() -> fx.Function:
    """Hessians that start at affine images of x."""
    rng = np.random.default_rng(16)
    x = fx.variables(90)
    h = np.tanh(rng.standard_normal((7, 90)) @ x / 9)
    k = np.maximum(rng.standard_normal((9, 7)) @ h, 0.1 * h[np.arange(9) % 7])
    return fx.Function(x, k[:4] * k[4:8])


def images(size: int, channels: int) -> fx.Function:
    """Convolution, tanh, max-pool, leaky convolution, dense: small ones have a front, large ones go by directions."""
    rng = np.random.default_rng(17)
    rest = (size - 2) // 2 - 2
    nodes = [
        helper.make_node("Conv", ["x", "W0"], ["c0"]),
        helper.make_node("Tanh", ["c0"], ["t0"]),
        helper.make_node("MaxPool", ["t0"], ["m0"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["m0", "W1"], ["c1"]),
        helper.make_node("LeakyRelu", ["c1"], ["l1"], alpha=0.2),
        helper.make_node("Flatten", ["l1"], ["f"]),
        helper.make_node("Gemm", ["f", "W2"], ["g"], transB=1),
        helper.make_node("Tanh", ["g"], ["y"]),
    ]
    sizes = {"W0": (channels, 1, 3, 3), "W1": (channels, channels, 3, 3), "W2": (2, channels * rest * rest)}
    arrays = {name: rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:])) for name, shape in sizes.items()}
    return fx.load_onnx(make_model(nodes, {"x": [1, 1, size, size]}, ["y"], arrays))


NETWORKS = {
    "dense": network(1),
    "convolutional": convolutional(),
    "thresholded": thresholded(),
    "wide": wide(),
    "seeds": through_few_numbers(),
    "front": images(12, 3),
    "directions": images(24, 6),
}


@pytest.mark.parametrize("function", NETWORKS.values(), ids=NETWORKS)
def test_networks_in_cells(function: fx.Function) -> None:
    rng = np.random.default_rng(8)
    program = program_of(function)
    cells = program.cells()
    n, m = function.n_inputs, function.n_outputs
    for _ in range(3):
        x, w = rng.standard_normal(n), rng.standard_normal(m)
        cells.freeze(cells.branches(x))
        np.testing.assert_allclose(cells.constraints(x), program.constraints(x), rtol=1e-14)
        np.testing.assert_allclose(jacobian(cells, x), jacobian(program, x), rtol=1e-13, atol=1e-13)
        np.testing.assert_allclose(hessian(cells, x, w), hessian(program, x, w), rtol=1e-12, atol=1e-13)
        cells.freeze(random_branches(cells, x, rng))
        units, to, arguments = cells.walls(x)
        assert np.isfinite(arguments).all()
        some = rng.permutation(units.size)[:100]
        cells.choose(units[some], to[some])
        np.testing.assert_array_equal(cells.chosen, [units[some], to[some]])
        np.testing.assert_array_equal(cells.constraints(x)[m:], arguments[some])
        assert_differences_agree(cells, x, rng)
        starts, columns, entries = cells.wall_gradients(x, units[some], to[some])
        rows = np.repeat(np.arange(some.size), np.diff(starts))
        np.testing.assert_array_equal(dense((rows, columns), entries, (some.size, n)), jacobian(cells, x)[m:])


def test_rows_of_walls_hold_what_their_arguments_depend_on() -> None:
    cells = cells_at(wide(), np.linspace(-1.0, 1.0, 60))
    units, to, _ = cells.walls(np.linspace(-1.0, 1.0, 60))
    cells.choose(units, to)
    rows, _ = cells.jacobian_structure()
    assert (np.bincount(rows)[cells.n_rows :] == 2).all()


def test_units_are_described() -> None:
    cells = cells_at(convolutional(), np.full(36, 0.1))
    names = [cells.describe(unit)[0] for unit in range(cells.n_units)]
    assert names == 75 * ["PRelu"] + 27 * ["ReduceMax"] + 5 * ["HardSwish"] + 2 * ["Abs"]
    assert cells.describe(74) == ("PRelu", cells.describe(0)[1], (0, 2, 4, 4), 0)
    assert cells.describe(108)[2:] == ((0, 1), 0)
    np.testing.assert_array_equal(cells.call_inputs(0), np.arange(36))
    np.testing.assert_array_equal(cells.unit_ranks, 75 * [0] + 27 * [1] + 5 * [2] + 2 * [3])
    assert not cells.unit_jumps.any()
    comparing = cells_at(thresholded(), np.full(3, 0.1))
    assert {comparing.describe(unit)[0] for unit in range(comparing.n_units)} == {"Less"}
    assert comparing.unit_jumps.all()


def test_what_jumps_at_its_wall_differs_there() -> None:
    """A unit of ThresholdedRelu falls from 0.3 to 0, one of Shrink does not, since its bias is its limit."""
    function, rng = thresholded(), np.random.default_rng(9)
    cells = program_of(function).cells()
    jumps = set()
    for x in rng.standard_normal((8, 3)):
        branches = cells.branches(x)
        cells.freeze(branches)
        walls = list(zip(*cells.walls(x), strict=True))
        assert len(walls) == 12
        for unit, to, argument in walls:
            cells.freeze(branches)
            _, columns, slopes = cells.wall_gradients(x, np.array([unit]), np.array([to]))
            on_wall = x.copy()
            on_wall[columns] -= argument * slopes / (slopes @ slopes)
            if cells.walls(on_wall)[2].min() < -1e-9:
                continue  # another wall is before
            here = cells.constraints(on_wall)
            other = branches.copy()
            other[unit] = to
            cells.freeze(other)
            jumps.add(round(float(np.abs(cells.constraints(on_wall) - here).max()), 6))
    assert jumps == {0.0, 0.3}


def test_one_network_at_many_places_has_branches_at_each() -> None:
    rng = np.random.default_rng(10)
    function = network(2, n=2, hidden=5, m=2)
    for places in (2, 7, 150):
        inputs = rng.integers(0, 20, (places, 2))
        inputs[:, 1] = (inputs[:, 0] + 1 + inputs[:, 1] % 19) % 20
        cells = program_of(function, inputs, n=20).cells()
        x = rng.standard_normal(20)
        cells.freeze(random_branches(cells, x, rng))
        units, to, arguments = cells.walls(x)
        assert units.size == cells.n_units == 7 * cells.n_calls
        alone = program_of(function).cells()
        for call in (0, cells.n_calls // 2, cells.n_calls - 1):
            own = cells.call_inputs(call)
            alone.freeze(cells.frozen[7 * call : 7 * call + 7])
            np.testing.assert_allclose(
                alone.walls(x[own])[2], arguments[7 * call : 7 * call + 7], rtol=1e-13, atol=1e-14
            )
        some = rng.permutation(units.size)[:60]
        cells.choose(units[some], to[some])
        assert_differences_agree(cells, x, rng)


# ---- whole models


def kinked_model() -> Any:
    """Networks of expressions and of each other's outputs, abs in abs, conditions, and products of all of them."""
    first, second = network(3), network(4, n=4, hidden=5, m=2)
    m = pyo.ConcreteModel()
    m.x = pyo.Var(range(4), initialize=lambda m, i: 0.3 * i - 0.5)
    m.p = pyo.Param(initialize=0.7, mutable=True)
    m.first = fxp.NetworkBlock(first, inputs=[m.x[0], m.x[1], m.x[2]])
    m.f, m.g = fxp.ExternalNetwork(first), fxp.ExternalNetwork(second)
    inner = m.f([m.x[0] * m.x[1], pyo.sin(m.x[3]), 2 * m.x[2] - 1])
    outer = m.g([inner[k] for k in range(4)])
    m.obj = pyo.Objective(
        expr=abs(m.x[0] * m.x[3] - m.p) + pyo.Expr_if(m.x[1] * m.x[2] > 0.1, m.x[0] ** 2, m.x[2] ** 3)
    )
    m.nested = pyo.Constraint(expr=abs(m.x[1] - abs(m.x[0] ** 2 - abs(m.x[2]))) * m.x[3] <= 1)
    m.spliced = pyo.Constraint(expr=outer[0] * m.x[0] + abs(outer[1] - 0.2) <= 3)
    m.gate = pyo.Constraint(expr=pyo.Expr_if(inner[0] <= inner[1], inner[2] * m.x[1], inner[3]) <= 5)
    return m


def test_kinks_of_the_models_own_algebra() -> None:
    model = kinked_model()
    functions = compile_model(model).nlp.functions
    cells = functions.cells()
    kinds = [cells.describe(unit)[0] for unit in range(cells.n_units)]
    assert kinds[:8].count("abs") == 5
    assert kinds[:8].count("less") + kinds[:8].count("less_equal") == 2
    rng = np.random.default_rng(11)
    n, m = cells.n_variables, cells.n_rows
    for _ in range(4):
        x, w = rng.standard_normal(n), rng.standard_normal(m)
        cells.freeze(cells.branches(x))
        assert cells.objective(x) == pytest.approx(functions.objective(x), rel=1e-14)
        np.testing.assert_allclose(cells.gradient(x), functions.gradient(x), rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(cells.constraints(x), functions.constraints(x), rtol=1e-13, atol=1e-13)
        np.testing.assert_allclose(jacobian(cells, x), jacobian(functions, x), rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(hessian(cells, x, w, 0.3), hessian(functions, x, w, 0.3), rtol=1e-10, atol=1e-11)
        assert (cells.walls(x)[2] >= 0).all()
        cells.freeze(random_branches(cells, x, rng))
        units, to, arguments = cells.walls(x)
        cells.choose(units, to)
        np.testing.assert_array_equal(cells.constraints(x)[m:], arguments)
        assert_differences_agree(cells, x, rng)


def test_minimum_and_maximum_of_several() -> None:
    """A chain of two by two: max(x0, x1 x2, sin x0) and min of the same, and of a number."""
    rng = np.random.default_rng(15)
    program = Program(3)
    v = program.variables(np.arange(3))

    def node(name: str, *operands: Any) -> int:
        return int(program._append(name, np.array([operands]))[0])

    operands = [v[0], node("product", v[1], v[2]), node("sin", v[0]), program.constant(0.2)]
    rows = [node("minimum", *operands), node("maximum", *operands)]
    functions = program.compile(rows[0], rows)
    cells = functions.cells()
    assert [cells.describe(unit)[0] for unit in range(6)] == 3 * ["minimum"] + 3 * ["maximum"]
    np.testing.assert_array_equal(cells.unit_ranks, [0, 1, 2, 0, 1, 2])
    for x in rng.standard_normal((6, 3)):
        cells.freeze(cells.branches(x))
        numbers = [x[0], x[1] * x[2], np.sin(x[0]), 0.2]
        np.testing.assert_allclose(cells.constraints(x), [min(numbers), max(numbers)], rtol=1e-14)
        np.testing.assert_allclose(jacobian(cells, x), jacobian(functions, x), rtol=1e-14)
        cells.freeze(random_branches(cells, x, rng))
        units, to, _ = cells.walls(x)
        cells.choose(units, to)
        assert_differences_agree(cells, x, rng)


def test_a_kink_of_a_fixed_argument_is_none() -> None:
    m = pyo.ConcreteModel()
    m.x, m.y = pyo.Var(initialize=1.0), pyo.Var(initialize=2.0)
    m.y.fix()
    m.obj = pyo.Objective(expr=abs(m.y) * m.x**2 + abs(m.y - 3))
    assert not compile_model(m).nlp.functions.has_kinks
    with pytest.raises(ValueError, match=r"\[NlpFunctions\] has no kinks"):
        compile_model(m).nlp.functions.cells()
    m.y.unfix()
    assert compile_model(m).nlp.functions.has_kinks


def test_equal_kinks_are_one_unit() -> None:
    m = pyo.ConcreteModel()
    m.x, m.y = pyo.Var(initialize=1.0), pyo.Var(initialize=2.0)
    m.obj = pyo.Objective(expr=abs(m.x - m.y) + m.x**2)
    m.c = pyo.Constraint(range(5), rule=lambda m, i: i * m.x + abs(m.x - m.y) <= 4)
    cells = compile_model(m).nlp.functions.cells()
    assert cells.n_units == 1
    assert cells.describe(0) == ("abs", "", (), -1)


def test_ranks_tell_what_depends_on_what() -> None:
    """Moving an argument across its wall changes no branch of a unit of the same rank or below."""
    cells = compile_model(kinked_model()).nlp.functions.cells()
    ranks = cells.unit_ranks
    assert ranks.min() == 0
    assert ranks.max() >= 4
    assert {0, 1, 2} <= {int(ranks[u]) for u in range(cells.n_units) if cells.describe(u)[0] == "abs"}
    rng = np.random.default_rng(12)
    x = rng.standard_normal(cells.n_variables)
    branches = cells.branches(x)
    for unit in range(cells.n_units):
        cells.freeze(branches)
        units, to, arguments = cells.walls(x)
        other = branches.copy()
        other[unit] = to[units == unit][0]
        cells.freeze(other)
        moved = cells.walls(x)[2] * np.where(units == unit, -1.0, 1.0) != arguments
        assert (ranks[units[moved]] > ranks[unit]).all()


def test_parameters_change_without_compiling() -> None:
    model = kinked_model()
    compiled = compile_model(model)
    functions = compiled.nlp.functions
    cells = functions.cells()
    x = np.full(cells.n_variables, 0.4)
    for p in (0.7, -2.0):
        model.p = p
        compiled.refresh()
        cells.set_parameters([p])
        cells.freeze(cells.branches(x))
        assert cells.objective(x) == pytest.approx(functions.objective(x), rel=1e-14)
        fresh = functions.cells()
        fresh.freeze(cells.frozen)
        assert fresh.objective(x) == cells.objective(x)
        np.testing.assert_array_equal(cells.row_constants(), functions.row_constants())


def test_reading_branches_leaves_the_cell_alone() -> None:
    rng = np.random.default_rng(13)
    cells = compile_model(kinked_model()).nlp.functions.cells()
    x = rng.standard_normal(cells.n_variables)
    cells.freeze(random_branches(cells, x, rng))
    units, to, _ = cells.walls(x)
    cells.choose(units[::2], to[::2])
    before = cells.constraints(x)
    assert (cells.branches(x) != cells.frozen).any()
    np.testing.assert_array_equal(cells.constraints(x), before)
    np.testing.assert_array_equal(cells.chosen[0], units[::2])


# ---- as a problem


def test_threads_share_cells_and_networks() -> None:
    rng = np.random.default_rng(14)
    program = program_of(
        network(5, n=6, hidden=40, m=5), rng.permuted(np.tile(np.arange(8), (70, 1)), axis=1)[:, :6], n=8
    )
    shared = program.cells()
    X = rng.standard_normal((8, 8))
    branches = random_branches(shared, X[0], rng)
    shared.freeze(branches)
    units, to, _ = shared.walls(X[0])
    some = np.arange(0, units.size, 9)
    shared.choose(units[some], to[some])
    w = rng.standard_normal(shared.n_rows + some.size)

    def evaluate(cells: Any, x: np.ndarray) -> list[np.ndarray]:
        return [cells.constraints(x), cells.jacobian(x), cells.hessian(x, w, 0.1), cells.walls(x)[2]]

    def own(x: np.ndarray) -> list[np.ndarray]:
        cells = program.cells()
        cells.freeze(branches)
        cells.choose(units[some], to[some])
        return evaluate(cells, x)

    expected = [evaluate(shared, x) for x in X]
    with ThreadPoolExecutor(4) as pool:
        for got in (pool.map(lambda x: evaluate(shared, x), X), pool.map(own, X)):
            for numbers, known in zip(got, expected, strict=True):
                for a, b in zip(numbers, known, strict=True):
                    np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13)


def test_ipopt_solves_in_a_cell() -> None:
    """min |x0 - 1| + |x1 + 2| + x0 x1 in one of its four cells: at a corner, or where x0 x1 ends the other's slope."""
    pytest.importorskip("cyipopt")
    x = fx.variables(2)
    functions = program_of(fx.Function(x, np.abs(x[0] - 1.0) + np.abs(x[1] + 2.0) + 0.3 * x[0] * x[1]))
    cells = functions.cells()
    cells.freeze(cells.branches(np.array([0.5, -1.0])))
    units, to, _ = cells.walls(np.array([0.5, -1.0]))
    cells.choose(units, to)
    limits = np.concatenate([[-np.inf], np.zeros(units.size)]), np.full(1 + units.size, np.inf)
    nlp = Nlp(np.array([0.5, -1.0]), np.full(2, -5.0), np.full(2, 5.0), *limits, cells)
    solution = run(nlp, "cyipopt", {"print_level": 0, "tol": 1e-10})
    assert solution.status == "optimal"
    np.testing.assert_allclose(solution.x, [1.0, -2.0], atol=1e-7)
    assert nlp.steps() == [""] * (2 + units.size)


def test_what_is_no_cell_is_refused() -> None:
    cells = program_of(network(1)).cells()
    x = np.full(3, 0.5)
    for call in (cells.objective, cells.constraints, cells.jacobian, cells.walls):
        with pytest.raises(GraphError, match=r"there is no cell yet\. Call freeze"):
            call(x)
    branches = cells.branches(x)
    with pytest.raises(ShapeError, match="got 3, expected one for each of 10 units"):
        cells.freeze(branches[:3])
    with pytest.raises(TypeError, match="expected a vector of whole numbers"):
        cells.freeze(branches.astype(float))
    for number in (-1, 2, 2**40):
        wrong = branches.astype(np.int64)
        wrong[4] = number
        with pytest.raises(ValueError, match=f"unit 4 has no branch {number}" if abs(number) < 9 else "32-bit"):
            cells.freeze(wrong)
    cells.freeze(branches)
    for unit, to, said in (
        (10, 0, "there is no unit 10: there are 10"),
        (-1, 0, "there is no unit -1"),
        (0, int(branches[0]), f"has no wall towards branch {branches[0]}"),
        (0, 7, "has no wall towards branch 7"),
    ):
        for call in (cells.choose, lambda units, to: cells.wall_gradients(x, units, to)):
            with pytest.raises(GraphError, match=said):
                call(np.array([unit]), np.array([to]))
        with pytest.raises(ShapeError, match="differ in length"):
            cells.choose(np.array([unit]), np.array([to, to]))
    with pytest.raises(GraphError, match="there is no call 1: there are 1"):
        cells.call_inputs(1)
    assert cells.n_walls == 0
