"""Functions handed to JAX and PyTorch: values, derivatives, batches, and their transformations."""

from __future__ import annotations

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from jax.test_util import check_grads
from networks import network

import fastexpr as fx
from fastexpr.errors import ShapeError

N, M, B = 4, 3, 5
X = np.random.default_rng(0).standard_normal((B, N))
W = np.random.default_rng(1).standard_normal(M)


@pytest.fixture
def net() -> fx.Function:
    return network(N, M)


@pytest.fixture
def double() -> Iterator[None]:
    """JAX in double precision; other tests have it as they want."""
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


def close(got: object, wanted: np.ndarray) -> None:
    np.testing.assert_allclose(np.asarray(got), wanted, rtol=1e-12, atol=1e-13)


# ---- JAX


@pytest.mark.parametrize("wrap", [lambda f: f, jax.jit], ids=["as it is", "jit"])
def test_jax_has_our_derivatives(net: fx.Function, double: None, wrap: object) -> None:
    f = net.to_jax()
    x = X[0]
    close(wrap(f)(x), net(x))
    close(wrap(jax.jacfwd(f))(x), net.jacobian(x))
    close(wrap(jax.jacrev(f))(x), net.jacobian(x))
    close(wrap(jax.grad(lambda z: W @ f(z)))(x), net.vjp(x, W))
    close(wrap(jax.hessian(lambda z: W @ f(z)))(x), net.hessian(x, W))
    close(wrap(jax.jacrev(jax.jacrev(lambda z: W @ f(z))))(x), net.hessian(x, W))
    close(wrap(jax.jacfwd(jax.jacfwd(lambda z: W @ f(z))))(x), net.hessian(x, W))
    _, dy = jax.jvp(f, (x,), (X[1],))
    close(dy, net.jvp(x, X[1]))


def test_jax_differentiates_what_is_around_the_network(net: fx.Function, double: None) -> None:
    f = net.to_jax()

    def loss(z: jax.Array) -> jax.Array:
        return jnp.sum(f(jnp.sin(z)) ** 2)

    x = X[0]
    step = 1e-5
    differences = [(jax.grad(loss)(x + step * e) - jax.grad(loss)(x - step * e)) / (2 * step) for e in np.eye(N)]
    np.testing.assert_allclose(jax.hessian(loss)(x), np.array(differences), rtol=1e-6, atol=1e-8)
    check_grads(loss, (x,), order=2, modes=["fwd", "rev"], rtol=1e-5)


def test_jax_maps(net: fx.Function, double: None) -> None:
    f = net.to_jax()
    close(jax.vmap(f)(X), net(X))
    close(f(X), net(X))
    close(jax.jit(jax.vmap(jax.jacfwd(f)))(X), net.jacobian(X))
    close(jax.vmap(jax.hessian(lambda z: W @ f(z)))(X), net.hessian(X, np.tile(W, (B, 1))))
    twice = np.stack([X, 2 * X, 3 * X])
    close(jax.vmap(jax.vmap(f))(twice), net(twice.reshape(-1, N)).reshape(3, B, M))
    close(jax.vmap(f, in_axes=1, out_axes=1)(X.T), net(X).T)
    close(jax.grad(lambda Z: jnp.sum(f(Z) @ W))(X), net.vjp(X, np.tile(W, (B, 1))))


def test_a_batch_of_jax_is_one_call(double: None) -> None:
    calls = []

    class Counted(fx.Function):
        def __call__(self, x: np.ndarray) -> np.ndarray:  # type: ignore[override]
            calls.append(x.shape)
            return super().__call__(x)

    f = Counted(network(N, M)).to_jax()
    jax.block_until_ready(jax.jit(jax.vmap(f))(X))
    assert calls == [(B, N)]


@pytest.fixture
def single() -> Iterator[None]:
    """JAX as it comes, whatever other modules have set."""
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", False)
    yield
    jax.config.update("jax_enable_x64", before)


def test_jax_keeps_single_precision(single: None) -> None:
    net = network(N, M)
    y = net.to_jax()(X[0].astype(np.float32))
    assert y.dtype == jnp.float32
    np.testing.assert_allclose(y, net(X[0].astype(np.float32)), rtol=1e-6)
    assert net.to_jax()(np.zeros(N, dtype=int)).dtype == jnp.float32


def test_jax_passes_what_is_not_finite_on(net: fx.Function, double: None) -> None:
    f = net.to_jax()
    points = X.copy()
    points[1, 2] = np.nan
    got = np.asarray(f(points))
    assert np.isnan(got[1]).all()
    close(got[[0, 2, 3, 4]], net(X[[0, 2, 3, 4]]))


def test_jax_refuses_other_shapes_and_third_derivatives(net: fx.Function, double: None) -> None:
    f = net.to_jax()
    with pytest.raises(ShapeError, match=r"\[Function.to_jax\] x has the wrong shape: got \(3,\), expected \(4,\)"):
        f(np.zeros(3))
    with pytest.raises(ShapeError, match="wrong shape"):
        jax.jit(f)(1.0)
    with pytest.raises(NotImplementedError, match="third"):
        jax.jacfwd(jax.hessian(lambda z: W @ f(z)))(X[0])


def test_a_solver_written_in_jax(net: fx.Function, double: None) -> None:
    """Newton's method on the gradient of a sum of squares."""
    f = net.to_jax()

    def loss(z: jax.Array) -> jax.Array:
        return jnp.sum((f(z) - net(X[0])) ** 2) + 1e-3 * jnp.sum((z - X[0]) ** 2)

    step = jax.jit(lambda z: z - jnp.linalg.solve(jax.hessian(loss)(z), jax.grad(loss)(z)))
    z = X[0] + 0.05
    for _ in range(10):
        z = step(z)
    np.testing.assert_allclose(z, X[0], atol=1e-8)


# ---- PyTorch


def tensor(x: np.ndarray, grad: bool = False) -> torch.Tensor:
    return torch.tensor(x, dtype=torch.float64, requires_grad=grad)


def test_torch_has_our_derivatives(net: fx.Function) -> None:
    f, w = net.to_torch(), tensor(W)
    x = tensor(X[0], grad=True)
    close(f(x).detach(), net(X[0]))
    (gradient,) = torch.autograd.grad(w @ f(x), x, create_graph=True)
    close(gradient.detach(), net.vjp(X[0], W))
    (product,) = torch.autograd.grad(gradient, x, tensor(X[1]))
    close(product, net.hvp(X[0], W, X[1]))
    close(torch.autograd.functional.jacobian(f, tensor(X[0])), net.jacobian(X[0]))
    close(torch.autograd.functional.hessian(lambda z: w @ f(z), tensor(X[0])), net.hessian(X[0], W))
    assert torch.autograd.gradcheck(f, (x,))
    assert torch.autograd.gradgradcheck(f, (x,))


def test_torch_func_transforms_it(net: fx.Function) -> None:
    f, w = net.to_torch(), tensor(W)
    x, batch = tensor(X[0]), tensor(X)
    close(torch.func.jacrev(f)(x), net.jacobian(X[0]))
    close(torch.func.grad(lambda z: w @ f(z))(x), net.vjp(X[0], W))
    close(torch.func.jacrev(torch.func.grad(lambda z: w @ f(z)))(x), net.hessian(X[0], W))
    close(torch.func.vmap(f)(batch), net(X))
    close(torch.func.vmap(torch.func.vmap(f))(torch.stack([batch, batch])), np.stack([net(X), net(X)]))
    close(torch.func.vmap(f, in_dims=1)(batch.T), net(X))
    close(torch.func.vmap(torch.func.grad(lambda z: w @ f(z)))(batch), net.vjp(X, np.tile(W, (B, 1))))
    hessians = torch.func.vmap(torch.func.jacrev(torch.func.grad(lambda z: w @ f(z))))(batch)
    close(hessians, net.hessian(X, np.tile(W, (B, 1))))


def test_torch_takes_batches(net: fx.Function) -> None:
    f = net.to_torch()
    x = tensor(np.stack([X, 2 * X]), grad=True)
    y = f(x)
    assert y.shape == (2, B, M)
    y.square().sum().backward()
    flat = x.detach().numpy().reshape(-1, N)
    close(x.grad, net.vjp(flat, 2 * net(flat)).reshape(2, B, N))


def test_torch_keeps_types(net: fx.Function) -> None:
    f = net.to_torch()
    assert f(torch.zeros(N)).dtype == torch.float32
    assert f(torch.zeros(N, dtype=torch.int64)).dtype == torch.get_default_dtype()
    assert not f(torch.zeros(N)).requires_grad
    points = X.copy()
    points[3, 0] = np.inf
    assert torch.isnan(f(tensor(points))[3]).all()


def test_torch_refuses_other_shapes_and_third_derivatives(net: fx.Function) -> None:
    f = net.to_torch()
    with pytest.raises(ShapeError, match=r"\[Function.to_torch\] x has the wrong shape: got \(3,\), expected \(4,\)"):
        f(torch.zeros(3))
    x = tensor(X[0], grad=True)
    (gradient,) = torch.autograd.grad(f(x).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(gradient.sum(), x, create_graph=True)
    with pytest.raises(NotImplementedError, match="third"):
        torch.autograd.grad(second.sum(), x)


def test_a_module_can_be_trained_through_it(net: fx.Function) -> None:
    """A network that stays as it is, behind a layer that learns."""
    torch.manual_seed(0)
    layer, f = torch.nn.Linear(2, N, dtype=torch.float64), net.to_torch()
    inputs, wanted = torch.randn(20, 2, dtype=torch.float64), tensor(net(X[0]))
    optimizer = torch.optim.LBFGS(layer.parameters(), max_iter=50)

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        value = (f(layer(inputs)) - wanted).square().mean()
        value.backward()
        return value

    before = loss().item()
    optimizer.step(loss)
    assert loss().item() < 0.1 * before
