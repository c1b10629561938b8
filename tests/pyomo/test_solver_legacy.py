"""The solver 'fastexpr' in Pyomo's classic interface, pyo.SolverFactory: what Pyomo's own wrapper does not do."""

from __future__ import annotations

import inspect
import io
import logging
import math
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyomo.environ as pyo
import pytest
from pyomo.contrib.solver.common.base import LegacySolverWrapper
from pyomo.contrib.solver.common.util import NoOptimalSolutionError
from pyomo.opt import SolverStatus, TerminationCondition

import fastexpr.pyomo  # noqa: F401  registers the solver

SUFFIXES = ("dual", "rc", "ipopt_zL_out", "ipopt_zU_out")


def cup() -> pyo.ConcreteModel:
    """x at its lower bound, y free, one constraint active."""
    m = pyo.ConcreteModel("cup")
    m.x = pyo.Var(initialize=1.0, bounds=(0, 4))
    m.y = pyo.Var(initialize=2.0)
    m.o = pyo.Objective(expr=(m.x + 1) ** 2 + (m.y - 3) ** 2)
    m.c = pyo.Constraint(expr=m.x + m.y <= 2)
    for name in SUFFIXES:
        m.add_component(name, pyo.Suffix(direction=pyo.Suffix.IMPORT))
    return m


def solver(**settings: Any) -> Any:
    return pyo.SolverFactory("fastexpr", **settings)


def suffixes(m: pyo.ConcreteModel) -> dict[str, dict[str, float]]:
    return {name: {part.name: value for part, value in m.component(name).items()} for name in SUFFIXES}


def test_results() -> None:
    m = cup()
    results = solver().solve(m)
    pyo.assert_optimal_termination(results)
    about = results.solver
    assert (about.status, about.termination_condition) == (SolverStatus.ok, TerminationCondition.optimal)
    assert about.name == "fastexpr"
    assert about.message == "Optimal solution found."
    assert about.time == about.wallclock_time == results.timing_info["wall_time"] > 0.0
    assert about.return_code == 0
    assert about.statistics.black_box.number_of_iterations > 0
    problem = results.problem
    assert problem.name == "cup"
    assert (problem.number_of_variables, problem.number_of_constraints, problem.number_of_nonzeros) == (2, 1, 2)
    assert problem.number_of_objectives == 1
    assert problem.sense == pyo.minimize
    assert (problem.lower_bound, problem.upper_bound) == (-math.inf, pytest.approx(2.0))
    assert len(results.solution) == 0
    assert "Termination condition: optimal" in str(results)


def test_results_of_a_maximization_and_of_no_objective() -> None:
    m = cup()
    m.o.expr, m.o.sense = -m.o.expr, pyo.maximize
    problem = solver().solve(m).problem
    assert (problem.sense, problem.lower_bound, problem.upper_bound) == (pyo.maximize, pytest.approx(-2.0), math.inf)
    m.o.deactivate()
    results = solver().solve(m)
    assert results.problem.number_of_objectives == 0
    assert pyo.check_optimal_termination(results)


def test_loading_later_gives_the_same() -> None:
    now, later = cup(), cup()
    solver().solve(now)
    results = solver().solve(later, load_solutions=False)
    assert (later.x.value, later.y.value) == (1.0, 2.0)
    assert suffixes(later) == {name: {} for name in SUFFIXES}
    assert len(results.solution) == 1
    assert "Rc: " in str(results)
    later.solutions.load_from(results)
    assert (later.x.value, later.y.value) == (now.x.value, now.y.value)
    assert suffixes(later) == suffixes(now)
    assert suffixes(now)["rc"]["x"] == pytest.approx(4.0)
    assert suffixes(now)["dual"]["c"] == pytest.approx(-2.0)


def test_suffixes_asked_for_by_name() -> None:
    m = cup()
    for name in SUFFIXES:
        m.del_component(name)
    found = solver().solve(m, load_solutions=False).solution(0)
    assert {key for entry in found.variable.values() for key in entry} == {"Value"}
    assert len(found.constraint) == 0
    found = solver().solve(m, load_solutions=False, suffixes=["dual", "ipopt_z._out"]).solution(0)
    assert {key for entry in found.variable.values() for key in entry} == {"Value", "Ipopt_zL_out", "Ipopt_zU_out"}
    assert [entry["Dual"] for entry in found.constraint.values()] == pytest.approx([-2.0])


def test_solution_without_objective_is_kept_in_the_results() -> None:
    m = cup()
    m.o.deactivate()
    results = solver().solve(m, load_solutions=False)
    m.x.value = 99.0
    m.solutions.load_from(results)
    assert m.x.value <= 4.0


def test_options_of_one_solve_do_not_stay() -> None:
    opt = solver(options={"tol": 1e-9})
    opt.options["max_iter"] = 50
    opt.options.update({"mu_init": 0.1})
    limited = opt.solve(cup(), options={"max_iter": 0}, tee=False, timelimit=5)
    assert limited.solver.termination_condition == TerminationCondition.maxIterations
    assert opt.options == {"tol": 1e-9, "max_iter": 50, "mu_init": 0.1}
    assert opt.config.time_limit is None
    assert opt.solve(cup(), options_string="tol=1e-6 mu_init=0.2").solver.status == SolverStatus.ok
    assert opt.solve(cup(), solver_options={"OF_max_iter": 0}).solver.status == SolverStatus.warning
    with pytest.raises(ValueError, match="give one of them"):
        opt.solve(cup(), options={"tol": 1e-8}, solver_options={"tol": 1e-8})


@pytest.mark.parametrize("name", ["timelimit", "time_limit"])
def test_time_limit(name: str) -> None:
    results = solver().solve(cup(), **{name: 1e-9})
    assert results.solver.termination_condition == TerminationCondition.maxTimeLimit


def test_warm_start() -> None:
    m, opt = cup(), solver()
    assert opt.warm_start_capable()
    cold = opt.solve(m).solver.statistics.black_box.number_of_iterations
    warm = opt.solve(m, warmstart=True).solver.statistics.black_box.number_of_iterations
    assert warm < cold / 2


def test_log_file(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    stream, path = io.StringIO(), tmp_path / "solve.log"
    solver().solve(cup(), logfile=path, tee=[stream])
    assert path.read_text() == stream.getvalue() != ""
    assert capfd.readouterr().out == ""
    solver().solve(cup(), logfile=str(path), tee=True, keepfiles=True, symbolic_solver_labels=True)
    assert path.read_text() == capfd.readouterr().out


def test_tee_to_a_logger(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        solver().solve(cup(), tee=logging.getLogger("log of a solve"))
    assert "EXIT: Optimal Solution Found." in caplog.text


def test_report_timing(capsys: pytest.CaptureFixture[str]) -> None:
    solver().solve(cup(), report_timing=True)
    assert "compile" in capsys.readouterr().out


def test_with_statement_and_availability() -> None:
    with solver() as opt:
        assert opt.available()
        assert opt.license_is_valid()
        assert opt.version() >= (3,)
        pyo.assert_optimal_termination(opt.solve(cup()))


def test_nonoptimal_result_raises_where_that_is_asked_for() -> None:
    with pytest.raises(NoOptimalSolutionError):
        solver().solve(cup(), options={"max_iter": 0}, raise_exception_on_nonoptimal_result=True)


def test_other_settings() -> None:
    assert solver().solve(cup(), solver="pounce", threads=1, progress=False).solver.status == SolverStatus.ok
    with pytest.raises(ValueError, match="no_such_setting"):
        solver().solve(cup(), no_such_setting=1)


def test_a_failed_load_names_the_reason(caplog: pytest.LogCaptureFixture) -> None:
    m = cup()
    m.far = pyo.Constraint(expr=m.x + m.y >= 5)
    results = solver().solve(m, load_solutions=False)
    m.solutions.load_from(results)
    assert "local infeasibility" in caplog.text


@pytest.mark.parametrize(("name", "settings"), [("fastexpr", {"solver": "pounce"}), ("fastexpr:pounce", {})])
def test_pounce_is_chosen_when_the_solver_is_made(name: str, settings: dict[str, Any]) -> None:
    opt = pyo.SolverFactory(name, **settings)
    assert opt.config.solver == "pounce"
    assert not opt.options
    assert pyo.check_optimal_termination(opt.solve(cup()))


def test_options_from_a_text() -> None:
    opt = solver()
    opt.set_options("max_iter=1 mu_strategy=adaptive")
    assert opt.options.value() == {"max_iter": 1, "mu_strategy": "adaptive"}
    assert opt.solve(cup()).solver.termination_condition == TerminationCondition.maxIterations


def test_results_of_a_loaded_solve_can_be_pickled() -> None:
    results = pickle.loads(pickle.dumps(solver().solve(cup())))
    assert results.solver.termination_condition == TerminationCondition.optimal


def test_pyomos_wrapper_takes_nothing_that_is_refused_here() -> None:
    theirs = inspect.signature(LegacySolverWrapper.solve).parameters
    ours = inspect.signature(solver().solve).parameters
    accepted_as_setting = {"symbolic_solver_labels"}
    assert set(theirs) - set(ours) - accepted_as_setting - {"self"} == {"writer_config"}


def test_importing_brings_neither_solvers_nor_scipy_along() -> None:
    code = "import sys, fastexpr.pyomo, fastexpr.problem; print({'cyipopt', 'pounce', 'scipy'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "set()\n"


def test_arguments_of_other_solvers_factories() -> None:
    m = cup()
    for settings in ({"validate": False}, {"validate": True}, {"solver": "ipopt"}):
        pyo.assert_optimal_termination(pyo.SolverFactory("fastexpr", **settings).solve(m))
