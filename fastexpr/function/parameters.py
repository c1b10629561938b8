"""A network's trained numbers as one vector: read, named, and replaced without building the network again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from fastexpr._core import Function, Operator
from fastexpr.errors import ShapeError
from fastexpr.function.arguments import real_numbers
from fastexpr.function.variants import Array, rebuild

#: What an operator's constants are called, in order; others are "constant", "constant 1", ...
ROLES = {"Linear": ("weight", "bias"), "Conv": ("weight", "bias")}


def tensors(function: Function) -> Iterator[tuple[int, int, npt.NDArray[Any], str]]:
    """Node, place among its constants, the numbers and their name; of what several nodes share the first one only."""
    seen: set[tuple[int, tuple[int, ...]]] = set()
    for number, (core, _, label) in enumerate(function._nodes()):
        for place, numbers in enumerate(core.constants):
            key = address(numbers)
            if numbers.dtype.kind == "f" and key not in seen:
                seen.add(key)
                roles = ROLES.get(core.name, ())
                role = roles[place] if place < len(roles) else f"constant {place}" if place else "constant"
                yield number, place, numbers, f"{label} {role}"


def address(numbers: npt.NDArray[Any]) -> tuple[int, tuple[int, ...]]:
    """Where the core keeps them."""
    return int(numbers.__array_interface__["data"][0]), numbers.shape


def parameters(self: Function) -> Array:
    """(n_parameters,): the trained numbers, and all other constants that are no indices, as one vector.

    Node by node, each tensor in C order; of numbers that several nodes share, once. `parameter_names` says which is
    which, and `with_parameters` takes others.
    """
    return np.concatenate([np.zeros(0), *(numbers.ravel() for _, _, numbers, _ in tensors(self))])


def parameter_names(self: Function) -> tuple[str, ...]:
    """One for each of `parameters`: the node, what it is there, and the place in that."""
    names: list[str] = []
    for _, _, numbers, name in tensors(self):
        names.extend(
            f"{name}[{','.join(map(str, index))}]" if numbers.ndim else name for index in np.ndindex(*numbers.shape)
        )
    return tuple(names)


def with_parameters(self: Function, values: npt.ArrayLike) -> Function:
    """The same network with other trained numbers, in double precision; nothing is imported or traced again.

    Parameters
    ----------
    values : (n_parameters,) array_like
        In the order of `parameters`.

    Returns
    -------
    Function
        With the same names, units and bounds.

    Raises
    ------
    fastexpr.errors.ShapeError
        Not as many numbers.
    ValueError
        A number is not finite.

    Examples
    --------
    >>> import numpy as np, fastexpr as fx
    >>> x = fx.variables(2)
    >>> net = fx.Function(x, np.tanh(np.array([[1.0, 2.0]]) @ x))
    >>> net.parameters, net.parameter_names
    (array([1., 2.]), ('Linear_1 weight[0,0]', 'Linear_1 weight[0,1]'))
    >>> net.with_parameters([1.0, 0.0])([0.5, 7.0]).round(4)
    array([0.4621])
    """
    vector = real_numbers(values, "[with_parameters] values").astype(np.float64)
    if vector.shape != (self.n_parameters,):
        raise ShapeError(
            f"[with_parameters] wrong shape of values: got {vector.shape}, expected ({self.n_parameters},): one for "
            "each of net.parameters."
        )
    wrong = np.flatnonzero(~np.isfinite(vector) & (np.isfinite(self.parameters) | np.isnan(vector)))
    if wrong.size:
        place = int(wrong[0])
        raise ValueError(f"[with_parameters] values[{place}] is not finite: got {vector[place]}.")
    found: dict[tuple[int, tuple[int, ...]], npt.NDArray[Any]] = {}
    begin = 0
    for _, _, numbers, _ in tensors(self):
        new = vector[begin : begin + numbers.size].reshape(numbers.shape)
        new.flags.writeable = False
        found[address(numbers)] = new
        begin += numbers.size
    nodes = [(replaced(core, found), inputs, label) for core, inputs, label in self._nodes()]
    return rebuild(self, nodes=nodes)


def replaced(core: Operator, found: dict[tuple[int, tuple[int, ...]], npt.NDArray[Any]]) -> Operator:
    """The operator with the new numbers."""
    constants = core.constants
    if not any(numbers.dtype.kind == "f" for numbers in constants):
        return core
    return Operator(core.name, core.input_shapes, core.attributes, [found.get(address(c), c) for c in constants])
