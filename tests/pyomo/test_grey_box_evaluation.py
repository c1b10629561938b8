"""What a grey box gives to a solver: values, Jacobians and Hessians, against the real ASL and Ipopt's own check."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from grey_boxes import (
    M,
    N,
    T,
    entries,
    evaluated,
    example,
    meant,
    solve,
    two_products,
)
from pyomo.contrib.pynumero.exceptions import PyNumeroEvaluationError
from pyomo.contrib.pynumero.interfaces.pyomo_grey_box_nlp import PyomoNLPWithGreyBoxBlocks
from pyomo.contrib.pynumero.interfaces.pyomo_nlp import PyomoNLP
from scipy.sparse import coo_matrix

import fastexpr as fx
import fastexpr.pyomo as fxp
from fastexpr.errors import EvaluationError
from fastexpr.pyomo.grey_box.batch import Instances


def test_ipopt_finds_no_error_in_the_derivatives(tmp_path: Path) -> None:
    log = tmp_path / "ipopt.log"
    solve(example("grey box"), derivative_test="second-order", output_file=str(log), max_iter=0)
    assert "No errors detected by derivative checker" in log.read_text()


def test_the_derivatives_are_those_of_the_real_asl() -> None:
    """Jacobian and Hessian of the whole model, against NetworkBlocks on the ASL."""
    model, reference = example("grey box"), example("blocks")
    nlp, asl = PyomoNLPWithGreyBoxBlocks(model), PyomoNLP(reference)
    column = {name: position for position, name in enumerate(nlp.primals_names())}
    columns = [column[variable.name] for variable in entries(model)]
    its_columns = asl.get_primal_indices(entries(reference))
    row = {name: position for position, name in enumerate(nlp.constraint_names())}
    names = meant().output_names
    rows = [row["c"], *(row[f"link[{i}]"] for i in range(N))]
    rows += [row[f"egb.output_constraints['{name}[{t}]']"] for t in range(T) for name in names]
    equations = [reference.nn[t].equations[name] for t in range(T) for name in names]
    its_rows = asl.get_constraint_indices([reference.c, *reference.link.values(), *equations])
    sign = np.array([1.0] * (1 + N) + [-1.0] * (T * M))
    rng = np.random.default_rng(0)
    for _ in range(5):
        x, duals = rng.uniform(-2, 2, len(columns)), rng.standard_normal(len(rows))
        for each, order, own_rows, own_duals in (
            (nlp, columns, rows, duals),
            (asl, its_columns, its_rows, duals * sign),
        ):
            point, multipliers = np.zeros(len(columns)), np.zeros(len(rows))
            point[order], multipliers[own_rows] = x, own_duals
            each.set_primals(point)
            each.set_duals(multipliers)
            each.set_obj_factor(0.7)
        np.testing.assert_allclose(
            nlp.evaluate_constraints()[rows],
            sign * asl.evaluate_constraints()[its_rows],
            rtol=1e-12,
            atol=1e-13,
        )
        np.testing.assert_allclose(
            nlp.evaluate_jacobian().toarray()[rows][:, columns],
            sign[:, None] * asl.evaluate_jacobian().toarray()[its_rows][:, its_columns],
            rtol=1e-12,
        )
        np.testing.assert_allclose(
            nlp.evaluate_hessian_lag().toarray()[columns][:, columns],
            asl.evaluate_hessian_lag().toarray()[its_columns][:, its_columns],
            rtol=1e-11,
            atol=1e-13,
        )


def test_only_true_entries_and_only_the_lower_triangle() -> None:
    box = fxp.GreyBox(two_products(), instances=2)
    x = np.array([1.0, 2.0, 0.5, 3.0, 4.0, -0.5])
    value, jacobian, hessian = evaluated(box, x, [0.3, 0.5, 0.7, 0.11])
    np.testing.assert_allclose(value, [2.0, np.sin(0.5), 12.0, np.sin(-0.5)], rtol=1e-15)
    assert isinstance(jacobian, coo_matrix)
    assert isinstance(hessian, coo_matrix)
    assert (jacobian.nnz, hessian.nnz) == (6, 4)
    assert (hessian.row >= hessian.col).all()
    expected = np.zeros((4, 6))
    expected[0, :2], expected[1, 2], expected[2, 3:5], expected[3, 5] = [2, 1], np.cos(0.5), [4, 3], np.cos(0.5)
    np.testing.assert_allclose(jacobian.toarray(), expected, rtol=1e-15)
    expected = np.zeros((6, 6))
    expected[1, 0], expected[2, 2], expected[4, 3], expected[5, 5] = 0.3, -0.5 * np.sin(0.5), 0.7, 0.11 * np.sin(0.5)
    np.testing.assert_allclose(hessian.toarray(), expected, rtol=1e-15)


def test_the_places_stay_where_entries_vanish() -> None:
    box = fxp.GreyBox(two_products(), instances=2)
    generic = evaluated(box, np.full(6, 0.3), np.ones(4))
    special = evaluated(box, np.zeros(6), np.zeros(4))
    for one, other in zip(generic[1:], special[1:], strict=True):
        np.testing.assert_array_equal(one.row, other.row)
        np.testing.assert_array_equal(one.col, other.col)


def test_wide_networks_with_few_entries() -> None:
    """120 x 120, of which a diagonal and its neighbours are not zero: never written out."""
    n = 120
    x = fx.variables(n)
    net = fx.Function(x, np.sin(x) * x[np.roll(np.arange(n), 1)])
    box = fxp.GreyBox(net, instances=2)
    rng = np.random.default_rng(0)
    points, multipliers = rng.standard_normal((2, n)), rng.standard_normal((2, n))
    value, jacobian, hessian = evaluated(box, points.ravel(), multipliers.ravel())
    assert jacobian.nnz == 4 * n
    assert hessian.nnz == 4 * n
    np.testing.assert_allclose(value, net(points).ravel(), rtol=1e-14)
    for t in range(2):
        block = slice(t * n, (t + 1) * n)
        np.testing.assert_allclose(jacobian.toarray()[block, block], net.jacobian(points[t]), rtol=1e-13)
        lower = np.tril(net.hessian(points[t], multipliers[t]))
        np.testing.assert_allclose(hessian.toarray()[block, block], lower, rtol=1e-13)


class Counting:
    """What is asked of a compiled program."""

    def __init__(self, functions: Any) -> None:
        self.functions = functions
        self.counts = {"constraints": 0, "jacobian": 0, "hessian": 0}

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.functions, name)

        def counted(*arguments: Any) -> Any:
            self.counts[name] += 1
            return method(*arguments)

        return counted if name in self.counts else method


def test_a_point_costs_one_batch_of_each_kind() -> None:
    batch = Instances(meant(), T, "[GreyBox]")
    batch._functions = counting = Counting(batch._functions)

    def evaluate(x: Any, multipliers: Any) -> Any:
        batch.set_point(x)
        batch.set_multipliers(multipliers)
        return batch.values(), batch.jacobian(), batch.hessian()

    x, multipliers = np.full(T * N, 0.2), np.ones(T * M)
    first = evaluate(x, multipliers)
    evaluate(x.copy(), multipliers.copy())
    assert counting.counts == {"constraints": 1, "jacobian": 1, "hessian": 1}
    doubled = evaluate(x, 2 * multipliers)
    assert counting.counts == {"constraints": 1, "jacobian": 1, "hessian": 2}
    np.testing.assert_allclose(doubled[2].data, 2 * first[2].data, rtol=1e-14)
    x += 1.0  # in the solver's own array
    np.testing.assert_array_equal(batch.values(), first[0])
    np.testing.assert_allclose(evaluate(x, multipliers)[0], meant()(np.full((T, N), 1.2)).ravel(), rtol=1e-14)
    assert counting.counts == {"constraints": 2, "jacobian": 2, "hessian": 3}


def test_what_is_not_finite_is_named() -> None:
    x = fx.variables(2)
    net = fx.Function(x, [np.sqrt(x[0]) * x[1], x[1]]).with_names(inputs=["a", "b"], outputs=["root", "b"])
    box = fxp.GreyBox(net, instances=2)
    box.set_output_constraint_multipliers(np.ones(4))
    box.set_input_values([1.0, 1.0, 0.0, 2.0])
    np.testing.assert_array_equal(box.evaluate_outputs(), [1, 1, 0, 2])
    with pytest.raises(
        PyNumeroEvaluationError, match="derivative of 'root' by 'a' of instance 1 is not finite: got inf"
    ):
        box.evaluate_jacobian_outputs()
    with pytest.raises(
        PyNumeroEvaluationError, match=r"second derivative by 'a' and 'a' of instance 1 is not .* a=0, b=2"
    ):
        box.evaluate_hessian_outputs()
    box.set_input_values([1.0, np.nan, 1.0, 2.0])
    for evaluate in (box.evaluate_outputs, box.evaluate_jacobian_outputs, box.evaluate_hessian_outputs):
        with pytest.raises(PyNumeroEvaluationError, match="input 'b' of instance 0 is not finite: got nan") as caught:
            evaluate()
        assert isinstance(caught.value, EvaluationError)
    box.set_input_values(np.ones(4))
    box.set_output_constraint_multipliers([1.0, np.inf, 1.0, 1.0])
    with pytest.raises(PyNumeroEvaluationError, match="multipliers are not finite"):
        box.evaluate_hessian_outputs()
    assert np.isfinite(box.evaluate_outputs()).all()
