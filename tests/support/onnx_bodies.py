"""ONNX models from the text of their nodes, and how they are compared."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper, parser
from onnx_models import Array, distance, evaluate

import fastexpr as fx

RANDOM = np.random.default_rng(6)


def model(body: str, shape: str = "2, 3", weights: dict[str, Array] | None = None, opset: int = 18) -> onnx.ModelProto:
    head = f'<ir_version: 8, opset_import: ["": {opset}]> g (float[{shape}] x) => (float[K] y)'
    found = parser.parse_model(f"{head} {{ {body} }}")
    for name, array in (weights or {}).items():
        found.graph.initializer.append(numpy_helper.from_array(array, name))
    found.graph.output[0].type.tensor_type.ClearField("shape")
    return found


def runtime(proto: onnx.ModelProto, x: Array) -> Array:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    (y,) = session.run(None, {"x": x.astype(np.float32)})
    return np.asarray(y)


def reference(proto: onnx.ModelProto, x: Array) -> Array:
    """For what ONNX Runtime has not."""
    return evaluate(proto, {"x": x.astype(np.float32)})


def compare(proto: onnx.ModelProto, expected: Callable[[onnx.ModelProto, Array], Array] = runtime) -> fx.Function:
    """Values at several points, and derivatives along one direction."""
    net = fx.load_onnx(proto, check=False)
    (shape,) = net.inputs.values()
    for _ in range(6):
        x = RANDOM.uniform(-2, 2, shape).astype(np.float32)
        flat = x.reshape(-1).astype(np.float64)
        y = expected(proto, x)
        assert net(flat).shape == (y.size,)
        assert distance(net(flat), y.reshape(-1).astype(np.float64)) < 1e-5
        direction, step = RANDOM.normal(size=flat.size), 1e-6
        slope = (net(flat + step * direction) - net(flat - step * direction)) / (2 * step)
        np.testing.assert_allclose(net.jacobian(flat) @ direction, slope, rtol=1e-5, atol=1e-7)
    return net
