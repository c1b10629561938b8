"""fastexpr.Problem: published optima, KKT conditions, networks in both forms, statuses and errors."""

import importlib.util
import itertools
import pickle
import re
import signal
import threading
import time

import numpy as np
import pytest
import scipy.optimize

import fastexpr as fx
from fastexpr.errors import EvaluationError, GraphError, ShapeError
from fastexpr.problem.assembly import algebra
from fastexpr.solvers import available

SOLVERS = available()
each_solver = pytest.mark.parametrize("solver", SOLVERS)
random = np.random.default_rng(5)


def weights_of(*sizes):
    layers = itertools.pairwise(sizes)
    return [(random.standard_normal((m, n)) / np.sqrt(n), 0.1 * random.standard_normal(m)) for n, m in layers]


def forward(weights, x):
    """The network of tanh layers by NumPy, on numbers or expressions."""
    for matrix, bias in weights[:-1]:
        x = np.tanh(matrix @ x + bias)
    return weights[-1][0] @ x + weights[-1][1]


def function_of(weights):
    x = fx.variables(weights[0][0].shape[1])
    return fx.Function(x, forward(weights, x))


WEIGHTS = weights_of(4, 12, 12, 3)
NETWORK = function_of(WEIGHTS)


def test_a_solver_is_installed():
    assert "pounce" in SOLVERS


# ---- Hock and Schittkowski, Test Examples for Nonlinear Programming Codes (1981): published optima -------------------


def hs006(p):
    x = p.variables(2, start=[-1.2, 1.0])
    p.minimize((1 - x[0]) ** 2)
    p.subject_to(10 * (x[1] - x[0] ** 2), equal=0)


def hs011(p):
    x = p.variables(2, start=[4.9, 0.1])
    p.minimize((x[0] - 5) ** 2 + x[1] ** 2 - 25)
    p.subject_to(x[1], lower=x[0] ** 2)


def hs039(p):
    x = p.variables(4, start=2)
    p.minimize(-x[0])
    p.subject_to(x[1] - x[0] ** 3 - x[2] ** 2, equal=0)
    p.subject_to(x[0] ** 2 - x[1] - x[3] ** 2, equal=0)


def hs043(p):
    x = p.variables(4, start=0)
    p.minimize((x**2 * [1, 1, 2, 1]).sum() + x @ np.array([-5.0, -5.0, -21.0, 7.0]))
    p.subject_to((x**2).sum() + x @ np.array([1.0, -1.0, 1.0, -1.0]), upper=8)
    p.subject_to((x**2 * [1, 2, 1, 2]).sum() - x[0] - x[3], upper=10)
    p.subject_to((x**2 * [2, 1, 1, 0]).sum() + 2 * x[0] - x[1] - x[3], upper=5)


def hs065(p):
    x = p.variables(3, lower=[-4.5, -4.5, -5], upper=[4.5, 4.5, 5], start=[-5, 5, 0])
    p.minimize((x[0] - x[1]) ** 2 + (x[0] + x[1] - 10) ** 2 / 9 + (x[2] - 5) ** 2)
    p.subject_to((x**2).sum(), upper=48)


def hs071(p):
    x = p.variables(4, lower=1, upper=5, start=[1, 5, 5, 1])
    p.minimize(x[0] * x[3] * x[:3].sum() + x[2])
    p.subject_to(x.prod(), lower=25)
    p.subject_to((x**2).sum(), equal=40)


def hs080(p):
    bound = np.array([2.3, 2.3, 3.2, 3.2, 3.2])
    x = p.variables(5, lower=-bound, upper=bound, start=[-2, 2, 2, -1, -1])
    p.minimize(np.exp(x.prod()))
    p.subject_to(np.stack([(x**2).sum(), x[1] * x[2] - 5 * x[3] * x[4], x[0] ** 3 + x[1] ** 3]), equal=[10, 0, -1])


def hs112(p):
    c = np.array([-6.089, -17.164, -34.054, -5.914, -24.721, -14.986, -24.1, -10.708, -26.662, -22.179])
    matrix = np.zeros((3, 10))
    matrix[0, [0, 1, 2, 5, 9]] = 1, 2, 2, 1, 1
    matrix[1, [3, 4, 5, 6]] = 1, 2, 1, 1
    matrix[2, [2, 6, 7, 8, 9]] = 1, 1, 1, 2, 1
    x = p.variables(10, lower=1e-6, start=0.1)
    p.minimize((x * (c + np.log(x / x.sum()))).sum())
    p.subject_to(matrix @ x, equal=[2, 1, 1])


OPTIMA = {hs006: 0.0, hs011: -8.498464223, hs039: -1.0, hs043: -44.0, hs065: 0.9535288567, hs071: 17.0140173}
OPTIMA |= {hs080: 0.0539498478, hs112: -47.76109086}


@each_solver
@pytest.mark.parametrize("state", OPTIMA, ids=lambda state: state.__name__)
def test_published_optima(state, solver):
    problem = fx.Problem()
    state(problem)
    result = problem.solve(solver)
    assert result.success
    assert result.status == "optimal"
    assert result.objective == pytest.approx(OPTIMA[state], rel=2e-7, abs=2e-7)
    assert result.violation < 1e-6


# ---- multipliers -----------------------------------------------------------------------------------------------------


def kkt_problem(sign):
    p = fx.Problem()
    x = p.variables(3, lower=[0.5, -1, -1], upper=[2, 1, 0.2], start=[1, 0, 0])

    def f(x):
        return np.exp(x[0]) + (x[1] - 2) ** 2 + (x[2] - x[0]) ** 2

    def g(x):
        return np.stack([x[0] + x[1], x[0] * x[2] + x[1] ** 2])

    (p.minimize if sign > 0 else p.maximize)(sign * f(x))
    return p, x, f, p.subject_to(g(x), lower=[-9, 0.1], upper=[1.2, 0.4]), g


@each_solver
@pytest.mark.parametrize("sign", [1, -1], ids=["minimize", "maximize"])
def test_multipliers_satisfy_the_kkt_conditions(sign, solver):
    p, x, f, handle, g = kkt_problem(sign)
    result = p.solve(solver, tol=1e-10)
    assert result.success
    assert result.objective == pytest.approx(sign * f(result[x]))
    gradient = fx.Function(x, f(x)).gradient(result[x])
    jacobian = fx.Function(x, g(x)).jacobian(result[x])
    duals, lower, upper = result.duals[handle], result.lower_duals[x], result.upper_duals[x]
    np.testing.assert_allclose(gradient + duals @ jacobian - lower + upper, 0, atol=1e-7)
    assert (lower > -1e-12).all()
    assert (upper > -1e-12).all()
    assert duals[1] > 1e-3  # an upper limit that binds
    assert abs(duals[0]) < 1e-6
    assert lower[0] > 1e-3  # a lower bound that binds
    assert result.lower_duals[x[0]] == lower[0]
    np.testing.assert_array_equal(result.upper_duals[x[1:]], upper[1:])


@each_solver
def test_the_sign_of_a_dual_says_how_the_optimum_moves(solver):
    def optimum(limit):
        p = fx.Problem()
        x = p.variables(2, start=1.0)
        p.minimize((x**2).sum())
        handle = p.subject_to(x[0] * x[1], lower=limit)
        result = p.solve(solver, tol=1e-10)
        return result.objective, result.duals[handle]

    (low, dual), (high, _) = optimum(1.0), optimum(1.001)
    assert dual < 0
    assert (high - low) / 0.001 == pytest.approx(-dual, rel=1e-5)


# ---- networks --------------------------------------------------------------------------------------------------------


def full_space(network, **settings):
    p = fx.Problem()
    x = p.variables(4, lower=-1, upper=1, start=0.2)
    y = p.network(network, x, **settings)
    p.minimize(((x - 0.3) ** 2).sum() + 0.1 * y[0])
    return p, x, y, p.subject_to(y[1] - x[0] * x[1], lower=0.8), p.subject_to(y[2], upper=0.1)


def reduced_space(network):
    p = fx.Problem()
    x = p.variables(4, lower=-1, upper=1, start=0.2)
    y = network(x)
    p.minimize(((x - 0.3) ** 2).sum() + 0.1 * y[0])
    return p, x, y, p.subject_to(y[1] - x[0] * x[1], lower=0.8), p.subject_to(y[2], upper=0.1)


@each_solver
def test_full_and_reduced_space_and_scipy_agree(solver):
    answers = []
    for p, x, y, a, b in (full_space(NETWORK), reduced_space(NETWORK)):
        result = p.solve(solver, tol=1e-10)
        assert result.success
        np.testing.assert_allclose(result[y], forward(WEIGHTS, result[x]), atol=1e-9)
        answers.append((result[x], result.objective, result.duals[a], result.duals[b]))
    for one, other in zip(*answers, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-7)

    def value(x):
        return forward(WEIGHTS, x)

    reference = scipy.optimize.minimize(
        lambda x: ((x - 0.3) ** 2).sum() + 0.1 * value(x)[0],
        np.full(4, 0.2),
        method="SLSQP",
        bounds=[(-1, 1)] * 4,
        constraints=[
            {"type": "ineq", "fun": lambda x: value(x)[1] - x[0] * x[1] - 0.8},
            {"type": "ineq", "fun": lambda x: 0.1 - value(x)[2]},
        ],
        options={"ftol": 1e-12},
    )
    np.testing.assert_allclose(answers[0][0], reference.x, atol=1e-5)
    assert answers[0][1] == pytest.approx(reference.fun, abs=1e-6)


def test_the_solvers_agree():
    results = [full_space(NETWORK)[0].solve(solver, tol=1e-10) for solver in SOLVERS]
    for result in results:
        np.testing.assert_allclose(result.x, results[0].x, atol=1e-8)
        np.testing.assert_allclose(result.multipliers.constraints, results[0].multipliers.constraints, atol=1e-6)


def test_duals_of_a_network_are_by_its_outputs():
    p, _, y, a, b = full_space(NETWORK)
    result = p.solve(tol=1e-10)
    duals = result.duals[y]
    assert duals.shape == (3,)
    # stationarity in y: grad f + duals of the rows with y - duals of network(x) - y = 0
    np.testing.assert_allclose(duals, [0.1, result.duals[a], result.duals[b]], atol=1e-7)


def test_starts_are_the_networks_value():
    p = fx.Problem()
    x = p.variables((2, 4), start=random.standard_normal((2, 4)))
    y = p.network(NETWORK, x)
    z = p.network(NETWORK, x[0], start=7.0)
    p.minimize(y.sum() + z.sum())
    start = p.nlp().start
    np.testing.assert_allclose(start[8:14].reshape(2, 3), [forward(WEIGHTS, row) for row in start[:8].reshape(2, 4)])
    np.testing.assert_array_equal(start[14:], 7.0)


def test_all_instances_of_a_network_are_one_batch():
    p = fx.Problem()
    x = p.variables((5, 4), start=random.standard_normal((5, 4)))
    y = [p.network(NETWORK, x), p.network(NETWORK, x[0, ::-1])]
    other = p.network(function_of(WEIGHTS), x[1])
    assert [one.shape for one in y] == [(5, 3), (3,)]
    p.minimize((x**2).sum() + sum((one**2).sum() for one in [*y, other]))
    p.subject_to(x[:, 0], lower=0.5)
    # value, Jacobian and Hessian of the objective and of either network; the constraints are linear
    assert p.nlp().functions.n_batches == 3 + 3 + 3 + 2
    result = p.solve()
    assert result.success
    np.testing.assert_allclose(result[y[1]], forward(WEIGHTS, result[x][0, ::-1]), atol=1e-8)
    np.testing.assert_allclose(result[other], result[y[0]][1], atol=1e-8)


def test_the_structure_of_a_control_problem():
    """T steps of a network 12 -> 10: 12 entries and a -1 per row; 78 per step in the lower triangle of the Hessian."""
    steps, n_states, n_controls = 40, 10, 2
    step = function_of(weights_of(n_states + n_controls, 24, 24, n_states))
    initial = 0.3 * random.standard_normal(n_states)
    p = fx.Problem()
    u = p.variables((steps, n_controls), lower=-1, upper=1, start=0)
    first = state = p.variables(n_states, lower=initial, upper=initial)
    cost = 0.01 * (u**2).sum()
    for t in range(steps):
        state = p.network(step, np.concatenate([state, u[t]]))
        cost = cost + (state**2).sum()
    p.minimize(cost)
    nlp = p.nlp()
    assert (nlp.n, nlp.m) == (490, 400)
    assert nlp.jacobian_rows.size == steps * n_states * 13
    assert nlp.hessian_rows.size == steps * 78 + n_states  # the last state is curved in the objective only
    assert nlp.functions.n_batches == 3 + 3  # of the objective and of all steps
    result = p.solve()
    assert result.success
    np.testing.assert_array_equal(result[first], initial)
    assert result.timings["evaluations"]["hessian"]["count"] == result.iterations


def test_a_final_time_and_a_budget_leave_the_steps_sparse():
    """x' = u from 0 to 1 in the shortest time with a limit of energy: u is constant, and 1 / T is the energy."""
    n = 3000
    p = fx.Problem()
    x, u = p.variables(n + 1, start=np.linspace(0, 1, n + 1)), p.variables(n, lower=-1, upper=1, start=0.5)
    final_time = p.variables((), lower=0.1, start=2.0)
    p.subject_to(x[[0, -1]], equal=[0, 1])
    p.subject_to(x[1:] - x[:-1] - final_time / n * u, equal=0)
    energy = p.subject_to((u**2).sum() * final_time / n, upper=0.8)
    p.minimize(final_time)
    functions = [function for _, function, _ in algebra(p._statement, p._statement.constraints)]
    assert [function.n_outputs for function in functions] == [n + 2, 1]
    assert p.nlp().jacobian_rows.size == 2 + 4 * n + n + 1
    result = p.solve(tol=1e-10)
    assert result.success
    assert result[final_time] == pytest.approx(1.25, rel=1e-6)
    np.testing.assert_allclose(result[u], 0.8, atol=1e-6)
    assert result.duals[energy] > 0


def test_network_of_an_expression_and_of_repeated_variables():
    p = fx.Problem()
    x = p.variables(3, start=[0.3, -0.2, 0.1])
    of_expression = p.network(NETWORK, 2 * np.concatenate([x, x[:1] * x[1:2]]))
    of_repeated = p.network(NETWORK, x[[0, 0, 2, 0]])
    p.minimize((of_expression**2).sum() + ((of_repeated - 0.2) ** 2).sum() + 0.1 * (x**2).sum())
    result = p.solve(tol=1e-10)
    assert result.success
    q = fx.Problem()
    u = q.variables(3, start=[0.3, -0.2, 0.1])
    one, other = NETWORK(2 * np.concatenate([u, u[:1] * u[1:2]])), NETWORK(u[[0, 0, 2, 0]])
    q.minimize((one**2).sum() + ((other - 0.2) ** 2).sum() + 0.1 * (u**2).sum())
    np.testing.assert_allclose(result[x], q.solve(tol=1e-10)[u], atol=1e-7)


def test_bounds_from_the_network():
    network = NETWORK.with_bounds(-0.5, 0.25)
    p = fx.Problem()
    x = p.variables(4, start=9.0)
    y = p.network(network, x, bounds=True, lower=[-0.1, -np.inf, -np.inf])
    p.minimize(y[0])
    nlp = p.nlp()
    np.testing.assert_array_equal(nlp.lower[:4], -0.5)
    np.testing.assert_array_equal(nlp.upper[:4], 0.25)
    np.testing.assert_array_equal(nlp.start[:4], 0.25)
    low, high = network.output_bounds(-0.5, 0.25)
    np.testing.assert_allclose(nlp.lower[4:], np.maximum(low, [-0.1, -np.inf, -np.inf]))
    np.testing.assert_allclose(nlp.upper[4:], high)
    with pytest.raises(ValueError, match="with_bounds"):
        p.network(NETWORK, x, bounds=True)


def test_a_large_network():
    """784 -> 1024 -> 1024 -> 10: the smallest change of an image that moves one output above the others."""
    network = function_of(weights_of(784, 1024, 1024, 10))
    image = random.uniform(size=784)
    p = fx.Problem()
    x = p.variables(784, lower=0, upper=1, start=image)
    y = p.network(network, x)
    p.minimize(((x - image) ** 2).sum())
    p.subject_to(y[3] - y[[0, 1, 2, 4, 5, 6, 7, 8, 9]], lower=0.5)
    result = p.solve()
    assert result.success
    assert result.violation < 1e-7
    scores = network(result[x])
    assert scores[3] >= np.delete(scores, 3).max() + 0.5 - 1e-6


# ---- derivatives -----------------------------------------------------------------------------------------------------


def mixed_problem():
    p = fx.Problem()
    x = p.variables((2, 4), lower=-1, upper=1, start=random.uniform(-0.5, 0.5, (2, 4)))
    y = p.network(NETWORK, x)
    z = p.network(NETWORK, x[0][[3, 3, 1, 0]])
    p.maximize((np.sin(x) * x[::-1]).sum() - (y**2).sum() - z[0] ** 4 + NETWORK(x[1])[0])
    p.subject_to(np.exp(x[0]) * y[0, 0], upper=3)
    p.subject_to(x[:, 0] - x[:, 1], lower=-1)
    return p


def test_derivatives_match_differences():
    nlp = mixed_problem().nlp()
    x, w, step = nlp.start, random.standard_normal(nlp.m), 1e-6

    def dense(structure, values, shape):
        matrix = np.zeros(shape)
        np.add.at(matrix, structure, values)
        return matrix

    def jacobian(x):
        return dense(nlp.jacobianstructure(), nlp.jacobian(x), (nlp.m, nlp.n))

    def differences(function):
        shifts = step * np.eye(nlp.n)
        return np.stack([(function(x + shift) - function(x - shift)) / (2 * step) for shift in shifts], axis=-1)

    np.testing.assert_allclose(nlp.gradient(x), differences(nlp.objective), atol=1e-7)
    np.testing.assert_allclose(jacobian(x), differences(nlp.constraints), atol=1e-7)
    lower = dense(nlp.hessianstructure(), nlp.hessian(x, w, 0.7), (nlp.n, nlp.n))
    assert np.array_equal(lower, np.tril(lower))
    hessian = lower + np.tril(lower, -1).T
    np.testing.assert_allclose(hessian, differences(lambda x: 0.7 * nlp.gradient(x) + w @ jacobian(x)), atol=1e-6)


@each_solver
def test_the_solvers_derivative_test_passes(solver, tmp_path, capfd):
    log = tmp_path / "log"
    settings = {"derivative_test": "second-order", "print_level": 4, "output_file": str(log), "max_iter": 1}
    mixed_problem().solve(solver, **settings)
    out = capfd.readouterr()
    report = out.out + out.err + (log.read_text() if log.exists() else "")
    assert "No errors detected by derivative checker" in report or "No suspicious derivatives found" in report


def test_variables_that_meet_all_others_keep_the_hessian_sparse():
    """A free final time scales every step: it gets a direction of its own, and the others share theirs."""
    n = 20_000
    x, time_scale = fx.variables(n), fx.variables(())
    steps = fx.Function([x, time_scale], (x[1:] - x[:-1] - time_scale * np.sin(x[:-1])) * time_scale)
    point, weights = random.standard_normal(n + 1), random.standard_normal(n - 1)
    hessian = steps.hessian(point, weights, sparse=True)  # dense, it would be 3.2 GB
    assert hessian.nnz < 6 * n
    direction = random.standard_normal(n + 1)
    expected = steps.hvp(point, weights, direction)
    np.testing.assert_allclose(hessian @ direction, expected, atol=1e-10 * np.abs(expected).max())
    for size in (2, 3, 17):
        y = fx.variables(size)
        mixed = fx.Function(y, np.exp(0.3 * y[0] * y).sum() + (y[:-1] * y[1:]).sum() + np.sin(y[-1] * y).sum())
        point = random.standard_normal(size)
        dense = mixed.hessian(point)
        np.testing.assert_allclose(mixed.hessian(point, sparse=True).toarray(), dense, atol=1e-12 * np.abs(dense).max())


def test_each_quantity_is_computed_once_per_point():
    nlp = mixed_problem().nlp()
    x = nlp.start
    first = nlp.objective(x), nlp.constraints(x).copy()
    for _ in range(3):
        assert nlp.objective(x.copy()) == first[0]
        np.testing.assert_array_equal(nlp.constraints(x), first[1])
    assert nlp.evaluations["objective"].count == nlp.evaluations["constraints"].count == 1
    assert nlp.objective(x + 0.01) != first[0]
    assert nlp.objective(x) == first[0]
    assert nlp.evaluations["objective"].count == 3


# ---- how a solve ends ------------------------------------------------------------------------------------------------


@each_solver
def test_an_evaluation_that_fails_makes_the_solver_step_back(solver):
    p = fx.Problem()
    x = p.variables((), start=3.0)
    p.minimize(x - np.log(x))  # Newton's first step ends at -3
    result = p.solve(solver)
    assert result.success
    assert result[x] == pytest.approx(1.0, abs=1e-6)
    q = fx.Problem()
    x = q.variables(2, start=[3.0, 1.0])
    q.minimize((x**2).sum())
    q.subject_to(np.log(x[0]) + np.sqrt(x[1] - 0.5), equal=0.5)
    result = q.solve(solver)
    assert result.success
    assert np.log(result[x][0]) + np.sqrt(result[x][1] - 0.5) == pytest.approx(0.5, abs=1e-7)


@each_solver
def test_a_start_that_cannot_be_evaluated_is_named(solver):
    p = fx.Problem()
    x = p.variables(2, start=-1.0, name="flow")
    p.minimize((x**2).sum())
    p.subject_to(np.log(x), lower=0, name="balance")
    result = p.solve(solver)
    assert (result.success, result.status) == (False, "invalid_number")
    assert "balance[0] is not finite" in result.message


@each_solver
def test_what_diverges_is_named(solver):
    p = fx.Problem()
    x, flow = p.variables(2, lower=-1.0, upper=1.0), p.variables(2, name="flow", start=1.0)
    p.minimize((x**2).sum() + flow[0] ** 2 - 1e3 * flow[1])
    result = p.solve(solver)
    assert result.status == "diverging"
    assert re.search(r"Farthest out is flow\[1\], at \d", result.message)


@each_solver
def test_infeasible_unbounded_and_limits(solver):
    p = fx.Problem()
    x = p.variables(2, start=1.0)
    p.minimize(x.sum())
    p.subject_to((x**2).sum(), upper=-1)
    result = p.solve(solver)
    assert (result.success, result.status) == (False, "infeasible")
    assert result.violation > 0.5

    p = fx.Problem()
    p.minimize(p.variables(2, start=1.0).sum())
    result = p.solve(solver)
    assert (result.success, result.status) == (False, "diverging")

    p = fx.Problem()
    hs071(p)
    result = p.solve(solver, max_iter=2)
    assert (result.success, result.status, result.iterations) == (False, "iteration_limit", 2)

    result = p.solve(solver, max_cpu_time=1e-3, progress=lambda state: busy(0.05))
    assert (result.success, result.status) == (False, "time_limit")


def busy(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


@each_solver
def test_acceptable_is_a_success_that_says_so(solver):
    p = fx.Problem()
    hs071(p)
    result = p.solve(solver, tol=1e-14, acceptable_tol=1e-3, acceptable_iter=1)
    assert result.success
    assert result.status == "acceptable"
    assert "acceptable" in result.message


@each_solver
def test_interrupts_progress_and_errors_in_progress(solver):
    p = fx.Problem()
    hs071(p)
    result = p.solve(
        solver, progress=lambda state: signal.raise_signal(signal.SIGINT) if state.iteration == 3 else None
    )
    assert (result.success, result.status) == (False, "interrupted")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

    seen = []
    result = p.solve(solver, progress=lambda state: (seen.append(state), state.iteration < 2)[1])
    assert (result.success, result.status) == (False, "stopped")
    assert [state.iteration for state in seen] == [0, 1, 2]
    assert seen[0].objective == pytest.approx(16.1, rel=0.1)

    def fail(state):
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        p.solve(solver, progress=fail)


@each_solver
def test_solving_in_another_thread(solver):
    p = fx.Problem()
    hs071(p)
    results = []
    thread = threading.Thread(target=lambda: results.append(p.solve(solver)))
    thread.start()
    thread.join()
    assert results[0].success


@each_solver
def test_options_and_silence(solver, capfd):
    p = fx.Problem()
    hs071(p)
    assert p.solve(solver, tol=1, max_iter=np.int64(50), warm_start_init_point=False).success
    out = capfd.readouterr()
    assert out.out == out.err == ""
    for wrong in ({"nonsense": 1}, {"mu_strategy": "wild"}, {"max_iter": 2.5}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            p.solve(solver, **wrong)
        out = capfd.readouterr()
        assert out.out == out.err == ""
    assert p.solve(solver).success


@each_solver
def test_warm_start(solver):
    p, x, *_ = full_space(NETWORK)
    first = p.solve(solver)
    settings = {"mu_init": 1e-8, "warm_start_bound_push": 1e-9, "warm_start_mult_bound_push": 1e-9}
    again = p.solve(solver, start=first, **settings, warm_start_slack_bound_push=1e-9)
    assert again.success
    assert again.iterations < first.iterations
    np.testing.assert_allclose(again[x], first[x], atol=1e-6)
    with pytest.raises(ShapeError, match="another problem"):
        reduced_space(NETWORK)[0].solve(start=first)


@each_solver
def test_problems_without_constraints_or_curvature(solver):
    p = fx.Problem()
    x = p.variables((2, 2), lower=[[0, 1], [2, 3]], upper=9)
    p.maximize(-(x @ np.array([1.0, 2.0])).sum())
    result = p.solve(solver)
    assert result.success
    np.testing.assert_allclose(result[x], [[0, 1], [2, 3]], atol=1e-6)
    assert p.nlp().hessian_rows.size == 0
    np.testing.assert_allclose(result.lower_duals[x], [[1, 2], [1, 2]], atol=1e-6)


# ---- results, changes, errors ----------------------------------------------------------------------------------------


def test_the_result():
    p, x, y, a, _ = full_space(NETWORK)
    result = p.solve()
    assert isinstance(result[x[0]], float)
    assert result[x].shape == (4,)
    assert result.value(y[1] - x[0] * x[1]) == pytest.approx(0.8, abs=1e-7)
    np.testing.assert_allclose(result.value(NETWORK(x)), result[y], atol=1e-8)
    assert result.duals[a].shape == ()
    text = repr(result)
    assert "success: True" in text
    assert "iterations: " in text
    seconds = result.timings
    assert set(seconds["evaluations"]) == {"objective", "gradient", "constraints", "jacobian", "hessian"}
    spent = seconds["build"] + seconds["solver"] + sum(kind["seconds"] for kind in seconds["evaluations"].values())
    assert spent == pytest.approx(seconds["total"], rel=1e-6)
    with pytest.raises(GraphError, match="this problem's"):
        result[fx.variables(4)]
    with pytest.raises(KeyError, match="no constraint of this problem"):
        result.duals[full_space(NETWORK)[3]]
    with pytest.raises(GraphError, match="selection"):
        result.lower_duals[2 * x]


def test_a_problem_can_be_extended_and_solved_again():
    p = fx.Problem()
    x = p.variables(2, start=0.5)
    p.minimize(((x - [2.0, 1.0]) ** 2).sum())
    free = p.solve()
    np.testing.assert_allclose(free[x], [2, 1], atol=1e-6)
    assert p.nlp() is p.nlp()
    disk = p.subject_to((x**2).sum(), upper=1)
    held = p.solve()
    np.testing.assert_allclose(held[x], np.array([2, 1]) / np.sqrt(5), atol=1e-6)
    assert held.duals[disk] == pytest.approx(np.sqrt(5) - 1, abs=1e-6)
    later = p.variables(2)
    for expression in (later, later[0] * x[0]):
        with pytest.raises(GraphError, match="after this result"):
            held.value(expression)
    with pytest.raises(KeyError, match="no constraint"):
        free.duals[disk]
    np.testing.assert_allclose(free[x], [2, 1], atol=1e-6)


def test_starts():
    p = fx.Problem()
    x = p.variables(5, lower=[1, -np.inf, -np.inf, 2, -4], upper=[3, -2, np.inf, np.inf, 0])
    y = p.variables(2, lower=0, upper=1, start=[-5, 0.25])
    p.minimize(x.sum() + y.sum())
    np.testing.assert_array_equal(p.nlp().start, [2, -2, 0, 2, -2, 0, 0.25])


def test_no_solver_installed(monkeypatch):
    p = fx.Problem()
    hs071(p)
    with pytest.raises(ValueError, match="unknown solver: got 'snopt', expected one of 'cyipopt', 'pounce'"):
        p.solve("snopt")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install pounce-solver.*pip install cyipopt"):
        p.solve()
    with pytest.raises(ModuleNotFoundError, match="'pounce' is not installed: use 'pip install pounce-solver'"):
        p.solve("pounce")


def test_wrong_statements():
    p = fx.Problem()
    with pytest.raises(ValueError, match="no variables"):
        p.solve()
    x = p.variables(4, start=1.0)
    foreign = fx.variables(2)
    cases = [
        (lambda: p.minimize(x), ShapeError, "must be one number"),
        (lambda: p.minimize(foreign.sum()), GraphError, "not this problem's"),
        (lambda: p.minimize("3"), TypeError, "Expression"),
        (lambda: p.subject_to(foreign, lower=0), GraphError, "not this problem's"),
        (lambda: p.subject_to(x), ValueError, "got none"),
        (lambda: p.subject_to(x[:0], lower=0), ShapeError, r"needs elements: got shape \(0,\)"),
        (lambda: p.subject_to(x, equal=0, upper=1), ValueError, "equal= alone"),
        (lambda: p.subject_to(x, lower=1, upper=0), ValueError, "above"),
        (lambda: p.subject_to(x, lower=[1, 2]), ShapeError, r"got \(2,\), expected \(4,\)"),
        (lambda: p.subject_to(x, lower=np.nan), ValueError, "NaN"),
        (lambda: p.subject_to(1.0, lower=0), TypeError, "got float"),
        (lambda: p.subject_to(x, lower=x[0], upper=1), ValueError, "two constraints"),
        (lambda: p.variables(2, lower=[1, 2, 3]), ShapeError, r"got \(3,\), expected \(2,\)"),
        (lambda: p.variables(2, lower=1, upper=0), ValueError, "above"),
        (lambda: p.variables(2, start=[np.nan, 1]), ValueError, "NaN"),
        (lambda: p.variables(2, start=np.inf), ValueError, "not finite"),
        (lambda: p.network(NETWORK, x[:3]), ShapeError, r"got \(3,\), expected \(4,\), or \(T, 4\)"),
        (lambda: p.network(NETWORK, np.ones(4)), TypeError, "got ndarray"),
        (lambda: p.network("net.onnx", x), TypeError, "got str"),
        (lambda: p.network(fx.Function(foreign, np.log(foreign)), -x[:2]), EvaluationError, "another start"),
    ]
    for state, error, message in cases:
        with pytest.raises(error, match=message):
            state()
    p.minimize(x.sum())
    with pytest.raises(ValueError, match="exactly one"):
        p.maximize(x.sum())


def test_network_of_a_list_of_expressions():
    v = fx.variables(3)
    net = fx.Function(v, np.tanh(v).sum())
    problem = fx.Problem()
    x = problem.variables(2, lower=-1, upper=1)
    y = problem.network(net, [x[1], 0.5, x[0]])
    problem.minimize(y[0])
    result = problem.solve()
    np.testing.assert_allclose(result[y], net([-1, 0.5, -1]), atol=1e-6)


def test_results_of_what_is_no_expression():
    problem = fx.Problem()
    x = problem.variables(2)
    problem.minimize((x**2).sum())
    result = problem.solve()
    for values in (result, result.lower_duals):
        with pytest.raises(TypeError, match=r"\[Problem\] values belong to variables .*: got 'x'"):
            values["x"]


@each_solver
@pytest.mark.parametrize("objective", [None, 0, 2.5])
def test_feasibility(solver, objective):
    p = fx.Problem()
    x = p.variables(2, lower=0.0, start=[1.0, 2.0])
    if objective is not None:
        p.minimize(objective)
        with pytest.raises(ValueError, match="an objective already"):
            p.minimize(0)
    p.subject_to((x**2).sum(), equal=2.0)
    result = p.solve(solver)
    assert result.success
    assert result.objective == (objective or 0.0)
    assert (result[x] ** 2).sum() == pytest.approx(2.0)


def test_a_result_pickles_without_its_problem():
    p = fx.Problem()
    x = p.variables(2, start=1.0)
    c = p.subject_to(x[0] + x[1], equal=1.0)
    p.minimize((x**2).sum())
    result = p.solve()
    copy = pickle.loads(pickle.dumps(result))
    np.testing.assert_array_equal(copy.x, result.x)
    np.testing.assert_array_equal(copy.multipliers.constraints, result.multipliers.constraints)
    assert (copy.status, copy.objective, copy.timings) == (result.status, result.objective, result.timings)
    for ask in (lambda: copy[x], lambda: copy.duals[c], lambda: copy.lower_duals[x]):
        with pytest.raises(KeyError, match=r"result\.x"):
            ask()


def test_a_refused_network_leaves_the_bounds_alone():
    x0 = fx.variables(2)
    network = fx.Function(x0, np.tanh(x0)).with_bounds([-1.0, 5.0], [1.0, 6.0])
    p = fx.Problem()
    x = p.variables(2, lower=-3.0, upper=3.0)
    with pytest.raises(ValueError, match="range of the network"):
        p.network(network, x, bounds=True)
    p.minimize(((x + 2.5) ** 2).sum())
    np.testing.assert_allclose(p.solve()[x], -2.5, atol=1e-6)


def test_numbers_that_are_handed_out_twice_cannot_be_changed():
    nlp = mixed_problem().nlp()
    for values in (nlp.gradient(nlp.start), nlp.constraints(nlp.start), nlp.jacobian(nlp.start)):
        with pytest.raises(ValueError, match="read-only"):
            values[0] = 7.0
