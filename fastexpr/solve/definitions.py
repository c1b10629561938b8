"""Variables that a row defines as an output of a network, found in a program's arrays.

A definition is a row y - output == 0, whichever way round: what `Problem.network` and `NetworkBlock` state.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fastexpr.nlp import Indices, Nlp
from fastexpr.nlp.arrays import CONSTANT, NODE, OPCODES, PARAMETER, VARIABLE, Arrays

Mask = npt.NDArray[np.bool_]


@dataclass
class Definitions:
    """Each entry: variable columns[k] is the output that node outputs[k] is, by row rows[k].

    Attributes
    ----------
    signs : (k,) array
        1 where the row is output - y, -1 where it is y - output.
    calls : (k,) array
        The nodes of the calls.
    """

    columns: Indices
    rows: Indices
    outputs: Indices
    calls: Indices
    signs: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return self.columns.size

    def where(self, chosen: Mask) -> Definitions:
        """Some of them."""
        columns, rows, outputs, calls = (part[chosen] for part in (self.columns, self.rows, self.outputs, self.calls))
        return Definitions(columns, rows, outputs, calls, self.signs[chosen])


class Nodes:
    """A program's nodes with the beginnings of their operands."""

    def __init__(self, arrays: Arrays) -> None:
        self.arrays = arrays
        self.ends = np.cumsum(arrays.counts, dtype=np.int64)
        self.begins = self.ends - arrays.counts
        names_call = np.isin(arrays.opcodes, (OPCODES["call"], OPCODES["output"]))
        self.is_raw = np.zeros(arrays.operands.size, dtype=bool)  # the number of a target, or of an output
        self.is_raw[self.begins[names_call]] = True

    def operands(self, node: int) -> npt.NDArray[np.int32]:
        """Of one node."""
        return self.arrays.operands[self.begins[node] : self.ends[node]]

    def ancestors(self, nodes: Indices) -> Mask:
        """(number of nodes,): these nodes, and all that they are made of."""
        result = np.zeros(self.arrays.opcodes.size, dtype=bool)
        result[nodes] = True
        operands = self.arrays.operands
        is_node = ~self.is_raw & (operands & 3 == NODE)
        stack = distinct(nodes).tolist()
        while stack:
            node = stack.pop()
            part = slice(self.begins[node], self.ends[node])
            for child in (operands[part][is_node[part]] >> 2).tolist():
                if not result[child]:
                    result[child] = True
                    stack.append(child)
        return result

    def variables_of(self, chosen: Mask) -> Indices:
        """Columns that these nodes have as operands."""
        belongs = np.repeat(chosen, self.arrays.counts) & ~self.is_raw & (self.arrays.operands & 3 == VARIABLE)
        columns: Indices = distinct(self.arrays.operands[belongs] >> 2).astype(np.int64)
        return columns

    def box(
        self, call: int, lower: npt.NDArray[np.float64], upper: npt.NDArray[np.float64]
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Where the inputs of a call can be while the variables are within these bounds."""
        inputs = self.operands(call)[1:]
        kinds, indices = inputs & 3, inputs >> 2
        low, high = np.full(inputs.size, -np.inf), np.full(inputs.size, np.inf)
        for kind, (below, above) in {
            VARIABLE: (lower, upper),
            PARAMETER: (self.arrays.parameters,) * 2,
            CONSTANT: (self.arrays.constants,) * 2,
        }.items():
            is_of_kind = kinds == kind
            low[is_of_kind], high[is_of_kind] = below[indices[is_of_kind]], above[indices[is_of_kind]]
        return low, high


def distinct(numbers: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Each of them once, in order. np.unique imports numpy.ma for that, which takes as long as a small solve."""
    ordered = np.sort(numbers)
    result: npt.NDArray[Any] = ordered[np.diff(ordered, prepend=ordered[:1] - 1) != 0]
    return result


def find_definitions(nodes: Nodes) -> Definitions:
    """All of them, one for a variable at most."""
    arrays = nodes.arrays
    opcodes, operands = arrays.opcodes, arrays.operands
    numbers = np.flatnonzero(arrays.rows & 3 == NODE)
    roots = arrays.rows[numbers] >> 2
    is_pair = (opcodes[roots] == OPCODES["sum"]) & (arrays.counts[roots] == 2)
    numbers, roots = numbers[is_pair], roots[is_pair].astype(np.int64)
    first, second = (signed(nodes, operands[nodes.begins[roots] + k]) for k in (0, 1))
    found = []
    for (y, y_sign), (output, output_sign) in ((first, second), (second, first)):
        is_output = output & 3 == NODE
        is_output[is_output] = opcodes[output[is_output] >> 2] == OPCODES["output"]
        fits = (y & 3 == VARIABLE) & is_output & (y_sign == -output_sign)
        node = (output[fits] >> 2).astype(np.int64)
        calls = (operands[nodes.begins[node] + 1] >> 2).astype(np.int64)
        found.append((y[fits].astype(np.int64) >> 2, numbers[fits], node, calls, output_sign[fits]))
    columns, rows, outputs, calls, signs = (np.concatenate(parts) for parts in zip(*found, strict=True))
    _, first_ones = np.unique(columns, return_index=True)
    chosen = np.zeros(columns.size, dtype=bool)
    chosen[first_ones] = True
    return Definitions(columns, rows, outputs, calls, signs).where(chosen)


def signed(nodes: Nodes, operands: npt.NDArray[np.int32]) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float64]]:
    """The operands without a negation around them, and their signs."""
    result, signs = operands.copy(), np.ones(operands.size)
    is_node = np.flatnonzero(operands & 3 == NODE)
    inner = operands[is_node] >> 2
    is_negated = nodes.arrays.opcodes[inner] == OPCODES["negation"]
    result[is_node[is_negated]] = nodes.arrays.operands[nodes.begins[inner[is_negated]]]
    signs[is_node[is_negated]] = -1.0
    return result, signs


def feeding_only_limits(nlp: Nlp, nodes: Nodes, found: Definitions) -> Definitions:
    """Those whose variable is in no equation but its own, and in no network that another one depends on.

    Of a network at several places all outputs or none: the last step of a chain of states is no different form.
    """
    everything = found
    is_equation = nlp.constraint_lower == nlp.constraint_upper
    own_row = np.full(nlp.n, -1)
    own_row[found.columns] = found.rows
    rows, columns = nlp.jacobian_rows, nlp.jacobian_columns
    stays = np.zeros(nlp.n, dtype=bool)
    stays[columns[is_equation[rows] & (rows != own_row[columns])]] = True
    varies = np.bincount(rows[columns != np.take(found_column(nlp, found), rows)], minlength=nlp.m) > 0
    holds = (nlp.constraint_lower[found.rows] == 0.0) & (nlp.constraint_upper[found.rows] == 0.0)
    found = found.where(~stays[found.columns] & varies[found.rows] & holds)
    stays[nodes.variables_of(nodes.ancestors(found.outputs))] = True
    found = found.where(~stays[found.columns])
    target_of = nodes.arrays.operands[nodes.begins]  # of calls
    n_targets = len(nodes.arrays.targets)
    n_places = np.bincount(target_of[distinct(everything.calls)], minlength=n_targets)
    before, after = (target_of[entries.calls] for entries in (everything, found))
    n_before, n_after = (np.bincount(side, minlength=n_targets) for side in (before, after))
    return found.where(((n_places == 1) | (n_before == n_after))[after])


def found_column(nlp: Nlp, found: Definitions) -> Indices:
    """(m,): the column that a row defines; -1 for none."""
    result = np.full(nlp.m, -1, dtype=np.int64)
    result[found.rows] = found.columns
    return result
