"""What is constant piece by piece is found by name, wherever an output depends on it other than as a condition."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx.parser
import pyomo.environ as pyo
import pytest
from operator_table import ROWS, Row
from sklearn.ensemble import RandomForestRegressor

import fastexpr as fx
import fastexpr.pyomo as fxp
from fastexpr.pyomo.compile.compiled import compile_model


def box(*free: bool) -> tuple[Any, Any]:
    """Where free variables are between -2.5 and 2.5, the others 0.5."""
    return np.where(free, -2.5, 0.5), np.where(free, 2.5, 0.5)


def steps(expression: Any, x: Any, *free: bool) -> list[str]:
    return [step.split(" ")[0] for step in fx.Function(x, expression)._steps(*box(*free))]


def of_onnx(nodes: str, shape: str = "1,2") -> list[str]:
    head = f'<ir_version: 8, opset_import: ["":17]> g (float[{shape}] x) => (float[{shape}] y) '
    net = fx.load_onnx(onnx.parser.parse_model(head + "{" + nodes + "}"), check=False)
    return [step.split(" ")[0] for step in net._steps(*box(True, True))]


@pytest.mark.parametrize(
    ("function", "name"), [(np.floor, "Floor"), (np.ceil, "Ceil"), (np.rint, "Round"), (np.sign, "Sign")]
)
def test_rounding_and_signs(function: Any, name: str) -> None:
    x = fx.variables(3)
    outputs = np.stack([function(x[0]), 2.0 * function(x[1] - x[2]) + x[0] ** 2, x[0] * x[1]])
    assert steps(outputs, x, True, True, True) == [name, name, ""]
    assert steps(outputs, x, False, False, True) == ["", name, ""]
    assert steps(outputs, x, True, False, False) == [name, "", ""]


def test_a_factor_of_zero_annihilates() -> None:
    x = fx.variables(2)
    assert steps(0.0 * np.floor(x[0]) + x[1], x, True, True) == [""]
    assert steps(np.stack([np.floor(x[0]), x[1]]) @ [0.0, 1.0], x, True, True) == [""]


def test_a_condition_that_selects_is_none() -> None:
    # both sides vary: a kink or a jump, but derivatives say where values go
    assert of_onnx("z = Constant<value_float=0.5>() c = Greater(x, z) t = Tanh(x) y = Where(c, t, x)") == ["", ""]
    assert of_onnx("z = Constant<value_float=0.5>() c = Greater(x, z) y = Where(c, x, z)") == ["", ""]


def test_a_condition_that_becomes_a_number_is_one() -> None:
    constants = "z = Constant<value_float=0.5>() one = Constant<value_float=1.0>() c = Greater(x, z) "
    assert of_onnx(constants + "y = Cast<to=1>(c)") == ["Less", "Less"]
    assert of_onnx(constants + "w = Where(c, one, z) y = Add(w, x)") == ["Where", "Where"]
    assert of_onnx(constants + "f = Cast<to=1>(c) y = Mul(f, x)") == ["Less", "Less"]


def test_steps_behind_and_before_smooth_parts() -> None:
    assert of_onnx("t = Tanh(x) f = Floor(t) y = Exp(f)") == ["Floor", "Floor"]
    assert of_onnx("y = Hardmax<axis=1>(x)") == ["Hardmax", "Hardmax"]
    assert of_onnx("f = Floor(x) z = Constant<value_float=0.5>() c = Greater(f, z) t = Tanh(x) y = Where(c, t, x)") == [
        "",
        "",
    ]


def test_trees_by_the_features_that_they_test() -> None:
    X = np.random.default_rng(0).normal(size=(60, 3))
    forest = RandomForestRegressor(3, max_depth=3, random_state=0).fit(X * [1.0, 1.0, 0.0], X[:, 0] + X[:, 1])
    net = fx.from_sklearn(forest)
    assert net._steps(*box(True, False, False))[0].startswith("TreeEnsemble")
    assert net._steps(*box(False, False, True)) == [""]


def test_smooth_and_kinked_functions_have_none() -> None:
    x = fx.variables(2)
    outputs = np.concatenate([np.abs(x), np.maximum(x, 0.3), np.tanh(x), np.clip(x, 0, 1)])
    assert steps(outputs, x, True, True) == [""] * 8


def test_boxes_of_a_wrong_length() -> None:
    x = fx.variables(2)
    with pytest.raises(fx.errors.ShapeError, match="got 3, expected 2"):
        fx.Function(x, x)._steps(np.zeros(3), np.ones(2))


def of_model(expression: Any, m: Any, *free: bool) -> str:
    m.c = pyo.Constraint(expr=expression <= 1)
    m.o = pyo.Objective(expr=sum(m.x[i] ** 2 for i in m.x))
    compiled = compile_model(m)
    objective, row = compiled.nlp.functions.steps(*box(*(free or [True] * compiled.nlp.n))) or ["", ""]
    assert objective == ""
    return str(row)


def model() -> Any:
    m = pyo.ConcreteModel()
    m.x = pyo.Var([0, 1], initialize=0.5)
    return m


def test_steps_of_a_pyomo_model() -> None:
    for expression, name in (
        (lambda m: pyo.floor(m.x[0]) + m.x[1], "floor"),
        (lambda m: m.x[1] * pyo.ceil(3 * m.x[0]), "ceil"),
        (lambda m: pyo.Expr_if(m.x[0] >= 0.2, 1.0, 2.0) * m.x[1], "a choice between constants"),
        (lambda m: pyo.Expr_if(m.x[0] >= 0.2, m.x[1], m.x[0] ** 2), ""),
        (lambda m: pyo.Expr_if(pyo.floor(m.x[0]) >= 1, m.x[1], m.x[0] ** 2), ""),
        (lambda m: pyo.exp(m.x[0]) + abs(m.x[1]), ""),
    ):
        m = model()
        assert of_model(expression(m), m) == name
    for expression, name in (
        (lambda m: pyo.floor(m.x[0]) + m.x[1], ""),
        (lambda m: pyo.floor(m.x[0] + 0.3 * m.x[1]) + m.x[1], "floor"),
        (lambda m: pyo.ceil(0.1 * m.x[1] + 0.5) + m.x[1], ""),  # between 0.25 and 0.75
        (lambda m: pyo.Expr_if(m.x[1] <= 3, 1.0, 2.0) * m.x[1], ""),
        (lambda m: pyo.Expr_if(m.x[1] <= 2, 1.0, 2.0) * m.x[1], "a choice between constants"),
    ):
        m = model()
        assert of_model(expression(m), m, False, True) == name


def test_what_the_bounds_leave_no_jump_is_no_step() -> None:
    x = fx.variables(1)
    net = fx.Function(x, np.floor(x) + np.sign(x + 1.0) * x)
    assert net._steps(np.array([0.1]), np.array([0.9])) == [""]
    assert net._steps(np.array([0.1]), np.array([1.1]))[0].startswith("Floor")
    m = model()
    m.p = pyo.Param(initialize=0.5, mutable=True)
    m.net = fxp.ExternalNetwork(net)
    m.c = pyo.Constraint(expr=m.net(0.2 * m.x[0] + m.p)[0] + m.x[1] <= 1)
    m.o = pyo.Objective(expr=m.x[0] ** 2 + m.x[1])
    compiled = compile_model(m)
    assert compiled.nlp.functions.steps(np.zeros(2), np.ones(2)) == ["", ""]  # 0.5 to 0.7
    m.p.value = 0.9
    compiled.refresh()
    assert compiled.nlp.functions.steps(np.zeros(2), np.ones(2))[1].startswith("Floor")


def test_steps_of_a_network_in_a_pyomo_model() -> None:
    x = fx.variables(2)
    net = fx.Function(x, np.stack([np.floor(x[0]), np.exp(x[1])]))
    for output, name in ((0, "Floor"), (1, "")):
        m = model()
        m.net = fxp.ExternalNetwork(net)
        assert of_model(m.net(m.x[0], m.x[1])[output] * m.x[1], m).split(" ")[0] == name


def test_additive_constants_of_rows() -> None:
    m = model()
    m.p = pyo.Param(initialize=5.0, mutable=True)
    m.c = pyo.Constraint(expr=pyo.exp(m.x[0]) + 3 + 2 * m.p + m.x[1] <= 1)
    m.d = pyo.Constraint(expr=m.p * (m.x[0] + 1) ** 2 - (7 - m.x[1]) >= 1)
    m.e = pyo.Constraint(expr=pyo.exp(m.x[0] + 3) >= 1)
    m.o = pyo.Objective(expr=m.x[0])
    compiled = compile_model(m)
    assert compiled.nlp.functions.row_constants().tolist() == [13.0, -7.0, 0.0]
    m.p.value = 1.0
    compiled.refresh()
    assert compiled.nlp.functions.row_constants().tolist() == [5.0, -7.0, 0.0]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_every_operator_says_whether_it_is_a_step(row: Row) -> None:
    """Found by its values: what jumps between points, and never moves along a short way, is a step."""
    function = row.function()
    random = np.random.default_rng(0)
    points = random.uniform(*row.between, (200, row.n))
    here, nearby = function(points), function(points + 1e-9 * random.normal(size=points.shape))
    moves = (here != nearby) & np.isfinite(here) & np.isfinite(nearby)
    jumps = (here != here[0]).any(axis=0)
    found = function._steps(np.full(row.n, row.between[0]), np.full(row.n, row.between[1]))
    for k, step in enumerate(found):
        if moves[:, k].mean() > 0.1:  # in passing, a point may be at a jump
            assert step == ""
        elif not moves[:, k].any() and jumps[k]:
            assert step.startswith(row.name)
