"""Statements that cannot be: each gets one clear error."""

import numpy as np
import pytest
from problems import (
    NETWORK,
)

import fastexpr as fx
from fastexpr.errors import EvaluationError, GraphError, ShapeError


def test_wrong_statements():
    p = fx.Problem()
    with pytest.raises(ValueError, match="no variables"):
        p.solve()
    x = p.variables(4, start=1.0)
    foreign = fx.variables(2)
    cases = [
        (lambda: p.minimize(x), ShapeError, "must be one number"),
        (lambda: p.minimize(foreign.sum()), GraphError, "not this problem's"),
        (lambda: p.minimize("3"), TypeError, "Expression"),
        (lambda: p.subject_to(foreign, lower=0), GraphError, "not this problem's"),
        (lambda: p.subject_to(x), ValueError, "got none"),
        (lambda: p.subject_to(x[:0], lower=0), ShapeError, r"needs elements: got shape \(0,\)"),
        (lambda: p.subject_to(x, equal=0, upper=1), ValueError, "equal= alone"),
        (lambda: p.subject_to(x, lower=1, upper=0), ValueError, "above"),
        (lambda: p.subject_to(x, lower=[1, 2]), ShapeError, r"got \(2,\), expected \(4,\)"),
        (lambda: p.subject_to(x, lower=np.nan), ValueError, "NaN"),
        (lambda: p.subject_to(1.0, lower=0), TypeError, "got float"),
        (lambda: p.subject_to(x, lower=x[0], upper=1), ValueError, "two constraints"),
        (lambda: p.variables(2, lower=[1, 2, 3]), ShapeError, r"got \(3,\), expected \(2,\)"),
        (lambda: p.variables(2, lower=1, upper=0), ValueError, "above"),
        (lambda: p.variables(2, start=[np.nan, 1]), ValueError, "NaN"),
        (lambda: p.variables(2, start=np.inf), ValueError, "not finite"),
        (lambda: p.network(NETWORK, x[:3]), ShapeError, r"got \(3,\), expected \(4,\), or \(T, 4\)"),
        (lambda: p.network(NETWORK, np.ones(4)), TypeError, "got ndarray"),
        (lambda: p.network("net.onnx", x), TypeError, "got str"),
        (lambda: p.network(fx.Function(foreign, np.log(foreign)), -x[:2]), EvaluationError, "another start"),
    ]
    for state, error, message in cases:
        with pytest.raises(error, match=message):
            state()
    p.minimize(x.sum())
    with pytest.raises(ValueError, match="exactly one"):
        p.maximize(x.sum())
