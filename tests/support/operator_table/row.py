"""What a row of the table is, and the lists of nodes that rows are made into."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from fastexpr import _core

Shape = tuple[int, ...]


class Nodes:
    """A node list under construction; node 0 is x, of shape (n,)."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.entries: list[tuple[Any, list[int], str]] = []
        self.shapes: list[Shape] = [(n,)]

    def add(self, name: str, *inputs: int, constants: Sequence[np.ndarray] = (), **attributes: Any) -> int:
        operator = _core.Operator(name, [self.shapes[k] for k in inputs], attributes, list(constants))
        self.entries.append((operator, list(inputs), f"{name.lower()}_{len(self.entries)}"))
        self.shapes.append(tuple(operator.shape))
        return len(self.entries)

    def constant(self, numbers: Any) -> int:
        return self.add("Constant", constants=[np.asarray(numbers, dtype=np.float64)])

    def piece(self, source: int, first: int, shape: Shape) -> int:
        """Numbers first, first + 1, ... of a node's value, as an array of this shape."""
        indices = np.arange(first, first + int(np.prod(shape)), dtype=np.int64)
        return self.add("Select", source, shape=list(shape), constants=[indices])

    def function(self, *outputs: int) -> _core.Function:
        ports = [(f"y{i}", self.shapes[output]) for i, output in enumerate(outputs)]
        names = [f"{name}[{i}]" for name, shape in ports for i in range(int(np.prod(shape)))]
        x_names = [f"x[{i}]" for i in range(self.n)]
        x_port = [("x", (self.n,))]
        return _core.Function._from_nodes(
            self.n, self.entries, list(outputs), x_port, ports, x_names, names, None, None
        )


@dataclass(frozen=True, eq=False)
class Row:
    """One operator for certain shapes and settings."""

    name: str
    reference: Callable[..., Any]  # the formula, in torch, of all inputs
    shapes: Sequence[Shape] = ((2, 3),)
    attributes: dict[str, Any] = field(default_factory=dict)
    constants: Sequence[np.ndarray] = ()
    fixed: dict[int, np.ndarray] = field(default_factory=dict)  # inputs that do not depend on x
    between: tuple[float, float] = (-3.0, 3.0)  # random points come from here
    points: Sequence[np.ndarray] = ()  # points of special interest, besides
    onnx: tuple[Any, ...] | None = None  # ONNX operator, its attributes, and constant inputs after the row's own
    exact: tuple[Callable[[Any], Any], ...] = ()  # value, first and second derivative with mpmath: unary operators
    domain: tuple[float, float] = (-np.inf, np.inf)  # of `exact`
    limits: tuple[float, float] | None = None  # at -inf and inf: unary operators
    at_kinks: dict[float, float] = field(default_factory=dict)  # argument: the derivative promised there
    has_exact_pattern: bool = True  # the sparsity found is what random points show; otherwise it may hold more
    has_poles: bool = False  # unbounded over an interval with one inside: unary operators
    note: str = ""

    def __str__(self) -> str:
        return f"{self.name}{'-' + self.note if self.note else ''}"

    @property
    def variable_inputs(self) -> list[int]:
        return [k for k in range(len(self.shapes)) if k not in self.fixed]

    @property
    def n(self) -> int:
        return sum(int(np.prod(self.shapes[k])) for k in self.variable_inputs)

    def reference_of_x(self, x: Any) -> Any:
        """The formula as a function of the variable inputs, flattened and joined."""
        inputs: list[Any] = []
        first = 0
        for k, shape in enumerate(self.shapes):
            if k in self.fixed:
                inputs.append(torch.tensor(self.fixed[k]))
                continue
            inputs.append(x[first : first + int(np.prod(shape))].reshape(shape))
            first += int(np.prod(shape))
        return self.reference(*inputs).ravel()

    def function(self, matrix: np.ndarray | None = None) -> _core.Function:
        """The operator alone, of x or of matrix @ x."""
        nodes = Nodes(self.n)
        source = 0 if matrix is None else nodes.add("Linear", 0, axis=0, transposed=0, constants=[matrix])
        inputs = []
        first = 0
        for k, shape in enumerate(self.shapes):
            if k in self.fixed:
                inputs.append(nodes.constant(self.fixed[k]))
                continue
            inputs.append(nodes.piece(source, first, shape))
            first += int(np.prod(shape))
        return nodes.function(nodes.add(self.name, *inputs, constants=self.constants, **self.attributes))

    def sample_points(self) -> list[np.ndarray]:
        generator = np.random.default_rng(sum(map(ord, str(self))))
        return [
            generator.uniform(*self.between, self.n),
            *(np.asarray(point, dtype=np.float64) for point in self.points),
        ]
