"""Networks as formulas: SymPy's values and derivatives are the function's; LaTeX; what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import sympy
from networks import network
from onnx_models import mlp
from operator_table import ROWS, Row
from sklearn.ensemble import RandomForestRegressor

import fastexpr as fx
from fastexpr.errors import GraphError

REFUSED = {"TreeEnsemble", "Hardmax"}


def numbers(net: fx.Function, formulas: sympy.Matrix, x: np.ndarray) -> np.ndarray:
    symbols = [sympy.Symbol(name, real=True) for name in net.input_names]
    at = dict(zip(symbols, map(sympy.Float, x.tolist()), strict=True))
    return np.array([complex(formula.xreplace(at).evalf(20)).real for formula in formulas])


@pytest.mark.parametrize("row", [row for row in ROWS if row.name not in REFUSED and row.n <= 30], ids=str)
def test_an_operator_s_formula_has_its_value(row: Row) -> None:
    net = row.function()
    x = np.random.default_rng(0).uniform(*row.between, net.n_inputs)
    wanted = net(x)
    if np.isfinite(wanted).all():
        np.testing.assert_allclose(numbers(net, net.to_sympy(), x), wanted, rtol=1e-10, atol=1e-12)


def test_derivatives_by_sympy_are_the_function_s() -> None:
    net = network(3, 2, width=4)
    formulas = net.to_sympy()
    symbols = [sympy.Symbol(name, real=True) for name in net.input_names]
    x, w = np.array([0.3, -0.2, 0.5]), np.array([1.0, -2.0])
    at = dict(zip(symbols, x.tolist(), strict=True))
    jacobian = np.array(formulas.jacobian(symbols).xreplace(at).evalf(20), dtype=float)
    hessian = np.array(sympy.hessian(formulas[0] - 2 * formulas[1], symbols).xreplace(at).evalf(20), dtype=float)
    np.testing.assert_allclose(jacobian, net.jacobian(x), rtol=1e-12)
    np.testing.assert_allclose(hessian, net.hessian(x, w), rtol=1e-11)


def test_a_network_is_unwrapped_from_its_file() -> None:
    net = fx.load_onnx(mlp([2, 3, 2])).with_names(inputs=["T", "p"])
    x = np.array([0.4, -0.7])
    np.testing.assert_allclose(numbers(net, net.to_sympy(), x), net(x), rtol=1e-13)


def test_symbols_are_named_or_given() -> None:
    x = fx.variables(2)
    net = fx.Function(x, x[0] ** 2 * x[1] + 1).with_names(inputs=["T", "p"])
    T, p = sympy.symbols("T p", real=True)
    assert net.to_sympy()[0] == T**2 * p + 1
    a = sympy.Symbol("a")
    assert net.to_sympy([a, 2])[0] == 2 * a**2 + 1
    with pytest.raises(ValueError, match=r"got 1 expressions, expected 2"):
        net.to_sympy([a])


def test_numbers_are_exact() -> None:
    x = fx.variables(1)
    constant = 0.1 + 1e-16 * 7
    (formula,) = fx.Function(x, constant * x).to_sympy()
    assert float(next(iter(formula.atoms(sympy.Float)))) == constant


def test_a_choice_is_a_piecewise_formula() -> None:
    net = fx.load_onnx(mlp([2, 2, 1], activation="LeakyRelu"))
    (formula,) = net.to_sympy()
    assert formula.atoms(sympy.Piecewise)
    assert not formula.atoms(sympy.Ne)


def test_latex() -> None:
    x = fx.variables(3)
    net = fx.Function(x, [np.tanh(x[0] * (1 / 3) + 2 * x[1]), x[2] ** 2])
    text = net.to_latex(digits=2)
    assert text.startswith("\\begin{aligned}\n")
    assert text.endswith("\n\\end{aligned}")
    assert r"\tanh{\left(0.33 x_{0} + 2 x_{1} \right)}" in text
    assert "x_{2}^{2}" in text
    assert text.count("&=") == 2
    assert "0.3333" in net.to_latex(digits=4)
    named = net.with_names(inputs=["T", "feed_rate", "50% p"], outputs=["y_1", "loss"])
    assert r"\mathrm{feed\_rate}" in named.to_latex()
    assert r"\mathrm{50\% p}^{2}" in named.to_latex()
    assert "y_{1} &=" in named.to_latex()
    for digits in (0, 18):
        with pytest.raises(ValueError, match=rf"digits: got {digits}"):
            net.to_latex(digits=digits)


def test_what_nobody_could_read_is_refused() -> None:
    net = fx.load_onnx(mlp([1, 300, 300, 1]))
    with pytest.raises(GraphError, match=r"\[Function.to_latex\] .*too long to read: got [\d,]+ operations") as raised:
        net.to_latex()
    assert "to_c()" in str(raised.value)


def test_what_has_no_formula_is_named() -> None:
    random = np.random.default_rng(0)
    X = random.uniform(-1, 1, (50, 2))
    net = fx.from_sklearn(RandomForestRegressor(2, max_depth=2, random_state=0).fit(X, X[:, 0]))
    said = r"\[Function.to_sympy\] has no formula for these operators: got TreeEnsemble.*fastexpr\.h"
    with pytest.raises(GraphError, match=said):
        net.to_sympy()
