"""Transformer blocks: value, w'J, J d and (w'f)'' d at one point, beside JAX."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks import import_models, machine
from benchmarks.tables import Table, microseconds, show
from benchmarks.timing import side_by_side

SIZES = [(8, 16, 2), (16, 32, 2), (16, 64, 4), (32, 64, 4), (32, 128, 4)]  # tokens, width, heads
QUANTITIES = ["value", "vjp", "jvp", "hvp"]
TOLERANCE = 1e-11  # max |a - b| / max |b|

Products = dict[str, Callable[[], Any]]


def jax_value(model: Any, length: int, width: int) -> tuple[Callable[[Any, Any], Any], Any]:
    """The nodes that `import_models.transformer` writes as a function value(x, weights), and the weights."""
    import jax
    import jax.numpy as jnp
    import onnx

    tensors = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    shapes = {name: array.tolist() for name, array in tensors.items() if array.dtype.kind == "i"}
    weights = {name: jnp.asarray(array, float) for name, array in tensors.items() if array.dtype.kind == "f"}

    def normalized(x: Any, scale: Any, bias: Any) -> Any:
        centred = x - x.mean(-1, keepdims=True)
        return centred / jnp.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * scale + bias

    operators: dict[str, Callable[..., Any]] = {
        "LayerNormalization": normalized,
        "MatMul": jnp.matmul,
        "Add": jnp.add,
        "Mul": jnp.multiply,
        "Div": jnp.divide,
        "Erf": jax.lax.erf,
        "Softmax": partial(jax.nn.softmax, axis=-1),
    }

    def value(x: Any, weights: Any) -> Any:
        known = {**weights, "x": x.reshape(1, length, width)}
        for node in model.graph.node:
            operands = [known[name] for name in node.input if name in known]
            if node.op_type == "Reshape":
                result = operands[0].reshape(shapes[node.input[1]])
            elif node.op_type == "Transpose":
                result = jnp.transpose(operands[0], tuple(node.attribute[0].ints))
            else:
                result = operators[node.op_type](*operands)
            known[node.output[0]] = result
        return known[model.graph.output[0].name].ravel()

    return value, weights


def by_jax(value: Callable[[Any, Any], Any], weights: Any, x: Any, w: Any, d: Any) -> Products:
    """Compiled; the product with second derivatives is forward over reverse."""
    import jax

    def gradient(x: Any, weights: Any) -> Any:
        return jax.grad(lambda x: value(x, weights) @ w)(x)

    f, vjp = jax.jit(value), jax.jit(lambda x, w, weights: jax.vjp(lambda x: value(x, weights), x)[1](w)[0])
    jvp = jax.jit(lambda x, d, weights: jax.jvp(lambda x: value(x, weights), (x,), (d,))[1])
    hvp = jax.jit(lambda x, d, weights: jax.jvp(lambda x: gradient(x, weights), (x,), (d,))[1])
    return {
        "value": lambda: np.asarray(f(x, weights)),
        "vjp": lambda: np.asarray(vjp(x, w, weights)),
        "jvp": lambda: np.asarray(jvp(x, d, weights)),
        "hvp": lambda: np.asarray(hvp(x, d, weights)),
    }


def measure(size: tuple[int, int, int], arguments: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Seconds by quantity and candidate."""
    import onnx

    import fastexpr as fx

    length, width, heads = size
    model = onnx.load_from_string(import_models.transformer(length, width, heads, 1))
    net = fx.load_onnx(model, check=False)
    x, w, d = np.random.default_rng(0).normal(size=(3, net.n_inputs))
    ours: Products = {
        "value": partial(net, x),
        "vjp": partial(net.vjp, x, w),
        "jvp": partial(net.jvp, x, d),
        "hvp": partial(net.hvp, x, w, d),
    }
    theirs = by_jax(*jax_value(model, length, width), x, w, d)
    times = {}
    for quantity in QUANTITIES:
        wanted = theirs[quantity]()
        difference = np.abs(ours[quantity]() - wanted).max() / np.abs(wanted).max()
        if not difference <= TOLERANCE:
            raise SystemExit(f"transformers: {quantity} differs from JAX's by {difference:.2g}, allowed {TOLERANCE:g}.")
        calls = {"fastexpr": ours[quantity], "jax": theirs[quantity]}
        times[quantity] = side_by_side(calls, arguments.seconds, machine.CLOCKS[arguments.clock])
    return times


def run(arguments: argparse.Namespace) -> None:
    """One block, of several sizes."""
    machine.introduce(arguments, ["numpy", "jax", "jaxlib"])
    titles = [f"{quantity}{what}" for quantity in QUANTITIES for what in ("", ", jax / fastexpr")]
    table = Table("one block: microseconds, and how many times faster than JAX", ["tokens, width, heads", *titles])
    for size in SIZES[: 2 if arguments.quick else None]:
        times = measure(size, arguments)
        cells = []
        for quantity in QUANTITIES:
            ours, theirs = times[quantity]["fastexpr"], times[quantity]["jax"]
            cells += [microseconds(ours), f"{theirs / ours:.2f}"]
        table.add(", ".join(map(str, size)), *cells)
    show(table, arguments.markdown)
