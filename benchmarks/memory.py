"""How much memory this process has, as the kernel counts it (Linux)."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

from benchmarks.processes import Laps


def of_compiling(laps: Laps, kind: str, n_constraints: int) -> dict[str, Any]:
    """Bytes that compiling a model takes at most, and what stays in use; to be run in a process of its own."""
    from benchmarks import pyomo_models
    from fastexpr.pyomo.compile.compiled import compile_model

    compile_model(pyomo_models.MAKERS[kind](10))  # what is imported on first use counts for nobody
    model = pyomo_models.MAKERS[kind](n_constraints)
    gc.collect()
    reset_peak()
    before = read("VmRSS")
    compiled = compile_model(model)
    peak = read("VmHWM")
    gc.collect()
    after = read("VmRSS")
    laps("all")
    return {"stays": after - before, "peak": peak - before, "n": compiled.nlp.n}


def reset_peak() -> None:
    """The peak becomes what is in use now."""
    Path("/proc/self/clear_refs").write_text("5")


def read(name: str) -> int:
    """Bytes: VmRSS is what is in use, VmHWM its peak."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return 1024 * int(line.split()[1])
    raise RuntimeError(f"/proc/self/status has no {name}")
