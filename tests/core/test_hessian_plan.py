"""Which way Hessians are computed is planned in one place, by counting, and said."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from front_networks import classifier
from operator_table import Nodes
from token_formulas import N, second_moments

import fastexpr as fx

random = np.random.default_rng(2)


def of_layers(n: int, width: int) -> fx.Function:
    x = fx.variables(n)
    hidden = np.tanh(random.normal(size=(width, n)) @ x)
    return fx.Function(x, random.normal(size=(3, width)) @ np.exp(0.1 * hidden))


def of_images() -> fx.Function:
    nodes = Nodes(49)
    return nodes.function(*classifier(nodes, "Softplus"))


def of_shared_weights() -> fx.Function:
    x = fx.variables(N)
    return fx.Function(x, second_moments(x).ravel())


NETS: dict[str, Callable[[], fx.Function]] = {
    "tangents": lambda: of_layers(6, 40),
    "seeds": lambda: of_layers(120, 8),
    "front": of_images,
    "directions": of_shared_weights,
}


@pytest.mark.parametrize("way", NETS)
def test_the_plan_says_which_way_runs_and_what_each_costs(way: str) -> None:
    net = NETS[way]()
    plan = net.plan()
    assert plan.way == way
    assert {"tangents", "directions", way} <= set(plan.costs) <= set(NETS)
    assert all(cost > 0 for cost in plan.costs.values())
    assert plan.costs[way] <= plan.costs["tangents"]
    assert f"-> {way}" in str(plan)
    assert len(str(plan).splitlines()) == 1 + len(plan.costs)
    assert net.plan() == plan


@pytest.mark.parametrize("way", NETS)
def test_every_way_gives_the_products_with_unit_vectors(way: str) -> None:
    net = NETS[way]()
    x, weights = random.normal(size=net.n_inputs), random.normal(size=net.n_outputs)
    n = net.n_inputs
    products = net.hvp(np.tile(x, (n, 1)), np.tile(weights, (n, 1)), np.eye(n))
    assert np.abs(net.hessian(x, weights) - products).max() <= 1e-13 * np.abs(products).max()
    _, jacobian, hessian = net.evaluate(x, weights)
    assert np.abs(hessian - products).max() <= 1e-13 * np.abs(products).max()
    np.testing.assert_allclose(jacobian, net.jacobian(x), rtol=1e-12, atol=1e-14)


def test_costs_are_multiplications() -> None:
    """v = V exp(tanh(W x)): tangents of h units at x for nothing, then two rank updates of h rows."""
    n, h = 6, 40
    net = of_layers(n, h)
    elementwise = 3 * h  # a multiplication for each unit and column: of tanh, the factor 0.1, and exp
    assert net.plan().costs["tangents"] == pytest.approx(2 * h * n * n / 2 + n * elementwise)


def test_affine_functions_have_no_way() -> None:
    x = fx.variables(3)
    plan = fx.Function(x, 2 * x).plan()
    assert (plan.way, plan.costs) == ("", {})
    assert str(plan) == "The Hessian is zero everywhere."


def test_repr_says_the_way_once_it_is_known() -> None:
    net = of_layers(120, 8)
    assert "(Hessian: " in repr(net)
    net.hessian(np.zeros(120), np.ones(3))
    assert "(Hessian by seeds: " in repr(net)
