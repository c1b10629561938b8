"""Boolean rules, learnt by column generation, to predict with and to put into optimization models.

>>> from fastexpr.rules import BooleanRuleClassifier  # or fastexpr.rules, which is imported at first use
"""

from __future__ import annotations

from fastexpr.frameworks.libraries import library

library(
    "fastexpr.rules", "sklearn", ["'fastexpr[rules]'"]
)  # or what is imported next would only say that it is missing

from fastexpr.rules.conditions import Condition, Rule  # noqa: E402
from fastexpr.rules.estimator import BooleanRuleClassifier  # noqa: E402

__all__ = ["BooleanRuleClassifier", "Condition", "Rule"]
