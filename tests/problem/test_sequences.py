"""Parameters, warm starts, sweeps and shifts of `Problem`, beside problems that were built anew with numbers."""

import pickle

import numpy as np
import pytest

import fastexpr as fx
from fastexpr.errors import GraphError, NotFoundError, ShapeError


def make_network(n: int = 4, m: int = 2, seed: int = 0, activation=np.tanh) -> fx.Function:
    random = np.random.default_rng(seed)
    u = fx.variables(n)
    hidden = activation(random.normal(size=(12, n)) @ u)
    return fx.Function(u, 0.5 * random.normal(size=(m, 12)) @ hidden).with_bounds([-1.0] * n, [1.0] * n)


class Plant:
    """A problem with parameters everywhere, or with their numbers; the numbers are those of a problem without any."""

    def __init__(self, net, state=None, cap=None, price=None):
        p = self.p = fx.Problem()
        self.state = p.parameters(2, name="state") if state is None else np.asarray(state)
        self.cap = p.parameters((), name="cap") if cap is None else cap
        self.price = p.parameters((), name="price") if price is None else price
        self.x = p.variables(2, lower=-1.0, upper=self.cap, start=[0.1, 0.2], name="x")
        inputs = [self.x[0], self.state[0], self.x[1], self.state[1]]
        self.y = p.network(net, inputs, name="y")
        p.minimize(self.price * self.y[0] + ((self.x - self.state) ** 2).sum())
        self.limit = p.subject_to(self.y[1] + 0.1 * self.x.sum(), upper=self.cap + 0.2 * self.state[1], name="limit")


POINTS = [([0.3, -0.4], 0.5, 1.0), ([-0.8, 0.9], 0.3, 3.0), ([0.0, 0.0], 0.9, 0.1)]


@pytest.mark.parametrize("solver", ["cyipopt", "pounce"])
def test_parameters_are_the_numbers(solver):
    net = make_network()
    plant = Plant(net)
    for state, cap, price in POINTS:
        values = {plant.state: state, plant.cap: cap, "price": price}
        result = plant.p.solve(parameters=values, solver=solver)
        other = Plant(net, state, cap, price)
        wanted = other.p.solve(solver=solver)
        assert result.status == wanted.status == "optimal"
        assert result.objective == pytest.approx(wanted.objective, abs=1e-7)
        np.testing.assert_allclose(result[plant.x], wanted[other.x], atol=1e-6)
        np.testing.assert_allclose(result.duals[plant.limit], wanted.duals[other.limit], atol=1e-6)
        np.testing.assert_allclose(result[plant.state], state)
        np.testing.assert_allclose(result[plant.price * plant.x[0]], price * wanted[other.x[0]], atol=1e-5)
        assert result.verify().success, result.verify()


def test_other_values_compile_nothing():
    plant = Plant(make_network())
    plant.p.set_parameters({"state": [0.1, 0.2], "cap": 0.5, "price": 1.0})
    functions = plant.p.nlp().functions
    first = plant.p.solve()
    second = plant.p.solve(parameters={plant.price: 2.0})
    assert plant.p.nlp().functions is functions
    assert second.objective != pytest.approx(first.objective, abs=1e-6)
    assert plant.p.solve().objective == pytest.approx(first.objective, abs=1e-8)  # for that solve alone
    assert first[plant.price] == 1.0  # a result keeps its own
    assert second[plant.price] == 2.0
    assert first.verify().success
    assert second.verify().success
    plant.p.set_parameters({plant.price: 2.0})
    assert plant.p.solve().objective == pytest.approx(second.objective, abs=1e-8)


def test_selections_of_parameters_have_values_too():
    plant = Plant(make_network())
    plant.p.set_parameters({"state": [0.1, 0.2], "cap": 0.5, "price": 1.0})
    a = plant.p.solve(parameters={plant.state[1]: -0.5})
    b = plant.p.solve(parameters={plant.state: [0.1, -0.5]})
    np.testing.assert_allclose(a.x, b.x)


@pytest.mark.parametrize("network", ["smooth", "kinked", "inside an expression", "batch"])
def test_parameters_in_networks(network):
    activation = (lambda v: np.maximum(v, 0.0)) if network == "kinked" else np.tanh
    net = make_network(activation=activation)

    def build(s):
        p = fx.Problem()
        x = p.variables((3, 3), lower=-1.0, upper=1.0, start=0.1, name="x")
        s = p.parameters((), value=s, name="s") if s is not None and not isinstance(s, float) else s
        s = p.parameters((), name="s") if s is None else s
        rows = [np.concatenate([x[k], np.reshape(s, 1) if isinstance(s, float) else s.reshape(1)]) for k in range(3)]
        if network == "inside an expression":
            y = np.stack([net(row) for row in rows])
        elif network == "batch":
            y = p.network(net, np.stack(rows))
        else:
            y = np.stack([p.network(net, row) for row in rows])
        p.minimize((y[:, 0] ** 2).sum() + 0.1 * ((x - 0.3) ** 2).sum() + y[:, 1].sum())
        return p, s

    p, s = build(None)
    for value in (0.5, -0.7, 0.1):
        result = p.solve(parameters={s: value})
        wanted = build(value)[0].solve()
        assert result.success
        assert wanted.success
        assert result.objective == pytest.approx(wanted.objective, abs=1e-6)


def test_forests_and_integers_take_parameters():
    sklearn = pytest.importorskip("sklearn.ensemble")
    random = np.random.default_rng(0)
    X = random.uniform(size=(200, 2))
    forest = fx.from_sklearn(sklearn.RandomForestRegressor(5, max_depth=3, random_state=0).fit(X, X[:, 0] - X[:, 1]))
    p = fx.Problem()
    s = p.parameters((), name="s")
    k = p.variables((), lower=0, upper=3, integer=True)
    x = p.variables((), lower=0.0, upper=1.0)
    y = p.network(forest, [x, s])
    p.minimize(y[0] + 0.1 * k * 1.0 - 0.05 * x)
    p.subject_to(k + x, lower=s * 3.0)
    for value in (0.2, 0.9):
        result = p.solve(parameters={s: value})
        assert result.success
        assert result.solver == "highs"
        assert result[y][0] == pytest.approx(float(forest([float(result[x]), value])[0]), abs=1e-9)
        assert result[k + x] >= 3.0 * value - 1e-6


def test_presolve_sees_other_bounds_of_an_output():
    net = make_network()
    p = fx.Problem()
    cap = p.parameters((), value=0.0, name="cap")
    x = p.variables(4, lower=-1.0, upper=1.0, name="x")
    y = p.network(net, x, name="y")
    bounded = p.variables((), upper=cap)
    p.subject_to(y[0] - bounded, upper=0.0)
    p.minimize(-y[0] + 0.01 * (x**2).sum())
    for value in (0.1, -0.2, 0.3):
        result = p.solve(parameters={cap: value})
        assert result.success
        assert result[y][0] == pytest.approx(value, abs=1e-6)


def test_moving_bounds_that_contradict_are_infeasible():
    p = fx.Problem()
    low = p.parameters((), value=0.0, name="low")
    x = p.variables(2, lower=low, upper=1.0, name="x")
    p.minimize(x.sum())
    assert p.solve()[x].tolist() == pytest.approx([0.0, 0.0], abs=1e-7)
    result = p.solve(parameters={low: 2.0})
    assert result.status == "infeasible"
    assert "x[0]" in result.message


def test_multistart_takes_parameters():
    p = fx.Problem()
    shift = p.parameters((), value=0.0, name="shift")
    x = p.variables(2, lower=-5, upper=5)
    p.minimize((x[0] ** 2 + x[1] - 11) ** 2 + (x[0] + x[1] ** 2 - 7 - shift) ** 2)
    found = fx.multistart(p, starts=8, stop=False, parameters={shift: 1.0})
    assert found.best[shift] == 1.0
    assert found.best.objective == pytest.approx(0.0, abs=1e-8)
    x0, x1 = found.best[x]
    assert x0**2 + x1 == pytest.approx(11.0, abs=1e-4)
    assert x0 + x1**2 == pytest.approx(8.0, abs=1e-4)


def test_problems_with_parameters_pickle():
    plant = Plant(make_network())
    plant.p.set_parameters({"state": [0.1, 0.2], "cap": 0.5, "price": 1.0})
    result = plant.p.solve()
    other = pickle.loads(pickle.dumps(plant.p))
    assert other.solve().objective == result.objective
    assert other.solve(parameters={"price": 2.0}).objective == plant.p.solve(parameters={"price": 2.0}).objective
    assert pickle.loads(pickle.dumps(result)).objective == result.objective


def test_errors_name_the_parameter():
    net = make_network()
    plant = Plant(net)
    p = plant.p
    with pytest.raises(ValueError, match=r"the parameter state\[0\] has no value"):
        p.solve()
    with pytest.raises(NotFoundError, match="no parameter 'prise': there are 'state', 'cap', 'price'"):
        p.solve(parameters={"prise": 1.0})
    with pytest.raises(NotFoundError, match="no parameter of this problem"):
        p.solve(parameters={plant.x: 1.0})
    with pytest.raises(NotFoundError, match="no parameter of this problem"):
        p.set_parameters({fx.variables(2): 1.0})
    with pytest.raises(ShapeError, match="value of the parameter 'state'"):
        p.set_parameters({"state": [1.0, 2.0, 3.0]})
    with pytest.raises(ValueError, match="'price' contains NaN"):
        p.set_parameters({"price": np.nan})
    with pytest.raises(TypeError, match="parameters must be a dict"):
        p.solve(parameters=[1.0])
    with pytest.raises(ValueError, match="there are parameters 'price' already"):
        p.parameters(2, name="price")
    with pytest.raises(GraphError, match=r"the upper bound of 'z' .* subject_to"):
        p.variables(2, upper=plant.x[0], name="z")
    with pytest.raises(ShapeError, match="the lower bound of 'z'"):
        p.variables(3, lower=plant.state, name="z")
    with pytest.raises(GraphError, match="depends on no variables"):
        (q := fx.Problem()).minimize(q.parameters((), value=1.0))
    with pytest.raises(GraphError, match="got parameters, price"):
        p.solve(parameters={"state": 0.0, "cap": 1.0, "price": 1.0}, start={plant.price: 1.0})


def test_results_keep_what_the_problem_was():
    p = fx.Problem()
    a = p.parameters((), value=0.5, name="a")
    x = p.variables(2, lower=-a, name="x")
    limit = p.subject_to(x.sum(), lower=a, name="limit")
    p.minimize((x**2).sum())
    result = p.solve()
    p.remove(limit)
    p.variables(3, name="more")
    p.parameters(2, value=1.0, name="b")
    p.set_parameters({a: 7.0})
    assert result[x * a] == pytest.approx([0.125, 0.125], abs=1e-6)
    assert result.to_dict()["parameters"] == {"a": 0.5}
    assert result.verify().success
    s = result.sensitivity(a)
    assert s[x] == pytest.approx([0.5, 0.5], abs=1e-6)
    assert s.met == ["limit"]


def test_summaries_have_parameters():
    p = fx.Problem()
    cap = p.parameters(2, value=[1.0, 2.0], name="cap")
    p.parameters((), name="price")
    p.variables(2, upper=cap, name="x")
    tables = p.summary().to_dict()
    assert [list(row.values()) for row in tables["parameters"]] == [["cap", "2", "1 .. 2"], ["price", "single", "none"]]
    assert tables["variables"][0]["upper"] == "1 .. 2"


def test_warm_starts_save_iterations():
    plant = Plant(make_network())
    plant.p.set_parameters({"state": [0.1, 0.2], "cap": 0.5, "price": 1.0})
    before = plant.p.solve()
    cold = plant.p.solve(parameters={"price": 1.05})
    warm = plant.p.solve(parameters={"price": 1.05}, start=before)
    assert warm.success
    assert warm.iterations <= cold.iterations / 2
    np.testing.assert_allclose(warm.x, cold.x, atol=1e-6)


def test_a_warm_start_that_misleads_is_followed_by_a_cold_one():
    p = fx.Problem()
    a = p.parameters((), value=1.0)
    x = p.variables(2, lower=0.0, upper=10.0, start=5.0)
    p.minimize(((x - a) ** 2).sum())
    p.subject_to(x.prod(), lower=a)
    before = p.solve()
    before.multipliers.constraints[:] = 1e12
    after = p.solve(parameters={a: 9.0}, start=before)
    assert after.success
    assert after[x] == pytest.approx([9.0, 9.0], abs=1e-5)


# ---- sweeps ----------------------------------------------------------------------------------------


def test_a_sweep_takes_a_third_of_the_iterations():
    net = make_network(seed=3)
    p = fx.Problem()
    price = p.parameters((), value=0.0, name="price")
    x = p.variables(4, lower=-1.0, upper=1.0, name="x")
    y = p.network(net, x, name="y")
    p.minimize(price * y[0] + (x**2).sum())
    p.subject_to(y[1], lower=0.3)
    prices = np.linspace(0.0, 4.0, 50)
    cold = [p.solve(parameters={price: value}) for value in prices]
    swept = fx.sweep(p, {price: prices})
    assert swept.success
    assert len(swept) == 50
    assert sum(result.iterations for result in swept) <= sum(result.iterations for result in cold) / 3
    np.testing.assert_allclose(swept.to_dict()["objective"], [result.objective for result in cold], atol=1e-6)
    assert swept[x].shape == (50, 4)
    assert swept[price].tolist() == prices.tolist()
    assert list(swept.table[0])[:6] == ["price", "status", "success", "objective", "iterations", "seconds"]
    assert "x[3]" in swept.table[0]
    assert "y[1]" in swept.table[0]
    again = fx.sweep(p, {"price": prices})
    assert [result.x.tobytes() for result in again] == [result.x.tobytes() for result in swept]


def test_a_sweep_goes_on_behind_points_without_a_solution():
    p = fx.Problem()
    need = p.parameters((), value=0.0, name="need")
    x = p.variables(2, lower=0.0, upper=1.0)
    p.minimize((x**2).sum())
    p.subject_to(x.sum(), lower=need)
    swept = fx.sweep(p, {need: [0.5, 1.5, 2.5, 1.0]})
    assert [result.success for result in swept] == [True, True, False, True]
    assert not swept.success
    assert swept.table[2]["status"] == "infeasible"
    assert swept[x][3] == pytest.approx([0.5, 0.5], abs=1e-6)


def test_sweeps_of_several_parameters_and_pictures():
    pytest.importorskip("matplotlib").use("agg")
    p = fx.Problem()
    a, b = p.parameters(2, value=0.0, name="a"), p.parameters((), value=1.0, name="b")
    x = p.variables(2, lower=0.0)
    p.minimize(((x - a) ** 2).sum() + b * x.sum())
    swept = fx.sweep(p, {a: [[1.0, 2.0], [2.0, 3.0]], b: [0.5, 1.0]})
    np.testing.assert_allclose(swept[x], [[0.75, 1.75], [1.5, 2.5]], atol=1e-6)
    assert {"a[0]", "a[1]", "b"} <= set(swept.table[0])
    assert len(swept.plot(x="b", y=[x, "objective"]).axes) == 1
    with pytest.raises(KeyError, match="no column 'c'"):
        swept.plot(x="c")
    seen = []
    assert len(fx.sweep(p, {b: [0.1, 0.2, 0.3]}, progress=lambda k, result: seen.append(k) or k < 1)) == 2


def test_errors_of_sweeps():
    p = fx.Problem()
    a, b = p.parameters((), value=0.0, name="a"), p.parameters((), value=1.0, name="b")
    x = p.variables(2)
    p.minimize(((x - a * b) ** 2).sum())
    with pytest.raises(ShapeError, match="as many values: got 2 for 'a', 3 for 'b'"):
        fx.sweep(p, {a: [1, 2], b: [1, 2, 3]})
    with pytest.raises(ShapeError, match="needs a sequence of values"):
        fx.sweep(p, {a: 1.0})
    with pytest.raises(ShapeError, match="needs a sequence of values"):
        fx.sweep(p, {a: []})
    with pytest.raises(ValueError, match="'a' contains NaN"):
        fx.sweep(p, {a: [1.0, np.nan]})
    with pytest.raises(NotFoundError, match="there is no parameter 'c'"):
        fx.sweep(p, {"c": [1.0]})
    with pytest.raises(TypeError, match="must be a dict"):
        fx.sweep(p, [1.0])


def test_kinked_problems_are_swept():
    net = make_network(activation=lambda v: np.maximum(v, 0.0))
    p = fx.Problem()
    price = p.parameters((), value=1.0, name="price")
    x = p.variables(4, lower=-1.0, upper=1.0)
    y = p.network(net, x)
    p.minimize(price * y[0] + 0.2 * (x**2).sum())
    values = np.linspace(0.1, 2.0, 12)
    swept = fx.sweep(p, {price: values})
    n_cold = 0
    for value, result in zip(values, swept, strict=True):
        assert result.success
        cold = p.solve(parameters={price: value})
        assert result.objective <= cold.objective + 1e-6
        n_cold += cold.iterations
    assert any(result.kinks for result in swept)
    assert sum(result.iterations for result in swept) < n_cold / 3


# ---- control ----------------------------------------------------------------------------------------


def test_a_shifted_start_is_the_plan_one_stage_later():
    random = np.random.default_rng(5)
    step = fx.Function(v := fx.variables(3), v[:2] + 0.2 * np.tanh(random.normal(size=(2, 3)) @ v))
    p = fx.Problem()
    state = p.parameters(2, value=[1.0, -1.0], name="state")
    u = p.variables((8, 1), lower=-1.0, upper=1.0, start=0.0, name="u")
    x, limits = [state], []
    for k in range(8):
        x.append(p.network(step, np.concatenate([x[k], u[k]]), name=f"x{k + 1}"))
        limits.append(p.subject_to(x[-1][0], upper=3.0))
    p.minimize(sum((z**2).sum() for z in x[1:]) + 0.01 * (u**2).sum())
    result = p.solve()
    start = result.shifted(u, x[1:], limits)
    np.testing.assert_allclose(start[u][:-1], result[u][1:])
    np.testing.assert_allclose(start[u][-1], result[u][-1])
    np.testing.assert_allclose(start[x[1]], result[x[2]])
    np.testing.assert_allclose(start[x[8]], result[x[8]])
    rows = [result.duals._rows(y) for y in (x[1], x[2])]
    np.testing.assert_allclose(start.multipliers.constraints[rows[0]], result.multipliers.constraints[rows[1]])
    now = {state: step(np.concatenate([[1.0, -1.0], result[u][0]]))}
    warm, cold = p.solve(parameters=now, start=start), p.solve(parameters=now)
    assert warm.success
    assert warm.iterations < cold.iterations
    np.testing.assert_allclose(warm.x, cold.x, atol=1e-5)
    with pytest.raises(ShapeError, match="must have one shape"):
        result.shifted([x[1], u])
    with pytest.raises(GraphError):
        result.shifted(2.0 * u)
    with pytest.raises(KeyError):
        result.shifted(["limit"])
