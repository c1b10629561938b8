"""Evaluation allocates nothing: the C library's allocator is counted while a network fills the arrays it is given."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from folders import SUPPORT
from onnx import helper
from onnx_models import make_model

import fastexpr as fx

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
int posix_memalign(void **result, size_t alignment, size_t size) {
  atomic_fetch_add(&count, 1);
  *result = __libc_memalign(alignment, size);
  return *result == NULL;
}
"""

SIZES = [
    [4, 32, 32, 1],
    [10, 64, 64, 64, 5],
    [20, 200, 200, 10],
    [60, 100, 100, 3],
    [100, 130, 130, 4],
    [200, 300, 300, 2],
]
random = np.random.default_rng(0)


def weights(*shape: int) -> np.ndarray:
    return 0.3 * random.standard_normal(shape).astype(np.float32)


def dense(sizes: list[int], is_skipping: bool = False) -> fx.Function:
    x = fx.variables(sizes[0])
    y = x
    for k, h in pairwise(sizes):
        y = np.tanh(weights(h, k) @ y + weights(h))
    return fx.Function(x, y + np.sum(x * x) + weights(sizes[-1], sizes[0]) @ x if is_skipping else y)


def convolutional() -> fx.Function:
    nodes = [
        helper.make_node("Conv", ["x", "W0", "b0"], ["c0"]),
        helper.make_node("Tanh", ["c0"], ["t0"]),
        helper.make_node("Conv", ["t0", "W1", "b1"], ["c1"], strides=[2, 2]),
        helper.make_node("Tanh", ["c1"], ["t1"]),
        helper.make_node("Flatten", ["t1"], ["f"]),
        helper.make_node("Gemm", ["f", "W2", "b2"], ["g"], transB=1),
        helper.make_node("Softmax", ["g"], ["y"]),
    ]
    arrays = {"W0": weights(4, 1, 3, 3), "b0": weights(4), "W1": weights(8, 4, 3, 3), "b1": weights(8)}
    arrays |= {"W2": weights(5, 128), "b2": weights(5)}
    return fx.load_onnx(make_model(nodes, {"x": [1, 1, 12, 12]}, ["y"], arrays, dtype=np.float32))


def networks() -> dict[str, fx.Function]:
    found = {f"dense{sizes[0]}": dense(sizes) for sizes in SIZES}
    return found | {"skip": dense([10, 64, 64, 5], is_skipping=True), "convolutional": convolutional()}


@pytest.mark.parametrize("threads", [1, 2])
def test_evaluation_allocates_nothing(tmp_path: Path, threads: int) -> None:
    for name, net in networks().items():
        net.save(tmp_path / f"{name}.fx")
    (tmp_path / "counter.c").write_text(COUNTER)
    library = tmp_path / "counter.so"
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", library, tmp_path / "counter.c"], check=True)
    command = [sys.executable, str(SUPPORT / "allocation_counts.py"), str(tmp_path), str(threads)]
    environment = {**os.environ, "LD_PRELOAD": str(library)}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    lines = run.stdout.splitlines()
    assert len(lines) == (4 * 3 + 4 * 2) * 7 + 3 * 2 + 3
    # Python itself allocates now and then, so a few in 20 calls are not ours.
    offenders = [line for line in lines if int(line.split()[-1]) > 5]
    assert offenders == []
