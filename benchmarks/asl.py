"""A Pyomo model as AMPL's own library (ASL) sees it: Pyomo's writer, and the library's derivatives by PyNumero."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Indices = NDArray[np.int64]


def write(model: Any, path: Path) -> Any:
    """The .nl file, as solvers get it; returns what the writer says of it, columns and rows in their order."""
    from pyomo.repn.plugins.nl_writer import NLWriter

    with path.open("w", newline="") as file:
        return NLWriter().write(model, file, linear_presolve=False, scale_model=False)


class AslFunctions:
    """The same methods as `fastexpr.nlp.Nlp.functions`: new arrays, filled by one call of the library each.

    Attributes
    ----------
    columns, rows : list
        Pyomo's variables and constraints, in the order of the library.
    """

    def __init__(self, model: Any) -> None:
        from pyomo.contrib.pynumero.interfaces.ampl_nlp import AslNLP

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.nl"
            info = write(model, path)
            nlp = AslNLP(str(path))
        self.columns, self.rows = list(info.variables), list(info.constraints)
        self._library = nlp._asl
        self.constraint_lower: Array = np.empty(nlp.n_constraints())
        self._library.get_g_lower_bounds(self.constraint_lower)
        self._nlp = nlp  # owns the library's memory
        self._sizes = {"constraints": nlp.n_constraints(), "jacobian": nlp.nnz_jacobian()}
        self._sizes["hessian"] = self._library.get_nnz_hessian_lag()

    def jacobian_structure(self) -> tuple[Indices, Indices]:
        """Rows and columns, counted from 0."""
        return self._structure("jacobian", self._library.struct_jac_g)

    def hessian_structure(self) -> tuple[Indices, Indices]:
        """Rows and columns of one triangle, counted from 0."""
        return self._structure("hessian", self._library.struct_hes_lag)

    def _structure(self, kind: str, fill: Any) -> tuple[Indices, Indices]:
        rows, columns = (np.zeros(self._sizes[kind], dtype=np.intc) for _ in range(2))
        fill(rows, columns)
        return rows.astype(np.int64) - 1, columns.astype(np.int64) - 1

    def objective(self, x: Array) -> float:
        return float(self._library.eval_f(x))

    def gradient(self, x: Array) -> Array:
        result = np.empty(x.size)
        self._library.eval_deriv_f(x, result)
        return result

    def constraints(self, x: Array) -> Array:
        result = np.empty(self._sizes["constraints"])
        self._library.eval_g(x, result)
        return result

    def jacobian(self, x: Array) -> Array:
        result = np.empty(self._sizes["jacobian"])
        self._library.eval_jac_g(x, result)
        return result

    def hessian(self, x: Array, multipliers: Array, factor: float) -> Array:
        """At the point where f and g, or its Jacobian, were asked for last: the library looks at no x here."""
        result = np.empty(self._sizes["hessian"])
        self._library.eval_hes_lag(x, multipliers, result, factor)
        return result
