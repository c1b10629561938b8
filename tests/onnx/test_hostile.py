"""Models made to do harm: each is refused by the documented error, at once, and in little memory."""

from __future__ import annotations

import json
import re
from pathlib import Path

import onnx
from hostile_constants import HOSTILE_CONSTANTS
from hostile_models import HOSTILE, one
from saved_networks import run_python

LOAD_ALL = """
import ctypes, json, resource, sys, time
import fastexpr as fx
from fastexpr.errors import FileError, GraphError, OnnxError, ShapeError

M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8
ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, 2**17)  # what one model took is given back before the next one
ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)  # the address space is no thread's own
for operator in ("Tanh", "HardSwish", "LpNormalization"):
    fx.load_onnx(f"{operator}.onnx", check=True)  # now everything is imported: all judges have judged
mapped = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (mapped + 300 * 2**20,) * 2)
results = {}
for name in json.load(open("cases.json")):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begin = time.process_time()
    try:
        fx.load_onnx(name)
        message = "loaded"
    except (FileError, GraphError, OnnxError, ShapeError) as error:
        message = f"refused: {error}"
    except Exception as error:
        message = f"{type(error).__name__}: {error}"
    growth = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    results[name] = (message, time.process_time() - begin, growth / 1024)
print(json.dumps(results))
"""


def test_models_made_on_purpose(tmp_path: Path) -> None:
    cases = HOSTILE | HOSTILE_CONSTANTS
    names = {}
    for i, (name, case) in enumerate(cases.items()):
        path = tmp_path / f"{i}.onnx"
        names[path.name] = name
        if isinstance(case.content, onnx.ModelProto):
            path.write_bytes(case.content.SerializeToString())
        elif isinstance(case.content, bytes):
            path.write_bytes(case.content)
        else:
            case.content(path)
    (tmp_path / "cases.json").write_text(json.dumps(list(names)))
    for operator in ("Tanh", "HardSwish", "LpNormalization"):
        (tmp_path / f"{operator}.onnx").write_bytes(one(operator).SerializeToString())
    results = json.loads(run_python(LOAD_ALL, folder=tmp_path))
    wrong = {}
    for file, name in names.items():
        message, seconds, megabytes = results[file]
        expected = cases[name].message
        pattern = "^loaded$" if expected == "loaded" else f"^refused: .*({expected})"
        if not re.search(pattern, message, re.DOTALL) or len(message) > 4000:
            wrong[name] = message[:300]
        if seconds > 1 or megabytes > 300:
            wrong[name] = f"took {seconds} s and {megabytes} MB"
    assert not wrong
