"""Ipopt's own interface for C, in the library that cyipopt was linked with.

cyipopt's class hands every entry of a Jacobian and a Hessian on as a Python number of its own, 60 ns each: of a sparse
program's solve that is a third. Here a result is copied as a whole.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from ctypes import POINTER, byref, c_bool, c_char_p, c_double, c_int, c_void_p
from typing import Any

import numpy as np

from fastexpr.nlp import Vector
from fastexpr.solvers.interior_point import INFINITY, Callbacks, Multipliers, Scaling
from fastexpr.solvers.options import Plain
from fastexpr.solvers.view import View

# Ipopt's type Bool is an int before 3.14 and a bool since. Read as a bool, and answered with the int 0 or 1, both are
# right; arguments of the type are not looked at. Pointers come as numbers, None for NULL.
eval_f = ctypes.CFUNCTYPE(c_int, c_int, c_void_p, c_int, c_void_p, c_void_p)
eval_grad_f = ctypes.CFUNCTYPE(c_int, c_int, c_void_p, c_int, c_void_p, c_void_p)
eval_g = ctypes.CFUNCTYPE(c_int, c_int, c_void_p, c_int, c_int, c_void_p, c_void_p)
eval_jac_g = ctypes.CFUNCTYPE(c_int, c_int, c_void_p, c_int, c_int, c_int, c_void_p, c_void_p, c_void_p, c_void_p)
eval_h = ctypes.CFUNCTYPE(
    c_int, c_int, c_void_p, c_int, c_double, c_int, c_void_p, c_int, c_int, c_void_p, c_void_p, c_void_p, c_void_p
)
evaluations = [eval_f, eval_g, eval_grad_f, eval_jac_g, eval_h]
intermediate = ctypes.CFUNCTYPE(c_int, c_int, c_int, *[c_double] * 8, c_int, c_void_p)

SIGNATURES: dict[str, tuple[Any, list[Any]]] = {
    "CreateIpoptProblem": (
        c_void_p,
        [c_int, c_void_p, c_void_p, c_int, c_void_p, c_void_p, *[c_int] * 3, *evaluations],
    ),
    "FreeIpoptProblem": (None, [c_void_p]),
    "AddIpoptStrOption": (c_bool, [c_void_p, c_char_p, c_char_p]),
    "AddIpoptNumOption": (c_bool, [c_void_p, c_char_p, c_double]),
    "AddIpoptIntOption": (c_bool, [c_void_p, c_char_p, c_int]),
    "SetIpoptProblemScaling": (c_bool, [c_void_p, c_double, c_void_p, c_void_p]),
    "SetIntermediateCallback": (c_bool, [c_void_p, intermediate]),
    "IpoptSolve": (c_int, [c_void_p, c_void_p, c_void_p, POINTER(c_double), *[c_void_p] * 4]),
}


class Library:
    """The functions of Ipopt that a module was linked with.

    Parameters
    ----------
    path : str
        Of the compiled module. It is loaded already, and Ipopt with it.

    Raises
    ------
    AttributeError
        It shows no such functions.
    """

    def __init__(self, path: str) -> None:
        # PyDLL: the interpreter stays locked meanwhile, for MUMPS does not bear several threads
        library = ctypes.PyDLL(path)
        for name, (result, arguments) in SIGNATURES.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
            setattr(self, name, function)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


class Problem:
    """A program in Ipopt's hands, until it is closed.

    Parameters
    ----------
    library : Library
    nlp : View
        The program.
    callbacks : Callbacks
        What Ipopt calls; None comes from there where an evaluation fails, and Ipopt steps back.

    Raises
    ------
    MemoryError
        Ipopt has made none.
    """

    def __init__(self, library: Library, nlp: View, callbacks: Callbacks) -> None:
        self._library, self._n, self._m = library, nlp.n, nlp.m
        self._functions = functions_of(nlp, callbacks)  # Ipopt knows their addresses only
        sides = [
            np.clip(side, -INFINITY, INFINITY)
            for side in (nlp.lower, nlp.upper, nlp.constraint_lower, nlp.constraint_upper)
        ]
        low, high, limit_low, limit_high = (side.ctypes.data for side in sides)
        n_entries = nlp.jacobian_rows.size, nlp.hessian_rows.size
        self._pointer = library.CreateIpoptProblem(
            self._n, low, high, self._m, limit_low, limit_high, *n_entries, 0, *self._functions[:5]
        )
        if not self._pointer:
            raise MemoryError("[Solver 'cyipopt'] Ipopt has made no problem of the program.")
        library.SetIntermediateCallback(self._pointer, self._functions[5])

    def add_option(self, name: str, value: Plain) -> bool:
        """Whether Ipopt takes it; it prints a complaint where it does not."""
        library, key = self._library, name.encode()
        if isinstance(value, str):
            return bool(library.AddIpoptStrOption(self._pointer, key, value.encode()))
        add = library.AddIpoptIntOption if isinstance(value, int) else library.AddIpoptNumOption
        return bool(add(self._pointer, key, value))

    def set_scaling(self, scaling: Scaling) -> None:
        """Factors for nlp_scaling_method="user-scaling"."""
        variables, constraints = (np.array(side, dtype=float) for side in (scaling.variables, scaling.constraints))
        self._library.SetIpoptProblemScaling(
            self._pointer, scaling.objective, variables.ctypes.data, constraints.ctypes.data
        )

    def solve(self, start: Vector, multipliers: Multipliers | None) -> tuple[Vector, dict[str, Any]]:
        """The last iterate, and "status", "obj_val", "mult_g", "mult_x_L", "mult_x_U"."""
        x, values, objective = np.array(start, dtype=float), np.zeros(self._m), c_double(0.0)
        sizes = {"mult_g": self._m, "mult_x_L": self._n, "mult_x_U": self._n}
        info: dict[str, Any] = {name: np.zeros(size) for name, size in sizes.items()}
        if multipliers is not None:
            given = multipliers.constraints, multipliers.lower, multipliers.upper
            info = {name: np.array(side, dtype=float) for name, side in zip(sizes, given, strict=True)}
        addresses = [array.ctypes.data for array in (x, values, *info.values())]
        status = self._library.IpoptSolve(
            self._pointer, addresses[0], addresses[1], byref(objective), *addresses[2:], None
        )
        return x, {**info, "status": status, "obj_val": objective.value}

    def close(self) -> None:
        """Ipopt forgets it."""
        self._library.FreeIpoptProblem(self._pointer)
        self._pointer = None


def functions_of(nlp: View, callbacks: Callbacks) -> tuple[Any, ...]:
    """The six that Ipopt calls, in the order in which it is told of them."""
    n, m = nlp.n, nlp.m
    structures = {
        name: tuple(side.astype(np.int32) for side in structure)
        for name, structure in (("jacobian", nlp.jacobianstructure()), ("hessian", nlp.hessianstructure()))
    }

    def answer(evaluate: Callable[[], Any], values: int, count: int) -> int:
        try:
            result = evaluate()
            if result is not None:
                numbers_at(values, count)[...] = result
        except BaseException as error:  # no exception goes through Ipopt
            callbacks.keep(error)
            return 0
        return int(result is not None)

    def objective(_n: int, x: int, _is_new: int, value: int, _data: int) -> int:
        return answer(lambda: callbacks.objective(read(x, n)), value, 1)

    def gradient(_n: int, x: int, _is_new: int, values: int, _data: int) -> int:
        return answer(lambda: callbacks.gradient(read(x, n)), values, n)

    def constraints(_n: int, x: int, _is_new: int, _m: int, values: int, _data: int) -> int:
        return answer(lambda: callbacks.constraints(read(x, n)), values, m)

    def structure(name: str, rows: int, columns: int) -> int:
        for address, numbers in zip((rows, columns), structures[name], strict=True):
            ctypes.memmove(address, numbers.ctypes.data, numbers.nbytes)
        return 1

    def jacobian(
        _n: int, x: int, _new: int, _m: int, count: int, rows: int, columns: int, values: int | None, _data: int
    ) -> int:
        if values is None:
            return structure("jacobian", rows, columns)
        return answer(lambda: callbacks.jacobian(read(x, n)), values, count)

    def hessian(
        _n: int, x: int, _new: int, factor: float, _m: int, multipliers: int, _also: int, count: int, rows: int,
        columns: int, values: int | None, _data: int,
    ) -> int:  # fmt: skip
        if values is None:
            return structure("hessian", rows, columns)
        return answer(lambda: callbacks.hessian(read(x, n), read(multipliers, m), factor), values, count)

    return (
        eval_f(objective),
        eval_g(constraints),
        eval_grad_f(gradient),
        eval_jac_g(jacobian),
        eval_h(hessian),
        intermediate(lambda *state: int(callbacks.intermediate(*state[:-1]))),
    )


def read(address: int, count: int) -> Vector:
    """A copy of the numbers there."""
    return numbers_at(address, count).copy()


def numbers_at(address: int, count: int) -> Vector:
    """The numbers themselves."""
    numbers: Any = (c_double * count).from_address(address) if count else bytearray()
    return np.frombuffer(numbers)
