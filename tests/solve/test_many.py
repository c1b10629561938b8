"""Many solves: one table, whoever makes it, and whatever happens on the way."""

import concurrent.futures
import functools
import json
import multiprocessing
import os
import signal
import threading

import distributed
import many_builders as build
import numpy as np
import pandas as pd
import pytest

import fastexpr as fx
import fastexpr.pyomo as fxp
from fastexpr.errors import NotFoundError
from fastexpr.solve.many import calls as many

PRICES = [0.25, 0.04, 0.5, 0.1, 0.2, 0.3, 0.05]


def spawned(workers):
    return concurrent.futures.ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))


def without_seconds(found):
    return [{name: value for name, value in row.items() if name != "seconds"} for row in found.table]


@pytest.fixture(scope="module")
def here():
    return without_seconds(fx.solve_many(build.priced, {"price": PRICES}))


def test_the_table(here):
    assert [row["price"] for row in here] == PRICES
    assert all(row["status"] == "optimal" and row["success"] for row in here)
    np.testing.assert_allclose([row["x"] for row in here], np.array(PRICES) ** -0.5 - 1, rtol=1e-6)
    frame = pd.DataFrame({"price": PRICES})
    for table in (frame, frame.to_dict("records"), {"price": np.array(PRICES)}):
        assert without_seconds(fx.solve_many(build.priced, table)) == here
    found = fx.solve_many(build.priced(), frame)
    assert without_seconds(found) == here
    assert found.to_pandas()["x"].tolist() == found.to_dict()["x"]
    assert repr(found) == "<ManyResult of 7 solves: 7 optimal>"
    assert found.success
    assert len(found) == 7


@pytest.mark.parametrize("chunk", [None, 3])
def test_the_same_bits_whoever_solves(here, chunk):
    table = {"price": PRICES}
    assert without_seconds(fx.solve_many(build.priced, table, workers=2, chunk=chunk)) == here
    with concurrent.futures.ThreadPoolExecutor(2) as executor:
        assert without_seconds(fx.solve_many(build.priced, table, executor, chunk=chunk)) == here
    problem = build.priced()
    with spawned(1) as executor:
        assert without_seconds(fx.solve_many(problem, table, executor, chunk=chunk)) == here


def test_parameters_by_name_by_component_and_as_arrays():
    net = build.random_network()
    centers = np.array([[0.0, 1.0], [1.0, -1.0]])
    arrays = fx.solve_many(functools.partial(build.with_network, net), {"center": centers})
    problem, _ = build.with_network(net)
    parts = fx.solve_many(problem, {"center[1]": centers[:, 1], "center[0]": centers[:, 0]})
    for name in ("x[0]", "x[1]", "objective", "center[0]", "center[1]"):
        assert arrays.to_dict()[name] == parts.to_dict()[name]
    alone = problem.solve(parameters={"center": centers[1]})
    assert alone.x.tolist() == [arrays.table[1]["x[0]"], arrays.table[1]["x[1]"]]
    by_sweep = fx.sweep(problem, {"center[0]": [0.0, 1.0], "center[1]": [1.0, -1.0]})
    assert [row["center[1]"] for row in by_sweep.table] == [1.0, -1.0]


class Elsewhere(concurrent.futures.Executor):
    """Workers that do not see the sender's files, as on other machines."""

    def __init__(self):
        self.n_contents = 0

    def submit(self, function, parcel, contents, calls):
        self.n_contents += contents is not None
        hidden = type(parcel)(parcel.key, parcel.folder + "-of-another-machine", parcel.networks)
        future = concurrent.futures.Future()
        future.set_result(function(hidden, contents, calls))
        return future


def test_networks_travel_once(tmp_path):
    net = build.random_network(400)
    table = {"center": np.zeros((6, 2)) + np.arange(6.0)[:, None] / 10}
    expected = without_seconds(fx.solve_many(functools.partial(build.with_network, net), table))
    task = functools.partial(build.with_network, net, tmp_path)
    assert without_seconds(fx.solve_many(task, table, workers=1, chunk=2)) == expected
    assert len(list(tmp_path.iterdir())) == 1  # built once
    elsewhere = Elsewhere()
    # all are sent before the first answer is looked at; those that came back as unopened get the contents
    assert without_seconds(fx.solve_many(task, table, elsewhere, chunk=2)) == expected
    assert 1 <= elsewhere.n_contents <= 3
    assert len(list(tmp_path.iterdir())) == 2


def test_a_solve_that_raises_is_a_row():
    found = fx.solve_many(build.Trap(0.5, "raise"), {"price": PRICES})
    assert found.failed == [2]
    assert found.table[2]["status"] == "error"
    assert "no such price" in found.table[2]["message"]
    assert np.isnan(found.table[2]["x"])
    assert list(found.table[2]) == list(found.table[0])


@pytest.mark.parametrize("pool", [None, spawned])
def test_a_process_that_dies_is_a_row(here, pool):
    where = {"workers": 2} if pool is None else {"executor": pool(1)}
    found = fx.solve_many(build.Trap(0.5, "die"), {"price": PRICES}, **where)
    assert found.failed == [2]
    assert found.table[2]["status"] == "crashed"
    others = [row for k, row in enumerate(without_seconds(found)) if k != 2]
    assert others == [row for k, row in enumerate(here) if k != 2]


def test_a_process_that_is_killed_loses_nothing(here, tmp_path):
    found = fx.solve_many(build.Trap(0.5, "die", tmp_path / "once"), {"price": PRICES}, workers=2)
    assert without_seconds(found) == here
    with spawned(2) as executor:
        found = fx.solve_many(build.Trap(0.1, "die", tmp_path / "twice"), {"price": PRICES}, executor, chunk=2)
    assert without_seconds(found) == here


def test_a_process_that_hangs_is_a_row(monkeypatch, here):
    monkeypatch.setattr(many, "GRACE", 8.0)  # a worker has to start within that
    found = fx.solve_many(build.Trap(0.5, "hang"), {"price": PRICES[:4]}, workers=2, time_limit=1.0, chunk=1)
    assert found.failed == [2]
    assert found.table[2]["status"] == "timed_out"
    assert without_seconds(found)[3] == here[3]


def test_checkpoints(here, tmp_path):
    path = tmp_path / "solves"
    counts = []

    def stop_after_three(done, total):
        counts.append((done, total))
        return done < 3

    part = fx.solve_many(build.priced, {"price": PRICES}, checkpoint=path, progress=stop_after_three)
    assert counts == [(1, 7), (2, 7), (3, 7)]
    assert [row["status"] for row in part] == ["optimal"] * 3 + ["not_run"] * 4
    with path.open("a") as file:
        file.write('{"values": "cut short')
    counts.clear()
    again = fx.solve_many(build.priced, {"price": PRICES}, checkpoint=path, progress=lambda *n: counts.append(n))
    assert [done for done, _ in counts] == [4, 5, 6, 7]
    assert without_seconds(again) == here
    assert again.table[:3] == part.table[:3]  # seconds, too: they were not solved again
    assert len(path.read_text().splitlines()) == 8
    counts.clear()
    longer = fx.solve_many(
        build.priced, {"price": [*PRICES, 0.6]}, workers=1, checkpoint=path, progress=lambda *n: counts.append(n)
    )
    assert counts == [(8, 8)]
    assert without_seconds(longer)[:7] == here
    with pytest.raises(ValueError, match="of other solves, with another settings"):
        fx.solve_many(build.priced, {"price": PRICES}, checkpoint=path, tol=1e-5)
    (tmp_path / "other").write_text("x = 1\n")
    with pytest.raises(ValueError, match="no checkpoint"):
        fx.solve_many(build.priced, {"price": PRICES}, checkpoint=tmp_path / "other")
    failed = tmp_path / "failed"
    fx.solve_many(build.Trap(0.25, "raise", tmp_path / "once"), {"price": PRICES[:2]}, checkpoint=failed)
    assert json.loads(failed.read_text().splitlines()[1])["record"]["status"] == "error"
    assert fx.solve_many(build.Trap(0.25, "raise", tmp_path / "once"), {"price": PRICES[:2]}, checkpoint=failed).success


def not_a_problem():
    return 3.0


def no_build():
    raise OSError("no such file: net.onnx")


@pytest.mark.parametrize("where", [{}, {"workers": 1}])
def test_what_cannot_be_built_is_raised(where):
    with pytest.raises(TypeError, match="build must return a Problem"):
        fx.solve_many(not_a_problem, {"price": [1.0]}, **where)
    with pytest.raises(OSError, match="no such file"):
        fx.solve_many(no_build, {"price": [1.0]}, **where)
    with pytest.raises(NotFoundError, match="'cost'"):
        fx.solve_many(build.priced, {"cost": [1.0]}, **where)


@pytest.mark.parametrize(
    ("table", "settings", "error", "message"),
    [
        ({"price": []}, {}, ValueError, "no rows"),
        ({"price": [1.0], "cost": [1.0, 2.0]}, {}, ValueError, "different lengths"),
        ([{"price": 1.0}, {"cost": 1.0}], {}, ValueError, "row 1 of the table"),
        (3.0, {}, TypeError, "must be a DataFrame"),
        ({"price": [1.0]}, {"workers": 0}, ValueError, "workers must be a positive"),
        ({"price": [1.0]}, {"workers": True}, ValueError, "workers must be a positive"),
        ({"price": [1.0]}, {"chunk": 2.0}, ValueError, "chunk must be a positive"),
        ({"price": [1.0]}, {"time_limit": -1.0}, ValueError, "time_limit must be a positive"),
        ({"price": [1.0]}, {"time_limit": float("nan")}, ValueError, "time_limit must be a positive"),
        ({"price": [1.0]}, {"time_limit": "1 s"}, ValueError, "time_limit must be a positive"),
        ({"price": [1.0]}, {"executor": 3}, TypeError, "needs a method submit"),
        ({"price": [1.0]}, {"start": [1.0]}, ValueError, "start is no setting"),
        ({"price": [1.0]}, {"progress": True}, TypeError, "progress must be a function"),
    ],
)
def test_errors(table, settings, error, message):
    with pytest.raises(error, match=message):
        fx.solve_many(build.priced, table, **settings)
    if error is TypeError:
        with pytest.raises(TypeError, match="build must be a function"):
            fx.solve_many(3.0, table)


def test_the_threads_stay_as_they_were():
    before = fx.num_threads()
    assert fx.solve_many(build.priced, {"price": [0.25]}, threads=np.int64(2)).success
    assert fx.num_threads() == before


def test_a_pyomo_model():
    table = {"price[1]": [0.25, 0.04, 0.25], "price[2]": [0.5, 0.5, 0.25], "z": [0.0, 1.0, 2.0]}
    found = fxp.solve_many(build.model, table)
    assert [row["status"] for row in found] == ["optimal"] * 3
    np.testing.assert_allclose(found.to_dict()["x[1]"], [1.0, 4.0, 1.0], rtol=1e-6)
    np.testing.assert_allclose(np.diff(found.to_dict()["z (variable)"]), 1.0)
    assert without_seconds(fxp.solve_many(build.model, table, workers=1)) == without_seconds(found)
    by_other = fxp.solve_many(build.model, table, solver="pounce")
    np.testing.assert_allclose(by_other.to_dict()["x[1]"], [1.0, 4.0, 1.0], rtol=1e-5)
    with pytest.raises(NotFoundError, match="neither a mutable Param nor a variable"):
        fxp.solve_many(build.model, {"price": [1.0]})


@pytest.fixture(scope="module")
def cluster():
    """A scheduler and two workers, each a process."""
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.mark.filterwarnings("ignore")  # of distributed, about itself
def test_dask(cluster, here, tmp_path):
    executor = cluster.get_executor()
    assert without_seconds(fx.solve_many(build.priced, {"price": PRICES}, executor, chunk=2)) == here
    net = build.random_network()
    table = {"center": np.random.default_rng(0).normal(size=(12, 2))}
    task = functools.partial(build.with_network, net)
    expected = without_seconds(fx.solve_many(task, table))
    assert without_seconds(fx.solve_many(task, table, executor)) == expected


@pytest.mark.filterwarnings("ignore")
def test_a_killed_dask_worker_loses_nothing(cluster):
    prices = np.linspace(0.02, 0.5, 60)
    expected = without_seconds(fx.solve_many(build.priced, {"price": prices}))
    killed = []

    def kill_one(done, total):
        if done >= 10 and not killed:
            killed.append(next(iter(cluster.run(os.getpid).values())))
            os.kill(killed[0], signal.SIGKILL)

    found = fx.solve_many(build.priced, {"price": prices}, cluster.get_executor(), chunk=2, progress=kill_one)
    assert killed
    assert without_seconds(found) == expected


def test_ctrl_c_ends_the_workers():
    timer = threading.Timer(1.0, signal.pthread_kill, [threading.main_thread().ident, signal.SIGINT])
    others = set(multiprocessing.active_children())  # of other tests: a cluster
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            fx.solve_many(build.Trap(0.25, "hang"), {"price": PRICES}, workers=1)
    finally:
        timer.cancel()
        signal.signal(signal.SIGINT, before)
    assert set(multiprocessing.active_children()) <= others
