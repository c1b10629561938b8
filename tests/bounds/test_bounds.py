"""Bounds over boxes: nothing that is sampled lies outside, in no box, of no operator, by no method."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from boxed_networks import mlp
from operator_table import ROWS, Nodes, Row
from soundness import KINDS, METHODS, Case, Samples, cases, check, outside, random_boxes

import fastexpr as fx
from fastexpr import errors


def assert_encloses(function: fx.Function, lower: np.ndarray, upper: np.ndarray, method: str, samples: int) -> None:
    assert outside(function, lower, upper, Samples(function.n_inputs, samples, 1), (method,)) == []


@pytest.mark.parametrize("case", list(cases(KINDS)), ids=lambda case: case.name)
def test_no_sample_is_outside(case: Case) -> None:
    """The short version of soundness.py; of what stands behind a matrix, arguments depend on each other."""
    assert check(case, *((12, 100) if case.name.startswith("graph ") else (100, 400)), seed=2) == []


@pytest.mark.parametrize("change", ["lower", "upper", "nan"])
def test_samples_find_bounds_that_are_too_narrow(change: str) -> None:
    class Narrow:
        n_inputs = 1
        output_bounds = staticmethod(lambda lower, upper, method: (
            np.exp(lower) * (1 + 1e-14 * (change == "lower")), np.exp(upper) * (1 - 1e-14 * (change == "upper"))
        ))  # fmt: skip

        def __call__(self, x: np.ndarray) -> np.ndarray:
            return np.where((x > 0.7) & (change == "nan"), np.nan, np.exp(x))

    lower, upper = np.zeros((5, 1)), np.ones((5, 1))
    assert len(outside(Narrow(), lower, upper, Samples(1, 1000, 0), ("linear",))) == 5


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_lines_are_never_looser_than_intervals(row: Row) -> None:
    function = row.function(np.random.default_rng(5).normal(size=(row.n, row.n)))
    lower, upper = random_boxes(row.between, row.n, 30, 6)
    low, high = function.output_bounds(lower, upper, "linear")
    loose_low, loose_high = function.output_bounds(lower, upper, "interval")
    slack = 1e-9 * (1 + np.abs(loose_high - loose_low)) + 1e-6 * (np.abs(loose_low) + np.abs(loose_high))  # near poles
    assert np.all((low >= loose_low - slack) | np.isinf(loose_low))
    assert np.all((high <= loose_high + slack) | np.isinf(loose_high))


def test_first_layer_encloses_in_exact_arithmetic() -> None:
    """Fractions: the true range of W x + b, of which no double is rounded."""
    generator = np.random.default_rng(7)
    for scale in (1.0, 1e-8, 1e8):
        W = generator.normal(size=(6, 40)) * scale ** generator.uniform(-1, 1, size=(6, 40))
        b = generator.normal(size=6)
        nodes = Nodes(40)
        function = nodes.function(nodes.add("Linear", 0, axis=0, transposed=0, constants=[W, b]))
        lower = generator.normal(size=40)
        upper = lower + generator.uniform(0, 1, size=40)
        for method in METHODS:
            low, high = function.output_bounds(lower, upper, method)
            for i in range(6):
                ends = [sorted((Fraction(w) * Fraction(p), Fraction(w) * Fraction(q)))
                        for w, p, q in zip(W[i].tolist(), lower.tolist(), upper.tolist(), strict=True)]  # fmt: skip
                assert Fraction(low[i]) <= Fraction(float(b[i])) + sum(end[0] for end in ends)
                assert Fraction(high[i]) >= Fraction(float(b[i])) + sum(end[1] for end in ends)


def test_products_that_underflow_are_not_taken_for_zero() -> None:
    """What is exactly 0 stays so, whatever boxes are beside; 1e-400 does not."""
    nodes = Nodes(2)
    W = np.array([[1e-200, 0.0], [0.0, 1.0], [1e-200, 1e-200], [0.0, 0.0]])
    function = nodes.function(nodes.add("Relu", nodes.add("Linear", 0, axis=0, transposed=0, constants=[W])))
    low, high = function.output_bounds([[1e-200, 0.0], [0.0, 0.0]], [[2e-200, 0.0], [0.0, 0.0]], "linear")
    assert np.all(high[0, [0, 2]] > 0)
    assert np.all(low[0] <= 0)
    assert np.all(high[0, [1, 3]] == 0)
    assert np.all(low[1] == 0)
    assert np.all(high[1] == 0)


def test_one_infinite_box_leaves_the_others_alone() -> None:
    function = mlp([3, 10, 1])
    lower, upper = np.full((40, 3), -0.5), np.full((40, 3), 0.5)
    low, high = function.output_bounds(lower, upper, "linear")
    upper[7, 1] = np.inf
    low_beside, high_beside = function.output_bounds(lower, upper, "linear")
    others = np.arange(40) != 7
    np.testing.assert_allclose(low_beside[others], low[others], rtol=1e-12)
    np.testing.assert_allclose(high_beside[others], high[others], rtol=1e-12)
    assert np.isinf(low_beside[7]) or np.isinf(high_beside[7])


def test_second_layer_encloses_in_exact_arithmetic() -> None:
    """A point as the box: the exact value of two layers, with cancellation, lies inside."""
    generator = np.random.default_rng(8)
    for _ in range(20):
        W, V = generator.normal(size=(30, 5)) * 1e6, generator.normal(size=(1, 30))
        nodes = Nodes(5)
        hidden = nodes.add("Relu", nodes.add("Linear", 0, axis=0, transposed=0, constants=[W]))
        function = nodes.function(nodes.add("Linear", hidden, axis=0, transposed=0, constants=[V]))
        x = generator.normal(size=5)
        low, high = function.output_bounds(x, x, "linear")
        exact = Fraction(0)
        for row, v in zip(W.tolist(), V[0].tolist(), strict=True):
            u = sum((Fraction(w) * Fraction(p) for w, p in zip(row, x.tolist(), strict=True)), Fraction(0))
            exact += Fraction(v) * max(u, Fraction(0))
        assert Fraction(low[0]) <= exact <= Fraction(high[0])
        assert high[0] - low[0] <= 1e-10 * 1e6


def test_lines_are_much_tighter_than_intervals() -> None:
    function = mlp([4, 30, 30, 1])
    lower, upper = np.full(4, -0.1), np.full(4, 0.1)
    widths = [float(np.subtract(*reversed(function.output_bounds(lower, upper, method)))[0]) for method in METHODS]
    assert widths[1] < 0.4 * widths[0]


@pytest.mark.parametrize("activation", ["Relu", "Tanh", "Sigmoid", "Softplus", "Gelu"])
def test_bounds_close_as_boxes_shrink(activation: str) -> None:
    function = mlp([3, 20, 20, 2], activation)
    center = np.array([0.1, -0.2, 0.3])
    for radius in (1e-2, 1e-4, 1e-6):
        low, high = function.output_bounds(center - radius, center + radius, "linear")
        slope = np.abs(function.jacobian(center)).sum(axis=1).max()
        assert np.all(high - low <= 2.5 * radius * (slope + 1) + 1e-12)


def test_batches_are_boxes_one_by_one() -> None:
    function = mlp([3, 20, 20, 2], "Tanh")
    lower, upper = random_boxes((-1, 1), 3, 37, 9)
    for method in METHODS:
        low, high = function.output_bounds(lower, upper, method)
        for k in (0, 17, 36):
            one_low, one_high = function.output_bounds(lower[k], upper[k], method)
            assert one_low.shape == (2,)
            np.testing.assert_allclose(low[k], one_low, rtol=1e-11, atol=1e-11)
            np.testing.assert_allclose(high[k], one_high, rtol=1e-11, atol=1e-11)


def test_threads_change_nothing() -> None:
    function = mlp([3, 20, 20, 2], "Tanh")
    lower, upper = random_boxes((-1, 1), 3, 200, 9)
    threads = fx.num_threads()
    results = []
    for count in (1, 4):
        fx.set_num_threads(count)
        results.append(function.output_bounds(lower, upper, "linear"))
    fx.set_num_threads(threads)
    assert np.array_equal(results[0], results[1])


def test_layers_name_every_node_that_depends_on_x() -> None:
    nodes = Nodes(2)
    constant = nodes.constant([1.0, 2.0])
    shifted = nodes.add("Add", 0, constant)
    kinked = nodes.add("Relu", shifted)
    function = nodes.function(nodes.add("Mul", kinked, kinked))
    layers = function.bounds_by_layer([-3.0, -1.0], [1.0, 1.0])
    assert [(layer.index, layer.operator) for layer in layers] == [(2, "Add"), (3, "Relu"), (4, "Square")]
    assert layers[1].node == function._nodes()[2][2]
    assert [layer.undecided for layer in layers] == [0, 1, 0]
    np.testing.assert_allclose(layers[0].lower, [-2.0, 1.0], atol=1e-12)
    np.testing.assert_allclose(layers[0].upper, [2.0, 3.0], atol=1e-12)
    batch = function.bounds_by_layer([[-3.0, -1.0], [0.0, 0.0]], [[1.0, 1.0], [1.0, 1.0]])
    assert batch[1].undecided.tolist() == [1, 0]
    assert batch[1].lower.shape == (2, 2)


@pytest.mark.parametrize("method", METHODS)
def test_layers_enclose_what_nodes_do(method: str) -> None:
    function = mlp([3, 12, 12, 2], "Tanh")
    from fastexpr.function.kink import values_of_nodes

    lower, upper = np.full(3, -0.5), np.full(3, 0.7)
    layers = function.bounds_by_layer(lower, upper, method)
    values = values_of_nodes(function, [layer.index for layer in layers])(
        np.random.default_rng(0).uniform(lower, upper, (5000, 3))
    )
    low = np.concatenate([layer.lower for layer in layers])
    high = np.concatenate([layer.upper for layer in layers])
    assert np.all(values >= low)
    assert np.all(values <= high)


@pytest.mark.parametrize("operator", ["Softmax", "LogSoftmax"])
def test_softmax_of_dependent_arguments_is_tighter_than_intervals(operator: str) -> None:
    nodes = Nodes(1)
    scores = nodes.add("Linear", 0, axis=0, transposed=0, constants=[np.array([[1.0], [1.0], [0.5]])])
    function = nodes.function(nodes.add(operator, scores, axis=0, n_axes=1))
    loose, tight = (function.output_bounds(-0.5, 0.5, method) for method in METHODS)
    assert np.all((tight[1] - tight[0])[:2] < 0.9 * (loose[1] - loose[0])[:2])


def test_layer_normalization_keeps_lines() -> None:
    x = fx.variables(4)
    centered = x - x.sum() / 4
    f = fx.Function(x, (centered / np.sqrt((centered * centered).sum() / 4 + 1e-5))[0])
    center = np.array([1.0, -1.0, 0.5, 2.0])
    loose, tight = (f.output_bounds(center - 0.05, center + 0.05, method) for method in METHODS)
    assert tight[1] - tight[0] < 0.6 * (loose[1] - loose[0])


def test_infinite_boxes_fall_back_to_intervals() -> None:
    x = fx.variables(2)
    f = fx.Function(x, np.tanh(x[0]) + np.maximum(x[1], 0.0))
    low, high = f.output_bounds([-np.inf, -1.0], [np.inf, 2.0], "linear")
    assert low == pytest.approx(-1.0)
    assert high == pytest.approx(3.0)


def test_bad_boxes_are_refused() -> None:
    function = mlp([3, 5, 1])
    for lower, upper, expected in [
        ([0.0, 0, 0], [1.0, 1, -1], "lower must not be above upper: component 2"),
        ([np.nan, 0, 0], [1.0, 1, 1], "lower is not a number: component 0"),
    ]:
        with pytest.raises(ValueError, match=expected):
            function.output_bounds(lower, upper)
    with pytest.raises(ValueError, match="the network states no range"):
        function.output_bounds()
    with pytest.raises(errors.ShapeError, match="expected 3"):
        function.output_bounds([0.0, 1.0], 2.0)
    with pytest.raises(errors.ShapeError, match="different numbers of boxes: got 2 and 3"):
        function.output_bounds(np.zeros((2, 3)), np.ones((3, 3)))
    with pytest.raises(errors.ShapeError, match=r"expected \(3,\) or \(boxes, 3\)"):
        function.output_bounds(np.zeros((2, 4)), np.ones((2, 4)))
    with pytest.raises(ValueError, match="method: got 'crown', expected one of 'interval', 'linear', 'lp'"):
        function.output_bounds(0.0, 1.0, method="crown")


def test_long_chains_have_bounds_in_time() -> None:
    x = fx.variables(1)
    h = x
    for _ in range(300):
        h = np.tanh(h * 1.01)
    f = fx.Function(x, h)
    low, high = f.output_bounds(-1.0, 1.0)
    assert low < f([-1.0])
    assert f([1.0]) < high


def test_linear_programs_are_tighter_and_sound() -> None:
    generator = np.random.default_rng(4)
    function = mlp([4, 25, 25, 25, 2], seed=4)
    lower, upper = np.full(4, -1.0), np.full(4, 1.0)
    low, high = function.output_bounds(lower, upper, "lp")
    wide_low, wide_high = function.output_bounds(lower, upper, "linear")
    assert np.all(low >= wide_low)
    assert np.all(high <= wide_high)
    assert np.all(high - low < 0.9 * (wide_high - wide_low))
    values = function(generator.uniform(lower, upper, (50_000, 4)))
    assert np.all(values >= low)
    assert np.all(values <= high)
    layers, wide = (function.bounds_by_layer(lower, upper, method) for method in ("lp", "linear"))
    assert sum(layer.undecided for layer in layers) <= sum(layer.undecided for layer in wide)
    from fastexpr.function.kink import values_of_nodes

    nodes = values_of_nodes(function, [layer.index for layer in layers])(generator.uniform(lower, upper, (5000, 4)))
    assert np.all(nodes >= np.concatenate([layer.lower for layer in layers]))
    assert np.all(nodes <= np.concatenate([layer.upper for layer in layers]))


@pytest.mark.parametrize("operator", ["LeakyRelu", "Abs", "Tanh"])
def test_linear_programs_of_other_activations_and_batches(operator: str) -> None:
    generator = np.random.default_rng(6)
    attributes = {"alpha": 0.2} if operator == "LeakyRelu" else {}
    nodes = Nodes(3)
    node = 0
    for a, b in ((3, 10), (10, 10)):
        weights = [generator.normal(size=(b, a)), generator.normal(size=b)]
        node = nodes.add(operator, nodes.add("Linear", node, axis=0, transposed=0, constants=weights), **attributes)
    function = nodes.function(
        nodes.add("Linear", node, axis=0, transposed=0, constants=[generator.normal(size=(2, 10))])
    )
    lower, upper = random_boxes((-1.0, 1.0), 3, 3, 2)
    assert_encloses(function, lower, upper, "lp", 2000)
    low, high = function.output_bounds(lower, upper, "lp")
    wide_low, wide_high = function.output_bounds(lower, upper, "linear")
    assert np.all(low >= wide_low)
    assert np.all(high <= wide_high)


def test_the_dual_bound_holds_for_any_multipliers() -> None:
    """Whatever a solver returns, right or wrong: the bound is below the least value."""
    from fastexpr.bounds.linear_programs import Solver

    generator = np.random.default_rng(1)
    rows, lower, upper = generator.normal(size=(6, 4)), np.full(4, -1.0), np.full(4, 2.0)
    limits = np.full(6, 0.7)
    solver = Solver(rows, limits, lower, upper)
    inside = generator.uniform(lower, upper, (20_000, 4))
    inside = inside[(inside @ rows.T <= limits).all(axis=1)]
    for _ in range(50):
        c = generator.normal(size=4)
        least = (inside @ c).min()
        assert solver.safe(c, np.abs(generator.normal(size=6))) <= least
        best = solver.least(c)
        assert best <= least
        assert best >= solver.safe(c, np.zeros(6)) - 1e-12


def test_linear_programs_need_highs(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "highspy", None)
    with pytest.raises(errors.NotFoundError, match=r"fastexpr\[milp\]"):
        mlp([2, 3, 1]).output_bounds(-1.0, 1.0, "lp")


@pytest.mark.parametrize(
    ("operator", "attributes", "ends"),
    [
        ("HardSwish", {"alpha": 1 / 6, "beta": 0.5}, (-3.0, 3.0)),
        ("Elu", {"alpha": -1.5}, (0.0, 0.0)),
        ("Elu", {"alpha": 2.5}, (0.0, 0.0)),
        ("Clip", {"lower": -1.0, "upper": 2.0}, (-1.0, 2.0)),
        ("HardSigmoid", {"alpha": -0.5, "beta": 0.5}, (-1.0, 1.0)),
        ("Gelu", {}, (-np.sqrt(2), np.sqrt(2))),
        ("Swish", {"alpha": -1.5}, (-1.6, 1.6)),
        ("Sin", {}, (0.0, np.pi)),
        ("LeakyRelu", {"alpha": -0.7}, (0.0, 0.0)),
        ("LeakyRelu", {"alpha": 3.0}, (0.0, 0.0)),
    ],
)
def test_intervals_that_end_at_turns_and_kinks(
    operator: str, attributes: dict[str, float], ends: tuple[float, float]
) -> None:
    """Slopes at a kink are those of one side: what ends there must not be taken for rising, or convex."""
    nodes = Nodes(1)
    function = nodes.function(nodes.add(operator, 0, **attributes))
    others = [-9.0, -4.0, -2.9, -1.4, -0.5, 0.1, 0.9, 1.7, 3.1, 7.0]
    for end in ends:
        for other in others:
            lower, upper = np.array([min(end, other)]), np.array([max(end, other)])
            values = function(np.linspace(lower, upper, 2001))
            for method in METHODS:
                low, high = function.output_bounds(lower, upper, method)
                assert low[0] <= values.min() + 1e-15
                assert high[0] >= values.max() - 1e-15
            # Behind a copy with the opposite sign, lines are all that counts: f(x) - f(x) is 0.
            both = Nodes(1)
            wide = both.add("Linear", 0, axis=0, transposed=0, constants=[np.ones((2, 1))])
            shaped = both.add(operator, wide, **attributes)
            cancelled = both.function(
                both.add("Linear", shaped, axis=0, transposed=0, constants=[np.array([[1.0, -1.0]])])
            )
            low, high = cancelled.output_bounds(lower, upper, "linear")
            assert low[0] <= 0.0 <= high[0]
