"""How much a model may ask for: a file of some bytes can name tensors that no memory holds."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np

from fastexpr.errors import OnnxError, ShapeError

LARGEST_TENSOR = 2**23  # numbers that an operator may make out of fewer
LARGEST_PORTS = 2**22  # numbers in all inputs, or in all outputs: each has a name
LARGEST_CONSTANTS = 2**26  # bytes of constants that are computed, beside some times those of the weights
LARGEST_GROWTH = 4
LARGEST_WORK = 2**28  # products, or numbers written, of computing constants, beside some for each byte of the weights
WORK_PER_BYTE = 64
HIGHEST_RANK = 32
LARGEST_SEQUENCE = 2**14  # tensors in a sequence that is split off one: each becomes a node of its own

_n_rows: ContextVar[int] = ContextVar("n_rows", default=1)


def n_rows() -> int:
    """Rows of the batch that a model is imported for: the limits hold for each."""
    return _n_rows.get()


@contextmanager
def more_room(n_rows: int) -> Iterator[None]:
    """While a model is imported for several rows, each may be as large as the limits allow."""
    token = _n_rows.set(n_rows)
    try:
        yield
    finally:
        _n_rows.reset(token)


def check_result(shape: Sequence[int], title: str, given: int = 0) -> None:
    """Refuses a tensor that no memory holds, where `given` numbers are there already."""
    if math.prod(shape) > max(LARGEST_TENSOR * n_rows(), given) or len(shape) > HIGHEST_RANK:
        raise ShapeError(
            f"{title} would give the shape {tuple(shape)}, expected at most {LARGEST_TENSOR} numbers and "
            f"{HIGHEST_RANK} axes. Export the model again."
        )


def check_ports(kind: str, sizes: dict[str, int]) -> None:
    """Refuses inputs or outputs that are too large to name each number; `kind` is "Input" or "Output"."""
    for name, size in sizes.items():
        if size > LARGEST_PORTS * n_rows():
            raise OnnxError(
                f"[{kind} {name!r}] has {size} numbers, expected at most {LARGEST_PORTS}. Export the model again."
            )
    total = sum(sizes.values())
    if total > LARGEST_PORTS * n_rows():
        raise OnnxError(
            f"The {kind.lower()}s hold {total} numbers, expected at most {LARGEST_PORTS}. Export the model again."
        )


class Budget:
    """What constants that are computed from the weights may take in all: memory, and time."""

    def __init__(self, weight_bytes: int) -> None:
        self.left = LARGEST_CONSTANTS * n_rows() + LARGEST_GROWTH * weight_bytes
        self.memory = 2 * self.left
        self.work = LARGEST_WORK * n_rows() + WORK_PER_BYTE * weight_bytes
        self.work_done = 0

    def spend(self, results: Sequence[object], title: str) -> None:
        """Takes off the arrays among a node's results; views of others cost nothing."""
        arrays = [result for result in results if isinstance(result, np.ndarray) and result.base is None]
        self.spend_bytes(sum(array.nbytes for array in arrays), title)

    def spend_bytes(self, size: int, title: str) -> None:
        """Takes off so many bytes."""
        self.left -= size
        if self.left < 0:
            raise OnnxError(
                f"{title} computes constants beyond {LARGEST_CONSTANTS} bytes and {LARGEST_GROWTH} times the weights. "
                "Export the model again."
            )

    def spend_work(self, work: int, title: str) -> None:
        """Takes off what computing a node's constants takes, before it is done."""
        self.work_done += work
        if self.work_done > self.work:
            raise OnnxError(
                f"{title} has constant inputs, and computing with constants takes {self.work_done:.1e} operations, "
                f"expected at most {self.work:.1e}. Export the model with constants folded."
            )

    def check_memory(self, size: int, title: str) -> None:
        """Refuses an evaluation that takes so many bytes while it runs."""
        if size > self.memory:
            raise OnnxError(
                f"{title} has constant inputs, and its evaluation takes {size} bytes, expected at most {self.memory}. "
                "Export the model with constants folded."
            )


def memory_size() -> int:
    """Bytes of memory that this machine has."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
