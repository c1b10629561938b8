"""Models to quantize, and ONNX Runtime without its own optimizations."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
from onnx import helper
from onnx_models import Array, make_model

node = helper.make_node


RANDOM = np.random.default_rng(8)


def floats(*shape: int) -> Array:
    return RANDOM.normal(size=shape) / np.sqrt(np.prod(shape[1:]) or 1)


def image_network() -> onnx.ModelProto:
    nodes = [
        node("Conv", ["x", "K", "k"], ["a"], pads=[1, 1, 1, 1]),
        node("Relu", ["a"], ["b"]),
        node("MaxPool", ["b"], ["c"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Conv", ["c", "L"], ["d"]),
        node("Sigmoid", ["d"], ["e"]),
        node("Flatten", ["e"], ["f"]),
        node("Gemm", ["f", "W", "w"], ["y"]),
    ]
    weights = {"K": floats(4, 2, 3, 3), "k": floats(4), "L": floats(3, 4, 2, 2), "W": floats(12, 2), "w": floats(2)}
    return make_model(nodes, {"x": (1, 2, 6, 6)}, ["y"], weights, 17, np.float32)


def attention() -> onnx.ModelProto:
    """Products of two parts that depend on x are quantized, too."""
    nodes = [
        *(node("MatMul", ["x", f"W{k}"], [k]) for k in "qkv"),
        node("Transpose", ["k"], ["t"], perm=[0, 2, 1]),
        node("MatMul", ["q", "t"], ["s"]),
        node("Softmax", ["s"], ["p"]),
        node("MatMul", ["p", "v"], ["m"]),
        node("Add", ["x", "m"], ["r"]),
        node("LayerNormalization", ["r", "g", "b"], ["n"]),
        node("MatMul", ["n", "Wo"], ["y"]),
    ]
    weights = {f"W{k}": floats(6, 6) for k in "qkv"} | {"Wo": floats(6, 2), "g": floats(6), "b": floats(6)}
    return make_model(nodes, {"x": (1, 4, 6)}, ["y"], weights, 17, np.float32)


def runtime(proto: onnx.ModelProto) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
