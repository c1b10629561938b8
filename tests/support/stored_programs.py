"""Twenty programs of both doors, and what they were at one point; `python tests/support/stored_programs.py` stores it.

Stored values hold through changes of how programs are compiled. They are written anew only where the mathematics of a
program in this file is meant to be another.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from folders import TESTS
from networks import network
from pyomo_models import MODELS

import fastexpr as fx
from fastexpr.nlp import Nlp
from fastexpr.problem.assembly import assemble
from fastexpr.pyomo.compile.compiled import compile_model

FILE = TESTS / "data" / "stored_programs.npz"
QUANTITIES = ("objective", "gradient", "constraints", "jacobian", "hessian")


def rosenbrock() -> fx.Problem:
    p = fx.Problem()
    x = p.variables(6, lower=-2, upper=2, start=0.3)
    p.minimize((100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum())
    p.subject_to(x.sum(), lower=1)
    return p


def sparse_chain() -> fx.Problem:
    p = fx.Problem()
    x = p.variables(12, lower=-3, upper=3)
    p.minimize((x**2).sum())
    p.subject_to(np.tanh(x[1:]) * x[:-1], upper=0.5)
    return p


def dense_terms() -> fx.Problem:
    p = fx.Problem()
    x = p.variables(10, lower=-1, upper=1)
    p.maximize(np.log(1.0 + (x**2).sum()) - np.exp(0.1 * x.sum()))
    p.subject_to(np.sqrt(1.0 + (np.arange(10) * x).sum() ** 2), upper=4)
    return p


def one_network_at_places() -> fx.Problem:
    p = fx.Problem()
    net = network(3, 2)
    x = p.variables((5, 3), lower=-1, upper=1)
    y = p.network(net, x)
    p.minimize(((y - 0.5) ** 2).sum() + (x[1:] * x[:-1]).sum())
    return p


def dynamics() -> fx.Problem:
    p = fx.Problem()
    net = network(4, 3, width=8, seed=1)
    state = p.variables((5, 3), lower=-5, upper=5)
    control = p.variables((4, 1), lower=-1, upper=1)
    following = p.network(net, np.concatenate([state[:-1], control], axis=1))
    p.subject_to(state[1:] - state[:-1] - 0.1 * following == 0)
    p.subject_to(state[0] == [1.0, 0.0, -1.0])
    p.minimize((state**2).sum() + 0.1 * (control**2).sum())
    return p


def wide_network() -> fx.Problem:
    p = fx.Problem()
    x = p.variables(30, lower=-1, upper=1)
    weights = np.random.default_rng(5).normal(size=(3, 30)) / 5.0
    v = fx.variables(30)
    y = p.network(fx.Function(v, np.exp(np.tanh(weights @ v))), x)
    p.minimize(y.sum() + (x**2).sum())
    return p


def sparse_network() -> fx.Problem:
    p = fx.Problem()
    x = p.variables(20, lower=-1, upper=1)
    v = fx.variables(20)
    y = p.network(fx.Function(v, np.sin(v[1:]) * v[:-1]), x)
    p.minimize((y**2).sum())
    return p


def chained_networks() -> fx.Problem:
    p = fx.Problem()
    x = p.variables(3, lower=-1, upper=1)
    first = p.network(network(3, 2, seed=2), x)
    second = p.network(network(2, 2, seed=3), first)
    p.subject_to(first * second, lower=-1, upper=1)
    p.maximize(second[0] - second[1] ** 3)
    return p


def normalized() -> fx.Problem:
    p = fx.Problem()
    x = p.variables(7, lower=-2, upper=2)
    e = np.exp(x - 1.0)
    p.subject_to(e / e.sum(), upper=0.9)
    p.subject_to(np.linalg.norm(x), upper=3)
    p.minimize(np.log(e.sum()))
    return p


def kinks() -> fx.Problem:
    p = fx.Problem()
    x = p.variables(6, lower=-2, upper=2)
    p.subject_to(np.maximum(x[:3], x[3:]) ** 2 + abs(x[:3]), upper=5)
    p.minimize((np.clip(x, -0.2, 0.4) ** 3 - np.minimum(x, 0.1)).sum())
    return p


PROBLEMS = (
    rosenbrock,
    sparse_chain,
    dense_terms,
    one_network_at_places,
    dynamics,
    wide_network,
    sparse_network,
    chained_networks,
    normalized,
    kinks,
)
OF_PYOMO = (
    "hs71",
    "hs93",
    "hs114",
    "all_functions",
    "nested_functions",
    "conditions",
    "powers",
    "shared_expressions",
    "network_dynamics",
    "chained_networks",
)


def of_problem(build: Callable[[], fx.Problem]) -> Callable[[], Nlp]:
    return lambda: assemble(build()._statement)


def of_model(name: str) -> Callable[[], Nlp]:
    return lambda: compile_model(MODELS[name].build()).nlp


PROGRAMS: dict[str, Callable[[], Nlp]] = {
    **{f"problem {build.__name__}": of_problem(build) for build in PROBLEMS},
    **{f"pyomo {name}": of_model(name) for name in OF_PYOMO},
}


def point_of(nlp: Nlp) -> tuple[Any, Any]:
    """x near the start, inside the bounds, and multipliers."""
    random = np.random.default_rng(11)
    shifted = nlp.start + random.uniform(0.05, 0.2, nlp.n) * np.maximum(1.0, np.abs(nlp.start))
    return np.clip(shifted, nlp.lower, nlp.upper), random.uniform(-1.0, 1.0, nlp.m)


def values_of(functions: Any, x: Any, multipliers: Any) -> dict[str, Any]:
    """The five quantities, the derivatives as matrices."""
    n, m = x.size, multipliers.size
    jacobian, hessian = np.zeros((m, n)), np.zeros((n, n))
    jacobian[functions.jacobian_structure()] = functions.jacobian(x)
    hessian[functions.hessian_structure()] = functions.hessian(x, multipliers, 0.7)
    return {
        "objective": np.asarray(functions.objective(x)),
        "gradient": functions.gradient(x),
        "constraints": functions.constraints(x),
        "jacobian": jacobian,
        "hessian": hessian,
    }


def main() -> None:
    """Stores points and values of all programs."""
    stored = {}
    for name, build in PROGRAMS.items():
        nlp = build()
        x, multipliers = point_of(nlp)
        numbers = values_of(nlp.functions, x, multipliers)
        assert all(np.isfinite(number).all() for number in numbers.values()), name
        stored.update({f"{name}/{key}": number for key, number in {"x": x, "w": multipliers, **numbers}.items()})
    np.savez_compressed(FILE, **stored)


if __name__ == "__main__":
    main()
