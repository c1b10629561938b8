"""Which function reads which estimator, and what all of them share.

A rule takes a fitted estimator and x, an Expression of shape (n,), and returns an Expression of shape (m,): what the
estimator's `method` gives for one row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn, TypeAlias

import numpy as np
import numpy.typing as npt

from fastexpr.errors import FrameworkError

Array = npt.NDArray[np.float64]
#: An Expression; NumPy's annotations do not know that its functions return one where they get one.
Symbolic: TypeAlias = Any
Apply = Callable[[Any, Symbolic], Symbolic]


@dataclass(frozen=True)
class Rule:
    """How an estimator is read.

    Attributes
    ----------
    apply : writes it as an expression
    method : the estimator's method with this result: "predict", "predict_proba", "decision_function", "transform"; ""
        where that is the last step's
    """

    apply: Apply
    method: str


RULES: dict[str, Rule] = {}
#: Inverses of transformers, for targets.
INVERSES: dict[str, Apply] = {}


def rule(*names: str, method: str = "predict") -> Callable[[Apply], Apply]:
    """Registers a rule for scikit-learn's classes of these names."""

    def register(apply: Apply) -> Apply:
        RULES.update(dict.fromkeys(names, Rule(apply, method)))
        return apply

    return register


def inverse(*names: str) -> Callable[[Apply], Apply]:
    """Registers the inverse of transformers of these names."""

    def register(apply: Apply) -> Apply:
        INVERSES.update(dict.fromkeys(names, apply))
        return apply

    return register


def rule_of(estimator: Any) -> Rule:
    """The rule for the estimator's class, or for the class of scikit-learn that it derives from."""
    for kind in type(estimator).__mro__:
        if kind.__name__ in RULES and kind.__module__.partition(".")[0] == "sklearn":
            return RULES[kind.__name__]
    raise FrameworkError(
        f"[from_sklearn] {type(estimator).__name__} is not supported: expected one of {', '.join(sorted(RULES))}. "
        "Convert it with skl2onnx and read the result with load_onnx."
    )


def expression_of(estimator: Any, x: Symbolic) -> Symbolic:
    """What the estimator gives for x."""
    return rule_of(estimator).apply(estimator, x)


def inverse_of(estimator: Any, y: Symbolic) -> Symbolic:
    """What the transformer's inverse_transform gives for y."""
    for kind in type(estimator).__mro__:
        if kind.__name__ in INVERSES and kind.__module__.partition(".")[0] == "sklearn":
            return INVERSES[kind.__name__](estimator, y)
    raise FrameworkError(
        f"[from_sklearn] the inverse of {type(estimator).__name__} is not supported: expected one of "
        f"{', '.join(sorted(INVERSES))}."
    )


def method_of(estimator: Any) -> str:
    """The method of the estimator whose result `expression_of` writes."""
    return rule_of(estimator).method or method_of(inner_estimator(estimator))


def inner_estimator(estimator: Any) -> Any:
    """The last step of a pipeline, the best estimator of a search."""
    return estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator.best_estimator_


def refuse(estimator: Any, what: str, got: object, expected: str) -> NoReturn:
    """Raises FrameworkError about a setting."""
    raise FrameworkError(
        f"[from_sklearn] {type(estimator).__name__}: {what}: got {got!r}, expected {expected}. Fit it with another "
        "setting, or convert it with skl2onnx and read the result with load_onnx."
    )


def dense(array: Any) -> Array:
    """The numbers in double precision, also those of a sparse matrix."""
    return np.asarray(array.toarray() if hasattr(array, "toarray") else array, dtype=np.float64)
