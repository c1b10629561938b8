"""A day's plan of a reactor whose operating points must satisfy safety rules that were learnt from its log.

    python examples/rules/plan.py [--output plan.png]

    maximize    sum over hours of  value output - price energy
    subject to  temperature and pressure move slowly from hour to hour
                no trip is predicted at any hour, by rules for feed, temperature, pressure and cooling water

The log has 800 hours and says whether the plant's protection tripped. What makes it trip is not known to the planner: a
BooleanRuleClassifier learns short rules, and a RuleBlock for each hour keeps the plan away from them. The log here is
simulated, by a law that neither the rules nor the plan are told; in the end the plan is checked by that law.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyomo.environ as pyo

import fastexpr as fx
import fastexpr.pyomo as fxp

HOURS = range(24)
RANGES = {"feed": (40.0, 100.0), "temperature": (140.0, 200.0), "pressure": (4.0, 12.0)}  # t/h, °C, bar
UNITS = {"feed": "t/h", "temperature": "°C", "pressure": "bar", "water": "°C"}
WATER = [17.0 + 7.0 * np.sin(2 * np.pi * (hour - 9) / 24) for hour in HOURS]  # °C, of the cooling water
PRICE = [60.0 + 25.0 * np.sin(2 * np.pi * (hour - 6) / 12) for hour in HOURS]  # EUR/MWh
MARGIN = {"feed": 2.0, "temperature": 1.5, "pressure": 0.3}  # to thresholds, which the log knows only so well
VALUE = 30.0  # EUR/t
TEMPERATURE_MOVE, PRESSURE_MOVE = 12.0, 1.5  # in an hour


def trips(log: pd.DataFrame) -> np.ndarray:
    """The law behind the log."""
    runaway = (log.temperature > 176.0) & (log.pressure > 8.2)
    overheated = (log.feed > 82.0) & (log.water > 20.0)
    return (runaway | overheated).to_numpy()


def record(n_hours: int = 800, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """A log: what was measured, and whether the protection tripped. 2 % of the trips and non-trips are false."""
    random = np.random.default_rng(seed)
    log = pd.DataFrame({name: random.uniform(*limits, n_hours) for name, limits in RANGES.items()})
    log["water"] = random.uniform(8.0, 26.0, n_hours)
    return log, trips(log) ^ (random.random(n_hours) < 0.02)


def learn(log: pd.DataFrame, tripped: np.ndarray) -> fx.rules.BooleanRuleClassifier:
    """Rules that say when a trip is to be expected."""
    names = np.where(tripped, "trip", "safe")
    return fx.rules.BooleanRuleClassifier(max_complexity=6, max_length=3, n_thresholds=24).fit(log, names)


def build(rules: fx.rules.BooleanRuleClassifier | None) -> pyo.ConcreteModel:
    """The plan as a mixed-integer linear program; without rules it is a linear one."""
    model = pyo.ConcreteModel()
    model.hour = pyo.RangeSet(0, 23)
    model.feed = pyo.Var(model.hour, bounds=RANGES["feed"])
    model.temperature = pyo.Var(model.hour, bounds=RANGES["temperature"])
    model.pressure = pyo.Var(model.hour, bounds=RANGES["pressure"])

    @model.Expression(model.hour)
    def output(m, t):
        return 0.5 * m.feed[t] + 0.3 * (m.temperature[t] - 140.0) + 1.2 * (m.pressure[t] - 4.0)

    @model.Expression(model.hour)
    def energy(m, t):
        return 0.16 * m.feed[t] + 0.09 * (m.temperature[t] - 140.0) + 0.5 * (m.pressure[t] - 4.0)

    @model.Constraint(model.hour, [1, -1])
    def warming(m, t, sign):
        return sign * (m.temperature[t] - m.temperature[(t - 1) % 24]) <= TEMPERATURE_MOVE

    @model.Constraint(model.hour, [1, -1])
    def compressing(m, t, sign):
        return sign * (m.pressure[t] - m.pressure[(t - 1) % 24]) <= PRESSURE_MOVE

    if rules is not None:
        model.safety = fxp.RuleBlock(model.hour, rules=rules, inputs=point, require="safe", margin=MARGIN)
    profit = sum(VALUE * model.output[t] - PRICE[t] * model.energy[t] for t in model.hour)
    model.profit = pyo.Objective(expr=profit, sense=pyo.maximize)
    return model


def point(model: pyo.ConcreteModel, hour: int) -> dict[str, object]:
    """What the rules look at in an hour."""
    return {
        "feed": model.feed[hour],
        "temperature": model.temperature[hour],
        "pressure": model.pressure[hour],
        "water": WATER[hour],
    }


@dataclass
class Plan:
    """A solved plan: its profit, its operating points, and the hours in which the law says that it trips."""

    profit: float
    points: pd.DataFrame
    n_trips: int


def solve(rules: fx.rules.BooleanRuleClassifier | None) -> Plan:
    """Solves by HiGHS; with rules, asks them once more about every hour."""
    model = build(rules)
    results = pyo.SolverFactory("appsi_highs").solve(model)
    pyo.assert_optimal_termination(results)
    if rules is not None:
        assert set(model.safety.check().values()) == {"safe"}
    values = [{name: pyo.value(entry) for name, entry in point(model, hour).items()} for hour in HOURS]
    points = pd.DataFrame(values)
    return Plan(pyo.value(model.profit), points, int(trips(points).sum()))


def draw(log: pd.DataFrame, tripped: np.ndarray, plans: dict[str, Plan], path: Path) -> None:
    """The log and the plans' operating points, in two planes."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(10.0, 4.2), layout="constrained")
    styles = {"without rules": ("tab:red", "x"), "with rules": ("tab:blue", "o")}
    for axis, (x, y) in zip(axes, [("temperature", "pressure"), ("water", "feed")], strict=True):
        axis.scatter(log[x][~tripped], log[y][~tripped], s=6, color="0.8", label="log: safe")
        axis.scatter(log[x][tripped], log[y][tripped], s=6, color="orange", label="log: tripped")
        for name, plan in plans.items():
            color, marker = styles[name]
            axis.plot(plan.points[x], plan.points[y], marker, color=color, markersize=6, label=f"plan {name}")
        axis.set_xlabel(f"{x} in {UNITS[x]}")
        axis.set_ylabel(f"{y} in {UNITS[y]}")
    axes[0].legend(loc="lower left", fontsize="small", framealpha=0.9)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main(path: Path | None = None) -> dict[str, Plan]:
    """Learns, plans without and with rules, and prints both."""
    log, tripped = record()
    rules = learn(log, tripped)
    print(rules)
    print(
        f"\nHamming loss {rules.hamming_loss_:g}; no rules of this complexity have less than {rules.lower_bound_:g}\n"
    )
    plans = {"without rules": solve(None), "with rules": solve(rules)}
    for name, plan in plans.items():
        print(
            f"plan {name:<14}: {plan.profit:>8.0f} EUR, {plan.n_trips:>2} hours with a trip by the law behind the log"
        )
    if path is not None:
        draw(log, tripped, plans, path)
        print(f"\nwritten: {path}")
    return plans


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=Path, default=None, help="a picture")
    main(parser.parse_args().output)
