"""Where numbers stand in the scratch memory that the caller provides."""

from __future__ import annotations

from dataclasses import dataclass, field

from fastexpr.export.program.statements import (
    Array,
    Assignment,
    Binary,
    Choice,
    Linear,
    Product,
    Program,
    Unary,
)


@dataclass
class Layout:
    """Offsets into `work`, in doubles.

    Attributes
    ----------
    values, adjoints, tangents : dict
        By the number of an array. Tangents share memory: one is kept until its last use.
    locals : dict
        By the number of the output: derivatives, one array after the other, or what a Choice has chosen.
    """

    program: Program
    values: dict[int, int] = field(default_factory=dict)
    adjoints: dict[int, int] = field(default_factory=dict)
    tangents: dict[int, int] = field(default_factory=dict)
    locals: dict[int, int] = field(default_factory=dict)
    first_adjoint: int = 0
    n_adjoints: int = 0
    scratch: int = 0
    size: int = 0

    @property
    def x(self) -> Array:
        """The inputs."""
        return self.program.arrays[0]


def is_dense_of_x(statement: Assignment) -> bool:
    """Whether the statement is W x, whose tangents are W: those of x are then not needed for it."""
    return (
        isinstance(statement, Linear)
        and len(statement.terms) == 1
        and statement.terms[0].is_matrix
        and statement.terms[0].repeats == 1
        and statement.terms[0].array.number == 0
    )


def make_layout(program: Program) -> Layout:
    """A place for everything."""
    layout = Layout(program)
    outputs = [statement.output for statement in program.statements]
    for array in (layout.x, *outputs):
        layout.values[array.number] = take(layout, array.size)
    for statement in program.statements:
        if (count := locals_of(statement)) > 0:
            layout.locals[statement.output.number] = take(layout, count * statement.output.size)
    layout.first_adjoint = layout.size
    for array in (layout.x, *outputs):
        if array.is_differentiated:
            layout.adjoints[array.number] = take(layout, array.size)
    layout.n_adjoints = layout.size - layout.first_adjoint
    place_tangents(layout)
    layout.scratch = take(layout, 2 * max(scratch_of(statement) for statement in [*program.statements, None]))
    return layout


def scratch_of(statement: Assignment | None) -> int:
    """Numbers of a direction that second derivatives are collected in, twice of which are there."""
    if isinstance(statement, (Binary, Product)):
        return max(statement.output.size, statement.a.size, statement.b.size)
    return 1 if statement is None else statement.output.size


def take(layout: Layout, count: int) -> int:
    """The next numbers, from a multiple of 8 on."""
    here = layout.size
    layout.size += -(-count // 8) * 8
    return here


def locals_of(statement: Assignment) -> int:
    """Numbers that are kept from the values for the derivatives, for each number of the output."""
    if isinstance(statement, Choice):
        return 1
    if not statement.output.is_differentiated:
        return 0
    if isinstance(statement, Unary):
        return 2
    return len(partials(statement)) if isinstance(statement, Binary) else 0


def partials(statement: Binary) -> list[str]:
    """Which partial derivatives are kept: those that are not zero, of inputs that derivatives go through."""
    is_wanted = {"a": statement.a.is_differentiated, "b": statement.b.is_differentiated}
    return [
        name
        for name in ("a", "b", "aa", "ab", "bb")
        if getattr(statement.formula, name) and all(is_wanted[letter] for letter in name)
    ]


def tangent_order(program: Program) -> tuple[list[Assignment], list[Assignment]]:
    """Statements whose tangents a Hessian needs, and those that only a Jacobian needs: these come later."""
    statements = [statement for statement in program.statements if statement.output.is_differentiated]
    needed: set[int] = set()
    for statement in reversed(statements):
        if is_curved(statement):
            needed.add(statement.output.number)
        if statement.output.number in needed:
            needed.update(array.number for array in statement.inputs)
    first = [statement for statement in statements if statement.output.number in needed]
    return first, [statement for statement in statements if statement.output.number not in needed]


def is_curved(statement: Assignment) -> bool:
    """Whether it has a second derivative."""
    if isinstance(statement, Unary):
        return statement.formula.second != "0.0"
    if isinstance(statement, Binary):
        return any(len(name) == 2 for name in partials(statement))
    return isinstance(statement, Product) and statement.a.is_differentiated and statement.b.is_differentiated


def place_tangents(layout: Layout) -> None:
    """First fit: what is no longer read makes room."""
    program = layout.program
    statements = [statement for part in tangent_order(program) for statement in part]
    last_use: dict[int, int] = {array.number: len(statements) for array in program.outputs}
    for position, statement in enumerate(statements):
        for array in statement.inputs:
            last_use[array.number] = max(last_use.get(array.number, 0), position)
    free: list[tuple[int, int]] = []
    end = layout.size
    live: list[tuple[int, int, int]] = []  # last use, offset, count

    def place(array: Array) -> None:
        nonlocal end
        count = -(-array.size * program.n // 8) * 8
        for k, (offset, room) in enumerate(free):
            if room >= count:
                free[k] = (offset + count, room - count)
                break
        else:
            offset, end = end, end + count
        layout.tangents[array.number] = offset
        live.append((last_use.get(array.number, 0), offset, count))

    needs_x = 0 in {array.number for array in program.outputs} or any(
        0 in {array.number for array in statement.inputs} and not is_dense_of_x(statement) for statement in statements
    )
    if needs_x:
        place(layout.x)
    for position, statement in enumerate(statements):
        place(statement.output)
        for entry in [entry for entry in live if entry[0] <= position]:
            live.remove(entry)
            free.append((entry[1], entry[2]))
    layout.size = end
