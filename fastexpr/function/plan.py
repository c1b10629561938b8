"""How a function's Hessians are computed, and what that costs."""

from __future__ import annotations

from dataclasses import dataclass

from fastexpr._core import Function

WAYS = {
    "tangents": "sums over all nodes, from tangents that start at x",
    "seeds": "the same, from tangents that start at affine images of x, of fewer numbers",
    "front": "compressed tangents where each unit sees few inputs, the same as seeds behind that",
    "directions": "products with directions, a block at a time",
}


@dataclass(frozen=True)
class Plan:
    """What `Function.plan` returns. Printed, it is a table.

    Attributes
    ----------
    way : str
        "tangents", "seeds", "front" or "directions": how a dense Hessian is computed; "" where it is zero everywhere.
    costs : dict
        Multiplications at one point, about, of each way that this function has.
    """

    way: str
    costs: dict[str, float]

    def __str__(self) -> str:
        if not self.way:
            return "The Hessian is zero everywhere."
        rows = [
            f"{'->' if way == self.way else '':3}{way:12}{cost:12.3g}   {WAYS[way]}" for way, cost in self.costs.items()
        ]
        return "\n".join(["   Hessian     products   at one point", *rows])


def plan(self: Function) -> Plan:
    """Which way dense Hessians are computed: the one that takes the fewest multiplications.

    Sparse ones (`sparse_hessian`) go by products with few directions where that is less, whatever is chosen here.

    Returns
    -------
    Plan
        The way, and what each costs.

    Examples
    --------
    >>> import numpy as np, fastexpr as fx
    >>> x = fx.variables(100)
    >>> net = fx.Function(x, np.tanh(np.ones((5, 100)) @ x))
    >>> net.plan().way
    'tangents'
    >>> print(net.plan())
       Hessian     products   at one point
    -> tangents        2.55e+04   sums over all nodes, from tangents that start at x
    ...
    """
    way, costs = self._hessian_ways()
    return Plan(way, costs)
