"""Multipliers and scaling factors in Suffixes: what the solver 'fastexpr' reads and writes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pyomo.environ as pyo
import pytest
from pyomo.contrib.solver.common.factory import SolverFactory

import fastexpr.pyomo as fxp
from fastexpr import solvers
from fastexpr.errors import ModelError
from fastexpr.pyomo.compile.compiled import compile_model
from fastexpr.pyomo.solve.suffixes import cold_multipliers, exported, first_multipliers, scaling_factors

IMPORTED = ("dual", "rc", "ipopt_zL_out", "ipopt_zU_out")


def sides(sense: Any = pyo.minimize) -> pyo.ConcreteModel:
    """Variables at lower, upper, both and no bounds; constraints active below, above, in a range, and an equation."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(range(6), initialize=0.5)
    for i, (lower, upper) in enumerate([(0, None), (None, 1), (-1, 1), (0.3, 0.3), (None, None), (0, 2)]):
        m.x[i].setlb(lower)
        m.x[i].setub(upper)
    x = m.x
    squares = (x[0] + 1) ** 2 + (x[1] - 3) ** 2 + (x[2] - 2) ** 2 + (x[4] - 3) ** 2 + (x[5] - 1) ** 2
    sign = 1 if sense == pyo.minimize else -1
    m.o = pyo.Objective(expr=sign * (squares + x[3] * x[4] + x[0] * x[5]), sense=sense)
    m.above = pyo.Constraint(expr=x[4] + x[5] <= 2)
    m.range = pyo.Constraint(expr=(-3, x[4] - x[5], 0.2))
    m.equation = pyo.Constraint(expr=x[5] ** 2 + x[4] == 1.5)
    m.below = pyo.Constraint(expr=x[0] + x[2] >= 0.8)
    m.turned = pyo.Constraint(expr=pyo.inequality(None, x[2], 0.9))
    for name in IMPORTED:
        m.add_component(name, pyo.Suffix(direction=pyo.Suffix.IMPORT))
    return m


def values(m: pyo.ConcreteModel, name: str) -> dict[str, float]:
    """Entries of a Suffix by name; those that are zero are as good as absent."""
    return {part.name: value for part, value in m.component(name).items() if abs(value) > 1e-5}


@pytest.mark.parametrize("sense", [pyo.minimize, pyo.maximize], ids=["minimize", "maximize"])
def test_signs_are_those_of_pounce(sense: Any) -> None:
    m, reference = sides(sense), sides(sense)
    pyo.SolverFactory("fastexpr").solve(m, options={"tol": 1e-10})
    fxp.find_solver("pounce").solve(reference, options={"tol": 1e-10})
    for name in ("dual", "ipopt_zL_out", "ipopt_zU_out"):
        assert values(m, name) == pytest.approx(values(reference, name), abs=1e-6), name
    assert set(values(m, "dual")) == {"range", "equation", "turned"}
    assert set(values(m, "rc")) == {"x[0]", "x[1]", "x[3]"}
    assert values(m, "rc") == pytest.approx(
        {**values(reference, "ipopt_zL_out"), **values(reference, "ipopt_zU_out")}, abs=1e-6
    )


@pytest.mark.parametrize("sense", [pyo.minimize, pyo.maximize], ids=["minimize", "maximize"])
def test_reduced_costs_are_those_of_pounce(sense: Any) -> None:
    m, reference = sides(sense), sides(sense)
    fxp.find_solver("pounce")  # registers it
    costs = {}
    for model, name in ((m, "fastexpr"), (reference, "pounce")):
        loader = SolverFactory(name).solve(model, solver_options={"tol": 1e-10}).solution_loader
        costs[name] = {part.name: value for part, value in loader.get_reduced_costs().items()}
    for name, cost in costs["pounce"].items():
        assert costs["fastexpr"][name] == pytest.approx(cost, abs=1e-6)


def test_old_entries_go_and_other_suffixes_stay() -> None:
    m = sides()
    m.dual[m.x[0]] = 5.0
    m.note = pyo.Suffix(direction=pyo.Suffix.LOCAL)
    m.note[m.x[0]] = 7.0
    m.add_component("slack", pyo.Suffix(direction=pyo.Suffix.IMPORT))
    pyo.SolverFactory("fastexpr").solve(m)
    assert m.x[0] not in m.dual
    assert m.note[m.x[0]] == 7.0
    assert len(m.slack) == 0


def test_a_blocks_suffix_is_filled_where_the_model_has_none() -> None:
    m = pyo.ConcreteModel()
    m.x = pyo.Var(initialize=1.0)
    m.b = pyo.Block()
    m.b.dual = pyo.Suffix(direction=pyo.Suffix.IMPORT)
    m.b.c = pyo.Constraint(expr=m.x >= 2)
    m.o = pyo.Objective(expr=m.x**2)
    pyo.SolverFactory("fastexpr").solve(m)
    assert m.b.dual[m.b.c] == pytest.approx(4.0)


# ---- warm starts -----------------------------------------------------------------------------------------------------


def with_starts(sense: Any = pyo.minimize) -> pyo.ConcreteModel:
    m = sides(sense)
    m.del_component("dual")
    m.dual = pyo.Suffix(direction=pyo.Suffix.IMPORT_EXPORT)
    m.ipopt_zL_in = pyo.Suffix(direction=pyo.Suffix.EXPORT)
    m.ipopt_zU_in = pyo.Suffix(direction=pyo.Suffix.EXPORT)
    return m


def hand_over(m: pyo.ConcreteModel) -> None:
    m.ipopt_zL_in.update(m.ipopt_zL_out)
    m.ipopt_zU_in.update(m.ipopt_zU_out)


@pytest.mark.parametrize("name", ["cyipopt", "pounce"])
@pytest.mark.parametrize("sense", [pyo.minimize, pyo.maximize], ids=["minimize", "maximize"])
def test_multipliers_from_suffixes(sense: Any, name: str) -> None:
    m = with_starts(sense)
    opt = SolverFactory("fastexpr", solver=name)
    cold = opt.solve(m).extra_info.iteration_count
    hand_over(m)
    warm = SolverFactory("fastexpr", solver=name).solve(m, warm_start=True).extra_info.iteration_count
    assert warm < cold / 2


def test_multipliers_reach_the_solver_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    taken, original = [], solvers.run

    def run(nlp: Any, solver: str, options: Any, multipliers: Any, *others: Any) -> Any:
        taken.append((options.get("warm_start_init_point"), multipliers))
        return original(nlp, solver, options, multipliers, *others)

    monkeypatch.setattr(solvers, "run", run)
    for sense in (pyo.minimize, pyo.maximize):
        m, opt = with_starts(sense), SolverFactory("fastexpr")
        opt.solve(m)
        last = opt._last
        hand_over(m)
        opt.solve(m)
        assert taken[-1] == (None, None)  # exported, but no warm start was asked for
        for settings in ({"warm_start": True}, {"solver_options": {"warm_start_init_point": "yes"}}):
            hand_over(m)
            SolverFactory("fastexpr").solve(m, load_solutions=False, **settings)
            wish, multipliers = taken[-1]
            assert wish == "yes"
            assert multipliers.constraints == pytest.approx(opt._last.constraints)
            assert multipliers.lower == pytest.approx(opt._last.lower)
            assert multipliers.upper == pytest.approx(opt._last.upper)
        assert opt._last.constraints == pytest.approx(last.constraints, abs=1e-6)


def test_missing_multipliers() -> None:
    m = with_starts()
    compiled = compile_model(m)
    cold = cold_multipliers(compiled)
    assert first_multipliers(compiled, cold) is None
    m.ipopt_zL_in[m.x[0]] = 3.0
    m.ipopt_zU_in[m.x] = -2.0  # all of them
    multipliers = first_multipliers(compiled, cold)
    assert multipliers is not None
    assert multipliers.constraints.tolist() == [0.0] * 5
    assert multipliers.lower.tolist() == [3.0, *[1.0] * 5]
    assert multipliers.upper.tolist() == [2.0] * 6


@pytest.mark.parametrize("build", [sides, with_starts])  # no Suffix exports, or the duals only
def test_last_solve_as_the_start(build: Callable[[], pyo.ConcreteModel]) -> None:
    m, opt = build(), SolverFactory("fastexpr")
    cold = opt.solve(m, warm_start=True).extra_info.iteration_count  # nothing known yet
    assert opt.solve(m, warm_start=True).extra_info.iteration_count < cold / 2


# ---- scaling ---------------------------------------------------------------------------------------------------------


def test_scaling_factors() -> None:
    m = sides()
    m.b = pyo.Block()
    m.b.scaling_factor = pyo.Suffix(direction=pyo.Suffix.EXPORT)
    m.b.scaling_factor[m.x[1]] = 7.0
    m.b.scaling_factor[m.x[2]] = 8.0
    m.scaling_factor = pyo.Suffix(direction=pyo.Suffix.EXPORT)
    m.scaling_factor[m.o] = 0.5
    m.scaling_factor[m.x[0]] = 2.0
    m.scaling_factor[m.x[2]] = 4.0
    m.scaling_factor[m.equation] = 10.0
    scaling = scaling_factors(compile_model(m))
    assert scaling.objective == 0.5
    assert scaling.variables.tolist() == [2.0, 7.0, 4.0, 1.0, 1.0, 1.0]
    assert scaling.constraints.tolist() == [1.0, 1.0, 10.0, 1.0, 1.0]
    assert exported(m, "no_such_suffix") is None


@pytest.mark.parametrize("name", ["cyipopt", "pounce"])
def test_scaled_solve(name: str) -> None:
    m, reference = sides(), sides()
    m.scaling_factor = pyo.Suffix(direction=pyo.Suffix.EXPORT)
    m.scaling_factor[m.o] = 1e-3
    m.scaling_factor[m.x] = 5.0
    m.scaling_factor[m.equation] = 100.0
    options = {"nlp_scaling_method": "user-scaling", "tol": 1e-10}
    scaled = SolverFactory("fastexpr", solver=name).solve(m, solver_options=options)
    SolverFactory("fastexpr").solve(reference, solver_options={"tol": 1e-10})
    assert scaled.incumbent_objective == pytest.approx(pyo.value(reference.o))
    assert values(m, "dual") == pytest.approx(values(reference, "dual"), abs=1e-5)
    assert values(m, "rc") == pytest.approx(values(reference, "rc"), abs=1e-5)


def test_scaling_counts_only_where_it_is_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    m = sides()
    with caplog.at_level(logging.WARNING):
        pyo.SolverFactory("fastexpr").solve(m)
        assert caplog.text == ""
    for suffix in (False, True):  # without a Suffix, and with one that is empty
        if suffix:
            m.scaling_factor = pyo.Suffix(direction=pyo.Suffix.EXPORT)
        with pytest.raises(ModelError, match="no Suffix scaling_factor has an entry"):
            pyo.SolverFactory("fastexpr").solve(m, options={"nlp_scaling_method": "user-scaling"})


@pytest.mark.parametrize("factor", [0.0, -1.0, float("inf")])
def test_impossible_scaling(factor: float) -> None:
    m = sides()
    m.scaling_factor = pyo.Suffix(direction=pyo.Suffix.EXPORT)
    m.scaling_factor[m.below] = factor
    with pytest.raises(ModelError, match="scaling_factor of 'below'"):
        pyo.SolverFactory("fastexpr").solve(m, options={"nlp_scaling_method": "user-scaling"})
