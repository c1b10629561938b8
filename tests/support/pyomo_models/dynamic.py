"""Differential equations, discretised with pyomo.dae."""

from __future__ import annotations

from typing import Any

import pyomo.dae as dae
import pyomo.environ as pyo

from pyomo_models.table import example


def collocate(model: Any, elements: int, points: int, scheme: str = "LAGRANGE-RADAU") -> None:
    pyo.TransformationFactory("dae.collocation").apply_to(model, nfe=elements, ncp=points, scheme=scheme)


@example("a double integrator by Radau collocation; the optimum 12 is met exactly", optimum=12.0)
def double_integrator() -> pyo.ConcreteModel:
    m = pyo.ConcreteModel()
    m.t = dae.ContinuousSet(bounds=(0, 1))
    m.position, m.speed, m.effort = (pyo.Var(m.t, initialize=0.0) for _ in range(3))
    m.force = pyo.Var(m.t, initialize=0.0)
    m.position_rate = dae.DerivativeVar(m.position)
    m.speed_rate = dae.DerivativeVar(m.speed)
    m.effort_rate = dae.DerivativeVar(m.effort)
    m.a = pyo.Constraint(m.t, rule=lambda b, t: b.position_rate[t] == b.speed[t])
    m.b = pyo.Constraint(m.t, rule=lambda b, t: b.speed_rate[t] == b.force[t])
    m.c = pyo.Constraint(m.t, rule=lambda b, t: b.effort_rate[t] == b.force[t] ** 2)
    for state in (m.position, m.speed, m.effort):
        state[0].fix(0.0)
    m.position[1].fix(1.0)
    m.speed[1].fix(0.0)
    m.f = pyo.Objective(expr=m.effort[1])
    collocate(m, elements=6, points=3)
    m.force[0].fix(6.0)  # no equation but its own contains it
    return m


@example("the temperature profile of a batch reactor A -> B -> C, a maximum at a bound's end")
def batch_reactor() -> pyo.ConcreteModel:
    m = pyo.ConcreteModel()
    m.t = dae.ContinuousSet(bounds=(0, 1))
    m.a = pyo.Var(m.t, bounds=(0, 1), initialize=0.6)
    m.b = pyo.Var(m.t, bounds=(0, 1), initialize=0.3)
    m.temperature = pyo.Var(m.t, bounds=(298, 398), initialize=350)
    m.a_rate, m.b_rate = dae.DerivativeVar(m.a), dae.DerivativeVar(m.b)
    m.first = pyo.Expression(m.t, rule=lambda m, t: 4000 * pyo.exp(-2500 / m.temperature[t]))
    m.second = pyo.Expression(m.t, rule=lambda m, t: 620000 * pyo.exp(-5000 / m.temperature[t]))
    m.a_law = pyo.Constraint(m.t, rule=lambda m, t: m.a_rate[t] == -m.first[t] * m.a[t] ** 2)
    m.b_law = pyo.Constraint(m.t, rule=lambda m, t: m.b_rate[t] == m.first[t] * m.a[t] ** 2 - m.second[t] * m.b[t])
    m.a[0].fix(1.0)
    m.b[0].fix(0.0)
    collocate(m, elements=8, points=3)
    m.temperature[0].fix(398)
    m.f = pyo.Objective(expr=m.b[1], sense=pyo.maximize)
    return m


@example("a stirred tank with Legendre collocation, a piecewise constant input and an Integral")
def stirred_tank() -> pyo.ConcreteModel:
    m = pyo.ConcreteModel()
    m.t = dae.ContinuousSet(bounds=(0, 4))
    m.conc = pyo.Var(m.t, bounds=(0, 1), initialize=0.5)
    m.temp = pyo.Var(m.t, bounds=(0.3, 2), initialize=0.7)
    m.cooling = pyo.Var(m.t, bounds=(0, 500), initialize=250)
    m.conc_rate, m.temp_rate = dae.DerivativeVar(m.conc), dae.DerivativeVar(m.temp)
    m.kinetics = pyo.Expression(m.t, rule=lambda m, t: 300 * m.conc[t] * pyo.exp(-5 / m.temp[t]))
    m.mass = pyo.Constraint(m.t, rule=lambda m, t: m.conc_rate[t] == (1 - m.conc[t]) / 2 - m.kinetics[t])
    m.heat = pyo.Constraint(
        m.t,
        rule=lambda m, t: (
            m.temp_rate[t]
            == (0.3947 - m.temp[t]) / 2 + 0.6 * m.kinetics[t] - 1.95e-4 * m.cooling[t] * (m.temp[t] - 0.3816)
        ),
    )
    m.conc[0].fix(0.9)
    m.temp[0].fix(0.6)
    m.cost = dae.Integral(
        m.t, rule=lambda m, t: (m.conc[t] - 0.4) ** 2 + (m.temp[t] - 0.75) ** 2 + 1e-6 * (m.cooling[t] - 200) ** 2
    )
    transformation = pyo.TransformationFactory("dae.collocation")
    transformation.apply_to(m, nfe=8, ncp=2, scheme="LAGRANGE-LEGENDRE")
    transformation.reduce_collocation_points(m, var=m.cooling, ncp=1, contset=m.t)
    m.f = pyo.Objective(expr=m.cost)
    return m


@example("finite differences, a constraint along the path, variables without a start")
def path_constraint() -> pyo.ConcreteModel:
    """Jacobson and Lele: a double integrator that must stay below a parabola."""
    m = pyo.ConcreteModel()
    m.t = dae.ContinuousSet(bounds=(0, 1))
    m.x = pyo.Var([1, 2, 3], m.t)
    m.u = pyo.Var(m.t, initialize=0)
    m.rate = dae.DerivativeVar(m.x, wrt=m.t)
    m.a = pyo.Constraint(m.t, rule=lambda m, t: m.rate[1, t] == m.x[2, t])
    m.b = pyo.Constraint(m.t, rule=lambda m, t: m.rate[2, t] == -m.x[2, t] + m.u[t])
    m.c = pyo.Constraint(m.t, rule=lambda m, t: m.rate[3, t] == m.x[1, t] ** 2 + m.x[2, t] ** 2 + 0.005 * m.u[t] ** 2)
    m.path = pyo.Constraint(m.t, rule=lambda m, t: m.x[2, t] - 8 * (t - 0.5) ** 2 + 0.5 <= 0)
    for i, value in {1: 0, 2: -1, 3: 0}.items():
        m.x[i, 0].fix(value)
    pyo.TransformationFactory("dae.finite_difference").apply_to(m, nfe=30, scheme="BACKWARD")
    m.u[0].fix(0)
    m.f = pyo.Objective(expr=m.x[3, 1])
    return m


@example("the heat equation in two continuous sets, with radiation, heated at one end")
def heat_equation() -> pyo.ConcreteModel:
    m = pyo.ConcreteModel()
    m.t = dae.ContinuousSet(bounds=(0, 1))
    m.z = dae.ContinuousSet(bounds=(0, 1))
    m.temp = pyo.Var(m.z, m.t, initialize=1.0, bounds=(0.1, 5))
    m.heating = pyo.Var(m.t, bounds=(0, 1.5), initialize=0.5)
    m.by_t = dae.DerivativeVar(m.temp, wrt=m.t)
    m.by_z = dae.DerivativeVar(m.temp, wrt=m.z)
    m.by_zz = dae.DerivativeVar(m.temp, wrt=(m.z, m.z))

    @m.Constraint(m.z, m.t)
    def balance(m: pyo.ConcreteModel, z: float, t: float) -> Any:
        if t == 0 or z in (0, 1):
            return pyo.Constraint.Skip
        conduction = (0.3 + 0.05 * m.temp[z, t]) * m.by_zz[z, t] + 0.05 * m.by_z[z, t] ** 2
        return m.by_t[z, t] == conduction - 0.1 * (m.temp[z, t] ** 4 - 0.5)

    m.start = pyo.Constraint(m.z, rule=lambda m, z: m.temp[z, 0] == 1 if 0 < z < 1 else pyo.Constraint.Skip)
    m.left = pyo.Constraint(m.t, rule=lambda m, t: m.temp[0, t] == 1 + m.heating[t])
    m.right = pyo.Constraint(m.t, rule=lambda m, t: m.temp[1, t] == 1)
    pyo.TransformationFactory("dae.finite_difference").apply_to(m, wrt=m.z, nfe=10, scheme="CENTRAL")
    pyo.TransformationFactory("dae.finite_difference").apply_to(m, wrt=m.t, nfe=12, scheme="BACKWARD")
    m.f = pyo.Objective(
        expr=sum((m.temp[z, 1] - 1.3) ** 2 for z in m.z) + 0.01 * sum((m.heating[t] - 0.2) ** 2 for t in m.t)
    )
    return m
