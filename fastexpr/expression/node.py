"""Expression: a symbolic array, one node of a graph that grows as NumPy's operators are applied to it."""

from __future__ import annotations

import copyreg
import math
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn, TypeVar

import numpy as np
import numpy.typing as npt

from fastexpr._core import Operator
from fastexpr.expression.relation import Relation

Shape = tuple[int, ...]

copyreg.pickle(Operator, lambda core: (Operator, (core.name, core.input_shapes, core.attributes, core.constants)))

Constants = Sequence[npt.NDArray[Any]]
Rule = TypeVar("Rule", bound=Callable[..., Any])

#: By name of the ufunc ("add", "expit"), because SciPy's are supported without importing SciPy.
ufunc_rules: dict[str, Callable[..., Expression]] = {}
#: By function object (np.sum); operator.getitem for what stands in brackets.
array_function_rules: dict[Callable[..., Any], Callable[..., Any]] = {}

_comparisons = {
    "equal": "==",
    "not_equal": "!=",
    "less": "<",
    "less_equal": "<=",
    "greater": ">",
    "greater_equal": ">=",
}


class Expression:
    """A symbolic array: an operator of the core applied to other expressions, or variables.

    Made by `fastexpr.variables` and by NumPy's operators and functions, from either side; `fastexpr.Function`
    turns it into something that evaluates and differentiates. Immutable. Hashed by identity, so that it can be a key.

    Attributes
    ----------
    operator : fastexpr._core.Operator or None
        What is applied; None for variables.
    inputs : tuple of Expression
        What it is applied to.
    shape : tuple of int
        As in NumPy; ``()`` for a single number.
    label : str
        The node's name in messages; empty where nobody gave one.

    Examples
    --------
    >>> import numpy as np, fastexpr as fx
    >>> x = fx.variables(3)
    >>> (np.tanh(x) * [1.0, 2.0, 3.0]).sum().shape
    ()
    """

    __slots__ = ("__weakref__", "inputs", "label", "names", "operator", "shape")
    __array_priority__ = 1000.0

    operator: Operator | None
    inputs: tuple[Expression, ...]
    shape: Shape
    label: str
    names: tuple[str, ...]  # along the last axis, of variables whose components somebody named; else not set

    def __init__(
        self, operator: Operator | None, inputs: tuple[Expression, ...], shape: Shape, label: str = ""
    ) -> None:
        initialize = object.__setattr__
        initialize(self, "operator", operator)
        initialize(self, "inputs", inputs)
        initialize(self, "shape", shape)
        initialize(self, "label", label)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"An Expression is immutable: cannot set {name!r}.")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"An Expression is immutable: cannot delete {name!r}.")

    def __setitem__(self, key: object, value: object) -> NoReturn:
        raise TypeError("An Expression is immutable: build the new one with np.concatenate, np.stack or np.where.")

    def __copy__(self) -> Expression:
        return self

    def __deepcopy__(self, memo: object) -> Expression:
        return self

    def __reduce__(self) -> Any:
        return restored, (self.operator, self.inputs, self.shape, self.label, getattr(self, "names", None))

    def __repr__(self) -> str:
        kind = "variables" if self.operator is None else self.operator.name
        return f"<Expression {kind}, shape {self.shape}>"

    # ---- shape ----------------------------------------------

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def T(self) -> Expression:  # noqa: N802
        """The transpose: axes reversed."""
        return call(np.transpose, self)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of an Expression of shape (): it is a single number.")
        return self.shape[0]

    def __iter__(self) -> Iterator[Expression]:
        if not self.shape:
            raise TypeError("iteration over an Expression of shape (): it is a single number.")
        return (self[index] for index in range(self.shape[0]))

    def __getitem__(self, key: Any) -> Expression:
        return call(operator.getitem, self, key)

    def reshape(self, *shape: int | Sequence[int]) -> Expression:
        """The same numbers in another shape, in C order; one dimension may be -1."""
        return call(np.reshape, self, shape[0] if len(shape) == 1 else shape)

    def ravel(self) -> Expression:
        """One dimension, in C order."""
        return self.reshape(-1)

    flatten = ravel

    def transpose(self, *axes: int | Sequence[int] | None) -> Expression:
        """Axes in the order given; reversed where none is."""
        return call(np.transpose, self, (axes[0] if len(axes) == 1 else axes) if axes else None)

    def squeeze(self, axis: int | tuple[int, ...] | None = None) -> Expression:
        """Without the dimensions of length 1."""
        return call(np.squeeze, self, axis=axis)

    def swapaxes(self, axis1: int, axis2: int) -> Expression:
        """Two axes exchanged."""
        return call(np.swapaxes, self, axis1, axis2)

    def copy(self) -> Expression:
        """The expression itself: it is immutable."""
        return self

    def astype(self, dtype: Any) -> Expression:
        """The expression itself; all arithmetic is in double, so `dtype` must be float64."""
        if np.dtype(dtype) != np.float64:
            raise TypeError(f"An Expression is evaluated in double precision: got astype({dtype!r}), expected float.")
        return self

    # ---- reductions and products ----------------------------------------------

    def sum(self, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Expression:
        """Sum over the axes given, or over all."""
        return call(np.sum, self, axis=axis, keepdims=keepdims)

    def mean(self, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Expression:
        """Mean over the axes given, or over all."""
        return call(np.mean, self, axis=axis, keepdims=keepdims)

    def prod(self, axis: int | None = None, keepdims: bool = False) -> Expression:
        """Product along one axis, or of all elements."""
        return call(np.prod, self, axis=axis, keepdims=keepdims)

    def max(self, axis: int | None = None, keepdims: bool = False) -> Expression:
        """Maximum along one axis, or of all elements. It has kinks where two are equal."""
        return call(np.max, self, axis=axis, keepdims=keepdims)

    def min(self, axis: int | None = None, keepdims: bool = False) -> Expression:
        """Minimum along one axis, or of all elements. It has kinks where two are equal."""
        return call(np.min, self, axis=axis, keepdims=keepdims)

    def dot(self, other: Any) -> Expression:
        """`np.dot(self, other)`."""
        return call(np.dot, self, other)

    def clip(self, min: Any = None, max: Any = None) -> Expression:  # noqa: A002  (NumPy's names)
        """Limited to [min, max]; the derivative at a limit is 0."""
        return call(np.clip, self, min, max)

    # ---- NumPy's protocols ----------------------------------------------

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **settings: Any) -> Any:
        name = ufunc.__name__
        if name in _comparisons:
            return compare(inputs[0], _comparisons[name], inputs[1])
        settings = {key: value for key, value in settings.items() if value is not None or key == "axis"}
        if method == "reduce":
            name = f"{name}.reduce"
        elif method != "__call__":
            raise TypeError(f"np.{name}.{method} is not available for an Expression.")
        elif "out" in settings:
            raise TypeError(
                f"np.{name} cannot write an Expression into an array: assign the result instead of using out= or +=."
            )
        elif settings:
            raise TypeError(f"np.{name} of an Expression takes no {', '.join(settings)}.")
        if name not in ufunc_rules:
            hint = " Write np.log(1 + x), or np.logaddexp(0, z) for log1p(exp(z))." if name == "log1p" else ""
            raise TypeError(
                f"{name} is not available for an Expression.{hint} There are: {', '.join(sorted(ufunc_rules))}."
            )
        return ufunc_rules[name](*inputs, **settings)

    def __array_function__(self, function: Callable[..., Any], types: Any, args: Any, settings: dict[str, Any]) -> Any:
        if function not in array_function_rules:
            known = sorted({name_of(known) for known in array_function_rules} - {name_of(operator.getitem)})
            raise TypeError(f"{name_of(function)} is not available for an Expression. There are: {', '.join(known)}.")
        settings = {key: value for key, value in settings.items() if value is not None or key == "axis"}
        try:
            return array_function_rules[function](*args, **settings)
        except TypeError as error:
            if error.__traceback__ is not None and error.__traceback__.tb_next is None:  # the call itself does not fit
                reason = str(error).partition(") ")[2]
                raise TypeError(f"{name_of(function)} of an Expression {reason}.") from None
            raise

    @property
    def __array__(self) -> Callable[..., NoReturn]:
        """Refuses conversion; absent for a single number, so that NumPy makes an object array of such."""
        if not self.shape:
            raise AttributeError("__array__")
        return refuse_conversion

    def __float__(self) -> NoReturn:
        raise TypeError(
            "An Expression is not a number yet: use NumPy's functions (np.sin, not math.sin), "
            "or evaluate it with fastexpr.Function(x, expression)."
        )

    __int__ = __complex__ = __index__ = __float__

    def __bool__(self) -> NoReturn:
        raise TypeError(
            "An Expression has no truth value: its numbers are not known yet. "
            "State a constraint with subject_to(expression, lower=..., upper=..., equal=...)."
        )

    # ---- operators ----------------------------------------------

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> Any:
        return compare(self, "==", other)

    def __ne__(self, other: object) -> Any:
        return compare(self, "!=", other)

    def __lt__(self, other: object) -> Any:
        return compare(self, "<", other)

    def __le__(self, other: object) -> Any:
        return compare(self, "<=", other)

    def __gt__(self, other: object) -> Any:
        return compare(self, ">", other)

    def __ge__(self, other: object) -> Any:
        return compare(self, ">=", other)

    def __add__(self, other: Any) -> Expression:
        return ufunc_rules["add"](self, other)

    def __radd__(self, other: Any) -> Expression:
        return ufunc_rules["add"](other, self)

    def __sub__(self, other: Any) -> Expression:
        return ufunc_rules["subtract"](self, other)

    def __rsub__(self, other: Any) -> Expression:
        return ufunc_rules["subtract"](other, self)

    def __mul__(self, other: Any) -> Expression:
        return ufunc_rules["multiply"](self, other)

    def __rmul__(self, other: Any) -> Expression:
        return ufunc_rules["multiply"](other, self)

    def __truediv__(self, other: Any) -> Expression:
        return ufunc_rules["divide"](self, other)

    def __rtruediv__(self, other: Any) -> Expression:
        return ufunc_rules["divide"](other, self)

    def __pow__(self, other: Any) -> Expression:
        return ufunc_rules["power"](self, other)

    def __rpow__(self, other: Any) -> Expression:
        return ufunc_rules["power"](other, self)

    def __matmul__(self, other: Any) -> Expression:
        return ufunc_rules["matmul"](self, other)

    def __rmatmul__(self, other: Any) -> Expression:
        return ufunc_rules["matmul"](other, self)

    def __neg__(self) -> Expression:
        return ufunc_rules["negative"](self)

    def __pos__(self) -> Expression:
        return self

    def __abs__(self) -> Expression:
        return ufunc_rules["absolute"](self)


def variables(shape: int | Sequence[int]) -> Expression:
    """Symbolic variables: the leaf from which expressions are built.

    Parameters
    ----------
    shape : int or sequence of int
        ``4`` or ``(4,)`` for a vector; any number of dimensions.

    Returns
    -------
    Expression
        Of that shape. Each call makes new variables.

    Raises
    ------
    ValueError
        A dimension is negative.

    Examples
    --------
    >>> import fastexpr as fx
    >>> x = fx.variables(4)
    >>> f = fx.Function(x, (x**2).sum())
    >>> f([1.0, 2.0, 3.0, 4.0])
    array([30.])
    """
    lengths: Sequence[int] = shape if isinstance(shape, Sequence) else (shape,)
    dimensions = tuple(operator.index(length) for length in lengths)
    if any(length < 0 for length in dimensions):
        raise ValueError(f"variables: a dimension is negative: got shape {dimensions}, expected lengths of 0 or more.")
    return Expression(None, (), dimensions)


def with_component_names(leaf: Expression, names: Sequence[str]) -> None:
    """Names the components of new variables: functions that are applied to all of them match their inputs' names."""
    object.__setattr__(leaf, "names", tuple(names))


def restored(
    operator: Operator | None, inputs: tuple[Expression, ...], shape: Shape, label: str, names: Sequence[str] | None
) -> Expression:
    """What was pickled."""
    expression = Expression(operator, inputs, shape, label)
    if names is not None:
        with_component_names(expression, names)
    return expression


def apply(
    name: str,
    inputs: Sequence[Expression],
    attributes: dict[str, Any] | None = None,
    constants: Constants = (),
    label: str = "",
) -> Expression:
    """A core operator applied to expressions; the core validates and infers the shape."""
    core = Operator(name, [expression.shape for expression in inputs], attributes or {}, list(constants))
    return Expression(core, tuple(inputs), tuple(core.shape), label)


def array_function(function: Callable[..., Any]) -> Callable[[Rule], Rule]:
    """Registers the rule of a NumPy function: `@array_function(np.dot)`."""

    def register(rule: Rule) -> Rule:
        array_function_rules[function] = rule
        return rule

    return register


def name_of(function: Callable[..., Any]) -> str:
    """np.linalg.norm, for messages."""
    return f"{function.__module__.replace('numpy', 'np', 1)}.{function.__name__}"


def call(function: Callable[..., Any], *args: Any, **settings: Any) -> Expression:
    """The rule for a NumPy function, called directly."""
    result: Expression = array_function_rules[function](*args, **settings)
    return result


def compare(left: Any, symbol: str, right: Any) -> Any:
    """The statement of a constraint; a solver keeps to limits, so that < and > cannot be stated."""
    if symbol in ("<=", ">=", "=="):
        return Relation(left, symbol, right)
    raise TypeError(
        f"An Expression cannot be compared by {symbol}: its numbers are not known yet. State a constraint with <=, >= "
        "or ==, subject_to(g >= 1); take the larger one with np.maximum; compare identity with `is`."
    )


def refuse_conversion(*args: Any, **settings: Any) -> NoReturn:
    raise TypeError(
        "An Expression cannot become a NumPy array: its numbers are not known yet. Join expressions with np.stack or "
        "np.concatenate, write W.toarray() @ x for a sparse W, or evaluate with "
        "fastexpr.Function(x, expression)(numbers)."
    )
