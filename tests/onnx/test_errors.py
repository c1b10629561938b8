"""What is wrong with a model is said: which node, what was got, what was expected, what to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import onnx.parser
import pytest
from onnx import TensorProto, helper
from onnx_models import make_model

import fastexpr as fx
from fastexpr.errors import FastexprError, FileError, GraphError, OnnxError, ShapeError

node = helper.make_node


def one(
    operator: str, *constants: Any, shape: tuple[Any, ...] = (1, 4), opset: int = 17, **attributes: Any
) -> onnx.ModelProto:
    """A model of one node, named 'bad', that reads x and these constants."""
    weights = {f"c{k}": np.asarray(value) for k, value in enumerate(constants)}
    return make_model(
        [node(operator, ["x", *weights], ["y"], "bad", **attributes)], {"x": shape}, ["y"], weights, opset
    )


def typed(model: onnx.ModelProto, kind: int, port: str = "input") -> onnx.ModelProto:
    getattr(model.graph, port)[0].type.tensor_type.elem_type = kind
    return model


def two_node(*nodes: onnx.NodeProto, **settings: Any) -> onnx.ModelProto:
    return make_model(nodes, {"x": [1, 4]}, ["y"], **settings)


def twice_named() -> onnx.ModelProto:
    model = one("Add", np.ones(4))
    model.graph.initializer.append(model.graph.initializer[0])
    return model


def of_opset(version: int, domain: str = "") -> onnx.ModelProto:
    model = one("Tanh")
    model.opset_import[0].version = version
    model.opset_import[0].domain = domain
    return model


def with_data(change: Callable[[TensorProto], Any]) -> onnx.ModelProto:
    model = one("Add", np.ones(4))
    change(model.graph.initializer[0])
    return model


HEADER = '<ir_version: 8, opset_import: ["" : 17]>'
SEQUENCE = onnx.parser.parse_model(HEADER + "g (seq(float[4]) x, float[4] z) => (float[4] y) { y = Tanh (z) }")

ERRORS: dict[str, tuple[onnx.ModelProto, str]] = {
    "unknown operator": (
        one("Unique"),
        r"\[Unique 'bad'\] unknown operator: got Unique of domain 'ai.onnx', .*set 17, .* e.g. Unsqueeze, ",
    ),
    "unknown domain": (one("Gelu", domain="com.example"), r"\[Gelu 'bad'\] .*domain 'com.example'"),
    "operator of a newer opset": (one("Gelu", opset=17), r"\[Gelu 'bad'\] .* operator set 17"),
    "unnamed node": (two_node(node("Tanh", ["x"], ["a"]), node("Unique", ["a"], ["y"])), r"\[Unique #1\]"),
    "random numbers": (
        two_node(node("RandomNormal", [], ["a"], shape=[4]), node("Add", ["x", "a"], ["y"])),
        r"RandomNormal",
    ),
    "random numbers of x": (
        one("Bernoulli", opset=22),
        r"\[Bernoulli 'bad'\] is random",
    ),
    "unknown attribute": (one("Tanh", alpha=2.0), r"\[Tanh 'bad'\] unknown attribute 'alpha'"),
    "Gelu form": (
        one("Gelu", opset=20, approximate="fast"),
        r"\[Gelu 'bad'\] has approximate='fast', expected 'none' or 'tanh'",
    ),
    "training": (
        one("BatchNormalization", *[np.ones(4)] * 4, training_mode=1),
        r"\[BatchNormalization 'bad'\] has training_mode=1",
    ),
    "dropout in training": (one("Dropout", 0.5, True), r"\[Dropout 'bad'\] is in training mode"),
    "cast to texts": (one("Cast", to=TensorProto.STRING), r"\[Cast 'bad'\] casts to string, expected a float"),
    "places of x": (two_node(node("NonZero", ["x"], ["y"])), r"unknown operator: got NonZero"),
    "condition of x": (
        two_node(node("Where", ["x", "x", "x"], ["y"], "bad")),
        r"\[Where 'bad'\] input 0 \('x'\) is no condition",
    ),
    "shape of x": (two_node(node("Expand", ["x", "x"], ["y"], "bad")), r"\[Expand 'bad'\] input 1 .* depends"),
    "scattered places": (
        one("ScatterND", np.array([[4]]), np.ones((1, 4))),
        r"\[ScatterND 'bad'\] has indices that do",
    ),
    "scattered updates": (
        one("ScatterElements", np.array([[0]]), np.ones((1, 2))),
        r"\[ScatterElements 'bad'\] has ind",
    ),
    "way to combine": (
        one("ScatterND", np.array([[0]]), np.ones((1, 4)), reduction="mean", opset=18),
        r"\[ScatterND 'bad'\] has reduction='mean', expected one of",
    ),
    "groups": (
        one("GroupNormalization", np.ones(4), np.ones(4), num_groups=3, opset=21),
        r"\[GroupNormalization 'bad'\] has num_groups=3",
    ),
    "numbers per channel where groups have them": (
        one("GroupNormalization", np.ones(4), np.ones(4), num_groups=2, opset=18),
        r"\[GroupNormalization 'bad'\] has input 1 .*expected 2 numbers, one per group.*opset_version=21",
    ),
    "numbers per group where channels have them": (
        one("GroupNormalization", np.ones(2), np.ones(2), num_groups=2, opset=21),
        r"\[GroupNormalization 'bad'\] has input 1 .*expected 4 numbers, one per channel.*opset_version=20",
    ),
    "norm": (one("LpNormalization", p=3), r"\[LpNormalization 'bad'\] has p=3"),
    "two axes": (one("CumSum", np.array([0, 1])), r"\[CumSum 'bad'\] has the axes \[0, 1\]"),
    "slopes": (one("PRelu", np.ones((2, 4))), r"\[PRelu 'bad'\] has slopes of shape \(2, 4\)"),
    "transformed parts": (one("DFT"), r"\[DFT 'bad'\] has shape \(1, 4\)"),
    "wrong number of inputs": (one("Tanh", np.ones(4)), r"\[Tanh 'bad'\] has 2 inputs"),
    "too many outputs": (
        two_node(node("Tanh", ["x"], ["y", "z"], "bad")),
        r"\[Tanh 'bad'\] has 1 inputs and 2 outputs",
    ),
    "attribute of another type": (
        one("Softmax", axis="last"),
        r"\[Softmax 'bad'\] attribute 'axis' is STRING, expected INT",
    ),
    "missing attribute": (one("Cast"), r"\[Cast 'bad'\] attribute 'to' is missing"),
    # shapes
    "huge": (one("Expand", np.array([10**12, 1])), r"\[Expand 'bad'\] would give the shape"),
    "huge constant": (
        two_node(
            node("ConstantOfShape", ["n"], ["c"]), node("Add", ["x", "c"], ["y"]), weights={"n": np.array([10**12])}
        ),
        r"\[ConstantOfShape #0\] would give the shape",
    ),
    "tile": (one("Tile", np.array([-1, 1])), r"\[Tile 'bad'\] has repeats=\[-1, 1\]"),
    "inner lengths": (one("MatMul", np.ones((3, 2))), r"\[MatMul 'bad'\] cannot multiply shapes \(1, 4\) and \(3, 2\)"),
    "Gemm": (one("Gemm", np.ones((4, 2)), transB=1), r"\[Gemm 'bad'\] cannot multiply A \(1, 4\) and B \(4, 2\)"),
    "Gemm's C": (one("Gemm", np.ones((4, 2)), np.ones(3)), r"\[Gemm 'bad'\] cannot add C of shape \(3,\)"),
    "broadcasting": (one("Add", np.ones(3)), r"\[Add 'bad'\]"),
    "product of two large parts": (
        one("MatMul", np.ones((2, 1, 3000)), shape=(2, 3000, 1)),
        r"\[MatMul 'bad'\] would give the shape \(2, 3000, 3000\), expected at most",
    ),
    "reshape": (one("Reshape", np.array([3, -1])), r"\[Reshape 'bad'\] cannot reshape \(1, 4\) to \[3, -1\]"),
    "reshape to a batch": (one("Reshape", np.array([8, 4])), r"export it with a dynamic first axis"),
    "squeeze": (one("Squeeze", np.array([1])), r"\[Squeeze 'bad'\] cannot leave out axes \[1\]"),
    "axis": (one("Softmax", axis=2), r"\[Softmax 'bad'\] axis 2 does not exist"),
    "axis twice": (one("ReduceSum", np.array([1, -1])), r"\[ReduceSum 'bad'\] axes \[1, -1\] name one axis twice"),
    "transpose": (one("Transpose", perm=[0, 0]), r"\[Transpose 'bad'\] has perm=\[0, 0\]"),
    "expand": (one("Expand", np.array([3])), r"\[Expand 'bad'\] cannot stretch"),
    "gather": (
        one("Gather", np.array([4]), axis=1),
        r"\[Gather 'bad'\] has indices from 4 to 4 into an axis of length 4",
    ),
    "split": (one("Split", np.array([1, 1]), axis=1), r"\[Split 'bad'\] cannot split"),
    "slice": (
        one("Slice", np.array([2]), np.array([2]), np.array([1])),
        r"\[Output 'y'\] has the shape \(1, 0\), which holds no numbers",
    ),
    "step 0": (one("Slice", *(np.array([k]) for k in (0, 2, 1, 0))), r"\[Slice 'bad'\] has step 0"),
    "concat": (one("Concat", np.ones((2, 2)), axis=1), r"\[Concat 'bad'\] cannot join shapes"),
    "dynamic axis": (one("Tanh", shape=("N", "time")), r"\[Input 'x'\] has a dynamic axis 1 \('time'\)"),
    "unknown axis": (one("Tanh", shape=("N", None)), r"\[Input 'x'\] has a dynamic axis 1 \(unknown\)"),
    "negative axis": (one("Tanh", shape=("N", -1)), r"\[Input 'x'\] has a dynamic axis 1 \(unknown\)"),
    "empty input": (one("Tanh", shape=(1, 0)), r"\[Input 'x'\] has the shape \(1, 0\)"),
    "no shape": (make_model([node("Tanh", ["x"], ["y"])], {"x": None}, ["y"]), r"\[Input 'x'\] has no shape"),  # type: ignore[dict-item]
    # types
    "integer input": (
        typed(one("Tanh"), TensorProto.INT64),
        r"\[Input 'x'\] has elements int64, expected float, double, float16 or",
    ),
    "integer output": (typed(one("Tanh"), TensorProto.INT32, "output"), r"\[Output 'y'\] has elements int32"),
    "sequence": (SEQUENCE, r"\[Input 'x'\] is a sequence"),
    "strings": (
        with_data(lambda t: t.CopyFrom(helper.make_tensor("c0", TensorProto.STRING, [1], [b"a"]))),
        r"\[Initializer 'c0'\] .*string",
    ),
    "constant string": (
        two_node(node("Constant", [], ["a"], "bad", value_string="a"), node("Add", ["x", "a"], ["y"])),
        r"\[Constant 'bad'\] has the unsupported attribute 'value_string'",
    ),
    # numbers
    "NaN": (
        one("Add", np.array([1.0, np.nan, 1, 1])),
        r"\[Initializer 'c0'\] holds 1 numbers that are not finite: got nan at \[1\]",
    ),
    "infinity": (one("MatMul", np.full((4, 2), np.inf)), r"\[Initializer 'c0'\] holds 8 numbers that are not finite"),
    "folded to infinity": (
        two_node(node("Log", ["c"], ["l"]), node("Mul", ["x", "l"], ["y"], "bad"), weights={"c": np.zeros(4)}),
        r"\[Mul 'bad'\] The constant 'l' holds 4 numbers",
    ),
    "negative variance": (
        one("BatchNormalization", *[np.ones(4)] * 3, -np.ones(4)),
        r"\[BatchNormalization 'bad'\] a number computed from the weights is not finite",
    ),
    "NaN limit": (one("Clip", np.nan), r"\[Clip 'bad'\] has the limits nan"),
    # graph
    "missing output": (
        make_model([node("Tanh", ["x"], ["a"])], {"x": [1]}, ["y"]),
        r"\[Output 'y'\] does not exist: .* 'a'",
    ),
    "missing tensor": (
        two_node(node("Add", ["x", "ghost"], ["y"], "bad")),
        r"\[Add 'bad'\] reads 'ghost', which no node",
    ),
    "cycle": (
        two_node(
            node("Add", ["x", "b"], ["a"], "first"), node("Tanh", ["a"], ["b"], "second"), node("Exp", ["b"], ["y"])
        ),
        r"cycle: (\[Add 'first'\] -> )?\[Tanh 'second'\] -> \[Add 'first'\]( -> \[Tanh 'second'\])?",
    ),
    "node reading itself": (
        two_node(node("Add", ["x", "y"], ["y"], "loop")),
        r"cycle: \[Add 'loop'\] -> \[Add 'loop'\]",
    ),
    "tensor given twice": (
        two_node(node("Tanh", ["x"], ["y"], "a"), node("Exp", ["x"], ["y"], "b")),
        r"\[Exp 'b'\] gives 'y', which \[Tanh 'a'\]",
    ),
    "input given by a node": (
        two_node(node("Tanh", ["x"], ["x"]), node("Exp", ["x"], ["y"])),
        r"gives 'x', which an input",
    ),
    "initializer twice": (twice_named(), r"\[Initializer 'c0'\] is there twice"),
    "no outputs": (make_model([node("Tanh", ["x"], ["y"])], {"x": [1]}, []), r"has 1 inputs and 0 outputs"),
    "output twice": (
        make_model([node("Tanh", ["x"], ["y"])], {"x": [1]}, ["y", "y"]),
        r"\[Output 'y'\] is there twice",
    ),
    "newer opset": (of_opset(999), r"uses operator set 999, expected 1 to"),
    "no opset for the operators": (of_opset(1, "ai.onnx.ml"), r"\[Tanh 'bad'\] belongs to ONNX's own operators"),
    # numbers that do not fit the tensor
    "too few numbers": (with_data(lambda t: t.dims.append(3)), r"\[Initializer 'c0'\] holds 32 bytes, expected 96"),
    "negative length": (with_data(lambda t: t.dims.append(-3)), r"\[Initializer 'c0'\] has the shape \(4, -3\)"),
    "unknown type": (
        with_data(lambda t: setattr(t, "data_type", 77)),
        r"\[Initializer 'c0'\] holds elements of unknown type 77",
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_error(name: str) -> None:
    model, message = ERRORS[name]
    for source in (model, model.SerializeToString()):
        with pytest.raises(FastexprError, match=message) as caught:
            fx.load_onnx(source)
        assert isinstance(caught.value, ValueError)
        assert isinstance(caught.value, (OnnxError, ShapeError, GraphError, FileError))


def test_constant_that_cannot_be_evaluated() -> None:
    model = two_node(node("Conv", ["c", "c"], ["k"], "bad"), node("Add", ["x", "k"], ["y"]), weights={"c": np.ones(4)})
    with pytest.raises(OnnxError, match=r"\[Conv 'bad'\] has an input of shape \(4,\) and weights"):
        fx.load_onnx(model)
