"""A stirred tank under predictive control: a plan at every step, each from the one before, and what its limit costs.

    python examples/horizon.py [--output horizon.png]

The tank is that of reactor.py, with the trained network reactor/kinetics.onnx as its kinetics. Every tenth of a minute
the state is measured and the coolant is planned for the next two minutes:

    minimize    the squared distances of the concentration from the set-point, and the squared moves of the coolant
    subject to  state_(k+1) = step(state_k, coolant_k),  temperature <= limit,  lowest <= coolant <= highest

State, set-point, last coolant and limit are parameters: nothing is compiled after the first plan, and each starts from
the one before, a step later. The set-point falls on the way, and the feed gets warmer, which no plan knows of. In the
end the limit is swept, and its multipliers are compared with what a degree really brings.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import fastexpr as fx

KINETICS = Path(__file__).parent / "reactor" / "kinetics.onnx"
STEP, HORIZON, STEPS = 0.1, 20, 60  # minutes; of a plan; of the closed loop
FEED_TEMPERATURE, WARMER = 320.0, 324.0  # K, what plans believe and what comes from half-way on
SET_POINTS = 0.25, 0.15  # mol/L, in the first and in the second half
LIMIT = 378.0  # K
COOLANT = 290.0, 360.0  # K


def make_step(feed_temperature: float) -> fx.Function:
    """One step of the classic method of Runge and Kutta: concentration, temperature, coolant -> the next state."""
    rate = fx.load_onnx(KINETICS)
    v = fx.variables(3)

    def slope(state):
        r = rate(state)[0]
        c, temperature = state
        return np.stack([1.0 - c - r, feed_temperature - temperature + 100.0 * r + v[2] - temperature])

    x = v[:2]
    k1 = slope(x)
    k2 = slope(x + STEP / 2 * k1)
    k3 = slope(x + STEP / 2 * k2)
    k4 = slope(x + STEP * k3)
    return fx.Function(v, x + STEP / 6 * (k1 + 2 * k2 + 2 * k3 + k4))


@dataclass
class Controller:
    """The problem of a plan, and its parameters."""

    problem: fx.Problem
    state: fx.expression.Expression
    set_point: fx.expression.Expression
    before: fx.expression.Expression
    limit: fx.expression.Expression
    coolant: fx.expression.Expression
    states: list

    @classmethod
    def make(cls) -> Controller:
        step, p = make_step(FEED_TEMPERATURE), fx.Problem()
        state = p.parameters(2, value=[SET_POINTS[0], 370.0], name="state")
        set_point = p.parameters((), value=SET_POINTS[0], name="set point")
        before = p.parameters((), value=330.0, name="coolant before")
        limit = p.parameters((), value=LIMIT, name="limit")
        coolant = p.variables(HORIZON, lower=COOLANT[0], upper=COOLANT[1], start=330.0, name="coolant")
        states = [state]
        for k in range(HORIZON):
            states.append(p.network(step, [states[k][0], states[k][1], coolant[k]], name=f"state {k + 1}"))
        c, temperature = (np.stack([x[i] for x in states[1:]]) for i in (0, 1))
        moves = np.concatenate([coolant[:1] - before, coolant[1:] - coolant[:-1]])
        p.minimize(100.0 * ((c - set_point) ** 2).sum() + 1e-4 * (moves**2).sum())
        p.subject_to(temperature, upper=limit, name="temperature")
        return cls(p, state, set_point, before, limit, coolant, states)

    def plan(self, values: dict, start=None):
        """The plan from a state; `start` as of `Problem.solve`."""
        return self.problem.solve(parameters=values, start=start)


@dataclass
class Loop:
    """What happened, step by step."""

    states: np.ndarray
    coolant: np.ndarray
    set_points: np.ndarray
    iterations: list[int]  # of warm starts
    cold: list[int]


def closed_loop(controller: Controller) -> Loop:
    """Plans, applies the first coolant temperature, and measures, again and again."""
    plants = make_step(FEED_TEMPERATURE), make_step(WARMER)
    state, coolant, result = np.array([SET_POINTS[0], 370.0]), 330.0, None
    loop = Loop(np.array([state]), np.zeros(0), np.zeros(0), [], [])
    for k in range(STEPS):
        second = k >= STEPS // 2
        values = {controller.state: state, controller.set_point: SET_POINTS[second], controller.before: coolant}
        start = None if result is None else result.shifted(controller.coolant, controller.states[1:])
        result = controller.plan(values, start)
        loop.iterations.append(result.iterations)
        loop.cold.append(controller.plan(values).iterations)
        coolant = float(result[controller.coolant][0])
        state = plants[second](np.append(state, coolant))
        loop.states = np.vstack([loop.states, state])
        loop.coolant, loop.set_points = np.append(loop.coolant, coolant), np.append(loop.set_points, SET_POINTS[second])
    return loop


def limits(controller: Controller):
    """Plans under ever lower limits, and what a degree more would bring, by the multipliers."""
    p = controller.problem
    p.set_parameters({controller.set_point: SET_POINTS[1]})
    swept = fx.sweep(p, {controller.limit: np.linspace(380.0, 371.0, 31)})
    slopes = np.array([result.sensitivity(controller.limit).objective for result in swept])
    return swept, slopes


def draw(loop: Loop, swept: fx.problem.sweep.SweepResult, slopes: np.ndarray, output: Path) -> None:
    """Three pictures in a row."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, (left, middle, right) = pyplot.subplots(1, 3, figsize=(12, 3.4), layout="constrained")
    times = STEP * np.arange(STEPS + 1)
    left.plot(times, loop.states[:, 0], label="concentration")
    left.step(times[:-1], loop.set_points, "k:", where="post", label="set-point")
    left.set_xlabel("minutes")
    left.set_ylabel("mol/L")
    left.legend()
    middle.plot(times, loop.states[:, 1], "C3", label="tank")
    middle.step(times[:-1], loop.coolant, "C0", where="post", label="coolant")
    middle.axhline(LIMIT, color="k", linestyle=":", label="limit")
    middle.set_xlabel("minutes")
    middle.set_ylabel("K")
    middle.legend()
    swept.plot(axes=right)
    at, values = swept.parameters["limit"], np.array(swept.to_dict()["objective"])
    for k in range(0, len(at), 5):
        reach = np.array([-0.9, 0.9])
        right.plot(at[k] + reach, values[k] + slopes[k] * reach, "C1-", linewidth=2, label="slopes" if k == 0 else None)
    right.set_ylabel("cost of a plan")
    right.set_xlabel("limit, K")
    right.legend()
    figure.savefig(output, dpi=110)


def main(output: Path | None = None) -> tuple[Loop, fx.problem.sweep.SweepResult, np.ndarray]:
    """Runs everything, says what came out, and draws it where there is a file for that."""
    controller = Controller.make()
    loop = closed_loop(controller)
    swept, slopes = limits(controller)
    warm, cold = np.median(loop.iterations), np.median(loop.cold)
    print(f"{STEPS} plans: {warm:.0f} iterations from the plan before, {cold:.0f} cold")
    print(f"{swept}")
    if output is not None:
        draw(loop, swept, slopes, output)
    return loop, swept, slopes


def run(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, help="where to draw the picture")
    main(parser.parse_args(arguments).output)


if __name__ == "__main__":
    run()
