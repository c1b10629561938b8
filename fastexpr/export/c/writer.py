"""A block of C for each kind of statement and pass."""

from __future__ import annotations

from fastexpr.export.c.adjoints import Adjoints
from fastexpr.export.c.tangents import Tangents
from fastexpr.export.c.values import Values


class Writer(Values, Adjoints, Tangents):
    """The three passes over the statements of one program."""
