"""Constants that are computed while a file is read: the same numbers as nodes that depend on x, in the file's types."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from onnx_models import distance, evaluate
from onnx_table import ROWS, Row, identify, row_model, row_point

from fastexpr.errors import OnnxError
from fastexpr.onnx.importer import Importer
from fastexpr.onnx.model_file import ModelFile

node = helper.make_node


def folded(operator: str, *arrays: Any, opset: int = 21, outputs: int = 1, **attributes: Any) -> Any:
    """The outputs of one node of constants."""
    names = [f"c{k}" for k in range(len(arrays))]
    results = [f"r{k}" for k in range(outputs)]
    tensors = [numpy_helper.from_array(np.asarray(array), name) for array, name in zip(arrays, names, strict=True)]
    nodes = [
        node(operator, names, results, "it", **attributes),
        *(node("Identity", [name], [f"o_{name}"]) for name in results),
    ]
    infos = [helper.make_empty_tensor_value_info(f"o_{name}") for name in results]
    graph = helper.make_graph(
        [*nodes, node("Neg", ["x"], ["y"])], "g", [helper.make_tensor_value_info("x", 1, [1])],
        [*infos, helper.make_tensor_value_info("y", 1, [1])], tensors,
    )  # fmt: skip
    importer = Importer(ModelFile(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])))
    importer.run()
    values = [importer.value(name) for name in results]
    return values if outputs > 1 else values[0]


def as_constants(entry: Row) -> tuple[onnx.ModelProto, dict[str, Any]]:
    """The row's model with all inputs as initializers, and an input that nothing mixes with them."""
    model, shapes = row_model(entry, np.float64)
    point = row_point(entry, shapes)
    del model.graph.input[:]
    model.graph.input.append(helper.make_tensor_value_info("unused", 11, [1]))
    model.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in point.items())
    model.graph.node.append(node("Identity", ["unused"], ["y"]))
    model.graph.output.append(helper.make_tensor_value_info("y", 11, [1]))
    return model, point


@pytest.mark.parametrize("entry", ROWS, ids=identify)
def test_constants_give_what_x_gives(entry: Row) -> None:
    model, point = as_constants(entry)
    importer = Importer(ModelFile(model))
    importer.run()
    outputs = [importer.value(info.name) for info in model.graph.output if info.name != "y"]
    got = np.concatenate([np.asarray(output, np.float64).reshape(-1) for output in outputs])
    expected = evaluate(row_model(entry, np.float64)[0], point)
    assert distance(got, expected) < 1e-14


def test_integers_keep_their_type() -> None:
    a, b = np.array([-7, 7, 2**62 + 1]), np.array([2, -2, 3])
    assert folded("Div", a, b).tolist() == [-3, -3, 1537228672809129301]  # cut towards 0
    assert folded("Mod", a, b).tolist() == [1, -1, (2**62 + 1) % 3]
    assert folded("Mod", a, b, fmod=1).tolist() == [-1, 1, (2**62 + 1) % 3]
    assert folded("Add", a, b).dtype == np.int64
    assert folded("Where", a > 0, a, b).tolist() == [2, 7, 2**62 + 1]
    assert folded("ReduceMax", a, keepdims=0).tolist() == 2**62 + 1
    assert folded("Pow", np.array([3, 4]), np.array([2.0, 0.5])).tolist() == [9, 2]
    assert folded("CumSum", np.array([1, 2, 3]), np.array(0)).dtype == np.int64
    assert folded("MatMul", np.array([[1, 2]], np.int32), np.array([[3], [4]], np.int32)).dtype == np.int32
    assert folded("QuantizeLinear", np.float32([-1, 300]), np.float32(1), np.uint8(3)).tolist() == [2, 255]
    assert folded("QuantizeLinear", np.float32([-1, 300]), np.float32(1), np.uint8(3)).dtype == np.uint8
    assert folded("IsInf", np.float32([1, -np.inf])).tolist() == [False, True]
    assert folded("BitShift", np.array([1, 6], np.uint8), np.array([3, 1], np.uint8), direction="LEFT").tolist() == [
        8,
        12,
    ]
    assert folded("Greater", a, b).dtype == bool


def test_integers_beyond_doubles() -> None:
    with pytest.raises(OnnxError, match=r"\[CumSum 'it'\] has constant inputs only, and gives integers beyond"):
        folded("CumSum", np.array([2**60, 1]), np.array(0))
    for operator in ("Div", "Mod"):
        with pytest.raises(OnnxError, match=rf"\[{operator} 'it'\] divides integers by 0"):
            folded(operator, np.array([1]), np.array([0]))


def test_what_has_no_converter() -> None:
    x = np.array([[3.0, 1.0, 3.0], [0.0, 5.0, 1.0]])
    assert folded("Range", np.array(5), np.array(-2), np.array(-3)).tolist() == [5, 2, -1]
    assert folded("Range", np.array(1.0), np.array(2.0), np.array(0.25)).tolist() == [1, 1.25, 1.5, 1.75]
    assert folded("ConstantOfShape", np.array([2, 1])).tolist() == [[0], [0]]
    assert folded("NonZero", x).tolist() == [[0, 0, 0, 1, 1], [0, 1, 2, 1, 2]]
    assert folded("ArgMax", x, axis=1, keepdims=0).tolist() == [0, 1]
    assert folded("ArgMax", x, axis=1, keepdims=0, select_last_index=1).tolist() == [2, 1]
    assert folded("ArgMin", x, axis=0).tolist() == [[1, 0, 1]]
    values, places = folded("TopK", x, np.array([2]), outputs=2)
    assert values.tolist() == [[3, 3], [5, 1]]
    assert places.tolist() == [[0, 2], [1, 2]]
    values, places = folded("TopK", x, np.array([1]), outputs=2, largest=0, axis=0)
    assert values.tolist() == [[0, 1, 1]]
    assert places.tolist() == [[1, 0, 1]]
    values, first, inverse, counts = folded("Unique", np.array([2.0, 1.0, 2.0]), outputs=4, sorted=0)
    assert (values.tolist(), first.tolist()) == ([2, 1], [0, 1])
    assert (inverse.tolist(), counts.tolist()) == ([0, 1, 0], [2, 1])


@pytest.mark.parametrize(
    ("operator", "arrays"),
    [
        ("RegexFullMatch", [np.array(["a"])]),
        ("StringNormalizer", [np.array(["a"])]),
        ("StringConcat", [np.array(["a"]), np.array(["b"])]),
        ("ImageDecoder", [np.zeros(8, np.uint8)]),
        ("NonMaxSuppression", [np.ones((1, 2, 4)), np.ones((1, 1, 2))]),
        ("RandomNormalLike", [np.ones(3)]),
    ],
)
def test_what_is_never_computed(operator: str, arrays: list[Any]) -> None:
    with pytest.raises(OnnxError, match=rf"\[{operator} 'it'\]"):
        folded(operator, *arrays)


def test_reductions_of_nothing() -> None:
    nothing = np.ones((2, 0))
    assert folded("ReduceSum", nothing, np.array([1]), keepdims=0).tolist() == [0, 0]
    assert folded("ReduceMax", nothing, np.array([1]), keepdims=0).tolist() == [-np.inf, -np.inf]
    assert folded("ReduceMin", nothing.astype(np.int64), np.array([1]), keepdims=0).tolist() == [2**63 - 1] * 2
    assert folded("ReduceSum", nothing, noop_with_empty_axes=1).shape == (2, 0)
