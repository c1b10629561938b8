"""A function as one of JAX, with derivatives by fastexpr."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fastexpr._core import Function
from fastexpr.export.points import at_points, check_last_axis, hessians_of_all_outputs
from fastexpr.frameworks.libraries import library


def to_jax(self: Function) -> Callable[[Any], Any]:
    """The function as a function of JAX: x (n,) to y (m,), or (..., n) to (..., m).

    It can be used in `jit`, `vmap`, `grad`, `jacfwd`, `jacrev`, `hessian` and whatever is put together from these, up
    to second derivatives, which are fastexpr's exact ones. The values come through `jax.pure_callback`, so the function
    runs on the CPU, in Python's process, in double precision; results have the type of x (float32 unless
    ``jax_enable_x64``). A batch is one call. A second derivative takes the Hessians of all m outputs: where m is large
    and only a combination of the outputs is wanted, put it into the network (``fx.chain``).

    Returns
    -------
    function
        Raises `fastexpr.errors.ShapeError` where the last axis of x is not n. A point that is not finite gives NaN.

    Raises
    ------
    fastexpr.errors.NotFoundError
        JAX is not installed.

    Examples
    --------
    >>> import jax, numpy as np, fastexpr as fx
    >>> x = fx.variables(2)
    >>> f = fx.Function(x, np.tanh(x[0] * x[1])).to_jax()
    >>> loss = jax.jit(lambda z: f(z)[0] ** 2)
    >>> [round(float(slope), 3) for slope in jax.grad(loss)(np.array([1.0, 0.5]))]
    [0.363, 0.727]
    >>> jax.hessian(loss)(np.array([1.0, 0.5])).shape
    (2, 2)
    """
    jax = library("Function.to_jax", "jax", ["jax"])
    jnp = jax.numpy
    n, m = self.n_inputs, self.n_outputs

    def call(evaluate: Callable[..., Any], tail: Sequence[int], x: Any) -> Any:
        def on_host(x: Any) -> Any:
            return at_points(evaluate, tail, x).astype(x.dtype)

        shape = jax.ShapeDtypeStruct((*x.shape[:-1], *tail), x.dtype)
        return jax.pure_callback(on_host, shape, x, vmap_method="broadcast_all")

    @jax.custom_jvp  # type: ignore[untyped-decorator]
    def value(x: Any) -> Any:
        return call(self, (m,), x)

    @jax.custom_jvp  # type: ignore[untyped-decorator]
    def jacobian(x: Any) -> Any:
        return call(self.jacobian, (m, n), x)

    @jax.custom_jvp  # type: ignore[untyped-decorator]
    def hessians(x: Any) -> Any:
        return call(lambda points: hessians_of_all_outputs(self, points), (m, n, n), x)

    @value.defjvp  # type: ignore[untyped-decorator]
    def _(primals: Any, tangents: Any) -> Any:
        return value(*primals), jnp.einsum("...ki,...i->...k", jacobian(*primals), tangents[0])

    @jacobian.defjvp  # type: ignore[untyped-decorator]
    def _(primals: Any, tangents: Any) -> Any:
        return jacobian(*primals), jnp.einsum("...kij,...j->...ki", hessians(*primals), tangents[0])

    @hessians.defjvp  # type: ignore[untyped-decorator]
    def _(primals: Any, tangents: Any) -> Any:
        raise NotImplementedError("[Function.to_jax] has derivatives up to the second: got asked for a third.")

    def function(x: Any) -> Any:
        x = jnp.asarray(x)
        check_last_axis("Function.to_jax", "x", x.shape, n)
        return value(x if jnp.issubdtype(x.dtype, jnp.floating) else x.astype(float))

    function.__doc__ = f"A network of fastexpr: x (..., {n}) -> y (..., {m})."
    return function
