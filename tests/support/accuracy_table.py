"""Errors and times of vector math as a table in Markdown: `python tests/support/accuracy_table.py`."""

from __future__ import annotations

import numpy as np
from exact_functions import FUNCTIONS, answers, points, power_points, powers
from scipy import special
from vector_math_paths import PATHS, Array, evaluate, nanoseconds

OTHERS = {name: getattr(np, name) for name in ("exp", "expm1", "log", "log1p", "sin", "cos", "tanh", "sqrt")} | {
    "pow": np.power,
    "erf": special.erf,
    "erfc": special.erfc,
    "sigmoid": special.expit,
    "softplus": lambda x, out: np.logaddexp(0.0, x, out=out),
}
NAMES = [*FUNCTIONS, "pow"]
INPUTS = {name: points(name) for name in FUNCTIONS} | {"pow": power_points()}


def numpy_results() -> dict[str, Array]:
    """What NumPy's functions, or SciPy's, give, as `evaluate` has it."""
    found = {}
    for name in NAMES:
        arguments = list(np.atleast_2d(INPUTS[name]))
        lowest = 0.0 if name in ("log", "log1p", "sqrt", "pow") else -8.0
        out = np.empty(arguments[0].size)
        OTHERS[name](*arguments, out)
        found[name] = out
        found[f"nanoseconds {name}"] = np.array(nanoseconds(OTHERS[name], len(arguments), lowest))
    return found


def cell(name: str, found: dict[str, Array]) -> str:
    """Largest error with its place, and the time for a number."""
    errors = (powers() if name == "pow" else answers(name)).errors(found[name])
    place = int(np.argmax(errors))
    at = ", ".join(f"{argument:.4g}" for argument in np.atleast_2d(INPUTS[name])[:, place])
    size = "wrong" if np.isinf(errors[place]) else f"{errors[place]:.3g}"
    return f"{size} at {at}; {found[f'nanoseconds {name}']:.1f} ns"


def main() -> None:
    columns = {path: evaluate(path, INPUTS) for path in PATHS}
    with np.errstate(all="ignore"):
        columns["NumPy, SciPy"] = numpy_results()
    print(f"| | {' | '.join(columns)} |\n|{'---|' * (len(columns) + 1)}")
    for name in NAMES:
        print(f"| {name} | {' | '.join(cell(name, found) for found in columns.values())} |")


if __name__ == "__main__":
    main()
