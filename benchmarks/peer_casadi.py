"""The quantities by CasADi: matrix expressions (MX) as they are, scalar expressions (SX) as compiled C."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.networks import Network
from benchmarks.peers import Evaluator

Array = NDArray[np.float64]


class BuiltWhenAsked(dict[str, Evaluator]):
    """Quantities by name; an expression that nobody asks for is not built, which takes minutes for some."""

    def __init__(self, build: Callable[[str], Any]) -> None:
        super().__init__()
        self._build = build

    def __missing__(self, quantity: str) -> Evaluator:
        self[quantity] = through_buffers(self._build(quantity))
        return self[quantity]


def casadi_functions(network: Network) -> dict[str, Evaluator]:
    """MX: one node per matrix product, evaluated by CasADi's virtual machine."""
    import casadi

    return BuiltWhenAsked(lambda quantity: make_function(network, quantity, casadi.MX))


def casadi_c_functions(network: Network) -> dict[str, Evaluator]:
    """SX: one line of C per flop, compiled by gcc."""
    import casadi

    return BuiltWhenAsked(lambda quantity: compiled(make_function(network, quantity, casadi.SX)))


def make_function(network: Network, quantity: str, kind: Any) -> Any:
    """The casadi.Function of x, or of x and w, for this quantity, in expressions of this kind."""
    import casadi

    x, w = kind.sym("x", network.sizes[0]), kind.sym("w", network.sizes[-1])
    a = x
    *hidden, (W, b) = [(casadi.DM(W), casadi.DM(b)) for W, b in network.widened()]
    for V, c in hidden:
        a = casadi.tanh(V @ a + c)
    f = W @ a + b
    parts: dict[str, Callable[[], Any]] = {
        "value": lambda: f,
        "jacobian": lambda: casadi.jacobian(f, x),
        "hessian": lambda: casadi.hessian(casadi.dot(w, f), x)[0],
    }
    wanted = parts if quantity == "evaluate" else [quantity]
    inputs = [x] if quantity in ("value", "jacobian") else [x, w]
    return casadi.Function(quantity, inputs, [casadi.densify(parts[name]()) for name in wanted])


def compiled(function: Any) -> Any:
    """The same function as C, -O3 for this machine."""
    import casadi

    with tempfile.TemporaryDirectory() as folder:
        generator = casadi.CodeGenerator(f"{function.name()}.c")
        generator.add(function)
        source = generator.generate(f"{folder}/")
        library = Path(folder) / "function.so"
        subprocess.run(
            ["gcc", "-O3", "-march=native", "-shared", "-fPIC", source, "-o", str(library), "-lm"], check=True
        )
        return casadi.external(function.name(), str(library))


def through_buffers(function: Any) -> Evaluator:
    """Calls it on arrays that it keeps, which spares small functions nine tenths of the time of `function(x, w)`.

    CasADi's matrices are column-major: what is written is the transposed matrix.
    """
    buffer, evaluate = function.buffer()
    arguments = [np.empty(function.numel_in(i)) for i in range(function.n_in())]
    shapes = [function.size_out(i) for i in range(function.n_out())]
    results = [np.empty(rows if columns == 1 else (columns, rows)) for rows, columns in shapes]
    for i, argument in enumerate(arguments):
        buffer.set_arg(i, memoryview(argument))
    for i, result in enumerate(results):
        buffer.set_res(i, memoryview(result))

    def call(x: Array, w: Array) -> tuple[Array, ...]:
        for argument, given in zip(arguments, (x, w), strict=False):
            argument[:] = given
        evaluate()
        return tuple([result.copy().T for result in results])

    call.buffer = buffer  # type: ignore[attr-defined]  # evaluate() does not keep it alive
    return call
