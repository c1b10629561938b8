"""Writes docs/operators.md: `python tests/support/operators_page.py`. A test says when it is out of date.

What the page says of an operator stands beside its converter: the first paragraph of the docstring is what it computes,
the others are notes on limits. Where a converter serves several operators, a line "Abs: |x|." is about that one. Where
the derivative exists is found out with the rows of onnx_table.py.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from itertools import groupby

import numpy as np
import onnx
from folders import ROOT
from onnx import AttributeProto, FunctionProto
from onnx.defs import OpSchema
from onnx_conformance import REFUSED, ROUNDED, backend_tests, is_expanded, node_cases, reason
from onnx_table import ROWS, row_model, row_point

import fastexpr as fx
from fastexpr.onnx import registry
from fastexpr.onnx.folding import FOLDED
from fastexpr.onnx.registry import Converter
from fastexpr.onnx.signatures import MICROSOFT, schema_of

PAGE = ROOT / "docs" / "operators.md"

HEAD = """# ONNX operators

<!-- Written by tests/support/operators_page.py from the converters' docstrings: change those. -->

Every operator that `load_onnx` reads, with value, first and second derivatives, up to operator set {newest}.

- **versions**: the operator sets from which on a converter of its own holds. A model gets the newest that is not newer.
- **attributes**: those of the newest version, with their defaults; older versions have theirs.
- **derivative**: *exact* wherever the formula has one; *kinks*: at these it is a convention, as
  [`net.kinks`](notation.md) shows, else exact; *0*: the operator is piecewise constant.

Operators that the standard defines as functions of others need no converter: they are read through their definitions,
[below](#operators-read-through-their-definitions). A node whose inputs are all constant is evaluated once; it may
also be one of {folded}.
"""

TABLE_HEAD = """| operator | versions | attributes | computes | derivative | notes |
|---|---|---|---|---|---|
"""

DEFINED = """
## Operators read through their definitions

{names}.
"""

CONFORMANCE = """
## ONNX's conformance tests

The onnx package ships tests of its operators. {total} cases have float or double outputs, and at least one float or
double input: {plain} of {operators} operators, and {expanded} in which an operator is written out by its definition.
Integers and conditions are constants there, and so are floats that an operator needs constant, as Resize its scales;
where no other input is left (Range of floats), the node is evaluated on import.

fastexpr's backend (`fastexpr.onnx.backend`) passes {passing} of them, and all but {others} of the {models} models
`simple`, `pytorch-operator` and `pytorch-converted`. It refuses the others, for these reasons, with an error that names
the node; none gives wrong numbers. {rounded} pass to 1e-6 only:
the numbers they expect are rounding errors of float32 where the result is 0.
"""


def page() -> str:
    """The whole page."""
    known = set(registry.operator_names(""))
    folded = ", ".join(f"`{name}`" for name in sorted(FOLDED - known))
    parts = [HEAD.format(newest=onnx.defs.onnx_opset_version(), folded=folded)]
    for (domain, kind), converters in groupby(sorted(all_converters(), key=place), key=lambda item: place(item)[:2]):
        title = kind.replace("Microsoft", "ONNX Runtime:") if domain == MICROSOFT else kind
        title = f"{title} ({domain})" if domain else title
        parts.append(f"\n## {title}\n\n{TABLE_HEAD}")
        parts += [row(domain, name, versions) for domain, name, versions in converters]
    parts.append(DEFINED.format(names=", ".join(sorted(defined_operators()))))
    parts.append(conformance())
    return "".join(parts)


def all_converters() -> Iterator[tuple[str, str, list[Converter]]]:
    """Domain, operator, and its converters, newest first."""
    for (domain, name), versions in registry._converters.items():
        yield domain, name, versions


def place(item: tuple[str, str, list[Converter]]) -> tuple[str, str, str]:
    """What rows are sorted by: the domain, the kind of operator, which its file has, the name."""
    domain, name, versions = item
    return domain, versions[0].convert.__module__.rpartition(".")[2].replace("_", " ").capitalize(), name.lower()


def row(domain: str, name: str, versions: list[Converter]) -> str:
    """One line of the table."""
    numbers = ", ".join(str(first_version(domain, name, entry.since)) for entry in reversed(versions))
    computes, notes = described(name, versions[0])
    cells = [f"`{name}`", numbers, attributes(newest_schema(domain, name)), computes, derivative(domain, name), notes]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def first_version(domain: str, name: str, since: int) -> int:
    """The first operator set from `since` on that has the operator."""
    known = [s.since_version for s in onnx.defs.get_all_schemas_with_history() if (s.domain, s.name) == (domain, name)]
    return max(since, min(known, default=1))


def described(name: str, entry: Converter) -> tuple[str, str]:
    """What the operator computes, and the notes, each as one line."""
    paragraphs = inspect.cleandoc(entry.convert.__doc__ or "").split("\n\n")
    own = {operator: text for text in paragraphs for operator, text in OWN_LINE.findall(text)}
    others = [paragraph for paragraph in paragraphs[1:] if not OWN_LINE.match(paragraph)]
    formula, _, note = own.get(name, paragraphs[0]).partition("; ") if name in own else (paragraphs[0], "", "")
    return one_line(formula), one_line(" ".join([note, *others]))


JUMPS = {"ReduceMax", "Mod"}  # their derivative jumps where two of several numbers are equal: not at a number

OWN_LINE = re.compile(r"^(\w+): (.*(?:\n  .*)*)", re.MULTILINE)


def one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def derivative(domain: str, name: str) -> str:
    """Where the derivative exists, as the models of onnx_table.py show."""
    kinks, values = [], []
    for entry in ROWS:
        if not domain and entry.operator == name:
            model, shapes = row_model(entry, np.float64)
            point = np.concatenate([array.reshape(-1) for array in row_point(entry, shapes).values()])
            net = fx.load_onnx(model, check=False)
            kinks.append(any(core.kinks or core.name in JUMPS for core, _, _ in net._nodes()))
            values.append(np.abs(net.jacobian(point)).max(initial=0.0))
    if not values:
        return ""
    return "0" if max(values) == 0 else "kinks" if any(kinks) else "exact"


def newest_schema(domain: str, name: str) -> OpSchema:
    return schema_of(domain, name) or onnx.defs.get_schema(name, domain)


def attributes(schema: OpSchema) -> str:
    """Names and defaults."""
    return ", ".join(f"`{name}`{default(a.default_value)}" for name, a in sorted(schema.attributes.items()))


def default(value: AttributeProto) -> str:
    """ " = 1", or nothing where there is no default."""
    if value.type == AttributeProto.UNDEFINED:
        return ""
    content = onnx.helper.get_attribute_value(value)
    if isinstance(content, float):
        return f" = {content:.6g}"
    return f" = {content.decode() if isinstance(content, bytes) else content}"


def defined_operators() -> set[str]:
    """Operators without a converter whose definitions use operators that have one, or that pass ONNX's tests."""
    schemas = {s.name: s for s in onnx.defs.get_all_schemas() if s.domain == ""}
    known = {name for domain, name, _ in all_converters() if not domain}
    tested = {case.model.graph.node[0].op_type for name, case in node_cases().items() if not reason(name)}
    made_to_measure = {name for name, schema in schemas.items() if schema.has_context_dependent_function}
    found = tested & made_to_measure - known
    while True:
        more = {
            name
            for name, schema in schemas.items()
            if schema.has_function and name not in known | found and body_operators(schema) <= known | found
        }
        if not more:
            return found
        found |= more


def body_operators(schema: OpSchema) -> set[str]:
    """What the definition uses."""
    return {node.op_type for node in FunctionProto.FromString(schema.function_body.SerializeToString()).node}


def conformance() -> str:
    """The part about ONNX's tests."""
    names = list(node_cases())
    models = [
        name.removesuffix("_cpu")
        for kind, items in backend_tests()._test_items.items()
        if kind not in ("NodeModel", "RealModel")
        for name in items
        if name.endswith("_cpu")
    ]
    text = CONFORMANCE.format(
        total=len(names),
        plain=sum(not is_expanded(name) for name in names),
        expanded=sum(is_expanded(name) for name in names),
        operators=len({node_cases()[name].model.graph.node[0].op_type for name in names if not is_expanded(name)}),
        passing=sum(not reason(name) for name in names),
        others=sum(bool(reason(name)) for name in models),
        models=len(models),
        rounded=" and ".join(f"`{name.removeprefix('test_')}`" for name in ROUNDED),
    )
    for why in REFUSED:
        cases = sorted(name for name in [*names, *models] if reason(name) == why)
        listed = ", ".join(f"`{name.removeprefix('test_')}`" for name in cases)
        text += f"\n**{why}** ({len(cases)}): {listed}.\n"
    return text


if __name__ == "__main__":
    sys.stdout.write("unchanged\n" if PAGE.exists() and PAGE.read_text() == page() else f"{PAGE.write_text(page())}\n")
