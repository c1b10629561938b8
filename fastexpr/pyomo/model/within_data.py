"""A network's input has to be near the network's data."""

from __future__ import annotations

from typing import Any

import numpy as np
from pyomo.core.base.block import ScalarBlock
from pyomo.core.expr.numeric_expr import LinearExpression
from pyomo.environ import Constraint, NonNegativeReals, RangeSet, Var

from fastexpr.errors import ModelError
from fastexpr.function.data import FLAT, Data, data_of, guard_function
from fastexpr.pyomo.model.block import NetworkBlock, NetworkBlockData


class WithinData(ScalarBlock):  # type: ignore[misc]
    """Rows that keep a network's inputs near the data it was trained with: ``m.guard = WithinData(m.nn)``.

    Parameters
    ----------
    block : NetworkBlock
        Or a member of an indexed one; of a network with data, ``net.with_data(X)``.
    method : {"ellipsoid", "hull", "neighbours"}
        "ellipsoid": the Mahalanobis distance is at most the data's largest one, a convex quadratic row. "hull": a
        weighted mean of data, linear rows with a variable for each vertex. "neighbours": the distance to the nearest
        data, smoothed, is at most the data's own spacing; for data in several clouds, a row that is not convex.
    **kwargs
        As of :class:`pyomo.environ.Block`: name, doc.

    Raises
    ------
    ValueError
        The network has no data.
    NotFoundError
        There is no such method.
    ModelError
        Something that is no NetworkBlock.

    Examples
    --------
    >>> import numpy as np, pyomo.environ as pyo, fastexpr as fx, fastexpr.pyomo as fxp
    >>> x = fx.variables(2)
    >>> net = fx.Function(x, x[0] - x[1]).with_data(np.random.default_rng(0).normal(size=(100, 2)))
    >>> m = pyo.ConcreteModel()
    >>> m.nn = fxp.NetworkBlock(net)
    >>> m.guard = fxp.WithinData(m.nn, method="hull")
    >>> m.cost = pyo.Objective(expr=m.nn.outputs[0])
    >>> pyo.check_optimal_termination(pyo.SolverFactory("fastexpr").solve(m))
    True
    """

    def __init__(self, block: Any, method: str = "ellipsoid", **kwargs: Any) -> None:
        if not isinstance(block, NetworkBlockData):
            raise ModelError(f"[WithinData] needs a NetworkBlock, or a member of one: got {type(block).__name__}.")
        data = data_of(block.parent_component()._file.net, method)
        self._told = {"block": block, "data": data, "method": method}
        super().__init__(rule=_build, **kwargs)


def _build(block: Any) -> None:
    """The rows."""
    network, data, method = (block._told[key] for key in ("block", "data", "method"))
    block._told = {}
    inputs = list(network.inputs.values())
    units = [None if v.is_expression_type() else v.parent_component().get_units() for v in inputs]
    x = [v if unit is None else v / unit for v, unit in zip(inputs, units, strict=True)]
    if method == "hull":
        return _add_hull(block, x, data)
    _add_planes(block, x, data)
    if method == "ellipsoid" and len(data.directions):
        parts = [_combination(x, row / data.scale, data.mean) for row in data.directions / data.reach]
        block.inside = Constraint(expr=sum(part**2 for part in parts) <= 1.0)
    elif method == "neighbours":
        guard, _, _ = guard_function(data, method)
        block.nn = NetworkBlock(guard, inputs=x, bounds=False)
        block.inside = Constraint(expr=next(iter(block.nn.outputs.values())) <= 1.0)
    return None


def _combination(x: list[Any], weights: Any, mean: Any) -> Any:
    """weights @ (x - mean)."""
    numbers, constant = weights.tolist(), -float(weights @ mean)
    if all(v.is_variable_type() for v in x):  # much faster than a sum
        return LinearExpression(constant=constant, linear_coefs=numbers, linear_vars=x)
    return sum(number * v for number, v in zip(numbers, x, strict=True)) + constant


def _add_planes(block: Any, x: list[Any], data: Data) -> None:
    block.planes = Constraint(RangeSet(len(data.planes)))
    for k, row in enumerate(data.planes):
        block.planes[k + 1] = (-FLAT, _combination(x, row / data.scale, data.mean), FLAT)


def _add_hull(block: Any, x: list[Any], data: Data) -> None:
    corners = data.standard(data.vertices)
    count = len(corners)
    block.weights = Var(RangeSet(count), domain=NonNegativeReals, bounds=(0.0, 1.0), initialize=1.0 / count)
    shares = list(block.weights.values())
    block.sum = Constraint(expr=LinearExpression(linear_coefs=np.ones(count).tolist(), linear_vars=shares) == 1.0)
    block.inside = Constraint(RangeSet(len(x)))
    for j, v in enumerate(x):
        mean = LinearExpression(linear_coefs=corners[:, j].tolist(), linear_vars=shares)
        block.inside[j + 1] = (v - float(data.mean[j])) / float(data.scale[j]) - mean == 0.0
