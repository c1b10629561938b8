"""Bounds are not only right, but near: what is lost to every operator's intervals and lines is limited."""

from __future__ import annotations

import numpy as np
import pytest
from operator_table import ROWS, Nodes, Row
from soundness import random_boxes

from fastexpr import _core

#: These have no lines: what is known of them are their intervals.
WITHOUT_LINES = ("Pow", "Mod", "ReduceProd", "Hardmax", "Quantize", "HardSwish-alpha=-0.25")
#: The lines of these know what they divide by as an interval.
WITHOUT_TANGENTS = (*WITHOUT_LINES, "LayerNormalization", "RMSNormalization")


def operator_of(row: Row, nodes: Nodes) -> int:
    """The operator's node, whose inputs are the first numbers of x, or what the row fixes."""
    inputs, first = [], 0
    for k, shape in enumerate(row.shapes):
        if k in row.fixed:
            inputs.append(nodes.constant(row.fixed[k]))
            continue
        inputs.append(nodes.piece(0, first, shape))
        first += int(np.prod(shape))
    return nodes.add(row.name, *inputs, constants=row.constants, **row.attributes)


def beside_another(row: Row) -> _core.Function:
    """v and (v + s) - s for the operator's v and a further s: intervals know the first, lines carry the second."""
    nodes = Nodes(row.n + 1)
    v = operator_of(row, nodes)
    s = nodes.piece(0, row.n, ())
    return nodes.function(v, nodes.add("Sub", nodes.add("Add", v, s), s))


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_lines_carry_what_intervals_know(row: Row) -> None:
    function, count = beside_another(row), 20
    lower, upper = random_boxes(row.between, row.n, count, 4)
    lower, upper = np.hstack([lower, np.full((count, 1), -50.0)]), np.hstack([upper, np.full((count, 1), 50.0)])
    low, high = function.output_bounds(lower, upper, "interval")
    of_intervals = np.split(high - low, 2, axis=1)[0]
    sizes = np.split(np.maximum(np.abs(low), np.abs(high)), 2, axis=1)[0]
    low, high = function.output_bounds(lower, upper, "linear")
    of_lines = np.split(high - low, 2, axis=1)[1]
    is_bounded = of_intervals < 1e6  # not near a pole
    assert (of_lines <= 6 * of_intervals + 1e-6 * (1 + sizes))[is_bounded].all()


@pytest.mark.parametrize("row", [row for row in ROWS if not str(row).startswith(WITHOUT_TANGENTS)], ids=str)
def test_lines_are_tangents_of_small_boxes(row: Row) -> None:
    """Of v - J x, with J the derivative in the middle, a box of a tenth of the size leaves a hundredth."""
    function = row.function()
    x = row.sample_points()[0]
    J = function.jacobian(x)
    nodes = Nodes(row.n)
    v = operator_of(row, nodes)
    flat = nodes.add("Reshape", v, shape=[function.n_outputs])
    rest = nodes.function(nodes.add("Sub", flat, nodes.add("Linear", 0, axis=0, transposed=0, constants=[J])))
    widths = []
    for radius in (1e-4, 1e-5):
        low, high = rest.output_bounds(x - radius, x + radius, "linear")
        widths.append(high - low)
    rounding = 1e-11 * (1 + np.abs(function(x)).max() + np.abs(J).sum(axis=1).max())
    assert np.all(widths[1] <= 0.02 * widths[0] + rounding)
    assert np.all(widths[0] <= 1e-6 * (1 + np.abs(function.hessian(x, np.ones(function.n_outputs))).sum()) + rounding)


@pytest.mark.parametrize("row", [row for row in ROWS if row.name != "Hardmax"], ids=str)  # of which 0 and 1 is known
def test_bounds_at_a_point_are_the_value(row: Row) -> None:
    function = row.function()
    points = [x for x in row.sample_points() if np.abs(x).max() < 100 and np.isfinite(function(x)).all()]
    for x in (*np.random.default_rng(3).uniform(*row.between, (20, row.n)), *points):
        value = function(x)
        for method in ("interval", "linear"):
            low, high = function.output_bounds(x, x, method)
            moved = np.nan_to_num(np.abs(function.jacobian(x)) @ np.abs(x), posinf=0.0)  # by roundings of x
            assert np.all(high - low <= 1e-11 * (1 + np.abs(value).max() + moved))
