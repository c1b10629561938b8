"""One output of a network as a Pyomo external function."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from pyomo.common.autoslots import AutoSlots
from pyomo.core.base.external import AMPLExternalFunction

from fastexpr.errors import EvaluationError, NotFoundError, ShapeError
from fastexpr.pyomo.files import NetworkFile, library_path

FUNCTION_NAME = "fastexpr"  # the only function that the AMPL library registers
N_STRINGS = 3  # its first arguments: the network's file, the output's position, the instance


class NetworkFunction(AMPLExternalFunction):  # type: ignore[misc]
    """The function ``fastexpr(file, output, instance, x_1, ..., x_n)`` of the AMPL library, for one network.

    A solver calls the library. Pyomo itself (``value``, initialisation, presolve) asks here, and gets the answers of
    the :class:`~fastexpr.Function`, with its errors, instead of a silent nan.

    Parameters
    ----------
    file : NetworkFile
        The network, and where its file is.
    units, arg_units
        As of :class:`pyomo.environ.ExternalFunction`; `arg_units` with an entry per argument, strings included.
    """

    __autoslot_mappers__: ClassVar = {"_last": AutoSlots.encode_as_none}

    def __init__(self, file: NetworkFile, **kwargs: Any) -> None:
        self._file = file
        self._last: tuple[Any, bytes, Any] | None = None  # network, x, f(x): the outputs are asked for one by one
        super().__init__(library=library_path(), function=FUNCTION_NAME, **kwargs)

    @property
    def _library(self) -> str:
        """The library's path. Every writer asks for it before a solver runs: the moment to see to the files."""
        self._file.ensure()
        return library_path()

    @_library.setter
    def _library(self, path: str) -> None:
        """Pyomo's base class stores what it was given; ours is the answer on the machine where it is asked."""

    def __call__(self, *args: Any) -> Any:
        """An expression for one output; raises where the arguments cannot be the function's."""
        self._split(args)
        return super().__call__(*args)

    def _split(self, args: Sequence[Any]) -> tuple[int, Sequence[Any]]:
        """(output, inputs) of a call's arguments."""
        net = self._file.net
        strings = sum(isinstance(argument, str) for argument in args)
        if strings != N_STRINGS or len(args) - strings != net.n_inputs:
            raise ShapeError(
                f"[NetworkFunction '{self.name}'] wrong arguments: got {strings} strings and {len(args) - strings} "
                f"numbers, expected 3 strings (file, output, instance) and {net.n_inputs} numbers."
            )
        if not args[1].isdecimal() or int(args[1]) >= net.n_outputs:
            raise NotFoundError(
                f"[NetworkFunction '{self.name}'] there is no output {args[1]!r}: the network has {net.n_outputs}, "
                "counted from 0."
            )
        return int(args[1]), args[N_STRINGS:]

    def _evaluate(self, args: Sequence[Any], fixed: Sequence[bool] | None, fgh: int) -> tuple[float, Any, Any]:
        """Value, derivatives and the Hessian's packed upper triangle over all arguments; zero where one is a string."""
        output, inputs = self._split(args)
        net = self._file.net
        x = np.array(inputs, dtype=float)
        value = float(self._value(x)[output])
        self._check_finite(value, "value", output, x)
        gradient = hessian = None
        if fgh >= 1:
            row = np.asarray(net.jacobian(x))[output]
            self._check_finite(row, "derivative", output, x)
            gradient = [0.0] * N_STRINGS + row.tolist()
        if fgh >= 2:
            weights = np.zeros(net.n_outputs)
            weights[output] = 1.0
            matrix = np.asarray(net.hessian(x, weights))
            self._check_finite(matrix, "second derivative", output, x)
            full = np.zeros((len(args), len(args)))
            full[N_STRINGS:, N_STRINGS:] = matrix
            hessian = full[np.tril_indices(len(args))].tolist()  # rows of the lower triangle: columns of the upper one
        return value, gradient, hessian

    def _value(self, x: Any) -> Any:
        net, point = self._file.net, x.tobytes()
        last = self._last  # read once: another thread may put its own in its place
        if last is None or last[0] is not net or last[1] != point:
            last = self._last = (net, point, np.asarray(net(x)))
        return last[2]

    def _check_finite(self, numbers: Any, what: str, output: int, x: Any) -> None:
        if not np.isfinite(numbers).all():
            net = self._file.net
            found = np.asarray(numbers).ravel()
            first = found[~np.isfinite(found)][0]
            point = ", ".join(f"{name}={number:.6g}" for name, number in zip(net.input_names[:10], x[:10], strict=True))
            raise EvaluationError(
                f"[NetworkFunction '{self.name}'] the {what} of output '{net.output_names[output]}' is not finite: "
                f"got {first} at {point}. Move or bound the inputs."
            )
