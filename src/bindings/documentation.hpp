#pragma once

// Docstrings of Function, in NumPy's style.

namespace fastexpr::bindings::documentation {

inline constexpr const char* function = R"(A network, or any expression, with exact first and second derivatives.

f maps x of shape (n,) to f(x) of shape (m,), evaluated in double precision. Immutable: copies are the object itself, and any
number of threads may use one at once; evaluation releases the GIL.

Parameters
----------
x : Expression or list of Expression
    What `fastexpr.variables` returned: the arguments, joined in this order.
expression : Expression or list of Expression
    What to compute from them, flattened and joined in this order.
function : Function
    In the place of both: the same function again, which is how a subclass holds one that was loaded.

Raises
------
GraphError
    Where the expression needs variables that are not in `x`.

Notes
-----
At a kink the derivative is the one of the side where the function is flatter: ReLU'(0) = 0, Abs'(0) = 0, and Clip has derivative
zero at its limits. See `kinks`. A result that is not finite is returned as it is, the way NumPy does.

Examples
--------
>>> import numpy as np
>>> import fastexpr as fx
>>> x = fx.variables(2)
>>> f = fx.Function(x, np.exp(x[0]) * x[1])
>>> f([0.0, 3.0])
array([3.])
>>> f.jacobian([0.0, 3.0])
array([[3., 1.]])
>>> f.hessian([0.0, 3.0])
array([[3., 1.],
       [1., 0.]])
)";

inline constexpr const char* call = R"(f(x).

Parameters
----------
x : array_like, dict, Expression
    (n,) for one point, (B, n) for a batch; also the single input's own shape. Labels (columns of a DataFrame, the index of a
    Series, keys of a dict) are matched with `input_names`, or count by position where nobody gave names; so are those of
    directions, and of weights with `output_names`, in all methods. An Expression gives an Expression.
out : ndarray, optional
    Where to put the result: float64, C-contiguous, of the result's shape.

Returns
-------
ndarray
    (m,), or (B, m).

Raises
------
ShapeError, TypeError
    For a wrong shape or dtype, and for labels that are not the names.
ValueError
    Where x is not finite; the message names the component.
)";

inline constexpr const char* jacobian = R"(df/dx at x.

Parameters
----------
x : array_like
    (n,), or (B, n).
sparse : bool
    Return a SciPy CSR array with the structure of `sparsity()`, for one point.
out : ndarray, optional
    Where to put a dense result.

Returns
-------
ndarray or scipy.sparse.csr_array
    (m, n), or (B, m, n). By rows (adjoints) or columns (tangents), whichever are fewer; a sparse one by groups of them that never
    meet (Curtis, Powell, Reid, "On the estimation of sparse Jacobian matrices", 1974).
)";

inline constexpr const char* hessian = R"(Second derivatives of the combination weights @ f at x.

Parameters
----------
x : array_like
    (n,), or (B, n).
weights : array_like, optional
    (m,), or (B, m): one multiplier per output. May be left out where m is 1.
sparse : bool
    Return a SciPy CSR array (both triangles), for one point.
out : ndarray, optional
    Where to put a dense result.

Returns
-------
ndarray or scipy.sparse.csr_array
    (n, n), or (B, n, n), symmetric.
)";

inline constexpr const char* evaluate = R"(Value, Jacobian and Hessian at one point, for the price of the last.

Parameters
----------
x : array_like
    (n,), or (B, n).
weights : array_like, optional
    (m,), or (B, m), for the Hessian of weights @ f. May be left out where m is 1 or order is below 2.
order : int
    0: value; 1: value and Jacobian; 2: value, Jacobian and Hessian.
out : sequence of ndarray, optional
    order + 1 arrays for the results.

Returns
-------
tuple of ndarray
    order + 1 arrays: (m,), (m, n), (n, n), with B in front for a batch.
)";

inline constexpr const char* gradient = R"(Gradient of a function with one output: (n,), or (B, n) for a batch.

Raises
------
ShapeError
    Where there are several outputs: use `vjp` or `jacobian`.
)";

inline constexpr const char* jvp =
    R"(Derivative of f along a direction, J(x) @ direction: direction (n,) or (B, n) -> (m,) or (B, m).)";

inline constexpr const char* vjp = R"(Gradient of weights @ f, J(x).T @ weights: weights (m,) or (B, m) -> (n,) or (B, n).)";

inline constexpr const char* hvp = R"(Hessian of weights @ f times a direction, without the Hessian: (n,) or (B, n).

Costs a few evaluations of f, whatever n is (forward over reverse).
)";

inline constexpr const char* sparsity = R"(Which derivatives can be nonzero, known from the graph alone.

Returns
-------
jacobian, hessian : scipy.sparse.csr_array of bool
    (m, n) and (n, n); the second for any weights, both triangles.
)";

}  // namespace fastexpr::bindings::documentation
