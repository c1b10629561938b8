"""What other solvers' writers have to know: that a format cannot hold a network, and what a looked-up number is."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any, NoReturn

from pyomo.core.expr.numeric_expr import AbsExpression, ExternalFunctionExpression

from fastexpr.errors import ModelError
from fastexpr.pyomo.bounds.limit import Limit
from fastexpr.pyomo.external.function import NetworkFunction
from fastexpr.pyomo.formulation.cut_bounds import CutLimit, DecidedLimit


def refuse_networks() -> None:
    """Make Pyomo's writers for GAMS and BARON refuse models with networks; what they do with other functions stays."""
    with contextlib.suppress(ImportError, AttributeError):  # another Pyomo may have another writer
        from pyomo.repn.plugins.gams_writer import ToGamsVisitor

        handlers = ToGamsVisitor._expression_handlers
        others = handlers.get(ExternalFunctionExpression)
        if not getattr(others, "refuses_networks", False):
            handlers[ExternalFunctionExpression] = _handler("GAMS", others)
    with contextlib.suppress(ImportError, AttributeError):
        from pyomo.repn.plugins.baron_writer import ToBaronVisitor

        visit = ToBaronVisitor.visiting_potential_leaf
        if not getattr(visit, "refuses_networks", False):
            ToBaronVisitor.visiting_potential_leaf = _before("BARON", visit)


def read_limits() -> None:
    """Make Pyomo's interface to SCIP read limits that are looked up, and absolute values, as all others do."""
    with contextlib.suppress(ImportError, AttributeError):  # another Pyomo may have another interface, or none
        from pyomo.contrib.solver.solvers.scip.base import _operator_map

        for kind in (Limit, CutLimit, DecidedLimit):
            _operator_map[kind] = lambda node, *_: node()
        _operator_map.setdefault(AbsExpression, lambda _, arguments, *__: abs(arguments[0]))


def _handler(language: str, others: Any) -> Any:
    def handle(visitor: Any, node: Any, values: Sequence[str]) -> Any:
        if isinstance(node._fcn, NetworkFunction):
            _refuse(language, node)
        return node._to_string(values, False, visitor.smap) if others is None else others(visitor, node, values)

    handle.refuses_networks = True  # type: ignore[attr-defined]
    return handle


def _before(language: str, visit: Any) -> Any:
    """The visitor's method, which looks at arguments before it looks at functions: their texts end in a TypeError."""

    def look(visitor: Any, node: Any) -> Any:
        if isinstance(node, ExternalFunctionExpression) and isinstance(node._fcn, NetworkFunction):
            _refuse(language, node)
        return visit(visitor, node)

    look.refuses_networks = True  # type: ignore[attr-defined]
    return look


def _refuse(language: str, node: Any) -> NoReturn:
    raise ModelError(
        f"[NetworkFunction '{node._fcn.name}'] a {language} file cannot hold a network: it is an external function for "
        "AMPL solvers. What to do: SolverFactory('fastexpr'), or an AMPL solver ('pounce', 'ipopt')."
    )
