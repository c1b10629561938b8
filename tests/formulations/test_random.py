"""Formulas of all operators, and formulations of random graphs, against the core."""

from __future__ import annotations

from typing import Any

import formulated
import formulation_check
import formulation_networks
import numpy as np
import pyomo.environ as pyo
import pytest
from operator_table import ROWS, Row
from random_networks import random_network

import fastexpr as fx
import fastexpr.pyomo as fxp
from fastexpr.errors import FormulationError
from fastexpr.expression.node import apply
from fastexpr.formulations.affine import is_affine
from fastexpr.formulations.building import Builder
from fastexpr.formulations.smooth import SMOOTH
from fastexpr.pyomo.formulation.formulas import BINARY, LANES, UNARY

FORMULAS = {*UNARY, *BINARY, *LANES, "MatMul"}


def test_every_smooth_operator_has_a_formula() -> None:
    assert set(SMOOTH) <= FORMULAS


def has_formula(row: Row) -> bool:
    return row.name in FORMULAS or is_affine(row.name, [k not in row.fixed for k in range(len(row.shapes))])


@pytest.mark.parametrize("row", [row for row in ROWS if has_formula(row)], ids=str)
def test_formulas_have_the_operators_values(row: Row) -> None:
    net = row.function()
    points = np.random.default_rng(2).uniform(*row.between, (5, row.n))
    m = pyo.ConcreteModel()
    m.x = pyo.Var(range(row.n), initialize=lambda _, k: points[0, k])
    m.nn = fxp.NetworkBlock(net, inputs=m.x, formulation="reduced-space")
    for x in points:
        for k in range(row.n):
            m.x[k].set_value(x[k])
        found = [pyo.value(equation.body) - pyo.value(equation.upper) for equation in m.nn.equations.values()]
        claimed = np.array([variable.value or 0.0 for variable in m.nn.outputs.values()])
        assert claimed - np.array(found) == pytest.approx(net(x), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("seed", range(30))
def test_full_space_rows_hold_at_the_networks_own_values(seed: int) -> None:
    net = fx.load_onnx(random_network(seed, 30))
    x = np.random.default_rng(seed).uniform(-1, 1, net.n_inputs)
    m = pyo.ConcreteModel()
    m.x = pyo.Var(range(net.n_inputs), bounds=(-1.5, 1.5), initialize=lambda _, k: x[k])
    try:
        m.nn = fxp.NetworkBlock(net, inputs=m.x, formulation="full-space")
    except FormulationError as error:
        assert any(name in str(error) for name in ("Erf", "Gelu", "finite bounds", "0 or 1"))  # noqa: PT017
        return
    for constraint in m.nn.component_data_objects(pyo.Constraint, active=True):
        body = pyo.value(constraint.body)
        size = max(1.0, abs(body))
        assert constraint.lb is None or body >= constraint.lb - 1e-8 * size
        assert constraint.ub is None or body <= constraint.ub + 1e-8 * size
    for variable in m.nn.component_data_objects(pyo.Var):
        low, high = variable.bounds
        size = 1e-9 * max(1.0, abs(variable.value))
        assert low is None or variable.value >= low - size
        assert high is None or variable.value <= high + size


def random_graph(seed: int) -> fx.Function:
    """Piecewise-linear units of every kind, with skips, joins and several uses of one node."""
    generator = np.random.default_rng(seed)
    x = fx.variables(3)
    known: list[Any] = [x, np.concatenate([x[1:], x[:1]])]

    def matrix(h: Any) -> Any:
        return (generator.normal(size=(3, h.size)) / np.sqrt(h.size)) @ h + generator.normal(size=3) * 0.3

    for _ in range(6):
        a, b = known[generator.integers(len(known))], known[generator.integers(len(known))]
        kind = generator.integers(9)
        z = matrix(a)
        known.append(
            [
                lambda z=z: np.maximum(z, 0.0),
                lambda z=z: np.abs(z),
                lambda z=z: np.clip(z, -0.4, 0.6),
                lambda z=z, b=b: np.maximum(z, b),
                lambda z=z, b=b: np.minimum(z, matrix(b)),
                lambda z=z, b=b: z + 0.5 * b,
                lambda z=z: apply("LeakyRelu", [z], {"alpha": 0.2}),
                lambda z=z: z - np.maximum.reduce(z),
                lambda z=z, b=b: matrix(np.concatenate([z, b])),
            ][kind]()
        )
    return fx.Function(x, np.concatenate([known[-1], known[-2]]))


@pytest.mark.parametrize("seed", range(25))
def test_random_graphs_leave_one_value(seed: int) -> None:
    net = random_graph(seed)
    builder = Builder("bigm")
    y = builder.place(net, np.full(3, -1.0), np.full(3, 1.0))
    for x in np.random.default_rng(seed).uniform(-1, 1, (4, 3)):
        assert y.at(builder.algebra.completed(x)) == pytest.approx(net(x), abs=1e-9)
        low, high = formulated.extremes(builder, y, x)
        assert low == pytest.approx(net(x), rel=1e-6, abs=1e-6)
        assert high == pytest.approx(net(x), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("formulation", formulation_check.FORMULATIONS)
def test_fixed_inputs_leave_one_value_in_every_formulation(formulation: str) -> None:
    """A few points of each network, at its kinks, thresholds and bounds, too; all points and operators in
    formulation_check.py itself.
    """
    n_checked = 0
    for name, make in formulation_networks.NETWORKS.items():
        if name.startswith(
            ("convolutions", "parametric")
        ):  # PyTorch takes seconds to trace them; see test_formulations
            continue
        found = formulation_check.checked(*make(), formulation, 5)
        if found is not None:
            assert found[0] <= formulation_check.TOLERANCE, name
            n_checked += 1
    assert n_checked >= 2
