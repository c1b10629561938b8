"""The functions of src/linalg/vector_math.hpp to a hundred digits, points from all over the doubles, errors in ulp."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import mpmath
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Function:
    """A function of one number.

    Attributes
    ----------
    exact : callable
        Its value with mpmath, at finite arguments of the domain.
    limits : (float, float)
        At -inf and inf.
    lowest : float
        Where the domain ends; NaN below.
    saturates : bool
        Beyond 1e5 in size it is its limit, or the argument itself.
    is_odd : bool
        f(-0) is -0.
    """

    exact: Callable[[Any], Any]
    limits: tuple[float, float]
    lowest: float = -math.inf
    saturates: bool = False
    is_odd: bool = False


FUNCTIONS = {
    "exp": Function(mpmath.exp, (0, math.inf), saturates=True),
    "expm1": Function(mpmath.expm1, (-1, math.inf), saturates=True, is_odd=True),
    "log": Function(mpmath.log, (math.nan, math.inf), lowest=0),
    "log1p": Function(mpmath.log1p, (math.nan, math.inf), lowest=-1, is_odd=True),
    "sin": Function(mpmath.sin, (math.nan, math.nan), is_odd=True),
    "cos": Function(mpmath.cos, (math.nan, math.nan)),
    "tanh": Function(mpmath.tanh, (-1, 1), saturates=True, is_odd=True),
    "erf": Function(mpmath.erf, (-1, 1), saturates=True, is_odd=True),
    "erfc": Function(mpmath.erfc, (2, 0), saturates=True),
    "sqrt": Function(mpmath.sqrt, (math.nan, math.inf), lowest=0, is_odd=True),
    "sigmoid": Function(lambda x: 1 / (1 + mpmath.exp(-x)), (0, 1), saturates=True),
    "softplus": Function(lambda x: mpmath.log1p(mpmath.exp(x)), (0, math.inf), saturates=True),
}

SPECIAL = """
    0 -0 inf -inf nan 5e-324 -5e-324 2.2250738585072009e-308 -2.2250738585072009e-308 2.2250738585072014e-308
    -2.2250738585072014e-308 1.7976931348623157e308 -1.7976931348623157e308 1 -1 1e22 1e300 -1e300
    """
# Where functions, or the usual ways to compute them, change: ends of the range, of an expansion, of a reduction.
EDGES = """
    1e-300 1e-16 1.1102230246251565e-16 2.2e-16 1e-8 0.0625 0.125 0.25 0.2929 0.34375 0.3466 0.4142 0.5 0.6931
    0.7071 0.84375 1 1.04 1.25 1.4142 1.5 2 2.5 2.857 3 4 4.2 5 5.92 6 8.5 15 17.5 18.715 19.06 20 22 26.2 26.55
    27.2 27.23 28 36.7368 37.4 125 700 708 708.3964 709 709.78271 709.782712893384 710 720 744.44 745.133 746
    1000 39000 1e7 1e8 1e14 1e307
    """


@cache
def points(name: str) -> Array:
    """Some thousand arguments: every binade, many of each near 1, the neighbourhood of every edge, special numbers."""
    generator = np.random.default_rng(11)
    exponents = np.concatenate([np.arange(-1074, 1024).repeat(2), np.arange(-12, 10).repeat(50)])
    spread = np.ldexp(generator.uniform(1, 2, exponents.size), exponents)
    edges = np.array(EDGES.split(), dtype=np.float64)
    around = [edges, *(edges + step * np.spacing(edges) for step in (-2, -1, 1, 2))]
    near = edges * (1 + 1e-3 * generator.uniform(-1, 1, (12, 1)) ** 3)
    sizes = np.concatenate([spread, *around, *near, near_multiples() if name in ("sin", "cos") else []])
    together = np.concatenate([sizes, -sizes, np.array(SPECIAL.split(), dtype=np.float64)])
    generator.shuffle(together)
    return together


@cache
def near_multiples() -> list[float]:
    """For each binade from 2 on, the doubles that lie nearest to a multiple of pi / 2: the hardest for sin and cos.

    The integers q for which q 2^k / (pi / 2) is nearly an integer are the denominators of its continued fraction.
    """
    found = []
    with mpmath.workprec(2400):
        for k in range(-51, 971):
            rest = mpmath.frac(mpmath.ldexp(2, k) / mpmath.pi)
            denominators = [0, 1]
            while denominators[-1] < 2**53:
                quotient = mpmath.floor(1 / rest)
                rest = 1 / rest - quotient
                denominators.append(int(quotient) * denominators[-1] + denominators[-2])
            found += [math.ldexp(q, k) for q in denominators[-3:-1]]
    return found


def exact(name: str, x: float) -> float | mpmath.mpf:
    """f(x), from minus to plus infinity, NaN included."""
    function = FUNCTIONS[name]
    if math.isnan(x) or x < function.lowest:
        return math.nan
    if math.isinf(x) or (function.saturates and abs(x) > 1e5):
        limit = function.limits[x > 0]
        return mpmath.mpf(x) if name == "softplus" and x > 0 else limit
    if x == function.lowest and name != "sqrt":
        return -math.inf
    with mpmath.workprec(140 + max(0, 2 * math.frexp(x)[1]) if name in ("sin", "cos") else 140):
        if function.is_odd and name != "sqrt" and abs(x) < 1e-60:
            return mpmath.mpf(x) * (2 / mpmath.sqrt(mpmath.pi) if name == "erf" else 1)
        return function.exact(mpmath.mpf(x))


@dataclass(frozen=True)
class Answers:
    """Exact numbers: `nearest` in double precision, and how many ulp of it are missing."""

    nearest: Array
    missing: Array

    def errors(self, got: Array) -> Array:
        """In units of the last place; infinite for another NaN, infinity or sign."""
        nearest = self.nearest
        with np.errstate(all="ignore"):
            errors = np.abs((got - nearest) / np.spacing(np.abs(nearest)) - self.missing)
        is_same = (got == nearest) | (np.isnan(got) & np.isnan(nearest))
        errors[~np.isfinite(nearest) | ~np.isfinite(got)] = np.inf
        errors[is_same & ~np.isfinite(nearest)] = 0
        errors[(np.signbit(got) != np.signbit(nearest)) & ~np.isnan(nearest)] = np.inf
        return errors


def collect(numbers: list[float | mpmath.mpf]) -> Answers:
    """Exact numbers as arrays."""
    nearest = np.array([float(number) for number in numbers])
    missing = np.zeros(nearest.size)
    for i, number in enumerate(numbers):
        if math.isfinite(nearest[i]):
            missing[i] = (number - mpmath.mpf(nearest[i])) / mpmath.mpf(math.ulp(nearest[i]))
    return Answers(nearest, missing)


@cache
def answers(name: str) -> Answers:
    """The exact values at points(name)."""
    x = points(name)
    with mpmath.workprec(200):
        found = collect([exact(name, argument) for argument in x.tolist()])
    if FUNCTIONS[name].is_odd:  # mpmath knows no -0
        found.nearest[x == 0] = x[x == 0]
    return found


# ---- powers


@cache
def power_points() -> Array:
    """Bases and exponents, (2, count): results and bases of all sizes, small integers, halves."""
    generator = np.random.default_rng(3)
    count = 1500
    base = np.ldexp(generator.uniform(1, 2, count), generator.integers(-1074, 1024, count))
    near_1 = 1 + np.ldexp(generator.uniform(-1, 1, count), generator.integers(-45, 0, count))
    size = generator.uniform(-746, 710, (2, count))
    pairs = [
        (base, size[0] / np.log(base)),
        (near_1, size[1] / np.log(near_1)),
        (-base, np.clip(np.rint(size[0] / np.log(base)), -9, 9)),
        (generator.uniform(-9, 9, count), generator.integers(-30, 30, count)),
        (generator.uniform(0, 9, count), generator.integers(-30, 30, count) / 2),
    ]
    return np.concatenate([np.array(pair, dtype=np.float64) for pair in pairs], axis=1)


@cache
def powers() -> Answers:
    """The exact powers at power_points()."""
    with mpmath.workprec(300):
        return collect([mpmath.power(mpmath.mpf(a), mpmath.mpf(b)) for a, b in power_points().T.tolist()])
