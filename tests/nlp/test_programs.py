"""Programs as such: what they give is what they gave; they are copied for threads, and pickled for processes."""

from __future__ import annotations

import copy
import pickle
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from networks import network
from stored_programs import FILE, PROGRAMS, QUANTITIES, point_of, values_of
from tape_streams import Stream

import fastexpr as fx
from fastexpr.pyomo.compile.compiled import compile_model

every_program = pytest.mark.parametrize("name", PROGRAMS)


def error(a: np.ndarray, b: np.ndarray) -> float:
    scale = np.abs(b).max(initial=0.0)
    return float(np.abs(a - b).max(initial=0.0) / (scale if scale > 0 else 1.0))


def assert_equal(got: dict[str, Any], expected: dict[str, Any]) -> None:
    for key in QUANTITIES:
        np.testing.assert_array_equal(got[key], expected[key], err_msg=key)


def test_there_are_twenty_programs() -> None:
    assert len(PROGRAMS) == 20


@every_program
def test_values_are_those_that_were_stored(name: str) -> None:
    with np.load(FILE) as stored:
        nlp = PROGRAMS[name]()
        x, multipliers = stored[f"{name}/x"], stored[f"{name}/w"]
        found = values_of(nlp.functions, x, multipliers)
        for key in QUANTITIES:
            assert found[key].shape == stored[f"{name}/{key}"].shape
            assert error(found[key], stored[f"{name}/{key}"]) <= 1e-13, key


@every_program
def test_pickles_give_the_same(name: str) -> None:
    nlp = PROGRAMS[name]()
    x, multipliers = point_of(nlp)
    restored = pickle.loads(pickle.dumps(nlp.functions))
    assert type(restored) is type(nlp.functions)
    assert_equal(values_of(restored, x, multipliers), values_of(nlp.functions, x, multipliers))
    np.testing.assert_array_equal(restored.row_constants(), nlp.functions.row_constants())
    assert restored.steps(nlp.lower, nlp.upper) == nlp.functions.steps(nlp.lower, nlp.upper)


@every_program
def test_copies_give_the_same(name: str) -> None:
    nlp = PROGRAMS[name]()
    x, multipliers = point_of(nlp)
    expected = values_of(nlp.functions, x, multipliers)
    for other in (nlp.functions.copy(), copy.copy(nlp.functions), copy.deepcopy(nlp.functions)):
        assert other is not nlp.functions
        assert_equal(values_of(other, x, multipliers), expected)
    assert nlp.functions.copy().steps(nlp.lower, nlp.upper) == nlp.functions.steps(nlp.lower, nlp.upper)


def with_parameter() -> Any:
    """minimize p * x^2 with the row sin(p) + y, y = net(x)."""
    s = Stream(2, 1)
    s.targets = [network(1, 1)]
    output = s.output(0, 0, s.x(0))
    square = s.node("product", s.p(0), s.node("product", s.x(0), s.x(0)))
    return s.compile(square, [s.node("sum", s.node("sin", s.p(0)), output)])


def test_copies_have_parameters_and_a_point_of_their_own() -> None:
    first = with_parameter()
    first.set_parameters(np.array([2.0]))
    second = first.copy()
    x, z = np.array([3.0, 0.0]), np.array([1.0, 0.0])
    assert first.objective(x) == second.objective(x) == 18.0
    second.set_parameters(np.array([5.0]))
    assert second.objective(z) == 5.0
    assert first.objective(x) == 18.0
    assert first.row_constants() != second.row_constants()
    del first
    assert second.objective(x) == 45.0


def test_parameters_are_pickled() -> None:
    functions = with_parameter()
    functions.set_parameters(np.array([4.0]))
    restored = pickle.loads(pickle.dumps(functions))
    assert restored.objective(np.array([1.0, 0.0])) == 4.0
    assert pickle.loads(pickle.dumps(restored.copy())).objective(np.array([1.0, 0.0])) == 4.0


def test_programs_without_second_derivatives_stay_so() -> None:
    s = Stream(1)
    functions = s.compile(s.node("exp", s.x(0)), [], has_hessian=False)
    for other in (functions.copy(), pickle.loads(pickle.dumps(functions))):
        assert not other.has_hessian
        with pytest.raises(ValueError, match="compiled without second derivatives"):
            other.hessian(np.ones(1), np.zeros(0))


@pytest.mark.parametrize("name", ["problem dynamics", "pyomo network_dynamics", "pyomo hs114", "problem dense_terms"])
def test_copies_evaluate_in_other_threads(name: str) -> None:
    nlp = PROGRAMS[name]()
    x, multipliers = point_of(nlp)
    points = [x + 1e-3 * k * (nlp.upper.clip(-1, 1) - nlp.lower.clip(-1, 1)) for k in range(8)]
    expected = [values_of(nlp.functions, point, multipliers) for point in points]
    barrier = threading.Barrier(4)

    def work(seed: int) -> None:
        functions = nlp.functions.copy()
        barrier.wait(30)
        for k in np.random.default_rng(seed).permutation(np.repeat(range(len(points)), 20)):
            assert_equal(values_of(functions, points[k], multipliers), expected[k])

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(work, seed) for seed in range(4)]:
            done.result()


def test_copies_may_be_made_while_others_evaluate() -> None:
    nlp = PROGRAMS["problem one_network_at_places"]()
    x, multipliers = point_of(nlp)
    expected = values_of(nlp.functions, x, multipliers)

    def work(_: int) -> None:
        for _ in range(20):
            assert_equal(values_of(nlp.functions.copy(), x, multipliers), expected)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))


def in_another_process(functions: Any, x: Any, multipliers: Any) -> dict[str, Any]:
    return values_of(functions, x, multipliers)


def test_programs_evaluate_in_other_processes() -> None:
    names = ["problem chained_networks", "pyomo conditions"]
    nlps = [PROGRAMS[name]() for name in names]
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        for nlp in nlps:
            x, multipliers = point_of(nlp)
            found = pool.submit(in_another_process, nlp.functions, x, multipliers).result()
            assert_equal(found, values_of(nlp.functions, x, multipliers))


def test_programs_share_their_networks_in_a_pickle() -> None:
    net = network(3, 2, width=400)
    p = fx.Problem()
    x = p.variables((6, 3), lower=-1, upper=1)
    p.minimize(p.network(net, x).sum())
    s = Stream(3)
    s.targets = [net]
    functions = s.compile(s.constant(0.0), [s.output(0, k, s.x(0), s.x(1), s.x(2)) for k in range(2)])
    together = len(pickle.dumps([functions, functions.copy(), net]))
    assert together < 1.5 * len(pickle.dumps(functions))


class Foreign:
    """An external function that only this process has."""

    n_inputs, n_outputs = 1, 1

    def evaluate(self, x: Any, order: int) -> Any:
        return [x, np.ones((1, 1)), np.zeros((1, 1, 1))][: order + 1]


class Named(Foreign):
    name = "black box"


@pytest.mark.parametrize(("target", "name"), [(Foreign(), "Foreign"), (Named(), "black box")])
def test_programs_of_foreign_functions_refuse_to_be_pickled_by_name(target: Any, name: str) -> None:
    s = Stream(1)
    s.targets = [network(1, 1), target]
    functions = s.compile(s.output(0, 0, s.x(0)), [s.output(1, 0, s.x(0))])
    with pytest.raises(TypeError, match=rf"\[NlpFunctions '{name}'\] .*cannot be pickled.*Compile the model again"):
        pickle.dumps(functions)
    assert functions.copy().constraints(np.array([3.0])) == [3.0]  # in this process it is the same function


def test_pyomo_functions_refuse_to_be_pickled_by_their_own_name() -> None:
    m = pyo.ConcreteModel()
    m.x = pyo.Var(initialize=1.0)
    m.wind = pyo.ExternalFunction(lambda x: x**2, lambda x: [2 * x], lambda x: [2.0])
    m.goal = pyo.Objective(expr=m.wind(m.x))
    with pytest.warns(UserWarning, match="Evaluated through Pyomo"):
        compiled = compile_model(m)
    with pytest.raises(TypeError, match=r"\[NlpFunctions 'wind'\]"):
        pickle.dumps(compiled.nlp.functions)
    assert compiled.nlp.functions.copy().objective(np.array([3.0])) == 9.0


def test_damaged_pickles_are_refused() -> None:
    functions = with_parameter()
    functions.set_parameters(np.array([2.0]))
    make, arguments = functions.__reduce__()
    with pytest.raises(fx.errors.GraphError, match="there is no variable"):
        make(*arguments[:4], 0, *arguments[5:])
    with pytest.raises(fx.errors.ShapeError, match="values has a wrong shape"):
        make(*arguments[:-1], np.array([2.0, 1.0]))
