"""C for derivatives with respect to x, and for second derivatives."""

from __future__ import annotations

from fastexpr.export.c.layout import is_dense_of_x, partials
from fastexpr.export.c.pieces import (
    Places,
    c_index,
    choices,
    is_flat,
    nest,
    product,
    repeated,
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


class Tangents(Places):
    """The pass from x that carries a direction for each of its numbers."""

    def tangents(self, statement: Assignment) -> list[str]:
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
