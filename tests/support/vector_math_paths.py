"""The vector functions on any CPU path, in a process of its own, and with the C library's functions, built for that.

`python vector_math_paths.py PATH INPUTS OUTPUTS` is that process: PATH is a CPU path or "libm".
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

PATHS = ["avx512", "avx2", "baseline", "libm"]
SOURCES = Path(__file__).resolve().parents[2] / "src"


def evaluate(path: str, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """What each function gives for its argument, or for its (2, count) arguments.

    A name may go on after a blank: "exp again". "exp in place" writes over the argument.
    "nanoseconds NAME" is the time for a number between -8 and 8, or 0 and 8.
    """
    with tempfile.TemporaryDirectory() as folder:
        files = [str(Path(folder) / name) for name in ("inputs.npz", "outputs.npz")]
        np.savez(files[0], **inputs)  # type: ignore[arg-type]
        command = [sys.executable, __file__, path, *files]
        finished = subprocess.run(command, env={**os.environ, "FASTEXPR_CPU": path}, capture_output=True, text=True)
        if finished.returncode != 0:
            raise RuntimeError(finished.stderr)
        with np.load(files[1]) as outputs:
            return dict(outputs)


def functions_of(path: str, folder: str) -> Callable[[str], Callable[..., None]]:
    """Finds a function f(x, y) or f(x0, x1, y) that fills y, by its name."""
    if path == "libm":
        return c_library(folder)
    from fastexpr import _core

    linalg = _core._linalg  # type: ignore[attr-defined]
    return lambda name: getattr(linalg, name)


def c_library(folder: str) -> Callable[[str], Callable[..., None]]:
    """The baseline path's functions as they are built where SLEEF is missing."""
    library = Path(folder) / "vector_math.so"
    stub = Path(folder) / "paths.cpp"  # the name of the CPU path is asked for, and there is no other
    stub.write_text(
        '#include "linalg/kernels.hpp"\n#include "linalg/vector_math_kernels.hpp"\n'
        "namespace fastexpr {\n"
        'const linalg::Kernels& linalg::kernels() { static const Kernels k{.name = "baseline"}; return k; }\n'
        "const vector_math::Kernels vector_math::avx2_kernels{}, vector_math::avx512_kernels{};\n}\n"
    )
    options = ["-std=c++20", "-O2", "-ffp-contract=fast", "-fno-math-errno", "-fPIC", "-shared", f"-I{SOURCES}"]
    sources = [
        str(stub),
        *(str(SOURCES / "linalg" / f"{name}.cpp") for name in ("vector_math", "vector_math_baseline")),
    ]
    subprocess.run([os.environ.get("CXX", "c++"), *options, *sources, "-o", str(library)], check=True)
    symbols = ctypes.CDLL(str(library))

    def find(name: str) -> Callable[..., None]:
        arguments = "PKdS2_Pdl" if name == "pow" else "PKdPdl"
        symbol = symbols[f"_ZN8fastexpr11vector_math{len(name)}{name}E{arguments}"]

        def call(*arrays: Array) -> None:
            symbol(*(ctypes.c_void_p(array.ctypes.data) for array in arrays), ctypes.c_long(arrays[-1].size))

        return call

    return find


def nanoseconds(function: Callable[..., None], n_arguments: int, lowest: float) -> float:
    """The fastest of some passes over numbers that fit into the cache."""
    random = np.random.default_rng(5)
    arrays = [random.uniform(lowest, 8, 4096) for _ in range(n_arguments)]
    out = np.empty(4096)
    best = np.inf
    for _ in range(60):
        start = time.perf_counter()
        function(*arrays, out)
        best = min(best, time.perf_counter() - start)
    return 1e9 * best / out.size


def main(path: str, inputs: str, outputs: str) -> None:
    found = {}
    with tempfile.TemporaryDirectory() as folder, np.load(inputs) as arrays:
        function_of = functions_of(path, folder)
        for key, x in arrays.items():
            name, _, manner = key.partition(" ")
            arguments = [np.ascontiguousarray(part) for part in np.atleast_2d(x)]
            out = arguments[0] if manner == "in place" else np.empty_like(arguments[0])
            function_of(name)(*arguments, out)
            found[key] = out
            if not manner:
                lowest = 0.0 if name in ("log", "log1p", "sqrt", "pow") else -8.0
                found[f"nanoseconds {name}"] = np.array(nanoseconds(function_of(name), len(arguments), lowest))
    np.savez(outputs, **found)  # type: ignore[arg-type]


if __name__ == "__main__":
    main(*sys.argv[1:])
