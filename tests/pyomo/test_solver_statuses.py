"""How the solver 'fastexpr' names the ways in which a solve can end, in Pyomo's new and classic interface."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pyomo.environ as pyo
import pytest
from pyomo.contrib.solver.common.factory import SolverFactory
from pyomo.contrib.solver.common.results import SolutionStatus, TerminationCondition
from pyomo.contrib.solver.common.util import NoOptimalSolutionError, NoSolutionError
from pyomo.opt import SolverStatus
from pyomo.opt import TerminationCondition as Classic

import fastexpr as fx
import fastexpr.pyomo as fxp
from fastexpr.errors import ModelError


def model(**variables: Any) -> pyo.ConcreteModel:
    m = pyo.ConcreteModel("demo")
    for name, settings in variables.items():
        m.add_component(name, pyo.Var(**settings))
    return m


def rosenbrock() -> pyo.ConcreteModel:
    m = model(x={"initialize": -1.2, "bounds": (-5, 5)}, y={"initialize": 1.0})
    m.o = pyo.Objective(expr=100 * (m.y - m.x**2) ** 2 + (1 - m.x) ** 2)
    return m


def unreachable() -> pyo.ConcreteModel:
    m = model(x={"initialize": 1.0})
    m.o = pyo.Objective(expr=m.x)
    m.c = pyo.Constraint(expr=m.x**2 <= -1)
    return m


def bottomless() -> pyo.ConcreteModel:
    m = model(x={"initialize": 1.0})
    m.o = pyo.Objective(expr=-(m.x**2))
    return m


def steep() -> pyo.ConcreteModel:
    m = model(x={"initialize": 1.0})
    m.o = pyo.Objective(expr=-(m.x**3))
    return m


def undefined() -> pyo.ConcreteModel:
    m = model(depth={"initialize": -1.0})
    m.o = pyo.Objective(expr=m.depth)
    m.level = pyo.Constraint(expr=pyo.log(m.depth) >= 1)
    return m


def overdetermined() -> pyo.ConcreteModel:
    m = model(x={"initialize": 1.0})
    m.o = pyo.Objective(expr=m.x)
    m.c = pyo.Constraint(expr=m.x == 1)
    m.d = pyo.Constraint(expr=m.x**2 == 4)
    return m


def square() -> pyo.ConcreteModel:
    m = model(x={"initialize": 1.0}, y={"initialize": 1.0})
    m.c = pyo.Constraint(expr=m.x + m.y == 1)
    m.d = pyo.Constraint(expr=m.x**2 == 4)
    return m


def unconstrained() -> pyo.ConcreteModel:
    m = model(x={})
    m.o = pyo.Objective(expr=(m.x - 1) ** 2)
    return m


def crossed_bounds() -> pyo.ConcreteModel:
    m = model(x={"bounds": (3, 2)})
    m.o = pyo.Objective(expr=m.x)
    return m


def crossed_limits() -> pyo.ConcreteModel:
    m = model(x={})
    m.limit = pyo.Param(initialize=1.0, mutable=True)
    m.o = pyo.Objective(expr=m.x**2)
    m.c = pyo.Constraint(expr=(2, m.x, m.limit))
    return m


def nothing() -> pyo.ConcreteModel:
    m = model(x={})
    m.o = pyo.Objective(expr=1.0)
    return m


def fixed(limit: float) -> pyo.ConcreteModel:
    m = model(x={"initialize": 2.0}, y={"initialize": 3.0})
    m.x.fix()
    m.y.fix()
    m.o = pyo.Objective(expr=m.x * m.y, sense=pyo.maximize)
    m.c = pyo.Constraint(expr=m.x + m.y <= limit)
    m.d = pyo.Constraint(expr=m.x == 2)
    return m


def partly_fixed(value: float) -> pyo.ConcreteModel:
    m = model(x={"initialize": value}, y={"initialize": 3.0}, z={"initialize": 1.0})
    m.x.fix()
    m.o = pyo.Objective(expr=m.y**2 + m.z**2)
    m.c = pyo.Constraint(expr=m.x == 2)
    m.d = pyo.Constraint(expr=m.x + m.y == 3)
    m.e = pyo.Constraint(expr=m.z - m.y == 0)
    return m


def stepped() -> pyo.ConcreteModel:
    m = model(x={"initialize": 0.3, "bounds": (-2, 2)}, y={"initialize": 1.0})
    m.o = pyo.Objective(expr=pyo.floor(m.x) + m.y**2)
    return m


def stepped_row() -> pyo.ConcreteModel:
    m = model(x={"initialize": 0.3, "bounds": (-2, 2)}, y={"initialize": 1.0})
    m.o = pyo.Objective(expr=m.y)
    m.staircase = pyo.Constraint(expr=m.y >= pyo.ceil(m.x))
    return m


def stepped_beside() -> pyo.ConcreteModel:
    m = model(x={"initialize": 0.3, "bounds": (-2, 2)}, y={"initialize": 1.0})
    m.o = pyo.Objective(expr=m.x**2 + m.y**2)
    m.staircase = pyo.Constraint(expr=pyo.ceil(m.x) <= 1.5)
    return m


def singular() -> pyo.ConcreteModel:
    m = model(x={"initialize": 0.5, "bounds": (-1, 1)}, y={"initialize": 0.5, "bounds": (-1, 1)})
    m.o = pyo.Objective(expr=m.x + m.y)
    m.twice = pyo.Constraint(expr=(m.x - 0.2) ** 2 == 0)
    return m


def fixed_undefined() -> pyo.ConcreteModel:
    m = fixed(6)
    m.level = pyo.Constraint(expr=pyo.log(m.x - 3) >= 1)
    return m


class End(NamedTuple):
    model: Callable[[], pyo.ConcreteModel]
    settings: dict[str, Any]
    options: dict[str, Any]
    condition: TerminationCondition
    solution: SolutionStatus
    status: SolverStatus
    classic: Classic
    message: str


tc, ss, ok, warning = TerminationCondition, SolutionStatus, SolverStatus.ok, SolverStatus.warning
solved = (tc.convergenceCriteriaSatisfied, ss.optimal, ok, Classic.optimal)
infeasible = (tc.provenInfeasible, ss.noSolution, warning, Classic.infeasible)
stuck = (tc.unknown, ss.feasible, warning, Classic.unknown)
failed = (tc.error, ss.unknown, SolverStatus.error, Classic.error)
loose = {"tol": 1e-30, "acceptable_tol": 1e-2, "acceptable_iter": 1}
ends = {
    "optimal": End(rosenbrock, {}, {}, *solved, "Optimal solution found."),
    "acceptable": End(rosenbrock, {}, loose, *solved, "acceptable level only"),
    "square": End(square, {}, {}, *solved, "solution found|square problem"),
    "no constraints": End(unconstrained, {}, {}, *solved, "Optimal solution found."),
    "infeasible": End(
        unreachable, {}, {}, tc.locallyInfeasible, ss.infeasible, warning, Classic.infeasible, "local infeasibility"
    ),
    "unbounded": End(bottomless, {}, {}, tc.unbounded, ss.feasible, warning, Classic.unbounded, "diverge"),
    "unbounded, steep": End(steep, {}, {}, tc.unbounded, ss.feasible, warning, Classic.unbounded, "diverge"),
    "iterations": End(
        rosenbrock,
        {},
        {"max_iter": 3},
        tc.iterationLimit,
        ss.feasible,
        warning,
        Classic.maxIterations,
        "iteration limit",
    ),
    "time": End(
        rosenbrock, {"time_limit": 1e-9}, {}, tc.maxTimeLimit, ss.feasible, warning, Classic.maxTimeLimit, "time limit"
    ),
    "evaluation": End(undefined, {}, {}, *failed, "level is not finite"),
    "degrees of freedom": End(overdetermined, {}, {}, *failed, "more equations than variables"),
    "bounds": End(crossed_bounds, {}, {}, *infeasible, "x contradict each other: 3.0 > 2.0"),
    "limits": End(crossed_limits, {}, {}, *infeasible, "c contradict each other: 2.0 > 1.0"),
    "empty": End(nothing, {}, {}, tc.emptyModel, ss.noSolution, warning, Classic.other, "no variables"),
    "fixed": End(lambda: fixed(6), {}, {}, *solved, "All variables are fixed"),
    "fixed, infeasible": End(lambda: fixed(4), {}, {}, *infeasible, "c depends on no variable and does not hold: 5.0"),
    "fixed, undefined": End(fixed_undefined, {}, {}, *failed, "level is not finite"),
    "no derivative": End(stepped, {}, {}, *stuck, "The objective depends .* through floor, .*differential_evolution"),
    "no derivative in a row": End(stepped_row, {}, {}, *stuck, "staircase depends on the variables through ceil"),
    "a step without a say": End(stepped_beside, {}, {}, *solved, "Optimal solution found."),
    "inexact": End(singular, {}, {}, *stuck, "the point is no solution: x could still lower the objective"),
    "constant rows": End(lambda: partly_fixed(2), {}, {}, *solved, "Optimal solution found."),
    "constant rows, infeasible": End(lambda: partly_fixed(1), {}, {}, *infeasible, "c depends on no variable"),
}
each = pytest.mark.parametrize("end", ends.values(), ids=list(ends))


@each
def test_new_interface(end: End) -> None:
    m, opt = end.model(), SolverFactory("fastexpr", solver_options=end.options, **end.settings)
    results = opt.solve(m, load_solutions=False, raise_exception_on_nonoptimal_result=False)
    assert (results.termination_condition, results.solution_status) == (end.condition, end.solution)
    assert re.search(end.message, results.extra_info.solver_message)
    assert (results.incumbent_objective is not None) == (
        end.solution in (ss.feasible, ss.optimal) and m.component("o") is not None
    )
    if end.solution == ss.optimal:
        return
    with pytest.raises(NoOptimalSolutionError, match=end.message):
        opt.solve(end.model())
    if end.solution == ss.noSolution:
        with pytest.raises(NoSolutionError, match=end.message):
            opt.solve(end.model(), raise_exception_on_nonoptimal_result=False)
        with pytest.raises(NoSolutionError, match=end.message):
            results.solution_loader.get_vars()
        assert results.solution_loader.get_number_of_solutions() == 0


@each
def test_classic_interface(end: End) -> None:
    results = pyo.SolverFactory("fastexpr").solve(end.model(), options=end.options, **end.settings)
    assert (results.solver.status, results.solver.termination_condition) == (end.status, end.classic)
    assert re.search(end.message, results.solver.message)
    assert pyo.check_optimal_termination(results) == (end.solution == ss.optimal)
    if end.solution != ss.optimal:
        with pytest.raises(RuntimeError):
            pyo.assert_optimal_termination(results)
        with pytest.raises(NoOptimalSolutionError, match=end.message):
            pyo.SolverFactory("fastexpr").solve(
                end.model(), options=end.options, raise_exception_on_nonoptimal_result=True, **end.settings
            )


def test_unfinished_solves_leave_their_point() -> None:
    m = rosenbrock()
    pyo.SolverFactory("fastexpr").solve(m, options={"max_iter": 3})
    assert m.x.value not in (-1.2, pytest.approx(1.0))


def test_fixed_models_objective() -> None:
    results = SolverFactory("fastexpr").solve(fixed(6))
    assert results.incumbent_objective == 6.0
    assert dict(results.solution_loader.get_vars()) == {}


def test_square_models_solution() -> None:
    m = square()
    SolverFactory("fastexpr").solve(m)
    assert (abs(m.x.value), m.x.value + m.y.value) == pytest.approx((2.0, 1.0))


def test_variables_fixed_outside_their_bounds_are_refused_by_name() -> None:
    m = model(x={"bounds": (0, 1)}, y={"bounds": (0, 5), "domain": pyo.NonNegativeReals}, z={})
    m.o = pyo.Objective(expr=(m.y - m.x) ** 2 + m.z**2)
    opt = pyo.SolverFactory("fastexpr")
    m.x.fix(0.5)
    opt.solve(m)
    for variable, value, said in (
        (m.x, 2.0, r"'x' at 2\.0 outside \[0\.0, 1\.0\]"),
        (m.y, -1.0, r"'y' at -1\.0 outside"),
    ):
        before = variable.value, variable.fixed
        variable.fix(value, skip_validation=True)
        for solve in (opt.solve, pyo.SolverFactory("fastexpr").solve, SolverFactory("fastexpr").solve):
            with pytest.raises(ModelError, match=said):
                solve(m)
        variable.set_value(before[0])
        variable.fixed = before[1]
    m.x.fix(1 + 1e-9, skip_validation=True)  # as Pyomo's writers, within their tolerance
    pyo.assert_optimal_termination(opt.solve(m))


def test_a_fixed_variable_whose_bounds_were_moved_is_refused() -> None:
    m = model(x={"bounds": (0, 1)}, y={})
    m.o = pyo.Objective(expr=(m.y - m.x) ** 2)
    opt = pyo.SolverFactory("fastexpr")
    m.x.fix(0.5)
    opt.solve(m)
    m.x.setlb(0.6)
    with pytest.raises(ModelError, match="outside"):
        opt.solve(m)
    m.other = pyo.Var(bounds=(0, 1), initialize=3)  # takes no part
    m.other.fix(3, skip_validation=True)
    m.x.setlb(0)
    pyo.assert_optimal_termination(opt.solve(m))


@pytest.mark.parametrize("name", ["cyipopt", "pounce"])
def test_a_limit_of_1e9_holds_to_its_size(name: str) -> None:
    m = model(x={"initialize": 2e3, "bounds": (1, 1e6)}, y={"initialize": 1e6, "bounds": (1, 1e6)})
    m.o = pyo.Objective(expr=1e-3 * (m.x + m.y))
    m.c = pyo.Constraint(expr=m.x * m.y >= 1e9)
    results = SolverFactory("fastexpr", solver=name).solve(m)
    assert results.extra_info.relative_violation <= 1e-6
    assert 1e9 - m.x.value * m.y.value <= 1e3


@pytest.mark.parametrize("name", ["cyipopt", "pounce"])
def test_outputs_of_a_steep_network_are_the_networks(name: str) -> None:
    x = fx.variables(1)
    net = fx.Function(x, np.tanh(1e6 * x - 3.0)).with_names(inputs=["u"], outputs=["v"])
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 3e-6), initialize=1e-6)
    m.nn = fxp.NetworkBlock(net, inputs=[m.x])
    m.o = pyo.Objective(expr=m.nn.outputs["v"], sense=pyo.maximize)
    results = pyo.SolverFactory("fastexpr").solve(m, solver=name)
    pyo.assert_optimal_termination(results)
    assert m.nn.outputs["v"].value == pytest.approx(float(net([m.x.value])[0]), abs=3e-6)
    assert pyo.value(m.o) == pytest.approx(0.0, abs=1e-5)


# ---- interruptions ---------------------------------------------------------------------------------------------------


def press_ctrl_c(state: Any) -> None:
    if state.iteration == 5:
        os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("name", ["cyipopt", "pounce"])
def test_ctrl_c(name: str) -> None:
    m = rosenbrock()
    with pytest.raises(NoOptimalSolutionError, match="Interrupted from the keyboard"):
        SolverFactory("fastexpr", solver=name).solve(m, progress=press_ctrl_c)
    reached = pyo.value(m.o)
    assert 0.0 < reached < pyo.value(rosenbrock().o)
    m = rosenbrock()
    results = pyo.SolverFactory("fastexpr").solve(m, progress=press_ctrl_c, solver=name)
    assert results.solver.status == SolverStatus.aborted
    assert results.solver.termination_condition == Classic.userInterrupt
    assert pyo.value(m.o) == pytest.approx(reached)
    m = rosenbrock()
    results = pyo.SolverFactory("fastexpr").solve(m, progress=press_ctrl_c, solver=name, load_solutions=False)
    m.solutions.load_from(results)
    assert pyo.value(m.o) == pytest.approx(reached)


def test_stopped_by_the_progress_function() -> None:
    m = rosenbrock()
    results = SolverFactory("fastexpr").solve(
        m, progress=lambda state: state.iteration < 3, raise_exception_on_nonoptimal_result=False
    )
    assert (results.termination_condition, results.solution_status) == (tc.interrupted, ss.feasible)
    assert results.extra_info.iteration_count == 3
    assert results.incumbent_objective == pytest.approx(pyo.value(m.o))


def test_an_error_in_the_progress_function_is_raised() -> None:
    def broken(state: Any) -> None:
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        SolverFactory("fastexpr").solve(rosenbrock(), progress=broken)
