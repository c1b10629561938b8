"""The command line. Pins the process to its cores before anything that starts threads is imported."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

NAMES = ["S1", "S2", "S3", "S4", "S5", "S6"]
QUANTITIES = ["value", "jacobian", "hessian", "evaluate"]
PEERS = ["jax", "numpy"]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Value, Jacobian and Hessian of random tanh networks, beside JAX, NumPy, and the machine's limits.",
    )
    parser.add_argument("--networks", nargs="+", choices=NAMES, default=NAMES, help="which networks (default: all)")
    parser.add_argument("--quantities", nargs="+", choices=QUANTITIES, default=QUANTITIES, help="what to compute")
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=PEERS, help="whom to compare with")
    parser.add_argument("--threads", type=int, default=1, help="cores the whole process may use (default: 1)")
    parser.add_argument("--seconds", type=float, default=2.0, help="time for one figure (default: 2)")
    parser.add_argument(
        "--clock",
        choices=["wall", "cpu"],
        default="wall",
        help="cpu: the time this process ran, for one thread on a machine that others use, too (default: wall)",
    )
    parser.add_argument("--quick", action="store_true", help="S1 to S4, a quarter of a second for a figure")
    parser.add_argument(
        "--output", type=Path, help="folder for the figures as CSV, and as a picture where matplotlib is"
    )
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.networks = [name for name in arguments.networks if name <= "S4"]
        arguments.seconds = min(arguments.seconds, 0.25)
    if arguments.threads < 1:
        parser.error(f"--threads must be at least 1: got {arguments.threads}")
    if arguments.clock == "cpu" and arguments.threads > 1:
        parser.error("--clock cpu adds up the time of all threads: it makes sense with --threads 1 only")
    return arguments


def pin(threads: int) -> None:
    """Every library sees only these cores: the one setting that all of them respect."""
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
    arguments = parse()
    pin(arguments.threads)
    from benchmarks import derivatives

    derivatives.run(arguments)


if __name__ == "__main__":
    main()
