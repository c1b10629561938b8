"""A function as one of PyTorch, with derivatives by fastexpr."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastexpr._core import Function
from fastexpr.export.points import at_points, check_last_axis
from fastexpr.frameworks.libraries import library


def to_torch(self: Function) -> Callable[[Any], Any]:
    """The function as a function of PyTorch: x (n,) to y (m,), or (..., n) to (..., m).

    It can be differentiated twice: `backward`, `torch.autograd.grad` (also with ``create_graph=True``),
    `torch.autograd.functional.hessian` and `torch.func`'s `grad`, `jacrev`, `hessian` and `vmap` take fastexpr's exact
    derivatives. It runs on the CPU, in double precision; results have the type and the device of x. A batch is one
    call.

    Returns
    -------
    function
        Raises `fastexpr.errors.ShapeError` where the last axis of x is not n. A point that is not finite gives NaN.

    Raises
    ------
    fastexpr.errors.NotFoundError
        PyTorch is not installed.

    Examples
    --------
    >>> import torch, numpy as np, fastexpr as fx
    >>> x = fx.variables(2)
    >>> f = fx.Function(x, np.tanh(x[0] * x[1])).to_torch()
    >>> z = torch.tensor([1.0, 0.5], dtype=torch.float64, requires_grad=True)
    >>> f(z).sum().backward()
    >>> z.grad
    tensor([0.3932, 0.7864], dtype=torch.float64)
    """
    torch = library("Function.to_torch", "torch", ["torch"])
    value = make_value(torch, self)

    def function(x: Any) -> Any:
        x = torch.as_tensor(x)
        check_last_axis("Function.to_torch", "x", x.shape, self.n_inputs)
        return value.apply(x if x.is_floating_point() else x.to(torch.get_default_dtype()))

    function.__doc__ = f"A network of fastexpr: x (..., {self.n_inputs}) -> y (..., {self.n_outputs})."
    return function


def make_value(torch: Any, net: Function) -> Any:
    """f, whose derivative is the adjoint J'w, whose derivatives are H d and J d: each an autograd function."""
    n, m = net.n_inputs, net.n_outputs

    def on_host(evaluate: Callable[..., Any], size: int, *tensors: Any) -> Any:
        leading = torch.broadcast_shapes(*(tensor.shape[:-1] for tensor in tensors))
        arrays = [tensor.detach().cpu().double().expand(*leading, tensor.shape[-1]).numpy() for tensor in tensors]
        return torch.from_numpy(at_points(evaluate, (size,), *arrays)).to(tensors[0])

    def batched(info: Any, in_dims: Any, apply: Callable[..., Any], *tensors: Any) -> Any:
        """Leading axes are points already: the one of vmap goes in front."""
        moved = [
            tensor if axis is None else tensor.movedim(axis, 0) for tensor, axis in zip(tensors, in_dims, strict=True)
        ]
        depth = max(tensor.dim() - (axis is not None) for tensor, axis in zip(moved, in_dims, strict=True))
        aligned = [
            tensor
            if axis is None
            else tensor.reshape(info.batch_size, *[1] * (depth + 1 - tensor.dim()), *tensor.shape[1:])
            for tensor, axis in zip(moved, in_dims, strict=True)
        ]
        return apply(*aligned), 0

    class Once(torch.autograd.Function):  # type: ignore[misc]
        """What has no further derivative: H d and J d."""

        @staticmethod
        def forward(which: str, x: Any, weights: Any, direction: Any) -> Any:
            if which == "hvp":
                return on_host(net.hvp, n, x, weights, direction)
            return on_host(net.jvp, m, x, direction)

        @staticmethod
        def setup_context(context: Any, inputs: Any, output: Any) -> None:
            """There is nothing to keep."""

        @staticmethod
        def backward(context: Any, gradient: Any) -> Any:
            raise NotImplementedError("[Function.to_torch] has derivatives up to the second: got asked for a third.")

        @staticmethod
        def vmap(info: Any, in_dims: Any, which: str, *tensors: Any) -> Any:
            return batched(info, in_dims[1:], lambda *them: Once.apply(which, *them), *tensors)

    class Adjoint(torch.autograd.Function):  # type: ignore[misc]
        """J(x)'w."""

        @staticmethod
        def forward(x: Any, weights: Any) -> Any:
            return on_host(net.vjp, n, x, weights)

        @staticmethod
        def setup_context(context: Any, inputs: Any, output: Any) -> None:
            context.save_for_backward(*inputs)

        @staticmethod
        def backward(context: Any, direction: Any) -> Any:
            x, weights = context.saved_tensors
            wants_x, wants_weights = context.needs_input_grad
            return (
                Once.apply("hvp", x, weights, direction) if wants_x else None,
                Once.apply("jvp", x, weights, direction) if wants_weights else None,
            )

        @staticmethod
        def vmap(info: Any, in_dims: Any, x: Any, weights: Any) -> Any:
            return batched(info, in_dims, Adjoint.apply, x, weights)

    class Value(torch.autograd.Function):  # type: ignore[misc]
        """f(x)."""

        @staticmethod
        def forward(x: Any) -> Any:
            return on_host(net, m, x)

        @staticmethod
        def setup_context(context: Any, inputs: Any, output: Any) -> None:
            context.save_for_backward(*inputs)

        @staticmethod
        def backward(context: Any, weights: Any) -> Any:
            return Adjoint.apply(*context.saved_tensors, weights)

        @staticmethod
        def vmap(info: Any, in_dims: Any, x: Any) -> Any:
            return batched(info, in_dims, Value.apply, x)

    return Value
