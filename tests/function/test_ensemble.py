"""`fastexpr.ensemble`: mean and variance of several networks."""

from __future__ import annotations

import numpy as np
import pytest
from networks import network

import fastexpr as fx
from fastexpr.errors import GraphError, ShapeError

MEMBERS = [network(3, 2, seed=seed) for seed in range(4)]
X = np.array([[0.3, -0.2, 0.9], [1.0, 2.0, -1.0]])


@pytest.mark.parametrize("ddof", [0, 1, 2])
def test_mean_and_variance(ddof: int) -> None:
    both = fx.ensemble(MEMBERS, ddof=ddof)
    values = np.stack([member(X) for member in MEMBERS])
    expected = np.concatenate([values.mean(0), values.var(0, ddof=ddof)], axis=1)
    np.testing.assert_allclose(both(X), expected, rtol=1e-13, atol=1e-15)


def test_derivatives() -> None:
    """Of the mean those of the members; of the variance by the product rule, from the members' own."""
    both, M = fx.ensemble(MEMBERS), len(MEMBERS)
    weights = np.array([0.5, -1.0, 2.0, 0.25])
    f = np.stack([member(X[0]) for member in MEMBERS])
    J = np.stack([member.jacobian(X[0]) for member in MEMBERS])
    centred, slopes = f - f.mean(0), J - J.mean(0)
    np.testing.assert_allclose(both.jacobian(X[0])[:2], J.mean(0), rtol=1e-13)
    np.testing.assert_allclose(both.jacobian(X[0])[2:], 2 / M * np.einsum("mk,mkn->kn", centred, J), rtol=1e-11)
    expected = 2 / M * np.einsum("k,mki,mkj->ij", weights[2:], slopes, slopes)
    for member, c in zip(MEMBERS, centred, strict=True):
        expected += member.hessian(X[0], (weights[:2] + 2 * weights[2:] * c) / M)
    np.testing.assert_allclose(both.hessian(X[0], weights), expected, rtol=1e-11, atol=1e-13)


def test_names_ports_and_bounds() -> None:
    def named(seed: int, lower: list[float], upper: list[float]) -> fx.Function:
        net = network(2, 2, seed=seed).with_names(inputs=["T", "p"], outputs=["rate", "heat[1]"])
        return net.with_bounds(lower, upper)

    both = fx.ensemble([named(0, [0.0, 1.0], [5.0, 6.0]), named(1, [1.0, 0.0], [7.0, 3.0])])
    assert both.input_names == ("T", "p")
    assert both.output_names == ("rate_mean", "heat_mean[1]", "rate_variance", "heat_variance[1]")
    assert both.outputs == {"y_mean": (2,), "y_variance": (2,)}
    assert both.lower is not None
    assert both.upper is not None
    np.testing.assert_array_equal([both.lower, both.upper], [[1.0, 1.0], [5.0, 3.0]])

    x, u = fx.variables((1, 2)), fx.variables(())
    two_ports = fx.Function([x, u], [np.outer(x, x), u * 2])
    assert fx.ensemble([two_ports]).outputs == {
        "y0_mean": (2, 2),
        "y1_mean": (),
        "y0_variance": (2, 2),
        "y1_variance": (),
    }
    assert fx.ensemble([two_ports]).inputs == two_ports.inputs


def test_one_member_has_no_variance() -> None:
    value, jacobian, hessian = fx.ensemble(MEMBERS[:1]).evaluate(X[0], [0.0, 0.0, 1.0, 1.0])
    np.testing.assert_array_equal(value, [*MEMBERS[0](X[0]), 0.0, 0.0])
    np.testing.assert_array_equal(jacobian[2:], 0.0)
    np.testing.assert_array_equal(hessian, 0.0)


def test_what_does_not_fit_together_is_said() -> None:
    first = MEMBERS[0]
    with pytest.raises(ShapeError, match=r"\[ensemble\] there is no member"):
        fx.ensemble([])
    with pytest.raises(ShapeError, match=r"inputs of member 1: got \{'x': \(2,\)\}, expected those of member 0"):
        fx.ensemble([first, network(2, 2)])
    with pytest.raises(ShapeError, match=r"outputs of member 1: got \{'y': \(1,\)\}, expected those of member 0"):
        fx.ensemble([first, network(3, 1)])
    with pytest.raises(GraphError, match=r"input_names of member 1: got 'b', expected 'a' as in member 0"):
        fx.ensemble([first.with_names(inputs=list("abc")), first.with_names(inputs=list("bac"))])
    with pytest.raises(GraphError, match=r"leave nothing for 'x\[0\]': got 2.0 to 1.0"):
        fx.ensemble([first.with_bounds(2.0, 3.0), first.with_bounds(0.0, 1.0)])
    with pytest.raises(ShapeError, match=r"ddof: got 1 for 1 members, expected 0 to 0"):
        fx.ensemble([first], ddof=1)
    with pytest.raises(TypeError, match=r"member 1: got str, expected a fastexpr.Function"):
        fx.ensemble([first, "net.onnx"])  # type: ignore[list-item]
