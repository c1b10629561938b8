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
    monkeypatch.setattr("fastexpr.pyomo.solver_log.FIRST_LINE", 0.0)
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
