"""One output of a network as a Pyomo external function."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np
from pyomo.common.autoslots import AutoSlots
from pyomo.common.numeric_types import native_types
from pyomo.core.base.external import AMPLExternalFunction

from fastexpr.errors import EvaluationError, ModelError, NotFoundError, ShapeError
from fastexpr.pyomo.external.files import NetworkFile, library_path, network_at

FUNCTION_NAME = "fastexpr"  # the only function that the AMPL library registers
N_STRINGS = 3  # its first arguments: the network's file, the output's position, the instance
WIDEST = 200  # inputs; beyond, a solver's own dense n x n block per output costs more than the network


class PointError(EvaluationError, ValueError):
    """A network that is not finite at a point; a ValueError, too, which Pyomo's line searches step back from."""


class NetworkFunction(AMPLExternalFunction):  # type: ignore[misc]
    """The function ``fastexpr(file, output, instance, x_1, ..., x_n)`` of the AMPL library, for one network.

    A solver calls the library. Pyomo itself (``value``, initialisation, presolve) asks here, and gets the answers of
    the :class:`~fastexpr.Function`, with its errors, instead of a silent nan. Which network is meant, the first
    argument says to both: Pyomo's writers ask one function of the model for the values of all.

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
        self._is_made = False
        super().__init__(library=library_path(), function=FUNCTION_NAME, **kwargs)
        self._is_made = True

    @property
    def _library(self) -> str:
        """The library's path. Every writer asks for it before a solver runs: the moment to see to the files."""
        if self._is_made:
            self._file.ensure()
            _warn_if_wide(self._file.net)
        return library_path()

    @_library.setter
    def _library(self, path: str) -> None:
        """Pyomo's base class stores what it was given; ours is the answer on the machine where it is asked."""

    def _pprint(self) -> Any:
        """What Pyomo prints, without asking for the network's file as a solver does."""
        arg_units = None if self._arg_units is None else [str(unit) for unit in self._arg_units]
        shown = [
            ("function", FUNCTION_NAME),
            ("library", library_path()),
            ("network", self._file.path),
            ("units", str(self._units)),
            ("arg_units", arg_units),
        ]
        return shown, None, None, None

    def __call__(self, *args: Any) -> Any:
        """An expression for one output; raises where the arguments cannot be the function's."""
        self._check(self._file.net, args)
        return super().__call__(*args)

    def split(self, args: Sequence[Any]) -> tuple[Any, int, Sequence[Any]]:
        """(network, output, inputs) of a call's arguments.

        Raises
        ------
        ShapeError
            The number of strings or of inputs is wrong.
        NotFoundError
            The network has no such output.
        FileError
            The network was replaced after a transformation copied the call.
        """
        net = self._file.net if args[0] == self._file.path else network_at(args[0])
        self._check(net, args)
        return net, int(args[1]), args[N_STRINGS:]

    def _check(self, net: Any, args: Sequence[Any]) -> None:
        strings = list(map(type, args)).count(str)  # quick, for a model of networks has thousands of calls
        if strings != N_STRINGS:
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

    def evaluate_fgh(self, args: Iterable[Any], fixed: Sequence[bool] | None = None, fgh: int = 2) -> Any:
        """Value and derivatives, as of :meth:`pyomo.environ.ExternalFunction.evaluate_fgh`.

        Raises
        ------
        ModelError
            First derivatives at arguments that are not numbers: so Pyomo asks for symbolic derivatives, and would take
            the numbers of this one point for them.
        """
        args = tuple(args)
        if fgh == 1 and not all(argument.__class__ in native_types for argument in args):
            raise ModelError(
                f"[NetworkFunction '{self.name}'] a network has no symbolic derivatives: got arguments that are not "
                "numbers. Differentiate with mode=Modes.reverse_numeric. In MindtPy take a GreyBox, or "
                "formulation='full-space' with differentiate_mode='sympy'."
            )
        return super().evaluate_fgh(args, fixed, fgh)

    def _evaluate(self, args: Sequence[Any], fixed: Sequence[bool] | None, fgh: int) -> tuple[float, Any, Any]:
        """Value, derivatives and the Hessian's packed upper triangle over all arguments; zero where one is a string."""
        net, output, inputs = self.split(args)
        x = np.array(inputs, dtype=float)
        value = float(self._value(net, x)[output])
        self._check_finite(net, value, "value", output, x)
        gradient = hessian = None
        if fgh >= 1:
            row = np.asarray(net.jacobian(x))[output]
            self._check_finite(net, row, "derivative", output, x)
            gradient = [0.0] * N_STRINGS + row.tolist()
        if fgh >= 2:
            weights = np.zeros(net.n_outputs)
            weights[output] = 1.0
            matrix = np.asarray(net.hessian(x, weights))
            self._check_finite(net, matrix, "second derivative", output, x)
            full = np.zeros((len(args), len(args)))
            full[N_STRINGS:, N_STRINGS:] = matrix
            hessian = full[np.tril_indices(len(args))].tolist()  # rows of the lower triangle: columns of the upper one
        return value, gradient, hessian

    def _value(self, net: Any, x: Any) -> Any:
        point = x.tobytes()
        last = self._last  # read once: another thread may put its own in its place
        if last is None or last[0] is not net or last[1] != point:
            last = self._last = (net, point, np.asarray(net(x)))
        return last[2]

    def _check_finite(self, net: Any, numbers: Any, what: str, output: int, x: Any) -> None:
        if not np.isfinite(numbers).all():
            found = np.asarray(numbers).ravel()
            first = found[~np.isfinite(found)][0]
            point = ", ".join(f"{name}={number:.6g}" for name, number in zip(net.input_names[:10], x[:10], strict=True))
            raise PointError(
                f"[NetworkFunction '{self.name}'] the {what} of output '{net.output_names[output]}' is not finite: "
                f"got {first} at {point}. Move or bound the inputs."
            )


_has_warned = False


def _warn_if_wide(net: Any) -> None:
    """Once a process: what is slow then is the solver, and it is the same for all networks."""
    global _has_warned
    if net.n_inputs > WIDEST and not _has_warned:
        _has_warned = True
        warnings.warn(
            f"The network has {net.n_inputs} inputs. To an AMPL solver each output is a dense {net.n_inputs} x "
            f"{net.n_inputs} block, whose cost in the solver grows with the cube of that: beyond some {WIDEST} inputs "
            "solve in process, with pyomo.environ.SolverFactory('fastexpr').",
            stacklevel=3,
        )
