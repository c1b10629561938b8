"""Problems for HiGHS: linear, with integers, with networks and trees, with convex quadratic objectives."""

from __future__ import annotations

import itertools
from typing import Any

import formulated
import numpy as np
import pytest

import fastexpr as fx
from fastexpr.errors import FormulationError, ModelError


def test_a_linear_program_has_the_multipliers_of_ipopt() -> None:
    found = []
    for solver in ("highs", None):
        p = fx.Problem()
        x = p.variables(3, lower=0.0, upper=[4.0, 4.0, 1.0])
        first = p.subject_to(x[0] + 2 * x[1] + x[2], upper=5.0)
        second = p.subject_to(x[0] - x[1], lower=-1.0, upper=2.0)
        p.maximize(3 * x[0] + 2 * x[1] + x[2] + 7.0)
        result = p.solve(solver=solver)
        assert result.success
        assert result.solver == ("highs" if solver else result.solver)
        found.append(
            [result.objective, result.duals[first], result.duals[second], result.lower_duals[x], result.upper_duals[x]]
        )
    for ours, theirs in zip(*found, strict=True):
        assert ours == pytest.approx(theirs, abs=1e-6)


def test_a_knapsack() -> None:
    worth, weight = np.array([10, 13, 7, 8, 6.5, 3]), np.array([5, 6, 4, 4.5, 3, 1.5])
    p = fx.Problem()
    x = p.variables(6, lower=0, upper=1, integer=True)
    p.subject_to(weight @ x, upper=12)
    p.maximize(worth @ x)
    result = p.solve()  # takes HiGHS by itself
    assert result.solver == "highs"
    best = max(worth @ c for c in map(np.array, itertools.product([0, 1], repeat=6)) if weight @ c <= 12)
    assert result.objective == pytest.approx(best)
    assert result.objective_bound == pytest.approx(best)
    assert np.array_equal(result[x], np.round(result[x]))
    assert np.isnan(result.multipliers.constraints).all()
    assert "objective bound" in repr(result)
    assert result.to_dict()["objective_bound"] == pytest.approx(best)
    verified = result.verify()
    assert verified.success
    assert "no multipliers" in str(verified)


@pytest.mark.parametrize("seed", range(4))
def test_networks_in_both_ways(seed: int) -> None:
    """As variables, and inside of an expression."""
    net = formulated.relu_network((3, 6, 6, 2), seed)
    objectives = []
    for inside in (False, True):
        p = fx.Problem()
        x = p.variables(3, lower=-1.0, upper=1.0)
        y = net(x) if inside else p.network(net, x)
        p.subject_to(x.sum(), upper=1.0)
        p.minimize(y[0] - y[1] + np.abs(x[0] - 0.2))
        result = p.solve(solver="highs", mip_rel_gap=1e-7)
        assert result.success, result.message
        assert result.violation <= 1e-9
        assert result[y] == pytest.approx(net(result[x]), abs=1e-9)
        objectives.append(result.objective)
    assert objectives[0] == pytest.approx(objectives[1], abs=1e-6)
    samples = np.random.default_rng(0).uniform(-1, 1, (20_000, 3))
    samples = samples[samples.sum(axis=1) <= 1]
    y = net(samples)
    assert objectives[0] <= (y[:, 0] - y[:, 1] + abs(samples[:, 0] - 0.2)).min() + 1e-6


def test_fixed_inputs_leave_one_value() -> None:
    net = formulated.relu_network((3, 6, 6, 1), 0)
    for point in np.random.default_rng(0).uniform(-1, 1, (20, 3)):
        for sense in ("minimize", "maximize"):
            p = fx.Problem()
            x = p.variables(3, lower=point, upper=point)
            y = p.network(net, x)
            getattr(p, sense)(y[0])
            assert p.solve(solver="highs").objective == pytest.approx(net(point)[0], abs=1e-9)


def test_trees_are_repaired_and_integers_go_with_them() -> None:
    from sklearn.ensemble import GradientBoostingRegressor

    generator = np.random.default_rng(0)
    X = np.column_stack([generator.integers(0, 5, 300), generator.uniform(0, 1, (300, 2))])
    y = (X[:, 0] - 2) ** 2 * X[:, 1] + X[:, 2]
    model = GradientBoostingRegressor(n_estimators=20, max_depth=3, random_state=0).fit(X, y)
    p = fx.Problem()
    count = p.variables(1, lower=0, upper=4, integer=True)
    share = p.variables(2, lower=0, upper=1)
    out = p.network(fx.from_sklearn(model), np.concatenate([count, share]))
    p.subject_to(share[0] + share[1], equal=1.0)
    p.maximize(out[0] - 0.1 * share[1])
    result = p.solve()
    assert result.success, result.message
    x = np.concatenate([result[count], result[share]])
    assert model.predict([x])[0] == pytest.approx(result[out][0], abs=1e-9)
    assert result[share].sum() == pytest.approx(1.0, abs=1e-9)
    best = -np.inf
    for whole in range(5):
        a = np.linspace(0, 1, 2001)
        best = max(best, (model.predict(np.column_stack([np.full(2001, whole), a, 1 - a])) - 0.1 * (1 - a)).max())
    assert result.objective >= best - 2e-3


@pytest.mark.parametrize("target", [0.3, 0.0])
def test_trees_and_a_quadratic_objective(target: float) -> None:
    """A repair does not move a point that is where its square is least."""
    from sklearn.ensemble import GradientBoostingRegressor

    X = np.random.default_rng(1).uniform(-1, 2, (300, 3))
    model = GradientBoostingRegressor(n_estimators=8, max_depth=3, random_state=0).fit(X, np.sin(3 * X[:, 0]) + X[:, 1])
    p = fx.Problem()
    x = p.variables((2, 3), lower=-1, upper=2)
    y = p.network(fx.from_sklearn(model), x)
    p.maximize(y.sum() - 0.1 * ((x - target) ** 2).sum())
    result = p.solve(solver="highs")
    assert result.success, result.message
    assert result.objective == pytest.approx(result.objective_bound, abs=1e-3)
    assert model.predict(result[x]) == pytest.approx(result[y][:, 0], abs=1e-9)


@pytest.mark.parametrize("factor", [0.5, -0.25, 3.0])
def test_integers_that_are_scaled_may_be_at_thresholds(factor: float) -> None:
    """No margin keeps whole numbers away, whatever a scaler makes of them."""
    from fastexpr.frameworks.trees import Forest

    generator = np.random.default_rng(0)
    forest = Forest(1)
    for k in range(-4, 5):  # a threshold at every value
        leaves = [[], [(0, generator.normal())], [(0, generator.normal())]]
        forest.add([0, 0, 0], [factor * k + 0.1, 0.0, 0.0], [(1, 2), (-1, -1), (-1, -1)], leaves)
    u = fx.variables(1)
    net = fx.Function(u, forest.of(u))
    p = fx.Problem()
    k = p.variables(1, lower=-4, upper=4, integer=True)
    y = p.network(net, factor * k + 0.1)
    p.maximize(y[0] + 0.01 * k[0])
    result = p.solve()
    values = np.arange(-4.0, 5.0)
    best = (net((factor * values + 0.1)[:, None])[:, 0] + 0.01 * values).max()
    assert result.success, result.message
    assert result.objective == pytest.approx(best, abs=1e-9)


@pytest.mark.parametrize("form", ["squares", "matrix", "sum"])
@pytest.mark.parametrize("integer", [False, True])
def test_convex_quadratic_objectives(form: str, integer: bool) -> None:
    generator = np.random.default_rng(1)
    A = generator.normal(size=(4, 4))
    Q, target = A @ A.T + np.eye(4), np.array([0.3, 1.7, -0.6, 2.2])

    def objective(v: Any) -> Any:
        if form == "squares":
            return ((v - target) ** 2).sum() + 0.5 * v[0]
        if form == "matrix":
            return (v - target) @ (Q @ (v - target))
        return (
            2 * np.square(v[0] - v[1]) + v[1] * v[1] + (v[2] - target[2]) * (v[2] - target[2]) + v[3] ** 2 - v[3] + 1.5
        )

    p = fx.Problem()
    x = p.variables(4, lower=-3, upper=3, integer=integer)
    limit = p.subject_to(x[0] + x[1] + x[2] + x[3], lower=2.0)
    p.minimize(objective(x))
    result = p.solve(solver="highs")
    assert result.success, result.message
    if integer:
        best = min(objective(v) for v in map(np.array, itertools.product(range(-3, 4), repeat=4)) if v.sum() >= 2)
        assert result.objective == pytest.approx(float(best), abs=1e-5)
        assert result.objective_bound == pytest.approx(float(best), abs=1e-4)
    else:
        reference = fx.Problem()
        z = reference.variables(4, lower=-3, upper=3)
        same = reference.subject_to(z[0] + z[1] + z[2] + z[3], lower=2.0)
        reference.minimize(objective(z))
        other = reference.solve()
        assert result.objective == pytest.approx(other.objective, abs=1e-6)
        assert result.duals[limit] == pytest.approx(other.duals[same], abs=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_the_nearest_point_of_a_network(seed: int) -> None:
    """A squared distance over a network's binaries."""
    net = formulated.relu_network((2, 6, 6, 1), seed)
    start = np.array([0.2, -0.3])
    samples = np.stack(np.meshgrid(*[np.linspace(-1, 1, 401)] * 2), -1).reshape(-1, 2)
    values = net(samples)[:, 0]
    limit = float(np.quantile(values, 0.8))
    p = fx.Problem()
    x = p.variables(2, lower=-1, upper=1)
    y = p.network(net, x)
    p.subject_to(y[0], lower=limit)
    p.minimize(((x - start) ** 2).sum())
    result = p.solve(solver="highs")
    assert result.success, result.message
    assert net(result[x])[0] >= limit - 1e-6
    near = ((samples[values >= limit] - start) ** 2).sum(axis=1).min()
    assert result.objective <= near + 1e-6
    assert result.objective >= near - 2 * np.sqrt(near) * 0.008
    assert result.objective_bound <= result.objective + 1e-9


def test_searched_starts_are_good_and_always_the_same() -> None:
    from sklearn.ensemble import GradientBoostingRegressor

    from fastexpr.problem.integer.descent import descended

    X = np.random.default_rng(0).uniform(0, 1, (500, 6))
    y = 10 * np.sin(3 * X[:, 0] * X[:, 1]) + 20 * (X[:, 2] - 0.5) ** 2 + 10 * X[:, 3]
    model = GradientBoostingRegressor(n_estimators=50, max_depth=4, random_state=0).fit(X, y)
    p = fx.Problem()
    x = p.variables(6, lower=0, upper=1)
    out = p.network(fx.from_sklearn(model), x)
    p.subject_to(x.sum(), upper=2.5)
    p.maximize(out[0])
    nlp, statement = p.nlp(), p._statement
    found = [descended(statement, nlp, statement.start()) for _ in range(2)]
    assert np.array_equal(*found)
    assert nlp.violation(found[0]) <= 1e-9
    samples = np.random.default_rng(1).uniform(0, 1, (3000, 6))
    samples = samples[samples.sum(axis=1) <= 2.5]
    assert -nlp.objective(found[0]) >= model.predict(samples).max()


def test_starts_are_used() -> None:
    net = formulated.relu_network((4, 8, 8, 1), 3)
    p = fx.Problem()
    x = p.variables(4, lower=-1, upper=1)
    y = p.network(net, x)
    p.minimize(y[0])
    best = p.solve(solver="highs")
    again = p.solve(solver="highs", start=best, mip_max_nodes=0, mip_heuristic_effort=0.0)
    assert again.objective == pytest.approx(best.objective, abs=1e-6)
    from_x = p.solve(solver="highs", start={x: best[x]}, time_limit=20.0)
    assert from_x.objective == pytest.approx(best.objective, abs=1e-6)


def test_integers_with_smooth_networks_are_enumerated() -> None:
    net = formulated.relu_network((3, 5, 1), 0, np.tanh)
    p = fx.Problem()
    k = p.variables(2, lower=[-1, 0], upper=[1, 3], integer=True)
    u = p.variables(1, lower=-1, upper=1)
    y = p.network(net, np.concatenate([0.5 * k, u]))
    p.minimize((y[0] - 0.1 * k[1]) + 0.2 * u[0] ** 2)
    result = p.solve()
    assert result.success
    assert result.solver != "highs"
    assert "integer choices" in result.message
    assert np.array_equal(result[k], np.round(result[k]))
    grid = np.array([(a, b, c) for a in (-1, 0, 1) for b in range(4) for c in np.linspace(-1, 1, 401)], float)
    points = np.column_stack([0.5 * grid[:, :2], grid[:, 2]])
    best = (net(points)[:, 0] - 0.1 * grid[:, 1] + 0.2 * grid[:, 2] ** 2).min()
    assert result.objective == pytest.approx(best, abs=1e-3)
    assert result.objective <= best + 1e-6


def test_many_integers_with_smooth_networks_are_refused() -> None:
    net = formulated.relu_network((6, 5, 1), 0, np.tanh)
    p = fx.Problem()
    k = p.variables(6, lower=0, upper=9, integer=True)
    p.minimize(p.network(net, k)[0])
    with pytest.raises(FormulationError, match=r"1000000 values together.*at most 1000.*solver='highs'"):
        p.solve()
    with pytest.raises(FormulationError, match=r"Tanh .* has no linear formulation"):
        p.solve(solver="highs")
    p = fx.Problem()
    k = p.variables(2, integer=True)
    p.minimize(np.exp(k).sum())
    with pytest.raises(FormulationError, match=r"integer variable x0\[0\] has no finite bounds"):
        p.solve(solver="ipopt")


def test_classified_as() -> None:
    from sklearn.datasets import load_iris
    from sklearn.neural_network import MLPClassifier

    iris = load_iris()
    names = iris.target_names[iris.target]
    for activation, solver in (("relu", "highs"), ("tanh", None)):
        model = MLPClassifier([6], activation=activation, max_iter=3000, random_state=0).fit(iris.data, names)
        p = fx.Problem()
        x = p.variables(4, lower=0, upper=8, start=iris.data[75])
        y = p.network(fx.from_sklearn(model), x)
        asked = p.classified_as(y, "virginica", margin=0.2)
        p.minimize(((x - iris.data[75]) ** 2).sum())
        result = p.solve(solver=solver)
        assert result.success, result.message
        assert model.predict([result[x]])[0] == "virginica"
        logs = dict(zip(model.classes_, np.log(model.predict_proba([result[x]])[0]), strict=True))
        assert logs["virginica"] - logs["versicolor"] == pytest.approx(0.2, abs=1e-4)
        assert result.duals[asked].shape == (2,)


def test_what_is_no_problem_for_highs_is_refused_by_name() -> None:
    net = formulated.relu_network((2, 3, 1), 0)
    p = fx.Problem()
    x = p.variables(2, lower=-1, upper=1)
    y = p.network(net, x)
    bad = p.subject_to(x[0] * x[1], upper=0.5, name="product")
    p.minimize(y[0])
    with pytest.raises(FormulationError, match=r"constraint 'product' is not for HiGHS: \[Mul"):
        p.solve(solver="highs")
    p.remove(bad)
    p.subject_to(y[0], lower=-100.0)
    assert p.solve(solver="highs").success

    p = fx.Problem()
    x = p.variables(2, lower=-1, upper=1)
    p.minimize(x[0] * x[1])
    with pytest.raises(FormulationError, match="not convex"):
        p.solve(solver="highs")

    p = fx.Problem()
    x = p.variables(2)
    p.minimize(p.network(net, x)[0])
    with pytest.raises(FormulationError, match="needs finite bounds"):
        p.solve(solver="highs")
    with pytest.raises(ModelError, match="unknown formulation: got 'sos1', expected None or one of external, bigm"):
        p.network(net, x, formulation="sos1")

    p = fx.Problem()
    x = p.variables(2, lower=-1, upper=1)
    p.minimize(p.network(net, x, formulation="BigM")[0])
    with pytest.raises(FormulationError, match="calls networks as functions: got formulation='bigm'"):
        p.solve(solver="ipopt")
    assert p.solve().solver == "highs"
    with pytest.raises(ValueError, match="HiGHS does not know this option, or its value: max_iter=3"):
        p.solve(max_iter=3)
    with pytest.raises(ValueError, match="no progress function"):
        p.solve(progress=print)


def test_infeasible_and_unbounded_problems_say_so() -> None:
    p = fx.Problem()
    x = p.variables(2, lower=0, upper=3, integer=True)
    p.subject_to(2 * x[0] + 4 * x[1], equal=5.0)
    p.minimize(x[0])
    result = p.solve()
    assert (result.success, result.status) == (False, "infeasible")
    p = fx.Problem()
    x = p.variables(1, lower=0)
    p.maximize(x[0])
    result = p.solve(solver="highs")
    assert not result.success
    assert result.status in ("unbounded", "infeasible")
