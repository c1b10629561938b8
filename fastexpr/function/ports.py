"""Between arrays by name, as the ports of a network declare them, and the vectors x and y of a Function."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import Any

import numpy as np

from fastexpr._core import Function
from fastexpr.errors import ShapeError
from fastexpr.function.arguments import in_order, real_numbers
from fastexpr.function.labels import Names, names_of

Shape = tuple[int, ...]


def pack(self: Function, /, **inputs: Any) -> Any:
    """x from one array per input port: each flattened in C order, joined in declared order.

    Parameters
    ----------
    **inputs : array_like or Expression
        One for every port, by its name (``**{"input.1": image}`` where that is no Python name). In the port's shape
        without a leading 1, or flat; with one more dimension in front for a batch of B. Labels are matched with the
        names of the port's components.

    Returns
    -------
    ndarray, or Expression where one is among the inputs
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
    arrays = {name: of_port(self, name, inputs[name]) for name in ports}
    readings = [readings_of(name, arrays[name].shape, shape) for name, shape in ports.items()]
    is_point = all(can_be_point for can_be_point, _ in readings)
    lengths = {-1 if length is None else length for _, length in readings}
    is_batch = len(lengths) == 1 and -1 not in lengths
    if not is_point and not is_batch:
        got = ", ".join(f"{name} {arrays[name].shape}" for name in ports)
        raise ShapeError(
            f"[Function] pack: the inputs are not one batch: got {got}. Give every input the same leading dimension."
        )
    if is_point and is_batch:  # every length is 1: the file's own shapes are a batch of one, [300.0] is a point
        is_batch = any(array.ndim > 1 for array in arrays.values())
    front = (lengths.pop(),) if is_batch else ()
    return np.concatenate([arrays[name].reshape(*front, math.prod(shape)) for name, shape in ports.items()], axis=-1)


def of_port(function: Function, port: str, value: Any) -> Any:
    """The array of one port; labels are matched with the names of its components, if it has several."""
    shapes = list(function.inputs.values())
    which = list(function.inputs).index(port)
    begin = sum(math.prod(shape) for shape in shapes[:which])
    size = math.prod(shapes[which])

    def names() -> Names:
        everything = names_of(function, "input")
        return everything._replace(names=everything.names[begin : begin + size])

    value = in_order(value, names if size > 1 else None, f"pack: {port!r}")
    return numbers_or_expression(value, f"[Function] pack: {port!r}")


def numbers_or_expression(value: Any, what: str) -> Any:
    """An array of float64, or an Expression where there is one in `value`."""
    try:
        return real_numbers(value, what)
    except TypeError:
        from fastexpr.expression import Expression
        from fastexpr.expression.operands import as_operand

        with suppress(TypeError):
            operand = as_operand(value)
            if isinstance(operand, Expression):
                return operand
        raise


def readings_of(name: str, got: Shape, port: Shape) -> tuple[bool, int | None]:
    """Whether an array of this shape can be one point, and B where it can be a batch."""
    inner = without_leading_one(port)
    shapes = (inner, port, (math.prod(port),))
    can_be_point = got in shapes
    length = got[0] if got and got[1:] in shapes else None
    if not can_be_point and length is None:
        batch = ", ".join(map(str, ("B", *inner)))
        raise ShapeError(
            f"[Function] pack: wrong shape of {name!r}: got {got}, expected {inner}, or ({batch}) for a batch."
        )
    return can_be_point, length


def without_leading_one(shape: Shape) -> Shape:
    return shape[1:] if shape[:1] == (1,) else shape


def unpack(self: Function, y: Any) -> dict[str, Any]:
    """One array per output port from y.

    Parameters
    ----------
    y : array_like or Expression
        Shape (m,), or (B, m): what the function returns. Labels are matched with the output names.

    Returns
    -------
    dict of str to ndarray or Expression
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
    y = in_order(y, lambda: names_of(self, "output"), "unpack: y")
    y = numbers_or_expression(y, "[Function] unpack: y")
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
