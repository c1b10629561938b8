"""Who solves the problem of `benchmarks.limits`: each function is run in a fresh process, and imports what it needs.

All use the same Ipopt options: its defaults, and no output.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.processes import Laps


def fastexpr(laps: Laps, folder: str) -> dict[str, Any]:
    """`fastexpr.Problem`, the network from its saved file."""
    import fastexpr as fx
    from benchmarks import limits
    from fastexpr.solvers import choose

    choose()  # imports the solver
    laps("import")
    x0, c = limits.read_points(Path(folder))
    net = fx.load(Path(folder) / "network.fx")
    problem = fx.Problem()
    x = problem.variables(net.n_inputs, start=x0)
    problem.network(net, x, upper=c)
    problem.minimize(((x - x0) ** 2).sum())
    laps("build")
    result = problem.solve()
    laps("solve")
    return limits.answer(result[x], result.objective, result.iterations)


def pyomo(laps: Laps, folder: str) -> dict[str, Any]:
    """Pyomo, solved in process."""
    import pyomo.environ as pyo

    import fastexpr as fx
    import fastexpr.pyomo as fxp
    from benchmarks import limits

    solver = pyo.SolverFactory("fastexpr")
    solver.solve(tiny_model(pyo))  # imports the rest
    laps("import")
    x0, c = limits.read_points(Path(folder))
    model = pyomo_model(pyo, fxp, fx.load(Path(folder) / "network.fx"), x0, c)
    laps("build")
    results = solver.solve(model)
    laps("solve")
    pyo.assert_optimal_termination(results)
    return limits.answer([v.value for v in model.x.values()], pyo.value(model.distance))


def tiny_model(pyo: Any) -> Any:
    """One variable."""
    model = pyo.ConcreteModel()
    model.x = pyo.Var(initialize=1.0)
    model.square = pyo.Objective(expr=model.x**2)
    return model


def pyomo_model(pyo: Any, fxp: Any, net: Any, x0: Any, c: Any) -> Any:
    """The problem in Pyomo, with the network as a block."""
    model = pyo.ConcreteModel()
    model.x = pyo.Var(range(net.n_inputs), initialize=lambda model, i: x0[i])
    model.y = pyo.Var(range(net.n_outputs), bounds=lambda model, k: (None, c[k]))
    model.nn = fxp.NetworkBlock(net, inputs=model.x, outputs=model.y)
    model.distance = pyo.Objective(expr=sum((model.x[i] - x0[i]) ** 2 for i in range(net.n_inputs)))
    return model


def jax(laps: Laps, folder: str) -> dict[str, Any]:
    """JAX's derivatives, compiled, in double precision; cyipopt."""
    import cyipopt
    import jax.numpy  # noqa: F401

    from benchmarks import peers
    from benchmarks.oracles import layers_as_network, solve_with_limits

    laps("import")
    evaluators = peers.jax_functions(layers_as_network(Path(folder)))
    return solve_with_limits(laps, cyipopt, evaluators, Path(folder))


def numpy(laps: Laps, folder: str) -> dict[str, Any]:
    """The layerwise algorithm written by hand on NumPy; cyipopt."""
    import cyipopt
    import scipy.linalg.blas  # noqa: F401

    from benchmarks import peers
    from benchmarks.oracles import layers_as_network, solve_with_limits

    laps("import")
    evaluators = peers.numpy_functions(layers_as_network(Path(folder)))
    return solve_with_limits(laps, cyipopt, evaluators, Path(folder))


def casadi(laps: Laps, folder: str) -> dict[str, Any]:
    """CasADi's matrix expressions (MX), with the Ipopt that comes with it."""
    import casadi as ca

    from benchmarks import limits

    laps("import")
    x0, c = limits.read_points(Path(folder))
    *hidden, (W, b) = limits.read_layers(Path(folder))
    x = a = ca.MX.sym("x", x0.size)
    for V, bias in hidden:
        a = ca.tanh(ca.mtimes(ca.DM(V), a) + ca.DM(bias))
    problem = {"x": x, "f": ca.sumsqr(x - x0), "g": ca.mtimes(ca.DM(W), a) + ca.DM(b)}
    solver = ca.nlpsol("solver", "ipopt", problem, {"ipopt.print_level": 0, "ipopt.sb": "yes", "print_time": False})
    laps("build")
    solution = solver(x0=x0, ubg=c, lbg=-ca.inf)
    laps("solve")
    return limits.answer(solution["x"].full().ravel(), solution["f"], solver.stats()["iter_count"])


def omlt(laps: Laps, folder: str) -> dict[str, Any]:
    """OMLT's full space, a variable and an equation for every unit; POUNCE."""
    import onnx
    import pyomo.environ as pyo
    from omlt import OmltBlock
    from omlt.io import load_onnx_neural_network
    from omlt.neuralnet import FullSpaceSmoothNNFormulation

    from benchmarks import limits

    laps("import")
    x0, c = limits.read_points(Path(folder))
    definition = load_onnx_neural_network(onnx.load(Path(folder) / "network.onnx"))
    model = pyo.ConcreteModel()
    model.nn = OmltBlock()
    model.nn.build_formulation(FullSpaceSmoothNNFormulation(definition))
    inputs, outputs = list(model.nn.inputs.values()), list(model.nn.outputs.values())
    for variable, start in zip(inputs, x0, strict=True):
        variable.set_value(start)
    for variable, limit in zip(outputs, c, strict=True):
        variable.setub(limit)
    model.distance = pyo.Objective(expr=sum((v - start) ** 2 for v, start in zip(inputs, x0, strict=True)))
    laps("build")
    pyo.assert_optimal_termination(pyo.SolverFactory("pounce").solve(model))
    laps("solve")
    return limits.answer([v.value for v in inputs], pyo.value(model.distance))
