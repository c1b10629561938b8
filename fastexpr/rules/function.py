"""Rules as a Function: which class they predict, as numbers 0 or 1. A rule is a tree that says 1 in one leaf."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastexpr._core import Function
from fastexpr.errors import RuleError
from fastexpr.expression import variables
from fastexpr.frameworks.trees import Forest
from fastexpr.rules.conditions import Condition, Rule


def as_function(rules: Any) -> Function:
    """One output for each class: 1 where the rules predict it, else 0.

    Parameters
    ----------
    rules : BooleanRuleClassifier
        Fitted, on columns of numbers and bools (0 and 1).

    Raises
    ------
    fastexpr.errors.RuleError
        The rules are not fitted, or one looks at a column of other categories.
    """
    if not hasattr(rules, "rules_"):
        raise RuleError("[Problem] the rules are not fitted, or no BooleanRuleClassifier. Call their fit first.")
    names = rules._names()
    labels = rules.classes_.tolist()
    x = variables(len(names))
    asked = list(dict.fromkeys(rule.label for rule in rules.rules_))
    shares: dict[Any, Any] = dict.fromkeys(labels, 0.0)
    before = None  # whether a rule for an earlier label holds
    if rules.rules_:
        forest = Forest(len(rules.rules_))
        for number, rule in enumerate(rules.rules_):
            add_rule(forest, number, rule)
        holds = forest.of(x)
        for label in asked:  # the first rule that holds decides
            mine = [number for number, rule in enumerate(rules.rules_) if rule.label == label]
            any_holds = np.maximum.reduce(holds[mine])
            shares[label] = any_holds if before is None else np.maximum(any_holds - before, 0.0)
            before = any_holds if before is None else np.maximum(before, any_holds)
    shares[rules.default_] = shares[rules.default_] + (1.0 if before is None else 1.0 - before)
    outputs = [shares[label] + 0.0 * x[0] for label in labels]
    return Function(x, outputs).with_names(inputs=list(names), outputs=[str(label) for label in labels])


def place_of(rules: Any, label: Any) -> int:
    """Of a class.

    Raises
    ------
    fastexpr.errors.RuleError
        There is no such class.
    """
    labels = rules.classes_.tolist()
    if label not in labels:
        raise RuleError(f"[Problem] require is none of the classes: got {label!r}, expected one of {labels}.")
    return int(labels.index(label))


def add_rule(forest: Forest, number: int, rule: Rule) -> None:
    """A tree that says 1 about the rule where all its conditions hold."""
    tests = [test for condition in rule.conditions if (test := test_of(condition)) is not None]
    features, thresholds, children, leaves = [], [], [], []
    can_hold = all(condition.operator != "is missing" for condition in rule.conditions)
    for k, (feature, threshold, is_below) in enumerate(tests):
        onward, away = 2 * k + 2, 2 * k + 1
        features += [feature, 0]
        thresholds += [threshold, 0.0]
        children += [(onward, away) if is_below else (away, onward), (-1, -1)]
        leaves += [[], [(number, 0.0)]]
    features.append(0)
    thresholds.append(0.0)
    children.append((-1, -1))
    leaves.append([(number, float(can_hold))])
    forest.add(features, thresholds, children, leaves)


def test_of(condition: Condition) -> tuple[int, float, bool] | None:
    """Column and number, and whether it has to be at most that; None where every number fulfils the condition."""
    if condition.operator in ("is missing", "is present"):
        return None  # a variable has a value
    if condition.operator in ("<=", ">"):
        return condition.column, float(condition.value), condition.operator == "<="
    if isinstance(condition.value, bool | np.bool_):
        return condition.column, 0.5, bool(condition.value) != (condition.operator == "==")
    raise RuleError(
        f"[Problem] the rule's condition '{condition}' is about a category: expected numbers and bools. What to do: "
        "fastexpr.pyomo.RuleBlock, which takes binaries for categories."
    )
