"""Networks and trees as mixed-integer programs, beside OMLT, gurobi-ml and PySCIPOpt-ML: building, size, solving.

Answers first: every optimum is evaluated by the network or the trees themselves.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import highspy
import numpy as np
import pyomo.environ as pyo
from pyomo.contrib.appsi.solvers import Highs
from sklearn.datasets import load_digits, make_friedman1
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.neural_network import MLPRegressor

import fastexpr as fx
import fastexpr.pyomo as fxp
from benchmarks import machine
from benchmarks.formulation_peers import PEERS, omlt_network, omlt_trees, scip_trees
from benchmarks.tables import Table, show, write_csv
from fastexpr.formulations.affine import entries
from fastexpr.formulations.building import Builder
from fastexpr.solvers.highs import LinearProgram

EPS = 0.05
TOLERANCE = 1e-5  # of an answer


def large_digits() -> tuple[np.ndarray, np.ndarray]:
    """scikit-learn's digits on 28 by 28 pixels between 0 and 1."""
    digits = load_digits()
    images = np.kron(digits.images / 16.0, np.ones((4, 4)))[:, 2:30, 2:30]
    return images.reshape(len(images), -1), digits.target


def classifier(sizes: tuple[int, ...]) -> tuple[fx.Function, list[tuple[np.ndarray, np.ndarray]], Any]:
    """A network of logits, its layers for OMLT, and the estimator."""
    X, labels = large_digits()
    model = MLPRegressor(hidden_layer_sizes=sizes, max_iter=60, random_state=0, alpha=0.05).fit(
        X, 4.0 * np.eye(10)[labels]
    )
    layers = list(zip(model.coefs_, model.intercepts_, strict=True))
    return fx.from_sklearn(model), layers, model


def timed(action: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    """Median CPU seconds, and what it returned last."""
    samples, found = [], None
    for _ in range(repeats):
        begin = time.process_time()
        found = action()
        samples.append(time.process_time() - begin)
    return statistics.median(samples), found


# ---- a network


def in_highs(net: fx.Function, lower: np.ndarray, upper: np.ndarray, weights: np.ndarray) -> tuple[Any, Builder, Any]:
    """The network in HiGHS, with weights @ outputs to be maximized."""
    builder = Builder("bigm")
    y = builder.place(net, lower, upper)
    out = builder.algebra.add_columns(*builder.output_bounds)
    n = builder.algebra.n_columns
    builder.algebra.add_rows(0.0, y - entries(out.size, n, np.arange(out.size), out), 0.0)
    A, low, high = builder.algebra.rows()
    cost = np.zeros(n)
    cost[out] = -weights
    algebra = builder.algebra
    program = LinearProgram(algebra.lower, algebra.upper, algebra.is_integer, A, low, high, cost)
    return program.highs(), builder, program


def in_pyomo(net: fx.Function, lower: np.ndarray, upper: np.ndarray) -> Any:
    model = pyo.ConcreteModel()
    model.nn = fxp.NetworkBlock(net.with_bounds(lower, upper), formulation="bigm")
    return model


def building(table: Table, net: fx.Function, layers: Any, model: Any, x: np.ndarray, repeats: int) -> None:
    """784-50-50-10 in a box of EPS around an image."""
    lower, upper = np.clip(x - EPS, 0, 1), np.clip(x + EPS, 0, 1)
    weights = np.eye(10)[0]
    took, (_, builder, _) = timed(lambda: in_highs(net, lower, upper, weights), repeats)
    size = f"{builder.counts.binaries}, {builder.algebra.n_rows}"
    table.add("fastexpr, into HiGHS", f"{1e3 * took:.1f} ms", size)
    took, found = timed(lambda: in_pyomo(net, lower, upper), repeats)
    summary = found.nn.summary()
    table.add("fastexpr, into Pyomo", f"{1e3 * took:.1f} ms", f"{summary.binaries}, {summary.rows}")
    for name, peer in PEERS.items():
        try:
            took, size = peer(layers, model, lower, upper, repeats)
        except ImportError as error:
            print(f"{name}: {error}")
            continue
        table.add(name, f"{1e3 * took:.1f} ms", size)


def relaxed(highs: Any) -> float:
    """The optimum where no column has to be whole."""
    highs.setOptionValue("solve_relaxation", True)
    highs.run()
    if highs.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        raise SystemExit(f"HiGHS did not solve a relaxation: {highs.modelStatusToString(highs.getModelStatus())}")
    return float(highs.getInfo().objective_function_value)


def solved(highs: Any, limit: float) -> tuple[float, float, float, list[float]]:
    """CPU seconds, objective, bound and point."""
    highs.setOptionValue("time_limit", limit)
    begin = time.process_time()
    highs.run()
    took = time.process_time() - begin
    information = highs.getInfo()
    return took, information.objective_function_value, information.mip_dual_bound, list(highs.getSolution().col_value)


def robustness(table: Table, net: fx.Function, layers: Any, count: int, eps: float, limit: float) -> None:
    """The largest lead of the runner-up over an image's own class, in a box around it: ours and OMLT's big-M."""
    X, labels = large_digits()
    outputs = net(X)
    right = np.flatnonzero(outputs.argmax(axis=1) == labels)[:: max(1, len(labels) // (count + 1))][:count]
    times: dict[str, list[float]] = {"fastexpr": [], "omlt": []}
    gaps: dict[str, list[float]] = {"fastexpr": [], "omlt": []}
    unsolved: set[int] = set()
    for k in right:
        lower, upper = np.clip(X[k] - eps, 0, 1), np.clip(X[k] + eps, 0, 1)
        second = int(np.argsort(outputs[k])[-2])
        weights = np.eye(10)[second] - np.eye(10)[labels[k]]
        best = {}
        for name, make in (
            ("fastexpr", lambda lo=lower, up=upper, w=weights: in_highs(net, lo, up, w)[0]),
            ("omlt", lambda lo=lower, up=upper, w=weights: omlt_network(layers, lo, up, w)),
        ):
            took, objective, bound, _ = solved(make(), limit)
            times[name].append(max(took, 1e-3))
            best[name] = -objective
            gaps[name].append(-relaxed(make()) - best[name])  # of what is solved
            if not abs(objective - bound) <= 1e-3 * max(1.0, abs(objective)):
                print(f"{name}, image {k}: not solved within {limit:g} s; bracket {-objective:.3f}, {-bound:.3f}")
                unsolved.add(k)
        low = min(best.values())
        if k not in unsolved and max(best.values()) - low > 2e-3 * max(1.0, abs(low)):
            raise SystemExit(f"image {k}: the optima differ: {best}")
    solved_ones = [i for i, k in enumerate(right) if k not in unsolved]
    gaps = {name: [found[i] for i in solved_ones] or [np.nan] for name, found in gaps.items()}
    means = {name: statistics.geometric_mean(found) for name, found in times.items()}
    table.add(
        f"HiGHS, geometric mean of {len(right)}, eps {eps:g}",
        f"{means['fastexpr']:.3f} s",
        f"{means['omlt']:.3f} s",
        f"{means['fastexpr'] / means['omlt']:.2f}",
    )
    table.add(
        "gap of the relaxation, mean",
        f"{statistics.mean(gaps['fastexpr']):.2f}",
        f"{statistics.mean(gaps['omlt']):.2f}",
        f"{statistics.mean(gaps['fastexpr']) / statistics.mean(gaps['omlt']):.2f}",
    )


# ---- which formulation when


def small(sizes: tuple[int, ...], activation: Any) -> fx.Function:
    """Random weights."""
    random = np.random.default_rng(7)
    x = h = fx.variables(sizes[0])
    for k in sizes[1:-1]:
        h = activation(random.normal(size=(k, h.size)) / np.sqrt(h.size) @ h + 0.3 * random.normal(size=k))
    return fx.Function(x, random.normal(size=(sizes[-1], h.size)) @ h).with_bounds(-1.0, 1.0)


def choices(table: Table) -> None:
    """One minimum by each formulation and solver."""
    cases = [
        ("ReLU 3-8-8-1", lambda z: np.maximum(z, 0.0), (3, 8, 8, 1), ["bigm", "sos1"]),
        ("tanh 2-4-4-1", np.tanh, (2, 4, 4, 1), ["full-space", "reduced-space"]),
    ]
    for label, activation, sizes, formulations in cases:
        net = small(sizes, activation)
        best = net(np.random.default_rng(0).uniform(-1, 1, (100_000, sizes[0]))).min()
        for formulation in formulations:
            for solver in ("appsi_highs", "scip_direct"):
                if solver == "appsi_highs" and formulation != "bigm":
                    continue
                m = pyo.ConcreteModel()
                m.nn = fxp.NetworkBlock(net, formulation=formulation)
                m.cost = pyo.Objective(expr=m.nn.outputs[0])
                begin = time.process_time()
                pyo.SolverFactory(solver).solve(m)
                took = time.process_time() - begin
                own = float(net([v.value for v in m.nn.inputs.values()])[0])
                if own > best + 1e-3 or abs(own - pyo.value(m.cost)) > 1e-4:
                    raise SystemExit(f"{label}, {formulation}, {solver}: {own} at the point, samples reach {best}")
                table.add(f"{label}, {formulation}", solver, f"{took:.2f} s", f"{pyo.value(m.cost):.6f}")


# ---- trees


def trees(table: Table, limit: float, repeats: int) -> None:
    """100 boosted trees of depth 5 over ten inputs, maximized within two linear limits."""
    X, y = make_friedman1(1000, 10, random_state=0)
    model = GradientBoostingRegressor(n_estimators=100, max_depth=5, random_state=0).fit(X, y)
    net = fx.from_sklearn(model).with_bounds(np.zeros(10), np.ones(10))

    def ours() -> Any:
        m = pyo.ConcreteModel()
        m.nn = fxp.NetworkBlock(net)
        limits(m, list(m.nn.inputs.values()))
        m.best = pyo.Objective(expr=m.nn.outputs[0], sense=pyo.maximize)
        return m

    def arrays() -> Any:
        p = fx.Problem()
        x = p.variables(10, lower=0, upper=1)
        out = p.network(net, x)
        p.subject_to(x.sum(), upper=4.0)
        p.subject_to(x[0] - x[1], upper=0.2)
        p.maximize(out[0])
        return p, x, out

    def placed() -> Any:
        builder = Builder("bigm")
        builder.place(net, np.zeros(10), np.ones(10))
        return builder.algebra.rows()

    build_arrays, _ = timed(placed, repeats)
    build_pyomo, m = timed(ours, repeats)
    p, x, out = arrays()
    begin = time.process_time()
    result = p.solve(solver="highs", time_limit=limit)
    took = time.process_time() - begin
    claim = float(result[out][0])
    predicted = float(model.predict([result[x]])[0])
    if abs(claim - predicted) > TOLERANCE:
        raise SystemExit(f"the trees predict {predicted}, the model says {claim}")
    gap = abs(result.objective_bound - result.objective) / abs(result.objective)
    table.add(
        "fastexpr", f"{build_arrays:.3f} s, {build_pyomo:.3f} s", f"{root_of(m):.2f}", f"{100 * gap:.1f} %",
        f"{took:.1f} s", f"{claim:.4f}, {predicted:.4f}",
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        build, peer, inputs, output = omlt_trees(model, Path(folder), repeats)
    limits(peer, inputs)
    peer.best = pyo.Objective(expr=output, sense=pyo.maximize)
    begin = time.process_time()
    solver = Highs()
    solver.config.time_limit, solver.config.load_solution = limit, False
    found = solver.solve(peer)
    took = time.process_time() - begin
    bound, objective = found.best_objective_bound, found.best_feasible_objective
    said, gap_text = "none", f"bound {bound:.2f}"
    if objective is not None and np.isfinite(objective):
        found.solution_loader.load_vars()
        said = f"{pyo.value(output):.4f}, {float(model.predict([[v.value for v in inputs]])[0]):.4f}"
        gap_text = f"{100 * abs(bound - objective) / abs(objective):.1f} %"
    table.add("OMLT", f"-, {build:.3f} s", f"{root_of(peer):.2f}", gap_text, f"{took:.1f} s", said)
    try:
        build, took, bound, objective, point = scip_trees(model, repeats, limit)
    except ImportError as error:
        print(f"PySCIPOpt-ML: {error}")
        return
    predicted = float(model.predict([point])[0]) if np.isfinite(objective) else np.nan
    table.add(
        "PySCIPOpt-ML, into SCIP", f"{build:.3f} s, -", "-", f"{100 * abs(bound - objective) / abs(objective):.1f} %",
        f"{took:.1f} s", f"{objective:.4f}, {predicted:.4f}",
    )  # fmt: skip


def limits(m: Any, x: list[Any]) -> None:
    """The two rows."""
    m.sum_limit = pyo.Constraint(expr=sum(x) <= 4.0)
    m.order = pyo.Constraint(expr=x[0] - x[1] <= 0.2)


def root_of(m: Any) -> float:
    """The optimum of the linear relaxation."""
    other = m.clone()
    pyo.TransformationFactory("core.relax_integer_vars").apply_to(other)
    pyo.SolverFactory("appsi_highs").solve(other)
    return float(pyo.value(other.best))


def run(arguments: argparse.Namespace) -> None:
    """All tables, or the parts asked for."""
    machine.introduce(
        arguments,
        [
            *("highspy", "omlt", "pyomo", "gurobi-machinelearning", "gurobipy"),
            *("pyscipopt", "pyscipopt-ml", "scikit-learn"),
        ],
    )
    repeats = 1 if arguments.quick else 5
    tables = []
    if {"building", "robustness"} & set(arguments.parts):
        net, layers, model = classifier((50, 50))
    if "building" in arguments.parts:
        X, _ = large_digits()
        title = f"784-50-50-10 in a box of {EPS:g} around an image, CPU time"
        tables.append(Table(title, ["", "building", "binaries, rows"]))
        building(tables[-1], net, layers, model, X[0], repeats)
    if "robustness" in arguments.parts:
        tables.append(Table("Robustness, CPU time of HiGHS", ["", "fastexpr", "OMLT", "ratio"]))
        robustness(tables[-1], net, layers, 3 if arguments.quick else 12, arguments.eps, arguments.limit)
    if "choices" in arguments.parts:
        tables.append(Table("A minimum, CPU time of building and solving", ["", "solver", "CPU", "minimum"]))
        choices(tables[-1])
    if "trees" in arguments.parts:
        title = f"100 trees of depth 5, ten inputs, two limits; solvers stop after {arguments.limit:g} s"
        tables.append(Table(title, ["", "building (arrays, Pyomo)", "root", "gap", "CPU", "claimed, predicted"]))
        trees(tables[-1], arguments.limit, repeats)
    for table in tables:
        show(table, arguments.markdown)
    if arguments.output is not None:
        rows = [dict(zip(t.header, row, strict=True)) | {"table": t.title} for t in tables for row in t.rows]
        write_csv(arguments.output / "formulations.csv", rows)
