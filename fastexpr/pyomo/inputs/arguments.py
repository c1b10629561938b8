"""From what a user passes as a network's inputs to a list of one scalar per input, in the network's order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from pyomo.core.base.component import ComponentData
from pyomo.core.base.indexed_component import IndexedComponent
from pyomo.core.base.indexed_component_slice import IndexedComponent_slice
from pyomo.core.base.set import SetData
from pyomo.dae import ContinuousSet

from fastexpr.errors import ModelError, ShapeError
from fastexpr.function.labels import Labelled, Names, are_default, labelled, order_of, taken


class Entries:
    """What the entries of a network's input (or output) vector are called, to match arguments with.

    Parameters
    ----------
    owner : str
        Begins every message: ``[ExternalNetwork 'm.net']``.
    kind : str
        "input" or "output".
    names : sequence of str
        One per entry.
    ports : mapping of str to shape
        The tensors that the vector is made of, in order; an argument may be given for each of them.
    """

    def __init__(self, owner: str, kind: str, names: Sequence[str], ports: Mapping[str, tuple[int, ...]]) -> None:
        self.owner = owner
        self.kind = kind
        self.names = tuple(names)
        self._shapes = ports
        self.ports = {port: int(np.prod(shape, dtype=int)) for port, shape in ports.items()}

    def match(self, arguments: Sequence[Any]) -> list[Any]:
        """One scalar per entry, in the network's order, from whatever was passed.

        Raises
        ------
        ShapeError
            The number of scalars is wrong.
        ModelError
            Names that do not match, an order that is not defined, a continuous set that is not discretised yet.
        """
        if len(arguments) == 1 and not _is_component(arguments[0]):
            if isinstance(arguments[0], Mapping):
                return self._match_mapping(arguments[0])
            found = labelled(arguments[0])
            if found is not None:  # a pandas Series, say
                return self._match_labels(found, are_default(self.names, self.kind, self._shapes))
        if len(arguments) == 1:
            keyed = _keyed_scalars(arguments[0], self)
            if keyed is not None:
                if any(isinstance(key, str) for key, _ in keyed):
                    return self._match_names(dict(keyed))
                return self._checked([scalar for _, scalar in keyed])
        scalars = [scalar for argument in arguments for scalar in self._scalars(argument)]
        return self._checked(scalars)

    def _checked(self, scalars: list[Any]) -> list[Any]:
        if len(scalars) != len(self.names):
            raise ShapeError(
                f"{self.owner} wrong number of {self.kind}s: got {len(scalars)}, expected {len(self.names)}: "
                f"{self._listed()}. Pass one Var, expression or number for each."
            )
        return scalars

    def _listed(self) -> str:
        shown = ", ".join(self.names[:10])
        return shown if len(self.names) <= 10 else f"{shown}, ..."

    def _match_names(self, given: Mapping[Any, Any]) -> list[Any]:
        """By entry names, all of them."""
        return self._match_labels(Labelled(list(given), list(given.values())), is_by_position=False)

    def _match_labels(self, found: Labelled, is_by_position: bool) -> list[Any]:
        names = Names(self.names, self.kind, is_by_position, self.owner)
        order = order_of(found.labels, names, f"the {self.kind}s", ModelError)
        return self._checked(list(self._scalars(taken(found, order))))

    def _match_mapping(self, given: Mapping[Any, Any]) -> list[Any]:
        """By entry names, by port names, or by positions."""
        if given and set(given) == set(self.ports) and set(given) != set(self.names):
            scalars: list[Any] = []
            for port, size in self.ports.items():
                part = list(self._scalars(given[port]))
                if len(part) != size:
                    raise ShapeError(
                        f"{self.owner} wrong size of {self.kind} '{port}': got {len(part)}, expected {size}. "
                        "Pass one Var, expression or number for each."
                    )
                scalars += part
            return scalars
        if set(given) == set(range(len(self.names))):
            return [self._scalar(given[position]) for position in range(len(self.names))]
        return self._match_names({name: self._scalar(value) for name, value in given.items()})

    def _scalar(self, argument: Any) -> Any:
        scalars = list(self._scalars(argument))
        if len(scalars) != 1:
            raise ShapeError(f"{self.owner} one {self.kind} got {len(scalars)} numbers, expected 1.")
        return scalars[0]

    def _scalars(self, argument: Any) -> Iterator[Any]:
        """The scalars of one argument, in its order."""
        keyed = _keyed_scalars(argument, self)
        if keyed is None and not isinstance(argument, Mapping):
            found = labelled(argument)
            keyed = None if found is None else list(zip(found.labels, found.values, strict=True))
        if keyed is not None:
            if any(isinstance(key, str) for key, _ in keyed):
                raise ModelError(
                    f"{self.owner} names inside a list have no defined order: got the index "
                    f"{', '.join(repr(key) for key, _ in keyed[:10])}. Pass this one alone, to be matched by "
                    "name, or a dict, or its entries one by one."
                )
            for _, scalar in keyed:
                yield scalar
        elif isinstance(argument, np.ndarray):
            yield from (number for entry in argument.ravel().tolist() for number in self._scalars(entry))
        elif isinstance(argument, (str, bytes)) or argument is None:
            raise ModelError(
                f"{self.owner} got {argument!r} as an {self.kind}, expected a Var, an expression or a number."
            )
        elif hasattr(argument, "is_numeric_type") or isinstance(argument, (int, float, np.number)):
            yield argument.item() if isinstance(argument, np.number) else argument
        elif isinstance(argument, set | frozenset):
            raise ModelError(f"{self.owner} a {type(argument).__name__} has no order: pass a list of the {self.kind}s.")
        elif isinstance(argument, Iterable) and not isinstance(argument, Mapping):
            for entry in argument:
                yield from self._scalars(entry)
        else:
            raise ModelError(
                f"{self.owner} cannot take {self.kind}s from a {type(argument).__name__}. Pass an indexed component, a "
                "slice, a list, an array, a dict, or scalars."
            )


def _is_component(argument: Any) -> bool:
    return isinstance(argument, (IndexedComponent, ComponentData, IndexedComponent_slice))


def _keyed_scalars(argument: Any, entries: Entries) -> list[tuple[Any, Any]] | None:
    """(key, scalar) of an indexed component or a slice, in the order of its set; None for anything else."""
    if isinstance(argument, IndexedComponent) and argument.is_reference():
        argument = _referent(argument)
    if type(argument) is IndexedComponent_slice:  # asked by type: a slice answers yes to every hasattr
        found = list(argument.wildcard_items())
        keys = [key[0] if isinstance(key, tuple) and len(key) == 1 else key for key, _ in found]
        for index_set in _wildcard_sets([data for _, data in found]):
            _check_order(index_set, str(argument), entries)
        return list(zip(keys, (data for _, data in found), strict=True))
    if isinstance(argument, IndexedComponent) and argument.is_indexed():
        if not argument.is_constructed():
            raise ModelError(
                f"{entries.owner} the component '{argument.name}' has no entries before the model is constructed. "
                "In an abstract model, call the network inside a rule."
            )
        for index_set in argument.index_set().subsets():
            _check_order(index_set, argument.name, entries)
        return [(key, argument[key]) for key in argument.index_set()]
    return None


def _referent(reference: Any) -> Any:
    """The slice that a Reference was made from, which knows the sets it runs over; otherwise the Reference."""
    return reference.referent if type(reference.referent) is IndexedComponent_slice else reference


def _check_order(index_set: SetData, what: str, entries: Entries) -> None:
    if isinstance(index_set, ContinuousSet) and not index_set.get_discretization_info():
        raise ModelError(
            f"{entries.owner} '{what}' runs over the continuous set '{index_set.name}', which has only "
            f"{len(index_set)} points so far. Use the network at one point, as in a Constraint or NetworkBlock "
            f"indexed by {index_set.name} with m.x[:, t], or call it after the discretisation."
        )
    is_matched_by_name = all(isinstance(name, str) for name in index_set)
    is_dict = isinstance(getattr(index_set, "_ref", None), Mapping)  # the index of a Reference to a dict: its order
    if not (index_set.isordered() or is_matched_by_name or is_dict) and len(index_set) > 1:
        raise ModelError(
            f"{entries.owner} '{what}' is indexed by the set '{index_set.name}', which has no order. Use an ordered "
            "Set, or pass a list."
        )


def _wildcard_sets(found: list[Any]) -> Iterator[SetData]:
    """The sets that a slice runs over, on whatever level: the ones whose index is not the same in all its entries."""
    level = found
    while level:
        component = level[0].parent_component()
        if component.is_indexed() and component.index_set().dimen is not None:
            indices = [_as_tuple(data.index()) for data in level]
            begin = 0
            for index_set in component.index_set().subsets():
                end = begin + (index_set.dimen or 0)
                if len({index[begin:end] for index in indices}) > 1:
                    yield index_set
                begin = end
        parents = [data.parent_block() for data in level]
        level = [] if parents[0] is None else parents


def _as_tuple(index: Any) -> tuple[Any, ...]:
    return index if isinstance(index, tuple) else (index,)
