"""What a grey box does with its block's variables: names, bounds, starting values, scaling factors."""

from __future__ import annotations

import re

import numpy as np
import pyomo.environ as pyo
import pytest
from grey_boxes import (
    M,
    N,
    check_optimal,
    check_same_as_network_blocks,
    example,
    in_a_block,
    logarithm,
    meant,
    solve,
    two_products,
)
from networks import network
from pyomo.contrib.pynumero.interfaces.external_grey_box import ExternalGreyBoxBlock
from pyomo.contrib.pynumero.interfaces.pyomo_grey_box_nlp import PyomoNLPWithGreyBoxBlocks

import fastexpr.pyomo as fxp
from fastexpr.errors import EvaluationError, ModelError


def test_names_and_instances() -> None:
    net = two_products().with_names(inputs=["a", "b", "c"], outputs=["ab", "sin"])
    one = in_a_block(fxp.GreyBox(net)).egb
    assert list(one.inputs) == ["a", "b", "c"]
    assert list(one.outputs) == ["ab", "sin"]
    m = in_a_block(fxp.GreyBox(net, instances=2))
    assert list(m.egb.inputs) == ["a[0]", "b[0]", "c[0]", "a[1]", "b[1]", "c[1]"]
    assert list(m.egb.outputs) == ["ab[0]", "sin[0]", "ab[1]", "sin[1]"]
    instances = m.egb.get_external_model().instances(m.egb)
    assert len(instances) == 2
    assert instances[1].inputs["b"] is m.egb.inputs["b[1]"]
    assert instances[1].outputs["ab"] is m.egb.outputs["ab[1]"]
    assert list(in_a_block(fxp.GreyBox(net, instances=1)).egb.outputs) == ["ab[0]", "sin[0]"]


def test_bounds_and_starts_of_the_block_s_own_variables() -> None:
    net = meant().with_bounds([-2.0, -1.0, 0.5, -np.inf], [3.0, np.inf, 1.5, np.inf])
    m = in_a_block(fxp.GreyBox(net, instances=2))
    block = fxp.NetworkBlock(net)
    m.nn = block
    for t in range(2):
        for kind in ("inputs", "outputs"):
            for name, variable in getattr(block, kind).items():
                mine = getattr(m.egb, kind)[f"{name}[{t}]"]
                assert mine.bounds == variable.bounds
                assert mine.value == pytest.approx(variable.value, rel=1e-14)
    assert m.egb.inputs["x[0][1]"].value == 0.5


def test_variables_of_the_user_s_keep_what_is_tighter_and_set() -> None:
    m = pyo.ConcreteModel()
    m.x = pyo.Var(range(N), bounds=(-1, 7), initialize=0.25)
    m.x[2].set_value(None)
    m.y = pyo.Var(range(M), bounds=(-50, 50))
    m.y[1].set_value(0.125)
    m.egb = ExternalGreyBoxBlock()
    m.egb.set_external_model(fxp.GreyBox(meant()), inputs=list(m.x.values()), outputs=list(m.y.values()))
    assert {variable.bounds for variable in m.x.values()} == {(-1, 2)}
    assert {variable.bounds for variable in m.y.values()} == {(-50, 50)}
    assert m.x[0].value == 0.25
    assert m.x[2].value == 0.5
    assert m.y[1].value == 0.125
    assert m.y[0].value == pytest.approx(meant()([0.25, 0.25, 0.5, 0.25])[0], rel=1e-14)
    instance = m.egb.get_external_model().instances(m.egb)[0]
    assert instance.inputs["x[2]"] is m.x[2]


def test_bounds_can_be_left_out() -> None:
    for box in (fxp.GreyBox(meant(), bounds=False), fxp.GreyBox(network(N, M))):
        m = in_a_block(box)
        assert {variable.bounds for variable in [*m.egb.inputs.values(), *m.egb.outputs.values()]} == {(None, None)}


def test_bounds_of_outputs_follow_an_input_that_is_held_outside_of_the_range() -> None:
    m = pyo.ConcreteModel()
    m.x = pyo.Var(range(N), initialize=9.0)
    m.x[0].fix()
    m.egb = ExternalGreyBoxBlock()
    m.egb.set_external_model(fxp.GreyBox(meant()), inputs=list(m.x.values()))
    net = meant()
    lower, upper = net.output_bounds([9.0, *net.lower[1:]], [9.0, *net.upper[1:]])
    assert m.egb.outputs["y[0]"].bounds == pytest.approx((lower[0], upper[0]))
    m.x[0].unfix()
    m.x[1].setub(0.25)
    lower, upper = net.output_bounds(net.lower, [net.upper[0], 0.25, *net.upper[2:]])
    assert m.egb.outputs["y[0]"].bounds == pytest.approx((lower[0], upper[0]))


def test_initialize() -> None:
    m = in_a_block(fxp.GreyBox(meant(), instances=2))
    m.egb.inputs["x[1][1]"].set_value(0.7)
    m.egb.outputs["y[0][0]"].fix(3.0)
    m.egb.get_external_model().initialize(m.egb)
    expected = meant()([[0.0] * N, [0.0, 0.7, 0.0, 0.0]])
    assert m.egb.outputs["y[0][0]"].value == 3.0
    assert m.egb.outputs["y[2][1]"].value == pytest.approx(expected[1, 2], rel=1e-14)


def test_starts_where_the_network_has_no_value() -> None:
    m = in_a_block(fxp.GreyBox(logarithm(), instances=2))
    assert m.egb.outputs["y[0]"].value is None
    with pytest.raises(EvaluationError, match=r"\[GreyBox 'egb'\] output 'y' of instance 0 is not finite: got -inf"):
        m.egb.get_external_model().initialize(m.egb)


def test_scaling_factors_from_the_range() -> None:
    net = meant().with_bounds([0.0, -1.0, 0.0, 5.0], [4.0, 1.0, 0.5, 5.0])
    m = in_a_block(fxp.GreyBox(net, instances=2))
    m.objective = pyo.Objective(expr=m.egb.outputs["y[0][1]"] ** 2)
    m.scaling_factor = pyo.Suffix(direction=pyo.Suffix.EXPORT)
    m.scaling_factor[m.egb.inputs["x[0][1]"]] = 100.0
    nlp = PyomoNLPWithGreyBoxBlocks(m)
    found = dict(zip(nlp.primals_names(), nlp.get_primals_scaling(), strict=True))
    for t, first in ((0, 0.25), (1, 100.0)):  # what the user says counts
        factors = [found[m.egb.inputs[f"x[{i}][{t}]"].name] for i in range(N)]
        assert factors == pytest.approx([first, 0.5, 2.0, 1.0])
    corners = net(np.random.default_rng(1).uniform(net.lower, net.upper, (1000, N)))
    spread = corners.max(axis=0) - corners.min(axis=0)
    equations = nlp.get_constraints_scaling().reshape(2, M)
    assert (equations > 1 / (1.01 * spread)).all()
    assert (equations < 2 / spread).all()
    np.testing.assert_array_equal(
        equations, [[found[f"egb.outputs['y[{k}][{t}]']"] for k in range(M)] for t in range(2)]
    )


def test_scaling_factors_as_numbers_and_none_at_all() -> None:
    m = in_a_block(fxp.GreyBox(meant(), instances=2, scaling=[1.0, 10.0, 100.0]))
    assert list(m.egb.get_external_model().get_output_constraint_scaling_factors()) == [1, 10, 100, 1, 10, 100]
    assert m.egb.component("scaling_factor") is None
    for box in (fxp.GreyBox(meant(), scaling=False), fxp.GreyBox(network(N, M))):
        m = in_a_block(box)
        assert m.egb.component("scaling_factor") is None
        assert box.get_output_constraint_scaling_factors() is None


@pytest.mark.parametrize("method", ["user-scaling", "none"])
def test_the_optimum_does_not_depend_on_scaling(method: str) -> None:
    model = example("grey box")
    check_optimal(solve(model, nlp_scaling_method=method))
    check_same_as_network_blocks(model)


def test_variables_under_other_names_are_refused() -> None:
    m = pyo.ConcreteModel()
    m.x = pyo.Var(["b", "a", "c"])
    m.y = pyo.Var(["ab", "sin"])
    m.wrong = pyo.Var(["ab", "cos"])
    box = fxp.GreyBox(two_products().with_names(inputs=["a", "b", "c"], outputs=["ab", "sin"]))
    m.egb = ExternalGreyBoxBlock()
    with pytest.raises(ModelError, match="does not match the inputs: got 'b', 'a', 'c', expected a, b, c"):
        m.egb.set_external_model(box, inputs=m.x, outputs=m.y)
    m.second = ExternalGreyBoxBlock()
    with pytest.raises(ModelError, match="does not match the outputs: got 'ab', 'cos'"):
        m.second.set_external_model(box, inputs=[m.x[name] for name in "abc"], outputs=m.wrong)


def test_bounds_that_leave_nothing() -> None:
    m = pyo.ConcreteModel()
    m.x = pyo.Var(range(N), bounds=(3, 4))
    m.egb = ExternalGreyBoxBlock()
    with pytest.raises(ModelError, match=re.escape("the bounds of 'x[0]', (3, 4), and the network's range")):
        m.egb.set_external_model(fxp.GreyBox(meant()), inputs=list(m.x.values()))
