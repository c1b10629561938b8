"""C code that stands alone: every operator, whole networks, what is refused; it compiles without a warning."""

from __future__ import annotations

import ctypes
import re
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch_models
from c_programs import STRICT, Compiled, compile_code, compiled
from folders import ROOT
from networks import network
from onnx_models import mlp
from operator_table import ROWS
from random_networks import random_network
from sklearn.ensemble import RandomForestRegressor

import fastexpr as fx
from fastexpr import _core
from fastexpr.errors import GraphError
from fastexpr.export.program.lowering import LOWERINGS
from fastexpr.function.written_out import NORMALIZATIONS

TOLERANCE = 1e-14  # of the largest number
GROUPS = 12  # libraries that the table's rows are compiled into
# The core rounds u - v of numbers as large as 1e4 before it takes exp(u - v)
LOOSER = {"ReduceLogSumExp": 1e-11}


def error(got: np.ndarray, wanted: np.ndarray) -> float:
    """max|a - b| / max|b|; what is not finite has to be the same."""
    assert np.array_equal(np.isfinite(got), np.isfinite(wanted))
    np.testing.assert_array_equal(got[~np.isfinite(wanted)], wanted[~np.isfinite(wanted)])
    finite = np.isfinite(wanted)
    scale = np.max(np.abs(wanted[finite]), initial=0.0)
    return float(np.max(np.abs(got[finite] - wanted[finite]), initial=0.0) / (scale or 1.0))


def check(program: Compiled, net: fx.Function, x: np.ndarray, tolerance: float = TOLERANCE) -> None:
    w = np.random.default_rng(3).standard_normal(net.n_outputs)
    for got, wanted, what in zip(program.all(x, w), net.evaluate(x, w), ("value", "Jacobian", "Hessian"), strict=True):
        assert error(got, wanted) <= tolerance, what


# ---- operators


NAMED = {f"row_{number}": row for number, row in enumerate(ROWS)}


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Compiled, fx.Function]]:
    """Every row of the table of operators, alone and of a matrix times x."""
    functions: dict[str, fx.Function] = {}
    for name, row in NAMED.items():
        functions[name] = row.function()
        matrix = np.random.default_rng(row.n).standard_normal((row.n, row.n))
        functions[f"{name}_inside"] = row.function(0.5 * matrix)
    codes = {name: function.to_c(name=name) for name, function in functions.items()}
    names = list(codes)
    result: dict[str, tuple[Compiled, fx.Function]] = {}
    for group in range(GROUPS):
        folder = tmp_path_factory.mktemp(f"group{group}")
        part = {name: codes[name] for name in names[group::GROUPS]}
        for name, program in compile_code(part, folder).items():
            result[name] = program, functions[name]
    return result


@pytest.mark.parametrize("name", NAMED, ids=lambda name: str(NAMED[name]))
def test_an_operator_is_the_core_s(name: str, programs: dict[str, tuple[Compiled, fx.Function]]) -> None:
    program, net = programs[name]
    row = NAMED[name]
    for x in row.sample_points():
        if np.isfinite(x).all():
            check(program, net, x, LOOSER.get(row.name, TOLERANCE))


@pytest.mark.parametrize("name", NAMED, ids=lambda name: str(NAMED[name]))
def test_an_operator_of_a_matrix_is_the_core_s(name: str, programs: dict[str, tuple[Compiled, fx.Function]]) -> None:
    program, net = programs[f"{name}_inside"]
    row = NAMED[name]
    x = np.random.default_rng(1).uniform(0.1, 0.6, net.n_inputs)
    if np.isfinite(net(x)).all():
        check(program, net, x, LOOSER.get(row.name, 1e-13))


def test_every_operator_of_the_core_is_there() -> None:
    assert {*LOWERINGS, "Constant", *NORMALIZATIONS} == set(_core.operator_names())


# ---- networks


@pytest.mark.parametrize("sizes", [[4, 32, 32, 1], [10, 64, 64, 64, 5], [1, 3, 1], [3, 9, 20], [30, 5, 2], [2, 70, 9]])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("options", [["-O0"], ["-O3", "-march=native", "-ffp-contract=fast"]], ids=["O0", "O3"])
def test_layers(sizes: list[int], dtype: Any, options: list[str], tmp_path: Path) -> None:
    net = fx.load_onnx(mlp(sizes, dtype))
    program = compiled(net, tmp_path, options)
    for seed in range(3):  # weights of this size magnify the rounding of both
        check(program, net, np.random.default_rng(seed).uniform(-2, 2, net.n_inputs), 3e-14)


@pytest.mark.parametrize("sizes", [[4, 32, 32, 1], [10, 64, 64, 64, 5]])
@pytest.mark.parametrize("options", [["-O0"], ["-O3", "-march=native", "-ffp-contract=fast"]], ids=["O0", "O3"])
def test_trained_layers_agree_to_the_last_digits(sizes: list[int], options: list[str], tmp_path: Path) -> None:
    random = np.random.default_rng(sum(sizes))
    x = here = fx.variables(sizes[0])
    for layer, (k, h) in enumerate(pairwise(sizes)):
        W, b = random.standard_normal((h, k)) / np.sqrt(k), 0.1 * random.standard_normal(h)
        here = W @ here + b
        here = np.tanh(here) if layer < len(sizes) - 2 else here
    net = fx.Function(x, here)
    program = compiled(net, tmp_path, options)
    for _ in range(10):
        check(program, net, random.uniform(-1, 1, sizes[0]))


def test_random_networks(tmp_path: Path) -> None:
    nets = {f"net_{seed}": fx.load_onnx(random_network(seed, 30)) for seed in range(30)}
    programs = compile_code({name: net.to_c(name=name) for name, net in nets.items()}, tmp_path)
    for name, net in nets.items():
        check(programs[name], net, np.random.default_rng(1).uniform(-1, 1, net.n_inputs), 1e-12)


MODULES: dict[str, tuple[Callable[[], torch.nn.Module], list[tuple[int, ...]]]] = {
    "convolutions": (torch_models.cnn, [(1, 1, 8, 8)]),
    "U-net": (torch_models.UNet, [(1, 1, 8, 8)]),
    "causal convolutions": (torch_models.temporal_cnn, [(1, 2, 9)]),
    "GRU": (lambda: torch_models.Recurrent(torch.nn.GRU), [(1, 3, 3)]),
    "transformer": (torch_models.Encoder, [(1, 5, 3)]),
    "causal attention": (torch_models.CausalAttention, [(1, 5, 4)]),
    "DeepONet": (torch_models.DeepONet, [(1, 8), (1, 2)]),
    "mixture": (torch_models.Mixture, [(1, 4)]),
}


@pytest.mark.parametrize("name", MODULES)
def test_networks_of_pytorch(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    make, shapes = MODULES[name]
    net = fx.from_torch(make().eval(), tuple(torch.zeros(shape) for shape in shapes), check=False)
    check(compiled(net, tmp_path), net, np.random.default_rng(0).uniform(-1, 1, net.n_inputs), 1e-13)


def test_trees(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    X = random.uniform(-1, 1, (200, 3))
    forest = RandomForestRegressor(5, max_depth=4, random_state=0).fit(X, X[:, 0] * X[:, 1])
    net = fx.from_sklearn(forest)
    program = compiled(net, tmp_path)
    for x in X[:20]:
        check(program, net, x)


def test_constant_outputs_and_outputs_that_are_inputs(tmp_path: Path) -> None:
    x = fx.variables(3)
    net = fx.Function(x, [x[0] * 0 + 2.0, x[1], np.sin(x[2]) * x[2], x[1]])
    check(compiled(net, tmp_path), net, np.array([0.3, 0.4, 0.5]))


def test_numbers_that_are_not_finite_come_out_as_they_are(tmp_path: Path) -> None:
    x = fx.variables(2)
    net = fx.Function(x, [np.log(x[0]), np.exp(x[1])])
    program, y = compiled(net, tmp_path), np.empty(2)
    program.value(np.array([0.0, 1000.0]), y)
    assert list(y) == [-np.inf, np.inf]
    program.value(np.array([-1.0, np.nan]), y)
    assert np.isnan(y).all()


def test_exp_and_tanh_over_their_whole_range(tmp_path: Path) -> None:
    points = np.concatenate([np.linspace(-745, 709.7, 4001), np.linspace(-1e-3, 1e-3, 101), [-1e5, 1e5, 0.0, -0.0]])
    x = fx.variables(1)
    nets = {"exp_": fx.Function(x, np.exp(x)), "tanh_": fx.Function(x, np.tanh(x))}
    programs = compile_code({name: net.to_c(name=name) for name, net in nets.items()}, tmp_path)
    for name, net in nets.items():
        for point in points:
            y = np.empty(1)
            programs[name].value(np.array([point]), y)
            wanted = net([point])
            if abs(wanted[0]) < 1e-300:
                assert abs(y[0]) < 1e-300
            else:
                np.testing.assert_allclose(y, wanted, rtol=1e-15 * 4)


# ---- the files


def test_many_threads_share_one_code(tmp_path: Path) -> None:
    net = fx.load_onnx(mlp([4, 16, 2]))
    program = compiled(net, tmp_path)
    points = np.random.default_rng(0).standard_normal((200, 4))
    with ThreadPoolExecutor(4) as executor:
        results = list(executor.map(lambda x: program.all(x, np.ones(2))[0], points))
    assert error(np.array(results), net(points)) <= TOLERANCE


def test_the_code_allocates_nothing_and_calls_math_only(tmp_path: Path) -> None:
    net = fx.load_onnx(mlp([4, 16, 2]))
    (tmp_path / "net.c").write_text(net.to_c())
    subprocess.run(["cc", *STRICT, "-O2", "-c", "net.c"], check=True, cwd=tmp_path, timeout=60)
    symbols = subprocess.run(["nm", "net.o"], capture_output=True, text=True, check=True, cwd=tmp_path).stdout
    undefined = {line.split()[-1] for line in symbols.splitlines() if " U " in line}
    assert undefined <= {"exp", "memset", "memcpy", "_GLOBAL_OFFSET_TABLE_", "__stack_chk_fail"}
    defined = {line.split()[-1] for line in symbols.splitlines() if " T " in line}
    assert defined == {"net_value", "net_jacobian", "net_hessian", "net_evaluate"}
    assert not {line.split()[-1] for line in symbols.splitlines() if line.split()[-2] in "BbDd"}  # nothing is kept


MAIN = """
#include <stdio.h>
#include "plant.h"
int main(void) {
  double x[PLANT_N] = {0.5}, y[PLANT_M], work[PLANT_WORK];
  plant_value(x, y, work);
  printf("%.17g", y[0]);
  return 0;
}
"""


@pytest.mark.parametrize(("compiler", "file"), [(["cc", "-std=c99"], "main.c"), (["c++", "-std=c++11"], "main.cpp")])
def test_code_and_header_in_a_program(compiler: list[str], file: str, tmp_path: Path) -> None:
    net = network(2, 1)
    code = net.to_c(tmp_path / "plant.c")
    assert (tmp_path / "plant.c").read_text() == code
    (tmp_path / file).write_text(MAIN)
    strict = ["-Wall", "-Wextra", "-Werror"]
    subprocess.run(["cc", *STRICT, "-c", "plant.c"], check=True, cwd=tmp_path, timeout=60)
    subprocess.run([*compiler, *strict, file, "plant.o", "-o", "main", "-lm"], check=True, cwd=tmp_path, timeout=60)
    done = subprocess.run([str(tmp_path / "main")], capture_output=True, text=True, check=True, timeout=60)
    np.testing.assert_allclose(float(done.stdout), net([0.5, 0.0])[0], rtol=1e-14)


def test_the_same_network_gives_the_same_code() -> None:
    assert network(3, 2).to_c() == network(3, 2).to_c()


def test_names_that_c_would_misread_stand_in_comments_only(tmp_path: Path) -> None:
    x = fx.variables(1)
    net = fx.Function(x, np.tanh(x)).with_names(inputs=["a*/b@\\"], outputs=["/*\u00e9"])
    check(compiled(net, tmp_path), net, np.array([0.3]))


@pytest.mark.parametrize("name", ["2nd", "a-b", "double", "", "\u00e9", "a b"])
def test_names_that_are_none_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"\[Function.to_c\] the functions' name must be an identifier of C"):
        network(1, 1).to_c(name=name)


def test_the_path_names_the_functions(tmp_path: Path) -> None:
    assert "void pump_value(" in network(1, 1).to_c(tmp_path / "pump.c")
    with pytest.raises(ValueError, match="pass name="):
        network(1, 1).to_c(tmp_path / "my pump.c")
    network(1, 1).to_c(tmp_path / "my pump.c", name="pump")
    assert (tmp_path / "my pump.h").exists()


def test_what_cannot_be_written_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    x = fx.variables(2)
    net = fx.Function(x, np.tanh(x).sum())
    monkeypatch.delitem(LOWERINGS, "Tanh")
    with pytest.raises(
        GraphError, match=r"\[Function.to_c\] cannot write these operators: got Tanh.* call the C library"
    ):
        net.to_c()


def test_a_network_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    net = fx.load_onnx(mlp([2, 3, 2]))
    monkeypatch.setattr("fastexpr.export.c_code.LARGEST", 10)
    with pytest.raises(GraphError, match=r"17 parameters is too large for C code: expected at most 10"):
        net.to_c()


# ---- the pages


PAGES = {name: (ROOT / "docs" / name).read_text() for name in ("exported-code.md", "casadi.md")}


def plant() -> fx.Function:
    """That of the page."""
    z = fx.variables(3)
    return fx.Function(z, [np.tanh(z[1]), np.sin(z[0]) * z[2]])


def blocks(page: str) -> list[str]:
    return re.findall(r"^```c\n(.*?)^```", PAGES[page], flags=re.MULTILINE | re.DOTALL)


def test_the_program_of_the_page(tmp_path: Path) -> None:
    plant().to_c(tmp_path / "plant.c")
    (tmp_path / "main.c").write_text(blocks("exported-code.md")[0])
    command = ["cc", *STRICT, "-O2", "main.c", "plant.c", "-o", "main", "-lm"]
    subprocess.run(command, check=True, cwd=tmp_path, timeout=60)
    done = subprocess.run([str(tmp_path / "main")], capture_output=True, text=True, check=True, timeout=60)
    np.testing.assert_allclose(np.array(done.stdout.split(), float), plant()([0.5, -0.2, 1.0]), rtol=1e-15)


# What the page's function for acados uses of BLASFEO: vectors and matrices with offsets, here stored by columns.
BLASFEO = """
struct blasfeo_dvec { double *pa; };
struct blasfeo_dmat { double *pA; int m; };
struct blasfeo_dvec_args { struct blasfeo_dvec *x; int xi; };
struct blasfeo_dmat_args { struct blasfeo_dmat *A; int ai; int aj; };
#define BLASFEO_DVECEL(v, i) ((v)->pa[i])
#define BLASFEO_DMATEL(M, i, j) ((M)->pA[(i) + (M)->m * (j)])
"""


def test_the_function_for_acados_of_the_page(tmp_path: Path) -> None:
    plant().to_c(tmp_path / "plant.c")
    (tmp_path / "dynamics.c").write_text(BLASFEO + blocks("casadi.md")[0])
    command = ["cc", *STRICT[:-1], "-O2", "-shared", "-fPIC", "dynamics.c", "plant.c", "-o", "plant.so", "-lm"]
    subprocess.run(command, check=True, cwd=tmp_path, timeout=60)
    library = ctypes.CDLL(str(tmp_path / "plant.so"))

    class Vector(ctypes.Structure):
        _fields_ = [("pa", ctypes.c_void_p)]

    class Matrix(ctypes.Structure):
        _fields_ = [("pA", ctypes.c_void_p), ("m", ctypes.c_int)]

    class VectorArguments(ctypes.Structure):
        _fields_ = [("x", ctypes.POINTER(Vector)), ("xi", ctypes.c_int)]

    class MatrixArguments(ctypes.Structure):
        _fields_ = [("A", ctypes.POINTER(Matrix)), ("ai", ctypes.c_int), ("aj", ctypes.c_int)]

    ux, following, jacobian = np.array([9.0, 1.0, 0.5, -0.2]), np.zeros(3), np.zeros((2, 3))
    v, nv, M = Vector(ux.ctypes.data), Vector(following.ctypes.data), Matrix(jacobian.ctypes.data, 3)
    x, u = VectorArguments(ctypes.pointer(v), 2), VectorArguments(ctypes.pointer(v), 1)
    out = VectorArguments(ctypes.pointer(nv), 1), MatrixArguments(ctypes.pointer(M), 0, 0)
    inputs = (ctypes.c_void_p * 2)(*(ctypes.addressof(part) for part in (x, u)))
    outputs = (ctypes.c_void_p * 2)(*(ctypes.addressof(part) for part in out))
    assert library.plant_disc_dyn_fun_jac(inputs, outputs, None) == 0
    z = np.array([0.5, -0.2, 1.0])
    np.testing.assert_allclose(following[1:], z[:2] + 0.1 * plant()(z), rtol=1e-15)
    J = 0.1 * plant().jacobian(z)
    np.testing.assert_allclose(jacobian, np.c_[J[:, 2], np.eye(2) + J[:, :2]], rtol=1e-15)
