"""How a solve proceeds: the stages that `fastexpr.Problem` and Pyomo's solver "fastexpr" share.

`strategy` is the whole of it, `budget` what the stages share, `stages` what each does. What a single run of a solver is
and when it counts as solved is in `fastexpr.solvers`.
"""

from fastexpr.solve.budget import Budget, Settings
from fastexpr.solve.strategy import solve

__all__ = ["Budget", "Settings", "solve"]
