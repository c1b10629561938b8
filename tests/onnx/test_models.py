"""Whole models: ports, names, precision, constant parts, external data, the check, size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.parser
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx_models import Array, distance, evaluate, make_model, mlp

import fastexpr as fx
from fastexpr.errors import GraphError, ShapeError
from fastexpr.onnx import wire
from fastexpr.onnx.model_file import ModelFile

node = helper.make_node


def operators(net: fx.Function) -> list[str]:
    return [op.name for op, _, _ in net._nodes()]


def float_types(net: fx.Function) -> list[str]:
    return [str(array.dtype) for op, _, _ in net._nodes() for array in op.constants if array.dtype.kind == "f"]


def test_path_bytes_and_proto_give_the_same(tmp_path: Path) -> None:
    model = mlp()
    path = tmp_path / "net.onnx"
    onnx.save(model, path)
    x = np.linspace(-1, 1, 4)
    expected = evaluate(model, {"x": x.astype(np.float32)[None]})
    for source in (path, str(path), path.read_bytes(), bytearray(path.read_bytes()), model):
        net = fx.load_onnx(source)
        assert distance(net(x), expected) < 1e-6
        assert (net.n_inputs, net.n_outputs, net.n_parameters) == (4, 3, 4 * 8 + 8 + 8 * 3 + 3)


def test_ports_and_names() -> None:
    model = make_model(
        [
            node("Concat", ["T", "flow"], ["joined"], axis=1),
            node("Exp", ["joined"], ["y"]),
            node("Neg", ["T"], ["minus"]),
        ],
        {"T": ["N", 1], "flow": [None, 2]},
        ["y", "minus"],
    )
    net = fx.load_onnx(model)
    assert net.inputs == {"T": (1, 1), "flow": (1, 2)}
    assert net.outputs == {"y": (1, 3), "minus": (1, 1)}
    assert net.input_names == ("T", "flow[0]", "flow[1]")
    assert net.output_names == ("y[0]", "y[1]", "y[2]", "minus")
    assert np.allclose(net([0.1, 0.2, 0.3]), [*np.exp([0.1, 0.2, 0.3]), -0.1])
    named = fx.load_onnx(model, input_names=["a", "b", "c"], output_names=list("pqrs"))
    assert named.input_names == ("a", "b", "c")
    assert named.output_names == ("p", "q", "r", "s")
    wrong: list[tuple[Any, type[Exception]]]
    wrong = [(["a", "b"], ShapeError), ([], ShapeError), (["a", "a", "b"], GraphError), ("abc", TypeError)]
    for names, error in wrong:
        with pytest.raises(error, match=r"\[load_onnx\] input_names"):
            fx.load_onnx(model, input_names=names)


def test_outputs_anywhere() -> None:
    """In the middle of the graph, twice the same, an input, a constant."""
    model = make_model(
        [node("Tanh", ["x"], ["a"]), node("Exp", ["a"], ["b"])],
        {"x": [1, 2]},
        ["a", "x", "b", "c"],
        {"c": np.array([3.0, 4.0])},
    )
    net = fx.load_onnx(model)
    x = np.array([0.3, -0.4])
    assert np.allclose(net(x), [*np.tanh(x), *x, *np.exp(np.tanh(x)), 3.0, 4.0], rtol=1e-15)
    assert list(net.outputs) == ["a", "x", "b", "c"]
    assert np.array_equal(net.jacobian(x)[-2:], np.zeros((2, 2)))


def test_unused_input_and_unused_nodes() -> None:
    nodes = [node("Tanh", ["x"], ["y"]), node("NoSuchOperator", ["x"], ["z"])]
    net = fx.load_onnx(make_model(nodes, {"x": [2], "unused": [3]}, ["y"]), check=False)
    assert net.n_inputs == 5
    assert np.array_equal(net.jacobian(np.zeros(5)), np.eye(2, 5))


def test_unsorted_nodes() -> None:
    net = fx.load_onnx(
        make_model([node("Exp", ["a"], ["y"]), node("Tanh", ["x"], ["a"])], {"x": [2]}, ["y"]), check=False
    )
    assert np.allclose(net([0.5, 1.0]), np.exp(np.tanh([0.5, 1.0])))


def test_initializers_listed_as_inputs() -> None:
    """As files of IR version 3 and older have it."""
    weights = {"W": np.eye(3)}
    model = make_model([node("MatMul", ["x", "W"], ["y"])], {"x": ["N", 3], "W": [3, 3]}, ["y"], weights)
    assert fx.load_onnx(model).inputs == {"x": (1, 3)}


def test_first_axis_is_the_batch() -> None:
    assert fx.load_onnx(make_model([node("Tanh", ["x"], ["y"])], {"x": ["N"]}, ["y"])).inputs == {"x": (1,)}
    assert fx.load_onnx(make_model([node("Tanh", ["x"], ["y"])], {"x": [5, 2]}, ["y"])).n_inputs == 10
    assert fx.load_onnx(make_model([node("Tanh", ["x"], ["y"])], {"x": []}, ["y"])).n_inputs == 1


def test_weights_keep_their_precision() -> None:
    """Untouched tensors, also transposed ones, stay float32; what arithmetic changes becomes double."""
    weights = {"W": np.random.default_rng(0).normal(size=(3, 4)), "b": np.ones(3), "s": np.array(2.0)}
    transposed = [node("Transpose", ["W"], ["V"]), node("MatMul", ["x", "V"], ["z"]), node("Add", ["z", "b"], ["y"])]
    net = fx.load_onnx(make_model(transposed, {"x": [1, 4]}, ["y"], weights, dtype=np.float32))
    assert set(float_types(net)) == {"float32"}
    assert net.n_parameters == 15
    assert set(float_types(fx.load_onnx(mlp()))) == {"float32"}
    changed = [node("Mul", ["W", "s"], ["V"]), node("Gemm", ["x", "V"], ["y"], transB=1)]
    assert float_types(fx.load_onnx(make_model(changed, {"x": [1, 4]}, ["y"], weights, dtype=np.float32))) == [
        "float64"
    ]
    scaled = [node("Gemm", ["x", "W"], ["y"], transB=1, alpha=0.1)]
    net = fx.load_onnx(make_model(scaled, {"x": [1, 4]}, ["y"], weights, dtype=np.float32))
    assert float_types(net) == ["float64"]
    expected = float(np.float32(0.1)) * weights["W"].astype(np.float32).astype(np.float64)
    assert np.array_equal(net.jacobian(np.zeros(4)), expected)


def test_attributes_are_float32_numbers() -> None:
    net = fx.load_onnx(make_model([node("Selu", ["x"], ["y"])], {"x": [1]}, ["y"]))
    assert net._nodes()[-1][0].attributes["alpha"] == 1.6732631921768188
    net = fx.load_onnx(make_model([node("LeakyRelu", ["x"], ["y"])], {"x": [1]}, ["y"]))
    assert net([-1.0])[0] == -float(np.float32(0.01))


@pytest.mark.parametrize("dtype", [TensorProto.FLOAT16, TensorProto.BFLOAT16])
def test_half_weights_widen_exactly(dtype: int) -> None:
    half = helper.make_tensor("h", dtype, [2, 2], [0.5, -1.25, 3.0, 0.1])
    exact = numpy_helper.to_array(half).astype(np.float32)
    nodes = [node("Cast", ["h"], ["W"], to=TensorProto.DOUBLE), node("MatMul", ["x", "W"], ["y"])]
    model = make_model(nodes, {"x": [1, 2]}, ["y"])
    for raw in (False, True):
        tensor = helper.make_tensor("h", dtype, [2, 2], half.raw_data, raw=True) if raw and half.raw_data else half
        del model.graph.initializer[:]
        model.graph.initializer.append(tensor)
        assert np.array_equal(fx.load_onnx(model, check=False).jacobian(np.zeros(2)), exact.T)


CONSTANT_PARTS = {
    "shape arithmetic": """
        s = Shape (x)
        i = Constant <value_ints: ints = [0]> ()
        n = Gather (s, i)
        rest = Constant <value_ints: ints = [-1]> ()
        t = Concat <axis = 0> (n, rest)
        y = Reshape (x, t)""",
    "constant notations": """
        a = Constant <value_float: float = 0.1> ()
        b = Constant <value_floats: floats = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]> ()
        c = Constant <value_int: int = 2> ()
        d = Cast <to = 11> (c)
        e = Constant <value: tensor = double {0.25}> ()
        af = Cast <to = 11> (a)
        bf = Cast <to = 11> (b)
        p = Mul (x, af)
        q = Add (p, bf)
        r = Pow (q, d)
        y = Add (r, e)""",
    "fill, range, where": """
        s = Shape (x)
        z = ConstantOfShape <value = double[1] {0.5}> (s)
        zero = Constant <value_int: int = 0> ()
        six = Size (x)
        one = Constant <value_int: int = 1> ()
        r = Range (zero, six, one)
        rd = Cast <to = 11> (r)
        two = Constant <value: tensor = double {2.0}> ()
        m = Less (rd, two)
        w = Where (m, rd, two)
        u = Mul (x, w)
        y = Add (u, z)""",
    "functions of constants": """
        a = Constant <value: tensor = double[6] {1.0, 2.0, 3.0, 4.0, 5.0, 6.0}> ()
        b = Softmax (a)
        c = Floor (a)
        d = CumSum (b, axis)
        e = Mul (c, d)
        y = Mul (x, e)""",
}


@pytest.mark.parametrize("name", CONSTANT_PARTS)
def test_constant_parts_are_folded(name: str) -> None:
    text = f"""<ir_version: 8, opset_import: ["" : 17]>
        g (double[N, 6] x) => (double[N, 6] y) <int64 axis = {{0}}> {{{CONSTANT_PARTS[name]} }}"""
    model = onnx.parser.parse_model(text)
    net = fx.load_onnx(model, check=True)
    x = np.linspace(-1, 1, 6)
    assert distance(net(x), evaluate(model, {"x": x[None]})) < 1e-15
    assert set(operators(net)) <= {"Reshape", "Constant", "Mul", "Add", "Pow", "Square"}


@pytest.mark.parametrize(
    ("nodes", "names"),
    [
        ("s = Sigmoid (x) y = Mul (x, s)", {"Swish"}),  # as PyTorch writes SiLU
        ("s = Sigmoid (x) y = Mul (s, x)", {"Swish"}),
        ("s = Sigmoid (x) t = Mul (s, x) y = Add (t, s)", {"Sigmoid", "Mul", "Add"}),  # s is wanted for itself
        ("s = Sigmoid (x) t = Tanh (x) y = Mul (s, t)", {"Sigmoid", "Tanh", "Mul"}),
    ],
)
def test_a_product_with_its_own_sigmoid_is_a_swish(nodes: str, names: set[str]) -> None:
    model = onnx.parser.parse_model(f"""<ir_version: 8, opset_import: ["" : 17]>
        g (double[N, 6] x) => (double[N, 6] y) {{ {nodes} }}""")
    net = fx.load_onnx(model, check=True)
    assert set(operators(net)) - {"Reshape"} == names
    x = np.linspace(-3, 3, 6)
    assert distance(net(x), evaluate(model, {"x": x[None]})) < 1e-15
    net.check_derivatives(x)


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        ("c = Greater (x, z)", lambda x: x > 0),
        ("c = GreaterOrEqual (x, z)", lambda x: x >= 0),
        ("c = Less (x, z)", lambda x: x < 0),
        ("c = LessOrEqual (x, z)", lambda x: x <= 0),
        ("a = Less (x, z) b = Not (a) d = Less (x, o) c = And (b, d)", lambda x: (x >= 0) & (x < 1)),
        ("a = Less (x, z) b = Less (o, x) c = Or (a, b)", lambda x: (x < 0) | (x > 1)),
        ("a = Greater (x, z) b = Cast <to = 11> (a) d = Sub (b, o) c = Less (d, z)", lambda x: x <= 0),
        ("c = Equal (x, z)", lambda x: x == 0),
        ("a = Less (x, o) b = Less (z, x) c = Xor (a, b)", lambda x: (x < 1) ^ (x > 0)),
        ("c = Cast <to = 9> (x)", lambda x: x != 0),
        ("a = Less (x, o) b = Less (z, x) c = Equal (a, b)", lambda x: (x < 1) == (x > 0)),
        ("a = Less (x, o) b = Less (z, x) c = Where (a, a, b)", lambda x: (x < 1) | (x > 0)),
        ("l = Log (x) c = IsNaN (l)", lambda x: x < 0),
        ("l = Log (x) c = IsInf (l)", lambda x: x == 0),
        ("l = Log (x) c = IsInf <detect_positive = 0> (l)", lambda x: x == 0),
        ("l = Log (x) c = IsInf <detect_negative = 0> (l)", lambda x: x > 5),
        ("l = Log (x) c = IsInf <detect_negative = 0, detect_positive = 0> (l)", lambda x: x > 5),
    ],
)
def test_conditions(nodes: str, expected: Any) -> None:
    """Right on both sides and at the limit, with the derivative of the chosen side."""
    model = onnx.parser.parse_model(f"""<ir_version: 8, opset_import: ["" : 17]>
        g (double[N, 6] x) => (double[N, 6] y) <double z = {{0}}, double o = {{1}}> {{
        s = Sin (x) e = Exp (x) {nodes} y = Where (c, s, e) }}""")
    net = fx.load_onnx(model, check=True)
    x = np.array([-1.0, -1e-16, 0.0, 1e-16, 1.0, 3.0])
    chosen = expected(x)
    np.testing.assert_allclose(net(x), evaluate(model, {"x": x[None]}), rtol=1e-15)
    np.testing.assert_allclose(np.diag(net.jacobian(x)), np.where(chosen, np.cos(x), np.exp(x)), rtol=1e-15)
    assert distance(net.hessian(x, np.ones(6)), np.diag(np.where(chosen, -np.sin(x), np.exp(x)))) < 1e-15


OLD_CONDITIONS = [
    ("c = Greater <broadcast = 1> (x, w)", lambda x, w: x > w),
    ("c = Less <broadcast = 1> (x, w)", lambda x, w: x < w),
    ("a = Less <broadcast = 1> (x, w) b = Greater <broadcast = 1> (x, n) c = And (a, b)", lambda x, w: abs(x) < w),
    ("a = Less <broadcast = 1> (x, w) b = Greater <broadcast = 1> (x, n) c = Or (a, b)", lambda x, w: x == x),
    ("a = Less <broadcast = 1> (x, w) b = Greater <broadcast = 1> (x, n) c = Xor (a, b)", lambda x, w: abs(x) >= w),
]


@pytest.mark.parametrize(("nodes", "expected"), OLD_CONDITIONS)
def test_conditions_before_operator_set_7(nodes: str, expected: Any) -> None:
    model = onnx.parser.parse_model(f"""<ir_version: 8, opset_import: ["" : 6]>
        g (double[N, 6] x) => (double[N, 6] y) <double[6] w = {{1, 1, 1, 2, 2, 2}},
            double[6] n = {{-1, -1, -1, -2, -2, -2}}> {{
        {nodes} y = Cast <to = 11> (c) }}""")
    x = np.array([-1.5, 0.5, 1.5, -2.5, 1.5, 3.0])
    assert np.array_equal(fx.load_onnx(model, check=False)(x), expected(x, np.array([1, 1, 1, 2, 2, 2])))


def test_what_is_not_chosen_need_not_be_finite() -> None:
    model = onnx.parser.parse_model("""<ir_version: 8, opset_import: ["" : 17]>
        g (double[N, 3] x) => (double[N, 3] y) <double z = {0}> {
        r = Sqrt (x) l = Log (r) p = Mul (l, r) s = Sin (x) c = Greater (x, z) y = Where (c, p, s) }""")
    net = fx.load_onnx(model)
    x = np.array([-1.0, 0.0, 4.0])
    assert np.allclose(net(x), [np.sin(-1), 0, 2 * np.log(2)], rtol=1e-15)
    slopes = [np.cos(-1), 1, (np.log(2) + 1) / 4]
    bends = np.array([np.sin(1), 0, -np.log(2) / 32])
    assert distance(net.jacobian(x), np.diag(slopes)) < 1e-15
    assert distance(net.vjp(x, np.ones(3)), np.array(slopes)) < 1e-15
    assert distance(net.jvp(x, np.ones(3)), np.array(slopes)) < 1e-15
    assert distance(net.hessian(x, np.ones(3)), np.diag(bends)) < 1e-14
    assert distance(net.hvp(x, np.ones(3), np.ones(3)), bends) < 1e-14


@pytest.mark.parametrize("operator", ["LayerNormalization", "GroupNormalization", "InstanceNormalization"])
def test_normalization_of_nearly_constant_rows(operator: str) -> None:
    """All digits, where the mean of large numbers and the mean of squares would lose them."""
    attributes = {"num_groups": 1} if operator == "GroupNormalization" else {}
    shape = (1, 4) if operator == "LayerNormalization" else (1, 1, 4)
    scale = np.ones(4 if operator == "LayerNormalization" else 1)
    weights = {"s": scale, "b": 0 * scale}
    entry = node(operator, ["x", "s", "b"], ["y"], epsilon=1e-38, **attributes)
    net = fx.load_onnx(make_model([entry], {"x": shape}, ["y"], weights, 21))
    steps = np.array([1.0, 4.0, 2.0, 5.0])
    x = 1024.0 + 2.0**-40 * steps  # exact
    centred = steps - steps.mean()
    deviation = np.sqrt(np.mean(centred**2))
    assert distance(net(x), centred / deviation) < 1e-14
    normalized = centred / deviation
    slopes = (np.eye(4) - 0.25 - np.outer(normalized, normalized) / 4) / deviation * 2.0**40
    assert distance(net.jacobian(x), slopes) < 1e-13


def test_empty_reductions_and_identity_matrices() -> None:
    """What depends on the shape of x alone is constant."""
    model = onnx.parser.parse_model("""<ir_version: 8, opset_import: ["" : 18]>
        g (double[3, 3] x) => (double[3, 3] y) <int64[1] zero = {0}, int64[1] axis = {0}> {
        e = EyeLike <k = 1> (x) n = Slice (x, zero, zero) s = ReduceSum (n, axis) p = ReduceProd (n, axis)
        a = Mul (x, e) b = Add (a, s) y = Add (b, p) }""")
    x = np.arange(9.0)
    assert np.array_equal(fx.load_onnx(model)(x), (x.reshape(3, 3) * np.eye(3, k=1) + 1).ravel())


def test_scattering_one_place_twice() -> None:
    """The last one stays; its derivative alone counts."""
    entry = node("ScatterElements", ["x", "i", "u"], ["y"])
    model = make_model([entry], {"x": [3], "u": [2]}, ["y"], {"i": np.array([1, 1])}, 18)
    net = fx.load_onnx(model, check=False)
    assert net([1.0, 2, 3, 4, 5]).tolist() == [1, 5, 3]
    assert net.jacobian(np.zeros(5)).tolist() == [[1, 0, 0, 0, 0], [0, 0, 0, 0, 1], [0, 0, 1, 0, 0]]


def test_own_functions_are_written_out() -> None:
    text = """<ir_version: 9, opset_import: ["" : 17, "mine" : 1]>
        g (double[N, 3] x) => (double[N, 3] y) { a = mine.twice <k: float = 0.5> (x)
            y = mine.twice <k = 2.0> (a) }
        <domain: "mine", opset_import: ["" : 17]> twice <k> (x) => (y) { s = Selu <alpha: float = @k> (x)
            y = Add (s, x) }"""
    model = onnx.parser.parse_model(text)
    x = np.array([-1.0, 0.5, 2.0])
    assert distance(fx.load_onnx(model, check=True)(x), evaluate(model, {"x": x[None]})) < 1e-15


def test_external_data(tmp_path: Path) -> None:
    model = mlp((20, 70, 3))
    x = np.linspace(-1, 1, 20)
    expected = fx.load_onnx(model)(x)
    path = tmp_path / "net.onnx"
    onnx.save_model(mlp((20, 70, 3)), path, save_as_external_data=True, location="net.data", size_threshold=0)
    assert np.array_equal(fx.load_onnx(path, check=True)(x), expected)


def test_sparse_weights() -> None:
    values = numpy_helper.from_array(np.array([2.0, 3.0]), "W")
    for indices in (np.array([1, 5]), np.array([[0, 1], [1, 2]])):
        model = make_model([node("MatMul", ["x", "W"], ["y"])], {"x": [1, 2]}, ["y"])
        model.graph.sparse_initializer.append(
            helper.make_sparse_tensor(values, numpy_helper.from_array(indices, "i"), [2, 3])
        )
        assert np.array_equal(fx.load_onnx(model, check=False).jacobian(np.zeros(2)), [[0, 0], [2, 0], [0, 3]])


def test_scan_for_weights_agrees_with_protobuf() -> None:
    """Whatever the order and form of the fields, the scan finds every byte of the weights."""
    model = mlp((40, 60, 30))
    data = model.SerializeToString()
    skeleton, cuts = wire.without_weights(data)
    assert set(cuts) == {0, 2}
    assert len(skeleton) < 2000
    weights = ModelFile(data).weights
    for tensor in model.graph.initializer:
        array = weights[tensor.name]
        assert np.array_equal(array, numpy_helper.to_array(tensor))
        assert array.flags.aligned
        assert array.dtype == np.float32


def test_graph_in_two_pieces() -> None:
    """Protobuf merges repeated messages; so must the scan."""
    whole = mlp((40, 60, 30))
    first, second = onnx.ModelProto(), onnx.ModelProto()
    first.CopyFrom(whole)
    second.graph.initializer.extend(whole.graph.initializer[2:])
    del first.graph.initializer[2:]
    net = fx.load_onnx(first.SerializeToString() + second.SerializeToString())
    assert np.array_equal(net(np.ones(40)), fx.load_onnx(whole)(np.ones(40)))


def test_check_where_float32_rounds_to_zero() -> None:
    weights = {"W": np.full((2, 1), 200.0), "b": np.array([-700.0])}
    nodes = [node("Gemm", ["x", "W", "b"], ["z"]), node("Sigmoid", ["z"], ["y"])]
    model = make_model(nodes, {"x": ["N", 2]}, ["y"], weights, dtype=np.float32)
    assert 0 < fx.load_onnx(model, check=True)([0.0, 0.0])[0] < 1e-300


def test_long_chain() -> None:
    """Nothing recurses."""
    n = 20_000
    names = ["x", *(f"t{k}" for k in range(n))]
    nodes = [node("Tanh" if k % 2 else "Sin", [names[k]], [names[k + 1]]) for k in range(n)]
    net = fx.load_onnx(make_model(nodes, {"x": ["N", 2]}, [names[-1]], dtype=np.float32))
    y: Array = np.array([0.1, 0.2])
    for k in range(n):
        y = np.tanh(y) if k % 2 else np.sin(y)
    assert distance(net([0.1, 0.2]), y) < 1e-12
    assert net.hessian([0.1, 0.2], [1.0, 1.0]).shape == (2, 2)
