"""Modules through `from_torch`: values against ONNX Runtime and the module in double precision, derivatives against
torch.func.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
import torch_models as models
from onnx_models import distance
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

import fastexpr as fx
from fastexpr.errors import FrameworkError, OnnxError
from fastexpr.frameworks import pytorch

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:torch", "ignore:There is a performance drop")


@pytest.fixture(autouse=True)
def same_weights_every_time() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


@dataclasses.dataclass
class Case:
    make: Callable[[], nn.Module]
    shapes: list[tuple[int, ...]]


CASES = {
    "activations": Case(models.Activations, [(1, 5)]),
    "residual": Case(models.ResidualMlp, [(1, 6)]),
    "image CNN": Case(models.cnn, [(1, 1, 12, 12)]),
    "U-Net": Case(models.UNet, [(1, 1, 8, 8)]),
    "temporal CNN": Case(models.temporal_cnn, [(1, 2, 16)]),
    "GRU": Case(lambda: models.Recurrent(nn.GRU), [(1, 20, 3)]),
    "GRU, deep, both ways": Case(lambda: models.Recurrent(nn.GRU, bidirectional=True, num_layers=2), [(1, 4, 3)]),
    "LSTM": Case(lambda: models.Recurrent(nn.LSTM), [(1, 20, 3)]),
    "transformer": Case(models.Encoder, [(1, 5, 3)]),
    "causal attention": Case(models.CausalAttention, [(1, 5, 4)]),
    "operator network": Case(models.DeepONet, [(1, 8), (1, 2)]),
    "Fourier features": Case(models.Fourier, [(1, 3)]),
    "input convex": Case(models.InputConvex, [(1, 4)]),
    "mixture of experts": Case(models.Mixture, [(1, 4)]),
}


def flat_function(module: nn.Module, shapes: list[tuple[int, ...]]) -> Any:
    """The module as a function of the joined inputs, with its float32 weights widened."""
    wide = models.in_double(module)
    sizes = [int(np.prod(shape)) for shape in shapes]

    def function(x: torch.Tensor) -> torch.Tensor:
        parts = (part.reshape(shape) for part, shape in zip(x.split(sizes), shapes, strict=True))
        return wide(*parts).reshape(-1)

    return function


def runtime_values(proto: Any, x: np.ndarray, shapes: list[tuple[int, ...]]) -> np.ndarray:
    """What ONNX Runtime computes from the exporter's file, in the precision of the file."""
    session = onnxruntime.InferenceSession(proto.SerializeToString())
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
    feeds = {
        port.name: x[end - int(np.prod(shape)) : end].reshape(shape).astype(np.float32)
        for port, shape, end in zip(session.get_inputs(), shapes, ends, strict=True)
    }
    return np.concatenate([np.asarray(array, np.float64).reshape(-1) for array in session.run(None, feeds)])


@pytest.mark.parametrize("name", CASES)
def test_module(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case = CASES[name]
    module = models.trained(case.make(), case.shapes)
    programs: list[Any] = []
    export = pytorch.exported
    monkeypatch.setattr(pytorch, "exported", lambda *a: programs.append(export(*a)) or programs[-1])
    net = fx.from_torch(module, tuple(torch.zeros(shape) for shape in case.shapes), check=True)
    assert all(part.training for part in module.modules())

    check(net, programs[0].model_proto, module, case.shapes)


FOLDED_IN_SINGLE = {"image CNN"}  # a batch normalization goes into the convolution before it
OLDER_CASES = CASES | {"activations": Case(lambda: models.Activations(models.OLDER_ACTIVATIONS), [(1, 5)])}


@pytest.mark.filterwarnings("ignore")  # it warns of itself
@pytest.mark.parametrize("name", OLDER_CASES)
def test_module_by_the_older_exporter(name: str, tmp_path: Path) -> None:
    case = OLDER_CASES[name]
    module = models.trained(case.make(), case.shapes)
    with pytorch.evaluation_mode(module):
        example = tuple(torch.zeros(shape) for shape in case.shapes)
        torch.onnx.export(module, example, tmp_path / "net.onnx", dynamo=False, verbose=False)
    net = fx.load_onnx(tmp_path / "net.onnx", check=True)
    check(net, onnx.load(tmp_path / "net.onnx"), module, case.shapes, name in FOLDED_IN_SINGLE)


def check(
    net: fx.Function, proto: Any, module: nn.Module, shapes: list[tuple[int, ...]], is_rough: bool = False
) -> None:
    """Value and derivatives at a point."""
    random = np.random.default_rng(0)
    x = random.uniform(-1, 1, net.n_inputs).astype(np.float32).astype(np.float64)
    weights = random.normal(size=net.n_outputs)
    value, jacobian, hessian = net.evaluate(x, weights)
    assert distance(value, runtime_values(proto, x, shapes)) < 1e-6
    function, point = flat_function(module, shapes), torch.from_numpy(x)
    curvature = torch.func.jacrev(torch.func.jacrev(lambda x: torch.from_numpy(weights) @ function(x)))
    with sdpa_kernel(SDPBackend.MATH):  # the attention that has second derivatives
        assert distance(value, function(point).detach().numpy()) < (1e-6 if is_rough else 1e-11)
        assert distance(jacobian, torch.func.jacrev(function)(point).detach().numpy()) < (1e-5 if is_rough else 1e-9)
        assert distance(hessian, curvature(point).detach().numpy()) < (1e-5 if is_rough else 1e-9)


def test_double_weights_stay_double() -> None:
    module = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2)).double()
    net = fx.from_torch(module, torch.zeros(1, 3, dtype=torch.float64), check=True)
    assert {str(c.dtype) for core, _, _ in net._nodes() for c in core.constants} == {"float64"}
    x = torch.tensor([[0.3, -0.7, 0.1]], dtype=torch.float64)
    assert distance(net(x[0].numpy()), module(x)[0].detach().numpy()) < 1e-15


def test_external_data(tmp_path: Path) -> None:
    """The same program, saved by PyTorch with its weights in a file of their own."""
    module = nn.Sequential(nn.Linear(4, 40), nn.Tanh(), nn.Linear(40, 1))
    example = torch.zeros(1, 4)
    with pytorch.evaluation_mode(module):
        pytorch.exported(module, (example,)).save(tmp_path / "net.onnx", external_data=True)
    assert (tmp_path / "net.onnx.data").exists()
    net = fx.load_onnx(tmp_path / "net.onnx", check=True)
    x = torch.rand(4, dtype=torch.float64)
    assert distance(net(x.numpy()), models.in_double(module)(x).detach().numpy()) < 1e-14


class TwoOfBoth(nn.Module):
    """Two inputs, a dict of two outputs; one of them is named like an input, the other is the input."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.norm = nn.Linear(3, 2), nn.BatchNorm1d(2)

    def forward(self, x: torch.Tensor, u: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"x": torch.tanh(self.norm(self.layer(x))) * u, "same": u}


def test_ports_names_and_modes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any) -> None:
    monkeypatch.chdir(tmp_path)
    module = TwoOfBoth()
    module.norm.eval()
    example = (torch.zeros(1, 3), torch.ones(1, 1))
    net = fx.from_torch(module, example)
    assert (net.inputs, net.outputs) == ({"x": (1, 3), "u": (1, 1)}, {"x": (1, 2), "same": (1, 1)})
    assert net.input_names == ("x[0]", "x[1]", "x[2]", "u")
    assert net.output_names == ("x[0]", "x[1]", "same")
    assert [module.training, module.layer.training, module.norm.training] == [True, True, False]
    assert net([0.0, 0.0, 0.0, 4.0])[2] == 4.0
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")

    named = fx.from_torch(module, example, input_names=list("abcd"), output_names=list("pqr"), opset=18)
    assert (named.input_names, named.output_names) == (tuple("abcd"), tuple("pqr"))


class Branch(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x if x.sum() > 0 else 2 * x


class Noise(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.rand(1) + 1


class Broken(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        raise ValueError("on purpose")


class Counts(nn.Module):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, int]:
        return x, 3


@pytest.mark.filterwarnings("ignore")
def test_what_cannot_be_read_is_said() -> None:
    x = torch.ones(1, 3)
    with pytest.raises(
        FrameworkError, match=r"\[from_torch\] PyTorch's exporter cannot read the module: GuardOnData.*"
    ):
        fx.from_torch(Branch(), x)
    with pytest.raises(OnnxError, match=r"RandomUniform|random"):
        fx.from_torch(Noise(), x)
    with pytest.raises(ValueError, match="on purpose"):
        fx.from_torch(Broken().train(), x)
    with pytest.raises(TypeError, match=r"output 'y1' of the module: got int, expected a tensor of floats"):
        fx.from_torch(Counts(), x)
    with pytest.raises(TypeError, match=r"example_input 1: got a tensor of torch.int64, expected a tensor of floats"):
        fx.from_torch(nn.Linear(3, 1), (x, torch.ones(1, dtype=torch.int64)))
    with pytest.raises(TypeError, match=r"example_input 0: got list, expected a tensor of floats"):
        fx.from_torch(nn.Linear(3, 1), [1.0, 2.0, 3.0])
    with pytest.raises(TypeError, match=r"module: got function, expected a torch.nn.Module"):
        fx.from_torch(lambda x: x, x)


class Applied(nn.Module):
    """A function as a module."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(x)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("function", "message"),
    [
        (torch.linalg.inv, r"linalg_inv_ex has no ONNX form.*: invert what is constant"),
        (torch.matrix_exp, r"linalg_matrix_exp has no ONNX form.*: scaling and squaring"),
        (lambda x: torch.cdist(x, x + 1.0), r"cdist_forward has no ONNX form.*: \(\(a\[:, None\] - b"),
        (lambda x: torch.linalg.solve(x, torch.ones(2)), r"linalg_solve_ex has no ONNX form.*: invert what"),
        (torch.linalg.eigvalsh, r"linalg_eigh has no ONNX form.*: decompose"),
        (torch.special.bessel_j0, r"bessel_j0 has no ONNX form.*: use others that it has"),
    ],
)
def test_operators_that_onnx_lacks(function: Any, message: str) -> None:
    with pytest.raises(FrameworkError, match=rf"\[from_torch\] {message}.*fastexpr\.variables"):
        fx.from_torch(Applied(function), torch.tensor([[2.0, 0.5], [0.5, 1.0]]))


def test_a_result_other_than_the_modules_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    module = nn.Linear(3, 1)
    other = nn.Linear(3, 1)
    export = pytorch.exported
    monkeypatch.setattr(pytorch, "exported", lambda _, *rest: export(other, *rest))
    with pytest.raises(FrameworkError, match=r"differs from what the module gives: got \d"):
        fx.from_torch(module, torch.ones(1, 3))
