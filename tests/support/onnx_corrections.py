"""Operators that ONNX's reference evaluator (1.23) does not evaluate as the standard says, done right.

It evaluates old versions of some operators by a newer definition: Softmax before operator set 13 normalises over all
axes from `axis` on, not one; BatchNormalization before 14 means inference when it has one output; before 7, arithmetic
broadcasts by attributes. Some it lacks. In a double model, GroupNormalization has float32 statistics, and
MeanVarianceNormalization fails. LpNormalization forgets the absolute values. Old files are common, and a wrong
reference would refuse them. Erf and Celu are rounded to float32, and the tanh form of Gelu has constants of 8 digits,
where the standard's formula, PyTorch and JAX have all 17. Attention takes the root of its scale in float32, and gives
the scores after the softcap for those before.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx.reference.op_run import OpRun
from onnx.reference.ops.aionnxml.op_svm_classifier import SVMClassifier as ReferenceClassifier
from onnx.reference.ops.op_attention import Attention as ReferenceAttention
from onnx.reference.ops.op_gru import GRU
from onnx.reference.ops.op_lstm import LSTM
from onnx.reference.ops.op_rnn import RNN_14
from onnx_image_corrections import corrected_image_operators

Array = NDArray[Any]
ML = "ai.onnx.ml"

#: What the evaluator reads past in recurrent operators, and the activations that it has.
IGNORED = ("activation_alpha", "activation_beta", "clip", "input_forget")
ACTIVATIONS = {"RNN": ["Tanh"], "GRU": ["Sigmoid", "Tanh"], "LSTM": ["Sigmoid", "Tanh", "Tanh"]}


def honest(name: str, base: type[OpRun]) -> type[OpRun]:
    """A recurrent operator that refuses what the evaluator would silently leave out."""

    def run(self: OpRun, *inputs: Array | None, **attributes: Any) -> Any:
        own = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in self.onnx_node.attribute}
        activations = [text.decode() for text in own.get("activations", [])]
        is_plain = activations in ([], ACTIVATIONS[name], ACTIVATIONS[name] * 2)
        if not is_plain or any(key in IGNORED and own[key] for key in own) or (inputs[4:5] or (None,))[0] is not None:
            raise NotImplementedError(f"{name} with sequence_lens, activations, or one of {', '.join(IGNORED)}")
        return base._run(self, *inputs, **attributes)

    return type(name, (base,), {"op_domain": "", "_run": run})


RECURRENT = [honest("RNN", RNN_14), honest("GRU", GRU), honest("LSTM", LSTM)]


class SVMClassifier(ReferenceClassifier):  # type: ignore[misc]
    """With probabilities, the evaluator stops an iteration after two or three digits."""

    op_domain = ML

    def _run(self, x: Array, prob_a: Any = None, **attributes: Any) -> Any:
        if prob_a:
            raise NotImplementedError("SVMClassifier with prob_a")
        return ReferenceClassifier._run(self, x, prob_a=prob_a, **attributes)


class ZipMap(OpRun):  # type: ignore[misc]
    """The evaluator has none; the numbers of its dictionaries are those of its input."""

    op_domain = ML

    def _run(self, x: Array, **unused: Any) -> tuple[Array]:
        return (x,)


def flat_from(x: Array, node: onnx.NodeProto) -> Array:
    """A matrix whose rows hold the axes from the attribute `axis` on; OpRun would hand over the newest default."""
    axis = next((int(attribute.i) for attribute in node.attribute if attribute.name == "axis"), 1)
    return x.reshape(int(np.prod(x.shape[: axis % max(x.ndim, 1)], dtype=np.int64)), -1)


class Softmax(OpRun):  # type: ignore[misc]
    """Before operator set 13."""

    op_domain = ""

    def _run(self, x: Array, axis: int | None = None) -> tuple[Array]:
        flat = flat_from(x, self.onnx_node)
        powers = np.exp(flat - flat.max(1, keepdims=True))
        return ((powers / powers.sum(1, keepdims=True)).reshape(x.shape).astype(x.dtype),)


class LogSoftmax(OpRun):  # type: ignore[misc]
    """Before operator set 13."""

    op_domain = ""

    def _run(self, x: Array, axis: int | None = None) -> tuple[Array]:
        flat = flat_from(x, self.onnx_node)
        shifted = flat - flat.max(1, keepdims=True)
        return ((shifted - np.log(np.exp(shifted).sum(1, keepdims=True))).reshape(x.shape).astype(x.dtype),)


class Reshape(OpRun):  # type: ignore[misc]
    """Before operator set 5."""

    op_domain = ""

    def _run(self, x: Array, shape: list[int] | None = None, **unused: Any) -> tuple[Array]:
        return (x.reshape([x.shape[k] if length == 0 else length for k, length in enumerate(shape or [])]),)


class Dropout(OpRun):  # type: ignore[misc]
    """Before operator set 7, inference."""

    op_domain = ""

    def _run(self, x: Array, **unused: Any) -> tuple[Array]:
        return (x,)


class DequantizeLinear(OpRun):  # type: ignore[misc]
    """Before operator set 19."""

    op_domain = ""

    def _run(self, x: Array, scale: Array, zero: Array | None = None, axis: Any = 1, **unused: Any) -> tuple[Array]:
        shape = [1] * x.ndim
        if scale.size > 1:
            shape[1 if axis is None else axis] = scale.size
        zero = np.zeros(1, x.dtype) if zero is None else zero
        return ((x.astype(scale.dtype) - zero.reshape(shape if zero.size > 1 else ())) * scale.reshape(shape),)


class BatchNormalization(OpRun):  # type: ignore[misc]
    """Before operator set 14, inference."""

    op_domain = ""

    def _run(
        self, x: Array, scale: Array, bias: Array, mean: Array, variance: Array, epsilon: float = 1e-5, **unused: Any
    ) -> tuple[Array]:
        shape = scale.shape if scale.ndim > 1 else (-1,) + (1,) * (x.ndim - 2)
        scale, bias, mean, variance = (array.reshape(shape) for array in (scale, bias, mean, variance))
        return ((scale * (x - mean) / np.sqrt(variance + epsilon) + bias).astype(x.dtype),)


class Erf(OpRun):  # type: ignore[misc]
    """In double precision where x is."""

    op_domain = ""

    def _run(self, x: Array) -> tuple[Array]:
        return (np.vectorize(math.erf, otypes=[np.float64])(x).astype(x.dtype),)


class Celu(OpRun):  # type: ignore[misc]
    """In double precision where x is: the evaluator rounds to float32."""

    op_domain = ""

    def _run(self, x: Array, alpha: float = 1.0) -> tuple[Array]:
        negative = alpha * np.expm1(np.minimum(x, 0) / alpha)
        return ((np.maximum(x, 0) + np.minimum(negative, 0)).astype(x.dtype),)


class Hardmax(OpRun):  # type: ignore[misc]
    """Before operator set 13."""

    op_domain = ""

    def _run(self, x: Array, axis: int | None = None) -> tuple[Array]:
        flat = flat_from(x, self.onnx_node)
        return (np.eye(flat.shape[1], dtype=x.dtype)[flat.argmax(1)].reshape(x.shape),)


class Scatter(OpRun):  # type: ignore[misc]
    """What ScatterElements was called before operator set 11."""

    op_domain = ""

    def _run(self, x: Array, indices: Array, updates: Array, axis: int = 0) -> tuple[Array]:
        y = x.copy()
        places: list[Array] = [*np.indices(indices.shape)]
        places[axis] = indices
        y[tuple(places)] = updates
        return (y,)


class LpNormalization(OpRun):  # type: ignore[misc]
    """The 1-norm is one of absolute values."""

    op_domain = ""

    def _run(self, x: Array, axis: int = -1, p: int = 2) -> tuple[Array]:
        norm = np.linalg.norm(x, p, axis, keepdims=True)
        return (np.where(norm == 0, 0, x / norm).astype(x.dtype),)


class MeanVarianceNormalization(OpRun):  # type: ignore[misc]
    """In double precision where x is."""

    op_domain = ""

    def _run(self, x: Array, axes: list[int] | None = None) -> tuple[Array]:
        over = tuple(axes or (0, 2, 3))
        centred = x - x.mean(over, keepdims=True)
        return ((centred / (np.sqrt((centred**2).mean(over, keepdims=True)) + 1e-9)).astype(x.dtype),)


class GroupNormalization(OpRun):  # type: ignore[misc]
    """In double precision where x is; before operator set 21 with scale and bias for each group."""

    op_domain = ""

    def _run(
        self, x: Array, scale: Array, bias: Array, epsilon: float = 1e-5, num_groups: int = 1, **unused: Any
    ) -> tuple[Array]:
        groups = x.reshape(x.shape[0], num_groups, -1)
        centred = groups - groups.mean(2, keepdims=True)
        y = centred / np.sqrt((centred**2).mean(2, keepdims=True) + epsilon)
        y = y.reshape(x.shape[0], len(scale), -1) * scale[:, np.newaxis] + bias[:, np.newaxis]
        return (y.reshape(x.shape).astype(x.dtype),)


class Gelu(OpRun):  # type: ignore[misc]
    """With exact constants."""

    op_domain = ""

    def _run(self, x: Array, approximate: str = "none") -> tuple[Array]:
        if approximate == "tanh":
            factor = 1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))
        else:
            factor = np.vectorize(math.erfc, otypes=[np.float64])(-x / np.sqrt(2))
        return ((x * factor / 2).astype(x.dtype),)


class Attention(ReferenceAttention):  # type: ignore[misc]
    """With the root of `scale` in double precision, and qk_matmul_output_mode 0, which comes before the softcap."""

    op_domain = ""

    def _run(self, *inputs: Array, **attributes: Any) -> Any:
        if attributes.get("scale") is not None:
            attributes["scale"] = float(attributes["scale"])
        outputs = super()._run(*inputs, **attributes)
        if attributes.get("softcap") and not attributes.get("qk_matmul_output_mode"):
            outputs = (*outputs[:3], super()._run(*inputs, **(attributes | {"softcap": None}))[3])
        return outputs


def legacy_shape(a: Array, b: Array, axis: int | None) -> tuple[int, ...]:
    """The shape that lines b up with the axes of a from `axis` on."""
    return b.shape if axis is None else b.shape + (1,) * (a.ndim - axis % a.ndim - b.ndim)


def legacy_arithmetic(name: str, function: Any) -> type[OpRun]:
    """An arithmetic operator with the attributes `axis` and `broadcast`, before operator set 7."""

    def run(self: OpRun, a: Array, b: Array, axis: int | None = None, **unused: Any) -> tuple[Array]:
        return (np.asarray(function(a, b.reshape(legacy_shape(a, b, axis))), dtype=a.dtype),)

    return type(name, (OpRun,), {"op_domain": "", "_run": run})


@cache
def corrected_operators(opset: int) -> list[type[OpRun]]:
    """What to hand to ReferenceEvaluator as new_ops for a model of this operator set."""
    operators: list[type[OpRun]] = [
        Attention, Celu, Erf, Gelu, LpNormalization, MeanVarianceNormalization, *RECURRENT,
        *corrected_image_operators(opset), SVMClassifier, ZipMap,
    ]  # fmt: skip
    if opset >= 18:
        operators.append(GroupNormalization)
    if opset < 19:
        operators.append(DequantizeLinear)
    if opset < 14:
        operators.append(BatchNormalization)
    if opset < 13:
        operators += [Softmax, LogSoftmax, Hardmax, Scatter]
    if opset < 7:
        functions = {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": np.divide, "Pow": np.power}
        operators += [legacy_arithmetic(name, function) for name, function in functions.items()]
        operators.append(Dropout)
    if opset < 5:
        operators.append(Reshape)
    return operators
