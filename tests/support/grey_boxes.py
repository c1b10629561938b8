"""What the tests of grey boxes share: models, and how they are solved."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from networks import network
from pyomo.common.fileutils import find_library
from pyomo.contrib.pynumero.interfaces.external_grey_box import ExternalGreyBoxBlock

import fastexpr as fx
import fastexpr.pyomo as fxp

N, M, T = 4, 3, 3


def solve(model: pyo.ConcreteModel, halt: bool | None = None, **options: Any) -> Any:
    """PyNumero: cyipopt, with the real ASL for what is not in the grey box."""
    assert find_library("pynumero_ASL"), "libpynumero_ASL is missing: ./run test builds it"
    solver = pyo.SolverFactory("cyipopt", options={"tol": 1e-10} | options, halt_on_evaluation_error=halt)
    return solver.solve(model)


def solve_with_pounce(model: pyo.ConcreteModel) -> Any:
    return fxp.find_solver("pounce").solve(model, options={"tol": 1e-10})


def check_optimal(results: Any) -> None:
    assert results.solver.termination_condition == pyo.TerminationCondition.optimal


def meant(seed: int = 0) -> fx.Function:
    return network(N, M, seed=seed).with_bounds([-2.0] * N, [2.0] * N)


def in_a_block(box: Any, **variables: Any) -> pyo.ConcreteModel:
    """A model with this grey box."""
    m = pyo.ConcreteModel()
    m.egb = ExternalGreyBoxBlock()
    m.egb.set_external_model(box, **variables)
    return m


def link(m: pyo.ConcreteModel, i: int) -> Any:
    return m.x[0][i] + m.x[1][i] == 0.2 + 0.1 * i


def example(form: str) -> pyo.ConcreteModel:
    """Three instances, coupled by the objective and by constraints; `m.x[t]` and `m.y[t]` are lists of variables."""
    m = pyo.ConcreteModel()
    if form == "grey box":
        m.egb = ExternalGreyBoxBlock(external_model=fxp.GreyBox(meant(), instances=T))
        instances = m.egb.get_external_model().instances(m.egb)
    else:
        m.nn = fxp.NetworkBlock(range(T), network=meant())
        instances = [m.nn[t] for t in range(T)]
    x, y = ([list(getattr(instance, kind).values()) for instance in instances] for kind in ("inputs", "outputs"))
    m.x, m.y = x, y
    m.objective = pyo.Objective(
        expr=sum((x[t][i] - 0.5 * t) ** 2 for t in range(T) for i in range(N)) + y[0][0] * y[1][1]
    )
    m.c = pyo.Constraint(expr=y[2][2] + y[0][1] <= 0.1)
    m.link = pyo.Constraint(range(N), rule=link)
    m.dual = pyo.Suffix(direction=pyo.Suffix.IMPORT)
    m.ipopt_zL_out = pyo.Suffix(direction=pyo.Suffix.IMPORT)
    return m


def entries(model: pyo.ConcreteModel) -> list[Any]:
    return [variable for rows in (model.x, model.y) for row in rows for variable in row]


def check_same_as_network_blocks(box: pyo.ConcreteModel) -> None:
    """A solved `example("grey box")`."""
    reference = example("blocks")
    check_optimal(solve_with_pounce(reference))
    assert pyo.value(box.objective) == pytest.approx(pyo.value(reference.objective), rel=1e-8)
    for mine, its in zip(entries(box), entries(reference), strict=True):
        assert mine.value == pytest.approx(its.value, rel=1e-7, abs=1e-7)
    for mine, its in [(box.c, reference.c), *zip(box.link.values(), reference.link.values(), strict=True)]:
        assert box.dual[mine] == pytest.approx(reference.dual[its], rel=1e-6, abs=1e-6)
    of_equations = box.dual[box.egb]
    for t in range(T):
        for name in meant().output_names:  # PyNumero writes net(x) - y == 0, a NetworkBlock y - net(x) == 0
            mine, its = of_equations[f"egb.output_constraints['{name}[{t}]']"], reference.nn[t].equations[name]
            assert -mine == pytest.approx(reference.dual[its], rel=1e-6, abs=1e-6)


def two_products() -> fx.Function:
    """y = (x0 x1, sin x2): two entries of second derivatives in the lower triangle, three first ones."""
    x = fx.variables(3)
    return fx.Function(x, [x[0] * x[1], np.sin(x[2])])


def logarithm() -> fx.Function:
    x = fx.variables(1)
    return fx.Function(x, np.log(x)).with_names(inputs=["x"], outputs=["y"])


def evaluated(box: Any, x: Any, multipliers: Any) -> tuple[np.ndarray, Any, Any]:
    box.set_input_values(x)
    box.set_output_constraint_multipliers(multipliers)
    return box.evaluate_outputs(), box.evaluate_jacobian_outputs(), box.evaluate_hessian_outputs()
