"""Several operators together: what a single one cannot show."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from fastexpr import _core
from operator_table.arrays import (
    W_32,
    W_32_TORCH,
    W_64,
    W_64_TORCH,
    indices,
)
from operator_table.formulas import softmax
from operator_table.row import Nodes

THREE = torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64)


@dataclass(frozen=True, eq=False)
class GraphRow:
    """A small graph."""

    note: str
    n: int
    build: Callable[[Nodes], Sequence[int]]  # adds nodes and returns the outputs
    reference_of_x: Callable[[Any], Any]
    between: tuple[float, float] = (-2.0, 2.0)
    points: Sequence[np.ndarray] = ()
    has_exact_pattern: bool = True

    def __str__(self) -> str:
        return self.note

    def function(self) -> _core.Function:
        nodes = Nodes(self.n)
        return nodes.function(*self.build(nodes))

    def sample_points(self) -> list[np.ndarray]:
        generator = np.random.default_rng(sum(map(ord, self.note)))
        return [generator.uniform(*self.between, self.n), *self.points]


def squared_matrix(nodes: Nodes) -> list[int]:
    grid = nodes.add("Reshape", 0, shape=[2, 2])
    return [nodes.add("MatMul", grid, grid)]


def zeros_kept(nodes: Nodes) -> list[int]:
    """Zeros that are joined, moved and multiplied; their exponentials are not 0."""
    zeros = nodes.constant([0.0, 0.0])
    joined = nodes.add("Concat", 0, zeros, axis=0)
    left = nodes.add("Reshape", nodes.add("Select", joined, shape=[4], constants=[indices(0, 2, 3, 1)]), shape=[2, 2])
    right = nodes.add("Reshape", joined, shape=[2, 2])
    powers = nodes.add("Exp", left)
    return [
        nodes.add("MatMul", left, right),
        nodes.add("Mul", left, right),
        nodes.add("MatMul", powers, right),
        nodes.add("MatMul", powers, left),
    ]


def zeros_kept_reference(x: Any) -> Any:
    zeros = torch.zeros(2, dtype=x.dtype)
    left, right = torch.stack([x[0], *zeros, x[1]]).reshape(2, 2), torch.cat([x, zeros]).reshape(2, 2)
    powers = torch.exp(left)
    return torch.cat([y.ravel() for y in (left @ right, left * right, powers @ right, powers @ left)])


def shared_node(nodes: Nodes) -> list[int]:
    shared = nodes.add("Tanh", 0)
    return [nodes.add("Mul", nodes.add("Sin", shared), nodes.add("Exp", shared))]


def two_outputs(nodes: Nodes) -> list[int]:
    hidden = nodes.add("Sigmoid", nodes.add("Linear", 0, axis=0, transposed=0, constants=[W_32]))
    return [nodes.add("Softmax", hidden, axis=0, n_axes=1), nodes.piece(hidden, 1, (2,))]


def output_read_again(nodes: Nodes) -> list[int]:
    first = nodes.add("Sin", 0)
    return [first, nodes.add("Mul", first, first), first]


def constant_branch(nodes: Nodes) -> list[int]:
    scale = nodes.add("Exp", nodes.constant([0.5, -1.0, 2.0]))
    return [nodes.add("Mul", nodes.add("Div", nodes.add("Tanh", 0), scale), nodes.add("Log", scale)), scale]


def negative_base(nodes: Nodes) -> list[int]:
    return [
        nodes.add(
            "Pow", nodes.add("Sub", 0, nodes.constant(5.0)), nodes.add("Add", nodes.constant(1.0), nodes.constant(2.0))
        )
    ]


def residual(nodes: Nodes) -> list[int]:
    current = 0
    for _ in range(3):
        hidden = nodes.add("Tanh", nodes.add("Linear", current, axis=0, transposed=0, constants=[W_64]))
        current = nodes.add("Add", current, nodes.add("Linear", hidden, axis=0, transposed=1, constants=[W_64]))
    return [current]


def residual_reference(x: Any) -> Any:
    for _ in range(3):
        x = x + W_64_TORCH.T @ torch.tanh(W_64_TORCH @ x)
    return x


def views(nodes: Nodes) -> list[int]:
    grid = nodes.add("Reshape", 0, shape=[2, 3])
    joined = nodes.add("Concat", grid, nodes.add("Reshape", nodes.add("Exp", grid), shape=[2, 3]), axis=0)
    flat = nodes.add("Reshape", nodes.add("Reshape", joined, shape=[12]), shape=[3, 4])
    return [nodes.add("Mul", flat, flat), flat, grid]


def views_reference(x: Any) -> Any:
    joined = torch.cat([x, torch.exp(x)])
    return torch.cat([joined**2, joined, x])


GRAPHS = [
    GraphRow("shared node", 3, shared_node, lambda x: torch.sin(torch.tanh(x)) * torch.exp(torch.tanh(x))),
    GraphRow("zeros", 2, zeros_kept, zeros_kept_reference),
    GraphRow("same input twice: Mul", 3, lambda nodes: [nodes.add("Mul", 0, 0)], lambda x: x * x),
    GraphRow("same input twice: Add", 3, lambda nodes: [nodes.add("Add", 0, 0)], lambda x: x + x),
    GraphRow("same input twice: MatMul", 4, squared_matrix, lambda x: (x.reshape(2, 2) @ x.reshape(2, 2)).ravel()),
    GraphRow("same input twice: Pow", 3, lambda nodes: [nodes.add("Pow", 0, 0)], lambda x: x**x, between=(0.5, 2.0)),
    GraphRow(
        "same input twice: broadcasting against itself",
        3,
        lambda nodes: [nodes.add("Mul", nodes.add("Reshape", 0, shape=[3, 1]), 0)],
        lambda x: (x[:, None] * x).ravel(),
    ),
    GraphRow(
        "same input twice: Concat",
        2,
        lambda nodes: [nodes.add("Exp", nodes.add("Concat", 0, 0, axis=0))],
        lambda x: torch.exp(torch.cat([x, x])),
    ),
    GraphRow(
        "two outputs",
        3,
        two_outputs,
        lambda x: (lambda s: torch.cat([softmax(s, 0), s[1:3]]))(torch.sigmoid(W_32_TORCH @ x)),
    ),
    GraphRow(
        "an output that is read again",
        2,
        output_read_again,
        lambda x: torch.cat([torch.sin(x), torch.sin(x) ** 2, torch.sin(x)]),
    ),
    GraphRow(
        "constant branch",
        3,
        constant_branch,
        lambda x: torch.cat([torch.tanh(x) / torch.exp(THREE) * THREE, torch.exp(THREE)]),
    ),
    GraphRow(
        "constant only",
        2,
        lambda nodes: [nodes.add("Sqrt", nodes.constant([4.0, 9.0]))],
        lambda x: 0 * x + torch.tensor([2.0, 3.0]),
    ),
    GraphRow("x itself", 2, lambda nodes: [0], lambda x: x),
    GraphRow("negative base, constant exponent from a node", 2, negative_base, lambda x: (x - 5) ** 3),
    GraphRow("residual", 3, residual, residual_reference),
    GraphRow("views", 6, views, views_reference),
    GraphRow(
        "a kink on every unit",
        4,
        lambda nodes: [nodes.add("Relu", nodes.add("Mul", 0, 0))],
        lambda x: x * x,
        points=[np.array([1.0, -2.0, 0.5, 3.0])],
    ),
]
