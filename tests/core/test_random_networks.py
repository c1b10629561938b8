"""Value, Jacobian and Hessian of 30 random networks against JAX in double precision."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from onnx_jax import derivatives
from onnx_models import distance
from random_networks import random_network

import fastexpr as fx

COUNT = 30
OPERATORS = {
    "Gemm", "MatMul", "Add", "Sub", "Mul", "Div", "Neg", "Abs", "Relu", "LeakyRelu", "Elu", "Selu",
    "Sigmoid", "Tanh", "Softplus", "Softsign", "Gelu", "Swish", "HardSigmoid", "HardSwish", "Exp",
    "Log", "Sqrt", "Pow", "Erf", "Sin", "Cos", "Clip", "Softmax", "LogSoftmax", "ReduceSum",
    "ReduceMean", "Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Concat", "Slice",
    "Gather", "Identity", "Dropout", "Cast", "BatchNormalization",
}  # fmt: skip


@pytest.mark.parametrize("seed", range(COUNT))
def test_derivatives(seed: int) -> None:
    model = random_network(seed, COUNT)
    net = fx.load_onnx(model)
    random = np.random.default_rng(seed)
    x = random.uniform(-1, 1, net.n_inputs)
    weights = random.normal(size=net.n_outputs)
    value, jacobian, hessian = derivatives(model, x, weights)
    got = net.evaluate(x, weights)
    assert np.isfinite(hessian).all()
    assert np.abs(hessian).max() > 0
    assert distance(got[0], value) < 1e-12
    assert distance(got[1], jacobian) < 1e-12
    assert distance(got[2], hessian) < 1e-12
    assert distance(net.jacobian(x, sparse=True).toarray(), jacobian) < 1e-12
    assert distance(net.hessian(x, weights, sparse=True).toarray(), hessian) < 1e-12
    assert distance(net.vjp(x, weights), weights @ jacobian) < 1e-12
    assert distance(net.hvp(x, weights, x), hessian @ x) < 1e-12


def test_all_operators_occur() -> None:
    models = [random_network(seed, COUNT) for seed in range(COUNT)]
    assert {node.op_type for model in models for node in model.graph.node} >= OPERATORS
    assert {len(model.graph.input) for model in models} == {1, 2, 3}
    assert {model.graph.input[0].type.tensor_type.elem_type for model in models} == {1, 11}
    for model in models:  # every one has tensors that several nodes read
        readers = Counter(name for node in model.graph.node for name in node.input)
        assert max(readers[node.output[0]] for node in model.graph.node) > 1


def test_sparse_hessian_with_a_reduced_seed() -> None:
    """x enters through few affine images, and the pattern is too full to compress: both need a buffer."""
    n = 12
    x = fx.variables(n)
    matrix = np.random.default_rng(0).normal(size=(5, n))
    net = fx.Function(x, np.tanh(matrix @ x).sum() ** 2)
    point = np.linspace(-1, 1, n)
    assert distance(net.hessian(point, sparse=True).toarray(), net.hessian(point)) < 1e-14
