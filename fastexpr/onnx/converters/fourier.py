"""Discrete Fourier transforms: matrices with constant coefficients."""

from __future__ import annotations

import math

import numpy as np

from fastexpr.onnx.arrays import Array
from fastexpr.onnx.handle import Value
from fastexpr.onnx.node import OnnxNode
from fastexpr.onnx.products import linear
from fastexpr.onnx.registry import converter


@converter("DFT", since=20)
def dft(node: OnnxNode) -> Value:
    """Along an axis, by default the last but one; the last axis holds real and imaginary parts."""
    return transformed(node, int(node.constant_scalar(2)) if node.has_input(2) else -2)


@converter("DFT", since=17)
def dft_with_attribute(node: OnnxNode) -> Value:
    """Before operator set 20, the axis is an attribute."""
    return transformed(node, node.integer("axis"))


def transformed(node: OnnxNode, given_axis: int) -> Value:
    """The transform of input 0 along this axis."""
    x, inverse, onesided = node.input(0), bool(node.integer("inverse")), bool(node.integer("onesided"))
    axis = node.axis(given_axis, len(x.shape))
    if len(x.shape) < 2 or axis == len(x.shape) - 1 or x.shape[-1] not in (1, 2):
        node.fail(f"has shape {x.shape} and axis {axis}, expected a last axis of 1 or 2. Export the model again.")
    default = 2 * (x.shape[axis] - 1) if inverse and onesided else x.shape[axis]
    length = int(node.constant_scalar(1)) if node.has_input(1) else default
    node.check_size((x.shape[axis] * x.shape[-1], 2, max(length, 1)))
    if length < 1:
        node.fail(f"has dft_length={length}, expected a positive number. Export the model again.")
    return along_axis(node, x, axis, fourier_matrix(x.shape[axis], x.shape[-1], length, inverse, onesided))


def fourier_matrix(n: int, parts: int, length: int, inverse: bool, onesided: bool) -> Array:
    """(numbers and their parts, frequencies, parts): what each unit vector becomes. n numbers are cut or filled up with
    zeros to the length.
    """
    units = np.eye(n * parts).reshape(n * parts, n, parts)
    numbers = units[..., 0] + (1j * units[..., 1] if parts == 2 else 0)
    if inverse and onesided:
        return np.fft.irfft(numbers, length, 1)[..., np.newaxis]
    result = np.fft.ifft(numbers, length, 1) if inverse else np.fft.fft(numbers, length, 1)
    if onesided:
        result = result[:, : length // 2 + 1]
    return np.stack([result.real, result.imag], -1)


def along_axis(node: OnnxNode, x: Value, axis: int, matrix: Array) -> Value:
    """The matrix times the numbers along this axis and the last one, together."""
    graph, rank = node.graph, len(x.shape)
    order = [*(k for k in range(rank - 1) if k != axis), axis, rank - 1]
    moved = x.transpose(order)
    lead = moved.shape[:-2]
    flat = moved.reshape((*lead, math.prod(moved.shape[-2:])))
    y = linear(graph, flat, matrix.reshape(matrix.shape[0], -1), len(lead), transposed=True)
    y_parts = y.reshape((*lead, *matrix.shape[1:]))
    return y_parts.transpose([order.index(k) for k in range(rank)])


@converter("STFT", since=17)
def stft(node: OnnxNode) -> Value:
    """Transforms of frames of the signal (batch, length, parts), each weighted by the window."""
    x, step = node.input(0), int(node.constant_scalar(1))
    x = x if len(x.shape) == 3 else x.reshape((*x.shape, 1))
    window = node.constant(2).astype(np.float64) if node.has_input(2) else None
    length = int(node.constant_scalar(3)) if node.has_input(3) else 0 if window is None else len(window)
    if len(x.shape) != 3 or step < 1 or not 1 <= length <= x.shape[1] or (window is not None and len(window) != length):
        node.fail(
            f"has a signal of shape {x.shape}, frame_step={step} and frame_length={length}, which do not fit together. "
            "Export the model again."
        )
    starts = np.arange(0, x.shape[1] - length + 1, step)
    places = starts[:, np.newaxis] + np.arange(length)
    node.check_size((x.shape[0], *places.shape, x.shape[2]))
    frames = x[:, places]
    weights = np.ones(length) if window is None else window
    matrix = fourier_matrix(length, x.shape[2], length, inverse=False, onesided=bool(node.integer("onesided")))
    parts = matrix.shape[0] // length
    weighted = matrix * np.repeat(weights, parts)[:, np.newaxis, np.newaxis]
    return along_axis(node, frames, 2, weighted)
