"""One row per converter, version and setting: a node with its inputs. Values, exports and more are tested on each."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from onnx import ModelProto, TensorProto, helper
from onnx_models import Array, make_model

RANDOM = np.random.default_rng(1)


def floats(*shape: int) -> Array:
    return RANDOM.normal(size=shape)


def positive(*shape: int) -> Array:
    return RANDOM.uniform(0.5, 2.0, shape)


def ints(*numbers: int) -> Array:
    return np.array(numbers, np.int64)


def places(*shape: int) -> Array:
    """For GridSample: some outside of the image; float32 holds them exactly, and no two pixels are equally near."""
    return RANDOM.integers(-90, 90, shape) / 64 + 1 / 1024


class Row(NamedTuple):
    """One node: inputs are shapes (depend on x), arrays (constant) or None (left out)."""

    operator: str
    opset: int
    inputs: tuple[Any, ...]
    attributes: dict[str, Any] = {}  # noqa: RUF012
    outputs: int = 1
    between: tuple[float, float] = (-2.0, 2.0)  # where x is taken from
    runtime: bool = True  # ONNX Runtime has it, as the standard says


POSITIVE = (0.3, 2.0)


def row(
    operator: str,
    opset: int,
    *inputs: Any,
    outputs: int = 1,
    positive: bool = False,
    between: tuple[float, float] = (-2.0, 2.0),
    runtime: bool = True,
    **attributes: Any,
) -> Row:
    return Row(operator, opset, inputs, attributes, outputs, POSITIVE if positive else between, runtime)


X = (1, 6)
UNARY = [
    "Neg", "Abs", "Relu", "Sigmoid", "Tanh", "Softplus", "Softsign", "Exp", "Erf", "Sin", "Cos",
    "LeakyRelu", "Elu", "Selu", "HardSigmoid", "Identity", "Reciprocal", "Tan", "Atan", "Sinh", "Cosh", "Asinh", "Sign",
    "Floor", "Ceil", "Round",
]  # fmt: skip
CUBE = (2, 3, 4)
HEADS = (1, 2, 3, 2)

from_image = (1, 2, 5, 6)
REGIONS = np.array([[0.25, 0.5, 3.5, 2.75], [1, -0.5, 2.5, 6]])

IMAGES = [
    # convolutions
    row("Conv", 11, (1, 2, 7), floats(3, 2, 3)),
    row("Conv", 11, from_image, floats(3, 2, 3, 2), floats(3), pads=[1, 0, 1, 1]),
    row("Conv", 22, (2, 2, 5, 6), floats(4, 1, 3, 3), floats(4), group=2, strides=[2, 1], pads=[1, 1, 1, 1]),
    row("Conv", 11, (1, 3, 5, 4), floats(3, 1, 2, 2), group=3, kernel_shape=[2, 2]),
    row("Conv", 11, (1, 1, 9, 8), floats(1, 1, 3, 2), dilations=[2, 3], pads=[1, 0, 2, 1]),
    row("Conv", 11, (1, 1, 3, 4, 5), floats(2, 1, 2, 2, 3), floats(2), strides=[1, 2, 1]),
    row("Conv", 1, (1, 1, 5, 5), floats(1, 1, 3, 3), strides=[2, 2]),
    *(
        row("Conv", 11, (1, 1, 6, 5), floats(1, 1, 3, 2), auto_pad=mode, strides=[2, 2])
        for mode in ("SAME_UPPER", "SAME_LOWER", "VALID", "NOTSET")
    ),
    row("Conv", 11, (1, 2, 4, 3), (4, 1, 2, 2), (4,), group=2, pads=[0, 1, 1, 0]),
    row("Conv", 11, floats(1, 2, 5), (1, 2, 3), strides=[2]),
    row("Conv", 11, from_image, floats(2, 2, 2, 2), (2,)),
    row("ConvTranspose", 11, (1, 2, 4), floats(2, 3, 3)),
    row("ConvTranspose", 11, (1, 2, 3, 3), floats(2, 2, 3, 3), floats(2), strides=[2, 2], pads=[1, 1, 1, 1]),
    row("ConvTranspose", 22, (1, 1, 3, 3), floats(1, 2, 3, 3), strides=[3, 2], output_padding=[1, 1]),
    row("ConvTranspose", 11, (1, 1, 3, 3), floats(1, 2, 3, 3), strides=[3, 2], output_shape=[10, 8]),
    row("ConvTranspose", 11, (1, 1, 3, 3), floats(1, 1, 2, 2), dilations=[2, 2]),
    row("ConvTranspose", 11, (1, 4, 2, 3), floats(4, 1, 2, 2), floats(2), group=2),
    row("ConvTranspose", 1, (1, 1, 2, 2, 2), floats(1, 1, 2, 2, 2), floats(1)),
    *(
        row("ConvTranspose", 11, (1, 1, 3, 3), floats(1, 2, 3, 3), strides=[2, 2], auto_pad=mode)
        for mode in ("SAME_UPPER", "SAME_LOWER", "VALID")
    ),
    row("ConvTranspose", 11, (1, 2, 3), (2, 2, 2), (2,), strides=[2], group=1),
    # pooling
    row("MaxPool", 12, (1, 2, 7), kernel_shape=[3]),
    row("MaxPool", 12, from_image, kernel_shape=[2, 2], strides=[2, 2]),
    row("MaxPool", 22, from_image, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
    row("MaxPool", 12, from_image, kernel_shape=[3, 2], strides=[2, 2], ceil_mode=1),
    row("MaxPool", 12, from_image, kernel_shape=[2, 2], dilations=[2, 3], storage_order=1),
    row("MaxPool", 12, (1, 1, 3, 4, 3), kernel_shape=[2, 2, 2], strides=[1, 2, 1]),
    *(
        row("MaxPool", opset, from_image, kernel_shape=[2, 2], strides=[3, 2], auto_pad=mode)
        for mode, opset in (("SAME_UPPER", 12), ("SAME_LOWER", 11), ("VALID", 8))
    ),
    row("MaxPool", 1, from_image, kernel_shape=[2, 3], strides=[1, 1]),
    row("AveragePool", 11, (1, 2, 7), kernel_shape=[3]),
    row("AveragePool", 11, from_image, kernel_shape=[2, 2], strides=[2, 2]),
    row("AveragePool", 22, from_image, kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
    row("AveragePool", 19, from_image, kernel_shape=[3, 3], pads=[1, 2, 1, 0], count_include_pad=1),
    row("AveragePool", 19, from_image, kernel_shape=[2, 2], dilations=[2, 3]),
    row("AveragePool", 19, (1, 1, 6, 5), kernel_shape=[3, 2], strides=[2, 2], ceil_mode=1),
    row("AveragePool", 19, (1, 1, 6, 6), kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1, count_include_pad=1),
    row("AveragePool", 11, (1, 1, 3, 4, 3), kernel_shape=[2, 2, 2]),
    row("AveragePool", 7, from_image, kernel_shape=[3, 3], count_include_pad=1, pads=[1, 1, 1, 1]),
    *(
        row("AveragePool", 10, from_image, kernel_shape=[2, 2], strides=[2, 2], auto_pad=mode)
        for mode in ("SAME_UPPER", "SAME_LOWER", "VALID")
    ),
    row("AveragePool", 1, from_image, kernel_shape=[2, 3]),
    row("LpPool", 11, from_image, kernel_shape=[2, 3]),
    row("LpPool", 18, from_image, kernel_shape=[2, 2], p=3, strides=[2, 2], dilations=[2, 1]),
    row("LpPool", 18, from_image, kernel_shape=[3, 2], p=1, pads=[1, 0, 1, 1]),
    row("LpPool", 2, (1, 2, 6), kernel_shape=[2], p=2),
    row("GlobalLpPool", 2, from_image),
    row("GlobalLpPool", 22, from_image, p=3, runtime=False),
    row("GlobalMaxPool", 1, from_image),
    row("GlobalMaxPool", 22, (2, 2, 3)),
    row("MaxUnpool", 11, (1, 1, 2, 2), np.array([[[[5, 7], [13, 15]]]]), kernel_shape=[2, 2], strides=[2, 2]),
    row("MaxUnpool", 11, (1, 1, 4), np.array([[[0, 3, 4, 2]]]), ints(1, 1, 6), kernel_shape=[2]),
    # padding and cropping
    row("Pad", 13, CUBE, ints(1, 0, 0, 0, 2, 1)),
    row("Pad", 13, CUBE, ints(0, 1, 2, 1, 0, 0), np.array(0.75)),
    row("Pad", 18, CUBE, ints(1, 2), np.array(-1.5), ints(-1)),
    row("Pad", 13, (2, 3), ints(1, 0, 0, 1), ()),
    row("Pad", 13, CUBE, ints(0, -1, -1, 0, 2, -2)),
    row("Pad", 13, CUBE, ints(0, -1, 0, 0, -1, 0)),
    row("Pad", 13, CUBE, ints(0, 1, 2, 1, 2, 1), mode="reflect"),
    row("Pad", 11, CUBE, ints(1, 0, 2, 0, 2, 1), mode="edge"),
    row("Pad", 19, CUBE, ints(1, 0, 2, 0, 2, 1), mode="wrap"),
    row("Pad", 2, CUBE, pads=[0, 0, 1, 1, 0, 0], value=2.0),
    row("Pad", 1, CUBE, paddings=[0, 0, 1, 1, 0, 0], mode="edge"),
    row("CenterCropPad", 18, (5, 4, 3), ints(2, 7, 3)),
    row("CenterCropPad", 18, (5, 4, 3), ints(4, 3), axes=[2, -3]),
    # pixels and channels
    row("DepthToSpace", 13, (1, 8, 2, 3), blocksize=2),
    row("DepthToSpace", 13, (1, 8, 2, 3), blocksize=2, mode="CRD"),
    row("DepthToSpace", 1, (1, 8, 2, 3), blocksize=2),
    row("SpaceToDepth", 13, (1, 2, 4, 6), blocksize=2),
    row("LRN", 13, (1, 5, 2, 2), size=3),
    row("LRN", 1, (2, 4, 2, 1), size=4, alpha=0.5, beta=0.6, bias=1.5, runtime=False),
    row("Col2Im", 18, (1, 4, 6), ints(3, 4), ints(2, 2)),
    row("Col2Im", 18, (2, 12, 4), ints(4, 5), ints(2, 2), strides=[2, 2], dilations=[1, 2], pads=[0, 1, 1, 0]),
    row("AffineGrid", 20, (2, 2, 3), ints(2, 1, 3, 4)),
    row("AffineGrid", 20, (1, 3, 4), ints(1, 1, 2, 3, 2), align_corners=1),
    # interpolation
    *(
        row("Resize", 19, from_image, None, np.array([1, 1, 1.5, 2], np.float32), mode=mode)
        for mode in ("nearest", "linear", "cubic")
    ),
    *(
        row("Resize", 18, (1, 1, 6, 5), None, None, ints(1, 1, 3, 8), mode="nearest", nearest_mode=rounding)
        for rounding in ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
    ),
    *(
        row("Resize", 13, from_image, None, None, ints(1, 2, 7, 4), mode=mode, coordinate_transformation_mode=name)
        for name in ("align_corners", "asymmetric", "pytorch_half_pixel")
        for mode in ("linear", "cubic")
    ),
    row(
        "Resize", 19, (1, 1, 4, 6), None, np.array([1, 1, 0.6, 0.8], np.float32),
        mode="linear", coordinate_transformation_mode="half_pixel_symmetric",
    ),
    row(
        "Resize", 13, (1, 1, 4, 4), np.array([0, 0, 0.4, 0.6, 1, 1, 1.2, 1.7], np.float32), None, ints(1, 1, 3, 3),
        mode="linear", coordinate_transformation_mode="tf_crop_and_resize", extrapolation_value=10.0,
    ),
    row("Resize", 13, (1, 1, 6, 5), None, None, ints(1, 1, 4, 7), mode="cubic", exclude_outside=1, cubic_coeff_a=-0.5),
    row("Resize", 19, (1, 1, 6, 8), None, None, ints(1, 1, 3, 3), mode="linear", antialias=1),
    row("Resize", 19, (1, 1, 6, 8), None, None, ints(1, 1, 3, 3), mode="cubic", antialias=1),
    row("Resize", 19, (1, 1, 6, 8), None, None, ints(4, 5), axes=[2, 3], keep_aspect_ratio_policy="not_larger"),
    row("Resize", 19, (1, 1, 6, 8), None, None, ints(4, 5), axes=[2, 3], keep_aspect_ratio_policy="not_smaller"),
    row("Resize", 10, from_image, np.array([1, 1, 2, 0.5], np.float32)),
    row("Resize", 10, from_image, np.array([1, 1, 2, 1.5], np.float32), mode="linear"),
    row("Upsample", 9, from_image, np.array([1, 1, 2, 3], np.float32)),
    row("Upsample", 9, from_image, np.array([1, 1, 2, 3], np.float32), mode="linear"),
    row("Upsample", 7, from_image, scales=[1.0, 1.0, 2.0, 3.0]),
]  # fmt: skip

ROWS = [
    *(row(name, 20, X) for name in UNARY),
    *(row(name, 13, CUBE) for name in UNARY),
    *(row(name, 20, X, positive=True) for name in ("Log", "Sqrt")),
    *(row(name, 20, X, between=(-0.9, 0.9)) for name in ("Asin", "Acos", "Atanh")),
    row("Acosh", 20, X, between=(1.2, 3.0)),
    row("LeakyRelu", 16, X, alpha=0.3),
    row("Elu", 6, X, alpha=2.5),
    row("Selu", 6, X, alpha=1.5, gamma=2.0),
    row("HardSigmoid", 6, X, alpha=0.5, beta=0.25),
    row("HardSwish", 14, X),
    row("Gelu", 20, X),
    row("Gelu", 20, X, approximate="tanh"),
    row("Swish", 24, X),
    row("Swish", 24, X, alpha=1.5),
    row("Mish", 18, X),
    row("Celu", 12, X, alpha=1.75),
    row("Celu", 13, X),
    row("PRelu", 16, X, floats(6)),
    row("PRelu", 9, CUBE, floats(3, 1)),
    row("PRelu", 7, CUBE, (4,)),
    row("PRelu", 6, CUBE, floats(3)),
    row("PRelu", 1, CUBE, floats(1)),
    row("ThresholdedRelu", 10, X, alpha=0.5),
    row("ThresholdedRelu", 22, CUBE),
    row("Shrink", 9, X, lambd=0.7, bias=0.25),
    row("Shrink", 9, CUBE),
    row("Clip", 13, X, np.array(-0.5), np.array(0.7)),
    row("Clip", 13, X, None, np.array(0.7)),
    row("Clip", 11, X, np.array(0.1)),
    row("Clip", 13, X, np.array(0.5), np.array(-0.5)),
    row("Clip", 13, X, np.array(-np.inf), np.array(0.5)),
    row("Clip", 6, X, min=-0.5, max=0.25),
    row("Clip", 6, X, max=0.25),
    row("Clip", 13, X),
    row("Clip", 13, X, (), np.array(0.7)),
    row("Clip", 13, X, None, ()),
    # arithmetic
    *(row(name, 14, X, X) for name in ("Add", "Sub", "Mul", "Div")),
    *(row(name, 13, X, floats(6)) for name in ("Add", "Sub", "Mul", "Div")),
    *(row(name, 7, floats(3, 1), X) for name in ("Add", "Sub", "Mul", "Div")),
    row("Mul", 14, (2, 1, 3), (4, 1)),
    row("Add", 6, CUBE, floats(3), axis=1, broadcast=1),
    row("Sub", 6, CUBE, floats(4), broadcast=1),
    row("Mul", 1, CUBE, (2, 3), axis=0, broadcast=1),
    row("Div", 6, X, X),
    row("Pow", 15, X, np.array(3.0)),
    row("Pow", 13, X, ints(2)),
    row("Pow", 12, X, np.array([0.0, 1.0, 2.0, 3.0, 4.0, -1.0])),
    row("Pow", 15, X, np.array(1.7), positive=True),
    row("Pow", 15, X, X, positive=True),
    row("Pow", 7, positive(6), X),
    row("Pow", 1, CUBE, np.array([1.0, 2.0, 3.0]), axis=1, broadcast=1),
    row("Sum", 13, X, floats(6), (3, 1)),
    row("Sum", 13, X),
    row("Sum", 6, X, X),
    row("Mean", 13, X, (6,), X),
    row("Mean", 6, X, X),
    *(row("Mod", opset, X, floats(6), fmod=1) for opset in (10, 13)),
    row("Mod", 13, (3, 1), (4,), fmod=1),
    *(row(name, 13, X, floats(6)) for name in ("Max", "Min")),
    *(row(name, 6, X, X, X) for name in ("Max", "Min")),
    row("Max", 13, X, np.array(-np.inf)),
    row("Min", 13, X, np.array([1.0, -1.0, 0.5, np.inf, 0.0, -0.5])),
    *(row(name, 13, X, np.array(0.25)) for name in ("Max", "Min")),
    row("Max", 8, (1, 3), floats(2, 1), (2, 3)),
    row("Min", 13, np.array([[0.5]]), (3,)),
    row("Where", 16, np.array([True, False, True, False, False, True]), X, floats(3, 6)),
    row("Where", 9, np.array([[True], [False]]), floats(6), X),
    row("Where", 16, np.array([True, False, True, False, False, True]), X, np.array(-1e30)),
    # Gemm and MatMul
    row("Gemm", 13, (1, 4), floats(4, 5), floats(5)),
    row("Gemm", 13, (1, 4), floats(5, 4), floats(1, 5), transB=1),
    row("Gemm", 13, (2, 4), floats(5, 4), floats(2, 5), transB=1, alpha=0.3, beta=0.7),
    row("Gemm", 13, (2, 4), floats(4, 5), floats(2, 1), beta=2.0),
    row("Gemm", 13, (2, 4), floats(4, 5), np.array(0.5)),
    row("Gemm", 13, (2, 4), floats(4, 5), floats(1)),
    row("Gemm", 13, (4, 2), floats(4, 5), floats(1, 1), transA=1),
    row("Gemm", 13, (4, 2), floats(5, 4), None, transA=1, transB=1),
    row("Gemm", 11, floats(3, 4), (4, 2), floats(2), alpha=2.0),
    row("Gemm", 13, floats(4, 3), (2, 4), floats(3, 1), transA=1, transB=1),
    row("Gemm", 13, (2, 4), floats(4, 5), (5,), beta=0.5),
    row("Gemm", 13, (2, 3), (3, 4), floats(4), alpha=0.5),
    row("Gemm", 13, (3, 2), (4, 3), transA=1, transB=1),
    row("Gemm", 13, (2, 4), floats(4, 5), floats(5), beta=0.0),
    row("Gemm", 6, (2, 4), floats(4, 5), floats(5), broadcast=1),
    row("MatMul", 13, (1, 4), floats(4, 5)),
    row("MatMul", 9, (2, 3, 4), floats(4, 5)),
    row("MatMul", 13, (4,), floats(4, 5)),
    row("MatMul", 13, (2, 4), floats(4)),
    row("MatMul", 13, (4,), floats(4)),
    row("MatMul", 13, floats(5, 4), (4, 2)),
    row("MatMul", 13, floats(5, 4), (3, 4, 2)),
    row("MatMul", 13, floats(5, 4), (4,)),
    row("MatMul", 13, floats(4), (4, 2)),
    row("MatMul", 13, floats(4), (3, 4, 2)),
    row("MatMul", 13, (4, 2), floats(1, 2, 3)),
    row("MatMul", 13, floats(1, 1, 3, 4), (4, 2)),
    row("MatMul", 13, (2, 3, 4), floats(2, 4, 2)),
    row("MatMul", 13, floats(2, 3, 4), (4, 2)),
    row("MatMul", 13, (2, 3), (3, 4)),
    row("MatMul", 13, (2, 3, 4), (4,)),
    row("Einsum", 12, (2, 3), floats(3, 4), equation="bi,ij->bj"),
    row("Einsum", 12, (2, 3), floats(4, 3), equation="bi, oi -> ob"),
    row("Einsum", 12, (2, 3), (2, 3), equation="bi,bi->b"),
    row("Einsum", 12, (2, 3, 4), (2, 4, 5), equation="bik,bkj"),
    row("Einsum", 12, (2, 3), (3,), floats(2, 4), equation="ij,j,ik->kj"),
    row("Einsum", 12, (2, 3, 4), equation="abc->ca"),
    row("Einsum", 12, (2, 3), (4,), equation="ij,k->kij"),
    row("Einsum", 12, (3,), (3,), equation="i,i->"),
    row("MatMul", 13, (2, 1, 2, 3), (2, 3, 2)),
    row("MatMul", 13, (3,), (2, 3, 2)),
    row("MatMul", 13, (2, 2, 3), (3,)),
    row("MatMul", 13, (3,), (3,)),
    row("Gemm", 13, (2, 4), (4, 5), (5,), alpha=0.5, beta=2.0),
    row("Gemm", 13, (2, 4), (5, 4), (2, 1), transB=1),
    row("Einsum", 12, (3, 3), equation="ii->i"),
    row("Einsum", 12, (3, 3), equation="ii"),
    row("Einsum", 12, (2, 3, 3), equation="...ii->...i"),
    row("Einsum", 12, (2, 3, 3), (3, 2), equation="bii,ic->bc"),
    row("Einsum", 12, (2, 3, 4), (2, 4, 5), equation="...ij,...jk->...ik"),
    row("Einsum", 12, (2, 1, 3, 4), (1, 2, 4, 5), equation="...ij,...jk"),
    row("Einsum", 12, (2, 3), (2, 3, 4), equation="b...,b...c->...c"),
    row("Einsum", 12, (2, 3), (2, 3), equation="ij,ij->ij"),
    row("Einsum", 12, (2, 3), (3, 4), (4, 2), equation="ij,jk,ki->"),
    row("Einsum", 12, (2, 3), floats(3, 4), floats(4, 2), equation="ij,jk,kl->il"),
    row("Einsum", 12, (2,), (3,), (4,), equation="a,B,c->Bca"),
    row("Einsum", 12, (1, 3), (2, 3), equation="ij,ij->ij"),
    row("Einsum", 12, floats(2, 3, 3), (3, 2), equation="bij,jc->bic"),
    row("Det", 11, (1, 1)),
    *(row("Det", opset, (2, n, n)) for opset, n in ((11, 2), (22, 3), (22, 6))),
    row("Det", 22, (4, 4)),
    row("Trilu", 14, CUBE),
    row("Trilu", 14, CUBE, np.array(1)),
    row("Trilu", 14, CUBE, np.array(-1), upper=0),
    row("Trilu", 14, (3, 3), np.array(5)),
    # attention
    *(row("Attention", opset, (1, 2, 3, 4), (1, 2, 3, 4), (1, 2, 3, 4)) for opset in (23, 24)),
    row("Attention", 23, (2, 4, 3, 4), (2, 2, 5, 4), (2, 2, 5, 3), scale=0.3),
    row("Attention", 23, (1, 2, 12), (1, 3, 6), (1, 3, 4), q_num_heads=4, kv_num_heads=2),
    row("Attention", 23, (1, 2, 12), (1, 3, 3), (1, 3, 4), q_num_heads=4, kv_num_heads=1, is_causal=1),
    row("Attention", 23, HEADS, HEADS, HEADS, is_causal=1, softcap=2.0),
    row("Attention", 23, HEADS, HEADS, HEADS, floats(3, 3)),
    row("Attention", 23, HEADS, HEADS, HEADS, (3, 3)),
    row("Attention", 23, HEADS, HEADS, HEADS, np.tri(3, dtype=bool), scale=2.0),
    row("Attention", 23, HEADS, HEADS, HEADS, np.where(np.tri(3, k=1), floats(2, 3, 3), -np.inf), is_causal=1),
    row("Attention", 23, HEADS, HEADS, HEADS, np.tri(3, k=-1, dtype=bool)),
    row("Attention", 23, HEADS, floats(*HEADS), HEADS, np.where(np.tri(3), 0.0, -np.inf)),
    row("Attention", 23, floats(*HEADS), floats(*HEADS), HEADS, is_causal=1),
    row("Attention", 23, HEADS, HEADS, HEADS, None, (1, 2, 2, 2), floats(1, 2, 2, 2), outputs=3, is_causal=1),
    row("Attention", 23, HEADS, HEADS, HEADS, floats(3, 5), floats(1, 2, 2, 2), (1, 2, 2, 2), outputs=3),
    *(
        row(
            "Attention",
            23,
            HEADS,
            HEADS,
            HEADS,
            np.where(np.tri(3, k=mode - 1), 0.5, 0.0),
            None,
            None,
            outputs=4,
            qk_matmul_output_mode=mode,
            softcap=1.5,
        )
        for mode in range(4)
    ),
    row("Attention", 24, HEADS, HEADS, HEADS, floats(3, 2)),
    row("Attention", 24, (2, 1, 3, 2), (2, 1, 4, 2), (2, 1, 4, 2), (3, 3), None, None, ints(2, 3)),
    row("Attention", 24, (2, 1, 3, 2), (2, 1, 4, 2), (2, 1, 4, 2), None, None, None, ints(2, 4), is_causal=1),
    row("Attention", 25, HEADS, HEADS, HEADS, left_window_size=1, right_window_size=0),
    row("Attention", 25, HEADS, HEADS, HEADS, None, (1, 2, 2, 2), (1, 2, 2, 2), right_window_size=1, outputs=3),
    row("RotaryEmbedding", 23, (2, 2, 3, 4), floats(2, 3, 2), floats(2, 3, 2)),
    row("RotaryEmbedding", 23, (2, 2, 3, 4), (5, 2), (5, 2), np.array([[0, 1, 2], [2, 4, 1]])),
    row("RotaryEmbedding", 23, (2, 3, 8), floats(5, 2), floats(5, 2), np.array([[0, 1, 2]] * 2), num_heads=2),
    row("RotaryEmbedding", 23, (2, 3, 8), floats(2, 3, 2), floats(2, 3, 2), num_heads=2, interleaved=1),
    row("RotaryEmbedding", 23, (2, 2, 3, 6), floats(2, 3, 2), floats(2, 3, 2), rotary_embedding_dim=4),
    row("RotaryEmbedding", 23, (2, 2, 3, 6), floats(2, 3, 1), floats(2, 3, 1), rotary_embedding_dim=2, interleaved=1),
    # Fourier transforms
    row("DFT", 20, (1, 5, 1), None, np.array(1, np.int64)),
    row("DFT", 20, (2, 4, 3, 2)),
    row("DFT", 20, (2, 4, 3, 1), np.array(6, np.int64), np.array(1, np.int64), onesided=1),
    row("DFT", 20, (1, 4, 2), inverse=1),
    row("DFT", 17, (1, 5, 1), axis=1),
    row("DFT", 17, (1, 6, 2), np.array(4, np.int64), inverse=1),
    row("STFT", 17, (1, 10, 1), np.array(3, np.int64), positive(4)),
    row("STFT", 17, (2, 9, 2), np.array(2, np.int64), positive(3), np.array(3, np.int64), onesided=0),
    row("STFT", 17, (1, 10, 1), np.array(2, np.int64), None, np.array(5, np.int64)),
    # normalization
    row("InstanceNormalization", 6, (1, 3, 4), floats(3), floats(3)),
    row("InstanceNormalization", 22, (2, 2, 3, 2), floats(2), floats(2), epsilon=0.01),
    *(row("BatchNormalization", opset, (1, 3), *(positive(3) for _ in range(4))) for opset in (15, 14, 9, 7)),
    row("BatchNormalization", 15, (2, 3, 2, 2), *(positive(3) for _ in range(4)), epsilon=0.01),
    row("BatchNormalization", 15, (2, 3), (3,), *(positive(3) for _ in range(3))),
    row("BatchNormalization", 6, (1, 3, 2), *(positive(3) for _ in range(4)), is_test=1),
    row("BatchNormalization", 7, (1, 3, 2), *(positive(3, 2) for _ in range(4)), spatial=0),
    row("LayerNormalization", 17, (2, 6), floats(6), floats(6)),
    row("LayerNormalization", 17, CUBE, floats(3, 4), axis=1, epsilon=1e-3),
    *(
        row(
            "GridSample",
            opset,
            (2, 2, 3, 4),
            places(2, 3, 2, 2),
            mode=mode,
            padding_mode=padding,
            align_corners=aligned,
        )
        for opset, modes in ((16, ("bilinear", "nearest", "bicubic")), (20, ("linear", "nearest", "cubic")))
        for mode in modes
        for padding in ("zeros", "border", "reflection")
        for aligned in (0, 1)
    ),
    row("GridSample", 22, (1, 2, 3, 4, 2), places(1, 2, 2, 3, 3)),
    row("GridSample", 16, (1, 2, 3, 4), (1, 2, 2, 2), padding_mode="border"),
    row("RoiAlign", 16, (1, 2, 5, 4), REGIONS, ints(0, 0), output_height=2, output_width=2),
    row("GridSample", 20, (1, 1, 1, 3), places(1, 2, 2, 2), padding_mode="reflection", align_corners=1),
    # caches
    row("TensorScatter", 24, (2, 5, 3), (2, 2, 3), ints(3, 0)),
    row("TensorScatter", 24, (2, 3, 5, 2), (2, 3, 3, 2), ints(3, 1), mode="circular"),
    row("TensorScatter", 24, (2, 5, 3), (2, 4, 3), axis=1),
    row("LayerNormalization", 17, CUBE, floats(4), outputs=3),
    row("LayerNormalization", 17, CUBE, (3, 4), (3, 4), axis=-2),
    row("RMSNormalization", 23, CUBE, floats(4)),
    row("RMSNormalization", 23, CUBE, (3, 4), axis=1, epsilon=0.01),
    row("GroupNormalization", 21, (2, 4, 3), floats(4), floats(4), num_groups=2),
    row("GroupNormalization", 21, (1, 6, 2, 2), (6,), floats(6), num_groups=3, epsilon=0.01),
    row("GroupNormalization", 18, (1, 4, 2, 2), floats(2), floats(2), num_groups=2),
    row("MeanVarianceNormalization", 13, (2, 3, 2, 2)),
    row("MeanVarianceNormalization", 9, CUBE, axes=[1, 2]),
    *(row("LpNormalization", opset, CUBE, axis=axis, p=p) for opset in (1, 22) for axis, p in ((-1, 2), (1, 1))),
    row("InstanceNormalization", 1, (1, 3, 4), floats(3), floats(3)),
    # softmax and reductions
    *(row(name, 13, CUBE) for name in ("Softmax", "LogSoftmax")),
    *(row(name, 13, CUBE, axis=axis) for name in ("Softmax", "LogSoftmax") for axis in (0, -2)),
    *(row(name, 11, CUBE) for name in ("Softmax", "LogSoftmax")),
    *(row(name, opset, CUBE, axis=2) for name in ("Softmax", "LogSoftmax") for opset in (1, 11)),
    row("Softmax", 11, CUBE, axis=-3),
    row("ReduceSum", 13, CUBE),
    row("ReduceSum", 13, CUBE, ints(1)),
    row("ReduceSum", 13, CUBE, ints(0, -1), keepdims=0),
    row("ReduceSum", 13, CUBE, ints(2, 0), keepdims=1),
    row("ReduceSum", 13, CUBE, noop_with_empty_axes=1),
    row("ReduceSum", 11, CUBE, axes=[0, 1], keepdims=0),
    row("ReduceSum", 13, (2, 1, 4, 1), ints(0, 2), keepdims=0),
    row("ReduceSum", 13, (2, 1, 4), ints(1)),
    row("ReduceMean", 13, CUBE, axes=[1, 2]),
    row("ReduceMean", 18, CUBE, ints(0), keepdims=0),
    row("ReduceMean", 1, CUBE),
    row("ReduceMax", 18, CUBE, ints(0, 2)),
    row("ReduceMax", 12, CUBE, axes=[1], keepdims=0),
    row("ReduceSumSquare", 13, CUBE, axes=[1]),
    row("ReduceL1", 13, CUBE, axes=[-1], keepdims=0),
    row("ReduceL2", 18, CUBE, ints(1, 2)),
    *(
        row(f"Reduce{name}", opset, CUBE, *inputs, **attributes)
        for name in ("Max", "Min", "Prod", "L1", "L2", "LogSumExp", "SumSquare", "Mean")
        for opset, inputs, attributes in (
            (11, (), {"axes": [0, 2], "keepdims": 0}),
            (18, (ints(0, 1),), {}),
            (18, (), {"noop_with_empty_axes": 1}),
        )
    ),
    row("ReduceProd", 1, CUBE),
    row("ReduceProd", 18, CUBE, ints()),
    *(row(f"Reduce{name}", 18, (2, 1, 3), ints(1)) for name in ("Max", "Min", "Prod", "L2", "LogSumExp")),
    row("ReduceLogSum", 18, CUBE, ints(1), positive=True),
    row("ReduceLogSum", 13, CUBE, axes=[0, 2], keepdims=0, positive=True),
    row("CumSum", 14, CUBE, np.array(1)),
    row("CumSum", 11, CUBE, np.array(-1), exclusive=1),
    row("CumSum", 11, CUBE, np.array(0), reverse=1),
    row("CumSum", 11, CUBE, np.array(1), exclusive=1, reverse=1),
    row("CumProd", 26, CUBE, np.array(1)),
    row("CumProd", 26, CUBE, np.array(-1), exclusive=1),
    row("CumProd", 26, CUBE, np.array(0), reverse=1),
    row("CumProd", 26, CUBE, np.array(1), exclusive=1, reverse=1),
    row("ArgMax", 13, CUBE, axis=1, runtime=False),
    row("ArgMax", 1, CUBE, keepdims=0, runtime=False),
    row("ArgMin", 13, CUBE, axis=-1, select_last_index=1, runtime=False),
    row("TopK", 11, CUBE, ints(2), runtime=False),  # which wants both outputs
    row("TopK", 11, CUBE, ints(3), axis=1, largest=0, runtime=False),
    row("TopK", 10, CUBE, ints(1), axis=0, runtime=False),
    row("TopK", 1, CUBE, k=2),
    row("Hardmax", 13, CUBE),
    row("Hardmax", 13, CUBE, axis=1),
    row("Hardmax", 11, CUBE, axis=1),
    row("Hardmax", 1, CUBE, axis=2),
    *(row("GlobalAveragePool", opset, (1, 3, 2, 4)) for opset in (1, 22)),
    *IMAGES,
    # shapes
    row("Reshape", 14, CUBE, ints(4, 6)),
    row("Reshape", 13, CUBE, ints(0, -1)),
    row("Reshape", 5, CUBE, ints(-1, 2, 0)),
    row("Reshape", 14, CUBE, ints(2, 3, -1), allowzero=1),
    row("Reshape", 1, CUBE, shape=[0, 12]),
    row("Flatten", 13, CUBE),
    *(row("Flatten", 13, CUBE, axis=axis) for axis in (0, 2, 3, -1)),
    row("Flatten", 1, CUBE, axis=2),
    row("Squeeze", 13, (1, 3, 1, 2)),
    row("Squeeze", 13, (1, 3, 1, 2), ints(-2)),
    row("Squeeze", 11, (1, 3, 1, 2), axes=[0, 2]),
    row("Unsqueeze", 13, (3, 2), ints(0, -1)),
    row("Unsqueeze", 11, (3, 2), axes=[1, 3]),
    row("Transpose", 13, CUBE),
    row("Transpose", 13, CUBE, perm=[1, 0, 2]),
    row("Transpose", 1, (1, 3, 1), perm=[2, 1, 0]),
    row("Expand", 13, (3, 1), ints(2, 1, 4)),
    row("Expand", 8, (3, 4), ints(1)),
    row("Dropout", 13, X),
    row("Dropout", 12, X, np.array(0.5), np.array(False)),
    row("Dropout", 13, X, np.array(0.0), np.array(True)),
    row("Dropout", 7, X, ratio=0.3),
    row("Dropout", 6, X, is_test=1),
    row("Cast", 13, X, to=TensorProto.DOUBLE),
    row("Cast", 9, X, to=TensorProto.DOUBLE),
    row("CastLike", 15, X, floats(1)),
    # picking and joining
    row("Concat", 13, X, floats(1, 3), (1, 2), axis=1),
    row("Concat", 13, (2, 3), (2, 3), axis=-2),
    row("Concat", 4, X, axis=1),
    row("Slice", 13, CUBE, ints(1), ints(2)),
    row("Slice", 13, CUBE, ints(0, 1), ints(2**62, -1), ints(1, 2)),
    row("Slice", 11, CUBE, ints(-1, 0), ints(-(2**62), 4), ints(1, -1), ints(-1, 2)),
    row("Slice", 10, CUBE, ints(2), ints(0), ints(1), ints(-1)),
    row("Slice", 9, CUBE, starts=[0, 1], ends=[1, -1], axes=[0, 2]),
    row("Slice", 1, CUBE, starts=[0, 1], ends=[1, 3]),
    row("GatherND", 13, CUBE, np.array([[0, 2], [1, -1]])),
    row("GatherND", 13, CUBE, np.array([[1, 0, 3]])),
    row("GatherND", 11, CUBE, np.array([[[1]], [[0]]])),
    row("GatherND", 12, CUBE, np.array([[2], [0]]), batch_dims=1),
    row("Gather", 13, CUBE, ints(0, 2, -1), axis=1),
    row("Gather", 11, CUBE, np.array(-1, np.int64), axis=2),
    row("Gather", 1, CUBE, np.array([[0, 1], [1, 1]], np.int32)),
    row("GatherElements", 13, CUBE, RANDOM.integers(-4, 4, (2, 3, 2)), axis=2),
    row("Split", 13, CUBE, ints(1, 3), axis=2, outputs=2),
    row("Split", 13, CUBE, axis=1, outputs=3),
    row("Split", 18, (1, 5), axis=1, num_outputs=2, outputs=2),
    row("Split", 11, CUBE, axis=-1, split=[2, 2], outputs=2),
    row("Split", 2, CUBE, outputs=2),
    row("Tile", 13, (2, 3), ints(2, 1)),
    row("ScatterElements", 18, (3, 4), np.array([[0, -1], [2, 1]]), (2, 2), axis=1),
    row("ScatterElements", 11, (3, 4), np.array([[0, 2, 1]]), floats(1, 3)),
    row("Scatter", 9, (3, 4), np.array([[0, 2, 1]]), (1, 3)),
    *(
        row("ScatterElements", 18, (3, 4), np.array([[0, 1, 1, 0, 1]]), (1, 5), axis=1, reduction=reduction)
        for reduction in ("add", "mul", "max", "min")
    ),
    row("ScatterND", 18, (3, 4), np.array([[0], [2]]), (2, 4)),
    row("ScatterND", 11, CUBE, np.array([[[0, 2], [1, -1]]]), floats(1, 2, 4)),
    *(
        row("ScatterND", 18, (3, 2), np.array([[0], [2], [0]]), (3, 2), reduction=reduction)
        for reduction in ("add", "mul", "max", "min")
    ),
    row("Compress", 11, CUBE, np.array([True, False, True]), axis=1),
    row("Compress", 9, CUBE, np.array([False, True, True, False, True])),
    row("ReverseSequence", 10, (4, 3, 2), ints(1, 4, 3)),
    row("ReverseSequence", 10, (3, 4), ints(1, 4, 3), batch_axis=0, time_axis=1),
    row("OneHot", 11, ints(0, 2, -1), np.array(3), (2,), axis=0),
    row("OneHot", 9, np.array([[1, 2]]), np.array(4), (2,)),
    # by the standard's definition
    row("NegativeLogLikelihoodLoss", 13, (2, 3), ints(2, 0), reduction="sum"),
    row("NegativeLogLikelihoodLoss", 13, (2, 3, 2), np.array([[0, 2], [1, 1]]), positive(3), ignore_index=1),
    row("SoftmaxCrossEntropyLoss", 13, (2, 3), ints(2, 0)),
    row("SoftmaxCrossEntropyLoss", 13, (2, 3), ints(2, 1), positive(3), reduction="none", outputs=2),
]
# their converters give constants, or take no input: they have tests of their own below
ELSEWHERE = {
    "Constant", "Shape", "Size", "EyeLike", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Equal", "Not", "And",
    "Or", "Xor", "IsNaN", "IsInf", "RNN", "GRU", "LSTM", "If", "Loop", "Scan", "SequenceConstruct",
    "SequenceEmpty", "SequenceLength", "SequenceAt", "SequenceErase", "SequenceInsert", "SplitToSequence",
    "ConcatFromSequence", "Optional", "OptionalGetElement",
    "QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "MatMulInteger", "QLinearMatMul", "ConvInteger",
    "QLinearConv", "SimplifiedLayerNormalization", "DeformConv",
}  # fmt: skip


def row_model(entry: Row, dtype: Any) -> tuple[ModelProto, dict[str, tuple[int, ...]]]:
    names = [f"in{k}" if value is not None else "" for k, value in enumerate(entry.inputs)]
    shapes = {name: value for name, value in zip(names, entry.inputs, strict=True) if isinstance(value, tuple)}
    weights = {name: value for name, value in zip(names, entry.inputs, strict=True) if isinstance(value, np.ndarray)}
    outputs = [f"out{k}" for k in range(entry.outputs)]
    node = helper.make_node(entry.operator, names, outputs, "it", **entry.attributes)
    return make_model([node], shapes, outputs, weights, entry.opset, dtype), shapes


def row_point(entry: Row, shapes: dict[str, tuple[int, ...]]) -> dict[str, Array]:
    random = np.random.default_rng(7)
    return {name: random.uniform(*entry.between, shape) for name, shape in shapes.items()}


def identify(entry: Row) -> str:
    settings = "-".join(f"{key}{value}" for key, value in entry.attributes.items())
    return f"{entry.operator}-{entry.opset}-{settings}".replace(" ", "")
