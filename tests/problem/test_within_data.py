"""Solutions stay near the data of a network, measured by other means."""

import pickle

import numpy as np
import pandas as pd
import pyomo.environ as pyo
import pytest
import scipy.optimize
import scipy.spatial

import fastexpr as fx
import fastexpr.pyomo as fxp
from fastexpr.errors import ModelError, NotFoundError, ShapeError
from fastexpr.function.data import guard_function

METHODS = ["ellipsoid", "hull", "neighbours"]


def points(count=120, seed=0):
    """Correlated numbers, a one-hot choice, a constant column; in units of their own."""
    random = np.random.default_rng(seed)
    a = random.normal(size=count)
    b = 1e3 * (a + 0.3 * random.normal(size=count))
    return np.column_stack([a, b, np.eye(3)[random.integers(0, 3, count)], np.full(count, 4.0)])


def linear(X, weights):
    x = fx.variables(X.shape[1])
    return fx.Function(x, (np.asarray(weights) * x).sum()).with_data(X)


def is_combination(X, x, tolerance=1e-5):
    """By a linear program of its own: x = X' w, w >= 0, sum w = 1, up to the tolerance in standard deviations."""
    scale = np.maximum(X.std(axis=0), 1.0 * (X.std(axis=0) == 0))
    A = np.vstack([(X / scale).T, np.ones(len(X))])
    _, residual = scipy.optimize.nnls(A, np.append(x / scale, 1.0))
    return residual < tolerance


def mahalanobis(X, x):
    """By the pseudo-inverse of the covariance, and the data's largest."""
    scale = np.where(X.std(axis=0) > 0, X.std(axis=0), 1.0)
    Z, z = (X - X.mean(axis=0)) / scale, (x - X.mean(axis=0)) / scale
    P = np.linalg.pinv(Z.T @ Z / len(Z), rcond=1e-10, hermitian=True)
    return float(np.sqrt(z @ P @ z)), float(np.sqrt(np.einsum("ij,jk,ik->i", Z, P, Z).max()))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("weights", [[1.0, -2e-3, 0.3, 0.0, 0.0, 1.0], [-1.0, 1e-3, 0.0, 0.0, 5.0, -3.0]])
def test_answers_stay_within_the_data(method, weights):
    X = points()
    net = linear(X, weights)
    p = fx.Problem()
    x = p.variables(6, lower=-1e5, upper=1e5)
    y = p.network(net, x)
    p.maximize(y[0])
    p.within_data(x, net, method=method)
    result = p.solve()
    assert result.success
    found = result[x]
    assert abs(found[2:5].sum() - 1.0) < 1e-4
    assert abs(found[5] - 4.0) < 1e-4
    if method == "hull":
        assert is_combination(X, found)
        assert result.objective == pytest.approx((X @ weights).max(), rel=1e-5, abs=1e-5)  # the best vertex
    if method == "ellipsoid":
        distance, largest = mahalanobis(X, found)
        assert distance == pytest.approx(largest, rel=1e-3)
    if method == "neighbours":
        assert net.data.distances(found)[1] < 1.12


def test_the_same_in_pyomo():
    X = points(60)
    net = linear(X, [1.0, -2e-3, 0.3, 0.0, 0.0, 1.0])
    for method in METHODS:
        p = fx.Problem()
        x = p.variables(6, lower=-1e5, upper=1e5)
        p.maximize(p.network(net, x)[0])
        p.within_data(x, net, method=method)
        m = pyo.ConcreteModel()
        m.x = pyo.Var(range(6), bounds=(-1e5, 1e5), initialize=dict(enumerate(net.data.center)))
        m.nn = fxp.NetworkBlock(net, inputs=m.x)
        m.guard = fxp.WithinData(m.nn, method=method)
        m.gain = pyo.Objective(expr=m.nn.outputs[0], sense=pyo.maximize)
        results = pyo.SolverFactory("fastexpr").solve(m)
        pyo.assert_optimal_termination(results)
        assert pyo.value(m.gain) == pytest.approx(p.solve().objective, rel=1e-4)


def test_hull_without_a_nonlinear_solver():
    random = np.random.default_rng(1)
    net = fx.Function(x := fx.variables(3), np.maximum(x, 0.0).sum()).with_bounds(-5, 5).with_data(
        X := random.normal(size=(50, 3))
    )  # fmt: skip
    m = pyo.ConcreteModel()
    m.nn = fxp.NetworkBlock(net, formulation="bigm")
    m.guard = fxp.WithinData(m.nn, method="hull")
    m.gain = pyo.Objective(expr=m.nn.outputs[0], sense=pyo.maximize)
    pyo.SolverFactory("appsi_highs").solve(m)
    assert pyo.value(m.gain) == pytest.approx(net(X).max(), rel=1e-6)  # convex: the best vertex


def test_vertices_are_the_hulls():
    X = np.random.default_rng(2).normal(size=(200, 3))
    own = linear(X, np.ones(3)).data.vertices
    expected = X[scipy.spatial.ConvexHull(X).vertices]
    np.testing.assert_array_equal(own[np.lexsort(own.T)], expected[np.lexsort(expected.T)])
    line = np.linspace(0.0, 1.0, 11)[:, None] * [1.0, 2.0]
    assert linear(line, np.ones(2)).data.vertices.tolist() == [[0.0, 0.0], [1.0, 2.0]]
    assert linear(np.ones((4, 2)), np.ones(2)).data.vertices.tolist() == [[1.0, 1.0]]


@pytest.mark.parametrize("method", ["ellipsoid", "neighbours"])
def test_derivatives_are_exact(method):
    guard, _, _ = guard_function(linear(points(), np.ones(6)).data, method)
    report = guard.check_derivatives(points(3, seed=5)[1])
    assert report.jacobian_error < 1e-6
    assert report.hessian_error < 1e-6
    far, jacobian, hessian = guard.evaluate(np.full(6, 1e4), np.ones(guard.n_outputs))
    assert np.isfinite(far).all()
    assert np.isfinite(jacobian).all()
    assert np.isfinite(hessian).all()


def test_several_clouds():
    random = np.random.default_rng(3)
    X = np.vstack([random.normal(size=(60, 2)) * 0.3 + center for center in ([-4.0, 0.0], [4.0, 0.0])])
    net = linear(X, [0.0, 1.0])
    p = fx.Problem()
    x = p.variables(2, lower=-9, upper=9)
    p.minimize((x**2).sum())  # between the clouds
    p.within_data(x, net, method="neighbours")
    result = fx.multistart(p, starts=6).best
    assert result.success
    assert abs(result[x][0]) > 2.5
    assert net.data.distances(np.zeros(2))[1] > 2.0


def test_many_points_at_once():
    X = points(60)
    net = linear(X, np.ones(6))
    for method in METHODS:
        p = fx.Problem()
        x = p.variables((3, 6), lower=-1e5, upper=1e5)
        p.maximize((x[:, 0] * [1.0, -1.0, 0.0]).sum())
        p.within_data(x, net, method=method)
        result = p.solve()
        assert result.success
        for row in result[x]:
            assert min(net.data.distances(row)) < 1.01


def test_where_solves_start_and_what_reports_say():
    X = points()
    net = linear(X, [1.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    p = fx.Problem()
    x = p.variables(6, lower=-1e5, upper=1e5, name="x")
    y = p.network(net, x)
    p.maximize(y[0])
    assert (p.nlp().start[:6] == X).all(axis=1).any()
    given = fx.Problem()
    z = given.variables(6, start=1.0)
    given.network(net, z)
    assert given.nlp().start[:6].tolist() == [1.0] * 6
    p.subject_to(x[0] <= 30.0)
    result = p.solve()
    (row,) = result.report().to_dict()["networks' data"]
    assert row["where"] == "outside"
    assert row["nearest point over the data's spacing"] > 10.0
    m = pyo.ConcreteModel()
    m.nn = fxp.NetworkBlock(net)
    assert ([variable.value for variable in m.nn.inputs.values()] == X).all(axis=1).any()
    m.nn.inputs[net.input_names[2]].value = None
    m.nn.initialize()
    assert ([variable.value for variable in m.nn.inputs.values()] == X).all(axis=1).any()
    for variable, number in zip(m.nn.inputs.values(), X[3], strict=True):
        variable.fix(number)
    m.gain = pyo.Objective(expr=m.nn.outputs[0])
    results = fxp.Fastexpr().solve(m)
    (row,) = results.solution_loader.report().to_dict()["networks' data"]
    assert row["where"] == "inside"


def test_what_keeps_the_data(tmp_path):
    X = points()
    plain = fx.Function(x := fx.variables(6), x.sum())
    net = plain.with_data(pd.DataFrame(X))
    assert not hasattr(plain, "data")
    assert net.lower is None
    for kept in (
        pickle.loads(pickle.dumps(net)),
        net.with_names(inputs=list("abcdef")),
        net.with_bounds(-1, 1),
        net.with_parameters(net.parameters),
    ):
        np.testing.assert_array_equal(kept.data.points, net.data.points)
        assert kept(X[0]) == plain(X[0])
    assert not hasattr(net.with_fixed({"x[0]": 1.0}), "data")
    net.to_onnx(tmp_path / "a.onnx")
    plain.to_onnx(tmp_path / "b.onnx")
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()
    large = plain.with_data(np.random.default_rng(0).normal(size=(6000, 6)))
    assert len(large.data.points) == 5000


def test_an_ensembles_variance_as_a_limit():
    random = np.random.default_rng(0)
    X = random.normal(size=(40, 2))
    x = fx.variables(2)
    members = [fx.Function(x, x.sum() + 0.1 * k * (x**2).sum()) for k in range(3)]
    net = fx.ensemble(members).with_data(X)
    p = fx.Problem()
    z = p.variables(2, lower=-10, upper=10)
    mean, variance = (y := p.network(net, z))[0], y[1]
    p.maximize(mean)
    p.subject_to(variance <= 0.05)
    result = p.solve()
    assert result.success
    assert result[variance] <= 0.05 * (1 + 1e-6)


def test_errors():
    X = points()
    net = linear(X, np.ones(6))
    p = fx.Problem()
    x = p.variables(6)
    with pytest.raises(NotFoundError, match="no method 'box'"):
        p.within_data(x, net, method="box")
    with pytest.raises(ValueError, match="the network has no data"):
        p.within_data(x, fx.Function(z := fx.variables(6), z.sum()))
    with pytest.raises(ShapeError, match="wrong shape of x"):
        p.within_data(x[:3], net)
    with pytest.raises(ShapeError, match="wrong shape of X"):
        net.with_data(X[:, :3])
    with pytest.raises(ShapeError, match="wrong shape of X"):
        net.with_data(X[:0])
    with pytest.raises(ValueError, match="not finite in row 0"):
        net.with_data(np.full((3, 6), np.nan))
    with pytest.raises(ModelError, match="needs a NetworkBlock"):
        fxp.WithinData(net)
