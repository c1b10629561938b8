"""Expressions are immutable, and what they cannot do says so, with the way out."""

import copy
import pickle

import numpy as np
import pytest
import scipy.sparse

import fastexpr as fx
from fastexpr.errors import GraphError, ShapeError
from fastexpr.expression import Expression


def test_expressions_are_immutable_keys():
    x = fx.variables(3)
    y = x + 1.0
    assert copy.copy(y) is y
    assert copy.deepcopy(y) is y
    assert {x: 1, y: 2}[y] == 2
    assert isinstance(y, Expression)
    assert repr(y) == "<Expression Add, shape (3,)>"
    assert repr(x) == "<Expression variables, shape (3,)>"
    for break_it in (lambda: setattr(y, "shape", (2,)), lambda: delattr(y, "shape")):
        with pytest.raises(AttributeError, match="immutable"):
            break_it()
    with pytest.raises(TypeError, match=r"np\.where"):
        y[0] = 1.0
    same, again = pickle.loads(pickle.dumps((x, y)))
    np.testing.assert_array_equal(fx.Function(same, again)([1, 2, 3]), fx.Function(x, y)([1, 2, 3]))


REFUSED = {
    "comparison": (lambda x: x < 1.0, "subject_to"),
    "comparison with an array": (lambda x: np.ones(3) > x, "subject_to"),
    "inequality": (lambda x: x != x, "subject_to"),
    "chained comparison": (lambda x: 0 <= x <= 1, "lower=0, upper=1"),
    "truth of an equation": (lambda x: bool(x == x), "truth value"),
    "truth": (lambda x: bool(x[0]), "truth value"),
    "float": (lambda x: float(x[0]), "np.sin"),
    "asarray": (lambda x: np.asarray(x), "np.stack"),
    "array of vectors": (lambda x: np.array([x, x]), "np.stack"),
    "sparse in front": (lambda x: scipy.sparse.csr_array(np.eye(3)) @ x, "toarray"),
    "cbrt": (lambda x: np.cbrt(x), "cbrt is not available.*tanh"),
    "log1p": (lambda x: np.log1p(x), "np.logaddexp"),
    "einsum": (lambda x: np.einsum("i,i", x, x), "einsum is not available.*matmul|einsum is not available.*dot"),
    "sort": (lambda x: np.sort(x), "sort is not available"),
    "out": (lambda x: np.add(x, 1.0, out=np.ones(3)), "out="),
    "dtype": (lambda x: np.add(x, 1.0, dtype=np.float32), "takes no dtype"),
    "accumulate": (lambda x: np.add.accumulate(x), "accumulate"),
    "text": (lambda x: x + "a", "real numbers"),
    "None": (lambda x: x * None, "NoneType"),
    "complex": (lambda x: x * 1j, "complex"),
    "index by expression": (lambda x: x[x], "constant"),
    "condition": (lambda x: np.where(x, x, x), "constant condition"),
    "len of a number": (lambda x: len(x[0]), "single number"),
    "iteration over a number": (lambda x: list(x[0]), "single number"),
    "where of a sum": (lambda x: np.sum(x, where=[True, False, True]), r"np\.sum of an Expression.*where"),
    "function of linalg": (lambda x: np.linalg.inv(x), r"np\.linalg\.inv is not available.*np\.linalg\.norm"),
    "norm": (lambda x: np.linalg.norm(x, ord=np.inf), "1-norm"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    build, message = REFUSED[name]
    with pytest.raises(TypeError, match=message):
        build(fx.variables(3))


def object_array(entry):
    array = np.empty(1, dtype=object)
    array[0] = entry
    return array


WRONG = {
    "index": (lambda x: x[3], IndexError, "out of bounds"),
    "negative index": (lambda x: x[-4], IndexError, "out of bounds"),
    "too many indices": (lambda x: x[0, 0], IndexError, "too many indices"),
    "reshape": (lambda x: x.reshape(2, 2), ValueError, r"\(3,\) into shape \(2, 2\)"),
    "broadcast": (lambda x: x + np.ones(4), ValueError, r"\(3,\).*\(4,\)"),
    "matmul": (lambda x: np.ones((2, 2)) @ x, ValueError, r"\(2, 2\) and \(3,\)"),
    "matmul of a number": (lambda x: 2.0 @ x, ValueError, "Use \\* instead"),
    "axis": (lambda x: x.sum(axis=1), ValueError, "axis 1 is out of bounds"),
    "axis twice": (lambda x: x.sum(axis=(0, 0)), ValueError, "duplicate"),
    "object array of vectors": (lambda x: x + object_array(x[:2]), TypeError, "single numbers"),
    "negative length": (lambda x: fx.variables(-1), ValueError, "negative"),
    "length that is no integer": (lambda x: fx.variables(2.5), TypeError, "integer"),
    "no output": (lambda x: fx.Function(x, []), ShapeError, "no output"),
    "other variables": (lambda x: fx.Function(x, fx.variables(2) + 1.0), GraphError, r"variables of shape \(2,\)"),
    "x that is no variable": (lambda x: fx.Function(x + 1.0, x), TypeError, "variables"),
    "x twice": (lambda x: fx.Function([x, x], x), GraphError, "twice"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong(name):
    build, error, message = WRONG[name]
    with pytest.raises(error, match=message):
        build(fx.variables(3))


def test_copy_and_astype() -> None:
    x = fx.variables(2)
    assert x.copy() is x
    assert x.astype(float) is x
    with pytest.raises(TypeError, match="double precision"):
        x.astype(np.float32)
