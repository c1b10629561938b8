"""Problems solved from other starts, changed, pickled; limits, bounds and options in the forms people write."""

from __future__ import annotations

import pickle
import time
from typing import Any

import numpy as np
import pytest

import fastexpr as fx
from fastexpr.errors import EvaluationError, ShapeError

each_solver = pytest.mark.parametrize("solver", ["cyipopt", "pounce"])


def double_well() -> tuple[Any, Any]:
    p = fx.Problem()
    x = p.variables(2, -1, 1, start=[0.5, 0.5])
    p.minimize((x**4).sum() - (x**2).sum() + 0.1 * x.sum())
    return p, x


def with_network() -> tuple[Any, Any, Any]:
    leaf = fx.variables(2)
    net = fx.Function(leaf, np.stack([np.tanh(leaf[0] - leaf[1]), leaf[0] * leaf[1]]))
    p = fx.Problem()
    x = p.variables(2, -1, 1, start=[0.5, 0.3])
    y = p.network(net, x)
    z = p.network(net, 2.0 * y)
    p.minimize((z - 0.3).sum() ** 2 + (x**2).sum())
    return p, x, (y, z)


# ---- starts ----------------------------------------------------------------------------------------------------------


@each_solver
def test_starts_decide_where_a_solve_ends(solver: str) -> None:
    p, x = double_well()
    for start in ([-0.5, -0.5], [0.5, -0.5], [0.6, 0.6]):
        assert np.sign(p.solve(solver, start=np.array(start))[x]).tolist() == np.sign(start).tolist()
        assert np.sign(p.solve(solver, start={x: start})[x]).tolist() == np.sign(start).tolist()
    assert np.sign(p.solve(solver, start={x[1]: -0.5})[x]).tolist() == [1, -1]
    assert np.sign(p.solve(solver)[x]).tolist() == [1, 1]


def test_outputs_are_computed_from_the_start() -> None:
    p, x, (y, z) = with_network()
    first = [-0.7, 0.2]
    for start in (first, {x: first}):
        result = p.solve(start=start, max_iter=0)
        np.testing.assert_allclose(result[x], first, atol=0.02)  # Ipopt moves a start from its bounds
        np.testing.assert_allclose(result[y], [np.tanh(result[x][0] - result[x][1]), np.prod(result[x])], atol=1e-12)
    assert p.nlp().start[2:4] == pytest.approx([np.tanh(-0.9), -0.14])
    inner = 2.0 * np.array([np.tanh(-0.9), -0.14])
    assert p.nlp().start[4:6] == pytest.approx(inner)  # the inputs that an expression became
    assert p.nlp().start[6:8] == pytest.approx([np.tanh(inner[0] - inner[1]), inner.prod()])
    p.solve(start={x: first, z: [0.1, 0.2]}, max_iter=0)
    assert p.nlp().start[6:8] == pytest.approx([0.1, 0.2])
    assert p.solve(start=p.solve().x).success  # everything, outputs included


def test_starts_that_do_not_fit() -> None:
    p, x, _ = with_network()
    with pytest.raises(ShapeError, match=r"got 3, expected 2 .*or 8"):
        p.solve(start=np.ones(3))
    with pytest.raises(ShapeError, match="start"):
        p.solve(start={x: np.ones(3)})
    with pytest.raises(ValueError, match=r"x0\[1\] is not finite"):
        p.solve(start=[0.0, np.inf])
    leaf = fx.variables(1)
    q = fx.Problem()
    v = q.variables(1, -1, 1, start=0.5)
    q.network(fx.Function(leaf, np.log(leaf)), v, name="level")
    with pytest.raises(EvaluationError, match="level"):
        q.solve(start=[-0.5])


def test_starts_with_labels() -> None:
    import pandas as pd

    p = fx.Problem()
    x = p.variables(2, pd.Series({"T": -1, "p": -1}), 1)
    p.minimize((x**4).sum() - (x**2).sum() + 0.1 * x.sum())
    for start in (pd.Series({"p": -0.5, "T": 0.5}), {"p": -0.5, "T": 0.5}, {x: pd.Series({"p": -0.5, "T": 0.5})}):
        assert np.sign(p.solve(start=start)[x]).tolist() == [1, -1]
    with pytest.raises(ShapeError, match="missing 'p', unexpected 'q'"):
        p.solve(start={"q": 1, "T": 0.5})
    p.variables(2, -1, 1)
    with pytest.raises(ShapeError, match=r"2 groups of variables.*start=\{x: values\}"):
        p.solve(start=pd.Series({"p": -0.5, "T": 0.5}))


def test_outputs_are_the_networks_at_the_solution() -> None:
    p, x, (y, z) = with_network()
    result = p.solve()
    np.testing.assert_allclose(result[y], [np.tanh(result[x][0] - result[x][1]), np.prod(result[x])], rtol=1e-15)
    inner = 2.0 * result[y]
    np.testing.assert_allclose(result[z], [np.tanh(inner[0] - inner[1]), inner.prod()], rtol=1e-14)


# ---- limits ----------------------------------------------------------------------------------------------------------


@each_solver
def test_relations_are_constraints(solver: str) -> None:
    def solved(*state: Any) -> Any:
        p = fx.Problem()
        x = p.variables(2, start=0.4, bounds=(0, 2))
        p.minimize((x**2).sum())
        handles = [p.subject_to(*arguments) for arguments in state[0](x)]
        result = p.solve(solver)
        assert result.success
        return result[x], [result.duals[handle] for handle in handles]

    for stated, same in (
        (lambda x: [(x[0] + x[1] >= 1,)], lambda x: [(x[0] + x[1], 1)]),
        (
            lambda x: [(1 <= x,)],  # noqa: SIM300
            lambda x: [(x, 1)],
        ),
        (lambda x: [(np.array([0.3, 0.7]) <= x,)], lambda x: [(x, [0.3, 0.7])]),
        (lambda x: [(x.sum() == 1,)], lambda x: [(x.sum(), None, None, 1)]),
        (lambda x: [(x[0] >= 1 + x[1],)], lambda x: [(x[0], 1 + x[1])]),
        (lambda x: [(np.exp(x[0]) <= x[1],)], lambda x: [(np.exp(x[0]), None, x[1])]),
    ):
        for got, expected in zip(solved(stated), solved(same), strict=True):
            np.testing.assert_allclose(got, expected, atol=1e-7)


def test_relations_go_with_no_further_limit() -> None:
    p, x = double_well()
    with pytest.raises(ValueError, match="no further limit: got upper"):
        p.subject_to(x >= 0, upper=1)
    with pytest.raises(TypeError, match=r"subject_to\(g >= 1\)"):
        p.subject_to(x > 0)


def test_bounds_in_one() -> None:
    p = fx.Problem()
    a = p.variables(2, bounds=(0, 1))
    b = p.variables(3, bounds=([0, 1, 2], None))
    c = p.variables(2, bounds=[(0, None), (None, 5)])
    p.minimize(a.sum() + b.sum() + c[0] - c[1])
    result = p.solve()
    np.testing.assert_allclose(result.x, [0, 0, 0, 1, 2, 0, 5], atol=1e-6)
    with pytest.raises(ValueError, match="goes with neither"):
        p.variables(2, 0, bounds=(0, 1))
    with pytest.raises(ValueError, match="pair"):
        p.variables(2, bounds=3)


def test_constraints_can_be_removed_and_limits_changed() -> None:
    p = fx.Problem()
    x = p.variables(2, bounds=(0, 5), start=1.0)
    p.minimize((x**2).sum())
    first, second = p.subject_to(x[0] >= 1), p.subject_to(x.sum(), lower=4, upper=6)
    before = p.solve()
    assert before.objective == pytest.approx(8.0)
    nlp = p.nlp()
    p.set_limits(second, lower=1, upper=2)
    assert p.solve().objective == pytest.approx(1.0, abs=1e-6)
    assert p.nlp() is nlp  # nothing was compiled
    p.set_limits(first, equal=0.5)
    assert p.solve().objective == pytest.approx(0.5, abs=1e-6)
    p.remove(first)
    after = p.solve()
    assert after.objective == pytest.approx(0.5, abs=1e-6)
    assert after[x] == pytest.approx([0.5, 0.5], abs=1e-5)
    assert before.duals[second] == pytest.approx(-4.0, abs=1e-5)
    for call in (lambda: p.remove(first), lambda: p.set_limits(first, lower=0), lambda: after.duals[first]):
        with pytest.raises(KeyError, match="no constraint of this problem"):
            call()
    with pytest.raises(ValueError, match="above"):
        p.set_limits(second, lower=1, upper=0)
    with pytest.raises(ValueError, match="got none"):
        p.set_limits(second)


# ---- options and time ------------------------------------------------------------------------------------------------


@each_solver
def test_a_result_is_a_start_after_constraints_have_changed(solver: str) -> None:
    p = fx.Problem()
    x = p.variables(2, -3, 3, start=1.0)
    p.minimize(((x - [2.0, 1.0]) ** 2).sum())
    disk = p.subject_to((x**2).sum() <= 1)
    first = p.solve(solver)
    p.remove(disk)
    second = p.solve(solver, start=first)
    assert second.success
    assert np.allclose(second[x], [2.0, 1.0], atol=1e-5)
    p.subject_to(x[0] <= 1)
    third = p.solve(solver, start=second)
    assert third.success
    assert np.allclose(third[x], [1.0, 1.0], atol=1e-5)


def test_bounds_that_can_be_read_in_two_ways() -> None:
    """SciPy's pairs in a tuple would fix both variables as (lower, upper)."""
    p = fx.Problem()
    for bounds in (((0, 1), (0, 1)), ((0, 1), (2, 5)), ((0, None), (0, None))):
        with pytest.raises(ValueError, match=r"pair for each variable as in SciPy.*a list of pairs, \[\(0"):
            p.variables(2, bounds=bounds)
    x = p.variables(2, bounds=[(0, 1), (2, 5)])
    z = p.variables(2, bounds=([0, 2], [1, 5]))
    w = p.variables(3, bounds=((0, 1), (2, 5), (3, 4)))
    p.minimize(x.sum() + z.sum() + w.sum())
    nlp = p.nlp()
    assert nlp.lower.tolist() == [0, 2, 0, 2, 0, 2, 3]
    assert nlp.upper.tolist() == [1, 5, 1, 5, 1, 5, 4]


def test_arguments_of_a_solve_that_are_none() -> None:
    p = fx.Problem()
    x = p.variables(1, 0, 1)
    p.minimize(x[0])
    with pytest.raises(TypeError, match=r"options must be a dict.*got list"):
        p.solve(options=["tol"])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="progress must be a function of a Progress: got int"):
        p.solve(progress=3)  # type: ignore[arg-type]


def test_names_and_options_as_people_write_them() -> None:
    p, _ = double_well()
    assert p.solve("ipopt").solver == "cyipopt"
    assert p.solve(options={"max_iter": 2}).status == "iteration_limit"
    with pytest.raises(ValueError, match=r"twice.*max_iter"):
        p.solve(options={"max_iter": 2}, max_iter=3)


@each_solver
def test_a_time_limit_ends_a_solve(solver: str) -> None:
    p = fx.Problem()
    x = p.variables(2, start=[-1.2, 1.0])
    p.minimize(100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2)
    result = p.solve(solver, time_limit=0.2, progress=lambda state: time.sleep(0.1))
    assert (result.status, result.success) == ("time_limit", False)
    assert result.iterations < p.solve(solver, time_limit=1e6).iterations


@pytest.mark.parametrize("limit", [-1, float("nan"), "5", [3]])
def test_time_limits_that_are_none(limit: Any) -> None:
    with pytest.raises(ValueError, match="number of seconds"):
        double_well()[0].solve(time_limit=limit)


@each_solver
def test_user_scaling_without_factors_is_refused(solver: str) -> None:
    p, _ = double_well()
    with pytest.raises(ValueError, match="user-scaling' needs factors"):
        p.solve(solver, nlp_scaling_method="user-scaling")


# ---- pickling --------------------------------------------------------------------------------------------------------


def test_a_problem_pickles_with_its_handles() -> None:
    p, x, (y, _) = with_network()
    disk = p.subject_to((x**2).sum() <= 0.5, name="disk")
    expected = p.solve()
    again, same_x, same_y, same_disk = pickle.loads(pickle.dumps((p, x, y, disk)))
    result = again.solve()
    assert result.iterations == expected.iterations
    np.testing.assert_array_equal(result[same_x], expected[x])
    np.testing.assert_array_equal(result[same_y], expected[y])
    assert result.duals[same_disk] == expected.duals[disk]
    again.set_limits(same_disk, upper=0.01)
    assert again.solve()[same_x] @ again.solve()[same_x] <= 0.01 + 1e-7
    assert p.solve()[x] == pytest.approx(expected[x])


def test_a_problem_of_a_deep_expression_pickles() -> None:
    p = fx.Problem()
    x = p.variables(2, bounds=(-1, 1), start=0.5)
    deep = x
    for _ in range(3000):
        deep = 0.999 * deep + 0.001 * np.sin(deep)
    p.minimize((deep**2).sum())
    assert pickle.loads(pickle.dumps(p)).solve().x == pytest.approx([0.0, 0.0], abs=1e-6)


# ---- constraints without a derivative --------------------------------------------------------------------------------


@each_solver
def test_constraints_without_any_derivative(solver: str) -> None:
    for body, limits in (
        (lambda x: np.floor(x[0]), {"upper": 5}),
        (lambda x: np.sign(x[0] + 0.5), {"equal": 1}),
        (lambda x: 0.0 * x[0], {"equal": 0}),
        (lambda x: np.stack([0.0 * x[0], np.ceil(x[1])]), {"lower": -3, "upper": 3}),
    ):
        p = fx.Problem()
        x = p.variables(2, start=1.0)
        p.minimize((x**2).sum())
        row = p.subject_to(body(x), **limits)
        result = p.solve(solver)
        assert (result.status, result.objective) == ("optimal", pytest.approx(0.0, abs=1e-8))
        assert not np.any(result.duals[row])


@each_solver
def test_a_constant_that_does_not_hold_is_named(solver: str) -> None:
    p = fx.Problem()
    x = p.variables(2, start=1.0)
    p.minimize((x**2).sum())
    p.subject_to(0.0 * x[0], lower=1, name="never")
    result = p.solve(solver)
    assert (result.status, result.success) == ("infeasible", False)
    assert "never depends on no variable and does not hold: 0.0 is not within [1.0, inf]" in result.message


# ---- what is constant piece by piece ---------------------------------------------------------------------------------


def forest(n: int) -> fx.Function:
    from sklearn.ensemble import RandomForestRegressor

    X = np.random.default_rng(0).uniform(-1, 1, (200, n))
    return fx.from_sklearn(RandomForestRegressor(5, max_depth=4, random_state=0).fit(X, np.sin(3 * X).sum(axis=1)))


@each_solver
def test_a_forest_has_no_optimum_that_a_local_solve_finds(solver: str) -> None:
    for state in ("alone", "spliced", "beside a smooth part", "in a constraint that holds the optimum"):
        p = fx.Problem()
        x = p.variables(2, -1, 1, start=[0.3, -0.2])
        y = forest(2)(x) if state == "spliced" else p.network(forest(2), x)
        smooth = (x**2).sum()
        if state == "in a constraint that holds the optimum":
            p.subject_to(y[0] + x[0], lower=0.9)
            p.minimize(smooth)
        else:
            p.maximize(y[0] - (0.1 * smooth if "smooth" in state else 0.0))
        result = p.solve(solver)
        assert (result.status, result.success) == ("no_derivative", False), state
        assert "TreeEnsemble" in result.message
        assert "differential_evolution" in result.message


@each_solver
@pytest.mark.parametrize("unit", [1e-5, 1e-8])
def test_a_forest_has_a_say_in_whatever_units(solver: str, unit: float) -> None:
    for state in ("alone", "beside a smooth part", "by another variable", "without a say"):
        p = fx.Problem()
        x = p.variables(2, -1, 1, start=[0.3, -0.2])
        y = p.network(forest(2), x)
        if state == "by another variable":
            z = p.variables(1)
            p.subject_to(z[0] == forest(2)(x)[0])
            p.minimize(unit * z[0])
        elif state == "without a say":
            p.subject_to(y[0] >= -100.0)
            p.minimize(unit * x[0])
        else:
            p.minimize(unit * (y[0] + ((x**2).sum() if "smooth" in state else 0.0)))
        assert p.solve(solver).status == ("optimal" if state == "without a say" else "no_derivative"), state


@each_solver
def test_steps_that_have_no_say_do_not_matter(solver: str) -> None:
    def state(bound: float) -> Any:
        p = fx.Problem()
        x = p.variables(2, -1, 1, start=[0.3, -0.2])
        y = p.network(forest(2), x)  # an output that nothing uses
        p.minimize((x**2).sum())
        p.subject_to(y[0] >= bound)
        return p.solve(solver)

    assert state(-100.0).status == "optimal"
    p = fx.Problem()
    x = p.variables(2, [0.2, -1], [0.8, 1], start=[0.5, 0.5])
    p.minimize(np.floor(x[0]) + x[1] ** 2)  # within its bounds, x[0] does not jump
    assert p.solve(solver).status == "optimal"
    fixed = fx.Problem()
    x = fixed.variables(2, [0.5, -1], [0.5, 1], start=[0.5, 0.5])
    fixed.minimize(np.sign(x[0]) * x[1] ** 2)
    assert fixed.solve(solver).status == "optimal"


@each_solver
def test_a_step_that_cannot_be_met_is_no_local_infeasibility(solver: str) -> None:
    p = fx.Problem()
    x = p.variables(2, -1, 1, start=[0.3, -0.2])
    y = p.network(forest(2), x, name="yield")
    p.minimize((x**2).sum())
    p.subject_to(y[0] >= 1.2)
    result = p.solve(solver)
    assert result.status == "no_derivative"
    assert "yield" in result.message
    assert "TreeEnsemble" in result.message


@each_solver
def test_signs_rounding_and_maxima_as_numbers(solver: str) -> None:
    for part in (np.sign, np.floor, np.ceil, np.rint):
        p = fx.Problem()
        x = p.variables(2, -2, 2, start=[0.3, -0.2])
        p.minimize(part(x[0]) + (x[1] - 0.1) ** 2)
        assert p.solve(solver).status == "no_derivative"


# ---- what is off is said ---------------------------------------------------------------------------------------------


@each_solver
def test_an_inexact_point_is_named(solver: str) -> None:
    p = fx.Problem()
    x = p.variables(2, bounds=(-1, 1), start=0.5, name="width")
    p.minimize(x.sum())
    p.subject_to((x[0] - 0.2) ** 2 == 0, name="twice")  # no multiplier exists
    result = p.solve(solver)
    assert not result.success
    assert result.status in ("inexact", "restoration_failed", "iteration_limit")
    if result.status == "inexact":
        assert "width" in result.message
    assert result.relative_violation < 1e-6


@each_solver
def test_the_tolerance_of_violations_is_the_users(solver: str) -> None:
    p = fx.Problem()
    x = p.variables(2, bounds=(0, 1), start=0.5)
    p.minimize(-x.sum())
    p.subject_to(x[0] * x[1] <= 0.3)
    tight = p.solve(solver, constr_viol_tol=1e-9)
    assert tight.success
    assert tight.relative_violation <= 1e-9


def test_a_solver_that_was_told_to_stop_gets_no_further_results() -> None:
    from fastexpr.solvers.interior_point import Callbacks, Supervision
    from fastexpr.solvers.view import View

    p, _ = double_well()
    callbacks = Callbacks(View(p.nlp()), Supervision(lambda state: state.iteration < 3), lambda size: "refused")
    state = (0.5, 0.1, 0.1, 0.1, 0.1, 0.0, 1.0, 1.0, 1)
    assert callbacks.intermediate(0, 2, *state)
    assert callbacks.objective(p.nlp().start) != "refused"
    assert not callbacks.intermediate(0, 3, *state)
    assert callbacks.objective(p.nlp().start) == "refused"
    info = {"status": -13, "status_msg": "", "mult_g": [], "mult_x_L": [0, 0], "mult_x_U": [0, 0], "obj_val": 0.0}
    assert callbacks.solution(p.nlp().start, info).status == "stopped"


@each_solver
def test_a_loose_tolerance_is_no_leave_for_violations(solver: str) -> None:
    for tol in (1e-1, 1e-3, 1e-5):
        p = fx.Problem()
        x = p.variables(3, bounds=(0.1, 10), start=[3.0, 1.0, 0.5])
        p.minimize((np.exp(x) - x).sum())
        p.subject_to(x.prod() == 2)
        p.subject_to(np.log(x[0]) + x[1] ** 3 >= 1)
        result = p.solve(solver, tol=tol)
        assert result.success
        assert result.relative_violation <= 1e-6


def test_options_are_set_by_many_threads_at_once(capfd: pytest.CaptureFixture[str]) -> None:
    import threading

    def solve(k: int) -> None:
        p, _ = double_well()
        with pytest.raises(ValueError, match="nonsense"):
            p.solve("cyipopt", nonsense=k)
        assert p.solve("cyipopt", tol=1e-8 * (1.0 + 1e-3 * k)).success

    threads = [threading.Thread(target=solve, args=(k,)) for k in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print("still here")
    assert capfd.readouterr() == ("still here\n", "")
