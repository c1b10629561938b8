"""What was installed: the binaries travel, hide what is theirs, and importing them is quick or says what is wrong."""

from __future__ import annotations

import importlib.metadata
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

import fastexpr as fx
from fastexpr import _core

FOLDER = Path(fx.__file__).parent
MODULE = Path(_core.__file__)
AMPL_LIBRARY = FOLDER / "libfastexpr_ampl.so"
C_LIBRARY = FOLDER / "libfastexpr.so"
CASADI_LIBRARY = FOLDER / "libfastexpr_casadi.so"
OPENBLAS = FOLDER / "libfastexpr_openblas.so"
BINARIES = [MODULE, AMPL_LIBRARY, C_LIBRARY, OPENBLAS]
WALKER, READING = (FOLDER / "pyomo" / "compile" / MODULE.name.replace("_core", name) for name in ("walker", "reading"))


def dynamic_entries(binary: Path, attribute: str) -> list[str]:
    with binary.open("rb") as file:
        dynamic = ELFFile(file).get_section_by_name(".dynamic")
        return [getattr(tag, attribute) for tag in dynamic.iter_tags() if hasattr(tag, attribute)]


def exported_symbols(binary: Path) -> set[str]:
    with binary.open("rb") as file:
        symbols = ELFFile(file).get_section_by_name(".dynsym").iter_symbols()
        return {symbol.name for symbol in symbols if symbol["st_shndx"] != "SHN_UNDEF" and symbol.name}


def in_new_process(code: str, *arguments: str, cwd: Path | None = None) -> str:
    command = [sys.executable, *arguments, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("binary", "symbol"),
    [
        (MODULE, "PyInit__core"),
        (AMPL_LIBRARY, "funcadd_ASL"),
        (WALKER, "PyInit_walker"),
        (READING, "PyInit_reading"),
    ],
)
def test_a_binary_exports_one_symbol(binary: Path, symbol: str) -> None:
    assert exported_symbols(binary) == {symbol}


def test_the_c_library_has_one_prefix_and_casadi_s_the_names_it_asks_for() -> None:
    assert all(symbol.startswith("fastexpr_") for symbol in exported_symbols(C_LIBRARY))
    prefixes = {symbol.partition("fastexpr")[0] for symbol in exported_symbols(CASADI_LIBRARY)}
    assert prefixes == {"", "jac_", "adj1_", "jac_adj1_", "jac_jac_"}


def test_the_c_library_s_files_are_shipped() -> None:
    for file in ("include/fastexpr.h", "pkgconfig/fastexpr.pc", "cmake/fastexprConfig.cmake", "julia/Fastexpr.jl"):
        assert (FOLDER / file).is_file()


@pytest.mark.parametrize("binary", BINARIES, ids=lambda path: path.name)
def test_binaries_look_for_each_other_beside_themselves(binary: Path) -> None:
    entries = dynamic_entries(binary, "runpath") + dynamic_entries(binary, "rpath")
    paths = [path for entry in entries for path in entry.split(":")]
    assert paths
    assert all(path.startswith("$ORIGIN") for path in paths)


@pytest.mark.parametrize("binary", BINARIES, ids=lambda path: path.name)
def test_binaries_need_no_openblas_but_ours(binary: Path) -> None:
    blas = {name for name in dynamic_entries(binary, "needed") if "blas" in name}
    assert blas == (set() if binary == OPENBLAS else {"libfastexpr_openblas.so"})


def test_openblas_has_a_name_of_our_own() -> None:
    assert dynamic_entries(OPENBLAS, "soname") == ["libfastexpr_openblas.so"]


def test_openblas_comes_with_its_licence() -> None:
    assert "OpenBLAS" in OPENBLAS.with_suffix(".licence.txt").read_text()


@pytest.mark.parametrize("binary", [AMPL_LIBRARY, C_LIBRARY, CASADI_LIBRARY], ids=lambda path: path.name)
def test_libraries_for_others_bring_their_own_c_plus_plus_runtime(binary: Path) -> None:
    assert not any("stdc++" in name for name in dynamic_entries(binary, "needed"))


def test_the_library_for_casadi_can_be_copied_anywhere() -> None:
    assert not any("fastexpr" in name for name in dynamic_entries(CASADI_LIBRARY, "needed"))


@pytest.mark.parametrize("binary", [*BINARIES, CASADI_LIBRARY, WALKER, READING], ids=lambda path: path.name)
def test_binaries_name_no_folder_of_the_build(binary: Path) -> None:
    content = binary.read_bytes()
    for folder in (str(FOLDER.parent / "src"), "site-packages", "pip-build-env"):
        assert folder.encode() not in content


def test_the_ampl_library_loads_without_the_package() -> None:
    code = f"import ctypes; print(bool(ctypes.CDLL({str(AMPL_LIBRARY)!r}).funcadd_ASL))"
    assert in_new_process(code, "-I").strip() == "True"


def test_numpy_and_scipy_keep_their_own_openblas() -> None:
    code = (
        "import numpy, scipy.linalg, fastexpr\n"
        "numpy.ones((3, 3)) @ numpy.ones((3, 3))\n"
        "print({line.split()[-1] for line in open('/proc/self/maps') if 'fastexpr_openblas' in line})"
    )
    assert in_new_process(code).strip() == str({str(OPENBLAS.resolve())})


def test_versions_agree() -> None:
    assert fx.__version__ == importlib.metadata.version("fastexpr") == fx.build_info()["version"]


def test_build_info_says_what_runs() -> None:
    info = fx.build_info()
    assert set(info) == {"version", "compiler", "blas", "vector_math", "cpu_path", "threads"}
    assert "OpenBLAS" in str(info["blas"])
    assert info["vector_math"] in ("sleef", "libm")
    assert info["threads"] == fx.num_threads()
    assert str(info["compiler"]).split()[0] in ("GNU", "Clang")


def test_public_names_exist_and_others_do_not() -> None:
    for name in fx.__all__:
        assert getattr(fx, name) is not None
        assert name in dir(fx)
    with pytest.raises(AttributeError, match=r"module 'fastexpr' has no attribute 'load_onyx'"):
        _ = fx.load_onyx


def test_types_are_shipped() -> None:
    assert (FOLDER / "py.typed").exists()
    assert (FOLDER / "_core.pyi").exists()


def test_import_leaves_to_later_what_takes_long() -> None:
    modules = json.loads(in_new_process("import fastexpr, json, sys; print(json.dumps(sorted(sys.modules)))"))
    assert not {"onnx", "pyomo", "scipy", "cyipopt", "matplotlib", "asyncio", "multiprocessing"} & set(modules)


SOLVE = """
import json, sys
import numpy as np
import fastexpr as fx
v = fx.variables(2)
p = fx.Problem()
x = p.variables(2, lower=-1, upper=[1, 2])
p.minimize(p.network(fx.Function(v, np.tanh(np.array([[1.0, 2.0], [3.0, -1.0]]) @ v)), x)[0])
p.subject_to((x**2).sum() <= 1)
assert p.solve().success
print(json.dumps(sorted(sys.modules)))
"""


def test_a_solve_imports_no_more_than_it_needs() -> None:
    assert not {"numpy.ma", "scipy", "pyomo", "onnx"} & set(json.loads(in_new_process(SOLVE)))


def copy_of_the_package(folder: Path, *ignored: str) -> Path:
    shutil.copytree(FOLDER, folder / "fastexpr", ignore=shutil.ignore_patterns("__pycache__", *ignored))
    taken = FOLDER.parent / "fastexpr.libs"  # a repaired wheel keeps there what it took from the system
    if taken.exists():
        shutil.copytree(taken, folder / taken.name)
    return folder


def message_of_import(folder: Path) -> str:
    # Without site-packages, or the finder of an editable installation would find the core that is missing here.
    return in_new_process("try:\n  import fastexpr\nexcept ImportError as error:\n  print(error)", "-S", cwd=folder)


def test_an_installation_without_its_core_says_how_to_mend_it(tmp_path: Path) -> None:
    message = message_of_import(copy_of_the_package(tmp_path, "*.so"))
    assert f"got no fastexpr/{MODULE.name}" in message
    assert "pip install --force-reinstall" in message


def test_a_source_folder_that_was_not_compiled_says_so(tmp_path: Path) -> None:
    (tmp_path / "CMakeLists.txt").touch()
    message = message_of_import(copy_of_the_package(tmp_path, "*.so"))
    assert f"fastexpr/{MODULE.name} has not been compiled" in message
    assert f"pip install -e {tmp_path}" in message


def test_a_core_that_does_not_load_says_why(tmp_path: Path) -> None:
    folder = copy_of_the_package(tmp_path, "*.so")
    (folder / "fastexpr" / MODULE.name).write_bytes(b"no library")
    message = message_of_import(folder)
    assert "does not load" in message
    assert MODULE.name in message


@pytest.mark.parametrize("module", ["walker", "reading"])
def test_a_build_from_before_the_cython_modules_says_so(tmp_path: Path, module: str) -> None:
    folder = copy_of_the_package(tmp_path, f"{module}.*.so")
    code = "try:\n  import fastexpr.pyomo.compile.compiled\nexcept ImportError as error:\n  print(error)"
    assert f"got no fastexpr/pyomo/compile/{module}." in in_new_process(code, cwd=folder)


def test_the_package_works_from_a_folder_that_was_moved(tmp_path: Path) -> None:
    folder = copy_of_the_package(tmp_path)
    code = (
        "import fastexpr as fx\nx = fx.variables(2)\nprint(fx._core.__file__, fx.Function(x, (x**2).sum())([3.0, 4.0]))"
    )
    assert in_new_process(code, cwd=folder).split() == [str(folder / "fastexpr" / MODULE.name), "[25.]"]
