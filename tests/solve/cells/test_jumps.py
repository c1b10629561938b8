"""Networks that jump: rounded less and less, they lead to better points than crossing kinks does."""

from __future__ import annotations

import numpy as np
import onnx.parser
import pytest

import fastexpr as fx
from fastexpr.function.smoothing import rounded


def network(body):
    text = f'<ir_version: 8, opset_import: ["": 20]> g (double[2] x) => (double[2] y) {{ {body} }}'
    return fx.load_onnx(onnx.parser.parse_model(text))


JUMPS = {
    "thresholded": "y = ThresholdedRelu<alpha=0.5>(x)",
    "shrink": "y = Shrink<lambd=0.3, bias=0.0>(x)",
    "where": "z = Constant<value_float=0.1>() w = CastLike(z, x) c = Less(w, x) s = Mul(x, x) y = Where(c, s, x)",
    "sign": "a = Sign(x) b = Mul(x, x) y = Add(a, b)",
}


@pytest.mark.parametrize("name", JUMPS)
def test_rounded_jumps_are_near_but_at_the_jump(name):
    net = network(JUMPS[name])
    points = np.random.default_rng(0).uniform(-1, 1, (200, 2))
    is_away = (abs(points[:, :, None] - [0.5, 0.3, -0.3, 0.1, 0.0]) > 0.05).all(axis=(1, 2))
    for width in (1e-3, 1e-5):
        assert abs(net(points[is_away]) - rounded(net, width, True)(points[is_away])).max() < 10.0 * width


@pytest.mark.parametrize("start", [0.9, 0.2, -0.8])
def test_walks_go_on_from_where_they_end_at_a_jump(start):
    net = network(JUMPS["thresholded"])
    p = fx.Problem()
    x = p.variables(2, -1, 1, start=start)
    y = p.network(net, x)
    p.minimize(y.sum() - 1.4 * x.sum() + abs(x[0] - 0.2))
    r = p.solve()
    assert "smoothing" in [stage.name for stage in r.stages]
    assert r.certificate == "none"
    assert "jumps at" in r.message
    assert r.objective == pytest.approx(-1.1, abs=1e-6)
