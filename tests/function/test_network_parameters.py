"""A network's trained numbers as a vector."""

import numpy as np
import operator_table
import pytest

import fastexpr as fx
from fastexpr.errors import ShapeError


@pytest.mark.parametrize("row", operator_table.ROWS, ids=str)
def test_the_same_numbers_make_the_same_function(row):
    function = row.function()
    assert function.parameters.size == len(function.parameter_names) == function.n_parameters
    again = function.with_parameters(function.parameters)
    for x in row.sample_points()[:2]:
        np.testing.assert_allclose(again(x), function(x), rtol=1e-12)


def test_other_numbers_are_another_network():
    random = np.random.default_rng(0)
    x = fx.variables(3)

    def network(W, b, V):
        made = fx.Function(x, V @ np.tanh(W @ x + b))
        return made.with_names(inputs=["a", "b", "c"], outputs=["y"]).with_bounds([-1] * 3, [1] * 3)

    first, second = (
        (random.normal(size=(4, 3)).astype(np.float32), random.normal(size=4), random.normal(size=(1, 4)))
        for _ in range(2)
    )
    net = network(*first)
    assert {name.rpartition("[")[0].rpartition(" ")[2] for name in net.parameter_names} <= {
        "weight",
        "bias",
        "constant",
    }
    order = np.concatenate([part.ravel() for part in second])
    assert net.parameters.tolist() == pytest.approx(np.concatenate([part.ravel() for part in first]).tolist())
    other = net.with_parameters(order)
    point = random.normal(size=3)
    np.testing.assert_allclose(other(point), network(*second)(point), rtol=1e-14)
    np.testing.assert_allclose(other.hessian(point, [1.0]), network(*second).hessian(point, [1.0]), rtol=1e-13)
    assert other.input_names == ("a", "b", "c")
    assert np.array_equal(other.upper, net.upper)
    np.testing.assert_allclose(net(point), network(*first)(point))  # it is as it was
    assert fx.Function(other).parameters.tolist() == order.tolist()


def test_errors_of_parameters():
    x = fx.variables(2)
    net = fx.Function(x, np.tanh(np.ones((1, 2)) @ x))
    with pytest.raises(ShapeError, match=r"got \(3,\), expected \(2,\)"):
        net.with_parameters([1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match=r"values\[1\] is not finite: got nan"):
        net.with_parameters([1.0, np.nan])
    assert fx.Function(x, np.tanh(x)).with_parameters([]).parameters.size == 0
