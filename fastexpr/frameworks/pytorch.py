"""PyTorch modules, by way of ONNX."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from fastexpr._core import Function
from fastexpr.errors import FrameworkError
from fastexpr.expression import component_names
from fastexpr.frameworks.agreement import check_agreement, difference_of
from fastexpr.frameworks.libraries import library
from fastexpr.frameworks.torch_numbers import with_doubles
from fastexpr.function.variants import checked_names, rebuild
from fastexpr.onnx import load_onnx

TOLERANCE = {"torch.float64": 1e-9, "torch.float32": 1e-4}  # of max|y|; 16 bits: HALF_TOLERANCE
HALF_TOLERANCE = 5e-2
RESTORED = 1e-12  # of max|y|: no number of the module is left in float32

Array = npt.NDArray[np.float64]


def from_torch(
    module: Any,
    example_input: Any,
    *,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    opset: int | None = None,
    check: bool | None = None,
) -> Function:
    """A trained PyTorch module as a Function.

    The module is exported by `torch.onnx.export` (its newer exporter, which reads the module by `torch.export`), as it
    computes in evaluation mode, and read by `load_onnx`; no file is left behind, and the module stays as it was. The
    weights keep their precision and are not touched by the exporter's optimizer. Python numbers in a module in double
    (``x * 0.1``, an `eps`), which the exporter writes as float32, are found and restored. Only what depends on the
    inputs' numbers in Python itself (an `if` on a tensor) cannot be exported. The older exporter would freeze it as the
    example has it, so it is not tried: whoever wants that calls ``torch.onnx.export(..., dynamo=False)`` and
    `load_onnx`.

    Parameters
    ----------
    module : torch.nn.Module
        Its inputs and outputs are tensors of floats; the outputs may be a tuple, a list or a dict.
    example_input : torch.Tensor, or tuple of them
        One point, in the shape the module takes: (1, n) where it takes batches. Several inputs are a tuple.
    input_names, output_names : sequence of str, optional
        One name for each of the n numbers of x, and the m numbers of f(x). By default they are made from the names of
        the arguments of `forward`, and from "y"; the keys of a dict where the module returns one.
    opset : int, optional
        The operator set of ONNX; PyTorch's own choice where left out.
    check : bool, optional
        As in `load_onnx`. Whatever it is, f(example_input) is compared with the module's own result.

    Returns
    -------
    Function
        With one input port per tensor.

    Raises
    ------
    fastexpr.errors.NotFoundError
        PyTorch or its exporter's package onnxscript is not installed.
    fastexpr.errors.FrameworkError
        The module cannot be exported, which names an operator that has no ONNX form; or f(example_input) is not what
        the module gives.
    fastexpr.errors.OnnxError
        It holds an operator that cannot be imported.

    Examples
    --------
    >>> import torch, fastexpr as fx
    >>> module = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
    >>> net = fx.from_torch(module, torch.zeros(1, 2))
    >>> net.hessian([0.5, -0.5]).shape
    (2, 2)
    """
    torch = library("from_torch", "torch", ["torch", "onnxscript"])
    library("from_torch", "onnxscript", ["onnxscript"])
    inputs = example_input if isinstance(example_input, tuple) else (example_input,)
    for k, tensor in enumerate(inputs):
        if not isinstance(tensor, torch.Tensor) or not tensor.is_floating_point():
            raise TypeError(
                f"[from_torch] example_input {k}: got {kind_of(torch, tensor)}, expected a tensor of floats, or a "
                "tuple of these. Wrap what does not vary into a module of its own."
            )
    if not isinstance(module, torch.nn.Module):
        raise TypeError(f"[from_torch] module: got {type(module).__name__}, expected a torch.nn.Module.")
    with evaluation_mode(module):
        names, expected = outputs_of(torch, module, inputs)
        proto = exported(module, inputs, opset).model_proto
    rename_outputs(proto, names)
    point = np.concatenate([flat(tensor) for tensor in inputs])
    is_double = any(tensor.dtype == torch.float64 for tensor in inputs)
    net = read(proto, is_double, point, expected, check, input_names)
    ports = list(zip(names, net.outputs.values(), strict=True))
    chosen = checked_names("[from_torch] output_names", output_names, component_names(ports))
    net = rebuild(net, outputs=ports, output_names=chosen)
    compare(torch, net, inputs, expected)
    return net


def read(
    proto: onnx.ModelProto,
    is_double: bool,
    point: Array,
    expected: Array,
    check: bool | None,
    names: Sequence[str] | None,
) -> Function:
    """The exported model as a function: of a module in double with the doubles that the exporter rounded to float32, if
    that is nearer to what the module gives.
    """
    if not is_double:
        return load_onnx(proto, check=check, input_names=names)
    net = load_onnx(with_doubles(proto), check=check, input_names=names)
    if difference_of(net(point), expected) <= RESTORED:
        return net
    rounded = load_onnx(proto, check=check, input_names=names)
    return rounded if difference_of(rounded(point), expected) < difference_of(net(point), expected) else net


def kind_of(torch: Any, value: Any) -> str:
    return f"a tensor of {value.dtype}" if isinstance(value, torch.Tensor) else type(value).__name__


@contextmanager
def evaluation_mode(module: Any) -> Iterator[None]:
    """Every part of the module in evaluation mode, and afterwards as it was."""
    was_training = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, training in was_training:
            part.training = training


def outputs_of(torch: Any, module: Any, inputs: tuple[Any, ...]) -> tuple[list[str], npt.NDArray[np.float64]]:
    """Names for the module's outputs, and its value at the example, all joined."""
    with torch.no_grad():
        result = module(*inputs)
    if isinstance(result, dict):
        names = [str(key) for key in result]
        tensors = list(result.values())
    else:
        tensors = list(result) if isinstance(result, tuple | list) else [result]
        names = ["y"] if len(tensors) == 1 else [f"y{k}" for k in range(len(tensors))]
    for name, tensor in zip(names, tensors, strict=True):
        if not isinstance(tensor, torch.Tensor) or not tensor.is_floating_point():
            raise TypeError(
                f"[from_torch] output {name!r} of the module: got {kind_of(torch, tensor)}, expected a tensor of "
                "floats. Wrap the module into one that returns such tensors alone."
            )
    return names, np.concatenate([flat(tensor) for tensor in tensors])


def flat(tensor: Any) -> npt.NDArray[np.float64]:
    """The tensor's numbers as one vector in double precision."""
    numbers: npt.NDArray[np.float64] = tensor.detach().cpu().double().reshape(-1).numpy()
    return numbers


def exported(module: Any, inputs: tuple[Any, ...], opset: int | None = None) -> Any:
    """What the exporter makes of it (torch.onnx.ONNXProgram); it prints and warns about itself only.

    Not optimized: the optimizer folds a BatchNormalization into weights in single precision, and constants are folded
    on import anyway.
    """
    torch = library("from_torch", "torch", ["torch"])
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.onnx.export(module, inputs, dynamo=True, optimize=False, verbose=False, opset_version=opset)
    except Exception as error:  # whatever torch.export raises while it reads the module
        cause = error.__cause__ or error
        refuse_untranslated(error)
        first_line = str(cause).strip().partition("\n")[0]
        raise FrameworkError(
            f"[from_torch] PyTorch's exporter cannot read the module: {type(cause).__name__}: {first_line}. Write it "
            "without Python that depends on the numbers in a tensor. If what it does at the example is what it always "
            "does, export it with torch.onnx.export(..., dynamo=False) and read the file with load_onnx."
        ) from error
    finally:
        logger.setLevel(level)


#: What can stand for operators that ONNX lacks, by parts of their names.
INSTEAD = {
    "cdist": "((a[:, None] - b[None, :]) ** 2).sum(-1).sqrt() is the same",
    "cholesky": "factor what is constant in __init__",
    "linalg_eig": "decompose what is constant in __init__",
    "linalg_inv": "invert what is constant in __init__, and write out the formula for a small matrix",
    "matrix_exp": "scaling and squaring, a polynomial of x / 2**k squared k times, is made of products",
    "solve": "invert what is constant in __init__, and write out the formula for a small matrix",
    "svd": "decompose what is constant in __init__",
}


def refuse_untranslated(error: BaseException | None) -> None:
    """Raises FrameworkError where the exporter met an operator that ONNX has no form for."""
    while error is not None:
        found = re.search(r"No ONNX function found for <OpOverload\(op='\w+\.(\w+)'", str(error))
        if found is not None:
            name = found[1].strip("_")
            instead = next((hint for part, hint in INSTEAD.items() if part in name), "use others that it has")
            raise FrameworkError(
                f"[from_torch] {name} has no ONNX form: PyTorch's exporter cannot translate it. In its place: "
                f"{instead}. Or take it out of the module, and write it in NumPy around the network with "
                "fastexpr.variables."
            )
        error = error.__cause__


def rename_outputs(proto: onnx.ModelProto, names: Sequence[str]) -> None:
    """The outputs get these names, or such with _ where one is taken: by Identity nodes, which serve outputs that are
    the same tensor, too.
    """
    taken = {name for node in proto.graph.node for name in (*node.input, *node.output)}
    taken |= {info.name for info in proto.graph.input}
    for info, name in zip(proto.graph.output, names, strict=True):
        if info.name == name:
            continue
        new = name
        while new in taken:
            new += "_"
        proto.graph.node.add(op_type="Identity", input=[info.name], output=[new], name=f"output {name}")
        info.name = new
        taken.add(new)


def compare(torch: Any, net: Function, inputs: tuple[Any, ...], expected: npt.NDArray[np.float64]) -> None:
    """Refuses an import that gives something else than the module at the example."""
    point = np.concatenate([flat(tensor) for tensor in inputs])
    if not np.isfinite(point).all() or not np.isfinite(expected).all():
        return
    tolerance = max(TOLERANCE.get(str(tensor.dtype), HALF_TOLERANCE) for tensor in inputs)
    is_rounding = (
        tolerance == TOLERANCE["torch.float64"] and difference_of(net(point), expected) <= TOLERANCE["torch.float32"]
    )
    advice = (
        "PyTorch's exporter has written numbers of the module as float32, and some could not be told: keep them as "
        "parameters or buffers of the module, in double."
        if is_rounding
        else "A module with random numbers in evaluation mode cannot be read; otherwise please report it."
    )
    check_agreement("from_torch", "what the module gives", net(point), expected, tolerance, advice)
