"""Networks as grey boxes of PyNumero, solved by cyipopt on the real ASL and compared with NetworkBlock."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from grey_boxes import (
    M,
    N,
    T,
    check_optimal,
    check_same_as_network_blocks,
    evaluated,
    example,
    in_a_block,
    logarithm,
    meant,
    solve,
    solve_with_pounce,
    two_products,
)
from networks import network
from pyomo.contrib.pynumero.interfaces.external_grey_box import ExternalGreyBoxBlock
from pyomo.contrib.pynumero.interfaces.pyomo_grey_box_nlp import PyomoNLPWithGreyBoxBlocks
from saved_networks import make_net

import fastexpr as fx
import fastexpr.pyomo as fxp
from fastexpr import _core
from fastexpr.errors import EvaluationError, ModelError, ShapeError


def test_many_instances_have_the_optimum_and_the_duals_of_network_blocks() -> None:
    model = example("grey box")
    check_optimal(solve(model))
    check_same_as_network_blocks(model)
    assert abs(model.dual[model.c]) > 1  # active: an optimum without multipliers would compare nothing
    assert model.ipopt_zL_out[model.egb.inputs["x[0][0]"]] >= 0


def test_own_variables_shared_by_instances_and_fed_from_one_to_the_next() -> None:
    """x[t+1] == net(x[t], p): an output is the next instance's input, p is everyone's."""
    models = []
    for form in ("grey box", "blocks"):
        m = pyo.ConcreteModel()
        m.x = pyo.Var(range(T + 1), bounds=(-2, 2), initialize=0.3)
        m.p = pyo.Var(bounds=(-1, 1), initialize=0.1)
        net = network(2, 1)
        if form == "grey box":
            m.egb = ExternalGreyBoxBlock()
            inputs = [variable for t in range(T) for variable in (m.x[t], m.p)]
            m.egb.set_external_model(
                fxp.GreyBox(net, instances=T), inputs=inputs, outputs=[m.x[t + 1] for t in range(T)]
            )
        else:
            m.nn = fxp.NetworkBlock(
                range(T), network=net, inputs=lambda m, t: [m.x[t], m.p], outputs=lambda m, t: [m.x[t + 1]]
            )
        m.objective = pyo.Objective(expr=m.x[T] ** 2 + m.x[0] ** 2 + m.p**2 - m.p)
        models.append(m)
    check_optimal(solve(models[0]))
    check_optimal(solve_with_pounce(models[1]))
    for mine, its in zip(*([*m.x.values(), m.p] for m in models), strict=True):
        assert mine.value == pytest.approx(its.value, rel=1e-7, abs=1e-7)


@pytest.mark.parametrize("instances", [None, 2])
def test_networks_without_curvature_under_a_linear_objective(instances: int | None) -> None:
    """No part of this model has second derivatives."""
    x = fx.variables(2)
    net = fx.Function(x, np.maximum(x[0] - 2 * x[1], 0.0) + x[1]).with_bounds([-1, -1], [1, 1])
    assert net.sparsity()[1].nnz == 0
    m = in_a_block(fxp.GreyBox(net, instances=instances))
    m.egb.inputs["x[0]" if instances is None else "x[0][0]"].set_value(0.5)
    m.objective = pyo.Objective(expr=pyo.quicksum(m.egb.outputs.values()) - 3 * pyo.quicksum(m.egb.inputs.values()))
    check_optimal(solve(m))
    assert pyo.value(m.objective) == pytest.approx(-5.0 * (instances or 1), rel=1e-7)


def test_abstract_models() -> None:
    abstract = pyo.AbstractModel()
    abstract.egb = ExternalGreyBoxBlock(external_model=fxp.GreyBox(meant()))
    abstract.objective = pyo.Objective(rule=lambda m: m.egb.outputs["y[0]"] ** 2 + m.egb.inputs["x[1]"] ** 2)
    for _ in range(2):
        m = abstract.create_instance()
        check_optimal(solve(m))
        x = [variable.value for variable in m.egb.inputs.values()]
        assert m.egb.outputs["y[1]"].value == pytest.approx(meant()(x)[1], rel=1e-6)


def test_a_solver_steps_back_from_points_where_the_network_is_not_defined() -> None:
    """The first Newton step goes to -80: log has no value there."""
    models = []
    for _ in range(2):
        m = pyo.ConcreteModel()
        m.x = pyo.Var(initialize=5.0)
        m.egb = ExternalGreyBoxBlock()
        m.egb.set_external_model(fxp.GreyBox(logarithm()), inputs=[m.x])
        m.objective = pyo.Objective(expr=m.x - 0.1 * m.egb.outputs["y"])
        models.append(m)
    check_optimal(solve(models[0]))
    assert models[0].x.value == pytest.approx(0.1, rel=1e-7)
    with pytest.raises(
        EvaluationError, match=r"\[GreyBox 'egb'\] output 'y' of instance 0 is not finite: got nan at x=-"
    ):
        solve(models[1], halt=True)


def test_a_grey_box_in_several_blocks_is_solved_at_several_points() -> None:
    box = fxp.GreyBox(meant())
    m = pyo.ConcreteModel()
    m.first = ExternalGreyBoxBlock(external_model=box)
    m.second = ExternalGreyBoxBlock(external_model=box)
    m.indexed = ExternalGreyBoxBlock([0, 1], external_model=box)
    blocks = [m.first, m.second, m.indexed[0], m.indexed[1]]
    assert m.first.get_external_model() is box
    assert len({id(block.get_external_model()) for block in blocks}) == 4
    assert {id(block.get_external_model().net) for block in blocks} == {id(box.net)}
    for number, block in enumerate(blocks):
        block.inputs["x[0]"].setlb(0.3 * number)
        block.inputs["x[0]"].setub(0.3 * number)
    m.objective = pyo.Objective(
        expr=sum((block.outputs["y[1]"] - 1) ** 2 + sum(v**2 for v in block.inputs.values()) for block in blocks)
    )
    check_optimal(solve(m))
    for number, block in enumerate(blocks):
        x = [variable.value for variable in block.inputs.values()]
        assert x[0] == pytest.approx(0.3 * number, abs=1e-7)
        np.testing.assert_allclose([v.value for v in block.outputs.values()], meant()(x), rtol=1e-7)


def test_two_models_with_one_grey_box() -> None:
    box = fxp.GreyBox(meant(), instances=2)
    models = []
    for _ in range(2):
        m = pyo.ConcreteModel()
        m.egb = ExternalGreyBoxBlock(external_model=box)
        m.objective = pyo.Objective(expr=m.egb.outputs["y[0][0]"] ** 2)
        models.append(PyomoNLPWithGreyBoxBlocks(m))
    before = models[0].evaluate_constraints()
    models[1].set_primals(models[1].get_primals() + 0.5)
    models[0].set_duals(np.ones(2 * M))  # forgets its Hessian, not its point
    np.testing.assert_array_equal(models[0].evaluate_constraints(), before)
    one, other = (model.evaluate_hessian_lag().toarray() for model in models)
    assert not np.allclose(one, other)


@pytest.mark.parametrize(
    "copy", [lambda m: m.clone(), lambda m: pickle.loads(pickle.dumps(m))], ids=["clone", "pickle"]
)
def test_copies_solve_as_what_they_are(copy: Callable[[Any], Any]) -> None:
    model = example("grey box")
    solve(model)
    copied = copy(model)
    model.egb.get_external_model().update(meant(seed=7))
    check_optimal(solve(copied))
    check_same_as_network_blocks(copied)
    model.egb.outputs.setlb(None)  # the enclosure of the network of before
    model.egb.outputs.setub(None)
    solve(model)
    x = [variable.value for variable in model.x[1]]
    expected = meant(seed=7)(x)
    np.testing.assert_allclose([variable.value for variable in model.y[1]], expected, rtol=1e-7)


def test_a_grey_box_alone_pickles() -> None:
    box = pickle.loads(pickle.dumps(fxp.GreyBox(meant(), instances=T)))
    value, _, hessian = evaluated(box, np.full(T * N, 0.1), np.ones(T * M))
    np.testing.assert_allclose(value, np.tile(meant()(np.full(N, 0.1)), T), rtol=1e-15)
    assert hessian.shape == (T * N, T * N)


def renamed(**names: Any) -> fx.Function:
    return two_products().with_names(**names)


def test_errors() -> None:
    box = fxp.GreyBox(two_products(), instances=2)
    in_a_block(box)
    ambiguous = make_net(2, [(_core.Operator("Tanh", [(2,)]), [0], "tanh")], [1], input_names=["a", "a"])
    for message, wrong, error in (
        (r"\[GreyBox\] takes a fastexpr.Function: got str 'net.onnx'", lambda: fxp.GreyBox("net.onnx"), TypeError),
        (r"\[GreyBox\] too few instances: got 0", lambda: fxp.GreyBox(two_products(), instances=0), ModelError),
        ("expected an integer", lambda: fxp.GreyBox(two_products(), instances=2.0), TypeError),
        ("expected an integer", lambda: fxp.GreyBox(two_products(), instances=True), TypeError),
        (r"got \(3,\), expected \(2,\)", lambda: fxp.GreyBox(two_products(), scaling=[1, 2, 3]), ShapeError),
        ("expected positive numbers", lambda: fxp.GreyBox(two_products(), scaling=[1, np.nan]), ModelError),
        ("expected positive numbers", lambda: fxp.GreyBox(two_products(), scaling=[1, 0]), ModelError),
        ("input names occur twice", lambda: fxp.GreyBox(ambiguous), ModelError),
        (
            r"\[GreyBox 'egb'\] wrong shape of input values: got \(5,\)",
            lambda: box.set_input_values(np.ones(5)),
            ShapeError,
        ),
        ("wrong shape of input values", lambda: box.set_input_values(np.ones((2, 3))), ShapeError),
        (
            r"wrong shape of multipliers: got \(3,\), expected \(4,\): 2 for each of 2 instances",
            lambda: box.set_output_constraint_multipliers(np.ones(3)),
            ShapeError,
        ),
        ("call set_input_values first", box.evaluate_outputs, ModelError),
        ("call set_output_constraint_multipliers first", box.evaluate_hessian_outputs, ModelError),
        ("takes a fastexpr.Function", lambda: box.update(None), TypeError),
        ("other inputs: got a, b, c, expected x", lambda: box.update(renamed(inputs=["a", "b", "c"])), ModelError),
        ("other outputs", lambda: box.update(renamed(outputs=["a", "b"])), ModelError),
    ):
        with pytest.raises(error, match=message):
            wrong()


def test_importing_fastexpr_pyomo_brings_neither_scipy_nor_pynumero_s_interfaces() -> None:
    code = """
import sys
import fastexpr.pyomo as fxp
heavy = "scipy", "pyomo.contrib.pynumero.interfaces.external_grey_box"
assert not [name for name in heavy if name in sys.modules], sys.modules.keys()
assert "GreyBox" in dir(fxp)
assert fxp.GreyBox is fxp.GreyBox
assert all(name in sys.modules for name in heavy)
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    with pytest.raises(AttributeError, match="has no attribute 'GrayBox'"):
        fxp.GrayBox  # noqa: B018
