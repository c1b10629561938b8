"""The C library from ctypes, C, C++, Fortran and many threads; pkg-config and CMake files; Julia's calls."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from folders import ROOT
from networks import network

import fastexpr as fx
from fastexpr import command_line

PACKAGE = Path(fx.__file__).parent
HEADER = (PACKAGE / "include" / "fastexpr.h").read_text()
PAGE = (ROOT / "docs" / "c.md").read_text()
JULIA = (PACKAGE / "julia" / "Fastexpr.jl").read_text()
STRICT = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic"]
INVALID, FILE = 1, 2
FORTRAN = next(
    (found for name in ("gfortran", "gfortran-12", "gfortran-13", "gfortran-14") if (found := shutil.which(name))), None
)


def load_library() -> ctypes.CDLL:
    library = ctypes.CDLL(str(PACKAGE / "libfastexpr.so"))
    for name in ("fastexpr_error", "fastexpr_version", "fastexpr_input_name", "fastexpr_output_name"):
        getattr(library, name).restype = ctypes.c_char_p
    for name in re.findall(r"int64_t (fastexpr_\w+)\(const", HEADER):
        getattr(library, name).restype = ctypes.c_int64
    return library


LIBRARY = load_library()


def pointer(array: np.ndarray) -> Any:
    return ctypes.c_void_p(array.ctypes.data)


class Network:
    """A network that the library holds. Calls: net.value(1, x, result), ...; a status other than 0 is an error."""

    def __init__(self, path: Path | str) -> None:
        self.handle = ctypes.c_void_p()
        self.check(LIBRARY.fastexpr_open(os.fsencode(path), ctypes.byref(self.handle)))

    def check(self, status: int) -> None:
        if status != 0:
            raise RuntimeError(f"{status}: {LIBRARY.fastexpr_error().decode()}")

    def __getattr__(self, name: str) -> Callable[..., Any]:
        call = getattr(LIBRARY, f"fastexpr_{name}")

        def run(*arguments: Any) -> Any:
            given = [
                pointer(a) if isinstance(a, np.ndarray) else ctypes.c_int64(a) if isinstance(a, int) else a
                for a in arguments
            ]
            result = call(self.handle, *given)
            if call.restype is ctypes.c_int:
                self.check(result)
                return None
            return result

        return run

    def close(self) -> None:
        LIBRARY.fastexpr_close(self.handle)


def curved(n: int = 4, m: int = 3) -> fx.Function:
    net = network(n, m)
    return net.with_bounds(np.full(n, -2.0), np.arange(n) + 1.0).with_names(outputs=[f"flow {k}" for k in range(m)])


def sparse() -> fx.Function:
    """J has 5 of 9 entries, H three: x0 x1 couples 0 and 1, x2^3 stands alone."""
    x = fx.variables(3)
    return fx.Function(x, [x[0] * x[1], x[2] ** 3, np.sin(x[0]) + x[2]])


FUNCTIONS = {
    "curved": curved,
    "sparse": sparse,
    "linear": lambda: fx.Function(fx.variables(2), np.array([[1.0, 2.0]]) @ fx.variables(2)),
    "wide": lambda: network(40, 2, width=30),
    "scalar": lambda: network(1, 1),
}


@pytest.fixture(params=FUNCTIONS)
def function(request: pytest.FixtureRequest) -> fx.Function:
    if request.param == "linear":
        x = fx.variables(2)
        return fx.Function(x, np.array([[1.0, 2.0]]) @ x)
    return FUNCTIONS[request.param]()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    curved().save(tmp_path / "net.fx")
    return tmp_path / "net.fx"


def test_values_and_derivatives_are_the_function_s(function: fx.Function, tmp_path: Path) -> None:
    function.save(tmp_path / "net.fx")
    net = Network(tmp_path / "net.fx")
    n, m, points = function.n_inputs, function.n_outputs, 5
    assert (net.n_inputs(), net.n_outputs()) == (n, m)
    rng = np.random.default_rng(0)
    for B in (1, points):
        x, w, d = rng.uniform(0.1, 1, (B, n)), rng.standard_normal((B, m)), rng.standard_normal((B, n))
        y, J, H = np.empty((B, m)), np.empty((B, m, n)), np.empty((B, n, n))
        net.value(B, x, y)
        net.jacobian(B, x, J)
        net.hessian(B, x, w, H)
        for got, wanted in zip((y, J, H), function.evaluate(x, w), strict=True):
            np.testing.assert_allclose(got, wanted, rtol=1e-13, atol=1e-14)
        together = [np.empty_like(a) for a in (y, J, H)]
        net.evaluate(B, x, w, *together)
        for got, wanted in zip(together, (y, J, H), strict=True):
            np.testing.assert_allclose(got, wanted, rtol=1e-13, atol=1e-14)
        jvp, vjp, hvp = np.empty((B, m)), np.empty((B, n)), np.empty((B, n))
        net.jvp(B, x, d, jvp)
        net.vjp(B, x, w, vjp)
        net.hvp(B, x, w, d, hvp)
        np.testing.assert_allclose(jvp, np.einsum("bki,bi->bk", J, d), rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(vjp, np.einsum("bki,bk->bi", J, w), rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(hvp, np.einsum("bij,bj->bi", H, d), rtol=1e-12, atol=1e-13)
    net.close()


def test_entries_stand_where_the_structure_says(function: fx.Function, tmp_path: Path) -> None:
    function.save(tmp_path / "net.fx")
    net = Network(tmp_path / "net.fx")
    n, m, B = function.n_inputs, function.n_outputs, 2
    rng = np.random.default_rng(1)
    x, w = rng.uniform(0.1, 1, (B, n)), rng.standard_normal((B, m))
    for name, shape, arguments in (("jacobian", (m, n), (x,)), ("hessian", (n, n), (x, w))):
        count = getattr(net, f"{name}_n_entries")()
        rows, columns, entries = np.empty(count, np.int64), np.empty(count, np.int64), np.empty((B, count))
        getattr(net, f"{name}_structure")(rows, columns)
        getattr(net, f"{name}_entries")(B, *arguments, entries)
        assert sorted(set(zip(rows, columns, strict=True))) == list(zip(rows, columns, strict=True))
        dense = np.zeros((B, *shape))
        dense[:, rows, columns] = entries
        if name == "hessian":
            assert np.all(columns <= rows)
            dense = dense + np.tril(dense, -1).transpose(0, 2, 1)
        wanted = getattr(function, name)(*arguments)
        np.testing.assert_allclose(dense, wanted, rtol=1e-12, atol=1e-14)
    net.close()


def test_sparse_patterns_are_sparse(tmp_path: Path) -> None:
    sparse().save(tmp_path / "net.fx")
    net = Network(tmp_path / "net.fx")
    assert net.jacobian_n_entries() == 5
    assert net.hessian_n_entries() == 3  # (0, 0) of sin, (1, 0), (2, 2)
    net.close()


def test_a_network_opens_from_bytes_that_may_go_away(file: Path) -> None:
    handle, data = ctypes.c_void_p(), bytearray(file.read_bytes())
    buffer = (ctypes.c_char * len(data)).from_buffer(data)
    assert LIBRARY.fastexpr_open_bytes(buffer, ctypes.c_size_t(len(data)), ctypes.byref(handle)) == 0
    data[:] = bytes(len(data))
    x, y = np.full(4, 0.3), np.empty(3)
    assert LIBRARY.fastexpr_value(handle, ctypes.c_int64(1), pointer(x), pointer(y)) == 0
    np.testing.assert_array_equal(y, curved()(x))
    LIBRARY.fastexpr_close(handle)


def test_names_and_bounds(file: Path) -> None:
    net = Network(file)
    assert [net.output_name(k) for k in range(3)] == [b"flow 0", b"flow 1", b"flow 2"]
    assert [net.input_name(i) for i in range(4)] == [name.encode() for name in curved().input_names]
    assert [net.input_name(4), net.output_name(-1)] == [None, None]
    lower, upper = np.empty(4), np.empty(4)
    net.bounds(lower, upper)
    np.testing.assert_array_equal(lower, np.full(4, -2.0))
    np.testing.assert_array_equal(upper, np.arange(4) + 1.0)
    net.close()


def test_no_bounds_are_infinite(tmp_path: Path) -> None:
    network(2, 1).save(tmp_path / "net.fx")
    net = Network(tmp_path / "net.fx")
    lower, upper = np.empty(2), np.empty(2)
    net.bounds(lower, upper)
    assert np.all(lower == -np.inf)
    assert np.all(upper == np.inf)
    net.close()


# ---- errors


def damaged(file: Path) -> Path:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    copy = file.with_name("damaged.fx")
    copy.write_bytes(content)
    return copy


@pytest.mark.parametrize(
    ("make", "status", "said"),
    [
        (lambda file: file.with_name("nothing.fx"), FILE, "nothing.fx"),
        (lambda file: file.parent, FILE, ""),
        (damaged, FILE, "damaged.fx"),
        (lambda file: ROOT / "README.md", FILE, "README.md"),
    ],
    ids=["no file", "a folder", "damaged", "no network"],
)
def test_what_cannot_be_opened_says_why(file: Path, make: Callable[[Path], Path], status: int, said: str) -> None:
    handle = ctypes.c_void_p(1)
    assert LIBRARY.fastexpr_open(os.fsencode(make(file)), ctypes.byref(handle)) == status
    text = LIBRARY.fastexpr_error().decode()
    assert text.startswith("[fastexpr_open] ")
    assert said in text
    assert handle.value is None


def test_wrong_arguments_are_statuses_with_a_text(file: Path) -> None:
    net = Network(file)
    x, y = np.full(4, 0.5), np.empty(3)
    bad = np.array([0.0, np.nan, 0.0, 0.0])
    none = ctypes.c_void_p(None)
    wrong: dict[str, tuple[Any, ...]] = {
        "x is missing": ("value", 1, none, y),
        "value is missing": ("value", 1, x, none),
        "x is not finite: number 1": ("value", 1, bad, y),
        "got -1": ("value", -1, x, y),
        "weights is missing": ("hessian", 1, x, none, np.empty((4, 4))),
        "jacobian is missing": ("jacobian", 1, x, none),
        "direction is not finite": ("jvp", 1, x, bad, y),
        "entries is missing": ("jacobian_entries", 1, x, none),
        "rows is missing": ("hessian_structure", none, none),
    }
    for text, (name, *arguments) in wrong.items():
        with pytest.raises(RuntimeError, match=rf"1: \[fastexpr_{name}\] .*{re.escape(text)}"):
            getattr(net, name)(*arguments)
    net.close()


def test_a_null_network_is_refused_by_every_call() -> None:
    null, x = ctypes.c_void_p(None), pointer(np.zeros(10))
    calls = re.findall(r"fastexpr_status (fastexpr_\w+)\(const fastexpr_network \*network", HEADER)
    assert len(calls) == 12
    for call in calls:
        assert getattr(LIBRARY, call)(null, *[x] * 6) == INVALID
        assert "network is missing" in LIBRARY.fastexpr_error().decode()
    for call in re.findall(r"int64_t (fastexpr_\w+)\(const", HEADER):
        assert getattr(LIBRARY, call)(null) == -1
    assert LIBRARY.fastexpr_open(None, None) == INVALID
    LIBRARY.fastexpr_close(null)


def test_no_points_are_no_error(file: Path) -> None:
    net = Network(file)
    none = ctypes.c_void_p(None)
    net.value(0, none, none)
    net.hessian(0, none, none, none)
    net.jacobian_entries(0, none, none)
    net.close()


def test_results_that_are_not_finite_are_results(tmp_path: Path) -> None:
    x = fx.variables(1)
    fx.Function(x, np.log(x)).save(tmp_path / "log.fx")
    net = Network(tmp_path / "log.fx")
    y = np.empty(1)
    net.value(1, np.zeros(1), y)
    assert y[0] == -np.inf
    net.close()


# ---- threads


def test_many_threads_evaluate_one_network_and_have_errors_of_their_own(file: Path) -> None:
    net, function = Network(file), curved()
    failures: list[str] = []

    def work(number: int) -> None:
        rng = np.random.default_rng(number)
        for _ in range(50):
            x, w = rng.standard_normal(4), rng.standard_normal(3)
            y, J, H = np.empty(3), np.empty((3, 4)), np.empty((4, 4))
            net.evaluate(1, x, w, y, J, H)
            value, jacobian, hessian = function.evaluate(x, w)
            if not (np.array_equal(y, value) and np.allclose(J, jacobian, 1e-13) and np.allclose(H, hessian, 1e-12)):
                failures.append(f"thread {number} got other numbers")
            missing = f"{number}.fx"
            LIBRARY.fastexpr_open(missing.encode(), ctypes.byref(ctypes.c_void_p()))
            if missing not in LIBRARY.fastexpr_error().decode():
                failures.append(f"thread {number} got another's error")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    net.close()


def in_new_process(code: str, **environment: str) -> str:
    preamble = f"import ctypes; c = ctypes.CDLL({str(PACKAGE / 'libfastexpr.so')!r})\n"
    done = subprocess.run(
        [sys.executable, "-I", "-c", preamble + code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **environment},
        timeout=60,
    )
    return done.stdout.strip()


def test_threads_are_one_or_what_somebody_says() -> None:
    code = "print(c.fastexpr_threads(), c.fastexpr_set_threads(2), c.fastexpr_threads(), c.fastexpr_set_threads(0))"
    environment = {"FASTEXPR_NUM_THREADS": ""}
    assert in_new_process(code, **environment) == "1 0 2 1"
    assert in_new_process("print(c.fastexpr_threads())", FASTEXPR_NUM_THREADS="3") == "3"


# ---- the header, and programs


def test_versions_agree() -> None:
    assert LIBRARY.fastexpr_version().decode() == fx.__version__
    interface = re.search(r"#define FASTEXPR_INTERFACE (\d+)", HEADER)
    assert interface is not None
    assert LIBRARY.fastexpr_interface() == int(interface[1])


def test_the_header_declares_what_the_library_has() -> None:
    declared = set(re.findall(r"\b(fastexpr_\w+)\(", HEADER.split("typedef enum")[1]))
    for name in declared:
        assert getattr(LIBRARY, name)
    symbols = subprocess.run(
        ["nm", "-D", "--defined-only", str(PACKAGE / "libfastexpr.so")], capture_output=True, text=True, check=True
    )
    assert {line.split()[-1] for line in symbols.stdout.splitlines()} == declared


def compile_and_run(command: list[str], source: Path, *arguments: str) -> str:
    program = source.with_suffix("")
    subprocess.run([*command, "-o", str(program)], check=True, cwd=source.parent, timeout=120)
    done = subprocess.run([str(program), *arguments], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def block(language: str) -> str:
    """The page's program in this language."""
    found = re.search(rf"^```{language}\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def flags(*options: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-m", "fastexpr", *options], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.split()


@pytest.fixture
def kinetics(tmp_path: Path) -> tuple[fx.Function, str]:
    net = fx.load_onnx(ROOT / "examples" / "reactor" / "kinetics.onnx")
    net.save(tmp_path / "kinetics.fx")
    return net, str(tmp_path / "kinetics.fx")


def check_answers_of_the_page(net: fx.Function, text: str) -> None:
    x, w = np.full(net.n_inputs, 0.5), np.ones(net.n_outputs)
    value, jacobian, hessian = net.evaluate(x, w)
    numbers = [float(number) for number in re.findall(r"[-+]?\d\.?\d*(?:[eE][-+]?\d+)?(?=[,\s])", text)]
    for wanted in (value[0], jacobian[0, 0], hessian[0, 0]):
        assert any(abs(number - wanted) <= 1e-10 * abs(wanted) for number in numbers), (text, wanted)


def test_the_program_of_the_page(kinetics: tuple[fx.Function, str], tmp_path: Path) -> None:
    net, path = kinetics
    source = tmp_path / "main.c"
    source.write_text(block("c"))
    text = compile_and_run(["cc", *STRICT, str(source), *flags("--cflags", "--libs")], source, path)
    check_answers_of_the_page(net, text)
    for name in net.output_names:
        assert f"{name} = " in text


CPLUSPLUS = """
#include <fastexpr.h>
#include <cstdio>
#include <memory>
int main(int, char** argv) {
  fastexpr_network* opened = nullptr;
  if (fastexpr_open(argv[1], &opened) != FASTEXPR_OK) return 1;
  const std::unique_ptr<fastexpr_network, decltype(&fastexpr_close)> net(opened, &fastexpr_close);
  std::printf("%lld", static_cast<long long>(fastexpr_n_inputs(net.get())));
}
"""


def test_the_header_is_c_plus_plus_too(kinetics: tuple[fx.Function, str], tmp_path: Path) -> None:
    net, path = kinetics
    source = tmp_path / "main.cpp"
    source.write_text(CPLUSPLUS)
    strict = ["-std=c++11", "-Wall", "-Wextra", "-Werror", "-pedantic"]
    text = compile_and_run(["c++", *strict, str(source), *flags("--cflags", "--libs")], source, path)
    assert int(text) == net.n_inputs


def test_a_program_says_what_is_wrong(tmp_path: Path) -> None:
    source = tmp_path / "main.c"
    source.write_text(block("c"))
    program = tmp_path / "main"
    subprocess.run(["cc", str(source), *flags("--cflags", "--libs"), "-o", str(program)], check=True, timeout=120)
    done = subprocess.run([str(program), "nothing.fx"], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert done.stderr.startswith("[fastexpr_open] ")


@pytest.mark.skipif(FORTRAN is None, reason="there is no gfortran (Debian: gfortran-12, which Ipopt's headers bring)")
def test_the_fortran_program_of_the_page(kinetics: tuple[fx.Function, str], tmp_path: Path) -> None:
    net, path = kinetics
    source = tmp_path / "main.f90"
    source.write_text(block("fortran"))
    command = [str(FORTRAN), "-Wall", "-Werror", "-std=f2018", str(source), *flags("--libs")]
    check_answers_of_the_page(net, compile_and_run(command, source, path))


def test_a_cmake_project_finds_the_library(kinetics: tuple[fx.Function, str], tmp_path: Path) -> None:
    net, path = kinetics
    (tmp_path / "main.c").write_text(block("c"))
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.22)\nproject(example LANGUAGES C)\n"
        f"find_package(fastexpr {fx.__version__} REQUIRED)\n"
        "add_executable(main main.c)\ntarget_link_libraries(main fastexpr::fastexpr)\n"
    )
    cmake = [shutil.which("cmake", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}") or "cmake"]
    folder, (found,) = tmp_path / "build", flags("--cmakedir")
    subprocess.run(
        [*cmake, "-S", tmp_path, "-B", folder, f"-Dfastexpr_DIR={found}"], check=True, capture_output=True, timeout=120
    )
    subprocess.run([*cmake, "--build", folder], check=True, capture_output=True, timeout=120)
    done = subprocess.run([str(folder / "main"), path], capture_output=True, text=True, check=True, timeout=60)
    check_answers_of_the_page(net, done.stdout)


def test_the_pkg_config_file_says_the_same() -> None:
    text = (PACKAGE / "pkgconfig" / "fastexpr.pc").read_text()
    (folder,) = flags("--pkgconfigdir")
    values = {"pcfiledir": folder}
    for name, value in re.findall(r"^(\w+)=(.*)$", text, flags=re.MULTILINE):
        values[name] = re.sub(r"\$\{(\w+)\}", lambda found: values[found[1]], value)
    fields = {
        name: re.sub(r"\$\{(\w+)\}", lambda found: values[found[1]], value)
        for name, value in re.findall(r"^(\w+): (.*)$", text, flags=re.MULTILINE)
    }
    assert fields["Version"] == fx.__version__
    (include,) = [flag[2:] for flag in fields["Cflags"].split() if flag.startswith("-I")]
    assert Path(include).resolve() == PACKAGE.resolve() / "include"
    (directory,) = [flag[2:] for flag in fields["Libs"].split() if flag.startswith("-L")]
    assert (Path(directory) / "libfastexpr.so").exists()
    assert "-lfastexpr" in fields["Libs"]


def test_the_command_answers_in_the_order_of_its_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(["--libs", "--version", "--cflags"]) == 0
    words = capsys.readouterr().out.split()
    assert words.index("-lfastexpr") < words.index(fx.__version__) < words.index(f"-I{PACKAGE.resolve() / 'include'}")
    assert command_line.main([]) == 2
    with pytest.raises(SystemExit):
        command_line.main(["--nothing"])
    for option in ("--julia", "--casadi"):
        command_line.main([option])
        assert Path(capsys.readouterr().out.strip().splitlines()[-1]).exists()


# ---- Julia


def test_julia_s_calls_from_c(kinetics: tuple[fx.Function, str], tmp_path: Path) -> None:
    curved().save(tmp_path / "net.fx")
    source = tmp_path / "julia_calls.c"
    shutil.copy(ROOT / "tests" / "programs" / "julia_calls.c", source)
    for net, path in ((curved(), str(tmp_path / "net.fx")), kinetics):
        command = ["cc", *STRICT, str(source), "-ldl"]
        text = compile_and_run(command, source, path, str(PACKAGE / "libfastexpr.so"))
        said = {line.split()[0]: np.array(line.split()[1:], dtype=float) for line in text.splitlines()}
        n, m = net.n_inputs, net.n_outputs
        x, mu = 0.1 * np.arange(1, n + 1), np.arange(1.0, m + 1)
        value, jacobian, hessian = net.evaluate(x, mu)
        np.testing.assert_allclose(said["value"], value, rtol=1e-14)
        np.testing.assert_allclose(said["eval_f"], value - 0.5, rtol=1e-13)
        np.testing.assert_allclose(said["jacobian"].reshape(m, n), jacobian, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(said["hessian"].reshape(n, n), hessian, rtol=1e-12, atol=1e-14)
        rows, columns = said["jacobian_structure"].astype(int).reshape(-1, 2).T
        assert min(rows) == 1
        np.testing.assert_allclose(said["eval_jacobian"], jacobian[rows - 1, columns - 1], rtol=1e-12, atol=1e-14)
        rows, columns = said["hessian_structure"].astype(int).reshape(-1, 2).T
        np.testing.assert_allclose(
            said["eval_hessian_lagrangian"], hessian[rows - 1, columns - 1], rtol=1e-12, atol=1e-14
        )


def test_julia_and_its_stand_in_make_the_same_calls() -> None:
    """Names, and the types of all arguments, in the header's words."""
    program = (ROOT / "tests" / "programs" / "julia_calls.c").read_text()
    named = set(re.findall(r":(fastexpr_\w+)\)", JULIA))
    built = {f"fastexpr_{of}_{part}" for of in ("jacobian", "hessian") for part in ("n_entries", "structure")}
    made = set(re.findall(r'"(fastexpr_\w+)"', program))
    assert (named | built) - {"fastexpr_version"} == made
    words = {
        "const char *": "Cstring",
        "fastexpr_network **": "Ref{Ptr{Cvoid}}",
        "const fastexpr_network *": "Ptr{Cvoid}",
        "fastexpr_network *": "Ptr{Cvoid}",
        "int64_t ": "Int64",
        "const double *": "Ptr{Float64}",
        "double *": "Ptr{Float64}",
        "int64_t *": "Ptr{Int64}",
    }
    for name in named - {"fastexpr_error", "fastexpr_version"}:
        declaration = re.search(rf"FASTEXPR_API [\w *]+?\b{name}\(([^)]*)\)", HEADER)
        assert declaration is not None
        types = [words[re.sub(r"\w+$", "", argument.strip())] for argument in declaration[1].split(",")]
        call = re.search(rf":{name}\), \w+,\s*\(([^)]*)\)", JULIA)
        assert call is not None, name
        assert [part.strip() for part in call[1].split(",") if part.strip()] == types, name
