"""Models for what an expression or a program can be made of: functions, powers, products, kinds of programs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyomo.environ as pyo

from pyomo_models.table import example, start_at

# Each function with where its argument starts and stays: away from poles, kinks and ends of its domain.
SMOOTH = {
    pyo.exp: (0.3, -1, 1),
    pyo.log: (0.8, 0.2, 3),
    pyo.log10: (0.8, 0.2, 3),
    pyo.sqrt: (0.8, 0.2, 3),
    pyo.sin: (0.3, -1, 1),
    pyo.cos: (0.9, 0.2, 1.5),
    pyo.tan: (0.3, -1, 1),
    pyo.asin: (0.3, -0.8, 0.8),
    pyo.acos: (0.3, -0.8, 0.8),
    pyo.atan: (0.3, -1, 1),
    pyo.sinh: (0.3, -1, 1),
    pyo.cosh: (0.9, 0.2, 1.5),
    pyo.tanh: (0.3, -1, 1),
    pyo.asinh: (0.3, -1, 1),
    pyo.acosh: (1.8, 1.2, 3),
    pyo.atanh: (0.3, -0.8, 0.8),
}


@example("all smooth functions of one argument, in the objective and in constraints")
def all_functions() -> pyo.ConcreteModel:
    start, lower, upper = zip(*SMOOTH.values(), strict=True)
    m = start_at(start, lower, upper)
    values = [function(x) for function, x in zip(SMOOTH, m.x.values(), strict=True)]
    m.f = pyo.Objective(expr=sum((value - 0.5 - 0.02 * i) ** 2 for i, value in enumerate(values)))
    m.sum = pyo.Constraint(expr=sum(values) == 9)
    m.products = pyo.ConstraintList()
    for i in range(0, len(values), 4):
        m.products.add(values[i] * values[i + 3] + values[i + 1] <= 0.9)
    return m


@example("functions of functions of expressions")
def nested_functions() -> pyo.ConcreteModel:
    m = start_at([0.4, 0.6, -0.3])
    x, y, z = m.x.values()
    inner = pyo.exp(pyo.sin(x * y) - pyo.cos(y - z) ** 2)
    m.f = pyo.Objective(expr=pyo.sqrt(1 + inner**2) + pyo.log(1 + (x - y) ** 2 + z**2) + (x + y + z - 1) ** 2)
    m.c = pyo.Constraint(expr=pyo.atan(pyo.sinh(x) + pyo.tanh(y * z)) == 0.5)
    return m


@example("absolute values away from their kinks")
def absolute_values() -> pyo.ConcreteModel:
    m = start_at([1.4, -1.4, 0.3], lower=[0.1, None, -5], upper=[None, -0.1, 5])
    x, y, z = m.x.values()
    m.f = pyo.Objective(expr=abs(x) ** 3 + abs(y) * y**2 + abs(z + 10) * (z - 1) ** 2)
    m.c = pyo.Constraint(expr=abs(x * y) - z >= 1.5)
    return m


@example("ceil and floor away from their kinks", not_for=("pounce",))
def steps() -> pyo.ConcreteModel:
    m = start_at([1.4, -1.4, 0.3], lower=[1.1, -1.9, -5], upper=[1.9, -1.1, 5])
    x, y, z = m.x.values()
    m.f = pyo.Objective(expr=x**3 + pyo.ceil(x) * (z - 1) ** 2 + pyo.floor(y) * y)
    m.c = pyo.Constraint(expr=-x * y - z >= 1.5)
    m.d = pyo.Constraint(expr=pyo.floor(x) * z - pyo.ceil(y) * y / 2 == 1.1)
    return m


@example("conditions: of variables, of Params, between limits; the optimum lies inside the branches")
def conditions() -> pyo.ConcreteModel:
    m = start_at([0.4, 2.5])
    x, y = m.x.values()
    first = pyo.Expr_if(IF=x <= 1, THEN=(x - 0.6) ** 2 + 1, ELSE=3 * x**2)
    second = pyo.Expr_if(IF=y >= 1.5, THEN=pyo.exp(y - 2) - y * 1.2, ELSE=y**2)
    m.f = pyo.Objective(expr=first + second)
    m.p = pyo.Param(initialize=2.0, mutable=True)
    third = pyo.Expr_if(IF=pyo.inequality(-1, x * y, 5), THEN=(x + y) / 10, ELSE=x**3)
    m.d = pyo.Constraint(expr=pyo.Expr_if(IF=m.p >= 1, THEN=x * m.p, ELSE=y) + third <= 1.4)
    m.c = pyo.Constraint(expr=pyo.Expr_if(IF=x + y <= 2, THEN=x * y, ELSE=x + y**2 / 4) <= 1.5)
    return m


@example("powers: of two variables, of a number, negative bases with whole exponents, a root")
def powers() -> pyo.ConcreteModel:
    m = start_at([1.3, 0.7, -1.2, -0.8], lower=[0.2, -2, -3, -3], upper=[3, 2, -0.3, -0.3])
    m.whole = pyo.Param(initialize=3, mutable=True)
    a, b, c, d = m.x.values()
    m.f = pyo.Objective(expr=a**b + (a - b) ** 2 + c**2 + d**4.0 + (c - d) ** 2 + 1.5**b)
    m.c = pyo.Constraint(expr=c**3 + d**m.whole + a**0.5 == -1.1)
    m.d = pyo.Constraint(expr=c**-2 + d**-1 + a ** (b * c) <= 0.4)
    m.e = pyo.Constraint(expr=a**1 + b**1.0 + (a * b) ** 0 <= 4)
    return m


@example("a product of twelve variables")
def long_product() -> pyo.ConcreteModel:
    m = start_at([1 + 0.05 * i for i in range(12)], lower=0.1, upper=3)
    m.f = pyo.Objective(expr=sum(i * x for i, x in m.x.items()))
    m.c = pyo.Constraint(expr=pyo.prod(m.x.values()) >= 3)
    m.d = pyo.Constraint(expr=m.x[1] * m.x[2] * m.x[2] * m.x[3] * 2 * m.x[1] <= 30)
    return m


@example("quotients of sums and of quotients")
def quotients() -> pyo.ConcreteModel:
    m = start_at([1.0, 2.0, 1.5], lower=0.1, upper=10)
    x, y, z = m.x.values()
    m.f = pyo.Objective(expr=(x + 2 * y) / (y + z) + 3 / x + (x / y) / (z / 4) + z**2 / 5)
    m.c = pyo.Constraint(expr=x / (1 + y**2) - 1 / z <= 0.1)
    m.d = pyo.Constraint(expr=(x + y + z) / 3 == 1.7)
    return m


@example("a continued fraction, 400 levels deep")
def deep() -> pyo.ConcreteModel:
    m = start_at([0.7, 1.4], lower=0.1, upper=5)
    nested = m.x[1]
    for _ in range(400):
        nested = m.x[2] / (1 + nested)
    m.f = pyo.Objective(expr=(nested - 0.8) ** 2 + 0.1 * (m.x[1] - 2) ** 2 + m.x[2])
    m.c = pyo.Constraint(expr=nested >= 0.7)
    return m


@example("a linear program", optimum=-850.0)
def linear_program() -> pyo.ConcreteModel:
    m = start_at([1, 1, 1], lower=0)
    x = m.x
    m.f = pyo.Objective(expr=-20 * x[1] - 10 * x[2] - 15 * x[3])
    m.c = pyo.Constraint(expr=3 * x[1] + 2 * x[2] + 5 * x[3] <= 155)
    m.d = pyo.Constraint(expr=2 * x[1] + x[2] + x[3] <= 80)
    m.e = pyo.Constraint(expr=x[1] + x[2] <= 62)
    m.g = pyo.Constraint(expr=x[1] + x[3] <= 145 / 3)
    return m


@example("a nonconvex quadratic program with quadratic constraints")
def quadratic_program() -> pyo.ConcreteModel:
    n = 6
    rng = np.random.default_rng(3)
    m = start_at([-0.2] * n, lower=-2, upper=2)

    def form(shift: float) -> Any:
        """x' A x with a symmetric matrix whose eigenvalues are around `shift`."""
        matrix = rng.standard_normal((n, n))
        matrix = np.round(matrix + matrix.T, 3) / 2 + shift * np.eye(n)
        return sum(float(matrix[i, j]) * m.x[i + 1] * m.x[j + 1] for i in range(n) for j in range(n))

    m.f = pyo.Objective(expr=form(0) + sum((-1) ** i * x for i, x in m.x.items()))
    m.c = pyo.Constraint(range(3), rule=lambda _, k: form(2.0) <= 3 + k)
    return m


@example("a square system of equations without objective")
def square_system() -> pyo.ConcreteModel:
    m = start_at([0.5, 0.5, 0.5])
    x, y, z = m.x.values()
    m.c = pyo.Constraint(expr=3 * x - pyo.cos(y * z) == 0.5)
    m.d = pyo.Constraint(expr=x**2 - 81 * (y + 0.1) ** 2 + pyo.sin(z) == -1.06)
    m.e = pyo.Constraint(expr=pyo.exp(-x * y) + 20 * z + (10 * math.pi - 3) / 3 == 0)
    return m


@example("no objective and freedom left: any feasible point", has_one_optimum=False)
def feasibility() -> pyo.ConcreteModel:
    m = start_at([3, 4, -2], lower=-5, upper=5)
    x, y, z = m.x.values()
    m.c = pyo.Constraint(expr=x**2 + y**2 + z**2 == 4)
    m.d = pyo.Constraint(expr=x * y >= 0.5)
    m.e = pyo.Constraint(expr=x + y + z <= 2)
    return m


@example("a chained Rosenbrock function with 998 equations between neighbours", optimum=6.23245863)
def banded() -> pyo.ConcreteModel:
    """Problem 5.1 of L. Luksan and J. Vlcek, Sparse and Partially Separable Test Problems, 1999."""
    n = 1000
    m = start_at([-1.2 if i % 2 == 0 else 1.0 for i in range(n)])
    x = m.x
    m.f = pyo.Objective(expr=sum(100 * (x[i] ** 2 - x[i + 1]) ** 2 + (x[i] - 1) ** 2 for i in range(1, n)))

    @m.Constraint(range(1, n - 1))
    def equation(_: pyo.ConcreteModel, k: int) -> object:
        product = pyo.sin(x[k + 1] - x[k + 2]) * pyo.sin(x[k + 1] + x[k + 2])
        linear = 2 * x[k + 2] - 5 + 4 * x[k + 1] - 3
        return 3 * x[k + 1] ** 3 + linear + product - x[k] * pyo.exp(x[k] - x[k + 1]) == 0

    return m
