"""Fitted scalers around a network, so that it takes and gives data in their own units."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastexpr._core import Function
from fastexpr.errors import FrameworkError, ShapeError
from fastexpr.expression import apply_function, build_function, variables
from fastexpr.frameworks.sklearn import columns_of, from_sklearn
from fastexpr.frameworks.sklearn.composition import entrance
from fastexpr.function.labels import Names, names_of, order_of
from fastexpr.function.variants import blanks, rebuild


class Arrangement(NamedTuple):
    """Where the components of a vector in the data's units stand in a scaler's table, and scaled ones in a network."""

    to_table: list[int]  # the component that is column c of the table
    to_network: list[int]  # the scaled number that is component k of the network
    names: list[str]  # of the components in the data's units


def with_scalers(net: Function, input_scaler: Any, output_scaler: Any) -> Function:
    """``inverse_transform(net(transform(x)))``: see `Function.scaled`."""
    x: Any = variables(net.n_inputs)
    changes: dict[str, Any] = {"inputs": list(net.inputs.items()), "outputs": list(net.outputs.items())}
    changes |= {name: getattr(net, name) for name in ("lower", "upper")}
    names_in, names_out = list(net.input_names), list(net.output_names)
    inner = x
    if input_scaler is not None:
        front = scaling(net, input_scaler, "input")
        places = arrangement(input_scaler, front, names_of(net, "input"))
        inner, names_in = apply_function(front, x[places.to_table])[places.to_network], places.names
        for side in ("lower", "upper"):
            changes[side] = None if changes[side] is None else unscaled(input_scaler, front, changes[side], places)
    y = apply_function(net, inner)
    if output_scaler is not None:
        front = scaling(net, output_scaler, "output")
        places = arrangement(output_scaler, front, names_of(net, "output"))
        back = from_sklearn(output_scaler, inverse=True)
        scaled = y[np.argsort(places.to_network)]
        y, names_out = apply_function(back, scaled)[np.argsort(places.to_table)], places.names
    units = {name: blanks(getattr(net, name)) for name in ("input_units", "output_units")}
    return rebuild(build_function(x, y), input_names=names_in, output_names=names_out, **changes, **units)


def scaling(net: Function, scaler: Any, side: str) -> Function:
    """The scaler as a Function; refused unless it works column by column, on as many columns as the network has."""
    size = net.n_inputs if side == "input" else net.n_outputs
    n_columns = len(columns_of(scaler))
    if n_columns != size:
        raise ShapeError(
            f"[Function] scaled: {side}: got a {type(scaler).__name__} of {n_columns} columns, expected one that was "
            f"fitted on {size}, one for each {side} of the network."
        )
    front = from_sklearn(scaler)
    pattern = front.sparsity()[0]
    if sorted(pattern.indices.tolist()) != list(range(size)) or not (np.diff(pattern.indptr) == 1).all():
        raise FrameworkError(
            f"[Function] scaled: {side}: a {type(scaler).__name__} mixes columns or changes their number, expected a "
            "scaler of each column. Use fastexpr.chain(fastexpr.from_sklearn(transformer), net)."
        )
    return front


def arrangement(scaler: Any, front: Function, names: Names) -> Arrangement:
    """By name where the scaler was fitted on a table with names and the network has names, too; else by position."""
    columns, size = columns_of(scaler), len(names.names)
    source = front.sparsity()[0].indices  # the column that each scaled number comes from
    has_names = hasattr(entrance(scaler), "feature_names_in_")
    if has_names and not names.are_default:
        order = order_of(columns, names, f"scaled: columns of the {type(scaler).__name__} for the {names.side}s")
        place = np.arange(size) if order is None else np.array(order)  # the column that component k of the network is
        return Arrangement(np.argsort(place).tolist(), np.argsort(source)[place].tolist(), list(names.names))
    own = columns if has_names else [names.names[k] for k in np.argsort(source)]
    return Arrangement(list(range(size)), list(range(size)), own)


def unscaled(scaler: Any, front: Function, bound: Any, places: Arrangement) -> Any:
    """A bound of the network's inputs in the data's units; infinite ones stay so."""
    scaled = np.asarray(bound)[np.argsort(places.to_network)]
    table = np.empty(len(scaled))
    table[front.sparsity()[0].indices] = scaled  # by column
    is_finite = np.isfinite(table)
    table[is_finite] = from_sklearn(scaler, inverse=True)(np.where(np.isfinite(scaled), scaled, 0.0))[is_finite]
    if np.isnan(table).any():
        raise FrameworkError(
            f"[Function] scaled: the network's range reaches beyond what the {type(scaler).__name__} gives: it has no "
            "inverse there. Give the network a narrower one, with_bounds."
        )
    return table[np.argsort(places.to_table)]
