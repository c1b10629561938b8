"""Certified minima: right where the answer is known, and honest about the gap where the search ends early."""

from __future__ import annotations

import itertools
import signal
import threading

import numpy as np
import pytest
from boxed_networks import lattice, mlp
from operator_table import Nodes
from scipy.optimize import LinearConstraint, minimize

import fastexpr as fx
from fastexpr import errors


def assert_bracket(result: fx.bounds.minimum.GlobalMinimum, lowest: float, tol: float) -> None:
    assert result.success, result
    assert result.status == "optimal"
    assert result.objective_bound <= result.objective
    assert result.gap <= tol
    assert result.objective <= lowest + tol * max(1.0, abs(lowest))
    assert result.objective_bound <= lowest


@pytest.mark.parametrize("activation", ["Relu", "Tanh", "Sigmoid", "Softplus", "Gelu", "LeakyRelu", "Elu"])
@pytest.mark.parametrize("n", [1, 2, 3])
def test_minimum_is_below_all_samples(activation: str, n: int) -> None:
    generator = np.random.default_rng(n)
    nodes = Nodes(n)
    node = 0
    attributes = {"LeakyRelu": {"alpha": 0.1}, "Elu": {"alpha": 1.0}}.get(activation, {})
    for a, b in ((n, 12), (12, 12)):
        weights = [2 * generator.normal(size=(b, a)) / np.sqrt(a), generator.normal(size=b)]
        node = nodes.add(activation, nodes.add("Linear", node, axis=0, transposed=0, constants=weights), **attributes)
    function = nodes.function(
        nodes.add("Linear", node, axis=0, transposed=0, constants=[generator.normal(size=(1, 12))])
    )
    lower, upper = np.full(n, -2.0), np.full(n, 2.0)
    values = function(lattice(lower, upper, (4001, 151, 31)[n - 1]))
    low = fx.global_minimum(function, lower, upper, tol=1e-5)
    assert_bracket(low, float(values.min()), 1e-5)
    assert function(low.x)[0] == low.objective
    high = fx.global_minimum(function, lower, upper, tol=1e-5, maximize=True)
    assert high.success
    assert high.objective >= values.max() - 1e-5 * max(1, abs(values.max()))
    assert high.objective <= high.objective_bound
    assert high.objective_bound - high.objective <= 1e-5 * max(1, abs(high.objective))


def test_known_minimum_of_algebra() -> None:
    x = fx.variables(2)
    himmelblau = (x[0] ** 2 + x[1] - 11) ** 2 + (x[0] + x[1] ** 2 - 7) ** 2
    result = fx.global_minimum(fx.Function(x, himmelblau), -5.0, 5.0)
    assert_bracket(result, 0.0, 1e-6)
    camel = (4 - 2.1 * x[0] ** 2 + x[0] ** 4 / 3) * x[0] ** 2 + x[0] * x[1] + (-4 + 4 * x[1] ** 2) * x[1] ** 2
    result = fx.global_minimum(fx.Function(x, camel), [-3.0, -2.0], [3.0, 2.0], tol=1e-4)
    assert_bracket(result, -1.0316284535, 1e-4)


def test_objective_bound_keeps_what_was_discarded() -> None:
    """Boxes are dropped as soon as they cannot improve by more than tol: the bound remembers them."""
    function = mlp([2, 20, 20, 1])
    exact = fx.global_minimum(function, -1.0, 1.0, tol=1e-9)
    for tol in (0.5, 0.1, 1e-2):
        loose = fx.global_minimum(function, -1.0, 1.0, tol=tol)
        assert loose.objective_bound <= exact.objective + 1e-12
        assert loose.gap <= tol
        assert loose.n_boxes <= exact.n_boxes


def test_none_is_nothing() -> None:
    function = mlp([2, 5, 1])
    bare = fx.global_minimum(function, -1.0, 1.0)
    assert (
        fx.global_minimum(function, -1.0, 1.0, constraints=None, integer=None, one_of=None).x.tolist()
        == bare.x.tolist()
    )


def test_a_point_as_the_box() -> None:
    function = mlp([2, 5, 1])
    result = fx.global_minimum(function, [0.3, 0.4], [0.3, 0.4])
    assert result.success
    assert result.x.tolist() == [0.3, 0.4]


def test_weights_choose_the_combination() -> None:
    function = mlp([2, 15, 15, 3], "Tanh")
    weights = np.array([1.0, -2.0, 0.5])
    result = fx.global_minimum(function, -1.0, 1.0, weights=weights, tol=1e-5)
    assert_bracket(result, float((function(lattice(np.full(2, -1.0), np.full(2, 1.0), 101)) @ weights).min()), 1e-5)
    with pytest.raises(errors.ShapeError, match="weights are missing: this network has 3 outputs"):
        fx.global_minimum(function, -1.0, 1.0)


def test_linear_constraints_hold_and_are_certified() -> None:
    function = mlp([3, 15, 15, 1])
    X = lattice(np.full(3, -1.0), np.full(3, 1.0), 41)
    constraint = LinearConstraint([[1.0, 1.0, 0.0], [0.0, 1.0, -1.0]], [-np.inf, 0.1], [0.3, 0.6])
    rows = X @ constraint.A.T
    inside = ((rows <= constraint.ub + 1e-9) & (rows >= constraint.lb - 1e-9)).all(axis=1)
    result = fx.global_minimum(function, -1.0, 1.0, constraints=constraint, tol=1e-5)
    assert_bracket(result, float(function(X[inside]).min()), 1e-5)
    assert np.all(constraint.A @ result.x <= constraint.ub + 2e-6)
    assert np.all(constraint.A @ result.x >= constraint.lb - 2e-6)


def test_equalities_are_constraints_too() -> None:
    x = fx.variables(2)
    function = fx.Function(x, (x[0] - 0.3) ** 2 + (x[1] + 0.1) ** 2)
    result = fx.global_minimum(function, -1.0, 1.0, constraints=[LinearConstraint([[1.0, 1.0]], 1.0, 1.0)])
    assert_bracket(result, 0.32, 1e-5)
    assert result.x == pytest.approx([0.7, 0.3], abs=1e-3)


def test_limits_on_outputs() -> None:
    function = mlp([2, 20, 20, 3], "Tanh", seed=3)
    X = lattice(np.full(2, -1.0), np.full(2, 1.0), 301)
    Y = function(X)
    low, high = np.quantile(Y[:, 1], 0.3), np.quantile(Y[:, 2], 0.6)
    inside = (Y[:, 1] >= low) & (Y[:, 2] <= high)
    for limits in (
        {"output_lower": [None, low, None], "output_upper": [np.nan, np.inf, high]},
        {"output_lower": {function.output_names[1]: low}, "output_upper": {function.output_names[2]: high}},
    ):
        result = fx.global_minimum(function, -1.0, 1.0, weights=[1.0, 0.0, 0.0], tol=1e-5, **limits)
        assert_bracket(result, float(Y[inside, 0].min()), 1e-5)
        y = function(result.x)
        assert y[1] >= low - 1e-6 * max(1, abs(low))
        assert y[2] <= high + 1e-6 * max(1, abs(high))


def test_limits_that_no_point_satisfies_are_proven_infeasible() -> None:
    function = mlp([2, 20, 20, 2], "Tanh")
    Y = function(lattice(np.full(2, -1.0), np.full(2, 1.0), 101))
    result = fx.global_minimum(
        function, -1.0, 1.0, weights=[1.0, 0.0], output_lower={function.output_names[1]: Y[:, 1].max() + 0.1}
    )
    assert result.status == "infeasible"
    assert not result.success
    assert result.objective is None
    assert result.x is None
    assert result.gap == np.inf
    assert "proved" in result.message
    rows = [LinearConstraint([[1.0, 0.0]], 0.5, np.inf), LinearConstraint([[1.0, 0.0]], -np.inf, 0.4)]
    assert fx.global_minimum(function, -1.0, 1.0, weights=[1.0, 0.0], constraints=rows).status == "infeasible"


@pytest.mark.parametrize("unit", [1e-9, 1e-3, 1.0])
def test_limits_hold_whatever_the_units(unit: float) -> None:
    """Of outputs and of rows: 1e-6 of nanometres in metres would be no limit at all."""
    x = fx.variables(2)
    net = mlp([2, 12, 12, 2], "Tanh", seed=4)
    y = net(x / unit)
    function = fx.Function(x, fx.Function(x, y)(x) * np.array([1.0, unit]))
    X = lattice(np.full(2, -1.0), np.full(2, 1.0), 201)
    Y = net(X)
    limit = float(np.quantile(Y[:, 1], 0.3))
    row = LinearConstraint([[1.0, 1.0]], -np.inf, 0.3 * unit)
    result = fx.global_minimum(
        function, -unit, unit, weights=[1, 0], output_upper=[None, limit * unit], constraints=row, tol=1e-4
    )
    assert result.status == "optimal"
    assert net(result.x / unit)[1] <= limit + 1e-5
    assert result.x.sum() <= (0.3 + 1e-5) * unit
    best = Y[(Y[:, 1] <= limit) & (X.sum(axis=1) <= 0.3), 0].min()
    assert result.objective <= best + 1e-4 * max(1, abs(best))
    assert result.objective >= best - 0.05


@pytest.mark.parametrize("seed", [1, 6, 8])
def test_no_start_of_another_solver_ends_lower(seed: int) -> None:
    """With its tolerance of limits, and where the search's own is loose."""
    generator = np.random.default_rng(seed)
    n = 2 + seed % 3
    net = mlp([n, 20, 20, 3], "Tanh", seed=seed)
    limits = np.quantile(net(generator.uniform(-1, 1, (2000, n)))[:, 1:], 0.4, axis=0)
    result = fx.global_minimum(net, -1.0, 1.0, weights=[1, 0, 0], output_upper=[None, *limits], tol=1e-3)
    assert np.all(net(result.x)[1:] <= limits + 1e-6)
    row = {
        "type": "ineq",
        "fun": lambda x: limits - net(x)[1:],
        "jac": lambda x: -net.jacobian(x)[1:],
    }
    for start in generator.uniform(-1, 1, (10, n)):
        found = minimize(
            lambda x: net(x)[0],
            start,
            jac=lambda x: net.jacobian(x)[0],
            bounds=[(-1, 1)] * n,
            constraints=row,
            method="SLSQP",
        )
        if np.all(net(found.x)[1:] <= limits + 0.99e-6):
            assert result.objective <= found.fun + 1e-9


def test_integer_inputs_and_groups() -> None:
    function = mlp([5, 20, 20, 1], seed=5)
    grid = np.array([
        [a, *group, b]
        for a in range(-2, 3)
        for group in np.eye(3)
        for b in np.linspace(-1, 1, 2001)
    ])  # fmt: skip
    result = fx.global_minimum(
        function, [-2.4, -1, -1, 0, -1], [2.7, 1, 1, 2, 1], integer=[0], one_of=[[1, "x[2]", 3]], tol=1e-6
    )
    assert_bracket(result, float(function(grid).min()), 1e-5)
    assert result.x[0] == round(result.x[0])
    assert sorted(result.x[1:4]) == [0.0, 0.0, 1.0]


def test_all_integer() -> None:
    x = fx.variables(3)
    function = fx.Function(x, ((x - [0.4, 2.6, -1.2]) ** 2).sum() + 0.3 * x[0] * x[1])
    result = fx.global_minimum(function, -4.0, 4.0, integer=True)
    values = function(lattice(np.full(3, -4.0), np.full(3, 4.0), 9))
    assert_bracket(result, float(values.min()), 1e-6)
    assert result.objective == pytest.approx(values.min(), abs=1e-12)


def test_boxes_that_rows_cut_to_a_point_are_bounded_again() -> None:
    """x[1] = 2 leaves x[0] <= -0.5, the lower end of half of the boxes."""
    net = mlp([2, 20, 3], "Tanh", seed=0)
    row = LinearConstraint([[1.0, 1.0]], -np.inf, 1.5)
    X = np.array([[a, b] for a in np.linspace(-1, 1, 4001) for b in range(4) if a + b <= 1.5])
    for sign in (False, True):
        result = fx.global_minimum(
            net, [-1.0, 0.0], [1.0, 3.0], weights=[1, 0, 0], maximize=sign, constraints=row, integer=[1], tol=1e-5
        )
        values = net(X)[:, 0]
        assert result.status == "optimal"
        assert result.objective == pytest.approx(values.max() if sign else values.min(), abs=1e-4)
    x = fx.variables(2)
    square = fx.Function(x, ((x - 2.0) ** 2).sum())
    for limit in (0.0, 0.5, -1.0):  # a corner of the box is feasible, one point, half of it
        result = fx.global_minimum(
            square, -1.0, 1.0, constraints=LinearConstraint([[-1.0, -1.0]], -np.inf, -1.5 - limit)
        )
        assert result.status == "optimal"


def trees(n_trees: int = 20, seed: int = 0) -> fx.Function:
    from sklearn.ensemble import RandomForestRegressor

    generator = np.random.default_rng(seed)
    X = generator.uniform(-1, 1, (300, 2))
    forest = RandomForestRegressor(n_trees, max_depth=4, random_state=0).fit(X, np.sin(3 * X[:, 0]) * X[:, 1])
    return fx.from_sklearn(forest)


def test_trees_are_certified_exactly() -> None:
    forest = trees()
    result = fx.global_minimum(forest, -1.0, 1.0)
    assert_bracket(result, float(forest(lattice(np.full(2, -1.0), np.full(2, 1.0), 401)).min()), 1e-6)
    assert result.gap <= 1e-9


def test_trees_behind_a_scaler_and_beside_a_network() -> None:
    forest, network = trees(6).scaled(input_offset=0.1, input_factor=1.7), mlp([2, 10, 10, 1], "Tanh")
    x = fx.variables(2)
    mixed = fx.Function(x, forest(x) + 0.3 * network(x))
    result = fx.global_minimum(mixed, -0.5, 0.5, tol=1e-4)
    assert_bracket(result, float(mixed(lattice(np.full(2, -0.5), np.full(2, 0.5), 401)).min()), 1e-4)


def test_steps_between_doubles() -> None:
    x = fx.variables(1)
    step = fx.Function(x, x[0] + np.ceil(0.3 - x[0]))  # jumps down where x passes 0.3
    result = fx.global_minimum(step, 0.0, 1.0)
    assert result.success
    assert result.objective == pytest.approx(0.3, abs=1e-6)  # at 0.3, where the ceiling is 0


def test_range_of_the_network_is_the_box() -> None:
    function = mlp([2, 10, 1]).with_bounds(-0.5, 0.5)
    assert fx.global_minimum(function).objective == fx.global_minimum(function, -0.5, 0.5).objective


def test_infinite_bounds_are_named() -> None:
    function = mlp([3, 10, 1])
    with pytest.raises(ValueError, match=r"finite bounds: got 'x\[1\]' \[-1, inf\].*lower= and upper="):
        fx.global_minimum(function, -1.0, [1.0, np.inf, 1.0])
    with pytest.raises(ValueError, match=r"finite bounds: got 'x\[2\]' \[-1.7e\+308, 1.7e\+308\]"):
        fx.global_minimum(function, [-1.0, -1.0, -1.7e308], [1.0, 1.0, 1.7e308])


def test_operators_without_bounds_are_named() -> None:
    x = fx.variables(2)
    function = fx.Function(x, np.log(x[0]) + x[1])
    with pytest.raises(errors.EvaluationError, match=r"\[Log 'Log_\d+'\] has no bounds"):
        fx.global_minimum(function, -1.0, 1.0)
    assert fx.global_minimum(function, [0.1, -1.0], 1.0).success


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"tol": 0.0}, ValueError, "tol: got 0.0, expected a positive number"),
        ({"tol": np.nan}, ValueError, "tol"),
        ({"tol": True}, ValueError, "tol: got True"),
        ({"tol": "1e-3"}, ValueError, "tol: got '1e-3', expected a positive number"),
        ({"time_limit": -1.0}, ValueError, "time_limit"),
        ({"time_limit": "3"}, ValueError, r"time_limit: got '3', expected seconds, or None"),
        ({"time_limit": np.nan}, ValueError, "time_limit"),
        ({"weights": [1.0, 2.0, 3.0]}, errors.ShapeError, "weights: got 3 numbers, expected 2"),
        ({"weights": [1.0, np.inf]}, ValueError, "finite"),
        ({"constraints": lambda x: x}, TypeError, "expected scipy.optimize.LinearConstraint"),
        ({"constraints": LinearConstraint(np.eye(2), 0, 1)}, errors.ShapeError, "got 2 columns, expected 3"),
        ({"integer": ["T"]}, errors.NotFoundError, "integer: got 'T'"),
        ({"integer": [7]}, errors.NotFoundError, "integer: got 7"),
        ({"one_of": [[0, 1], [1, 2]]}, ValueError, "one_of"),
        ({"one_of": ["x[0]", "x[1]"]}, ValueError, r"one_of: got \['x\[0\]', 'x\[1\]'\], expected groups of inputs"),
        ({"one_of": [0, 1]}, ValueError, "expected groups of inputs"),
        ({"one_of": "x[0]"}, ValueError, "expected groups of inputs"),
        ({"output_lower": 1.0, "output_upper": 0.0}, ValueError, "within its limits"),
        ({"output_upper": {"z": 1.0}}, errors.NotFoundError, "output_upper: got 'z'"),
        ({"output_upper": [1.0, 2.0, 3.0]}, errors.ShapeError, "output_upper"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_input_is_refused(arguments: dict[str, object], error: type[Exception], message: str) -> None:
    function = mlp([3, 5, 2])
    with pytest.raises(error, match=message):
        fx.global_minimum(function, -1.0, 1.0, **{"weights": [1.0, 0.0], **arguments})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"at_least": "a"}, r"\[verify\] at_least: got 'a', expected a finite number"),
        ({"at_least": np.inf}, "at_least"),
        ({"time_limit": -1}, r"\[verify\] time_limit: got -1, expected seconds"),
        ({"time_limit": np.nan}, "time_limit"),
    ],
)
def test_claims_are_checked(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fx.verify(mlp([2, 5, 1]), -1.0, 1.0, **arguments)
    with pytest.raises(TypeError, match=r"net: got function, expected a fastexpr\.Function"):
        fx.verify(lambda x: x, -1.0, 1.0)


def test_what_refutes_is_seen_by_the_caller() -> None:
    """At its own minimum a claim holds or does not: never by a value that only a batch of points has."""
    for seed in range(20):
        function = mlp([2, 7, 7, 1], "Tanh", seed=seed)
        lowest = fx.global_minimum(function, -1.0, 1.0, tol=1e-4).objective
        found = fx.verify(function, -1.0, 1.0, at_least=lowest, time_limit=0.2)
        assert found.status != "refuted" or function(found.x)[0] < lowest
        assert found.x is None or found.objective == function(found.x)[0]


@pytest.mark.parametrize("half", [1e30, 1e155, 1e300])
def test_numbers_that_overflow_warn_nobody(half: float) -> None:
    x = fx.variables(2)
    function = fx.Function(x, np.tanh(x[0]) + np.maximum(x[1], -2.0) * np.array([1.0]))
    result = fx.global_minimum(function, -half, half, time_limit=1.0)
    assert result.objective_bound <= -3.0 <= result.objective + 1e-9
    outputs = fx.Function(x, [x[0], np.exp(x[0] * 1e3), x[1] ** 2])
    limited = fx.global_minimum(
        outputs, -half, half, weights=[1, 0, 0], output_lower=[None, 1.0, None], output_upper=[None, None, 1.0],
        constraints=LinearConstraint([[1.0, 1.0]], -np.inf, half), time_limit=0.5,
    )  # fmt: skip
    assert limited.objective_bound <= 0.0


def test_whole_numbers_need_room() -> None:
    with pytest.raises(ValueError, match=r"no whole number lies within the bounds of input 'x\[0\]'"):
        fx.global_minimum(mlp([2, 5, 1]), [0.2, -1.0], [0.8, 1.0], integer=[0])


def hard() -> fx.Function:
    return mlp([8, 40, 40, 40, 1], "Tanh", seed=11)


def test_time_limit_gives_the_bracket() -> None:
    result = fx.global_minimum(hard(), -2.0, 2.0, time_limit=0.3)
    assert result.status == "time_limit"
    assert not result.success
    assert result.objective_bound < result.objective
    assert result.gap == pytest.approx((result.objective - result.objective_bound) / max(1, abs(result.objective)))
    samples = hard()(np.random.default_rng(0).uniform(-2, 2, (20000, 8)))
    assert result.objective_bound <= samples.min()
    assert fx.global_minimum(hard(), -2.0, 2.0, time_limit=0.0).status == "time_limit"


def test_interruption_gives_the_bracket() -> None:
    timer = threading.Timer(0.4, lambda: signal.raise_signal(signal.SIGINT))
    timer.start()
    result = fx.global_minimum(hard(), -2.0, 2.0, time_limit=60.0)
    timer.join()
    assert result.status == "interrupted"
    assert result.objective_bound < result.objective


def test_progress_lines() -> None:
    brackets: list[fx.bounds.minimum.Bracket] = []
    result = fx.global_minimum(mlp([3, 20, 20, 1]), -1.0, 1.0, progress=brackets.append)
    assert len(brackets) > 1
    assert all(later.objective_bound >= earlier.objective_bound for earlier, later in itertools.pairwise(brackets))
    assert all(later.objective <= earlier.objective for earlier, later in itertools.pairwise(brackets))
    assert brackets[-1].n_boxes == result.n_boxes
    assert "boxes" in str(brackets[-1])


def test_progress_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    fx.global_minimum(mlp([2, 5, 1]), -1.0, 1.0, progress=True)
    captured = capsys.readouterr()
    assert "bound" in captured.err
    assert captured.out == ""


def test_many_inputs_get_a_warning() -> None:
    function = mlp([20, 30, 30, 1], "Tanh", seed=2)
    with pytest.warns(errors.SearchWarning, match=r"20 inputs: .* boxes a second"):
        fx.global_minimum(function, -3.0, 3.0, time_limit=2.0)


def test_the_same_search_whatever_the_threads() -> None:
    function = mlp([4, 20, 20, 1])
    threads = fx.num_threads()
    results = []
    for count in (1, 3, 1):
        fx.set_num_threads(count)
        results.append(fx.global_minimum(function, -1.0, 1.0))
    fx.set_num_threads(threads)
    assert len({(r.objective, r.objective_bound, r.n_boxes, tuple(r.x)) for r in results}) == 1


def test_verification() -> None:
    function = mlp([3, 20, 20, 2], "Tanh")
    weights = [1.0, -1.0]
    lowest = fx.global_minimum(function, -1.0, 1.0, weights=weights).objective
    proved = fx.verify(function, -1.0, 1.0, weights, at_least=lowest - 1e-3)
    assert proved.status == "proved"
    assert proved
    assert proved.objective_bound >= lowest - 1e-3
    refuted = fx.verify(function, -1.0, 1.0, weights, at_least=lowest + 1e-3)
    assert refuted.status == "refuted"
    assert not refuted
    assert function(refuted.x) @ weights < lowest + 1e-3
    undecided = fx.verify(
        hard(), -2.0, 2.0, at_least=fx.global_minimum(hard(), -2, 2, time_limit=0.5).objective - 0.01, time_limit=0.2
    )
    assert undecided.status == "undecided"
    assert undecided.objective_bound < undecided.objective
    with pytest.raises(ValueError, match="at_least"):
        fx.verify(function, -1.0, 1.0, weights, at_least=np.nan)


def test_ties_are_proved() -> None:
    """The claim holds with equality, at a vertex where two planes meet."""
    x = fx.variables(2)
    function = fx.Function(x, np.abs(x[0]) + np.abs(x[1]))
    assert fx.verify(function, -1.0, 1.0, at_least=-1e-9)
    assert fx.verify(function, -1.0, 1.0, at_least=1e-9).status == "refuted"
    plateau = fx.Function(x, 0.0 * x[0] + 0.1)  # equal everywhere: rounding leaves it open, and the search ends
    assert fx.verify(plateau, -1.0, 1.0, at_least=0.1).status in ("proved", "undecided")
    flat = fx.Function(x, 0.0 * mlp([2, 10, 10, 1])(x) + 1 / 3)
    assert fx.verify(flat, -1.0, 1.0, at_least=1 / 3).status in ("proved", "undecided")
