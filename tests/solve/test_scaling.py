"""Factors for the solver from ranges, and answers that do not depend on the units in which a problem is stated."""

from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from pyomo.contrib.solver.common.factory import SolverFactory
from pyomo_models import MODELS

import fastexpr as fx
import fastexpr.pyomo as fxp
from fastexpr.solve.scaling import scaling_of

UNITS = [1.0, 1e-3, 1e-7, 1e-9, 1e-12]
each_solver = pytest.mark.parametrize("solver", ["cyipopt", "pounce"])


def network(seed: int = 0, unit: float = 1.0) -> fx.Function:
    random = np.random.default_rng(seed)
    x = fx.variables(3)
    hidden = np.tanh(random.normal(size=(10, 3)) @ x + random.normal(size=10))
    return fx.Function(x, unit * (random.normal(size=(2, 10)) @ hidden)).with_bounds([-1.0] * 3, [1.0] * 3)


# ---- units of the objective ------------------------------------------------------------------------------------------


@each_solver
@pytest.mark.parametrize("unit", UNITS)
def test_a_square_in_any_unit(unit: float, solver: str) -> None:
    problem = fx.Problem()
    x = problem.variables(3)
    problem.minimize(unit * ((x - 3.0) ** 2).sum())
    result = problem.solve(solver)
    assert result.status == "optimal"
    np.testing.assert_allclose(result[x], 3.0, atol=1e-5)


@pytest.mark.parametrize("unit", [1e-7, 1e-10])
@pytest.mark.parametrize("seed", range(12))
def test_random_problems_in_tiny_units(seed: int, unit: float) -> None:
    random = np.random.default_rng(seed)
    n = int(random.integers(2, 6))
    matrix, vector = random.normal(size=(n, n)), 3.0 * random.normal(size=n)
    answers = []
    for factor in (1.0, unit):
        problem = fx.Problem()
        x = problem.variables(n, lower=-2.0 if seed % 2 else None, upper=2.0 if seed % 2 else None)
        square = ((matrix @ x) ** 2).sum() / 2.0 + (x**2).sum()
        problem.minimize(factor * (square - (vector * x).sum() + 0.1 * np.exp(0.3 * x).sum()))
        if seed % 3 == 0:
            problem.subject_to((x**2).sum(), upper=1.0)
        result = problem.solve()
        assert result.success
        answers.append(result[x])
    np.testing.assert_allclose(answers[1], answers[0], atol=1e-4)


@pytest.mark.parametrize("unit", UNITS[:4])
def test_an_epigraph_in_any_unit(unit: float) -> None:
    problem = fx.Problem()
    x = problem.variables(2, lower=-1.0, upper=1.0)
    t = problem.variables(())
    problem.minimize(t)
    problem.subject_to(t - unit * np.cosh(x - [0.3, -0.2]).sum(), lower=0.0)
    result = problem.solve()
    assert result.success
    np.testing.assert_allclose(result[x], [0.3, -0.2], atol=1e-3)
    assert result.objective == pytest.approx(2.0 * unit, rel=1e-4)


@pytest.mark.parametrize("unit", UNITS[:4])
def test_an_epigraph_of_what_has_no_bounds_in_pyomo(unit: float) -> None:
    m = pyo.ConcreteModel()
    m.x = pyo.Var([0, 1], initialize=0.0)
    m.t = pyo.Var(initialize=0.0)
    m.objective = pyo.Objective(expr=m.t)
    m.epigraph = pyo.Constraint(expr=m.t >= unit * ((m.x[0] - 0.3) ** 2 + (m.x[1] + 2.0) ** 2 + 1.0))
    SolverFactory("fastexpr").solve(m)
    assert [v.value for v in m.x.values()] == pytest.approx([0.3, -2.0], abs=1e-3)
    assert m.t.value == pytest.approx(unit, rel=1e-4)


@pytest.mark.parametrize("unit", [1.0, 1e-7, 1e-9, 1e-11])
@pytest.mark.parametrize("form", ["expression", "lifted", "block"])
def test_a_forest_behind_an_epigraph_is_no_optimum(form: str, unit: float) -> None:
    ensemble = pytest.importorskip("sklearn.ensemble")
    random = np.random.default_rng(0)
    points = random.uniform(-1.0, 1.0, (300, 2))
    forest = ensemble.RandomForestRegressor(5, random_state=0).fit(points, np.sin(3 * points[:, 0]) + points[:, 1] ** 2)
    net = fx.from_sklearn(forest)
    if form == "block":
        m = pyo.ConcreteModel()
        m.x = pyo.Var([0, 1], bounds=(-1, 1), initialize=0.0)
        m.t = pyo.Var(initialize=0.0)
        m.nn = fxp.NetworkBlock(net, inputs=m.x, formulation="external")
        m.objective = pyo.Objective(expr=m.t)
        m.epigraph = pyo.Constraint(expr=m.t >= unit * m.nn.outputs[0])
        settings: dict[str, Any] = {"raise_exception_on_nonoptimal_result": False, "load_solutions": False}
        assert SolverFactory("fastexpr").solve(m, **settings).extra_info.status == "no_derivative"
        return
    problem = fx.Problem()
    x, t = problem.variables(2, lower=-1.0, upper=1.0), problem.variables(())
    y = net(x) if form == "expression" else problem.network(net, x)
    problem.minimize(t)
    problem.subject_to(t - unit * y[0], lower=0.0)
    assert problem.solve().status == "no_derivative"


@pytest.mark.parametrize("unit", [1e-6, 1e-9])
@pytest.mark.parametrize("is_lifted", [False, True])
def test_a_network_of_tiny_outputs(is_lifted: bool, unit: float) -> None:
    answers = []
    for factor in (1.0, unit):
        problem = fx.Problem()
        x = problem.variables(3, lower=-1.0, upper=1.0, start=[0.3, 0.2, 0.1])
        net = network(3, factor)
        y = problem.network(net, x, bounds=True) if is_lifted else net(x)
        problem.minimize(y[0])
        problem.subject_to(y[1], lower=0.0)
        result = problem.solve()
        assert result.success
        answers.append(result[x])
    np.testing.assert_allclose(answers[1], answers[0], atol=1e-4)


@pytest.mark.parametrize("kind", ["number", "zero times x", "far away", "saturated"])
def test_flat_objectives_are_optimal_anywhere(kind: str) -> None:
    problem = fx.Problem()
    x = problem.variables(2, lower=-9.0, upper=9.0, start=[8.0, 8.0])
    objective = {
        "number": 3.0,
        "zero times x": 0.0 * x.sum(),
        "far away": np.exp(-1e4 * (x**2).sum()),
        "saturated": np.tanh(1e4 * (x.sum() + 100.0)),
    }[kind]
    problem.minimize(objective)
    result = problem.solve()
    assert result.success
    assert result.iterations <= 12


def test_a_large_number_beside_a_small_one() -> None:
    problem = fx.Problem()
    x = problem.variables(2, start=[1.0, 1.0])
    problem.minimize(1e-6 * ((x - 0.5) ** 2).sum() + 1e3)
    assert problem.solve().success


# ---- factors ---------------------------------------------------------------------------------------------------------


def badly_scaled() -> tuple[fx.Problem, Any]:
    """Temperatures, pressures and fractions, and an output of 1e-3 beside one of 1e6."""
    random = np.random.default_rng(3)
    lower, upper = np.array([300.0, 1e5, 0.0]), np.array([400.0, 5e6, 1.0])
    x = fx.variables(3)
    hidden = np.tanh(random.normal(size=(12, 3)) @ ((x - lower) / (upper - lower)) * 2.0)
    outputs = np.array([1e-3, 1e6]) * (random.normal(size=(2, 12)) @ hidden)
    net = fx.Function(x, outputs).with_bounds(lower, upper)
    problem = fx.Problem()
    x = problem.variables(3, lower=lower, upper=upper)
    y = problem.network(net, x, bounds=True)
    problem.maximize(y[0])
    problem.subject_to(y[1], upper=1e5)
    return problem, x


def test_factors_are_those_of_widths_and_slopes() -> None:
    problem, _ = badly_scaled()
    nlp = problem.nlp()
    scaling, scale = scaling_of(nlp)
    np.testing.assert_allclose(scaling.variables[:3], [1e-2, 1.0 / 4.9e6, 1.0])
    assert (scaling.constraints >= 1e-8).all()
    assert (scaling.constraints <= 1e4).all()
    assert scale.rows.max() > 1e5 * scale.rows.min()
    for slope, factor in zip(scale.rows, scaling.constraints, strict=True):
        assert 0.99 <= slope * factor <= 1e4  # 1000 at the start


@each_solver
def test_a_badly_scaled_problem_is_solved(solver: str) -> None:
    problem, x = badly_scaled()
    result = problem.solve(solver)
    assert result.success
    better = [
        problem.solve(solver, start={x: result[x] + d * (problem.nlp().upper - problem.nlp().lower)[:3]}).objective
        for d in (-1e-3, 1e-3)
    ]
    assert result.objective >= max(better) - 1e-9


def test_the_network_s_range_stands_in_for_bounds() -> None:
    problem = fx.Problem()
    x = problem.variables(3)
    y = problem.network(network().with_bounds([0.0, 0.0, 0.0], [10.0, 1e3, 1e-2]), x)
    problem.minimize(y[0] + (x**2).sum())
    scaling, _ = scaling_of(problem.nlp())
    np.testing.assert_allclose(scaling.variables[:3], [0.1, 1e-3, 1e2])


def test_what_the_user_says_about_scaling_counts() -> None:
    problem, _ = badly_scaled()
    for options in ({"scaling": "none"}, {"nlp_scaling_method": "gradient-based"}, {"nlp_scaling_method": "none"}):
        problem.solve(**options)
    with pytest.raises(ValueError, match="unknown scaling"):
        problem.solve(scaling="wild")
    with pytest.raises(ValueError, match="user-scaling"):
        problem.solve(nlp_scaling_method="user-scaling")


def test_entries_of_a_suffix_win_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    from fastexpr import solvers

    taken, original = [], solvers.run

    def run(nlp: Any, solver: str, options: Any, multipliers: Any, supervision: Any, scaling: Any, *rest: Any) -> Any:
        taken.append(scaling)
        return original(nlp, solver, options, multipliers, supervision, scaling, *rest)

    monkeypatch.setattr(solvers, "run", run)
    m = pyo.ConcreteModel()
    m.x = pyo.Var(range(3), bounds=(0, 100), initialize=30)
    m.nn = fxp.NetworkBlock(network(), inputs=m.x, bounds=False)
    m.objective = pyo.Objective(expr=m.nn.outputs[0] + m.x[0])
    m.row = pyo.Constraint(expr=m.x[1] + m.x[2] <= 50)
    m.scaling_factor = pyo.Suffix(direction=pyo.Suffix.EXPORT)
    m.scaling_factor[m.x[1]] = 7.0
    m.scaling_factor[m.row] = 3.0
    SolverFactory("fastexpr").solve(m)
    scaling = taken[0]
    assert sorted(np.round(scaling.variables, 12).tolist()) == [0.01, 0.01, 7.0]
    assert 3.0 in scaling.constraints
    SolverFactory("fastexpr").solve(m, solver_options={"nlp_scaling_method": "gradient-based"})
    assert taken[-1] is None
    SolverFactory("fastexpr").solve(m, scaling="none", presolve=False)
    assert set(taken[-1].variables) == {1.0, 7.0}


def test_the_log_and_progress_speak_the_user_s_units() -> None:
    problem, _ = badly_scaled()
    for solver in ("cyipopt", "pounce"):
        seen: list[Any] = []
        result = problem.solve(solver, progress=seen.append)
        assert -seen[-1].objective == pytest.approx(result.objective, rel=1e-3)


def test_where_factors_do_harm_the_solver_goes_without() -> None:
    """A program whose variables are unbounded above and start at the wrong size."""
    build = MODELS["pynumero_heat_exchanger"].build
    results = SolverFactory("fastexpr").solve(build())
    assert results.incumbent_objective < 0.01
    stages = [stage.name for stage in results.extra_info.stages]
    if results.extra_info.stages[0].objective > 0.01:
        assert stages == ["ipopt", "unscaled"]
    results = SolverFactory("fastexpr").solve(build(), scaling="none")
    assert [stage.name for stage in results.extra_info.stages] == ["ipopt"]


@pytest.mark.parametrize("unit", [1.0, 1e-4, 1e-7, 1e-9])
@pytest.mark.parametrize("kind", ["limit", "bound", "bound of an output"])
def test_limits_hold_in_any_unit(kind: str, unit: float) -> None:
    """Relative to what the row or variable does, not by 1e-8 whatever that is."""
    problem = fx.Problem()
    x = problem.variables(3, lower=-1.0, upper=1.0, start=[0.3, 0.2, 0.1])
    net = network(3, unit)
    free = fx.Problem()
    z = free.variables(3, lower=-1.0, upper=1.0, start=[0.3, 0.2, 0.1])
    free.minimize(net(z)[0] / unit)
    limit = float(free.solve().objective * unit) + 0.2 * unit
    if kind == "limit":
        problem.subject_to(net(x)[0], lower=limit)
        problem.minimize(net(x)[0] / unit)
    elif kind == "bound":
        t = problem.variables((), lower=limit, upper=limit + 9.0 * unit)
        problem.subject_to(t - net(x)[0], equal=0.0)
        problem.minimize(t)
    else:
        problem.minimize(problem.network(net, x, lower=[limit, -np.inf])[0])
    result = problem.solve()
    assert result.success
    assert result.violation <= 1e-6 * unit
    assert float(net(result[x])[0]) == pytest.approx(limit, abs=1e-5 * unit)
