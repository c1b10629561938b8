"""Networks and trees as algebra, for solvers of mixed-integer programs and for global solvers.

`building` walks a network's graph and fills an `algebra.Algebra`: affine parts are sparse matrices (`affine`), the rest
is written by emitters (`piecewise`, `maximum`, `trees`, `smooth`). Two writers read it:
`fastexpr.pyomo.formulation.algebra` and `highs`.
"""
