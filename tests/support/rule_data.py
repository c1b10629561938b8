"""Data to learn rules from, made by seeds, and all rules of small tables, enumerated."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd
import scipy.optimize

Rule = tuple[int, ...]


def table(seed: int, n_conditions: int = 10, n_rows: int = 60) -> np.ndarray:
    """(conditions, rows): conditions in pairs of opposites, of distinct rows."""
    random = np.random.default_rng(seed)
    half = np.unique(random.random((n_rows, n_conditions // 2)) < 0.5, axis=0).T
    return np.ascontiguousarray(np.concatenate([half, ~half])).astype(np.uint8)


def all_rules(n_conditions: int, max_length: int) -> list[Rule]:
    """Every conjunction, the empty one included."""
    return [rule for d in range(max_length + 1) for rule in itertools.combinations(range(n_conditions), d)]


def cover(holds: np.ndarray, rule: Rule) -> np.ndarray:
    return np.asarray(holds[list(rule)].all(axis=0))


def least_hamming_loss(
    holds: np.ndarray, p: np.ndarray, q: np.ndarray, rules: Sequence[Rule], max_complexity: float, is_integer: bool
) -> float:
    """The least Hamming loss of a selection of these rules, by SciPy; of a fractional one, or of a whole one."""
    covers = np.array([cover(holds, rule) for rule in rules], dtype=float)
    n_rows = covers.shape[1]
    cost = np.concatenate([covers @ q, p])
    complexity = np.concatenate([[1.0 + len(rule) for rule in rules], np.zeros(n_rows)])
    rows = np.vstack([np.hstack([covers.T, np.eye(n_rows)]), complexity])
    constraint = scipy.optimize.LinearConstraint(
        rows, np.append(np.ones(n_rows), -np.inf), np.append(np.full(n_rows, np.inf), max_complexity)
    )
    result = scipy.optimize.milp(
        cost,
        constraints=constraint,
        bounds=scipy.optimize.Bounds(0.0, 1.0),
        integrality=np.full(len(cost), int(is_integer)),
    )
    assert result.status == 0
    return float(result.fun)


def noisy(seed: int = 0, n_rows: int = 300) -> tuple[pd.DataFrame, np.ndarray]:
    """Numbers, whole numbers, categories, a bool and missing values; y follows rules, but for 5 % of the rows."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "temperature": random.normal(50.0, 10.0, n_rows),
            "cycles": random.integers(0, 20, n_rows),
            "material": random.choice(["steel", "brass", "zinc"], n_rows),
            "coated": random.random(n_rows) < 0.5,
        }
    )
    frame.loc[random.random(n_rows) < 0.1, "temperature"] = np.nan
    y = ((frame.temperature > 55) & frame.coated) | ((frame.material == "zinc") & (frame.cycles <= 8))
    return frame, (y ^ (random.random(n_rows) < 0.05)).astype(int).to_numpy()
