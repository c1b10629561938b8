"""Several networks for one thing: their mean, and how far they are apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastexpr._core import Function
from fastexpr.errors import GraphError, ShapeError
from fastexpr.expression import apply_function, build_function, variables
from fastexpr.function.variants import blanks, rebuild


def ensemble(members: Sequence[Function], ddof: int = 0) -> Function:
    """Mean and variance of several networks at the same x, as one Function.

    ``mean = sum_k f_k(x) / M`` and ``variance = sum_k (f_k(x) - mean)^2 / (M - ddof)``, component by component. With
    ``ddof=0`` that is the variance of the ensemble itself, taken as a mixture with equal weights; with ``ddof=1`` the
    unbiased estimate of the variance from which the members were drawn. Both are exact and smooth wherever the members
    are; the networks stand in one graph and share x.

    Parameters
    ----------
    members : sequence of Function
        M of them, with the same inputs and outputs.
    ddof : int
        As in `numpy.var`; less than M.

    Returns
    -------
    Function
        n inputs, 2 m outputs: first all means, then all variances. An output port "y" becomes the ports "y_mean" and
        "y_variance", a component "y[3]" becomes "y_mean[3]" and "y_variance[3]". Names and shapes are the members';
        bounds are the narrowest of all.

    Raises
    ------
    fastexpr.errors.ShapeError
        There is no member, or one with other shapes, or not more members than `ddof`.
    fastexpr.errors.GraphError
        A member has other input or output names, or the bounds of two members exclude one another.

    Examples
    --------
    >>> import fastexpr as fx
    >>> x = fx.variables(1)
    >>> both = fx.ensemble([fx.Function(x, 2 * x), fx.Function(x, 4 * x)])
    >>> both.output_names
    ('y_mean', 'y_variance')
    >>> both([1.0])
    array([3., 1.])
    """
    members = list(members)
    check_members(members)
    if not 0 <= ddof < len(members):
        raise ShapeError(
            f"[ensemble] ddof: got {ddof} for {len(members)} members, expected 0 to {len(members) - 1}. Give more "
            "members, or ddof=0."
        )
    first = members[0]
    x = variables(first.n_inputs)
    values: Any = np.stack([apply_function(member, x) for member in members])
    mean = np.mean(values, axis=0)
    variance = np.var(values, axis=0, ddof=ddof)
    ends = np.cumsum([int(np.prod(shape)) for shape in first.outputs.values()])
    outputs = [
        part[end - int(np.prod(shape)) : end].reshape(shape)
        for part in (mean, variance)
        for end, shape in zip(ends, first.outputs.values(), strict=True)
    ]
    function = build_function(x, outputs)
    suffixes = ("_mean", "_variance")
    lower, upper = common_bounds(members)
    return rebuild(
        function,
        inputs=list(first.inputs.items()),
        outputs=[(name + suffix, shape) for suffix in suffixes for name, shape in first.outputs.items()],
        input_names=list(first.input_names),
        output_names=[with_suffix(name, suffix) for suffix in suffixes for name in first.output_names],
        lower=lower,
        upper=upper,
        input_units=blanks(first.input_units),
    )


def check_members(members: Sequence[Function]) -> None:
    if not members:
        raise ShapeError("[ensemble] there is no member: got an empty list, expected at least one Function.")
    for k, member in enumerate(members):
        if not isinstance(member, Function):
            raise TypeError(f"[ensemble] member {k}: got {type(member).__name__}, expected a fastexpr.Function.")
        for what in ("inputs", "outputs"):
            got, expected = getattr(member, what), getattr(members[0], what)
            if list(got.values()) != list(expected.values()):
                raise ShapeError(
                    f"[ensemble] {what} of member {k}: got {got}, expected those of member 0, {expected}. Ensembles "
                    "are of networks for the same quantities."
                )
        for what in ("input_names", "output_names"):
            names, those = getattr(member, what), getattr(members[0], what)
            if names != those:
                where = next(i for i in range(len(those)) if names[i] != those[i])
                raise GraphError(
                    f"[ensemble] {what} of member {k}: got {names[where]!r}, expected {those[where]!r} as in member 0. "
                    "Rename with with_names where they mean the same."
                )


def with_suffix(name: str, suffix: str) -> str:
    """y[3] -> y_mean[3], so that the index stays at the end."""
    stem, bracket, index = name.partition("[")
    return f"{stem}{suffix}{bracket}{index}"


def common_bounds(members: Sequence[Function]) -> tuple[np.ndarray | None, np.ndarray | None]:
    """The range in which every member is meant to be used; None where none of them has one."""
    lowers = [member.lower for member in members if member.lower is not None]
    uppers = [member.upper for member in members if member.upper is not None]
    lower, upper = (np.max(lowers, axis=0) if lowers else None), (np.min(uppers, axis=0) if uppers else None)
    if lower is not None and upper is not None and (lower > upper).any():
        k = int((lower > upper).argmax())
        raise GraphError(
            f"[ensemble] the bounds of the members leave nothing for {members[0].input_names[k]!r}: got {lower[k]} to "
            f"{upper[k]}. Set them with with_bounds."
        )
    return lower, upper
