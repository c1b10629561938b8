"""Modules depend on each other one way: none imports itself through others, when it is loaded or later."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import fastexpr as fx

PACKAGE = Path(fx.__file__).parent


def sources(package: Path) -> dict[str, Path]:
    """The file of every module of a package, by its dotted name; of compiled ones those with their types."""
    found = {}
    for path in sorted([*package.rglob("*.pyi"), *package.rglob("*.py")]):
        parts = path.relative_to(package.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(tree: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """All of them, within functions, too; but for those that are only there for types."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        is_for_types = isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        waiting += node.orelse if is_for_types else ast.iter_child_nodes(node)  # type: ignore[attr-defined]


def imported(statement: ast.Import | ast.ImportFrom, module: str, is_package: bool) -> Iterator[str]:
    """The dotted names that may be modules: `from a import b` reads a.b, or b in a."""
    if isinstance(statement, ast.Import):
        yield from (alias.name for alias in statement.names)
        return
    home = module.split(".")[: None if is_package else -1]
    home = home[: len(home) + 1 - statement.level] if statement.level else []
    base = ".".join([*home, *([statement.module] if statement.module else [])])
    yield from (f"{base}.{alias.name}" for alias in statement.names)


def import_graph(package: Path) -> dict[str, set[str]]:
    """What each module imports of its own package."""
    files = sources(package)
    graph: dict[str, set[str]] = {}
    for module, path in files.items():
        names = {
            name
            for statement in (imports(ast.parse(path.read_text())) if path.suffix == ".py" else ())
            for name in imported(statement, module, path.stem == "__init__")
        }
        found = {name if name in files else name.rpartition(".")[0] for name in names}
        graph[module] = (found & files.keys()) - {module}
    return graph


def test_no_module_imports_itself_through_others() -> None:
    graph = import_graph(PACKAGE)
    assert "fastexpr._core" in graph["fastexpr.function.methods"]
    list(TopologicalSorter(graph).static_order())  # raises CycleError, which names the modules


@pytest.mark.parametrize("room", ["fastexpr.pyomo", "fastexpr.solve"])
def test_rooms_depend_one_way(room: str) -> None:
    """Folders of a folder, too, not only modules."""
    level = room.count(".") + 2
    files = sources(PACKAGE)
    faces = {module for module, path in files.items() if path.stem == "__init__"}

    def folder_of(module: str) -> str | None:
        inside = module.startswith(f"{room}.") and module not in faces and module.count(".") >= level
        return ".".join(module.split(".")[:level]) if inside else None

    rooms: dict[str, set[str]] = {}
    for module, imported_modules in import_graph(PACKAGE).items():
        if (here := folder_of(module)) is not None:
            rooms.setdefault(here, set()).update(filter(None, map(folder_of, imported_modules - faces)))
    assert len(rooms) > 3
    list(TopologicalSorter({here: others - {here} for here, others in rooms.items()}).static_order())


@pytest.mark.parametrize(
    "texts",
    [
        {"a": "import p.b", "b": "import p.a"},
        {"a": "from p import b", "b": "def later():\n    from p.c import x", "c": "from . import a"},
        {"__init__": "from p.a import x", "a": "if True:\n    from p import __doc__"},
    ],
    ids=["plainly", "within functions", "by the package's face"],
)
def test_cycles_are_seen(texts: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    for name, text in texts.items():
        (tmp_path / "p" / f"{name}.py").write_text(text)
    with pytest.raises(CycleError):
        list(TopologicalSorter(import_graph(tmp_path / "p")).static_order())


def test_types_alone_are_no_cycle(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "a.py").write_text("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import p.b")
    (tmp_path / "p" / "b.py").write_text("import p.a")
    list(TopologicalSorter(import_graph(tmp_path / "p")).static_order())
