"""The flat arrays of a nonlinear program whose rows are made of Functions: what `Problem` and grey boxes compile.

Whole Pyomo models are written by `fastexpr.pyomo.compile.walker`, into arrays of the same kind
(`src/nlp/statement.hpp`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from fastexpr import _core
from fastexpr.nlp import Indices, Vector

Operands = npt.NDArray[np.int32]
OPCODES: dict[str, int] = _core.tape_opcodes()
NODE, VARIABLE, PARAMETER, CONSTANT = range(4)  # kinds of operands


@dataclass
class Arrays:
    """What `src/nlp/statement.hpp` describes: a program before it is compiled, with the functions that it calls.

    Attributes
    ----------
    opcodes, counts, operands, constants : arrays
        Nodes in postorder.
    n, n_parameters : int
        Numbers of variables and of parameters.
    objective : int
        An operand.
    rows : (m,) array
        Operands.
    targets : list
        Functions, and foreign functions.
    parameters : (n_parameters,) array
        Their values now.
    """

    opcodes: npt.NDArray[np.uint8]
    counts: Operands
    operands: Operands
    constants: Vector
    n: int
    n_parameters: int
    objective: int
    rows: Operands
    targets: list[Any]
    parameters: Vector = field(default_factory=lambda: np.zeros(0))

    @property
    def has_calls(self) -> bool:
        """Whether networks or foreign functions are in it."""
        return bool((self.opcodes == OPCODES["call"]).any())

    def compile(self, has_hessian: bool = True) -> Any:
        """An NlpFunctions."""
        return _core.NlpFunctions(
            self.opcodes,
            self.counts,
            self.operands,
            self.constants,
            self.n,
            self.n_parameters,
            self.objective,
            self.rows,
            self.targets,
            has_hessian,
        )


class Program:
    """Objective and rows, node by node. Operands are what its methods return, in the shape of what they are given.

    Parameters
    ----------
    n : int
        Number of variables.
    n_parameters : int
        Of parameters, which are 0 until somebody sets them.
    """

    def __init__(self, n: int, n_parameters: int = 0) -> None:
        self.n, self.n_parameters = n, n_parameters
        self._n_nodes = 0
        self._opcodes: list[npt.NDArray[np.uint8]] = []
        self._counts: list[Operands] = []
        self._operands: list[Operands] = []
        self._constants: list[float] = []
        self._targets: list[Any] = []

    def variables(self, components: Indices) -> Operands:
        """These components of x."""
        return (np.asarray(components) * 4 + VARIABLE).astype(np.int32)

    def numbers(self, components: Indices) -> Operands:
        """These components of x and, behind that, of the vector of parameters."""
        components = np.asarray(components)
        parameters = (components - self.n) * 4 + PARAMETER
        return np.where(components < self.n, components * 4 + VARIABLE, parameters).astype(np.int32)

    def constant(self, number: float) -> int:
        """A number."""
        self._constants.append(number)
        return (len(self._constants) - 1) * 4 + CONSTANT

    def outputs(self, function: Any, inputs: Operands) -> Operands:
        """(B, m): the outputs of a Function of n inputs and m outputs at B places; inputs (B, n)."""
        target = self._target(function)
        places, m = len(inputs), function.n_outputs
        targets = np.full((places, 1), target, dtype=np.int32)
        calls = self._append("call", np.hstack([targets, inputs]))
        positions = np.tile(np.arange(m, dtype=np.int32), places)
        operands = np.column_stack([positions, np.repeat(calls, m)])
        return self._append("output", operands).reshape(places, m)

    def differences(self, first: Operands, second: Operands) -> Operands:
        """first - second, one by one."""
        negative = self._append("negation", second.reshape(-1, 1))
        return self._append("sum", np.column_stack([first.ravel(), negative])).reshape(first.shape)

    def negation(self, operand: int) -> int:
        """-operand."""
        return int(self._append("negation", np.array([[operand]], dtype=np.int32))[0])

    def arrays(self, objective: int, rows: Sequence[int] | Operands) -> Arrays:
        """The program with this objective and these rows, ready to be compiled."""
        empty = np.zeros(0, dtype=np.int32)
        return Arrays(
            np.concatenate([np.zeros(0, dtype=np.uint8), *self._opcodes]),
            np.concatenate([empty, *self._counts]),
            np.concatenate([empty, *self._operands]),
            np.array(self._constants, dtype=float),
            self.n,
            self.n_parameters,
            objective,
            np.asarray(rows, dtype=np.int32),
            self._targets,
            np.zeros(self.n_parameters),
        )

    def compile(self, objective: int, rows: Sequence[int] | Operands, has_hessian: bool = True) -> Any:
        """An NlpFunctions."""
        return self.arrays(objective, rows).compile(has_hessian)

    def _target(self, function: Any) -> int:
        for number, known in enumerate(self._targets):
            if known is function:
                return number
        self._targets.append(function)
        return len(self._targets) - 1

    def _append(self, name: str, operands: npt.NDArray[Any]) -> Operands:
        """A node for each row of operands."""
        count, width = operands.shape
        self._opcodes.append(np.full(count, OPCODES[name], dtype=np.uint8))
        self._counts.append(np.full(count, width, dtype=np.int32))
        self._operands.append(operands.astype(np.int32).ravel())
        numbers = np.arange(self._n_nodes, self._n_nodes + count, dtype=np.int64)
        self._n_nodes += count
        return (numbers * 4 + NODE).astype(np.int32)
