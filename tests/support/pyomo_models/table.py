"""The one table of models: what each is called, how it is built, and what is special about it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import pyomo.environ as pyo

Build = Callable[[], Any]


@dataclasses.dataclass(frozen=True)
class Example:
    """One model; `build` returns a fresh one every time."""

    name: str
    build: Build
    special: str
    optimum: float | None = None  # published, or known exactly
    has_one_optimum: bool = True  # else any feasible point is a solution
    not_for: tuple[str, ...] = ()  # solvers that cannot read it


MODELS: dict[str, Example] = {}


def example(special: str, **facts: Any) -> Callable[[Build], Build]:
    """A decorator that puts a function without arguments into the table, under its own name."""

    def register(build: Build) -> Build:
        name = build.__name__
        assert name not in MODELS, f"there are two models {name}"
        MODELS[name] = Example(name, build, special, **facts)
        return build

    return register


def start_at(values: Iterable[float], lower: Any = None, upper: Any = None) -> pyo.ConcreteModel:
    """A model with variables x[1], x[2], ... that start there; bounds are one number for all or one for each."""
    m = pyo.ConcreteModel()
    start = dict(enumerate(values, 1))

    def bound(given: Any, i: int) -> float | None:
        return given[i - 1] if isinstance(given, (list, tuple)) else given

    m.x = pyo.Var(list(start), initialize=start, bounds=lambda _, i: (bound(lower, i), bound(upper, i)))
    return m
