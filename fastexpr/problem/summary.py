"""What a problem consists of, as text, as HTML in a notebook, and as a dict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastexpr.problem.statement import Auxiliaries
from fastexpr.solve.results.report import Section, Tables

if TYPE_CHECKING:
    from fastexpr.nlp import Nlp
    from fastexpr.problem.statement import Constraint, Statement


def summary_of(statement: Statement, nlp: Nlp) -> Tables:
    """Sizes of the program, then tables of variables, networks and constraints."""
    sense = "none" if statement.objective is None else "maximize" if statement.sign < 0 else "minimize"
    m, n = nlp.m, nlp.n
    n_equations = int(np.count_nonzero(nlp.constraint_lower == nlp.constraint_upper))
    facts = {
        "objective": sense,
        "variables": f"{n}, {np.count_nonzero(nlp.lower == nlp.upper)} of them fixed",
        "constraints": f"{m}, {n_equations} of them equations",
        "Jacobian": filled(nlp.jacobian_rows.size, m * n),
        "Hessian": filled(nlp.hessian_rows.size, n * (n + 1) // 2, " of its lower triangle"),
    }
    sections = [variables(statement), networks(statement), constraints(statement)]
    return Tables(facts, [*sections, parameters(statement)] if statement.parameters else sections)


def filled(count: int, total: int, where: str = "") -> str:
    return f"{count} entries" + (f", {100.0 * count / total:.3g} %{where}" if total else "")


def variables(statement: Statement) -> Section:
    """Of `variables` and `network`, with the ends of their bounds."""
    header = ["name", "shape", "lower", "upper", "start", "what"]
    outputs = {entry.y for entry in statement.networks}
    places = [entry.places for entry in statement.definitions if isinstance(entry, Auxiliaries)]
    offsets = {int(place.ravel()[0]) for place in places if place.size}
    rows = [
        [
            entry.name,
            shape_text(leaf.shape),
            *map(between, entry.bounds(statement.parameter_values())),
            between(entry.start),
            "outputs of a network"
            if leaf in outputs
            else "inputs"
            if entry.offset in offsets
            else "integers"
            if entry.is_integer
            else "variables",
        ]
        for leaf, entry in statement.variables.items()
    ]
    return Section("variables", header, rows)


def parameters(statement: Statement) -> Section:
    """Of `parameters`, with their values now."""
    rows = [
        [entry.name, shape_text(leaf.shape), "none" if np.isnan(entry.values).any() else between(entry.values)]
        for leaf, entry in statement.parameters.items()
    ]
    return Section("parameters", ["name", "shape", "value"], rows)


def networks(statement: Statement) -> Section:
    """Of `network`, one line for each call."""
    header = ["outputs", "instances", "inputs", "outputs each", "nodes", "range"]
    rows: list[list[Any]] = [
        [
            statement.variables[entry.y].name,
            len(entry.inputs),
            entry.function.n_inputs,
            entry.function.n_outputs,
            len(entry.function._nodes()),
            "yes" if entry.function.lower is not None and entry.function.upper is not None else "no",
        ]
        for entry in statement.networks
    ]
    return Section("networks", header, rows)


def constraints(statement: Statement) -> Section:
    """Of `subject_to`."""
    rows = [
        [entry.name, shape_text(entry.expression.shape), kind_of(entry), between(entry.lower), between(entry.upper)]
        for entry in statement.constraints
    ]
    return Section("constraints", ["name", "shape", "kind", "lower", "upper"], rows)


def kind_of(constraint: Constraint) -> str:
    if (constraint.lower == constraint.upper).all():
        return "equation"
    return "inequality" if (constraint.lower < constraint.upper).all() else "both"


def shape_text(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "single"


def between(values: Any) -> str:
    """One number, or the least and the largest."""
    low, high = float(np.min(values)), float(np.max(values))
    return f"{low:.6g}" if low == high else f"{low:.6g} .. {high:.6g}"
