"""Trees in Pyomo models: the optimum is what the library itself predicts there."""

from __future__ import annotations

from typing import Any

import formulated
import numpy as np
import pyomo.environ as pyo
import pytest

import fastexpr as fx
import fastexpr.pyomo as fxp
from fastexpr.errors import FormulationError

LIBRARIES = ["sklearn", "xgboost", "lightgbm"]


def data(seed: int, n: int = 4) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    X = generator.uniform(-1, 2, (300, n))
    if seed % 2:  # values that repeat: thresholds are hit
        X = np.round(X, 1)
    return X, np.sin(3 * X[:, 0]) + X[:, 1] * X[:, 2] + 0.1 * generator.normal(size=300)


def ensemble(library: str, seed: int) -> tuple[fx.Function, Any]:
    X, y = data(seed)
    if library == "sklearn":
        from sklearn.ensemble import ExtraTreesRegressor, GradientBoostingRegressor, RandomForestRegressor

        kind = [GradientBoostingRegressor, RandomForestRegressor, ExtraTreesRegressor][seed % 3]
        model = kind(n_estimators=8, max_depth=3 + seed % 2, random_state=seed).fit(X, y)
        return fx.from_sklearn(model), lambda x: model.predict([x])[0]
    if library == "xgboost":
        import xgboost

        model = xgboost.XGBRegressor(n_estimators=8, max_depth=3, random_state=seed).fit(X, y)
        return fx.from_xgboost(model), lambda x: model.predict(np.array([x]))[0]
    import lightgbm

    model = lightgbm.LGBMRegressor(n_estimators=8, num_leaves=8, verbose=-1, random_state=seed, min_child_samples=5)
    model.fit(X, y)
    return fx.from_lightgbm(model), lambda x: model.booster_.predict([x])[0]


CASES = [(library, seed) for library in LIBRARIES for seed in range(7)][:-1]  # twenty of them


@pytest.mark.parametrize(("library", "seed"), CASES)
def test_the_objective_is_what_the_library_predicts(library: str, seed: int) -> None:
    net, predict = ensemble(library, seed)
    m = pyo.ConcreteModel()
    m.x = pyo.Var(range(4), bounds=(-1, 2))
    m.nn = fxp.NetworkBlock(net, inputs=m.x)
    m.budget = pyo.Constraint(expr=m.x[0] + m.x[1] + m.x[2] + m.x[3] <= 2.5)
    m.order = pyo.Constraint(expr=m.x[2] <= m.x[1])
    m.best = pyo.Objective(expr=m.nn.outputs[0] - 0.05 * m.x[3], sense=pyo.maximize)
    assert m.nn.summary().formulation == "bigm"
    pyo.SolverFactory("appsi_highs").solve(m)
    before = pyo.value(m.best)
    done = m.nn.repair()
    assert done, done.message
    assert done.distance > 0
    x = [m.x[k].value for k in range(4)]
    assert m.nn.outputs[0].value == pytest.approx(predict(x), rel=1e-6, abs=1e-6)
    assert m.nn.outputs[0].value == pytest.approx(net(x)[0], rel=1e-9, abs=1e-9)
    assert pyo.value(m.best) == pytest.approx(before, abs=1e-6)
    assert pyo.value(m.budget.body) <= 2.5 + 1e-9
    assert pyo.value(m.order.body) <= 1e-9
    samples = np.random.default_rng(0).uniform(-1, 2, (40_000, 4))
    fits = samples[(samples.sum(axis=1) <= 2.5) & (samples[:, 2] <= samples[:, 1])]
    assert pyo.value(m.best) >= (net(fits)[:, 0] - 0.05 * fits[:, 3]).max() - 1e-3


@pytest.mark.parametrize("transformation", ["gdp.bigm", "gdp.hull"])
def test_trees_in_disjuncts_are_repaired(transformation: str) -> None:
    from pyomo.gdp import Disjunct, Disjunction

    nets = [ensemble("sklearn", 0), ensemble("xgboost", 2)]
    m = pyo.ConcreteModel()
    m.x, m.y = pyo.Var(range(4), bounds=(-1, 2)), pyo.Var(bounds=(-20, 20))

    def choose(d: Any, k: int) -> None:
        d.nn = fxp.NetworkBlock(nets[k][0], inputs=d.model().x)
        d.same = pyo.Constraint(expr=d.model().y == d.nn.outputs[0])
        d.range = pyo.Constraint(expr=d.model().x[0] + d.model().x[1] <= k)

    m.d = Disjunct([0, 1], rule=choose)
    m.either = Disjunction(expr=[m.d[0], m.d[1]])
    m.best = pyo.Objective(expr=m.y, sense=pyo.maximize)
    pyo.TransformationFactory(transformation).apply_to(m)
    pyo.SolverFactory("appsi_highs").solve(m)
    chosen = int(pyo.value(m.d[1].binary_indicator_var) > 0.5)
    done = m.d[chosen].nn.repair()
    assert done, done.message
    assert 0 < done.distance < 1
    assert nets[chosen][1]([m.x[k].value for k in range(4)]) == pytest.approx(m.y.value, abs=1e-6)


@pytest.mark.parametrize("library", LIBRARIES)
def test_fixed_inputs_leave_one_value(library: str) -> None:
    from fastexpr.formulations.building import Builder

    net, _ = ensemble(library, 2)
    for x in np.random.default_rng(3).uniform(-1, 2, (100, 4)):
        builder = Builder("bigm")
        y = builder.place(net, x - 1e-3, x + 1e-3)
        assert y.at(builder.algebra.completed(x)) == pytest.approx(net(x), abs=1e-12)
    builder = Builder("bigm")
    y = builder.place(net, np.full(4, -1.0), np.full(4, 2.0))
    near = 0
    for x in np.random.default_rng(4).uniform(-1, 2, (100, 4)):
        distance = min(abs(cuts.last - x[k]).min() for k, cuts in enumerate(builder.algebra.cuts))
        if distance < 2e-5:  # inside the margin
            near += 1
            continue
        low, high = formulated.extremes(builder, y, x)
        assert low == pytest.approx(net(x), rel=1e-6, abs=1e-6)
        assert high == pytest.approx(net(x), rel=1e-6, abs=1e-6)
    assert near < 10


@pytest.mark.parametrize("solver", ["appsi_highs", "scip_direct"])
@pytest.mark.parametrize("how", ["fix", "bounds"])
def test_inputs_that_are_fixed_after_the_build_may_be_at_thresholds(solver: str, how: str) -> None:
    net, predict = ensemble("sklearn", 1)
    m = pyo.ConcreteModel()
    m.x = pyo.Var(range(4), bounds=(-1, 2))
    m.nn = fxp.NetworkBlock(net, inputs=m.x)
    m.best = pyo.Objective(expr=m.nn.outputs[0])
    generator = np.random.default_rng(0)
    for _ in range(6):
        x = generator.uniform(-1, 2, 4)
        for k, cuts in enumerate(m.nn._builder.algebra.cuts):
            x[k] = generator.choice(cuts.last) + generator.choice([0.0, 1e-6, -1e-6])
        for k in range(4):
            if how == "fix":
                m.x[k].fix(x[k])
            else:
                m.x[k].setlb(x[k])
                m.x[k].setub(x[k])
        for sense in (pyo.minimize, pyo.maximize):
            m.best.sense = sense
            pyo.SolverFactory(solver).solve(m)
            assert pyo.value(m.best) == pytest.approx(predict(x), abs=1e-6)


def test_without_repair_points_at_thresholds_are_what_every_peer_gets_wrong() -> None:
    """x <= 0.5 says 1, beyond it says 0, and the model wants x as large as possible with the value 1."""
    x = fx.variables(1)
    from fastexpr.frameworks.trees import Forest

    forest = Forest(1)
    forest.add([0, 0, 0], [0.5, 0.0, 0.0], [(1, 2), (-1, -1), (-1, -1)], [[], [(0, 1.0)], [(0, 0.0)]])
    net = fx.Function(x, forest.of(x))
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 1))
    m.nn = fxp.NetworkBlock(net, inputs=m.x, margin=0.0)
    m.best = pyo.Objective(expr=m.nn.outputs[0] + 0.001 * m.x, sense=pyo.maximize)
    pyo.SolverFactory("appsi_highs").solve(m)
    assert m.x.value == pytest.approx(0.5)
    m.x.set_value(0.5 + 1e-7)  # as solvers do
    assert net([m.x.value])[0] != m.nn.outputs[0].value
    done = m.nn.repair()
    assert done, done.message
    assert net([m.x.value])[0] == 1.0
    assert m.nn.outputs[0].value == pytest.approx(1.0)
    assert m.x.value == pytest.approx(0.5, abs=1e-5)


def test_where_no_point_fits_a_repair_says_so_and_changes_nothing() -> None:
    net, _ = ensemble("sklearn", 0)
    m = pyo.ConcreteModel()
    m.x = pyo.Var(range(4), bounds=(-1, 2))
    m.nn = fxp.NetworkBlock(net, inputs=m.x)
    m.best = pyo.Objective(expr=m.nn.outputs[0])
    pyo.SolverFactory("appsi_highs").solve(m)
    cuts = m.nn._builder.algebra.cuts[0]
    left, right = cuts.walls(cuts.chosen(np.array([v.value for v in m.nn._columns])))
    wall = right if np.isfinite(right) else left
    m.there = pyo.Constraint(expr=m.x[0] == wall + (1e-3 if np.isfinite(right) else -1e-3))  # in the next cell
    before = [m.x[k].value for k in range(4)]
    done = m.nn.repair()
    assert not done
    assert "nothing was changed" in done.message
    assert [m.x[k].value for k in range(4)] == before


def test_integer_features_need_no_margin() -> None:
    X = np.random.default_rng(0).integers(0, 6, (400, 3)).astype(float)
    y = (X[:, 0] - 2) ** 2 + X[:, 1] * (X[:, 2] > 3)
    from sklearn.ensemble import GradientBoostingRegressor

    model = GradientBoostingRegressor(n_estimators=20, max_depth=3, random_state=0).fit(X, y)
    net = fx.from_sklearn(model)
    m = pyo.ConcreteModel()
    m.x = pyo.Var(range(3), bounds=(0, 5), domain=pyo.Integers)
    m.nn = fxp.NetworkBlock(net, inputs=m.x)
    m.best = pyo.Objective(expr=m.nn.outputs[0], sense=pyo.maximize)
    pyo.SolverFactory("appsi_highs").solve(m)
    grid = np.array(np.meshgrid(*[np.arange(6.0)] * 3)).reshape(3, -1).T
    assert pyo.value(m.best) == pytest.approx(net(grid).max(), abs=1e-6)
    x = [round(m.x[k].value) for k in range(3)]
    assert model.predict([x])[0] == pytest.approx(pyo.value(m.best), abs=1e-6)
    assert all(cuts.is_integer for cuts in m.nn._builder.algebra.cuts)


@pytest.mark.parametrize("library", LIBRARIES)
def test_classifiers_have_logits(library: str) -> None:
    X, y = data(0)
    labels = np.digitize(y, [-0.3, 0.8])
    if library == "sklearn":
        from sklearn.ensemble import RandomForestClassifier

        model: Any = RandomForestClassifier(n_estimators=6, max_depth=3, random_state=0).fit(X, labels)
        net = fx.from_sklearn(model)
    elif library == "xgboost":
        import xgboost

        model = xgboost.XGBClassifier(n_estimators=4, max_depth=2).fit(X, labels)
        net = fx.from_xgboost(model)
    else:
        import lightgbm

        model = lightgbm.LGBMClassifier(n_estimators=30, num_leaves=6, verbose=-1).fit(X, labels)
        net = fx.from_lightgbm(model)
    m = pyo.ConcreteModel()
    m.x = pyo.Var(range(4), bounds=(-1, 2))
    m.nn = fxp.NetworkBlock(net, inputs=m.x)
    if library == "sklearn":
        results = m.nn.outputs
    else:
        results = m.nn.logits
        with pytest.raises(AttributeError, match="softmax and sigmoid are not linear"):
            _ = m.nn.outputs
    m.is_second = pyo.Constraint([0, 2], rule=lambda m, k: results[1] >= results[k] + 1e-3)
    m.near = pyo.Objective(expr=m.x[0] + 2 * m.x[1])
    pyo.SolverFactory("appsi_highs").solve(m)
    assert m.nn.repair()
    assert model.predict(np.array([[m.x[k].value for k in range(4)]]))[0] == 1


def test_trees_without_bounds_stay_functions_or_are_named() -> None:
    net, _ = ensemble("sklearn", 0)
    m = pyo.ConcreteModel()
    m.x = pyo.Var(range(4), initialize=0.0)
    m.nn = fxp.NetworkBlock(net, inputs=m.x)
    assert m.nn.summary().formulation == "external"
    with pytest.raises(FormulationError, match=r"\[TreeEnsemble '.*'\] needs finite bounds"):
        m.other = fxp.NetworkBlock(net, inputs=m.x, formulation="bigm")


@pytest.mark.parametrize("seed", range(3))
def test_linear_trees(seed: int) -> None:
    """Leaves that hold lines: LightGBM's own prediction at the optimum is the objective."""
    import lightgbm

    X, y = data(2 * seed)
    model = lightgbm.LGBMRegressor(n_estimators=6, num_leaves=6, linear_tree=True, verbose=-1, random_state=seed)
    model.fit(X, y)
    net = fx.from_lightgbm(model)
    assert net(X)[:, 0] == pytest.approx(model.booster_.predict(X), abs=1e-9)
    m = pyo.ConcreteModel()
    m.x = pyo.Var(range(4), bounds=(-1, 2))
    m.nn = fxp.NetworkBlock(net, inputs=m.x)
    m.budget = pyo.Constraint(expr=m.x[0] + m.x[1] + m.x[2] <= 2.5)
    m.best = pyo.Objective(expr=m.nn.outputs[0], sense=pyo.maximize)
    assert m.nn.summary().formulation == "bigm"
    pyo.SolverFactory("appsi_highs").solve(m)
    before = pyo.value(m.best)
    assert m.nn.repair()
    x = [m.x[k].value for k in range(4)]
    assert model.booster_.predict([x])[0] == pytest.approx(pyo.value(m.best), rel=1e-6, abs=1e-6)
    assert pyo.value(m.best) == pytest.approx(before, abs=1e-5)
    samples = np.random.default_rng(0).uniform(-1, 2, (40_000, 4))
    fits = samples[samples[:, :3].sum(axis=1) <= 2.5]
    assert pyo.value(m.best) >= net(fits).max() - 1e-4
