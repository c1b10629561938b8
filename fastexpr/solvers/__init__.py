"""The solvers behind `fastexpr.Problem`: Ipopt through cyipopt, and pounce, its port to Rust."""

from fastexpr.solvers.interior_point import MetKink, Multipliers, Progress, Scaling, Solution, Stage, Supervision
from fastexpr.solvers.options import Option
from fastexpr.solvers.running import available, choose, run, version

__all__ = [
    "MetKink",
    "Multipliers",
    "Option",
    "Progress",
    "Scaling",
    "Solution",
    "Stage",
    "Supervision",
    "available",
    "choose",
    "run",
    "version",
]
