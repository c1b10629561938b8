"""Networks in problems: in full and in reduced space, their instances, their structure."""

import numpy as np
import pytest
import scipy.optimize
from problems import (
    NETWORK,
    SOLVERS,
    WEIGHTS,
    each_solver,
    forward,
    full_space,
    function_of,
    reduced_space,
    weights_of,
)

import fastexpr as fx

random = np.random.default_rng(5)


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
    step = function_of(weights_of(random, n_states + n_controls, 24, 24, n_states))
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


def test_network_of_a_list_of_expressions():
    v = fx.variables(3)
    net = fx.Function(v, np.tanh(v).sum())
    problem = fx.Problem()
    x = problem.variables(2, lower=-1, upper=1)
    y = problem.network(net, [x[1], 0.5, x[0]])
    problem.minimize(y[0])
    result = problem.solve()
    np.testing.assert_allclose(result[y], net([-1, 0.5, -1]), atol=1e-6)


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


def test_a_refused_network_leaves_the_bounds_alone():
    x0 = fx.variables(2)
    network = fx.Function(x0, np.tanh(x0)).with_bounds([-1.0, 5.0], [1.0, 6.0])
    p = fx.Problem()
    x = p.variables(2, lower=-3.0, upper=3.0)
    with pytest.raises(ValueError, match="range of the network"):
        p.network(network, x, bounds=True)
    p.minimize(((x + 2.5) ** 2).sum())
    np.testing.assert_allclose(p.solve()[x], -2.5, atol=1e-6)


def test_a_large_network():
    """784 -> 1024 -> 1024 -> 10: the smallest change of an image that moves one output above the others."""
    network = function_of(weights_of(random, 784, 1024, 1024, 10))
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
