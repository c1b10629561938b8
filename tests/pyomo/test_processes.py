"""Many solves in one process, in threads and in other processes; where the networks' files are meanwhile."""

from __future__ import annotations

import io
import os
import pickle
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from ampl_solvers import M, N, Solve, all_doors, check_same, example, outputs_of, solve_with_pounce
from folders import ROOT
from networks import network
from pyomo.repn.plugins.nl_writer import NLWriter

import fastexpr.pyomo as fxp
from fastexpr.pyomo.external.files import network_at


def parametric(route: str) -> pyo.ConcreteModel:
    """Inputs of every kind: a variable, one that is fixed, a Param, a number."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var([0, 1], bounds=(-2, 2), initialize=0.1)
    m.p = pyo.Param(initialize=0.0, mutable=True)
    m.inputs = pyo.Expression(range(N), initialize=lambda b, i: [b.x[0], b.x[1], b.p, 0.25][i])
    y = outputs_of(m, "nn", m.inputs, route)
    m.objective = pyo.Objective(expr=(y[0] - m.p) ** 2 + m.x[0] ** 2 + 0.1 * y[1])
    m.c = pyo.Constraint(expr=y[2] >= -1)
    return m


def n_open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@all_doors
@pytest.mark.parametrize("route", ["block", "external"])
def test_many_solves_with_other_numbers(solve: Solve, route: str) -> None:
    model, explicit = parametric(route), parametric("algebra")
    open_files = 0
    for turn in range(8):
        for each in (model, explicit):
            each.p.set_value(0.2 * turn)
            if turn % 2:
                each.x[1].fix(-0.1 * turn)
            else:
                each.x[1].unfix()
        check_same(model, explicit, solve)
        if turn == 1:
            open_files = n_open_files()
    assert n_open_files() == open_files


@all_doors
@pytest.mark.parametrize("route", ["block", "external"])
def test_no_variable_among_the_inputs(solve: Solve, route: str) -> None:
    m = pyo.ConcreteModel()
    m.p = pyo.Param(initialize=0.5, mutable=True)
    m.free = pyo.Var(initialize=0.0)
    y = outputs_of(m, "nn", [m.p, m.p, 1.0, 2 * m.p], route)
    m.objective = pyo.Objective(expr=(y[0] - m.free) ** 2)
    for p in (0.5, -0.5):
        m.p.set_value(p)
        solve(m)
        assert m.free.value == pytest.approx(network(N, M)(np.array([p, p, 1.0, 2 * p]))[0], rel=1e-6)


def in_threads(work: Any) -> list[Any]:
    """What four threads return; the first error if there is one."""
    results: list[Any] = []

    def run(number: int) -> None:
        try:
            results.append(work(number))
        except Exception as error:
            results.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        if isinstance(result, Exception):
            raise result
    return results


def test_models_in_threads() -> None:
    """Built, copied, changed, evaluated, written. Pyomo's classic solvers are not made for several threads."""
    expected = io.StringIO()
    NLWriter().write(example("block"), expected)

    def work(number: int) -> None:
        other = network(N, M, seed=20 + number)
        for _ in range(5):
            m = example("block")
            clone = pickle.loads(pickle.dumps(m)) if number % 2 else m.clone()
            m.nn.update(other)
            text = io.StringIO()
            NLWriter().write(clone, text)
            assert text.getvalue() == expected.getvalue()
            NLWriter().write(m, io.StringIO())
            assert Path(m.nn.network.path).exists()
            m.nn.initialize()
            x = np.full(N, 0.3)
            assert [v.value for v in m.nn.outputs.values()] == pytest.approx(other(x).tolist(), rel=1e-13)
            assert pyo.value(clone.nn.network.calls[0, "y[1]"]) == pytest.approx(network(N, M)(x)[1], rel=1e-13)

    in_threads(work)


def test_one_model_s_network_in_threads() -> None:
    m = example("external")
    function, path = m.nn.function, m.nn.path
    net = network(N, M)
    points = np.random.default_rng(0).standard_normal((20, N))

    def work(number: int) -> float:
        worst = 0.0
        for x in np.roll(points, number, axis=0):
            value, gradient, _ = function.evaluate_fgh([path, "1", "a", *x.tolist()], fgh=1)
            worst = max(worst, abs(value - net(x)[1]), np.abs(gradient[3:] - net.jacobian(x)[1]).max())
        return worst

    assert max(in_threads(work)) < 1e-13


@all_doors
def test_a_folder_for_temporary_files_with_blanks_and_letters_outside_ascii(
    solve: Solve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "größe mit Leerzeichen"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    check_same(example("block"), example("algebra"), solve)


# ---- files


def test_nothing_is_written_before_a_solver_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTEXPR_CACHE_DIR", str(tmp_path))
    m = example("block")
    m.other = fxp.ExternalNetwork(network(N, 1, seed=4))
    y = m.other(m.x)[0]
    clone, unpickled = m.clone(), pickle.loads(pickle.dumps(m))
    m.nn.initialize()
    fxp.initialize(m)
    m.pprint(ostream=io.StringIO())
    assert pyo.value(y) == pytest.approx(network(N, 1, seed=4)(np.full(N, 0.3))[0], rel=1e-14)
    assert list(tmp_path.iterdir()) == []
    for model in (unpickled, clone):
        model.write(str(tmp_path / "model.nl"))
        (tmp_path / "model.nl").unlink()
        assert [file.name for file in tmp_path.iterdir()] == [Path(m.nn.network.path).name]  # of the one it uses
        Path(m.nn.network.path).unlink()


def test_a_model_with_nowhere_to_write_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It can be built and evaluated all the same; only a solver in another process needs the file."""
    (tmp_path / "file").write_text("no folder")
    monkeypatch.delenv("FASTEXPR_CACHE_DIR")
    monkeypatch.setattr("fastexpr.pyomo.external.files._cache_candidates", lambda: iter([tmp_path / "file" / "cache"]))
    m = example("block")
    assert fxp.initialize(m) == M
    with pytest.raises(ValueError, match="There is no place for the networks' files"):
        m.write(str(tmp_path / "model.nl"))


def test_a_pickled_model_solved_in_another_process(tmp_path: Path) -> None:
    """It was never written here, and the other process has a cache folder of its own."""
    (tmp_path / "model.pickle").write_bytes(pickle.dumps(example("block")))
    script = (
        "import pickle, sys\nimport pyomo.environ as pyo, fastexpr.pyomo as fxp\n"
        "from pathlib import Path\n"
        f"m = pickle.loads(Path({str(tmp_path / 'model.pickle')!r}).read_bytes())\n"
        "fxp.find_solver('pounce').solve(m, options={'tol': 1e-10})\n"
        "print(pyo.value(m.objective))\n"
    )
    environment = {**os.environ, "FASTEXPR_CACHE_DIR": str(tmp_path / "cache"), "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    reference = example("algebra")
    solve_with_pounce(reference)
    assert float(done.stdout) == pytest.approx(pyo.value(reference.objective), rel=1e-7)


def test_which_network_a_call_means_its_path_says() -> None:
    """Pyomo's writers evaluate calls of all networks through the function of one."""
    first, second = (fxp.ExternalNetwork(network(N, M, seed=seed)) for seed in (1, 2))
    x = [0.1, 0.2, 0.3, 0.4]
    assert first.function.evaluate((second.path, "2", "a", *x)) == pytest.approx(
        network(N, M, seed=2)(np.array(x))[2], rel=1e-14
    )
    assert network_at(second.path) is second.net
