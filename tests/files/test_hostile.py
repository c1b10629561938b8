"""Files made to do harm: each is refused at once, in little memory, and without a crash."""

from __future__ import annotations

import json
import re
from pathlib import Path

from folders import SUPPORT
from hostile_files import made_on_purpose
from saved_networks import run_python

LOAD_ALL = """
import json, resource, sys, time
import fastexpr as fx
results = {}
for name in json.load(open("cases.json")):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begin = time.perf_counter()
    try:
        fx.load(name)
        message = ""
    except fx.errors.FileError as error:
        message = str(error)
    growth = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    results[name] = (message, time.perf_counter() - begin, growth / 1024)
print(json.dumps(results))
"""


def test_files_made_on_purpose(tmp_path: Path) -> None:
    cases = made_on_purpose()
    names = {f"{i}.fx": name for i, name in enumerate(cases)}
    for file, name in names.items():
        (tmp_path / file).write_bytes(cases[name][1])
    (tmp_path / "cases.json").write_text(json.dumps(list(names)))
    results = json.loads(run_python(LOAD_ALL, folder=tmp_path))
    wrong = {}
    for file, name in names.items():
        message, seconds, megabytes = results[file]
        if not re.search(cases[name][0], message) or not message.startswith(f"'{file}' ") or len(message) > 1500:
            wrong[name] = message
        if seconds > 1 or megabytes > 50:
            wrong[name] = f"took {seconds} s and {megabytes} MB"
    assert not wrong


FUZZ = """
import json, math, random, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import numpy as np
import saved_parts
from fastexpr import _core
from fastexpr.errors import FileError

choose = random.Random(int(sys.argv[2]))
ODD = [0, 1, -1, 2, 7, 60, 64, 2**31, 2**32, 2**40, 2**62, 2**63, -2**63, 2**64, 0.5, 1e308, None, True, "", "x"]
ODD += [[], {}, [[]], [0], [1, 2, 3], "1.0", "1.1", "graph", {"number": "nan"}, {"tensor": "1.0", "shape": [60]}]
ODD += _core.operator_names()

def places(tree, found):
    for key in list(tree.keys() if isinstance(tree, dict) else range(len(tree))):
        found.append((tree, key))
        if isinstance(tree[key], (dict, list)):
            places(tree[key], found)
    return found

def mutate(tree):
    for _ in range(choose.choice([1, 1, 2, 4])):
        container, key = choose.choice(places(tree, []))
        action = choose.randrange(4)
        if action == 0:
            container[key] = choose.choice(ODD)
        elif action == 1 and isinstance(container[key], int):
            container[key] += choose.choice([-1, 1, 64, -64])
        elif action == 2:
            container[key] = json.loads(json.dumps(choose.choice(places(tree, []))[0]))
        elif isinstance(container, dict):
            del container[key]
        else:
            container.insert(key, choose.choice(ODD))

counts = [0, 0]
other = (Path(sys.argv[1]).parent / "data" / "format_1.fx").read_bytes()
stop = time.monotonic() + 4
while time.monotonic() < stop:
    parts = saved_parts.Parts.of(choose.choice([saved_parts.SAVED, other]))
    entries = parts.header
    try:
        mutate(parts.graph if choose.random() < 0.7 else {k: v for k, v in entries.items() if k != "__metadata__"})
        data = bytearray(parts.to_bytes())
    except (TypeError, AttributeError, KeyError, IndexError, ValueError):
        continue  # no longer a file
    if choose.random() < 0.1:
        data[choose.randrange(len(data))] ^= 1 << choose.randrange(8)
    Path("last.fx").write_bytes(data)
    try:
        net = _core.from_bytes(bytes(data))
    except FileError:
        counts[0] += 1
        continue
    counts[1] += 1
    if net.n_inputs < 100 and sum(math.prod(op.shape) for op, _, _ in net._nodes()) < 10_000:
        net.evaluate(np.full(net.n_inputs, 0.25), np.ones(net.n_outputs))
print(*counts)
"""


def test_fuzz(tmp_path: Path) -> None:
    refused, loaded = map(int, run_python(FUZZ, str(SUPPORT), "7", folder=tmp_path).split())
    assert refused > 100
    assert loaded > 10
