"""Hessians of networks whose first layers see few inputs each: a compressed front, and the rest behind few numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from front_networks import SIDE, V1, V2, W1, W2, W3, U, classifier, conv, dense, flat
from operator_table import Nodes
from torch.nn import functional


def tensor(array: np.ndarray) -> Any:
    return torch.tensor(array)


def classifier_reference(x: Any, activation: Callable[[Any], Any]) -> Any:
    hidden = activation(functional.conv2d(x.reshape(1, 1, SIDE, SIDE), tensor(W1)))
    hidden = torch.sigmoid(functional.conv2d(functional.pad(hidden, [1, 0, 1, 0]), tensor(W2)))
    return torch.tanh(tensor(W3) @ hidden.ravel())


def residual(nodes: Nodes) -> list[int]:
    """A skip around two convolutions, and a product behind the front, which is not curved unit by unit."""
    signal = nodes.add("Reshape", 0, shape=[1, 40])
    hidden = conv(nodes, nodes.add("Tanh", conv(nodes, signal, V1, [2, 2])), V2, [1, 1])
    joined = flat(nodes, nodes.add("Sin", nodes.add("Add", signal, hidden)))
    summary = dense(nodes, joined, U)
    return [nodes.add("Mul", summary, nodes.add("Exp", summary)), nodes.piece(joined, 3, (2,))]


def residual_reference(x: Any) -> Any:
    signal = x.reshape(1, 1, 40)
    hidden = functional.conv1d(torch.tanh(functional.conv1d(signal, tensor(V1), padding=2)), tensor(V2), padding=1)
    joined = torch.sin(signal + hidden).ravel()
    summary = tensor(U) @ joined
    return torch.cat([summary * torch.exp(summary), joined[3:5]])


def convolutions_only(nodes: Nodes) -> list[int]:
    signal = nodes.add("Reshape", 0, shape=[1, 40])
    return [nodes.add("Softplus", nodes.add("Square", conv(nodes, signal, V1, [0, 0])))]


def convolutions_only_reference(x: Any) -> Any:
    return functional.softplus(functional.conv1d(x.reshape(1, 1, 40), tensor(V1)) ** 2).ravel()


def elementwise_first(nodes: Nodes) -> list[int]:
    return [nodes.add("Exp", dense(nodes, nodes.add("Sin", 0), U))]


CASES: dict[str, tuple[int, Callable[[Nodes], list[int]], Callable[[Any], Any]]] = {
    "classifier": (SIDE**2, lambda nodes: classifier(nodes, "Tanh"), lambda x: classifier_reference(x, torch.tanh)),
    "straight front": (SIDE**2, lambda nodes: classifier(nodes, "Relu"), lambda x: classifier_reference(x, torch.relu)),
    "residual": (40, residual, residual_reference),
    "nothing behind": (40, convolutions_only, convolutions_only_reference),
    "curved at once": (40, elementwise_first, lambda x: torch.exp(tensor(U) @ torch.sin(x))),
}


def error(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a - b).max() / np.abs(b).max())


@pytest.mark.parametrize("case", CASES)
def test_hessians(case: str) -> None:
    n, build, reference = CASES[case]
    nodes = Nodes(n)
    function = nodes.function(*build(nodes))
    points = np.random.default_rng(4).uniform(-1, 1, (3, n))
    weights = np.random.default_rng(5).normal(size=(3, 2, function.n_outputs))
    expected = np.empty((3, 2, n, n))
    for p in range(3):
        for w in range(2):
            combined = tensor(weights[p, w])
            hessian = torch.autograd.functional.hessian(lambda x: combined @ reference(x), tensor(points[p]))  # noqa: B023
            expected[p, w] = hessian.numpy()
            assert error(function.hessian(points[p], weights[p, w]), expected[p, w]) < 1e-12
            assert error(function.hessian(points[p], weights[p, w], sparse=True).toarray(), expected[p, w]) < 1e-12
    assert error(function.hessian(points, weights[:, 0]), expected[:, 0]) < 1e-12
    value, jacobian, hessian = function.evaluate(points[0], weights[0, 0], order=2)
    rows = torch.autograd.functional.jacobian(reference, tensor(points[0])).numpy()
    assert error(value, reference(tensor(points[0])).numpy()) < 1e-12
    assert error(jacobian, rows) < 1e-12
    assert error(hessian, expected[0, 0]) < 1e-12
