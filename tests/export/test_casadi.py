"""Networks in CasADi: derivatives, sparsity, optimization, map, threads, saved functions, and the library by itself."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import casadi as ca
import numpy as np
import pytest
from networks import network

import fastexpr as fx
from fastexpr.export.casadi_function import C_LIBRARY, CASADI_LIBRARY


def sparse() -> fx.Function:
    x = fx.variables(3)
    return fx.Function(x, [x[0] * x[1], x[2] ** 3, np.sin(x[0]) + x[2]])


def linear() -> fx.Function:
    x = fx.variables(2)
    return fx.Function(x, np.array([[1.0, 2.0], [0.0, 3.0]]) @ x)


def constant() -> fx.Function:
    x = fx.variables(2)
    return fx.Function(x, [x[0] * 0 + 3.0, np.exp(x[1])])


FUNCTIONS: dict[str, Callable[[], fx.Function]] = {
    "dense": lambda: network(4, 3),
    "sparse": sparse,
    "linear": linear,
    "constant": constant,
    "scalar": lambda: network(1, 1),
    "wide": lambda: network(40, 2, width=30),
}


@pytest.fixture(params=FUNCTIONS)
def function(request: pytest.FixtureRequest) -> fx.Function:
    return FUNCTIONS[request.param]()


def tanh_network(sizes: list[int], seed: int = 0) -> fx.Function:
    """Layers of tanh, the last one without."""
    rng = np.random.default_rng(seed)
    x = here = fx.variables(sizes[0])
    for layer, (n, m) in enumerate(pairwise(sizes)):
        here = (rng.standard_normal((m, n)) / np.sqrt(n)) @ here + 0.1 * rng.standard_normal(m)
        if layer < len(sizes) - 2:
            here = np.tanh(here)
    return fx.Function(x, here)


def test_value_and_derivatives_are_the_function_s(function: fx.Function) -> None:
    net = function.to_casadi()
    n, m = function.n_inputs, function.n_outputs
    x, w, d = ca.MX.sym("x", n), ca.MX.sym("w", m), ca.MX.sym("d", n)
    wanted = {
        "value": (net(x), lambda X, W, D: function(X)),
        "jacobian": (ca.jacobian(net(x), x), lambda X, W, D: function.jacobian(X)),
        "hessian": (ca.hessian(ca.dot(w, net(x)), x)[0], lambda X, W, D: function.hessian(X, W)),
        "gradient": (ca.gradient(ca.dot(w, net(x)), x), lambda X, W, D: function.vjp(X, W)),
        "forward": (ca.jtimes(net(x), x, d), lambda X, W, D: function.jvp(X, D)),
        "adjoint": (ca.jtimes(net(x), x, w, True), lambda X, W, D: function.vjp(X, W)),
        "forward over adjoint": (
            ca.jtimes(ca.gradient(ca.dot(w, net(x)), x), x, d),
            lambda X, W, D: function.hvp(X, W, D),
        ),
        "adjoint over adjoint": (
            ca.jtimes(ca.gradient(ca.dot(w, net(x)), x), x, d, True),
            lambda X, W, D: function.hvp(X, W, D),
        ),
        "with respect to the weights": (
            ca.jacobian(ca.gradient(ca.dot(w, net(x)), x), w),
            lambda X, W, D: function.jacobian(X).T,
        ),
    }
    rng = np.random.default_rng(3)
    X, W, D = rng.uniform(0.1, 1, n), rng.standard_normal(m), rng.standard_normal(n)
    for name, (expression, ours) in wanted.items():
        got = np.array(ca.Function("f", [x, w, d], [expression])(X, W, D)).reshape(np.shape(ours(X, W, D)))
        np.testing.assert_allclose(got, ours(X, W, D), rtol=1e-12, atol=1e-13, err_msg=name)


def test_derivatives_of_an_expression_with_its_jacobian(function: fx.Function) -> None:
    """A slope of the network in an objective: second derivatives of each output."""
    net, n, m = function.to_casadi(), function.n_inputs, function.n_outputs
    rng = np.random.default_rng(5)
    weights, X = rng.standard_normal((m, n)), rng.uniform(0.1, 1, n)
    x = ca.MX.sym("x", n)
    gradient = ca.gradient(ca.dot(weights, ca.jacobian(net(x), x)), x)
    wanted = sum(function.hessian(X, unit) @ row for unit, row in zip(np.eye(m), weights, strict=True))
    got = ca.Function("f", [x], [gradient])(X).full().ravel()
    np.testing.assert_allclose(got, wanted, rtol=1e-11, atol=1e-12)


def test_sparsity_is_the_function_s(function: fx.Function) -> None:
    net = function.to_casadi()
    x, w = ca.MX.sym("x", function.n_inputs), ca.MX.sym("w", function.n_outputs)
    jacobian = ca.jacobian(net(x), x)
    hessian = ca.hessian(ca.dot(w, net(x)), x)[0]
    for expression, pattern in zip((jacobian, hessian), function.sparsity(), strict=True):
        rows, columns = pattern.nonzero()
        assert sorted(zip(*expression.sparsity().get_triplet(), strict=True)) == sorted(
            zip(rows.tolist(), columns.tolist(), strict=True)
        )


def test_whole_derivatives_are_one_call_each() -> None:
    """Not a call for each column, which CasADi would make from functions for single directions."""
    net = tanh_network([10, 16, 5]).to_casadi()
    x, w = ca.MX.sym("x", 10), ca.MX.sym("w", 5)
    for expression, name in (
        (ca.jacobian(net(x), x), "jac_fastexpr"),
        (ca.hessian(ca.dot(w, net(x)), x)[0], "jac_adj1_fastexpr"),
    ):
        function = ca.Function("f", [x, w], [expression])
        calls = [
            function.instruction_MX(k)
            for k in range(function.n_instructions())
            if function.instruction_id(k) == ca.OP_CALL
        ]
        assert [call.which_function().name() for call in calls] == [name]


def test_its_name_inputs_and_outputs() -> None:
    net = network(4, 3).to_casadi("plant")
    assert (net.name(), net.name_in(), net.name_out()) == ("plant", ["x"], ["y"])
    assert (net.size_in(0), net.size_out(0)) == ((4, 1), (3, 1))


def test_several_networks_live_side_by_side() -> None:
    functions = [network(3, 2, seed=seed) for seed in range(4)]
    nets = [function.to_casadi() for function in functions]
    again = functions[0].to_casadi("again")
    x = np.array([0.1, -0.2, 0.3])
    for function, net in zip([*functions, functions[0]], [*nets, again], strict=True):
        np.testing.assert_array_equal(net(x).full().ravel(), function(x))


def test_a_network_stays_as_long_as_a_derivative_of_it() -> None:
    function = network(3, 2, seed=77)
    x = ca.MX.sym("x", 3)
    net = function.to_casadi()
    jacobian = ca.Function("J", [x], [ca.jacobian(net(x), x)])
    del net
    X = np.array([0.1, -0.2, 0.3])
    np.testing.assert_allclose(jacobian(X).full(), function.jacobian(X), rtol=1e-13)


def test_a_saved_function_runs_in_another_process(tmp_path: Path) -> None:
    function = network(3, 2)
    net = function.to_casadi()
    net.save(str(tmp_path / "net.casadi"))
    (tmp_path / "net.pickle").write_bytes(pickle.dumps(net))
    code = (
        "import casadi, pickle, sys\n"
        "for net in (casadi.Function.load(sys.argv[1]), pickle.load(open(sys.argv[2], 'rb'))):\n"
        "    print(*net([0.1, 0.2, 0.3]).full().ravel().tolist())"
    )
    arguments = [str(tmp_path / "net.casadi"), str(tmp_path / "net.pickle")]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True, timeout=60
    )
    for line in done.stdout.splitlines():
        np.testing.assert_array_equal(np.array(line.split(), dtype=float), function([0.1, 0.2, 0.3]))


def test_a_point_that_is_not_finite_is_no_evaluation() -> None:
    net = network(3, 2).to_casadi()
    with pytest.raises(RuntimeError, match=r"fail"):
        net([0.0, np.nan, 0.0])


# ---- map


@pytest.mark.parametrize("how", [("serial",), ("thread", 2), ("unroll",)], ids=lambda how: how[0])
def test_map_has_its_derivatives(how: tuple[str, int]) -> None:
    function, points = tanh_network([4, 8, 3]), 6
    mapped = function.to_casadi().map(points, *how)
    W = ca.MX.sym("W", 3, points)
    flat = ca.MX.sym("flat", 4 * points)
    expression = ca.dot(W, mapped(ca.reshape(flat, 4, points)))
    H = ca.Function("H", [flat, W], [ca.hessian(expression, flat)[0]])
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((points, 4)), rng.standard_normal((points, 3))
    np.testing.assert_allclose(mapped(x.T).full().T, function(x), rtol=1e-13)
    blocks = np.zeros((4 * points, 4 * points))
    for k in range(points):
        blocks[4 * k : 4 * k + 4, 4 * k : 4 * k + 4] = function.hessian(x[k], w[k])
    np.testing.assert_allclose(H(x.ravel(), w.T).full(), blocks, rtol=1e-12, atol=1e-14)
    assert H.nnz_out(0) == 16 * points


# ---- solvers


QUIET = {"ipopt.print_level": 0, "print_time": False, "ipopt.sb": "yes"}


def test_ipopt_of_casadi_solves_what_fastexpr_solves() -> None:
    """The nearest point at which the outputs of a network of 9,285 parameters keep a limit."""
    function = tanh_network([10, 64, 64, 64, 5], seed=2)
    n, m = function.n_inputs, function.n_outputs
    x0 = np.linspace(-0.5, 0.5, n)
    limit = function(x0) - 0.1
    net, x = function.to_casadi(), ca.MX.sym("x", n)
    solver = ca.nlpsol("solver", "ipopt", {"x": x, "f": ca.sumsqr(x - x0), "g": net(x)}, QUIET)
    solution = solver(x0=x0, lbg=-np.inf, ubg=limit)
    assert solver.stats()["return_status"] == "Solve_Succeeded"
    assert solver.stats()["n_call_nlp_hess_l"] > 0

    problem = fx.Problem()
    z = problem.variables(n, start=x0)
    y = problem.network(function, z)
    problem.subject_to(y, upper=limit)
    problem.minimize(((z - x0) ** 2).sum())
    result = problem.solve()
    np.testing.assert_allclose(float(solution["f"]), result.objective, rtol=1e-6)
    np.testing.assert_allclose(solution["x"].full().ravel(), result[z], rtol=1e-4, atol=1e-6)
    assert m == 5


def test_multiple_shooting_with_map() -> None:
    """Predictive control with the network as the model of each step: through map and step by step, one program."""
    function, horizon = tanh_network([3, 12, 2], seed=5), 15
    net = function.to_casadi()

    def step(states: ca.MX, inputs: ca.MX, evaluate: ca.Function) -> ca.MX:
        return 0.9 * states + 0.1 * evaluate(ca.vertcat(states, inputs))

    def solve(is_mapped: bool) -> tuple[float, np.ndarray]:
        opti = ca.Opti()
        X, U = opti.variable(2, horizon + 1), opti.variable(1, horizon)
        if is_mapped:
            following = step(X[:, :-1], U, net.map(horizon))
        else:
            following = ca.horzcat(*(step(X[:, k], U[:, k], net) for k in range(horizon)))
        opti.subject_to(X[:, 1:] == following)
        opti.subject_to(X[:, 0] == ca.DM([1.0, -0.5]))
        opti.subject_to(opti.bounded(-1, U, 1))
        opti.minimize(ca.sumsqr(X - 0.1) + 0.01 * ca.sumsqr(U))
        opti.solver("ipopt", QUIET)
        solution = opti.solve()
        return solution.value(opti.f), solution.value(U)

    objective, inputs = solve(True)
    other_objective, other_inputs = solve(False)
    np.testing.assert_allclose(objective, other_objective, rtol=1e-8)
    np.testing.assert_allclose(inputs, other_inputs, atol=1e-6)
    state, total = np.array([1.0, -0.5]), 0.0  # what was planned is what happens
    for u in inputs:
        total += ((state - 0.1) ** 2).sum() + 0.01 * u**2
        state = 0.9 * state + 0.1 * function(np.append(state, u))
    np.testing.assert_allclose(objective, total + ((state - 0.1) ** 2).sum(), rtol=1e-6)


# ---- the library by itself


def in_new_process(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False, timeout=60
    )


def test_the_library_takes_a_network_s_file_as_configuration(tmp_path: Path) -> None:
    function = network(3, 2)
    function.save(tmp_path / "net.fx")
    code = (
        "import casadi, sys\n"
        "net = casadi.external('fastexpr', sys.argv[1], {'config_args': [sys.argv[2]]})\n"
        "print(*net([0.1, 0.2, 0.3]).full().ravel().tolist())"
    )
    done = in_new_process(code, str(CASADI_LIBRARY), str(tmp_path / "net.fx"))
    np.testing.assert_array_equal(np.array(done.stdout.split(), dtype=float), function([0.1, 0.2, 0.3]))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing.fx"], "nothing.fx"),
        ([], "expected one or two"),
        (["net.fx", "no_library.so"], "cannot be loaded"),
    ],
    ids=["no file", "no configuration", "no C library"],
)
def test_a_wrong_configuration_says_what_is_wrong(tmp_path: Path, arguments: list[str], said: str) -> None:
    network(3, 2).save(tmp_path / "net.fx")
    code = (
        "import casadi, os, sys\n"
        "os.chdir(sys.argv[2])\n"
        "casadi.external('fastexpr', sys.argv[1], {'config_args': sys.argv[3:]} if sys.argv[3:] else {})"
    )
    done = in_new_process(code, str(CASADI_LIBRARY), str(tmp_path), *arguments)
    assert done.returncode == 1
    assert "[fastexpr_config] " in done.stderr
    assert said in done.stderr


def test_one_copy_of_the_library_serves_one_network(tmp_path: Path) -> None:
    for seed in range(2):
        network(3, 2, seed=seed).save(tmp_path / f"{seed}.fx")
    code = (
        "import casadi, sys\n"
        "library, first, second = sys.argv[1:]\n"
        "net = casadi.external('fastexpr', library, {'config_args': [first]})\n"
        "same = casadi.external('fastexpr', library, {'config_args': [first]})\n"
        "try:\n"
        "    casadi.external('fastexpr', library, {'config_args': [second]})\n"
        "except RuntimeError:\n"
        "    print(float(casadi.norm_1(net([1, 2, 3]) - same([1, 2, 3]))))\n"
        "del net, same\n"
        "print(casadi.external('fastexpr', library, {'config_args': [second]}).name())\n"
    )
    done = in_new_process(code, str(CASADI_LIBRARY), str(tmp_path / "0.fx"), str(tmp_path / "1.fx"))
    assert done.stdout.split() == ["0.0", "fastexpr"]
    assert "serves" in done.stderr


def test_code_that_casadi_generates_calls_the_library(tmp_path: Path) -> None:
    """As acados does it: an expression with a network becomes C, linked with a library that is configured once."""
    function = network(3, 2)
    function.save(tmp_path / "net.fx")
    external = ca.external("fastexpr", str(CASADI_LIBRARY), {"config_args": [str(tmp_path / "net.fx"), str(C_LIBRARY)]})
    x = ca.MX.sym("x", 3)
    model = ca.Function("model", [x], [ca.sin(external(x)), ca.jacobian(ca.sin(external(x)), x)])
    generator = ca.CodeGenerator("model.c")
    generator.add(model)
    generator.generate(f"{tmp_path}/")
    command = ["cc", "-shared", "-fPIC", "model.c", "-o", "model.so", str(CASADI_LIBRARY), "-lm"]
    subprocess.run([*command, f"-Wl,-rpath,{CASADI_LIBRARY.parent}"], check=True, cwd=tmp_path, timeout=120)
    code = (
        "import ctypes, sys, casadi\n"
        "library = ctypes.CDLL(sys.argv[1])\n"
        "words = (ctypes.c_char_p * 2)(sys.argv[1].encode(), sys.argv[2].encode())\n"
        "assert library.fastexpr_config(2, words) == 0\n"
        "model = casadi.external('model', sys.argv[3])\n"
        "print(*[number for part in model([0.1, 0.2, 0.3]) for number in part.full().ravel().tolist()])"
    )
    done = in_new_process(code, str(CASADI_LIBRARY), str(tmp_path / "net.fx"), str(tmp_path / "model.so"))
    assert done.returncode == 0, done.stderr
    y, J = function([0.1, 0.2, 0.3]), function.jacobian([0.1, 0.2, 0.3])
    wanted = np.concatenate([np.sin(y), (np.cos(y)[:, None] * J).ravel()])
    np.testing.assert_allclose(np.array(done.stdout.split(), dtype=float), wanted, rtol=1e-12)


def test_the_library_answers_what_casadi_asks_before_it_is_configured() -> None:
    code = (
        "import ctypes, sys\n"
        "library = ctypes.CDLL(sys.argv[1])\n"
        "library.fastexpr_sparsity_in.restype = ctypes.c_void_p\n"
        "print(library.fastexpr_sparsity_in(ctypes.c_longlong(0)), library.fastexpr(None, None, None, None, 0))\n"
        "library.fastexpr_name_in.restype = ctypes.c_char_p\n"
        "print(library.fastexpr_name_in(ctypes.c_longlong(0)), library.fastexpr_name_in(ctypes.c_longlong(1)))"
    )
    done = in_new_process(code, str(CASADI_LIBRARY))
    assert done.stdout.split() == ["None", "1", "b'x'", "None"]
