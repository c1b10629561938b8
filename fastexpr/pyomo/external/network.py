"""A network whose outputs are Pyomo expressions."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, overload

from pyomo.common.autoslots import AutoSlots
from pyomo.core.base.block import ScalarBlock
from pyomo.environ import Any as AnySet
from pyomo.environ import Expression

from fastexpr.errors import ModelError, NotFoundError
from fastexpr.pyomo.external.files import NetworkFile
from fastexpr.pyomo.external.function import N_STRINGS, NetworkFunction
from fastexpr.pyomo.inputs.arguments import Entries
from fastexpr.pyomo.inputs.units import groups, refuse_units, units_of


class NetworkOutputs(Sequence[Any]):
    """The outputs of one call: Pyomo expressions, by position or by name.

    Parameters
    ----------
    names : sequence of str
    expressions : sequence of Pyomo expressions
    """

    def __init__(self, names: Sequence[str], expressions: Sequence[Any]) -> None:
        self.names = tuple(names)
        self._expressions = tuple(expressions)

    def __len__(self) -> int:
        return len(self._expressions)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._expressions)

    @overload
    def __getitem__(self, key: int | str) -> Any: ...
    @overload
    def __getitem__(self, key: slice) -> tuple[Any, ...]: ...
    def __getitem__(self, key: int | str | slice) -> Any:
        if isinstance(key, slice):
            return self._expressions[key]
        return self._expressions[position_of(key, self.names, "output")]

    def items(self) -> Iterator[tuple[str, Any]]:
        """(name, expression) of every output."""
        return zip(self.names, self._expressions, strict=True)

    def __repr__(self) -> str:
        return f"NetworkOutputs({', '.join(self.names)})"


def position_of(key: Any, names: Sequence[str], kind: str) -> int:
    """The position of an entry given by name or by position (from the end, if negative).

    Raises
    ------
    NotFoundError
        There is no such entry.
    """
    if isinstance(key, str) and key in names:
        return names.index(key)
    if not isinstance(key, str) and hasattr(key, "__index__") and -len(names) <= key.__index__() < len(names):
        return int(key.__index__()) % len(names)
    listed = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
    raise NotFoundError(f"There is no {kind} {key!r}: the network has {len(names)}: {listed}.")


class ExternalNetwork(ScalarBlock):  # type: ignore[misc]
    """A network in a Pyomo model whose outputs are expressions: ``y = m.net(m.x)``.

    Each use of an output in the model is a call of its own for the solver; :class:`NetworkBlock`, which gives every
    output a variable, is the better form where an output is used more than once.

    Parameters
    ----------
    net : Function
    input_units, output_units : optional
        One unit for all, or one per entry (a list, or a dict by name); else the network's own (``net.with_units``).
        Plain numbers given as inputs are taken to have them.
    path : path-like, optional
        Where the network's file shall be, for .nl files that outlive Python. Otherwise it is in a cache folder, written
        when a solver in another process needs it.
    **kwargs
        As of :class:`pyomo.environ.Block`: name, doc.

    Examples
    --------
    >>> import numpy as np, pyomo.environ as pyo, fastexpr as fx, fastexpr.pyomo as fxp
    >>> x = fx.variables(2)
    >>> m = pyo.ConcreteModel()
    >>> m.x = pyo.Var([0, 1], initialize=0.5)
    >>> m.net = fxp.ExternalNetwork(fx.Function(x, np.tanh(x[0] - x[1]) + x[0]))
    >>> y = m.net(m.x)
    >>> pyo.value(y[0])
    0.5
    """

    __autoslot_mappers__: ClassVar = {"_calls_by_arguments": AutoSlots.encode_as_none}

    def __init__(
        self,
        net: Any,
        *,
        input_units: Any = None,
        output_units: Any = None,
        path: str | os.PathLike[str] | None = None,
        **kwargs: Any,
    ) -> None:
        refuse_units("ExternalNetwork", kwargs)
        super().__init__(concrete=True, **kwargs)
        self._file = net if isinstance(net, NetworkFile) else NetworkFile(net, path)
        net = self._file.net
        self._input_units = units_of(net, "input", input_units)
        self._n_calls = 0
        self._calls_by_arguments: dict[tuple[Any, ...], int] | None = {}
        self._function_of: dict[int, NetworkFunction] = {}
        by_unit = groups(units_of(net, "output", output_units), net.n_outputs)
        for number, (unit, outputs) in enumerate(by_unit):
            function = NetworkFunction(self._file, units=unit, arg_units=self._argument_units())
            self.add_component("function" if len(by_unit) == 1 else f"function_{number}", function)
            for output in outputs:
                self._function_of[output] = function
        self.calls = Expression(AnySet)  # [number of the call, name of the output]

    def _argument_units(self) -> list[Any] | None:
        return None if self._input_units is None else [None] * N_STRINGS + self._input_units

    @property
    def net(self) -> Any:
        """The network, a :class:`~fastexpr.Function`."""
        return self._file.net

    @property
    def path(self) -> str:
        """The network's file, as solvers are told it; in the cache folder it is written when one needs it."""
        return self._file.path

    def __call__(self, *args: Any) -> NetworkOutputs:
        """The network's outputs at these inputs.

        Parameters
        ----------
        *args
            An indexed Var, Expression, Param or Reference, a slice ``m.x[:, t]``, a list, a NumPy array, a dict, or
            scalars. Entries indexed by strings are matched with the network's input names; otherwise the order of the
            index set, or of the list, is the order of the inputs.

        Returns
        -------
        NetworkOutputs
            One expression per output, by position or name. The same arguments give the same expressions.

        Raises
        ------
        ShapeError
            The number of inputs is wrong.
        ModelError
            Names that do not match, an index set without order, a continuous set before its discretisation.
        """
        net = self.net
        scalars = Entries(f"[ExternalNetwork '{self.name}']", "input", net.input_names, net.inputs).match(args)
        known = self._known_calls()
        key = tuple(map(_identity, scalars))
        number = known.get(key)
        if number is None:
            number = known[key] = self._n_calls
            self._n_calls += 1
            self._add_call(number, scalars)
        return NetworkOutputs(net.output_names, [self.calls[number, name] for name in net.output_names])

    def _add_call(self, number: int, scalars: list[Any]) -> None:
        if self._input_units is not None:
            scalars = [
                scalar * unit if unit is not None and isinstance(scalar, (int, float)) else scalar
                for scalar, unit in zip(scalars, self._input_units, strict=True)
            ]
        instance = plain_name(f"{self.name}/{number}")
        for output, name in enumerate(self.net.output_names):
            self.calls[number, name] = self._function_of[output](self.path, str(output), instance, *scalars)

    def _known_calls(self) -> dict[tuple[Any, ...], int]:
        """Numbers of the calls by what identifies their arguments, which a clone or an unpickled model finds anew."""
        identities = self._calls_by_arguments
        if identities is None:
            first = self.net.output_names[0]
            identities = {
                tuple(_identity(argument) for argument in self.calls[number, first].expr.args[N_STRINGS:]): number
                for number in range(self._n_calls)
            }
            self._calls_by_arguments = identities
        return identities

    def update(self, net: Any, path: str | os.PathLike[str] | None = None) -> None:
        """Put another network in place of this one, without rebuilding the model.

        Clones of the model keep theirs. In a model that a transformation made from this one and that contains the
        expressions themselves (``core.scale_model``), nothing changes: transform again.

        Parameters
        ----------
        net : Function
            With the same inputs and outputs, by number and name.
        path : path-like, optional
            Where its file shall be; in the cache folder otherwise.

        Raises
        ------
        ModelError
            The inputs or outputs differ.
        """
        for kind in ("input", "output"):
            before, after = (tuple(getattr(network, f"{kind}_names")) for network in (self.net, net))
            if before != after:
                raise ModelError(
                    f"[ExternalNetwork '{self.name}'] the new network has other {kind}s: got {', '.join(after[:10])}, "
                    f"expected {', '.join(before[:10])}. Give it the same names, net.with_names({kind}s=[...]), or "
                    "build the model again."
                )
        self._file.replace(net, path)
        for call in self.calls.values():
            node = call.expr
            node._args_ = (self.path, *node.args[1:])  # in place: a NetworkBlock's equations hold the node itself


def _identity(scalar: Any) -> Any:
    """What tells an argument from others: a number's value, a component's or expression's identity."""
    return ("number", scalar) if isinstance(scalar, (int, float)) else id(scalar)


def plain_name(name: str) -> str:
    """The name in characters that the solvers' interface can transport, at most 200 of them."""
    plain = "".join(character if "!" <= character <= "~" else "_" for character in name)
    if plain == name and len(name) <= 200:
        return name
    return f"{plain[:180]}~{zlib.crc32(name.encode()):08x}"
