"""Models for the ways to write one down: Params, fixed variables, blocks, named expressions, limits, directions."""

from __future__ import annotations

import math

import numpy as np
import pyomo.environ as pyo
from pyomo.core.expr import LinearExpression
from pyomo.network import Arc, Port

from pyomo_models.table import example, start_at


@example("named Expressions, one in another, shared by objective and constraints")
def shared_expressions() -> pyo.ConcreteModel:
    m = start_at([0.5, 1.0, 1.5], lower=-4, upper=4)
    x, y, z = m.x.values()
    m.inner = pyo.Expression(expr=pyo.exp(x / 2) + (y**2 + z**2) / 2)
    m.linear = pyo.Expression(expr=x + 2 * y - z)
    m.outer = pyo.Expression([1, 2], rule=lambda b, k: b.inner**k + pyo.sin(b.linear))
    m.f = pyo.Objective(expr=m.outer[2] / 10 + (m.linear - 3) ** 2 + (x - 1) ** 2 + (y - 1) ** 2 + (z - 1) ** 2)
    m.c = pyo.Constraint(expr=m.outer[1] + m.inner <= 5)
    m.d = pyo.Constraint(expr=m.inner * m.linear >= 1)
    m.e = pyo.Constraint(expr=m.linear == 1.5)
    return m


@example("mutable Params and fixed variables everywhere: factors, exponents, limits, bounds")
def params_and_fixed() -> pyo.ConcreteModel:
    m = pyo.ConcreteModel()
    m.p = pyo.Param(initialize=1.5, mutable=True)
    m.table = pyo.Param(["a", "b"], initialize={"a": 2.0, "b": 0.25}, mutable=True)
    m.constant = pyo.Param(initialize=3)
    m.u = pyo.Var(initialize=0.8)
    m.u.fix()
    m.w = pyo.Var(["a", "b"], initialize=0.5)
    m.w["b"].fix(2.0)
    m.x = pyo.Var([1, 2, 3], initialize=1.0, bounds=(0.1, m.p * 4))
    x = m.x
    m.unused = pyo.Var(initialize=7.0)
    derived = pyo.log(m.p + 1) * m.table["a"]
    m.f = pyo.Objective(
        expr=m.p * x[1] ** 2
        + m.u * x[2] * x[3]
        + x[2] ** m.w["b"]
        + x[3] ** m.table["a"]
        + m.w["a"] ** 2
        + pyo.exp(m.u * m.w["b"])
        + (m.u * x[1] - derived) ** 2
    )
    m.c = pyo.Constraint(expr=m.u * x[1] + m.w["b"] * x[2] + x[3] * m.w["a"] >= m.p * m.constant)
    m.d = pyo.Constraint(expr=(m.p - 1, x[1] * x[2] * m.u / m.table["b"], m.p + 4))
    m.e = pyo.Constraint(expr=m.w["a"] * m.u - m.p * m.u == pyo.sqrt(m.u) - 2 * m.table["b"] * 2)
    m.all_fixed = pyo.Constraint(expr=m.u + m.w["b"] ** 2 <= 10)
    return m


@example("limits on both sides, on one side, as equations and with the variable on the right")
def limits() -> pyo.ConcreteModel:
    m = start_at([1.0, 1.0, 1.0, 1.0])
    m.top = pyo.Param(initialize=2.0, mutable=True)
    a, b, c, d = m.x.values()
    m.f = pyo.Objective(expr=(a - 3) ** 2 + (b - 3) ** 2 + (c + 1) ** 2 + (d - 4) ** 2 + a * b / 4)
    m.upper_active = pyo.Constraint(expr=pyo.inequality(-1, a + b**2, 5))
    m.lower_active = pyo.Constraint(expr=(0.5, c + a / 10, 30))
    m.tuple_equation = pyo.Constraint(expr=(a - b * c, 0.3))
    m.right = pyo.Constraint(expr=m.top >= d)
    m.none_below = pyo.Constraint(expr=(None, d * d, 16))
    m.none_above = pyo.Constraint(expr=(-3, c * d, None))
    m.far = pyo.Constraint(expr=(-math.inf, b * d, 100))
    return m


@example("a maximum with active constraints of every kind")
def maximum() -> pyo.ConcreteModel:
    m = start_at([1.0, 1.0, 1.0], lower=[0, 0.5, None], upper=[2, None, 1.5])
    x, y, z = m.x.values()
    m.f = pyo.Objective(expr=pyo.log(1 + x) + pyo.sqrt(y) + z - 0.1 * z**2 + 7, sense=pyo.maximize)
    m.c = pyo.Constraint(expr=x**2 + y**2 + z**2 <= 6)
    m.d = pyo.Constraint(expr=y - x * z >= -1)
    m.e = pyo.Constraint(expr=x + y * z == 2)
    return m


@example("a maximum of a linear function", optimum=73 / 9)
def linear_maximum() -> pyo.ConcreteModel:
    m = start_at([1.0, 1.0], lower=0)
    m.f = pyo.Objective(expr=3 * m.x[1] + 2 * m.x[2] + 1, sense=pyo.maximize)
    m.c = pyo.Constraint(expr=m.x[1] + 2 * m.x[2] <= 4)
    m.d = pyo.Constraint(expr=2 * m.x[1] + m.x[2] <= 4 + 1 / 3)
    return m


@example("blocks, References, a slice, parts that are deactivated, a variable of a deactivated block")
def blocks() -> pyo.ConcreteModel:
    m = pyo.ConcreteModel()

    @m.Block([1, 2, 3])
    def unit(b: pyo.Block, i: int) -> None:
        b.x = pyo.Var(["in", "out"], initialize=0.5 * i, bounds=(0, 5))
        b.gain = pyo.Expression(expr=1 + pyo.exp(-b.x["in"]) / i)
        b.law = pyo.Constraint(expr=b.x["out"] == b.gain * b.x["in"])
        b.off = pyo.Constraint(expr=b.x["in"] >= 100)
        b.off.deactivate()

    m.off = pyo.Block()
    m.off.y = pyo.Var(initialize=0.2)
    m.off.c = pyo.Constraint(expr=m.off.y == 50)
    m.off.f = pyo.Objective(expr=m.off.y)
    m.off.deactivate()
    m.inputs = pyo.Reference(m.unit[:].x["in"])
    m.outputs = pyo.Reference(m.unit[:].x["out"])
    m.chain = pyo.Constraint([1, 2], rule=lambda b, i: b.inputs[i + 1] == b.outputs[i] + b.off.y)
    m.f = pyo.Objective(expr=(sum(m.outputs[:]) - 6) ** 2 + m.inputs[1] ** 2 + m.off.y**2)
    m.g = pyo.Objective(expr=m.inputs[2])
    m.g.deactivate()
    return m


@example("units connected by ports and arcs")
def network_of_units() -> pyo.ConcreteModel:
    m = pyo.ConcreteModel()

    @m.Block(["first", "second", "third"])
    def unit(b: pyo.Block, _: str) -> None:
        b.flow = pyo.Var(["in", "out"], initialize=1.0, bounds=(0.1, 4))
        b.temp = pyo.Var(["in", "out"], initialize=1.0)
        b.inlet, b.outlet = (Port(initialize={"flow": b.flow[side], "temp": b.temp[side]}) for side in ("in", "out"))
        b.loss = pyo.Constraint(expr=b.flow["out"] == b.flow["in"] * pyo.exp(-0.1 * b.temp["in"]))
        b.heat = pyo.Constraint(expr=b.flow["out"] * (b.temp["out"] - b.temp["in"]) == 0.5)

    m.first_arc = Arc(source=m.unit["first"].outlet, destination=m.unit["second"].inlet)
    m.second_arc = Arc(source=m.unit["second"].outlet, destination=m.unit["third"].inlet)
    pyo.TransformationFactory("network.expand_arcs").apply_to(m)
    first, last = m.unit["first"], m.unit["third"]
    m.f = pyo.Objective(expr=(last.temp["out"] - 2) ** 2 + (first.flow["in"] - 1) ** 2 + 0.1 * first.temp["in"] ** 2)
    return m


@example("variables by their domain, and with bounds that leave one point")
def domains() -> pyo.ConcreteModel:
    m = pyo.ConcreteModel()
    m.positive = pyo.Var(domain=pyo.NonNegativeReals, initialize=1.0)
    m.negative = pyo.Var(domain=pyo.NonPositiveReals, initialize=-1.0)
    m.unit = pyo.Var(domain=pyo.UnitInterval, initialize=0.5)
    m.interval = pyo.Var(domain=pyo.Reals, bounds=(-3, 1.5), initialize=0.0)
    m.whole = pyo.Var(domain=pyo.Integers, initialize=2)
    m.whole.fix()
    x, y, u, v, k = m.positive, m.negative, m.unit, m.interval, m.whole
    m.f = pyo.Objective(expr=(x - 2) ** 2 + (y - 1) ** 2 + (u - 2) ** 2 + (v - 3) ** 2 + x * v + k * u * x)
    m.c = pyo.Constraint(expr=x + y * k + u**k + v <= 3.3)
    return m


@example("variables that are repeated, cancelled, scaled and nested in sums of sums")
def repeated() -> pyo.ConcreteModel:
    m = start_at([0.5, -0.5, 1.0, 2.0])
    a, b, c, d = m.x.values()
    m.f = pyo.Objective(
        expr=a
        + a
        + 3 * (a - 2 * (b - a))
        + (a * a) * (a * a)
        + (b - 1) * (b - 1)
        + 2 * (c * d)
        + c**2
        + d**2
        - (-(d - (a + b)))
    )
    m.c = pyo.Constraint(expr=2 * (a + b) - (a - (b + 3 * (c + d))) + 0.5 * (a - a) >= 1.5)
    m.d = pyo.Constraint(expr=a * (b + c) - (b + c) * a + c * c * d == c**2 * 1.5)
    return m


@example(
    "LinearExpression, quicksum, products of vectors, NumPy's numbers, Expressions that are a number or a variable"
)
def sums_and_numbers() -> pyo.ConcreteModel:
    m = start_at([0.5, 1.0, 1.5, 2.0], lower=np.float64(0.1), upper=np.int64(9))
    m.p = pyo.Param(m.x.index_set(), initialize={i: np.float64(0.5 * i) for i in m.x}, mutable=True)
    variables = list(m.x.values())
    m.number = pyo.Expression(expr=2.5)
    m.alias = pyo.Expression(expr=m.x[2])
    m.empty = pyo.Expression(expr=m.p[1] * 2)
    linear = LinearExpression(constant=1.5, linear_coefs=[1, 2.0, m.p[3], np.float64(4)], linear_vars=variables)
    terms = pyo.quicksum((x - i) ** 2 for i, x in m.x.items())
    m.f = pyo.Objective(expr=terms + pyo.sum_product(m.p, m.x) + np.int64(3) * m.alias**2 + m.number)
    m.c = pyo.Constraint(expr=linear + m.alias * m.number <= np.float64(18))
    m.d = pyo.Constraint(expr=pyo.sum_product(m.x, m.x, index=[1, 3]) + m.empty >= m.number)
    m.e = pyo.Constraint(expr=pyo.quicksum(variables) - pyo.sqrt(m.alias) * 1e-3 == 6)
    return m


@example("Himmelblau's function from where all descend to the same minimum", optimum=0.0)
def himmelblau() -> pyo.ConcreteModel:
    m = start_at([3.5, 1.5])
    x, y = m.x.values()
    m.f = pyo.Objective(expr=(x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2)
    return m


@example("quantities with units")
def units() -> pyo.ConcreteModel:
    m = pyo.ConcreteModel()
    u = pyo.units
    m.speed = pyo.Var(initialize=10.0, bounds=(1, 60), units=u.m / u.s)
    m.time = pyo.Var(initialize=20.0, bounds=(1, 500), units=u.s)
    m.mass = pyo.Param(initialize=80.0, mutable=True, units=u.kg)
    m.distance = pyo.Param(initialize=2.0, mutable=True, units=u.km)
    m.power = pyo.Param(initialize=0.15, mutable=True, units=u.kW)
    energy = m.mass * m.speed**2 / 2
    m.f = pyo.Objective(expr=u.convert(energy, u.kJ) + u.convert(m.power * m.time, u.kJ))
    m.c = pyo.Constraint(expr=m.speed * m.time >= u.convert(m.distance, u.m))
    return m
