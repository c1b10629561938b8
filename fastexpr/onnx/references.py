"""What the usual operators give, by NumPy, in double: the standard's formulas, for the check of an import.

ONNX's reference evaluator is built anew for each model and takes a millisecond for a pooling of ten numbers; most nodes
of most models are no more than a line of NumPy. Nothing here is used to convert a model, and nothing of the converters
or of the core is used here. Who disagrees with it is judged once more, by others (`check`), so an error here costs time
and accuses nobody. A setting that is not here gives None, and other judges have it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, helper

from fastexpr.onnx.arrays import Array
from fastexpr.onnx.node import attribute_value, default_attributes, operator_domain
from fastexpr.onnx.reference_node import ReferenceNode
from fastexpr.onnx.reference_trees import tree_classifier, tree_regressor
from fastexpr.onnx.reference_windows import average_pool, convolution, lp_pool, max_pool, transposed_convolution
from fastexpr.onnx.registry import ML

Reference = Callable[[ReferenceNode], Array | None]


def by_numpy(proto: NodeProto, opset: int, tensors: Mapping[str, Array]) -> list[Array | None] | None:
    """The node's outputs; None where that of interest is not known here, or another one is read, too."""
    domain, name = operator_domain(proto), str(proto.op_type)
    found = REFERENCES.get((domain, name))
    if found is None or getattr(proto, "metadata_props", None):  # attributes in double: others read them
        return None
    place = 1 if name == "TreeEnsembleClassifier" else 0  # its labels come first
    if any(output in tensors for k, output in enumerate(proto.output) if k != place):
        return None
    try:
        inputs = [tensors[given] if given else None for given in proto.input]
        attributes = default_attributes(name, opset, domain)
        if proto.attribute:
            attributes = attributes | {entry.name: attribute_value(entry) for entry in proto.attribute}
        result = found(ReferenceNode(inputs, attributes, opset))
    except Exception:  # damaged nodes, whatever they are
        return None
    return None if result is None else [*[None] * place, result]


# ---- number by number


def unary(function: Callable[[Array, Mapping[str, Any]], Any]) -> Reference:
    """Of one tensor of floats, and attributes."""

    def of_node(node: ReferenceNode) -> Array | None:
        x = node.inputs[0]
        return np.asarray(function(x, node.attributes)) if x.dtype.kind == "f" else None

    return of_node


def binary(function: Callable[[Array, Array], Any]) -> Reference:
    """Of two tensors of floats; before operator set 7 they were stretched by other rules."""

    def of_node(node: ReferenceNode) -> Array | None:
        a, b = node.inputs
        fits = node.opset >= 7 or a.shape == b.shape
        return np.asarray(function(a, b)) if fits and a.dtype.kind == b.dtype.kind == "f" else None

    return of_node


def variadic(function: Callable[[Array, Array], Any]) -> Reference:
    """Of any number of tensors of floats."""

    def of_node(node: ReferenceNode) -> Array | None:
        is_plain = all(x.dtype.kind == "f" for x in node.inputs)
        return np.asarray(reduce(function, node.inputs)) if is_plain else None

    return of_node


def logical(function: Callable[..., Any]) -> Reference:
    """Of conditions, or a comparison of numbers."""
    return lambda node: np.asarray(function(*node.inputs)) if node.opset >= 7 else None


def erf(x: Array) -> Array:
    """The error function."""
    return np.array([math.erf(number) for number in x.reshape(-1).tolist()]).reshape(x.shape)


def gelu(x: Array, attributes: Mapping[str, Any]) -> Any:
    """The part of x that a normal number falls below, exactly or by a hyperbolic tangent."""
    if attributes["approximate"] == "tanh":
        return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return 0.5 * x * (1 + erf(x / math.sqrt(2)))


def clip(node: ReferenceNode) -> Array | None:
    """Between two limits, each of which may be left out."""
    x = node.inputs[0]
    lower, upper = (
        (node.input(1), node.input(2)) if node.opset >= 11 else (node.attributes["min"], node.attributes["max"])
    )
    if x.dtype.kind != "f":
        return None
    low = x if lower is None else np.maximum(x, lower)
    return np.asarray(low if upper is None else np.minimum(low, upper))


def cast(node: ReferenceNode) -> Array | None:
    """Floats to double, all else to the type that the node says."""
    x, kind = node.inputs[0], node.attributes["to"]
    if kind in (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16):
        return np.asarray(x, np.float64)
    dtype = helper.tensor_dtype_to_np_dtype(kind)
    return np.asarray(x.astype(dtype)) if dtype.kind in "iub" and np.isfinite(x).all() else None


UNARY: dict[str, Callable[[Array, Mapping[str, Any]], Any]] = {
    "Abs": lambda x, a: np.abs(x), "Neg": lambda x, a: -x, "Sign": lambda x, a: np.sign(x),
    "Exp": lambda x, a: np.exp(x), "Log": lambda x, a: np.log(x), "Sqrt": lambda x, a: np.sqrt(x),
    "Reciprocal": lambda x, a: 1 / x, "Floor": lambda x, a: np.floor(x), "Ceil": lambda x, a: np.ceil(x),
    "Round": lambda x, a: np.rint(x),
    "Sin": lambda x, a: np.sin(x), "Cos": lambda x, a: np.cos(x), "Tan": lambda x, a: np.tan(x),
    "Asin": lambda x, a: np.arcsin(x), "Acos": lambda x, a: np.arccos(x), "Atan": lambda x, a: np.arctan(x),
    "Sinh": lambda x, a: np.sinh(x), "Cosh": lambda x, a: np.cosh(x), "Tanh": lambda x, a: np.tanh(x),
    "Asinh": lambda x, a: np.arcsinh(x), "Acosh": lambda x, a: np.arccosh(x), "Atanh": lambda x, a: np.arctanh(x),
    "Erf": lambda x, a: erf(x), "Gelu": gelu,
    "Relu": lambda x, a: np.maximum(x, 0), "Sigmoid": lambda x, a: 1 / (1 + np.exp(-x)),
    "Softplus": lambda x, a: np.logaddexp(x, 0), "Softsign": lambda x, a: x / (1 + np.abs(x)),
    "LeakyRelu": lambda x, a: np.where(x < 0, a["alpha"] * x, x),
    "Elu": lambda x, a: np.where(x < 0, a["alpha"] * np.expm1(x), x),
    "Celu": lambda x, a: np.maximum(x, 0) + np.minimum(0, a["alpha"] * np.expm1(x / a["alpha"])),
    "Selu": lambda x, a: a["gamma"] * np.where(x > 0, x, a["alpha"] * np.expm1(x)),
    "ThresholdedRelu": lambda x, a: np.where(x > a["alpha"], x, 0),
    "HardSigmoid": lambda x, a: np.clip(a["alpha"] * x + a["beta"], 0, 1),
    "Mish": lambda x, a: x * np.tanh(np.logaddexp(x, 0)),
    "Shrink": lambda x, a: np.where(np.abs(x) > a["lambd"], x - np.sign(x) * a["bias"], 0),
}  # fmt: skip
BINARY: dict[str, Callable[[Array, Array], Any]] = {
    "Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": np.divide, "Pow": np.power,
    "PRelu": lambda x, slope: np.where(x < 0, slope * x, x),
}  # fmt: skip

# ---- sums of products, and normalisations


def gemm(node: ReferenceNode) -> Array | None:
    """alpha A B + beta C, each of A and B perhaps transposed."""
    if node.opset < 7:
        return None
    a, b = (x.T if node.attributes[key] else x for x, key in zip(node.inputs[:2], ("transA", "transB"), strict=True))
    product = node.attributes["alpha"] * (a @ b)
    c = node.input(2)
    return np.asarray(product if c is None else product + node.attributes["beta"] * c)


def softmax(node: ReferenceNode) -> Array:
    """Before operator set 13 over all axes from one on, later over one."""
    x, axis = node.inputs[0], node.attributes["axis"]
    over = tuple(range(axis % max(x.ndim, 1), x.ndim)) if node.opset < 13 else axis
    powers = np.exp(x - x.max(axis=over, keepdims=True))
    return np.asarray(powers / powers.sum(axis=over, keepdims=True))


def log_softmax(node: ReferenceNode) -> Array:
    """Its logarithm."""
    x, axis = node.inputs[0], node.attributes["axis"]
    over = tuple(range(axis % max(x.ndim, 1), x.ndim)) if node.opset < 13 else axis
    shifted = x - x.max(axis=over, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=over, keepdims=True)))


def along_channels(x: Array, *columns: Array) -> list[Array]:
    """A number for each channel, which is axis 1."""
    return [column.reshape(-1, *[1] * (x.ndim - 2)) for column in columns]


def batch_normalization(node: ReferenceNode) -> Array | None:
    """With given means and variances."""
    if node.opset < 9 or node.attributes.get("training_mode"):
        return None
    x = node.inputs[0]
    scale, shift, mean, variance = along_channels(x, *node.inputs[1:])
    return np.asarray((x - mean) / np.sqrt(variance + node.attributes["epsilon"]) * scale + shift)


def instance_normalization(node: ReferenceNode) -> Array:
    """Each channel of each image by itself."""
    x = node.inputs[0]
    scale, shift = along_channels(x, *node.inputs[1:])
    return normalized(x, tuple(range(2, x.ndim)), node.attributes["epsilon"]) * scale + shift


def layer_normalization(node: ReferenceNode) -> Array:
    """Over the axes from one on."""
    x, scale, shift = node.inputs[0], node.inputs[1], node.input(2)
    over = tuple(range(node.attributes["axis"] % x.ndim, x.ndim))
    scaled = normalized(x, over, node.attributes["epsilon"]) * scale
    return np.asarray(scaled if shift is None else scaled + shift)


def rms_normalization(node: ReferenceNode) -> Array:
    """The same without taking the mean off."""
    x, over = node.inputs[0], tuple(range(node.attributes["axis"] % node.inputs[0].ndim, node.inputs[0].ndim))
    mean_square = np.mean(x * x, axis=over, keepdims=True)
    return np.asarray(x / np.sqrt(mean_square + node.attributes["epsilon"]) * node.inputs[1])


def normalized(x: Array, over: tuple[int, ...], epsilon: float) -> Array:
    """Of mean 0 and variance 1 over these axes."""
    deviation = x - x.mean(axis=over, keepdims=True)
    variance = np.mean(deviation * deviation, axis=over, keepdims=True)
    return np.asarray(deviation / np.sqrt(variance + epsilon))


def reduction(function: Callable[..., Any]) -> Reference:
    """Over axes, which were an attribute before; over all where none are named."""

    def of_node(node: ReferenceNode) -> Array | None:
        x, axes = node.inputs[0], node.integers(1, "axes")
        if x.dtype.kind != "f" or (not axes and node.attributes.get("noop_with_empty_axes")) or x.size == 0:
            return None
        over = tuple(axes) if axes else None
        return np.asarray(function(x, axis=over, keepdims=bool(node.attributes["keepdims"])))

    return of_node


def over_image(function: Callable[..., Any]) -> Reference:
    """Over all axes of an image, each channel by itself."""
    return lambda node: np.asarray(function(node.inputs[0], axis=tuple(range(2, node.inputs[0].ndim)), keepdims=True))


REDUCTIONS: dict[str, Callable[..., Any]] = {
    "ReduceSum": np.sum, "ReduceMean": np.mean, "ReduceMax": np.max, "ReduceMin": np.min, "ReduceProd": np.prod,
    "ReduceL1": lambda x, **over: np.sum(np.abs(x), **over),
    "ReduceL2": lambda x, **over: np.sqrt(np.sum(x * x, **over)),
    "ReduceSumSquare": lambda x, **over: np.sum(x * x, **over),
    "ReduceLogSum": lambda x, **over: np.log(np.sum(x, **over)),
    "ReduceLogSumExp": lambda x, **over: np.log(np.sum(np.exp(x), **over)),
}  # fmt: skip

# ---- what moves numbers


def reshape(node: ReferenceNode) -> Array | None:
    """In another shape: 0 keeps a length, -1 is what is left."""
    x, shape = node.inputs[0], node.integers(1, "shape")
    if shape is None or node.attributes.get("allowzero"):
        return None
    return np.asarray(x.reshape([x.shape[k] if length == 0 else length for k, length in enumerate(shape)]))


def flatten(node: ReferenceNode) -> Array:
    """A matrix, cut before an axis."""
    x, axis = node.inputs[0], node.attributes["axis"]
    front = math.prod(x.shape[: axis + x.ndim if axis < 0 else axis])
    return np.asarray(x.reshape(front, -1 if front else 0))


def unsqueeze(node: ReferenceNode) -> Array | None:
    """With more axes of length 1."""
    axes = node.integers(1, "axes")
    return None if axes is None else np.asarray(np.expand_dims(node.inputs[0], tuple(axes)))


def squeeze(node: ReferenceNode) -> Array:
    """Without some axes of length 1, or all of them."""
    axes = node.integers(1, "axes")
    return np.asarray(np.squeeze(node.inputs[0], None if axes is None else tuple(axes)))


def sliced(node: ReferenceNode) -> Array | None:
    """From start to end along some axes; ends beyond the tensor are its ends, as in Python."""
    x, starts, ends = node.inputs[0], node.integers(1, "starts"), node.integers(2, "ends")
    if starts is None or ends is None:
        return None
    axes = node.integers(3, "axes") or range(len(starts))
    steps = node.integers(4, "steps") or [1] * len(starts)
    index: list[Any] = [slice(None)] * x.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        if step < 0 and end < -x.shape[axis]:  # before the first one
            index[axis] = slice(start, None, step)
        else:
            index[axis] = slice(start, end, step)
    return np.asarray(x[tuple(index)])


def gather(node: ReferenceNode) -> Array | None:
    """Parts along an axis, in the order of the indices."""
    x, indices = node.inputs[0], node.inputs[1]
    return np.take(x, indices, axis=node.attributes["axis"]) if indices.dtype.kind == "i" else None


def pad(node: ReferenceNode) -> Array | None:
    """With a constant around it."""
    x, pads = node.inputs[0], node.integers(1, "pads")
    if node.attributes["mode"] != "constant" or pads is None or node.input(3) is not None or min(pads, default=0) < 0:
        return None
    number = node.input(2) if node.opset >= 11 else node.attributes["value"]
    fill = 0 if number is None else np.asarray(number).reshape(())
    sides = list(zip(pads[: x.ndim], pads[x.ndim :], strict=True))
    return np.pad(x, sides, constant_values=fill)


def shape_of(node: ReferenceNode) -> Array:
    """The lengths of the axes, or of some."""
    return np.array(node.inputs[0].shape[node.attributes.get("start") or 0 : node.attributes.get("end")], np.int64)


def dropout(node: ReferenceNode) -> Array | None:
    """What comes in: no number is dropped once the training is over."""
    return np.asarray(node.inputs[0]) if node.opset >= 7 and node.input(2) is None else None


STANDARD: dict[str, Reference] = {
    **{name: unary(function) for name, function in UNARY.items()},
    **{name: binary(function) for name, function in BINARY.items()},
    **{name: reduction(function) for name, function in REDUCTIONS.items()},
    "Sum": variadic(np.add), "Max": variadic(np.maximum), "Min": variadic(np.minimum),
    "Equal": logical(np.equal), "Less": logical(np.less), "LessOrEqual": logical(np.less_equal),
    "Greater": logical(np.greater), "GreaterOrEqual": logical(np.greater_equal), "Not": logical(np.logical_not),
    "And": logical(np.logical_and), "Or": logical(np.logical_or), "Xor": logical(np.logical_xor),
    "Where": lambda node: np.where(*node.inputs),
    "Clip": clip, "Cast": cast, "Dropout": dropout,
    "MatMul": lambda node: np.asarray(np.matmul(*node.inputs)), "Gemm": gemm,
    "Softmax": softmax, "LogSoftmax": log_softmax, "BatchNormalization": batch_normalization,
    "InstanceNormalization": instance_normalization, "LayerNormalization": layer_normalization,
    "RMSNormalization": rms_normalization,
    "Conv": convolution, "ConvTranspose": transposed_convolution,
    "MaxPool": max_pool, "AveragePool": average_pool, "LpPool": lp_pool,
    "GlobalAveragePool": over_image(np.mean), "GlobalMaxPool": over_image(np.max),
    "Identity": lambda node: node.inputs[0], "Reshape": reshape, "Flatten": flatten,
    "Unsqueeze": unsqueeze, "Squeeze": squeeze, "Slice": sliced, "Gather": gather, "Pad": pad, "Shape": shape_of,
    "Transpose": lambda node: np.transpose(node.inputs[0], node.attributes["perm"]),
    "Concat": lambda node: np.concatenate(node.inputs, axis=node.attributes["axis"]),
    "Expand": lambda node: node.inputs[0] * np.ones(node.inputs[1].tolist(), node.inputs[0].dtype),
    "Tile": lambda node: np.tile(node.inputs[0], node.inputs[1]) if node.opset >= 6 else None,
}  # fmt: skip
TREES: dict[str, Reference] = {
    "TreeEnsembleRegressor": tree_regressor, "TreeEnsembleClassifier": tree_classifier,
}  # fmt: skip
REFERENCES = {("", name): found for name, found in STANDARD.items()}
REFERENCES |= {(ML, name): found for name, found in TREES.items()}
