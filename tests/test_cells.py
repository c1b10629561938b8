"""Programs on frozen branches: values and derivatives in a cell and beyond its walls, and walls as rows."""

from __future__ import annotations

from typing import Any

import numpy as np

import fastexpr as fx
from fastexpr.program import Program


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
