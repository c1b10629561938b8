"""Builds of cyipopt differ in where they have their compiled class; each is found, and none prints or warns."""

from __future__ import annotations

import gc
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import fastexpr as fx
from fastexpr import _core
from fastexpr.solvers import ipopt_library as library
from fastexpr.solvers.interior_point import Callbacks

SOLVE = """
import fastexpr as fx
from fastexpr import _core
from fastexpr import solvers

p = fx.Problem()
x = p.variables(2, 0, 1, start=0.5)
p.minimize(((x - 0.3) ** 2).sum())
p.subject_to(x.sum() >= 1)
first = p.solve("cyipopt")
assert first.success and p.solve("cyipopt", start=first).success, first
assert solvers.version("cyipopt") >= (3, 11)
try:
    p.solve("cyipopt", nonsense=1)
except ValueError as error:
    assert "nonsense" in str(error)
import cyipopt
assert cyipopt.minimize_ipopt and cyipopt.Problem
from fastexpr.solvers.cyipopt import cyipopt as used
print(used.__name__)
"""


def package() -> Path:
    spec = importlib.util.find_spec("cyipopt")
    assert spec is not None and spec.origin is not None  # noqa: PT018
    return Path(spec.origin).parent


def laid_out(folder: Path, layout: str) -> None:
    """The installed package, moved to where other builds have its parts."""
    own = package()
    extension = next(own.glob("ipopt_wrapper*.so"))
    (folder / "cyipopt").mkdir()
    for name in ("exceptions.py", "utils.py", "scipy_interface.py", "version.py"):
        shutil.copy(own / name, folder / "cyipopt")
    shutil.copy(extension, folder)
    begin = "from ipopt_wrapper import *\n"
    if layout == "wheels":  # a module of the right name that has only what is deprecated
        (folder / "cyipopt/ipopt_wrapper.py").write_text('__all__ = ["problem"]\ndef problem(*args): ...\n')
        begin += "from .ipopt_wrapper import *\n"
    rest = "from .scipy_interface import *\nfrom .version import __version__\nfrom .exceptions import *\n"
    (folder / "cyipopt/__init__.py").write_text(begin + rest)


@pytest.mark.parametrize("layout", ["installed", "wheels", "1.4"])
def test_every_layout_solves(layout: str, tmp_path: Path) -> None:
    folders = [] if layout == "installed" else [str(tmp_path)]
    if folders:
        laid_out(tmp_path, layout)
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", SOLVE],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([*folders, os.environ.get("PYTHONPATH", "")]).strip(os.pathsep),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.stdout.strip() == ("cyipopt.ipopt_wrapper" if layout == "installed" else "ipopt_wrapper"), run.stderr
    assert run.stderr == ""


def what_import_says(folder: Path) -> str:
    """The error of importing the door to cyipopt, where this folder has a package of that name."""
    command = [sys.executable, "-c", "import fastexpr.solvers.cyipopt"]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False).stderr


def test_an_unknown_layout_is_said(tmp_path: Path) -> None:
    (tmp_path / "cyipopt").mkdir()
    (tmp_path / "cyipopt/__init__.py").write_text("")
    (tmp_path / "ipopt_wrapper.py").write_text("")
    assert "laid out in a way that is not known" in what_import_says(tmp_path)


def test_a_build_that_hides_ipopt_is_said(tmp_path: Path) -> None:
    hiding = f"Problem = IPOPT_VERSION = __file__ = {_core.__file__!r}\n"
    (tmp_path / "cyipopt").mkdir()
    (tmp_path / "cyipopt/__init__.py").write_text("")
    (tmp_path / "cyipopt/ipopt_wrapper.py").write_text(hiding)
    said = what_import_says(tmp_path)
    assert "does not show the functions of Ipopt" in said
    assert "solver='pounce'" in said


def test_many_solves_leave_nothing_behind() -> None:
    p = fx.Problem()
    x = p.variables(3, 0, 1, start=0.5)
    p.minimize(((x - 0.3) ** 2).sum())
    p.subject_to(x.sum() >= 1)
    p.solve("cyipopt")
    gc.collect()

    def count() -> int:  # by types: what things say of their class may be anything
        return sum(issubclass(type(thing), library.Problem | Callbacks) for thing in gc.get_objects())

    before = count()
    gc.disable()
    try:
        for _ in range(20):
            assert p.solve("cyipopt").success
        found = count()
    finally:
        gc.enable()
    assert found == before  # without the garbage collector: nothing refers to itself


def test_pounce_is_silent_where_the_objective_is_of_extreme_size() -> None:
    code = (
        "import fastexpr as fx\n"
        "p = fx.Problem()\n"
        "x = p.variables(2, bounds=(0, 1e-6), start=5e-7)\n"
        "p.minimize(-1e6 * (x[0] + 2 * x[1]))\n"
        "p.subject_to(x.sum() <= 1e-7)\n"
        "assert p.solve('pounce').success\n"
        "import os; assert 'RUST_LOG' not in os.environ\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "RUST_LOG"}
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
