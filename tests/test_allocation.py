"""Evaluation allocates nothing: the C library's allocator is counted while a network fills the arrays it is given."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

COUNTER = r"""
#include <stdatomic.h>
#include <stddef.h>

/* The C library's own allocator under its internal names; these definitions stand before it when preloaded. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

static atomic_long count;
long allocation_count(void) { return atomic_load(&count); }

void *malloc(size_t size) { atomic_fetch_add(&count, 1); return __libc_malloc(size); }
void *calloc(size_t number, size_t size) { atomic_fetch_add(&count, 1); return __libc_calloc(number, size); }
void *realloc(void *old, size_t size) { atomic_fetch_add(&count, 1); return __libc_realloc(old, size); }
void *aligned_alloc(size_t alignment, size_t size) {
  atomic_fetch_add(&count, 1);
  return __libc_memalign(alignment, size);
}
"""

SCRIPT = r"""
import ctypes, sys
import numpy as np
import fastexpr as fx

count = ctypes.CDLL(None).allocation_count
count.restype = ctypes.c_long

def network(widths):
    rng = np.random.default_rng(0)
    x = fx.variables(widths[0])
    y = x
    for a, b in zip(widths, widths[1:]):
        y = np.tanh(rng.standard_normal((b, a)).astype(np.float32) @ y + rng.standard_normal(b))
    return fx.Function(x, y)

# Between 50 and some 150 columns OpenBLAS's own kernels for small matrices take a buffer of their own: not among these.
fx.set_num_threads(int(sys.argv[1]))
for widths in ([4, 32, 32, 3], [20, 200, 200, 10], [200, 300, 300, 2]):
    net = network(widths)
    n, m = widths[0], widths[-1]
    for points in (1, 3):
        batch = () if points == 1 else (points,)
        x = np.full((*batch, n), 0.1)
        w = np.ones((*batch, m))
        out = [np.empty((*batch, m)), np.empty((*batch, m, n)), np.empty((*batch, n, n))]
        vector = np.empty((*batch, n))
        calls = {
            "value": lambda: net(x, out=out[0]),
            "jacobian": lambda: net.jacobian(x, out=out[1]),
            "hessian": lambda: net.hessian(x, w, out=out[2]),
            "evaluate": lambda: net.evaluate(x, w, out=out),
            "jvp": lambda: net.jvp(x, x, out=out[0]),
            "vjp": lambda: net.vjp(x, w, out=vector),
            "hvp": lambda: net.hvp(x, w, x, out=vector),
        }
        for name, call in calls.items():
            for _ in range(3):
                call()
            fewest = 10**9  # of three rounds: a thread that joins in late makes its workspace then
            for _ in range(3):
                before = count()
                for _ in range(20):
                    call()
                fewest = min(fewest, count() - before)
            print(widths, points, name, fewest)
"""


@pytest.mark.parametrize("threads", [1, 2])
def test_evaluation_allocates_nothing(tmp_path: Path, threads: int) -> None:
    (tmp_path / "counter.c").write_text(COUNTER)
    library = tmp_path / "counter.so"
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", library, tmp_path / "counter.c"], check=True)
    environment = {**os.environ, "LD_PRELOAD": str(library)}
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(threads)], env=environment, capture_output=True, text=True, check=True
    )
    lines = run.stdout.splitlines()
    assert len(lines) == 3 * 2 * 7
    # Python itself allocates now and then, so a few in 20 calls are not ours.
    offenders = [line for line in lines if int(line.split()[-1]) > 5]
    assert offenders == []
