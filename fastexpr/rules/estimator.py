"""BooleanRuleClassifier, an estimator of scikit-learn."""

from __future__ import annotations

import os
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state, compute_class_weight
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from fastexpr.errors import RuleError
from fastexpr.rules.binarizer import conditions_of, table_of
from fastexpr.rules.checks import (
    check_conditions,
    check_parameters,
    checked_classes,
    checked_target,
    checked_weights,
)
from fastexpr.rules.columns import Column, as_array, columns_of_array, columns_of_table, is_table
from fastexpr.rules.conditions import Rule, sentence
from fastexpr.rules.generation import Generation
from fastexpr.rules.patterns import Patterns
from fastexpr.rules.settings import FOREVER, Clock, Learnt, Settings

Array = npt.NDArray[np.float64]


class BooleanRuleClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Short rules such as ``IF recency <= 4 AND frequency > 4 OR time > 50 THEN 1``, learnt by column generation.

    A rule is a conjunction of conditions on single columns. Of two classes the second is predicted where any rule
    holds (form "dnf"), or where all clauses hold, each of which is a disjunction (form "cnf", learnt as rules for the
    first class). Of more classes each gets rules against the rest; the classes are asked in the order of their rules'
    precision on the training data (of equal ones in the order of ``classes_``), the first rule that holds decides, and
    where none does, ``default_`` is predicted.

    Parameters
    ----------
    max_complexity : int
        For all rules of a class together, where a rule costs 1 and 1 for each of its conditions.
    max_length : int
        Conditions of a rule.
    n_thresholds : int
        Thresholds of each column of numbers, at quantiles, in which no value counts for more than one part.
    form : "dnf" or "cnf"
        "cnf" is for two classes.
    loss : "zero_one" or "hamming"
        What the rules that were generated are selected by: the weight of the rows that are misclassified, or where a
        row that must not be covered counts once for each rule that covers it. Bounds are on the latter.
    time_limit : float
        Seconds for a fit, after which the best that was found is taken.
    class_weight : dict or "balanced", optional
        As elsewhere in scikit-learn.
    random_state : int, RandomState or None
        Of the local search.
    verbose : bool
        Whether to print a line for each iteration.

    Attributes
    ----------
    rules_ : list of Rule
        In the order in which they are asked.
    default_
        The label where no rule holds.
    complexity_ : int
        Of all rules.
    hamming_loss_ : float
        Of the rules on the training data: a weight, not a share. With more than two classes, of all of them together.
    lower_bound_ : float
        No rules of up to `max_length` conditions and `max_complexity` have a lower Hamming loss.
    gap_ : float
        (hamming_loss_ - lower_bound_) / max(1, hamming_loss_).
    bounds_by_length_ : (max_length,) array
        Entry d - 1: the same for rules of up to d conditions.
    proved_length_ : int
        The linear program of column generation is solved over all rules of up to so many conditions, known or not.
    conditions_ : list of Condition
        What rules may consist of.
    column_kinds_ : list of str
        "double", "string" or "bool", of each column.
    timed_out_ : bool
    timings_ : dict of str to float
        Seconds of each step, and "total".
    n_iter_ : int
    classes_, n_features_in_, feature_names_in_
        As elsewhere in scikit-learn.

    Raises
    ------
    fastexpr.errors.RuleError
        A parameter out of range; one class only; three or more with form "cnf"; columns of neither numbers nor
        categories.

    Warns
    -----
    sklearn.exceptions.ConvergenceWarning
        The time limit was reached: another fit may find other rules. A fit that finishes always finds the same.

    Notes
    -----
    Sanjeeb Dash, Oktay Günlük and Dennis Wei, "Boolean Decision Rules via Column Generation", NeurIPS 2018. Rules are
    priced exactly, by branch and bound on bits, so that bounds hold for all rules. Values are binarized at thresholds
    midway between data; a missing value fulfils the condition "is missing" and no other.

    Examples
    --------
    >>> import numpy as np, fastexpr as fx
    >>> X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]] * 5)
    >>> rules = fx.rules.BooleanRuleClassifier(max_complexity=3).fit(X, X[:, 0] & X[:, 1])
    >>> print(rules)
    IF x[0] > 0 AND x[1] > 0
    THEN 1
    ELSE 0
    >>> rules.hamming_loss_, rules.gap_
    (0.0, 0.0)
    """

    def __init__(
        self,
        max_complexity: int = 20,
        max_length: int = 4,
        n_thresholds: int = 9,
        form: str = "dnf",
        loss: str = "zero_one",
        time_limit: float = 30.0,
        class_weight: Any = None,
        random_state: Any = 0,
        verbose: bool = False,
    ) -> None:
        self.max_complexity = max_complexity
        self.max_length = max_length
        self.n_thresholds = n_thresholds
        self.form = form
        self.loss = loss
        self.time_limit = time_limit
        self.class_weight = class_weight
        self.random_state = random_state
        self.verbose = verbose

    # ---- fitting

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> BooleanRuleClassifier:
        """Learn rules.

        Parameters
        ----------
        X : array or DataFrame, (rows, columns)
            Numbers, or categories (strings, bools, categoricals); NaN and None are missing values.
        y : (rows,) array
            Classes.
        sample_weight : (rows,) array, optional
            Not negative.

        Returns
        -------
        BooleanRuleClassifier
            This one.
        """
        check_parameters(self)
        clock = Clock(float(min(self.time_limit, FOREVER)))
        columns, n_rows = self._columns(X, reset=True)
        y = checked_target(y, n_rows)
        weights = _check_sample_weight(sample_weight, np.empty((n_rows, 1)), dtype=np.float64, ensure_non_negative=True)
        classes = checked_classes(y, weights, self.form)
        by_class = compute_class_weight(self.class_weight, classes=classes, y=y)
        weights = checked_weights(weights, by_class[np.searchsorted(classes, y)])
        checked_classes(y, weights, self.form)  # a class may weigh nothing
        with clock.measure("binarize"):
            taken = np.flatnonzero(weights > 0)
            columns, y, weights = [part.take(taken) for part in columns], y[taken], weights[taken]
            self.conditions_ = conditions_of(columns, weights, self.n_thresholds)
            check_conditions(len(self.conditions_))
            patterns = Patterns(table_of(self.conditions_, columns, len(y)))
        self.column_kinds_ = [part.kind for part in columns]
        self.classes_ = classes
        labels = self._labels_to_learn()
        seeds = check_random_state(self.random_state).randint(2**31, size=len(labels))
        learnt = [
            self._learn(patterns, y == label, weights, int(seed), clock, len(labels) - k)
            for k, (label, seed) in enumerate(zip(labels, seeds, strict=True))
        ]
        self._put_in_order(labels, learnt, columns, y, weights)
        self._summarize(learnt, clock)
        return self

    def _learn(
        self,
        patterns: Patterns,
        is_covered: npt.NDArray[np.bool_],
        weights: Array,
        seed: int,
        clock: Clock,
        n_left: int,
    ) -> tuple[Learnt, float]:
        """Rules for one class against the others, and their Hamming loss."""
        own = Clock(clock.left() / n_left)
        settings = Settings(self.max_complexity, self.max_length, self.loss, own.limit, seed, bool(self.verbose))
        p, q = patterns.sums(np.where(is_covered, weights, 0.0)), patterns.sums(np.where(is_covered, 0.0, weights))
        learnt = Generation(patterns.holds, p, q, settings, own).run()
        counts = np.zeros(len(p))
        for rule in learnt.rules:
            counts += patterns.holds[list(rule)].all(axis=0)
        learnt.rules = [tuple(int(patterns.conditions[k]) for k in rule) for rule in learnt.rules]
        return learnt, float(p[counts == 0].sum() + q @ counts)

    def _put_in_order(
        self, labels: list[Any], learnt: list[tuple[Learnt, float]], columns: list[Column], y: Any, weights: Array
    ) -> None:
        """Sets the rules in the order in which they are asked, and the default."""
        sets = []
        uncovered = np.ones(len(y), dtype=bool)
        for position, (label, (found, _)) in enumerate(zip(labels, learnt, strict=True)):
            rules = [Rule(tuple(self.conditions_[k] for k in rule), label) for rule in sorted(found.rules)]
            covered = np.zeros(len(y), dtype=bool)
            for rule in rules:
                covered |= rule.holds(columns, len(y))
            uncovered &= ~covered
            total = weights[covered].sum()
            precision = weights[covered & (y == label)].sum() / total if total > 0 else 0.0
            sets.append((-precision, position, rules))
        self.rules_ = [rule for _, _, rules in sorted(sets, key=lambda entry: entry[:2]) for rule in rules]
        if len(labels) == 1:
            self.default_ = next(label for label in self.classes_ if label != labels[0])
            return
        rest = uncovered if uncovered.any() else np.ones(len(y), dtype=bool)
        by_class = [weights[rest & (y == label)].sum() for label in self.classes_]
        self.default_ = self.classes_[int(np.argmax(by_class))]

    def _summarize(self, learnt: list[tuple[Learnt, float]], clock: Clock) -> None:
        self.complexity_ = sum(rule.complexity for rule in self.rules_)
        self.hamming_loss_ = sum(loss for _, loss in learnt)
        self.bounds_by_length_ = np.sum([found.bounds_by_length for found, _ in learnt], axis=0)
        # Rounding of losses, which are sums of weights, is no gap.
        self.lower_bound_ = min(float(self.bounds_by_length_[-1]), self.hamming_loss_)
        self.gap_ = (self.hamming_loss_ - self.lower_bound_) / max(1.0, self.hamming_loss_)
        self.proved_length_ = min(found.proved_length for found, _ in learnt)
        self.n_iter_ = max(found.n_iterations for found, _ in learnt)
        self.timed_out_ = any(found.timed_out for found, _ in learnt)
        self.timings_ = dict(clock.timings)
        for found, _ in learnt:
            for what, seconds in found.timings.items():
                self.timings_[what] = self.timings_.get(what, 0.0) + seconds
        self.timings_["total"] = clock.passed()
        if self.timed_out_:
            warnings.warn(
                f"[BooleanRuleClassifier] stopped by the time limit of {self.time_limit:g} s: the rules are the best "
                "found so far, and the bound holds. What to do: a larger time_limit, or a smaller max_length.",
                ConvergenceWarning,
                stacklevel=3,
            )

    # ---- predicting

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """The class of each row: (rows,)."""
        check_is_fitted(self)
        return self._decide(*self._columns(X, reset=False))

    def _decide(self, columns: list[Column], n_rows: int) -> npt.NDArray[Any]:
        """(rows,): the label of the first rule that holds, or the default."""
        holds = self._holds(columns, n_rows)
        labels = np.array([rule.label for rule in self.rules_] + [self.default_], dtype=self.classes_.dtype)
        first = np.where(holds.any(axis=1), np.argmax(holds, axis=1) if holds.shape[1] else 0, len(self.rules_))
        return labels[first]

    def decision_path(self, X: Any) -> scipy.sparse.csr_matrix:
        """Which of `rules_` hold: a sparse indicator, (rows, rules)."""
        check_is_fitted(self)
        return scipy.sparse.csr_matrix(self._holds(*self._columns(X, reset=False)))

    def to_onnx(self, path: str | os.PathLike[str] | None = None) -> Any:
        """The rules as an ONNX model of comparisons and logic; see :func:`fastexpr.rules.onnx.to_onnx`."""
        check_is_fitted(self)
        from fastexpr.rules.onnx import to_onnx  # only here, because it brings ONNX along

        return to_onnx(self, path)

    def __str__(self) -> str:
        if not hasattr(self, "rules_"):
            return repr(self)
        return sentence(self.rules_, self.default_, self.form)

    def _holds(self, columns: list[Column], n_rows: int) -> npt.NDArray[np.bool_]:
        """(rows, rules)"""
        holds = [rule.holds(columns, n_rows) for rule in self.rules_]
        return np.array(holds, dtype=bool).reshape(len(holds), n_rows).T

    # ---- what comes in

    def _columns(self, X: Any, reset: bool) -> tuple[list[Column], int]:
        if is_table(X):
            if len(set(X.columns)) < len(X.columns):
                raise RuleError(
                    f"[BooleanRuleClassifier] two columns have one name: got {list(X.columns)}. Rename them."
                )
            validate_data(self, X, reset=reset, skip_check_array=True)
            if len(X) < 1 or self.n_features_in_ < 1:
                raise RuleError(
                    f"[BooleanRuleClassifier] Found array with {len(X)} sample(s) and {self.n_features_in_} feature(s) "
                    "while a minimum of 1 is required."
                )
            return columns_of_table(X), len(X)
        X = as_array(X)
        X = validate_data(self, X, reset=reset, dtype=None, ensure_all_finite="allow-nan")
        return columns_of_array(X, self._names()), len(X)

    def _names(self) -> list[str]:
        names = getattr(self, "feature_names_in_", None)
        return [f"x[{k}]" for k in range(self.n_features_in_)] if names is None else list(names)

    def _labels_to_learn(self) -> list[Any]:
        if len(self.classes_) > 2:
            return list(self.classes_)
        return [self.classes_[1 if self.form == "dnf" else 0]]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        tags.classifier_tags.multi_class = self.form == "dnf"
        return tags
