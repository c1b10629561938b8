"""A host for the AMPL library as solvers are: loads it, takes its registration, calls its function with records."""

from __future__ import annotations

import ctypes
import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastexpr.pyomo.external.files import library_path


class Record(ctypes.Structure):
    _fields_ = [
        ("n_arguments", ctypes.c_int),
        ("n_reals", ctypes.c_int),
        ("places", ctypes.POINTER(ctypes.c_int)),
        ("reals", ctypes.POINTER(ctypes.c_double)),
        ("strings", ctypes.POINTER(ctypes.c_char_p)),
        ("derivatives", ctypes.c_void_p),
        ("hessian", ctypes.c_void_p),
        ("unread", ctypes.c_char_p),
        ("cookie", ctypes.c_void_p),
        ("exports", ctypes.c_void_p),
        ("host_function", ctypes.c_void_p),
        ("host_arguments", ctypes.c_void_p),
        ("error", ctypes.c_char_p),
        ("temporary_memory", ctypes.c_void_p),
        ("host_private", ctypes.c_void_p),
        ("unused", ctypes.c_int * 4),
    ]


FUNCTION = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.POINTER(Record))
ADD_FUNCTION = ctypes.CFUNCTYPE(
    None, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p
)


class Exports(ctypes.Structure):
    _fields_ = [
        ("print", ctypes.c_void_p),
        ("add_function", ADD_FUNCTION),
        ("date", ctypes.c_long),
        ("others", ctypes.c_void_p * 55),
    ]


@dataclasses.dataclass
class Answer:
    value: float
    derivatives: np.ndarray
    hessian: np.ndarray
    error: str | None


class Host:
    """The library in this process. `registered` has (name, type, number of arguments) of each registration."""

    def __init__(self, path: str | None = None) -> None:
        self.library = ctypes.CDLL(path or library_path())
        self.registered: list[tuple[str, int, int]] = []
        self.load()

    def load(self) -> None:
        """What a host does for every model: the table lives for this call only."""

        def add_function(name: bytes, function: int, kind: int, count: int, cookie: Any, exports: Any) -> None:
            self.registered.append((name.decode(), kind, count))
            self.function = FUNCTION(function)

        exports = Exports(add_function=ADD_FUNCTION(add_function), date=20160307)
        self.library.funcadd_ASL.restype = None
        self.library.funcadd_ASL(ctypes.byref(exports))
        ctypes.memset(ctypes.byref(exports), 0xFF, ctypes.sizeof(exports))

    def call(self, strings: Sequence[str], x: Sequence[float], order: int = 2) -> Answer:
        """One call, with arrays full of rubbish for the answers, guarded on both sides against writing too much."""
        n = len(x)
        packed = n * (n + 1) // 2
        derivatives, hessian = np.full(n + 2, 123.0), np.full(packed + 2, 456.0)
        record = Record(n_arguments=len(strings) + n, n_reals=n, error=b"preset by the host")
        record.places = (ctypes.c_int * (len(strings) + n))(*range(-1, -len(strings) - 1, -1), *range(n))
        record.reals = (ctypes.c_double * n)(*x)
        record.strings = (ctypes.c_char_p * len(strings))(*(text.encode() for text in strings))
        record.derivatives = derivatives.ctypes.data + 8 if order >= 1 else None
        record.hessian = hessian.ctypes.data + 8 if order >= 2 else None
        value = self.function(ctypes.byref(record))
        assert derivatives[0] == derivatives[-1] == 123.0
        assert hessian[0] == hessian[-1] == 456.0
        error = None if record.error == b"preset by the host" else record.error.decode()
        return Answer(value, derivatives[1:-1], hessian[1:-1], error)

    def statistics(self, name: str) -> int:
        return int(self.call(["fastexpr:statistics", name, "-"], [], order=0).value)


def unpacked(hessian: np.ndarray, n: int) -> np.ndarray:
    """The full symmetric matrix of a packed upper triangle: (i <= j) at i + j(j+1)/2."""
    matrix = np.empty((n, n))
    for j in range(n):
        for i in range(j + 1):
            matrix[i, j] = matrix[j, i] = hessian[i + j * (j + 1) // 2]
    return matrix
