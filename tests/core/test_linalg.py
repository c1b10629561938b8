"""The numeric kernels: products against NumPy, the thread pool.

The whole file runs once more in a process of its own for every other CPU path that this machine has.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastexpr import _core

linalg: Any = _core._linalg  # type: ignore[attr-defined]
random = np.random.default_rng(7)

# around every edge of a vector, a tile, a panel
SIZES = [0, 1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 23, 24, 25, 31, 33, 40, 47, 48, 49, 63, 64, 65, 70]
LONG = [(128, 300), (193, 128), (300, 513), (513, 129), (25, 1100)]
PRECISIONS = [np.float32, np.float64]


@pytest.fixture(autouse=True)
def restore_threads() -> Iterator[None]:
    threads = linalg.num_threads()
    yield
    linalg.set_num_threads(threads)


def expect_equal(got: np.ndarray, wanted: np.ndarray, scale: np.ndarray, depth: int) -> None:
    """Within the rounding of sums of `depth` terms; `scale` is the same product of absolute values."""
    tolerance = 4e-16 * max(depth, 4)
    assert np.all(np.abs(got - wanted) <= tolerance * scale + 1e-300)


def check_multiply(rows: int, k: int, columns: int, precision: type, transposed: bool, accumulate: bool) -> None:
    A: np.ndarray = random.standard_normal((k, rows) if transposed else (rows, k)).astype(precision)
    B = random.standard_normal((k, columns))
    start = random.standard_normal((rows, columns)) if accumulate else np.full((rows, columns), np.nan)
    C = start.copy()
    linalg.multiply(A, transposed, B, C, accumulate)
    wide = (A.T if transposed else A).astype(float)
    base = start if accumulate else np.zeros_like(start)
    expect_equal(C, base + wide @ B, np.abs(base) + np.abs(wide) @ np.abs(B), k)

    B = np.ascontiguousarray(B.T)
    start = np.ascontiguousarray(start.T)
    C = start.copy()
    linalg.multiply_right(B, A, not transposed, C, accumulate)
    base = start if accumulate else np.zeros_like(start)
    expect_equal(C, base + B @ wide.T, np.abs(base) + np.abs(B) @ np.abs(wide.T), k)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("transposed", [False, True])
def test_products_at_every_edge(precision: type, transposed: bool) -> None:
    for number, rows in enumerate(SIZES):
        for k in SIZES:
            for columns in SIZES[number % 3 :: 3]:
                if (rows + k) % 2 == 0:
                    check_multiply(rows, k, columns, precision, transposed, accumulate=(rows + columns) % 3 == 0)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("accumulate", [False, True])
def test_products_of_small_sizes(precision: type, transposed: bool, accumulate: bool) -> None:
    for rows, k, columns in random.integers(1, 41, (500, 3)).tolist():
        check_multiply(rows, k, columns, precision, transposed, accumulate)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("accumulate", [False, True])
def test_products_of_several_panels(precision: type, transposed: bool, accumulate: bool) -> None:
    for rows, k in LONG:
        for columns in (1, 10, 37, 65, 130):
            check_multiply(rows, k, columns, precision, transposed, accumulate)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("accumulate", [False, True])
def test_products_of_rows_that_stand_apart(transposed: bool, accumulate: bool) -> None:
    for rows, k in [(1, 1), (3, 5), (16, 16), (0, 3), (3, 0), (130, 140)]:
        for columns in [0, 1, 2, 7, 8, 9, 33, 300]:
            A = random.standard_normal((k, rows) if transposed else (rows, k))
            B = random.standard_normal((k, columns + 3))[:, :columns]
            wide = random.standard_normal((rows, columns + 12))
            start, C = wide.copy(), wide.copy()
            linalg.multiply_strided(A, transposed, B, C[:, 2 : columns + 2], accumulate)
            product = (A.T if transposed else A) @ B
            expected = start[:, 2 : columns + 2] + product if accumulate else product
            scale = np.abs(start[:, 2 : columns + 2]) + np.abs(A.T if transposed else A) @ np.abs(B)
            expect_equal(C[:, 2 : columns + 2], expected, scale, k)
            assert np.array_equal(np.delete(C, range(2, columns + 2), 1), np.delete(start, range(2, columns + 2), 1))


def test_infinite_and_missing_weights_stay_in_their_row() -> None:
    for k in range(1, 20):
        for columns in (1, 3):
            A = np.ones((5, k))
            A[2, k // 2] = np.inf
            A[3, 0] = np.nan
            C = np.empty((5, columns))
            linalg.multiply(A, False, np.full((k, columns), 0.5), C, False)
            assert np.array_equal(C[[0, 1, 4]], np.full((3, columns), 0.5 * k))
            assert np.all(C[2] == np.inf)
            assert np.all(np.isnan(C[3]))


@pytest.mark.parametrize("rows", [0, 1, 3, 64, 130, 300])
def test_scaled_gram(rows: int) -> None:
    for n in [*SIZES, 100, 117, 191, 193, 260]:
        block = random.standard_normal((rows, n + 3))
        T = block[:, 1 : n + 1]  # a stride that is not n
        q = random.standard_normal((rows, 2))
        for share_of_zeros in (0.0, 0.4, 1.0):
            q[random.random(rows) < share_of_zeros] = 0.0
            start = random.standard_normal((n, n))
            H = start.copy()
            linalg.add_scaled_gram(T, q[:, 1], H)
            update = np.triu(T.T @ (q[:, 1:] * T))
            scale = np.abs(start) + np.abs(T.T) @ np.abs(q[:, 1:] * T)
            expect_equal(H, start + update, scale, rows)
            assert np.array_equal(np.tril(H, -1), np.tril(start, -1))


@pytest.mark.parametrize("rows", [0, 1, 3, 64, 130, 300])
def test_product_triangle(rows: int) -> None:
    for n in [*SIZES, 100, 117, 191, 193, 260]:
        T = random.standard_normal((rows, n + 3))[:, 2 : n + 2]
        S = random.standard_normal((rows, n + 3))[:, :n]
        start = random.standard_normal((n, n))
        H = start.copy()
        linalg.add_product_triangle(T, S, H)
        expect_equal(H, start + np.triu(T.T @ S), np.abs(start) + np.abs(T.T) @ np.abs(S), rows)
        assert np.array_equal(np.tril(H, -1), np.tril(start, -1))


def test_rows_with_zero_factor_are_not_read() -> None:
    T = np.full((40, 9), np.nan)
    T[::2] = 1.0
    q = np.zeros(40)
    q[::2] = 2.0
    H = np.zeros((9, 9))
    linalg.add_scaled_gram(T, q, H)
    assert np.array_equal(H, np.triu(np.full((9, 9), 40.0)))


def test_rows_and_transposes() -> None:
    for rows in SIZES:
        for columns in [*SIZES, 130]:
            d = random.standard_normal(rows)
            T = random.standard_normal((rows, columns))
            start = random.standard_normal((rows, columns))
            out = start.copy()
            linalg.scale_rows(d, T, out)
            assert np.array_equal(out, d[:, None] * T)
            out = start.copy()
            linalg.add_scaled_rows(d, T, out)
            np.testing.assert_allclose(out, start + d[:, None] * T, rtol=1e-15, atol=1e-15)
            turned = np.empty((columns, rows))
            linalg.transpose(T, turned)
            assert np.array_equal(turned, T.T)
            in_place = T.copy()
            linalg.scale_rows(d, in_place, in_place)
            assert np.array_equal(in_place, d[:, None] * T)


def test_mirror() -> None:
    for n in [*SIZES, 130]:
        H = random.standard_normal((n, n))
        wanted = np.triu(H) + np.triu(H, 1).T
        linalg.mirror_upper(H)
        assert np.array_equal(H, wanted)


# ---- threads


def test_threads_agree_with_one_thread() -> None:
    shapes = [(1500, 700, 1), (5000, 100, 1), (1500, 700, 20), (900, 600, 150)]
    for rows, k, columns in shapes:
        for precision in PRECISIONS:
            for transposed in (False, True):
                A = random.standard_normal((k, rows) if transposed else (rows, k)).astype(precision)
                B = random.standard_normal((k, columns))
                results = []
                for threads in (1, 3):
                    linalg.set_num_threads(threads)
                    C = np.ones((rows, columns))
                    linalg.multiply(A, transposed, B, C, True)
                    results.append(C)
                wide = (A.T if transposed else A).astype(float)
                expect_equal(results[1], results[0], 1 + np.abs(wide) @ np.abs(B), k)
    for n, rows in ((40, 30_000), (150, 4000), (256, 500), (257, 500), (400, 1000)):
        T = random.standard_normal((rows, n))
        q = random.standard_normal(rows) * (random.uniform(size=rows) < 0.8)
        results = []
        for threads in (1, 3):
            linalg.set_num_threads(threads)
            H = np.zeros((n, n))
            linalg.add_scaled_gram(T, q, H)
            linalg.add_product_triangle(T, q[:, None] * T, H)
            results.append(H)
        expect_equal(results[1], results[0], 2 * np.abs(T.T) @ np.abs(q[:, None] * T), 2 * rows)


@pytest.mark.parametrize("count", [0, 1, 2, 1000, 100_003])
@pytest.mark.parametrize("threads", [1, 2, 5])
def test_every_index_is_visited_once(count: int, threads: int) -> None:
    linalg.set_num_threads(threads)
    for grain in (1, 7, 1_000_000):
        assert linalg.parallel_sum(count, grain) == count * (count - 1) // 2


def test_callers_from_several_threads() -> None:
    from concurrent.futures import ThreadPoolExecutor

    linalg.set_num_threads(3)
    with ThreadPoolExecutor(6) as executor:
        sums = list(executor.map(lambda count: linalg.parallel_sum(count, 3), range(2000, 2200)))
    assert sums == [count * (count - 1) // 2 for count in range(2000, 2200)]


@pytest.mark.filterwarnings("ignore:.*fork")  # Python 3.12 warns beside threads, JAX always
def test_child_of_a_fork_has_threads_of_its_own() -> None:
    linalg.set_num_threads(3)
    wanted = 5000 * 4999 // 2
    assert linalg.parallel_sum(5000, 10) == wanted
    child = os.fork()
    if child == 0:
        os._exit(0 if linalg.parallel_sum(5000, 10) == wanted else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert linalg.parallel_sum(5000, 10) == wanted


def test_number_of_threads_is_checked() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        linalg.set_num_threads(0)


def run_in_process(code: str, **variables: str) -> str:
    environment = {**os.environ, **variables}
    finished = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=100
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout.strip()


def test_environment_sets_threads() -> None:
    code = "from fastexpr import _core; print(_core.num_threads())"
    assert run_in_process(code, FASTEXPR_NUM_THREADS="3") == "3"
    assert int(run_in_process(code, FASTEXPR_NUM_THREADS="nonsense")) >= 1


# ---- other CPU paths


PATHS = ["baseline", "avx2", "avx512vl", "avx512"]


@pytest.mark.parametrize("path", PATHS)
def test_other_cpu_path_passes_this_file(path: str) -> None:
    chosen = run_in_process("from fastexpr import _core; print(_core._linalg.cpu_path())", FASTEXPR_CPU=path)
    assert PATHS.index(chosen) <= PATHS.index(path)  # an old CPU has less
    options = ["-q", "-p", "no:cacheprovider", "-k", "not other_cpu"]
    command = [sys.executable, "-m", "pytest", *options, str(Path(__file__))]
    finished = subprocess.run(
        command, env={**os.environ, "FASTEXPR_CPU": path}, capture_output=True, text=True, timeout=300
    )
    assert finished.returncode == 0, finished.stdout[-3000:]
