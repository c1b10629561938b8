"""One network through each way into it: functions of a count of evaluations that give the last result."""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.derivative_candidates import is_tried
from benchmarks.networks import Network
from benchmarks.peer_casadi import casadi_functions, through_buffers
from benchmarks.peer_pytorch import pytorch_functions
from benchmarks.peers import Evaluator, fastexpr_derivatives, jax_functions

Array = NDArray[np.float64]
Repeated = Callable[[int], Array]
QUANTITIES = ["value", "jacobian", "hessian"]
OURS = "Python"
LARGEST_TEXT = 100_000  # parameters: beyond, C code that stands alone is no use

# Calls from C, so that what Python adds is left out; the same loop for the library and for exported code.
LOOP = """
typedef int (*library_one)(void *, long long, const double *, double *);
typedef int (*library_two)(void *, long long, const double *, const double *, double *);
typedef void (*code_one)(const double *, double *, double *);
typedef void (*code_two)(const double *, const double *, double *, double *);
void loop_library(library_one f, void *net, const double *x, double *y, int count) {
  for (int i = 0; i < count; ++i) f(net, 1, x, y);
}
void loop_library_weighted(library_two f, void *net, const double *x, const double *w, double *y, int count) {
  for (int i = 0; i < count; ++i) f(net, 1, x, w, y);
}
void loop_code(code_one f, const double *x, double *y, double *work, int count) {
  for (int i = 0; i < count; ++i) f(x, y, work);
}
void loop_code_weighted(code_two f, const double *x, const double *w, double *y, double *work, int count) {
  for (int i = 0; i < count; ++i) f(x, w, y, work);
}
"""
FLAGS = ["-std=c99", "-O3", "-march=native", "-ffp-contract=fast", "-shared", "-fPIC"]


def pointer(array: Array) -> ctypes.c_void_p:
    """Where its numbers are."""
    return ctypes.c_void_p(array.ctypes.data)


def compiled(source: str, folder: Path, name: str) -> ctypes.CDLL:
    """A library of this C code."""
    (folder / f"{name}.c").write_text(source)
    subprocess.run(["cc", *FLAGS, f"{name}.c", "-o", f"{name}.so", "-lm"], check=True, cwd=folder)
    return ctypes.CDLL(str(folder / f"{name}.so"))


def shapes(net: Any) -> dict[str, tuple[int, ...]]:
    """Of the quantities."""
    n, m = net.n_inputs, net.n_outputs
    return {"value": (m,), "jacobian": (m, n), "hessian": (n, n)}


def by_the_library(net: Any, x: Array, w: Array, folder: Path) -> dict[str, Repeated]:
    """libfastexpr.so, called from C."""
    import fastexpr as fx

    net.save(folder / "network.fx")
    library = ctypes.CDLL(str(Path(fx.__file__).parent / "libfastexpr.so"))
    loop, handle = compiled(LOOP, folder, "loop"), ctypes.c_void_p()
    if library.fastexpr_open(str(folder / "network.fx").encode(), ctypes.byref(handle)) != 0:
        raise SystemExit("The C library does not open the network.")
    library.fastexpr_set_threads(fx.num_threads())

    def repeated(quantity: str) -> Repeated:
        function = ctypes.cast(getattr(library, f"fastexpr_{quantity}"), ctypes.c_void_p)
        result = np.empty(shapes(net)[quantity])

        def run(count: int) -> Array:
            if quantity == "hessian":
                loop.loop_library_weighted(function, handle, pointer(x), pointer(w), pointer(result), count)
            else:
                loop.loop_library(function, handle, pointer(x), pointer(result), count)
            return result

        return run

    return {quantity: repeated(quantity) for quantity in QUANTITIES}


def by_exported_code(net: Any, x: Array, w: Array, folder: Path) -> dict[str, Repeated]:
    """What to_c writes, called from C."""
    code = net.to_c(name="network")
    library, loop = compiled(code, folder, "network"), compiled(LOOP, folder, "loop_code")
    size = int(code.split("#define NETWORK_WORK ")[1].split()[0])
    work = np.zeros(size)

    def repeated(quantity: str) -> Repeated:
        function = ctypes.cast(getattr(library, f"network_{quantity}"), ctypes.c_void_p)
        result = np.empty(shapes(net)[quantity])

        def run(count: int) -> Array:
            if quantity == "hessian":
                loop.loop_code_weighted(function, pointer(x), pointer(w), pointer(result), pointer(work), count)
            else:
                loop.loop_code(function, pointer(x), pointer(result), pointer(work), count)
            return result

        return run

    return {quantity: repeated(quantity) for quantity in QUANTITIES}


def casadi_evaluators(net: Any) -> dict[str, Evaluator]:
    """to_casadi, differentiated by CasADi."""
    import casadi

    f, x, w = net.to_casadi(), casadi.MX.sym("x", net.n_inputs), casadi.MX.sym("w", net.n_outputs)
    parts = {
        "value": ([x], f(x)),
        "jacobian": ([x], casadi.jacobian(f(x), x)),
        "hessian": ([x, w], casadi.hessian(casadi.dot(w, f(x)), x)[0]),
    }
    return {
        name: through_buffers(casadi.Function(name, inputs, [casadi.densify(expression)]))
        for name, (inputs, expression) in parts.items()
    }


def jax_evaluators(net: Any) -> dict[str, Evaluator]:
    """to_jax under jit."""
    import jax

    f = net.to_jax()
    value, jacobian = jax.jit(f), jax.jit(jax.jacrev(f))
    hessian = jax.jit(jax.hessian(lambda x, w: w @ f(x)))
    return {
        "value": lambda x, w: (np.asarray(value(x)),),
        "jacobian": lambda x, w: (np.asarray(jacobian(x)),),
        "hessian": lambda x, w: (np.asarray(hessian(x, w)),),
    }


def torch_evaluators(net: Any) -> dict[str, Evaluator]:
    """to_torch, value and Jacobian: a Hessian is as many products as there are inputs."""
    import torch

    f = net.to_torch()
    return {
        "value": lambda x, w: (f(torch.from_numpy(x)).numpy(),),
        "jacobian": lambda x, w: (torch.func.jacrev(f)(torch.from_numpy(x)).numpy(),),
    }


def in_python(evaluators: dict[str, Evaluator], x: Array, w: Array) -> dict[str, Repeated]:
    """Calls from Python."""

    def repeated(evaluate: Evaluator) -> Repeated:
        def run(count: int) -> Array:
            for _ in range(count):
                result = evaluate(x, w)
            return result[0]

        return run

    return {name: repeated(evaluate) for name, evaluate in evaluators.items() if name in QUANTITIES}


def make_candidates(network: Network, net: Any, x: Array, w: Array, folder: Path) -> dict[str, dict[str, Repeated]]:
    """By name and quantity: ours first, then others'."""
    found = {OURS: in_python(fastexpr_derivatives(net), x, w), "C library": by_the_library(net, x, w, folder)}
    if network.n_parameters <= LARGEST_TEXT:
        found["exported C"] = by_exported_code(net, x, w, folder)
    found["CasADi"] = in_python(casadi_evaluators(net), x, w)
    found["JAX"] = in_python(jax_evaluators(net), x, w)
    found["PyTorch"] = in_python(torch_evaluators(net), x, w)
    peers = {"casadi": casadi_functions, "jax": jax_functions, "pytorch": pytorch_functions}
    for name, make in peers.items():
        made = make(network)
        tried = {quantity: made[quantity] for quantity in QUANTITIES if is_tried(name, quantity, network.name)}
        found[f"{name}'s own"] = in_python(tried, x, w)
    return found
