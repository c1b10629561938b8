"""Which outputs are convex in the inputs, by the rules of disciplined convex programming (Grant, Boyd and Ye 2006),
unit by unit: of an input-convex network (Amos, Xu and Kolter 2017), all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fastexpr._core import Function, Operator
from fastexpr.errors import FormulationError
from fastexpr.formulations.affine import Array, is_affine, matrix_of

Mask = npt.NDArray[np.bool_]


class Curvature(NamedTuple):
    """Of the units of a node: affine ones are both."""

    is_convex: Mask
    is_concave: Mask

    def negated(self) -> Curvature:
        """Of the negative."""
        return Curvature(self.is_concave, self.is_convex)


class Shape(NamedTuple):
    """Of a function: 1 convex, -1 concave, 0 affine; 1 where it never falls, -1 where it never rises."""

    curvature: int
    slope: int


def _leaky(operator: Operator) -> Shape:
    alpha = operator.attributes["alpha"]
    return Shape(1 if alpha <= 1 else -1, 1 if alpha >= 0 else 0)


def _clip(operator: Operator) -> Shape | None:
    has_lower, has_upper = ("lower" in operator.attributes, "upper" in operator.attributes)
    return None if has_lower and has_upper else Shape(1 if has_lower else -1 if has_upper else 0, 1)


#: Of each input; None where there is nothing to say.
SHAPES: dict[str, Callable[[Operator], Shape | None]] = {
    "Abs": lambda _: Shape(1, 0),
    "Clip": _clip,
    "Cosh": lambda _: Shape(1, 0),
    "Elu": lambda op: Shape(1, 1) if 0 <= op.attributes["alpha"] <= 1 else None,
    "Exp": lambda _: Shape(1, 1),
    "LeakyRelu": _leaky,
    "Log": lambda _: Shape(-1, 1),
    "Max": lambda _: Shape(1, 1),
    "Min": lambda _: Shape(-1, 1),
    "ReduceL2": lambda _: Shape(1, 0),
    "ReduceLogSumExp": lambda _: Shape(1, 1),
    "ReduceMax": lambda _: Shape(1, 1),
    "Relu": lambda _: Shape(1, 1),
    "Softplus": lambda _: Shape(1, 1),
    "Sqrt": lambda _: Shape(-1, 1),
    "Square": lambda _: Shape(1, 0),
}


def composed(shape: Shape, z: Curvature) -> Curvature:
    """f(z): convex where f is, and z is convex and f rises, or z is affine."""
    if shape.curvature < 0:
        flipped = composed(Shape(-shape.curvature, -shape.slope), z)
        return flipped.negated()
    is_affine_unit = z.is_convex & z.is_concave
    rises = {1: z.is_convex, -1: z.is_concave, 0: is_affine_unit}[shape.slope] | is_affine_unit
    falls = {1: z.is_concave, -1: z.is_convex, 0: is_affine_unit}[shape.slope] | is_affine_unit
    return Curvature(rises, falls if shape.curvature == 0 else np.zeros_like(rises))


def of_affine(W: Any, z: Curvature) -> Curvature:
    """W z + b."""
    positive, negative = W.maximum(0).tocsr(), (-W).maximum(0).tocsr()

    def all_of(up: Mask, down: Mask) -> Mask:
        return np.asarray((positive @ (~up).astype(float) + negative @ (~down).astype(float)) == 0)

    return Curvature(all_of(z.is_convex, z.is_concave), all_of(z.is_concave, z.is_convex))


def curvatures(
    net: Function, needed: set[int], known: dict[int, Array], depends: Sequence[bool]
) -> dict[int, Curvature]:
    """Of all nodes, by number."""
    always = np.ones(net.n_inputs, bool)
    found = {0: Curvature(always, always)}
    for number, (operator, sources, _) in enumerate(net._nodes(), start=1):
        size = math.prod(operator.shape)
        if number not in needed:
            continue
        if not depends[number]:
            found[number] = Curvature(np.ones(size, bool), np.ones(size, bool))
            continue
        moving = [depends[k] for k in sources]
        inputs = [found[k] for k in sources]
        if is_affine(operator.name, moving):
            W, _ = matrix_of(operator, moving, [None if depends[k] else known[k] for k in sources])
            parts = [entry for entry, does in zip(inputs, moving, strict=True) if does]
            found[number] = of_affine(W, Curvature(*(np.concatenate(side) for side in zip(*parts, strict=True))))
            continue
        shape = SHAPES[operator.name](operator) if operator.name in SHAPES else None
        if shape is None:
            found[number] = Curvature(np.zeros(size, bool), np.zeros(size, bool))
        else:
            found[number] = composed(shape, gathered(operator, inputs))
    return found


def gathered(operator: Operator, inputs: Sequence[Curvature]) -> Curvature:
    """For each unit of an operator what holds for all units of the inputs that enter it."""
    sides = []
    for side in range(2):
        parts = []
        for entry, shape in zip(inputs, operator.input_shapes, strict=True):
            array = entry[side].reshape(shape)
            if operator.name.startswith("Reduce"):
                axes = tuple(
                    range(operator.attributes["axis"], operator.attributes["axis"] + operator.attributes["n_axes"])
                )
                parts.append(array.all(axis=axes).ravel())
            else:
                parts.append(np.broadcast_to(array, operator.shape).ravel())
        sides.append(np.logical_and.reduce(parts))
    return Curvature(sides[0], sides[1])


def require_curvature(net: Function, found: Sequence[Curvature]) -> None:
    """Raises where an output is neither convex nor concave."""
    known = np.concatenate([entry.is_convex | entry.is_concave for entry in found])
    if not known.all():
        name = net.output_names[int(np.flatnonzero(~known)[0])]
        raise FormulationError(
            f"formulation='epigraph' is exact for outputs that are convex or concave in the inputs: got '{name}', of "
            "which that is not known. What to do: formulation='bigm', or relax=True for a relaxation, which bounds the "
            "optimum and is not exact."
        )
