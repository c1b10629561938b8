"""Flat arrays of a nonlinear program, written by hand, and the same program in JAX, which differentiates it, too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from fastexpr import _core

jax.config.update("jax_enable_x64", True)

NODE, VARIABLE, PARAMETER, CONSTANT = range(4)
CODES = _core.tape_opcodes()

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "sum": lambda *a: sum(a, start=0.0),
    "product": lambda a, b: a * b,
    "division": lambda a, b: a / b,
    "negation": lambda a: -a,
    "power": lambda a, b: a**b,
    "log10": jnp.log10,
    "asin": jnp.arcsin,
    "acos": jnp.arccos,
    "atan": jnp.arctan,
    "asinh": jnp.arcsinh,
    "acosh": jnp.arccosh,
    "atanh": jnp.arctanh,
    "minimum": lambda *a: jnp.min(jnp.stack([jnp.asarray(x, dtype=float) for x in a])),
    "maximum": lambda *a: jnp.max(jnp.stack([jnp.asarray(x, dtype=float) for x in a])),
    "select": jnp.where,
    "less": lambda a, b: a < b,
    "less_equal": lambda a, b: a <= b,
    "equal": lambda a, b: a == b,
    "and": jnp.logical_and,
}


def function(name: str) -> Callable[..., Any]:
    """What a node computes, in JAX."""
    return FUNCTIONS[name] if name in FUNCTIONS else getattr(jnp, name)


@dataclass
class Stream:
    """A program that is written node by node; operands are what `x`, `p`, `constant` and `node` return."""

    n: int
    n_parameters: int = 0
    nodes: list[tuple[str, tuple[int, ...]]] = field(default_factory=list)
    constants: list[float] = field(default_factory=list)
    targets: list[Any] = field(default_factory=list)

    def x(self, index: int) -> int:
        return index * 4 + VARIABLE

    def p(self, index: int) -> int:
        return index * 4 + PARAMETER

    def constant(self, value: float) -> int:
        self.constants.append(value)
        return (len(self.constants) - 1) * 4 + CONSTANT

    def node(self, name: str, *operands: int | float) -> int:
        given = tuple(o if isinstance(o, int) else self.constant(o) for o in operands)
        self.nodes.append((name, given))
        return (len(self.nodes) - 1) * 4 + NODE

    def output(self, target: int, position: int, *inputs: int | float) -> int:
        """An output of a call of an external function."""
        return self.node("output", position, self.node("call", target, *inputs))

    def compile(self, objective: int, rows: Sequence[int], has_hessian: bool = True) -> Any:
        return _core.NlpFunctions(
            np.array([CODES[name] for name, _ in self.nodes], dtype=np.uint8),
            np.array([len(operands) for _, operands in self.nodes], dtype=np.int32),
            np.array([o for _, operands in self.nodes for o in operands], dtype=np.int32),
            np.array(self.constants, dtype=float),
            self.n,
            self.n_parameters,
            objective,
            np.array(rows, dtype=np.int32),
            self.targets,
            has_hessian,
        )

    def evaluate(self, outputs: Sequence[int], x: Any, parameters: Any = ()) -> Any:
        """The outputs in JAX; external functions are the JAX functions in `targets_in_jax`."""
        values: list[Any] = []

        def number(operand: int) -> Any:
            index, kind = divmod(operand, 4)
            return (values, x, parameters, self.constants)[kind][index]

        for name, operands in self.nodes:
            if name == "call":
                inputs = jnp.stack([jnp.asarray(number(o), dtype=float) for o in operands[1:]])
                values.append(self.targets_in_jax[operands[0]](inputs))
            elif name == "output":
                values.append(number(operands[1])[operands[0]])
            else:
                values.append(function(name)(*map(number, operands)))
        return jnp.stack([jnp.asarray(number(o), dtype=float) for o in outputs])

    targets_in_jax: list[Callable[[Any], Any]] = field(default_factory=list)


def dense(structure: tuple[Any, Any], entries: Any, shape: tuple[int, int]) -> Any:
    """The matrix; an entry that comes twice is an error."""
    rows, columns = structure
    assert len(set(zip(rows.tolist(), columns.tolist(), strict=True))) == rows.size == entries.size
    result = np.zeros(shape)
    result[rows, columns] = entries
    return result


def symmetric(structure: tuple[Any, Any], entries: Any, n: int) -> Any:
    """The matrix from its lower triangle."""
    lower = dense(structure, entries, (n, n))
    assert not np.triu(lower, 1).any()
    return lower + np.tril(lower, -1).T


def compare(stream: Stream, outputs: Sequence[int], x: Any, parameters: Any = (), tolerance: float = 1e-12) -> Any:
    """Checks f, g and all derivatives of the first output as objective and the others as rows, against JAX."""
    functions = stream.compile(outputs[0], outputs[1:])
    if stream.n_parameters:
        functions.set_parameters(np.asarray(parameters, dtype=float))
    m = len(outputs) - 1
    weights = np.random.default_rng(3).normal(size=m + 1)

    def all_of(z: Any) -> Any:
        return stream.evaluate(outputs, z, parameters)

    def lagrangian(z: Any) -> Any:
        return weights @ all_of(z)

    values, first = np.asarray(all_of(x)), np.asarray(jax.jacfwd(all_of)(x))
    second = np.asarray(jax.hessian(lagrangian)(x))
    hessian = functions.hessian(x, weights[1:], weights[0])  # first: all stages run for it
    close(symmetric(functions.hessian_structure(), hessian, stream.n), second, tolerance)
    close(np.append(functions.objective(x), functions.constraints(x)), values, tolerance)
    jacobian = dense(functions.jacobian_structure(), functions.jacobian(x), (m, stream.n))
    close(np.vstack([functions.gradient(x), jacobian]), first, tolerance)
    return functions


def close(a: Any, b: Any, tolerance: float) -> None:
    """In the norm max|a - b| / max|b|."""
    assert a.shape == b.shape
    assert np.isfinite(b).all()
    assert np.abs(a - b).max(initial=0.0) <= tolerance * max(np.abs(b).max(initial=0.0), 1e-300), (a, b)
