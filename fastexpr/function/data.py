"""The points that a network was trained with: how far from them another one is, and functions that keep it near."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from fastexpr._core import Function
from fastexpr.errors import NotFoundError, ShapeError
from fastexpr.expression import build_function, variables
from fastexpr.function.arguments import real_numbers

Array = npt.NDArray[np.float64]

METHODS = ("ellipsoid", "hull", "neighbours")
LARGEST = 5000  # points that are kept, spread as widely as they are
REPRESENTATIVES = 200  # points whose neighbourhoods "neighbours" is made of
RANK = 1e-7  # a direction in which data extend less than this, over the largest one, is none
FLAT = 1e-6  # by how much, in standard deviations, a point may leave a plane that all data are in
COMMON = 0.95  # of the points have a neighbour within the spacing
INSIDE = 1e-9  # a point that others combine to so closely is no vertex


class NetworkWithData(Function):
    """A network that knows its data; `net.data`."""

    data: Data

    def with_names(self, *arguments: Any, **settings: Any) -> Function:
        """See `Function.with_names`."""
        return attach(Function.with_names(self, *arguments, **settings), self.data)

    def with_units(self, *arguments: Any, **settings: Any) -> Function:
        """See `Function.with_units`."""
        return attach(Function.with_units(self, *arguments, **settings), self.data)

    def with_bounds(self, *arguments: Any, **settings: Any) -> Function:
        """See `Function.with_bounds`."""
        return attach(Function.with_bounds(self, *arguments, **settings), self.data)

    def with_parameters(self, *arguments: Any, **settings: Any) -> Function:
        """See `Function.with_parameters`."""
        return attach(Function.with_parameters(self, *arguments, **settings), self.data)

    def select(self, *arguments: Any, **settings: Any) -> Function:
        """See `Function.select`."""
        return attach(Function.select(self, *arguments, **settings), self.data)


@dataclass(frozen=True)
class Data:
    """What is kept of a network's data; everything is measured in standard deviations of its columns.

    Attributes
    ----------
    points : (points, n) array
        At most 5000, spread as widely as all were.
    mean, scale : (n,) arrays
        Of all points; columns that are constant have the scale 1.
    directions : (rank, n) array
        A point z in standard deviations has the Mahalanobis distance |directions @ z|, by all points.
    planes : (n - rank, n) array
        planes @ z is 0 for all points: constant columns, one-hot columns that add up to 1.
    reach : float
        The largest Mahalanobis distance of a point.
    """

    points: Array
    mean: Array
    scale: Array
    directions: Array
    planes: Array
    reach: float

    def standard(self, x: Array) -> Array:
        """In standard deviations from the mean."""
        return np.asarray((x - self.mean) / self.scale)

    @cached_property
    def vertices(self) -> Array:
        """(vertices, n): the points that no others combine to."""
        return vertices_of(self)

    @cached_property
    def representatives(self) -> Array:
        """(count, n): some points, in standard deviations, spread as widely as all are."""
        z = self.standard(self.points)
        return z[spread(z, REPRESENTATIVES)]

    @cached_property
    def spacing(self) -> float:
        """How far the nearest representative but itself is from 95 % of the points: outliers do not count."""
        z, own = self.standard(self.points), self.representatives
        squared = squares(z, own)
        squared[squared < 1e-18] = np.inf
        nearest = squared.min(axis=1)
        nearest = nearest[np.isfinite(nearest)]
        return float(np.sqrt(np.quantile(nearest, COMMON))) if len(nearest) else 1.0

    def distances(self, x: Array) -> tuple[float, float]:
        """Mahalanobis distance over the largest one of the data; distance to the nearest point over the data's spacing.

        Up to 1, a point is as near as data are; one that leaves a plane that all data are in is infinitely far.
        """
        z = self.standard(x)
        is_off = bool(np.abs(self.planes @ z).max(initial=0.0) > 10.0 * FLAT)
        inner = float(np.linalg.norm(self.directions @ z)) / self.reach if self.reach > 0.0 else 0.0
        nearest = float(np.sqrt(squares(z[None], self.standard(self.points)).min())) / self.spacing
        return np.inf if is_off else inner, nearest

    @cached_property
    def center(self) -> Array:
        """The point of the data that is nearest to the mean."""
        return np.asarray(self.points[np.argmin((self.standard(self.points) ** 2).sum(axis=1))])


def attach(function: Function, data: Data) -> Function:
    """The function with data."""
    result = Function.__new__(NetworkWithData)
    Function.__init__(result, function)
    result.data = data
    return result


def with_data(self: Function, X: npt.ArrayLike) -> Function:
    """The same network with the data that it was trained with, so that solutions can be kept near them.

    Nothing is bounded and nothing is named by that: `Problem.within_data` and ``fastexpr.pyomo.WithinData`` do what is
    asked for, reports say how far from the data a solution is, and solves without a start begin at the data's centre.
    What is kept are at most 5000 points and the covariance of all. It travels with pickles and through `with_names`,
    `with_units`, `with_bounds`, `with_parameters` and `select`; files and exports do not hold it.

    Parameters
    ----------
    X : (points, n) array or DataFrame
        The inputs.

    Returns
    -------
    Function
        With an attribute `data`.

    Raises
    ------
    fastexpr.errors.ShapeError
        There are no points, or not n columns.
    ValueError
        A number is not finite.

    Examples
    --------
    >>> import numpy as np, fastexpr as fx
    >>> x = fx.variables(2)
    >>> net = fx.Function(x, x[0] - x[1]).with_data(np.random.default_rng(0).normal(size=(100, 2)))
    >>> p = fx.Problem()
    >>> z = p.variables(2)
    >>> p.minimize(net(z)[0])
    >>> _ = p.within_data(z, net, method="hull")
    >>> p.solve().success
    True
    """
    points = real_numbers(X, "[Function] X")
    if points.ndim != 2 or points.shape[1] != self.n_inputs or not len(points):
        raise ShapeError(
            f"[Function] with_data: wrong shape of X: got {points.shape}, expected (points, {self.n_inputs})."
        )
    if not np.isfinite(points).all():
        row = int(np.flatnonzero(~np.isfinite(points).all(axis=1))[0])
        raise ValueError(f"[Function] with_data: X is not finite in row {row}. Leave such rows out.")
    return attach(self, summary(points))


def summary(points: Array) -> Data:
    """What is kept of all points."""
    mean, scale = points.mean(axis=0), points.std(axis=0)
    scale = np.where(scale > RANK * np.maximum(1e-300, np.abs(points).max(axis=0)), scale, 1.0)
    z = (points - mean) / scale
    _, sizes, rows = np.linalg.svd(z / np.sqrt(len(z)), full_matrices=True)
    rank = int((sizes > RANK * max(1.0, sizes.max(initial=0.0))).sum())
    directions, planes = rows[:rank] / sizes[:rank, None], rows[rank:]
    reach = float(np.linalg.norm(z @ directions.T, axis=1).max()) if rank else 0.0
    points = np.unique(points, axis=0)
    kept = points if len(points) <= LARGEST else points[spread((points - mean) / scale, LARGEST)]
    return Data(kept, mean, scale, directions, planes, reach)


def squares(a: Array, b: Array) -> Array:
    """(a, b): squared distances."""
    return np.asarray(np.maximum((a**2).sum(axis=1)[:, None] - 2.0 * (a @ b.T) + (b**2).sum(axis=1)[None], 0.0))


def spread(z: Array, count: int) -> npt.NDArray[np.int64]:
    """Points far from each other, one after the other the farthest from those before (Gonzalez 1985)."""
    if len(z) <= count:
        return np.arange(len(z))
    chosen = [int(np.argmin((z**2).sum(axis=1)))]
    distance = np.full(len(z), np.inf)
    for _ in range(count - 1):
        distance = np.minimum(distance, ((z - z[chosen[-1]]) ** 2).sum(axis=1))
        chosen.append(int(np.argmax(distance)))
    return np.array(sorted(chosen))


def vertices_of(data: Data) -> Array:
    """The vertices of the hull: a linear program for each point against the vertices known so far (Clarkson 1994).

    A point outside of these is separated from them by a direction, and the farthest point along that is a vertex.
    """
    from scipy.optimize import linprog

    z = data.standard(data.points) @ data.directions.T  # what all points have in common is no matter
    if not z.shape[1]:
        return data.points[:1]
    known = sorted({int(k) for k in np.concatenate([z.argmin(axis=0), z.argmax(axis=0)])})
    is_vertex = np.zeros(len(z), dtype=bool)
    is_vertex[known] = True
    for k in range(len(z)):
        while not is_vertex[k]:
            corners = z[is_vertex]
            # maximize d (z_k - s) with d corner <= s for all corners, -1 <= d <= 1
            n = z.shape[1]
            rows = np.hstack([corners, np.full((len(corners), 1), -1.0)])
            found = linprog(
                np.append(-z[k], 1.0),
                A_ub=rows,
                b_ub=np.zeros(len(corners)),
                bounds=[(-1.0, 1.0)] * n + [(None, None)],
                method="highs",
            )
            if found.status != 0 or -found.fun <= INSIDE:
                break
            is_vertex[int(np.argmax(z @ found.x[:n]))] = True
    return data.points[is_vertex]


# ---- functions that are at most 1 within the data


def data_of(net: Any, method: str) -> Data:
    """The data of a network that has some.

    Raises
    ------
    ValueError
        It has none.
    fastexpr.errors.NotFoundError
        There is no such method.
    """
    if method not in METHODS:
        raise NotFoundError(f"[Function] there is no method {method!r} to stay within data: there are {METHODS}.")
    if not isinstance(getattr(net, "data", None), Data):
        raise ValueError("[Function] the network has no data. What to do: net = net.with_data(X).")
    data: Data = net.data
    return data


def guard_function(data: Data, method: str) -> tuple[Function, Array, Array]:
    """A function of x, and the limits of its outputs: what is within, then the planes that all data are in."""
    x = variables(len(data.mean))
    z = (x - data.mean) * (1.0 / data.scale)
    parts: list[Any] = []
    if method == "ellipsoid" and len(data.directions):
        parts.append((((data.directions / data.reach) @ z) ** 2).sum().reshape(1))
    if method == "neighbours":
        parts.append(nearness(data, z).reshape(1))
    n_inner = len(parts)
    if len(data.planes):
        parts.append(data.planes @ z)
    n_planes = len(data.planes)
    outputs: Any = parts[0] if len(parts) == 1 else np.concatenate(parts)
    upper = np.concatenate([np.ones(n_inner), np.full(n_planes, FLAT)])
    lower = np.concatenate([np.full(n_inner, -np.inf), np.full(n_planes, -FLAT)])
    return build_function(x, outputs), lower, upper


def nearness(data: Data, z: Any) -> Any:
    """The squared distance to the nearest representatives over the data's spacing: -h log sum exp(-d^2 / h), smooth.

    It is less than the squared distance to the nearest one by at most h log(count), which is a quarter.
    """
    own = data.representatives / data.spacing
    h = 0.25 / np.log(max(2, len(own)))
    squared = (z * z).sum() * (1.0 / data.spacing**2) - (2.0 / data.spacing) * (own @ z) + (own**2).sum(axis=1)
    terms = squared * (-1.0 / h)
    while terms.shape[0] > 1:
        half = terms.shape[0] // 2
        joined: Any = np.logaddexp(terms[:half], terms[half : 2 * half])
        terms = joined if terms.shape[0] == 2 * half else np.concatenate([joined, terms[2 * half :]])
    return terms[0] * (-h)
