"""Solves of problems with kinks: from cell to cell, with a certificate that is true."""

from __future__ import annotations

import numpy as np
import onnx
import onnx.parser
import pyomo.environ as pyo
import pytest
from onnx import numpy_helper

import fastexpr as fx
import fastexpr.pyomo as fxp

RNG = np.random.default_rng(5)
LAYERS = [
    (RNG.normal(size=(m, n)) / np.sqrt(n) * 1.5, 0.3 * RNG.normal(size=m)) for n, m in [(3, 20), (20, 20), (20, 2)]
]
LIMIT = 0.3


def relu_network(layers):
    x = fx.variables(layers[0][0].shape[1])
    h = x
    for W, b in layers[:-1]:
        h = np.maximum(W @ h + b, 0.0)
    W, b = layers[-1]
    return fx.Function(x, W @ h + b)


NET = relu_network(LAYERS)
STARTS = np.random.default_rng(2).uniform(-1, 1, (8, 3))


def surrogate(start, is_spliced=False):
    p = fx.Problem()
    x = p.variables(3, -1, 1, start=start)
    y = NET(x) if is_spliced else p.network(NET, x)
    p.maximize(y[0])
    p.subject_to(y[1], upper=LIMIT)
    return p, x


def is_beaten(x, value, spread=1e-3):
    """Whether a feasible point nearby is better."""
    points = np.clip(x + spread * np.random.default_rng(0).uniform(-1, 1, (4000, 3)), -1, 1)
    y = NET(points)
    return bool((y[y[:, 1] <= LIMIT, 0] > value + 1e-6).any())


@pytest.mark.parametrize("door", ["network", "expression", "pyomo"])
@pytest.mark.parametrize("start", range(8))
def test_a_relu_surrogate_from_everywhere(door, start):
    if door == "pyomo":
        m = pyo.ConcreteModel()
        m.x = pyo.Var(range(3), bounds=(-1, 1), initialize=dict(enumerate(STARTS[start])))
        m.nn = fxp.NetworkBlock(NET, inputs=m.x)
        m.limit = pyo.Constraint(expr=m.nn.outputs["y[1]"] <= LIMIT)
        m.best = pyo.Objective(expr=m.nn.outputs["y[0]"], sense=pyo.maximize)
        results = pyo.SolverFactory("fastexpr").solve(m)
        assert pyo.check_optimal_termination(results)
        assert "local minimum" in results.solver.message
        x, value = np.array([m.x[i].value for i in range(3)]), pyo.value(m.best)
        assert abs(NET(x) - [value, m.nn.outputs["y[1]"].value]).max() < 1e-9
    else:
        p, v = surrogate(STARTS[start], door == "expression")
        r = p.solve()
        assert (r.status, r.certificate) == ("optimal", "local minimum")
        x, value = r[v], r.objective
    assert NET(x)[1] <= LIMIT + 1e-8
    assert not is_beaten(x, value)


def test_ignored_kinks_are_todays_solves():
    p, _ = surrogate(STARTS[0])
    r = p.solve(kinks="ignore", max_iter=50)
    assert [stage.name for stage in r.stages] == ["ipopt"]
    assert (r.certificate, r.kinks) == ("", [])
    with pytest.raises(ValueError, match="kinks must be"):
        p.solve(kinks="smooth")


def test_a_convex_problem_in_the_models_own_algebra():
    p = fx.Problem()
    v = p.variables(2, -1, 1, start=[0.7, 0.2])
    p.minimize(abs(v[0] - 0.2) + abs(v[1] + 0.3 * v[0]))
    r = p.solve()
    assert (r.status, r.certificate) == ("optimal", "local minimum")
    assert np.allclose(r[v], [0.2, -0.06], atol=1e-9)
    assert len(r.kinks) == 2
    assert all(abs(kink.argument) < 1e-9 for kink in r.kinks)
    assert "2 kinks" in r.message


def test_a_saddle_is_no_minimum():
    p = fx.Problem()
    x = p.variables(2, -1, 1, start=0.0)
    p.minimize(x[0] ** 2 - x[1] ** 2 + abs(x[0]))
    r = p.solve()
    assert abs(r.objective + 1.0) < 1e-6
    assert r.certificate == "local minimum"


def test_the_tip_of_an_absolute_value():
    p = fx.Problem()
    x = p.variables((), -1, 1, start=0.4)
    p.minimize(abs(x))
    r = p.solve()
    assert r.certificate == "local minimum"
    assert abs(r[x]) < 1e-9
    assert abs(r.kinks[0].multiplier - 1.0) < 1e-6


def test_iterations_are_a_total():
    p, _ = surrogate(STARTS[0])
    r = p.solve(max_iter=30)
    assert r.iterations <= 30
    assert r.status == "iteration_limit"
    assert p.solve(max_iter=300).iterations <= 300


def test_multipliers_belong_to_the_final_cell():
    p, _ = surrogate(STARTS[1])
    limit = p._statement.constraints[0]
    r = p.solve()
    eps = 1e-5
    p.set_limits(limit, upper=LIMIT + eps)
    other = p.solve(start=r)
    assert (
        abs((other.objective - r.objective) / eps - r.duals[limit]) < 1e-3 * max(1.0, r.duals[limit])
        or len(r.kinks) > 0
    )
    assert r.duals[limit] >= -1e-9


def test_smooth_problems_have_one_stage():
    x0 = fx.variables(2)
    net = fx.Function(x0, np.tanh(x0).sum().reshape(1))
    p = fx.Problem()
    x = p.variables(2, -1, 1)
    p.minimize(p.network(net, x)[0])
    r = p.solve()
    assert [stage.name for stage in r.stages] == ["ipopt"]
    assert r.certificate == ""


def test_a_walk_that_reaches_its_limit_goes_on_from_rounded_kinks(monkeypatch):
    from fastexpr.solve.cells import walk

    monkeypatch.setattr(walk, "MOST_CELLS", 1)
    smoothed = 0
    for start in STARTS:
        p, x = surrogate(start)
        r = p.solve()
        smoothed += "smoothing" in [stage.name for stage in r.stages]
        assert NET(r[x])[1] <= LIMIT + 1e-6
        assert r.status in ("optimal", "cell_limit")
        assert r.status == "optimal" or "limit of" in r.message
    assert smoothed > 0


ACTIVATIONS = {
    "LeakyRelu": "r = LeakyRelu<alpha=0.1>(a)",
    "PRelu": "s = Constant<value_float=0.3>() r = PRelu(a, s)",
    "HardSigmoid": "r = HardSigmoid(a)",
    "HardSwish": "r = HardSwish(a)",
    "Elu": "r = Elu<alpha=0.3>(a)",
    "Clip": "l = Constant<value_float=-0.5>() u = Constant<value_float=0.5>() r = Clip(a, l, u)",
    "Abs behind tanh": "t = Tanh(a) r = Abs(t)",
    "Where": "z = Constant<value_float=0.0>() c = Greater(a, z) t = Tanh(a) r = Where(c, t, a)",
    "Max": "t = Tanh(a) r = Max(a, t)",
    "MaxPool": "s = Constant<value_ints=[1, 1, 12]>() q = Reshape(a, s) m = MaxPool<kernel_shape=[3], strides=[1], "
    "pads=[1, 1]>(q) e = Constant<value_ints=[1, 12]>() r = Reshape(m, e)",
}


def activated(text):
    rng = np.random.default_rng(0)
    text = f"(float[1,2] x) => (float[1,1] y) {{ a = Gemm(x, W1, b) {text} y = MatMul(r, W2) }}"
    model = onnx.parser.parse_model('<ir_version: 8, opset_import: ["":17]> g ' + text)
    for name, shape in (("W1", (2, 12)), ("W2", (12, 1)), ("b", 12)):
        model.graph.initializer.append(numpy_helper.from_array(rng.normal(size=shape).astype(np.float32), name))
    return fx.load_onnx(model)


@pytest.mark.parametrize("solver", ["cyipopt", "pounce"])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_kinked_operator(name, solver):
    net = activated(ACTIVATIONS[name])
    p = fx.Problem()
    x = p.variables(2, -1, 1, start=[0.2, -0.3])
    p.minimize(p.network(net, x)[0])
    r = p.solve(solver=solver)
    assert (r.status, r.certificate) == ("optimal", "local minimum")
    points = np.clip(r[x] + 1e-3 * np.random.default_rng(1).uniform(-1, 1, (3000, 2)), -1, 1)
    assert net(points).min() >= r.objective - 1e-9
    assert abs(net(r[x])[0] - r.objective) < 1e-12


def test_a_jump_is_reported_and_not_certified():
    net = activated("r = ThresholdedRelu<alpha=0.5>(a)")
    p = fx.Problem()
    x = p.variables(2, -1, 1, start=[0.2, -0.3])
    p.minimize(p.network(net, x)[0])
    r = p.solve()
    assert r.certificate == "none"
    assert "jumps at" in r.message
    assert "ThresholdedRelu" in r.message


def test_what_is_constant_piece_by_piece_stays_what_it_is():
    net = activated("r = Sign(a)")
    p = fx.Problem()
    p.minimize(p.network(net, p.variables(2, -1, 1, start=[0.2, -0.3]))[0])
    assert p.solve().status == "no_derivative"


def test_no_feasible_point_is_said():
    p, _ = surrogate(STARTS[0])
    p.subject_to(p._statement.networks[0].y[0], lower=1e4)
    r = p.solve()
    assert not r.success
    assert r.certificate == ""


def test_results_with_kinks_are_pickled():
    import pickle

    p, _ = surrogate(STARTS[0])
    r = p.solve()
    other = pickle.loads(pickle.dumps(r))
    assert (other.certificate, other.kinks) == (r.certificate, r.kinks)


def test_suffixes_of_pyomo_have_the_multipliers_of_the_final_cell():
    m = pyo.ConcreteModel()
    m.x = pyo.Var(range(2), bounds=(-1, 1), initialize=0.4)
    m.row = pyo.Constraint(expr=m.x[0] + m.x[1] >= 0.5)
    m.kinks = pyo.Objective(expr=2 * abs(m.x[0]) + 3 * abs(m.x[1]))
    m.dual = pyo.Suffix(direction=pyo.Suffix.IMPORT)
    results = pyo.SolverFactory("fastexpr").solve(m)
    assert pyo.check_optimal_termination(results)
    assert abs(m.x[0].value - 0.5) < 1e-8
    assert abs(m.x[1].value) < 1e-8
    assert abs(m.dual[m.row] - 2.0) < 1e-6
    assert "1 kink" in results.solver.message


@pytest.mark.parametrize("presolve", [True, False])
def test_multipliers_of_what_a_kink_is_made_of(presolve):
    """Of min max(y), y == net(x): what the outputs push with adds up to what the maximum takes."""
    net = fx.Function(
        x0 := fx.variables(2), np.array([[1.0, 2.0], [-1.0, 0.5], [0.3, -2.0]]) @ np.maximum(x0, 0.2 * x0)
    )
    p = fx.Problem()
    x = p.variables(2, -1, 1, start=[0.6, 0.4])
    y = p.network(net, x)
    p.minimize(np.maximum(np.maximum(y[0], y[1]), y[2] + 0.1))
    r = p.solve(presolve=presolve)
    assert r.certificate == "local minimum"
    assert len(r.kinks) >= 2
    assert abs(r.duals[y].sum() - 1.0) < 1e-8
    assert (r.duals[y] > -1e-8).all()
