"""The start-up of a cooled stirred tank whose reaction kinetics are a trained network.

    python examples/reactor.py [--output reactor.png]

    minimize    the integral of the squared distances from the set-point, and the squared moves of the coolant
    subject to  dc/dt = (feed - c) / residence - rate(c, T)
                dT/dt = (feed temperature - T) / residence + heat rate(c, T) + cooling (coolant - T)
                T <= limit, lowest <= coolant <= highest

The tank is full of feed. The coolant has to warm it until the reaction A -> B ignites, and must cool again before the
heat of reaction carries the tank over its limit. rate(c, T) is reactor/kinetics.onnx: reactor/train.py trains it on
noisy measurements. pyomo.dae discretises the equations by collocation, with the network at every point. The plan is
checked by SciPy, which integrates the equations under the planned coolant, with the network as kinetics and with the
law that made the measurements, which the network was not told.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import pyomo.dae as dae
import pyomo.environ as pyo
from scipy.integrate import solve_ivp

import fastexpr as fx
import fastexpr.pyomo as fxp

FOLDER = Path(__file__).parent / "reactor"
SOLVERS = ("fastexpr", "pounce")  # in this process; a program that calls the network as an external function
DURATION, INTERVALS = 8.0, 32  # minutes; of constant coolant temperature
RESIDENCE = 1.0  # minutes that the feed stays in the tank
FEED, FEED_TEMPERATURE = 1.0, 320.0  # mol/L, K
HEAT = 100.0  # K per mol/L that has reacted
COOLING = 1.0  # per minute
SET_POINT, SET_POINT_TEMPERATURE = 0.15, 374.0  # mol/L, K
LIMIT = 380.0  # K
COOLANT = 290.0, 360.0  # K

Kinetics = Callable[[float, float], float]  # concentration in mol/L, temperature in K -> rate in mol/(L min)


@dataclass
class Plan:
    """What a solver found: states at the collocation points, and the coolant's temperature in each interval."""

    solver: str
    seconds: float
    objective: float
    times: np.ndarray
    concentration: np.ndarray
    temperature: np.ndarray
    interval_ends: np.ndarray
    coolant: np.ndarray


def training() -> ModuleType:
    """The module reactor/train.py, which knows the range of the measurements and the law behind them."""
    specification = importlib.util.spec_from_file_location("reactor_train", FOLDER / "train.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def kinetics() -> fx.Function:
    """The trained network, with the range of the measurements as bounds of its inputs."""
    laboratory = training()
    network = fx.load_onnx(FOLDER / "kinetics.onnx").with_names(["concentration", "temperature"], ["rate"])
    return network.with_bounds(laboratory.LOWEST, laboratory.HIGHEST)


def build(network: fx.Function) -> pyo.ConcreteModel:
    """The start-up as a nonlinear program: three Radau points in each interval."""
    model = pyo.ConcreteModel()
    model.t = dae.ContinuousSet(bounds=(0.0, DURATION))
    model.c = pyo.Var(model.t, initialize=SET_POINT)
    model.T = pyo.Var(model.t, initialize=SET_POINT_TEMPERATURE, bounds=(None, LIMIT))
    model.coolant = pyo.Var(model.t, initialize=sum(COOLANT) / 2, bounds=COOLANT)
    model.dcdt = dae.DerivativeVar(model.c, wrt=model.t)
    model.dTdt = dae.DerivativeVar(model.T, wrt=model.t)
    model.kinetics = fxp.NetworkBlock(model.t, network=network, inputs=lambda m, t: [m.c[t], m.T[t]])

    @model.Constraint(model.t)
    def mass(m, t):
        return m.dcdt[t] == (FEED - m.c[t]) / RESIDENCE - m.kinetics[t].outputs["rate"]

    @model.Constraint(model.t)
    def energy(m, t):
        reaction = HEAT * m.kinetics[t].outputs["rate"]
        return m.dTdt[t] == (FEED_TEMPERATURE - m.T[t]) / RESIDENCE + reaction + COOLING * (m.coolant[t] - m.T[t])

    @model.Integral(model.t, wrt=model.t)
    def distance(m, t):
        return ((m.c[t] - SET_POINT) / 0.1) ** 2 + ((m.T[t] - SET_POINT_TEMPERATURE) / 10.0) ** 2

    model.c[0].fix(FEED)
    model.T[0].fix(FEED_TEMPERATURE)
    collocation = pyo.TransformationFactory("dae.collocation")
    collocation.apply_to(model, nfe=INTERVALS, ncp=3, scheme="LAGRANGE-RADAU")
    collocation.reduce_collocation_points(model, var=model.coolant, ncp=1, contset=model.t)
    ends = model.t.get_finite_elements()[1:]
    moves = sum((model.coolant[after] - model.coolant[before]) ** 2 for before, after in itertools.pairwise(ends))
    model.goal = pyo.Objective(expr=model.distance + 1e-3 * moves)
    return model


def solve(solver: str, network: fx.Function) -> Plan:
    """Builds the model and solves it; raises where no optimum is found."""
    model = build(network)
    begin = time.perf_counter()
    results = pyo.SolverFactory(solver).solve(model, options={"tol": 1e-9})
    seconds = time.perf_counter() - begin
    pyo.assert_optimal_termination(results)
    times, ends = list(model.t), model.t.get_finite_elements()[1:]
    states = (np.array([pyo.value(variable[t]) for t in times]) for variable in (model.c, model.T))
    coolant = np.array([pyo.value(model.coolant[end]) for end in ends])
    return Plan(solver, seconds, pyo.value(model.goal), np.array(times), *states, np.array(ends), coolant)


def simulate(plan: Plan, rate: Kinetics) -> tuple[np.ndarray, np.ndarray]:
    """Concentration and temperature at the plan's times, by integration under the planned coolant."""

    def slopes(_: float, state: np.ndarray, coolant: float) -> list[float]:
        c, T = state
        reacting = rate(c, T)
        warming = (FEED_TEMPERATURE - T) / RESIDENCE + HEAT * reacting + COOLING * (coolant - T)
        return [(FEED - c) / RESIDENCE - reacting, warming]

    states = np.array([[FEED, FEED_TEMPERATURE]])
    begin = 0.0
    for end, coolant in zip(plan.interval_ends, plan.coolant, strict=True):
        times = plan.times[(plan.times > begin) & (plan.times <= end)]
        course = solve_ivp(slopes, (begin, end), states[-1], t_eval=times, args=(coolant,), rtol=1e-9, atol=1e-9)
        states, begin = np.concatenate([states, course.y.T]), end
    return states[:, 0], states[:, 1]


def print_table(plans: Sequence[Plan], network: fx.Function) -> None:
    """One line per solver; the deviation is that of a simulation with the same network."""
    header = f"{'solver':<10}{'solve s':>9}{'objective':>13}{'hottest K':>11}{'deviation K':>13}"
    print(header, "-" * len(header), sep="\n")
    for plan in plans:
        _, simulated = simulate(plan, lambda c, T: network([c, T])[0])
        deviation = np.abs(simulated - plan.temperature).max()
        numbers = f"{plan.seconds:>9.3f}{plan.objective:>13.7f}{plan.temperature.max():>11.3f}{deviation:>13.3f}"
        print(f"{plan.solver:<10}{numbers}")


def save_picture(path: Path, plan: Plan, reality: tuple[np.ndarray, np.ndarray]) -> None:
    """Concentration, temperature and coolant over time; dashed what the real tank does."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 3, figsize=(10.5, 3.4), layout="constrained")
    states = (plan.concentration, plan.temperature)
    goals = (SET_POINT, SET_POINT_TEMPERATURE)
    for axis, planned, real, goal in zip(axes, states, reality, goals, strict=False):
        axis.axhline(goal, color="0.7", linewidth=1, label="set-point")
        axis.plot(plan.times, planned, color="C0", label="planned with the network")
        axis.plot(plan.times, real, color="C1", linestyle="--", label="with the true kinetics")
    axes[1].axhline(LIMIT, color="C3", linewidth=1, linestyle=":", label="limit")
    axes[2].stairs(plan.coolant, [0.0, *plan.interval_ends], baseline=None, color="C0")
    titles = ("concentration, mol/L", "temperature, K", "coolant, K")
    for axis, title in zip(axes, titles, strict=True):
        axis.set(title=title, xlabel="minutes")
    axes[0].legend(frameon=False)
    axes[1].legend(*[[entries[-1]] for entries in axes[1].get_legend_handles_labels()], frameon=False)
    figure.savefig(path, dpi=150, bbox_inches="tight")
    plt.close(figure)


def main(output: Path | None = None, solvers: Sequence[str] = SOLVERS) -> list[Plan]:
    """Solves, prints the table, saves the picture; returns the plans."""
    network = kinetics()
    print(f"Start-up of a stirred tank in {DURATION:g} minutes, the network at {3 * INTERVALS + 1} points of time\n")
    plans = [solve(solver, network) for solver in solvers]
    print_table(plans, network)
    spread = max(np.abs(plan.coolant - plans[0].coolant).max() for plan in plans)
    reality = simulate(plans[0], training().rate_law)
    error = np.abs(reality[1] - plans[0].temperature).max()
    print(f"\nThe plans differ by at most {spread:.1e} K of the coolant.")
    print(f"The real tank, whose kinetics the network has only measured, leaves the plan by up to {error:.1f} K.")
    if output is not None:
        save_picture(output, plans[0], reality)
        print(f"Picture: {output}")
    return plans


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("reactor.png"), help="where the picture goes")
    parser.add_argument("--solver", action="append", help="a Pyomo solver; may be given several times")
    arguments = parser.parse_args()
    main(arguments.output, arguments.solver or SOLVERS)
