"""Boolean rules on tables that a folder holds: accuracy, complexity and time of a fit, and what is proved.

Each file NAME.csv has a header, text columns as categories, and the class in its last column. The complexity is chosen
by cross-validation within each training part, never on the part that is predicted.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.model_selection import RepeatedStratifiedKFold, StratifiedKFold, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeClassifier

from benchmarks import machine
from benchmarks.tables import Table, show, write_csv
from fastexpr.rules import BooleanRuleClassifier

#: Complexities to choose from. A table with another grid than the usual one, and other settings, is named.
USUAL = [2, 4, 5, 6, 8, 12, 18]
COMPLEXITIES = {"tic-tac-toe": [16, 24, 32], "wdbc": [6, 10, 16, 22], "banknote": [12, 18, 24, 30]}
SETTINGS: dict[str, dict[str, Any]] = {"banknote": {"n_thresholds": 19}}
LARGE = 10_000  # rows from which on one split of 80 and 20 % is taken, and the complexity is given
LARGE_COMPLEXITY = 40
LEAVES = [2, 3, 4, 6, 8, 12, 16, 24]


@dataclass
class Scores:
    """What one method reached on one table."""

    accuracy: list[float] = field(default_factory=list)
    complexity: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def texts(self) -> list[str]:
        deviation = f" ± {100 * statistics.stdev(self.accuracy):.1f}" if len(self.accuracy) > 1 else ""
        return [
            f"{100 * statistics.mean(self.accuracy):.2f}{deviation}",
            f"{statistics.mean(self.complexity):.1f}",
            f"{statistics.median(self.seconds):.2f}",
        ]


def rules_of(name: str, complexity: int) -> BooleanRuleClassifier:
    return BooleanRuleClassifier(max_complexity=complexity, time_limit=600, **SETTINGS.get(name, {}))


def tree_of(X: pd.DataFrame, leaves: int) -> Any:
    """scikit-learn's decision tree: rules, too, one a leaf, but found greedily."""
    text = [name for name in X.columns if not pd.api.types.is_numeric_dtype(X[name])]
    encoder = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), text), remainder="passthrough")
    return make_pipeline(encoder, DecisionTreeClassifier(max_leaf_nodes=leaves, random_state=0))


def tree_complexity(fitted: Any) -> int:
    """1 for each leaf that predicts the second class, and 1 for each condition on the way to it."""
    tree = fitted[-1].tree_
    total, stack = 0, [(0, 0)]
    while stack:
        node, depth = stack.pop()
        if tree.children_left[node] < 0:
            total += (1 + depth) if np.argmax(tree.value[node][0]) == 1 else 0
        else:
            stack += [(tree.children_left[node], depth + 1), (tree.children_right[node], depth + 1)]
    return total


def chosen(make: Callable[[int], Any], grid: list[int], X: pd.DataFrame, y: Any, repeats: int) -> int:
    """The complexity of the best accuracy; of equal ones the smallest."""
    splits = list(RepeatedStratifiedKFold(n_splits=5, n_repeats=repeats, random_state=1).split(X, y))
    scores = np.array([[make(c).fit(X.iloc[a], y[a]).score(X.iloc[b], y[b]) for a, b in splits] for c in grid])
    return grid[int(np.argmax(scores.mean(axis=1)))]


def measure(name: str, X: pd.DataFrame, y: Any, folds: int, repeats: int) -> tuple[Scores, Scores]:
    """Rules and trees, on the same splits."""
    rules, trees = Scores(), Scores()
    grid = COMPLEXITIES.get(name, USUAL)
    if len(y) >= LARGE:
        parts = [train_test_split(np.arange(len(y)), test_size=0.2, random_state=42, stratify=y)]
    else:
        parts = list(StratifiedKFold(folds, shuffle=True, random_state=0).split(X, y))
    for train, test in parts:
        A, a = X.iloc[train], y[train]
        is_large = len(y) >= LARGE
        complexity = LARGE_COMPLEXITY if is_large else chosen(lambda c: rules_of(name, c), grid, A, a, repeats)
        leaves = chosen(lambda c: tree_of(X, c), LEAVES, A, a, repeats)
        for scores, estimator in ((rules, rules_of(name, complexity)), (trees, tree_of(X, leaves))):
            begin = time.process_time()
            estimator.fit(A, a)
            scores.seconds.append(time.process_time() - begin)
            scores.accuracy.append(estimator.score(X.iloc[test], y[test]))
            found = estimator.complexity_ if scores is rules else tree_complexity(estimator)
            scores.complexity.append(found)
    return rules, trees


def prove(name: str, X: pd.DataFrame, y: Any, complexity: int) -> BooleanRuleClassifier:
    """Rules for the whole table by the loss that bounds are on."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return rules_of(name, complexity).set_params(loss="hamming", time_limit=120).fit(X, y)


def run(arguments: argparse.Namespace) -> None:
    """Measure, print the tables, write the file."""
    print(f"{machine.processor()}, {arguments.threads} thread(s), seconds of the processor")
    print(machine.versions(["fastexpr", "highspy", "scikit-learn", "numpy"]), flush=True)
    folds, repeats = (3, 1) if arguments.quick else (10, 3)
    accuracy = Table(
        f"Accuracy in % by {folds}-fold cross-validation, complexity, median seconds of a fit",
        ["data", "rules", "complexity", "seconds", "tree", "complexity", "seconds"],
    )
    proofs = Table(
        "Hamming loss on the whole table",
        ["data", "conditions", "C", "loss", "bound", "gap", "length proved", "seconds"],
    )
    rows: list[dict[str, object]] = []
    for path in sorted(arguments.data.glob("*.csv"), key=lambda path: path.stat().st_size):
        if arguments.tables and path.stem not in arguments.tables:
            continue
        table = pd.read_csv(path)
        X, y = table.iloc[:, :-1], table.iloc[:, -1].to_numpy()
        rules, trees = measure(path.stem, X, y, folds, repeats)
        accuracy.add(path.stem, *rules.texts(), *trees.texts())
        print(" | ".join(accuracy.rows[-1]), flush=True)
        complexity = max(2, round(statistics.mean(rules.complexity)))
        begin = time.process_time()
        proved = prove(path.stem, X, y, complexity)
        seconds = time.process_time() - begin
        proofs.add(
            path.stem,
            str(len(proved.conditions_)),
            str(complexity),
            f"{proved.hamming_loss_:g}",
            f"{proved.lower_bound_:g}",
            f"{proved.gap_:.3f}",
            str(proved.proved_length_),
            f"{seconds:.2f}",
        )
        rows.append(
            {
                "data": path.stem,
                "accuracy": statistics.mean(rules.accuracy),
                "complexity": statistics.mean(rules.complexity),
                "seconds": statistics.median(rules.seconds),
                "tree_accuracy": statistics.mean(trees.accuracy),
                "tree_complexity": statistics.mean(trees.complexity),
                "proved_length": proved.proved_length_,
                "gap": proved.gap_,
            }
        )
    show(accuracy, arguments.markdown)
    show(proofs, arguments.markdown)
    if arguments.output:
        write_csv(arguments.output / "rules.csv", rows)
