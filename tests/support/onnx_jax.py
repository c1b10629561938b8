"""A small ONNX interpreter in JAX, in double precision: the judge of derivatives. Independent of fastexpr.

Constants are the file's, widened to double; each operator is written from the standard's formula.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import onnx
from onnx import helper, numpy_helper

jax.config.update("jax_enable_x64", True)

Array = Any
Attributes = dict[str, Any]
OPERATORS: dict[str, Callable[..., Array]] = {}


def wide(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float64) if array.dtype.kind == "f" else array


def operator(function: Callable[..., Array]) -> Callable[..., Array]:
    OPERATORS[function.__name__] = function
    return function


def plain(names: str, function: Callable[..., Array]) -> None:
    for name in names.split():
        OPERATORS[name] = lambda a, opset, *x: function(*x)


plain("Add", jnp.add)
plain("Sub", jnp.subtract)
plain("Mul", jnp.multiply)
plain("Div", jnp.divide)
plain("Neg", jnp.negative)
plain("Abs", jnp.abs)
plain("Relu", jax.nn.relu)
plain("Sigmoid", jax.nn.sigmoid)
plain("Tanh", jnp.tanh)
plain("Softplus", jax.nn.softplus)
plain("Softsign", lambda x: x / (1 + jnp.abs(x)))
plain("Exp", jnp.exp)
plain("Log", jnp.log)
plain("Sqrt", jnp.sqrt)
plain("Erf", jax.scipy.special.erf)
plain("Sin", jnp.sin)
plain("Cos", jnp.cos)
plain("MatMul", jnp.matmul)
plain("Identity Cast", lambda x: x)
plain("Dropout", lambda x, *settings: x)
plain("HardSwish", lambda x: x * jnp.clip(float(np.float32(1 / 6)) * x + 0.5, 0, 1))


@operator
def Pow(a: Attributes, opset: int, x: Array, y: Array) -> Array:  # noqa: N802
    if isinstance(y, np.ndarray) and np.all(y == y.flat[0]) and y.flat[0] == int(y.flat[0]):
        return jax.lax.integer_pow(x, int(y.flat[0])) * np.ones(np.broadcast_shapes(x.shape, y.shape))
    return x**y


@operator
def LeakyRelu(a: Attributes, opset: int, x: Array) -> Array:  # noqa: N802
    return jnp.where(x < 0, a.get("alpha", float(np.float32(0.01))) * x, x)


def elu(x: Array, alpha: float) -> Array:
    return jnp.where(x < 0, alpha * jnp.expm1(jnp.where(x < 0, x, 0)), x)


@operator
def Elu(a: Attributes, opset: int, x: Array) -> Array:  # noqa: N802
    return elu(x, a.get("alpha", 1.0))


@operator
def Selu(a: Attributes, opset: int, x: Array) -> Array:  # noqa: N802
    return a.get("gamma", 1.0507010221481323) * elu(x, a.get("alpha", 1.6732631921768188))


@operator
def Gelu(a: Attributes, opset: int, x: Array) -> Array:  # noqa: N802
    return jax.nn.gelu(x, approximate=a.get("approximate") == "tanh")


@operator
def Swish(a: Attributes, opset: int, x: Array) -> Array:  # noqa: N802
    return x * jax.nn.sigmoid(a.get("alpha", 1.0) * x)


@operator
def HardSigmoid(a: Attributes, opset: int, x: Array) -> Array:  # noqa: N802
    return jnp.clip(a.get("alpha", float(np.float32(0.2))) * x + a.get("beta", 0.5), 0, 1)


@operator
def Clip(a: Attributes, opset: int, x: Array, lower: Array = None, upper: Array = None) -> Array:  # noqa: N802
    return jnp.clip(x, a.get("min", lower), a.get("max", upper))


@operator
def Gemm(a: Attributes, opset: int, x: Array, y: Array, c: Array = None) -> Array:  # noqa: N802
    x, y = (x.T if a.get("transA") else x), (y.T if a.get("transB") else y)
    product = a.get("alpha", 1.0) * (x @ y)
    return product if c is None else product + a.get("beta", 1.0) * c


@operator
def BatchNormalization(  # noqa: N802
    a: Attributes, opset: int, x: Array, scale: Array, bias: Array, mean: Array, variance: Array
) -> Array:
    shape = (-1,) + (1,) * (x.ndim - 2)
    scale, bias, mean, variance = (array.reshape(shape) for array in (scale, bias, mean, variance))
    return scale * (x - mean) / np.sqrt(variance + a.get("epsilon", float(np.float32(1e-5)))) + bias


def softmax_axes(a: Attributes, opset: int, x: Array) -> tuple[int, ...]:
    if opset >= 13:
        return (a.get("axis", -1) % x.ndim,)
    return tuple(range(a.get("axis", 1) % x.ndim, x.ndim))


@operator
def Softmax(a: Attributes, opset: int, x: Array) -> Array:  # noqa: N802
    return jax.nn.softmax(x, softmax_axes(a, opset, x))


@operator
def LogSoftmax(a: Attributes, opset: int, x: Array) -> Array:  # noqa: N802
    return jax.nn.log_softmax(x, softmax_axes(a, opset, x))


def listed(a: Attributes, name: str, given: Array) -> tuple[int, ...] | None:
    numbers = given if given is not None else a.get(name)
    return None if numbers is None else tuple(int(k) for k in numbers)


@operator
def ReduceSum(a: Attributes, opset: int, x: Array, axes: Array = None) -> Array:  # noqa: N802
    return jnp.sum(x, listed(a, "axes", axes), keepdims=bool(a.get("keepdims", 1)))


@operator
def ReduceMean(a: Attributes, opset: int, x: Array, axes: Array = None) -> Array:  # noqa: N802
    return jnp.mean(x, listed(a, "axes", axes), keepdims=bool(a.get("keepdims", 1)))


@operator
def Reshape(a: Attributes, opset: int, x: Array, shape: Array) -> Array:  # noqa: N802
    return x.reshape([x.shape[k] if length == 0 else int(length) for k, length in enumerate(shape)])


@operator
def Flatten(a: Attributes, opset: int, x: Array) -> Array:  # noqa: N802
    return x.reshape(int(np.prod(x.shape[: a.get("axis", 1)])), -1)


@operator
def Transpose(a: Attributes, opset: int, x: Array) -> Array:  # noqa: N802
    return jnp.transpose(x, a.get("perm"))


@operator
def Squeeze(a: Attributes, opset: int, x: Array, axes: Array = None) -> Array:  # noqa: N802
    return jnp.squeeze(x, listed(a, "axes", axes))


@operator
def Unsqueeze(a: Attributes, opset: int, x: Array, axes: Array = None) -> Array:  # noqa: N802
    return jnp.expand_dims(x, listed(a, "axes", axes))


@operator
def Concat(a: Attributes, opset: int, *x: Array) -> Array:  # noqa: N802
    return jnp.concatenate(x, a["axis"])


@operator
def Slice(  # noqa: N802
    a: Attributes,
    opset: int,
    x: Array,
    starts: Array = None,
    ends: Array = None,
    axes: Array = None,
    steps: Array = None,
) -> Array:
    first, last = listed(a, "starts", starts), listed(a, "ends", ends)
    assert first is not None
    assert last is not None
    key = [slice(None)] * x.ndim
    for k, axis in enumerate(listed(a, "axes", axes) or range(len(first))):
        key[axis] = slice(first[k], last[k], 1 if steps is None else int(steps[k]))
    return x[tuple(key)]


@operator
def Gather(a: Attributes, opset: int, x: Array, indices: Array) -> Array:  # noqa: N802
    axis = a.get("axis", 0)
    return jnp.take(x, np.asarray(indices) % x.shape[axis], axis)


def interpret(model: onnx.ModelProto) -> Callable[[Array], Array]:
    """The function from the joined inputs to the joined outputs."""
    opset = model.opset_import[0].version
    weights = {tensor.name: wide(numpy_helper.to_array(tensor)) for tensor in model.graph.initializer}
    shapes = {info.name: [dim.dim_value or 1 for dim in info.type.tensor_type.shape.dim] for info in model.graph.input}

    def function(x: Array) -> Array:
        values: dict[str, Array] = {"": None, **weights}
        start = 0
        for name, shape in shapes.items():
            size = int(np.prod(shape))
            values[name] = x[start : start + size].reshape(shape)
            start += size
        for node in model.graph.node:
            attributes = {entry.name: helper.get_attribute_value(entry) for entry in node.attribute}
            attributes = {
                key: value.decode() if isinstance(value, bytes) else value for key, value in attributes.items()
            }
            if node.op_type == "Constant":
                values[node.output[0]] = wide(numpy_helper.to_array(attributes["value"]))
            else:
                values[node.output[0]] = OPERATORS[node.op_type](
                    attributes, opset, *(values[name] for name in node.input)
                )
        return jnp.concatenate([jnp.ravel(values[info.name]) for info in model.graph.output])

    return function


def derivatives(model: onnx.ModelProto, x: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, ...]:
    """f(x), its Jacobian, and the Hessian of weights @ f, each in double precision."""
    function = interpret(model)

    def value_and_gradient(x: Array) -> tuple[tuple[Array, Array], Array]:
        value, pull_back = jax.vjp(function, x)
        return (value, pull_back(weights)[0]), value

    def everything(x: Array) -> tuple[Array, ...]:
        (jacobian, hessian), value = jax.jacfwd(value_and_gradient, has_aux=True)(x)
        return value, jacobian, hessian

    # compiled without optimization, which takes a tenth of the time and does not reorder sums
    compiled = (
        jax.jit(everything)
        .lower(x)
        .compile({"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True})
    )
    return tuple(np.asarray(array) for array in compiled(x))
