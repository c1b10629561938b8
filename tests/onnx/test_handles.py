"""Handles of the importer's values: NumPy's operators, indices and shapes mean on them what they mean on arrays."""

from __future__ import annotations

import operator
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fastexpr._core import Function
from fastexpr.onnx.builder import GraphBuilder
from fastexpr.onnx.handle import Handle, Value, exact

RANDOM = np.random.default_rng(0)
A, B = RANDOM.uniform(0.5, 2.0, (3, 4)), RANDOM.uniform(0.5, 2.0, (4,))
OPERATORS = (operator.add, operator.sub, operator.mul, operator.truediv, operator.pow, operator.lt, operator.le,
             operator.gt, operator.ge)  # fmt: skip


def values(graph: GraphBuilder) -> tuple[Value, Value]:
    """A and B as parts of x."""
    return graph.part_of_x(0, A.size).reshape(A.shape), graph.part_of_x(A.size, B.size)


def evaluated(graph: GraphBuilder, value: Value) -> Any:
    """What the value is where x is A and B."""
    assert isinstance(value, Handle)
    n = A.size + B.size
    function = Function._from_nodes(n, graph.nodes, [value.id], [("x", (n,))], [("y", value.shape)])
    return function(np.concatenate([A.ravel(), B])).reshape(value.shape)


@pytest.mark.parametrize("apply", OPERATORS, ids=lambda apply: apply.__name__)
def test_operators_between_handles_arrays_and_numbers(apply: Callable[[Any, Any], Any]) -> None:
    graph = GraphBuilder(A.size + B.size)
    a, b = values(graph)
    for left, right, expected in (
        (a, b, apply(A, B)), (a, B, apply(A, B)), (A, b, apply(A, B)), (b, a, apply(B, A)), (a, A, apply(A, A)),
        (a, 1.25, apply(A, 1.25)), (1.25, a, apply(1.25, A)),
    ):  # fmt: skip
        np.testing.assert_allclose(evaluated(graph, apply(left, right)), expected, 1e-15)


def test_products_of_matrices() -> None:
    graph, W = GraphBuilder(A.size + B.size), RANDOM.normal(size=(4, 2))
    a, b = values(graph)
    for value, expected in (
        (a @ W, A @ W),
        (W.T @ a.transpose((1, 0)), W.T @ A.T),
        (a @ b.reshape((4, 1)), A @ B[:, None]),
    ):
        np.testing.assert_allclose(evaluated(graph, value), expected, 1e-14)


@pytest.mark.parametrize(
    "move",
    [
        lambda a: a[1], lambda a: a[:, ::-1], lambda a: a[..., np.array([[3, 0]])], lambda a: a[1, 2], lambda a: -a,
        lambda a: a[np.newaxis, 1:], lambda a: a.reshape((2, 6)), lambda a: a.transpose((1, 0)),
        lambda a: -a[:, :1] * a,
    ],
)  # fmt: skip
def test_what_moves_numbers(move: Callable[[Any], Any]) -> None:
    graph = GraphBuilder(A.size + B.size)
    np.testing.assert_array_equal(evaluated(graph, move(values(graph)[0])), move(A))


def test_equal_numbers_are_one_node_but_zeros_have_signs() -> None:
    graph = GraphBuilder(2)
    parts = [graph.x * number for number in (2.0, 2.0, 0.0, -0.0)]
    constants = [core.constants[0] for core, _, _ in graph.nodes if core.name == "Constant"]
    assert [(float(c), bool(np.signbit(c))) for c in constants] == [(2.0, False), (0.0, False), (0.0, True)]
    assert len(parts) == 4


def test_numbers_of_a_file_are_made_double() -> None:
    single = np.array([1.0, 2.0], np.float32)
    assert exact(single).dtype == exact(np.array([1, 2])).dtype == np.float64
    assert exact(exact(single)) is not single


def test_numpy_s_functions_do_not_take_handles() -> None:
    with pytest.raises(TypeError, match="__array_ufunc__"):
        np.sqrt(GraphBuilder(2).x)  # type: ignore[call-overload]


def test_a_graph_goes_with_its_last_handle() -> None:
    graph = GraphBuilder(2)
    handle = graph.x * 2.0 + np.ones(2)
    alive = weakref.ref(graph)
    del graph
    assert alive() is not None
    del handle
    assert alive() is None  # at once: no circle waits for the garbage collector
