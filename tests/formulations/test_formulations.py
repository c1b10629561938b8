"""Networks as algebra say what the networks say: fixed inputs leave one value for each output."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import formulated
import numpy as np
import pytest
import torch
from operator_table import ROWS, Row

import fastexpr as fx
from fastexpr.errors import FormulationError
from fastexpr.expression.node import apply
from fastexpr.expression.operands import constant
from fastexpr.formulations.building import Builder
from fastexpr.formulations.heads import without_head
from fastexpr.formulations.registry import known_emitters
from fastexpr.formulations.smooth import SMOOTH

#: Rows of the table whose operator has a linear formulation, and those that are affine.
LINEAR = {
    "Relu", "LeakyRelu", "PRelu", "Abs", "Clip", "HardSigmoid", "Max", "Min", "ReduceMax", "Hardmax", "TreeEnsemble",
    "Where", "Less", "LessOrEqual", "Equal",
}  # fmt: skip
AFFINE = {
    "Add", "Sub", "Neg", "Linear", "SparseLinear", "Conv", "ReduceSum", "ReduceMean", "CumSum", "Select", "Reshape",
    "Concat",
}  # fmt: skip
N_POINTS = 100


def fixed_points_agree(
    net: fx.Function, lower: Any, upper: Any, formulation: str, count: int, seed: int = 0
) -> Builder:
    """The least and largest outputs at random points are the network's own."""
    builder = Builder(formulation)
    y = builder.place(net, np.asarray(lower, float), np.asarray(upper, float))
    for x in np.random.default_rng(seed).uniform(lower, upper, (count, net.n_inputs)):
        assert y.at(builder.algebra.completed(x)) == pytest.approx(net(x), rel=1e-9, abs=1e-9)
        low, high = formulated.extremes(builder, y, x)
        scale = np.maximum(1.0, abs(net(x)))
        assert (abs(low - net(x)) <= 1e-6 * scale).all()
        assert (abs(high - net(x)) <= 1e-6 * scale).all()
    return builder


def is_choice_by_a_number(row: Row) -> bool:
    return row.name == "Where" and 0 not in row.fixed


def has_slopes_that_vary(row: Row) -> bool:
    return row.name == "PRelu" and 1 not in row.fixed


def is_linear(row: Row) -> bool:
    return row.name in LINEAR | AFFINE and not is_choice_by_a_number(row) and not has_slopes_that_vary(row)


@pytest.mark.parametrize("row", [row for row in ROWS if is_linear(row)], ids=str)
def test_every_operator_that_has_a_linear_formulation(row: Row) -> None:
    matrix = np.random.default_rng(1).normal(size=(row.n, row.n)) / np.sqrt(row.n)
    net = row.function(matrix)
    n_solves = 2 * net.n_outputs
    fixed_points_agree(net, np.full(row.n, -2.0), np.full(row.n, 2.0), "bigm", max(3, min(N_POINTS, 200 // n_solves)))


def test_a_choice_by_a_number_that_is_no_comparison_is_refused() -> None:
    rows = [row for row in ROWS if is_choice_by_a_number(row)]
    assert rows
    for row in rows:
        with pytest.raises(FormulationError, match="it takes a number that is 0 or 1"):
            Builder("bigm").place(row.function(), np.full(row.n, -2.0), np.full(row.n, 2.0))


def test_slopes_that_vary_have_no_linear_formulation() -> None:
    row = next(row for row in ROWS if str(row) == "PRelu-slopes of x")
    with pytest.raises(FormulationError, match=r"\[PRelu .*expected slopes that are numbers"):
        Builder("bigm").place(row.function(), -np.ones(row.n), np.ones(row.n))


def test_the_table_of_linear_operators_is_whole() -> None:
    assert set(known_emitters()) - set(SMOOTH) <= LINEAR


@pytest.mark.parametrize("seed", range(4))
def test_relu_networks_at_a_hundred_points(seed: int) -> None:
    net = formulated.relu_network((3, 8, 8, 2), seed)
    builder = fixed_points_agree(net, [-1.0] * 3, [1.0] * 3, "bigm", N_POINTS, seed)
    assert builder.counts.units == 16
    assert builder.counts.binaries == 16 - builder.counts.stable


def test_stable_units_cost_no_binary_and_inactive_ones_no_column() -> None:
    x = fx.variables(2)
    z = np.array([[1.0, 1.0], [1.0, 1.0], [1.0, -1.0]]) @ x + np.array([5.0, -5.0, 0.0])
    builder = Builder("bigm")
    y = builder.place(fx.Function(x, np.maximum(z, 0.0)), -np.ones(2), np.ones(2))
    assert (builder.counts.units, builder.counts.stable, builder.counts.binaries) == (3, 2, 1)
    assert builder.algebra.n_columns == 2 + 3  # the inputs; y, s and the binary of the third unit
    assert builder.algebra.n_rows == 3
    assert y.matrix[[1]].nnz == 0


ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "leaky": lambda z: np.maximum(0.1 * z, z),
    "abs": np.abs,
    "clip": lambda z: np.clip(z, -0.5, 0.5),
    "min": lambda z: np.minimum(z, 0.3),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_piecewise_linear_networks(name: str) -> None:
    net = formulated.relu_network((3, 5, 5, 2), 1, ACTIVATIONS[name])
    fixed_points_agree(net, [-1.0] * 3, [1.0] * 3, "bigm", 20)


def test_prelu_has_one_kink_a_unit_and_steps_have_margins() -> None:
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.PReLU(4), torch.nn.Linear(4, 2)).double()
    with torch.no_grad():
        module[1].weight[:] = torch.tensor([0.1, 0.5, -0.2, 2.0])
    net = fx.from_torch(module, torch.zeros(1, 3, dtype=torch.float64))
    builder = fixed_points_agree(net, [-1.0] * 3, [1.0] * 3, "bigm", 20)
    assert builder.counts.binaries <= 4
    x = fx.variables(2)
    numbers = {number: constant(np.asarray(number)) for number in (-1.0, 0.0, 0.25, 1.0)}
    first = apply("Where", [apply("Less", [numbers[0.25], x[0]]), x[1], 2.0 - x[0]])
    is_above = apply("LessOrEqual", [numbers[0.0], x[0] + x[1]])
    second = apply("Where", [is_above, numbers[1.0], numbers[-1.0]])
    jumps = fx.Function(x, first + second)
    fixed_points_agree(jumps, [-1.0] * 2, [1.0] * 2, "bigm", 30)


def test_splines_of_degree_one() -> None:
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import SplineTransformer

    X = np.linspace(-1, 1, 60).reshape(-1, 1)
    model = make_pipeline(SplineTransformer(n_knots=5, degree=1), LinearRegression()).fit(X, np.sin(3 * X[:, 0]))
    net = fx.from_sklearn(model)
    fixed_points_agree(net, [-0.99], [0.99], "bigm", 50)


def test_hard_swish_states_its_error() -> None:
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Hardswish(), torch.nn.Linear(3, 1)).double()
    net = fx.from_torch(module, torch.zeros(1, 2, dtype=torch.float64))
    builder = Builder("bigm")
    y = builder.place(net, np.full(2, -4.0), np.full(2, 4.0))
    (note,) = builder.counts.notes
    assert "at most 0.00" in note
    error = 0.01 * abs(module[2].weight.detach().numpy()).sum()
    for x in np.random.default_rng(0).uniform(-4, 4, (20, 2)):
        low, high = formulated.extremes(builder, y, x)
        assert high - low == pytest.approx(0, abs=1e-6)
        assert low == pytest.approx(net(x), abs=error)


def test_units_behind_an_approximation_are_not_cut_off() -> None:
    """Their bounds are the network's own and the error; 4 wide, HiGHS finds one point infeasible by rounding alone."""
    torch.manual_seed(0)
    layers = [torch.nn.Linear(2, 6), torch.nn.Hardswish(), torch.nn.Linear(6, 6), torch.nn.ReLU()]
    layers += [torch.nn.Linear(6, 6), torch.nn.Hardswish(), torch.nn.Linear(6, 1)]
    net = fx.from_torch(torch.nn.Sequential(*layers).double(), torch.zeros(1, 2, dtype=torch.float64))
    for width in (0.01, 0.3, 4.0):
        lower, upper = np.full(2, 0.5 - width), np.full(2, 0.5 + width)
        builder = Builder("bigm")
        y = builder.place(net, lower, upper)
        for x in [lower, upper, *np.random.default_rng(0).uniform(lower, upper, (15, 2))]:
            low, high = formulated.extremes(builder, y, x)
            assert low == pytest.approx(high, abs=1e-6)
            assert low == pytest.approx(net(x), abs=0.05)
            assert builder.output_bounds[0] <= low + 1e-9
            assert builder.output_bounds[1] >= high - 1e-9


CONVOLUTIONS = {
    "bias": {"padding": 0},
    "padding": {"padding": 1},
    "dilation": {"dilation": 2},
    "stride": {"stride": 2, "padding": 1},
    "groups": {"groups": 2},
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolutions_with_normalization_skips_and_pooling(name: str) -> None:
    torch.manual_seed(0)

    class Skipping(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = torch.nn.Conv2d(2, 4, 3, padding=1)
            self.norm = torch.nn.BatchNorm2d(4)
            self.second = torch.nn.Conv2d(4, 4, 3, **CONVOLUTIONS[name])
            self.pool = torch.nn.MaxPool2d(2)
            self.last = torch.nn.LazyLinear(2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            h = torch.relu(self.norm(self.first(x)))
            h = torch.cat([h, x], dim=1)
            h = self.pool(torch.relu(self.second(h[:, :4]))).flatten(1)
            return self.last(torch.cat([h, x.flatten(1)[:, :3]], dim=1))

    module = Skipping().double()
    module.norm.running_mean += 0.1
    module.norm.running_var *= 1.5
    example = torch.rand(1, 2, 6, 6, dtype=torch.float64)
    module(example)
    net = fx.from_torch(module.eval(), example)
    lower = example.numpy().ravel() - 0.05
    fixed_points_agree(net, lower, lower + 0.1, "bigm", 3)


def test_networks_of_whole_models_have_few_numbers() -> None:
    """Skips do not make later rows dense, and affine layers in a row are not multiplied out where that costs more."""
    generator = np.random.default_rng(0)
    x = fx.variables(50)
    h = np.maximum(generator.normal(size=(4, 50)) @ x, 0.0)
    h = generator.normal(size=(50, 4)) @ h + x
    net = fx.Function(x, generator.normal(size=(50, 50)) @ h)
    builder = Builder("bigm")
    y = builder.place(net, -np.ones(50), np.ones(50))
    assert builder.algebra.rows()[0].nnz + y.matrix.nnz < 50 * 50 + 50 * 4 + 2 * 200 + 200


def test_infinite_bounds_are_named() -> None:
    net = formulated.relu_network((2, 3, 1), 0)
    with pytest.raises(FormulationError, match=r"\[Relu '.*'\] needs finite bounds of its argument: got .*inf.*unit"):
        Builder("bigm").place(net, np.array([-np.inf, 0.0]), np.ones(2))
    with pytest.raises(FormulationError, match="input 'x\\[1\\]' leave nothing"):
        Builder("bigm").place(net, np.array([0.0, 2.0]), np.ones(2))


def test_smooth_units_have_no_linear_formulation() -> None:
    net = formulated.relu_network((2, 3, 1), 0, np.tanh)
    with pytest.raises(FormulationError, match=r"\[Tanh '.*'\] has no linear formulation: operators that .* Relu"):
        Builder("bigm").place(net, -np.ones(2), np.ones(2))


def test_operators_without_any_formulation_are_named() -> None:
    x = fx.variables(2)
    with pytest.raises(FormulationError, match=r"\[Floor '.*'\] has no formulation"):
        Builder("bigm").place(fx.Function(x, np.floor(x).sum()), -np.ones(2), np.ones(2))


def test_softmax_and_sigmoid_at_the_end_are_heads() -> None:
    x = fx.variables(3)
    z = np.array([[1.0, 2.0, 0.0], [0.0, 1.0, -1.0]]) @ x
    point = np.array([0.2, -0.3, 0.5])
    for y, name in ((apply("Softmax", [z], {"axis": 0, "n_axes": 1}), "Softmax"), (1 / (1 + np.exp(-z)), None)):
        head = without_head(fx.Function(x, y))
        if name is None:  # written out, it is no single operator
            continue
        assert head is not None
        assert head.operator == name
        assert head.body(point) == pytest.approx(fx.Function(x, z)(point))
    assert without_head(fx.Function(x, z)) is None
