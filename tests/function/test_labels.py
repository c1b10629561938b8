"""Labelled data: the names decide where somebody gave them, else position counts; and what is no point is refused."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from onnx import parser

import fastexpr as fx
from fastexpr.errors import ModelError, ShapeError

ROWS = [[300.0, 1.0], [400.0, 2.0]]  # T, p
RIGHT = [290.0, 380.0]
TABLE = pd.DataFrame({"p": [1.0, 2.0], "T": [300.0, 400.0]})


def unnamed() -> fx.Function:
    x = fx.variables(2)
    return fx.Function(x, x[0] - 10 * x[1])


def named() -> fx.Function:
    return unnamed().with_names(inputs=["T", "p"], outputs=["z"])


def of_a_file() -> fx.Function:
    """Whose inputs are single numbers with names of their own."""
    nodes = "{ c = Constant<value_float=10.0>() d = Mul(p, c) z = Sub(T, d) }"
    head = '<ir_version: 8, opset_import: ["":17]> g (float[1,1] T, float[1,1] p) => (float[1,1] z) '
    return fx.load_onnx(parser.parse_model(head + nodes))


class PolarsLike:
    """What is used of a polars DataFrame: columns are texts, and there is no index."""

    columns = ("p", "T")

    def to_numpy(self) -> np.ndarray:
        return TABLE.to_numpy()


class DataArray:
    """What is used of an xarray.DataArray."""

    def __init__(self, values: Any, **coordinates: list[Any]) -> None:
        self.values, self.dims = np.asarray(values), tuple(coordinates)
        self.ndim = self.values.ndim
        self.coords = {axis: SimpleNamespace(values=np.array(labels)) for axis, labels in coordinates.items() if labels}

    def transpose(self, _: Any, last: str) -> DataArray:
        axis = self.dims.index(last)
        order = [name for name in self.dims if name != last] + [last]
        return DataArray(np.moveaxis(self.values, axis, -1), **{name: [] for name in order})

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.array(self.values, dtype)


POINTS: dict[str, Any] = {
    "Series": TABLE.iloc[0],
    "dict": {"p": 1.0, "T": 300.0},
    "dict of arrays of one": {"p": np.float32(1.0), "T": np.array(300.0)},
    "namedtuple": namedtuple("Point", "p T")(1.0, 300.0),
    "structured array": np.array((1.0, 300.0), dtype=[("p", float), ("T", int)]),
    "DataArray": DataArray([1.0, 300.0], quantity=["p", "T"]),
    "Series of objects": pd.Series([1, 300.0], index=["p", "T"], dtype=object),
}
BATCHES: dict[str, Any] = {
    "DataFrame": TABLE,
    "DataFrame with labels of its rows": TABLE.set_index(pd.Index(["first", "second"])),
    "DataFrame of integers": TABLE.astype(int),
    "polars": PolarsLike(),
    "transposed DataFrame": TABLE.T,
    "dict of columns": {"p": [1.0, 2.0], "T": TABLE["T"]},
    "records": TABLE.to_records(index=False),
    "list of Series": [TABLE.iloc[0], TABLE.iloc[1]],
    "list of dicts": [{"p": 1.0, "T": 300.0}, {"T": 400.0, "p": 2.0}],
    "DataArray": DataArray(TABLE.to_numpy(), time=[0.5, 1.5], quantity=["p", "T"]),
    "transposed DataArray": DataArray(TABLE.to_numpy().T, quantity=["p", "T"], time=[]),
}


@pytest.mark.parametrize("net", [named, of_a_file])
@pytest.mark.parametrize("kind", POINTS)
def test_points(kind: str, net: Callable[[], fx.Function]) -> None:
    assert net()(POINTS[kind]) == RIGHT[0]


@pytest.mark.parametrize("net", [named, of_a_file])
@pytest.mark.parametrize("kind", BATCHES)
def test_batches(kind: str, net: Callable[[], fx.Function]) -> None:
    assert net()(BATCHES[kind]).ravel().tolist() == RIGHT


def test_every_method_takes_labels() -> None:
    x = fx.variables(2)
    f = fx.Function(x, [x[0] ** 2 * x[1], x[0] - x[1]]).with_names(inputs=["T", "p"], outputs=["u", "v"])
    point, direction = TABLE.iloc[0], pd.Series({"p": 3.0, "T": -1.0})
    weights = pd.Series({"v": 7.0, "u": 2.0})
    at, along, by = np.array(ROWS[0]), np.array([-1.0, 3.0]), np.array([2.0, 7.0])
    for labelled, plain in [
        (f(point), f(at)),
        (f.jacobian(point), f.jacobian(at)),
        (f.jacobian(point, sparse=True).toarray(), f.jacobian(at)),
        (f.hessian(point, weights), f.hessian(at, by)),
        (f.evaluate(point, weights)[2], f.evaluate(at, by)[2]),
        (f.jvp(point, direction), f.jvp(at, along)),
        (f.vjp(point, weights), f.vjp(at, by)),
        (f.hvp(point, weights, direction), f.hvp(at, by, along)),
        (f.hvp(TABLE, pd.DataFrame([weights, weights]), direction), f.hvp(ROWS, by, along)),
        (named().gradient(point), named().gradient(at)),
        (f.output_bounds(TABLE.min(), TABLE.max()), f.output_bounds(*ROWS)),
        (f.output_bounds({"p": (1, 2), "T": (300, 400)}), f.output_bounds(*ROWS)),
        (f.pack(x=point), at),
        (f.unpack(pd.Series({"v": 1.0, "u": 2.0}))["y0"], 2.0),
        (f.scaled(input_offset=point, output_factor=weights)([310.0, 3.0]), f.scaled(at, 1.0, 0.0, by)([310.0, 3.0])),
    ]:
        assert np.array_equal(labelled, plain)
    assert f.check_derivatives(point, weights).jacobian_error < 1e-7
    kinked = fx.Function(x, np.maximum(x, 0.0)).with_names(inputs=["T", "p"])
    assert [kink.argument for kink in kinked.kinks(point)] == [1.0, 300.0]


@pytest.mark.parametrize(
    ("lower", "upper"),
    [
        (TABLE.min(), TABLE.max()),
        ({"p": 1.0, "T": 300.0}, {"T": 400.0, "p": 2.0}),
        ({"p": (1.0, 2.0), "T": (300.0, 400.0)}, None),
        ([(300.0, 400.0), (1.0, 2.0)], None),
        (np.array([[300.0, 400.0], [1.0, 2.0]]), None),
        (TABLE.agg(["min", "max"]).T, None),
        (TABLE.min(), [400.0, 2.0]),
        (TABLE.min().to_frame().T, TABLE.max().to_frame().T),
    ],
)
def test_bounds(lower: Any, upper: Any) -> None:
    net = named().with_bounds(lower, upper)
    assert (net.lower.tolist(), net.upper.tolist()) == tuple(ROWS)
    assert np.allclose(named().output_bounds(lower, upper), [[280.0], [390.0]])


def test_bounds_that_are_open() -> None:
    net = named().with_bounds({"T": (300.0, None), "p": (None, 2.0)})
    assert (net.lower.tolist(), net.upper.tolist()) == ([300.0, -np.inf], [np.inf, 2.0])
    assert unnamed().with_bounds([(0, 1), (None, None)]).upper.tolist() == [1.0, np.inf]


def test_position_counts_where_nobody_gave_names() -> None:
    other = TABLE[["T", "p"]].set_axis(["a", "b"], axis=1)
    assert unnamed()(other).ravel().tolist() == RIGHT
    assert unnamed()(other.iloc[0]) == RIGHT[0]
    assert unnamed().with_bounds(other.min(), other.max()).lower.tolist() == ROWS[0]
    assert unnamed()(pd.DataFrame(ROWS, columns=["x[0]", "x[1]"])).ravel().tolist() == RIGHT
    assert unnamed()(pd.Series({"x[1]": 1.0, "x[0]": 300.0})) == RIGHT[0]  # these are the names
    left = fx.Function(x := fx.variables(3), x[0] - 10 * x[2] + x[1]).with_fixed({"x[1]": 0.0})
    assert left(other.iloc[0]) == RIGHT[0]
    x, z = fx.variables(()), fx.variables(())
    assert fx.Function([x, z], x - 10 * z)(other.iloc[0]) == RIGHT[0]


@pytest.mark.parametrize("net", [named, unnamed, of_a_file])
def test_default_labels_are_none(net: Callable[[], fx.Function]) -> None:
    for data in (pd.DataFrame(ROWS), {0: [300.0, 400.0], 1: [1.0, 2.0]}, {1: [1.0, 2.0], 0: [300.0, 400.0]}):
        assert net()(data).ravel().tolist() == RIGHT
    assert net()(pd.Series(ROWS[0])) == RIGHT[0]
    assert net().with_bounds(pd.Series(ROWS[0]), pd.Series(ROWS[1])).lower.tolist() == ROWS[0]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (TABLE.rename(columns={"T": "temperature"}), "missing 'T', unexpected 'temperature'"),
        (TABLE.assign(flow=1.0), "unexpected 'flow'"),
        (TABLE[["T"]], "missing 'p'"),
        ({"T": 1.0, "P": 2.0}, "missing 'p', unexpected 'P'"),
        (pd.DataFrame(ROWS, columns=[1, 2]), "missing 'T', 'p', unexpected 1, 2"),
        (pd.DataFrame(ROWS, columns=["T", "T"]), "missing 'p', 'T' occurs twice"),
        (TABLE.iloc[0].rename({"p": "q"}), "missing 'p', unexpected 'q'"),
        (DataArray([1.0, 300.0], quantity=["p", "q"]), "missing 'T', unexpected 'q'"),
        ([TABLE.iloc[0], TABLE.iloc[1].rename({"p": "q"})], "missing 'p', unexpected 'q'"),
    ],
)
def test_labels_that_do_not_match(data: Any, message: str) -> None:
    for call in (
        named(),
        named().jacobian,
        named().kinks,
        named().check_derivatives,
        lambda x: named().with_bounds(x, 9.0),
    ):
        with pytest.raises(ShapeError, match=f"{message}.*with_names"):
            call(data)
    columns = {"T": TABLE["T"], "p": TABLE["p"][::-1]}
    for rows in (columns, {**columns, "p": TABLE["p"].rename(lambda k: k + 1)}):
        with pytest.raises(ShapeError, match="columns whose rows have different labels"):
            named()(rows)
    assert np.array_equal(named()(pd.DataFrame(columns)), named()(TABLE))
    with pytest.raises(ShapeError, match=r"\[Function\] weights: .*output names: missing 'z', unexpected 'y'"):
        named().vjp([1.0, 2.0], {"y": 1.0})


def test_ports_of_a_dict() -> None:
    a, b = fx.variables(2), fx.variables(())
    f = fx.Function([a, b], a.sum() * b)
    assert f({"x1": 10.0, "x0": [1.0, 2.0]}) == 30.0
    assert f({"x1": [10.0, 20.0], "x0": [[1.0, 2.0], [3.0, 4.0]]}).ravel().tolist() == [30.0, 140.0]
    g = f.with_names(inputs=["T", "p", "flow"])
    assert g.pack(x0=TABLE, x1=TABLE["p"]).tolist() == [[300.0, 1.0, 1.0], [400.0, 2.0, 2.0]]


def test_expressions_under_labels() -> None:
    T, p = fx.variables(()), fx.variables(())
    for x in ({"p": p, "T": T}, pd.Series([p, T], index=["p", "T"]), namedtuple("Point", "p T")(p, T)):
        assert fx.Function([T, p], named()(x))(ROWS[0]) == RIGHT[0]
    with pytest.raises(ShapeError, match="unexpected 'q'"):
        named()({"q": p, "T": T})
    port = fx.Function([T, p], unnamed()({"x": np.stack([T, p])}))
    assert port(ROWS[0]) == RIGHT[0]


def test_what_has_no_order_is_refused() -> None:
    import pyomo.environ as pyo

    import fastexpr.pyomo as fxp

    net = named()
    for call in (
        lambda: net.with_names(inputs={"a", "b"}),
        lambda: net.with_units(inputs={"K", "bar"}),
        lambda: net.with_bounds({0.0, 1.0}),
        lambda: net({300.0, 1.0}),
    ):
        with pytest.raises(TypeError, match=r"no order|real numbers"):
            call()
    m = pyo.ConcreteModel()
    m.net = fxp.ExternalNetwork(net)
    with pytest.raises(ModelError, match="a set has no order"):
        m.net({300.0, 1.0})
    with pytest.raises(ModelError, match="a set has no order"):
        fxp.ExternalNetwork(net, input_units={"K", "bar"})


def test_renaming() -> None:
    assert unnamed().with_names(inputs={"T": 1, "p": 2}.keys()).input_names == ("T", "p")  # which have one
    assert named().with_names(inputs={"p": "pressure"}).input_names == ("T", "pressure")
    assert unnamed().with_names(inputs={"x[1]": "p"}, outputs={"y": "z"}).output_names == ("z",)
    with pytest.raises(ShapeError, match="renames what there is not: unexpected 'q'"):
        named().with_names(inputs={"q": "pressure"})


# ---- doors -----------------------------------------------------------------------------------------------------------


def test_problem() -> None:
    problem = fx.Problem()
    x = problem.variables(2, lower=TABLE.min(), upper=TABLE.max(), start={"T": 350.0, "p": 1.5})  # p, T
    y = problem.network(named(), x, upper={"z": 385.0}, start=pd.Series({"z": 100.0}))
    problem.maximize(y[0])
    result = problem.solve()
    assert result.success
    assert result[x][1] - 10 * result[x][0] == pytest.approx(385.0, abs=1e-5)
    for start in ({x: {"T": 310.0, "p": 1.25}}, {x: [1.25, 310.0]}, pd.Series({"T": 310.0, "p": 1.25})):
        assert np.array_equal(problem.solve(start=start, max_iter=0).x, [1.25, 310.0, 297.5])
    limit = problem.subject_to(x, lower=pd.Series({"T": 301.0, "p": 1.5}))
    assert limit.lower.tolist() == [1.5, 301.0]
    with pytest.raises(ShapeError, match=r"\[Problem\] .*lower limit.*unexpected 'a'"):
        problem.subject_to(y, lower={"a": 0.0})
    problem.remove(limit)
    by_name = problem.network(named(), {"p": x[0], "T": x[1]})
    assert problem.nlp().start[-1] == 335.0
    assert by_name.shape == (1,)
    assert fx.Function([x], named()(x))([1.0, 300.0]) == RIGHT[0]  # also as an expression
    pairs = problem.variables(2, {"p": (1.0, 2.0), "T": (300.0, None)})
    assert problem.nlp().lower[-2:].tolist() == [1.0, 300.0]
    assert problem.nlp().upper[-2:].tolist() == [2.0, np.inf]
    assert fx.Function([pairs], named()(pairs))([1.0, 300.0]) == RIGHT[0]
    problem.subject_to(2 * x, lower=pd.Series({"first": 0.0, "second": 0.0}))  # an expression has no names
    problem.variables((2, 2), [[0.0, 1.0], [2.0, 3.0]])
    assert problem.nlp().lower[-4:].tolist() == [0.0, 1.0, 2.0, 3.0]
    with pytest.raises(ShapeError, match=r"\[Problem\] .*missing 'p', unexpected 'q'"):
        problem.variables(2, lower=TABLE.min(), upper={"T": 1.0, "q": 2.0})
    with pytest.raises(ShapeError, match="missing 'T', 'p', unexpected 'a', 'b'"):
        problem.network(named(), problem.variables(2, start={"a": 1.0, "b": 2.0}))
    with pytest.raises(TypeError, match="must hold real numbers"):
        problem.variables(2, lower=["0", "1"])


def test_labels_beside_variables() -> None:
    """Arithmetic and relations match a vector's labels with the variables' names; positions count without these."""
    target = pd.Series({"p": 0.25, "T": 310.0})
    for numbers in (target, target.to_dict()):
        for state in ("arithmetic", "relation", "limit", "by position"):
            p = fx.Problem()
            x = p.variables(2, lower=pd.Series({"T": 300.0, "p": 0.0}), upper=400.0)
            if state == "arithmetic":
                p.minimize(((x - numbers) ** 2).sum())
            elif state == "by position":
                p.minimize(((x - target.to_numpy()[::-1]) ** 2).sum())
            else:
                p.minimize(x.sum())
                if state == "relation":
                    p.subject_to(x >= numbers)
                else:
                    p.subject_to(x, lower=numbers)
            result = p.solve()
            assert result.success
            assert np.allclose(result[x], [310.0, 0.25], atol=1e-4), state
    for wrong in (target.rename({"p": "q"}), target[:1]):
        with pytest.raises(ShapeError, match=r"\[Expression\] operand: the labels do not match.*missing"):
            x * wrong
    assert fx.Function(x, np.maximum(x, target))([1.0, 2.0]).tolist() == [310.0, 2.0]
    assert fx.Function(x, x @ target)([1.0, 2.0]) == 310.5


def test_pyomo() -> None:
    import pyomo.environ as pyo

    import fastexpr.pyomo as fxp

    m = pyo.ConcreteModel()
    m.T, m.p = pyo.Var(initialize=300.0), pyo.Var(initialize=1.0)
    series = pd.Series([m.p, m.T], index=["p", "T"])
    m.net, m.unnamed = fxp.ExternalNetwork(named()), fxp.ExternalNetwork(unnamed())
    assert pyo.value(m.net(series)[0]) == RIGHT[0]
    assert pyo.value(m.net({"p": m.p, "T": m.T})[0]) == RIGHT[0]
    assert pyo.value(m.unnamed(pd.Series([m.T, m.p], index=["a", "b"]))[0]) == RIGHT[0]
    m.nn = fxp.NetworkBlock(named(), inputs=series)
    assert m.nn.outputs["z"].value == RIGHT[0]
    for wrong in (series.rename({"T": "t"}), {"p": m.p, "t": m.T}):
        with pytest.raises(ModelError, match=r"\[ExternalNetwork 'net'\] .*missing 'T', unexpected 't'"):
            m.net(wrong)
    with pytest.raises(ModelError, match="names inside a list"):
        m.net(series, 1.0)


def test_variables_of_pyomo_are_no_numbers() -> None:
    import pyomo.environ as pyo

    m = pyo.ConcreteModel()
    m.x = pyo.Var([0, 1], initialize=1.0)
    m.y = pyo.Var(["T", "p"], initialize=1.0)
    parts = [m.x[0], m.x[1]]
    for x in (parts, m.x, m.y, m.x[:], np.array(parts), [m.x[0] + 1, 2.0], {"T": m.x[0], "p": m.x[1]}):
        for call in (named(), unnamed().jacobian, named().with_bounds):
            with pytest.raises(TypeError, match=r"must hold real numbers.*fastexpr\.pyomo\.ExternalNetwork"):
                call(x)


def test_grey_box() -> None:
    import fastexpr.pyomo as fxp

    box = fxp.GreyBox(named(), instances=2)
    box.set_input_values(pd.Series({"p[0]": 1.0, "p[1]": 2.0, "T[0]": 300.0, "T[1]": 400.0}))
    assert box.evaluate_outputs().tolist() == RIGHT
    with pytest.raises(ShapeError, match=r"\[GreyBox\] input values: .*missing 'T\[0\]'"):
        box.set_input_values(pd.Series({"p[0]": 1.0, "p[1]": 2.0, "t[0]": 300.0, "T[1]": 400.0}))


# ---- what is no point ------------------------------------------------------------------------------------------------

MASKED = np.ma.array([1.0, 2.0], mask=[True, False])
NO_NUMBERS = [
    None, "12", ["1", "2"], b"ab", [1j, 2.0], np.array([1 + 0j, 2]), MASKED, [MASKED, MASKED],
    np.ma.array([1, 2], mask=[0, 1]), {1.0, 2.0}, [None, 1.0], np.array(["2020", "2021"], "M8[Y]"), [1.0, pd.NA],
    (number for number in [1.0, 2.0]), len, np.array([1.0, {}], dtype=object),
]  # fmt: skip
WRONG_SHAPES = [[[1.0, 2.0], [3.0]], 3.0, [[[1.0, 2.0]]], [1.0, 2.0, 3.0], [], [[1.0], [2.0]]]


def calls() -> dict[str, Callable[[Any], Any]]:
    """Everything that takes a point, a direction or bounds, of smooth functions and of one with kinks."""
    x = fx.variables(2)
    smooth, kinked = named(), fx.Function(x, np.maximum(x, 0.0).sum())
    return {
        "call": smooth,
        "jacobian": smooth.jacobian,
        "hessian": smooth.hessian,
        "evaluate": smooth.evaluate,
        "gradient": smooth.gradient,
        "vjp": smooth.vjp,
        "point of jvp": lambda value: smooth.jvp(value, [1.0, 1.0]),
        "direction of jvp": lambda value: smooth.jvp([1.0, 2.0], value),
        "direction of hvp": lambda value: smooth.hvp([1.0, 2.0], [1.0], value),
        "kinks": kinked.kinks,
        "kinks of a smooth function": smooth.kinks,
        "check_derivatives": smooth.check_derivatives,
        "unpack": fx.Function(x, x).unpack,
        "pack": lambda value: smooth.pack(x=value),
    }


@pytest.mark.parametrize("name", calls())
@pytest.mark.parametrize("value", NO_NUMBERS, ids=lambda value: repr(value)[:20])
@pytest.mark.filterwarnings("ignore")  # of NumPy, about text and complex numbers
def test_no_numbers(name: str, value: Any) -> None:
    with pytest.raises((TypeError, ShapeError)):
        calls()[name](value)


@pytest.mark.parametrize("name", calls())
@pytest.mark.parametrize("value", WRONG_SHAPES, ids=str)
def test_wrong_shapes(name: str, value: Any) -> None:
    with pytest.raises(ShapeError):
        calls()[name](value)


def test_bounds_that_are_no_numbers() -> None:
    for value in ("12", ["1", "2"], [1j, 2.0], MASKED, [None, 1.0], [[1.0, 2.0], [3.0]], [[[1.0, 2.0]]]):
        for call in (named().with_bounds, lambda value: named().output_bounds(value, 500.0), named().scaled):
            with pytest.raises((TypeError, ShapeError)):
                call(value)


def test_masked_arrays_without_masked_entries_are_arrays() -> None:
    assert named()(np.ma.array(ROWS)).ravel().tolist() == RIGHT
    with pytest.raises(TypeError, match="masked"):
        named()(np.ma.array(ROWS, mask=[[0, 0], [1, 0]]))


def test_kinks_of_a_batch_are_refused_by_every_function() -> None:
    for net in (named(), fx.Function(x := fx.variables(2), np.maximum(x, 0.0))):
        with pytest.raises(ShapeError, match=r"kinks: x must be one point: got a batch of 2"):
            net.kinks(np.ones((2, 2)))
        with pytest.raises(ValueError, match="x is not finite: component 1"):
            net.kinks([0.0, np.nan])


def test_a_table_that_is_not_computed_yet() -> None:
    """A LazyFrame of polars has names and no numbers."""

    class LazyFrame:
        def collect_schema(self) -> dict[str, type]:
            return {"a": float}

    x = fx.variables(1)
    net = fx.Function(x, x**2).with_names(["a"])
    for call in (net, net.jacobian, lambda frame: net.with_bounds(frame, 1.0)):
        with pytest.raises(TypeError, match=r"got a LazyFrame, which holds no numbers yet\. .*collect\(\)"):
            call(LazyFrame())
