"""What a result answers, also after its problem has changed, and without it."""

import pickle

import numpy as np
import pytest
from problems import (
    NETWORK,
    full_space,
)

import fastexpr as fx
from fastexpr.errors import GraphError


def test_the_result():
    p, x, y, a, _ = full_space(NETWORK)
    result = p.solve()
    assert isinstance(result[x[0]], float)
    assert result[x].shape == (4,)
    assert result.value(y[1] - x[0] * x[1]) == pytest.approx(0.8, abs=1e-7)
    np.testing.assert_allclose(result.value(NETWORK(x)), result[y], atol=1e-8)
    assert result.duals[a].shape == ()
    text = repr(result)
    assert "success: True" in text
    assert "iterations: " in text
    seconds = result.timings
    assert set(seconds["evaluations"]) == {"objective", "gradient", "constraints", "jacobian", "hessian"}
    spent = seconds["build"] + seconds["solver"] + sum(kind["seconds"] for kind in seconds["evaluations"].values())
    assert spent == pytest.approx(seconds["total"], rel=1e-6)
    with pytest.raises(GraphError, match="this problem's"):
        result[fx.variables(4)]
    with pytest.raises(KeyError, match="no constraint of this problem"):
        result.duals[full_space(NETWORK)[3]]
    with pytest.raises(GraphError, match="selection"):
        result.lower_duals[2 * x]


def test_a_problem_can_be_extended_and_solved_again():
    p = fx.Problem()
    x = p.variables(2, start=0.5)
    p.minimize(((x - [2.0, 1.0]) ** 2).sum())
    free = p.solve()
    np.testing.assert_allclose(free[x], [2, 1], atol=1e-6)
    assert p.nlp() is p.nlp()
    disk = p.subject_to((x**2).sum(), upper=1)
    held = p.solve()
    np.testing.assert_allclose(held[x], np.array([2, 1]) / np.sqrt(5), atol=1e-6)
    assert held.duals[disk] == pytest.approx(np.sqrt(5) - 1, abs=1e-6)
    later = p.variables(2)
    for expression in (later, later[0] * x[0]):
        with pytest.raises(GraphError, match="after this result"):
            held.value(expression)
    with pytest.raises(KeyError, match="no constraint"):
        free.duals[disk]
    np.testing.assert_allclose(free[x], [2, 1], atol=1e-6)


def test_results_of_what_is_no_expression():
    problem = fx.Problem()
    x = problem.variables(2)
    problem.minimize((x**2).sum())
    result = problem.solve()
    for values in (result, result.lower_duals):
        with pytest.raises(TypeError, match=r"\[Problem\] values belong to variables .*: got 'x'"):
            values["x"]


def test_a_result_pickles_without_its_problem():
    p = fx.Problem()
    x = p.variables(2, start=1.0)
    c = p.subject_to(x[0] + x[1], equal=1.0)
    p.minimize((x**2).sum())
    result = p.solve()
    copy = pickle.loads(pickle.dumps(result))
    np.testing.assert_array_equal(copy.x, result.x)
    np.testing.assert_array_equal(copy.multipliers.constraints, result.multipliers.constraints)
    assert (copy.status, copy.objective, copy.timings) == (result.status, result.objective, result.timings)
    for ask in (lambda: copy[x], lambda: copy.duals[c], lambda: copy.lower_duals[x]):
        with pytest.raises(KeyError, match=r"result\.x"):
            ask()
