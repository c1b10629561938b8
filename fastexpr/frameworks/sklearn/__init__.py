"""scikit-learn: fitted estimators, read from what they hold."""

from fastexpr.frameworks.sklearn.estimator import columns_of, from_sklearn

__all__ = [
    "columns_of",
    "from_sklearn",
]
