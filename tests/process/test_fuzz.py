"""A short run of everything that looks for faults at random; ./run fuzz does it for hours."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from folders import TESTS

import fastexpr

FOLDER = TESTS / "fuzz"
sys.path.append(str(FOLDER))
PROGRAMS = Path(fastexpr.__file__).parent / "fuzz"  # built with the package, in place
RUNS = {"saved_file": 2000, "program": 20000, "ampl": 2000}
CASES = {"expressions": 150, "onnx_import": 150, "random_models": 60}


@pytest.mark.parametrize("target", RUNS)
def test_bytes(target: str, tmp_path: Path) -> None:
    """Inputs that were faults once, seeds, and mutations of both."""
    from seeds import write_seeds

    folders = [path for path in [FOLDER / "corpus" / target] if path.exists()]
    if target == "saved_file":
        write_seeds(tmp_path)
        folders.append(tmp_path)
    command = [PROGRAMS / target, *folders, f"-runs={RUNS[target]}", "-seed=1"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert f"{RUNS[target]} mutations: no fault" in result.stdout


def test_allocations(tmp_path: Path) -> None:
    """Each fails once, in reading, writing, evaluating and bounding every operator, and in a program with cells."""
    from seeds import write_seeds

    write_seeds(tmp_path)
    result = subprocess.run([PROGRAMS / "allocations", tmp_path], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    networks, failures = map(int, re.findall(r"\d+", result.stdout))
    assert networks > 50
    assert failures > 50_000


def test_kills() -> None:
    """Of processes that write, in processes of their own: they fork."""
    command = [sys.executable, FOLDER / "hunt.py", "kills", "--count", "80"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("target", CASES)
def test_cases(target: str) -> None:
    case = importlib.import_module(target).case
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for seed in range(CASES[target]):
            try:
                case(seed)
            except BaseException as error:
                error.add_note(f"tests/fuzz/{target}.py, case {seed}") if sys.version_info >= (3, 11) else None
                raise
