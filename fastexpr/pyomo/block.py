"""A network in a Pyomo model as a block of variables and equations: the usual form."""

from __future__ import annotations

import copy
import functools
import os
import types
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pyomo.core.base.block import Block, BlockData
from pyomo.core.base.var import VarData
from pyomo.environ import Constraint, value

from fastexpr.errors import EvaluationError, ModelError
from fastexpr.pyomo.arguments import Entries
from fastexpr.pyomo.external import ExternalNetwork
from fastexpr.pyomo.files import NetworkFile
from fastexpr.pyomo.named import NamedVar, named_reference
from fastexpr.pyomo.units import groups, one_per_entry


class NetworkBlockData(BlockData):  # type: ignore[misc]
    """One network with its variables: `inputs`, `outputs`, and `equations`, outputs == network(inputs)."""

    @property
    def net(self) -> Any:
        """The network, a :class:`~fastexpr.Function`."""
        return self.network.net

    def initialize(self) -> None:
        """Set the outputs to the network's values at the inputs.

        Inputs without a value get one first: the middle of their bounds, or what is nearest to zero within them.

        Raises
        ------
        EvaluationError
            The network's value there is not finite.
        """
        for scalar in self.inputs.values():
            if isinstance(scalar, VarData) and scalar.value is None:
                scalar.set_value(_middle(scalar), skip_validation=True)
        results = self._evaluate()
        if not np.isfinite(results).all():
            raise EvaluationError(
                f"[NetworkBlock '{self.name}'] the network is not finite at its inputs' values: got {results}. Give "
                "the inputs other values."
            )
        self._set_outputs(results, overwrite=True)

    def update(self, net: Any, path: str | os.PathLike[str] | None = None) -> None:
        """Put another network in place of this one, as :meth:`ExternalNetwork.update`. Bounds stay as they are."""
        self.network.update(net, path)

    def _evaluate(self) -> Any:
        """The network's outputs where a solver would start: inputs without a value are zero within their bounds."""
        return np.asarray(self.net(np.array([_start(scalar) for scalar in self.inputs.values()])))

    def _set_outputs(self, results: Any, overwrite: bool) -> None:
        for scalar, result in zip(self.outputs.values(), results, strict=True):
            if isinstance(scalar, VarData) and not scalar.fixed and (overwrite or scalar.value is None):
                scalar.set_value(float(result), skip_validation=True)


class NetworkBlock(Block):  # type: ignore[misc]
    """A network in a Pyomo model: variables for its inputs and outputs, and one equation per output.

    ``m.nn = NetworkBlock(net, inputs=m.x)`` has ``m.nn.inputs`` and ``m.nn.outputs``, by name
    (``m.nn.outputs["CO2"]``) or position (``m.nn.outputs[0]``), and ``m.nn.equations``. It starts from the network's
    values at the inputs.

    Parameters
    ----------
    *index
        Index sets: ``NetworkBlock(m.t, network=net)`` is a block for every member of ``m.t``.
    network : Function
        Also as the first argument.
    inputs : optional
        What the network is applied to: an indexed Var, Expression, Param or Reference, a slice, a list, a NumPy array
        or a dict; for an indexed block a function of the parent block and the index that returns one of these
        (``lambda m, t: m.x[:, t]``), or a dict of them by index. Without it the block has variables of its own.
    outputs : optional
        Likewise, for the left sides of the equations.
    input_units, output_units : optional
        One unit for all, or one per entry (a list, or a dict by name).
    bounds : bool
        Whether the range that the network is meant for (``net.with_bounds``) bounds the input variables (also yours,
        whose own bounds stay where they are tighter) and, by interval arithmetic, the block's own output variables.
    path : path-like, optional
        Where the network's file shall be; see :class:`ExternalNetwork`.
    **kwargs
        As of :class:`pyomo.environ.Block`: name, doc, dense.

    Raises
    ------
    ShapeError
        The number of inputs, outputs or units is wrong.
    ModelError
        Names that do not match, an index set without order, bounds that leave nothing.

    Examples
    --------
    >>> import numpy as np, pyomo.environ as pyo, fastexpr as fx, fastexpr.pyomo as fxp
    >>> x = fx.variables(2)
    >>> net = fx.Function(x, np.tanh(x[0] - x[1])).with_names(inputs=["hot", "cold"], outputs=["flow"])
    >>> m = pyo.ConcreteModel()
    >>> m.nn = fxp.NetworkBlock(net.with_bounds([0.0, 0.0], [1.0, 1.0]))
    >>> m.nn.inputs["cold"].fix(0.5)
    >>> m.best = pyo.Objective(expr=m.nn.outputs["flow"], sense=pyo.maximize)
    >>> m.nn.inputs["hot"].bounds
    (0.0, 1.0)
    """

    _ComponentDataClass = NetworkBlockData

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Choose the class, as Pyomo does: with or without index."""
        if cls is not NetworkBlock:
            return super().__new__(cls)
        has_index = any(not _is_network(argument) for argument in args)
        return super().__new__(IndexedNetworkBlock if has_index else ScalarNetworkBlock)

    def __init__(
        self,
        *index: Any,
        network: Any = None,
        inputs: Any = None,
        outputs: Any = None,
        input_units: Any = None,
        output_units: Any = None,
        bounds: bool = True,
        path: str | os.PathLike[str] | None = None,
        **kwargs: Any,
    ) -> None:
        networks = [argument for argument in index if _is_network(argument)] + ([] if network is None else [network])
        if len(networks) != 1:
            raise ModelError(
                f"[NetworkBlock] got {len(networks)} networks, expected 1: NetworkBlock(net), or network=net."
            )
        if "rule" in kwargs or "concrete" in kwargs:
            raise ModelError(
                "[NetworkBlock] builds itself: got rule= or concrete=. Put the rest of your block around it."
            )
        net = networks[0]
        for kind, names in (("input", net.input_names), ("output", net.output_names)):
            if len(set(names)) != len(names):
                raise ModelError(
                    f"[NetworkBlock] {kind} names occur twice. Rename them: net.with_names({kind}s=[...])."
                )
        self._file = NetworkFile(net, path)
        self._given = {"input": inputs, "output": outputs}
        self._units = {
            "input": one_per_entry(input_units, net.input_names, "input_units"),
            "output": one_per_entry(output_units, net.output_names, "output_units"),
        }
        self._has_bounds = bounds
        super().__init__(*(argument for argument in index if not _is_network(argument)), rule=_build, **kwargs)


class ScalarNetworkBlock(NetworkBlockData, NetworkBlock):
    """A NetworkBlock without index."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        NetworkBlockData.__init__(self, component=self)  # type: ignore[call-arg]
        NetworkBlock.__init__(self, *args, **kwargs)
        self._data[None] = self
        self._index = None

    display = Block.display


class IndexedNetworkBlock(NetworkBlock):
    """A NetworkBlock for every member of an index set."""

    def initialize(self) -> None:
        """Set the outputs of every block to the network's values at its inputs."""
        for block in self.values():
            block.initialize()

    def update(self, net: Any, path: str | os.PathLike[str] | None = None) -> None:
        """Put another network in place in every block; see :meth:`ExternalNetwork.update`."""
        for block in self.values():
            block.update(net, path)
        self._file.replace(net, path)


def _is_network(argument: Any) -> bool:
    return callable(getattr(type(argument), "jacobian", None))  # asked of the type: a slice answers yes to every name


def _build(block: NetworkBlockData, *index: Any) -> None:
    """Fill one block: the rule of every NetworkBlock."""
    container = block.parent_component()
    net = container._file.net
    units = container._units
    block.network = ExternalNetwork(
        copy.deepcopy(container._file), input_units=units["input"], output_units=units["output"]
    )
    lower, upper = _range(net) if container._has_bounds else (None, None)
    inputs = _given_scalars(block, "input", net.input_names, net.inputs, index)
    if inputs is None:
        _add_variables(block, "inputs", net.input_names, units["input"], lower, upper)
        for variable in block.inputs.values():
            variable.set_value(_middle(variable), skip_validation=True)
    else:
        block.inputs = named_reference(net.input_names, inputs)
        if lower is not None:
            _tighten(block, inputs, lower, upper)
    outputs = _given_scalars(block, "output", net.output_names, net.outputs, index)
    if outputs is None:
        is_bounded = lower is not None and all(isinstance(scalar, VarData) for scalar in block.inputs.values())
        bounds = net.output_bounds(lower, upper) if is_bounded else (None, None)
        _add_variables(block, "outputs", net.output_names, units["output"], *bounds)
    else:
        block.outputs = named_reference(net.output_names, outputs)
    results = block.network(list(block.inputs.values()) if inputs is None else inputs)
    block.equations = Constraint(list(net.output_names))
    for name, result in results.items():
        block.equations[name] = block.outputs[name] == result
    start = block._evaluate()
    if np.isfinite(start).all():
        block._set_outputs(start, overwrite=False)


def _given_scalars(
    block: NetworkBlockData,
    kind: str,
    names: Sequence[str],
    ports: Mapping[str, tuple[int, ...]],
    index: tuple[Any, ...],
) -> list[Any] | None:
    """What the user passed for this block's inputs or outputs, one scalar per entry; None where he passed nothing."""
    container = block.parent_component()
    given = container._given[kind]
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


def _add_variables(
    block: NetworkBlockData, attribute: str, names: Sequence[str], units: Any, lower: Any, upper: Any
) -> None:
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


def _tighten(block: NetworkBlockData, scalars: Sequence[Any], lower: Any, upper: Any) -> None:
    """Keep the user's variables in the network's range."""
    for scalar, low, high in zip(scalars, lower, upper, strict=True):
        if not isinstance(scalar, VarData) or scalar.fixed:
            continue
        low = max(float(low), -np.inf if scalar.lb is None else scalar.lb)
        high = min(float(high), np.inf if scalar.ub is None else scalar.ub)
        if low > high:
            raise ModelError(
                f"[NetworkBlock '{block.name}'] the bounds of '{scalar.name}', ({scalar.lb}, {scalar.ub}), and the "
                "network's range have nothing in common. Change them, or pass bounds=False."
            )
        if scalar.lb != _bound(low):
            scalar.setlb(_bound(low))
        if scalar.ub != _bound(high):
            scalar.setub(_bound(high))


def _middle(variable: Any) -> float:
    """The middle of a variable's bounds; where one is missing, the number nearest to zero within them."""
    if variable.lb is not None and variable.ub is not None:
        return float(variable.lb + (variable.ub - variable.lb) / 2)
    return _nearest_to_zero(variable)


def _nearest_to_zero(variable: Any) -> float:
    low = -np.inf if variable.lb is None else variable.lb
    high = np.inf if variable.ub is None else variable.ub
    return float(min(max(0.0, low), high))


def _start(scalar: Any) -> float:
    """The value of an input, or where a solver starts it: at zero, or at the bound nearest to zero."""
    if isinstance(scalar, VarData) and scalar.value is None:
        return _nearest_to_zero(scalar)
    number = value(scalar, exception=False)
    return 0.0 if number is None else float(number)
