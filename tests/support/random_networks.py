"""Random ONNX networks over all operators: skip connections, shared nodes, several inputs, outputs and opsets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper
from onnx_models import make_model

Shape = tuple[int, ...]
Recipe = Callable[["RandomNetwork", str], str]
RECIPES: dict[str, Recipe] = {}
OPSETS = (11, 13, 17, 24)
LARGEST = 40  # numbers in one tensor


def recipe(function: Recipe) -> Recipe:
    RECIPES[function.__name__] = function
    return function


class RandomNetwork:
    """Grows node by node; `shapes` knows every tensor that depends on x."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.opset = OPSETS[seed % len(OPSETS)]
        self.dtype = (np.float32, np.float64)[seed // len(OPSETS) % 2]
        self.nodes: list[onnx.NodeProto] = []
        self.weights: dict[str, np.ndarray] = {}
        self.shapes: dict[str, Shape] = {}
        self.used: set[str] = set()
        shapes: list[Shape] = [(1, 5), (1, 2, 3), (4,), (3, 2)]
        chosen = self.random.choice(len(shapes), 1 + seed % 3, replace=False)
        self.inputs = {f"x{k}": shapes[index] for k, index in enumerate(chosen)}
        self.shapes.update(self.inputs)

    def grow(self, recipes: list[str], n_more: int) -> onnx.ModelProto:
        names = [*recipes, *self.random.choice(sorted(RECIPES), n_more)]
        for name in names:
            RECIPES[name](self, self.pick())
        tensors = [name for name in self.shapes if name not in self.used]
        flat = [self.reshape(name, (1, -1)) for name in tensors]
        joined = self.node("Concat", flat, axis=1)
        y = self.node("Gemm", [joined, self.weight(self.shapes[joined][1], 3), self.weight(3)])
        middle = [str(name) for name in self.random.choice(sorted(set(self.shapes) - {y}), 1, replace=False)]
        return make_model(self.nodes, {k: ["N", *v[1:]] if v[0] == 1 else v for k, v in self.inputs.items()},
                          [y, *middle], self.weights, self.opset, self.dtype)  # fmt: skip

    def pick(self) -> str:
        """A tensor, rather a new one; large ones are left alone."""
        names = [name for name, shape in self.shapes.items() if np.prod(shape) <= LARGEST]
        place = min(int(self.random.exponential(3)), len(names) - 1)
        return names[-1 - place]

    def node(self, operator: str, inputs: list[str], **attributes: Any) -> str:
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], f"{operator}_{len(self.nodes)}", **attributes))
        self.used.update(inputs)
        known = [i for i in dict.fromkeys(inputs) if i in self.shapes]
        graph = helper.make_graph(
            [self.nodes[-1]],
            "one",
            [helper.make_tensor_value_info(i, TensorProto.DOUBLE, self.shapes[i]) for i in known],
            [onnx.ValueInfoProto(name=name)],
            [onnx.numpy_helper.from_array(self.weights[i], i) for i in inputs if i in self.weights],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)])
        inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
        self.shapes[name] = tuple(dim.dim_value for dim in inferred.graph.output[0].type.tensor_type.shape.dim)
        return name

    def constant(self, array: Any) -> str:
        name = f"c{len(self.weights)}"
        self.weights[name] = np.asarray(array)
        return name

    def weight(self, *shape: int) -> str:
        return self.constant(self.random.normal(size=shape) / np.sqrt(shape[0] if shape else 1))

    def positive(self, *shape: int) -> str:
        return self.constant(self.random.uniform(0.5, 1.5, shape))

    def integer(self, low: int, high: int) -> int:
        return int(self.random.integers(low, high))

    def flip(self) -> bool:
        return bool(self.random.integers(2))

    def reshape(self, x: str, shape: tuple[int, ...]) -> str:
        return self.node("Reshape", [x, self.constant(np.array(shape, np.int64))])

    def matrix(self, x: str) -> str:
        return self.node("Flatten", [x], axis=self.integer(0, len(self.shapes[x]) + 1))

    def listed(self, operator: str, x: str, since: int, axes: list[int], **attributes: Any) -> str:
        """An operator whose axes are an attribute before `since` and an input from then on."""
        if self.opset < since:
            return self.node(operator, [x], axes=axes, **attributes)
        return self.node(operator, [x, self.constant(np.array(axes, np.int64))], **attributes)

    def above_half(self, x: str) -> str:
        """x^2 + 1/2 or softplus(x) + 1/2, of tanh(x): numbers that have a logarithm."""
        small = self.node("Tanh", [x])
        square = self.node("Mul", [small, small]) if self.flip() else self.node("Softplus", [small])
        return self.node("Add", [square, self.constant(0.5)])


def direct(names: str, **choices: list[Any]) -> None:
    """Operators of one input that need no care."""

    def make(name: str) -> Recipe:
        def apply(net: RandomNetwork, x: str) -> str:
            x = x if net.shapes[x] else net.reshape(x, (1,))
            attributes = {key: values[net.integer(0, len(values))] for key, values in choices.items()}
            return net.node(name, [x], **{key: value for key, value in attributes.items() if value is not None})

        return apply

    for name in names.split():
        RECIPES[name] = make(name)


direct("Neg Abs Relu Sigmoid Tanh Softplus Softsign Erf Sin Cos Identity Dropout")
direct("LeakyRelu Elu", alpha=[None, 0.3])
direct("Selu", alpha=[None, 1.3], gamma=[None, 0.9])
direct("HardSigmoid", alpha=[None, 0.3], beta=[None, 0.4])
direct("Softmax LogSoftmax", axis=[None, 0, -1])


@recipe
def newer_activations(net: RandomNetwork, x: str) -> str:
    if net.opset >= 14:
        x = net.node("HardSwish", [x])
    if net.opset >= 20:
        x = net.node("Gelu", [x])
        x = net.node("Gelu", [x], approximate="tanh")
    return net.node("Swish", [x], alpha=1.25) if net.opset >= 24 else x


@recipe
def clip(net: RandomNetwork, x: str) -> str:
    lower, upper = net.constant(-0.7), net.constant(0.8)
    return net.node("Clip", [x, "" if net.flip() else lower, upper])


@recipe
def exp(net: RandomNetwork, x: str) -> str:
    return net.node("Exp", [net.node("Tanh", [x])])


@recipe
def log_sqrt(net: RandomNetwork, x: str) -> str:
    return net.node("Log" if net.flip() else "Sqrt", [net.above_half(x)])


@recipe
def division(net: RandomNetwork, x: str) -> str:
    other = net.pick()
    top = x if net.shapes[x] == net.shapes[other] else net.weight(1)
    return net.node("Div", [top, net.above_half(other)])


@recipe
def power(net: RandomNetwork, x: str) -> str:
    if net.flip():
        return net.node("Pow", [net.node("Tanh", [x]), net.constant(float(net.integer(2, 4)))])
    return net.node("Pow", [net.above_half(x), net.node("Tanh", [x]) if net.flip() else net.constant(1.7)])


@recipe
def arithmetic(net: RandomNetwork, x: str) -> str:
    """With a constant that broadcasts, with itself, or with another part of the network."""
    operator = ("Add", "Sub", "Mul")[net.integer(0, 3)]
    shape = net.shapes[x]
    same = [name for name in net.shapes if net.shapes[name] == shape]
    others = [
        net.weight(*shape[net.integer(0, len(shape)) :]) if shape else net.weight(),
        same[net.integer(0, len(same))],
        net.constant(net.random.normal(size=[1 if net.flip() else length for length in shape])),
    ]
    pair = [x, others[net.integer(0, 3)]]
    y = net.node(operator, pair if net.flip() else pair[::-1])
    return net.node("Tanh", [y]) if operator == "Mul" else y


@recipe
def outer(net: RandomNetwork, x: str) -> str:
    """Two parts of the network broadcast against each other."""
    column = net.reshape(net.node("Sin", [x]), (-1, 1))
    row = net.reshape(net.node("Tanh", [net.pick()]), (1, -1))
    if net.shapes[column][0] * net.shapes[row][1] > LARGEST:
        return column
    return net.node(("Add", "Sub", "Mul")[net.integer(0, 3)], [column, row])


@recipe
def gemm(net: RandomNetwork, x: str) -> str:
    x = net.matrix(x)
    trans_a, trans_b = net.integer(0, 2), net.integer(0, 2)
    rows, inner = net.shapes[x][::-1] if trans_a else net.shapes[x]
    columns = net.integer(2, 6)
    c = [net.weight(columns), net.weight(1, columns), net.weight(rows, 1), net.weight(rows, columns), net.weight(1)]
    inputs = [x, net.weight(*((columns, inner) if trans_b else (inner, columns))), c[net.integer(0, 5)]]
    factors = {"alpha": (1.0, 0.7)[net.integer(0, 2)], "beta": (1.0, 0.3)[net.integer(0, 2)]}
    return net.node("Gemm", inputs, transA=trans_a, transB=trans_b, **factors)


@recipe
def gemm_constant_left(net: RandomNetwork, x: str) -> str:
    x = net.matrix(x)
    trans_b = net.integer(0, 2)
    inner = net.shapes[x][1 if trans_b else 0]
    return net.node("Gemm", [net.weight(3, inner), x], transB=trans_b)


@recipe
def matmul(net: RandomNetwork, x: str) -> str:
    shape = net.shapes[x]
    if not shape:
        return x
    if net.flip() or len(shape) < 2:
        return net.node("MatMul", [x, net.weight(shape[-1], net.integer(2, 5))])
    return net.node("MatMul", [net.weight(net.integer(2, 5), shape[-2]), x])


@recipe
def batch_normalization(net: RandomNetwork, x: str) -> str:
    if len(net.shapes[x]) < 2:
        x = net.reshape(x, (1, -1))
    n = net.shapes[x][1]
    return net.node("BatchNormalization", [x, net.positive(n), net.weight(n), net.weight(n), net.positive(n)])


@recipe
def reduction(net: RandomNetwork, x: str) -> str:
    rank = len(net.shapes[x])
    if rank == 0:
        return x
    axes = sorted(int(axis) for axis in net.random.choice(rank, net.integer(1, rank + 1), replace=False))
    operator, since = (("ReduceSum", 13), ("ReduceMean", 18))[net.integer(0, 2)]
    return net.listed(operator, x, since, axes, keepdims=net.integer(0, 2))


@recipe
def shapes(net: RandomNetwork, x: str) -> str:
    x = net.listed("Unsqueeze", x, 13, [net.integer(0, len(net.shapes[x]) + 1)])
    x = net.node("Transpose", [x], perm=[int(k) for k in net.random.permutation(len(net.shapes[x]))])
    ones = [axis for axis, length in enumerate(net.shapes[x]) if length == 1]
    x = net.listed("Squeeze", x, 13, ones[:1])
    return net.reshape(x, (0, -1)) if net.flip() and net.shapes[x] else net.reshape(x, (-1,))


@recipe
def cast(net: RandomNetwork, x: str) -> str:
    kind = TensorProto.FLOAT if net.dtype == np.float32 else TensorProto.DOUBLE
    return net.node("Cast", [x], to=kind)


@recipe
def slices(net: RandomNetwork, x: str) -> str:
    shape = net.shapes[x]
    if not shape:
        return x
    axis = net.integer(0, len(shape))
    ends = net.constant(np.array([-100 if net.flip() else -shape[axis] - 1], np.int64))
    last, steps = net.constant(np.array([-1], np.int64)), net.constant(np.array([-1 - net.integer(0, 2)], np.int64))
    return net.node("Slice", [x, last, ends, net.constant(np.array([axis], np.int64)), steps])


@recipe
def gather(net: RandomNetwork, x: str) -> str:
    shape = net.shapes[x]
    if not shape:
        return x
    axis = net.integer(0, len(shape))
    indices = net.random.integers(-shape[axis], shape[axis], [(), (2,), (1, 2)][net.integer(0, 3)])
    return net.node("Gather", [x, net.constant(np.asarray(indices, np.int64))], axis=axis)


@recipe
def concat(net: RandomNetwork, x: str) -> str:
    return net.node("Concat", [net.reshape(name, (-1,)) for name in (x, net.pick(), x)], axis=0)


def random_network(seed: int, count: int) -> onnx.ModelProto:
    """Network `seed` of `count`; every recipe is in at least two of them."""
    names = sorted(RECIPES)
    own = [name for k, name in enumerate(names) if (k - seed) % (count // 2) in (0, 1)]
    return RandomNetwork(seed).grow(own, 6)
