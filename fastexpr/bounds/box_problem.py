"""What is minimised: one function over a box, with limits, in the arrays that the search takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fastexpr._core import BoxSearch, Function, Operator
from fastexpr.bounds.cuts import cuts_of

Array = npt.NDArray[np.float64]

FEASIBILITY = 1e-6  # relative to max(1, |limit|), as solves are checked


@dataclass(frozen=True)
class BoxProblem:
    """Minimise output 0 of `function` over a box, where its other outputs and rows of x are limited."""

    function: Function
    lower: Array
    upper: Array
    limits: Array  # of outputs 1, 2, ...
    rows: Array  # (rows, n)
    row_limits: Array
    is_integer: npt.NDArray[np.bool_]
    allowance: float = 0.0  # how far points that are looked for may miss limits of outputs

    @property
    def is_bare(self) -> bool:
        """Whether there is nothing but the box."""
        return not (self.limits.size or self.row_limits.size or self.is_integer.any())

    def search(self, tol: float, target: float = -np.inf) -> BoxSearch:
        return BoxSearch(
            self.function,
            self.lower,
            self.upper,
            self.limits,
            self.rows,
            self.row_limits,
            self.is_integer.astype(np.float64),
            cuts_of(self.function),
            tol,
            FEASIBILITY,
            target,
        )


def statement_of_parts(
    net: Function,
    lower: Array,
    upper: Array,
    matrix: Array,
    limits: Array,
    rows: Array,
    row_limits: Array,
    is_integer: npt.NDArray[np.bool_],
    allowance: float = 0.0,
) -> BoxProblem:
    """Minimise matrix[0] @ net(x) where matrix[1:] @ net(x) <= limits and rows @ x <= row_limits."""
    low, high = net.output_bounds(lower, upper)
    with np.errstate(over="ignore", invalid="ignore"):  # widths may be infinite
        units = units_of(limits, np.abs(matrix[1:]) @ (high - low))
        row_units = units_of(row_limits, np.abs(rows) @ (upper - lower))
    matrix = np.vstack([matrix[:1], matrix[1:] * units[:, np.newaxis]])
    return BoxProblem(
        behind(net, matrix),
        lower,
        upper,
        np.asarray(limits * units, dtype=np.float64),
        rows * row_units[:, np.newaxis],
        np.asarray(row_limits * row_units, dtype=np.float64),
        is_integer,
        allowance,
    )


def units_of(limits: Array, widths: Array) -> Array:
    """Factors that make what is limited at least about 1, powers of two.

    Limits hold to 1e-6 relative to max(1, |limit|), which would say nothing of outputs that are as small as that.
    """
    sizes = np.maximum(np.abs(limits), widths)
    is_small = (sizes < 1.0) & (sizes > 1e-200)
    return np.where(is_small, np.exp2(-np.floor(np.log2(np.where(is_small, sizes, 1.0)))), 1.0)


def behind(net: Function, matrix: Array) -> Function:
    """matrix @ net(x), as a function with one output node."""
    nodes: list[Any] = list(net._nodes())
    shapes = [(net.n_inputs,), *(tuple(core.shape) for core, _, _ in nodes)]
    ends = net._output_ids()
    if len(ends) == 1 and matrix.shape == (1, 1) and matrix[0, 0] == 1.0 and ends[0] > 0:
        return functions_of(net, nodes, ends[0], 1)

    def add(name: str, inputs: list[int], constants: list[Array], **attributes: Any) -> int:
        nodes.append(
            (Operator(name, [shapes[k] for k in inputs], attributes, constants), inputs, f"{name} of objective")
        )
        shapes.append(tuple(nodes[-1][0].shape))
        return len(nodes)

    flat = [
        end if len(shapes[end]) == 1 else add("Reshape", [end], [], shape=[int(np.prod(shapes[end]))]) for end in ends
    ]
    joined = flat[0] if len(flat) == 1 else add("Concat", flat, [], axis=0)
    return functions_of(net, nodes, add("Linear", [joined], [matrix], axis=0, transposed=0), len(matrix))


def functions_of(net: Function, nodes: list[Any], end: int, size: int) -> Function:
    return Function._from_nodes(
        net.n_inputs,
        nodes,
        [end],
        list(net.inputs.items()),
        [("y", (size,) if end else (net.n_inputs,))],
        list(net.input_names),
        [f"y[{k}]" for k in range(size)],
    )
