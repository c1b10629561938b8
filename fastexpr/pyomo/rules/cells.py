"""The cells that thresholds cut the inputs' space into: within one, rules predict one label."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from fastexpr.errors import ModelError, RuleError
from fastexpr.pyomo.rules.inputs import column_of_entry
from fastexpr.rules.columns import Column

MOST = 100_000


def cells(block: Any) -> list[list[tuple[Any, float]]]:
    """The values of all binaries `below`, for each cell in which the required label is predicted.

    Raises
    ------
    ModelError
        There are too many.
    """
    columns = list(block._intervals)
    choices = [[k for k, ends in enumerate(block._intervals[column]) if ends is not None] for column in columns]
    count = math.prod(map(len, choices))
    if count > MOST:
        raise ModelError(
            f"[RuleBlock '{block.name}'] its thresholds divide the inputs into {count} cells, expected at most {MOST}. "
            "What to do: rules of less complexity, or a solver for mixed-integer programs."
        )
    names = {column: block._entries[column].name for column in columns}
    binaries = {column: [u for key, u in block.below.items() if key[0] == names[column]] for column in columns}
    row = known_inputs(block)
    found = []
    for places in itertools.product(*choices):
        if row is not None and block.require is not None:
            for column, place in zip(columns, places, strict=True):
                low, high = block._intervals[column][place]
                row[column] = Column(names[column], np.array([low / 2 + high / 2]), np.array([False]), True)
            if block.rules._decide(row, 1)[0] != block.require:
                continue
        found.append(
            [
                (u, float(k >= place))
                for column, place in zip(columns, places, strict=True)
                for k, u in enumerate(binaries[column])
            ]
        )
    return found


def known_inputs(block: Any) -> list[Column] | None:
    """The values of the inputs as they are; None where a category is not fixed."""
    try:
        return [column_of_entry(entry, f"[RuleBlock '{block.name}']") for entry in block._entries]
    except RuleError:
        return None
