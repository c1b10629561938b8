"""Who solves the set, each in a way that its own pages recommend: a function of a case that returns an Answer."""

from __future__ import annotations

import contextlib
import io
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.answer_set import Case

Array = NDArray[Any]


@dataclass
class Answer:
    """What a candidate says of a case."""

    status: str  # "optimal", "acceptable", "infeasible", or what else it says
    x: Array
    message: str = ""
    iterations: int = 0
    seconds: float = 0.0  # statement and solve, imports not included
    named: list[str] = field(default_factory=list)  # rows that it blames for infeasibility


# ---- ours


def problem_of(case: Case, form: str = "variables") -> tuple[Any, Any]:
    """As `fastexpr.Problem`: outputs as variables (the method network), or networks inside expressions."""
    import fastexpr as fx

    functions = [fx.load_onnx(network.onnx(), check=False) for network in case.networks]
    p = fx.Problem()
    x = p.variables(case.lower.size, lower=case.lower, upper=case.upper, start=case.start)
    nets = [lambda z, f=f: p.network(f, z) if form == "variables" else f(z) for f in functions]
    objective, rows = case.state(x, nets)
    p.minimize(objective)
    for name, expression, lower, upper in rows:
        given = {
            "lower": None if np.all(np.isneginf(lower)) else lower,
            "upper": None if np.all(np.isposinf(upper)) else upper,
        }
        p.subject_to(expression, name=name, **given)
    return p, x


def ours(case: Case, limit: float, form: str = "variables", **settings: Any) -> Answer:
    begin = time.perf_counter()
    p, x = problem_of(case, form)
    result = p.solve(time_limit=limit, **settings)
    return Answer(
        result.status, result[x], result.message, result.iterations, time.perf_counter() - begin,
        [name for name in set(case.row_names()) if name in result.message],
    )  # fmt: skip


def default(case: Case, limit: float) -> Answer:
    """p.solve()."""
    return ours(case, limit)


def expression(case: Case, limit: float) -> Answer:
    """p.solve(), the networks inside expressions."""
    return ours(case, limit, "expression")


def high(case: Case, limit: float) -> Answer:
    """p.solve(effort="high")."""
    return ours(case, limit, effort="high")


def many(case: Case, limit: float, starts: int = 20, seed: int = 0) -> Answer:
    """fx.multistart(p, starts=20)."""
    import fastexpr as fx

    begin = time.perf_counter()
    p, x = problem_of(case)
    found = fx.multistart(p, starts=starts, seed=seed, time_limit=limit)
    result = found.best
    return Answer(
        result.status, result[x], result.message, sum(row["iterations"] for row in found.table),
        time.perf_counter() - begin, [name for name in set(case.row_names()) if name in result.message],
    )  # fmt: skip


def pyomo_model(case: Case, block: Callable[[Any, Any, Any], Any]) -> tuple[Any, list[Any]]:
    """As a Pyomo model; `block(model, network, inputs)` adds a network and returns its outputs."""
    import pyomo.environ as pyo

    m = pyo.ConcreteModel()
    n = case.lower.size
    m.x = pyo.Var(range(n))
    for j, value in enumerate(case.center.tolist()):
        m.x[j].setlb(float(case.lower[j]))
        m.x[j].setub(float(case.upper[j]))
        m.x[j].set_value(value)
    x = np.array([m.x[j] for j in range(n)], dtype=object)

    def net(network: Any) -> Callable[[Any], Any]:
        def call(z: Any) -> Any:
            if np.ndim(z) == 1:
                return block(m, network, list(z))
            return np.array([block(m, network, list(point)) for point in z], dtype=object)

        return call

    objective, rows = case.state(x, [net(network) for network in case.networks])
    m.objective = pyo.Objective(expr=objective)
    for name, values, lower, upper in rows:
        flat = np.atleast_1d(np.asarray(values, dtype=object)).ravel()
        low, high = (np.broadcast_to(side, np.shape(values)).ravel() for side in (lower, upper))
        component = pyo.Constraint(range(flat.size))
        m.add_component(f"{name}_rows", component)
        for k in range(flat.size):
            if low[k] == high[k]:
                component[k] = flat[k] == float(high[k])
            else:
                sides = [float(side) if np.isfinite(side) else None for side in (low[k], high[k])]
                component[k] = (sides[0], flat[k], sides[1])
    return m, list(x)


def in_pyomo(case: Case, limit: float, **settings: Any) -> Answer:
    """NetworkBlock and SolverFactory("fastexpr")."""
    import pyomo.environ as pyo
    from pyomo.common.modeling import unique_component_name

    import fastexpr as fx
    import fastexpr.pyomo as fxp

    begin = time.perf_counter()
    functions = {id(network): fx.load_onnx(network.onnx(), check=False) for network in case.networks}

    def block(m: Any, network: Any, inputs: Any) -> Any:
        name = unique_component_name(m, "net")
        m.add_component(name, fxp.NetworkBlock(functions[id(network)], inputs=inputs))
        outputs = m.component(name).outputs
        return np.array(list(outputs.values()), dtype=object)

    m, x = pyomo_model(case, block)
    results = pyo.SolverFactory("fastexpr").solve(m, time_limit=limit, load_solutions=True, **settings)
    status = str(results.solver.termination_condition)
    message = results.solver.message
    seconds = time.perf_counter() - begin
    return Answer(
        "infeasible" if "nfeasible" in status else status, values_of(x), message,
        int(results.solver.statistics.black_box.number_of_iterations), seconds,
        [name for name in set(case.row_names()) if name in message],
    )  # fmt: skip


def values_of(variables: list[Any]) -> Array:
    return np.array([np.nan if v.value is None else v.value for v in variables], dtype=float)


# ---- others


def omlt(case: Case, limit: float) -> Answer:
    """OMLT in full space, solved by POUNCE; ReLU by complementarity, the formulation of it that needs no integers."""
    import pyomo.environ as pyo
    from omlt import OmltBlock
    from omlt.io import load_onnx_neural_network
    from omlt.neuralnet import FullSpaceSmoothNNFormulation, ReluComplementarityFormulation
    from pyomo.common.modeling import unique_component_name

    logging.getLogger("pyomo").setLevel(logging.ERROR)  # values outside of bounds, unsolved models
    begin = time.perf_counter()

    def block(m: Any, network: Any, inputs: Any) -> Any:
        bounds = {(0, i): (float(v.lb), float(v.ub)) for i, v in enumerate(inputs)}
        definition = load_onnx_neural_network(single(network), input_bounds=bounds)
        name = unique_component_name(m, "net")
        m.add_component(name, OmltBlock())
        kind = ReluComplementarityFormulation if network.activation == "relu" else FullSpaceSmoothNNFormulation
        built = m.component(name)
        built.build_formulation(kind(definition))
        link = pyo.Constraint(range(len(inputs)), rule=lambda m, i: built.inputs[0, i] == inputs[i])
        m.add_component(f"{name}_inputs", link)
        return np.array([built.outputs[0, k] for k in range(network.n_outputs)], dtype=object)

    m, x = pyomo_model(case, block)
    if case.is_kinked:
        pyo.TransformationFactory("mpec.simple_nonlinear").apply_to(m)
    left = limit - (time.perf_counter() - begin)
    if left <= 0.0:
        return Answer("time_limit", values_of(x), "the model took longer to build", 0, limit)
    solver = pyo.SolverFactory("pounce")
    solver.options["max_wall_time"] = left
    with contextlib.redirect_stdout(io.StringIO()):
        results = solver.solve(m, load_solutions=False)
    if len(results.solution):
        m.solutions.load_from(results)
    return Answer(
        str(results.solver.termination_condition), values_of(x), str(results.solver.message), 0,
        time.perf_counter() - begin,
    )  # fmt: skip


def single(network: Any) -> Any:
    """The model of one point, as OMLT reads it."""
    model = network.onnx()
    for info in (*model.graph.input, *model.graph.output):
        info.type.tensor_type.shape.dim[0].dim_value = 1
    return model


class Jax:
    """f, g and their derivatives by JAX, compiled."""

    def __init__(self, case: Case) -> None:
        import jax
        import jax.numpy as jnp

        kinds = {"tanh": jnp.tanh, "logistic": jax.nn.sigmoid, "relu": jax.nn.relu}

        def net(network: Any) -> Callable[[Any], Any]:
            layers = [(jnp.asarray(W), jnp.asarray(b)) for W, b in network.layers]

            def call(z: Any) -> Any:
                for W, b in layers[:-1]:
                    z = kinds[network.activation](z @ W.T + b)
                return z @ layers[-1][0].T + layers[-1][1]

            return call

        nets = [net(network) for network in case.networks]

        def f(x: Any) -> Any:
            return case.state(x, nets)[0]

        def g(x: Any) -> Any:
            rows = case.state(x, nets)[1]
            return jnp.concatenate([jnp.ravel(entry[1]) for entry in rows]) if rows else jnp.zeros(0)

        _, values, self.lower, self.upper = case.evaluate(case.center)
        self.m = values.size
        self.objective, self.gradient = jax.jit(f), jax.jit(jax.grad(f))
        self.constraints, self.jacobian = (
            jax.jit(g),
            jax.jit(jax.jacrev(g) if self.m < case.lower.size else jax.jacfwd(g)),
        )
        self.lagrangian_hessian = jax.jit(jax.hessian(lambda x, w, s: s * f(x) + w @ g(x)))

    def hessian(self, x: Array, multipliers: Array, factor: float) -> Array:
        H = np.asarray(self.lagrangian_hessian(x, multipliers, factor))
        return H[np.tril_indices(x.size)]


def jax_cyipopt(case: Case, limit: float) -> Answer:
    """Exact dense derivatives by JAX, and Ipopt."""
    import cyipopt

    begin = time.perf_counter()
    jax = Jax(case)
    n = case.lower.size
    rows, columns = np.tril_indices(n)

    class Callbacks:
        iterations = 0

        def objective(self, x: Array) -> float:
            return float(jax.objective(x))

        def gradient(self, x: Array) -> Array:
            return np.asarray(jax.gradient(x))

        def constraints(self, x: Array) -> Array:
            return np.asarray(jax.constraints(x))

        def jacobian(self, x: Array) -> Array:
            return np.asarray(jax.jacobian(x)).ravel()

        def hessianstructure(self) -> Any:
            return rows, columns

        def hessian(self, x: Array, multipliers: Array, factor: float) -> Array:
            return jax.hessian(x, multipliers, factor)

        def intermediate(self, mode: int, iteration: int, *_: Any) -> bool:
            Callbacks.iterations = iteration
            return time.perf_counter() - begin < limit

    problem = cyipopt.Problem(n, jax.m, Callbacks(), case.lower, case.upper, jax.lower, jax.upper)
    problem.add_option("print_level", 0)
    problem.add_option("sb", "yes")
    x, info = problem.solve(case.center)
    words = {0: "optimal", 1: "acceptable", 2: "infeasible", 6: "optimal"}
    said = info["status_msg"]
    return Answer(
        words.get(info["status"], "failed"), x, said.decode() if isinstance(said, bytes) else said,
        Callbacks.iterations, time.perf_counter() - begin,
    )  # fmt: skip


def find_minima(method: str) -> Callable[[Case, float], Answer]:
    """POUNCE's search for several minima, of at most 20 solves as ours; first derivatives by JAX."""

    def solve(case: Case, limit: float) -> Answer:
        import os
        import warnings

        os.environ["RUST_LOG"] = "off"
        import pounce

        begin = time.perf_counter()
        jax = Jax(case)

        def objective(x: Array) -> float:
            return float(jax.objective(x)) if time.perf_counter() - begin < limit else np.nan

        def row(rows: Array, sign: float, limits: Array) -> dict[str, Any]:
            return {
                "fun": lambda x: sign * (np.asarray(jax.constraints(x))[rows] - limits[rows]),
                "jac": lambda x: sign * np.asarray(jax.jacobian(x))[rows],
            }

        is_equation = jax.lower == jax.upper
        groups = [
            ("eq", is_equation, 1.0, jax.lower),
            ("ineq", ~is_equation & np.isfinite(jax.lower), 1.0, jax.lower),
            ("ineq", ~is_equation & np.isfinite(jax.upper), -1.0, jax.upper),
        ]
        constraints = [{"type": kind, **row(rows, sign, limits)} for kind, rows, sign, limits in groups if rows.any()]
        logging.disable(logging.WARNING)
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            found = pounce.find_minima(
                objective,
                case.center,
                method=method,
                jac=lambda x: np.asarray(jax.gradient(x)),
                bounds=list(zip(case.lower.tolist(), case.upper.tolist(), strict=True)),
                constraints=constraints or None,
                n_minima=20,
                max_solves=20,
                seed=0,
            )
        seconds = time.perf_counter() - begin
        if not len(found.minima):
            return Answer("failed", case.center, str(found.status), 0, seconds)
        return Answer("optimal", np.asarray(found.x, dtype=float), str(found.status), 0, seconds)

    return solve


def scipy_method(method: str) -> Callable[[Case, float], Answer]:
    """SciPy's minimize, with derivatives by JAX."""

    def solve(case: Case, limit: float) -> Answer:
        from scipy.optimize import Bounds, NonlinearConstraint, minimize

        begin = time.perf_counter()
        jax = Jax(case)
        is_trust = method == "trust-constr"

        class OutOfTimeError(Exception):
            pass

        latest = [case.center]

        def objective(x: Array) -> float:
            latest[0] = np.array(x)
            if time.perf_counter() - begin > limit:
                raise OutOfTimeError
            return float(jax.objective(x))

        def curvature(rows: Array, x: Array, w: Array) -> Array:
            weights = np.zeros(jax.m)
            weights[rows] = w
            return np.asarray(jax.lagrangian_hessian(x, weights, 0.0))

        is_equation = jax.lower == jax.upper
        constraints = [
            NonlinearConstraint(
                lambda x, rows=rows: np.asarray(jax.constraints(x))[rows],
                jax.lower[rows],
                jax.upper[rows],
                jac=lambda x, rows=rows: np.asarray(jax.jacobian(x))[rows],
                **({"hess": lambda x, w, rows=rows: curvature(rows, x, w)} if is_trust else {}),
            )
            for rows in (is_equation, ~is_equation)
            if rows.any()
        ]
        hess = {"hess": lambda x: np.asarray(jax.lagrangian_hessian(x, np.zeros(jax.m), 1.0))} if is_trust else {}
        options = {"maxiter": 3000} if is_trust else {"maxiter": 3000, "ftol": 1e-9}
        try:
            found = minimize(
                objective, case.center, jac=lambda x: np.asarray(jax.gradient(x)), method=method,
                bounds=Bounds(case.lower, case.upper), constraints=constraints, options=options, **hess,
            )  # fmt: skip
        except OutOfTimeError:
            return Answer("time_limit", latest[0], "", 0, time.perf_counter() - begin)
        except ValueError as error:
            return Answer("failed", latest[0], str(error), 0, time.perf_counter() - begin)
        is_done = found.success or (is_trust and found.status in (1, 2))
        return Answer(
            "optimal" if is_done else "failed", np.array(found.x), str(found.message), int(found.nit),
            time.perf_counter() - begin,
        )  # fmt: skip

    return solve


CANDIDATES: dict[str, Callable[[Case, float], Answer]] = {
    "default": default,
    "expression": expression,
    "high": high,
    "20 starts": many,
    "pyomo": in_pyomo,
    "deflation": find_minima("deflation"),
    "mlsl": find_minima("mlsl"),
    "omlt": omlt,
    "jax": jax_cyipopt,
    "slsqp": scipy_method("SLSQP"),
    "trust-constr": scipy_method("trust-constr"),
}
