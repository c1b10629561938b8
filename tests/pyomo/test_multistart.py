"""SolverFactory("fastexpr").solve(model, starts=...): the best optimum is loaded, the others are at hand."""

import concurrent.futures
import multiprocessing
import threading

import numpy as np
import pyomo.environ as pyo
import pytest

import fastexpr as fx
import fastexpr.pyomo as fxp

random = np.random.default_rng(4)
W, b, V = random.normal(size=(14, 2)) * 3.0, random.normal(size=14), random.normal(size=(2, 14))


def spawned(workers):
    """Processes that begin afresh: JAX, where other tests have imported it, warns of forks."""
    return concurrent.futures.ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))


def network():
    x = fx.variables(2)
    return fx.Function(x, V @ np.tanh(W @ x + b))


def model(sense=pyo.minimize):
    m = pyo.ConcreteModel()
    m.x = pyo.Var([0, 1], bounds=(-2.0, 2.0), initialize=0.5)
    m.nn = fxp.NetworkBlock(network(), inputs=m.x)
    m.limit = pyo.Constraint(expr=m.nn.outputs[1] >= -1.0)
    m.goal = pyo.Objective(expr=(1.0 if sense == pyo.minimize else -1.0) * m.nn.outputs[0], sense=sense)
    return m


def himmelblau():
    m = pyo.ConcreteModel()
    m.x = pyo.Var([0, 1], bounds=(-5.0, 5.0), initialize=0.0)
    m.goal = pyo.Objective(expr=(m.x[0] ** 2 + m.x[1] - 11) ** 2 + (m.x[0] + m.x[1] ** 2 - 7) ** 2 + 0.1 * m.x[0])
    return m


def values(m):
    return [m.x[0].value, m.x[1].value]


def problem():
    p = fx.Problem()
    x = p.variables(2, lower=-2.0, upper=2.0, start=0.5)
    y = p.network(network(), x)
    p.subject_to(y[1], lower=-1.0)
    p.minimize(y[0])
    return p


@pytest.mark.parametrize("sense", [pyo.minimize, pyo.maximize])
def test_the_best_of_all_starts_is_loaded(sense):
    m = model(sense)
    results = pyo.SolverFactory("fastexpr").solve(m, starts=20)
    assert results.solver.termination_condition == pyo.TerminationCondition.optimal
    found = results.multistart
    objectives = [optimum.objective for optimum in found.optima]
    assert objectives == sorted(objectives, reverse=sense == pyo.maximize)
    assert pyo.value(m.goal) == pytest.approx(objectives[0], abs=1e-8)
    assert len(found.optima) > 1
    expected = fx.multistart(problem(), starts=20).optima[0].objective
    assert objectives[0] == pytest.approx(expected if sense == pyo.minimize else -expected, abs=1e-6)
    np.testing.assert_allclose(m.nn.outputs[0].value, network()(values(m))[0], atol=1e-8)


def test_other_optima_can_be_loaded():
    m = himmelblau()
    found = pyo.SolverFactory("fastexpr").solve(m, starts=40).multistart
    assert len(found.optima) == 4
    for optimum in found.optima:
        optimum.result.load_vars()
        assert pyo.value(m.goal) == pytest.approx(optimum.objective, abs=1e-9)
    assert found.best.get_vars()[m.x[0]] == pytest.approx(-3.78, abs=0.01)
    assert sum(row["optimum"] is not None for row in found.table) == sum(o.times_found for o in found.optima)


@pytest.mark.parametrize("build", [model, himmelblau])
@pytest.mark.parametrize("pool", [concurrent.futures.ThreadPoolExecutor, spawned])
def test_an_executor_changes_nothing(build, pool):
    here, there = build(), build()
    first = pyo.SolverFactory("fastexpr").solve(here, starts=12, seed=3).multistart
    with pool(2) as executor:
        second = pyo.SolverFactory("fastexpr").solve(there, starts=12, seed=3, executor=executor).multistart
    assert [optimum.objective for optimum in first.optima] == [optimum.objective for optimum in second.optima]
    assert [optimum.starts for optimum in first.optima] == [optimum.starts for optimum in second.optima]
    assert values(here) == values(there)


def test_values_of_params_and_fixed_variables_travel():
    m = himmelblau()
    m.shift = pyo.Param(initialize=0.0, mutable=True)
    m.z = pyo.Var(initialize=1.0)
    m.z.fix()
    m.row = pyo.Constraint(expr=m.x[0] >= m.shift * m.z)
    solver = pyo.SolverFactory("fastexpr")
    solver.solve(m)
    m.shift.set_value(2.0)
    m.z.fix(1.6)
    with spawned(1) as executor:
        solver.solve(m, starts=8, executor=executor)
    assert m.x[0].value == pytest.approx(3.58, abs=0.05)  # the only minimum on this side of 3.2


def test_what_does_not_pickle_is_named():
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0.5, 2.0), initialize=1.0)
    lock = threading.Lock()

    def f(x):
        assert lock is not None
        return x * x

    m.f = pyo.ExternalFunction(f, lambda x: [2 * x], lambda x: [2.0])
    m.goal = pyo.Objective(expr=m.f(m.x))
    with (
        concurrent.futures.ThreadPoolExecutor(1) as executor,
        pytest.warns(UserWarning, match="Evaluated through Pyomo"),
        pytest.raises(TypeError, match=r"cannot travel to the executor, because it does not pickle.*'f'"),
    ):
        pyo.SolverFactory("fastexpr").solve(m, starts=3, executor=executor)


def test_the_new_interface_has_it_in_extra_info():
    from pyomo.contrib.solver.common.factory import SolverFactory

    m = himmelblau()
    results = SolverFactory("fastexpr").solve(m, starts=20)
    assert results.extra_info.multistart.optima[0].objective == pytest.approx(results.incumbent_objective)


def test_one_start_is_a_solve_like_any():
    results = pyo.SolverFactory("fastexpr").solve(himmelblau())
    assert not hasattr(results, "multistart")


def test_the_models_values_stay_where_nothing_is_loaded():
    m = model()
    before = [variable.value for variable in m.component_data_objects(pyo.Var)]
    pyo.SolverFactory("fastexpr").solve(m, starts=5, load_solutions=False)
    assert [variable.value for variable in m.component_data_objects(pyo.Var)] == before


def test_the_log_has_every_start(capsys):
    pyo.SolverFactory("fastexpr").solve(himmelblau(), starts=3, tee=True)
    assert capsys.readouterr().out.count("EXIT: Optimal Solution Found.") == 3


def test_the_time_is_for_all_starts_together():
    found = pyo.SolverFactory("fastexpr").solve(himmelblau(), starts=1000, timelimit=1e-9, load_solutions=False)
    assert len(found.multistart.table) == 1


def test_starts_are_a_positive_number():
    with pytest.raises(ValueError, match=r"\[multistart\] starts must be a positive number"):
        pyo.SolverFactory("fastexpr").solve(himmelblau(), starts=0)


def test_an_infeasible_model_says_so():
    m = himmelblau()
    m.no = pyo.Constraint(expr=m.x[0] + m.x[1] >= 20.0)
    results = pyo.SolverFactory("fastexpr").solve(m, starts=3, load_solutions=False)
    assert results.solver.termination_condition == pyo.TerminationCondition.infeasible
    assert results.multistart.optima == []
