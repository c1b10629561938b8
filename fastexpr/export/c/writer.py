"""A block of C for each kind of statement: values, adjoints, tangents with second derivatives."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from fastexpr.export.c.layout import Layout, is_dense_of_x, partials
from fastexpr.export.c.numbers import Tables, real_of
from fastexpr.export.c.steps import step_code
from fastexpr.export.program.formulas import literal
from fastexpr.export.program.statements import (
    Array,
    Binary,
    Choice,
    Linear,
    Loops,
    Product,
    Statement,
    Step,
    Terms,
    Unary,
)


class Writer:
    """Code of one program; `tables` collects its constants."""

    def __init__(self, layout: Layout, tables: Tables) -> None:
        self.layout = layout
        self.tables = tables

    # ---- places

    def value(self, array: Array) -> str:
        """A pointer to an array's numbers."""
        if array.numbers is not None:
            return self.tables.reals(array.numbers)
        return f"work + {self.layout.values[array.number]}"

    def adjoint(self, array: Array) -> str:
        return f"work + {self.layout.adjoints[array.number]}"

    def tangent(self, array: Array) -> str:
        return f"work + {self.layout.tangents[array.number]}"

    def local(self, statement: Statement, number: int = 0) -> str:
        return f"work + {self.layout.locals[statement.output.number] + number * statement.output.size}"

    def type_of(self, array: Array) -> str:
        return real_of(array.numbers) if array.numbers is not None else "double"

    def source(self, name: str, array: Array) -> str:
        """A pointer to numbers that are read."""
        return f"const {self.type_of(array)} *restrict {name} = {self.value(array)};"

    # ---- values

    def forward(self, statement: Statement) -> list[str]:
        """The lines that set the output, and what derivatives need."""
        if isinstance(statement, Linear):
            return self.forward_linear(statement)
        if isinstance(statement, Product):
            return self.forward_product(statement)
        if isinstance(statement, Unary):
            return self.forward_unary(statement)
        if isinstance(statement, Binary):
            return self.forward_binary(statement)
        if isinstance(statement, Choice):
            return self.forward_choice(statement)
        assert isinstance(statement, Step)
        return [
            self.source("u", statement.u),
            f"double *restrict v = {self.value(statement.output)};",
            *step_code(statement, self.tables),
        ]

    def forward_linear(self, statement: Linear) -> list[str]:
        size = statement.output.size
        lines = [f"double *restrict v = {self.value(statement.output)};"]
        beside = [part for part in statement.terms if is_pointwise(part, size)]
        sources = [self.source(f"u{k}", part.array) for k, part in enumerate(beside)]
        summands = [] if statement.bias is None else [self.constant(statement.bias, "i")]
        for k, part in enumerate(beside):
            summands.append(self.term(part, f"u{k}[{self.tables.index(part.inputs, 'i')}]", "i"))
        lines += [*sources, f"for (int i = 0; i < {size}; ++i) v[i] = {' + '.join(summands) or '0.0'};"]
        for part in statement.terms:
            if is_pointwise(part, size):
                continue
            lines += ["{", self.source("u", part.array), *self.accumulate_value(part), "}"]
        return lines

    def constant(self, numbers: Any, variable: str) -> str:
        """numbers[variable], or the one number that all are."""
        if np.all(numbers == numbers.flat[0]):
            return literal(float(numbers.flat[0]))
        return f"{self.tables.reals(numbers)}[{variable}]"

    def term(self, part: Terms, number: str, variable: str) -> str:
        coefficient = self.tables.coefficient(part.coefficients, variable)
        return f"{coefficient} * {number}" if coefficient else number

    def matrix(self, part: Terms) -> tuple[str, str]:
        """The name of the table and its type: by columns; by rows, where these are few and long."""
        is_by_rows = is_flat(part)
        return self.tables.reals(part.coefficients if is_by_rows else part.coefficients.T), real_of(part.coefficients)

    def multiply(self, part: Terms, u: str, v: str, is_transposed: bool) -> list[str]:
        """v += W u for each block, or u += W'v: both functions read either layout, in which W is W' of the other."""
        (rows, depth), (table, real) = part.coefficients.shape, self.matrix(part)
        inner = f"{u} + b * {depth}"
        outer = f"{v} + b * {rows}"
        function = "apply_transposed" if is_flat(part) != is_transposed else "apply"
        arguments = f"{outer}, {inner}" if is_transposed else f"{inner}, {outer}"
        sizes = f"{depth}, {rows}" if is_flat(part) else f"{rows}, {depth}"
        return repeated(part, f"@_{function}_{real}({table}, {arguments}, {sizes});")

    def accumulate_value(self, part: Terms) -> list[str]:
        if part.is_matrix:
            return self.multiply(part, "u", "v", is_transposed=False)
        return self.each_term(part, lambda o, i, c: [f"v[{o}] += {product(c, f'u[{i}]')};"])

    def each_term(self, part: Terms, body: Any) -> list[str]:
        """Loops over all terms around body(o, i, coefficient)."""
        if part.loops is not None:
            table = self.tables.reals(part.coefficients)
            loops = part.loops
            return nest(loops, body(c_index(loops.outputs), c_index(loops.inputs), f"{table}[{c_index(loops.others)}]"))
        outputs, inputs, coefficients = part.lists()
        order = np.argsort(outputs, kind="stable")
        outputs, inputs, coefficients = outputs[order], inputs[order], coefficients[order]
        o, i = self.tables.index(outputs, "t"), self.tables.index(inputs, "t")
        c = self.tables.coefficient(coefficients, "t")
        return [f"for (int t = 0; t < {len(order)}; ++t) {{", *body(o, i, c), "}"]

    def forward_product(self, statement: Product) -> list[str]:
        loops = statement.loops
        o, i, k = (c_index(text) for text in (loops.outputs, loops.inputs, loops.others))
        return [
            self.source("a", statement.a),
            self.source("b", statement.b),
            f"double *restrict v = {self.value(statement.output)};",
            f"@_clear(v, {statement.output.size});",
            *nest(loops, [f"v[{o}] += a[{i}] * b[{k}];"]),
        ]

    def forward_unary(self, statement: Unary) -> list[str]:
        formula, size = statement.formula, statement.output.size
        lines = [
            self.source("from", statement.u),
            f"double *restrict to = {self.value(statement.output)};",
        ]
        plain = [
            "const double u = from[i];",
            *declarations(formula.prepare, [formula.value]),
            f"to[i] = {formula.value};",
        ]
        loop = f"for (int i = 0; i < {size}; ++i) {{"
        if not statement.output.is_differentiated:
            return [*lines, loop, *plain, "}"]
        wanted = [formula.value, formula.first, formula.second]
        needs_u = any(re.search(r"\bu\b", text) for text in [*wanted, *formula.prepare.values()])
        full = [
            *(["const double u = from[i];"] if needs_u else []),
            *declarations(formula.prepare, wanted),
            f"const double v = {formula.value};",
            "to[i] = v;",
            f"first[i] = {formula.first};",
            f"second[i] = {formula.second};",
        ]
        pointers = [
            f"double *restrict first = {self.local(statement)};",
            f"double *restrict second = {self.local(statement, 1)};",
        ]
        return [*lines, "if (!derivatives) {", loop, *plain, "}", "} else {", *pointers, loop, *full, "}", "}"]

    def forward_binary(self, statement: Binary) -> list[str]:
        formula, size = statement.formula, statement.output.size
        kept = partials(statement) if statement.output.is_differentiated else []
        texts = [formula.value, *(getattr(formula, name) for name in kept)]
        numbers = [
            f"const double {name} = from_{name}[{self.tables.index(indices, 'i')}];"
            for name, indices in (("a", statement.of_a), ("b", statement.of_b))
            if any(re.search(rf"\b{name}\b", text) for text in texts)
        ]
        lines = [
            self.source("from_a", statement.a),
            self.source("from_b", statement.b),
            f"double *restrict to = {self.value(statement.output)};",
            f"for (int i = 0; i < {size}; ++i) {{",
            *numbers,
            f"const double v = {formula.value};",
            "to[i] = v;",
            "}",
        ]
        if not kept:
            return lines
        uses_v = any(re.search(r"\bv\b", getattr(formula, name)) for name in kept)
        return [
            *lines,
            "if (derivatives) {",
            *(f"double *restrict d{name} = {self.local(statement, k)};" for k, name in enumerate(kept)),
            f"for (int i = 0; i < {size}; ++i) {{",
            *(line for line in numbers if self.is_read(line, [getattr(formula, name) for name in kept])),
            *(["const double v = to[i];"] if uses_v else []),
            *(f"d{name}[i] = {getattr(formula, name)};" for name in kept),
            "}",
            "}",
        ]

    @staticmethod
    def is_read(line: str, texts: list[str]) -> bool:
        name = line.split()[2]
        return any(re.search(rf"\b{name}\b", text) for text in texts)

    def forward_choice(self, statement: Choice) -> list[str]:
        size, count = statement.candidates.shape
        first = statement.arrays[0]
        lines = [self.source(f"u{k}", array) for k, array in enumerate(statement.arrays)]
        lines += [
            f"double *restrict v = {self.value(statement.output)};",
            f"double *restrict chosen = {self.local(statement)};",
        ]
        if statement.condition is not None:
            lines.append(self.source("condition", statement.condition))
            at = [self.tables.index(statement.candidates[:, k], "i") for k in range(2)]
            test = f"condition[{self.tables.index(statement.of_condition, 'i')}] != 0.0"
            second = f"({at[1]}) - {first.size}"
            return [
                *lines,
                f"for (int i = 0; i < {size}; ++i) {{",
                f"if ({test}) {{",
                f"chosen[i] = {at[0]};",
                f"v[i] = u0[{at[0]}];",
                "} else {",
                f"chosen[i] = {at[1]};",
                f"v[i] = u1[{second}];",
                "}",
                "}",
            ]
        place = self.tables.index(statement.candidates.ravel(), f"(i * {count} + t)")
        return [
            *lines,
            f"for (int i = 0; i < {size}; ++i) {{",
            "int best = " + self.tables.index(statement.candidates[:, 0], "i") + ";",
            f"for (int t = 1; t < {count}; ++t) {{",
            f"const int next = {place};",
            "if (u0[next] > u0[best] || (u0[next] != u0[next] && u0[best] == u0[best])) best = next;",
            "}",
            "chosen[i] = best;",
            "v[i] = u0[best];",
            "}",
        ]

    # ---- adjoints

    def backward(self, statement: Statement) -> list[str]:
        """The lines that add the output's adjoint to those of the inputs."""
        g = f"const double *restrict g = {self.adjoint(statement.output)};"
        size = statement.output.size
        if isinstance(statement, Linear):
            lines = [g]
            for part in statement.terms:
                if part.array.is_differentiated:
                    to = f"double *restrict to = {self.adjoint(part.array)};"
                    lines += ["{", to, *self.backward_terms(part), "}"]
            return lines
        if isinstance(statement, Product):
            return [g, *self.backward_product(statement)]
        if isinstance(statement, Unary):
            return [
                g,
                f"const double *restrict first = {self.local(statement)};",
                f"double *restrict to = {self.adjoint(statement.u)};",
                f"for (int i = 0; i < {size}; ++i) to[i] += first[i] * g[i];",
            ]
        if isinstance(statement, Binary):
            lines = [g]
            for k, name in enumerate(partials(statement)):
                if len(name) == 1:
                    array, indices = (statement.a, statement.of_a) if name == "a" else (statement.b, statement.of_b)
                    place = self.tables.index(indices, "i")
                    lines += [
                        "{",
                        f"const double *restrict slope = {self.local(statement, k)};",
                        f"double *restrict to = {self.adjoint(array)};",
                        f"for (int i = 0; i < {size}; ++i) to[{place}] += slope[i] * g[i];",
                        "}",
                    ]
            return lines
        assert isinstance(statement, Choice)
        lines = [g, f"const double *restrict chosen = {self.local(statement)};"]
        for array, test, shift in choices(statement):
            lines += [
                "{",
                f"double *restrict to = {self.adjoint(array)};",
                f"for (int i = 0; i < {size}; ++i) {{",
                "const int k = (int)chosen[i];",
                f"{test}to[k{shift}] += g[i];",
                "}",
                "}",
            ]
        return lines

    def backward_terms(self, part: Terms) -> list[str]:
        if part.is_matrix:
            return self.multiply(part, "to", "g", is_transposed=True)
        return self.each_term(part, lambda o, i, c: [f"to[{i}] += {product(c, f'g[{o}]')};"])

    def backward_product(self, statement: Product) -> list[str]:
        loops, lines = statement.loops, []
        o, i, k = (c_index(text) for text in (loops.outputs, loops.inputs, loops.others))
        for mine, other, at, there in ((statement.a, statement.b, i, k), (statement.b, statement.a, k, i)):
            if mine.is_differentiated:
                lines += [
                    "{",
                    self.source("other", other),
                    f"double *restrict to = {self.adjoint(mine)};",
                    *nest(loops, [f"to[{at}] += g[{o}] * other[{there}];"]),
                    "}",
                ]
        return lines

    # ---- tangents, and what each statement adds to the Hessian

    def tangents(self, statement: Statement) -> list[str]:
        """The lines that set the output's tangents (directions, size); with `hessian` they add second derivatives."""
        T = f"double *restrict T = {self.tangent(statement.output)};"
        if isinstance(statement, Linear):
            return [T, *self.linear_tangents(statement)]
        if isinstance(statement, Product):
            return [T, *self.product_tangents(statement), *self.product_curvature(statement)]
        if isinstance(statement, Unary):
            return [T, *self.unary_tangents(statement)]
        if isinstance(statement, Binary):
            return [T, *self.binary_tangents(statement)]
        assert isinstance(statement, Choice)
        size = statement.output.size
        lines = [
            T,
            f"const double *restrict chosen = {self.local(statement)};",
            f"@_clear(T, {size * self.n});",
        ]
        for array, test, shift in choices(statement):
            lines += [
                "{",
                f"const double *restrict U = {self.tangent(array)};",
                *self.directions(
                    f"for (int i = 0; i < {size}; ++i) {{",
                    "const int k = (int)chosen[i];",
                    f"{test}T[j * {size} + i] = U[j * {array.size} + k{shift}];",
                    "}",
                ),
                "}",
            ]
        return lines

    @property
    def n(self) -> int:
        """The number of directions: of x."""
        return self.layout.program.n

    def directions(self, *lines: str) -> list[str]:
        """For each of them."""
        return [f"for (int j = 0; j < {self.n}; ++j) {{", *lines, "}"]

    def unary_tangents(self, statement: Unary) -> list[str]:
        size = statement.output.size
        lines = [
            f"const double *restrict U = {self.tangent(statement.u)};",
            f"const double *restrict first = {self.local(statement)};",
            *self.directions(f"for (int i = 0; i < {size}; ++i) T[j * {size} + i] = first[i] * U[j * {size} + i];"),
        ]
        if statement.formula.second == "0.0":
            return lines
        return [
            *lines,
            "if (hessian) {",
            f"const double *restrict g = {self.adjoint(statement.output)};",
            f"const double *restrict second = {self.local(statement, 1)};",
            f"double *restrict q = work + {self.layout.scratch};",
            f"for (int i = 0; i < {size}; ++i) q[i] = g[i] * second[i];",
            f"@_add_squares(q, U, {size}, q + {size}, hessian);",
            "}",
        ]

    def linear_tangents(self, statement: Linear) -> list[str]:
        size = statement.output.size
        if is_dense_of_x(statement):  # W itself
            table = self.tables.reals(statement.terms[0].coefficients.T)
            return [f"for (int i = 0; i < {size * self.n}; ++i) T[i] = {table}[i];"]
        lines = [f"@_clear(T, {size * self.n});"]
        for part in statement.terms:
            if part.array.is_differentiated:
                U = f"const double *restrict U = {self.tangent(part.array)};"
                lines += ["{", U, *self.terms_tangents(part, size), "}"]
        return lines

    def terms_tangents(self, part: Terms, size: int) -> list[str]:
        if part.is_matrix and is_flat(part):
            return self.directions(
                f"const double *restrict u = U + j * {part.array.size};",
                f"double *restrict v = T + j * {size};",
                *self.multiply(part, "u", "v", is_transposed=False),
            )
        if part.is_matrix:
            (rows, depth), (table, real) = part.coefficients.shape, self.matrix(part)
            call = (
                f"@_apply_to_all_{real}({table}, U + b * {depth}, {part.array.size}, T + b * {rows}, {size}, {rows}, "
                f"{depth});"
            )
            return repeated(part, call)
        return self.directions(
            f"const double *restrict from = U + j * {part.array.size};",
            f"double *restrict to = T + j * {size};",
            *self.each_term(part, lambda o, i, c: [f"to[{o}] += {product(c, f'from[{i}]')};"]),
        )

    def binary_tangents(self, statement: Binary) -> list[str]:
        size, kept = statement.output.size, partials(statement)
        at = {"a": self.tables.index(statement.of_a, "i"), "b": self.tables.index(statement.of_b, "i")}
        arrays = {"a": statement.a, "b": statement.b}
        lines = [f"const double *restrict d{name} = {self.local(statement, k)};" for k, name in enumerate(kept)]
        first = [name for name in kept if len(name) == 1]
        lines += [f"const double *restrict U{name} = {self.tangent(arrays[name])};" for name in first]
        moved = {name: f"U{name}[j * {arrays[name].size} + {at[name]}]" for name in first}
        total = " + ".join(f"d{name}[i] * {moved[name]}" for name in first) or "0.0"
        lines += self.directions(f"for (int i = 0; i < {size}; ++i) T[j * {size} + i] = {total};")
        second = [name for name in kept if len(name) == 2]
        if not second:
            return lines
        rows = []
        for name in first:  # what meets the tangents of a, and those of b
            partner = {"a": {"aa": "a", "ab": "b"}, "b": {"ab": "a", "bb": "b"}}[name]
            summands = [f"d{pair}[i] * {moved[other]}" for pair, other in partner.items() if pair in second]
            if summands:
                rows.append((name, " + ".join(summands)))
        scatter = [
            line
            for name, total in rows
            for line in (
                f"@_clear(s, {arrays[name].size});",
                f"for (int i = 0; i < {size}; ++i) s[{at[name]}] += g[i] * ({total});",
                f"@_add_row(j, s, U{name}, {arrays[name].size}, hessian);",
            )
        ]
        return [
            *lines,
            "if (hessian) {",
            f"const double *restrict g = {self.adjoint(statement.output)};",
            f"double *restrict s = work + {self.layout.scratch};",
            *self.directions(*scatter),
            "}",
        ]

    def product_tangents(self, statement: Product) -> list[str]:
        size, loops = statement.output.size, statement.loops
        o, i, k = (c_index(text) for text in (loops.outputs, loops.inputs, loops.others))
        lines = [f"@_clear(T, {size * self.n});"]
        for mine, other, at, there in ((statement.a, statement.b, i, k), (statement.b, statement.a, k, i)):
            if mine.is_differentiated:
                lines += [
                    "{",
                    self.source("other", other),
                    f"const double *restrict U = {self.tangent(mine)};",
                    *self.directions(
                        f"const double *restrict from = U + j * {mine.size};",
                        f"double *restrict to = T + j * {size};",
                        *nest(loops, [f"to[{o}] += other[{there}] * from[{at}];"]),
                    ),
                    "}",
                ]
        return lines

    def product_curvature(self, statement: Product) -> list[str]:
        """Of g'(A B): the tangents of A meet g B_j', those of B meet A_j' g."""
        if not (statement.a.is_differentiated and statement.b.is_differentiated):
            return []
        loops = statement.loops
        o, i, k = (c_index(text) for text in (loops.outputs, loops.inputs, loops.others))
        lines = []
        for mine, other, at, there in ((statement.a, statement.b, i, k), (statement.b, statement.a, k, i)):
            lines += [
                "{",
                f"const double *restrict U = {self.tangent(mine)};",
                f"const double *restrict other = {self.tangent(other)};",
                *self.directions(
                    f"const double *restrict from = other + j * {other.size};",
                    f"@_clear(s, {mine.size});",
                    *nest(loops, [f"s[{at}] += g[{o}] * from[{there}];"]),
                    f"@_add_row(j, s, U, {mine.size}, hessian);",
                ),
                "}",
            ]
        g = f"const double *restrict g = {self.adjoint(statement.output)};"
        return ["if (hessian) {", g, f"double *restrict s = work + {self.layout.scratch};", *lines, "}"]


def is_pointwise(part: Terms, size: int) -> bool:
    """One term for each number of the output, in order."""
    return part.outputs is not None and len(part.outputs) == size and np.array_equal(part.outputs, np.arange(size))


def is_flat(part: Terms) -> bool:
    """Few rows, each long."""
    rows, depth = part.coefficients.shape
    return bool(rows < 8 and rows < depth)


def product(coefficient: str, number: str) -> str:
    return f"{coefficient} * {number}" if coefficient else number


def repeated(part: Terms, call: str) -> list[str]:
    """A call for each block b of the input; without a loop where there is one block."""
    if part.repeats > 1:
        return [f"for (int b = 0; b < {part.repeats}; ++b)", call]
    return [re.sub(r" \+ b \* \d+", "", call)]


def c_index(expression: str) -> str:
    return expression.replace("//", "/")


def nest(loops: Loops, body: list[str]) -> list[str]:
    """Nested loops around lines."""
    heads = [f"for (int {name} = 0; {name} < {extent}; ++{name}) {{" for name, extent in loops.extents.items()]
    guards = [f"if ({c_index(text)} < 0 || {c_index(text)} >= {length}) continue;" for text, length in loops.guards]
    return [*heads, *guards, *body, *["}"] * len(heads)]


def declarations(prepare: Mapping[str, str], texts: list[str]) -> list[str]:
    """Those of the declarations that the expressions use, directly or through others."""
    used: set[str] = set()
    waiting = list(texts)
    while waiting:
        for word in re.findall(r"\b\w+\b", waiting.pop()):
            if word in prepare and word not in used:
                used.add(word)
                waiting.append(prepare[word])
    return [f"const double {name} = {expression};" for name, expression in prepare.items() if name in used]


def choices(statement: Choice) -> list[tuple[Array, str, str]]:
    """The inputs that derivatives go through: whether k is one of their numbers, and what to take off k."""
    found, first = [], 0
    for array in statement.arrays:
        test = "" if len(statement.arrays) == 1 else f"if (k >= {first} && k < {first + array.size}) "
        if array.is_differentiated:
            found.append((array, test, f" - {first}" if first else ""))
        first += array.size
    return found
