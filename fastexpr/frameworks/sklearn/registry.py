"""Which function reads which estimator, and what all of them share.

A rule takes a fitted estimator and x, an Expression of shape (n,), and returns an Expression of shape (m,): what the
estimator's `method` gives for one row.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn, TypeAlias

import numpy as np
import numpy.typing as npt

from fastexpr.errors import FrameworkError
from fastexpr.frameworks.sklearn.rows import Row

Array = npt.NDArray[np.float64]
#: An Expression; NumPy's annotations do not know that its functions return one where they get one.
Symbolic: TypeAlias = Any
Apply = Callable[..., Symbolic]


#: By class of scikit-learn and method ("predict", "predict_proba", "decision_function", "transform"): how it is read.
#: An estimator whose method is that of a part, such as a pipeline, has one rule, under "".
RULES: dict[str, dict[str, Apply]] = {}
#: Why "Class.method" has no rule, for messages.
NO_RULE: dict[str, str] = {}
#: Inverses of transformers, for targets.
INVERSES: dict[str, Apply] = {}

#: Rules that take a Row with text in it.
TAKE_TEXT = ("ColumnTransformer", "OneHotEncoder", "OrdinalEncoder")

#: Which of its methods an estimator is read as, where nobody says.
USUAL = ("predict_proba", "decision_function", "predict", "transform")


def rule(*names: str, method: str = "predict") -> Callable[[Apply], Apply]:
    """Registers a rule for scikit-learn's classes of these names."""

    def register(apply: Apply) -> Apply:
        for name in names:
            RULES.setdefault(name, {})[method] = apply
        return apply

    return register


def inverse(*names: str) -> Callable[[Apply], Apply]:
    """Registers the inverse of transformers of these names."""

    def register(apply: Apply) -> Apply:
        INVERSES.update(dict.fromkeys(names, apply))
        return apply

    return register


def rules_of(estimator: Any) -> dict[str, Apply]:
    """The rules for the estimator's class, or for the class of scikit-learn that it derives from."""
    found = known_class(estimator, RULES)
    if found is None:
        raise FrameworkError(
            f"[from_sklearn] {type(estimator).__name__} is not supported{nearest(type(estimator).__name__, RULES)}. "
            "Convert it with skl2onnx and read the result with load_onnx."
        )
    return RULES[found]


def known_class(estimator: Any, table: Mapping[str, Any]) -> str | None:
    """The name under which the table has the estimator's class or one that it derives from."""
    kinds = [kind for kind in type(estimator).__mro__ if kind.__module__.partition(".")[0] == "sklearn"]
    return next((kind.__name__ for kind in kinds if kind.__name__ in table), None)


def nearest(name: str, known: Iterable[str]) -> str:
    """The few names that are most like this one, for messages."""
    like = difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)
    return f"; nearest by name: {', '.join(like)}" if like else "; docs/frameworks.md lists what is"


def expression_of(estimator: Any, x: Symbolic, method: str | None = None) -> Symbolic:
    """What the estimator's method gives for x; the method that is read without further ado where none is given."""
    if isinstance(x, Row) and x.is_constant:
        return x.through(estimator, method or method_of(estimator))
    rules = rules_of(estimator)
    if "" in rules:
        return rules[""](estimator, x, method)
    method = method or method_of(estimator)
    if method not in rules:
        reason = NO_RULE.get(f"{known_class(estimator, RULES)}.{method}", "")
        refuse(estimator, "method", method, f"{' or '.join(map(repr, rules))}{reason}")
    if isinstance(x, Row) and known_class(estimator, dict.fromkeys(TAKE_TEXT)) is None:
        refuse(estimator, "columns", "text beside inputs", "text in columns of encoders only")
    return rules[method](estimator, x)


def inverse_of(estimator: Any, y: Symbolic) -> Symbolic:
    """What the transformer's inverse_transform gives for y."""
    found = known_class(estimator, INVERSES)
    if found is None:
        name = type(estimator).__name__
        raise FrameworkError(f"[from_sklearn] the inverse of {name} is not supported{nearest(name, INVERSES)}.")
    return INVERSES[found](estimator, y)


def method_of(estimator: Any) -> str:
    """The method of the estimator whose result `expression_of` writes where nobody says which."""
    rules = rules_of(estimator)
    if "" in rules:
        return method_of(inner_estimator(estimator))
    return next((method for method in USUAL if method in rules and hasattr(estimator, method)), next(iter(rules)))


def inner_estimator(estimator: Any) -> Any:
    """The last step of a pipeline, the best estimator of a search, what is frozen."""
    if hasattr(estimator, "steps"):
        return estimator.steps[-1][1]
    return estimator.best_estimator_ if hasattr(estimator, "best_estimator_") else estimator.estimator


def refuse(estimator: Any, what: str, got: object, expected: str) -> NoReturn:
    """Raises FrameworkError about a setting."""
    raise FrameworkError(
        f"[from_sklearn] {type(estimator).__name__}: {what}: got {got!r}, expected {expected}. Fit it with another "
        "setting, or convert it with skl2onnx and read the result with load_onnx."
    )


def dense(array: Any) -> Array:
    """The numbers in double precision, also those of a sparse matrix."""
    return np.asarray(array.toarray() if hasattr(array, "toarray") else array, dtype=np.float64)
