"""Ipopt's options: Python values in the types the solvers insist on."""

from __future__ import annotations

import contextlib
from typing import Any, NoReturn

import numpy as np

Option = str | int | float | bool
Plain = str | int | float

#: Ipopt's options that are whole numbers (manual of 3.14, and its interface to MUMPS); all other numbers are floats.
#: Ipopt prints a complaint when it gets the other type, so that one is tried only where this list is wrong.
INTEGER_OPTIONS = frozenset({
    "print_level", "file_print_level", "print_frequency_iter", "max_iter", "acceptable_iter", "max_soc",
    "max_resto_iter", "max_soft_resto_iters", "accept_after_max_steps", "watchdog_shortened_iter_trigger",
    "watchdog_trial_iter_max", "filter_reset_trigger", "max_filter_resets", "min_refinement_steps",
    "max_refinement_steps", "quality_function_max_section_steps", "adaptive_mu_kkterror_red_iters",
    "limited_memory_max_history", "limited_memory_max_skipping", "derivative_test_first_index",
    "num_linear_variables", "mumps_mem_percent", "mumps_pivot_order", "mumps_permuting_scaling", "mumps_scaling",
    "mumps_print_level",
})  # fmt: skip


#: Ipopt's whole numbers have 32 bits.
LARGEST_INTEGER = 2**31


def candidates(name: str, value: Any) -> list[Plain]:
    """What to hand to the solver, the likeliest type first: True as Ipopt's yes, 1 as 1.0 where it takes floats, and
    "1e-9" as the number, for options files have nothing but text.
    """
    plain: Any = value.item() if isinstance(value, np.generic) else value
    if isinstance(plain, bool):
        return ["yes" if plain else "no"]
    if isinstance(plain, str):
        number = number_of(plain)
        return [plain] if number is None else [*candidates(name, number), plain]
    if isinstance(plain, float) and plain.is_integer() and abs(plain) < LARGEST_INTEGER:
        plain = int(plain)
    if not isinstance(plain, int) or abs(plain) >= LARGEST_INTEGER:
        return [float(plain)] if isinstance(plain, int) else [plain]
    return [plain, float(plain)] if name in INTEGER_OPTIONS else [float(plain), plain]


def number_of(text: str) -> int | float | None:
    """The number that a text is, if it is one."""
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(text)
    return None


def refuse(solver: str, name: str, value: object) -> NoReturn:
    """Raises the error that names the option."""
    raise ValueError(
        f"[Solver '{solver}'] refuses the option {name}={value!r}: it knows no such option, or not this value. "
        + (
            "A limit of time is time_limit=, with every version of the solver."
            if name in ("max_wall_time", "max_cpu_time")
            else "Ipopt's manual lists the options."
        )
    )
