"""How a NetworkBlock fills itself: variables or references, bounds, equations, starting values."""

from __future__ import annotations

import copy
import functools
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import repeat
from typing import Any

import numpy as np
from pyomo.common.gc_manager import PauseGC
from pyomo.core.base.var import VarData
from pyomo.environ import Constraint, Suffix, value

from fastexpr.errors import FormulationError, ModelError
from fastexpr.pyomo.bounds.input_box import InputBox, interval
from fastexpr.pyomo.bounds.limit import Limit
from fastexpr.pyomo.bounds.network_bounds import Enclosure, enclose, keep_in_range
from fastexpr.pyomo.external.network import ExternalNetwork
from fastexpr.pyomo.inputs.arguments import Entries
from fastexpr.pyomo.inputs.named import NamedVar, named_reference
from fastexpr.pyomo.inputs.units import groups


def build_block(block: Any, *index: Any) -> None:
    """Fill one block: the rule of every NetworkBlock.

    Python's garbage collector looks through a whole model again and again while its objects are made, and finds none:
    it pauses, as it does in Pyomo's writers.
    """
    with PauseGC():
        _build(block, index)


def _build(block: Any, index: tuple[Any, ...]) -> None:
    container = block.parent_component()
    net = container._file.net
    units = container._units
    limits: tuple[Any, Any] = _range(net) if container._has_bounds else (None, None)
    lower, upper = limits
    inputs = _given_scalars(block, "input", net.input_names, net.inputs, index)
    if inputs is None:
        _add_variables(block, "inputs", net.input_names, units["input"], lower, upper)
        set_starts(net, block.inputs.values())
    else:
        block.inputs = named_reference(net.input_names, inputs)
        if lower is not None:
            keep_in_range(block, inputs, lower, upper)
    scalars = list(block.inputs.values()) if inputs is None else inputs
    outputs = _given_scalars(block, "output", net.output_names, net.outputs, index)
    box = InputBox(scalars)
    formulation, body, placed = _chosen(container._formulation, net, box, container._settings)
    block._formulation, block._net, block._box = formulation, body, None if formulation == "external" else box
    attribute = "outputs" if body is net else "logits"
    if formulation == "external":
        block.network = ExternalNetwork(
            copy.deepcopy(container._file), input_units=units["input"], output_units=units["output"]
        )
    if outputs is None:
        _add_variables(block, attribute, net.output_names, units["output"] if body is net else None, None, None)
        if formulation == "reduced-space" or (formulation == "external" and is_in_disjunct(block)):
            set_bounds(block._results.values(), *container._memory.output_bounds(body, box.lower, box.upper))
        elif formulation == "external" and lower is not None:
            enclose(block._results.values(), Enclosure(block, scalars, container._memory))
    elif body is not net:
        raise FormulationError(
            f"[NetworkBlock '{block.name}'] outputs= goes with no linear formulation of a network that ends with "
            "softmax or sigmoid: the block has its logits only. What to do: ClassifiedAs(block, label), block.logits, "
            "or formulation='full-space'."
        )
    else:
        block.outputs = named_reference(net.output_names, outputs)
    if formulation == "external":
        # Not the named expression: where Pyomo's presolve finds all inputs to be constant, it stays in the .nl file as
        # a defined variable without variables, for which the ASL takes zero.
        results = [result.expr for _, result in block.network(scalars).items()]
    else:
        from fastexpr.pyomo.formulation.formulating import write_algebra

        results = write_algebra(block, body, box, formulation, container._settings, placed, units["input"])
        if outputs is None and formulation != "reduced-space":
            set_bounds(block._results.values(), *block._builder.output_bounds)
    block.equations = Constraint(list(net.output_names))
    own_units = None if formulation == "external" or body is not net else units["output"]  # a function has its own
    for name, result, unit in zip(net.output_names, results, own_units or [None] * net.n_outputs, strict=True):
        block.equations[name] = (block._results[name] if unit is None else block._results[name] / unit) == result
    if formulation == "external" and is_in_disjunct(block):
        block._box = box
        for name, result in zip(net.output_names, results, strict=True):
            block.equations[name] = (block.outputs[name] - result, Limit(0.0, block))
        state_big_m(block, box, container._memory)
    if not container.is_indexed():  # later members of an index set still need what was given
        container._given = {}
    start = container._memory.value(body, [starting_value(scalar) for scalar in block.inputs.values()])
    if np.isfinite(start).all():
        block._set_outputs(start, overwrite=False)


def _chosen(formulation: str | None, net: Any, box: InputBox, settings: dict[str, Any]) -> tuple[str, Any, Any]:
    """The formulation, the part of the network that it states, and this as algebra where that was made to choose.

    Functions, the usual case, do without the formulations, which import SciPy; Pyomo then imports nearly all of it.
    """
    if formulation == "external" or (
        formulation is None and all(operator.name != "TreeEnsemble" for operator, *_ in net._nodes())
    ):
        return "external", net, None
    from fastexpr.pyomo.formulation.formulating import body_of, choose

    placed = None
    if formulation is None:
        formulation, placed = choose(net, box, settings)
    return formulation, body_of(net, formulation), placed


def is_in_disjunct(block: Any) -> bool:
    """Whether a block is a part of a disjunct, whose transformations read numbers where other writers look them up."""
    parent = block.parent_block()
    while parent is not None and parent.ctype.__name__ != "Disjunct":
        parent = parent.parent_block()
    return parent is not None


def set_bounds(variables: Any, lower: Any, upper: Any) -> None:
    """Bounds of outputs over the box that the block was built for."""
    for variable, low, high in zip(variables, lower, upper, strict=True):
        variable.setlb(_bound(low))
        variable.setub(_bound(high))


def state_big_m(block: Any, box: InputBox, memory: Memory) -> None:
    """How far `output - net(x)` can be from 0, for gdp.bigm, which cannot look into a function."""
    block.BigM = Suffix(direction=Suffix.LOCAL)
    lower, upper = memory.output_bounds(block.net, box.lower, box.upper)
    for variable, equation, low, high in zip(
        block.outputs.values(), block.equations.values(), lower, upper, strict=True
    ):
        own = interval(variable)
        if np.isfinite([low, high, *own]).all():
            block.BigM[equation] = (own[0] - high, own[1] - low)


class Memory:
    """A network's values and bounds of the last time: members of an index set often start alike. Copies begin anew."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Any, Any]] = {}

    def value(self, net: Any, x: Sequence[float]) -> Any:
        """(m,): net(x)."""
        return self._recall("value", (net, tuple(x)), lambda: net(np.array(x)))

    def output_bounds(self, net: Any, lower: Any, upper: Any) -> Any:
        """net.output_bounds(lower, upper)"""
        key = (net, tuple(lower), tuple(upper))
        return self._recall("output_bounds", key, lambda: net.output_bounds(lower, upper))

    def __deepcopy__(self, memo: dict[int, Any]) -> Memory:
        return Memory()

    def __reduce__(self) -> Any:
        return Memory, ()

    def _recall(self, what: str, key: Any, compute: Callable[[], Any]) -> Any:
        if what not in self._known or self._known[what][0] != key:
            self._known[what] = key, compute()
        return self._known[what][1]


def _given_scalars(
    block: Any,
    kind: str,
    names: Sequence[str],
    ports: Mapping[str, tuple[int, ...]],
    index: tuple[Any, ...],
) -> list[Any] | None:
    """What the user passed for this block's inputs or outputs, one scalar per entry; None where he passed nothing."""
    container = block.parent_component()
    given = container._given.get(kind)
    if isinstance(given, (types.FunctionType, types.MethodType, functools.partial)):
        given = given(container.parent_block(), *index)
    elif given is not None and container.is_indexed():
        if not isinstance(given, Mapping):
            raise ModelError(
                f"[NetworkBlock '{container.name}'] an indexed block needs the {kind}s of each member: pass "
                f"{kind}s=lambda m, i: ..., a function of the parent block and the index, or a dict by index; got a "
                f"{type(given).__name__}."
            )
        given = given[index if len(index) > 1 else index[0]]
    if given is None:
        return None
    return Entries(f"[NetworkBlock '{block.name}']", kind, names, ports).match([given])


def _range(net: Any) -> tuple[Any, Any]:
    """The inputs' range that the network is meant for, (None, None) where none is stated."""
    if net.lower is None and net.upper is None:
        return None, None
    lower = np.full(net.n_inputs, -np.inf) if net.lower is None else np.asarray(net.lower)
    upper = np.full(net.n_inputs, np.inf) if net.upper is None else np.asarray(net.upper)
    return lower, upper


def _add_variables(block: Any, attribute: str, names: Sequence[str], units: Any, lower: Any, upper: Any) -> None:
    """Variables of the block's own; a Pyomo Var has one unit, so several units take several Vars and a Reference."""
    bounds: dict[str, tuple[float | None, float | None]] = dict.fromkeys(names, (None, None))
    if lower is not None:
        bounds = {name: (_bound(low), _bound(high)) for name, low, high in zip(names, lower, upper, strict=True)}
    by_unit = groups(units, len(names))
    for number, (unit, positions) in enumerate(by_unit):
        members = [names[position] for position in positions]
        variable = NamedVar(members, bounds={name: bounds[name] for name in members}, units=unit)
        block.add_component(attribute if len(by_unit) == 1 else f"{attribute}_{number}", variable)
    if len(by_unit) > 1:
        parts = [getattr(block, f"{attribute}_{number}") for number in range(len(by_unit))]
        own = {name: variable for part in parts for name, variable in part.items()}
        block.add_component(attribute, named_reference(names, [own[name] for name in names]))


def _bound(number: float) -> float | None:
    return float(number) if np.isfinite(number) else None


def set_starts(net: Any, inputs: Iterable[Any]) -> None:
    """Give variables without a value one: the centre of the network's data, or the middle of their bounds."""
    data = getattr(net, "data", None)
    centre: Iterable[float] = repeat(np.nan) if data is None else data.center
    for scalar, number in zip(inputs, centre, strict=False):
        if not isinstance(scalar, VarData) or scalar.value is not None:
            continue
        if np.isfinite(number):
            low, high = (-np.inf if scalar.lb is None else scalar.lb), (np.inf if scalar.ub is None else scalar.ub)
            scalar.set_value(float(min(max(number, low), high)), skip_validation=True)
        else:
            scalar.set_value(middle_of_bounds(scalar), skip_validation=True)


def middle_of_bounds(variable: Any) -> float:
    """The middle of a variable's bounds; where one is missing, the number nearest to zero within them."""
    if variable.lb is not None and variable.ub is not None:
        return float(variable.lb + (variable.ub - variable.lb) / 2)
    return _nearest_to_zero(variable)


def _nearest_to_zero(variable: Any) -> float:
    low = -np.inf if variable.lb is None else variable.lb
    high = np.inf if variable.ub is None else variable.ub
    return float(min(max(0.0, low), high))


def starting_value(scalar: Any) -> float:
    """The value of an input, or where a solver starts it: at zero, or at the bound nearest to zero."""
    if isinstance(scalar, VarData) and scalar.value is None:
        return _nearest_to_zero(scalar)
    number = value(scalar, exception=False)
    return 0.0 if number is None else float(number)
