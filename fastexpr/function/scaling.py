"""The same network in other units: offsets and factors around it, or fitted scalers."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from fastexpr._core import Function, Operator
from fastexpr.function.variants import Array, rebuild, vector


def scaled(
    self: Function,
    input_offset: npt.ArrayLike = 0.0,
    input_factor: npt.ArrayLike = 1.0,
    output_offset: npt.ArrayLike = 0.0,
    output_factor: npt.ArrayLike = 1.0,
    *,
    input: Any = None,  # noqa: A002  (beside output)
    output: Any = None,
) -> Function:
    """The network in physical units, where it was trained on scaled data.

    ``output_offset + output_factor * net((x - input_offset) / input_factor)``; with the mean and standard deviation
    of the training data as offset and factor, x and y are in the data's own units. Or with the fitted scalers of
    scikit-learn that made the training data: ``output.inverse_transform(net(input.transform(x)))``. Computed in double
    precision by nodes of its own: the weights are not touched.

    Parameters
    ----------
    input_offset, input_factor : float or array_like
        One number, or shape (n,).
    output_offset, output_factor : float or array_like
        One number, or shape (m,).
    input, output : fitted transformer of scikit-learn, optional
        StandardScaler, MinMaxScaler, MaxAbsScaler, RobustScaler, a Pipeline or ColumnTransformer of these, or another
        one that works on each column alone. Columns with names are matched with the network's names, where it has any;
        where it has none, it gets the columns'. Instead of the numbers of that side.

    Returns
    -------
    Function
        With the same names; bounds are converted.

    Raises
    ------
    TypeError
        A scaler and numbers for the same side.
    fastexpr.errors.FrameworkError
        A scaler that is not fitted, mixes columns, or cannot be read or inverted.
    fastexpr.errors.ShapeError
        Another length; columns whose names are not the network's.
    ValueError
        Not finite, or a factor that is not positive.

    Examples
    --------
    >>> import fastexpr as fx
    >>> x = fx.variables(1)
    >>> net = fx.Function(x, 2 * x)
    >>> net.scaled(input_offset=10.0, input_factor=5.0, output_offset=1.0)([20.0])
    array([5.])
    >>> from sklearn.preprocessing import MinMaxScaler
    >>> net.scaled(input=MinMaxScaler().fit([[10.0], [30.0]]))([20.0])
    array([1.])
    """
    if input is not None or output is not None:
        refuse_both("input", input, input_offset, input_factor)
        refuse_both("output", output, output_offset, output_factor)
        from fastexpr.frameworks.sklearn.scaling import with_scalers

        self = with_scalers(self, input, output)
    n = self.n_inputs
    offset_in, factor_in = checked_scaling(self, "input", input_offset, input_factor)
    offset_out, factor_out = checked_scaling(self, "output", output_offset, output_factor)
    nodes: list[tuple[Operator, list[int], str]] = []
    first = append_constant(nodes, "Sub", 0, (n,), offset_in, 0.0, "input_offset")
    first = append_constant(nodes, "Div", first, (n,), factor_in, 1.0, "input_factor")
    shift = len(nodes)

    def place(k: int) -> int:
        return first if k == 0 else k + shift

    nodes += [(core, [place(k) for k in inputs], label) for core, inputs, label in self._nodes()]
    output_ids = []
    begin = 0
    for k in map(place, self._output_ids()):
        shape = tuple(nodes[k - 1][0].shape) if k > 0 else (n,)
        end = begin + int(np.prod(shape))
        k = append_constant(nodes, "Mul", k, shape, factor_out[begin:end], 1.0, "output_factor")
        output_ids.append(append_constant(nodes, "Add", k, shape, offset_out[begin:end], 0.0, "output_offset"))
        begin = end
    lower = None if self.lower is None else offset_in + factor_in * self.lower
    upper = None if self.upper is None else offset_in + factor_in * self.upper
    return rebuild(self, nodes=nodes, output_ids=output_ids, lower=lower, upper=upper)


def refuse_both(side: str, scaler: Any, offset: Any, factor: Any) -> None:
    if scaler is not None and not (np.array_equal(offset, 0.0) and np.array_equal(factor, 1.0)):
        raise TypeError(
            f"[Function] scaled: got both {side}= and {side}_offset= or {side}_factor=, expected one of them for the "
            f"{side}s: {side}= scales by itself."
        )


def checked_scaling(function: Function, side: str, offset: Any, factor: Any) -> tuple[Array, Array]:
    offsets = vector(function, side, f"scaled: {side}_offset", offset)
    factors = vector(function, side, f"scaled: {side}_factor", factor)
    if not np.isfinite(offsets).all():
        raise ValueError(f"[Function] scaled: {side}_offset must be finite: got {offsets[~np.isfinite(offsets)][0]}.")
    is_wrong = ~(np.isfinite(factors) & (factors > 0))
    if is_wrong.any():
        raise ValueError(
            f"[Function] scaled: {side}_factor must be positive and finite: got {factors[is_wrong][0]} "
            f"at position {int(is_wrong.argmax())}. Leave out components that never change, or give them factor 1."
        )
    return offsets, factors


def append_constant(
    nodes: list[tuple[Operator, list[int], str]],
    name: str,
    argument: int,
    shape: tuple[int, ...],
    numbers: Array,
    neutral: float,
    label: str,
) -> int:
    """Appends `argument <name> numbers`; nothing where that changes nothing. Returns the resulting node."""
    if (numbers == neutral).all():
        return argument
    nodes.append((Operator("Constant", [], {}, [numbers.reshape(shape)]), [], label))
    nodes.append((Operator(name, [shape, shape], {}, []), [argument, len(nodes)], f"{label}_{name}"))
    return len(nodes)
