"""Checks an import: each node of the model is given our own values of its inputs, and must give our outputs.

What the standard's formula confirms (`references`) is right. All else has another judge: ONNX's reference evaluator, or
ONNX Runtime for what that is known to get wrong, and for large forests and long Scans. All compute in double precision,
as we do: rounding in float32 would hide faults and, where numbers cancel, accuse where there is none. Node by node,
because errors would add up otherwise.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeGuard

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

from fastexpr._core import Function
from fastexpr.errors import OnnxError, UncheckedWarning
from fastexpr.onnx.arrays import Array
from fastexpr.onnx.check.judges import (
    can_be_judged,
    evaluate_by_runtime,
    is_large_forest,
    is_rounded,
    is_wrong,
    makes_many_steps,
    model_in_double,
    needs_own,
)
from fastexpr.onnx.check.points import Point, find_point, tensors_at
from fastexpr.onnx.check.references import by_numpy
from fastexpr.onnx.importer import Importer
from fastexpr.onnx.node import node_title, operator_domain
from fastexpr.onnx.ordering import reads

LARGEST_NODE_COUNT = 2000  # the evaluator spends up to 0.3 ms on a node before it computes
LARGEST_OPERATION_COUNT = 5e7
LARGEST_FILE = 2**25  # bytes of weights that are read a second time without being asked
SLOWNESS = 25  # an element of Erf or Gelu takes the evaluator a microsecond
TOLERANCE = 1e-9  # of max|y|, in double
ROUNDED_TOLERANCE = 1e-5  # where the judge computes in float32 all the same
QUANTIZED_TOLERANCE = 3e-2  # rounding to integers goes the other way where two numbers differ in the last digit
SMALL = 500  # numbers of a tensor that is compared together with others
NUDGE = 2.0**-50  # relative, of numbers, to see what rounding does to a result
ROUNDING_FACTOR = 1000  # how many times that may be the difference


class Finding(NamedTuple):
    """A node whose outputs the judge has otherwise."""

    title: str
    difference: float
    tolerance: float


def is_cheap(importer: Importer) -> bool:
    """Whether the check takes less than a second, by a rough count."""
    if len(importer.nodes) > LARGEST_NODE_COUNT:
        return False
    if sum(array.nbytes for array in importer.model.weights.values()) > LARGEST_FILE:
        return False
    operations = float(importer.folding_work)
    for operator, _, _ in importer.graph.nodes:
        operations += operator.work + SLOWNESS * math.prod(operator.shape)
    return operations <= LARGEST_OPERATION_COUNT


def compare(importer: Importer, function: Function, must: bool) -> None:
    """Refuses the import where the judge disagrees.

    The point is random, but the same every time: uniform in [-1, 1], or in [0.1, 1] where that gives no finite numbers.

    Raises
    ------
    OnnxError
        A node's output differs by more than 1e-9 max|y|, and by more than rounding in double explains; or, with
        `must`, no node at all can be judged.

    Warns
    -----
    UncheckedWarning
        With `must`, where some nodes cannot be judged.
    """
    point = find_point(importer, function)
    nodes = [(position, importer.nodes[position]) for position in importer.order]
    nodes = [entry for entry in nodes if entry[1].op_type != "Constant"]
    found, unjudged = judge(importer, nodes, point)
    if found is not None:
        raise OnnxError(
            f"The imported model differs from ONNX's reference evaluator by {found.difference:.2e} of max|y|, expected "
            f"at most {found.tolerance:.0e}. The first node that differs is {found.title}. Load with check=False to go "
            "on all the same, and please report it."
        )
    compare_whole(importer, point)
    if must and unjudged:
        report_unjudged(unjudged, everything=len(unjudged) == len(nodes))


def report_unjudged(unjudged: Sequence[str], everything: bool) -> None:
    """Says what was not checked."""
    shown = ", ".join(unjudged[:5]) + (", ..." if len(unjudged) > 5 else "")
    if everything:
        raise OnnxError(
            f"ONNX's reference evaluator cannot evaluate the model, so the import is unchecked: {shown}. Load it with "
            "check=None."
        )
    warnings.warn(
        f"Not checked: {shown}. ONNX's reference evaluator is known to be wrong there or cannot evaluate it, and ONNX "
        "Runtime is not installed or cannot, either. Everything else of the model was checked.",
        UncheckedWarning,
        stacklevel=4,
    )


def compare_whole(importer: Importer, point: Point) -> None:
    """Refuses a function that differs from the values of the graph's outputs, which the nodes were judged by."""
    names = [output.source for output in importer.outputs]
    expected = np.concatenate([point.tensors[name].reshape(-1) for name in names]).astype(np.float64)
    difference = distance(point.y, expected)
    if difference > TOLERANCE:
        nudged = tensors_at(importer, nudge(point.x))
        rounding = distance(np.concatenate([nudged[name].reshape(-1) for name in names]).astype(np.float64), expected)
        if difference > ROUNDING_FACTOR * rounding:
            raise OnnxError(
                f"The imported model differs from its own nodes by {difference:.2e} of max|y|, expected at most "
                f"{TOLERANCE:.0e}. Load with check=False to go on all the same, and please report it."
            )


# ---- the judge


def judge(
    importer: Importer, nodes: Sequence[tuple[int, onnx.NodeProto]], point: Point
) -> tuple[Finding | None, list[str]]:
    """The first node that differs, and the titles of those that cannot be judged. What agrees with the standard's
    formula at first sight is not looked at any closer: most nodes.
    """
    opsets = importer.model.opsets
    nodes = disagreeing_with_numpy(nodes, point, opsets)
    if not nodes:
        return None, []
    known = {position for position, node in nodes if can_be_judged(node)}
    trusted = [entry for entry in nodes if entry[0] in known and not is_wrong(entry[1], opsets)]
    steps = {position for position, node in trusted if makes_many_steps(node, point.tensors)}
    slow = steps | {position for position, node in trusted if is_large_forest(node)}  # ONNX Runtime is faster
    plain = [entry for entry in trusted if entry[0] not in slow]
    results = evaluate(plain, point, opsets)
    fine = agreeing(plain, results, point)
    unjudged = []
    for position, node in nodes:
        if position in fine:
            continue
        theirs = results.get(position)
        if theirs is None and position in known:
            theirs = evaluate_by_runtime(node, given_to([node], point), opsets)
        if theirs is not None and position in steps and any(array.dtype == np.float32 for array in theirs):
            theirs = None  # the evaluator does it in double
        if theirs is None and position in slow:
            theirs = evaluate([(position, node)], point, opsets).get(position)
        if theirs is None:
            unjudged.append(node_title(node, position))
            continue
        difference = node_distance(node, theirs, point)
        tolerance = tolerance_of(node, theirs)
        if difference > tolerance:
            tolerance = max(tolerance, ROUNDING_FACTOR * rounding_of((position, node), theirs, point, opsets))
        if difference > tolerance:
            return Finding(node_title(node, position), difference, tolerance), unjudged
    return None, unjudged


def disagreeing_with_numpy(
    nodes: Sequence[tuple[int, onnx.NodeProto]], point: Point, opsets: dict[str, int]
) -> Sequence[tuple[int, onnx.NodeProto]]:
    """The nodes that the formulas in `references` do not confirm: they are no reason to refuse a model."""
    found: dict[int, Sequence[Array | None]] = {}
    with np.errstate(all="ignore"):
        for position, node in nodes:
            outputs = by_numpy(node, opsets.get(operator_domain(node), 1), point.tensors)
            if outputs is not None:
                found[position] = outputs
    fine = agreeing([entry for entry in nodes if entry[0] in found], found, point)
    return [entry for entry in nodes if entry[0] not in fine]


def agreeing(
    nodes: Sequence[tuple[int, onnx.NodeProto]], results: Mapping[int, Sequence[Array | None]], point: Point
) -> set[int]:
    """The nodes all of whose outputs are the same up to rounding in double. Small tensors are compared in one pass."""
    found: set[int] = set()
    rest: set[int] = set()
    small: list[tuple[int, Array, Array]] = []
    for position, node in nodes:
        for name, array in zip([name for name in node.output if name], results.get(position, [None]), strict=False):
            own = point.tensors.get(name)
            if own is None and array is None:
                continue
            if own is None or not has_numbers(own) or not has_numbers(array) or own.size != array.size:
                rest.add(position)
            elif own.size <= SMALL:
                small.append((position, own.reshape(-1), array.reshape(-1)))
            elif not is_near(own.reshape(-1), array.reshape(-1), [0]).all():
                rest.add(position)
            found.add(position)
    small = [entry for entry in small if entry[1].size]
    if small:
        owners, ours, theirs = zip(*small, strict=True)
        starts = np.cumsum([0, *(array.size for array in theirs[:-1])])
        near = is_near(np.concatenate(ours, dtype=np.float64), np.concatenate(theirs, dtype=np.float64), starts)
        rest.update(owner for owner, fine in zip(owners, near.tolist(), strict=True) if not fine)
    return found - rest


def is_near(a: Array, b: Array, starts: Any) -> Array:
    """Whether each part of b, which begin at these places, is a up to rounding in double. The same infinity is near."""
    with np.errstate(all="ignore"):
        error = np.subtract(a, b, dtype=np.float64)
        error = np.maximum.reduceat(np.abs(error, out=error), starts)
        scale = np.maximum(np.maximum.reduceat(b, starts), -np.minimum.reduceat(b, starts).astype(np.float64))
        if np.isfinite(scale).all():
            return np.asarray(error <= TOLERANCE * scale)  # false of NaN
        error = np.maximum.reduceat(np.where(a == b, 0.0, np.abs(a - b)), starts)
        scale = np.maximum.reduceat(np.where(np.isfinite(b), np.abs(b), 0.0), starts)
        return np.asarray(error <= TOLERANCE * scale)


def has_numbers(array: Any) -> TypeGuard[Array]:
    """Whether it is an array of numbers or conditions."""
    return isinstance(array, np.ndarray) and array.dtype.kind in "fiub"


def tolerance_of(node: onnx.NodeProto, theirs: Sequence[Array]) -> float:
    """How far the judge's result may be off, of max|y|."""
    if rounds(node):
        return QUANTIZED_TOLERANCE
    rounded = is_rounded(node) or any(getattr(array, "dtype", None) == np.float32 for array in theirs)
    return ROUNDED_TOLERANCE if rounded else TOLERANCE


def rounds(node: onnx.NodeProto) -> bool:
    """Whether the node rounds to whole numbers."""
    return "Quantize" in node.op_type or node.op_type in ("QLinearConv", "QLinearMatMul")


def evaluate(
    nodes: Sequence[tuple[int, onnx.NodeProto]], point: Point, opsets: dict[str, int]
) -> dict[int, list[Array]]:
    """The outputs of each node, by its position, for our values of its inputs; nothing for those that fail."""
    if not nodes:
        return {}
    try:
        model, names = model_in_double([node for _, node in nodes], point.tensors, opsets)
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            outputs = ReferenceEvaluator(model).run(names, given_to([node for _, node in nodes], point))
    except Exception:  # the evaluator raises what it likes
        if len(nodes) == 1:
            return {}
        halves = nodes[: len(nodes) // 2], nodes[len(nodes) // 2 :]
        return evaluate(halves[0], point, opsets) | evaluate(halves[1], point, opsets)
    found = dict(zip(names, outputs, strict=True))
    return {position: [found[name] for name in node.output if name in found] for position, node in nodes}


def given_to(nodes: Iterable[onnx.NodeProto], point: Point) -> dict[str, Any]:
    """Our values of everything that the nodes read, under the names that `model_in_double` uses, and their own."""
    names = {name for node in nodes for name in reads(node)}
    return {key: point.tensors[name] for name in names if name in point.tensors for key in (needs_own(name), name)}


def node_distance(node: onnx.NodeProto, theirs: Sequence[Any], point: Point) -> float:
    """The largest difference of an output, relative to max|y|. Sequences show in what is taken out of them."""
    named = zip([name for name in node.output if name], theirs, strict=False)
    pairs = [(point.tensors[name], np.asarray(array)) for name, array in named if name in point.tensors]
    return max((distance(a.reshape(-1), b.reshape(-1)) for a, b in pairs), default=0.0)


def rounding_of(
    entry: tuple[int, onnx.NodeProto], theirs: Sequence[Array], point: Point, opsets: dict[str, int]
) -> float:
    """How much the judge's result changes where its inputs change in their last digits."""
    tensors = {name: nudge(point.tensors[name]) for name in reads(entry[1]) if name in point.tensors}
    changed = evaluate([entry], point._replace(tensors=point.tensors | tensors), opsets).get(entry[0], [])
    pairs = [(np.asarray(a), np.asarray(b)) for a, b in zip(changed, theirs, strict=False) if not isinstance(b, list)]
    return max((distance(a.reshape(-1), b.reshape(-1)) for a, b in pairs), default=0.0)


def nudge(array: Array) -> Array:
    """The floats with changed last digits. Whole numbers stay: -1 has a cube, but no power of 3.0000000000000004."""
    if array.dtype.kind != "f":
        return array
    nudged = array * (1 + NUDGE * np.random.default_rng(1).choice([-1.0, 1.0], array.shape))
    return np.where(array == np.rint(array), array, nudged)


def distance(a: Array, b: Array) -> float:
    """max|a - b| / max|b| over the numbers of b that are finite; infinite where a is not finite there."""
    if a.shape != b.shape:
        return math.inf
    if b.dtype.kind not in "fiub":
        return 0.0
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    finite = np.isfinite(b)
    if not finite.any():
        return 0.0
    scale = float(np.abs(b[finite]).max())
    error = float(np.abs(a[finite] - b[finite]).max())
    if error == 0:
        return 0.0
    return error / scale if scale > 0 and math.isfinite(error) else math.inf
