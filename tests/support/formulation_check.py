"""Fixed inputs leave one value: the least and the largest output of a formulation are the network's own.

`python tests/support/formulation_check.py` does it at 100 points, among them corners, points with a component on a
bound, points at kinks and at thresholds, for every formulation and every operator that has one, and for trees of three
libraries; and prints a table. The tests take fewer points.
"""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import formulation_networks
import numpy as np
import pyomo.environ as pyo
from operator_table import ROWS
from pyomo.common.tee import capture_output

import fastexpr as fx
import fastexpr.pyomo as fxp
from fastexpr.errors import FormulationError
from fastexpr.formulations.building import Builder
from fastexpr.function.kink import values_of_nodes
from fastexpr.solvers.highs import TIGHT, LinearProgram

TOLERANCE = 1e-6
STEPS = {"Less", "LessOrEqual", "Equal", "Hardmax", "TreeEnsemble"}
Extremes = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


# ---- points


def points_of(net: fx.Function, lower: np.ndarray, upper: np.ndarray, count: int, seed: int = 0) -> np.ndarray:
    """Corners, points with a component on a bound, points at kinks and thresholds, and random ones."""
    random = np.random.default_rng(seed)
    n = net.n_inputs
    corners = np.where(random.random((max(2, count // 10), n)) < 0.5, lower, upper)
    corners[:2] = lower, upper
    edges = random.uniform(lower, upper, (max(1, count // 10), n))
    for point in edges:
        k = random.integers(n)
        point[k] = random.choice([lower[k], upper[k]])
    special = [*at_thresholds(net, lower, upper, random), *at_kinks(net, lower, upper, random)]
    special = [special[k] for k in random.permutation(len(special))[: count // 2]]
    if ((lower <= 0) & (upper >= 0)).all():
        special.insert(0, np.zeros(n))
    n_rest = max(1, count - len(corners) - len(edges) - len(special))
    points = np.array([*corners, *edges, *special, *random.uniform(lower, upper, (n_rest, n))])[:count]
    is_fine = np.isfinite(net(points)).all(axis=1)
    if any(operator.name in ("ReduceL2", "Sqrt") for operator, *_ in net._nodes()):
        is_fine &= points.any(axis=1)  # the root of a solver's tolerance is no small number
    return points[is_fine]


def at_kinks(net: fx.Function, lower: np.ndarray, upper: np.ndarray, random: Any) -> Iterator[np.ndarray]:
    """Where the argument of a unit is at its kink, as near as numbers come, by bisection between two points."""
    samples = random.uniform(lower, upper, (40, net.n_inputs))
    for operator, sources, _ in net._nodes():
        if not operator.kinks or operator.name == "TreeEnsemble":
            continue
        arguments = values_of_nodes(net, list(sources[: 2 if operator.has_kink_in_difference else 1]))

        def argument(
            x: np.ndarray, function: Any = arguments, core: Any = operator, shape: Any = operator.shape
        ) -> np.ndarray:
            parts = np.split(function(x), np.cumsum([np.prod(s, dtype=int) for s in core.input_shapes])[:1])
            if not core.has_kink_in_difference:
                return np.asarray(function(x))
            a, b = (np.broadcast_to(part.reshape(s), shape) for part, s in zip(parts, core.input_shapes, strict=False))
            return np.asarray(a - b).ravel()

        values = np.array([argument(x) for x in samples])
        for kink in operator.kinks:
            is_above = values > kink
            mixed = np.flatnonzero(is_above.any(axis=0) & ~is_above.all(axis=0))
            for unit in random.permutation(mixed)[:10]:
                low = samples[np.flatnonzero(~is_above[:, unit])[0]]
                high = samples[np.flatnonzero(is_above[:, unit])[0]]
                for _ in range(70):
                    middle = 0.5 * (low + high)
                    low, high = (low, middle) if argument(middle)[unit] > kink else (middle, high)
                yield low
                yield high


def at_thresholds(net: fx.Function, lower: np.ndarray, upper: np.ndarray, random: Any) -> Iterator[np.ndarray]:
    """Components that are thresholds of trees, and the numbers next to them."""
    for operator, sources, _ in net._nodes():
        if operator.name != "TreeEnsemble" or sources[0] != 0:
            continue
        table, thresholds = operator.constants[0], np.asarray(operator.constants[1], float)
        n_features = operator.input_shapes[0][-1]
        for _ in range(30):
            x = random.uniform(lower, upper)
            for k in range(net.n_inputs):
                asked = thresholds[(table[:, 0] > 0) & (table[:, 1] == k % n_features)]
                asked = asked[(asked > lower[k]) & (asked < upper[k])]
                if asked.size:
                    cut = random.choice(asked)
                    x[k] = random.choice([cut, np.nextafter(cut, -np.inf), np.nextafter(cut, np.inf), cut + 1e-7])
            yield x


# ---- least and largest outputs


def by_highs(builder: Builder, y: Any) -> Extremes:
    """The algebra in one instance of HiGHS, which takes each point and each output in turn."""
    algebra = builder.algebra
    A, row_lower, row_upper = algebra.rows()
    n = algebra.n_columns
    program = LinearProgram(algebra.lower, algebra.upper, algebra.is_integer, A, row_lower, row_upper, np.zeros(n))
    highs = program.highs(**TIGHT)
    inputs, columns = np.arange(builder.n_inputs, dtype=np.int32), np.arange(n, dtype=np.int32)

    def extremes(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        highs.changeColsBounds(inputs.size, inputs, x, x)
        low, high = algebra.lower.copy(), algebra.upper.copy()
        low[: x.size] = high[: x.size] = x
        found = np.full((2, y.size), np.nan)
        for k in range(y.size):
            row = np.zeros(n)
            entry = y.matrix[[k]]
            row[entry.indices] = entry.data
            for side, sign in enumerate((1.0, -1.0)):
                highs.changeColsCost(n, columns, sign * row)
                highs.run()
                outcome = sign * highs.getInfo().objective_function_value
                if highs.modelStatusToString(highs.getModelStatus()) != "Optimal":  # HiGHS's rounding, or ours
                    again = LinearProgram(low, high, algebra.is_integer, A, row_lower, row_upper, sign * row).solve()
                    outcome = sign * again.objective if again.status == "optimal" else np.nan
                found[side, k] = outcome + y.constant[k]
        return found[0], found[1]

    return extremes


def by_scip(builder: Builder, y: Any) -> Extremes:
    """The algebra in SCIP, which knows SOS constraints; see `weights_of`."""
    import pyscipopt

    algebra = builder.algebra
    matrix, row_lower, row_upper = algebra.rows()

    def solved(x: np.ndarray, weights: np.ndarray, sense: str) -> float:
        model = pyscipopt.Model()
        model.hideOutput()
        model.setRealParam("numerics/feastol", 1e-9)
        low, high = algebra.lower.copy(), algebra.upper.copy()
        low[: x.size] = high[: x.size] = x
        v = [
            model.addVar(lb=None if a == -np.inf else a, ub=None if b == np.inf else b, vtype="I" if whole else "C")
            for a, b, whole in zip(low, high, algebra.is_integer, strict=True)
        ]
        for row in range(matrix.shape[0]):
            here = slice(matrix.indptr[row], matrix.indptr[row + 1])
            terms = zip(matrix.data[here].tolist(), matrix.indices[here].tolist(), strict=True)
            body = pyscipopt.quicksum(a * v[k] for a, k in terms)
            if row_lower[row] == row_upper[row]:
                model.addCons(body == row_lower[row])
                continue
            if np.isfinite(row_lower[row]):
                model.addCons(body >= row_lower[row])
            if np.isfinite(row_upper[row]):
                model.addCons(body <= row_upper[row])
        for pair in np.concatenate(algebra.pairs) if algebra.pairs else []:
            model.addConsSOS1([v[k] for k in pair.tolist()])
        model.setObjective(
            pyscipopt.quicksum(w * v[k] for k, w in enumerate(weights.tolist()) if w) + 0.0 * v[0], sense
        )
        model.optimize()
        return float(model.getObjVal()) if model.getStatus() == "optimal" else np.nan

    weights = weights_of(y.size)
    row = np.zeros(algebra.n_columns)
    row[: y.matrix.shape[1]] = weights @ y.matrix.toarray()

    def extremes(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        found = np.full((2, y.size), np.nan)
        expected = y.at(algebra.completed(x))
        for side, sense in enumerate(("minimize", "maximize")):
            off = solved(x, row, sense) + weights @ (y.constant - expected)
            found[side] = expected + off / weights.size
        return found[0], found[1]

    return extremes


def weights_of(size: int) -> np.ndarray:
    """Of a weighting of all outputs at once: where its least and its largest number are what the network says, so are
    all outputs, but for weights that are chosen to hide it.
    """
    return np.random.default_rng(11).uniform(0.5, 1.5, size)


def by_pyomo(
    net: fx.Function, lower: np.ndarray, upper: np.ndarray, formulation: str, solver: str, sides: np.ndarray
) -> Extremes:
    """A block whose inputs are fixed after the build."""
    m = pyo.ConcreteModel()
    m.nn = fxp.NetworkBlock(net.with_bounds(lower, upper), formulation=formulation)
    outputs = list(m.nn._results.values())
    # Of an epigraph, what is not affine is pushed to its exact side: convex outputs down, concave ones up.
    weights = np.where(sides[0], 1.0, -1.0) * weights_of(len(outputs))
    ways = [sides.any(axis=0).all(), sides.all()]
    if formulation == "complementarity":
        pyo.TransformationFactory("mpec.simple_disjunction").apply_to(m)
        pyo.TransformationFactory("gdp.bigm").apply_to(m)
    m.cost = pyo.Objective(expr=sum(w * v for w, v in zip(weights.tolist(), outputs, strict=True)))

    def extremes(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        for variable, number in zip(m.nn.inputs.values(), x.tolist(), strict=True):
            variable.fix(number)
        expected = np.asarray(m.nn.net(x))
        found = np.tile(expected, (2, 1))
        if formulation in ("external", "reduced-space"):  # an expression has one value
            for k, (variable, equation) in enumerate(zip(outputs, m.nn.equations.values(), strict=True)):
                variable.set_value(0.0, skip_validation=True)
                found[:, k] = pyo.value(equation.upper) - pyo.value(equation.body)
            return found[0], found[1]
        for side, sense in enumerate((pyo.minimize, pyo.maximize)):
            if not ways[side]:
                continue
            m.cost.sense = sense
            m.nn.initialize()
            options = {"options": {"tol": 1e-9}} if solver == "fastexpr" else {}
            with capture_output():
                pyo.SolverFactory(solver).solve(m, **options)
            found[side] += (pyo.value(m.cost) - weights @ expected) / weights.size
        return found[0], found[1]

    return extremes


# ---- a network at points


def is_stepped(net: fx.Function) -> bool:
    """Whether margins keep free inputs away from thresholds."""
    return any(operator.name in STEPS for operator, *_ in net._nodes())


def extremes_of(
    net: fx.Function, lower: np.ndarray, upper: np.ndarray, formulation: str, sides: np.ndarray
) -> Extremes:
    """By the solver that reads the formulation; `sides` (2, outputs) is told which ones an epigraph is exact on."""
    if formulation in ("external", "reduced-space"):
        return by_pyomo(net, lower, upper, formulation, "", sides)
    builder = Builder(formulation)
    y = builder.place(net, lower, upper)
    if any("is approximated" in note for note in builder.counts.notes):
        raise FormulationError("it states its error, and has a test of its own")
    if formulation == "epigraph":
        sides[:] = builder.curvature_of_outputs
    algebra = builder.algebra
    if algebra.calls:
        solver = "scip_direct" if algebra.is_integer.any() else "fastexpr"
        return by_pyomo(net, lower, upper, formulation, solver, sides)
    if is_stepped(net) or formulation == "complementarity":
        solver = "scip_direct" if algebra.pairs and formulation == "sos1" else "appsi_highs"
        return by_pyomo(net, lower, upper, formulation, solver, sides)
    return by_scip(builder, y) if algebra.pairs else by_highs(builder, y)


def checked(
    net: fx.Function, lower: Any, upper: Any, formulation: str, count: int, seed: int = 0
) -> tuple[float, int] | None:
    """The largest relative error at some points, and their number; None where there is no such formulation of it.

    Of an epigraph, one side counts: convex outputs are bounded from below, concave ones from above.
    """
    lower = np.broadcast_to(np.asarray(lower, float), (net.n_inputs,))
    upper = np.broadcast_to(np.asarray(upper, float), (net.n_inputs,))
    sides = np.ones((2, net.n_outputs), bool)
    try:
        extremes = extremes_of(net, lower, upper, formulation, sides)
    except FormulationError:
        return None
    points = points_of(net, lower, upper, count, seed)
    worst = 0.0
    for x in points:
        expected = net(x)
        scale = np.maximum(1.0, abs(expected))
        errors = abs(np.array(extremes(x)) - expected) / scale
        errors = np.where(np.isnan(errors), np.inf, errors)[sides]
        worst = max(worst, float(errors.max(initial=0.0)))
    return worst, len(points)


FORMULATIONS = (
    "bigm", "partition", "sos1", "complementarity", "epigraph", "full-space", "reduced-space", "external",
)  # fmt: skip


def cases() -> Iterator[tuple[str, fx.Function, Any, Any]]:
    """Every operator of the table, and networks."""
    for row in ROWS:
        low, high = (max(row.between[0], -2.0), min(row.between[1], 2.0))
        matrix = np.random.default_rng(1).normal(size=(row.n, row.n)) / np.sqrt(row.n)
        is_anywhere = row.between[0] <= -2.0 and row.between[1] >= 2.0
        yield str(row), row.function(matrix) if is_anywhere else row.function(), low, high
    for name, make in formulation_networks.NETWORKS.items():
        yield name, *make()


def main(texts: Sequence[str] | None = None) -> None:
    """Prints what every formulation said about how many networks and points."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=100)
    parser.add_argument("--only", default="", help="cases whose name holds this")
    parser.add_argument("--formulations", nargs="*", default=FORMULATIONS)
    arguments = parser.parse_args(texts)
    logging.getLogger("pyomo").setLevel(logging.CRITICAL)  # it prints what is refused, operator by operator
    failures = []
    for formulation in arguments.formulations:
        begin, n_cases, n_points, worst = time.process_time(), 0, 0, 0.0
        for name, net, lower, upper in cases():
            if arguments.only not in name:
                continue
            try:
                found = checked(net, lower, upper, formulation, arguments.points)
            except Exception as error:
                failures.append(f"{formulation}, {name}: {type(error).__name__}: {str(error)[:200]}")
                print("  ", failures[-1], flush=True)
                continue
            if found is None:
                continue
            n_cases, n_points, worst = n_cases + 1, n_points + found[1], max(worst, found[0])
            if found[0] > TOLERANCE:
                failures.append(f"{formulation}, {name}: {found[0]:.3g}")
                print("  ", failures[-1], flush=True)
        took = time.process_time() - begin
        print(
            f"{formulation}: {n_cases} networks, {n_points} points, at most {worst:.2g} off; {took:.0f} s", flush=True
        )
    if failures:
        raise SystemExit(f"{len(failures)} failures")


if __name__ == "__main__":
    main()
