"""Conditions on single columns, and rules: conjunctions of conditions that end in a label."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexpr.errors import RuleError
from fastexpr.rules.columns import Column

#: What each operator says where the condition does not hold, of a value that is not missing.
OPPOSITES = {
    "<=": ">",
    ">": "<=",
    "==": "!=",
    "!=": "==",
    "is missing": "is present",
    "is present": "is missing",
}


@dataclass(frozen=True)
class Condition:
    """A comparison of one column with a number or a category. A missing value fulfils "is missing" and nothing else.

    Attributes
    ----------
    column : int
        Position of the column.
    name : str
        Its name.
    operator : str
        "<=" or ">" of numbers, "==" or "!=" of categories, "is missing" or "is present".
    value : optional
        What the column is compared with; None beside the last two.
    has_missing : bool
        Whether values of the column were missing where the rule was learnt.
    """

    column: int
    name: str
    operator: str
    value: Any = None
    has_missing: bool = field(default=False, repr=False, compare=False)

    def holds(self, column: Column) -> NDArray[np.bool_]:
        """(rows,): where the condition is fulfilled."""
        if self.operator == "is missing":
            return column.missing
        if self.operator == "is present":
            return ~column.missing
        self.check_kind(column)
        if self.operator in ("<=", ">"):
            # NaN where missing, so that either comparison is false
            numbers = np.where(column.missing, np.nan, column.values).astype(np.float64)
            return np.asarray(numbers <= self.value if self.operator == "<=" else numbers > self.value)
        equal = np.asarray(column.values.astype(object) == self.value, dtype=bool)
        return (equal if self.operator == "==" else ~equal) & ~column.missing

    def check_kind(self, column: Column) -> None:
        """Raises RuleError where numbers would be compared with text. A bool is a number, 0 or 1."""
        present = column.values[~column.missing]
        if len(present) and kind_of(present[0]) != kind_of(self.value):
            got = "numbers" if kind_of(present[0]) is float else "categories"
            example = present[0].item() if isinstance(present[0], np.generic) else present[0]
            expected = "numbers" if kind_of(self.value) is float else f"categories such as {self.value!r}"
            raise RuleError(
                f"[BooleanRuleClassifier] column '{self.name}' has {got}: got {example!r}, expected {expected}, as in "
                "the data that it was fitted to."
            )

    def negated(self) -> str:
        """The text of the opposite."""
        text = str(Condition(self.column, self.name, OPPOSITES[self.operator], self.value))
        return text if self.value is None or not self.has_missing else f"{text} OR {self.name} is missing"

    def __str__(self) -> str:
        return f"{self.name} {self.operator}" + ("" if self.value is None else f" {text_of(self.value)}")


@dataclass(frozen=True)
class Rule:
    """IF all conditions hold THEN label. Without conditions it always holds.

    Attributes
    ----------
    conditions : tuple of Condition
    label
        One of the classes.
    """

    conditions: tuple[Condition, ...]
    label: Any

    @property
    def complexity(self) -> int:
        """1 and one for each condition."""
        return 1 + len(self.conditions)

    def holds(self, columns: list[Column], n_rows: int) -> NDArray[np.bool_]:
        """(rows,): where the rule holds."""
        result = np.ones(n_rows, dtype=bool)
        for condition in self.conditions:
            result &= condition.holds(columns[condition.column])
        return result

    def __str__(self) -> str:
        return f"IF {conjunction(self)} THEN {text_of(self.label)}"


def conjunction(rule: Rule) -> str:
    """Its conditions, joined by AND."""
    return " AND ".join(map(str, rule.conditions)) or "true"


def sentence(rules: list[Rule], default: Any, form: str) -> str:
    """The rules in words: the first one that holds decides, and where none does, the default."""
    if form == "cnf" and rules:
        clauses = (" OR ".join(condition.negated() for condition in rule.conditions) or "false" for rule in rules)
        head = "\nAND ".join(f"({clause})" for clause in clauses)
        return f"IF {head}\nTHEN {text_of(default)}\nELSE {text_of(rules[0].label)}"
    lines: list[str] = []
    for k, rule in enumerate(rules):
        is_first_of_label = k == 0 or rules[k - 1].label != rule.label
        start = ("IF" if k == 0 else "ELSE IF") if is_first_of_label else "OR"
        lines.append(f"{start} {conjunction(rule)}")
        if k + 1 == len(rules) or rules[k + 1].label != rule.label:
            lines.append(f"THEN {text_of(rule.label)}")
    return "\n".join([*lines, f"{'ELSE' if rules else 'ALWAYS'} {text_of(default)}"])


def kind_of(value: Any) -> type:
    """str, bytes, or float for all numbers."""
    return type(value) if isinstance(value, (str, bytes)) else float


def text_of(value: Any) -> str:
    """A number without needless digits, anything else as it is."""
    if isinstance(value, (float, np.floating)):
        text = repr(float(value))
        return text.removesuffix(".0")
    return str(value)
