"""scikit-learn: fitted estimators, read from what they hold.

`registry` finds the rule for an estimator; the other modules have the rules, by kind. Numbers stay in double precision,
so that a Function gives what `predict` gives, up to rounding.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import numpy.typing as npt

from fastexpr._core import Function
from fastexpr.errors import FrameworkError, NotFoundError, ShapeError
from fastexpr.expression import build_function, variables
from fastexpr.expression.operands import as_expression
from fastexpr.frameworks.agreement import check_agreement
from fastexpr.frameworks.libraries import library, names_of_outputs
from fastexpr.frameworks.sklearn import (  # noqa: F401  (they register their rules)
    calibration,
    composition,
    encoders,
    kernel_models,
    linear_models,
    neural_networks,
    preprocessing,
    splines,
    trees,
)
from fastexpr.frameworks.sklearn.registry import (
    Symbolic,
    dense,
    expression_of,
    inverse_of,
    method_of,
    refuse,
)
from fastexpr.frameworks.sklearn.rows import Row, table_of
from fastexpr.function.arguments import real_numbers
from fastexpr.function.variants import checked_names, rebuild

__all__ = ["from_sklearn"]

TOLERANCE = 1e-6  # of max|y|; differences beyond rounding mean that another model was read


def from_sklearn(
    estimator: Any,
    *,
    method: str | None = None,
    inverse: bool = False,
    fixed: Mapping[str, Any] | None = None,
    return_std: bool = False,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
) -> Function:
    """A fitted estimator of scikit-learn as a Function.

    The estimator's own numbers are used, in their own precision, without a detour over ONNX: f(x) is what the estimator
    gives for one row x, up to rounding. That is `predict` of regressors, `predict_proba` of classifiers
    (`decision_function` where there are no probabilities, and of SVC), `transform` of transformers, and what the last
    step gives of a pipeline.

    Parameters
    ----------
    estimator
        Linear models, multilayer perceptrons, Gaussian processes, support vector machines, kernel ridge regression,
        isotonic regression, trees, forests and boosting, calibrated classifiers; scalers, encoders, polynomials,
        splines, projections and selections; pipelines and whatever else is made of these. docs/frameworks.md has the
        list.
    method : {"predict", "predict_proba", "decision_function", "transform"}, optional
        Another one of the estimator's methods: "decision_function" for the logits of a classifier.
    inverse : bool
        Of a transformer: its `inverse_transform`.
    fixed : dict, optional
        Columns that are constants, by name: numbers, or text that an encoder takes. x has the others.
    return_std : bool
        Of a Gaussian process: the standard deviation of the prediction as a second output.
    input_names : sequence of str, optional
        One name for each number of x; by default the names of the columns it was fitted on, or "x[0]", "x[1]", ...
    output_names : sequence of str, optional
        One name for each number of f(x); by default "y" or "y[0]", "y[1]", ..., "y[label]" for each class (a single
        score belongs to the second class), and the names of the columns where a transformer gives each number to one of
        them, as scalers and selections do, and of an inverse.

    Returns
    -------
    Function
        n inputs, one port "x"; one port "y", and "y_std" with `return_std`.

    Raises
    ------
    fastexpr.errors.NotFoundError
        scikit-learn is not installed; there is no column of a name in `fixed`.
    TypeError, ValueError
        A constant is neither text nor a finite number.
    fastexpr.errors.ShapeError
        Every column is fixed; not as many names as numbers.
    fastexpr.errors.FrameworkError
        The estimator, its method or one of its settings is not supported; or f differs from the estimator at one of a
        few points where both are compared.

    Examples
    --------
    >>> import numpy as np, fastexpr as fx
    >>> from sklearn.linear_model import LinearRegression
    >>> X = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    >>> f = fx.from_sklearn(LinearRegression().fit(X, [1.0, 3.0, 4.0]))
    >>> f([2.0, 2.0]).round(10)
    array([11.])
    """
    library("from_sklearn", "sklearn", ["scikit-learn"])
    columns = columns_of(estimator)
    if inverse:
        return inverted(estimator, columns, input_names, output_names)
    constants = checked_constants(columns, fixed)
    x = variables(len(columns) - len(constants))
    method = method or method_of(estimator)
    row = row_of(columns, constants, x)
    outputs = [as_expression(expression_of(estimator, row, method))]
    if return_std:
        outputs.append(deviation_of(estimator, row))
    function = build_function(x, outputs)
    free = [name for k, name in enumerate(columns) if k not in constants]
    names_in = checked_names(
        "[from_sklearn] input_names", input_names, free if is_named(free) else function.input_names
    )
    carried = carried_names(estimator, columns) if method == "transform" else None
    default = carried or default_output_names(estimator, outputs, method)
    function = rebuild(
        function,
        outputs=[(name, value.shape) for name, value in zip(("y", "y_std"), outputs, strict=False)],
        input_names=names_in,
        output_names=checked_names("[from_sklearn] output_names", output_names, default),
    )
    compare(estimator, method, return_std, function, constants)
    return function


def columns_of(estimator: Any) -> list[str]:
    """Names of the columns that the estimator takes: those of the table it was fitted on, or x[0], x[1], ..."""
    first = composition.entrance(estimator)
    n = getattr(first, "n_features_in_", 1 if hasattr(first, "X_thresholds_") else None)
    if n is None:
        raise FrameworkError(
            f"[from_sklearn] {type(estimator).__name__} is not fitted, or no estimator of scikit-learn: expected one "
            "with n_features_in_. Call its fit first."
        )
    names = [str(name) for name in getattr(first, "feature_names_in_", [])]
    return names if len(names) == n else [f"x[{k}]" for k in range(n)]


def is_named(names: Sequence[str]) -> bool:
    return len(set(names)) == len(names)


def carried_names(estimator: Any, columns: Sequence[str]) -> list[str] | None:
    """What a transformer's outputs are called where each is one of the columns it was fitted on, scaled, say."""
    if not hasattr(composition.entrance(estimator), "feature_names_in_") or not is_named(columns):
        return None
    try:
        names = [str(name) for name in estimator.get_feature_names_out()]
    except (AttributeError, ValueError):  # a step that knows no names
        return None
    return names if is_named(names) and set(names) <= set(columns) else None


def checked_constants(columns: Sequence[str], fixed: Mapping[str, Any] | None) -> dict[int, Any]:
    """The fixed columns by position."""
    unknown = [name for name in fixed or {} if name not in columns]
    if unknown:
        raise NotFoundError(
            f"[from_sklearn] fixed: there is no column {unknown[0]!r}: expected some of {', '.join(columns[:20])}"
            f"{', ...' if len(columns) > 20 else ''}."
        )
    if fixed and len(fixed) == len(columns):
        raise ShapeError("[from_sklearn] fixed: every column is fixed. Leave one free, or call the estimator.")
    return {columns.index(name): checked_constant(name, value) for name, value in (fixed or {}).items()}


def checked_constant(name: str, value: Any) -> Any:
    """A text, or a number that is finite."""
    if isinstance(value, str):
        return value
    number = real_numbers(value, f"[from_sklearn] fixed: {name!r}")
    if number.shape != () or not np.isfinite(number):
        raise ValueError(f"[from_sklearn] fixed: {name!r}: got {value!r}, expected a text or one finite number.")
    return float(number)


def row_of(columns: Sequence[str], constants: Mapping[int, Any], x: Symbolic) -> Any:
    """x, with the constants between its numbers."""
    if not constants:
        return x
    numbers = iter(range(len(columns)))
    entries = [constants[k] if k in constants else x[next(numbers)] for k in range(len(columns))]
    return Row(entries, [k in constants for k in range(len(columns))]).plain()


def inverted(
    estimator: Any, columns: list[str], input_names: Sequence[str] | None, output_names: Sequence[str] | None
) -> Function:
    """inverse_transform as a Function."""
    y = variables(expression_of(estimator, variables(len(columns)), "transform").size)
    function = build_function(y, as_expression(inverse_of(estimator, y)))
    has_names = hasattr(composition.entrance(estimator), "feature_names_in_") and is_named(columns)
    names = columns if has_names else function.output_names
    carried = carried_names(estimator, columns) or function.input_names
    function = rebuild(
        function,
        input_names=checked_names("[from_sklearn] input_names", input_names, carried),
        output_names=checked_names("[from_sklearn] output_names", output_names, names),
    )
    if hasattr(estimator, "inverse_transform"):
        points = np.random.default_rng(0).uniform(0.1, 0.9, (4, function.n_inputs))
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            expected = dense(estimator.inverse_transform(points)).reshape(4, -1)
        check_difference(f"{type(estimator).__name__}.inverse_transform", function(points), expected)
    return function


def deviation_of(estimator: Any, x: Symbolic) -> Symbolic:
    """The standard deviation that the estimator, or the last step of a pipeline, predicts."""
    if hasattr(estimator, "steps"):
        return deviation_of(estimator.steps[-1][1], composition.through_steps(estimator, x))
    if not hasattr(estimator, "kernel_"):
        refuse(estimator, "return_std", True, "False: only a GaussianProcessRegressor has it")
    return kernel_models.standard_deviation(estimator, x)


def default_output_names(estimator: Any, outputs: list[Symbolic], method: str) -> list[str]:
    """Those of both ports, by class label where there are probabilities or scores of classes."""
    classes = list(getattr(estimator, "classes_", ())) if method in ("predict_proba", "decision_function") else []
    pairs = zip(("y", "y_std"), outputs, strict=False)
    return [name for port, value in pairs for name in names_of_outputs(port, value.size, classes)]


def compare(estimator: Any, method: str, return_std: bool, function: Function, constants: Mapping[int, Any]) -> None:
    """Refuses a function that differs from the estimator at a few points."""
    settings = {"return_std": True} if return_std else {}
    random = np.random.default_rng(0)
    n = function.n_inputs + len(constants)
    free = [k for k in range(n) if k not in constants]
    categories = composition.categories_of(estimator)
    expected: list[npt.NDArray[np.float64]] = []
    for table in (random.normal(size=(4, n)), random.uniform(0.1, 1.0, (4, n))):
        table = table.astype(np.float32).astype(np.float64)  # what rounds to float32 sees the same numbers
        for column in set(categories) & set(free):
            table[:, column] = random.choice(categories[column], 4)
        points = table[:, free]
        rows = [[constants.get(k, row[k]) for k in range(n)] for row in table.tolist()]
        with warnings.catch_warnings(), np.errstate(all="ignore"), suppress(ValueError):  # a logarithm refuses x < 0
            warnings.simplefilter("ignore")  # about names of columns, and variances that rounding makes negative
            result = getattr(estimator, method)(table_of(estimator, rows), **settings)
            expected = [dense(part).reshape(4, -1) for part in (result if isinstance(result, tuple) else (result,))]
            break
    if expected:
        check_difference(f"{type(estimator).__name__}.{method}", function(points), np.concatenate(expected, axis=1))


def check_difference(what: str, got: npt.NDArray[np.float64], expected: npt.NDArray[np.float64]) -> None:
    advice = "A class of your own may do something else than the one it derives from; otherwise please report it."
    check_agreement("from_sklearn", what, got, expected, TOLERANCE, advice)
