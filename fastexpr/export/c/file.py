"""The whole file: head, constants, the passes, and the functions that a program calls."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from fastexpr.export.c.functions import texts
from fastexpr.export.c.layout import Layout, make_layout, tangent_order
from fastexpr.export.c.numbers import ConstantTables
from fastexpr.export.c.writer import Writer
from fastexpr.export.program.statements import Assignment, Program


@dataclass
class Source:
    """The texts of the two files."""

    code: str
    header: str
    n_numbers: int


def write_source(program: Program, name: str, version: str, about: str) -> Source:
    """C99 for a program whose functions are called `name`_value and so on."""
    layout, tables = make_layout(program), ConstantTables(name)
    m = sum(array.size for array in program.outputs)
    passes = write_passes(layout, Writer(layout, tables))
    entry = write_entry(layout, tables, m)
    body = passes + entry
    header = head(name, version, about, program.n, m, layout.size)
    functions = texts(re.findall(r"@_(\w+)", body), program.n)
    code = (
        "\n".join([header, INCLUDES, "".join(tables.texts), functions, body])
        .replace("@KEEP", f"{name.upper()}_KEEP")
        .replace("@", name)
    )
    return Source(code, guarded(header, name).replace("@", name), tables.n_numbers)


INCLUDES = """#include <math.h>
#include <stdint.h>
"""

DECLARATIONS = """
/* f(x): value (m) */
void @_value(const double *x, double *value, double *work);
/* df_k/dx_i: jacobian (m, n), row by row */
void @_jacobian(const double *x, double *jacobian, double *work);
/* sum_k weights_k d2f_k/dx_i dx_j: weights (m), hessian (n, n) */
void @_hessian(const double *x, const double *weights, double *hessian, double *work);
/* All at once; null pointers for what is not wanted. */
void @_evaluate(const double *x, const double *weights, double *value, double *jacobian, double *hessian, double *work);
"""


def head(name: str, version: str, about: str, n: int, m: int, work: int) -> str:
    """What a program has to know."""
    upper = name.upper()
    return (
        f"/* {about}\n"
        f" * Written by fastexpr {version}. C99; needs the C library's math functions and nothing else. Nothing is\n"
        " * allocated, and nothing is kept between calls: any number of threads may call, each with scratch memory of\n"
        f" * its own, {upper}_WORK doubles. Compile with optimization and the target's vector instructions, as in\n"
        " * gcc -O3 -march=native -ffp-contract=fast, and without -ffast-math. */\n"
        f"#define {upper}_N {n} /* numbers of x */\n"
        f"#define {upper}_M {m} /* numbers of f(x) */\n"
        f"#define {upper}_WORK {work}\n" + DECLARATIONS
    )


def guarded(header: str, name: str) -> str:
    """As a file to include, from C and from C++."""
    guard = f"{name.upper()}_H"
    top = f'#ifndef {guard}\n#define {guard}\n\n#ifdef __cplusplus\nextern "C" {{\n#endif\n\n'
    return f"{top}{header}\n#ifdef __cplusplus\n}}\n#endif\n\n#endif\n"


def write_passes(layout: Layout, writer: Writer) -> str:
    """The three passes over all statements."""
    statements = layout.program.statements
    differentiated = [statement for statement in statements if statement.output.is_differentiated]
    x = f"for (int i = 0; i < {layout.program.n}; ++i) work[{layout.values[0]} + i] = x[i];"
    n = layout.program.n
    first, later = tangent_order(layout.program)
    identity = []
    if 0 in layout.tangents:
        identity = [
            f"@_clear(work + {layout.tangents[0]}, {n * n});",
            f"for (int i = 0; i < {n}; ++i) work[{layout.tangents[0]} + i * {n + 1}] = 1.0;",
        ]
    return "\n".join(
        [
            "/* Values; with `derivatives`, what these need. */",
            "static void @_forward(const double *x, double *work, int derivatives) {",
            indent(["(void)derivatives;", x, *blocks(statements, writer.forward)]),
            "}\n",
            "/* From the outputs' adjoints to all others. */",
            "static void @_backward(double *work) {",
            indent(["(void)work;", *blocks(differentiated[::-1], writer.backward)]),
            "}\n",
            "/* Derivatives with respect to x (directions, size); second ones add up in `hessian`, or it is null. */",
            "static void @_tangents(double *work, double *restrict hessian, int outputs) {",
            indent(
                [
                    *("(void)work;", "(void)hessian;", "(void)outputs;"),
                    *identity,
                    *blocks(first, writer.tangents),
                    *(["if (outputs) {", *blocks(later, writer.tangents), "}"] if later else []),
                ]
            ),
            "}\n",
        ]
    )


def blocks(statements: list[Assignment], write: Callable[[Assignment], list[str]]) -> list[str]:
    """A block for each statement, named by where it comes from."""
    lines = []
    for statement in statements:
        label = statement.label.replace("*/", "* /").replace("/*", "/ *").replace("@", "at").replace("\\", "/")
        label = re.sub(r"[^ -~]", "?", label)
        lines += [f"{{ /* {label} */", *write(statement), "}"]
    return lines


def write_entry(layout: Layout, tables: ConstantTables, m: int) -> str:
    """What a program calls."""
    n = layout.program.n
    values, rows, seeds, first = [], [], [], 0
    for array in layout.program.outputs:
        size = array.size
        source = tables.reals(array.numbers) if array.numbers is not None else f"(work + {layout.values[array.number]})"
        values.append(f"for (int k = 0; k < {size}; ++k) value[{first} + k] = {source}[k];")
        loop = f"for (int k = 0; k < {size}; ++k)"
        if array.is_differentiated:
            tangent = f"work[{layout.tangents[array.number]} + i * {size} + k]"
            seeds.append(f"{loop} work[{layout.adjoints[array.number]} + k] += weights[{first} + k];")
        else:
            tangent = "0.0"
        rows.append(f"{loop}\nfor (int i = 0; i < {n}; ++i) jacobian[({first} + k) * {n} + i] = {tangent};")
        first += size
    return "\n".join([*seed_function(layout, seeds), *evaluate_function(layout, m, values, rows), SHORT])


def seed_function(layout: Layout, seeds: list[str]) -> list[str]:
    """What puts weights of the outputs in front of the backward pass."""
    return [
        "static void @_seed(const double *weights, double *work) {",
        indent(
            [
                *([] if seeds else ["(void)weights;"]),
                f"@_clear(work + {layout.first_adjoint}, {layout.n_adjoints});",
                *seeds,
            ]
        ),
        "}\n",
    ]


def evaluate_function(layout: Layout, m: int, values: list[str], rows: list[str]) -> list[str]:
    """Value, Jacobian and Hessian in one call; the Jacobian backward, row by row, where there are few rows."""
    n = layout.program.n
    by_rows = 2 * m < n
    return [
        "void @_evaluate(const double *x, const double *weights, double *value, double *jacobian, double *hessian,",
        "                double *work) {",
        indent(
            [
                "@_forward(x, work, jacobian || hessian);",
                "if (value) {",
                *values,
                "}",
                *(jacobian_by_rows(layout, m) if by_rows else []),
                "if (hessian) {",
                "@_seed(weights, work);",
                "@_backward(work);",
                f"@_clear(hessian, {n * n});",
                "}",
                f"if (hessian{'' if by_rows else ' || jacobian'}) @_tangents(work, hessian, jacobian != 0);",
                f"if (jacobian{' && hessian' if by_rows else ''}) {{",
                *"\n".join(rows).split("\n"),
                "}",
                "if (hessian) {",
                f"for (int i = 0; i < {n}; ++i)",
                f"for (int j = 0; j < i; ++j) hessian[j * {n} + i] = hessian[i * {n} + j];",
                "}",
            ]
        ),
        "}\n",
    ]


def jacobian_by_rows(layout: Layout, m: int) -> list[str]:
    n = layout.program.n
    return [
        "if (jacobian && !hessian) {",
        f"for (int row = 0; row < {m}; ++row) {{",
        "/* The row holds the weights first. */",
        f"for (int k = 0; k < {m}; ++k) jacobian[row * {n} + k] = k == row ? 1.0 : 0.0;",
        "@_seed(jacobian + row * " + f"{n}, work);",
        "@_backward(work);",
        f"for (int i = 0; i < {n}; ++i) jacobian[row * {n} + i] = work[{layout.adjoints[0]} + i];",
        "}",
        "}",
    ]


SHORT = """void @_value(const double *x, double *value, double *work) { @_evaluate(x, 0, value, 0, 0, work); }

void @_jacobian(const double *x, double *jacobian, double *work) { @_evaluate(x, 0, 0, jacobian, 0, work); }

void @_hessian(const double *x, const double *weights, double *hessian, double *work) {
  @_evaluate(x, weights, 0, 0, hessian, work);
}
"""


def indent(lines: list[str]) -> str:
    """Two blanks for every brace that is open, and for what follows a loop without one."""
    depth, hanging, result = 1, 0, []
    for line in lines:
        closing = line.startswith("}")
        level = depth - closing + hanging
        result.append("  " * level + line)
        depth += line.count("{") - line.count("}")
        hanging = hanging + 1 if line.startswith(("for", "if (hessian")) and line.endswith(")") else 0
    return "\n".join(result)
