"""C that goes back from the adjoints of the outputs."""

from __future__ import annotations

from fastexpr.export.c.layout import partials
from fastexpr.export.c.pieces import (
    Places,
    c_index,
    choices,
    nest,
    product,
)
from fastexpr.export.program.statements import (
    Assignment,
    Binary,
    Choice,
    Linear,
    Product,
    Terms,
    Unary,
)


class Adjoints(Places):
    """The pass from the outputs to x."""

    def backward(self, statement: Assignment) -> list[str]:
        """The lines that add the output's adjoint to those of the inputs."""
        g = f"const double *restrict g = {self.adjoint(statement.output)};"
        if isinstance(statement, Linear):
            return [g, *self.backward_linear(statement)]
        if isinstance(statement, Product):
            return [g, *self.backward_product(statement)]
        if isinstance(statement, Unary):
            return [g, *self.backward_unary(statement)]
        if isinstance(statement, Binary):
            return [g, *self.backward_binary(statement)]
        assert isinstance(statement, Choice)
        return [g, *self.backward_choice(statement)]

    def backward_linear(self, statement: Linear) -> list[str]:
        lines = []
        for part in statement.terms:
            if part.array.is_differentiated:
                to = f"double *restrict to = {self.adjoint(part.array)};"
                lines += ["{", to, *self.backward_terms(part), "}"]
        return lines

    def backward_unary(self, statement: Unary) -> list[str]:
        return [
            f"const double *restrict first = {self.local(statement)};",
            f"double *restrict to = {self.adjoint(statement.u)};",
            f"for (int i = 0; i < {statement.output.size}; ++i) to[i] += first[i] * g[i];",
        ]

    def backward_binary(self, statement: Binary) -> list[str]:
        lines = []
        for k, name in enumerate(partials(statement)):
            if len(name) == 1:
                array, indices = (statement.a, statement.of_a) if name == "a" else (statement.b, statement.of_b)
                place = self.tables.index(indices, "i")
                lines += [
                    "{",
                    f"const double *restrict slope = {self.local(statement, k)};",
                    f"double *restrict to = {self.adjoint(array)};",
                    f"for (int i = 0; i < {statement.output.size}; ++i) to[{place}] += slope[i] * g[i];",
                    "}",
                ]
        return lines

    def backward_choice(self, statement: Choice) -> list[str]:
        lines = [f"const double *restrict chosen = {self.local(statement)};"]
        for array, test, shift in choices(statement):
            lines += [
                "{",
                f"double *restrict to = {self.adjoint(array)};",
                f"for (int i = 0; i < {statement.output.size}; ++i) {{",
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
