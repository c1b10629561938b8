"""The command `fastexpr`: what a compiler has to be told to use the C library."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import fastexpr

PACKAGE = Path(__file__).resolve().parent


def main(arguments: Sequence[str] | None = None) -> int:
    """Answers on standard output, joined by blanks where several things are asked for.

    Examples
    --------
    >>> from fastexpr.command_line import main
    >>> main(["--version"])
    0.1.0
    0
    """
    parser = make_parser()
    asked = parser.parse_args(arguments).answers
    if not asked:
        parser.print_help()
        return 2
    print(*asked)
    return 0


def make_parser() -> argparse.ArgumentParser:
    """An option for each answer; they come in the order in which they are asked for."""
    parser = argparse.ArgumentParser(
        prog="fastexpr",
        description="What C, C++ and Fortran compilers need: cc main.c $(fastexpr --cflags --libs)",
    )
    answers = {
        "--version": (fastexpr.__version__, "the version of fastexpr"),
        "--cflags": (f"-I{PACKAGE / 'include'}", "where fastexpr.h is, for the compiler"),
        "--libs": (f"-L{PACKAGE} -Wl,-rpath,{PACKAGE} -lfastexpr", "the library, for the linker; found again when run"),
        "--pkgconfigdir": (str(PACKAGE / "pkgconfig"), "the folder of fastexpr.pc, for PKG_CONFIG_PATH"),
        "--cmakedir": (str(PACKAGE / "cmake"), "the folder of fastexprConfig.cmake, for -Dfastexpr_DIR"),
        "--julia": (str(PACKAGE / "julia" / "Fastexpr.jl"), "the file to include in Julia"),
        "--casadi": (str(PACKAGE / "libfastexpr_casadi.so"), "the library for casadi.external"),
    }
    for option, (answer, explanation) in answers.items():
        parser.add_argument(option, dest="answers", action="append_const", const=answer, default=[], help=explanation)
    return parser
