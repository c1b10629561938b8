"""Lets CMake build the compiled half of the package; everything else is said in pyproject.toml."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).parent.resolve()


class CMakeBuild(build_ext):
    """Runs CMake and ninja; the binaries go where setuptools wants fastexpr._core to be."""

    def run(self) -> None:
        # setuptools builds elsewhere and copies the one module that it knows of; but its companions lie beside it.
        self.is_in_place = bool(self.inplace or self.editable_mode)
        super().run()

    def copy_extensions_to_source(self) -> None:
        """There is nothing to copy: the binaries are there already."""

    def build_extension(self, ext: Extension) -> None:
        if self.is_in_place:
            output = ROOT / "fastexpr"
            # Such a build is repeated again and again: only what has changed is compiled.
            build = ROOT / "build" / f"editable-{sys.implementation.cache_tag}"
        else:
            output = Path(self.get_ext_fullpath(ext.name)).parent.resolve()
            build = Path(self.build_temp).resolve()
        arguments = [
            f"-DPython_EXECUTABLE={sys.executable}",
            f"-DFASTEXPR_OUTPUT_DIRECTORY={output}",
            f"-DFASTEXPR_DEVELOP={'ON' if self.is_in_place else 'OFF'}",
            f"-DCMAKE_MAKE_PROGRAM={find_program('ninja')}",
        ]
        if shutil.which("ccache") and "CMAKE_CXX_COMPILER_LAUNCHER" not in os.environ:
            arguments.append("-DCMAKE_CXX_COMPILER_LAUNCHER=ccache")
        arguments += shlex.split(os.environ.get("CMAKE_ARGS", ""))
        jobs = os.environ.get("CMAKE_BUILD_PARALLEL_LEVEL", "2")
        cmake = find_program("cmake")
        run(cmake, "-S", str(ROOT), "-B", str(build), "-G", "Ninja", *arguments)
        run(cmake, "--build", str(build), "--parallel", jobs)


def find_program(name: str) -> str:
    """The program that pip installed beside this Python, whether or not its environment is activated."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    program = shutil.which(name, path=path)
    if program is None:
        raise SystemExit(f"The build of fastexpr needs {name}: {sys.executable} -m pip install {name}")
    return program


def run(*command: str) -> None:
    """Runs a build step; its own output says what went wrong, so a traceback would only bury it."""
    status = subprocess.run(command, check=False).returncode
    if status != 0:
        raise SystemExit(f"The build of fastexpr's core stopped (exit status {status}): {shlex.join(command)}")


setup(ext_modules=[Extension("fastexpr._core", sources=[])], cmdclass={"build_ext": CMakeBuild})
