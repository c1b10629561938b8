"""Pins the process to its cores before anything that starts threads is imported; then runs what was asked for."""

from __future__ import annotations

import importlib
import os
import sys

from benchmarks.command_line import parse


def pin(threads: int) -> None:
    """Every library, and every process started from here, sees only these cores: the one setting that all respect."""
    cores = sorted(os.sched_getaffinity(0))
    if threads > len(cores):
        raise SystemExit(f"--threads {threads}: this machine gives the process {len(cores)} cores.")
    os.sched_setaffinity(0, cores[:threads])
    for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "FASTEXPR_NUM_THREADS"):
        os.environ[variable] = str(threads)
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    os.environ.setdefault("JAX_ENABLE_X64", "1")


def main() -> None:
    """Measure, print, and write where asked."""
    commands = parse(sys.argv[1:])
    pin(commands[0].threads)
    for number, arguments in enumerate(commands):
        if number > 0:
            print()
        if len(commands) > 1:
            print(f"==== {arguments.command}")
        importlib.import_module(f"benchmarks.{arguments.command}").run(arguments)


if __name__ == "__main__":
    main()
