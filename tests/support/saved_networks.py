"""Networks of every kind to save, and what it means that two are the same."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import fastexpr as fx
from fastexpr import _core


def make_net(n: int, nodes: list[Any], output_ids: list[int], **signature: Any) -> fx.Function:
    sizes = {0: n} | {i: math.prod(node[0].shape) for i, node in enumerate(nodes, start=1)}
    m = sum(sizes[i] for i in output_ids)
    defaults = {
        "inputs": [("x", (n,))],
        "outputs": [("y", (m,))],
        "input_names": [f"x[{i}]" for i in range(n)],
        "output_names": [f"y[{i}]" for i in range(m)],
    }
    return fx.Function._from_nodes(n, nodes, output_ids, **(defaults | signature))


def layered(n: int = 5, hidden: int = 7, m: int = 3, dtype: Any = np.float32, seed: int = 0) -> fx.Function:
    random = np.random.default_rng(seed)
    first = random.standard_normal((hidden, n)).astype(dtype)
    second = random.standard_normal((m, hidden)).astype(dtype)
    nodes = [
        (_core.Operator("Linear", [(n,)], {"axis": 0, "transposed": 0}, [first, first[:, 0].copy()]), [0], "Gemm_0"),
        (_core.Operator("Tanh", [(hidden,)]), [1], "tanh"),
        (_core.Operator("Linear", [(hidden,)], {"axis": 0, "transposed": 0}, [second]), [2], ""),
    ]
    return make_net(n, nodes, [3])


def every_kind() -> fx.Function:
    """Attributes of every kind, constants of every precision, a scalar, labels with all sorts of letters."""
    operator = _core.Operator
    odd = {
        "text": "größer → 'quoted' \"twice\" \\ \n",
        "empty": "",
        "floats": [0.1, math.inf, -math.inf, -0.0, math.nan],
        "none": [],
    }
    nodes = [
        (operator("Reshape", [(6,)], {"shape": [2, 3]}), [0], "reshape"),
        (
            operator("Tanh", [(2, 3)], odd | {"whole": 3.0, "third": 1 / 3, "tiny": 5e-324, "large": -(2**63)}),
            [1],
            "Über/тест/層 0",
        ),
        (operator("Clip", [(2, 3)], {"upper": 0.75}), [2], "label with \t tab"),
        (operator("Select", [(2, 3)], {"shape": [3, 2]}, [np.array([0, 3, 1, 4, 2, 5])]), [3], "transpose"),
        (operator("Constant", [], {}, [np.array(0.1)]), [], "scalar"),
        (operator("Mul", [(3, 2), ()]), [4, 5], ""),
        (operator("Constant", [], {}, [np.full((3, 2), 1.1, np.float32)]), [], "float32"),
        (operator("Pow", [(3, 2), (3, 2)]), [7, 6], "power"),
        (operator("Softmax", [(3, 2)], {"axis": 0, "n_axes": 2}), [8], "softmax"),
        (operator("Concat", [(3, 2), (3, 2)], {"axis": 1}), [9, 6], "concat"),
    ]
    return make_net(
        6,
        nodes,
        [10, 2],
        inputs=[("温度", (1, 4)), ("p", (1, 2))],
        outputs=[("y one", (3, 4)), ("ÿ", (2, 3))],
        input_names=["a", "b", 'c "d"', "é", "\U0001f600", ""],
        output_names=[f"out[{i}]" for i in range(18)],
        lower=[-math.inf, -1, 0, -0.0, 1e-310, -math.inf],
        upper=[math.inf, math.inf, 0.1, 0, 1e300, math.inf],
    )


def shared_weights() -> fx.Function:
    """One matrix in two layers, and the same numbers once more under another shape."""
    weights = np.random.default_rng(3).standard_normal((40, 40))
    weights.flags.writeable = False  # so that it is shared, not copied
    layer = _core.Operator("Linear", [(40,)], {"axis": 0, "transposed": 0}, [weights])
    flat = _core.Operator("Constant", [], {}, [weights.reshape(-1)[:]])
    nodes = [
        (layer, [0], "a"),
        (_core.Operator("Sigmoid", [(40,)]), [1], "b"),
        (_core.Operator("Linear", [(40,)], {"axis": 0, "transposed": 1}, [weights]), [2], "c"),
        (flat, [], "d"),
        (_core.Operator("ReduceSum", [(1600,)], {"axis": 0, "n_axes": 1, "keepdims": 0}), [4], "e"),
        (_core.Operator("Mul", [(40,), ()]), [3, 5], "f"),
    ]
    return make_net(40, nodes, [6])


def expression() -> fx.Function:
    x = fx.variables(3)
    return fx.Function(x, np.exp(-x[0]) * x[1] + (x**2).sum())


def constant_only() -> fx.Function:
    return make_net(2, [(_core.Operator("Constant", [], {}, [np.arange(3.0)]), [], "c")], [1])


def identity() -> fx.Function:
    return make_net(3, [], [0, 0])


NETS: dict[str, Callable[[], fx.Function]] = {
    "float32": layered,
    "float64": lambda: layered(dtype=np.float64),
    "every kind": every_kind,
    "shared weights": shared_weights,
    "expression": expression,
    "constant": constant_only,
    "identity": identity,
}


def assert_same(a: fx.Function, b: fx.Function) -> None:
    assert a.input_names == b.input_names
    assert a.output_names == b.output_names
    assert list(a.inputs.items()) == list(b.inputs.items())
    assert list(a.outputs.items()) == list(b.outputs.items())
    for mine, other in [(a.lower, b.lower), (a.upper, b.upper)]:
        assert (mine is None) == (other is None)
        if mine is not None and other is not None:
            assert mine.tobytes() == other.tobytes()
    assert a._output_ids() == b._output_ids()
    assert len(a._nodes()) == len(b._nodes())
    for (op, ids, label), (op_b, ids_b, label_b) in zip(a._nodes(), b._nodes(), strict=True):
        assert (op.name, op.shape, op.input_shapes, ids, label) == (
            op_b.name,
            op_b.shape,
            op_b.input_shapes,
            ids_b,
            label_b,
        )
        assert repr(op.attributes) == repr(op_b.attributes)  # tells 3 from 3.0 and 0.0 from -0.0
        for constant, constant_b in zip(op.constants, op_b.constants, strict=True):
            assert (constant.dtype, constant.shape) == (constant_b.dtype, constant_b.shape)
            assert constant.tobytes() == constant_b.tobytes()
    points = np.random.default_rng(5).uniform(0.1, 1, (3, a.n_inputs))
    weights = np.linspace(-1, 1, a.n_outputs)
    for point in points:
        for mine, other in zip(a.evaluate(point, weights), b.evaluate(point, weights), strict=True):
            assert mine.tobytes() == other.tobytes()


def run_python(code: str, *arguments: str, folder: Path) -> str:
    """What the code prints in a process of its own, which must end well."""
    environment = os.environ | {"PYTHONPATH": str(Path(fx.__file__).parents[1]), "PYTHONFAULTHANDLER": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, (done.returncode, done.stderr[-3000:])
    return done.stdout
