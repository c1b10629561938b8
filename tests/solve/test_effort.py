"""What a solve does beyond one start, and what it says where there is no feasible point."""

from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from pyomo.contrib.solver.common.factory import SolverFactory
from pyomo.contrib.solver.common.results import TerminationCondition

import fastexpr as fx
import fastexpr.pyomo as fxp

EFFORTS = ["normal", "high"]


def network(n: int = 3, m: int = 2, seed: int = 0) -> fx.Function:
    random = np.random.default_rng(seed)
    x = fx.variables(n)
    hidden = np.tanh(random.normal(size=(12, n)) @ x + random.normal(size=12))
    hidden = np.tanh(random.normal(size=(12, 12)) / 2.0 @ hidden)
    return fx.Function(x, random.normal(size=(m, 12)) @ hidden).with_bounds([-1.0] * n, [1.0] * n)


# ---- infeasible ------------------------------------------------------------------------------------------------------


def in_conflict(kind: str) -> tuple[fx.Problem, set[str], set[str]]:
    """A problem without a feasible point, names that are in conflict, and names that are not."""
    problem = fx.Problem()
    x = problem.variables(3, lower=-1.0, upper=1.0, name="x")
    problem.subject_to(x[0] - x[1], lower=-5.0, name="harmless")
    if kind == "linear":
        problem.subject_to(x.sum(), upper=1.0, name="budget")
        problem.subject_to(x[:2], lower=0.9, name="least")
        problem.subject_to(x[2], lower=0.0, name="third")
        problem.minimize((x**2).sum())
        return problem, {"budget", "least[0]", "least[1]", "third"}, {"harmless"}
    if kind == "a bound of an output":
        y = problem.network(network(), x, bounds=True, lower=[6.0, -np.inf], name="y")
        problem.minimize(y[1])
        return problem, {"the bound of y[0]", "the bound of x"}, {"harmless"}
    if kind == "a curved row":
        problem.subject_to(x[0] * x[1], lower=0.8, name="product")
        problem.subject_to(x[0] + x[1], equal=0.3, name="sum")
        problem.minimize(x[2])
        return problem, {"product", "sum"}, {"harmless"}
    y = problem.network(network(seed=1), x, name="y")
    problem.subject_to(1e6 * y[0], lower=3.5e6, name="large")
    problem.minimize(y[1])
    return problem, {"large", "the bound of x"}, {"harmless"}


KINDS = ["linear", "a bound of an output", "a curved row", "in large units"]


@pytest.mark.parametrize("kind", KINDS)
def test_low_effort_is_one_start(kind: str) -> None:
    results = {effort: in_conflict(kind)[0].solve(effort=effort) for effort in ("low", "normal")}
    assert {effort: result.status for effort, result in results.items()} == {
        "low": "infeasible",
        "normal": "infeasible",
    }
    names = {effort: [stage.name for stage in result.stages] for effort, result in results.items()}
    assert names["normal"] == [*names["low"], "sample"]


@pytest.mark.parametrize("effort", EFFORTS)
@pytest.mark.parametrize("kind", KINDS)
def test_conflicts_are_named_with_amounts(kind: str, effort: str) -> None:
    problem, wanted, unwanted = in_conflict(kind)
    result = problem.solve(effort=effort)
    assert result.status == "infeasible"
    named = {entry.name for entry in result.conflicts}
    assert named
    assert all(any(entry.startswith(name) for name in wanted) for entry in named)
    assert not named & unwanted
    first = result.conflicts[0]
    assert first.violation > 0.0
    assert first.name in result.message
    assert f"{first.violation:.3g}" in result.message
    if effort == "high":
        assert "starts" in result.message
        assert "elastic" in result.message


def test_the_least_violation_shows_what_stands_against_each_other() -> None:
    problem, *_ = in_conflict("linear")
    conflicts = problem.solve(effort="high").conflicts
    assert sum(entry.violation for entry in conflicts) == pytest.approx(0.8, abs=1e-3)  # 0.9 + 0.9 + 0 beyond 1
    assert {entry.name for entry in conflicts} == {"budget", "least[0]", "least[1]", "third"}


def test_only_bounds_prove() -> None:
    problem = fx.Problem()
    x = problem.variables(3, lower=-1.0, upper=1.0)
    y = problem.network(network(), x, lower=[1e3, -np.inf], name="y")
    problem.minimize(y[0])
    result = problem.solve()
    assert result.status == "infeasible"
    assert "No point is feasible: y[0] is within" in result.message
    assert "No point" not in in_conflict("a bound of an output")[0].solve().message
    m = pyo.ConcreteModel()
    m.x = pyo.Var(range(3), bounds=(-1, 1))
    m.nn = fxp.NetworkBlock(network(), inputs=m.x)
    m.nn.outputs[0].setlb(1e3)
    m.objective = pyo.Objective(expr=m.nn.outputs[0])
    results = SolverFactory("fastexpr").solve(m, raise_exception_on_nonoptimal_result=False, load_solutions=False)
    assert results.termination_condition == TerminationCondition.provenInfeasible


@pytest.mark.parametrize("effort", EFFORTS)
def test_conflicts_of_a_pyomo_model(effort: str) -> None:
    m = pyo.ConcreteModel()
    m.x = pyo.Var([0, 1], bounds=(0, 1), initialize=0.2)
    m.objective = pyo.Objective(expr=m.x[0])
    m.cap = pyo.Constraint(expr=m.x[0] + m.x[1] <= 0.5)
    m.need = pyo.Constraint(expr=m.x[0] * m.x[1] >= 0.4)
    settings: dict[str, Any] = {"raise_exception_on_nonoptimal_result": False, "load_solutions": False}
    results = SolverFactory("fastexpr").solve(m, effort=effort, **settings)
    assert results.termination_condition == TerminationCondition.locallyInfeasible
    about = results.extra_info
    assert about.conflicts[0].name == "need"
    assert "need by 0.3" in about.solver_message
    assert ("cap" in about.solver_message) == (effort == "high")


# ---- further starts --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("effort", EFFORTS)
def test_a_second_start_finds_a_feasible_point_where_the_first_does_not(effort: str) -> None:
    problem = fx.Problem()
    x = problem.variables(3, lower=-1.0, upper=1.0, start=np.linspace(-0.6, 0.5, 3))
    y = problem.network(network(seed=3), x, bounds=True)
    problem.subject_to(y[1] + x[0] ** 2, lower=-0.5, upper=0.8)
    problem.minimize(y[0])
    result = problem.solve(effort=effort)
    assert result.success
    assert result.conflicts == []
    assert [stage.name for stage in result.stages][:3] == ["ipopt", "unscaled", "sample"]
    assert result.stages[0].violation > 1.0


def hardly_feasible(seed: int, unit: float) -> fx.Problem:
    """Outputs must be nearly as good as at the best of 2000 points; one of them in another unit."""
    random = np.random.default_rng(seed)
    x = fx.variables(3)
    hidden = np.tanh(random.normal(size=(16, 3)) @ x * 2.0 + random.normal(size=16))
    net = fx.Function(x, np.array([1.0, unit]) * (random.normal(size=(2, 16)) @ hidden))
    Y = net(random.uniform(-1.0, 1.0, (2000, 3)))
    best = Y[(Y @ np.array([1.0, 0.6 / unit])).argmax()]
    problem = fx.Problem()
    inputs = problem.variables(3, lower=-1.0, upper=1.0)
    problem.subject_to(problem.network(net, inputs), lower=best - 1e-3 * np.ptp(Y, axis=0))
    problem.minimize((inputs**2).sum())
    return problem


@pytest.mark.parametrize("unit", [1.0, 1e6])
@pytest.mark.parametrize("seed", [17, 19, 27, 43, 73, 98])
def test_sets_of_feasible_points_that_are_small_are_found(seed: int, unit: float) -> None:
    result = hardly_feasible(seed, unit).solve()
    assert result.status == "optimal", result.message
    if unit == 1.0:  # the centre leads nowhere
        assert [stage.name for stage in result.stages] == ["ipopt", "unscaled", "sample"]


@pytest.mark.parametrize("solver", ["cyipopt", "pounce"])
def test_high_effort_finds_a_better_minimum(solver: str) -> None:
    problem = fx.Problem()
    x = problem.variables(2, lower=-3.0, upper=3.0, start=[2.5, 2.5])
    problem.minimize((x**4 - 4.0 * x**2 + x).sum())
    normal, high = problem.solve(solver), problem.solve(solver, effort="high")
    assert high.success
    assert high.objective < normal.objective - 1.0
    assert high.iterations == sum(stage.iterations for stage in high.stages)


def test_elastic_and_projection_run_where_nothing_was_feasible() -> None:
    problem, *_ = in_conflict("a curved row")
    names = [stage.name for stage in problem.solve(effort="high").stages]
    assert names == ["ipopt", "unscaled", "sample", "elastic", "projection", "random starts"]


def test_limits_count_for_all_stages_together() -> None:
    problem, *_ = in_conflict("a curved row")
    whole = problem.solve(effort="high").iterations
    result = problem.solve(effort="high", max_iter=whole // 2)
    assert result.iterations <= whole // 2
    assert problem.solve(effort="high", time_limit=0.0).iterations <= 1
    seen: list[str] = []

    def stop(state: Any) -> bool:
        seen.append(state.stage)
        return bool(state.stage == "ipopt")

    result = problem.solve(effort="high", progress=stop)
    assert seen[-1] == "unscaled"
    assert [stage.name for stage in result.stages] == ["ipopt", "unscaled"]


def test_the_log_belongs_to_the_first_stage(capfd: pytest.CaptureFixture[str]) -> None:
    problem = fx.Problem()
    x = problem.variables(2, lower=-3.0, upper=3.0, start=[2.5, 2.5])
    problem.minimize((x**4 - 4.0 * x**2 + x).sum())
    logs = []
    for effort in EFFORTS:
        problem.solve("cyipopt", effort=effort, print_level=5, derivative_test="second-order")
        logs.append(capfd.readouterr().out)
    for words in ("Number of Iterations", "derivative checker", "EXIT"):
        assert logs[0].count(words) == logs[1].count(words) > 0


def test_efforts_are_known() -> None:
    problem, *_ = in_conflict("linear")
    with pytest.raises(ValueError, match="unknown effort"):
        problem.solve(effort="extreme")


@pytest.mark.parametrize("name", ["cyipopt", "pounce"])
def test_the_log_of_a_pyomo_model_is_that_of_the_first_stage(name: str) -> None:
    def model() -> pyo.ConcreteModel:
        m = pyo.ConcreteModel()
        m.x = pyo.Var([0, 1], bounds=(-3, 3), initialize=2.5)
        m.objective = pyo.Objective(expr=sum(v**4 - 4 * v**2 + v for v in m.x.values()))
        return m

    normal, high = (SolverFactory("fastexpr", solver=name).solve(model(), effort=effort) for effort in EFFORTS)
    assert high.incumbent_objective < normal.incumbent_objective - 1.0
    assert high.solver_log.count("\n") == normal.solver_log.count("\n")


def test_other_starts_are_cold() -> None:
    """After a warm start: a barrier parameter that keeps the solver where it is, and multipliers, are not theirs."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var([0, 1], bounds=(-3, 3), initialize=2.5)
    m.objective = pyo.Objective(expr=sum(v**4 - 4 * v**2 + v for v in m.x.values()))
    solver = SolverFactory("fastexpr")
    solver.solve(m)
    stages = solver.solve(m, warm_start=True, effort="high").extra_info.stages
    assert stages[0].iterations < 5
    assert min(stage.objective for stage in stages[1:]) < stages[0].objective - 1.0
