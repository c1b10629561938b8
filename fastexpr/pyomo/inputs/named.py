"""Indexed components whose entries have names and positions: ``v["CO2"]`` and ``v[0]``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyomo.core.base.expression import IndexedExpression
from pyomo.core.base.reference import Reference
from pyomo.core.base.var import IndexedVar, VarData
from pyomo.environ import SetOf, Var


class _ByPosition:
    """Finds an entry by its position where the key is no index of the component."""

    def __getitem__(self, key: Any) -> Any:
        if hasattr(type(key), "__index__"):
            names = self.index_set()  # type: ignore[attr-defined]
            if -len(names) <= key < len(names):
                key = names.at(key + 1 if key >= 0 else int(key))  # Pyomo counts from 1
        return super().__getitem__(key)  # type: ignore[misc]


class NamedVar(_ByPosition, IndexedVar):  # type: ignore[misc]
    """Variables by name and position."""


class NamedExpression(_ByPosition, IndexedExpression):  # type: ignore[misc]
    """Expressions by name and position."""


def named_reference(names: Sequence[str], scalars: Sequence[Any]) -> Any:
    """A component that shows these scalars under these names: a Reference if all are variables, else an Expression."""
    if all(isinstance(scalar, VarData) for scalar in scalars):
        reference = Reference(dict(zip(names, scalars, strict=True)), ctype=NamedVar)
        reference._ctype = (
            Var  # Reference() knows no class that is not a ctype, too; writers refuse ctypes unknown to them
        )
        reference._index_set = SetOf(list(names))  # in this order; a dict's index has none
        return reference
    return NamedExpression(list(names), initialize=dict(zip(names, scalars, strict=True)))
