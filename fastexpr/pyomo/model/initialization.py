"""Starting values by forward evaluation: variables that are networks' outputs get them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from pyomo.common.numeric_types import native_types
from pyomo.core.base.var import VarData
from pyomo.core.expr.visitor import StreamBasedExpressionVisitor
from pyomo.environ import value

from fastexpr.errors import EvaluationError
from fastexpr.pyomo.external.files import is_any_network
from fastexpr.pyomo.model.building import middle_of_bounds
from fastexpr.pyomo.model.definitions import Computation, Definition, Definitions, NetworkCall, is_network_call


def initialize(model: Any, overwrite: bool = True) -> int:
    """Set the variables that the model's equations define by networks' outputs, as in ``y == net(x)``.

    Networks are evaluated in the order of their dependence, where one is fed by others' outputs, and all places of a
    network that can be evaluated together are one batch. An equation defines a variable that stands alone on one of
    its sides and nowhere else in it, ``m.x[k + 1] == m.x[k] + 0.1 * net(m.x[k])``, or that is its only variable that is
    free and linear, ``2 * m.y - net(m.x) == m.p``. Variables that depend on themselves, through several equations, say,
    stay as they are; so do fixed variables and what equations without networks say.

    Variables without a value that networks need get one first: the middle of their bounds, or what is nearest to zero
    within them.

    Parameters
    ----------
    model : ConcreteModel or Block
        Active equations count. The networks may be elsewhere.
    overwrite : bool
        Whether variables that have a value get another.

    Returns
    -------
    int
        How many variables were set.

    Raises
    ------
    EvaluationError
        A value is not finite.

    Examples
    --------
    >>> import numpy as np, pyomo.environ as pyo, fastexpr as fx, fastexpr.pyomo as fxp
    >>> x = fx.variables(1)
    >>> m = pyo.ConcreteModel()
    >>> m.T = pyo.Var([0, 1, 2])
    >>> m.net = fxp.ExternalNetwork(fx.Function(x, 0.5 * x))
    >>> m.step = pyo.Constraint([0, 1], rule=lambda m, k: m.T[k + 1] == m.net(m.T[k])[0])
    >>> m.T[0].fix(8.0)
    >>> fxp.initialize(m)
    2
    >>> m.T[2].value
    2.0
    """
    if not is_any_network():
        return 0
    definitions = Definitions(list(model.values()) if model.is_indexed() else [model], overwrite)
    values = _Values(definitions)
    for level in _levels(definitions):
        _evaluate_calls([step for step in level if isinstance(step, NetworkCall)], values)
        for step in level:
            if isinstance(step, Definition):
                _set(step, values)
    return values.n_set


class _Values(StreamBasedExpressionVisitor):  # type: ignore[misc]
    """Values of expressions whose calls of networks are evaluated; of a named expression once for all its uses."""

    def __init__(self, definitions: Definitions) -> None:
        super().__init__()
        self._definitions = definitions
        self._named: dict[int, Any] = {}
        self.n_set = 0  # variables

    def __call__(self, node: Any) -> Any:
        is_expression, result = self.beforeChild(None, node, 0)
        return self.walk_expression(node) if is_expression else result

    def set(self, variable: VarData, number: float) -> None:
        variable.set_value(number, skip_validation=True)
        self.n_set += 1

    def beforeChild(self, parent: Any, child: Any, index: int) -> tuple[bool, Any]:  # noqa: N802  # Pyomo's name
        """The value of what is no expression, or known already."""
        if child.__class__ in native_types:
            return False, child
        if not child.is_expression_type():
            if isinstance(child, VarData) and child.value is None and not child.fixed:
                self.set(child, middle_of_bounds(child))
            return False, value(child)
        if is_network_call(child):
            return False, float(self._definitions.call(child).outputs[int(child.args[1])])
        if id(child) in self._named:
            return False, self._named[id(child)]
        return True, None

    def exitNode(self, node: Any, data: Sequence[Any]) -> Any:  # noqa: N802
        """The value of an expression from those of its parts."""
        result = node._apply_operation(data)
        if node.is_named_expression_type():
            self._named[id(node)] = result
        return result


def _evaluate_calls(calls: Sequence[NetworkCall], values: _Values) -> None:
    """Those of one network as one batch; equal inputs are one point. What is not finite is left for `_set` to see."""
    points: dict[Any, dict[bytes, tuple[Any, list[NetworkCall]]]] = {}
    for call in calls:
        try:
            x = np.array([values(argument) for argument in call.arguments], dtype=float)
        except _NOT_A_NUMBER:
            x = np.full(len(call.arguments), np.nan)
        points.setdefault(call.network, {}).setdefault(x.tobytes(), (x, []))[1].append(call)
    for network, of_network in points.items():
        batch = np.array([x for x, _ in of_network.values()])
        outputs = np.full((len(batch), network.n_outputs), np.nan)
        is_finite = np.isfinite(batch).all(axis=1)
        if is_finite.any():
            outputs[is_finite] = network(batch[is_finite])
        for (_, alike), row in zip(of_network.values(), outputs, strict=True):
            for call in alike:
                call.outputs = row


_NOT_A_NUMBER = (ArithmeticError, ValueError, TypeError)  # what Python makes of 1/0, log(-1) and (-1)**0.5


def _set(definition: Definition, values: _Values) -> None:
    constraint, variable = definition.constraint, definition.variable
    try:
        total = definition.constant + sum(factor * values(term) for factor, term in definition.terms)
        result = float(-total / definition.scale)
    except _NOT_A_NUMBER:
        result = np.nan
    if not np.isfinite(result):
        raise EvaluationError(
            f"[initialize] the equation '{constraint.name}' gives '{variable.name}' no finite value: got {result}. "
            "Give the variables that it depends on other values, or deactivate it."
        )
    values.set(variable, result)


def _levels(definitions: Definitions) -> list[list[Computation]]:
    """The steps in the order of their dependence, and together those that can be taken at once."""
    levels, stuck = _sorted(definitions)
    if stuck:
        for step in _cyclic(stuck):
            if isinstance(step, Definition):
                definitions.remove(step)
        levels, _ = _sorted(definitions)
    return levels


def _sorted(definitions: Definitions) -> tuple[list[list[Computation]], dict[Computation, list[Computation]]]:
    """The levels, and what depends on itself or on such steps, with what it needs."""
    needs: dict[Computation, list[Computation]] = {}
    stack: list[Computation] = list(definitions)
    while stack:
        step = stack.pop()
        if step not in needs:
            needs[step] = list(definitions.needs(step))
            stack.extend(step.calls.values())
    users: dict[Computation, list[Computation]] = {step: [] for step in needs}
    for step, needed in needs.items():
        for other in needed:
            users[other].append(step)
    missing = {step: len(needed) for step, needed in needs.items()}
    levels = []
    level = [step for step, count in missing.items() if count == 0]
    while level:
        levels.append(level)
        following = []
        for step in level:
            for user in users[step]:
                missing[user] -= 1
                if missing[user] == 0:
                    following.append(user)
        level = following
    return levels, {step: needs[step] for step, count in missing.items() if count > 0}


def _cyclic(needs: dict[Computation, list[Computation]]) -> Iterator[Computation]:
    """The steps that depend on themselves."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    number = {step: k for k, step in enumerate(needs)}
    edges = [(number[step], number[other]) for step, needed in needs.items() for other in needed if other in number]
    rows, columns = np.array(edges).T
    graph = coo_array((np.ones(len(edges)), (rows, columns)), shape=(len(needs), len(needs)))
    _, component = connected_components(graph.tocsr(), connection="strong")
    size = np.bincount(component)
    return (step for step, k in number.items() if size[component[k]] > 1)
