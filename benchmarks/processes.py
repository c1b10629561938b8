"""A candidate in a process of its own: its time from the start of the interpreter on, and in parts.

The process runs `python -m benchmarks.processes TARGET JSON`, where TARGET is `module:function`, calls
`function(laps, **arguments)`, and writes the dict that it returns, together with the laps, into a file.
"""

from __future__ import annotations

import compileall
import importlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any


class Laps:
    """Seconds since the last lap, by name. The first lap begins where the parent started the process.

    Processor time is that of the process and of the solvers that it has started and that have ended.
    """

    def __init__(self, clock: str, start: float) -> None:
        self._now = time.monotonic if clock == "wall" else processor_time
        self._last = start if clock == "wall" else 0.0
        self.seconds: dict[str, float] = {}

    def __call__(self, name: str) -> float:
        """Ends a lap; laps of the same name add up. Returns its seconds."""
        now = self._now()
        lap = now - self._last
        self.seconds[name] = self.seconds.get(name, 0.0) + lap
        self._last = now
        return lap


def processor_time() -> float:
    """Of this process since it began, and of its children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def compile_sources() -> None:
    """As pip does when it installs: in a checkout, Python may be told to keep no bytecode (PYTHONDONTWRITEBYTECODE)."""
    for package in ("fastexpr", "benchmarks"):
        compileall.compile_dir(Path(__file__).parents[1] / package, quiet=1)


def run(target: str, arguments: dict[str, Any], clock: str, limit: float) -> dict[str, Any] | None:
    """What the function returned, with its laps under "seconds"; None where it took longer than `limit` seconds.

    Raises
    ------
    SystemExit
        It failed; the message has its standard error.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "result.json"
        order = {"clock": clock, "start": time.monotonic(), "result": str(path), "arguments": arguments}
        command = [sys.executable, "-m", "benchmarks.processes", target, json.dumps(order)]
        try:
            done = subprocess.run(
                command, cwd=Path(__file__).parents[1], capture_output=True, text=True, timeout=limit, check=False
            )
        except subprocess.TimeoutExpired:
            return None
        if done.returncode != 0:
            raise SystemExit(f"{target} {arguments} failed:\n{done.stdout[-1000:]}{done.stderr[-3000:]}")
        result: dict[str, Any] = json.loads(path.read_text())
        return result


def main() -> None:
    """The other side of `run`."""
    module, name = sys.argv[1].split(":")
    order = json.loads(sys.argv[2])
    laps = Laps(order["clock"], order["start"])
    result = getattr(importlib.import_module(module), name)(laps, **order["arguments"])
    Path(order["result"]).write_text(json.dumps({**result, "seconds": laps.seconds}))


if __name__ == "__main__":
    main()
