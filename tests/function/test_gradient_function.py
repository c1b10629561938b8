"""Functions of derivatives, beside the derivatives that the core computes by its own passes."""

import numpy as np
import operator_table
import pyomo.environ as pyo
import pytest

import fastexpr as fx
import fastexpr.pyomo as fxp
from fastexpr.errors import GraphError, NotFoundError

#: What has no expression for its derivative.
REFUSED = {"Quantize", "ReduceProd", "TreeEnsemble"}


def largest_difference(a, b) -> float:
    """Relative to the largest number; of numbers that are finite in both."""
    if not (np.isfinite(a).all() and np.isfinite(b).all()) or not a.size:
        return 0.0
    return float(abs(a - b).max() / max(1e-300, abs(b).max())) if abs(b).max() > 0.0 else float(abs(a).max())


@pytest.mark.parametrize("row", operator_table.ROWS, ids=str)
def test_every_operator(row):
    function = row.function()
    if row.name in REFUSED:
        with pytest.raises(GraphError, match=rf"\[{row.name} .*no expression for its derivative"):
            function.gradient_function()
        return
    gradient = function.gradient_function()
    for x in row.sample_points():
        J = function.jacobian(x)
        assert largest_difference(gradient(x).reshape(J.shape), J) <= 1e-12
        H = [function.hessian(x, weights) for weights in np.eye(function.n_outputs)]
        assert largest_difference(gradient.jacobian(x), np.reshape(H, (-1, function.n_inputs))) <= 1e-11


@pytest.mark.parametrize("activation", [np.tanh, np.exp, lambda v: np.maximum(v, 0.0), lambda v: np.logaddexp(v, 0.0)])
def test_networks_and_their_second_derivatives(activation):
    random = np.random.default_rng(0)
    x = fx.variables(4)
    hidden = activation(random.normal(size=(7, 4)) @ x)
    hidden = activation(0.5 * random.normal(size=(6, 7)) @ hidden + hidden[:6])
    net = fx.Function(x, random.normal(size=(3, 6)) @ hidden)
    net = net.with_names(inputs=["a", "b", "c", "d"], outputs=["p", "q", "r"]).with_bounds([-1] * 4, [1] * 4)
    all_of_them, one = net.gradient_function(), net.gradient_function("q")
    assert all_of_them.outputs == {"gradient": (3, 4)}
    assert one.outputs == {"gradient": (4,)}
    assert one.input_names == ("a", "b", "c", "d")
    assert one.output_names[2] == "d q / d c"
    assert np.array_equal(one.lower, net.lower)
    points = random.normal(size=(5, 4)) * 0.5
    np.testing.assert_allclose(all_of_them(points).reshape(5, 3, 4), net.jacobian(points), rtol=1e-12, atol=1e-13)
    for point in points:
        np.testing.assert_allclose(one(point), net.jacobian(point)[1], rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(one.jacobian(point), net.hessian(point, [0, 1, 0]), rtol=1e-10, atol=1e-12)
    weights = random.normal(size=4)
    step, x0 = 1e-6, points[0]
    for direction in np.eye(4):  # third derivatives of the network, by differences
        ahead, behind = (one.jacobian(x0 + side * step * direction).T @ weights for side in (1, -1))
        wanted = (ahead - behind) / (2 * step)
        np.testing.assert_allclose(one.hessian(x0, weights) @ direction, wanted, rtol=1e-5, atol=1e-6)


def test_a_convolutional_network():
    random = np.random.default_rng(1)
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    layers = torch.nn.Sequential(
        torch.nn.Conv2d(1, 3, 3, padding=1), torch.nn.Tanh(), torch.nn.AvgPool2d(2), torch.nn.Conv2d(3, 2, 2),
        torch.nn.ReLU(), torch.nn.MaxPool2d(2), torch.nn.Flatten(), torch.nn.Linear(2, 2), torch.nn.Softmax(dim=1),
    )  # fmt: skip
    net = fx.from_torch(layers, torch.zeros(1, 1, 6, 6))
    gradient = net.gradient_function()
    x = random.normal(size=36)
    np.testing.assert_allclose(gradient(x).reshape(2, 36), net.jacobian(x), rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(gradient.jacobian(x)[:36], net.hessian(x, [1.0, 0.0]), rtol=1e-9, atol=1e-12)


def lyapunov():
    """V and its derivative along x' = f(x), by hand."""
    x = fx.variables(2)
    V = fx.Function(x, (x**2).sum() + 0.3 * np.tanh(x[0] * x[1]))
    return V.with_bounds([-1, -1], [1, 1]), V.gradient_function(0)


def test_in_problems_and_pyomo_models():
    V, slope = lyapunov()
    p = fx.Problem()
    x = p.variables(2, lower=-1.0, upper=1.0, start=[0.5, 0.4])
    g = p.network(slope, x)
    p.minimize(g[0] * (-x[0] + x[1] ** 3) + g[1] * (-x[1]))
    p.subject_to((x**2).sum(), lower=0.25)
    result = p.solve()
    assert result.success
    assert result.verify().success
    np.testing.assert_allclose(result[g], V.gradient(result[x]), atol=1e-7)

    m = pyo.ConcreteModel()
    m.slope = fxp.NetworkBlock(slope)
    u, d = m.slope.inputs, m.slope.outputs
    (u0, u1), (d0, d1) = list(u.values()), list(d.values())
    for variable, value in zip((u0, u1), (0.5, 0.4), strict=True):
        variable.set_value(value)
        variable.setlb(-1.0)
        variable.setub(1.0)
    m.goal = pyo.Objective(expr=d0 * (-u0 + u1**3) - d1 * u1)
    m.ring = pyo.Constraint(expr=u0**2 + u1**2 >= 0.25)
    pyo.assert_optimal_termination(pyo.SolverFactory("fastexpr").solve(m))
    assert pyo.value(m.goal) == pytest.approx(result.objective, abs=1e-6)


def test_gradients_of_gradients_and_of_constants():
    V, slope = lyapunov()
    second = slope.gradient_function()
    x = np.array([0.3, -0.6])
    np.testing.assert_allclose(second(x).reshape(2, 2), V.hessian(x, [1.0]), rtol=1e-12)
    u = fx.variables(3)
    assert fx.Function(u, u[1:] * 2.0).gradient_function()([1.0, 2.0, 3.0]).tolist() == [0, 2, 0, 0, 0, 2]


def test_errors_name_the_operator_and_the_outputs():
    x = fx.variables(3)
    row = next(row for row in operator_table.ROWS if row.name == "TreeEnsemble")
    with pytest.raises(GraphError, match=r"\[TreeEnsemble 'treeensemble_.* What to do"):
        row.function().gradient_function()
    net = fx.Function(x, x[:2]).with_names(outputs=["p", "q"])
    with pytest.raises(NotFoundError, match="no output 'r': there are 'p', 'q'"):
        net.gradient_function("r")
    with pytest.raises(NotFoundError, match="no output 2: expected 0 to 1"):
        net.gradient_function(2)
    with pytest.raises(NotFoundError):
        net.gradient_function(-1)
