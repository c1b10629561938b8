"""Rules as binaries and linear rows.

A rule that has to hold is a box in the space of the inputs. Of several rules one has to: the inputs lie in a union of
boxes. For one column at a time its convex hull is  sum_k c_k = 1,  sum_k low_ki c_k <= x_i <= sum_k high_ki c_k  with a
binary c_k for each rule. That no rule holds, or which one does, is said by binaries u_ij = [x_i <= t_j] for the
thresholds t_1 < t_2 < ... of column i, with u_i1 <= u_i2 <= ...: exactly one interval between thresholds follows.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np
from pyomo.environ import Binary, ConstraintList, Expression, Var

from fastexpr.errors import RuleError
from fastexpr.formulations.margins import margins_of
from fastexpr.pyomo.bounds.limit import Limit
from fastexpr.pyomo.rules.inputs import Entry
from fastexpr.rules.conditions import Condition, Rule

Interval = tuple[float, float]


class RuleRows:
    """Builds one block."""

    def __init__(self, block: Any, rules: Any, entries: list[Entry | None], require: Any, margin: Any) -> None:
        self.block = block
        self.owner = f"[RuleBlock '{block.name}']"
        self.rules: list[Rule] = rules.rules_
        self.labels = rules.classes_.tolist()
        self.default = as_python(rules.default_)
        self.entries = entries
        self.require = require
        self.thresholds: dict[int, list[float]] = defaultdict(list)
        for condition in sorted(all_conditions(self.rules), key=lambda c: (c.column, str(c.operator))):
            if condition.operator in ("<=", ">") and self.entry(condition).is_variable():
                found = self.thresholds[condition.column]
                found += [] if condition.value in found else [condition.value]
        for found in self.thresholds.values():
            found.sort()
        self.intervals: dict[int, list[Interval | None]] = {}  # between thresholds; None where x cannot be
        if isinstance(margin, Mapping) and (unknown := [key for key in margin if key not in rules._names()]):
            raise RuleError(
                f"{self.owner} margin has unknown names: got {unknown[:10]}, expected some of the columns "
                f"{rules._names()[:10]}."
            )
        self.margins = {column: self.margin_of(column, margin) for column in self.thresholds}

    def build(self) -> None:
        """Adds variables, rows and outputs."""
        self.block.rows = ConstraintList()
        is_free = self.require is None or len(self.labels) > 2
        if is_free:
            self.add_thresholds()
            shares = self.free_prediction()
        else:
            shares = {label: float(label == self.require) for label in self.labels}
            if self.require == self.default:
                self.add_thresholds()
                self.no_rule_holds()
            else:
                self.one_rule_holds()
        self.block.outputs = Expression(self.labels, initialize=shares)
        if is_free and self.require is not None:
            self.add_row(shares[self.require], 1.0, math.inf)

    # ---- one of several boxes

    def one_rule_holds(self) -> None:
        boxes = [(rule, box) for rule in self.rules if (box := self.box_of(rule)) is not None]
        if not boxes:
            raise RuleError(
                f"{self.owner} no rule for {self.require!r} can hold within the bounds of the inputs. Widen them, "
                "require another class, or pass a smaller margin."
            )
        self.block.choice = Var(range(len(boxes)), domain=Binary)
        choice = list(self.block.choice.values())
        self.add_row(sum(choice), 1.0, 1.0)
        for column in sorted({column for _, box in boxes for column in box}):
            entry = self.entries[column]
            assert entry is not None
            bounds = entry.built_bounds
            sides = np.array([box.get(column, bounds) for _, box in boxes])
            for side, sign in ((0, 1.0), (1, -1.0)):
                if (sides[:, side] == bounds[side]).all():
                    continue  # no rule says more than the bound
                self.need_finite(entry, sides[:, side])
                hull = sum(float(limit) * c for limit, c in zip(sides[:, side], choice, strict=True))
                self.add_row(sign * (entry.scalar - hull), 0.0, math.inf)
        by_condition: dict[Condition, list[Any]] = defaultdict(list)
        for (rule, _), c in zip(boxes, choice, strict=True):
            for condition in rule.conditions:
                if not self.is_of_numbers(condition):
                    by_condition[condition].append(c)
        for condition, chosen in by_condition.items():
            self.add_row(self.truth(condition) - sum(chosen), 0.0, math.inf)

    def box_of(self, rule: Rule) -> dict[int, Interval] | None:
        """The interval of each column that a rule looks at; None where it cannot hold."""
        box: dict[int, Interval] = {}
        for condition in rule.conditions:
            if self.is_of_numbers(condition):
                low, high = box.get(condition.column, self.entry(condition).built_bounds)
                below, above = self.sides_of(condition.column, condition.value)
                interval = (low, min(high, below)) if condition.operator == "<=" else (max(low, above), high)
                if interval[0] > interval[1]:
                    return None
                box[condition.column] = interval
            elif is_number(truth := self.truth(condition)) and truth < 0.5:
                return None
        return box

    # ---- binaries for thresholds

    def add_thresholds(self) -> None:
        """u, in order, and the interval that follows from them."""
        index = [(self.named(column), t) for column, found in self.thresholds.items() for t in found]
        self.block.below = Var(index, domain=Binary)
        for column, found in self.thresholds.items():
            entry = self.entries[column]
            assert entry is not None
            u = [0.0, *(self.block.below[self.named(column), t] for t in found), 1.0]
            sides = [self.sides_of(column, t) for t in found]
            lows = [entry.built_bounds[0], *(above for _, above in sides)]
            highs = [*(below for below, _ in sides), entry.built_bounds[1]]
            hulls = [0.0, 0.0]
            for k, ends in enumerate(zip(lows, highs, strict=True)):
                lies_here = u[k + 1] - u[k]
                is_possible = max(ends[0], entry.built_bounds[0]) <= min(ends[1], entry.built_bounds[1])
                self.intervals.setdefault(column, []).append(ends if is_possible else None)
                self.add_row(lies_here, 0.0, math.inf if is_possible else 0.0)
                if is_possible:
                    self.need_finite(entry, np.array(ends))
                    hulls = [hull + end * lies_here for hull, end in zip(hulls, ends, strict=True)]
            self.add_row(entry.scalar - hulls[0], 0.0, math.inf)
            self.add_row(hulls[1] - entry.scalar, 0.0, math.inf)

    def no_rule_holds(self) -> None:
        for rule in self.rules:
            truths = [self.truth(condition) for condition in rule.conditions]
            if all(is_number(truth) and truth > 0.5 for truth in truths):
                raise RuleError(
                    f"{self.owner} the rule '{rule}' holds for all inputs: {self.require!r} cannot be required."
                )
            self.add_row(len(truths) - 1 - sum(truths), 0.0, math.inf)

    def free_prediction(self) -> dict[Any, Any]:
        """For each label an expression that is 1 where the rules predict it, and else 0: the first rule decides."""
        block = self.block
        block.holds = Var(range(len(self.rules)), bounds=(0.0, 1.0))  # 0 or 1 where the conditions are
        for rule, holds in zip(self.rules, block.holds.values(), strict=True):
            truths = [self.truth(condition) for condition in rule.conditions]
            for truth in truths:
                self.add_row(truth - holds, 0.0, math.inf)
            self.add_row(holds - sum(truths) + len(truths) - 1, 0.0, math.inf)
        asked = list(dict.fromkeys(as_python(rule.label) for rule in self.rules))
        block.any_holds = Var(asked, bounds=(0.0, 1.0))
        block.decides = Var(asked, bounds=(0.0, 1.0))
        for k, label in enumerate(asked):
            holds = [h for rule, h in zip(self.rules, block.holds.values(), strict=True) if rule.label == label]
            any_holds, decides = block.any_holds[label], block.decides[label]
            for h in holds:
                self.add_row(any_holds - h, 0.0, math.inf)
            self.add_row(sum(holds) - any_holds, 0.0, math.inf)
            before = [block.any_holds[other] for other in asked[:k]]
            self.add_row(any_holds - decides, 0.0, math.inf)
            for other in before:
                self.add_row(1.0 - other - decides, 0.0, math.inf)
            self.add_row(decides - any_holds + sum(before), 0.0, math.inf)
        shares: dict[Any, Any] = {label: block.decides[label] if label in asked else 0.0 for label in self.labels}
        shares[self.default] = shares[self.default] + 1.0 - sum(block.decides.values())
        return shares

    # ---- conditions

    def truth(self, condition: Condition) -> Any:
        """1 where the condition holds, else 0: a number, or an expression in binaries."""
        entry = self.entry(condition)
        if condition.operator in ("is missing", "is present"):
            return float(condition.operator == "is present")  # a variable has a value
        if condition.operator in ("<=", ">"):
            if entry.is_variable():
                below = self.block.below[self.named(condition.column), condition.value]
            else:
                below = float(entry.scalar <= condition.value)
            return below if condition.operator == "<=" else 1.0 - below
        if entry.binaries is None:
            equal: Any = float(entry.category == condition.value)
        else:
            equal = entry.binaries.get(condition.value, 0.0)
        return equal if condition.operator == "==" else 1.0 - equal

    def is_of_numbers(self, condition: Condition) -> bool:
        """Whether it limits a variable or an expression."""
        return condition.operator in ("<=", ">") and self.entry(condition).is_variable()

    def sides_of(self, column: int, threshold: float) -> Interval:
        """The largest number that is below a threshold, and the least one above: with a margin between."""
        entry = self.entries[column]
        if entry is not None and entry.is_integer():
            return float(math.floor(threshold)), float(math.floor(threshold) + 1)
        margin = self.margins[column][threshold]
        return threshold - margin, threshold + margin

    def margin_of(self, column: int, margin: Any) -> dict[float, float]:
        """For each threshold of a column."""
        found, name = self.thresholds[column], self.named(column)
        given = margin.get(name) if isinstance(margin, Mapping) else margin
        if given is not None:
            if not isinstance(given, (int, float, np.integer, np.floating)) or not 0.0 <= float(given) < math.inf:
                raise RuleError(
                    f"{self.owner} the margin for '{name}' is out of range: got {given!r}, expected a finite number of "
                    "at least 0, or a dict of such by name."
                )
            return dict.fromkeys(found, float(given))
        entry = self.entries[column]
        assert entry is not None
        return dict(zip(found, margins_of(np.array(found), *entry.built_bounds).tolist(), strict=True))

    # ---- small things

    def entry(self, condition: Condition) -> Entry:
        entry = self.entries[condition.column]
        assert entry is not None  # inputs for all columns that rules look at were checked
        return entry

    def named(self, column: int) -> str:
        entry = self.entries[column]
        assert entry is not None
        return entry.name

    def need_finite(self, entry: Entry, limits: Any) -> None:
        if not np.isfinite(limits).all():
            raise RuleError(
                f"{self.owner} input '{entry.name}' has no finite bounds, which a rule that does not limit it "
                f"needs: got {entry.built_bounds}. Give it a lower and an upper bound, that of the data for example."
            )

    def add_row(self, body: Any, low: float, high: float) -> None:
        if is_number(body):
            if not low <= body <= high:
                raise RuleError(f"{self.owner} the rules contradict the inputs that are fixed: no point is left.")
            return
        limits: list[Any] = [None if math.isinf(limit) else limit for limit in (low, high)]
        if not len(self.block.rows):  # once is enough
            limits = [None if limit is None else Limit(limit, self.block) for limit in limits]
        self.block.rows.add((limits[0], body, limits[1]))


def all_conditions(rules: list[Rule]) -> list[Condition]:
    return [condition for rule in rules for condition in rule.conditions]


def is_number(body: Any) -> bool:
    return isinstance(body, (int, float))


def as_python(label: Any) -> Any:
    return label.item() if isinstance(label, np.generic) else label
