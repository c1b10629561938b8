"""The form in which a program is solved: outputs in their places as expressions, all answers in the problem's terms."""

from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from pyomo.contrib.solver.common.factory import SolverFactory

import fastexpr as fx
import fastexpr.pyomo as fxp
from fastexpr.problem import Result
from fastexpr.pyomo.compile.compiled import compile_model
from fastexpr.solve.form import form_of
from fastexpr.solvers.checked import warm_start_options


def network(n: int = 3, m: int = 2, seed: int = 0) -> fx.Function:
    random = np.random.default_rng(seed)
    x = fx.variables(n)
    hidden = np.tanh(random.normal(size=(12, n)) @ x + random.normal(size=12))
    hidden = np.tanh(random.normal(size=(12, 12)) / 2.0 @ hidden)
    net = fx.Function(x, random.normal(size=(m, 12)) @ hidden)
    return net.with_bounds([-1.0] * n, [1.0] * n)


def kkt_residual(problem: fx.Problem, result: Result) -> float:
    """Of the problem as stated, in the multipliers of the result."""
    nlp, known = problem.nlp(), result.multipliers
    forces = nlp.jacobian(result.x) * known.constraints[nlp.jacobian_rows]
    slope = nlp.gradient(result.x) + np.bincount(nlp.jacobian_columns, forces, minlength=nlp.n)
    assert (known.lower >= 0.0).all()
    assert (known.upper >= 0.0).all()
    return float(abs(slope - known.lower + known.upper).max())


def stated(net: fx.Function, sense: str = "minimize", **bounds: Any) -> tuple[fx.Problem, Any, Any, Any]:
    problem = fx.Problem()
    x = problem.variables(net.n_inputs, lower=-1.0, upper=1.0, start=np.linspace(-0.6, 0.5, net.n_inputs))
    y = problem.network(net, x, bounds=True, **bounds)
    row = problem.subject_to(y[1] + x[0] ** 2, lower=-0.5, upper=0.8)
    getattr(problem, sense)(y[0] + 0.1 * y[0] ** 2 + x[1])
    return problem, x, y, row


@pytest.mark.parametrize("sense", ["minimize", "maximize"])
@pytest.mark.parametrize("seed", [0, 1, 2, 5])
def test_answers_are_those_of_the_problem_as_stated(seed: int, sense: str) -> None:
    problem, x, y, row = stated(network(seed=seed), sense)
    assert form_of(problem.nlp()) is not None
    result = problem.solve()
    assert result.success
    assert kkt_residual(problem, result) < 1e-6
    np.testing.assert_array_equal(result[y], network(seed=seed)(result[x]))
    again = problem.solve(start=result, presolve=False)
    assert again.objective == pytest.approx(result.objective, abs=1e-6)
    for handle in (row, y):
        np.testing.assert_allclose(again.duals[handle], result.duals[handle], atol=1e-4)
    np.testing.assert_allclose(again.multipliers.lower, result.multipliers.lower, atol=1e-4)
    np.testing.assert_allclose(again.multipliers.upper, result.multipliers.upper, atol=1e-4)


@pytest.mark.parametrize("seed", range(5))
def test_the_solver_takes_the_way_of_the_expression(seed: int) -> None:
    net = network(seed=seed)
    answers = []
    for is_expression in (True, False):
        problem = fx.Problem()
        x = problem.variables(3, lower=-1.0, upper=1.0, start=[0.3, -0.2, 0.7])
        y = net(x) if is_expression else problem.network(net, x, bounds=True)
        problem.minimize(y[0])
        answers.append(problem.solve())
    assert answers[0].iterations == answers[1].iterations
    assert answers[0].objective == pytest.approx(answers[1].objective, abs=1e-9)


def test_bounds_of_the_user_hold_and_have_multipliers() -> None:
    net = network(seed=1)
    free = stated(net)[0].solve()
    at = float(net(free.x[:3])[0]) + 0.1
    problem, _, y, _ = stated(net, lower=[at, -np.inf])
    result = problem.solve()
    assert result.success
    assert result[y][0] == pytest.approx(at, abs=1e-6)
    assert result.lower_duals[y][0] > 0.1
    assert kkt_residual(problem, result) < 1e-6


@pytest.mark.parametrize("size", [1, 4])
def test_instances_each_have_their_output(size: int) -> None:
    net = network(seed=2)
    problem = fx.Problem()
    x = problem.variables((size, 3), lower=-1.0, upper=1.0)
    y = problem.network(net, x, upper=[0.9, np.inf])
    problem.minimize(((y - 1.0) ** 2).sum() + 0.01 * (x**2).sum())
    assert form_of(problem.nlp()) is not None
    result = problem.solve()
    assert result.success
    assert kkt_residual(problem, result) < 1e-6
    np.testing.assert_allclose(result[y], net(result[x].reshape(-1, 3)))


def test_a_warm_start_begins_at_the_solution() -> None:
    problem, *_ = stated(network(seed=1), lower=[-2.5, -np.inf])
    cold = problem.solve()
    assert problem.solve(start=cold, **warm_start_options).iterations < cold.iterations / 2


def test_a_start_is_evaluated_not_believed() -> None:
    problem, x, y, _ = stated(network(seed=3))
    result = problem.solve(start={x: [0.1, 0.2, 0.3], y: [50.0, -50.0]}, max_iter=0)
    np.testing.assert_array_equal(result[y], network(seed=3)(result[x]))


# ---- what stays as it was stated -------------------------------------------------------------------------------------


def test_states_of_a_chain_stay() -> None:
    net, problem = network(3, 2), fx.Problem()
    states = problem.variables((4, 2), lower=-1.0, upper=1.0)
    inputs = problem.variables((4, 1), lower=-1.0, upper=1.0)
    y = problem.network(net, np.concatenate([states, inputs], axis=1))
    problem.subject_to(states[1:] - y[:-1], equal=0.0)
    problem.minimize((y**2).sum())
    assert form_of(problem.nlp()) is None  # nor the last one, which is in the objective alone
    net, problem = network(3, 2), fx.Problem()
    state, control = problem.variables(2, lower=0.1, upper=0.1), problem.variables(3, lower=-1.0, upper=1.0)
    for k in range(3):
        state = problem.network(net, np.concatenate([state, control[k : k + 1]]))
    problem.minimize((state**2).sum())
    assert form_of(problem.nlp()) is None


def test_what_feeds_another_network_stays() -> None:
    problem = fx.Problem()
    x = problem.variables(3)
    first = problem.network(network(3, 3), x)
    second = problem.network(network(3, 2, seed=1), first)
    problem.minimize(second.sum())
    form = form_of(problem.nlp())
    assert form is not None
    assert form.program().n == 6


def test_an_output_in_an_equation_stays() -> None:
    problem, _, y, _ = stated(network())
    problem.subject_to(y[0] * y[1], equal=0.1)
    assert form_of(problem.nlp()) is None


def test_many_rows_of_an_output_stay() -> None:
    net, problem = network(30, 2), fx.Problem()
    x = problem.variables(30, lower=-1.0, upper=1.0)
    y = problem.network(net, x)
    problem.subject_to(np.arange(1.0, 101.0) * y[0], upper=np.arange(1.0, 101.0))
    problem.minimize(y[1])
    form = form_of(problem.nlp())
    before = problem.nlp().jacobian_rows.size + problem.nlp().hessian_rows.size
    after = 0 if form is None else form.program().jacobian_rows.size + form.program().hessian_rows.size
    assert after <= 1.5 * before
    assert problem.solve().success


def test_presolve_off_solves_the_problem_as_stated() -> None:
    problem = stated(network())[0]
    result = problem.solve(presolve=False, max_iter=0, start=np.array([0.1, 0.2, 0.3, 5.0, 6.0]))
    assert result.violation > 1.0
    assert problem.nlp().n == 5


def test_a_constraint_that_becomes_an_equation_or_goes() -> None:
    problem, x, y, row = stated(network(seed=2))
    problem.solve()
    problem.set_limits(row, equal=0.3)
    result = problem.solve()
    assert result.success
    assert float(result[y[1] + x[0] ** 2]) == pytest.approx(0.3, abs=1e-6)
    problem.remove(row)
    assert problem.solve().success


# ---- Pyomo -----------------------------------------------------------------------------------------------------------


def model(net: fx.Function, sense: Any = pyo.minimize, **options: Any) -> pyo.ConcreteModel:
    m = pyo.ConcreteModel()
    m.x = pyo.Var(range(net.n_inputs), bounds=(-1, 1), initialize=0.3)
    m.nn = fxp.NetworkBlock(net, inputs=m.x, **options)
    m.row = pyo.Constraint(expr=m.nn.outputs[1] + m.x[0] ** 2 >= -0.5)
    m.objective = pyo.Objective(expr=m.nn.outputs[0] + 0.1 * m.nn.outputs[0] ** 2, sense=sense)
    for name in ("dual", "ipopt_zL_out", "ipopt_zU_out"):
        m.add_component(name, pyo.Suffix(direction=pyo.Suffix.IMPORT))
    return m


@pytest.mark.parametrize("sense", [pyo.minimize, pyo.maximize], ids=["minimize", "maximize"])
@pytest.mark.parametrize("seed", range(3))
def test_a_block_is_solved_as_its_expression(seed: int, sense: Any) -> None:
    m = model(network(seed=seed), sense)
    assert form_of(compile_model(m).nlp) is not None
    SolverFactory("fastexpr").solve(m)
    duals = [m.dual[m.nn.equations[k]] for k in m.nn.equations]
    x = [v.value for v in m.x.values()]
    assert [v.value for v in m.nn.outputs.values()] == network(seed=seed)(x).tolist()
    SolverFactory("fastexpr").solve(m, presolve=False)
    assert [v.value for v in m.x.values()] == pytest.approx(x, abs=1e-4)
    assert [m.dual[m.nn.equations[k]] for k in m.nn.equations] == pytest.approx(duals, abs=1e-4)


def test_bounds_that_the_block_computed_are_no_rows() -> None:
    compiled = compile_model(model(network()))
    form = form_of(compiled.nlp)
    assert form is not None
    assert np.isfinite(compiled.nlp.lower).all()
    program = form.program()
    assert np.count_nonzero(np.isfinite(program.constraint_lower) | np.isfinite(program.constraint_upper)) == 1


def test_what_is_changed_later_is_noticed() -> None:
    net, solver = network(seed=1), SolverFactory("fastexpr")
    m = model(net)
    solver.solve(m)
    y, free = m.nn.outputs[0], pyo.value(m.nn.outputs[0])
    y.setlb(free + 0.2)
    solver.solve(m)
    assert y.value == pytest.approx(free + 0.2, abs=1e-6)
    assert m.ipopt_zL_out[y] > 0.1
    y.setlb(None)
    solver.solve(m)
    assert y.value == pytest.approx(free, abs=1e-6)
    y.fix(free + 0.3)
    solver.solve(m)
    assert net([v.value for v in m.x.values()])[0] == pytest.approx(free + 0.3, abs=1e-6)
    y.unfix()
    m.x[0].fix(0.2)
    solver.solve(m)
    assert y.value == pytest.approx(net([0.2, m.x[1].value, m.x[2].value])[0], abs=1e-9)
    m.x[0].unfix()
    m.x[1].setub(-0.5)
    solver.solve(m)
    assert m.x[1].value <= -0.5


def test_values_of_params_reach_the_program() -> None:
    m = pyo.ConcreteModel()
    m.x = pyo.Var(range(3), bounds=(-1, 1), initialize=0.1)
    m.price = pyo.Param(mutable=True, initialize=1.0)
    m.nn = fxp.NetworkBlock(network(), inputs=m.x)
    m.objective = pyo.Objective(expr=m.price * (m.nn.outputs[0] - 2.0) ** 2 + (1 - m.price) * m.x[0] ** 2)
    solver = SolverFactory("fastexpr")
    solver.solve(m)
    assert m.nn.outputs[0].value == pytest.approx(2.0, abs=1e-3)
    m.price.set_value(0.0)
    solver.solve(m)
    assert m.x[0].value == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize("name", ["cyipopt", "pounce"])
def test_multipliers_of_a_warm_start_are_mapped(name: str) -> None:
    m = model(network(seed=2))
    m.ipopt_zL_in, m.ipopt_zU_in = (pyo.Suffix(direction=pyo.Suffix.EXPORT) for _ in range(2))
    cold = SolverFactory("fastexpr", solver=name).solve(m).extra_info.iteration_count
    m.ipopt_zL_in.update(m.ipopt_zL_out)
    m.ipopt_zU_in.update(m.ipopt_zU_out)
    m.dual.direction = pyo.Suffix.IMPORT_EXPORT
    warm = SolverFactory("fastexpr", solver=name).solve(m, warm_start=True).extra_info.iteration_count
    assert warm < cold
