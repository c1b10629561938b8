"""What XGBoost's and LightGBM's models have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from fastexpr._core import Function
from fastexpr.errors import FrameworkError
from fastexpr.expression import Expression, build_function
from fastexpr.frameworks.agreement import check_agreement
from fastexpr.frameworks.libraries import names_of_outputs
from fastexpr.frameworks.trees import Forest
from fastexpr.function.variants import checked_names, rebuild

Array = npt.NDArray[np.float64]
TOLERANCE = 1e-5  # of max|y|: these libraries add up in float32, or print the numbers of their trees


def refuse(caller: str, what: str, got: object, expected: str) -> NoReturn:
    """Raises FrameworkError about a setting."""
    raise FrameworkError(
        f"[{caller}] {what}: got {got!r}, expected {expected}. Train with another setting, or convert the model with "
        "onnxmltools and read the result with load_onnx."
    )


def named_function(
    caller: str,
    x: Expression,
    y: Any,
    feature_names: Sequence[str],
    input_names: Sequence[str] | None,
    output_names: Sequence[str] | None,
    classes: Sequence[Any],
) -> Function:
    """The function of y, with the names of the features for x, and the labels of classes for y."""
    function = build_function(x, y)
    is_usable = len(feature_names) == len(set(feature_names)) == function.n_inputs
    default = names_of_outputs("y", y.size, list(classes))
    return rebuild(
        function,
        input_names=checked_names(
            f"[{caller}] input_names", input_names, feature_names if is_usable else function.input_names
        ),
        output_names=checked_names(f"[{caller}] output_names", output_names, default),
    )


def sample_points(forest: Forest | None, n_features: int) -> Array:
    """Points for the comparison with the library: random ones, in the range of the thresholds of each feature."""
    table: Array = np.random.default_rng(0).normal(size=(8, n_features))
    tests = forest.tests if forest else []
    for k in range(n_features):
        thresholds = np.array([threshold for feature, threshold in tests if feature == k])
        thresholds = thresholds[np.abs(thresholds) < 1e30]
        if thresholds.size:
            middle, spread = thresholds.mean(), thresholds.std() + 1e-3 * abs(thresholds.mean())
            table[:, k] = middle + 1.5 * spread * table[:, k]
    return table.astype(np.float32).astype(np.float64)


def compare(caller: str, function: Function, points: Array, expected: Any) -> None:
    """Refuses a function that differs from what the library predicts."""
    wanted = np.asarray(expected, np.float64).reshape(len(points), -1)
    check_agreement(caller, "the model's predict", function(points), wanted, TOLERANCE)
