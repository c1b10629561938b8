"""C that sets values, and what derivatives need of them."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from fastexpr.export.c.layout import partials
from fastexpr.export.c.pieces import (
    Places,
    c_index,
    declarations,
    is_pointwise,
    nest,
    product,
)
from fastexpr.export.c.steps import step_code
from fastexpr.export.program.formulas import literal
from fastexpr.export.program.statements import (
    Assignment,
    Binary,
    Choice,
    Linear,
    Product,
    Routine,
    Terms,
    Unary,
)


class Values(Places):
    """The pass from x to the outputs."""

    def forward(self, statement: Assignment) -> list[str]:
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
        assert isinstance(statement, Routine)
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

    def accumulate_value(self, part: Terms) -> list[str]:
        if part.is_matrix:
            return self.multiply(part, "u", "v", is_transposed=False)
        return self.each_term(part, lambda o, i, c: [f"v[{o}] += {product(c, f'u[{i}]')};"])

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
