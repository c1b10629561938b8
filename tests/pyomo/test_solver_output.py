"""What the solver 'fastexpr' shows while it solves: nothing, its log on any stream, a line of progress."""

from __future__ import annotations

import io
import logging
from pathlib import Path
from typing import Any

import pyomo.environ as pyo
import pytest
from pyomo.contrib.solver.common.factory import SolverFactory

import fastexpr.pyomo  # noqa: F401  registers the solver
from fastexpr.solvers import Progress


def solver(**settings: Any) -> Any:
    return SolverFactory("fastexpr", **settings)


def parabola() -> pyo.ConcreteModel:
    m = pyo.ConcreteModel()
    m.x = pyo.Var(initialize=0.5, bounds=(0, 10))
    m.y = pyo.Var(initialize=0.5)
    m.distance = pyo.Objective(expr=(m.x - 2) ** 2 + (m.y - 1) ** 2)
    m.half = pyo.Constraint(expr=m.x + m.y <= 1)
    return m


def test_silent(capfd: pytest.CaptureFixture[str]) -> None:
    solver().solve(parabola(), solver_options={"print_level": 5})
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["cyipopt", "pounce"])
def test_tee(name: str, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    logger, stream = logging.getLogger("test_tee"), io.StringIO()
    opt = solver(solver=name, tee=[True, logger, stream])
    with caplog.at_level(logging.INFO, "test_tee"):
        results = opt.solve(parabola())
    log = results.solver_log
    assert "iter    objective" in log
    assert stream.getvalue() == log
    assert "".join(f"{record.message}\n" for record in caplog.records) == log
    opt.config.tee = True
    opt.solve(parabola())
    assert capfd.readouterr().out.count("iter    objective") >= 2


def test_log_in_a_file_of_the_users(tmp_path: Path) -> None:
    stream, path = io.StringIO(), tmp_path / "Ipopt.log"
    results = solver().solve(parabola(), tee=stream, solver_options={"output_file": str(path), "print_level": 3})
    assert path.read_text() == stream.getvalue() == results.solver_log != ""
    assert "iter    objective" not in results.solver_log


def test_tee_where_stdout_is_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    class Notebook:
        def __init__(self) -> None:
            self.text = ""

        def write(self, text: str) -> None:
            self.text += text

    cell = Notebook()
    monkeypatch.setattr("sys.stdout", cell)
    results = solver().solve(parabola(), tee=True)
    assert cell.text == results.solver_log != ""


def test_log_comes_while_the_solver_runs() -> None:
    stream, seen = io.StringIO(), []
    solver().solve(parabola(), tee=stream, progress=lambda state: seen.append(stream.getvalue().count("\n")))
    assert seen == sorted(seen)
    assert seen[-1] - seen[1] >= len(seen) - 2


@pytest.mark.parametrize("name", ["cyipopt", "pounce"])
def test_progress_line(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("fastexpr.pyomo.solve.log.FIRST_LINE", 0.0)
    with caplog.at_level(logging.INFO, "fastexpr.pyomo"):
        solver(solver=name).solve(parabola())
        assert "iteration 0, objective" in caplog.text
        caplog.clear()
        solver(solver=name, progress=False).solve(parabola())
        assert caplog.text == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    solver(solver=name).solve(parabola())
    shown = capsys.readouterr().err
    assert "\r\x1b[Kfastexpr: 0 s, iteration 0, objective" in shown
    assert shown.endswith("\r\x1b[K")


def test_progress_function() -> None:
    states: list[Progress] = []
    results = solver().solve(parabola(), progress=states.append)
    assert [state.iteration for state in states] == list(range(results.extra_info.iteration_count + 1))


def dependent() -> pyo.ConcreteModel:
    """Problem 55 of Hock and Schittkowski: six equations of rank five in six variables, which Ipopt solves twice."""
    m = pyo.ConcreteModel()
    start = dict(zip(range(1, 7), (1, 2, 0, 0, 0, 2), strict=True))
    m.x = pyo.Var(range(1, 7), bounds=lambda m, i: (0, 1 if i in (1, 4) else None), initialize=start)
    x = m.x
    m.goal = pyo.Objective(expr=x[1] + 2 * x[2] + 4 * x[5] + pyo.exp(x[1] * x[4]))
    m.c = pyo.ConstraintList()
    m.c.add(x[1] + 2 * x[2] + 5 * x[5] == 6)
    m.c.add(x[1] + x[2] + x[3] == 3)
    m.c.add(x[4] + x[5] + x[6] == 2)
    m.c.add(x[1] + x[4] == 1)
    m.c.add(x[2] + x[5] == 2)
    m.c.add(x[3] + x[6] == 2)
    return m


@pytest.mark.parametrize("name", ["cyipopt", "pounce"])
def test_a_second_run_is_in_the_log_and_counted(name: str, tmp_path: Path) -> None:
    m, stream, seen = dependent(), io.StringIO(), []
    results = solver(solver=name).solve(m, tee=stream, progress=lambda state: seen.append(state.iteration))
    assert pyo.value(m.goal) == pytest.approx(20 / 3, rel=1e-7)
    assert stream.getvalue() == results.solver_log
    assert seen == sorted(seen)
    assert results.extra_info.iteration_count == seen[-1]
    if name == "cyipopt":
        assert results.solver_log.count("EXIT: ") == 2
        m, path = dependent(), tmp_path / "ipopt.log"
        own = solver(solver=name).solve(m, solver_options={"output_file": str(path)})
        assert own.solver_log.count("EXIT: ") == 2
