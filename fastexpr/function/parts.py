"""A part of a network: some inputs fixed to numbers, or some of its outputs only."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches

import numpy as np
import numpy.typing as npt

from fastexpr._core import Function, Operator
from fastexpr.errors import GraphError, NotFoundError, ShapeError
from fastexpr.function.variants import Array, blanks, rebuild

Node = tuple[Operator, Sequence[int], str]
Ports = Mapping[str, Sequence[int]]

MOST_NAMES = 10  # that a message lists


def with_fixed(self: Function, values: Mapping[str, npt.ArrayLike]) -> Function:
    """The function of the other inputs, where some are fixed to numbers.

    Parameters
    ----------
    values : mapping of str to float or array_like
        By the name of one component of x, its number; or by the name of an input tensor (a key of `inputs`), numbers in
        its shape, with or without a leading 1, or flat; one number fills it.

    Returns
    -------
    Function
        Of the components that are left, in their order, with their names and bounds. A tensor of which some components
        are left is flat.

    Raises
    ------
    fastexpr.errors.NotFoundError
        There is no such component or tensor.
    fastexpr.errors.ShapeError
        Numbers that do not fit a tensor, or nothing is left.
    ValueError
        A value is no finite number, or two names give one component.

    Examples
    --------
    >>> import fastexpr as fx
    >>> x = fx.variables(3)
    >>> f = fx.Function(x, x[0] * x[1] + x[2]).with_names(inputs=["dose", "age", "weight"])
    >>> g = f.with_fixed({"age": 50})
    >>> g.input_names, g([2.0, 80.0])
    (('dose', 'weight'), array([180.]))
    """
    numbers = np.full(self.n_inputs, np.nan)
    for name, value in dict(values).items():
        at = components("[Function] with_fixed", name, self.input_names, self.inputs)
        if not np.isnan(numbers[at]).all():
            raise GraphError(f"[Function] with_fixed: {name!r} is fixed twice, by its tensor. Fix it once.")
        numbers[at] = fixed_numbers(name, value, at, self.inputs)
    is_free = np.isnan(numbers)
    if not is_free.any():
        raise ShapeError("[Function] with_fixed: every input is fixed. Leave one free, or call the function.")
    places = np.where(is_free, np.cumsum(is_free) - 1, is_free.sum() + np.cumsum(~is_free) - 1)
    ports, begin = [], 0
    for name, shape in self.inputs.items():
        left = is_free[begin : begin + math.prod(shape)]
        if left.any():
            ports.append((name, tuple(shape) if left.all() else (int(left.sum()),)))
        begin += left.size
    nodes, shift = nodes_of_rest(self, numbers, is_free, places)
    units = blanks(self.input_units)
    return Function._from_nodes(
        int(is_free.sum()),
        nodes,
        [shift[k] for k in self._output_ids()],
        ports,
        list(self.outputs.items()),
        [name for name, free in zip(self.input_names, is_free, strict=True) if free],
        list(self.output_names),
        None if self.lower is None else self.lower[is_free],
        None if self.upper is None else self.upper[is_free],
        None if units is None else [unit for unit, free in zip(units, is_free, strict=True) if free],
        blanks(self.output_units),
    )


def nodes_of_rest(
    function: Function, numbers: Array, is_free: npt.NDArray[np.bool_], places: npt.NDArray[np.int64]
) -> tuple[list[Node], list[int]]:
    """The function's nodes behind a node that puts x together of what is left and what is fixed, and the new id of
    each old one. A Select from x that meets one of the two kinds only reads it without that.
    """
    n_free, n = int(is_free.sum()), len(numbers)
    nodes: list[Node] = [
        (Operator("Constant", [], {}, [numbers[~is_free]]), [], "fixed"),
        (Operator("Concat", [(n_free,), (n - n_free,)], {"axis": 0}, []), [0, 1], "x"),
        (Operator("Select", [(n,)], {"shape": [n]}, [places.astype(np.int64)]), [2], "x"),
    ]
    if n_free == n:
        nodes = []
    new = [len(nodes)]
    for core, inputs, label in function._nodes():
        sources = [new[k] for k in inputs]
        if core.name == "Select" and list(inputs) == [0] and n_free < n:
            picked = places[core.constants[0]]
            if (picked < n_free).all():
                core, sources = Operator("Select", [(n_free,)], {"shape": list(core.shape)}, [picked]), [0]
            elif (picked >= n_free).all():
                core, sources = Operator("Constant", [], {}, [numbers[core.constants[0]].reshape(core.shape)]), []
        nodes.append((core, sources, label))
        new.append(len(nodes))
    return nodes, new


def fixed_numbers(name: str, value: npt.ArrayLike, at: slice, ports: Ports) -> Array:
    """The value as the numbers of these components."""
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise TypeError(f"[Function] with_fixed: got {value!r} for {name!r}, expected numbers.") from None
    if not np.isfinite(array).all():
        raise ValueError(f"[Function] with_fixed: got {value!r} for {name!r}, expected finite numbers.")
    count = at.stop - at.start
    shape = tuple(ports[name]) if name in ports and math.prod(ports[name]) == count else ()
    inner = shape[1:] if shape[:1] == (1,) else shape
    if array.shape not in ((), shape, inner, (count,)):
        expected = f"{inner} or one number" if count > 1 else "one number"
        raise ShapeError(f"[Function] with_fixed: got the shape {array.shape} for {name!r}, expected {expected}.")
    return np.broadcast_to(array.reshape(-1), (count,))


def select(self: Function, outputs: Sequence[str]) -> Function:
    """The function with some of its outputs only, in the given order; what only others need is dropped.

    Parameters
    ----------
    outputs : sequence of str
        Names of components of f(x), or of output tensors (keys of the attribute `outputs`), which are taken whole.

    Returns
    -------
    Function
        Of the same x.

    Raises
    ------
    fastexpr.errors.NotFoundError
        There is no such component or tensor.
    fastexpr.errors.GraphError
        No name, or a component is taken twice.

    Examples
    --------
    >>> import fastexpr as fx
    >>> x = fx.variables(2)
    >>> f = fx.Function(x, [x.sum(), x[0] * x[1]]).with_names(outputs=["sum", "product"])
    >>> f.select(["product"])([2.0, 3.0])
    array([6.])
    """
    if isinstance(outputs, str):
        raise TypeError(
            f"[Function] select: outputs is a list of names: got the text {outputs!r}. Write [{outputs!r}]."
        )
    names = list(outputs)
    slices = [components("[Function] select", name, self.output_names, self.outputs) for name in names]
    chosen = [k for at in slices for k in range(at.start, at.stop)]
    twice = [self.output_names[k] for k, count in Counter(chosen).items() if count > 1]
    if twice or not names:
        what = f"{twice[0]!r} is chosen twice" if twice else "no output is chosen"
        raise GraphError(f"[Function] select: {what}: got {names}. Name each output once.")
    nodes, ids, ports = list(self._nodes()), self._output_ids(), []
    starts = np.cumsum([0, *(math.prod(shape) for shape in self.outputs.values())])
    output_ids = []
    for name, at in zip(names, slices, strict=True):
        k = int(np.searchsorted(starts, at.start, side="right")) - 1
        shape = list(self.outputs.values())[k]
        if at.stop - at.start == math.prod(shape):
            ports.append((name, tuple(shape)))
            output_ids.append(ids[k])
            continue
        source = tuple(nodes[ids[k] - 1][0].shape) if ids[k] else (self.n_inputs,)
        nodes.append((Operator("Select", [source], {"shape": []}, [np.array([at.start - starts[k]])]), [ids[k]], name))
        ports.append((name, ()))
        output_ids.append(len(nodes))
    units = blanks(self.output_units)
    return rebuild(
        self,
        nodes=nodes,
        output_ids=output_ids,
        outputs=ports,
        output_names=[self.output_names[k] for k in chosen],
        output_units=None if units is None else [units[k] for k in chosen],
    )


def components(what: str, name: object, names: Sequence[str], ports: Ports) -> slice:
    """Where the component of this name stands, or the components of the tensor of this name."""
    if name in names:
        k = names.index(str(name))
        return slice(k, k + 1)
    begin = 0
    for port, shape in ports.items():
        end = begin + math.prod(shape)
        if port == name:
            return slice(begin, end)
        begin = end
    raise NotFoundError(f"{what}: got {name!r}, expected one of {listed(str(name), [*names, *ports])}.")


def listed(name: str, known: Iterable[str]) -> str:
    """The known names, or the nearest of many."""
    different = list(dict.fromkeys(known))
    if len(different) > MOST_NAMES:
        nearest = get_close_matches(name, different, MOST_NAMES, 0.0)
        return ", ".join(map(repr, nearest)) + f", ... ({len(different)} in all)"
    return ", ".join(map(repr, different))
