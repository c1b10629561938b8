"""If, Loop and Scan, written out: a branch is taken or both are blended, a loop becomes its steps in turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from onnx.helper import tensor_dtype_to_np_dtype

from fastexpr.onnx.converters.scan_at_once import all_steps, are_alike
from fastexpr.onnx.handle import FLOAT, Handle, Value
from fastexpr.onnx.node import OnnxNode
from fastexpr.onnx.registry import converter

MOST_STEPS = 1000  # of a loop whose number of steps is not given, or so large that a condition must end it


def constant_condition(node: OnnxNode, value: Value, what: str) -> bool:
    """A condition that must be known now."""
    if isinstance(value, Handle):
        node.fail(
            f"{what} depends on the network's inputs, so the steps cannot be written out: expected a constant. Export "
            "the model with a fixed number of steps."
        )
    if value.size != 1:
        node.fail(f"{what} has the shape {value.shape}, expected one bool. Export the model again.")
    return bool(value.reshape(-1)[0])


# ---- If


@converter("If", takes_constants=True)
def if_else(node: OnnxNode) -> Sequence[Value]:
    """The branch that a constant condition names; else both, blended as Where does."""
    condition = node.input(0)
    if not isinstance(condition, Handle):
        branch = "then_branch" if constant_condition(node, condition, "the condition") else "else_branch"
        return node.run_graph(branch, [], branch[:4])
    if not condition.is_condition or condition.shape not in ((), (1,)):
        node.fail("has a condition that is no bool, or more than one. Export the model again.")
    yes, no = (tensors(node, node.run_graph(branch, [], branch[:4])) for branch in ("then_branch", "else_branch"))
    if [value.shape for value in yes] != [value.shape for value in no]:
        node.fail(
            f"chooses by the network's inputs between results of shapes {[value.shape for value in yes]} and "
            f"{[value.shape for value in no]}, expected equal shapes. Write it with Where."
        )
    chosen = condition.reshape(())
    return [blend(node, chosen, a, b) for a, b in zip(yes, no, strict=True)]


def tensors(node: OnnxNode, values: Sequence[object]) -> list[Value]:
    """The values, none of which may be a sequence."""
    found = [value for value in values if isinstance(value, (Handle, np.ndarray))]
    if len(found) != len(values):
        node.fail("has a graph that gives sequences where tensors are expected. Export the model with tensors.")
    return found


def blend(node: OnnxNode, condition: Value, a: Value, b: Value) -> Value:
    """c ? a : b."""
    if not isinstance(a, Handle) and not isinstance(b, Handle) and np.array_equal(a, b):
        return a
    return replace(node.graph.apply("Where", condition, a, b), dtype=a.dtype if a.dtype.kind != "f" else FLOAT)


# ---- Loop


@converter("Loop", takes_constants=True)
def loop(node: OnnxNode) -> Sequence[Value]:
    """Steps one after the other, on the values that are carried from one to the next.

    The number of steps and the condition to go on must be constant.
    """
    count = int(node.constant_scalar(0)) if node.has_input(0) else None
    goes_on = constant_condition(node, node.input(1), "the condition") if node.has_input(1) else True
    carried = [node.input(k) for k in range(2, len(node.inputs))]
    collected: list[list[Value]] = [[] for _ in range(node.n_outputs - len(carried))]
    step = 0
    while goes_on and (count is None or step < count):
        if step >= MOST_STEPS and (count is None or count > 10 * MOST_STEPS):
            node.fail(
                f"goes on after {MOST_STEPS} steps: got the number of steps {count}, expected one that is given, at "
                f"most {10 * MOST_STEPS}. Export the model with a fixed number of steps."
            )
        results = node.run_graph("body", [np.array(step, np.int64), np.array(goes_on), *carried], str(step))
        check_results(node, len(results), 1 + len(carried) + len(collected))
        goes_on = constant_condition(node, results[0], "the condition to go on")
        carried = results[1 : 1 + len(carried)]
        for values, value in zip(collected, results[1 + len(carried) :], strict=True):
            values.append(value)
        step += 1
    return [*carried, *(stacked(node, values, 0, 1 + len(carried) + k) for k, values in enumerate(collected))]


def check_results(node: OnnxNode, got: int, expected: int) -> None:
    """Whether the body gives as much as the node."""
    if got != expected:
        node.fail(f"has a body with {got} outputs, expected {expected}. Export the model again.")


def stacked(node: OnnxNode, values: Sequence[Value], axis: int, k: int) -> Value:
    """Values of equal shapes along a new axis: what the steps give as output k of the body."""
    if not values:
        return nothing_collected(node, axis, k)
    values = tensors(node, values)
    shape = values[0].shape
    if any(value.shape != shape for value in values):
        node.fail(f"collects values of shapes {[value.shape for value in values]}, expected equal ones. Export again.")
    axis = node.axis(axis, len(shape) + 1)
    longer = (*shape[:axis], 1, *shape[axis:])
    return node.graph.concatenate([value.reshape(longer) for value in values], axis)


def nothing_collected(node: OnnxNode, axis: int, k: int) -> Value:
    """What no step gives: the body declares its type and shape."""
    declared = node.attribute("body").g.output[k].type.tensor_type
    lengths = [dim.dim_value if dim.HasField("dim_value") else -1 for dim in declared.shape.dim]
    if not declared.HasField("shape") or min(lengths, default=0) < 0:
        node.fail("makes no step, but collects what the steps give. Export the model without it.")
    axis = node.axis(axis, len(lengths) + 1)
    return np.zeros([*lengths[:axis], 0, *lengths[axis:]], tensor_dtype_to_np_dtype(declared.elem_type))


# ---- Scan


@converter("Scan", since=9, takes_constants=True)
def scan(node: OnnxNode) -> Sequence[Value]:
    """A loop over slices of its last inputs; the first ones are carried from step to step."""
    n_scanned = node.integer("num_scan_inputs")
    n_carried = len(node.inputs) - n_scanned
    if n_scanned < 1 or n_carried < 0:
        node.fail(f"has num_scan_inputs={n_scanned} and {len(node.inputs)} inputs. Export the model again.")
    values = [node.input(k) for k in range(len(node.inputs))]
    return scanned(node, values[:n_carried], values[n_carried:])


@converter("Scan", since=8, takes_constants=True)
def batched_scan(node: OnnxNode) -> Sequence[Value]:
    """In operator set 8, for each index of a leading axis of all inputs, behind an input with the lengths."""
    n_carried = len(node.inputs) - 1 - node.integer("num_scan_inputs")
    values = [node.input(k) for k in range(1, len(node.inputs))]
    if not 0 <= n_carried < len(values) or any(value.shape[:1] != values[0].shape[:1] for value in values):
        node.fail(f"has inputs of shapes {[value.shape for value in values]} that do not fit. Export the model again.")
    if node.has_input(0) and set(node.constant_integers(0)) != {values[-1].shape[1]}:
        node.fail("has sequences of different lengths, which operator set 9 gave up. Export with a newer one.")
    runs = []
    for b in range(values[0].shape[0]):
        part = [value[b] for value in values]
        runs.append(scanned(node, part[:n_carried], part[n_carried:]))
    return [stacked(node, results, 0, k) for k, results in enumerate(zip(*runs, strict=True))]


def scanned(node: OnnxNode, carried: list[Value], sources: list[Value]) -> list[Value]:
    """What is carried after the last step, and what the steps give."""
    in_axes = flags(node, "scan_input_axes", len(sources))
    backward = flags(node, "scan_input_directions" if node.opset > 8 else "directions", len(sources))
    axes = [node.axis(axis, len(source.shape)) for axis, source in zip(in_axes, sources, strict=True)]
    lengths = {source.shape[axis] for axis, source in zip(axes, sources, strict=True)}
    if len(lengths) != 1:
        node.fail(f"goes through axes of different lengths, {sorted(lengths)}. Export the model again.")
    (length,) = lengths
    n_collected = node.n_outputs - len(carried)
    moves = list(zip(axes, backward, strict=True))
    if length > 1 and are_alike(node, carried, sources, n_collected):
        return scanned_at_once(node, carried, sources, moves, n_collected)
    collected: list[list[Value]] = [[] for _ in range(n_collected)]
    for step in range(length):
        slices = [
            node.graph.rearrange(source, taker(length - 1 - step if back else step, axis))
            for source, (axis, back) in zip(sources, moves, strict=True)
        ]
        results = node.run_graph("body", [*carried, *slices], str(step))
        check_results(node, len(results), len(carried) + n_collected)
        for values, value in zip(collected, results[len(carried) :], strict=True):
            values.append(value)
        carried = results[: len(carried)]
    return carried + [
        stacked(node, values[::-1] if prepend else values, axis, len(carried) + k)
        for k, (values, (axis, prepend)) in enumerate(zip(collected, output_moves(node, n_collected), strict=True))
    ]


def output_moves(node: OnnxNode, count: int) -> list[tuple[int, int]]:
    """Along which axis each output is collected, and whether from its end on."""
    names = ("scan_output_axes", "scan_output_directions")
    return list(zip(*(flags(node, name, count) for name in names), strict=True))


def scanned_at_once(
    node: OnnxNode, carried: list[Value], sources: list[Value], moves: list[tuple[int, int]], n_collected: int
) -> list[Value]:
    """The same without a step after the other."""
    graph = node.graph

    def step_first(axis: int, back: int):  # type: ignore[no-untyped-def]
        return lambda array: np.moveaxis(array, axis, 0)[:: -1 if back else 1]

    def step_at(axis: int, back: int):  # type: ignore[no-untyped-def]
        return lambda array: np.moveaxis(array[:: -1 if back else 1], 0, node.axis(axis, array.ndim))

    fronts = [graph.rearrange(source, step_first(*move)) for source, move in zip(sources, moves, strict=True)]
    found = all_steps(node, carried, fronts)
    output_places = output_moves(node, n_collected)
    return carried + [graph.rearrange(value, step_at(*move)) for value, move in zip(found, output_places, strict=True)]


def flags(node: OnnxNode, name: str, count: int) -> list[int]:
    """An attribute with an integer for each; 0 by default."""
    numbers = node.integers(name) or [0] * count
    if len(numbers) != count:
        node.fail(f"has {name}={numbers}, expected {count} numbers. Export the model again.")
    return numbers


def taker(place: int, axis: int):  # type: ignore[no-untyped-def]
    """The slice at a place along an axis."""
    return lambda array: array.take(place, axis)
