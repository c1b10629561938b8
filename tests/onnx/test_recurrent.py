"""RNN, GRU and LSTM with every setting: values and derivatives against the standard's equations in PyTorch, values
against ONNX Runtime, and networks as PyTorch exports them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import recurrent_reference
import torch
from onnx import ModelProto, helper
from onnx_models import Array, distance, evaluate, make_model

import fastexpr as fx
from fastexpr.errors import OnnxError

N_GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
NAMES = {"RNN": ["X", "W", "R", "B", "sequence_lens", "initial_h"]}
NAMES["GRU"] = NAMES["RNN"]
NAMES["LSTM"] = [*NAMES["RNN"], "initial_c", "P"]
T, BATCH, INPUTS, SIZE = 4, 2, 2, 3
BOTH = {"direction": "bidirectional"}
FULL = {"B", "initial_h", "initial_c", "P"}


def case(operator: str, given: set[str] | None = None, opset: int = 22, variable: str = "X", **attributes: Any) -> Any:
    names = "-".join(f"{key}={value}" for key, value in attributes.items())
    shown = f"{operator}-{'+'.join(sorted(given or set()))}-{opset}-{variable}-{names}"
    return pytest.param(operator, given or set(), opset, variable.split("+"), attributes, id=shown)


CASES = [
    *(case(operator) for operator in N_GATES),
    *(case(operator, {"B"}, direction="reverse") for operator in N_GATES),
    *(case(operator, FULL, **BOTH) for operator in N_GATES),
    *(case(operator, FULL, layout=1) for operator in N_GATES),
    *(case(operator, FULL, layout=1, **BOTH) for operator in N_GATES),
    *(case(operator, FULL, 7, hidden_size=SIZE) for operator in N_GATES),
    *(case(operator, FULL, 14, "X+initial_h") for operator in N_GATES),
    *(case(operator, FULL, 22, "X+W+R+B") for operator in N_GATES),
    *(case(operator, FULL, 22, "initial_h") for operator in N_GATES),
    *(case(operator, FULL | {"sequence_lens"}, **BOTH) for operator in N_GATES),
    *(case(operator, {"sequence_lens"}, direction="reverse", layout=1) for operator in N_GATES),
    *(case(operator, FULL - {"initial_c"}, clip=0.3) for operator in N_GATES),  # ONNX Runtime limits that, too
    case("GRU", {"B"}, linear_before_reset=1),
    case("GRU", FULL, 22, "X+R+B", linear_before_reset=1, **BOTH),
    case("LSTM", FULL, 22, "X+P+initial_c"),
    case("LSTM", FULL, input_forget=1),
    *(case("RNN", {"B"}, activations=[name]) for name in ("Relu", "Sigmoid", "Softsign", "Softplus")),
    case("RNN", {"B"}, activations=["Affine"], activation_alpha=[0.7], activation_beta=[0.2]),
    case("RNN", {"B"}, activations=["ScaledTanh"], activation_alpha=[1.5], activation_beta=[0.6]),
    case("RNN", {"B"}, activations=["HardSigmoid"], activation_alpha=[0.3], activation_beta=[0.4]),
    case("RNN", {"B"}, activations=["ThresholdedRelu"], activation_alpha=[0.1]),
    case("RNN", {"B"}, activations=["LeakyRelu", "Elu"], activation_alpha=[0.2, 1.5], **BOTH),
    case("GRU", {"B"}, activations=["HardSigmoid", "Softsign"], activation_alpha=[0.3, 0], activation_beta=[0.4, 0]),
    case("LSTM", FULL, activations=["Sigmoid", "Relu", "Softsign"]),
]  # fmt: skip
SETTING = pytest.mark.parametrize(("operator", "given", "opset", "variable", "attributes"), CASES)


def tensors(operator: str, given: set[str], attributes: dict[str, Any]) -> dict[str, Array]:
    """All inputs, numbers that float32 holds."""
    random = np.random.default_rng(3)
    n = 2 if attributes.get("direction") == "bidirectional" else 1
    rows = N_GATES[operator] * SIZE
    shapes = {
        "X": (T, BATCH, INPUTS), "W": (n, rows, INPUTS), "R": (n, rows, SIZE), "B": (n, 2 * rows),
        "initial_h": (n, BATCH, SIZE), "initial_c": (n, BATCH, SIZE), "P": (n, 3 * SIZE),
    }  # fmt: skip
    if attributes.get("layout"):
        shapes |= {"X": (BATCH, T, INPUTS), "initial_h": (BATCH, n, SIZE), "initial_c": (BATCH, n, SIZE)}
    wanted = {"X", "W", "R"} | (given & set(NAMES[operator]))
    found: dict[str, Array] = {
        name: random.uniform(-1, 1, shape).astype(np.float32).astype(np.float64)
        for name, shape in shapes.items()
        if name in wanted
    }
    return found | ({"sequence_lens": np.array([T, 2], np.int32)} if "sequence_lens" in given else {})


def clean(attributes: dict[str, Any]) -> dict[str, Any]:
    """Without the zeros that stand for settings an activation does not have."""
    return {
        key: [k for k in value if k] if key.startswith("activation_") else value for key, value in attributes.items()
    }


def model_of(
    operator: str, inputs: dict[str, Array], variable: list[str], opset: int, attributes: dict[str, Any], dtype: Any
) -> ModelProto:
    names = [name if name in inputs else "" for name in NAMES[operator]]
    outputs = ["Y", "Y_h", "Y_c"][: 3 if operator == "LSTM" else 2]
    node = helper.make_node(operator, names, outputs, "cell", **({"hidden_size": SIZE} | clean(attributes)))
    ports = {name: inputs[name].shape for name in variable}
    weights = {name: array for name, array in inputs.items() if name not in variable}
    return make_model([node], ports, outputs, weights, opset, dtype)


@SETTING
def test_derivatives(
    operator: str, given: set[str], opset: int, variable: list[str], attributes: dict[str, Any]
) -> None:
    inputs = tensors(operator, given, attributes)
    variable = [name for name in variable if name in inputs]
    net = fx.load_onnx(model_of(operator, inputs, variable, opset, attributes, np.float64))
    constants = {name: torch.from_numpy(array) for name, array in inputs.items()}

    def function(x: torch.Tensor) -> torch.Tensor:
        parts = dict(zip(variable, x.split([inputs[name].size for name in variable]), strict=True))
        parts = {name: part.reshape(inputs[name].shape) for name, part in parts.items()}
        results = recurrent_reference.evaluate(operator, constants | parts, attributes)
        return torch.cat([result.reshape(-1) for result in results])

    x = np.concatenate([inputs[name].reshape(-1) for name in variable])
    weights = np.random.default_rng(1).normal(size=net.n_outputs)
    value, jacobian, hessian = net.evaluate(x, weights)
    point = torch.from_numpy(x)
    assert distance(value, function(point).numpy()) < 1e-14
    assert distance(jacobian, torch.autograd.functional.jacobian(function, point).numpy()) < 1e-13
    scalar = lambda u: torch.from_numpy(weights) @ function(u)  # noqa: E731
    assert distance(hessian, torch.autograd.functional.hessian(scalar, point).numpy()) < 1e-12


@SETTING
def test_value_against_onnx_runtime(
    operator: str, given: set[str], opset: int, variable: list[str], attributes: dict[str, Any]
) -> None:
    """In float32. ONNX Runtime has no layout 1."""
    plain = {key: value for key, value in attributes.items() if key != "layout"}
    inputs = tensors(operator, given, plain)
    model = model_of(operator, inputs, ["X"], opset, plain, np.float32)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    expected = np.concatenate([y.reshape(-1) for y in session.run(None, {"X": inputs["X"].astype(np.float32)})])
    net = fx.load_onnx(model, check=False)
    assert distance(net(inputs["X"].reshape(-1)), expected.astype(np.float64)) < 2e-6


@pytest.mark.parametrize("operator", N_GATES)
def test_check_and_constant_sequences(operator: str) -> None:
    """What ONNX's evaluator can do, it checks, and evaluates where nothing depends on x."""
    inputs = tensors(operator, FULL, BOTH)
    fx.load_onnx(model_of(operator, inputs, ["X"], 22, BOTH, np.float64), check=True)
    names = [name if name in inputs else "" for name in NAMES[operator]]
    nodes = [
        helper.make_node(operator, names, ["Y"], "cell", hidden_size=SIZE, **BOTH),
        helper.make_node("Mul", ["Y", "x"], ["z"]),
    ]
    model = make_model(nodes, {"x": (SIZE,)}, ["z"], inputs, 22)
    net = fx.load_onnx(model, check=True)
    assert [op.name for op, _, _ in net._nodes() if op.name != "Constant"] == ["Mul"]
    assert distance(net(np.ones(SIZE)), evaluate(model, {"x": np.ones(SIZE)})) < 1e-15


def test_steps_share_their_weights() -> None:
    inputs = tensors("LSTM", {"B"}, {}) | {"X": np.zeros((50, 1, INPUTS))}
    net = fx.load_onnx(model_of("LSTM", inputs, ["X"], 22, {}, np.float32))
    linear = [op for op, _, _ in net._nodes() if op.name == "Linear"]
    assert len(linear) == 50  # one for all of X, none for the first state, which is 0
    assert net.n_parameters == 4 * SIZE * (INPUTS + SIZE + 1)


class Recurrent(torch.nn.Module):
    """A recurrent network and a layer on its last state."""

    def __init__(self, cell: Any) -> None:
        super().__init__()
        self.cell = cell(2, 4, batch_first=True)
        self.head = torch.nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y, _ = self.cell(x)
        return self.head(y[:, -1])


@pytest.mark.filterwarnings("ignore")  # PyTorch's exporters warn of themselves
@pytest.mark.parametrize(
    ("cell", "is_new"), [(torch.nn.GRU, False), (torch.nn.LSTM, False), (torch.nn.RNN, False), (torch.nn.LSTM, True)]
)
def test_exported_by_pytorch(cell: Any, is_new: bool, tmp_path: Path) -> None:
    """Over 20 steps; derivatives against torch.func in double precision."""
    torch.manual_seed(0)
    module = Recurrent(cell).eval()
    torch.onnx.export(module, (torch.zeros(1, 20, 2),), tmp_path / "net.onnx", dynamo=is_new, verbose=False)
    net = fx.load_onnx(tmp_path / "net.onnx", check=True)
    wide = module.double()
    function = lambda x: wide(x.reshape(1, 20, 2)).reshape(-1)  # noqa: E731
    x = np.random.default_rng(0).uniform(-1, 1, 40)
    weights = np.array([1.0, -0.5])
    value, jacobian, hessian = net.evaluate(x, weights)
    point = torch.from_numpy(x)
    with torch.backends.mkldnn.flags(enabled=False):
        assert distance(value, function(point).detach().numpy()) < 1e-12
        assert distance(jacobian, torch.func.jacrev(function)(point).detach().numpy()) < 1e-12
        scalar = lambda u: torch.from_numpy(weights) @ function(u)  # noqa: E731
        assert distance(hessian, torch.autograd.functional.hessian(scalar, point).numpy()) < 1e-11


ERRORS: dict[str, tuple[str, dict[str, Array], dict[str, Any], str]] = {
    "shape of R": ("GRU", {"R": np.zeros((1, 9, 4))}, {}, r"\[GRU 'cell'\] .*hidden_size=3, but R is for 4"),
    "shape of W": ("GRU", {"W": np.zeros((1, 9, 5))}, {}, r"\[GRU 'cell'\] input 1 \('W'\) has the shape \(1, 9, 5\)"),
    "shape of the state": (
        "RNN",
        {"initial_h": np.zeros((2, 3))},
        {},
        r"input 5 \('initial_h'\) has the shape \(2, 3\)",
    ),
    "direction": ("RNN", {}, {"direction": "up"}, r"has direction='up', expected forward"),
    "lengths": ("LSTM", {"sequence_lens": np.array([4, 5])}, {}, r"has sequence_lens=\[4, 5\], expected 2 numbers"),
    "axes of X": ("LSTM", {"X": np.zeros((4, 2))}, {}, r"has X of shape \(4, 2\), expected three axes"),
    "steps": ("RNN", {"X": np.zeros((20_000, 2, 2))}, {}, r"has 20000 steps, expected 1 to 10000"),
    "number of activations": ("LSTM", {}, {"activations": ["Tanh"]}, r"has activations=\['Tanh'\], expected 3 names"),
    "unknown activation": ("RNN", {}, {"activations": ["Sine"]}, r"has the activation 'Sine', expected one of Affine"),
    "settings": ("RNN", {}, {"activation_alpha": [0.5]}, r"has more numbers for its activations"),
    "NaN": ("RNN", {}, {"activations": ["Elu"], "activation_alpha": [np.nan]}, r"settings of Elu that are not finite"),
    "NaN clip": ("RNN", {}, {"clip": np.inf}, r"\[RNN 'cell'\] attribute 'clip' is inf"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_error(name: str) -> None:
    operator, changed, attributes, message = ERRORS[name]
    inputs = tensors(operator, {"B"}, {}) | changed
    with pytest.raises(OnnxError, match=message):
        fx.load_onnx(model_of(operator, inputs, ["X"], 22, attributes, np.float64))
