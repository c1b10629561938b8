"""Functions one after the other."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt

from fastexpr._core import Function
from fastexpr.errors import ShapeError
from fastexpr.expression import apply_function, build_function, variables
from fastexpr.function.labels import listed, names_of
from fastexpr.function.variants import blanks, rebuild

Array = npt.NDArray[np.float64]

#: Operators that are affine where all but one of their arguments are constants.
AFFINE = {
    "Add", "Concat", "Constant", "Div", "Linear", "MatMul", "Mul", "Neg", "Reshape", "Select", "SparseLinear", "Sub",
}  # fmt: skip


def chain(*functions: Function) -> Function:
    """One function after the other: ``chain(a, net, b)(x)`` is ``b(net(a(x)))``.

    Parameters
    ----------
    *functions : Function
        Each takes as many numbers as the one before it gives. Where both have given names for these, and the same ones,
        the names decide which number goes where; else the position does.

    Returns
    -------
    Function
        Inputs, their names, units and range are those of the first function, outputs those of the last. Where the first
        one has no range and is a scaling, number by number, it is the next one's range, scaled back.

    Raises
    ------
    TypeError
        Something else than a Function.
    fastexpr.errors.ShapeError
        There is none; numbers of outputs and inputs that differ; names of which only some are the same.

    Examples
    --------
    >>> import fastexpr as fx
    >>> x = fx.variables(2)
    >>> f = fx.chain(fx.Function(x, x / 10), fx.Function(x, x[0] * x[1]))
    >>> f([20.0, 30.0])
    array([6.])
    """
    for k, function in enumerate(functions):
        if not isinstance(function, Function):
            hint = " from_sklearn(transformer) makes one." if hasattr(function, "fit") else ""
            raise TypeError(f"[chain] argument {k}: got {type(function).__name__}, expected a fastexpr.Function.{hint}")
    if not functions:
        raise ShapeError("[chain] there is no function: expected at least one.")
    first, last = functions[0], functions[-1]
    x = variables(first.n_inputs)
    y = apply_function(first, x)
    lower, upper = first.lower, first.upper
    for k, (before, after) in enumerate(itertools.pairwise(functions), start=1):
        order = order_between(before, after, k)
        if lower is None and after.lower is not None and after.upper is not None:
            lower, upper = range_before(build_function(x, y if order is None else y[order]), after.lower, after.upper)
        y = apply_function(after, y if order is None else y[order])
    return rebuild(
        build_function(x, y),
        inputs=list(first.inputs.items()),
        outputs=list(last.outputs.items()),
        input_names=list(first.input_names),
        output_names=list(last.output_names),
        lower=lower,
        upper=upper,
        input_units=blanks(first.input_units),
        output_units=blanks(last.output_units),
    )


def order_between(before: Function, after: Function, k: int) -> list[int] | None:
    """Which outputs the next function takes, in its order; None where they are taken as they come."""
    if before.n_outputs != after.n_inputs:
        raise ShapeError(
            f"[chain] function {k} takes {after.n_inputs} numbers: got {before.n_outputs} from the one before it."
        )
    given, taken = names_of(before, "output"), names_of(after, "input")
    if given.are_default or taken.are_default or not set(given.names) & set(taken.names):
        return None
    place = {name: position for position, name in enumerate(given.names)}
    missing = [name for name in taken.names if name not in place]
    if missing or len(place) != len(taken.names):
        unexpected = [name for name in given.names if name not in taken.names]
        raise ShapeError(
            f"[chain] the inputs of function {k} and the outputs before it have only some names in common: "
            f"{listed('missing', missing)}, {listed('unexpected', unexpected)}. Rename them with with_names: to the "
            "same names in any order, or to others, whose position counts."
        )
    return [place[name] for name in taken.names]


def range_before(front: Function, lower: Array, upper: Array) -> tuple[Any, Any]:
    """The box of x that `front`, each of whose outputs is a factor times an input plus a number, maps onto this one.

    None, None where it is more than that.
    """
    pattern, curvature = front.sparsity()
    columns = pattern.indices
    is_scaling = (
        {core.name for core, _, _ in front._nodes()} <= AFFINE
        and curvature.nnz == 0
        and sorted(columns.tolist()) == list(range(front.n_inputs))
        and (np.diff(pattern.indptr) == 1).all()
    )
    if not is_scaling:
        return None, None
    origin = np.zeros(front.n_inputs)
    offset, factor = front(origin), front.jacobian(origin)[np.arange(len(columns)), columns]
    if not (factor != 0).all():
        return None, None
    ends = np.array([(lower - offset) / factor, (upper - offset) / factor])
    low, high = np.empty(len(columns)), np.empty(len(columns))
    low[columns], high[columns] = ends.min(axis=0), ends.max(axis=0)
    return low, high
