"""scikit-learn: fitted estimators, read from what they hold.

`registry` finds the rule for an estimator; the other modules have the rules, by kind. Numbers stay in double precision,
so that a Function gives what `predict` gives, up to rounding.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import numpy.typing as npt

from fastexpr._core import Function
from fastexpr.errors import FrameworkError
from fastexpr.expression import build_function, variables
from fastexpr.frameworks.libraries import library
from fastexpr.frameworks.sklearn import (  # noqa: F401  (they register their rules)
    composition,
    kernel_models,
    linear_models,
    neural_networks,
    preprocessing,
    splines,
    trees,
)
from fastexpr.frameworks.sklearn.registry import Symbolic, dense, expression_of, method_of, refuse
from fastexpr.function.variants import checked_names, rebuild

__all__ = ["from_sklearn"]

TOLERANCE = 1e-6  # of max|y|; differences beyond rounding mean that another model was read


def from_sklearn(
    estimator: Any,
    *,
    return_std: bool = False,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
) -> Function:
    """A fitted estimator of scikit-learn as a Function.

    The estimator's own numbers are used, in their own precision, without a detour over ONNX: f(x) is what the estimator
    gives for one row x, up to rounding. That is `predict` of regressors, `predict_proba` of classifiers
    (`decision_function` where there are no probabilities), `transform` of transformers, and what the last step gives of
    a pipeline.

    Parameters
    ----------
    estimator
        Linear models, multilayer perceptrons, Gaussian processes, support vector machines, kernel ridge regression,
        trees, forests and boosting; scalers, polynomials, splines, projections and selections; pipelines and whatever
        else is made of these. docs/frameworks.md has the list.
    return_std : bool
        Of a Gaussian process: the standard deviation of the prediction as a second output.
    input_names : sequence of str, optional
        One name for each number of x; by default the names of the columns it was fitted on, or "x[0]", "x[1]", ...
    output_names : sequence of str, optional
        One name for each number of f(x); by default "y" or "y[0]", "y[1]", ..., and "y[label]" for each class.

    Returns
    -------
    Function
        n inputs, one port "x"; one port "y", and "y_std" with `return_std`.

    Raises
    ------
    fastexpr.errors.NotFoundError
        scikit-learn is not installed.
    fastexpr.errors.FrameworkError
        The estimator or one of its settings is not supported; or f differs from the estimator at one of a few points
        where both are compared.

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
    n = getattr(estimator, "n_features_in_", None)
    if n is None:
        raise FrameworkError(
            f"[from_sklearn] {type(estimator).__name__} is not fitted, or no estimator of scikit-learn: expected one "
            "with n_features_in_. Call its fit first."
        )
    x = variables(n)
    method = method_of(estimator)
    outputs = [expression_of(estimator, x)]
    if return_std:
        outputs.append(deviation_of(estimator, x))
    function = build_function(x, outputs)
    names_in = checked_names("[from_sklearn] input_names", input_names, default_input_names(estimator, function))
    default = default_output_names(estimator, outputs, method)
    function = rebuild(
        function,
        outputs=[(name, value.shape) for name, value in zip(("y", "y_std"), outputs, strict=False)],
        input_names=names_in,
        output_names=checked_names("[from_sklearn] output_names", output_names, default),
    )
    compare(estimator, method, return_std, function)
    return function


def deviation_of(estimator: Any, x: Symbolic) -> Symbolic:
    """The standard deviation that the estimator, or the last step of a pipeline, predicts."""
    if hasattr(estimator, "steps"):
        return deviation_of(estimator.steps[-1][1], composition.through_steps(estimator, x))
    if not hasattr(estimator, "kernel_"):
        refuse(estimator, "return_std", True, "False: only a GaussianProcessRegressor has it")
    return kernel_models.standard_deviation(estimator, x)


def default_input_names(estimator: Any, function: Function) -> Sequence[str]:
    names = [str(name) for name in getattr(estimator, "feature_names_in_", [])]
    return names if len(names) == function.n_inputs and len(set(names)) == len(names) else function.input_names


def default_output_names(estimator: Any, outputs: list[Symbolic], method: str) -> list[str]:
    """y, or y[0], y[1], ...; the labels of the classes in brackets where there are as many."""
    names = []
    for port, value in zip(("y", "y_std"), outputs, strict=False):
        labels: Sequence[Any] = range(value.size)
        if method in ("predict_proba", "decision_function") and len(getattr(estimator, "classes_", ())) == value.size:
            labels = estimator.classes_
        names += [port] if value.size == 1 else [f"{port}[{label}]" for label in labels]
    return names


def compare(estimator: Any, method: str, return_std: bool, function: Function) -> None:
    """Refuses a function that differs from the estimator at a few points."""
    settings = {"return_std": True} if return_std else {}
    random = np.random.default_rng(0)
    expected: list[npt.NDArray[np.float64]] = []
    for points in (random.normal(size=(4, function.n_inputs)), random.uniform(0.1, 1.0, (4, function.n_inputs))):
        points = points.astype(np.float32).astype(np.float64)  # what rounds to float32 sees the same numbers
        with warnings.catch_warnings(), np.errstate(all="ignore"), suppress(ValueError):  # a logarithm refuses x < 0
            warnings.simplefilter("ignore")  # about names of columns, and variances that rounding makes negative
            result = getattr(estimator, method)(as_table(estimator, points), **settings)
            expected = [dense(part).reshape(4, -1) for part in (result if isinstance(result, tuple) else (result,))]
            break
    if expected:
        check_difference(f"{type(estimator).__name__}.{method}", function(points), np.concatenate(expected, axis=1))


def check_difference(what: str, got: npt.NDArray[np.float64], expected: npt.NDArray[np.float64]) -> None:
    if got.shape != expected.shape:
        difference = np.inf
    else:
        finite = np.isfinite(expected)
        scale = np.abs(expected[finite]).max(initial=np.finfo(np.float32).tiny)
        difference = np.abs(got - expected)[finite].max(initial=0.0) / scale
    if not difference <= TOLERANCE:
        raise FrameworkError(
            f"[from_sklearn] f(x) differs from {what}: got {got.shape[1]} numbers and a "
            f"difference of {difference:.1e}, expected {expected.shape[1]} numbers and at most {TOLERANCE:.0e} of "
            "max|y|. A class of your own may do something else than the one it derives from; otherwise please report "
            "it."
        )


def as_table(estimator: Any, points: npt.NDArray[np.float64]) -> Any:
    """The points with names of columns, where the estimator was fitted on a table that has them."""
    names = getattr(estimator, "feature_names_in_", None)
    if names is None:
        return points
    try:
        import pandas
    except ModuleNotFoundError:
        return points
    return pandas.DataFrame(points, columns=list(names))
