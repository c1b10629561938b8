"""The check behind `./run bench answers`: it must see what is wrong, or its table says nothing."""

import numpy as np
import pytest

from benchmarks.answer_candidates import problem_of
from benchmarks.answer_check import check, slopes, stationarity
from benchmarks.answer_networks import Trained
from benchmarks.answer_set import Case

random = np.random.default_rng(2)
POINTS = random.uniform(-2.0, 2.0, (500, 2))


def trained(activation="tanh"):
    random = np.random.default_rng(3)
    sizes = [(8, 2), (8, 8), (2, 8)]
    return Trained([(random.normal(size=size), random.normal(size=size[0])) for size in sizes], activation)


def case_of(network, is_limited=True, size=1.0):
    """The point nearest to 0, nearly, whose second output is among the tenth that is highest."""
    limit = size * (np.quantile(network(POINTS)[:, 1], 0.9) if is_limited else -1e3)

    def state(x, nets):
        y = nets[0](x)
        return (x * x).sum() + 0.1 * y[0], [("reached", size * y[1], limit, np.inf)]

    return Case("hand-made 0", "tuned", [network], np.array([-2.0, -2.0]), np.array([2.0, 2.0]), state)


def solution(case, start=None):
    p, x = problem_of(case)
    result = p.solve(start=start, effort="high")
    assert result.success
    return result[x]


@pytest.mark.parametrize("activation", ["tanh", "logistic"])
@pytest.mark.parametrize("size", [1.0, 1e-7, 1e9])
def test_a_solution_passes(activation, size):
    case = case_of(trained(activation), size=size)
    finding = check(case, solution(case))
    assert finding.is_feasible
    assert finding.residual < 1e-5
    assert finding.refutes("optimal") == ""
    assert finding.by_runtime < 1e-12


@pytest.mark.parametrize("size", [1.0, 1e-7, 1e9])
def test_a_point_that_misses_a_limit_is_refuted(size):
    case = case_of(trained(), size=size)
    x = solution(case)
    for miss in (1e-4, 1e-2):
        _, values, lower, _ = case.evaluate(x)
        gradient = slopes(case, x)[1][0]
        beside = x - miss * gradient * (abs(gradient).max() / (gradient @ gradient))  # outwards
        assert case.evaluate(beside)[1][0] < lower[0] - 1e-6 * size * miss
        finding = check(case, beside)
        assert "'reached'" in finding.refutes("optimal")
        assert finding.refutes("infeasible") == ""  # no claim
    assert values.size == 1


def test_a_point_outside_of_its_bounds_is_refuted():
    case = case_of(trained(), is_limited=False)
    assert "the bound of x[1]" in check(case, np.array([0.0, 2.001])).refutes("acceptable")


def test_a_point_that_is_not_stationary_is_refuted():
    case = case_of(trained(), is_limited=False)  # the limit is far away
    x = solution(case)
    assert check(case, x).refutes("optimal") == ""
    finding = check(case, x + np.array([0.01, -0.01]))
    assert finding.is_feasible
    assert "could fall" in finding.refutes("optimal")


def test_multipliers_have_signs():
    case = case_of(trained(), is_limited=False)
    x = np.array([2.0, 0.0])  # at an upper bound, from which the objective leads away
    objective, values, lower, upper = case.evaluate(x)
    gradient, jacobian = slopes(case, x)
    assert gradient[0] > 0.0
    residual = stationarity(case, x, float(objective), values, lower, upper, gradient, jacobian)
    assert residual > 1e-3


def test_complex_steps_are_the_derivatives():
    for activation in ("tanh", "logistic", "relu"):
        case = case_of(trained(activation))
        x = np.array([0.3, -0.7])
        gradient, jacobian = slopes(case, x)
        for j in range(2):
            h = np.eye(2)[j] * 1e-6
            up, down = case.evaluate(x + h), case.evaluate(x - h)
            assert gradient[j] == pytest.approx((up[0] - down[0]) / 2e-6, rel=1e-5, abs=1e-8)
            np.testing.assert_allclose(jacobian[:, j], (up[1] - down[1]) / 2e-6, rtol=1e-5, atol=1e-8)


def test_near_a_kink_nothing_is_said_of_slopes():
    network = trained("relu")
    W, b = network.layers[0]
    x = np.linalg.lstsq(W[:1], -b[:1], rcond=None)[0]  # a unit's argument is 0
    assert network.kink_distance(x) < 1e-12
    assert check(case_of(network, is_limited=False), x).residual is None


def test_the_reach_of_an_output_holds_everywhere():
    for activation in ("tanh", "logistic"):
        network = trained(activation)
        values = network(random.uniform(-50.0, 50.0, (2000, 2)))
        for k in range(2):
            low, high = network.reach(k)
            assert values[:, k].min() >= low
            assert values[:, k].max() <= high
