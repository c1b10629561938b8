"""Plants faults into a copy of src/: all of them at once, each behind a switch (planted.hpp).

python tests/mutation/plant.py FOLDER [--seed S] [--count N] [FILES...]

Clang's parse says where expressions and statements begin and end. `FOLDER/faults.json` lists what was planted.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from clang.cindex import Cursor, CursorKind, Index, TypeKind

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("src/operators", "src/passes", "src/tape", "src/nlp", "src/function", "src/graph")
SWITCH = "fastexpr::mutation::is_planted({})"

OTHERS = {
    "+": ["-"],
    "-": ["+", "swapped"],
    "*": ["/"],
    "/": ["*", "swapped"],
    "%": ["*"],
    "<": ["<=", ">"],
    "<=": ["<", ">="],
    ">": [">=", "<"],
    ">=": [">", "<="],
    "==": ["!="],
    "!=": ["=="],
    "&&": ["||", "first", "second"],
    "||": ["&&", "first", "second"],
    "+=": ["-=", "="],
    "-=": ["+=", "="],
    "*=": ["/=", "="],
    "/=": ["*=", "="],
}
FUNCTIONS = {
    CursorKind.FUNCTION_DECL,
    CursorKind.CXX_METHOD,
    CursorKind.CONSTRUCTOR,
    CursorKind.FUNCTION_TEMPLATE,
    CursorKind.CONVERSION_FUNCTION,
}
LEFT_ALONE = {CursorKind.CXX_THROW_EXPR, CursorKind.STATIC_ASSERT, CursorKind.ENUM_DECL, CursorKind.STRING_LITERAL}
# Statements that stand for themselves: a call, an assignment.
EXPRESSIONS = {
    CursorKind.CALL_EXPR,
    CursorKind.BINARY_OPERATOR,
    CursorKind.COMPOUND_ASSIGNMENT_OPERATOR,
    CursorKind.UNARY_OPERATOR,
    CursorKind.UNEXPOSED_EXPR,
}
BODIES = {CursorKind.COMPOUND_STMT, CursorKind.IF_STMT, CursorKind.FOR_STMT, CursorKind.CXX_FOR_RANGE_STMT}
JUMPS = {CursorKind.RETURN_STMT, CursorKind.CONTINUE_STMT, CursorKind.BREAK_STMT}


@dataclass
class Fault:
    """Bytes first to last of a file, with `planted` in their place; what a reader sees is `before` and `after`."""

    file: str
    line: int
    function: str
    kind: str
    before: str
    after: str
    first: int
    last: int
    planted: str  # {} stands for the switch
    number: int = 0


def flat(text: str) -> str:
    return re.sub(r"\s+", " ", text)


class File:
    """One source file and the faults that could be planted there."""

    def __init__(self, path: str, options: list[str]) -> None:
        self.path = path
        self.text = (ROOT / path).read_bytes()
        language = ["-x", "c++"] if path.endswith(".hpp") else []
        self.unit = Index.create().parse(str(ROOT / path), [*language, *options])
        errors = [d for d in self.unit.diagnostics if d.severity >= 3]
        if errors:
            sys.exit(f"{path} does not parse: {errors[0]}")

    def of(self, first: int, last: int) -> str:
        return self.text[first:last].decode()

    def text_of(self, cursor: Cursor) -> str:
        return self.of(cursor.extent.start.offset, cursor.extent.end.offset)

    def faults(self) -> list[Fault]:
        found = []
        for cursor in self.unit.cursor.get_children():
            if cursor.location.file is not None and Path(cursor.location.file.name) == ROOT / self.path:
                found += list(self.faults_below(cursor, "", []))
        return [fault for fault in found if "//" not in fault.before and fault.before != fault.after]

    def faults_below(self, cursor: Cursor, function: str, parents: list[Cursor]) -> Iterator[Fault]:
        kind = cursor.kind
        if kind in LEFT_ALONE or (kind == CursorKind.VAR_DECL and "constexpr" in self.text_of(cursor)):
            return
        if kind in FUNCTIONS:
            function = cursor.spelling
            if "constexpr" in self.text_of(cursor).split("{")[0]:
                return
        children = list(cursor.get_children())
        if function and kind not in FUNCTIONS:
            for name, before, after, edit in self.changes(cursor, children, parents):
                start, end = cursor.extent.start, cursor.extent.end
                last = end.offset + edit.get("behind", 0)
                yield Fault(
                    self.path,
                    start.line,
                    function,
                    name,
                    flat(before),
                    flat(after),
                    start.offset,
                    last,
                    edit["planted"],
                )
        for k, child in enumerate(children):
            is_label = kind == CursorKind.CASE_STMT and k == 0
            is_length = (
                kind == CursorKind.VAR_DECL and child.kind == CursorKind.INTEGER_LITERAL and "[" in self.text_of(cursor)
            )
            if not is_label and not is_length:
                yield from self.faults_below(child, function, [*parents, cursor])

    def changes(
        self, cursor: Cursor, children: list[Cursor], parents: list[Cursor]
    ) -> Iterator[tuple[str, str, str, Any]]:
        """What kind of fault, the text before and after, and how it is planted."""
        kind, text = cursor.kind, self.text_of(cursor)

        def instead(name: str, other: str) -> tuple[str, str, str, Any]:
            escaped = [part.replace("{", "{{").replace("}", "}}") for part in (flat(other), text)]
            return name, text, other, {"planted": f"({{}} ? ({escaped[0]}) : ({escaped[1]}))"}

        if kind in (CursorKind.BINARY_OPERATOR, CursorKind.COMPOUND_ASSIGNMENT_OPERATOR) and len(children) == 2:
            left, right = self.text_of(children[0]), self.text_of(children[1])
            between = self.of(children[0].extent.end.offset, children[1].extent.start.offset).strip()
            for other in OTHERS.get(between, []):
                change = {"swapped": f"{right} {between} {left}", "first": left, "second": right}
                names = {"swapped": "operands swapped", "first": "term dropped", "second": "term dropped"}
                yield instead(names.get(other, f"{between} to {other}"), change.get(other, f"{left} {other} {right}"))
        elif kind == CursorKind.UNARY_OPERATOR and text[0] in "-!":
            yield instead("sign dropped" if text[0] == "-" else "! dropped", text[1:])
        elif kind == CursorKind.INTEGER_LITERAL and re.fullmatch(r"\d+", text):
            yield instead("constant", str(int(text) + 1))
            if int(text) > 0:
                yield instead("constant", str(int(text) - 1))
        elif kind == CursorKind.FLOATING_LITERAL and re.fullmatch(r"[\d.e+-]+", text):
            yield instead("constant", "1.0" if float(text) == 0 else f"1.5 * {text}")
            if float(text) != 0:
                yield instead("constant", f"-{text}")
        elif kind == CursorKind.CXX_BOOL_LITERAL_EXPR:
            yield instead("constant", "false" if text == "true" else "true")
        elif kind == CursorKind.CONDITIONAL_OPERATOR and len(children) == 3:
            condition, yes, no = map(self.text_of, children)
            yield instead("branches swapped", f"{condition} ? {no} : {yes}")
        elif kind == CursorKind.CALL_EXPR:
            yield from (instead(*change) for change in self.changes_of_call(cursor, text))
        if parents and parents[-1].kind == CursorKind.IF_STMT and next(parents[-1].get_children(), None) == cursor:
            is_plain = "if constexpr" not in self.text_of(parents[-1])[:14] and kind != CursorKind.VAR_DECL
            yield from (instead("condition", other) for other in ("true", "false") if is_plain)
        yield from self.dropped(cursor, text, parents)

    def changes_of_call(self, cursor: Cursor, text: str) -> Iterator[tuple[str, str]]:
        arguments = [a for a in cursor.get_arguments() if a is not None and self.text_of(a)]
        for name, other in (
            ("std::min(", "std::max("),
            ("std::max(", "std::min("),
            ("any_of(", "all_of("),
            ("all_of(", "any_of("),
        ):
            if text.startswith((name, "std::" + name)):
                yield "another function", text.replace(name, other, 1)
        if (
            not arguments
            or "(" not in text
            or text.startswith("std::move(")
            or self.text_of(arguments[0]).startswith("{")
        ):
            return
        types = [a.type.get_canonical().spelling for a in arguments]
        result = cursor.type.get_canonical()
        is_operator = not text.rstrip().endswith(")") or cursor.spelling.startswith("operator")
        if (
            types[0].replace("const ", "") == result.spelling.replace("const ", "")
            and not is_operator
            and result.kind != TypeKind.VOID
        ):
            yield "call dropped", self.text_of(arguments[0])
        for k in range(len(arguments) - 1):
            if types[k] == types[k + 1] and cursor.spelling not in ("min", "max") and not is_operator:
                a, b = arguments[k], arguments[k + 1]
                start = cursor.extent.start.offset
                at = [
                    x - start
                    for x in (a.extent.start.offset, a.extent.end.offset, b.extent.start.offset, b.extent.end.offset)
                ]
                raw = text.encode()
                parts = raw[: at[0]], raw[at[2] : at[3]], raw[at[1] : at[2]], raw[at[0] : at[1]], raw[at[3] :]
                yield "arguments swapped", b"".join(parts).decode()

    def dropped(self, cursor: Cursor, text: str, parents: list[Cursor]) -> Iterator[tuple[str, str, str, Any]]:
        if not parents or parents[-1].kind not in BODIES:
            return
        parent = parents[-1]
        escaped = text.replace("{", "{{").replace("}", "}}")
        rest = self.of(cursor.extent.end.offset, cursor.extent.end.offset + 1)
        siblings = list(parent.get_children())
        is_statement = (
            parent.kind == CursorKind.COMPOUND_STMT
            or (siblings and siblings[-1] == cursor)
            or (parent.kind == CursorKind.IF_STMT and siblings[0] != cursor)
        )
        if not is_statement or rest != ";":
            return
        if cursor.kind in EXPRESSIONS:
            edit = {"planted": f"({{}} ? void() : static_cast<void>({escaped}))"}
            yield "statement dropped", text, "", edit
        elif cursor.kind in JUMPS and (
            parent.kind != CursorKind.COMPOUND_STMT or (len(parents) > 1 and parents[-2].kind in BODIES)
        ):
            edit: dict[str, Any] = {"planted": f"{{{{ if (!{{}}) {escaped}; }}}}", "behind": 1}
            yield "statement dropped", text, "", edit


def clang_options() -> list[str]:
    resources = subprocess.run(
        ["clang", "-print-resource-dir"], capture_output=True, text=True, check=True
    ).stdout.strip()
    import nlohmann_json
    import scipy_openblas32

    includes = [
        ROOT / "src",
        Path(nlohmann_json.__path__[0]) / "include",
        Path(scipy_openblas32.__path__[0]) / "include",
    ]
    return ["-std=c++20", "-DFASTEXPR_HAS_SLEEF", "-resource-dir", resources, *(f"-I{path}" for path in includes)]


def chosen(faults: list[Fault], count: int, generator: random.Random) -> list[Fault]:
    """Of every kind alike, none inside another."""
    by_kind: dict[str, list[Fault]] = {}
    for fault in faults:
        by_kind.setdefault(fault.kind, []).append(fault)
    for some in by_kind.values():
        generator.shuffle(some)
    taken: list[Fault] = []
    while by_kind and len(taken) < count:
        kind = generator.choice(sorted(by_kind))
        fault = by_kind[kind].pop()
        if not by_kind[kind]:
            del by_kind[kind]
        if all(fault.last < other.first or fault.first > other.last for other in taken):
            taken.append(fault)
    return sorted(taken, key=lambda fault: fault.first)


def write_planted(folder: Path, path: str, faults: list[Fault]) -> None:
    """The copy of a file, with the same lines; only if it is another than the one that is there."""
    text = (ROOT / path).read_bytes()
    for fault in sorted(faults, key=lambda fault: -fault.first):
        planted = fault.planted.format(SWITCH.format(fault.number))
        text = text[: fault.first] + planted.encode() + text[fault.last :]
    if faults:
        text = b'#include "planted.hpp"\n#line 1\n' + text
    copy = folder / "source" / path
    if not copy.exists() or copy.read_bytes() != text:
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(text)


def write_all(folder: Path, faults: list[Fault], files: list[str]) -> None:
    for path in files:
        write_planted(folder, path, [fault for fault in faults if fault.file == path])
    (folder / "faults.json").write_text(json.dumps([asdict(fault) for fault in faults], indent=1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("files", nargs="*")
    arguments = parser.parse_intermixed_args()
    files = arguments.files or sorted(str(p.relative_to(ROOT)) for f in FOLDERS for p in (ROOT / f).glob("*.[ch]pp"))
    options, generator = clang_options(), random.Random(arguments.seed)
    lines = {path: len((ROOT / path).read_text().splitlines()) for path in files}
    faults: list[Fault] = []
    for path in files:
        share = max(1, round(arguments.count * lines[path] / sum(lines.values())))
        faults += chosen(File(path, options).faults(), share, generator)
    for number, fault in enumerate(faults, 1):
        fault.number = number
    every = sorted(str(p.relative_to(ROOT)) for p in (ROOT / "src").rglob("*") if p.is_file())
    write_all(arguments.folder, faults, every)
    print(f"{len(faults)} faults planted in {len({fault.file for fault in faults})} files")


if __name__ == "__main__":
    main()
