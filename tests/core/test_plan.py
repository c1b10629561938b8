"""A plan with a tree, a ReLU network, logic and integers in one model, solved by HiGHS and checked by the libraries."""

from __future__ import annotations

import numpy as np
import pyomo.environ as pyo
from pyomo.gdp import Disjunct, Disjunction
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.neural_network import MLPRegressor

import fastexpr as fx
import fastexpr.pyomo as fxp


def test_a_plan_with_a_tree_a_network_logic_and_integers() -> None:
    generator = np.random.default_rng(0)
    # Demand by price and number of shops; emissions of two plants by flow and temperature.
    X = np.column_stack([generator.uniform(1, 10, 500), generator.integers(1, 6, 500)])
    demand = GradientBoostingRegressor(n_estimators=25, max_depth=3, random_state=0)
    demand.fit(X, 30 - 2 * X[:, 0] + 4 * X[:, 1] - 0.3 * X[:, 1] ** 2 + generator.normal(size=500))
    Z = generator.uniform([0, 20], [40, 90], (500, 2))
    emitted = (Z[:, 0] / 20) ** 2 + abs(Z[:, 1] - 50) / 30
    plants = [
        MLPRegressor(hidden_layer_sizes=[8], max_iter=4000, random_state=seed).fit(Z / 50, emitted + seed)
        for seed in (0, 1)
    ]
    nets = [fx.from_sklearn(plant).scaled(input_factor=[50.0, 50.0]) for plant in plants]

    m = pyo.ConcreteModel()
    m.price = pyo.Var(bounds=(1, 10))
    m.shops = pyo.Var(bounds=(1, 5), domain=pyo.Integers)
    m.flow, m.temperature = pyo.Var(bounds=(0, 40)), pyo.Var(bounds=(20, 90))
    m.emission = pyo.Var(bounds=(-5, 20))
    m.demand = fxp.NetworkBlock(fx.from_sklearn(demand), inputs=[m.price, m.shops])
    m.enough = pyo.Constraint(expr=m.flow >= m.demand.outputs[0])

    def plant(d: Disjunct, k: int) -> None:
        top = d.model()
        d.nn = fxp.NetworkBlock(nets[k], inputs=[top.flow, top.temperature], formulation="bigm")
        d.says = pyo.Constraint(expr=top.emission == d.nn.outputs[0])
        d.range = pyo.Constraint(expr=top.temperature >= 45 if k else top.temperature <= 60)

    m.plant = Disjunct([0, 1], rule=plant)
    m.one = Disjunction(expr=[m.plant[0], m.plant[1]])
    m.profit = pyo.Objective(
        expr=3 * m.demand.outputs[0] + 2 * m.price - 4 * m.shops - 6 * m.emission - 0.02 * m.temperature,
        sense=pyo.maximize,
    )
    pyo.TransformationFactory("gdp.bigm").apply_to(m)
    results = pyo.SolverFactory("appsi_highs").solve(m)
    assert results.solver.termination_condition == pyo.TerminationCondition.optimal
    before = pyo.value(m.profit)
    done = m.demand.repair()
    assert done, done.message
    assert abs(pyo.value(m.profit) - before) <= 1e-6 * abs(before)
    shops = round(m.shops.value)
    assert abs(demand.predict([[m.price.value, shops]])[0] - m.demand.outputs[0].value) <= 1e-6
    chosen = int(pyo.value(m.plant[1].binary_indicator_var) > 0.5)
    told = plants[chosen].predict([[m.flow.value / 50, m.temperature.value / 50]])[0]
    assert abs(told - m.emission.value) <= 1e-5

    best = -np.inf  # no plan of a grid is better
    price = np.linspace(1, 10, 91)
    for n in range(1, 6):
        asked = demand.predict(np.column_stack([price, np.full(91, n)]))
        for k, temperatures in enumerate((np.linspace(20, 60, 41), np.linspace(45, 90, 46))):
            points = np.array([(max(a, 0.0), t) for a in asked for t in temperatures]) / 50
            emission = plants[k].predict(points).reshape(91, -1)
            profit = 3 * asked[:, None] + 2 * price[:, None] - 4 * n - 6 * emission - 0.02 * temperatures
            best = max(best, profit[(asked >= 0) & (asked <= 40)].max())
    assert pyo.value(m.profit) >= best - 1e-4
