"""The list of core nodes under construction: what the operators of values write to.

The methods below take arrays and Handles. Arithmetic on constants alone gives a constant in double precision;
rearranging a constant keeps its precision. A tensor without elements is a constant: the core has none.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastexpr._core import Function, Operator
from fastexpr.errors import GraphError
from fastexpr.onnx.arrays import Array, as_float
from fastexpr.onnx.handle import FLOAT, Handle, Operand, Shape, Value
from fastexpr.onnx.products import matrix_product
from fastexpr.onnx.sizes import check_result, n_rows

LARGEST_GRAPH = 500_000  # core nodes of a model
LARGEST_MOVES = 3 * 2**22  # numbers that are picked or moved, each by its own index, beside some for each weight
SMALLEST_SHARED = 4096  # bytes of constants that operators share
MOVES_PER_WEIGHT = 4
LARGEST_KNOWN = 2**24  # numbers of index arrays that are kept

CoreNode = tuple[Operator, list[int], str]


ARITHMETIC: dict[str, Callable[[Array, Array], Array]] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": np.divide,
    "Pow": np.power,
}


def is_masked(array: Array) -> Array:
    """Where a constant is -inf or NaN."""
    return np.isnan(array) | (array == -np.inf) if array.dtype.kind == "f" else np.zeros(array.shape, bool)


def place_of(array: Array) -> Any:
    """What tells arrays in memory apart."""
    return array.__array_interface__["data"], array.shape, array.strides, array.dtype.str


class GraphBuilder:
    """Collects nodes of the core; node 0 is x.

    Attributes
    ----------
    nodes : (operator, ids of the inputs, label) of nodes 1, 2, ...
    largest : how many nodes there may be
    moves_left : how many more numbers may be moved
    label : what nodes are called from now on: the ONNX node they come from
    of_constants : whether no node depends on x, so that its numbers are computed at once; they may be infinite or NaN
    masked : by id of a node, an array that is -inf or NaN where its value is so at every x, and 0 elsewhere
    """

    def __init__(
        self,
        n_inputs: int,
        of_constants: bool = False,
        largest: int = LARGEST_GRAPH,
        n_weights: int = 0,
        like: GraphBuilder | None = None,
    ) -> None:
        self.largest = largest
        self.of_constants = of_constants
        self.n_inputs = n_inputs
        self.nodes: list[CoreNode] = []
        self.label = ""
        self.masked: dict[int, Array] = {}
        self._ranges: dict[int, tuple[float, float]] = {}
        self.moves_left = LARGEST_MOVES * n_rows() + MOVES_PER_WEIGHT * n_weights
        self._known_places: dict[int, Array] = {}
        self._stored: dict[Any, tuple[Array, Array]] = like._stored if like else {}
        self._in_order: dict[Any, tuple[Array, Array]] = like._in_order if like else {}
        self._operators: dict[Any, tuple[Operator, list[Array]]] = {}
        self._numbers: dict[tuple[float, float], Array] = {}
        self._constants: dict[int, tuple[Array, int]] = {}  # the array is kept: its id must stay its own

    @property
    def x(self) -> Handle:
        """All inputs: node 0. Made anew each time: a handle keeps its graph, so a graph must keep no handle."""
        return Handle(0, (self.n_inputs,), self)

    def apply(self, name: str, *operands: Operand, constants: Sequence[Array] = (), **attributes: Any) -> Handle:
        """A new node. Constants and numbers among the operands become Constant nodes."""
        inputs = [self.value(operand) for operand in operands]
        shapes = [value.shape for value in inputs]
        operator = self._shared_operator(name, shapes, constants, attributes)
        handles = [self.handle(value, not operator.takes_infinities) for value in inputs]
        self.nodes.append((operator, [handle.id for handle in handles], self.label))
        if self.of_constants:
            check_result(operator.shape, f"[{name}]", sum(map(math.prod, shapes)))
        if len(self.nodes) > self.largest:
            raise GraphError(
                f"[{name}] the model is written out, and gives more than {self.largest} operators. Export it with "
                "fewer steps or nodes."
            )
        return Handle(len(self.nodes), tuple(operator.shape), self)

    def _shared_operator(
        self, name: str, shapes: list[Shape], constants: Sequence[Array], attributes: dict[str, Any]
    ) -> Operator:
        """Equal nodes share one operator: a chain of 100,000 Tanh is one Tanh, an LSTM's steps have one matrix."""
        if name == "Select" and constants[0].nbytes > SMALLEST_SHARED:  # long indices are made for it alone
            return Operator(name, shapes, attributes, list(constants))
        key = (
            name,
            tuple(shapes),
            tuple((k, tuple(v) if isinstance(v, list) else v) for k, v in attributes.items()) if attributes else (),
            constants[0].tobytes() if name == "Select" else tuple(map(id, constants)),
        )
        if key not in self._operators:
            made = Operator(name, shapes, attributes, [self._shared(array) for array in constants])
            for k, array in enumerate(constants):
                if array.nbytes >= SMALLEST_SHARED:
                    self._stored.setdefault(place_of(array), (array, made.constants[k]))
            self._operators[key] = (made, list(constants))  # the arrays are kept: their ids must stay their own
        return self._operators[key][0]

    def contiguous(self, array: Array) -> Array:
        """The array as the core stores constants, in C order; copied at most once."""
        if array.flags.c_contiguous and array.dtype in (np.float32, np.float64):
            return array
        place = place_of(array)
        if place not in self._in_order:
            self._in_order[place] = (array, np.ascontiguousarray(as_float(array)))
        return self._in_order[place][1]

    def _shared(self, array: Array) -> Array:
        """The array as an operator has it already, which shares it without a copy; else the array."""
        return self._stored.get(place_of(array), (array, array))[1]

    def value(self, operand: Operand) -> Value:
        """A plain number as an array without axes, the same for equal numbers; what is a value already as it is."""
        if isinstance(operand, Handle | np.ndarray):
            return operand
        key = (operand, math.copysign(1.0, operand))  # -0.0 is another number than 0.0
        if key not in self._numbers:
            self._numbers[key] = np.full((), operand, np.float64)
        return self._numbers[key]

    def handle(self, value: Value, must_be_finite: bool = True) -> Handle:
        """The value as a node."""
        if isinstance(value, Handle):
            return value
        if id(value) not in self._constants:
            constant = np.ascontiguousarray(as_float(value)).reshape(value.shape)  # ascontiguousarray makes scalars 1-D
            if must_be_finite and not self.of_constants and not np.isfinite(constant).all():
                raise GraphError("[Constant] a number computed from the weights is not finite. Check the weights.")
            self._constants[id(value)] = (value, self.apply("Constant", constants=[constant]).id)
        return Handle(self._constants[id(value)][1], value.shape, self)

    def arithmetic(self, name: str, a: Value, b: Value) -> Value:
        """Add, Sub, Mul, Div or Pow with NumPy broadcasting."""
        if a.shape != b.shape:
            shape = np.broadcast_shapes(a.shape, b.shape)
            check_result(shape, f"[{name}]", math.prod(a.shape) + math.prod(b.shape))
            if 0 in shape:
                return np.zeros(shape)
        if isinstance(a, Handle) or isinstance(b, Handle):
            return self.apply(name, a, b)
        with np.errstate(all="ignore"):
            return ARITHMETIC[name](np.asarray(a, np.float64), np.asarray(b, np.float64))

    def binary(self, name: str, a: Operand, b: Operand) -> Value:
        """An operator between two values, one of which may be a plain number."""
        if name in ARITHMETIC:
            return self.arithmetic(name, self.value(a), self.value(b))
        return matrix_product(self, self.value(a), self.value(b)) if name == "MatMul" else self.apply(name, a, b)

    def reshape(self, value: Handle, shape: Sequence[int]) -> Handle:
        """The same numbers in another shape."""
        shape = tuple(int(length) for length in shape)
        if value.shape == shape:
            return value
        return self._moved(value, self.apply("Reshape", value, shape=list(shape)), lambda a: a.reshape(shape))

    def _moved(self, source: Handle, result: Handle, move: Callable[[Array], Array]) -> Handle:
        """The result, whose numbers are what they are in the source, and which knows where that is masked."""
        if source.id in self.masked:
            self.masked[result.id] = np.asarray(move(self.masked[source.id]))
        return result.astype(source.dtype)

    def rearrange(self, value: Value, move: Callable[[Array], Array]) -> Value:
        """move(value), where `move` only picks and moves elements: np.transpose, slicing, np.take, np.broadcast_to."""
        if not isinstance(value, Handle):
            return np.asarray(move(value))  # picking one element gives a scalar otherwise
        places = self._places(math.prod(value.shape))
        moved = move(places.reshape(value.shape))
        check_result(moved.shape, "[Select]", places.size)
        if moved.size == 0:
            return np.zeros(moved.shape, value.dtype)
        self._spend_moves(moved.size)
        flat = np.ascontiguousarray(moved).reshape(-1)
        if flat.size == places.size and np.array_equal(flat, places):
            self.moves_left += flat.size
            return self.reshape(value, moved.shape)
        return self._moved(value, self.apply("Select", value, constants=[flat], shape=list(moved.shape)), move)

    def _mask_of(self, value: Value) -> Array:
        """Where the value is -inf or NaN at every x."""
        if isinstance(value, Handle):
            return self.masked.get(value.id, np.zeros(value.shape))
        return np.where(is_masked(value), value, 0.0)

    def moves_x(self, value: Value) -> bool:
        """Whether the value is nothing but numbers of x, in another order or shape."""
        return isinstance(value, Handle) and all(
            node == self.x.id or self.nodes[node - 1][0].name in ("Reshape", "Select")
            for node in self.nodes_behind(value)
        )

    def _spend_moves(self, count: int) -> None:
        self.moves_left -= count
        if self.moves_left < 0:
            raise GraphError(
                f"[Select] the model moves more than {LARGEST_MOVES} numbers from place to place, beside some for each "
                "weight. Export it with fewer transpositions and the like."
            )

    def _places(self, size: int) -> Array:
        """0, 1, ..., size - 1; kept, as the steps of a loop take one after another from the same tensor."""
        if size not in self._known_places:
            if size + sum(self._known_places) > LARGEST_KNOWN:
                self._known_places.clear()
            self._known_places[size] = np.arange(size, dtype=np.int64)
            self._known_places[size].flags.writeable = False
        return self._known_places[size]

    def part_of_x(self, start: int, size: int) -> Value:
        """The numbers start to start + size of x."""
        return self.rearrange(self.x, lambda x: x[start : start + size])

    def range_of(self, value: Handle) -> tuple[float, float]:
        """Between which numbers all of the value lie, at whatever x; NaN counts as everything."""
        if value.id not in self._ranges:
            n, size = self.x.shape[0], math.prod(value.shape)
            inputs, outputs = ([f"{letter}{k}" for k in range(count)] for letter, count in (("x", n), ("y", size)))
            function = Function._from_nodes(
                n,
                self.nodes[: value.id],
                [value.id],
                [("x", (n,))],
                [("y", value.shape)],
                inputs,
                outputs,
                None,
                None,
            )
            lower, upper = function.output_bounds(np.full(n, -np.inf), np.full(n, np.inf))
            is_known = not np.isnan([*lower, *upper]).any()
            self._ranges[value.id] = (float(lower.min()), float(upper.max())) if is_known else (-np.inf, np.inf)
        return self._ranges[value.id]

    def nodes_behind(self, value: Handle) -> set[int]:
        """Ids of the nodes that the value is computed from, itself included."""
        found, waiting = {value.id}, [value.id]
        while waiting:
            node = waiting.pop()
            fresh = set(self.nodes[node - 1][1]) - found if node != self.x.id else set()
            found |= fresh
            waiting += fresh
        return found

    def concatenate(self, values: Sequence[Value], axis: int) -> Value:
        """NumPy's concatenate, axis >= 0."""
        values = [value for value in values if 0 not in value.shape] or values[:1]
        if len(values) == 1:
            return values[0]
        sizes = [math.prod(value.shape) for value in values]
        keys = [value.id if isinstance(value, Handle) else -id(value) for value in values]
        check_result([sum(sizes)], "[Concat]", sum(dict(zip(keys, sizes, strict=True)).values()))
        arrays = [value for value in values if not isinstance(value, Handle)]
        if len(arrays) == len(values):
            return np.concatenate(arrays, axis)
        joined = self.apply("Concat", *values, axis=axis)
        if any(value.id in self.masked if isinstance(value, Handle) else is_masked(value).any() for value in values):
            self.masked[joined.id] = np.concatenate([self._mask_of(value) for value in values], axis)
        kinds = {value.dtype.kind for value in values}
        return joined.astype(values[0].dtype if kinds != {"f"} and len(kinds) == 1 else FLOAT)
