"""`Function.gradient_function`: a network's derivatives as a Function, with exact derivatives of its own.

Adjoints run from the outputs back to x as expressions: a node v = phi(u) of which the adjoint is a, of shape (rows,
*shape of v), adds phi'(u)' a to that of u. Rows are the outputs that are asked for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastexpr._core import Function, Operator
from fastexpr.errors import GraphError, NotFoundError
from fastexpr.function.variants import blanks, rebuild
from fastexpr.function.written_out import written_out

#: Their derivative is 0 wherever there is one; what they choose between has its own.
STEPS = {"Less", "LessOrEqual", "Equal", "Sign", "Floor", "Ceil", "Round", "Hardmax", "Constant"}


def gradient_function(self: Function, output: str | int | None = None) -> Function:
    """The derivatives of the outputs with respect to x as a Function: for conditions on them inside a model.

    What `jacobian` computes is written as a graph of operators, so that it can stand in constraints (Lyapunov and
    barrier functions, physics-informed conditions, monotonicity) with exact first and second derivatives: in
    `Problem.network`, `fastexpr.pyomo.NetworkBlock`, or inside expressions. The derivative of a ReLU is a step, and its
    derivative 0.

    Parameters
    ----------
    output : str or int, optional
        Name or position of one output. Without it, all of them.

    Returns
    -------
    Function
        Of x, with the same names, units and bounds of it; its output "gradient" has the shape (n,), or (m, n) where all
        outputs were asked for.

    Raises
    ------
    fastexpr.errors.GraphError
        The derivative of an operator is none that can be expressed (trees, rounding to a grid, products over an axis);
        it is named.
    fastexpr.errors.NotFoundError
        There is no such output.

    Examples
    --------
    >>> import numpy as np, fastexpr as fx
    >>> x = fx.variables(2)
    >>> V = fx.Function(x, x[0] ** 2 + np.tanh(x[0] * x[1]))
    >>> slope = V.gradient_function(0)
    >>> slope([1.0, 0.0]), V.gradient([1.0, 0.0])
    (array([2., 1.]), array([2., 1.]))
    >>> slope.jacobian([1.0, 0.0])
    array([[2., 1.],
           [1., 0.]])
    """
    from fastexpr.expression.building import flatten
    from fastexpr.expression.node import variables
    from fastexpr.expression.operands import as_expression

    places = list(range(self.n_outputs)) if output is None else [position(self, output)]
    x = variables(self.n_inputs)
    gradient = as_expression(Reverse(self, x).gradients(places))
    shape = (self.n_outputs, self.n_inputs) if output is None else (self.n_inputs,)
    made, _ = flatten([x], [gradient.reshape(shape)])
    names = [f"d {self.output_names[k]} / d {name}" for k in places for name in self.input_names]
    return rebuild(
        made,
        inputs=list(self.inputs.items()),
        outputs=[("gradient", shape)],
        input_names=list(self.input_names),
        output_names=names,
        lower=self.lower,
        upper=self.upper,
        input_units=blanks(self.input_units),
        output_units=None,
    )


def position(function: Function, output: str | int) -> int:
    """Of an output, by name or position."""
    if isinstance(output, str):
        if output not in function.output_names:
            known = ", ".join(map(repr, function.output_names[:10]))
            raise NotFoundError(f"[gradient_function] there is no output {output!r}: there are {known}.")
        return function.output_names.index(output)
    if not isinstance(output, int | np.integer) or not 0 <= output < function.n_outputs:
        raise NotFoundError(
            f"[gradient_function] there is no output {output!r}: expected 0 to {function.n_outputs - 1}, or a name."
        )
    return int(output)


class Reverse:
    """Adjoints of a function's nodes on an expression."""

    def __init__(self, function: Function, x: Any) -> None:
        from fastexpr.expression.splicing import expression_of

        self.function = written_out(function)
        self.nodes = self.function._nodes()
        self.values = [x]
        self.depends = [True]
        for core, inputs, label in self.nodes:
            self.values.append(expression_of(core, [self.values[k] for k in inputs], label))
            self.depends.append(core.name not in STEPS and any(self.depends[k] for k in inputs))

    def gradients(self, places: Sequence[int]) -> Any:
        """(rows, n): of these components of the outputs."""
        adjoints: list[Any] = [None] * len(self.values)
        begin = 0
        for k in self.function._output_ids():
            size = self.values[k].size
            seed = np.zeros((len(places), size))
            for row, place in enumerate(places):
                if begin <= place < begin + size:
                    seed[row, place - begin] = 1.0
            adjoints[k] = plus(adjoints[k], seed.reshape(len(places), *self.values[k].shape))
            begin += size
        for number in range(len(self.nodes), 0, -1):
            core, inputs, label = self.nodes[number - 1]
            a, adjoints[number] = adjoints[number], None
            if a is None or not self.depends[number]:
                continue
            u = [self.values[k] for k in inputs]
            wanted = [self.depends[k] for k in inputs]
            for k, share in zip(inputs, shares(core, label, a, u, self.values[number], wanted), strict=True):
                if share is not None and self.depends[k]:
                    adjoints[k] = plus(adjoints[k], share)
        return np.zeros((len(places), self.function.n_inputs)) if adjoints[0] is None else adjoints[0]


def plus(a: Any, b: Any) -> Any:
    return b if a is None else a + b


def shares(core: Operator, label: str, a: Any, u: list[Any], v: Any, wanted: list[bool]) -> list[Any]:
    """What a node adds to the adjoint of each of its inputs; None where that is not wanted."""
    name = core.name
    if name in ELEMENTWISE:
        return [a * ELEMENTWISE[name](u[0], v, core.attributes)]
    if name in OF_TWO:
        rules = OF_TWO[name](u[0], u[1], v)
        return [summed(a * rule(), w.shape) if want else None for rule, w, want in zip(rules, u, wanted, strict=True)]
    if name in STRUCTURAL:
        return STRUCTURAL[name](core, a, u, v, wanted)
    if name in ("SparseLinear", "Conv", "CumSum") and not any(wanted[1:]):
        return [by_matrix(core, a, u), *[None] * (len(u) - 1)]
    raise GraphError(
        f"[{name} {label!r}] gradient_function has no expression for its derivative. What to do: replace this part of "
        "the network, or net.smoothed() where it has kinks; net.jacobian() gives numbers."
    )


def summed(share: Any, shape: tuple[int, ...]) -> Any:
    """The share of an input that was broadcast: (rows, *shape)."""
    rows, inner = share.shape[0], share.shape[1:]
    padded = (1,) * (len(inner) - len(shape)) + tuple(shape)
    axes = tuple(1 + k for k, (long, short) in enumerate(zip(inner, padded, strict=True)) if short == 1 and long != 1)
    if axes:
        share = share.sum(axis=axes, keepdims=True)
    return share.reshape((rows, *shape))


def by_matrix(core: Operator, a: Any, u: list[Any]) -> Any:
    """Through an operator that is linear in its first input: by its sparse Jacobian."""
    from fastexpr.expression.building import build_function
    from fastexpr.expression.node import apply, variables
    from fastexpr.expression.operands import as_expression
    from fastexpr.expression.splicing import expression_of

    w = variables(u[0].shape)
    alone = build_function(w, expression_of(core, [w, *u[1:]], ""))
    import scipy.sparse

    J = scipy.sparse.csr_array(alone.jacobian(np.zeros(w.size), sparse=True).T)
    flat = as_expression(a).reshape((a.shape[0], J.shape[1]))
    constants = [J.indptr.astype(np.int64), J.indices.astype(np.int64), J.data.astype(np.float64)]
    return apply("SparseLinear", [flat], {"axis": 1}, constants).reshape((a.shape[0], *u[0].shape))


# ---- operators that work unit by unit --------------------------------------------------------------------------------


def expression(name: str, *arguments: Any) -> Any:
    """An operator of the core, of expressions and numbers."""
    from fastexpr.expression.node import apply
    from fastexpr.expression.operands import as_expression

    return apply(name, [as_expression(np.asarray(e, float) if np.isscalar(e) else e) for e in arguments])


def where(condition: Any, a: Any, b: Any) -> Any:
    return expression("Where", condition, a, b)


def is_above(u: Any, limit: float) -> Any:
    return expression("Less", limit, u)


def sigmoid(u: Any) -> Any:
    return expression("Sigmoid", u)


def normal_density(u: Any) -> Any:
    return np.exp(-0.5 * u * u) / math.sqrt(2.0 * math.pi)


def inside(u: Any, low: float, high: float) -> Any:
    """1 between two numbers, else 0."""
    return is_above(u, low) * expression("Less", u, high)


def gelu_tanh(u: Any, v: Any, attributes: Any) -> Any:
    c = math.sqrt(2.0 / math.pi)
    t = np.tanh(c * (u + 0.044715 * u * u * u))
    return 0.5 * (1.0 + t) + 0.5 * u * (1.0 - t * t) * c * (1.0 + 3.0 * 0.044715 * u * u)


def hard_sigmoid(u: Any, attributes: Any) -> tuple[Any, Any]:
    """Its value and slope."""
    alpha, beta = attributes["alpha"], attributes["beta"]
    z = alpha * u + beta
    return z, inside(z, 0.0, 1.0)


def hard_swish(u: Any, v: Any, attributes: Any) -> Any:
    z, is_inside = hard_sigmoid(u, attributes)
    return where(is_inside, 2.0 * attributes["alpha"] * u + attributes["beta"], expression("LessOrEqual", 1.0, z))


def clip(u: Any, v: Any, attributes: Any) -> Any:
    return inside(u, attributes.get("lower", -np.inf), attributes.get("upper", np.inf))


def swish(u: Any, v: Any, attributes: Any) -> Any:
    alpha = attributes["alpha"]
    s = sigmoid(alpha * u)
    return s + alpha * u * s * sigmoid(-alpha * u)


def matern(u: Any, v: Any, attributes: Any) -> Any:
    nu = attributes["nu"]
    r = np.sqrt(2.0 * nu * u)
    return -1.5 * np.exp(-r) if nu == 1.5 else -5.0 / 6.0 * (1.0 + r) * np.exp(-r)


Slope = Callable[[Any, Any, Any], Any]  # of u, v = phi(u), attributes

ELEMENTWISE: dict[str, Slope] = {
    "Abs": lambda u, v, _: expression("Sign", u),
    "Acos": lambda u, v, _: -1.0 / np.sqrt((1.0 - u) * (1.0 + u)),
    "Acosh": lambda u, v, _: 1.0 / np.sqrt((u - 1.0) * (u + 1.0)),
    "Asin": lambda u, v, _: 1.0 / np.sqrt((1.0 - u) * (1.0 + u)),
    "Asinh": lambda u, v, _: 1.0 / np.sqrt(1.0 + u * u),
    "Atan": lambda u, v, _: 1.0 / (1.0 + u * u),
    "Atanh": lambda u, v, _: 1.0 / ((1.0 - u) * (1.0 + u)),
    "Clip": clip,
    "Cos": lambda u, v, _: -np.sin(u),
    "Cosh": lambda u, v, _: np.sinh(u),
    "Elu": lambda u, v, k: where(is_above(u, 0.0), 1.0, v + k["alpha"]),
    "Erf": lambda u, v, _: 2.0 / math.sqrt(math.pi) * np.exp(-u * u),
    "Exp": lambda u, v, _: v,
    "Gelu": lambda u, v, _: 0.5 * (1.0 + expression("Erf", u / math.sqrt(2.0))) + u * normal_density(u),
    "GeluTanh": gelu_tanh,
    "HardSigmoid": lambda u, v, k: k["alpha"] * hard_sigmoid(u, k)[1],
    "HardSwish": hard_swish,
    "LeakyRelu": lambda u, v, k: where(is_above(u, 0.0), 1.0, k["alpha"]),
    "Log": lambda u, v, _: 1.0 / u,
    "Matern": matern,
    "Neg": lambda u, v, _: -1.0,
    "Relu": lambda u, v, _: is_above(u, 0.0),
    "Selu": lambda u, v, k: where(is_above(u, 0.0), k["gamma"], v + k["gamma"] * k["alpha"]),
    "Sigmoid": lambda u, v, _: v * sigmoid(-u),
    "Sin": lambda u, v, _: np.cos(u),
    "Sinh": lambda u, v, _: np.cosh(u),
    "Softplus": lambda u, v, _: sigmoid(u),
    "Softsign": lambda u, v, _: 1.0 / ((1.0 + abs(u)) * (1.0 + abs(u))),
    "Sqrt": lambda u, v, _: 0.5 / v,
    "Square": lambda u, v, _: 2.0 * u,
    "Swish": swish,
    "Tan": lambda u, v, _: 1.0 + v * v,
    "Tanh": lambda u, v, _: 1.0 - v * v,
}

Slopes = Callable[[Any, Any, Any], list[Callable[[], Any]]]  # of both inputs and v: made where they are wanted


def power(u: Any, w: Any, v: Any) -> list[Callable[[], Any]]:
    return [lambda: w * expression("Pow", u, w - 1.0), lambda: v * np.log(u)]


def larger(u: Any, w: Any, v: Any) -> list[Callable[[], Any]]:
    """The first one where both are equal."""
    return [lambda: expression("LessOrEqual", w, u), lambda: expression("Less", u, w)]


def smaller(u: Any, w: Any, v: Any) -> list[Callable[[], Any]]:
    return [lambda: expression("LessOrEqual", u, w), lambda: expression("Less", w, u)]


def leaky_by_unit(u: Any, w: Any, v: Any) -> list[Callable[[], Any]]:
    return [lambda: where(is_above(u, 0.0), 1.0, w), lambda: where(is_above(u, 0.0), 0.0, u)]


OF_TWO: dict[str, Slopes] = {
    "Add": lambda u, w, v: [lambda: np.ones(v.shape)] * 2,
    "Sub": lambda u, w, v: [lambda: np.ones(v.shape), lambda: -np.ones(v.shape)],
    "Mul": lambda u, w, v: [lambda: w, lambda: u],
    "Div": lambda u, w, v: [lambda: 1.0 / w, lambda: -v / w],
    "Pow": power,
    "Max": larger,
    "Min": smaller,
    "Mod": lambda u, w, v: [lambda: np.ones(v.shape), lambda: (v - u) / w],
    "PRelu": leaky_by_unit,
}


# ---- operators that join, move and multiply --------------------------------------------------------------------------


def of_linear(core: Operator, a: Any, u: list[Any], v: Any, wanted: list[bool]) -> list[Any]:
    """v = W u along an axis."""
    from fastexpr.expression.node import Expression
    from fastexpr.expression.products import linear

    stored, axis = core.constants[0], core.attributes["axis"] + 1
    transposed = stored if core.attributes["transposed"] else stored.T
    if isinstance(a, Expression):
        return [linear(a, transposed, axis)]
    return [np.moveaxis(np.tensordot(transposed, a, axes=(1, axis)), 0, axis)]


def of_matmul(core: Operator, a: Any, u: list[Any], v: Any, wanted: list[bool]) -> list[Any]:
    """v = A B, with stacks of matrices in front; both have at least two axes."""
    A, B = u
    found: list[Any] = [None, None]
    rows = a.shape[0]
    a = a.reshape((rows, *(1,) * (max(A.ndim, B.ndim) - v.ndim), *v.shape))
    if wanted[0]:
        found[0] = summed(np.matmul(a, np.swapaxes(B, -1, -2)), A.shape)
    if wanted[1]:
        found[1] = summed(np.matmul(np.swapaxes(A, -1, -2), a), B.shape)
    return found


def of_concat(core: Operator, a: Any, u: list[Any], v: Any, wanted: list[bool]) -> list[Any]:
    axis, found, begin = core.attributes["axis"] + 1, [], 0
    for part in u:
        end = begin + part.shape[axis - 1]
        found.append(a[(slice(None),) * axis + (slice(begin, end),)])
        begin = end
    return found


def of_select(core: Operator, a: Any, u: list[Any], v: Any, wanted: list[bool]) -> list[Any]:
    """v = u[indices]: numbers go back to where they came from, and add up where they went to several places."""
    indices, size, rows = np.ravel(core.constants[0]), u[0].size, a.shape[0]
    flat = a.reshape((rows, indices.size))
    order = np.argsort(indices, kind="stable")
    first = np.searchsorted(indices[order], np.arange(size + 1))
    if (np.diff(first) <= 1).all():
        padded = np.concatenate([flat, np.zeros((rows, 1))], axis=1)
        source = np.where(np.diff(first) == 1, np.append(order, 0)[first[:-1]], indices.size)
        return [padded[:, source].reshape((rows, *u[0].shape))]
    return [by_matrix(core, a, u)]


def of_where(core: Operator, a: Any, u: list[Any], v: Any, wanted: list[bool]) -> list[Any]:
    condition, zero = u[0], np.zeros(a.shape)
    return [
        None,
        summed(where(condition, a, zero), u[1].shape) if wanted[1] else None,
        summed(where(condition, zero, a), u[2].shape) if wanted[2] else None,
    ]


def kept(core: Operator, a: Any, u: Any) -> Any:
    """The adjoint of a reduction with the reduced axes, of length 1."""
    axis, count = core.attributes["axis"], core.attributes.get("n_axes", 1)
    lengths = [1 if axis <= k < axis + count else length for k, length in enumerate(u.shape)]
    return a.reshape((a.shape[0], *lengths))


def members(core: Operator, u: Any) -> tuple[int, ...]:
    axis = core.attributes["axis"]
    return tuple(range(axis, axis + core.attributes.get("n_axes", 1)))


def of_sum(core: Operator, a: Any, u: list[Any], v: Any, wanted: list[bool]) -> list[Any]:
    count = math.prod(u[0].shape[k] for k in members(core, u[0])) if core.name == "ReduceMean" else 1
    return [kept(core, a, u[0]) * np.full(u[0].shape, 1.0 / count)]


def of_length(core: Operator, a: Any, u: list[Any], v: Any, wanted: list[bool]) -> list[Any]:
    return [kept(core, a / v, u[0]) * u[0]]


def of_maximum(core: Operator, a: Any, u: list[Any], v: Any, wanted: list[bool]) -> list[Any]:
    """To the first of those that are largest."""
    from fastexpr.expression.node import apply

    attributes = {"axis": core.attributes["axis"], "n_axes": core.attributes.get("n_axes", 1)}
    return [kept(core, a, u[0]) * apply("Hardmax", [u[0]], attributes)]


def of_log_sum_exp(core: Operator, a: Any, u: list[Any], v: Any, wanted: list[bool]) -> list[Any]:
    whole = kept(core, v.reshape((1, *v.shape)), u[0])
    return [kept(core, a, u[0]) * np.exp(u[0] - whole.reshape(whole.shape[1:]))]


def of_softmax(core: Operator, a: Any, u: list[Any], v: Any, wanted: list[bool]) -> list[Any]:
    axes = tuple(k + 1 for k in members(core, u[0]))
    return [v * (a - (a * v).sum(axis=axes, keepdims=True))]


def of_log_softmax(core: Operator, a: Any, u: list[Any], v: Any, wanted: list[bool]) -> list[Any]:
    axes = tuple(k + 1 for k in members(core, u[0]))
    return [a - np.exp(v) * a.sum(axis=axes, keepdims=True)]


Shares = Callable[[Operator, Any, list[Any], Any, list[bool]], list[Any]]

STRUCTURAL: dict[str, Shares] = {
    "Concat": of_concat,
    "Linear": of_linear,
    "LogSoftmax": of_log_softmax,
    "MatMul": of_matmul,
    "ReduceL2": of_length,
    "ReduceLogSumExp": of_log_sum_exp,
    "ReduceMax": of_maximum,
    "ReduceMean": of_sum,
    "ReduceSum": of_sum,
    "Reshape": lambda core, a, u, v, wanted: [a.reshape((a.shape[0], *u[0].shape))],
    "Select": of_select,
    "Softmax": of_softmax,
    "Where": of_where,
}
