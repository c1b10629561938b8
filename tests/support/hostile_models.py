"""ONNX models made to do harm, or damaged in a way that no exporter would: each with the error that it must give."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
from onnx import TensorProto, helper
from onnx_models import make_model

node = helper.make_node
ints = np.int64


class Hostile(NamedTuple):
    """`content` is a model or the bytes of a file, or writes the file and what belongs to it into a folder. `message`
    is what the error says, or "loaded" where the model is large but harmless.
    """

    content: onnx.ModelProto | bytes | Callable[[Path], None]
    message: str


def chain(*nodes: onnx.NodeProto, shape: Sequence[Any] = (1, 4), opset: int = 21, **weights: Any) -> onnx.ModelProto:
    """A model from x to y."""
    arrays = {name: np.asarray(value) for name, value in weights.items()}
    model = make_model(nodes, {"x": shape}, ["y"], arrays, opset, np.float32)
    model.opset_import.append(helper.make_opsetid("ai.onnx.ml", 3))
    return model


def one(operator: str, *constants: Any, shape: Sequence[Any] = (1, 4), opset: int = 21, **attributes: Any) -> Any:
    """A model of one node named 'bad' that reads x and constants."""
    weights = {f"c{k}": value for k, value in enumerate(constants)}
    return chain(node(operator, ["x", *weights], ["y"], "bad", **attributes), shape=shape, opset=opset, **weights)


def constant(operator: str, *constants: Any, **attributes: Any) -> onnx.ModelProto:
    """A model in which a node named 'bad' reads constants only, and its result is added to x."""
    weights = {f"c{k}": value for k, value in enumerate(constants)}
    return chain(node(operator, [*weights], ["a"], "bad", **attributes), node("Add", ["x", "a"], ["y"]), **weights)


def changed(model: onnx.ModelProto, change: Callable[[onnx.ModelProto], Any]) -> onnx.ModelProto:
    change(model)
    return model


def with_tensor(**settings: Any) -> onnx.ModelProto:
    """A model with an initializer W that holds 8 numbers in 32 bytes, but says something else."""
    model = chain(node("MatMul", ["x", "W"], ["y"], "bad"), W=np.ones((4, 2)))
    tensor = model.graph.initializer[0]
    for key, value in settings.items():
        if isinstance(value, list):
            del getattr(tensor, key)[:]
            getattr(tensor, key).extend(value)
        else:
            setattr(tensor, key, value)
    return model


def with_sparse(shape: Sequence[int], indices: Any, values: Any = (1.0, 2.0)) -> onnx.ModelProto:
    model = chain(node("MatMul", ["x", "W"], ["y"], "bad"))
    sparse = model.graph.sparse_initializer.add(dims=shape)
    sparse.values.CopyFrom(onnx.numpy_helper.from_array(np.array(values, np.float32), "W"))
    sparse.indices.CopyFrom(onnx.numpy_helper.from_array(np.array(indices), "i"))
    return model


def doubling(depth: int, first: str, *extra: onnx.NodeProto) -> onnx.ModelProto:
    """A tensor joined to itself again and again."""
    names = [first, *(f"t{k}" for k in range(depth))]
    nodes = [node("Concat", [a, a], [b], axis=1) for a, b in pairwise(names)]
    return chain(*nodes, node("ReduceSum", [names[-1]], ["y" if not extra else "s"]), *extra, c=np.ones((1, 4)))


def squaring(depth: int) -> onnx.ModelProto:
    """Outer products of constants: 4, 16, 256, ... numbers."""
    nodes = []
    for k in range(depth):
        nodes += [
            node("Reshape", [f"c{k}", "column"], [f"a{k}"]),
            node("Reshape", [f"c{k}", "row"], [f"b{k}"]),
            node("Mul", [f"a{k}", f"b{k}"], [f"c{k + 1}"]),
        ]
    shapes = {"column": np.array([-1, 1]), "row": np.array([1, -1])}
    last = [node("ReduceMax", [f"c{depth}"], ["m"]), node("Add", ["x", "m"], ["y"])]
    return chain(*nodes, *last, c0=np.ones(4), **shapes)


def with_functions(*functions: tuple[str, Sequence[onnx.NodeProto]], call: str) -> onnx.ModelProto:
    """A model with functions of its own, each from a to b."""
    model = chain(node(call, ["x"], ["y"], "bad", domain="own"))
    model.opset_import.append(helper.make_opsetid("own", 1))
    for name, nodes in functions:
        sets = [helper.make_opsetid("", 21), helper.make_opsetid("own", 1)]
        model.functions.append(helper.make_function("own", name, ["a"], ["b"], list(nodes), sets))
    return model


def laughing(depth: int) -> onnx.ModelProto:
    """Each function calls the one before twice: 2^depth nodes."""
    first = ("f0", [node("Tanh", ["a"], ["b"])])
    twice = [
        (f"f{k}", [node(f"f{k - 1}", [u], [v], domain="own") for u, v in (("a", "m"), ("m", "b"))])
        for k in range(1, depth + 1)
    ]
    return with_functions(first, *twice, call=f"f{depth}")


def calling(depth: int) -> onnx.ModelProto:
    """Functions that call one another, deep down."""
    first = ("f0", [node("Tanh", ["a"], ["b"])])
    rest = [(f"f{k}", [node(f"f{k - 1}", ["a"], ["b"], domain="own")]) for k in range(1, depth + 1)]
    return with_functions(first, *rest, call=f"f{depth}")


def graph(*nodes: onnx.NodeProto, reads: Sequence[str] = (), gives: Sequence[str] = ("b",)) -> onnx.GraphProto:
    def info(name: str) -> onnx.ValueInfoProto:
        return helper.make_empty_tensor_value_info(name)

    return helper.make_graph(list(nodes), "body", [info(name) for name in reads], [info(name) for name in gives])


def nested_if(depth: int) -> bytes:
    """If in If in If, written by hand: the onnx package would recurse."""

    def field(number: int, content: bytes) -> bytes:
        length, size = len(content), bytearray()
        while length >= 0x80:
            size.append(length & 0x7F | 0x80)
            length >>= 7
        return bytes([number << 3 | 2]) + bytes([*size, length]) + content

    inner = field(1, field(1, b"x") + field(2, b"y") + field(4, b"Tanh")) + field(12, field(1, b"y"))
    for _ in range(depth):
        branches = b"".join(
            field(5, field(1, name) + bytes([20 << 3 & 0x7F | 0x80, 1, 5]) + field(6, inner))
            for name in (b"then_branch", b"else_branch")[:1]
        )
        inner = field(1, field(1, b"c") + field(2, b"y") + field(4, b"If") + branches) + field(12, field(1, b"y"))
    return bytes([8, 10]) + field(7, inner) + field(8, bytes([16, 21]))


def trip(count: Any, *nodes: onnx.NodeProto) -> onnx.ModelProto:
    """A loop that changes x `count` times."""
    body = graph(
        node("Identity", ["c"], ["d"]),
        *(nodes or [node("Tanh", ["a"], ["b"])]),
        reads=("i", "c", "a"),
        gives=("d", "b"),
    )
    return chain(node("Loop", ["n", "", "x"], ["y"], "bad", body=body), n=np.array(count))


def metadata(key: str, value: str) -> onnx.ModelProto:
    return changed(one("Tanh"), lambda model: model.metadata_props.add(key=key, value=value))


def external(prepare: Callable[[Path], str], **entries: str) -> Callable[[Path], None]:
    """Writes a model whose weights lie where `prepare` says."""

    def write(path: Path) -> None:
        location = prepare(path.parent)
        tensor_entries = {"location": location} | entries
        model = with_tensor(data_location=TensorProto.EXTERNAL)
        tensor = model.graph.initializer[0]
        tensor.ClearField("raw_data")
        if "dims" in tensor_entries:
            del tensor.dims[:]
            tensor.dims.extend(int(length) for length in tensor_entries.pop("dims").split())
        for key, value in tensor_entries.items():
            tensor.external_data.add(key=key, value=value)
        path.write_bytes(model.SerializeToString())

    return write


def symlink(folder: Path) -> str:
    (folder / "link").unlink(missing_ok=True)
    (folder / "link").symlink_to("/etc/hostname")
    return "link"


def folder_link(folder: Path) -> str:
    (folder / "folder").unlink(missing_ok=True)
    (folder / "folder").symlink_to("/etc")
    return "folder/hostname"


def pipe(folder: Path) -> str:
    """Whoever opens it waits for ever."""
    (folder / "pipe").unlink(missing_ok=True)
    os.mkfifo(folder / "pipe")
    return "pipe"


def sparse_file(folder: Path) -> str:
    """A file of four terabytes that takes no room on the disk."""
    (folder / "terabytes").touch()
    os.truncate(folder / "terabytes", 2**42)
    return "terabytes"


LONG = "n" * 1_000_000
TANH = node("Tanh", ["x"], ["y"], "bad")

HOSTILE: dict[str, Hostile] = {
    # what has no meaning
    "a map of nothing": Hostile(
        chain(node("ZipMap", [], ["z"], "bad", domain="ai.onnx.ml"), node("Tanh", ["x"], ["y"])), "loaded"
    ),
    "a definition without its body": Hostile(
        chain(node("SequenceConstruct", ["x"], ["s"]), node("SequenceMap", ["s"], ["y"], "bad", body=3)),
        r"\[SequenceMap 'bad'\]",
    ),
    "a function that reads what is not there": Hostile(
        with_functions(("f", [node("Add", ["a", "nowhere"], ["b"])]), call="f"), "'nowhere'"
    ),
    "a left-out input of more numbers than there are": Hostile(
        changed(
            one("Tanh"),
            lambda m: m.graph.input.append(helper.make_tensor_value_info("k", TensorProto.INT64, [2**62, 2**62])),
        ),
        r"\[Input 'k'\] has the shape",
    ),
    # sizes that no memory holds
    "input of 2^62 numbers": Hostile(one("Tanh", shape=(2**31, 2**31)), r"\[Input 'x'\] .*expected at most"),
    "input of 2^30 numbers": Hostile(one("Tanh", shape=(1, 2**30)), r"\[Input 'x'\] .*expected at most"),
    "input whose size overflows": Hostile(one("Tanh", shape=(2**62, 2**62, 4)), r"\[Input 'x'\] .*expected at most"),
    "many inputs": Hostile(
        make_model([node("Tanh", ["x0"], ["y"])], {f"x{k}": (1, 2**20) for k in range(50)}, ["y"]),
        "inputs hold 52428800 numbers",
    ),
    "names of four million numbers": Hostile(one("Tanh", shape=(1, 2**22)), "loaded"),
    "expand": Hostile(one("Expand", ints([2**40, 1])), r"\[Expand 'bad'\] would give the shape"),
    "expand in many axes": Hostile(one("Expand", ints([2] * 60 + [1])), r"\[Expand 'bad'\]"),
    "tile": Hostile(one("Tile", ints([2**62, 2**62])), r"\[Tile 'bad'\] would give the shape"),
    "tile of a constant": Hostile(constant("Tile", np.ones((1, 4)), ints([2**40, 1])), r"\[Tile 'bad'\] would give"),
    "expand of a constant": Hostile(constant("Expand", np.ones(4), ints([2**40, 1])), r"\[Expand 'bad'\] would give"),
    "constant of shape": Hostile(constant("ConstantOfShape", ints([2**40])), r"\[ConstantOfShape 'bad'\] would give"),
    "constant of a shape that overflows": Hostile(
        constant("ConstantOfShape", ints([2**62, 2**62])), r"\[ConstantOfShape 'bad'\]"
    ),
    "constant of a negative shape": Hostile(constant("ConstantOfShape", ints([-5])), r"\[ConstantOfShape 'bad'\]"),
    "range": Hostile(constant("Range", ints(0), ints(2**40), ints(1)), r"\[Range 'bad'\] would give"),
    "range of floats": Hostile(
        constant("Range", np.float32(0), np.float32(1), np.float32(1e-30)), r"\[Range 'bad'\] would give"
    ),
    "range without step": Hostile(constant("Range", ints(0), ints(5), ints(0)), r"\[Range 'bad'\]"),
    "one-hot": Hostile(
        constant("OneHot", ints([1]), ints(2**40), np.array([0.0, 1.0])), r"\[OneHot 'bad'\] would give"
    ),
    "pad of a constant": Hostile(constant("Pad", np.ones((1, 4)), ints([2**40, 0, 0, 0])), r"\[Pad 'bad'\] would give"),
    "resize of a constant": Hostile(
        constant("Resize", np.ones((1, 4)), np.zeros(0), np.array([1e6, 1e6])), r"\[Resize 'bad'\] would give"
    ),
    "constants joined to themselves": Hostile(
        doubling(60, "c", node("Add", ["x", "s"], ["y"])), r"\[Concat #\d+\] would give the shape"
    ),
    "constants joined to their negatives": Hostile(
        chain(*(part for k in range(40) for part in (
            node("Neg", [f"c{k}"], [f"n{k}"]), node("Concat", [f"c{k}", f"n{k}"], [f"c{k + 1}"], axis=0)
        )), node("ReduceSum", ["c40"], ["s"]), node("Add", ["x", "s"], ["y"]), c0=np.ones(4)),
        r"\[(Neg|Concat) #\d+\] computes constants beyond",
    ),
    "x joined to itself": Hostile(doubling(60, "x"), r"\[Concat #\d+\].* numbers"),
    "outer products of constants": Hostile(squaring(8), r"\[Mul #\d+\] would give the shape"),
    "outer sum of x": Hostile(
        chain(
            node("Reshape", ["x", "s"], ["a"]), node("Add", ["x", "a"], ["y"], "bad"),
            shape=(1, 2**18), s=ints([2**18, 1]),
        ),
        r"\[Add 'bad'\].* numbers",
    ),
    "outer product of a constant": Hostile(
        chain(
            node("MatMul", ["a", "b"], ["c"], "bad"), node("Add", ["x", "c"], ["y"]),
            a=np.ones((2**13, 1)), b=np.ones((1, 2**13)),
        ),
        r"\[MatMul 'bad'\] would give the shape",
    ),
    "einsum of many axes": Hostile(
        one("Einsum", np.ones((4,) * 10), equation="za,bcdefghijk->zabcdefghijk", shape=(9, 4)), r"\[Einsum 'bad'\]"
    ),
    "output of too many numbers": Hostile(
        chain(
            node("Reshape", ["x", "s"], ["a"]), node("Add", ["x", "a"], ["b"]), node("Mul", ["x", "a"], ["c"]),
            node("Concat", ["b", "c"], ["y"], axis=0), shape=(1, 1800), s=ints([1800, 1]),
        ),
        r"\[Output 'y'\] has 6480000 numbers",
    ),
    "gather": Hostile(one("Gather", np.zeros((2, 2**21), np.int64), axis=1, shape=(1024, 4)), r"\[Gather 'bad'\]"),
    "reshape": Hostile(one("Reshape", ints([2**62, 2**62])), r"\[Reshape 'bad'\] cannot reshape"),
    "reshape with a negative length": Hostile(one("Reshape", ints([-7, 4])), r"\[Reshape 'bad'\] cannot reshape"),
    "sparse tensor": Hostile(with_sparse([2**40, 2], [1, 2]), r"\[Initializer 'W'\] .*expected at most"),
    "sparse tensor with a negative length": Hostile(with_sparse([-4, 2], [1, 2]), r"\[Initializer 'W'\]"),
    "sparse tensor with indices that are no integers": Hostile(with_sparse([4, 2], [0.5, 1.5]), r"\[Initializer 'W'\]"),
    "x stretched and turned, again and again": Hostile(
        chain(
            node("Expand", ["x", "s"], ["a0"], "stretch"),
            *(node("Transpose", [f"a{k}"], [f"a{k + 1}"], "bad", perm=[1, 0]) for k in range(100)),
            node("ReduceSum", ["a100"], ["y"]), s=ints([2**21, 4]),
        ), r"\[(Expand 'stretch'|Transpose 'bad')\] the model moves"
    ),
    "x picked again and again": Hostile(
        chain(
            *(node("Gather", ["x", "i"], [f"a{k}"], "bad", axis=1) for k in range(100)),
            node("Sum", [f"a{k}" for k in range(100)], ["s"]), node("ReduceSum", ["s"], ["y"]),
            i=np.zeros(2**20, np.int64),
        ), r"\[Gather 'bad'\] the model moves"
    ),
    "recurrent network of many steps": Hostile(
        chain(
            node("Expand", ["x", "s"], ["a"], "stretch"), node("RNN", ["a", "W", "R"], ["b"], "bad", hidden_size=1),
            node("ReduceSum", ["b"], ["y"]), s=ints([2**20, 1, 4]), W=np.ones((1, 1, 4)), R=np.ones((1, 1, 1)),
        ), r"'bad'\]"
    ),
    "loop": Hostile(trip(2**62), r"\[Loop 'bad'\]"),
    "loop of many nodes": Hostile(
        trip(2**20, *(node("Tanh", [a], [b]) for a, b in pairwise(["a", *map(str, range(99)), "b"]))),
        r"\[Loop 'bad'\]",
    ),
    "scan": Hostile(
        one(
            "Scan",
            body=graph(node("Tanh", ["a"], ["b"]), reads=("a",)), num_scan_inputs=2**40,
        ),
        r"\[Scan 'bad'\]",
    ),
    # recursion
    "functions that double": Hostile(laughing(60), "own functions .* nodes"),
    "function that calls itself": Hostile(
        with_functions(("f", [node("f", ["a"], ["b"], domain="own")]), call="f"), "own functions .*calls itself"
    ),
    "functions that call one another in a circle": Hostile(
        with_functions(
            ("f", [node("g", ["a"], ["b"], domain="own")]), ("g", [node("f", ["a"], ["b"], domain="own")]), call="f"
        ),
        "own functions .*calls itself",
    ),
    "functions that are nested deeply": Hostile(calling(20_000), "own functions .*deep"),
    "branches that are nested deeply": Hostile(nested_if(5000), "not an ONNX file, or a truncated one"),
    "metadata that is nested deeply": Hostile(metadata("fastexpr", "[" * 100_000), "metadata"),
    # attributes
    "attribute that overflows": Hostile(one("Softmax", axis=2**62), r"\[Softmax 'bad'\] axis \d+ does not exist"),
    "text for a number": Hostile(one("Elu", alpha="steep"), r"\[Elu 'bad'\] attribute 'alpha' is STRING"),
    "number for a list": Hostile(one("Transpose", perm=1), r"\[Transpose 'bad'\] attribute 'perm' is INT"),
    "NaN as an attribute": Hostile(one("Elu", alpha=float("nan")), r"\[Elu 'bad'\] attribute 'alpha' is nan"),
    "cast to no type": Hostile(one("Cast", to=9999), r"\[Cast 'bad'\] .*type 9999"),
    "convolution with steps of 0": Hostile(
        one("Conv", np.ones((1, 1, 2)), shape=(1, 1, 4), strides=[0]), r"\[Conv 'bad'\]"
    ),
    "convolution in no groups": Hostile(one("Conv", np.ones((1, 1, 2)), shape=(1, 1, 4), group=0), r"\[Conv 'bad'\]"),
    "convolution with huge pads": Hostile(
        one("Conv", np.ones((1, 1, 2)), shape=(1, 1, 4), pads=[2**40, 0]), r"\[Conv 'bad'\]"
    ),
    "convolution with huge dilations": Hostile(
        one("Conv", np.ones((1, 1, 2)), shape=(1, 1, 4), dilations=[2**62]), r"\[Conv 'bad'\]"
    ),
    "pooling over nothing": Hostile(
        one("MaxPool", shape=(1, 1, 4), kernel_shape=[0]), r"\[MaxPool 'bad'\]"
    ),
    "pooling over a huge window": Hostile(
        one("AveragePool", shape=(1, 1, 4), kernel_shape=[2**40], pads=[2**40, 2**40]), r"\[AveragePool 'bad'\]"
    ),
    "pad": Hostile(one("Pad", ints([2**40, 0, 0, 0])), r"\[Pad 'bad'\]"),
    "resize": Hostile(one("Resize", np.zeros(0), np.array([1e6, 1e6])), r"\[Resize 'bad'\]"),
    "resize to negative sizes": Hostile(
        one("Resize", np.zeros(0), np.zeros(0), ints([-1, -4])), r"\[Resize 'bad'\]"
    ),
    "equation that is no equation": Hostile(one("Einsum", equation="->->,,"), r"\[Einsum 'bad'\]"),
    "equation of a million letters": Hostile(one("Einsum", equation="a" * 10**6), r"\[Einsum 'bad'\]"),
    "attribute that is a graph": Hostile(
        one("Softmax", axis=graph(node("Tanh", ["a"], ["b"]))), r"\[Softmax 'bad'\] attribute 'axis' is GRAPH"
    ),
    "constant that lies about its size": Hostile(
        chain(node("Constant", [], ["c"], "bad", value=with_tensor(dims=[2**40]).graph.initializer[0]),
              node("Add", ["x", "c"], ["y"])),
        r"\[Constant 'bad'\] holds 32 bytes",
    ),
    # tensors that lie
    "weights of 2^60 numbers in 32 bytes": Hostile(
        with_tensor(dims=[2**30, 2**30]), r"\[Initializer 'W'\] holds 32 bytes, expected"
    ),
    "weights whose size overflows": Hostile(with_tensor(dims=[2**62, 2**62, 4]), r"\[Initializer 'W'\] holds 32 bytes"),
    "weights of a negative length": Hostile(with_tensor(dims=[-4, -2]), r"\[Initializer 'W'\] has the shape"),
    "weights with a thousand axes": Hostile(with_tensor(dims=[1] * 1000 + [4, 2]), r"\[Initializer 'W'\]"),
    "weights that are texts": Hostile(with_tensor(data_type=TensorProto.STRING), r"\[Initializer 'W'\] .*string"),
    "weights of no type": Hostile(with_tensor(data_type=-1), r"\[Initializer 'W'\] .*unknown type"),
    "weights of another type": Hostile(with_tensor(data_type=TensorProto.DOUBLE), r"\[Initializer 'W'\] holds 32"),
    "weights that are NaN": Hostile(
        with_tensor(raw_data=np.full(8, np.nan, np.float32).tobytes()), r"\[Initializer 'W'\] holds 8 numbers that"
    ),
    "numbers that are not there": Hostile(
        changed(with_tensor(dims=[2**40]), lambda model: model.graph.initializer[0].ClearField("raw_data")),
        r"\[Initializer 'W'\]",
    ),
    # names
    "input without a name": Hostile(
        changed(one("Tanh"), lambda model: setattr(model.graph.input[0], "name", "")), r"reads 'x'"
    ),
    "name of a million letters": Hostile(
        chain(node("Add", ["x", LONG], ["y"], LONG)), r"\[Add 'n"
    ),
    "a hundred thousand nodes that give the same": Hostile(
        chain(*[TANH] * 100_000), r"\[Tanh 'bad'\] gives 'y', which \[Tanh 'bad'\]"
    ),
    "fifty thousand nodes in a circle": Hostile(
        chain(*(node("Tanh", [f"t{k}"], [f"t{(k + 1) % 50_000}"]) for k in range(50_000)),
              node("Add", ["x", "t5"], ["y"])),
        "cycle: ",
    ),
    "circle through an unused output": Hostile(
        chain(node("Add", ["x", "b"], ["a"], "first"), node("Split", ["a"], ["y", "b"], axis=1, num_outputs=2)),
        "cycle: ",
    ),
    # versions
    "operator set 0": Hostile(one("Tanh", opset=0), "operator set 0, expected 1 to"),
    "operator set -1": Hostile(one("Tanh", opset=-1), "operator set -1, expected 1 to"),
    "operator set 2^62": Hostile(one("Tanh", opset=2**62), "operator set 4611686018427387904, expected 1 to"),
    # files
    "file that says it is longer": Hostile(b"\x08\x0a\x3a" + b"\xff" * 8 + b"\x7f" + bytes(50), "truncated"),
    "file of endless numbers": Hostile(b"\x08" + b"\xff" * 100_000, "truncated"),
    "file of empty fields": Hostile(b"\x3a\x00" * 100_000, "truncated"),
    "external data above the folder": Hostile(external(lambda _: "../../etc/hostname"), "outside the model's"),
    "external data anywhere": Hostile(external(lambda _: "/etc/hostname"), "outside the model's folder"),
    "external data behind a link": Hostile(external(symlink), "outside the model's folder"),
    "external data behind a folder that is a link": Hostile(external(folder_link), "outside the model's folder"),
    "external data in a pipe": Hostile(external(pipe), r"\[Initializer 'W'\] .*no file|does not exist"),
    "external data in a device": Hostile(external(lambda _: "/dev/zero"), "outside the model's folder"),
    "external data in a name that cannot be": Hostile(external(lambda _: "a\0b"), r"\[Initializer 'W'\]"),
    "external data in a name that is too long": Hostile(external(lambda _: "a" * 10_000), r"\[Initializer 'W'\]"),
    "external data that is the model": Hostile(external(lambda folder: "."), "outside the model's folder"),
    "external data of four terabytes": Hostile(
        external(sparse_file, dims=f"{2**38} 4", length=str(2**42)), r"\[Initializer 'W'\] .*memory"
    ),
    "external data at an offset that overflows": Hostile(
        external(sparse_file, offset=str(2**64), length="32"), r"\[Initializer 'W'\] takes bytes"
    ),
}  # fmt: skip
