"""Problems 1 to 60 of W. Hock and K. Schittkowski, Test Examples for Nonlinear Programming Codes, Springer, 1981.

With their starting points and optima; only those where local solvers agree on one optimum with unique multipliers.
"""

from __future__ import annotations

import math
from typing import Any

import pyomo.environ as pyo

from pyomo_models.table import example, start_at


def rosenbrock(x: Any) -> Any:
    return 100 * (x[2] - x[1] ** 2) ** 2 + (1 - x[1]) ** 2


@example("Rosenbrock's valley with a bound that is not active", optimum=0.0)
def hs1() -> pyo.ConcreteModel:
    m = start_at([-2, 1], lower=[None, -1.5])
    m.f = pyo.Objective(expr=rosenbrock(m.x))
    return m


@example("a zero multiplier", optimum=0.0)
def hs6() -> pyo.ConcreteModel:
    m = start_at([-1.2, 1])
    m.f = pyo.Objective(expr=(1 - m.x[1]) ** 2)
    m.c = pyo.Constraint(expr=10 * (m.x[2] - m.x[1] ** 2) == 0)
    return m


@example("a logarithm, no bounds", optimum=-math.sqrt(3))
def hs7() -> pyo.ConcreteModel:
    m = start_at([2, 2])
    m.f = pyo.Objective(expr=pyo.log(1 + m.x[1] ** 2) - m.x[2])
    m.c = pyo.Constraint(expr=(1 + m.x[1] ** 2) ** 2 + m.x[2] ** 2 - 4 == 0)
    return m


@example("a linear objective, curvature from the constraint alone", optimum=-1.0)
def hs10() -> pyo.ConcreteModel:
    m = start_at([-10, 10])
    x = m.x
    m.f = pyo.Objective(expr=x[1] - x[2])
    m.c = pyo.Constraint(expr=-3 * x[1] ** 2 + 2 * x[1] * x[2] - x[2] ** 2 + 1 >= 0)
    return m


@example("one inequality", optimum=-8.498464223)
def hs11() -> pyo.ConcreteModel:
    m = start_at([4.9, 0.1])
    m.f = pyo.Objective(expr=(m.x[1] - 5) ** 2 + m.x[2] ** 2 - 25)
    m.c = pyo.Constraint(expr=-(m.x[1] ** 2) + m.x[2] >= 0)
    return m


@example("a start at the origin", optimum=-30.0)
def hs12() -> pyo.ConcreteModel:
    m = start_at([0, 0])
    x = m.x
    m.f = pyo.Objective(expr=0.5 * x[1] ** 2 + x[2] ** 2 - x[1] * x[2] - 7 * x[1] - 7 * x[2])
    m.c = pyo.Constraint(expr=25 - 4 * x[1] ** 2 - x[2] ** 2 >= 0)
    return m


@example("as many active constraints as variables", optimum=9 - 2.875 * math.sqrt(7))
def hs14() -> pyo.ConcreteModel:
    m = start_at([2, 2])
    x = m.x
    m.f = pyo.Objective(expr=(x[1] - 2) ** 2 + (x[2] - 1) ** 2)
    m.c = pyo.Constraint(expr=x[1] - 2 * x[2] + 1 == 0)
    m.d = pyo.Constraint(expr=-(x[1] ** 2) / 4 - x[2] ** 2 + 1 >= 0)
    return m


@example("a linear and a nonlinear inequality, both active", optimum=1.0)
def hs22() -> pyo.ConcreteModel:
    m = start_at([2, 2])
    x = m.x
    m.f = pyo.Objective(expr=(x[1] - 2) ** 2 + (x[2] - 1) ** 2)
    m.c = pyo.Constraint(expr=-x[1] - x[2] + 2 >= 0)
    m.d = pyo.Constraint(expr=-(x[1] ** 2) + x[2] >= 0)
    return m


@example("a cube, and a maximum in a corner", optimum=-1.0)
def hs24() -> pyo.ConcreteModel:
    m = start_at([1, 0.5], lower=0)
    x, root = m.x, math.sqrt(3)
    m.f = pyo.Objective(expr=((x[1] - 3) ** 2 - 9) * x[2] ** 3 / (27 * root))
    m.c = pyo.Constraint(expr=x[1] / root - x[2] >= 0)
    m.d = pyo.Constraint(expr=x[1] + root * x[2] >= 0)
    m.e = pyo.Constraint(expr=6 - x[1] - root * x[2] >= 0)
    return m


@example("a variable at which the constraint's derivative is zero", optimum=0.04)
def hs27() -> pyo.ConcreteModel:
    m = start_at([2, 2, 2])
    x = m.x
    m.f = pyo.Objective(expr=0.01 * (x[1] - 1) ** 2 + (x[2] - x[1] ** 2) ** 2)
    m.c = pyo.Constraint(expr=x[1] + x[3] ** 2 + 1 == 0)
    return m


@example("exponentials one in another", optimum=-math.log(math.log(10)))
def hs34() -> pyo.ConcreteModel:
    m = start_at([0, 1.05, 2.9], lower=0, upper=[100, 100, 10])
    m.f = pyo.Objective(expr=-m.x[1])
    m.c = pyo.Constraint(expr=m.x[2] - pyo.exp(m.x[1]) >= 0)
    m.d = pyo.Constraint(expr=m.x[3] - pyo.exp(m.x[2]) >= 0)
    return m


@example("a convex quadratic program", optimum=1 / 9)
def hs35() -> pyo.ConcreteModel:
    m = start_at([0.5, 0.5, 0.5], lower=0)
    x = m.x
    quadratic = 2 * x[1] ** 2 + 2 * x[2] ** 2 + x[3] ** 2 + 2 * x[1] * x[2] + 2 * x[1] * x[3]
    m.f = pyo.Objective(expr=9 - 8 * x[1] - 6 * x[2] - 4 * x[3] + quadratic)
    m.c = pyo.Constraint(expr=3 - x[1] - x[2] - 2 * x[3] >= 0)
    return m


@example("Colville's fourth, Wood's function", optimum=0.0)
def hs38() -> pyo.ConcreteModel:
    m = start_at([-3, -1, -3, -1], lower=-10, upper=10)
    x = m.x
    first = 100 * (x[2] - x[1] ** 2) ** 2 + (1 - x[1]) ** 2
    second = 90 * (x[4] - x[3] ** 2) ** 2 + (1 - x[3]) ** 2
    last = 10.1 * ((x[2] - 1) ** 2 + (x[4] - 1) ** 2) + 19.8 * (x[2] - 1) * (x[4] - 1)
    m.f = pyo.Objective(expr=first + second + last)
    return m


@example("slack variables as squares", optimum=-1.0)
def hs39() -> pyo.ConcreteModel:
    m = start_at([2, 2, 2, 2])
    x = m.x
    m.f = pyo.Objective(expr=-x[1])
    m.c = pyo.Constraint(expr=x[2] - x[1] ** 3 - x[3] ** 2 == 0)
    m.d = pyo.Constraint(expr=x[1] ** 2 - x[2] - x[4] ** 2 == 0)
    return m


@example("a product of four", optimum=-0.25)
def hs40() -> pyo.ConcreteModel:
    m = start_at([0.8] * 4)
    x = m.x
    m.f = pyo.Objective(expr=-x[1] * x[2] * x[3] * x[4])
    m.c = pyo.Constraint(expr=x[1] ** 3 + x[2] ** 2 - 1 == 0)
    m.d = pyo.Constraint(expr=x[1] ** 2 * x[4] - x[3] == 0)
    m.e = pyo.Constraint(expr=x[4] ** 2 - x[2] == 0)
    return m


@example("an equation in one variable", optimum=28 - 10 * math.sqrt(2))
def hs42() -> pyo.ConcreteModel:
    m = start_at([1] * 4)
    x = m.x
    m.f = pyo.Objective(expr=sum((x[i] - i) ** 2 for i in x))
    m.c = pyo.Constraint(expr=x[1] - 2 == 0)
    m.d = pyo.Constraint(expr=x[3] ** 2 + x[4] ** 2 - 2 == 0)
    return m


@example("Rosen and Suzuki", optimum=-44.0)
def hs43() -> pyo.ConcreteModel:
    m = start_at([0] * 4)
    a, b, c, d = m.x.values()
    m.f = pyo.Objective(expr=a**2 + b**2 + 2 * c**2 + d**2 - 5 * a - 5 * b - 21 * c + 7 * d)
    m.c = pyo.Constraint(expr=8 - a**2 - b**2 - c**2 - d**2 - a + b - c + d >= 0)
    m.d = pyo.Constraint(expr=10 - a**2 - 2 * b**2 - c**2 - 2 * d**2 + a + d >= 0)
    m.e = pyo.Constraint(expr=5 - 2 * a**2 - b**2 - c**2 - 2 * a + b + d >= 0)
    return m


@example("least squares with linear equations", optimum=0.0)
def hs48() -> pyo.ConcreteModel:
    m = start_at([3, 5, -3, 2, -2])
    x = m.x
    m.f = pyo.Objective(expr=(x[1] - 1) ** 2 + (x[2] - x[3]) ** 2 + (x[4] - x[5]) ** 2)
    m.c = pyo.Constraint(expr=sum(x.values()) == 5)
    m.d = pyo.Constraint(expr=x[3] - 2 * (x[4] + x[5]) + 3 == 0)
    return m


@example("a quadratic program with equations and bounds", optimum=176 / 43)
def hs53() -> pyo.ConcreteModel:
    m = start_at([2] * 5, lower=-10, upper=10)
    x = m.x
    m.f = pyo.Objective(expr=(x[1] - x[2]) ** 2 + (x[2] + x[3] - 2) ** 2 + (x[4] - 1) ** 2 + (x[5] - 1) ** 2)
    m.c = pyo.Constraint(expr=x[1] + 3 * x[2] == 0)
    m.d = pyo.Constraint(expr=x[3] + x[4] - 2 * x[5] == 0)
    m.e = pyo.Constraint(expr=x[2] - x[5] == 0)
    return m


@example("fourth powers", optimum=0.03256820025)
def hs60() -> pyo.ConcreteModel:
    m = start_at([2] * 3, lower=-10, upper=10)
    x = m.x
    m.f = pyo.Objective(expr=(x[1] - 1) ** 2 + (x[1] - x[2]) ** 2 + (x[2] - x[3]) ** 4)
    m.c = pyo.Constraint(expr=x[1] * (1 + x[2] ** 2) + x[3] ** 4 - 4 - 3 * math.sqrt(2) == 0)
    return m
