"""Which installed solver can load external functions."""

from __future__ import annotations

import contextlib
import importlib
from typing import Any

from pyomo.environ import SolverFactory

from fastexpr.errors import NotFoundError

SOLVERS = ("pounce", "ipopt", "ripopt")
_PLUGINS = {"pounce": "pyomo_pounce", "ripopt": "pyomo_ripopt"}  # importing one registers its solver


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
        with contextlib.suppress(ImportError):
            importlib.import_module(_PLUGINS.get(name, "pyomo"))
        solver = SolverFactory(name)
        if solver.available(exception_flag=False):
            return solver
    raise NotFoundError(
        f"No solver is installed that can call a network: looked for {', '.join(names or SOLVERS)}. "
        "pip install pounce-solver pyomo-pounce"
    )
