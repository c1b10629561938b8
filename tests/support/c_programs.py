"""C code that `to_c` wrote, compiled and called."""

from __future__ import annotations

import ctypes
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import fastexpr as fx

STRICT = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic"]


class Compiled:
    """The functions of one network in a compiled library."""

    def __init__(self, library: ctypes.CDLL, code: str, name: str) -> None:
        sizes = dict(re.findall(rf"#define {name.upper()}_(N|M|WORK) (\d+)", code))
        self.n, self.m, self.n_work = (int(sizes[key]) for key in ("N", "M", "WORK"))
        self.library, self.name = library, name

    def __getattr__(self, which: str) -> Any:
        function = getattr(self.library, f"{self.name}_{which}")

        def call(*arrays: np.ndarray | None) -> None:
            """The scratch memory has a guard behind it, and starts with numbers that must not matter."""
            work = np.full(self.n_work + 8, np.nan)
            pointers = [None if array is None else ctypes.c_void_p(array.ctypes.data) for array in arrays]
            function(*pointers, ctypes.c_void_p(work.ctypes.data))
            assert np.isnan(work[self.n_work :]).all(), "written behind the scratch memory"

        return call

    def all(self, x: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Value, Jacobian and Hessian, each by itself and all at once."""
        y, J, H = np.full(self.m, 7.0), np.full((self.m, self.n), 7.0), np.full((self.n, self.n), 7.0)
        self.value(x, y)
        self.jacobian(x, J)
        self.hessian(x, w, H)
        together = [np.full_like(a, 7.0) for a in (y, J, H)]
        self.evaluate(x, w, *together)
        for apart, here in zip((y, J, H), together, strict=True):
            scale = np.max(np.abs(apart), initial=0.0, where=np.isfinite(apart))
            np.testing.assert_allclose(here, apart, rtol=1e-11, atol=1e-13 * scale)
        return y, J, H


def compile_code(
    codes: Mapping[str, str], folder: Path, options: list[str] | None = None, compiler: str = "cc"
) -> dict[str, Compiled]:
    """One library of several codes, by the names of their functions."""
    source, library = folder / "all.c", folder / f"all{len(list(folder.glob('*.so')))}.so"
    source.write_text("\n".join(codes.values()))
    command = [compiler, *STRICT, *(options or ["-O0"]), "-shared", "-fPIC", str(source), "-o", str(library), "-lm"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr[:4000]
    loaded = ctypes.CDLL(str(library))
    return {name: Compiled(loaded, code, name) for name, code in codes.items()}


def compiled(net: fx.Function, folder: Path, options: list[str] | None = None) -> Compiled:
    return compile_code({"net": net.to_c()}, folder, options)["net"]
