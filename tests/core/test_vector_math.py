"""Vector math against mpmath over all doubles, on every CPU path of this machine and with the C library's functions."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from exact_functions import FUNCTIONS, Answers, answers, collect, exact, points, power_points, powers
from vector_math_paths import PATHS, Array, evaluate

COUNTS = [*range(18), 35]
MOST_ULP = 4.0  # what vector_math.hpp promises


def moved(x: Array) -> Array:
    """The same numbers, each with other neighbours."""
    return np.roll(x, 1, axis=-1)[..., np.random.default_rng(2).permutation(x.shape[-1])]


@cache
def results(path: str) -> dict[str, Array]:
    """All functions on one path: at all points, with other neighbours, and at the first few numbers."""
    inputs = {name: points(name) for name in FUNCTIONS} | {"pow": power_points(), "pow special": special_powers()}
    for name in [*FUNCTIONS, "pow"]:
        inputs[f"{name} moved"] = moved(inputs[name])
        inputs[f"{name} in place"] = inputs[name]
        inputs |= {f"{name} {count}": inputs[name][..., :count] for count in COUNTS}
    return evaluate(path, inputs)


def special_powers() -> Array:
    halves = [0.0, 1.0, 2.0, 0.5, 3.0, 2.5, 1e300, np.inf]
    values = np.array([*halves, *(-x for x in halves), np.nan])
    return np.stack([grid.ravel() for grid in np.meshgrid(values, values)])


def expect_close(got: Array, exact_numbers: Answers, arguments: Array) -> None:
    errors = exact_numbers.errors(got)
    worst = np.argsort(errors)[-3:]
    assert errors[worst[-1]] <= MOST_ULP, [(arguments[..., i], got[i], errors[i]) for i in worst]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_error_is_below_four_ulp_over_all_doubles(name: str, path: str) -> None:
    expect_close(results(path)[name], answers(name), points(name))


@pytest.mark.parametrize("path", PATHS)
def test_error_of_powers_is_below_four_ulp(path: str) -> None:
    expect_close(results(path)["pow"], powers(), power_points())


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", [*FUNCTIONS, "pow"])
def test_answer_does_not_depend_on_the_place_in_the_array(name: str, path: str) -> None:
    found = results(path)
    np.testing.assert_array_equal(found[f"{name} moved"], moved(found[name]))
    np.testing.assert_array_equal(found[f"{name} in place"], found[name])
    for count in COUNTS:
        np.testing.assert_array_equal(found[f"{name} {count}"], found[name][:count])


@pytest.mark.parametrize("path", PATHS)
def test_powers_at_special_points_are_those_of_the_c_library(path: str) -> None:
    got = results(path)["pow special"]
    with np.errstate(all="ignore"):
        wanted = np.power(*special_powers())
    expect_close(got, Answers(wanted, np.zeros(wanted.size)), special_powers())


def test_errors_are_seen() -> None:
    x = points("exp")
    right = answers("exp").nearest
    is_subnormal = (right > 0) & (right < 2e-308)
    assert is_subnormal.any()
    assert np.max(answers("exp").errors(right)) <= 0.75  # subnormal numbers have been rounded twice
    assert np.all(answers("exp").errors(np.where(is_subnormal, 0.0, right))[is_subnormal & (right > 1e-322)] > MOST_ULP)
    for wrong in (np.nan, -right, np.where(np.isinf(right), 1e308, np.inf)):
        assert np.all(answers("exp").errors(np.broadcast_to(wrong, x.shape))[~np.isnan(right)] > MOST_ULP)
    assert np.all(collect([exact("exp", 1.0)]).errors(np.nextafter([np.e], 3) + 2e-15) > MOST_ULP)
