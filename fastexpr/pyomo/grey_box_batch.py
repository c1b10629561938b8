"""One network at many points: what a grey box evaluates, once per point, as one batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from pyomo.contrib.pynumero.exceptions import PyNumeroEvaluationError

from fastexpr.errors import EvaluationError, ModelError, ShapeError
from fastexpr.function.arguments import real_numbers
from fastexpr.pyomo.block_diagonal import BlockDiagonal

Array = npt.NDArray[np.float64]


class GreyBoxEvaluationError(EvaluationError, PyNumeroEvaluationError):  # type: ignore[misc]
    """A result that is not finite: of the class that PyNumero's solvers step back from."""


class Batch:
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
        jacobian_pattern, hessian_pattern = net.sparsity()
        self._jacobian = BlockDiagonal(jacobian_pattern, count)
        self._hessian = BlockDiagonal(hessian_pattern, count, is_lower=True)
        self._x: Array | None = None  # (count, n)
        self._multipliers: Array | None = None  # (count, m)
        self._known: dict[str, Array] = {}  # what was evaluated there, a row per instance

    def __getstate__(self) -> dict[str, Any]:
        """Copies have no point yet."""
        return self.__dict__ | {"_x": None, "_multipliers": None, "_known": {}}

    def set_point(self, x: npt.ArrayLike) -> None:
        """Of all instances together: (count * n,) numbers."""
        point = self._rows(x, self.net.n_inputs, "input values")
        if self._x is None or point.tobytes() != self._x.tobytes():
            self._x = point
            self._known.clear()

    def set_multipliers(self, multipliers: npt.ArrayLike) -> None:
        """The outputs' weights in the Hessian, of all instances together: (count * m,) numbers."""
        weights = self._rows(multipliers, self.net.n_outputs, "multipliers")
        if self._multipliers is None or weights.tobytes() != self._multipliers.tobytes():
            self._multipliers = weights
            self._known.pop("hessian", None)

    def _rows(self, numbers: npt.ArrayLike, width: int, what: str) -> Array:
        """A copy, with a row per instance."""
        flat = np.array(real_numbers(numbers, f"{self.owner} {what}"))
        if flat.shape != (self.count * width,):
            raise ShapeError(
                f"{self.owner} wrong shape of {what}: got {flat.shape}, expected ({self.count * width},): "
                f"{width} for each of {self.count} instances."
            )
        return flat.reshape(self.count, width)

    def values(self) -> Array:
        """(count * m,): the outputs."""
        return self._evaluated("value", self.net, self._name_of_value).ravel()

    def jacobian(self) -> Any:
        """(count * m, count * n), SciPy coo_matrix: at fixed places."""

        def evaluate(x: Array) -> Array:
            return self._jacobian.entries(
                lambda: self.net.jacobian(x), lambda instance: self.net.jacobian(x[instance], sparse=True)
            )

        return self._jacobian.matrix(self._evaluated("jacobian", evaluate, self._name_of_slope))

    def hessian(self) -> Any:
        """(count * n, count * n), SciPy coo_matrix: the lower triangle for multipliers @ outputs, at fixed places."""
        weights = self._multipliers
        if weights is None:
            raise ModelError(f"{self.owner} no multipliers: call set_output_constraint_multipliers first.")
        if not np.isfinite(weights).all():
            raise GreyBoxEvaluationError(f"{self.owner} the outputs' multipliers are not finite.")

        def evaluate(x: Array) -> Array:
            return self._hessian.entries(
                lambda: self.net.hessian(x, weights),
                lambda instance: self.net.hessian(x[instance], weights[instance], sparse=True),
            )

        return self._hessian.matrix(self._evaluated("hessian", evaluate, self._name_of_curvature))

    def _evaluated(self, kind: str, evaluate: Callable[[Array], Array], name_of: Callable[[int], str]) -> Array:
        """What `evaluate` says at the point, a row per instance, evaluated once."""
        x = self._x
        if x is None:
            raise ModelError(f"{self.owner} no point to evaluate at: call set_input_values first.")
        if kind not in self._known:
            self._require_finite(x, x, lambda entry: f"input '{self.net.input_names[entry]}'")
            self._known[kind] = evaluate(x)
            self._known[kind].flags.writeable = False  # handed out more than once
        self._require_finite(self._known[kind], x, name_of)
        return self._known[kind]

    def _require_finite(self, rows: Array, x: Array, name_of: Callable[[int], str]) -> None:
        if np.isfinite(rows).all():
            return
        instance, entry = (int(index) for index in np.argwhere(~np.isfinite(rows))[0])
        point = ", ".join(
            f"{name}={number:.6g}" for name, number in zip(self.net.input_names[:10], x[instance], strict=False)
        )
        raise GreyBoxEvaluationError(
            f"{self.owner} {name_of(entry)} of instance {instance} is not finite: got {rows[instance, entry]} at "
            f"{point}. Move or bound the inputs."
        )

    def _name_of_value(self, entry: int) -> str:
        return f"output '{self.net.output_names[entry]}'"

    def _name_of_slope(self, entry: int) -> str:
        output, component = self._jacobian.rows[entry], self._jacobian.columns[entry]
        return f"the derivative of '{self.net.output_names[output]}' by '{self.net.input_names[component]}'"

    def _name_of_curvature(self, entry: int) -> str:
        row, column = self._hessian.rows[entry], self._hessian.columns[entry]
        return f"the second derivative by '{self.net.input_names[row]}' and '{self.net.input_names[column]}'"
