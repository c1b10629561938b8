"""Models through `from_keras` against their own predictions; derivatives against torch.func."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import pytest
import torch
from keras import layers
from keras.src.backend.common import dtypes
from keras_models import CASES, sequence
from onnx_models import distance

import fastexpr as fx
from fastexpr.errors import FrameworkError, NotFoundError
from fastexpr.frameworks.keras.writer import LAYERS

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")  # PyTorch's tensors as arrays


@pytest.fixture(autouse=True)
def seed() -> None:
    keras.utils.set_random_seed(0)


@pytest.fixture
def double(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Models in double precision, where Keras by itself computes the results of two tensors in float32."""
    monkeypatch.setitem(dtypes.BIT64_TO_BIT32_DTYPE, "float64", "float64")
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")


def randomized(model: Any) -> Any:
    """With means, variances and the like that are not 0 and 1."""
    random = np.random.default_rng(0)
    for variable in model.weights:
        if variable.name in ("moving_mean", "moving_variance", "gamma", "beta", "scale"):
            variable.assign(random.uniform(0.5, 1.5, variable.shape))
    return model


def flat_function(model: Any, net: fx.Function) -> Any:
    shapes = list(net.inputs.values())
    sizes = [int(np.prod(shape)) for shape in shapes]

    def function(x: torch.Tensor) -> torch.Tensor:
        parts = [part.reshape(shape) for part, shape in zip(x.split(sizes), shapes, strict=True)]
        result = model(parts if len(parts) > 1 else parts[0], training=False)
        return torch.cat([part.reshape(-1) for part in keras.tree.flatten(result)])

    return function


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("name", CASES)
def test_model(name: str) -> None:
    model = randomized(CASES[name]())
    net = fx.from_keras(model)
    x = torch.tensor(np.random.default_rng(1).uniform(-1, 1, net.n_inputs))
    function = flat_function(model, net)
    assert distance(net(x.numpy()), function(x).detach().numpy()) < 1e-11
    jacobian = torch.autograd.functional.jacobian(function, x).numpy()
    assert distance(net.jacobian(x.numpy()), jacobian) < 1e-8  # PyTorch holds the slope 1/6 in float32


def test_weights_keep_their_precision() -> None:
    model = sequence((3,), lambda: layers.Dense(5, "tanh"), lambda: layers.Dense(2))()
    net = fx.from_keras(model)
    assert {str(c.dtype) for core, _, _ in net._nodes() for c in core.constants} == {"float32"}
    X = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
    assert distance(net(X), model.predict(X, verbose=0).astype(np.float64)) < 1e-6


def test_ports_and_names() -> None:
    net = fx.from_keras(CASES["merging"]())
    assert net.inputs == {"a": (1, 3), "b": (1, 3)}
    assert net.outputs == {"dot": (1, 2), "joined": (1, 24), "v": (1, 4)}
    assert net.output_names[:3] == ("dot[0]", "dot[1]", "joined[0]")
    assert list(fx.from_keras(CASES["arithmetic"]()).outputs) == ["y0", "y1", "y2"]
    model = sequence((2,), lambda: layers.Dense(1))()
    assert fx.from_keras(model).output_names == ("y",)
    named = fx.from_keras(model, input_names=["T", "p"], output_names=["rate"])
    assert (named.input_names, named.output_names) == (("T", "p"), ("rate",))


class Twice(layers.Dense):
    """Derives from what has a rule, and does something else."""

    def call(self, x: Any) -> Any:
        return 2 * super().call(x)


class Own(keras.Model):
    def call(self, x: Any) -> Any:
        return x


REFUSED: dict[str, tuple[Any, str]] = {
    "layer": (
        sequence((3,), lambda: layers.Lambda(lambda x: x)),
        r"Lambda 'lambda' is not supported: expected one of A",
    ),
    "own layer": (sequence((3,), lambda: Twice(2)), r"f\(x\) differs from the model: got \d"),
    "own model": (Own, r"Own 'own' has no graph of layers"),
    "no input": (lambda: keras.Sequential([layers.Dense(2)]), r"has no graph of layers: expected a functional model"),
    "length": (sequence((None, 3), lambda: layers.GRU(2)), r"got the shape \(None, None, 3\), expected known lengths"),
    "function": (
        sequence((3,), lambda: layers.Dense(2, activation=lambda x: x)),
        r"Dense 'dense': activation: got '<lambda>', expected one of celu, ",
    ),
    "gate": (
        sequence((4, 3), lambda: layers.GRU(2, activation="gelu")),
        r"GRU 'gru': activation: got 'gelu', expected",
    ),
    "state": (
        lambda: keras.Sequential([keras.Input(batch_shape=(1, 4, 3)), layers.GRU(2, stateful=True)]),
        r"GRU 'gru': stateful: got True, expected False",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_said(name: str) -> None:
    make, message = REFUSED[name]
    keras.utils.clear_session()
    with pytest.raises(FrameworkError, match=rf"\[from_keras\] .*{message}"):
        fx.from_keras(make())


def test_other_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TypeError, match=r"\[from_keras\] model: got Dense, expected a keras.Model"):
        fx.from_keras(layers.Dense(2))
    monkeypatch.setitem(sys.modules, "keras", None)
    with pytest.raises(NotFoundError, match=r"\[from_keras\] needs .* 'keras', .*: pip install keras"):
        fx.from_keras(None)


@pytest.mark.usefixtures("double")
def test_every_layer_is_in_a_model() -> None:
    seen = {"InputLayer"}

    def look(layer: Any) -> None:
        seen.add(type(layer).__name__)
        for member in [
            *getattr(layer, "layers", []),
            *(getattr(layer, key, None) for key in ("layer", "forward_layer")),
        ]:
            if member is not None:
                look(member)

    for make in CASES.values():
        look(make())
    in_training_only = {
        "ActivityRegularization", "AlphaDropout", "GaussianDropout", "GaussianNoise", "Identity", "SpatialDropout1D",
        "SpatialDropout2D", "SpatialDropout3D",
    }  # fmt: skip
    assert set(LAYERS) - in_training_only - seen <= {"Functional"}
