"""The solver 'fastexpr' in Pyomo's solver interface: what it solves, and what it says about it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pyomo.environ as pyo
import pytest
from networks import algebra, network
from pyomo.common.timing import HierarchicalTimer
from pyomo.contrib.solver.common.base import Availability
from pyomo.contrib.solver.common.factory import SolverFactory
from pyomo.contrib.solver.common.results import SolutionStatus, TerminationCondition

import fastexpr as fx
import fastexpr.pyomo as fxp
import fastexpr.pyomo.compile.compiled as compiled
from fastexpr.errors import ModelError, NotFoundError


def solver(**settings: Any) -> Any:
    return SolverFactory("fastexpr", **settings)


def parabola() -> pyo.ConcreteModel:
    """Nearest point of the half-plane to (a, 1)."""
    m = pyo.ConcreteModel("parabola")
    m.a = pyo.Param(initialize=2.0, mutable=True)
    m.x = pyo.Var(initialize=0.5, bounds=(0, 10))
    m.y = pyo.Var(initialize=0.5)
    m.distance = pyo.Objective(expr=(m.x - m.a) ** 2 + (m.y - 1) ** 2)
    m.half = pyo.Constraint(expr=m.x + m.y <= 1)
    return m


def with_network(route: str) -> pyo.ConcreteModel:
    m = pyo.ConcreteModel()
    m.x = pyo.Var(range(4), bounds=(-2, 2), initialize=0.3)
    if route == "block":
        m.nn = fxp.NetworkBlock(network(4, 3), inputs=m.x)
        y = list(m.nn.outputs.values())
    elif route == "external":
        m.nn = fxp.ExternalNetwork(network(4, 3))
        y = list(m.nn(m.x))
    else:
        y = algebra(4, 3, list(m.x.values()))
    m.best = pyo.Objective(expr=y[0] - sum((x - 1) ** 2 for x in m.x.values()), sense=pyo.maximize)
    m.limit = pyo.Constraint(expr=y[2] + m.x[0] * m.x[1] <= 0.1)
    return m


@pytest.fixture
def compilations(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """A list that grows by a model whenever one is compiled."""
    seen: list[Any] = []
    original = compiled.compile_model

    def counting(model: Any, has_hessian: bool) -> Any:
        seen.append(model)
        return original(model, has_hessian)

    monkeypatch.setattr(compiled, "compile_model", counting)
    return seen


# ---- solutions -------------------------------------------------------------------------------------------------------


def test_results() -> None:
    m = parabola()
    results = solver().solve(m)
    assert results.termination_condition == TerminationCondition.convergenceCriteriaSatisfied
    assert results.solution_status == SolutionStatus.optimal
    assert pyo.check_optimal_termination(results)
    assert (m.x.value, m.y.value) == pytest.approx((1.0, 0.0), abs=1e-6)
    assert results.incumbent_objective == pytest.approx(2.0)
    assert results.objective_bound == -math.inf
    assert results.solver_name == "fastexpr"
    assert results.solver_version == solver().version()
    assert results.extra_info.iteration_count > 0
    assert results.extra_info.solver_message == "Optimal solution found."
    assert (results.extra_info.number_of_variables, results.extra_info.number_of_constraints) == (2, 1)
    assert results.extra_info.constraint_violation <= 1e-7
    assert "EXIT: Optimal Solution Found." in results.solver_log


def test_timing() -> None:
    timer = HierarchicalTimer()
    timing = solver().solve(parabola(), timer=timer).timing_info
    parts = timing.compile + timing.solver + timing.results + timing.load
    assert 0.0 < parts <= timing.wall_time
    assert timing.evaluations["hessian"]["count"] > 0
    assert 0.0 < timing.evaluations["hessian"]["seconds"] < timing.solver
    assert timer.get_num_calls("solver") == 1
    assert timing.timer is timer


def test_maximization_is_reported_in_the_models_sense() -> None:
    m = parabola()
    m.distance.sense = pyo.maximize
    m.distance.expr = -m.distance.expr
    results = solver().solve(m)
    assert results.incumbent_objective == pytest.approx(-2.0)
    assert results.objective_bound == math.inf
    assert results.solution_loader.get_duals()[m.half] == pytest.approx(2.0)


def test_solution_is_loaded_on_demand() -> None:
    m = parabola()
    m.dual = pyo.Suffix(direction=pyo.Suffix.IMPORT)
    results = solver().solve(m, load_solutions=False)
    assert (m.x.value, m.y.value, len(m.dual)) == (0.5, 0.5, 0)
    loader = results.solution_loader
    assert loader.get_vars()[m.x] == pytest.approx(1.0)
    assert list(loader.get_vars([m.y]).values()) == pytest.approx([0.0], abs=1e-6)
    assert loader.get_duals([m.half])[m.half] == pytest.approx(-2.0)
    assert loader.get_reduced_costs([m.x])[m.x] == pytest.approx(0.0, abs=1e-6)
    loader.load_vars([m.y])
    assert (m.x.value, m.y.value) == (0.5, pytest.approx(0.0, abs=1e-6))
    loader.load_solution()
    assert (m.x.value, m.dual[m.half]) == (pytest.approx(1.0), pytest.approx(-2.0))
    assert loader.get_number_of_solutions() == 1


def test_no_value_of_what_was_not_solved() -> None:
    m = parabola()
    m.z = pyo.Var()
    loader = solver().solve(m).solution_loader
    with pytest.raises(NotFoundError, match="'z': it was not part of what was solved"):
        loader.get_vars([m.z])


def test_results_outlive_the_next_solve() -> None:
    m, opt = parabola(), solver()
    first = opt.solve(m)
    m.a.value = 1.0
    opt.solve(m)
    first.solution_loader.load_vars()
    assert m.x.value == pytest.approx(1.0)


def test_stale_flags() -> None:
    m = parabola()
    m.unused = pyo.Var(initialize=1.0)
    solver().solve(m)
    assert (m.x.stale, m.y.stale, m.unused.stale) == (False, False, True)


@pytest.mark.parametrize("route", ["block", "external"])
def test_networks(route: str) -> None:
    m, reference = with_network(route), with_network("algebra")
    results = [solver().solve(model, solver_options={"tol": 1e-10}) for model in (m, reference)]
    assert results[0].incumbent_objective == pytest.approx(results[1].incumbent_objective, abs=1e-8)
    assert [x.value for x in m.x.values()] == pytest.approx([x.value for x in reference.x.values()], abs=1e-6)
    duals = [result.solution_loader.get_duals() for result in results]
    assert duals[0][m.limit] == pytest.approx(duals[1][reference.limit], abs=1e-6)


def test_outputs_without_values_start_from_the_network() -> None:
    starts = []
    for initialize in (True, False):
        m = with_network("block")
        for y in m.nn.outputs.values():
            y.set_value(None)
        options = {"max_iter": 0}
        results = solver(initialize=initialize, presolve=False).solve(
            m, load_solutions=False, raise_exception_on_nonoptimal_result=False, solver_options=options
        )
        assert all(y.value is None for y in m.nn.outputs.values())
        starts.append(list(results.solution_loader.get_vars(list(m.nn.outputs.values())).values()))
    assert starts[0] == pytest.approx(network(4, 3)([0.3] * 4).tolist())
    assert starts[1] == [0.0] * 3


# ---- the compiled model is kept --------------------------------------------------------------------------------------


def test_other_numbers_compile_nothing(compilations: list[Any]) -> None:
    m, opt = parabola(), solver()
    m.fixed = pyo.Var(initialize=1.0)
    m.fixed.fix()
    m.other = pyo.Constraint(expr=m.y >= -m.fixed)
    opt.solve(m)
    m.a.value = 5.0
    opt.solve(m)
    assert (m.x.value, m.y.value) == pytest.approx((2.0, -1.0), abs=1e-6)
    m.fixed.fix(0.25)
    opt.solve(m)
    assert m.y.value == pytest.approx(-0.25)
    m.x.setub(0.5)
    opt.solve(m)
    assert (m.x.value, m.y.value) == pytest.approx((0.5, 0.5), abs=1e-6)
    m.x.value, m.y.value = 0.1, 0.2
    results = opt.solve(m, solver_options={"max_iter": 0}, raise_exception_on_nonoptimal_result=False)
    assert results.solution_loader.get_vars()[m.y] == pytest.approx(0.2)
    assert len(compilations) == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.half.deactivate(),
        lambda m: m.half.set_value(m.x + 2 * m.y <= 1),
        lambda m: m.distance.set_value((m.x - 3) ** 2 + m.y**2),
        lambda m: m.distance.set_sense(pyo.maximize),
        lambda m: m.add_component("further", pyo.Constraint(expr=m.x <= 0.2)),
    ],
)
def test_another_structure_is_compiled(change: Callable[[Any], object], compilations: list[Any]) -> None:
    m, opt = parabola(), solver()
    m.y.setub(2)
    m.y.setlb(-2)
    opt.solve(m)
    change(m)
    again = opt.solve(m)
    assert len(compilations) == 2
    fresh = solver().solve(m)
    assert again.incumbent_objective == pytest.approx(fresh.incumbent_objective, abs=1e-6)


def test_what_is_not_looked_at_has_to_be_told(compilations: list[Any]) -> None:
    m, opt = parabola(), solver()
    opt.config.auto_updates.check_for_new_or_removed_constraints = False
    opt.set_instance(m)
    opt.solve(m)
    m.further = pyo.Constraint(expr=m.x <= 0.25)
    opt.solve(m)
    assert (len(compilations), m.x.value) == (1, pytest.approx(1.0))
    opt.add_constraints([m.further])
    opt.solve(m)
    assert (len(compilations), m.x.value) == (2, pytest.approx(0.25))
    m.further.deactivate()
    opt.remove_constraints([m.further])
    opt.solve(m)
    assert (len(compilations), m.x.value) == (3, pytest.approx(1.0))


def test_two_models_with_one_solver() -> None:
    opt, first, second = solver(), parabola(), parabola()
    second.a.value = 5.0
    for model, x in ((first, 1.0), (second, 2.5), (first, 1.0)):
        opt.solve(model)
        assert model.x.value == pytest.approx(x)
    assert opt.is_persistent()


@pytest.mark.parametrize("factory", [SolverFactory, pyo.SolverFactory], ids=["new", "classic"])
def test_a_clone_has_a_solver_of_its_own(factory: Any, caplog: pytest.LogCaptureFixture) -> None:
    m = parabola()
    m.solver = factory("fastexpr")
    m.solver.config.solver_options["tol"] = 1e-9
    m.solver.solve(m)
    clone = m.clone()
    assert not caplog.records
    assert clone.solver is not m.solver
    clone.solver.config.solver_options["tol"] = 1e-7
    assert m.solver.config.solver_options["tol"] == 1e-9
    clone.a = 1.0
    clone.solver.solve(clone)
    assert clone.x.value == pytest.approx(0.5, abs=1e-6)
    assert m.x.value == pytest.approx(1.0, abs=1e-6)


def test_block_of_a_model() -> None:
    m = pyo.ConcreteModel()
    m.x = pyo.Var(initialize=1.0)
    m.b = pyo.Block()
    m.b.o = pyo.Objective(expr=(m.x - 3) ** 2)
    m.far = pyo.Constraint(expr=m.x >= 5)
    solver().solve(m.b)
    assert m.x.value == pytest.approx(3.0)


# ---- settings --------------------------------------------------------------------------------------------------------


def test_settings_of_one_solve_do_not_stay() -> None:
    opt = solver()
    opt.config.solver_options["tol"] = 1e-9
    opt.solve(parabola(), solver_options={"max_iter": 50}, threads=1)
    assert opt.config.solver_options.value() == {"tol": 1e-9}
    assert opt.config.threads is None


def test_threads() -> None:
    before, during = fx.num_threads(), []
    solver().solve(parabola(), threads=1, progress=lambda state: during.append(fx.num_threads()))
    assert set(during) == {1}
    assert fx.num_threads() == before


def test_pounce_instead_of_ipopt() -> None:
    m = parabola()
    results = solver(solver="pounce").solve(m)
    assert m.x.value == pytest.approx(1.0)
    assert results.solver_version == solver(solver="pounce").version() != solver().version()
    assert results.solver_log.count("\n") > results.extra_info.iteration_count


@pytest.mark.parametrize("name", ["no_such_option", "wantsol", "mu_strategy"])
def test_unknown_option(name: str) -> None:
    with pytest.raises(ValueError, match=f"refuses the option {name}"):
        solver().solve(parabola(), solver_options={name: "nonsense"})


def test_what_is_no_model() -> None:
    with pytest.raises(ModelError, match="is abstract"):
        solver().solve(pyo.AbstractModel())
    m = parabola()
    m.n = pyo.Var(domain=pyo.Integers)
    m.whole = pyo.Constraint(expr=m.n <= m.x)
    with pytest.raises(ModelError, match="Var 'n'"):
        solver().solve(m)


def test_availability(monkeypatch: pytest.MonkeyPatch) -> None:
    assert solver().available() == Availability.FullLicense
    monkeypatch.setattr(fx.solvers, "available", list)
    assert solver().available() == Availability.NotFound
    assert solver().version() is None


def test_a_model_without_second_derivatives_where_they_are_not_asked_for() -> None:
    m = pyo.ConcreteModel()
    m.x = pyo.Var([0, 1], initialize=0.5)
    m.goal = pyo.Objective(expr=pyo.exp(m.x[0]) - m.x[0] + (m.x[1] - 1) ** 4)
    solver = fxp.Fastexpr()
    solver.solve(m, solver_options={"hessian_approximation": "limited-memory"})
    assert solver._compiled is not None
    assert not solver._compiled.has_hessian
    assert abs(m.x[0].value) < 1e-4
    m.x[0].set_value(0.5)
    solver.solve(m)
    assert solver._compiled.has_hessian
    assert abs(m.x[0].value) < 1e-6


@pytest.mark.parametrize("options", [{"tol": "1e-9", "max_iter": "50"}, {"max_iter": 50.0}, "tol=1e-9 max_iter=50"])
def test_options_as_texts_and_floats(options: object) -> None:
    m = pyo.ConcreteModel()
    m.x = pyo.Var(initialize=1.0)
    m.goal = pyo.Objective(expr=pyo.exp(m.x) - 2 * m.x)
    results = pyo.SolverFactory("fastexpr").solve(m, options=options)
    assert pyo.check_optimal_termination(results)


def test_numbers_that_are_no_option_are_refused_by_name() -> None:
    m = pyo.ConcreteModel()
    m.x = pyo.Var(initialize=1.0)
    m.goal = pyo.Objective(expr=m.x**2)
    with pytest.raises(ValueError, match="refuses the option max_iter=3000000000"):
        pyo.SolverFactory("fastexpr").solve(m, options={"max_iter": 3_000_000_000})


def test_other_programs_are_not_run(caplog: pytest.LogCaptureFixture) -> None:
    assert pyo.SolverFactory("fastexpr", executable="ipopt", solver_io="nl").available()
    assert "takes no notice of executable='ipopt' and solver_io='nl'" in caplog.text
