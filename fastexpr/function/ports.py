"""Between arrays by name, as the ports of a network declare them, and the vectors x and y of a Function."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from fastexpr._core import Function

from fastexpr.errors import ShapeError

Shape = tuple[int, ...]
Array = npt.NDArray[np.float64]


def pack(self: Function, **inputs: npt.ArrayLike) -> Array:
    """x from one array per input port: each flattened in C order, joined in declared order.

    Parameters
    ----------
    **inputs : array_like
        One for every port, by its name (``**{"input.1": image}`` where that is no Python name). In the port's shape
        without a leading 1, or flat; with one more dimension in front for a batch of B.

    Returns
    -------
    ndarray
        Shape (n,), or (B, n).

    Raises
    ------
    fastexpr.errors.ShapeError
        A port is missing or unknown, an array has another shape, or batches differ in length.

    Examples
    --------
    >>> import numpy as np, fastexpr as fx
    >>> a, b = fx.variables(2), fx.variables(())
    >>> f = fx.Function([a, b], a * b)
    >>> f.pack(x0=[1.0, 2.0], x1=3.0)
    array([1., 2., 3.])
    """
    ports = {name: tuple(shape) for name, shape in self.inputs.items()}
    if set(inputs) != set(ports):
        raise ShapeError(
            f"[Function] pack: wrong input names: got {', '.join(inputs) or 'none'}, expected {', '.join(ports)}."
        )
    arrays = {name: np.asarray(inputs[name], dtype=np.float64) for name in ports}
    lengths = {name: batch_length(name, arrays[name].shape, shape) for name, shape in ports.items()}
    batches = {length for length in lengths.values() if length is not None}
    is_batch = None not in lengths.values() or batches - {1}
    if len(batches) > 1 or (None in lengths.values() and batches - {1}):
        got = ", ".join(f"{name} {arrays[name].shape}" for name in ports)
        raise ShapeError(
            f"[Function] pack: the inputs are not one batch: got {got}. Give every input the same leading dimension."
        )
    points = batches.pop() if is_batch else 1
    x = np.concatenate([array.reshape(points, -1) for array in arrays.values()], axis=1)
    return x if is_batch else x[0]


def batch_length(name: str, got: Shape, port: Shape) -> int | None:
    """B of a batch; None for one point."""
    inner = without_leading_one(port)
    flat = (math.prod(port),)
    if got in (inner, flat):
        return None
    if got and got[1:] in (inner, flat, port):
        return got[0]
    raise ShapeError(
        f"[Function] pack: wrong shape of {name!r}: got {got}, expected {inner}, "
        f"or ({', '.join(map(str, ('B', *inner)))}) "
        "for a batch."
    )


def without_leading_one(shape: Shape) -> Shape:
    return shape[1:] if shape[:1] == (1,) else shape


def unpack(self: Function, y: npt.ArrayLike) -> dict[str, Array]:
    """One array per output port from y.

    Parameters
    ----------
    y : array_like
        Shape (m,), or (B, m): what the function returns.

    Returns
    -------
    dict of str to ndarray
        By the port's name; in the port's shape without a leading 1, with B in front for a batch.

    Raises
    ------
    fastexpr.errors.ShapeError
        y has another shape.

    Examples
    --------
    >>> import numpy as np, fastexpr as fx
    >>> x = fx.variables(2)
    >>> f = fx.Function(x, [x.sum(), np.outer(x, x)])
    >>> f.unpack(f([1.0, 2.0]))["y1"]
    array([[1., 2.],
           [2., 4.]])
    """
    y = np.asarray(y, dtype=np.float64)
    m = self.n_outputs
    if y.ndim not in (1, 2) or y.shape[-1] != m:
        raise ShapeError(
            f"[Function] unpack: wrong shape of y: got {y.shape}, expected ({m},), or (B, {m}) for a batch."
        )
    arrays = {}
    begin = 0
    for name, shape in self.outputs.items():
        inner = without_leading_one(tuple(shape))
        end = begin + math.prod(inner)
        arrays[name] = y[..., begin:end].reshape(y.shape[:-1] + inner)
        begin = end
    return arrays
