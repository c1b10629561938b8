"""The error that `import fastexpr` gives where the compiled half of the package cannot be loaded."""

from __future__ import annotations

import importlib.util
import sysconfig
from pathlib import Path


def explain(error: ImportError) -> str:
    """What is wrong, and the command that mends it."""
    folder = Path(__file__).parent
    if importlib.util.find_spec("fastexpr._core") is not None:
        return (
            f"[fastexpr] The compiled core in {folder} does not load: {error}. What to do: build it again on this "
            "machine, `python -m pip install --force-reinstall --no-cache-dir fastexpr`."
        )
    core = f"_core{sysconfig.get_config_var('EXT_SUFFIX')}"
    if (folder.parent / "CMakeLists.txt").exists():
        return (
            f"[fastexpr] This is the source folder {folder.parent}, and nothing has been compiled in it for the Python "
            f"that runs: fastexpr/{core} is missing. What to do: `python -m pip install -e {folder.parent}`, or leave "
            "the folder to import an installed fastexpr."
        )
    return (
        f"[fastexpr] The compiled core is missing: got no {core} in {folder}. The installation is incomplete, or was "
        "made for another Python. What to do: `python -m pip install --force-reinstall --no-cache-dir fastexpr`."
    )
