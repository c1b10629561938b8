"""The AMPL library, called the way solvers do."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from ampl_host import Host, unpacked
from folders import ROOT

import fastexpr as fx
from fastexpr.pyomo.external.files import library_path

N, M = 5, 3


def tanh_network(n: int = N, m: int = M, width: int = 7, seed: int = 0) -> fx.Function:
    rng = np.random.default_rng(seed)
    x = fx.variables(n)
    hidden = np.tanh(rng.standard_normal((width, n)) @ x + rng.standard_normal(width))
    return fx.Function(x, rng.standard_normal((m, width)) @ hidden)


@pytest.fixture(scope="module")
def host() -> Host:
    return Host()


@pytest.fixture
def net() -> fx.Function:
    return tanh_network()


@pytest.fixture
def file(net: fx.Function, tmp_path: Path) -> str:
    net.save(tmp_path / "net.fx")
    return str(tmp_path / "net.fx")


def test_it_registers_one_function_however_often_it_is_loaded(host: Host) -> None:
    host.load()
    host.load()
    assert set(host.registered) == {("fastexpr", 1, -1)}


def test_value_derivatives_and_hessian_are_the_function_s(host: Host, net: fx.Function, file: str) -> None:
    rng = np.random.default_rng(1)
    for _ in range(3):
        x = rng.standard_normal(N)
        value, jacobian = net(x), net.jacobian(x)
        for output in range(M):
            answer = host.call([file, str(output), "a"], x)
            assert answer.error is None
            np.testing.assert_allclose(answer.value, value[output], rtol=1e-14)
            np.testing.assert_allclose(answer.derivatives, jacobian[output], rtol=1e-13, atol=1e-14)
            hessian = net.hessian(x, np.eye(M)[output])
            np.testing.assert_allclose(unpacked(answer.hessian, N), hessian, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("order", [0, 1, 2])
def test_it_writes_what_is_asked_for(host: Host, net: fx.Function, file: str, order: int) -> None:
    x = np.linspace(-1, 1, N) + order
    answer = host.call([file, "1", f"order{order}"], x, order)
    assert answer.value == pytest.approx(net(x)[1], rel=1e-14)
    assert (answer.derivatives == 123.0).all() == (order < 1)
    assert (answer.hessian == 456.0).all() == (order < 2)


def test_all_calls_at_a_point_cost_one_evaluation(host: Host, file: str) -> None:
    rng = np.random.default_rng(2)

    def cost(x: np.ndarray) -> list[int]:
        names = ["evaluations", "hessian_evaluations", "hessians"]
        before = [host.statistics(name) for name in names]
        for order in (0, 1, 0, 2, 2, 1):
            for output in range(M):
                assert host.call([file, str(output), "cost"], x, order).error is None
        return [host.statistics(name) - number for name, number in zip(names, before, strict=True)]

    assert cost(rng.standard_normal(N)) == [1, M, M]  # which outputs' Hessians the model wants is not known yet
    assert cost(rng.standard_normal(N)) == [1, 1, M]  # from the second point on, all that were ever wanted at once
    assert cost(rng.standard_normal(N)) == [1, 1, M]


def test_only_hessians_that_were_wanted_are_evaluated(host: Host, file: str) -> None:
    before = host.statistics("hessians")
    for point in range(4):
        for output in range(M):
            host.call([file, str(output), "linear use"], np.full(N, float(point)), order=2 if output == 1 else 1)
    assert host.statistics("hessians") - before == 4


def test_instances_do_not_disturb_each_other(host: Host, file: str) -> None:
    before = host.statistics("evaluations")
    for _ in range(3):
        for place in range(4):
            assert host.call([file, "0", f"place{place}"], np.full(N, float(place))).error is None
    assert host.statistics("evaluations") - before == 4


def test_points_are_compared_bit_by_bit(host: Host, file: str) -> None:
    before = host.statistics("evaluations")
    x = np.full(N, 0.3)
    for step in (x, x, np.nextafter(x, 1), np.zeros(N), -np.zeros(N)):
        host.call([file, "0", "bits"], step)
    assert host.statistics("evaluations") - before == 4


def test_a_file_is_loaded_once(host: Host, file: str) -> None:
    before = host.statistics("loads")
    for place in range(5):
        host.call([file, "0", f"load{place}"], np.zeros(N))
    assert host.statistics("loads") - before == 1


def test_a_replaced_file_is_noticed_at_the_next_point(host: Host, file: str) -> None:
    host.call([file, "0", "replaced"], np.zeros(N))
    other = tanh_network(seed=7)
    other.save(file)
    answer = host.call([file, "0", "replaced"], np.ones(N))
    assert answer.error is None
    assert answer.value == pytest.approx(other(np.ones(N))[0], rel=1e-14)


def test_a_file_that_vanishes_during_a_solve_does_no_harm(host: Host, net: fx.Function, file: str) -> None:
    host.call([file, "0", "vanishing"], np.zeros(N))
    Path(file).unlink()
    assert host.call([file, "0", "vanishing"], np.ones(N)).value == pytest.approx(net(np.ones(N))[0], rel=1e-14)


def failure(host: Host, strings: list[str], x: np.ndarray) -> str:
    answer = host.call(strings, x)
    assert np.isnan(answer.value)
    assert np.isnan(answer.derivatives).all()
    assert np.isnan(answer.hessian).all()
    assert answer.error is not None
    assert answer.error[0] not in "'\""
    return answer.error


@pytest.mark.parametrize("output", ["3", "-1", "1.0", "one", "", " 1", "99999999999999999999"])
def test_an_output_that_does_not_exist(host: Host, file: str, output: str) -> None:
    assert f"there is no output '{output}'" in failure(host, [file, output, "a"], np.zeros(N))


@pytest.mark.parametrize("count", [0, 1, N - 1, N + 1])
def test_a_wrong_number_of_inputs(host: Host, file: str, count: int) -> None:
    message = failure(host, [file, "0", "a"], np.zeros(count))
    assert f"got {count} numbers" in message
    assert f"expected {N}" in message


@pytest.mark.parametrize("count", [0, 1, 2, 4])
def test_a_wrong_number_of_strings(host: Host, file: str, count: int) -> None:
    assert f"got {count} strings" in failure(host, [file, "0", "a", "b"][:count], np.zeros(N))


def test_a_missing_file(host: Host, tmp_path: Path) -> None:
    path = str(tmp_path / "nowhere.fx")
    assert path in failure(host, [path, "0", "a"], np.zeros(N))


def test_a_file_that_is_no_network(host: Host, tmp_path: Path) -> None:
    (tmp_path / "text.fx").write_text("hello")
    assert "text.fx" in failure(host, [str(tmp_path / "text.fx"), "0", "a"], np.zeros(N))


def test_a_missing_file_is_looked_for_in_the_cache_folder(
    host: Host, net: fx.Function, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    net.save(tmp_path / "here" / "moved.fx")
    monkeypatch.setenv("FASTEXPR_CACHE_DIR", str(tmp_path / "here"))
    answer = host.call(["/another/machine/moved.fx", "0", "a"], np.zeros(N))
    assert answer.value == pytest.approx(net(np.zeros(N))[0], rel=1e-14)


def test_a_failure_does_not_spoil_the_calls_after_it(host: Host, net: fx.Function, file: str) -> None:
    failure(host, [file, "9", "mixed"], np.zeros(N))
    assert host.call([file, "0", "mixed"], np.zeros(N)).value == pytest.approx(net(np.zeros(N))[0], rel=1e-14)


@pytest.mark.parametrize(
    ("x", "what"),
    [
        ([-1.0, 1.0], "the value"),
        ([0.0, 1.0], "a derivative"),
        ([np.nan, 1.0], "the value"),
        ([1.0, np.inf], "the value"),
    ],
)
def test_results_that_are_not_finite_are_evaluation_errors(
    host: Host, tmp_path: Path, x: list[float], what: str
) -> None:
    variables = fx.variables(2)
    net = fx.Function(variables, np.sqrt(variables[0]) * variables[1]).with_names(outputs=["root"])
    net.save(tmp_path / "root.fx")
    assert f"{what} of 'root' is not finite" in failure(host, [str(tmp_path / "root.fx"), "0", "a"], np.array(x))


def test_many_threads_at_once(host: Host, net: fx.Function, file: str) -> None:
    points = np.random.default_rng(3).standard_normal((20, N))
    expected = [(net(x), net.jacobian(x), [net.hessian(x, w) for w in np.eye(M)]) for x in points]
    wrong: list[str] = []

    def work(thread: int) -> None:
        for turn in range(10):
            for k in np.random.default_rng(thread * 100 + turn).permutation(len(points)):
                output = (thread + turn) % M
                answer = host.call([file, str(output), f"thread{thread % 2}"], points[k])
                value, jacobian, hessians = expected[k]
                if (
                    answer.error is not None
                    or not np.isclose(answer.value, value[output], rtol=1e-13)
                    or not np.allclose(answer.derivatives, jacobian[output], rtol=1e-12)
                    or not np.allclose(unpacked(answer.hessian, N), hessians[output], rtol=1e-11, atol=1e-12)
                ):
                    wrong.append(f"thread {thread}: {answer}")

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong, wrong[0]


def test_many_networks_are_not_kept_for_ever(host: Host, tmp_path: Path) -> None:
    x = fx.variables(1)
    fx.Function(x, np.exp(x)).save(tmp_path / "original.fx")
    before = host.statistics("bytes")
    for k in range(300):
        os.link(tmp_path / "original.fx", tmp_path / f"{k}.fx")
        assert host.call([str(tmp_path / f"{k}.fx"), "0", "a"], [0.0]).value == 1.0
    held = host.statistics("bytes") - before
    loads = host.statistics("loads")
    host.call([str(tmp_path / "299.fx"), "0", "b"], [0.0])
    assert host.statistics("loads") == loads
    host.call([str(tmp_path / "0.fx"), "0", "a"], [1.0])
    assert host.statistics("loads") == loads + 1
    assert held < 300 * 1000


def test_it_exports_one_symbol() -> None:
    listing = subprocess.run(["nm", "-D", "--defined-only", library_path()], capture_output=True, text=True, check=True)
    assert [line.split()[-1] for line in listing.stdout.splitlines()] == ["funcadd_ASL"]


@pytest.mark.parametrize(("setting", "threads"), [(None, 1), ("2", 2), ("zero", 1), ("-3", 1)])
def test_one_thread_unless_asked_and_not_a_word(file: str, setting: str | None, threads: int, tmp_path: Path) -> None:
    """In a process of its own, as in a solver's."""
    wide = tanh_network(n=300, m=2, width=600)
    wide.save(tmp_path / "wide.fx")
    script = (
        "import os, numpy as np\nfrom ampl_host import Host\nhost = Host()\n"
        "before = len(os.listdir('/proc/self/task'))\n"
        f"answer = host.call([{str(tmp_path / 'wide.fx')!r}, '0', 'a'], np.full(300, 0.1))\n"
        "assert answer.error is None, answer.error\nhost.call(['missing', '0', 'a'], [0.0])\n"
        f"assert len(os.listdir('/proc/self/task')) - before == {threads - 1}\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "tests" / "support"), *sys.path])}
    environment.pop("FASTEXPR_NUM_THREADS", None)
    if setting is not None:
        environment["FASTEXPR_NUM_THREADS"] = setting
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_record_is_the_official_one(tmp_path: Path) -> None:
    """Against the header of Debian's libamplsolver-dev, which the build does without."""
    members = {
        "n": "n_arguments", "nr": "n_reals", "at": "places", "ra": "reals", "sa": "strings", "derivs": "derivatives",
        "hes": "hessian", "dig": "unread", "funcinfo": "cookie", "AE": "exports", "f": "host_function",
        "tva": "host_arguments", "Errmsg": "error", "TMI": "temporary_memory", "Private": "host_private",
        "nin": "unused",
    }  # fmt: skip
    checks = [
        f"static_assert(offsetof(arglist, {theirs}) == offsetof(Ours, {ours}));" for theirs, ours in members.items()
    ]
    checks += [
        "static_assert(sizeof(arglist) == sizeof(Ours));",
        "static_assert(sizeof(AmplExports) == sizeof(fastexpr::ampl::ExportTable));",
        "static_assert(offsetof(AmplExports, Addfunc) == offsetof(fastexpr::ampl::ExportTable, add_function));",
        "static_assert(offsetof(AmplExports, ASLdate) == offsetof(fastexpr::ampl::ExportTable, date));",
        "static_assert(FUNCADD_STRING_ARGS == fastexpr::ampl::real_valued_with_strings);",
    ]
    source = tmp_path / "check.cpp"
    source.write_text(
        '#include <cstddef>\n#include "ampl/interface.hpp"\n#include "funcadd.h"\n'
        "using Ours = fastexpr::ampl::ArgumentRecord;\n" + "\n".join(checks)
    )
    compiler = shutil.which("g++")
    assert compiler, "g++ is missing"
    command = [compiler, "-std=c++20", "-fsyntax-only", "-Wno-invalid-offsetof", f"-I{ROOT / 'src'}"]
    done = subprocess.run([*command, "-I/usr/include/ampl-netlib-solvers", str(source)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
