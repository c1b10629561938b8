"""One network at many places: what a grey box evaluates, once per point, as one batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from pyomo.contrib.pynumero.exceptions import PyNumeroEvaluationError
from scipy.sparse import coo_matrix

from fastexpr.errors import EvaluationError, ModelError, ShapeError
from fastexpr.nlp.arrays import Program

Array = npt.NDArray[np.float64]


class GreyBoxEvaluationError(EvaluationError, PyNumeroEvaluationError):  # type: ignore[misc]
    """A result that is not finite: of the class that PyNumero's solvers step back from."""


class Instances:
    """Values, Jacobian and Hessian of `count` instances of a network of n inputs and m outputs.

    A point that is not finite is accepted, and fails where something is evaluated: there solvers step back.

    Parameters
    ----------
    net : Function
    count : int
    owner : str
        Begins every message: ``[GreyBox 'm.egb']``.
    """

    def __init__(self, net: Any, count: int, owner: str) -> None:
        self.net, self.count, self.owner = net, count, owner
        self._compile()
        self._x: Array | None = None  # (count * n,)
        self._multipliers: Array | None = None  # (count * m,)
        self._known: dict[str, Array] = {}  # what was evaluated there

    def _compile(self) -> None:
        """All instances as the rows of a program without an objective."""
        program = Program(self.count * self.net.n_inputs)
        inputs = program.variables(np.arange(program.n).reshape(self.count, self.net.n_inputs))
        self._functions = program.compile(program.constant(0.0), program.outputs(self.net, inputs).ravel())
        self._jacobian_places = self._functions.jacobian_structure()
        self._hessian_places = self._functions.hessian_structure()

    def __getstate__(self) -> dict[str, Any]:
        """Copies have no point yet, and evaluate by themselves."""
        return self.__dict__ | {"_x": None, "_multipliers": None, "_known": {}, "_functions": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._compile()

    def set_point(self, x: npt.ArrayLike) -> None:
        """Of all instances together: (count * n,) numbers."""
        point = self._numbers(x, self.net.n_inputs, "input values")
        if self._x is None or point.tobytes() != self._x.tobytes():
            self._x = point
            self._known.clear()

    def set_multipliers(self, multipliers: npt.ArrayLike) -> None:
        """The outputs' weights in the Hessian, of all instances together: (count * m,) numbers."""
        weights = self._numbers(multipliers, self.net.n_outputs, "multipliers")
        if self._multipliers is None or weights.tobytes() != self._multipliers.tobytes():
            self._multipliers = weights
            self._known.pop("hessian", None)

    def _numbers(self, numbers: npt.ArrayLike, width: int, what: str) -> Array:
        """A copy."""
        flat = np.array(numbers, dtype=float)
        if flat.shape != (self.count * width,):
            raise ShapeError(
                f"{self.owner} wrong shape of {what}: got {flat.shape}, expected ({self.count * width},): "
                f"{width} for each of {self.count} instances."
            )
        return flat

    def values(self) -> Array:
        """(count * m,): the outputs."""
        return self._evaluated("value", self._functions.constraints, self._name_of_value)

    def jacobian(self) -> Any:
        """(count * m, count * n), SciPy coo_matrix: at fixed places."""
        entries = self._evaluated("jacobian", self._functions.jacobian, self._name_of_slope)
        shape = (self.count * self.net.n_outputs, self.count * self.net.n_inputs)
        return coo_matrix((entries, self._jacobian_places), shape=shape)

    def hessian(self) -> Any:
        """(count * n, count * n), SciPy coo_matrix: the lower triangle for multipliers @ outputs, at fixed places.

        There is one at least, of a zero: PyNumero cannot add up Hessians of which none has any.
        """
        weights = self._multipliers
        if weights is None:
            raise ModelError(f"{self.owner} no multipliers: call set_output_constraint_multipliers first.")
        if not np.isfinite(weights).all():
            raise GreyBoxEvaluationError(f"{self.owner} the outputs' multipliers are not finite.")
        entries = self._evaluated(
            "hessian", lambda x: self._functions.hessian(x, weights, 0.0), self._name_of_curvature
        )
        places = self._hessian_places
        if not entries.size:
            entries, places = np.zeros(1), (np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64))
        size = self.count * self.net.n_inputs
        return coo_matrix((entries, places), shape=(size, size))

    def _evaluated(
        self, kind: str, evaluate: Callable[[Array], Array], name_of: Callable[[int], tuple[int, str]]
    ) -> Array:
        """What `evaluate` says at the point, evaluated once."""
        x = self._x
        if x is None:
            raise ModelError(f"{self.owner} no point to evaluate at: call set_input_values first.")
        if kind not in self._known:
            self._require_finite(x, x, self._name_of_input)
            self._known[kind] = evaluate(x)
            self._known[kind].flags.writeable = False  # handed out more than once
        self._require_finite(self._known[kind], x, name_of)
        return self._known[kind]

    def _require_finite(self, numbers: Array, x: Array, name_of: Callable[[int], tuple[int, str]]) -> None:
        if np.isfinite(numbers).all():
            return
        entry = int(np.flatnonzero(~np.isfinite(numbers))[0])
        instance, name = name_of(entry)
        at = x[instance * self.net.n_inputs :]
        point = ", ".join(f"{name}={number:.6g}" for name, number in zip(self.net.input_names[:10], at, strict=False))
        raise GreyBoxEvaluationError(
            f"{self.owner} {name} of instance {instance} is not finite: got {numbers[entry]} at {point}. Move or bound "
            "the inputs."
        )

    def _name_of_input(self, entry: int) -> tuple[int, str]:
        """Instance and name."""
        instance, component = divmod(entry, self.net.n_inputs)
        return instance, f"input '{self.net.input_names[component]}'"

    def _name_of_value(self, entry: int) -> tuple[int, str]:
        instance, output = divmod(entry, self.net.n_outputs)
        return instance, f"output '{self.net.output_names[output]}'"

    def _name_of_slope(self, entry: int) -> tuple[int, str]:
        row, column = (int(places[entry]) for places in self._jacobian_places)
        instance, output = divmod(row, self.net.n_outputs)
        component = self.net.input_names[column % self.net.n_inputs]
        return instance, f"the derivative of '{self.net.output_names[output]}' by '{component}'"

    def _name_of_curvature(self, entry: int) -> tuple[int, str]:
        row, column = (int(places[entry]) for places in self._hessian_places)
        names = self.net.input_names
        first, second = names[row % self.net.n_inputs], names[column % self.net.n_inputs]
        return row // self.net.n_inputs, f"the second derivative by '{first}' and '{second}'"
