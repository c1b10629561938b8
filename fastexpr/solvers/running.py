"""Which solver runs, and running it: Ipopt through cyipopt, or pounce, its port to Rust.

Each adapter is a thin translation of `fastexpr.nlp.Nlp` to one package; what both share is in
`fastexpr.solvers.interior_point`.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable

from fastexpr.nlp import Nlp
from fastexpr.solvers.checked import solve
from fastexpr.solvers.interior_point import Multipliers, Scaling, Solution, Supervision
from fastexpr.solvers.options import Option

#: In the order of preference, with what to install.
packages = {"cyipopt": "cyipopt", "pounce": "pounce-solver"}


def available() -> list[str]:
    """The solvers that are installed, the preferred one first."""
    return [name for name in packages if is_installed(name)]


def is_installed(name: str) -> bool:
    """Whether there is such a package."""
    return importlib.util.find_spec(name) is not None


def choose(solver: str | None = None) -> str:
    """The solver to use: the one asked for, or the first one installed.

    Raises
    ------
    ValueError
        There is no solver of this name.
    ModuleNotFoundError
        It is not installed, or none is; the message says what to install.
    """
    solver = "cyipopt" if solver == "ipopt" else solver
    if solver is not None and solver not in packages:
        raise ValueError(f"[Solver] unknown solver: got {solver!r}, expected one of {', '.join(map(repr, packages))}.")
    chosen = next((name for name in packages if solver in (None, name) and is_installed(name)), None)
    if chosen is not None:
        importlib.import_module(f"fastexpr.solvers.{chosen}")  # now, so that the time of the solve does not contain it
        return chosen
    missing = f"the solver {solver!r} is not installed" if solver else "no solver is installed"
    wanted = [solver] if solver else list(packages)
    ways = " or ".join(f"'pip install {packages[name]}'" for name in reversed(wanted))
    libraries = "pkg-config coinor-libipopt-dev liblapack-dev libblas-dev"
    note = f" (pip compiles cyipopt; on Debian it needs 'apt-get install {libraries}')" if "cyipopt" in wanted else ""
    raise ModuleNotFoundError(f"[Solver] {missing}: use {ways}{note}.")


def run(
    nlp: Nlp,
    solver: str,
    options: dict[str, Option],
    multipliers: Multipliers | None = None,
    supervision: Supervision | None = None,
    scaling: Scaling | None = None,
    before_again: Callable[[], None] | None = None,
) -> Solution:
    """Solves the program, and checks what the solver calls a solution: see `fastexpr.solvers.checked`.

    Parameters
    ----------
    nlp : Nlp
        The program.
    solver : str
        "cyipopt" or "pounce".
    options : dict
        Ipopt's options by name.
    multipliers : Multipliers, optional
        Where the multipliers start (a warm start).
    supervision : Supervision, optional
        Asked after every iteration whether the solver goes on.
    scaling : Scaling, optional
        Used under the option nlp_scaling_method="user-scaling".
    before_again : callable, optional
        Called before the solver runs once more.

    Raises
    ------
    ValueError
        The solver knows no such option, or not this value; user-scaling without factors.
    """
    if options.get("nlp_scaling_method") == "user-scaling" and scaling is None:
        raise ValueError(
            f"[Solver '{solver}'] nlp_scaling_method='user-scaling' needs factors, and there are none. What to do: "
            "leave the option out, or scale variables and constraints in the problem; a Pyomo model has a Suffix "
            "scaling_factor."
        )
    adapter = importlib.import_module(f"fastexpr.solvers.{solver}")
    return solve(adapter, nlp, options, multipliers, supervision or Supervision(), scaling, before_again)


def version(solver: str) -> tuple[int, ...]:
    """Of the solver: Ipopt's own for cyipopt."""
    found: tuple[int, ...] = importlib.import_module(f"fastexpr.solvers.{solver}").version()
    return found
