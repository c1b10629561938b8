"""The error that an import gives where the compiled half of the package cannot be loaded."""

from __future__ import annotations

import importlib.util
import sysconfig
from pathlib import Path


def explain(error: ImportError, module: str = "fastexpr._core") -> str:
    """What is wrong with a compiled module of the package, and the command that mends it."""
    if str(error).startswith("[fastexpr]"):  # it says so itself
        return str(error)
    folder = Path(__file__).parent
    file = f"{module.replace('.', '/')}{sysconfig.get_config_var('EXT_SUFFIX')}"
    if importlib.util.find_spec(module) is not None:
        return (
            f"[fastexpr] The compiled module {file} in {folder.parent} does not load: {error}. What to do: build it "
            "again on this machine, `python -m pip install --force-reinstall --no-cache-dir fastexpr`."
        )
    if (folder.parent / "CMakeLists.txt").exists():
        return (
            f"[fastexpr] This is the source folder {folder.parent}, and {file} has not been compiled in it for the "
            f"Python that runs. What to do: `python -m pip install -e {folder.parent}`, or leave the folder to import "
            "an installed fastexpr."
        )
    return (
        f"[fastexpr] A compiled module is missing: got no {file} in {folder.parent}. The installation is incomplete, "
        "or was made for another Python. What to do: `python -m pip install --force-reinstall --no-cache-dir fastexpr`."
    )
