"""Tables of numbers, and indices as expressions where they are regular."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastexpr.export.program.formulas import literal

PER_LINE = 12


def real_of(numbers: Any) -> str:
    """The type that holds these numbers exactly."""
    return "float" if numbers.dtype == np.float32 else "double"


def number(value: Any, real: str) -> str:
    """One number, exactly."""
    text = literal(float(value))
    if real != "float" or "NAN" in text or "INF" in text:
        return text
    short = repr(float(str(np.float32(value))))  # the shortest that is read as this float
    return f"{short}f"


class ConstantTables:
    """Constants of the file; equal ones are written once."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.texts: list[str] = []
        self.names: dict[tuple[str, bytes], str] = {}
        self.n_numbers = 0

    def table(self, numbers: Any, kind: str) -> str:
        """The name of an array of "float", "double" or "int" with these numbers."""
        flat = np.ascontiguousarray(numbers).ravel()
        key = kind, flat.tobytes()
        if key not in self.names:
            name = f"{self.prefix}_{kind[0]}{len(self.names)}"
            self.names[key] = name
            self.n_numbers += flat.size
            words = [str(int(value)) if kind == "int" else number(value, kind) for value in flat]
            lines = [", ".join(words[i : i + PER_LINE]) for i in range(0, len(words), PER_LINE)]
            self.texts.append(f"static const {kind} {name}[{flat.size}] = {{\n  " + ",\n  ".join(lines) + "};\n")
        return self.names[key]

    def reals(self, numbers: Any) -> str:
        """The same, of the type that the numbers have."""
        return self.table(numbers, real_of(numbers))

    def index(self, indices: Any, variable: str) -> str:
        """indices[variable], as an expression where they are regular."""
        indices = np.asarray(indices)
        every = np.arange(indices.size)
        first = int(indices[0])
        step = int(indices[1]) - first if indices.size > 1 else 0
        if np.array_equal(indices, first + step * every):
            if step == 0:
                return str(first)
            scaled = variable if step == 1 else f"{step} * {variable}"
            return scaled if first == 0 else f"{first} + {scaled}"
        period = int(np.argmax(indices != indices[0])) if step == 0 else int(np.argmax(indices[1:] == first)) + 1
        if period > 1 and np.array_equal(indices, every % period):
            return f"{variable} % {period}"
        if period > 1 and np.array_equal(indices, every // period):
            return f"{variable} / {period}"
        return f"{self.table(indices, 'int')}[{variable}]"

    def coefficient(self, coefficients: Any, variable: str) -> str:
        """coefficients[variable]; "" where all are 1."""
        numbers = np.asarray(coefficients)
        if np.all(numbers == numbers.flat[0]):
            return "" if numbers.flat[0] == 1 else literal(float(numbers.flat[0]))
        return f"{self.reals(numbers)}[{variable}]"
