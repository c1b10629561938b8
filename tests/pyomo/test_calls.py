"""External functions in compiled Pyomo models: networks, and functions of others."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from compiled_models import assert_values_are_pyomos
from networks import network
from pyomo.core.base.external import AMPLExternalFunction

import fastexpr as fx
import fastexpr.pyomo as fxp
from fastexpr.errors import EvaluationError, ModelError
from fastexpr.pyomo.compile.compiled import compile_model
from fastexpr.pyomo.external.files import library_path

# ---- networks


def test_a_networks_outputs_are_evaluated_by_the_network() -> None:
    net = network(3, 2)
    m = pyo.ConcreteModel()
    m.x = pyo.Var([0, 1, 2], initialize=0.3)
    m.nn = fxp.NetworkBlock(net, inputs=m.x)
    m.net = fxp.ExternalNetwork(net)
    first, second = m.net([m.x[0] * 2, m.x[1], 0.5])
    m.c = pyo.Constraint(expr=first * second <= m.nn.outputs[0])
    m.goal = pyo.Objective(expr=first**2 + m.nn.outputs[1])
    compiled = compile_model(m)
    assert compiled.nlp.n == 5
    assert_values_are_pyomos(compiled)


def test_a_network_belongs_to_the_parent_of_the_block_that_is_solved() -> None:
    m = pyo.ConcreteModel()
    m.net = fxp.ExternalNetwork(network(2, 1))
    m.b = pyo.Block()
    m.b.x = pyo.Var([0, 1], initialize=0.3)
    m.b.goal = pyo.Objective(expr=m.net(m.b.x)[0])
    assert_values_are_pyomos(compile_model(m.b))


def test_a_network_that_was_replaced_is_noticed() -> None:
    m = pyo.ConcreteModel()
    m.nn = fxp.NetworkBlock(network(2, 1))
    clone = m.clone()
    compiled, of_clone = compile_model(m), compile_model(clone)
    m.nn.update(network(2, 1, seed=5))
    assert not compiled.is_current()
    assert of_clone.is_current()
    assert_values_are_pyomos(compile_model(m))
    assert_values_are_pyomos(of_clone)


def test_a_scaled_model_keeps_its_networks() -> None:
    m = pyo.ConcreteModel()
    m.nn = fxp.NetworkBlock(network(2, 1))
    m.goal = pyo.Objective(expr=m.nn.outputs[0] ** 2)
    m.scaling_factor = pyo.Suffix(direction=pyo.Suffix.EXPORT)
    m.scaling_factor[m.goal] = 10
    scaled = pyo.TransformationFactory("core.scale_model").create_using(m)
    assert_values_are_pyomos(compile_model(scaled))


# ---- external functions of others


def with_callback(**functions: Any) -> Any:
    m = pyo.ConcreteModel()
    m.x, m.y = pyo.Var(initialize=0.5), pyo.Var(initialize=0.8)
    m.f = pyo.ExternalFunction(**functions)
    m.goal = pyo.Objective(expr=m.f(m.x, m.y) ** 2 + m.f(m.y, 2 * m.x))
    return m


def product(a: float, b: float) -> float:
    return a * b


def product_gradient(args: Any, fixed: Any) -> list[float]:
    a, b = args
    return [b, a]


def product_hessian(args: Any, fixed: Any) -> list[float]:
    return [0.0, 1.0, 0.0]


def test_a_python_function_is_called_through_pyomo() -> None:
    m = with_callback(function=product, gradient=product_gradient, hessian=product_hessian)
    with pytest.warns(UserWarning, match="slow: f"):
        compiled = compile_model(m)
    nlp = compiled.nlp
    x = np.array([0.5, 0.8])  # x²y² + 2xy
    assert nlp.objective(x) == pytest.approx(0.16 + 0.8)
    assert nlp.gradient(x) == pytest.approx([2 * 0.5 * 0.64 + 1.6, 2 * 0.25 * 0.8 + 1.0])
    rows, columns = nlp.hessianstructure()
    hessian = np.zeros((2, 2))
    np.add.at(hessian, (rows, columns), nlp.hessian(x, np.zeros(0), 1.0))
    assert hessian == pytest.approx(np.array([[2 * 0.64, 0], [4 * 0.4 + 2, 2 * 0.25]]))


def test_a_function_of_an_ampl_library_is_called_through_pyomo() -> None:
    net = network(2, 1)
    m = pyo.ConcreteModel()
    m.net = fxp.ExternalNetwork(net)
    m.net._file.ensure()
    m.x = pyo.Var([0, 1], initialize={0: 0.5, 1: -0.3})
    m.f = AMPLExternalFunction(library=library_path(), function="fastexpr")
    call = m.f(m.net.path, "0", "any", m.x[0], m.x[1])
    m.goal = pyo.Objective(expr=call)
    m.c = pyo.Constraint(expr=m.net(m.x)[0] <= 3)
    with pytest.warns(UserWarning, match="slow: f"):
        nlp = compile_model(m).nlp
    x = np.array([0.5, -0.3])
    assert nlp.objective(x) == pytest.approx(nlp.constraints(x)[0], rel=1e-14)
    assert nlp.gradient(x) == pytest.approx(nlp.jacobian(x), rel=1e-13)
    assert nlp.hessian(x, np.zeros(1), 1.0) == pytest.approx(nlp.hessian(x, np.ones(1), 0.0), rel=1e-13)


def test_one_warning_names_all_slow_functions() -> None:
    m = with_callback(function=product, gradient=product_gradient, hessian=product_hessian)
    m.g = pyo.ExternalFunction(product, product_gradient, product_hessian)
    m.c = pyo.Constraint(expr=m.g(m.x, 3) + m.f(m.x, 4) <= 3)
    with pytest.warns(UserWarning, match="slow: f, g") as found:
        compile_model(m)
    assert len(found) == 1


@pytest.mark.parametrize(
    ("functions", "what"),
    [
        ({"function": product}, "has no gradient"),
        ({"function": product, "gradient": product_gradient}, "has no second"),
    ],
)
def test_a_python_function_without_derivatives_is_named(functions: dict[str, Any], what: str) -> None:
    with pytest.warns(UserWarning, match="slow"):
        nlp = compile_model(with_callback(**functions)).nlp
    assert nlp.objective(nlp.start) > 0
    with pytest.raises(ModelError, match=rf"\[ExternalFunction 'f'\] {what}"):
        (nlp.gradient(nlp.start), nlp.hessian(nlp.start, np.zeros(0), 1.0))


def test_an_error_of_a_python_function_is_one_of_evaluation() -> None:
    def root(a: float, b: float) -> float:
        return math.sqrt(a - 5) + b

    with pytest.warns(UserWarning, match="slow"):
        nlp = compile_model(with_callback(function=root)).nlp
    with pytest.raises(EvaluationError, match=r"\[ExternalFunction 'f'\] at \[0.5, 0.8\]: math domain error"):
        nlp.objective(nlp.start)


def test_models_with_the_same_network_share_nothing_that_changes() -> None:
    x = fx.variables(1)
    net = fx.Function(x, x**2)
    models = []
    for start in (2.0, 3.0):
        m = pyo.ConcreteModel()
        m.x = pyo.Var(initialize=start)
        m.net = fxp.ExternalNetwork(net)
        m.goal = pyo.Objective(expr=m.net(m.x)[0])
        models.append(compile_model(m))
    assert [compiled.nlp.objective(compiled.nlp.start) for compiled in models] == [4.0, 9.0]
