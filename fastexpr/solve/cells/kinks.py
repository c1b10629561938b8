"""The kinks that a solution is on, as results and messages have them."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastexpr.nlp import Nlp
from fastexpr.solve.cells.finding import FIRST_ORDER, LOCAL_MINIMUM, Finding
from fastexpr.solvers.interior_point import MetKink

#: So many kinks are named in a message.
NAMED = 3


def met_kinks(program: Nlp, cells: Any, finding: Finding) -> list[MetKink]:
    """The kinks of a finding: one entry for each unit, also where several are at theirs together.

    A network that is called twice, in the objective and in a row, has each unit twice, with the same argument.
    """
    found: dict[int, MetKink] = {}
    walls = finding.walls
    parts = (walls.units.tolist(), walls.arguments.tolist(), finding.multipliers.tolist())
    for unit, argument, multiplier in zip(*parts, strict=True):
        known = found.get(unit)
        if known is None or multiplier > known.multiplier:
            found[unit] = MetKink(unit_name(program, cells, unit), argument, multiplier)
    entries: dict[object, MetKink] = {}
    for unit, kink in found.items():
        key: object = (kink.unit, kink.argument) if cells.unit_calls[unit] >= 0 else unit
        if key not in entries or kink.multiplier > entries[key].multiplier:
            entries[key] = kink
    return list(entries.values())


def unit_name(program: Nlp, cells: Any, unit: int) -> str:
    """What messages call a kinked unit."""
    operator, node, index, call = cells.describe(unit)
    name = operator + (f" {node!r}" if node else "") + (f" unit [{', '.join(map(str, index))}]" if index else "")
    if call < 0 or int(np.max(cells.unit_calls, initial=0)) == 0:
        return str(name)
    inputs = [program.variable_name(int(j)) for j in cells.call_inputs(call) if j >= 0]
    shown = ", ".join(inputs[:2]) + (", ..." if len(inputs) > 2 else "")
    return f"{name} of the network of {shown}" if shown else f"{name} of network {call}"


def message_of(finding: Finding, kinks: list[MetKink]) -> str:
    """What a solution is, in words."""
    where = f" on {count(len(kinks), 'kink')} ({names(kinks)})" if kinks else ""
    if finding.certificate == LOCAL_MINIMUM:
        return f"Optimal solution found: a local minimum{where}."
    if finding.certificate == FIRST_ORDER:
        more = f" It is not known to be a local minimum: {finding.reason}." if finding.reason else ""
        return f"Optimal solution found{where}: no direction leads down to first order.{more}"
    more = f": {finding.reason}" if finding.reason else ""
    return f"Solution found{where}: crossing kinks brought nothing better, which proves nothing{more}."


def names(kinks: list[MetKink]) -> str:
    """The first of them by name."""
    shown = ", ".join(kink.unit for kink in kinks[:NAMED])
    return shown if len(kinks) <= NAMED else f"{shown} and {len(kinks) - NAMED} more"


def count(number: int, what: str) -> str:
    """1 kink, 2 kinks."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
