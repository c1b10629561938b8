"""Keras models for the tests of `from_keras`: one per layer and setting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers, ops

Model = Callable[[], Any]


def sequence(shape: tuple[int, ...], *parts: Any) -> Model:
    """A Sequential model of layers that are made when it is."""
    return lambda: keras.Sequential([keras.Input(shape), *(part() for part in parts)])


def one(shape: tuple[int, ...], kind: Any, *args: Any, **settings: Any) -> Model:
    """A model of one layer."""
    return sequence(shape, lambda: kind(*args, **settings))


def activations() -> Any:
    """A dense layer with each activation, side by side."""
    names = [
        "celu", "elu", "exponential", "gelu", "hard_sigmoid", "hard_silu", "hard_tanh", "leaky_relu", "linear",
        "log_sigmoid", "log_softmax", "mish", "relu", "relu6", "selu", "sigmoid", "silu", "softmax", "softplus",
        "softsign", "squareplus", "tanh", "tanh_shrink",
    ]  # fmt: skip
    x = keras.Input((4,))
    parts = [layers.Dense(3, name, bias_initializer="normal")(x) for name in names]
    kinds = [
        layers.ReLU(), layers.ReLU(1.0, 0.25), layers.LeakyReLU(0.125), layers.PReLU("normal"), layers.ELU(0.5),
        layers.Softmax(), layers.Activation("tanh"), layers.Activation(layers.LeakyReLU(0.125)),
    ]  # fmt: skip
    return keras.Model(x, layers.Concatenate()([*parts, *(kind(layers.Dense(3)(x)) for kind in kinds)]))


def merging() -> Any:
    """Two inputs, three outputs as a dict, every way to put layers together."""
    a, b = keras.Input((3,), name="a"), keras.Input((3,), name="b")
    u, v = layers.Dense(4, "tanh")(a), layers.Dense(4, "tanh")(b)
    kinds = [layers.Add, layers.Subtract, layers.Multiply, layers.Average, layers.Maximum, layers.Minimum]
    joined = layers.Concatenate()([kind()([u, v]) for kind in kinds])
    products = [layers.Dot(axes=1)([u, v]), layers.Dot(axes=-1, normalize=True)([u, v])]
    return keras.Model([a, b], {"joined": joined, "dot": layers.Concatenate()(products), "v": v})


def arithmetic() -> Any:
    """Operators and functions between layers, and a model inside a model, twice."""
    x = keras.Input((4,))
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(4, "tanh"), layers.Dense(4)])
    u, v = inner(x), inner(x * 2.0 - 1.0)
    y = -u / (2.0 + ops.exp(v)) + ops.square(u) * ops.sin(v) + abs(v) ** 2.0 + ops.maximum(u, v)
    z = ops.concatenate([y[:, 1:3], ops.mean(y, axis=-1, keepdims=True), ops.tanh(u)], axis=-1)
    return keras.Model(x, [z, ops.sum(y * ops.sqrt(1.0 + u**2), axis=1), ops.matmul(u, np.ones((4, 2)))])


def residual() -> Any:
    """As people write them: blocks of normalization, activation, dropout and a skip."""
    x = keras.Input((5,))
    h = layers.Dense(8)(x)
    for normalization in (layers.BatchNormalization(), layers.LayerNormalization()):
        h = layers.Add()([h, layers.Dropout(0.2)(layers.Dense(8, "silu")(normalization(h)))])
    return keras.Model(x, layers.Dense(2)(h))


def transformer() -> Any:
    """Attention with itself, causal and not, and with others."""
    x = keras.Input((4, 3))
    h = layers.Dense(6)(x)
    h = layers.LayerNormalization()(h + layers.MultiHeadAttention(2, 3, dropout=0.1)(h, h))
    h = layers.RMSNormalization()(h + layers.MultiHeadAttention(2, 3, value_dim=2)(h, h, use_causal_mask=True))
    h = h + layers.MultiHeadAttention(1, 4)(h, layers.Dense(6)(x))
    return keras.Model(x, layers.GlobalAveragePooling1D()(h + layers.EinsumDense("...i,io->...o", 6, "gelu")(h)))


def recurrent() -> Any:
    """An encoder whose states begin the decoder, and what else recurrent layers can do."""
    x = keras.Input((6, 3))
    h, state = layers.GRU(4, return_sequences=True, return_state=True, bias_initializer="normal")(x)
    g, a, b = layers.LSTM(4, return_sequences=True, return_state=True, bias_initializer="normal")(h)
    h = layers.LSTM(4, return_sequences=True, go_backwards=True)(g, initial_state=[a, b])
    h = layers.GRU(4, return_sequences=True, reset_after=False, bias_initializer="normal")(h, initial_state=state)
    h = layers.Bidirectional(layers.GRU(3, return_sequences=True))(h)
    h = layers.Bidirectional(layers.LSTM(3, use_bias=False), merge_mode="ave")(h)
    h = layers.RepeatVector(3)(h)
    return keras.Model(x, layers.SimpleRNN(2, activation="relu")(layers.TimeDistributed(layers.Dense(3, "tanh"))(h)))


def normalization() -> Any:
    adapted = layers.Normalization()
    adapted.adapt(np.random.default_rng(0).normal(2.0, 3.0, (50, 3)))
    return keras.Sequential([keras.Input((3,)), adapted, layers.Rescaling(2.0, -1.0)])


def images(*parts: Any) -> Model:
    return sequence((8, 6, 2), *parts, layers.Flatten, lambda: layers.Dense(2))


def channels_first() -> Any:
    """What differs: where the channels are when they are flattened, padded and pooled."""
    x = keras.Input((2, 6, 5))
    first = {"data_format": "channels_first"}
    h = layers.ZeroPadding2D(1, **first)(layers.UpSampling2D((1, 2), **first)(x))
    h = layers.Cropping2D(((0, 1), (1, 1)), **first)(h)
    pooled = layers.GlobalAveragePooling2D(**first)(h)
    return keras.Model(x, layers.Concatenate()([layers.Flatten(**first)(h), pooled]))


def global_pooling() -> Any:
    x = keras.Input((3, 4, 2))
    kinds = [layers.GlobalAveragePooling2D, layers.GlobalMaxPooling2D]
    volume = layers.Reshape((3, 2, 2, 2))(x)
    return keras.Model(x, layers.Concatenate()([*(kind()(x) for kind in kinds), layers.GlobalMaxPooling3D()(volume)]))


CASES: dict[str, Model] = {
    "activations": activations,
    "merging": merging,
    "arithmetic": arithmetic,
    "residual": residual,
    "transformer": transformer,
    "recurrent": recurrent,
    "normalization": normalization,
    "GroupNormalization": one((4, 6), layers.GroupNormalization, 3),
    "UnitNormalization": one((3, 2), layers.UnitNormalization),
    "shapes": sequence(
        (4, 6),
        lambda: layers.Reshape((3, -1, 2)),
        lambda: layers.Permute((2, 1, 3)),
        lambda: layers.Cropping2D(((1, 0), (0, 1))),
        lambda: layers.ZeroPadding2D(((1, 0), (0, 2))),
        lambda: layers.UpSampling2D((2, 3)),
    ),
    "sequences": sequence(
        (5, 2), lambda: layers.Cropping1D(1), lambda: layers.ZeroPadding1D((2, 0)), lambda: layers.UpSampling1D(2)
    ),
    # images
    "Conv1D, causal": one((9, 2), layers.Conv1D, 3, 3, padding="causal", dilation_rate=2, activation="tanh"),
    "Conv2D": images(
        lambda: layers.Conv2D(4, 3, padding="same", strides=2, activation="tanh", bias_initializer="normal"),
        layers.BatchNormalization,
        lambda: layers.Conv2D(4, 2, groups=2, use_bias=False),
    ),
    "Conv3D": one((4, 4, 4, 1), layers.Conv3D, 2, 2, activation="sigmoid"),
    "DepthwiseConv2D": images(lambda: layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same")),
    "SeparableConv2D": images(lambda: layers.SeparableConv2D(3, 3, depth_multiplier=2)),
    "Conv2DTranspose": images(
        lambda: layers.Conv2DTranspose(3, 3, strides=2, padding="same", bias_initializer="normal"),
        lambda: layers.Conv2DTranspose(2, 2, strides=1, activation="tanh"),
    ),
    "pooling": images(
        lambda: layers.MaxPooling2D(2, strides=1, padding="same"), lambda: layers.AveragePooling2D(3, 2, padding="same")
    ),
    "pooling of everything": sequence((4, 4, 2), lambda: layers.GlobalMaxPooling2D(keepdims=True), layers.Flatten),
    "channels first": channels_first,
    "one axis": sequence(
        (12, 2),
        lambda: layers.DepthwiseConv1D(3),
        lambda: layers.SeparableConv1D(3, 2),
        lambda: layers.Conv1DTranspose(2, 3, strides=2),
        lambda: layers.MaxPooling1D(2),
        lambda: layers.AveragePooling1D(2),
        layers.GlobalMaxPooling1D,
    ),
    "three axes": sequence(
        (4, 4, 4, 1),
        lambda: layers.Conv3DTranspose(2, 2),
        lambda: layers.UpSampling3D((1, 2, 1)),
        lambda: layers.ZeroPadding3D(1),
        lambda: layers.Cropping3D((0, 1, 2)),
        lambda: layers.MaxPooling3D(2),
        lambda: layers.AveragePooling3D(1),
        layers.GlobalAveragePooling3D,
    ),
    "global": global_pooling,
    "UpSampling2D, linear": one((3, 2, 1), layers.UpSampling2D, 2, interpolation="bilinear"),
}
