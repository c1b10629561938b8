"""What rules in a model are applied to: a number, an expression, or a category for each column."""

from __future__ import annotations

import functools
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pyomo.contrib.fbbt.expression_bounds_walker import ExpressionBoundsVisitor
from pyomo.core.base.indexed_component import IndexedComponent
from pyomo.core.base.var import VarData
from pyomo.environ import value

from fastexpr.errors import ModelError, RuleError
from fastexpr.pyomo.inputs.arguments import Entries
from fastexpr.rules.columns import Column

FAR = 1e20  # what solvers, and some people, call infinite


@dataclass
class Entry:
    """The input for one column.

    Attributes
    ----------
    name : str
    scalar : optional
        A number, a variable or an expression.
    category : optional
        A fixed category.
    binaries : dict, optional
        Binaries by category.
    built_bounds : pair of float
        Of `scalar`, when the block was built.
    """

    name: str
    scalar: Any = None
    category: Any = None
    binaries: dict[Any, Any] | None = None
    built_bounds: tuple[float, float] = (-np.inf, np.inf)

    def bounds(self) -> tuple[float, float]:
        """The least and the largest number that it can be."""
        if isinstance(self.scalar, VarData):
            low, high = self.scalar.bounds
        elif not self.is_variable():
            low = high = self.scalar
        else:
            low, high = ExpressionBoundsVisitor(use_fixed_var_values_as_bounds=False).walk_expression(self.scalar)
        low = -np.inf if low is None or low <= -FAR else float(low)
        high = np.inf if high is None or high >= FAR else float(high)
        return low, high

    def is_variable(self) -> bool:
        """Whether it is more than a number."""
        return hasattr(self.scalar, "is_numeric_type")

    def is_integer(self) -> bool:
        """Whether it only takes whole numbers."""
        return isinstance(self.scalar, VarData) and self.scalar.is_integer()

    def value(self) -> float | None:
        """Its value, if it has one."""
        number = value(self.scalar, exception=False)
        return None if number is None else float(number)

    def is_wider_than_built(self) -> bool:
        """Whether it can now be what it could not be when the block was built."""
        if self.scalar is None or not self.is_variable():
            return False
        low, high = self.bounds()
        return low < self.built_bounds[0] or high > self.built_bounds[1]


def given_inputs(block: Any, given: Any, rules: Any, index: tuple[Any, ...]) -> list[Entry | None]:
    """One entry for each column; None for a column that no rule looks at, and that was left out.

    Raises
    ------
    ModelError, ShapeError
        What was passed does not match the columns.
    """
    owner = f"[RuleBlock '{block.name}']"
    container = block.parent_component()
    if isinstance(given, (types.FunctionType, types.MethodType, functools.partial)):
        given = given(container.parent_block(), *index)
    elif container.is_indexed():
        if not isinstance(given, Mapping):
            raise ModelError(
                f"{owner} an indexed block needs the inputs of each member: pass inputs=lambda m, i: ..., a function "
                f"of the parent block and the index, or a dict by index; got a {type(given).__name__}."
            )
        given = given[index if len(index) > 1 else index[0]]
    names, kinds = rules._names(), rules.column_kinds_
    if isinstance(given, Mapping) and not isinstance(given, IndexedComponent):
        parts = _by_name(owner, given, names, rules)
    elif isinstance(given, (list, tuple)) and len(given) == len(names):
        parts = list(given)
    else:
        parts = list(Entries(owner, "input", names, {"x": (len(names),)}).match([given]))
    asked = {condition.column for rule in rules.rules_ for condition in rule.conditions}
    if left_out := [names[k] for k, part in enumerate(parts) if part is None and k in asked]:
        raise ModelError(f"{owner} the inputs for the columns {left_out[:10]}, which rules look at, are None.")
    has_categories = {condition.column for condition in rules.conditions_ if condition.operator in ("==", "!=")}
    return [
        None if part is None else _entry(owner, name, kind, part, kind != "double" or k in has_categories)
        for k, (name, kind, part) in enumerate(zip(names, kinds, parts, strict=True))
    ]


def _is_mapping(part: Any) -> bool:
    """Whether it has entries by key: a dict, or an indexed component."""
    return part.is_indexed() if isinstance(part, IndexedComponent) else isinstance(part, Mapping)


def _by_name(owner: str, given: Mapping[Any, Any], names: Sequence[str], rules: Any) -> list[Any]:
    if set(given) == set(range(len(names))):
        return [given[k] for k in range(len(names))]
    needed = {condition.name for rule in rules.rules_ for condition in rule.conditions}
    unknown = [key for key in given if key not in names]
    missing = [name for name in names if name in needed and name not in given]
    if unknown or missing:
        raise ModelError(
            f"{owner} the inputs do not match the columns of the rules: unknown are {unknown[:10]}, missing are "
            f"{missing[:10]}, expected {list(names)[:10]}."
        )
    return [given.get(name) for name in names]


def _entry(owner: str, name: str, kind: str, part: Any, has_categories: bool) -> Entry:
    """What was passed for one column, checked."""
    if has_categories:
        if _is_mapping(part):
            return Entry(name, binaries=dict(part.items()))
        if kind == "bool" and hasattr(part, "is_numeric_type"):
            return Entry(name, binaries={True: part, False: 1 - part})
        if isinstance(part, (str, bytes, bool, int, float, np.generic)):
            return Entry(name, category=part.item() if isinstance(part, np.generic) else part)
        raise ModelError(
            f"{owner} column '{name}' has categories: got a {type(part).__name__}, expected a category, or a dict of "
            "binaries by category."
        )
    scalars = Entries(owner, "input", [name], {name: (1,)}).match([part])
    entry = Entry(name, scalar=scalars[0])
    if not entry.is_variable() and not np.isfinite(entry.scalar):
        raise ModelError(
            f"{owner} the input for column '{name}' is no number: got {entry.scalar!r}, expected a finite one. A model "
            "has no missing values."
        )
    entry.built_bounds = entry.bounds()
    return entry


def column_of_entry(entry: Entry | None, owner: str) -> Column:
    """The value of an input, as data with one row."""
    if entry is None:  # no rule looks at it
        return Column("", np.array([np.nan]), np.array([True]), True)
    if entry.scalar is not None:
        number = entry.value()
        if number is None:  # a solver sets no variable that no row has: any value does
            number = float(np.clip(0.0, *entry.bounds()))
        number = float(round(number)) if entry.is_integer() else float(number)
        return Column(entry.name, np.array([number]), np.array([False]), True)
    values = np.empty(1, dtype=object)
    values[0] = category_of(entry, owner)
    return Column(entry.name, values, np.array([False]), False)


def category_of(entry: Entry, owner: str) -> Any:
    """The category whose binary is 1."""
    if entry.binaries is None:
        return entry.category
    values = {category: value(binary, exception=False) for category, binary in entry.binaries.items()}
    chosen = [category for category, number in values.items() if number is not None and number > 0.5]
    if len(chosen) != 1:
        raise RuleError(
            f"{owner} the binaries of column '{entry.name}' say {len(chosen)} categories: got {values}, expected "
            "that one of them is 1."
        )
    return chosen[0]
