"""How a solve ends: statuses, limits, interrupts, options, solvers that are missing."""

import importlib.util
import re
import signal
import threading
import time

import numpy as np
import pytest
from problems import (
    SOLVERS,
    each_solver,
    hs071,
)

import fastexpr as fx


def test_a_solver_is_installed():
    assert "pounce" in SOLVERS


def test_no_solver_installed(monkeypatch):
    p = fx.Problem()
    hs071(p)
    with pytest.raises(ValueError, match="unknown solver: got 'snopt', expected one of 'cyipopt', 'pounce'"):
        p.solve("snopt")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install pounce-solver.*pip install cyipopt"):
        p.solve()
    with pytest.raises(ModuleNotFoundError, match="'pounce' is not installed: use 'pip install pounce-solver'"):
        p.solve("pounce")


@each_solver
def test_an_evaluation_that_fails_makes_the_solver_step_back(solver):
    p = fx.Problem()
    x = p.variables((), start=3.0)
    p.minimize(x - np.log(x))  # Newton's first step ends at -3
    result = p.solve(solver)
    assert result.success
    assert result[x] == pytest.approx(1.0, abs=1e-6)
    q = fx.Problem()
    x = q.variables(2, start=[3.0, 1.0])
    q.minimize((x**2).sum())
    q.subject_to(np.log(x[0]) + np.sqrt(x[1] - 0.5), equal=0.5)
    result = q.solve(solver)
    assert result.success
    assert np.log(result[x][0]) + np.sqrt(result[x][1] - 0.5) == pytest.approx(0.5, abs=1e-7)


@each_solver
def test_a_start_that_cannot_be_evaluated_is_named(solver):
    p = fx.Problem()
    x = p.variables(2, start=-1.0, name="flow")
    p.minimize((x**2).sum())
    p.subject_to(np.log(x), lower=0, name="balance")
    result = p.solve(solver)
    assert (result.success, result.status) == (False, "invalid_number")
    assert "balance[0] is not finite" in result.message


@each_solver
def test_what_diverges_is_named(solver):
    p = fx.Problem()
    x, flow = p.variables(2, lower=-1.0, upper=1.0), p.variables(2, name="flow", start=1.0)
    p.minimize((x**2).sum() + flow[0] ** 2 - 1e3 * flow[1])
    result = p.solve(solver)
    assert result.status == "diverging"
    assert re.search(r"Farthest out is flow\[1\], at \d", result.message)


@each_solver
def test_infeasible_unbounded_and_limits(solver):
    p = fx.Problem()
    x = p.variables(2, start=1.0)
    p.minimize(x.sum())
    p.subject_to((x**2).sum(), upper=-1)
    result = p.solve(solver)
    assert (result.success, result.status) == (False, "infeasible")
    assert result.violation > 0.5

    p = fx.Problem()
    p.minimize(p.variables(2, start=1.0).sum())
    result = p.solve(solver)
    assert (result.success, result.status) == (False, "diverging")

    p = fx.Problem()
    hs071(p)
    result = p.solve(solver, max_iter=2)
    assert (result.success, result.status, result.iterations) == (False, "iteration_limit", 2)

    result = p.solve(solver, max_cpu_time=1e-3, progress=lambda state: busy(0.05))
    assert (result.success, result.status) == (False, "time_limit")


def busy(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


@each_solver
def test_acceptable_is_a_success_that_says_so(solver):
    p = fx.Problem()
    hs071(p)
    result = p.solve(solver, tol=1e-14, acceptable_tol=1e-3, acceptable_iter=1)
    assert result.success
    assert result.status == "acceptable"
    assert "acceptable" in result.message


@each_solver
def test_interrupts_progress_and_errors_in_progress(solver):
    p = fx.Problem()
    hs071(p)
    result = p.solve(
        solver, progress=lambda state: signal.raise_signal(signal.SIGINT) if state.iteration == 3 else None
    )
    assert (result.success, result.status) == (False, "interrupted")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

    seen = []
    result = p.solve(solver, progress=lambda state: (seen.append(state), state.iteration < 2)[1])
    assert (result.success, result.status) == (False, "stopped")
    assert [state.iteration for state in seen] == [0, 1, 2]
    assert seen[0].objective == pytest.approx(16.1, rel=0.1)

    def fail(state):
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        p.solve(solver, progress=fail)


@each_solver
def test_solving_in_another_thread(solver):
    p = fx.Problem()
    hs071(p)
    results = []
    thread = threading.Thread(target=lambda: results.append(p.solve(solver)))
    thread.start()
    thread.join()
    assert results[0].success


@each_solver
def test_options_and_silence(solver, capfd):
    p = fx.Problem()
    hs071(p)
    assert p.solve(solver, tol=1, max_iter=np.int64(50), warm_start_init_point=False).success
    out = capfd.readouterr()
    assert out.out == out.err == ""
    for wrong in ({"nonsense": 1}, {"mu_strategy": "wild"}, {"max_iter": 2.5}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            p.solve(solver, **wrong)
        out = capfd.readouterr()
        assert out.out == out.err == ""
    assert p.solve(solver).success
