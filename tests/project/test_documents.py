"""What the documents promise: their examples run, and their links lead somewhere."""

from __future__ import annotations

import doctest
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from folders import ROOT
from pyomo.contrib.solver.common.results import SolutionStatus, TerminationCondition

import fastexpr as fx
from fastexpr import _core
from fastexpr.pyomo.solve import legacy_solver
from fastexpr.pyomo.solve import results as solver_results

PACKAGE = Path(fx.__file__).parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
MODULES = [path for path in sorted(PACKAGE.rglob("*.py")) if ">>>" in path.read_text()]


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def examples_of_the_core() -> Iterator[tuple[str, str]]:
    """Names and docstrings: doctest's own finder does not look into classes and functions that are compiled."""
    for name, thing in vars(_core).items():
        if inspect.isroutine(thing):
            yield name, thing.__doc__ or ""
        elif inspect.isclass(thing):
            yield name, thing.__doc__ or ""
            for member in vars(thing).values():
                if getattr(member, "__module__", None) in (None, "fastexpr._core") and ">>>" in (member.__doc__ or ""):
                    yield f"{name}.{member.__name__}", member.__doc__


def run(test: doctest.DocTest) -> None:
    messages: list[str] = []
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    outcome = doctest.DocTestRunner(optionflags=flags).run(test, out=messages.append)
    assert outcome.failed == 0, "".join(messages)


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_examples_of_docstrings(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(module_name(path))
    tests = [test for test in doctest.DocTestFinder().find(module) if test.examples]
    assert tests
    for test in tests:
        run(test)


@pytest.mark.parametrize(("name", "text"), [pytest.param(*item, id=item[0]) for item in examples_of_the_core()])
def test_examples_of_the_core(name: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run(doctest.DocTestParser().get_doctest(text, {}, name, None, None))


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_examples_of_documents(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All blocks of ``python``, one after the other; excerpts that cannot stand alone are blocks of ``py``."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")  # a folder like the checkout, to write into
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    code = compile("\n".join(blocks), str(path), "exec")
    exec(code, {"__name__": path.stem})


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_of_documents(path: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text())
    missing = [link for link in links if "://" not in link and not (path.parent / link).exists()]
    assert not missing


def test_the_page_of_statuses_says_what_the_solver_does() -> None:
    """Its first table has every outcome, with Pyomo's words of both interfaces, and no other."""
    text = (ROOT / "docs" / "statuses.md").read_text()
    rows = [line.strip("| ").split(" | ") for line in text.split("## ")[0].splitlines() if line.startswith("| ")][1:]
    said = {
        (condition, status, classic) for _, condition, statuses, classic in rows for status in statuses.split(" or ")
    }
    meant = set()
    failure = TerminationCondition.error, SolutionStatus.unknown  # whatever has no outcome of its own
    for condition, status in [*solver_results.outcomes.values(), failure]:
        classic = f"{legacy_solver.statuses[condition].value}, {legacy_solver.conditions[condition].value}"
        meant.add((condition.name, status.name, classic))
        if status is SolutionStatus.unknown and condition is not TerminationCondition.error:
            meant.add((condition.name, SolutionStatus.feasible.name, classic))
    assert said == meant
