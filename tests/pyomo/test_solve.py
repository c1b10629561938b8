"""Models with networks, solved through AMPL's interface: POUNCE, the real ASL under cyipopt, and gjh as an oracle."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
from pathlib import Path

import numpy as np
import pyomo.environ as pyo
import pytest
from ampl_host import Host
from ampl_solvers import M, N, Solve, both, check_same, example, outputs_of, solve_with_cyipopt, solve_with_pounce
from networks import algebra, network
from pyomo.contrib.pynumero.interfaces.pyomo_nlp import PyomoNLP

import fastexpr as fx
import fastexpr.pyomo as fxp
from fastexpr.pyomo.external.files import library_path


@both
@pytest.mark.parametrize("route", ["block", "external"])
def test_the_optimum_is_that_of_the_network_written_out(solve: Solve, route: str) -> None:
    check_same(example(route), example("algebra"), solve)


def several(route: str) -> pyo.ConcreteModel:
    """Two networks, one of them at two places, one fed by another's outputs, a fixed input, Params."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(range(N), bounds=(-2, 2), initialize=0.2)
    m.z = pyo.Var(range(N), bounds=(-2, 2), initialize=-0.2)
    m.p = pyo.Param(initialize=0.4, mutable=True)
    m.x[3].fix(0.7)
    first = outputs_of(m, "first", m.x, route)
    second = outputs_of(m, "second", m.z, route)
    m.chained = pyo.Expression(range(N), initialize=lambda _, i: [*first, m.p][i])
    third = outputs_of(m, "third", m.chained, route, seed=1)
    m.objective = pyo.Objective(
        expr=sum((m.x[i] - m.z[i]) ** 2 + 0.1 * m.z[i] ** 2 for i in m.x) + third[0] ** 2 + pyo.exp(second[1])
    )
    m.c = pyo.Constraint(expr=first[0] + second[0] == 2.7)
    m.d = pyo.Constraint(expr=third[1] * second[2] <= 1.0)
    return m


@both
@pytest.mark.parametrize("route", ["block", "external"])
def test_several_networks_fixed_inputs_and_chains(solve: Solve, route: str) -> None:
    check_same(several(route), several("algebra"), solve)


@both
def test_copies_and_updates_solve_as_what_they_are(solve: Solve) -> None:
    model = example("external")
    clone, unpickled = model.clone(), pickle.loads(pickle.dumps(model))
    model.nn.update(network(N, M, seed=8))
    os.unlink(clone.nn.path)  # noqa: PTH108  # both write it again
    for copy in (clone, unpickled):
        check_same(copy, example("algebra"), solve)
    solve(model)
    x = np.array([model.x[i].value for i in range(N)])
    assert pyo.value(model.c.body) == pytest.approx(network(N, M, seed=8)(x)[2], rel=1e-12)
    assert pyo.value(model.c.body) <= 0.1 + 1e-7
    assert pyo.value(model.objective) != pytest.approx(pyo.value(clone.objective), rel=1e-3)


@both
def test_abstract_models(solve: Solve) -> None:
    abstract = pyo.AbstractModel()
    abstract.x = pyo.Var(range(N), bounds=(-2, 2), initialize=0.3)
    abstract.net = fxp.ExternalNetwork(network(N, M))
    abstract.objective = pyo.Objective(rule=lambda b: sum((b.x[i] - 1) ** 2 for i in b.x) + b.net(b.x)[0] ** 2)
    explicit = pyo.ConcreteModel()
    explicit.x = pyo.Var(range(N), bounds=(-2, 2), initialize=0.3)
    explicit.objective = pyo.Objective(
        expr=sum((explicit.x[i] - 1) ** 2 for i in explicit.x) + algebra(N, M, list(explicit.x.values()))[0] ** 2
    )
    check_same(abstract.create_instance(), explicit, solve)


@both
def test_a_solver_steps_back_from_points_where_the_network_is_not_defined(solve: Solve) -> None:
    """The first Newton step goes to -240: log has no value there."""
    x = fx.variables(1)
    m = pyo.ConcreteModel()
    m.x = pyo.Var(initialize=5.0)
    m.net = fxp.ExternalNetwork(fx.Function(x, np.log(x)))
    m.o = pyo.Objective(expr=m.x - 0.1 * m.net(m.x)[0])
    assert solve(m).solver.termination_condition == pyo.TerminationCondition.optimal
    assert m.x.value == pytest.approx(0.1, rel=1e-7)


@both
def test_all_inputs_fixed(solve: Solve) -> None:
    """Then the writer evaluates the network itself, and the equation is a number."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(range(N), initialize=0.3)
    m.x.fix()
    m.free = pyo.Var(initialize=1.0)
    m.nn = fxp.NetworkBlock(network(N, M), inputs=m.x)
    m.o = pyo.Objective(expr=(m.nn.outputs[0] - m.free) ** 2 + m.free**2)
    solve(m)
    assert m.nn.outputs[0].value == pytest.approx(network(N, M)(np.full(N, 0.3))[0], rel=1e-7)


@both
def test_the_same_variable_twice_and_numbers(solve: Solve) -> None:
    models = []
    for written_out in (False, True):
        m = pyo.ConcreteModel()
        m.x = pyo.Var(bounds=(-1, 1), initialize=0.2)
        m.p = pyo.Param(initialize=0.5)
        m.net = fxp.ExternalNetwork(network(N, M))
        y = algebra(N, M, [m.x, m.x, 2.0, m.p]) if written_out else m.net(m.x, m.x, 2, m.p)
        m.objective = pyo.Objective(expr=y[0] + m.x**2)
        models.append(m)
    check_same(*models, solve)


@both
def test_a_block_solved_alone_with_the_network_on_its_parent(solve: Solve) -> None:
    models = []
    for route in ("external", "algebra"):
        m = pyo.ConcreteModel()
        m.x = pyo.Var(range(N), bounds=(-1, 1), initialize=0.2)
        y = outputs_of(m, "net", m.x, route)
        m.sub = pyo.Block()
        m.sub.c = pyo.Constraint(expr=y[0] >= 1.5)
        m.sub.objective = pyo.Objective(expr=sum(m.x[i] ** 2 for i in m.x) + y[1])
        assert solve(m.sub).solver.termination_condition == pyo.TerminationCondition.optimal
        models.append(m)
    for i in range(N):
        assert models[0].x[i].value == pytest.approx(models[1].x[i].value, rel=1e-7, abs=1e-7)


def test_pyomo_s_newer_solver_interface() -> None:
    from pyomo.contrib.solver.common.factory import SolverFactory

    model, explicit = example("block"), example("algebra")
    del model.dual
    assert fxp.find_solver("pounce").available()  # registers it
    results = SolverFactory("pounce").solve(model)
    solve_with_pounce(explicit)
    assert "convergenceCriteriaSatisfied" in str(results.termination_condition)
    assert pyo.value(model.objective) == pytest.approx(pyo.value(explicit.objective), rel=1e-6)


# ---- what the real ASL evaluates


def exact(model: pyo.ConcreteModel, duals: np.ndarray) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
    """Objective, its gradient, Jacobian, Hessian of objective + duals @ constraints of `example("external")`."""
    net = network(N, M)
    x = np.array([model.x[i].value for i in range(N)])
    y, J = net(x), net.jacobian(x)
    value = float(((x - 1) ** 2).sum() + y[0] ** 2 * y[1])
    gradient = 2 * (x - 1) + 2 * y[0] * y[1] * J[0] + y[0] ** 2 * J[1]
    e1 = np.eye(N)[1]
    jacobian = np.array([J[2], J[0] * x[1] + y[0] * e1 + J[1]])
    weights = np.array([2 * y[0] * y[1] + duals[1] * x[1], y[0] ** 2 + duals[1], duals[0]])
    cross = np.outer(J[0], J[1])
    hessian = 2 * np.eye(N) + net.hessian(x, weights) + 2 * y[1] * np.outer(J[0], J[0]) + 2 * y[0] * (cross + cross.T)
    hessian += duals[1] * (np.outer(J[0], e1) + np.outer(e1, J[0]))
    return value, gradient, jacobian, hessian


def test_the_real_asl_sees_the_exact_derivatives() -> None:
    model = example("external")
    del model.dual
    nlp = PyomoNLP(model)
    duals = np.array([0.7, -0.3])
    order = nlp.get_primal_indices(list(model.x.values()))
    rows = nlp.get_constraint_indices([model.c, model.d])
    for x in np.random.default_rng(0).uniform(-2, 2, (5, N)):
        for i in range(N):
            model.x[i].set_value(x[i])
        value, gradient, jacobian, hessian = exact(model, duals)
        nlp.set_primals(x[np.argsort(order)])
        nlp.set_duals(duals[np.argsort(rows)])
        nlp.set_obj_factor(1.0)
        assert nlp.evaluate_objective() == pytest.approx(value, rel=1e-13)
        np.testing.assert_allclose(nlp.evaluate_grad_objective()[order], gradient, rtol=1e-12)
        np.testing.assert_allclose(nlp.evaluate_jacobian().toarray()[rows][:, order], jacobian, rtol=1e-12)
        np.testing.assert_allclose(nlp.evaluate_hessian_lag().toarray()[order][:, order], hessian, rtol=1e-11)


def test_all_calls_of_the_asl_at_a_point_cost_one_evaluation() -> None:
    host = Host()  # the library is loaded into this process once: its counts are those of PyNumero's calls
    model = example("external")
    nlp = PyomoNLP(model)
    nlp.set_primals(np.full(N, 0.11))
    nlp.evaluate_hessian_lag()
    names = ["evaluations", "hessian_evaluations", "calls"]
    before = [host.statistics(name) for name in names]
    points = np.random.default_rng(1).uniform(-1, 1, (7, N))
    for x in points:
        nlp.set_primals(x)
        nlp.evaluate_objective(), nlp.evaluate_constraints()
        nlp.evaluate_grad_objective(), nlp.evaluate_jacobian(), nlp.evaluate_hessian_lag()
    evaluations, hessians, calls = (host.statistics(name) - count for name, count in zip(names, before, strict=True))
    assert evaluations == hessians == len(points)
    assert calls > len(points)


def test_two_models_in_one_process() -> None:
    models = [example("external"), several("external"), example("block")]
    for _ in range(2):
        for model in models:
            solve_with_cyipopt(model)
    check_same(models[0], example("algebra"), solve_with_cyipopt)


def test_gjh_evaluates_the_same(tmp_path: Path) -> None:
    """Another program on the real ASL, which reads the .nl file and writes what it evaluates as JSON."""
    model = example("external")
    model.x[1].set_value(-0.4)
    del model.dual
    model.dual = pyo.Suffix(direction=pyo.Suffix.EXPORT)
    duals = np.array([0.7, -0.3])
    model.dual[model.c], model.dual[model.d] = duals
    model.write(str(tmp_path / "model.nl"), io_options={"symbolic_solver_labels": True})
    command = ["gjh_asl_json", "model.nl", "rows=model.row", "cols=model.col"]
    subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "AMPLFUNC": library_path()}, check=True, capture_output=True
    )
    found = json.loads((tmp_path / "model.json").read_text())["initial evaluations"]
    objective = found["objective function"]["objective"]
    value, gradient, jacobian, hessian = exact(model, duals)
    names = [f"x[{i}]" for i in range(N)]
    assert objective["value"] == pytest.approx(value, rel=1e-12)
    np.testing.assert_allclose([objective["gradient"][name] for name in names], gradient, rtol=1e-12)
    rows = [[found["constraints' jacobian"][f"{row}_{name}"] for name in names] for row in ("c", "d")]
    np.testing.assert_allclose(rows, jacobian, rtol=1e-12)
    second = [[objective["lagrangian hessian"][f"{row}_{column}"] for column in names] for row in names]
    np.testing.assert_allclose(second, hessian, rtol=1e-11)


# ---- files and solvers


def test_a_file_that_vanished_between_writing_and_solving(tmp_path: Path) -> None:
    model = example("external")
    model.write(str(tmp_path / "model.nl"))
    text = (tmp_path / "model.nl").read_text()
    gone = str(Path(model.nn.path).with_name("f" * len(Path(model.nn.path).name)))
    (tmp_path / "model.nl").write_text(text.replace(model.nn.path, gone))
    environment = {**os.environ, "AMPLFUNC": library_path()}
    done = subprocess.run(
        ["pounce", "model.nl", "-AMPL"], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert "Invalid_Number_Detected" in done.stdout  # POUNCE does not read the library's message; test_ampl.py does
    assert "Optimal" not in done.stdout + (tmp_path / "model.sol").read_text()


def test_a_solver_is_found() -> None:
    assert fxp.find_solver().available()
