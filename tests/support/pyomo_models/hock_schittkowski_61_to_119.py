"""Problems 61 to 119 of W. Hock and K. Schittkowski, Test Examples for Nonlinear Programming Codes, Springer, 1981."""

from __future__ import annotations

import math
from typing import Any

import pyomo.environ as pyo

from pyomo_models.table import example, start_at


@example("an indefinite quadratic objective on a sphere and a plane", optimum=961.7151721)
def hs63() -> pyo.ConcreteModel:
    m = start_at([2, 2, 2], lower=0)
    a, b, c = m.x.values()
    m.f = pyo.Objective(expr=1000 - a**2 - 2 * b**2 - c**2 - a * b - a * c)
    m.c = pyo.Constraint(expr=8 * a + 14 * b + 7 * c - 56 == 0)
    m.d = pyo.Constraint(expr=a**2 + b**2 + c**2 - 25 == 0)
    return m


@example("reciprocals, a start far away", optimum=6299.842428)
def hs64() -> pyo.ConcreteModel:
    m = start_at([1, 1, 1], lower=1e-5)
    a, b, c = m.x.values()
    m.f = pyo.Objective(expr=5 * a + 50000 / a + 20 * b + 72000 / b + 10 * c + 144000 / c)
    m.c = pyo.Constraint(expr=1 - 4 / a - 32 / b - 120 / c >= 0)
    return m


@example("a start outside the bounds", optimum=0.9535288567)
def hs65() -> pyo.ConcreteModel:
    m = start_at([-5, 5, 0], lower=[-4.5, -4.5, -5], upper=[4.5, 4.5, 5])
    a, b, c = m.x.values()
    m.f = pyo.Objective(expr=(a - b) ** 2 + (a + b - 10) ** 2 / 9 + (c - 5) ** 2)
    m.c = pyo.Constraint(expr=48 - a**2 - b**2 - c**2 >= 0)
    return m


@example("exponentials and a linear objective", optimum=0.5181632741)
def hs66() -> pyo.ConcreteModel:
    m = start_at([0, 1.05, 2.9], lower=0, upper=[100, 100, 10])
    m.f = pyo.Objective(expr=0.2 * m.x[3] - 0.8 * m.x[1])
    m.c = pyo.Constraint(expr=m.x[2] - pyo.exp(m.x[1]) >= 0)
    m.d = pyo.Constraint(expr=m.x[3] - pyo.exp(m.x[2]) >= 0)
    return m


@example("the one in Ipopt's manual", optimum=17.0140173)
def hs71() -> pyo.ConcreteModel:
    m = start_at([1, 5, 5, 1], lower=1, upper=5)
    x = m.x
    m.f = pyo.Objective(expr=x[1] * x[4] * (x[1] + x[2] + x[3]) + x[3])
    m.c = pyo.Constraint(expr=x[1] * x[2] * x[3] * x[4] >= 25)
    m.d = pyo.Constraint(expr=sum(x[i] ** 2 for i in x) == 40)
    return m


@example("cattle feed: a square root of squares", optimum=29.89437816)
def hs73() -> pyo.ConcreteModel:
    m = start_at([1] * 4, lower=0)
    a, b, c, d = m.x.values()
    m.f = pyo.Objective(expr=24.55 * a + 26.75 * b + 39 * c + 40.5 * d)
    m.c = pyo.Constraint(expr=2.3 * a + 5.6 * b + 11.1 * c + 1.3 * d - 5 >= 0)
    spread = (0.28 * a**2 + 0.19 * b**2 + 20.5 * c**2 + 0.62 * d**2) ** 0.5
    m.d = pyo.Constraint(expr=12 * a + 11.9 * b + 41.8 * c + 52.1 * d - 21 - 1.645 * spread >= 0)
    m.e = pyo.Constraint(expr=a + b + c + d - 1 == 0)
    return m


@example("power flow: sines in equations", optimum=5126.4981)
def hs74() -> pyo.ConcreteModel:
    m = start_at([0] * 4, lower=[0, 0, -0.55, -0.55], upper=[1200, 1200, 0.55, 0.55])
    a, b, c, d = m.x.values()
    m.f = pyo.Objective(expr=3 * a + 1e-6 * a**3 + 2 * b + 2 / 3 * 1e-6 * b**3)
    m.c = pyo.Constraint(expr=d - c + 0.55 >= 0)
    m.d = pyo.Constraint(expr=c - d + 0.55 >= 0)
    m.e = pyo.Constraint(expr=1000 * pyo.sin(-c - 0.25) + 1000 * pyo.sin(-d - 0.25) + 894.8 - a == 0)
    m.g = pyo.Constraint(expr=1000 * pyo.sin(c - 0.25) + 1000 * pyo.sin(c - d - 0.25) + 894.8 - b == 0)
    m.h = pyo.Constraint(expr=1000 * pyo.sin(d - 0.25) + 1000 * pyo.sin(d - c - 0.25) + 1294.8 == 0)
    return m


@example("a quadratic program with three inequalities", optimum=-4.681818181)
def hs76() -> pyo.ConcreteModel:
    m = start_at([0.5] * 4, lower=0)
    a, b, c, d = m.x.values()
    m.f = pyo.Objective(expr=a**2 + b**2 / 2 + c**2 + d**2 / 2 - a * c + c * d - a - 3 * b + c - d)
    m.c = pyo.Constraint(expr=5 - a - 2 * b - c - d >= 0)
    m.d = pyo.Constraint(expr=4 - 3 * a - b - 2 * c + d >= 0)
    m.e = pyo.Constraint(expr=b + 4 * c - 1.5 >= 0)
    return m


@example("a sixth power and a sine", optimum=0.24150513)
def hs77() -> pyo.ConcreteModel:
    m = start_at([2] * 5)
    a, b, c, d, e = m.x.values()
    m.f = pyo.Objective(expr=(a - 1) ** 2 + (a - b) ** 2 + (c - 1) ** 2 + (d - 1) ** 4 + (e - 1) ** 6)
    m.c = pyo.Constraint(expr=a**2 * d + pyo.sin(d - e) - 2 * math.sqrt(2) == 0)
    m.d = pyo.Constraint(expr=b + c**4 * d**2 - 8 - math.sqrt(2) == 0)
    return m


def powell(start: list[float], lower: Any = None, upper: Any = None) -> pyo.ConcreteModel:
    """What problems 78, 80 and 81 share."""
    m = start_at(start, lower, upper)
    a, b, c, d, e = m.x.values()
    m.c = pyo.Constraint(expr=a**2 + b**2 + c**2 + d**2 + e**2 - 10 == 0)
    m.d = pyo.Constraint(expr=b * c - 5 * d * e == 0)
    m.e = pyo.Constraint(expr=a**3 + b**3 + 1 == 0)
    return m


@example("a product of five, negative starts", optimum=-2.91970041)
def hs78() -> pyo.ConcreteModel:
    m = powell([-2, 1.5, 2, -1, -1])
    m.f = pyo.Objective(expr=m.x[1] * m.x[2] * m.x[3] * m.x[4] * m.x[5])
    return m


@example("the exponential of a product", optimum=0.0539498478)
def hs80() -> pyo.ConcreteModel:
    m = powell([-2, 2, 2, -1, -1], [-2.3, -2.3, -3.2, -3.2, -3.2], [2.3, 2.3, 3.2, 3.2, 3.2])
    m.f = pyo.Objective(expr=pyo.exp(pyo.prod(m.x.values())))
    return m


@example("the same body in objective and constraint", optimum=0.0539498478)
def hs81() -> pyo.ConcreteModel:
    m = powell([-2, 2, 2, -1, -1], [-2.3, -2.3, -3.2, -3.2, -3.2], [2.3, 2.3, 3.2, 3.2, 3.2])
    m.f = pyo.Objective(expr=pyo.exp(pyo.prod(m.x.values())) - 0.5 * (m.x[1] ** 3 + m.x[2] ** 3 + 1) ** 2)
    return m


@example("Colville's third: limits on both sides of nonlinear rows", optimum=-30665.53867)
def hs83() -> pyo.ConcreteModel:
    m = start_at([78, 33, 27, 27, 27], lower=[78, 33, 27, 27, 27], upper=[102, 45, 45, 45, 45])
    a, b, c, d, e = m.x.values()
    m.f = pyo.Objective(expr=5.3578547 * c**2 + 0.8356891 * a * e + 37.293239 * a - 40792.141)
    first = 85.334407 + 0.0056858 * b * e + 0.0006262 * a * d - 0.0022053 * c * e
    second = 80.51249 + 0.0071317 * b * e + 0.0029955 * a * b + 0.0021813 * c**2
    third = 9.300961 + 0.0047026 * c * e + 0.0012547 * a * c + 0.0019085 * c * d
    m.c = pyo.Constraint(expr=pyo.inequality(0, first, 92))
    m.d = pyo.Constraint(expr=pyo.inequality(90, second, 110))
    m.e = pyo.Constraint(expr=pyo.inequality(20, third, 25))
    return m


@example("transformer design: long products", optimum=135.075961)
def hs93() -> pyo.ConcreteModel:
    m = start_at([5.54, 4.4, 12.02, 11.82, 0.702, 0.852], lower=0)
    a, b, c, d, e, f = m.x.values()
    core, winding = a * d * (a + b + c), b * c * (a + 1.57 * b + d)
    m.f = pyo.Objective(expr=0.0204 * core + 0.0187 * winding + 0.0607 * core * e**2 + 0.0437 * winding * f**2)
    m.c = pyo.Constraint(expr=0.001 * a * b * c * d * e * f - 2.07 >= 0)
    m.d = pyo.Constraint(expr=1 - 0.00062 * core * e**2 - 0.00058 * winding * f**2 >= 0)
    return m


@example("powers up to the sixth", optimum=680.6300573)
def hs100() -> pyo.ConcreteModel:
    m = start_at([1, 2, 0, 4, 0, 1, 1])
    a, b, c, d, e, f, g = m.x.values()
    first = (a - 10) ** 2 + 5 * (b - 12) ** 2 + c**4 + 3 * (d - 11) ** 2 + 10 * e**6
    m.f = pyo.Objective(expr=first + 7 * f**2 + g**4 - 4 * f * g - 10 * f - 8 * g)
    m.c = pyo.Constraint(expr=127 - 2 * a**2 - 3 * b**4 - c - 4 * d**2 - 5 * e >= 0)
    m.d = pyo.Constraint(expr=282 - 7 * a - 3 * b - 10 * c**2 - d + e >= 0)
    m.e = pyo.Constraint(expr=196 - 23 * a - b**2 - 6 * f**2 + 8 * g >= 0)
    m.g = pyo.Constraint(expr=-4 * a**2 - b**2 + 3 * a * b - 2 * c**2 - 5 * f + 11 * g >= 0)
    return m


@example("optimal reactor design: broken powers, the objective as a row with limits", optimum=3.9511634396)
def hs104() -> pyo.ConcreteModel:
    m = start_at([6, 3, 0.4, 0.2, 6, 6, 1, 0.5], lower=0.1, upper=10)
    x = m.x
    cost = 0.4 * x[1] ** 0.67 * x[7] ** -0.67 + 0.4 * x[2] ** 0.67 * x[8] ** -0.67 + 10 - x[1] - x[2]
    m.f = pyo.Objective(expr=cost)
    m.limits = pyo.Constraint(expr=(1, cost, 4.2))
    m.c = pyo.Constraint(expr=1 - 0.0588 * x[5] * x[7] - 0.1 * x[1] >= 0)
    m.d = pyo.Constraint(expr=1 - 0.0588 * x[6] * x[8] - 0.1 * x[1] - 0.1 * x[2] >= 0)
    m.e = pyo.Constraint(expr=1 - 4 * x[3] / x[5] - 2 * x[3] ** -0.71 / x[5] - 0.0588 * x[3] ** -1.3 * x[7] >= 0)
    m.g = pyo.Constraint(expr=1 - 4 * x[4] / x[6] - 2 * x[4] ** -0.71 / x[6] - 0.0588 * x[4] ** -1.3 * x[8] >= 0)
    return m


ENERGIES = [-6.089, -17.164, -34.054, -5.914, -24.721, -14.986, -24.100, -10.708, -26.662, -22.179]


@example("chemical equilibrium: x log x", optimum=-47.76109026)
def hs112() -> pyo.ConcreteModel:
    m = start_at([0.1] * 10, lower=1e-6)
    x = m.x
    total = sum(x.values())
    m.f = pyo.Objective(expr=sum(x[i] * (ENERGIES[i - 1] + pyo.log(x[i] / total)) for i in x))
    m.c = pyo.Constraint(expr=x[1] + 2 * x[2] + 2 * x[3] + x[6] + x[10] - 2 == 0)
    m.d = pyo.Constraint(expr=x[4] + 2 * x[5] + x[6] + x[7] - 1 == 0)
    m.e = pyo.Constraint(expr=x[3] + x[7] + x[8] + 2 * x[9] + x[10] - 1 == 0)
    return m


@example("Wong's second: ten variables, eight inequalities", optimum=24.3062091)
def hs113() -> pyo.ConcreteModel:
    m = start_at([2, 3, 5, 5, 1, 2, 7, 3, 6, 10])
    x = m.x
    quadratic = x[1] ** 2 + x[2] ** 2 + x[1] * x[2] - 14 * x[1] - 16 * x[2] + (x[3] - 10) ** 2 + 4 * (x[4] - 5) ** 2
    quadratic += (x[5] - 3) ** 2 + 2 * (x[6] - 1) ** 2 + 5 * x[7] ** 2 + 7 * (x[8] - 11) ** 2 + 2 * (x[9] - 10) ** 2
    m.f = pyo.Objective(expr=quadratic + (x[10] - 7) ** 2 + 45)
    m.c = pyo.ConstraintList()
    m.c.add(105 - 4 * x[1] - 5 * x[2] + 3 * x[7] - 9 * x[8] >= 0)
    m.c.add(-10 * x[1] + 8 * x[2] + 17 * x[7] - 2 * x[8] >= 0)
    m.c.add(8 * x[1] - 2 * x[2] - 5 * x[9] + 2 * x[10] + 12 >= 0)
    m.c.add(-3 * (x[1] - 2) ** 2 - 4 * (x[2] - 3) ** 2 - 2 * x[3] ** 2 + 7 * x[4] + 120 >= 0)
    m.c.add(-5 * x[1] ** 2 - 8 * x[2] - (x[3] - 6) ** 2 + 2 * x[4] + 40 >= 0)
    m.c.add(-0.5 * (x[1] - 8) ** 2 - 2 * (x[2] - 4) ** 2 - 3 * x[5] ** 2 + x[6] + 30 >= 0)
    m.c.add(-(x[1] ** 2) - 2 * (x[2] - 2) ** 2 + 2 * x[1] * x[2] - 14 * x[5] + 6 * x[6] >= 0)
    m.c.add(3 * x[1] - 6 * x[2] - 12 * (x[9] - 8) ** 2 + 7 * x[10] >= 0)
    return m


@example("alkylation: rows that come in pairs", optimum=-1768.80696)
def hs114() -> pyo.ConcreteModel:
    lower, upper = [1e-5] * 5 + [85, 90, 3, 1.2, 145], [2000, 16000, 120, 5000, 2000, 93, 95, 12, 4, 162]
    m = start_at([1745, 12000, 110, 3048, 1974, 89.2, 92.8, 8, 3.6, 145], lower, upper)
    x, a, b = m.x, 0.99, 0.9
    m.f = pyo.Objective(expr=5.04 * x[1] + 0.035 * x[2] + 10 * x[3] + 3.36 * x[5] - 0.063 * x[4] * x[7])
    first, second = 35.82 - 0.222 * x[10] - b * x[9], -133 + 3 * x[7] - a * x[10]
    third = 1.12 * x[1] + 0.13167 * x[1] * x[8] - 0.00667 * x[1] * x[8] ** 2 - a * x[4]
    fourth = 57.425 + 1.098 * x[8] - 0.038 * x[8] ** 2 + 0.325 * x[6] - a * x[7]
    m.g = pyo.ConstraintList()
    m.g.add(first >= 0)
    m.g.add(second >= 0)
    m.g.add(-first + x[9] * (1 / b - b) >= 0)
    m.g.add(-second + (1 / a - a) * x[10] >= 0)
    m.g.add(third >= 0)
    m.g.add(fourth >= 0)
    m.g.add(-third + (1 / a - a) * x[4] >= 0)
    m.g.add(-fourth + (1 / a - a) * x[7] >= 0)
    m.h = pyo.ConstraintList()
    m.h.add(1.22 * x[4] - x[1] - x[5] == 0)
    m.h.add(98000 * x[3] / (x[4] * x[9] + 1000 * x[3]) - x[6] == 0)
    m.h.add((x[2] + x[5]) / x[1] - x[8] == 0)
    return m
