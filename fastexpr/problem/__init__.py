"""Direct solves: a problem stated with NumPy expressions and networks.

`problem` has the class a user meets, `statement` what it collects, `assembly` how that becomes a nonlinear program.
"""

from fastexpr.problem.problem import Problem
from fastexpr.problem.result import Result
from fastexpr.problem.statement import Constraint

__all__ = ["Constraint", "Problem", "Result"]
