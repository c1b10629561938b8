"""Derivatives of whole problems: against differences and the solvers' own test, sparse, once per point."""

import numpy as np
import pytest
from problems import (
    each_solver,
    mixed_problem,
)

import fastexpr as fx
from fastexpr.problem.assembly import algebra

random = np.random.default_rng(5)


def test_derivatives_match_differences():
    nlp = mixed_problem().nlp()
    x, w, step = nlp.start, random.standard_normal(nlp.m), 1e-6

    def dense(structure, values, shape):
        matrix = np.zeros(shape)
        np.add.at(matrix, structure, values)
        return matrix

    def jacobian(x):
        return dense(nlp.jacobianstructure(), nlp.jacobian(x), (nlp.m, nlp.n))

    def differences(function):
        shifts = step * np.eye(nlp.n)
        return np.stack([(function(x + shift) - function(x - shift)) / (2 * step) for shift in shifts], axis=-1)

    np.testing.assert_allclose(nlp.gradient(x), differences(nlp.objective), atol=1e-7)
    np.testing.assert_allclose(jacobian(x), differences(nlp.constraints), atol=1e-7)
    lower = dense(nlp.hessianstructure(), nlp.hessian(x, w, 0.7), (nlp.n, nlp.n))
    assert np.array_equal(lower, np.tril(lower))
    hessian = lower + np.tril(lower, -1).T
    np.testing.assert_allclose(hessian, differences(lambda x: 0.7 * nlp.gradient(x) + w @ jacobian(x)), atol=1e-6)


@each_solver
def test_the_solvers_derivative_test_passes(solver, tmp_path, capfd):
    log = tmp_path / "log"
    settings = {"derivative_test": "second-order", "print_level": 4, "output_file": str(log), "max_iter": 1}
    mixed_problem().solve(solver, **settings)
    out = capfd.readouterr()
    report = out.out + out.err + (log.read_text() if log.exists() else "")
    assert "No errors detected by derivative checker" in report or "No suspicious derivatives found" in report


def test_a_final_time_and_a_budget_leave_the_steps_sparse():
    """x' = u from 0 to 1 in the shortest time with a limit of energy: u is constant, and 1 / T is the energy."""
    n = 3000
    p = fx.Problem()
    x, u = p.variables(n + 1, start=np.linspace(0, 1, n + 1)), p.variables(n, lower=-1, upper=1, start=0.5)
    final_time = p.variables((), lower=0.1, start=2.0)
    p.subject_to(x[[0, -1]], equal=[0, 1])
    p.subject_to(x[1:] - x[:-1] - final_time / n * u, equal=0)
    energy = p.subject_to((u**2).sum() * final_time / n, upper=0.8)
    p.minimize(final_time)
    functions = [function for _, function, _ in algebra(p._statement, p._statement.constraints)]
    assert [function.n_outputs for function in functions] == [n + 2, 1]
    assert p.nlp().jacobian_rows.size == 2 + 4 * n + n + 1
    result = p.solve(tol=1e-10)
    assert result.success
    assert result[final_time] == pytest.approx(1.25, rel=1e-6)
    np.testing.assert_allclose(result[u], 0.8, atol=1e-6)
    assert result.duals[energy] > 0


def test_variables_that_meet_all_others_keep_the_hessian_sparse():
    """A free final time scales every step: it gets a direction of its own, and the others share theirs."""
    n = 20_000
    x, time_scale = fx.variables(n), fx.variables(())
    steps = fx.Function([x, time_scale], (x[1:] - x[:-1] - time_scale * np.sin(x[:-1])) * time_scale)
    point, weights = random.standard_normal(n + 1), random.standard_normal(n - 1)
    hessian = steps.hessian(point, weights, sparse=True)  # dense, it would be 3.2 GB
    assert hessian.nnz < 6 * n
    direction = random.standard_normal(n + 1)
    expected = steps.hvp(point, weights, direction)
    np.testing.assert_allclose(hessian @ direction, expected, atol=1e-10 * np.abs(expected).max())
    for size in (2, 3, 17):
        y = fx.variables(size)
        mixed = fx.Function(y, np.exp(0.3 * y[0] * y).sum() + (y[:-1] * y[1:]).sum() + np.sin(y[-1] * y).sum())
        point = random.standard_normal(size)
        dense = mixed.hessian(point)
        np.testing.assert_allclose(mixed.hessian(point, sparse=True).toarray(), dense, atol=1e-12 * np.abs(dense).max())


def test_each_quantity_is_computed_once_per_point():
    nlp = mixed_problem().nlp()
    x = nlp.start
    first = nlp.objective(x), nlp.constraints(x).copy()
    for _ in range(3):
        assert nlp.objective(x.copy()) == first[0]
        np.testing.assert_array_equal(nlp.constraints(x), first[1])
    assert nlp.evaluations["objective"].count == nlp.evaluations["constraints"].count == 1
    assert nlp.objective(x + 0.01) != first[0]
    assert nlp.objective(x) == first[0]
    assert nlp.evaluations["objective"].count == 3


def test_numbers_that_are_handed_out_twice_cannot_be_changed():
    nlp = mixed_problem().nlp()
    for values in (nlp.gradient(nlp.start), nlp.constraints(nlp.start), nlp.jacobian(nlp.start)):
        with pytest.raises(ValueError, match="read-only"):
            values[0] = 7.0
