"""fx.multistart: distinct optima, how often each was found, when it stops, and that executors change nothing."""

import concurrent.futures
import dataclasses
import math
import multiprocessing
import pickle
import threading
import time

import numpy as np
import pytest

import fastexpr as fx
from fastexpr.errors import EvaluationError
from fastexpr.solve.many.deadline import Deadline
from fastexpr.solve.many.multistart import estimated_optima
from fastexpr.solve.sampling import box, ranked, sample

MINIMA = [(3.0, 2.0), (-2.805118, 3.131312), (-3.779310, -3.283186), (3.584428, -1.848126)]  # of Himmelblau's function


def spawned(workers):
    """Processes that begin afresh: JAX, where other tests have imported it, warns of forks."""
    return concurrent.futures.ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))


def himmelblau(sign=1.0):
    p = fx.Problem()
    x = p.variables(2, lower=-5.0, upper=5.0, name="x")
    f = (x[0] ** 2 + x[1] - 11) ** 2 + (x[0] + x[1] ** 2 - 7) ** 2 + 0.1 * x[0]
    (p.minimize if sign > 0 else p.maximize)(sign * f)
    return p, x


def network(n=2):
    random = np.random.default_rng(3)
    x = fx.variables(n)
    W, b, v = random.normal(size=(12, n)) * 3.0, random.normal(size=12), random.normal(size=(2, 12))
    return fx.Function(x, v @ np.tanh(W @ x + b))


def test_all_minima_are_found_best_first():
    p, x = himmelblau()
    found = fx.multistart(p, starts=40, stop=False)
    assert found.success
    assert len(found.optima) == 4
    objectives = [optimum.objective for optimum in found.optima]
    assert objectives == sorted(objectives)
    assert found.best is found.optima[0].result
    for optimum in found.optima:
        distances = [np.hypot(*(optimum.result[x] - minimum)) for minimum in MINIMA]
        assert min(distances) < 0.05
    assert sum(optimum.times_found for optimum in found.optima) == 40
    assert sorted(start for optimum in found.optima for start in optimum.starts) == list(range(40))
    for row in found.table:
        assert row["start"] in found.optima[row["optimum"]].starts
        assert row["status"] == "optimal"
        assert row["objective"] == pytest.approx(found.optima[row["optimum"]].objective, abs=1e-4)


def test_of_a_maximization_the_highest_is_best():
    found = fx.multistart(himmelblau(-1.0)[0], starts=40, stop=False)
    objectives = [optimum.objective for optimum in found.optima]
    assert objectives == sorted(objectives, reverse=True)
    assert objectives[0] == pytest.approx(-fx.multistart(himmelblau()[0], starts=40, stop=False).best.objective)


def test_the_same_seed_gives_the_same_and_another_one_another():
    p, _ = himmelblau()
    first, again, other = (fx.multistart(p, starts=6, seed=seed, stop=False) for seed in (1, 1, 2))
    same = ("start", "status", "objective", "violation", "iterations", "optimum")
    assert [[row[key] for key in same] for row in first.table] == [[row[key] for key in same] for row in again.table]
    assert [row["iterations"] for row in first.table] != [row["iterations"] for row in other.table]


@pytest.mark.parametrize("pool", [concurrent.futures.ThreadPoolExecutor, spawned])
def test_an_executor_changes_nothing(pool):
    p = fx.Problem()
    net = network()
    x = p.variables(2, lower=-2.0, upper=2.0, name="x")
    y = p.network(net, x)
    limit = p.subject_to(y[1], lower=0.1, name="limit")
    p.minimize(y[0])
    here = fx.multistart(p, starts=15)
    with pool(2) as executor:
        there = fx.multistart(p, starts=15, executor=executor)
    assert [optimum.objective for optimum in there.optima] == [optimum.objective for optimum in here.optima]
    assert [optimum.starts for optimum in there.optima] == [optimum.starts for optimum in here.optima]
    assert there.message == here.message
    # The results belong to the problem here, wherever they were computed.
    np.testing.assert_array_equal(there.best[x], here.best[x])
    np.testing.assert_allclose(net(there.best[x]), there.best[y], rtol=1e-9)
    assert there.best.duals[limit] == here.best.duals[limit]


def test_what_does_not_pickle_is_named():
    p, _ = himmelblau()
    lock = threading.Lock()
    with (
        concurrent.futures.ThreadPoolExecutor(1) as executor,
        pytest.raises(TypeError, match=r"\[multistart\] the setting 'progress' cannot travel.*pickle"),
    ):
        fx.multistart(p, executor=executor, progress=lambda state: lock is not None)


def test_the_expected_number_of_optima():
    # Boender and Rinnooy Kan (1987): w (N - 1) / (N - w - 2)
    assert estimated_optima(1, 8) == pytest.approx(7 / 5)
    assert estimated_optima(4, 20) == pytest.approx(4 * 19 / 14)
    assert math.isinf(estimated_optima(3, 5))


def test_it_stops_when_no_further_optimum_is_expected():
    p = fx.Problem()
    x = p.variables(3, lower=-1.0, upper=1.0)
    p.minimize(((x - 0.3) ** 2).sum())
    found = fx.multistart(p, starts=50)
    assert len(found.table) == 8  # the first N with (N - 1) / (N - 3) < 1.5
    assert "Boender" in found.message
    assert found.estimated_optima == pytest.approx(1.4)
    assert len(fx.multistart(p, starts=50, stop=False).table) == 50


def test_a_flat_optimum_is_one():
    p = fx.Problem()
    x = p.variables(2, lower=-1.0, upper=1.0)
    p.minimize((x[0] + x[1] - 0.2) ** 2)  # a whole line of solutions
    found = fx.multistart(p, starts=12, stop=False)
    assert len({tuple(optimum.x.round(3)) for optimum in found.optima}) == 1
    assert found.optima[0].times_found == 12


def test_equal_values_apart_are_two():
    p = fx.Problem()
    x = p.variables((), lower=-2.0, upper=2.0)
    p.minimize((x**2 - 1) ** 2)
    found = fx.multistart(p, starts=12, stop=False)
    assert sorted(optimum.x[0].round(4) for optimum in found.optima if optimum.times_found > 1) == [-1.0, 1.0]


def test_without_a_solution_the_least_violated_point_is_best():
    p = fx.Problem()
    x = p.variables(2, lower=0.0, upper=1.0)
    p.subject_to(x.sum(), lower=3.0, name="demand")
    p.minimize(x[0])
    found = fx.multistart(p, starts=4)
    assert not found.success
    assert found.optima == []
    assert not found.best.success
    assert found.best.relative_violation == min(row["violation"] for row in found.table)
    assert [row["optimum"] for row in found.table] == [None] * 4
    assert "least violated" in repr(found)


def test_starts_where_nothing_can_be_computed_are_passed_over():
    p = fx.Problem()
    x = p.variables((), lower=-1.0, upper=4.0, start=1.0)
    inner = fx.variables(1)
    y = p.network(fx.Function(inner, np.log(inner)), x)
    p.minimize(y[0] ** 2)
    found = fx.multistart(p, starts=10, stop=False)
    statuses = [row["status"] for row in found.table]
    assert "invalid_number" in statuses
    assert found.best.success
    assert found.best[x] == pytest.approx(1.0, abs=1e-3)
    with pytest.raises(EvaluationError):
        fx.multistart(p, starts=2, start=[-0.5])


def test_points_lie_in_the_range_of_the_networks():
    p = fx.Problem()
    x = p.variables(2)
    y = p.network(network().with_bounds([10.0, 20.0], [11.0, 22.0]), x)
    p.minimize(y[0])
    seen = []
    fx.multistart(p, starts=5, stop=False, max_iter=1, progress=lambda state: seen.append(state))
    result = p.solve(max_iter=0)
    np.testing.assert_allclose(result[x], [10.5, 21.0], atol=1e-6)
    assert seen


def test_the_time_is_for_all_starts_together():
    p, _ = himmelblau()
    found = fx.multistart(p, starts=10_000, stop=False, time_limit=0.0)
    assert len(found.table) == 1
    assert "time" in found.message
    with concurrent.futures.ThreadPoolExecutor(1) as executor:
        assert len(fx.multistart(p, starts=50, stop=False, time_limit=0.0, executor=executor).table) == 1


def test_a_clock_that_is_set_changes_no_time_limit(monkeypatch):
    deadline, day = Deadline.after(1e6), time.time()
    for jump in (-1e9, 1e9):
        monkeypatch.setattr(time, "time", lambda jump=jump: day + jump)
        assert 9e5 < pickle.loads(pickle.dumps(deadline)).left() <= 1e6
    monkeypatch.undo()
    elsewhere = dataclasses.replace(deadline, boot="of another machine", steady=0.0)
    assert 9e5 < elsewhere.left() <= 1e6
    assert dataclasses.replace(elsewhere, time_of_day=day - 1.0).left() == 0.0


@pytest.mark.parametrize("starts", [0, -1, 2.5, True, None])
def test_starts_are_a_positive_number(starts):
    with pytest.raises(ValueError, match=r"\[multistart\] starts must be a positive number"):
        fx.multistart(himmelblau()[0], starts=starts)


def test_options_are_checked_as_ever():
    with pytest.raises(ValueError, match="no_such_option"):
        fx.multistart(himmelblau()[0], no_such_option=1)


def test_repr_lists_the_optima():
    found = fx.multistart(himmelblau()[0], starts=40, stop=False)
    text = repr(found)
    assert "40 starts, 4 distinct optima" in text
    assert f"{found.optima[0].objective:.8g}" in text


# ---- points ----------------------------------------------------------------------------------------------------------


def test_points_fill_the_box():
    lower, upper, start = np.array([0.0, 5.0, -1.0]), np.array([1.0, 5.0, 1.0]), np.array([0.5, 5.0, 0.0])
    points = sample(lower, upper, start, 64)
    assert points.shape == (64, 3)
    assert (points >= lower).all()
    assert (points <= upper).all()
    np.testing.assert_array_equal(points[:, 1], 5.0)
    for column in (0, 2):  # a sequence of low discrepancy: each half has its share
        share = (points[:, column] < 0.5 * (lower + upper)[column]).mean()
        assert share == pytest.approx(0.5, abs=0.02)


def test_missing_bounds_are_as_far_as_the_start_is_large():
    infinite = np.full(3, np.inf)
    low, high = box(-infinite, infinite, np.array([0.0, 100.0, -5.0]))
    np.testing.assert_array_equal(low, [-1.0, 0.0, -10.0])
    np.testing.assert_array_equal(high, [1.0, 200.0, 0.0])
    low, high = box(np.array([1.0]), np.array([np.inf]), np.array([1.0]))
    np.testing.assert_array_equal([low, high], [[1.0], [3.0]])
    low, high = box(np.array([-1e30]), np.array([1e30]), np.array([2.0]))
    np.testing.assert_array_equal([low, high], [[0.0], [4.0]])


def test_more_variables_than_a_sequence_has_dimensions():
    n = 21_300
    points = sample(np.zeros(n), np.ones(n), np.full(n, 0.5), 2)
    assert ((points >= 0.0) & (points <= 1.0)).all()
    assert points[:, -1].std() > 0.0


def test_feasible_points_rank_first_and_those_without_a_value_last():
    p = fx.Problem()
    x = p.variables((), lower=-2.0, upper=2.0)
    p.subject_to(x, lower=0.5)
    p.minimize(np.log(x + 1.0))
    points = np.array([[-1.5], [0.0], [2.0], [0.6], [-0.5]])
    assert ranked(p.nlp(), points).tolist() == [3, 2, 1, 4, 0]


def test_a_sampled_start_is_the_best_of_the_sample():
    p, _ = himmelblau()
    first, again = (p.solve(start="sample", max_iter=0) for _ in range(2))
    np.testing.assert_array_equal(first.x, again.x)
    points = sample(np.full(2, -5.0), np.full(2, 5.0), np.zeros(2), 128)
    values = [p.nlp().objective(point) for point in points]
    assert first.objective == pytest.approx(min(values), abs=0.3 * abs(min(values)) + 0.5)
    assert p.solve(start="sample").success
    with pytest.raises(ValueError, match=r'start must be "sample"'):
        p.solve(start="random")


def test_variables_start_in_the_middle_of_the_networks_range():
    net = network().with_bounds([10.0, 20.0], [11.0, 22.0])

    def first_of(**about):
        p = fx.Problem()
        x = p.variables(2, **about)
        y = p.network(net, x)
        p.minimize(y[0])
        nlp = p.nlp()
        np.testing.assert_allclose(nlp.start[2:], net(nlp.start[:2]))  # outputs follow
        return nlp.start[:2].tolist()

    assert first_of() == [10.5, 21.0]
    assert first_of(start=[10.1, 20.1]) == [10.1, 20.1]  # what is said counts
    assert first_of(lower=0.0, upper=[4.0, np.inf]) == [2.0, 21.0]
    assert first_of(lower=30.0) == [30.0, 30.0]
    assert first_of(upper=[10.2, 30.0]) == [10.2, 21.0]


# ---- the picture -----------------------------------------------------------------------------------------------------


def test_the_picture_shows_optima_and_starts():
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    found = fx.multistart(himmelblau()[0], starts=20, stop=False)
    left, right = found.plot().axes
    assert [bar.get_height() for bar in left.patches] == [optimum.times_found for optimum in found.optima]
    assert [label.get_text() for label in left.get_xticklabels()] == [f"{o.objective:.4g}" for o in found.optima]
    dots, best = right.lines
    np.testing.assert_array_equal(dots.get_xdata(), np.arange(20))
    np.testing.assert_allclose(dots.get_ydata(), [row["objective"] for row in found.table])
    np.testing.assert_allclose(best.get_ydata(), np.minimum.accumulate(dots.get_ydata()))
    _, own = pyplot.subplots(1, 2)
    assert found.plot(own) is own[0].figure
    pyplot.close("all")
