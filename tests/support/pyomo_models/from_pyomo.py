"""Nonlinear examples of Pyomo's own package: its modules, with what their scripts do to the models."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pyomo.environ as pyo
from pyomo.contrib import mpc
from pyomo.contrib.doe.examples.reactor_experiment import ReactorExperiment
from pyomo.contrib.mindtpy.tests.from_proposal import ProposalModel
from pyomo.contrib.mindtpy.tests.MINLP4_simple import SimpleMINLP4
from pyomo.contrib.mpc.examples.cstr import model as cstr
from pyomo.contrib.parmest.examples.reactor_design import reactor_design
from pyomo.contrib.parmest.examples.rooney_biegler.rooney_biegler import RooneyBieglerExperiment
from pyomo.contrib.parmest.examples.semibatch import semibatch
from pyomo.contrib.pynumero.examples import feasibility, nlp_interface, nlp_interface_2, sensitivity, sqp
from pyomo.contrib.pynumero.examples.callback import reactor_design as pynumero_reactor
from pyomo.contrib.pynumero.examples.external_grey_box.param_est import models as heat_exchanger
from pyomo.contrib.sensitivity_toolbox.examples import (
    HIV_Transmission,
    feedbackController,
    parameter,
    rangeInequality,
    rooney_biegler,
)

from pyomo_models.dynamic import collocate
from pyomo_models.table import example

HOURS = pd.DataFrame(
    [[1, 8.3], [2, 10.3], [3, 19.0], [4, 16.0], [5, 15.6], [7, 19.8]], columns=["hour", "y"], dtype=float
)


@example("contrib.mpc: a steady state that tracks a target")
def cstr_steady() -> pyo.ConcreteModel:
    m = cstr.create_instance(dynamic=False)
    interface = mpc.DynamicModelInterface(m, m.time)
    m.target_set, m.tracking_cost = interface.get_penalty_from_target(mpc.ScalarData({"flow_in[*]": 0.3}))
    m.objective = pyo.Objective(expr=sum(m.tracking_cost[:, 0]))
    m.flow_in[:].unfix()
    return m


@example("contrib.mpc: a simulation, square and without objective")
def cstr_simulation() -> pyo.ConcreteModel:
    return cstr.create_instance(horizon=10.0, ntfe=10)


@example("contrib.mpc: the controller's problem, inputs constant by pieces")
def cstr_control() -> pyo.ConcreteModel:
    m = cstr.create_instance(horizon=10.0, ntfe=10)
    interface = mpc.DynamicModelInterface(m, m.time)
    targets = mpc.ScalarData({m.conc[:, "A"]: 2.5, m.conc[:, "B"]: 2.5})
    m.setpoint_set, m.tracking_cost = interface.get_penalty_from_target(targets)
    m.objective = pyo.Objective(
        expr=sum(m.tracking_cost[i, t] for i in m.setpoint_set for t in m.time if t != m.time.first())
    )
    m.flow_in[:].unfix()
    m.flow_in[m.time.first()].fix()
    m.conc[m.time.first(), "B"].fix(0.1)  # conc_out would be fixed at its bound, and its multiplier not be unique
    m.input_set, m.pwc_con = interface.get_piecewise_constant_constraints([m.flow_in], [0, 2, 4, 6, 8, 10])
    return m


@example("contrib.parmest: parameters of a semibatch reactor from one experiment")
def semibatch_reactor() -> pyo.ConcreteModel:
    times = [0.0, 3600.0, 7200.0, 10800.0, 14400.0, 18000.0, 21600.0]
    measured = {
        "Ca": [0.0, 0.44, 0.46, 0.47, 0.47, 0.47, 0.47], "Cb": [0.0, 1.35, 2.05, 2.42, 2.62, 2.73, 2.80],
        "Cc": [0.0, 0.62, 1.60, 2.60, 3.50, 4.27, 4.93], "Tr": [300.0, 337.0, 334.0, 332.0, 331.0, 330.0, 330.0],
    }  # fmt: skip
    data: dict[str, Any] = {
        f"{name}_meas": dict(zip(map(str, times), values, strict=True)) for name, values in measured.items()
    }
    data |= {"Ca0": 0.01, "Cb0": 0.01, "Cc0": 0.01, "Tc1": 320.0, "Tc2": 320.0, "Fa1": 0.005, "Fa2": 0.005}
    data["experiment"] = 1
    m = semibatch.generate_model(data)
    m.E1.fix(30000)
    m.E2.fix(40000)
    return m


@example("contrib.parmest: a reactor with fixed parameters")
def reactor() -> pyo.ConcreteModel:
    m = reactor_design.reactor_design_model()
    for parameter_ in (m.k1, m.k2, m.k3):
        parameter_.fix()
    return m


@example("contrib.pynumero: the same reactor at the space velocity of the largest yield")
def reactor_yield() -> pyo.ConcreteModel:
    return pynumero_reactor.model.clone()


@example("contrib.parmest: one model as a block per experiment, equal parameters, least squares")
def rooney_biegler_blocks() -> pyo.ConcreteModel:
    m = pyo.ConcreteModel()
    m.asymptote = pyo.Var(initialize=15)
    m.rate_constant = pyo.Var(initialize=0.5)
    m.experiments = pyo.Block(HOURS.index)
    m.same = pyo.ConstraintList()
    for i, row in HOURS.iterrows():
        experiment = RooneyBieglerExperiment(row).get_labeled_model()
        experiment.asymptote.unfix()
        experiment.rate_constant.unfix()
        m.experiments[i].transfer_attributes_from(experiment)
        m.same.add(m.experiments[i].asymptote == m.asymptote)
        m.same.add(m.experiments[i].rate_constant == m.rate_constant)
    m.sse = pyo.Objective(expr=sum((m.experiments[i].y - HOURS.y[i]) ** 2 for i in HOURS.index))
    return m


@example("contrib.sensitivity_toolbox: least squares without constraints")
def rooney_biegler_regression() -> pyo.ConcreteModel:
    return rooney_biegler.rooney_biegler_model(HOURS)


@example("contrib.sensitivity_toolbox: a quadratic program with Params")
def sensitivity_parameters() -> pyo.ConcreteModel:
    m = parameter.create_model()
    m.eta1.set_value(4.0)  # at 4.5 a bound is active with a multiplier of 0
    return m


@example("contrib.sensitivity_toolbox: limits that are Params; no objective", has_one_optimum=False)
def range_inequality() -> pyo.ConcreteModel:
    return rangeInequality.create_model()


@example("contrib.sensitivity_toolbox: a feedback controller, by collocation")
def feedback_controller() -> pyo.ConcreteModel:
    m = feedbackController.create_model()
    collocate(m, elements=20, points=1)
    return m


@example("contrib.sensitivity_toolbox: transmission of HIV, simulated by collocation with given rates")
def hiv_transmission() -> pyo.ConcreteModel:
    m = HIV_Transmission.create_model()
    collocate(m, elements=5, points=1)
    for i in m.ij:
        m.yy[:, i].set_value(pyo.value(m.yy[0, i]), skip_validation=True)
    return m


@example("contrib.interior_point: its first example")
def interior_point_example() -> pyo.ConcreteModel:
    """As in pyomo.contrib.interior_point.examples.ex1, whose function builds and solves at once."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var()
    m.y = pyo.Var()
    m.obj = pyo.Objective(expr=m.x**2 + m.y**2)
    m.c1 = pyo.Constraint(expr=m.y == pyo.exp(m.x))
    m.c2 = pyo.Constraint(expr=m.y >= (m.x - 1) ** 2)
    return m


@example("contrib.pynumero: far limits")
def pynumero_feasibility() -> pyo.ConcreteModel:
    m = feasibility.create_basic_model()
    m.x[2].setlb(-1.0)  # at 0 the bound is active with a multiplier of 0
    return m


@example("contrib.pynumero: a nonconvex polynomial")
def pynumero_polynomial() -> pyo.ConcreteModel:
    return nlp_interface.create_model()


@example("contrib.pynumero: van der Pol's oscillator, by collocation")
def van_der_pol() -> pyo.ConcreteModel:
    m = nlp_interface_2.create_problem(0.0, 10.0)
    transformation = pyo.TransformationFactory("dae.collocation")
    transformation.apply_to(m, nfe=15, ncp=3, scheme="LAGRANGE-RADAU")
    transformation.reduce_collocation_points(m, var=m.u, ncp=1, contset=m.t)
    return m


@example("contrib.pynumero: parameters as variables")
def pynumero_sensitivity() -> pyo.ConcreteModel:
    return sensitivity.create_model(4.5, 1.0)


@example("contrib.pynumero: control of Burgers' equation, a Block with two continuous sets")
def burgers() -> Any:
    return sqp.build_burgers_model(nfe_x=10, nfe_t=12)


@example("contrib.pynumero: a heat exchanger with the logarithm of a ratio")
def pynumero_heat_exchanger() -> pyo.ConcreteModel:
    m = pyo.ConcreteModel()
    heat_exchanger.build_single_point_model_pyomo_only(m)
    m.Th_in.fix(100)
    m.Tc_in.fix(30)
    m.obj = pyo.Objective(expr=(m.UA - 200) ** 2 + 0.01 * (m.Th_out - 60) ** 2)
    return m


def relaxed(model: pyo.ConcreteModel) -> pyo.ConcreteModel:
    return pyo.TransformationFactory("core.relax_integer_vars").create_using(model)


@example("contrib.mindtpy: a convex program with integers, relaxed")
def mindtpy_convex() -> pyo.ConcreteModel:
    return relaxed(SimpleMINLP4())


@example("contrib.mindtpy: a program with square roots and integers, relaxed")
def mindtpy_proposal() -> pyo.ConcreteModel:
    return relaxed(ProposalModel())


@example("contrib.doe: the experiment with the largest yield of B")
def doe_reactor() -> pyo.ConcreteModel:
    data = {
        "CA0": 5.0, "CA_bounds": [1.0, 5.0], "CB0": 0.0, "CC0": 0.0, "t_range": [0, 1], "T_bounds": [300, 700],
        "control_points": {"0": 500, "0.25": 450, "0.5": 400, "0.75": 350}, "A1": 84.79, "A2": 371.72, "E1": 7.78,
        "E2": 15.05,
    }  # fmt: skip
    data["control_points"] = {float(t): value for t, value in data["control_points"].items()}
    experiment = ReactorExperiment(data, nfe=8, ncp=3)
    m = experiment.get_labeled_model()
    for t in m.t_control:
        m.T[t].unfix()
    m.CC[0].fix(0)
    m.CC_balance[0].deactivate()  # CA[0] == CA[0]
    m.obj = pyo.Objective(expr=m.CB[1] - 1e-5 * sum((m.T[t] - 450) ** 2 for t in m.t_control), sense=pyo.maximize)
    return m
