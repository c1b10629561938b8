"""The tape: values and sparse derivatives of scalar algebra against JAX, structure, numbers that are hard."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tape_streams import CODES, Stream, close, compare, symmetric

from fastexpr.errors import GraphError, ShapeError

UNARY = {
    "exp": (-1.3, 0.7),
    "log": (0.3, 2.5),
    "log10": (0.3, 2.5),
    "sqrt": (0.3, 2.5),
    "sin": (-2.0, 1.0),
    "cos": (-2.0, 1.0),
    "tan": (-1.0, 1.2),
    "asin": (-0.7, 0.4),
    "acos": (-0.7, 0.4),
    "atan": (-3.0, 0.4),
    "sinh": (-1.0, 2.0),
    "cosh": (-1.0, 2.0),
    "tanh": (-1.0, 2.0),
    "asinh": (-1.0, 2.0),
    "acosh": (1.1, 4.0),
    "atanh": (-0.6, 0.8),
    "abs": (-1.0, 2.0),
    "ceil": (-1.3, 2.4),
    "floor": (-1.3, 2.4),
    "negation": (-1.0, 2.0),
}
BINARY = ["sum", "product", "division", "power", "minimum", "maximum"]


@pytest.mark.parametrize("name", UNARY)
def test_functions_of_one_number(name: str) -> None:
    for value in UNARY[name]:
        s = Stream(2)
        f = s.node(name, s.x(0))
        inside = s.node(name, s.node("product", s.x(0), s.node("sum", s.x(1), 1.0)))
        compare(s, [f, inside, s.node("product", f, inside)], np.array([value, 0.01]))


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("kinds", ["xx", "xc", "cx", "xp", "px", "same"])
def test_functions_of_two_numbers(name: str, kinds: str) -> None:
    s = Stream(3, n_parameters=1)
    operands = {
        "xx": (s.x(0), s.x(1)),
        "xc": (s.x(0), 1.7),
        "cx": (1.7, s.x(0)),
        "xp": (s.x(0), s.p(0)),
        "px": (s.p(0), s.x(0)),
        "same": (s.x(0), s.x(0)),
    }[kinds]
    f = s.node(name, *operands)
    g = s.node("exp", s.node("product", f, s.x(2)))
    compare(s, [f, g, s.node("sum", g, f)], np.array([1.3, 0.4, -0.2]), np.array([2.3]))


@pytest.mark.parametrize("exponent", [-3.0, -2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 7.0, 17.0])
@pytest.mark.parametrize("base", [-1.3, 0.8])
def test_constant_exponents(exponent: float, base: float) -> None:
    if base < 0 and exponent != round(exponent):
        return
    s = Stream(2)
    f = s.node("power", s.node("sum", s.x(0), s.x(1)), exponent)
    compare(s, [f, s.node("product", f, s.x(1))], np.array([base, 0.1]))


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0, 3.0])
def test_a_parameter_as_exponent_at_base_zero(exponent: float) -> None:
    """What the derivatives are for a constant exponent, where the general formula is 0 * infinity."""
    s, fixed = Stream(1, n_parameters=1), Stream(1)
    functions = s.compile(s.node("power", s.x(0), s.p(0)), [])
    functions.set_parameters(np.array([exponent]))
    constant = fixed.compile(fixed.node("power", fixed.x(0), exponent), [])
    for x in (np.zeros(1), np.array([-1.5])):
        assert functions.objective(x) == constant.objective(x)
        np.testing.assert_array_equal(functions.gradient(x), constant.gradient(x))
        expected = np.zeros(1)
        expected[: constant.hessian(x, np.zeros(0)).size] = constant.hessian(x, np.zeros(0))
        np.testing.assert_array_equal(functions.hessian(x, np.zeros(0)), expected)


def random_program(seed: int, n: int = 6, size: int = 60, rows: int = 7) -> tuple[Stream, list[int]]:
    """Nodes that use any earlier ones, so that most are shared."""
    rng = np.random.default_rng(seed)
    s = Stream(n, n_parameters=2)
    pool = [s.x(i) for i in range(n)] + [s.p(0), s.p(1)]

    def pick() -> int:
        return int(pool[rng.integers(len(pool)) if rng.random() < 0.3 else -1 - rng.integers(min(8, len(pool)))])

    def bounded(operand: int) -> int:
        return s.node("tanh", operand)

    for _ in range(size):
        kind = rng.integers(9)
        if kind == 0:
            new = s.node("sum", *(pick() for _ in range(rng.integers(1, 6))), float(rng.normal()))
        elif kind == 1:
            new = s.node("product", pick(), pick())
        elif kind == 2:
            new = s.node("product", float(rng.normal()), pick())
        elif kind == 3:
            new = s.node(
                "division", pick(), s.node("sum", s.node("product", pick(), pick()), 3.0, s.node("exp", pick()))
            )
        elif kind == 4:
            new = s.node("power", bounded(pick()), float(rng.choice([2.0, 3.0])))
        elif kind == 5:
            new = s.node(str(rng.choice(["sin", "cos", "atan", "asinh", "negation", "tanh"])), pick())
        elif kind == 6:
            positive = s.node("sum", s.node("power", pick(), 2.0), 1.0)
            new = s.node(str(rng.choice(["log", "sqrt", "log10"])), positive)
        elif kind == 7:
            new = s.node("select", s.node("less", pick(), pick()), pick(), pick())
        else:
            new = s.node("power", s.node("sum", s.node("cosh", bounded(pick())), 0.5), bounded(pick()))
        pool.append(bounded(new) if rng.random() < 0.5 else new)
        if rng.random() < 0.3:
            pool[-1] = bounded(pool[-1])
    return s, [int(pool[rng.integers(n, len(pool))]) for _ in range(rows)]


@pytest.mark.parametrize("seed", range(15))
def test_random_programs(seed: int) -> None:
    s, outputs = random_program(seed)
    rng = np.random.default_rng(100 + seed)
    compare(s, outputs, rng.normal(size=s.n) * 0.4, rng.normal(size=2), tolerance=1e-10)


def repeated(n: int) -> tuple[Stream, list[int]]:
    """A band of constraints of one form, as indexed constraints are; more than one chunk for large n."""
    s = Stream(n)
    rows = []
    for i in range(n - 1):
        x, y = s.x(i), s.x(i + 1)
        exponential = s.node("exp", s.node("negation", y))
        rows.append(
            s.node(
                "sum",
                s.node("product", x, exponential),
                s.node("product", 0.5 + i % 3, s.node("power", y, 2.0)),
                s.node("sin", s.node("sum", x, s.node("product", 2.0, y))),
            )
        )
    objective = s.node("sum", *(s.node("power", s.node("sum", s.x(i), -1.0), 2.0) for i in range(n)))
    return s, [objective, *rows]


@pytest.mark.parametrize("n", [2, 12])
def test_repeated_constraints(n: int) -> None:
    s, outputs = repeated(n)
    functions = compare(s, outputs, np.random.default_rng(n).normal(size=n))
    assert functions.jacobian_structure()[0].size == 2 * (n - 1)
    assert functions.hessian_structure()[0].size == 2 * n - 1


def test_many_repeated_constraints_are_evaluated_in_few_loops() -> None:
    n = 20_000
    s, outputs = repeated(n)
    functions = s.compile(outputs[0], outputs[1:])
    assert functions.n_runs < functions.n_instructions / 100
    rng = np.random.default_rng(0)
    x, w, d = rng.normal(size=n), rng.normal(size=n - 1), rng.normal(size=n)

    def lagrangian_gradient(z: Any) -> Any:
        rows, columns = functions.jacobian_structure()
        return functions.gradient(z) + np.bincount(columns, w[rows] * functions.jacobian(z), minlength=n)

    y = x[1:]
    expected = x[:-1] * np.exp(-y) + (0.5 + np.arange(n - 1) % 3) * y**2 + np.sin(x[:-1] + 2 * y)
    np.testing.assert_allclose(functions.constraints(x), expected, rtol=1e-13, atol=1e-13)
    rows, columns = functions.hessian_structure()
    entries = functions.hessian(x, w)
    product = np.bincount(rows, entries * d[columns], minlength=n)
    product += np.bincount(columns, np.where(rows == columns, 0.0, entries * d[rows]), minlength=n)
    h = 1e-6
    difference = (lagrangian_gradient(x + h * d) - lagrangian_gradient(x - h * d)) / (2 * h)
    np.testing.assert_allclose(product, difference, atol=1e-6 * np.abs(difference).max())


def test_linear_rows_have_no_second_derivatives_and_constant_first_ones() -> None:
    s = Stream(3)
    inner = s.node("sum", s.x(0), s.node("negation", s.node("product", 2.0, s.x(1))))
    row = s.node("sum", s.node("division", inner, 4.0), s.node("product", s.node("sum", s.x(2), 1.0), 3.0), s.x(0))
    functions = s.compile(s.constant(0.0), [row])
    assert functions.hessian_structure()[0].size == 0
    np.testing.assert_allclose(functions.jacobian(np.array([5.0, 6.0, 7.0])), [1.25, -0.5, 3.0], rtol=1e-15)
    assert functions.n_instructions == 1  # the row itself: its derivatives are not computed anew at each point


def test_quadratic_rows_have_constant_second_derivatives() -> None:
    s = Stream(2)
    square = s.node("power", s.node("sum", s.x(0), s.node("negation", s.x(1))), 2.0)
    row = s.node("sum", square, s.node("product", s.x(0), s.node("product", 3.0, s.x(1))))
    functions = s.compile(s.constant(0.0), [row])
    for x in (np.zeros(2), np.array([1e3, -7.0])):
        np.testing.assert_allclose(functions.hessian(x, np.array([2.0]), 0.0), [4.0, 2.0, 4.0], rtol=1e-15)


def test_a_shared_expression_costs_once() -> None:
    """Rows that all use one large expression: linear in its nodes and the entries, not in their product."""
    n, m = 200, 300
    s = Stream(n + m)
    shared = s.node("sum", *(s.node("sin", s.node("product", s.x(i), s.x((i + 1) % n))) for i in range(n)))
    rows = [s.node("product", s.node("exp", s.x(n + k)), shared) for k in range(m)]
    functions = s.compile(s.constant(0.0), rows)
    n_entries = m * (n + 1)
    assert functions.jacobian_structure()[0].size == n_entries
    assert functions.n_instructions < 3 * n_entries + 20 * n


def test_equal_expressions_are_one() -> None:
    s = Stream(2)

    def write() -> int:
        return s.node("exp", s.node("sum", s.x(0), s.node("product", s.x(0), s.x(1))))

    once = s.compile(s.constant(0.0), [write()])
    twice = s.compile(s.constant(0.0), [write(), s.node("sin", write())])
    assert twice.n_nodes == once.n_nodes + 1


def test_a_branch_that_is_not_taken_leaves_no_trace() -> None:
    """Its derivatives are NaN: log and sqrt of negative numbers."""
    s = Stream(2)
    is_positive = s.node("less", 0.0, s.x(0))
    inside = s.node("product", s.node("sqrt", s.x(0)), s.node("log", s.node("sum", s.x(0), s.x(1))))
    f = s.node("select", is_positive, inside, s.node("product", s.x(0), s.node("exp", s.x(1))))
    functions = s.compile(f, [f])
    x = np.array([-1.0, 0.3])
    e = np.exp(0.3)
    assert functions.objective(x) == -e
    np.testing.assert_allclose(functions.gradient(x), [e, -e], rtol=1e-15)
    np.testing.assert_allclose(functions.jacobian(x), [e, -e], rtol=1e-15)
    hessian = symmetric(functions.hessian_structure(), functions.hessian(x, np.ones(1)), 2)
    np.testing.assert_allclose(hessian, [[0.0, 2 * e], [2 * e, -2 * e]], rtol=1e-15)
    compare(s, [f, f], np.array([2.0, 0.3]))


def test_kinks_have_the_documented_derivatives() -> None:
    s = Stream(1)
    functions = s.compile(s.node("abs", s.x(0)), [s.node("minimum", s.x(0), 0.0), s.node("maximum", s.x(0), 0.0)])
    assert functions.gradient(np.zeros(1)) == 0.0
    np.testing.assert_array_equal(functions.jacobian(np.zeros(1)), [1.0, 1.0])


@pytest.mark.parametrize("x", [20.0, -300.0, 0.0])
def test_tanh_far_out_keeps_its_derivative(x: float) -> None:
    s = Stream(1)
    functions = s.compile(s.node("tanh", s.x(0)), [])
    expected = 1.0 / np.cosh(x) ** 2
    np.testing.assert_allclose(functions.gradient(np.array([x])), expected, rtol=1e-14)


def hessian_of(functions: Any) -> Any:
    return lambda x: functions.hessian(x, np.zeros(0))


def test_a_chain_of_300_000_nodes() -> None:
    s = Stream(1)
    node, step = s.x(0), s.constant(1e-6)
    for _ in range(100_000):
        node = s.node("sum", node, s.node("product", step, s.node("sin", node)))
    functions = s.compile(node, [])
    x = np.array([0.5])
    h = 1e-5
    for order, derivative in ((functions.objective, functions.gradient), (functions.gradient, hessian_of(functions))):
        np.testing.assert_allclose(derivative(x), (order(x + h) - order(x - h)) / (2 * h), rtol=1e-7)


def test_numbers_that_are_not_finite_come_back_as_they_are() -> None:
    s = Stream(1)
    functions = s.compile(s.x(0), [s.node("log", s.x(0)), s.node("division", s.x(0), 0.0)])
    assert np.isnan(functions.constraints(np.array([-1.0]))[0])
    assert np.isinf(functions.constraints(np.array([1.0]))[1])


def test_parameters_change_without_compiling() -> None:
    s = Stream(1, n_parameters=2)
    row = s.node("sum", s.node("product", s.p(0), s.node("exp", s.x(0))), s.node("sqrt", s.p(1)))
    functions = s.compile(s.node("product", s.p(0), s.x(0)), [row])
    for p in ([2.0, 9.0], [-1.0, 4.0]):
        functions.set_parameters(p)
        x = np.array([0.5])
        np.testing.assert_allclose(functions.constraints(x), p[0] * np.exp(0.5) + np.sqrt(p[1]), rtol=1e-15)
        np.testing.assert_allclose(functions.jacobian(x), p[0] * np.exp(0.5), rtol=1e-15)
        np.testing.assert_allclose(functions.gradient(x), [p[0]])


def test_constants_and_bare_variables_as_rows() -> None:
    s = Stream(2, n_parameters=1)
    functions = s.compile(s.constant(3.0), [s.x(1), s.constant(4.0), s.p(0), s.node("sum")])
    functions.set_parameters([7.0])
    x = np.array([1.0, 2.0])
    assert functions.objective(x) == 3.0
    np.testing.assert_array_equal(functions.constraints(x), [2.0, 4.0, 7.0, 0.0])
    assert [a.tolist() for a in functions.jacobian_structure()] == [[0], [1]]
    np.testing.assert_array_equal(functions.gradient(x), [0.0, 0.0])


def test_arrays_that_make_no_sense_are_refused() -> None:
    def compile_(nodes: list[tuple[str, tuple[int, ...]]], objective: int = 0) -> Any:
        s = Stream(2)
        s.nodes = nodes
        return s.compile(objective, [])

    with pytest.raises(GraphError, match="uses one that is not before it"):
        compile_([("exp", (0,))])
    with pytest.raises(GraphError, match=r"node 0 \(product\) got 1 operands"):
        compile_([("product", (1,))])
    with pytest.raises(GraphError, match="no variable 2"):
        compile_([("exp", (2 * 4 + 1,))])
    with pytest.raises(GraphError, match="no parameter 0"):
        compile_([("exp", (2,))])
    with pytest.raises(GraphError, match="no constant 5"):
        compile_([("exp", (5 * 4 + 3,))])
    with pytest.raises(GraphError, match="no external function 0"):
        compile_([("call", (0, 1)), ("output", (0, 0))], 4)
    with pytest.raises(GraphError, match="takes a call for a number"):
        compile_([("call", (0, 1)), ("exp", (0,))], 4)
    with pytest.raises(GraphError, match="is an output of what is no call"):
        compile_([("exp", (1,)), ("output", (0, 0))], 4)
    functions = compile_([("exp", (1,))])
    with pytest.raises(ShapeError, match=r"x has a wrong shape: got \(3,\), expected \(2,\)"):
        functions.objective(np.zeros(3))
    assert len(CODES) == 33


@pytest.mark.parametrize("form", ["p*log", "log*p", "p*x*log", "log/x*p", "p*(x*log)", "2*p/log"])
def test_a_fixed_factor_of_zero_leaves_no_trace(form: str) -> None:
    """As if the product were not there: what it is multiplied with need not exist."""
    s = Stream(2, n_parameters=1)
    log = s.node("log", s.node("product", s.x(0), s.x(1)))
    product: dict[str, Any] = {
        "p*log": lambda: s.node("product", s.p(0), log),
        "log*p": lambda: s.node("product", log, s.p(0)),
        "p*x*log": lambda: s.node("product", s.node("product", s.p(0), s.x(0)), log),
        "log/x*p": lambda: s.node("product", s.node("division", log, s.x(1)), s.p(0)),
        "p*(x*log)": lambda: s.node("product", s.p(0), s.node("product", s.x(0), log)),
        "2*p/log": lambda: s.node("division", s.node("product", 2.0, s.p(0)), log),
    }
    f = s.node("sum", product[form](), s.node("power", s.x(1), 3.0))
    compare(s, [f, f], np.array([2.0, 0.7]), np.array([1.3]))
    functions = s.compile(f, [f])
    functions.set_parameters([0.0])
    for x in (np.array([-2.0, 0.7]), np.array([0.0, 0.7])):
        np.testing.assert_allclose(functions.constraints(x), 0.7**3, rtol=1e-15)
        np.testing.assert_allclose(functions.gradient(x), [0.0, 3 * 0.7**2], rtol=1e-15)
        hessian = symmetric(functions.hessian_structure(), functions.hessian(x, np.ones(1)), 2)
        np.testing.assert_allclose(hessian, [[0.0, 0.0], [0.0, 12 * 0.7]], rtol=1e-15)


def test_a_dense_nonlinear_term_makes_no_nodes_for_its_entries() -> None:
    n = 1000
    s = Stream(n)
    scales = np.linspace(-1.0, 1.0, n)
    inner = s.node("sum", *(s.node("product", float(c), s.x(i)) for i, c in enumerate(scales)))
    squares = s.node("sum", *(s.node("power", s.x(i), 2.0) for i in range(n)))
    f = s.node("sum", s.node("exp", inner), s.node("product", s.x(3), squares), s.node("product", inner, squares))
    functions = s.compile(f, [s.node("sqrt", squares)])
    assert functions.n_instructions < 10 * n
    x = np.random.default_rng(0).uniform(0.5, 1.0, n) / n
    u, v, c = scales @ x, x @ x, scales
    e3 = np.eye(n)[3]
    hessian = np.exp(u) * np.outer(c, c) + 2.0 * (x[3] + u) * np.eye(n)
    hessian += sum(np.outer(a, b) + np.outer(b, a) for a, b in ((e3, 2.0 * x), (c, 2.0 * x)))
    hessian += 0.7 * (np.eye(n) / np.sqrt(v) - np.outer(x, x) / v**1.5)
    got = symmetric(functions.hessian_structure(), functions.hessian(x, [0.7], 1.0), n)
    close(got, hessian, 1e-13)


@pytest.mark.parametrize("gate", ["select", "fixed"])
def test_a_factor_of_zero_annihilates_an_infinite_one(gate: str) -> None:
    """The slope of sqrt at 0 times that of x^2, which is 0: the rule of networks, whatever stands around it."""
    s = Stream(2, n_parameters=1)
    squares = s.node("sum", s.node("power", s.x(0), 2.0), s.node("power", s.x(1), 2.0))
    for inner in (s.node("sqrt", squares), s.node("power", s.node("sqrt", s.x(0)), 2.0)):
        f = (
            s.node("product", s.p(0), inner)
            if gate == "fixed"
            else s.node("select", s.node("less_equal", s.x(0), 1.0), inner, s.x(1))
        )
        functions = s.compile(f, [f])
        functions.set_parameters([1.0])
        assert functions.objective(np.zeros(2)) == 0.0
        np.testing.assert_array_equal(functions.gradient(np.zeros(2)), 0.0)
        np.testing.assert_array_equal(functions.jacobian(np.zeros(2)), 0.0)


def test_values_beside_fixed_factors_are_not_hidden_either() -> None:
    s = Stream(3, n_parameters=1)
    f = s.node("sum", s.node("product", s.p(0), s.node("exp", s.x(2))), s.node("division", s.x(0), s.x(1)))
    functions = s.compile(f, [])
    functions.set_parameters([1.0])
    assert np.isnan(functions.objective(np.zeros(3)))


def test_branches_within_branches() -> None:
    s = Stream(3)
    x, y, z = (s.x(i) for i in range(3))
    shared = s.node("sqrt", x)  # used in two branches of three
    inner = s.node("select", s.node("less", y, 1.0), s.node("product", shared, y), s.node("log", y))
    f = s.node("select", s.node("less", 0.0, x), inner, s.node("sum", s.node("product", x, z), s.node("exp", z)))
    g = s.node("select", s.node("less", 0.0, x), s.node("product", shared, z), z)
    for point in ([0.5, 0.3, 0.2], [0.5, 2.0, 0.2], [2.0, 0.5, -0.3]):
        compare(s, [f, g, s.node("product", f, z)], np.array(point))
    functions = s.compile(f, [g])
    point = np.array([-0.5, -2.0, 0.2])  # neither sqrt(x) nor log(y) exist
    e = np.exp(0.2)
    np.testing.assert_allclose(functions.gradient(point), [0.2, 0.0, -0.5 + e], rtol=1e-15)
    hessian = symmetric(functions.hessian_structure(), functions.hessian(point, np.ones(1)), 3)
    np.testing.assert_allclose(hessian, [[0.0, 0.0, 1.0], [0.0, 0.0, 0.0], [1.0, 0.0, e]], rtol=1e-15)


def test_coupled_chains_cost_no_more_than_their_nodes() -> None:
    """Every step is used by the two after it, but there are only two rows: backwards through all of it, twice."""
    n = 3000
    s = Stream(n)
    a, b = s.x(0), s.x(1)
    for k in range(n):
        a, b = (
            s.node("sum", a, s.node("product", 0.01, s.node("sin", s.node("sum", b, s.x(k))))),
            s.node("sum", b, s.node("product", 0.01, s.node("cos", s.node("sum", a, s.x(k))))),
        )
    functions = s.compile(s.constant(0.0), [a, b], has_hessian=False)
    assert functions.jacobian_structure()[0].size == 2 * n
    assert functions.jacobian(np.zeros(n)).size == 2 * n


def test_without_second_derivatives() -> None:
    s = Stream(2)
    f = s.node("exp", s.node("product", s.x(0), s.x(1)))
    functions = s.compile(f, [f], has_hessian=False)
    assert functions.hessian_structure()[0].size == 0
    assert not functions.has_hessian
    x = np.array([0.5, 0.2])
    np.testing.assert_allclose(functions.gradient(x), np.exp(0.1) * x[::-1], rtol=1e-15)
    with pytest.raises(ValueError, match="without second derivatives"):
        functions.hessian(x, np.zeros(1), 1.0)
