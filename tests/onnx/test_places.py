"""Orders and places that depend on x: TopK, and images that are read between pixels (GridSample, DeformConv, RoiAlign).
Values as ONNX Runtime has them, or the reference evaluator where it has not; derivatives against differences.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper
from onnx_bodies import compare, model, reference
from onnx_models import Array, make_model

import fastexpr as fx
from fastexpr.errors import OnnxError

RANDOM = np.random.default_rng(11)
NUMBERS: dict[str, Array] = {
    "one": np.array([1]), "two": np.array([2]), "three": np.array([3]), "last": np.array([-1]),
    "W": RANDOM.normal(size=(4, 3)).astype(np.float32), "row": np.array([[0], [1]]), "n0": np.array([0]),
    "b": RANDOM.normal(size=(3, 2)).astype(np.float32), "half": np.array(0.5, np.float32),
}  # fmt: skip
ORDERS = {
    "largest": "y, p = TopK (x, two)",
    "smallest": "v, p = TopK <largest = 0> (x, two)  y = Exp (v)",
    "along rows": "y, p = TopK <axis = 0> (x, two)",
    "all in order": "y, p = TopK <largest = 0> (x, three)",
    "places": "v, p = TopK (x, three)  f = Cast <to = 1> (p)  y = Mul (f, v)",
    "equal ones": "r = Round (x)  v, p = TopK (r, three)  f = Cast <to = 1> (p)  y = Add (f, x)",
    "equal small ones": "r = Round (x)  v, p = TopK <largest = 0> (r, three)  f = Cast <to = 1> (p)  y = Add (f, x)",
    "a median": "v, p = TopK (x, two)  y = Gather <axis = 1> (v, one)",
    "a mask of the largest": """v, p = TopK (x, two)  m = Gather <axis = 1> (v, one)  k = Less (x, m)
        z = Mul (x, half)  y = Where (k, z, x)""",
    "rows of a constant": "v, p = TopK (x, two)  y = Gather <axis = 0> (W, p)",
    "elements of x": "h = Tanh (x)  v, p = TopK (x, two)  y = GatherElements <axis = 1> (h, p)",
    "experts": """v, p = TopK (x, two)  s = Softmax (v)  z = Mul (x, zero)
        g = ScatterElements <axis = 1> (z, p, s)  y = MatMul (g, b)""",
    "experts that are picked": """v, p = TopK (x, two)  s = Softmax (v)  e = Gather <axis = 0> (b, p)
        u = Unsqueeze (s, last)  m = Mul (e, u)  y = ReduceSum (m, one)""",
    "one-hot": """v, p = TopK (x, two)  h = OneHot (p, three, b1)  u = Unsqueeze (v, last)  m = Mul (h, u)
        y = ReduceSum (m, one)""",
    "none": "v, p = TopK (x, n0)  y = Concat <axis = 1> (v, x)",
    "of counts": """z = Constant <value_float = 0.0> ()  c = Greater (x, z)  n = Cast <to = 7> (c)  v, p = TopK (n, two)
        f = Cast <to = 1> (v)  g = Cast <to = 1> (p)  s = Sub (f, g)  y = Tanh (s)""",
}


def used(body: str) -> dict[str, Array]:
    numbers = NUMBERS | {"zero": np.array(0, np.float32), "b1": np.array([0, 1], np.float32)}
    return {
        key: array
        for key, array in numbers.items()
        if any(text in body for text in (f" {key})", f" {key},", f"({key},"))
    }


@pytest.mark.parametrize("name", ORDERS)
def test_order(name: str) -> None:
    compare(model(ORDERS[name], weights=used(ORDERS[name])))


def test_order_of_many() -> None:
    """Along an inner axis, and as a whole sort."""
    compare(model("h = Exp (x)  y, p = TopK <axis = 1> (h, n)", "2, 40, 3", {"n": np.array([40])}))


def test_bounds_of_an_order_are_finite() -> None:
    net = fx.load_onnx(model("y, p = TopK (x, three)", weights=used("TopK (x, three)")))
    lower, upper = net.output_bounds(np.full(6, -1.0), np.full(6, 2.0))
    np.testing.assert_allclose([lower, upper], [[-1.0] * 6, [2.0] * 6], rtol=1e-12)


def test_old_forms_of_topk() -> None:
    for opset, inputs, settings in ((1, ["x"], {"k": 2}), (10, ["x", "two"], {})):
        node = helper.make_node("TopK", inputs, ["y", "p"], axis=1, **settings)
        weights = {"two": NUMBERS["two"]} if len(inputs) > 1 else {}
        net = fx.load_onnx(make_model([node], {"x": (1, 4)}, ["y"], weights, opset))
        assert net([3.0, 1.0, 4.0, 2.0]).tolist() == [4, 3]


# ---- between pixels


def read_between(
    mode: str, padding: str, aligned: int, image: tuple[int, ...], out: tuple[int, ...]
) -> onnx.ModelProto:
    """Image and places are both parts of x."""
    grid = (image[0], *out, len(image) - 2)
    sizes = [int(np.prod(image)), int(np.prod(grid))]
    body = f"""a, g = Split <axis = 0> (x, parts)  i = Reshape (a, image)  p = Reshape (g, grid)
        y = GridSample <mode = "{mode}", padding_mode = "{padding}", align_corners = {aligned}> (i, p)"""
    weights = {"parts": np.array(sizes), "image": np.array(image), "grid": np.array(grid)}
    return model(body, str(sum(sizes)), weights, 20 if len(image) > 4 else 16)


NAMES = {"linear": "bilinear", "nearest": "nearest", "cubic": "bicubic"}


@pytest.mark.parametrize("aligned", [0, 1])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", NAMES)
def test_grid_that_depends_on_x(mode: str, padding: str, aligned: int) -> None:
    """Places up to twice the image's size beyond it."""
    compare(read_between(NAMES[mode], padding, aligned, (2, 2, 4, 5), (3, 2)))


@pytest.mark.parametrize("mode", ["linear", "nearest"])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
def test_volume(mode: str, padding: str) -> None:
    compare(read_between(mode, padding, 0, (1, 2, 3, 4, 5), (2, 1, 3)))


def test_table_that_is_read_at_x() -> None:
    """A constant image of one row: linear interpolation."""
    table = np.array([[[[0, 1, 4, 9]]]], np.float32)
    body = """zero = Mul (x, none)  g = Concat <axis = 3> (x, zero)
        y = GridSample <align_corners = 1> (table, g)"""
    net = compare(model(body, "1, 1, 5, 1", {"table": table, "none": np.array(0, np.float32)}))
    np.testing.assert_allclose(net(np.array([-1, -1 / 3, 0, 1 / 3, 1])), [0, 1, 2.5, 4, 9], atol=1e-14)


def spatial_transformer() -> onnx.ModelProto:
    """An affine map of the image's places, whose six numbers depend on x, as AffineGrid gives them."""
    body = """a, t = Split <axis = 0> (x, parts)  i = Reshape (a, image)  m = Reshape (t, affine)
        g = AffineGrid <align_corners = 0> (m, size)  y = GridSample <align_corners = 0> (i, g)"""
    weights = {
        "parts": np.array([32, 6]), "image": np.array([1, 2, 4, 4]), "affine": np.array([1, 2, 3]),
        "size": np.array([1, 2, 3, 3]),
    }  # fmt: skip
    return model(body, "38", weights, 20)


def test_spatial_transformer() -> None:
    compare(spatial_transformer())


def deformed(group: int, offset_group: int, mask: bool, **settings: Any) -> onnx.ModelProto:
    """Offsets and mask are convolutions of the image, as the networks have them."""
    channels, taps = 4, 4
    random = np.random.default_rng(3)
    weights = {
        "W": random.normal(size=(4, channels // group, 2, 2)), "B": random.normal(size=4),
        "O": random.normal(size=(2 * taps * offset_group, channels, 2, 2)) / 2,
        "M": random.normal(size=(taps * offset_group, channels, 2, 2)),
    }  # fmt: skip
    common = {key: value for key, value in settings.items() if key != "offset_group"}
    nodes = [
        helper.make_node("Conv", ["x", "O"], ["o"], **common),
        helper.make_node("Conv", ["x", "M"], ["n"], **common),
    ]
    nodes.append(helper.make_node("Sigmoid", ["n"], ["m"]))
    inputs = ["x", "W", "o", "B", *(["m"] if mask else [])]
    nodes.append(helper.make_node("DeformConv", inputs, ["y"], group=group, offset_group=offset_group, **common))
    return make_model(nodes, {"x": (1, channels, 5, 6)}, ["y"], weights, 19, np.float32)


@pytest.mark.parametrize(
    "settings",
    [
        {"group": 1, "offset_group": 1, "mask": False},
        {"group": 2, "offset_group": 1, "mask": True, "pads": [1, 1, 1, 1]},
        {"group": 1, "offset_group": 2, "mask": True, "strides": [2, 1], "dilations": [1, 2]},
    ],
)
def test_deformed_convolution(settings: dict[str, Any]) -> None:
    compare(deformed(**settings), reference)


def aligned_regions(from_x: bool, ratio: int, mode: str = "half_pixel") -> onnx.ModelProto:
    """Regions of two images: constant, or corners that depend on x."""
    corners = np.array([[0.3, 0.2, 4.1, 3.3], [1.2, -0.4, 2.7, 5.9], [-3, 1, 9, 2]], np.float32)
    cut = "a, t = Split <axis = 0> (x, parts)  r0 = Reshape (t, three_four)  r = Add (r0, corners)"
    body = (
        (cut if from_x else "a, t = Split <axis = 0> (x, parts)  r = Identity (corners)")
        + f"""  i = Reshape (a,
        image)
        y = RoiAlign <output_height = 2, output_width = 3, sampling_ratio = {ratio}, spatial_scale = 0.8,
        coordinate_transformation_mode = "{mode}"> (i, r, which)"""
    )
    weights = {
        "parts": np.array([80, 12]), "image": np.array([2, 2, 4, 5]), "corners": corners, "which": np.array([0, 1, 0]),
    }  # fmt: skip
    return model(body, "92", weights | ({"three_four": np.array([3, 4])} if from_x else {}), 16)


@pytest.mark.parametrize("mode", ["half_pixel", "output_half_pixel"])
@pytest.mark.parametrize(("from_x", "ratio"), [*list(product([False, True], [1, 3])), (False, 0)])
def test_regions(from_x: bool, ratio: int, mode: str) -> None:
    compare(aligned_regions(from_x, ratio, mode))


def test_old_regions() -> None:
    """Before operator set 16, without a half pixel, which ONNX's evaluator reads past."""
    settings = {"output_height": 2, "output_width": 3, "sampling_ratio": 2}
    node = helper.make_node("RoiAlign", ["x", "corners", "which"], ["y"], **settings)
    weights = {"corners": np.array([[0.25, 0.5, 3.5, 2.75], [1, -0.5, 2.5, 6]]), "which": np.array([0, 0])}
    proto = make_model([node], {"x": (1, 2, 4, 5)}, ["y"], weights, 10, np.float32)
    fx.load_onnx(proto)
    compare(proto)


def test_the_check_agrees() -> None:
    """Its judges compute some of these operators in float32."""
    for proto in (deformed(group=1, offset_group=2, mask=True), spatial_transformer(), aligned_regions(True, 2)):
        fx.load_onnx(proto, check=True)


ERRORS = {
    "k": (model("y, p = TopK (x, n)", weights={"n": np.array([4])}), r"\[TopK #0\] takes 4 numbers of 3 along axis 1"),
    "k of x": (
        model("n = Cast <to = 7> (x)  y, p = TopK (x, n)", "1"), r"\[TopK #1\] input 1 \('n'\) depends on the network's"
    ),
    "a whole sort": (model("y, p = TopK (x, n)", "1500", {"n": np.array([1500])}), r"takes 1500 numbers one after the"),
    "regions without a number of places": (aligned_regions(True, 0),
        r"\[RoiAlign #4\] has sampling_ratio=0 for regions"),
}  # fmt: skip


@pytest.mark.parametrize("name", ERRORS)
def test_error(name: str) -> None:
    proto, message = ERRORS[name]
    with pytest.raises(OnnxError, match=message):
        fx.load_onnx(proto)
