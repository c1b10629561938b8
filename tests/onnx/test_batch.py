"""A dynamic first axis is a batch where rows are computed one by one, all alike: then `net(X)` is what ONNX Runtime
makes of X. Else the model is refused, and `shapes` gives the axis its length.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import skl2onnx
import torch
from batch_models import BATCH, NO_BATCH, model
from numpy.typing import NDArray
from onnx_models import distance, make_model
from sklearn.datasets import load_iris
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, PolynomialFeatures, StandardScaler
from torch import nn

import fastexpr as fx
from fastexpr.errors import OnnxError
from fastexpr.onnx import sizes
from fastexpr.onnx.batch import axis as batch
from fastexpr.onnx.model_file import ModelFile

Array = NDArray[Any]
node = onnx.helper.make_node


def batch_axes(session: Any) -> dict[str, int | None]:
    """Where each input has the batch: in its first axis, or in one that is named like a first one."""
    names = {info.shape[0] for info in session.get_inputs() if info.shape and isinstance(info.shape[0], str)}
    return {
        info.name: next((k for k, dim in enumerate(info.shape) if (k == 0 and dim is None) or dim in names), None)
        for info in session.get_inputs()
    }


def error_of(net: fx.Function, session: Any, n_rows: int) -> float:
    """How far net(X) is from what ONNX Runtime makes of X."""
    random, feeds, rows = np.random.default_rng(n_rows), {}, []
    for name, axis in batch_axes(session).items():
        shape = [n_rows if k == axis else length for k, length in enumerate(net.inputs[name])]
        feeds[name] = random.normal(size=shape).astype(np.float32)
        flat = feeds[name].reshape(1, -1) if axis is None else np.moveaxis(feeds[name], axis, 0).reshape(n_rows, -1)
        rows.append(np.broadcast_to(flat, (n_rows, flat.shape[1])))
    got = net.unpack(net(np.concatenate(rows, axis=1).astype(np.float64)))
    expected = dict(zip([info.name for info in session.get_outputs()], session.run(None, feeds), strict=True))
    return max(error_of_output(array, net.outputs[name], expected[name]) for name, array in got.items())


def error_of_output(got: Array, port: Sequence[int], expected: Array) -> float:
    """Rows are in front; ONNX Runtime has them in an axis of its own where the port's shape says so."""
    rows = got.reshape(len(got), *port)
    if expected.size < rows.size:  # no rows
        return distance(rows, np.broadcast_to(expected, rows.shape))
    lead = next((k for k, length in enumerate(port) if length != expected.shape[k]), 0)
    if lead and np.prod(port[:lead]) > 1:
        rows = np.moveaxis(rows, 0, lead)
    return distance(rows.reshape(expected.shape), expected)


def session_of(proto: onnx.ModelProto) -> Any:
    return onnxruntime.InferenceSession(proto.SerializeToString())


@pytest.mark.parametrize("name", BATCH)
def test_batch(name: str) -> None:
    proto = model(BATCH[name])
    net, session = fx.load_onnx(proto), session_of(proto)
    assert max(error_of(net, session, n_rows) for n_rows in (1, 2, 3, 7)) < 1e-5


@pytest.mark.parametrize("name", NO_BATCH)
def test_no_batch(name: str) -> None:
    with pytest.raises(OnnxError, match=r"taken for a batch.*load_onnx\(path, shapes=\{"):
        fx.load_onnx(model(NO_BATCH[name]))


@pytest.mark.parametrize(
    "name", ["center", "cumsum", "lstm TF", "mean by size", "attention nodes", "square", "if size"]
)
def test_with_a_length(name: str) -> None:
    """The user's length counts, and nothing is checked."""
    proto = model(NO_BATCH[name])
    dims = [dim for info in proto.graph.input for dim in info.type.tensor_type.shape.dim]
    net = fx.load_onnx(proto, shapes={dims[0].dim_param: 4}, check=True)
    x = np.random.default_rng(0).normal(size=net.inputs["x"]).astype(np.float32)
    expected = session_of(proto).run(None, {"x": x})[0]
    assert distance(net(x.ravel().astype(float)).reshape(expected.shape), expected) < 1e-5
    assert fx.load_onnx(proto, shapes={dims[0].dim_param: 1}).inputs["x"][0] == 1


MESSAGES = {
    "cumsum": r"\[Input 'x'\] the dynamic axis 0 \('T'\) was taken for a batch, but is none: the output 'y' of a row "
    r"depends on other rows, first in \[CumSum #1\]\. Give its length, e\.g\. load_onnx\(path, shapes=\{'T': 20\}\)",
    "divide by size": r"what the model gives for a row changes with the number of rows",
    "nodes adj": r"\('N'\) was taken for a batch, but is none: it is the length of 2 axes of 'A'",
    "concat0": r"the output 'y' has the shape \(3, 2\) for one row and \(7, 2\) for 5",
    "transpose out": r"no output has it first: 'y' has the shape \(3, 5\)",
    "unnamed mix": r"the dynamic axis 0 was taken.*shapes=\{'x': \(20, 3\)\}",
    "context mean": r"first in \[ReduceMean #0\].*shapes=\{'N': 20, 'M': 20\}",
    "matmul p": r"\[MatMul #0\] cannot multiply .* axis 0 \('N'\) was taken for a batch, of one row.*shapes=",
    "reshape pairs": r"the output 'y' of a row|what the model gives for a row changes",
}


@pytest.mark.parametrize("name", MESSAGES)
def test_message(name: str) -> None:
    with pytest.raises(OnnxError, match=MESSAGES[name]):
        fx.load_onnx(model(NO_BATCH[name]))


def test_other_errors_are_not_blamed_on_the_batch() -> None:
    proto = make_model([node("Unique", ["x"], ["y"], "bad")], {"x": ["N", 3]}, ["y"])
    with pytest.raises(OnnxError, match="unknown operator") as caught:
        fx.load_onnx(proto)
    assert "batch" not in str(caught.value)


def test_an_input_that_is_shared() -> None:
    """With its own length given, the context belongs to every row."""
    proto = model(NO_BATCH["context mean"])
    net = fx.load_onnx(proto, shapes={"M": 4})
    x, h = np.random.default_rng(0).normal(size=(3, 2)), np.arange(8.0)
    assert np.allclose(net(np.column_stack([x, np.tile(h, (3, 1))])), x + h.reshape(4, 2).mean(axis=0))


def test_a_constant_that_grows_with_the_batch() -> None:
    """One number fills a mask for every length; an array without the first axis is the same for every row."""
    text = "(float[N,3] x, float[N,3] mask) => (float[N,3] y) { m = Mul(x, mask) h = Shape(m) y = Reshape(m, h) }"
    assert fx.load_onnx(model(text), fixed={"mask": 2.0})([[1.0, 2, 3], [4, 5, 6]]).tolist() == [[2, 4, 6], [8, 10, 12]]
    assert fx.load_onnx(model(text), fixed={"mask": [1, 0, 2]})([1.0, 2, 3]).tolist() == [1, 0, 6]
    text = "(float[N,2] x, float[N,N] A) => (float[N,2] y) { y = MatMul(A, x) }"
    graph = fx.load_onnx(model(text), fixed={"A": np.eye(3)[::-1]})
    assert graph.inputs == {"x": (3, 2)}
    assert graph(np.arange(6.0)).tolist() == [4, 5, 2, 3, 0, 1]


def test_a_model_of_one_row() -> None:
    """It declares a dynamic axis, but can be evaluated with one row only: there is no batch to differ from."""
    text = """(float[N,3] x) => (float[3] y) <int64[1] z={0}, float[3] c={1,2,3}> {
        s = Squeeze(x, z) n = Size(x) f = Cast<to=1>(n) a = Mul(s, c) y = Div(a, f) }"""
    assert fx.load_onnx(model(text))([[3.0, 3, 3], [6, 3, 1]]).tolist() == [[1, 2, 3], [2, 2, 1]]


@pytest.mark.filterwarnings("ignore::fastexpr.errors.DerivativeWarning")
def test_rounding_by_the_scale_of_all_rows() -> None:
    """Each row has its own scale here; rows that meet elsewhere are found all the same."""
    quantized = "q, s, z = DynamicQuantizeLinear(x) r = DequantizeLinear(q, s, z)"
    net = fx.load_onnx(model(f"(float[N,3] x) => (float[N,3] y) {{ {quantized} y = Tanh(r) }}"))
    X = np.random.default_rng(0).normal(size=(4, 3))
    assert np.abs(net(X) - np.tanh(X)).max() < 0.02
    assert np.array_equal(net(X)[2], net(X[2]))
    with pytest.raises(OnnxError, match=r"changes with the number of rows.*shapes="):
        fx.load_onnx(model(f"(float[N,3] x) => (float[N,3] y) {{ {quantized} y = Softmax<axis=0>(r) }}"))


# ---- what it costs


@pytest.mark.filterwarnings("ignore")  # PyTorch's exporters warn of themselves
def test_layers_need_no_second_import(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks of layers are seen to work row by row."""
    monkeypatch.setattr(batch, "with_rows", None)
    for module, shape in (
        (nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.LayerNorm(4), nn.Linear(4, 2), nn.Softmax(dim=1)), (2, 3)),
        (
            nn.Sequential(
                nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 2)
            ),
            (2, 1, 8, 8),
        ),
    ):
        fx.load_onnx(exported(module, [shape]))


@pytest.mark.parametrize("name", ["view", "reshape0", "reshape-1", "relu", "batchnorm", "layernorm", "two inputs"])
def test_shapes_need_no_second_import(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Nor do the usual ways of keeping the first axis."""
    monkeypatch.setattr(batch, "with_rows", None)
    fx.load_onnx(model(BATCH[name]))


def test_the_second_import_shares_its_weights() -> None:
    """Weights and what is computed of them alone are there once."""
    weights = {"W": np.random.default_rng(0).normal(size=(60, 300)), "s": np.array([0, 0, -1])}
    nodes = [
        node("Transpose", ["W"], ["V"], perm=[1, 0]),
        node("Exp", ["V"], ["E"]),
        node("MatMul", ["x", "E"], ["a"]),
        node("Reshape", ["a", "s"], ["r"]),
        node("Softmax", ["r"], ["y"], axis=2),
    ]
    proto = make_model(nodes, {"x": ["N", 4, 300]}, ["y"], weights)
    one = batch.Importer(ModelFile(proto))
    one.run()
    several = batch.with_rows(one, 3, None, None)
    assert isinstance(several, batch.Importer)
    assert several.values["E"] is one.values["E"]
    matrices = [
        next(op for op, _, _ in model.graph.nodes if op.name == "Linear").constants[0] for model in (one, several)
    ]
    assert matrices[0].ctypes.data == matrices[1].ctypes.data


def test_large_rows_may_be_several(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limits hold for a row."""
    monkeypatch.setattr(sizes, "LARGEST_TENSOR", 200)
    text = """(float[N,3,40] x) => (float[N,3,40] y) {
        h = Shape(x) t = Transpose<perm=[0,2,1]>(x) s = Tanh(t) y = Reshape(s, h) }"""
    fx.load_onnx(model(text), check=False)
    assert sizes._n_rows.get() == 1


def test_large_models_are_not_evaluated(monkeypatch: pytest.MonkeyPatch) -> None:
    """But where a number of rows may be among their constants."""
    monkeypatch.setattr(batch, "is_cheap", lambda importer: False)
    with pytest.raises(OnnxError, match="changes with the number of rows"):
        fx.load_onnx(model(NO_BATCH["divide by size"]))
    with pytest.raises(OnnxError, match="changes with the number of rows"):
        fx.load_onnx(model(NO_BATCH["position table"]))
    monkeypatch.setattr(batch, "are_alike", None)
    for name in ("attention", "lstm states", "view", "zeros by shape", "bilstm states", "gnorm shape"):
        fx.load_onnx(model(BATCH[name]))


# ---- as other programs write them


def exported(
    module: nn.Module, shapes: Sequence[Sequence[int]], axes: Sequence[dict[int, str]] = ()
) -> onnx.ModelProto:
    """By PyTorch's older exporter, which has the batch in all places where programs have it."""
    names, file = [f"in{k}" for k in range(len(shapes))], io.BytesIO()
    dynamic = dict(zip(names, axes or [{0: "N"}] * len(names), strict=True))
    inputs = tuple(torch.zeros(*shape) for shape in shapes)
    torch.onnx.export(module.eval(), inputs, file, dynamo=False, input_names=names, dynamic_axes=dynamic)
    return onnx.load_from_string(file.getvalue())


class Of(nn.Module):
    """A function of tensors with layers."""

    def __init__(self, function: Any, *layers: nn.Module) -> None:
        super().__init__()
        self.function, self.layers = function, nn.ModuleList(layers)

    def forward(self, *inputs: torch.Tensor) -> Any:
        return self.function(self.layers, *inputs)


def attend(x: torch.Tensor) -> torch.Tensor:
    return torch.softmax(x @ x.transpose(-1, -2), -1) @ x


N, GRAPH = {0: "N"}, {0: "N", 1: "N"}
LSTM, GRU = partial(nn.LSTM, batch_first=True), partial(nn.GRU, batch_first=True)
TORCH_BATCH: dict[str, tuple[Any, list[tuple[int, ...]], Sequence[dict[int, str]]]] = {
    "last state": (Of(lambda m, x: m[1](m[0](x)[0][:, -1]), LSTM(3, 4, 2), nn.Linear(4, 1)), [(2, 6, 3)], ()),
    "all states": (Of(lambda m, x: m[0](x), LSTM(3, 4, 2)), [(2, 6, 3)], ()),
    "both ways": (Of(lambda m, x: m[0](x)[0], GRU(3, 4, bidirectional=True)), [(2, 6, 3)], ()),
    "given state": (Of(lambda m, x, h: m[0](x, h)[0], GRU(3, 4)), [(2, 6, 3), (1, 2, 4)], [N, {1: "N"}]),
    "attention": (Of(lambda m, x: attend(m[0](x)), nn.Linear(3, 4)), [(2, 5, 3)], ()),
    "heads": (nn.MultiheadAttention(8, 2, batch_first=True), [(2, 5, 8)] * 3, ()),
    "view": (Of(lambda m, x: m[0](torch.tanh(x).view(x.size(0), -1)), nn.Linear(9, 2)), [(2, 1, 3, 3)], ()),
    "group norm": (nn.GroupNorm(2, 4), [(2, 4, 3)], ()),
    "row statistics": (Of(lambda _, x: (x - x.mean(1, keepdim=True)) / x.std(1, keepdim=True)), [(5, 3)], ()),
    "set of points": (Of(lambda m, x: torch.tanh(m[0](x)).sum(1), nn.Linear(3, 4)), [(2, 5, 3)], ()),
    "two tensors": (Of(lambda _, x, y: nn.functional.cosine_similarity(x, y)), [(3, 4), (3, 4)], ()),
    "mean over steps": (Of(lambda _, x: x.sum(1) / x.shape[1]), [(2, 5, 3)], ()),
}  # fmt: skip
TORCH_NO_BATCH: dict[str, tuple[Any, list[tuple[int, ...]], Sequence[dict[int, str]]]] = {
    "sequence": (Of(lambda m, x: m[0](x)[0], nn.RNN(3, 4)), [(6, 3)], ()),
    "sequence first": (Of(lambda m, x: m[0](x)[0], nn.LSTM(3, 4)), [(6, 1, 3)], ()),
    "heads": (nn.MultiheadAttention(8, 2), [(5, 1, 8)] * 3, ()),
    "graph": (Of(lambda m, x, A: torch.relu(A @ m[0](x)), nn.Linear(3, 4)), [(5, 3), (5, 5)], [N, GRAPH]),
    "attention over nodes": (Of(lambda m, x: attend(m[0](x)), nn.Linear(3, 3)), [(5, 3)], ()),
    "set of points": (Of(lambda m, x: m[1](m[0](x).sum(0)), nn.Linear(3, 4), nn.Linear(4, 1)), [(5, 3)], ()),
    "column statistics": (Of(lambda _, x: (x - x.mean(0)) / x.std(0)), [(5, 3)], ()),
    "distances": (Of(lambda _, x, y: ((x[:, None] - y[None]) ** 2).sum(-1)), [(3, 4), (5, 4)], [N, {0: "M"}]),
    "loss": (Of(lambda _, x, y: nn.functional.mse_loss(x, y)), [(3, 4), (3, 4)], ()),
    "places": (Of(lambda m, x: x + m[0](torch.arange(x.shape[0])), nn.Embedding(50, 3)), [(5, 3)], ()),
    "neighbours": (Of(lambda _, x: x - torch.roll(x, 1, 0)), [(4, 2)], ()),
    "penalty of the largest": (Of(lambda _, x: x + torch.relu(x.max(0)[0] - 300)), [(4, 3)], ()),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")  # PyTorch's exporters warn of themselves
@pytest.mark.parametrize("name", TORCH_BATCH)
def test_exported_batch(name: str) -> None:
    torch.manual_seed(0)
    proto = exported(*TORCH_BATCH[name])
    net, session = fx.load_onnx(proto), session_of(proto)
    assert max(error_of(net, session, n_rows) for n_rows in (1, 2, 3, 7)) < 1e-5


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", TORCH_NO_BATCH)
def test_exported_no_batch(name: str) -> None:
    torch.manual_seed(0)
    with pytest.raises(OnnxError, match=r"shapes=\{"):
        fx.load_onnx(exported(*TORCH_NO_BATCH[name]))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "estimator",
    [
        make_pipeline(
            StandardScaler(), Normalizer(), PolynomialFeatures(2), GradientBoostingClassifier(n_estimators=3)
        ),
        GaussianProcessRegressor(),
    ],
)
def test_records_of_scikit_learn(estimator: Any) -> None:
    X, y = load_iris(return_X_y=True)
    options = {"zipmap": False} if hasattr(estimator, "predict_proba") else None
    versions = {"": 18, "ai.onnx.ml": 3}
    record = X[:1].astype(np.float32)
    proto = skl2onnx.to_onnx(estimator.fit(X[::3], y[::3]), record, options=options, target_opset=versions)
    net, points = fx.load_onnx(proto), X[1::7].astype(np.float32)
    expected = session_of(proto).run(None, {"X": points})[-1]
    assert distance(net(points.astype(float)), expected.reshape(len(points), -1)) < 1e-4
