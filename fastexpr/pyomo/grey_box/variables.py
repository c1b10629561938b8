"""What a grey box does with the variables of its block: bounds, starting values, scaling factors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from pyomo.core.base.component_namer import name_repr
from pyomo.core.base.var import VarData
from pyomo.environ import Suffix

from fastexpr.errors import ModelError
from fastexpr.pyomo.bounds.network_bounds import Enclosure, enclose, keep_in_range
from fastexpr.pyomo.model.building import Memory, _range, middle_of_bounds

Array = npt.NDArray[np.float64]
SAMPLES = 32  # points in the network's range, to see how much its outputs vary


class OutputName(str):
    """A name that is formatted as Pyomo writes it into a component's name: in quotes where it has brackets or dots.

    PyNumero formats the names of outputs into those of their equations; MindtPy looks these up by the variables' names.
    """

    __slots__ = ()

    def __format__(self, specification: str) -> str:
        return format(name_repr(str(self)), specification)


class Instance(NamedTuple):
    """The variables of one instance by the network's names."""

    inputs: dict[str, VarData]
    outputs: dict[str, VarData]


def check_index(owner: str, kind: str, variables: Any, names: Sequence[str]) -> None:
    """Variables of the user's are taken in their order; where they have names, these have to be the right ones.

    Raises
    ------
    ModelError
        Other names, or another order.
    """
    keys = list(variables)
    if any(isinstance(key, str) for key in keys) and keys != list(names):
        raise ModelError(
            f"{owner} the index of the variables does not match the {kind}s: got {', '.join(map(repr, keys[:10]))}, "
            f"expected {', '.join(names[:10])}. Pass a list of variables, whose order is taken as it is."
        )


def set_bounds(block: Any, model: Any, instances: Sequence[Instance]) -> None:
    """Keep the inputs in the network's range, and the block's own outputs where interval arithmetic puts them."""
    lower, upper = _range(model.net)
    if lower is None:
        return
    memory = Memory()
    for inputs, outputs in instances:
        keep_in_range(block, list(inputs.values()), lower, upper)
        if not block.outputs.is_reference():
            enclose(list(outputs.values()), Enclosure(model, list(inputs.values()), memory))


def starting_values(inputs: Any) -> Array:
    """The inputs' values; those that have none get one first."""
    for variable in inputs.values():
        if variable.value is None:
            variable.set_value(middle_of_bounds(variable), skip_validation=True)
    return np.array([variable.value for variable in inputs.values()], dtype=float)


def set_values(variables: Iterable[Any], values: Array) -> None:
    """Set those variables that are free, to those values that are finite."""
    for variable, value in zip(variables, values, strict=True):
        if not variable.fixed and np.isfinite(value):
            variable.set_value(float(value), skip_validation=True)


def typical_factors(net: Any) -> tuple[Array, Array] | None:
    """(inputs, outputs): one over how much each varies in the network's range; None where that is not finite."""
    lower, upper = _range(net)
    if lower is None or not (np.isfinite(lower).all() and np.isfinite(upper).all()):
        return None
    shares = np.random.default_rng(0).random((SAMPLES, net.n_inputs))
    outputs = net(lower + shares * (upper - lower))
    with np.errstate(invalid="ignore"):
        return _one_over(upper - lower), _one_over(outputs.max(axis=0) - outputs.min(axis=0))


def _one_over(spread: Array) -> Array:
    """One over it; 1 where that makes no factor."""
    return 1.0 / np.where(np.isfinite(spread) & (spread > 0), spread, 1.0)


def set_scaling(block: Any, factors: Sequence[tuple[Any, Array]]) -> None:
    """Write the factors of own variables into the block's Suffix `scaling_factor`, where the user has none there.

    The Suffix is a local one: the block's variables are not all in the .nl file that PyNumero writes, and an exported
    Suffix would warn about each of the others.
    """
    if block.component("scaling_factor") is None:
        block.scaling_factor = Suffix(direction=Suffix.LOCAL)
    for variables, numbers in factors:
        if not variables.is_reference():
            for variable, number in zip(variables.values(), numbers, strict=True):
                block.scaling_factor.setdefault(variable, float(number))
