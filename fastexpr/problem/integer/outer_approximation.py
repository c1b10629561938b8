"""Convex quadratic objectives over integers, by outer approximation (Duran and Grossmann 1986).

HiGHS has no mixed-integer quadratic programs. The objective is bounded from below by its tangents at points found so
far: a mixed-integer linear program, whose optimum is a bound. With its integers fixed, the quadratic program itself
gives a point, and tangents at it: the same integers need not be looked at again, so that this ends.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
import scipy.sparse

from fastexpr.formulations.affine import Array, widened
from fastexpr.problem.integer.mixed_integer import Quadratic
from fastexpr.solvers.highs import LinearProgram, Outcome

GAP = 1e-6  # of max(1, |objective|)
N_RELAXED = 30  # tangents before integers are looked at
MOST = 500


def minimize(
    program: LinearProgram, quadratic: Quadratic, start: Array | None, time_limit: float | None, options: dict[str, Any]
) -> Outcome:
    """The linear program's objective plus the quadratic part."""
    if not program.is_integer.any():
        return continuous(program, quadratic, start, time_limit, options)
    search = Search(program, quadratic, options, time_limit)
    return search.run(start)


def continuous(
    program: LinearProgram, quadratic: Quadratic, start: Array | None, time_limit: float | None, options: dict[str, Any]
) -> Outcome:
    """HiGHS's own solver of quadratic programs."""
    Q, linear, constant = quadratic.matrices(program.lower.size)
    whole = replace(program, Q=Q, cost=program.cost + linear, offset=program.offset + constant)
    return whole.solve(start, time_limit, **options)


class Search:
    """One solve: tangents so far, the best point, the bound."""

    def __init__(
        self, program: LinearProgram, quadratic: Quadratic, options: dict[str, Any], time_limit: float | None
    ) -> None:
        self.program, self.quadratic, self.options = program, quadratic, options
        self.n = program.lower.size
        self.end = None if time_limit is None else time.perf_counter() + time_limit
        self.Q, self.linear, self.constant = quadratic.matrices(self.n)
        # Squares have a column each, which makes tangents tight; other products one together.
        self.size = quadratic.weights.size if quadratic.are_squares() else 1
        self.cuts: list[tuple[Any, Array]] = []
        self.iterations = 0
        self.best: Array | None = None
        self.objective = np.inf
        self.bound = -np.inf

    def left(self) -> float | None:
        """Seconds."""
        return None if self.end is None else max(0.0, self.end - time.perf_counter())

    def run(self, start: Array | None) -> Outcome:
        """Until bound and objective meet."""
        if start is not None:
            self.cut(start)
            self.improve(start)
        relaxed = np.zeros_like(self.program.is_integer)
        for _ in range(N_RELAXED):
            outcome = self.master(relaxed, None)
            if outcome.status != "optimal" or outcome.x is None or self.cut(outcome.x) <= GAP:
                break
        for _ in range(MOST):
            outcome = self.master(self.program.is_integer, self.best)
            self.iterations += outcome.iterations
            if outcome.x is None or outcome.status == "infeasible":
                return self.outcome(outcome.status, outcome.message)
            self.bound = max(self.bound, min(outcome.bound, self.objective))
            self.cut(outcome.x)
            self.improve(outcome.x[: self.n])
            if self.objective - self.bound <= self.tolerance():
                return self.outcome("optimal", "Optimal")
            if outcome.status != "optimal":
                return self.outcome(outcome.status, outcome.message)
        return self.outcome("iteration_limit", f"{MOST} rounds of tangents did not suffice")

    def tolerance(self) -> float:
        """How near bound and objective have to be."""
        relative = float(self.options.get("mip_rel_gap", GAP))
        return max(GAP, relative) * max(1.0, abs(self.objective))

    def master(self, is_integer: Any, start: Array | None) -> Outcome:
        """The linear program with all tangents."""
        program, n = self.program, self.n
        wide = widened(program.A, n + self.size)
        A = scipy.sparse.vstack([wide, *(rows for rows, _ in self.cuts)], format="csr")
        limits = np.concatenate([program.row_lower, *(limit for _, limit in self.cuts)])
        upper = np.concatenate([program.row_upper, np.full(limits.size - program.row_upper.size, np.inf)])
        weights = self.quadratic.weights if self.quadratic.are_squares() else np.ones(1)
        low = np.zeros(self.size) if self.quadratic.are_squares() else np.array([self.least()])
        whole = LinearProgram(
            np.append(program.lower, low),
            np.append(program.upper, np.full(self.size, np.inf)),
            np.append(is_integer, np.zeros(self.size, bool)),
            A,
            limits,
            upper,
            np.append(program.cost, weights),
            program.offset,
        )
        begin = None if start is None else np.append(start, self.values(start))
        options = {"mip_rel_gap": GAP / 10, **self.options}
        return whole.solve(begin, self.left(), **options)

    def least(self) -> float:
        """What the quadratic part cannot be below: a convex function has a least value, where its gradient is zero."""
        used = np.unique(self.Q.indices)
        x = np.zeros(self.n)
        x[used] = np.linalg.lstsq(self.Q[used][:, used].toarray(), -self.linear[used], rcond=None)[0]
        gradient = self.Q @ x + self.linear
        if abs(gradient).max(initial=0.0) > 1e-8 * max(1.0, abs(self.linear).max()):
            return -1e20  # it has none; the tangents see to it
        value = float(self.values(x)[0])
        return value - 1e-6 * max(1.0, abs(value))

    def values(self, x: Array) -> Array:
        """Of the columns that stand for the quadratic part."""
        if self.quadratic.are_squares():
            return self.quadratic.first.at(x) ** 2
        return np.array([0.5 * x @ (self.Q @ x) + self.linear @ x + self.constant])

    def cut(self, point: Array) -> float:
        """Tangents at a point; by how much they cut it off, relative to the objective."""
        x = point[: self.n]
        values = self.values(x)
        missing = values - (point[self.n :] if point.size > self.n else -np.inf)
        if self.quadratic.are_squares():
            a = self.quadratic.first
            at = a.at(x)  # t >= at^2 + 2 at (a(x) - at)
            gradients = a.scaled(2.0 * at)
            rows, limits = gradients.matrix, at * at - 2.0 * at * (at - a.constant)
        else:
            gradient = self.Q @ x + self.linear
            rows, limits = scipy.sparse.csr_array(gradient[None]), values - gradient @ x
        own = scipy.sparse.eye_array(self.size, format="csr")
        self.cuts.append((scipy.sparse.hstack([-widened(rows, self.n), own], format="csr"), limits))
        weights = self.quadratic.weights if self.quadratic.are_squares() else np.ones(1)
        return float(weights @ np.maximum(missing, 0.0)) / max(1.0, abs(self.total(x)))

    def total(self, x: Array) -> float:
        """The whole objective."""
        quadratic = 0.5 * x @ (self.Q @ x) + self.linear @ x + self.constant
        return float(self.program.cost @ x + self.program.offset + quadratic)

    def improve(self, x: Array) -> None:
        """The quadratic program with these integers, and a tangent at its solution."""
        integers = np.round(x[self.program.is_integer])
        low, high = self.program.lower.copy(), self.program.upper.copy()
        low[self.program.is_integer] = high[self.program.is_integer] = integers
        fixed = replace(self.program, lower=low, upper=high, is_integer=np.zeros(self.n, bool))
        found = continuous(fixed, self.quadratic, None, self.left(), {})
        for candidate in (found.x, x):
            if candidate is not None and fits(self.program, candidate) and self.total(candidate) < self.objective:
                self.best, self.objective = candidate, self.total(candidate)
        if found.x is not None:
            self.cut(found.x)

    def outcome(self, status: str, message: str) -> Outcome:
        """What there is."""
        bound = min(self.bound, self.objective)
        return Outcome(status, message, self.best, self.objective, bound, self.iterations)


def fits(program: LinearProgram, x: Array, tolerance: float = 1e-6) -> bool:
    """Whether a point satisfies all rows, bounds and integers."""
    values = program.A @ x
    whole = x[program.is_integer]
    gaps = (
        program.lower - x, x - program.upper, program.row_lower - values, values - program.row_upper,
        abs(whole - np.round(whole)),
    )  # fmt: skip
    scale = max(1.0, float(abs(values).max(initial=0.0)))
    return all(gap.max(initial=0.0) <= tolerance * scale for gap in gaps)
