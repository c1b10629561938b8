"""Where steps jump along single inputs: thresholds of trees and of comparisons with constants."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from fastexpr._core import Function

Array = npt.NDArray[np.float64]
COMPARISONS = ("Less", "LessOrEqual", "Equal")


class Traced:
    """Of every unit of a node: scale * x[component] + offset, component -1 where it is of another kind."""

    def __init__(self, component: Array, scale: Array, offset: Array) -> None:
        self.component, self.scale, self.offset = component, scale, offset

    @classmethod
    def constant(cls, numbers: Array) -> Traced:
        return cls(np.full(numbers.size, -2.0), np.zeros(numbers.size), numbers.reshape(-1).astype(np.float64))

    @classmethod
    def unknown(cls, size: int) -> Traced:
        return cls(np.full(size, -1.0), np.zeros(size), np.zeros(size))

    def at(self, indices: npt.NDArray[np.int64]) -> Traced:
        return Traced(self.component[indices], self.scale[indices], self.offset[indices])


def cuts_of(function: Function) -> list[Array]:
    """Ascending, one array for each input."""
    found: list[list[Array]] = [[] for _ in range(function.n_inputs)]
    n = function.n_inputs
    traced = [Traced(np.arange(n, dtype=np.float64), np.ones(n), np.zeros(n))]
    nodes = function._nodes()
    if not any(core.name in (*COMPARISONS, "TreeEnsemble") for core, _, _ in nodes):
        return [np.zeros(0) for _ in found]
    for core, inputs, _ in nodes:
        arguments = [traced[k] for k in inputs]
        traced.append(trace(core, arguments))
        for component, places in jumps_of(core, arguments):
            found[component].append(places)
    return [around(np.concatenate(places)) if places else np.zeros(0) for places in found]


def around(places: Array) -> Array:
    """A test may hold up to a place, or only below it: so the double before it, too."""
    return np.unique(np.concatenate([np.nextafter(places, -np.inf), places]))


def trace(core: Any, arguments: list[Traced]) -> Traced:
    size = int(np.prod(core.shape))
    if core.name == "Constant":
        return Traced.constant(np.asarray(core.constants[0]))
    if core.name in ("Reshape", "Neg"):
        sign = -1.0 if core.name == "Neg" else 1.0
        return Traced(arguments[0].component, sign * arguments[0].scale, sign * arguments[0].offset)
    if core.name == "Select":
        indices = np.asarray(core.constants[0]).reshape(-1)
        return arguments[0].at(indices) if (indices >= 0).all() else Traced.unknown(size)
    if core.name in ("Add", "Sub", "Mul", "Div"):
        return combined(core, arguments)
    return Traced.unknown(size)


def spread(core: Any, arguments: list[Traced]) -> list[Traced]:
    """Both arguments as the output's units see them."""
    result = []
    for argument, shape in zip(arguments, core.input_shapes, strict=True):
        indices = np.broadcast_to(np.arange(argument.component.size).reshape(shape), core.shape).reshape(-1)
        result.append(argument.at(indices))
    return result


def combined(core: Any, arguments: list[Traced]) -> Traced:
    a, b = spread(core, arguments)
    if not ((a.component == -2).all() or (b.component == -2).all()):
        return Traced.unknown(a.component.size)
    if core.name in ("Add", "Sub"):
        sign = 1.0 if core.name == "Add" else -1.0
        return Traced(np.maximum(a.component, b.component), a.scale + sign * b.scale, a.offset + sign * b.offset)
    if core.name == "Div":
        if not (b.component == -2).all() or (b.offset == 0).any():
            return Traced.unknown(a.component.size)
        return Traced(a.component, a.scale / b.offset, a.offset / b.offset)
    if (a.component == -2).all():
        a, b = b, a
    return Traced(a.component, a.scale * b.offset, a.offset * b.offset)


def jumps_of(core: Any, arguments: list[Traced]) -> list[tuple[int, Array]]:
    """(input, places) at which this node jumps."""
    if core.name == "TreeEnsemble":
        return jumps_of_trees(core, arguments[0])
    if core.name not in COMPARISONS:
        return []
    a, b = spread(core, arguments)
    scale, offset = a.scale - b.scale, a.offset - b.offset
    usable = (np.minimum(a.component, b.component) == -2) & (np.maximum(a.component, b.component) >= 0) & (scale != 0)
    component = np.maximum(a.component, b.component)
    return [(int(component[i]), np.array([-offset[i] / scale[i]])) for i in np.flatnonzero(usable)]


def jumps_of_trees(core: Any, argument: Traced) -> list[tuple[int, Array]]:
    nodes, thresholds = np.asarray(core.constants[0]), np.asarray(core.constants[1], dtype=np.float64)
    tests = nodes[:, 0] != 0
    n_features = core.input_shapes[0][-1]
    found = []
    for unit, component in enumerate(argument.component):
        own = thresholds[tests & (nodes[:, 1] == unit % n_features)]
        if component >= 0 and argument.scale[unit] != 0 and own.size:
            places = (own - argument.offset[unit]) / argument.scale[unit]
            found.append((int(component), places[np.isfinite(places)]))
    return found
