"""What external functions in a Pyomo model are to the compiled program: outputs of networks, or calls back to Pyomo."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from pyomo.core.base.external import ExternalFunction, PythonCallbackFunction, _PythonCallbackFunctionID
from pyomo.core.expr.numvalue import NonNumericValue

from fastexpr.errors import EvaluationError, ModelError
from fastexpr.pyomo.external.function import NetworkFunction

Vector = npt.NDArray[np.float64]


class ForeignFunction:
    """An external function that is not a network of ours: from an AMPL library, or a function of Python's.

    Parameters
    ----------
    function : ExternalFunction
        Evaluates through Pyomo.
    arguments : sequence
        Of one of its calls: the texts among them are the same in all calls of this object, the others are its inputs.
    """

    n_outputs = 1

    def __init__(self, function: ExternalFunction, arguments: Sequence[Any]) -> None:
        self._function = function
        self._texts = texts_among(arguments)
        self._positions = [i for i in range(len(arguments)) if i not in self._texts]
        self._is_text = [i in self._texts for i in range(len(arguments))]
        self.n_inputs = len(self._positions)

    @property
    def name(self) -> str:
        """The function's name in its model."""
        return str(self._function.name)

    def evaluate(self, x: Vector, order: int) -> tuple[Vector, Vector | None, Vector | None]:
        """Value (1,), and where the order asks for them the Jacobian (1, n) and the second derivatives (1, n, n).

        Raises
        ------
        EvaluationError
            The function cannot be evaluated at this point.
        ModelError
            The function has no derivatives of this order.
        """
        arguments: list[Any] = [None] * len(self._is_text)
        for position, text in self._texts.items():
            arguments[position] = text
        for position, number in zip(self._positions, x.tolist(), strict=True):
            arguments[position] = number
        self._require_derivatives(order)
        try:
            value, gradient, hessian = self._function.evaluate_fgh(arguments, self._is_text, order)
        except (ArithmeticError, ValueError) as error:
            raise EvaluationError(f"[ExternalFunction '{self._function.name}'] at {x.tolist()}: {error}") from error
        jacobian = np.array(gradient, dtype=float)[None, self._positions] if order >= 1 else None
        return np.array([value], dtype=float), jacobian, self._second(hessian) if order >= 2 else None

    def _second(self, packed: Sequence[float]) -> Vector:
        """(1, n, n) from the upper triangle by columns, over all arguments."""
        size = len(self._is_text)
        full = np.zeros((size, size))
        rows, columns = np.tril_indices(size)  # by rows of the lower triangle: by columns of the upper one
        full[rows, columns] = full[columns, rows] = packed
        return full[None][:, self._positions][:, :, self._positions]

    def _require_derivatives(self, order: int) -> None:
        function = self._function
        if not isinstance(function, PythonCallbackFunction) or function._fgh is not None:
            return
        if order >= 1 and function._grad is None:
            raise ModelError(
                f"[ExternalFunction '{function.name}'] has no gradient. Give ExternalFunction one, gradient=..., which "
                "solvers cannot do without."
            )
        if order >= 2 and function._hess is None:
            raise ModelError(
                f"[ExternalFunction '{function.name}'] has no second derivatives. Give ExternalFunction some, "
                "hessian=..., or solve with the option hessian_approximation='limited-memory'."
            )


def texts_among(arguments: Sequence[Any]) -> dict[int, Any]:
    """The arguments that are no numbers, by position; Pyomo adds the number of a Python function as a last one."""
    found = {}
    for position, argument in enumerate(arguments):
        if isinstance(argument, (str, bytes)):
            found[position] = argument
        elif isinstance(argument, (NonNumericValue, _PythonCallbackFunctionID)):
            found[position] = argument.value
    return found


class Targets:
    """The functions that a compiled program calls; equal ones are one."""

    def __init__(self) -> None:
        self.functions: list[Any] = []
        self._numbers: dict[Any, int] = {}

    def find(self, function: ExternalFunction, arguments: Sequence[Any]) -> tuple[int, int]:
        """The position of a call's function in the list, and which output of it the call is."""
        if isinstance(function, NetworkFunction):
            net, output, _ = function.split(arguments)
            return self._number(id(net), net), output
        key = (id(function), tuple(texts_among(arguments).items()), len(arguments))
        number = self._numbers.get(key)
        return self._number(key, ForeignFunction(function, arguments)) if number is None else number, 0

    def _number(self, key: Any, function: Any) -> int:
        number = self._numbers.setdefault(key, len(self.functions))
        if number == len(self.functions):
            self.functions.append(function)
        return number

    def warn_of_slow_ones(self) -> None:
        """One warning that names all functions which are evaluated through Pyomo."""
        names = {f._function.name: None for f in self.functions if isinstance(f, ForeignFunction)}
        if names:
            warnings.warn(
                f"Evaluated through Pyomo, in Python, which is slow: {', '.join(names)}. Algebra and networks of "
                "fastexpr are evaluated without Python.",
                stacklevel=3,
            )
