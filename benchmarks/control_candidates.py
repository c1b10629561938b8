"""Who solves the problem of `benchmarks.control`: each function is run in a fresh process, and imports what it needs.

The first solve has laps of its own; it is then solved again, from the same start, for a median.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.processes import Laps


def fastexpr(laps: Laps, folder: str, steps: int, repeats: int) -> dict[str, Any]:
    """`fastexpr.Problem`, the network from its saved file."""
    import fastexpr as fx
    from benchmarks import control
    from fastexpr.solvers import choose

    choose()  # imports the solver
    laps("import")
    _, states, controls, wanted = control.start(Path(folder), steps)
    net = fx.load(Path(folder) / "network.fx")
    problem, _, u = control.problem_of(net, states, controls, wanted)
    laps("build")
    result = problem.solve()
    laps("solve")
    nlp = problem.nlp()
    answer = make_answer(result[u], result.objective, len(nlp.start), nlp, result.iterations)
    return answer | {"again": repeated(laps, repeats, problem.solve)}


def pyomo(laps: Laps, folder: str, steps: int, repeats: int) -> dict[str, Any]:
    """Pyomo, solved in process."""
    import pyomo.environ as pyo

    import fastexpr as fx
    import fastexpr.pyomo as fxp
    from benchmarks import control
    from benchmarks.solve_candidates import tiny_model
    from fastexpr.pyomo.compile.compiled import compile_model

    solver = pyo.SolverFactory("fastexpr")
    solver.solve(tiny_model(pyo))  # imports the rest
    laps("import")
    _, states, controls, wanted = control.start(Path(folder), steps)
    net = fx.load(Path(folder) / "network.fx")
    model = pyomo_variables(pyo, states, controls)
    model.step = pyo.RangeSet(0, steps - 1)
    model.nn = fxp.NetworkBlock(
        model.step,
        network=net,
        inputs=lambda m, k: [*m.x[k, :], *m.u[k // control.HELD, :]],
        outputs=lambda m, k: list(m.x[k + 1, :]),
    )
    add_objective(pyo, model, wanted, steps)
    laps("build")
    pyo.assert_optimal_termination(solver.solve(model))
    laps("solve")
    u, value = [v.value for v in model.u.values()], pyo.value(model.cost)
    again = repeated(laps, repeats, lambda: solver.solve(model), lambda: reset(model, states, controls))
    nlp = compile_model(model).nlp
    return make_answer(u, value, nlp.n, nlp) | {"again": again}


def pyomo_variables(pyo: Any, states: Any, controls: Any) -> Any:
    """A model with x and u at their start; x_0 is fixed by its bounds, so that it stays a variable for everybody."""
    model = pyo.ConcreteModel()
    model.x = pyo.Var(range(states.shape[0]), range(states.shape[1]), initialize=lambda m, k, i: states[k, i])
    model.u = pyo.Var(
        range(controls.shape[0]), range(controls.shape[1]), bounds=(-1, 1), initialize=lambda m, j, i: controls[j, i]
    )
    for i, value in enumerate(states[0]):
        model.x[0, i].setlb(value)
        model.x[0, i].setub(value)
    return model


def add_objective(pyo: Any, model: Any, wanted: Any, steps: int) -> None:
    from benchmarks import control

    x = [list(model.x[k, :]) for k in range(steps + 1)]
    u = [list(model.u[j, :]) for j in range(steps // control.HELD)]
    model.cost = pyo.Objective(expr=control.objective(x, u, wanted))


def reset(model: Any, states: Any, controls: Any) -> None:
    """Back to the start."""
    for variable, value in zip(model.x.values(), states.ravel(), strict=True):
        variable.set_value(value)
    for variable, value in zip(model.u.values(), controls.ravel(), strict=True):
        variable.set_value(value)


def jax(laps: Laps, folder: str, steps: int, repeats: int) -> dict[str, Any]:
    """JAX's derivatives of all steps as one batch, compiled, in double precision; sparse structure; cyipopt."""
    import cyipopt
    import jax.numpy  # noqa: F401

    from benchmarks import control, control_oracle

    laps("import")
    layers, states, controls, wanted = control.start(Path(folder), steps)
    oracle = control_oracle.Oracle(layers, states[0], wanted, steps)
    problem = control_oracle.make_problem(cyipopt, oracle)
    laps("build")
    start = oracle.joined(states, controls)
    z, info = problem.solve(start)
    laps("solve")
    answer = make_answer(oracle.split(z)[1], info["obj_val"], start.size, oracle, oracle.iterations)
    return answer | {"again": repeated(laps, repeats, lambda: problem.solve(start))}


def omlt(laps: Laps, folder: str, steps: int, repeats: int) -> dict[str, Any]:
    """OMLT's full space, a variable and an equation for every unit of every step; POUNCE."""
    import onnx
    import pyomo.environ as pyo
    from omlt import OmltBlock
    from omlt.io import load_onnx_neural_network
    from omlt.neuralnet import FullSpaceSmoothNNFormulation

    from benchmarks import control

    laps("import")
    _, states, controls, wanted = control.start(Path(folder), steps)
    definition = load_onnx_neural_network(onnx.load(Path(folder) / "network.onnx"))
    model = pyomo_variables(pyo, states, controls)
    model.nn = OmltBlock(range(steps))
    model.links = pyo.ConstraintList()
    for k in range(steps):
        model.nn[k].build_formulation(FullSpaceSmoothNNFormulation(definition))
        outside = [*model.x[k, :], *model.u[k // control.HELD, :], *model.x[k + 1, :]]
        inside = [*model.nn[k].inputs.values(), *model.nn[k].outputs.values()]
        for ours, theirs in zip(outside, inside, strict=True):
            theirs.set_value(ours.value)
            model.links.add(ours == theirs)
    add_objective(pyo, model, wanted, steps)
    laps("build")
    pyo.assert_optimal_termination(pyo.SolverFactory("pounce").solve(model))
    laps("solve")
    n = sum(1 for variable in model.component_data_objects(pyo.Var) if not variable.fixed)
    return make_answer([v.value for v in model.u.values()], pyo.value(model.cost), n, None) | {"again": []}


def repeated(
    laps: Laps, repeats: int, solve: Callable[[], object], prepare: Callable[[], object] = lambda: None
) -> list[float]:
    """Seconds of further solves."""
    times = []
    for _ in range(repeats):
        prepare()
        laps("between")
        solve()
        times.append(laps("again"))
    return times


def make_answer(u: Any, objective: float, n: int, structures: Any, iterations: int | None = None) -> dict[str, Any]:
    """What a candidate returns: the controls, the objective, sizes."""
    import numpy as np

    answer = {"u": np.ravel(u).tolist(), "objective": float(objective), "variables": n, "iterations": iterations}
    if structures is not None:
        answer["jacobian"] = len(structures.jacobianstructure()[0])
        answer["hessian"] = len(structures.hessianstructure()[0])
    return answer
