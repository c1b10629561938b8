"""Which installed solver can load external functions."""

from __future__ import annotations

import contextlib
import importlib
from typing import Any

from pyomo.environ import SolverFactory

from fastexpr.errors import NotFoundError

SOLVERS = ("pounce", "ipopt", "ripopt")


def find_solver(*names: str) -> Any:
    """The first of these solvers that is installed.

    Parameters
    ----------
    *names : str
        Names as of :func:`pyomo.environ.SolverFactory`; pounce, ipopt, ripopt where none are given.

    Returns
    -------
    A Pyomo solver.

    Raises
    ------
    NotFoundError
        None is installed; the message says how to get one.
    """
    for name in names or SOLVERS:
        if name == "pounce":
            _register_pounce()
        solver = SolverFactory(name)
        if solver.available(exception_flag=False):
            return solver
    raise NotFoundError(
        f"No solver is installed that can call a network: looked for {', '.join(names or SOLVERS)}. "
        "pip install pounce-solver pyomo-pounce"
    )


def _register_pounce() -> None:
    with contextlib.suppress(ImportError):
        importlib.import_module("pyomo_pounce")  # registers the solver
