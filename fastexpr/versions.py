"""What fastexpr runs on, for reports of faults and for whoever wants it faster."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import platform
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from fastexpr._core import library_info, num_threads
from fastexpr._version import __version__

PACKAGES = (
    "numpy", "scipy", "onnx", "onnxruntime", "pyomo", "cyipopt", "cyipopt-wheels", "pounce-solver", "pyomo-pounce",
    "highspy", "scikit-learn", "matplotlib", "torch", "keras", "xgboost", "xgboost-cpu", "lightgbm", "omlt",
)  # fmt: skip

#: In the file name of a library, and what it is.
BLAS = {
    "openblas": "OpenBLAS",
    "mkl": "MKL",
    "blis": "BLIS",
    "atlas": "ATLAS",
    "flexiblas": "FlexiBLAS",
    "armpl": "Arm PL",
}
LINEAR_SOLVERS = {
    "hsl": "HSL (ma27, ma57, ...)", "mumps": "MUMPS", "spral": "SPRAL", "pardiso": "Pardiso",
}  # fmt: skip

#: In a process of its own: libraries that come with Ipopt's module, beyond those that NumPy has brought.
PROBE = """
import json, sys
def mapped():
    with open("/proc/self/maps") as file:
        return {line.split(None, 5)[5].strip() for line in file if ".so" in line}
import numpy
before = mapped()
from fastexpr.solvers import cyipopt
after = mapped()
print(json.dumps({"version": cyipopt.version(), "libraries": sorted(after), "new": sorted(after - before)}))
"""


def build_info() -> dict[str, str | int]:
    """What this fastexpr was built from, and what of it runs on this machine.

    Returns
    -------
    dict
        `version`; `compiler` that built the core; `blas`, as it describes itself; `vector_math`, the library behind
        exp, tanh and the like: "sleef" or "libm"; `cpu_path`, which of the kernels this CPU runs: "baseline" or one
        that is named after the instructions it uses; `threads` used by one evaluation.

    Examples
    --------
    >>> import fastexpr as fx
    >>> sorted(fx.build_info())
    ['blas', 'compiler', 'cpu_path', 'threads', 'vector_math', 'version']
    """
    return {"version": __version__, **library_info(), "threads": num_threads()}


def show_versions(file: Any = None) -> None:
    """Prints versions, which Ipopt, linear solver, BLAS and CPU path run here, and what would be better.

    Parameters
    ----------
    file : text stream, optional
        Where to print; without it, standard output.

    Examples
    --------
    >>> import fastexpr as fx
    >>> fx.show_versions()  # doctest: +SKIP
    """
    print(text_of(facts()), file=file or sys.stdout)


def facts() -> dict[str, dict[str, Any]]:
    """By part: "fastexpr", "ipopt", "machine", "packages", "better"."""
    found: dict[str, dict[str, Any]] = {
        "fastexpr": dict(build_info()),
        "ipopt": ipopt(),
        "machine": {"python": platform.python_version(), "system": platform.platform(), "processor": processor()},
        "packages": packages(),
    }
    found["better"] = {str(number): text for number, text in enumerate(advice(found), start=1)}
    return found


def packages() -> dict[str, str]:
    """Versions of those that are installed."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def processor() -> str:
    """As the kernel calls it."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.machine()
    names = re.findall(r"^model name\s*:\s*(.*)$", text, re.MULTILINE)
    return f"{names[0]}, {len(names)} threads" if names else platform.machine()


def ipopt() -> dict[str, str]:
    """Version, library, linear solver and BLAS; "installed" is "no" where cyipopt is missing or cannot be loaded."""
    if importlib.util.find_spec("cyipopt") is None:
        return {"installed": "no"}
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return {"installed": "no", "error": (done.stderr.strip().splitlines() or ["unknown"])[-1]}
    return of_libraries(json.loads(done.stdout.splitlines()[-1]))


def of_libraries(probed: dict[str, Any]) -> dict[str, str]:
    """What the libraries of the process are."""
    everything, new = probed["libraries"], probed["new"]
    library = next((path for path in everything if "libipopt" in Path(path).name), "inside of cyipopt")
    solvers = {what for path in everything for word, what in LINEAR_SOLVERS.items() if word in Path(path).name}
    candidates = [path for path in new if is_blas(path)]
    if not candidates:  # NumPy has brought it already, as Debian's does
        candidates = [p for p in everything if is_blas(p) and ".libs/" not in p and "libfastexpr" not in p]
    paths = sorted(candidates, key=lambda path: blas_of(path) == "reference BLAS")
    return {
        "version": ".".join(map(str, probed["version"])),
        "library": library,
        "linear solvers": ", ".join(sorted(solvers)) or "none found among the libraries of the process",
        "blas": blas_of(paths[0]) if paths else "inside of a library",
        "blas library": paths[0] if paths else "",
    }


def is_blas(path: str) -> bool:
    name = Path(path).name
    return "libfastexpr" not in name and (name.startswith("libblas") or any(word in name for word in BLAS))


def blas_of(path: str) -> str:
    """By the names of the file and of its folder, as Debian has alternatives in folders of their own."""
    words = "/".join(Path(path).parts[-2:]).lower()
    return next((what for word, what in BLAS.items() if word in words), "reference BLAS")


def advice(found: dict[str, dict[str, Any]]) -> list[str]:
    """What would be better than what runs."""
    own, solver, installed = found["fastexpr"], found["ipopt"], found["packages"]
    result = []
    if solver.get("installed") == "no":
        which = (
            "POUNCE solves meanwhile" if "pounce-solver" in installed else "nor is POUNCE (pip install pounce-solver)"
        )
        why = f" ({solver['error']})" if "error" in solver else ""
        result.append(f"Ipopt is not there{why}: pip install cyipopt; {which}.")
    elif solver["blas"] == "reference BLAS":
        result.append(
            "Ipopt runs on reference BLAS: OpenBLAS halves its time outside of evaluations with hundreds of variables "
            "(Debian, Ubuntu: apt-get install libopenblas0-serial)."
        )
    if own["cpu_path"] == "baseline":
        result.append(
            "The CPU path is the baseline: this CPU has no AVX2, or FASTEXPR_CPU asks for it; kernels are slower."
        )
    if own["vector_math"] != "sleef":
        result.append(
            "exp, tanh and the like come from libm: built with SLEEF (libsleef-dev), they are several times faster."
        )
    if "onnxruntime" not in installed:
        result.append(
            "ONNX Runtime is not installed: result.verify() uses ONNX's reference evaluator, which is slower."
        )
    return result


def text_of(found: dict[str, dict[str, Any]]) -> str:
    """A paragraph for each part."""
    lines: list[str] = []
    for part, entries in found.items():
        if part == "better":
            lines += ["", "What would be better"] + [f"  - {text}" for text in entries.values()] if entries else []
            continue
        width = max(map(len, entries), default=0)
        lines += ["", part] + [f"  {name:<{width}}  {value}" for name, value in entries.items()]
    if not found["better"]:
        lines += ["", "Nothing better is known for this machine."]
    return "\n".join(lines).strip("\n")
