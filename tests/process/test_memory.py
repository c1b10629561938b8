"""Memory that runs out: every call ends in a MemoryError then, and works when there is memory again."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fastexpr as fx
from fastexpr import _core
from fastexpr.errors import FastexprError

# The address space is limited to what is used already and a little more, and then a little more, until the step
# succeeds: on the way memory runs out at many places. After each failure the step is repeated without a limit.
STARVED = """
import gc, resource, sys, tempfile
import numpy as np
import scipy.sparse
import cyipopt
import fastexpr as fx
import fastexpr.problem
from fastexpr import _core

rng = np.random.default_rng(0)
def layers(*sizes):
    y = z = fx.variables(sizes[0])
    for a, b in zip(sizes, sizes[1:]):
        y = np.tanh(rng.normal(size=(b, a)).astype(np.float32) / np.sqrt(a) @ y)
    return fx.Function(z, y)

folder = tempfile.mkdtemp()
small, large = folder + "/small.fx", folder + "/large.fx"
layers(100, 700, 700, 50).save(small)
layers(300, 1500, 1500, 30).save(large)
data = open(small, "rb").read()
saved = fx.load(small)
X, w = rng.normal(size=(2000, 100)), np.ones(50)
x = X[0]

def fresh():
    return fx.load(small)

def solve():
    p = fx.Problem()
    v = p.variables(100, -1, 1)
    p.minimize((fresh()(v) ** 2).sum())
    return p.solve(solver="cyipopt", max_iter=2, print_level=0)

steps = {
    "load": fresh,
    "map": lambda: fx.load(large),
    "from_bytes": lambda: _core.from_bytes(data),
    "to_bytes": lambda: _core.to_bytes(saved),
    "save": lambda: saved.save(folder + "/again.fx"),
    "build": lambda: layers(50, 600, 600, 5),
    "value": lambda: fresh()(X),
    "jacobian": lambda: fresh().jacobian(X[:100]),
    "hessian": lambda: fresh().hessian(X[:20], w),
    "one point": lambda: fresh().hessian(x, w),
    "sparse jacobian": lambda: fresh().jacobian(x, sparse=True),
    "sparse hessian": lambda: fresh().hessian(x, w, sparse=True),
    "jvp": lambda: fresh().jvp(X, x),
    "vjp": lambda: fresh().vjp(X, w),
    "hvp": lambda: fresh().hvp(X, w, x),
    "bounds": lambda: fresh().output_bounds(-1, 1),
    "solve": solve,
}
step, growth = steps[sys.argv[1]], float(sys.argv[2])

def used():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()

unlimited = resource.getrlimit(resource.RLIMIT_AS)[1]
n_failures, more = 0, 0.0
while True:
    gc.collect()
    try:
        resource.setrlimit(resource.RLIMIT_AS, (int(used() + more * 1e6), unlimited))
        step()
        has_failed = False
    except MemoryError:
        has_failed = True
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (unlimited, unlimited))
    step()
    if not has_failed:
        break
    n_failures += 1
    more += growth
print(n_failures)
"""


@pytest.mark.parametrize("threads", ["1", "2"])
@pytest.mark.parametrize(
    ("step", "growth"),
    [
        *[(step, 0.4) for step in ("load", "map", "from_bytes", "to_bytes", "build", "bounds")],
        *[(step, 1.0) for step in ("value", "one point", "sparse jacobian", "sparse hessian", "jvp", "vjp", "hvp")],
        *[(step, 3.0) for step in ("jacobian", "hessian", "solve")],
    ],
)
def test_a_limit_on_memory(step: str, growth: float, threads: str) -> None:
    environment = os.environ | {"PYTHONPATH": str(Path(fx.__file__).parents[1]), "FASTEXPR_NUM_THREADS": threads}
    # Freed memory goes back to the system at once, or a step would find room under any limit.
    environment |= {"MALLOC_TRIM_THRESHOLD_": "0", "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_ARENA_MAX": "1"}
    command = [sys.executable, "-c", STARVED, step, str(growth)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 1


def misaligned(array: np.ndarray) -> np.ndarray:
    """The same numbers at an address that is no multiple of their size."""
    raw = b"\0" + array.tobytes()
    result = np.frombuffer(raw, array.dtype, offset=1).reshape(array.shape)
    assert not result.flags.aligned
    return result


def field(array: np.ndarray) -> np.ndarray:
    """The same numbers as a field of a packed structured array: neither aligned nor side by side."""
    table = np.zeros(array.shape, [("flag", "u1"), ("number", array.dtype)])
    table["number"] = array
    return table["number"]


@pytest.mark.parametrize("made", [misaligned, field])
def test_misaligned_arrays_are_copied(made: object) -> None:
    rng = np.random.default_rng(0)
    W, b, x, w = rng.normal(size=(20, 30)), rng.normal(size=20), rng.normal(size=30), rng.normal(size=20)
    X = rng.normal(size=(5, 30))
    z = fx.variables(30)
    net = fx.Function(z, np.tanh(W @ z + b))
    again = fx.Function(z, np.tanh(made(W) @ z + made(b)))  # type: ignore[operator]
    for call in (
        lambda f, t: f(t(x)),
        lambda f, t: f(t(X)),
        lambda f, t: f.hessian(t(x), t(w)),
        lambda f, t: f.vjp(t(X), t(w)),
        lambda f, t: f.hvp(t(x), t(w), t(x)),
        lambda f, t: f.output_bounds(t(x) - 1, t(x) + 1)[0],
        lambda f, t: f.jacobian(t(x), sparse=True).toarray(),
    ):
        np.testing.assert_array_equal(call(again, made), call(net, np.asarray))
    for operator in (again, net):
        assert all(constant.flags.aligned for node in operator._nodes() for constant in node[0].constants)
    positions = made(np.array([2, 0, 1]))  # type: ignore[operator]
    assert _core.Operator("Select", [(3,)], {"shape": [3]}, [positions]).constants[0].tolist() == [2, 0, 1]
    net32 = _core.Operator("Linear", [(30,)], {"axis": 0, "transposed": 0}, [made(W.astype(np.float32))])  # type: ignore[operator]
    np.testing.assert_array_equal(net32.constants[0], W.astype(np.float32))


def test_a_misaligned_result_is_refused() -> None:
    x = fx.variables(3)
    net = fx.Function(x, np.exp(x))
    out = np.frombuffer(bytearray(25), np.float64, offset=1)
    with pytest.raises(ValueError, match="not aligned"):
        net([1.0, 2.0, 3.0], out=out)


def test_a_network_too_large_to_evaluate_is_a_memory_error() -> None:
    """No product of its sizes overflows, whatever is asked for."""
    n = 2**20
    outer = _core.Operator("Mul", [(n, 1), (1, n)])
    total = _core.Operator("ReduceSum", [(n, n)], {"axis": 0, "n_axes": 2, "keepdims": 0})
    column = _core.Operator("Select", [(4,)], {"shape": [n, 1]}, [np.zeros(n, np.int64)])
    row = _core.Operator("Select", [(4,)], {"shape": [1, n]}, [np.zeros(n, np.int64)])
    nodes = [(column, [0], ""), (row, [0], ""), (outer, [1, 2], ""), (total, [3], "")]
    names = [[("x", (4,))], [("y", (1,))], list("abcd"), ["y"]]
    net = fx.Function._from_nodes(4, nodes, [4], *names)
    x = np.ones(4)
    for call in (
        lambda: net(x),
        lambda: net(np.ones((64, 4))),
        lambda: net.gradient(x),
        lambda: net.hessian(x),
        lambda: net.hvp(x, [1.0], x),
        lambda: net.evaluate(np.ones((3, 4))),
    ):
        with pytest.raises((MemoryError, FastexprError)):
            call()
