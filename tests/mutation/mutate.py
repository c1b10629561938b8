"""Plants faults into a copy of the core, one at a time, and says which of them the tests catch.

    ./run mutate [--seed S] [--count N] [--tests FILE...] [FILES...]

All faults are compiled into one build (plant.py), in build/mutation; judge.py runs for each the tests that reach it.
A second call with --again builds nothing, and asks only about the faults that survived: with other tests, or new ones.
What a person has looked at, and found to change nothing but speed or memory, stands in looked_at.txt with the reason.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
FOLDER = ROOT / "build" / "mutation"
SOURCE = FOLDER / "source"
BUILD = SOURCE / "build" / "editable"
PROGRAMS = ROOT / ".venv" / "bin"
TARGETS = ["_core", "fastexpr_ampl", "fastexpr_c", "fastexpr_casadi", "walker", "reading"]
TESTS = [
    "core/operators", "core/random_networks", "bounds/bounds", "bounds/bounds_tight", "core/singular_points",
    "core/front", "core/hessian_directions", "core/hessian_plan", "function/function", "function/parts", "nlp/tape",
    "nlp/tape_branches", "nlp/tape_networks", "nlp/evaluations", "nlp/programs", "nlp/cell_functions",
    "solve/cells/cells", "solve/cells/linear", "solve/cells/bent", "nlp/values_together", "core/shared_weights",
    "core/core", "core/steps", "function/ensemble", "files/hostile",
]  # fmt: skip


def read(name: str) -> Any:
    path = FOLDER / name
    return json.loads(path.read_text() or "{}") if path.exists() else {}


def copy_package() -> None:
    """Everything that a build in place needs; src/ is plant.py's."""
    for name in ("CMakeLists.txt", "setup.py", "pyproject.toml"):
        shutil.copy2(ROOT / name, SOURCE / name)
    binaries = shutil.ignore_patterns("*.so*", "__pycache__", "fuzz", "pkgconfig", "cmake")
    shutil.copytree(ROOT / "fastexpr", SOURCE / "fastexpr", ignore=binaries, dirs_exist_ok=True)
    shutil.copytree(ROOT / "tests" / "fuzz", SOURCE / "tests" / "fuzz", dirs_exist_ok=True)
    shutil.copy2(HERE / "planted.hpp", SOURCE / "src" / "planted.hpp")
    if not (SOURCE / ".venv").exists():
        (SOURCE / ".venv").symlink_to(ROOT / ".venv")
    files = sorted({fault["file"] for fault in read("faults.json") if fault["file"].endswith(".cpp")})
    with (SOURCE / "CMakeLists.txt").open("a") as file:
        # Compiled sooner, and what is not planted in is what the usual build has, for ccache.
        file.write(f"\nset_property(SOURCE {' '.join(files)} APPEND PROPERTY COMPILE_OPTIONS -O1 -w)\n")


def faults_in_errors(log: str) -> set[int]:
    """Those on the lines that the compiler complains of."""
    lines = re.findall(r"^\S*?(src/\w+/\w+\.[ch]pp):(\d+):\d+: (?:fatal )?error", log, re.MULTILINE)
    places = {(path, int(line)) for path, line in lines}
    found = set()
    for fault in read("faults.json"):
        height = fault["planted"].count("\n")
        if any((fault["file"], line) in places for line in range(fault["line"], fault["line"] + height + 1)):
            found.add(fault["number"])
    return found


def build() -> None:
    """Until it compiles: faults that do not are taken out again."""
    import plant

    configure = [PROGRAMS / "cmake", "-S", SOURCE, "-B", BUILD, "-G", "Ninja", "--log-level=WARNING",
                 f"-DPython_EXECUTABLE={SOURCE}/.venv/bin/python", f"-DFASTEXPR_OUTPUT_DIRECTORY={SOURCE}/fastexpr",
                 "-DFASTEXPR_DEVELOP=ON", f"-DCMAKE_MAKE_PROGRAM={SOURCE}/.venv/bin/ninja",
                 f"-DCMAKE_CXX_COMPILER_LAUNCHER={shutil.which('ccache') or ''}"]  # fmt: skip
    subprocess.run([str(part) for part in configure], check=True, cwd=SOURCE)
    jobs = os.environ.get("CMAKE_BUILD_PARALLEL_LEVEL", "2")
    for _ in range(8):
        command = [PROGRAMS / "cmake", "--build", BUILD, "--parallel", jobs, "--target", *TARGETS, "--", "-k", "0"]
        result = subprocess.run([str(part) for part in command], cwd=SOURCE, capture_output=True, text=True)
        (FOLDER / "build.log").write_text(result.stdout + result.stderr)
        if result.returncode == 0:
            return
        bad = faults_in_errors(result.stdout)
        if not bad:
            break
        faults = [plant.Fault(**fault) for fault in read("faults.json")]
        print(f"{len(bad)} faults do not compile", flush=True)
        plant.write_all(FOLDER, [f for f in faults if f.number not in bad], sorted({f.file for f in faults}))
    sys.exit(f"The build with faults stopped: see {FOLDER / 'build.log'}")


def run_tests(tests: list[str], parts: int) -> None:
    paths = [str(ROOT / "tests" / Path(name).parent / f"test_{Path(name).name}.py") for name in tests]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "judge", "-p", "no:cacheprovider", "-p", "no:xdist", "-p",
               "no:faulthandler", "--capture=sys"]  # fmt: skip
    running = []
    for part in range(parts):
        switch = FOLDER / f"switch-{part}"
        switch.write_bytes(bytes(1 << 16))
        (FOLDER / f"reached-{part}.json").unlink(missing_ok=True)
        variables = {
            "FASTEXPR_MUTATION": str(switch),
            "MUTATION_FOLDER": str(FOLDER),
            "MUTATION_PART": f"{part}/{parts}",
            "PYTHONPATH": f"{SOURCE}:{HERE}",
            "PYTHONSAFEPATH": "1",
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }
        running.append(subprocess.Popen([*command, *paths], cwd=ROOT, env={**os.environ, **variables}))
    for process in running:
        process.wait()


def looked_at() -> dict[tuple[str, str, str], str]:
    """File and function, before and after: why it is no fault."""
    found = {}
    for line in (HERE / "looked_at.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            place, before, after, reason = line.split(" ¦ ")
            found[place, before, after] = reason
    return found


def report() -> None:
    known = looked_at()
    counts: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for fault in read("faults.json"):
        result = read(f"result-{fault['number']}.json")
        if not result:  # ended before
            continue
        reason = known.get((f"{fault['file']} {fault['function']}", fault["before"], fault["after"]))
        verdict = (
            "caught"
            if result["caught"]
            else "equivalent"
            if reason
            else "survives"
            if result["tests"]
            else "not reached"
        )
        counts[fault["file"].split("/")[1]][verdict] += 1
        if verdict in ("survives", "not reached"):
            print(
                f"{verdict}: {fault['file']}:{fault['line']} {fault['function']}: {fault['before']} => {fault['after']}"
            )
    total: collections.Counter[str] = sum(counts.values(), collections.Counter())
    for name, count in [*sorted(counts.items()), ("all", total)]:
        faults = sum(count.values()) - count["equivalent"]
        others = ", ".join(f"{count[verdict]} {verdict}" for verdict in ("survives", "not reached", "equivalent"))
        print(f"{name}: {count['caught']} of {faults} caught ({count['caught'] / max(1, faults):.1%}); {others}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--again", action="store_true", help="the faults that survived, with the build that is there")
    parser.add_argument("--tests", nargs="+", default=TESTS, help="core/operators is tests/core/test_operators.py")
    parser.add_argument("files", nargs="*", help="source files; all of the core if none is named")
    arguments = parser.parse_intermixed_args()
    if not arguments.again:
        options = ["--seed", str(arguments.seed), "--count", str(arguments.count)]
        subprocess.run([sys.executable, HERE / "plant.py", FOLDER, *options, *arguments.files], check=True)
        copy_package()
        build()
    for path in FOLDER.glob("result-*.json"):
        if not arguments.again or not json.loads(path.read_text() or "{}").get("caught"):
            path.unlink()
    run_tests(arguments.tests, os.cpu_count() or 1)
    report()


if __name__ == "__main__":
    sys.path.insert(0, str(HERE))
    main()
