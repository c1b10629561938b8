"""Sensitivities beside differences of problems that are solved again."""

import numpy as np
import pytest

import fastexpr as fx
from fastexpr.errors import NotFoundError, ShapeError

CLOSE = 1e-6  # of max(1, |derivative|)
EXACT = {"tol": 1e-11}
STEP = 2e-3  # of differences of fourth order
SEEDS = [seed for seed in range(21) if seed != 14]  # nothing is feasible there


def make_problem(seed: int):
    """Variables, networks, parameters in objective, rows, bounds and inputs; other bounds are met for every seed."""
    random = np.random.default_rng(seed)
    n = int(random.integers(2, 6))
    u = fx.variables(n + 1)
    hidden = np.tanh(random.normal(size=(10, n + 1)) @ u + random.normal(size=10))
    net = fx.Function(u, 0.4 * random.normal(size=(2, 10)) @ hidden)
    p = fx.Problem()
    a = p.parameters(2, value=random.normal(size=2), name="a")
    b = p.parameters((), value=random.uniform(0.5, 1.5), name="b")
    lower = -b if seed % 2 else -1.0
    x = p.variables(n, lower=lower, upper=1.0, start=0.0, name="x")
    inputs = np.concatenate([x, a[:1] if seed % 3 else x[:1] * b])
    y = net(inputs) if seed % 4 == 3 else p.network(net, inputs, name="y")
    H = random.normal(size=(n, n))
    objective = y[0] * b + x @ (H @ H.T + 0.5 * np.eye(n)) @ x + 2.0 * random.normal(size=n) @ x + a[1] * x[0] * x[1]
    if seed % 5 == 4:
        p.maximize(-objective)
    else:
        p.minimize(objective)
    limits = [p.subject_to(y[1] + 0.3 * x.sum(), upper=0.2 * b + 0.1 * a[1])]
    if seed % 3 == 0:
        limits.append(p.subject_to(x.sum() + 0.1 * (x**2).sum(), equal=0.1 * a[0]))
    return p, a, b, x, y, limits


def solves_around(p, parameter, value, k):
    """At -2, -1, 1 and 2 steps of one component."""
    results = []
    for t in (-2, -1, 1, 2):
        moved = np.array(value, dtype=float)
        moved.ravel()[k] += t * STEP
        results.append(p.solve(parameters={parameter: moved}, **EXACT))
        assert results[-1].success
    return results


@pytest.mark.parametrize("seed", SEEDS)
def test_derivatives_are_differences_of_solves(seed):
    p, a, b, x, y, limits = make_problem(seed)
    result = p.solve(**EXACT)
    assert result.success
    s = result.sensitivity(np.concatenate([a, b.reshape(1)]))
    assert s.is_regular, s.message
    assert s[x].shape == (*x.shape, 3)
    for k in range(3):
        parameter, place = (a, k) if k < 2 else (b, 0)
        around = solves_around(p, parameter, result[parameter], place)
        for read, found in (
            (lambda r: r[x], s[x][:, k]),
            (lambda r: r[y], s[y][:, k]),
            (lambda r: r.objective, s.objective[k]),
            (lambda r: r.duals[limits[0]], s.duals[limits[0]][k]),
            (lambda r: r[b * x[0] + a[1]], s[b * x[0] + a[1]][k]),
        ):
            before2, before, after, after2 = map(read, around)
            wanted = (8.0 * (after - before) - (after2 - before2)) / (12.0 * STEP)
            assert np.abs(wanted - found).max() <= CLOSE * max(1.0, np.abs(wanted).max())


def test_shapes_are_those_of_variables_and_parameters():
    p = fx.Problem()
    a = p.parameters((2, 3), value=1.0, name="a")
    x = p.variables((2, 3), lower=0.0)
    p.minimize(((x - 2.0 * a) ** 2).sum())
    result = p.solve()
    s = result.sensitivity(a)
    np.testing.assert_allclose(s[x], 2.0 * np.eye(6).reshape(2, 3, 2, 3), atol=1e-9)
    assert s.objective.shape == (2, 3)
    np.testing.assert_allclose(result.sensitivity(a[1, 2])[x[1]], [0.0, 0.0, 2.0], atol=1e-9)
    np.testing.assert_allclose(result.sensitivity("a")[x[0, 0]], 2.0 * np.eye(6)[0].reshape(2, 3), atol=1e-9)
    np.testing.assert_allclose(result.sensitivity()[a], np.eye(6).reshape(2, 3, 2, 3))


def test_bounds_that_are_met_move_the_solution():
    p = fx.Problem()
    low, high = p.parameters((), value=1.0, name="low"), p.parameters(2, value=[3.0, 4.0], name="high")
    x = p.variables(3, lower=low, start=2.0)
    z = p.variables(2, upper=high**2, start=1.0)
    p.minimize((x**2).sum() - 2.0 * z.sum() + x[0] * z[0])
    result = p.solve()
    np.testing.assert_allclose(result.sensitivity(low)[x], 1.0, atol=1e-8)
    np.testing.assert_allclose(result.sensitivity(low).objective, 2.0 * 3.0 + 9.0, atol=1e-6)
    np.testing.assert_allclose(result.sensitivity(high)[z], np.diag([6.0, 8.0]), atol=1e-8)
    np.testing.assert_allclose(result.sensitivity(high).objective, [(1.0 - 2.0) * 6.0, -16.0], atol=1e-6)


def test_the_first_order_update_is_near_the_next_solution():
    p, _, b, x, _, _ = make_problem(1)
    result = p.solve(**EXACT)
    s = result.sensitivity(b)
    far = [
        np.abs(s.at(result[b] + h)[x] - p.solve(parameters={b: result[b] + h}, **EXACT)[x]).max() for h in (0.04, 0.02)
    ]
    assert far[0] <= 3e-3
    assert far[1] <= 0.3 * far[0]  # of second order
    update = s.at(result[b] + 0.02)
    warm = p.solve(parameters={b: result[b] + 0.02}, start=update)
    assert warm.success
    assert warm.iterations <= 4
    assert update.objective == pytest.approx(warm.objective, abs=1e-3)


def test_the_update_meets_what_is_crossed_and_lets_go_what_pulls():
    random = np.random.default_rng(4)
    A, gain = random.normal(size=(12, 12)), random.normal(size=12)
    p = fx.Problem()
    a = p.parameters((), value=1.0, name="a")
    x = p.variables(12, lower=0.0, upper=0.3)
    p.minimize(x @ (A @ A.T / 6.0) @ x - a * (gain @ x))
    limits = p.subject_to(np.stack([x[:6].sum(), x[6:].sum()]), upper=[0.4 * a, 0.5])
    result = p.solve(**EXACT)
    s = result.sensitivity(a)
    for value in (0.3, 3.0):  # a quadratic program: the update is the solution
        wanted = p.solve(parameters={a: value}, **EXACT)
        met = [np.flatnonzero((r[x] < 1e-7) | (r[x] > 0.3 - 1e-7)).tolist() for r in (result, wanted)]
        assert met[0] != met[1]
        update = s.at(value)
        np.testing.assert_allclose(update[x], wanted[x], atol=1e-7)
        np.testing.assert_allclose(update.multipliers.constraints, wanted.duals[limits], atol=1e-6)
        np.testing.assert_allclose(update.multipliers.lower, wanted.lower_duals[x], atol=1e-6)


# ---- what is degenerate ----------------------------------------------------------------------------------------------


def test_a_bound_that_is_met_without_force_is_said():
    p = fx.Problem()
    a = p.parameters((), value=0.0, name="a")
    x = p.variables(2, lower=0.0, start=1.0, name="x")
    p.minimize((x[0] - a) ** 2 + (x[1] - 1.0) ** 2)
    s = p.solve().sensitivity(a)
    assert not s.is_regular
    assert s.weak == ["x[0]"]
    assert "x[0]" in s.message


def test_rows_that_depend_on_each_other_leave_what_is_unique():
    p = fx.Problem()
    a = p.parameters((), value=1.0, name="a")
    x = p.variables(2, start=0.3)
    p.minimize((x**2).sum())
    first = p.subject_to(x.sum(), lower=a)
    p.subject_to(2.0 * x.sum(), lower=2.0 * a)
    s = p.solve().sensitivity(a)
    assert "depend on each other" in s.message
    np.testing.assert_allclose(s[x], 0.5, atol=1e-6)
    np.testing.assert_allclose(s.objective, 1.0, atol=1e-6)
    assert np.isnan(s.duals[first])
    with pytest.raises(ValueError, match="no first-order update: gradients"):
        s.at(1.1)


def test_a_flat_objective_has_no_single_solution():
    p = fx.Problem()
    a = p.parameters((), value=1.0, name="a")
    x = p.variables(3, lower=-5.0, upper=5.0, start=0.1)
    p.minimize((x[0] + x[1] - a) ** 2 + (x[2] - a) ** 2)
    s = p.solve().sensitivity(a)
    assert "not the only one" in s.message
    assert np.isnan(s[x][:2]).all()
    np.testing.assert_allclose(s[x[2]], 1.0, atol=1e-6)
    np.testing.assert_allclose(s.objective, 0.0, atol=1e-6)


def test_errors_of_sensitivities():
    p = fx.Problem()
    a, b = p.parameters((), value=1.0, name="a"), p.parameters(2, value=1.0, name="b")
    x = p.variables(2, lower=0.0, upper=1.0)
    p.minimize(((x - a * b) ** 2).sum())
    result = p.solve()
    with pytest.raises(ValueError, match="which of 2 parameters"):
        result.sensitivity()
    with pytest.raises(NotFoundError, match="there is no parameter 'c'"):
        result.sensitivity("c")
    with pytest.raises(NotFoundError, match="no parameter of this problem"):
        result.sensitivity(x)
    with pytest.raises(ShapeError):
        result.sensitivity(b).at([1.0, 2.0, 3.0])
    p.subject_to(x.sum(), lower=5.0)
    with pytest.raises(ValueError, match="those of a solution: got status 'infeasible'"):
        p.solve().sensitivity(a)
