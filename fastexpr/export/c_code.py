"""A function as C code that stands alone."""

from __future__ import annotations

import os
import re
from pathlib import Path

from fastexpr._core import Function
from fastexpr._version import __version__
from fastexpr.errors import GraphError

LARGEST = 20_000_000  # numbers in the text
KEYWORDS = {
    "auto",
    "break",
    "case",
    "char",
    "const",
    "continue",
    "default",
    "do",
    "double",
    "else",
    "enum",
    "extern",
    "float",
    "for",
    "goto",
    "if",
    "inline",
    "int",
    "long",
    "register",
    "restrict",
    "return",
    "short",
    "signed",
    "sizeof",
    "static",
    "struct",
    "switch",
    "typedef",
    "union",
    "unsigned",
    "void",
    "volatile",
    "while",
}


def to_c(self: Function, path: str | os.PathLike[str] | None = None, name: str | None = None) -> str:
    """The function as C99 that stands alone: value, Jacobian and Hessian, without any library but C's own.

    The code allocates nothing and keeps nothing between calls; the caller provides scratch memory. It is meant for
    embedded controllers and for programs that shall depend on nothing. Results are those of fastexpr up to rounding
    (1e-14 of the largest number).

    Parameters
    ----------
    path : path-like, optional
        Where to write the code, ``plant.c``; a header ``plant.h`` is written beside it. Existing files are replaced.
    name : str, optional
        What the functions are called: ``name_value``, ``name_jacobian``, ``name_hessian``, ``name_evaluate``, with
        ``NAME_N``, ``NAME_M`` and ``NAME_WORK`` (doubles of scratch memory). By default the stem of the path, or "net".

    Returns
    -------
    str
        The code, which declares its functions itself.

    Raises
    ------
    fastexpr.errors.GraphError
        An operator that the exporter does not know, or a network of more than 20 million numbers.
    ValueError
        The name is no identifier of C.

    Examples
    --------
    >>> import numpy as np, fastexpr as fx
    >>> x = fx.variables(2)
    >>> code = fx.Function(x, np.tanh(x[0] * x[1])).to_c(name="product")
    >>> "void product_hessian(const double *x, const double *weights, double *hessian, double *work)" in code
    True
    """
    from fastexpr.export.c.file import write_source
    from fastexpr.export.program.lowering import lower
    from fastexpr.export.program.registry import WAY_OUT

    if name is None:
        name = "net" if path is None else Path(path).stem
    if not re.fullmatch(r"[A-Za-z]\w*", name, flags=re.ASCII) or name in KEYWORDS:
        raise ValueError(
            f"[Function.to_c] the functions' name must be an identifier of C: got {name!r}. What to do: pass name="
        )
    if self.n_parameters > LARGEST:
        raise GraphError(
            f"[Function.to_c] a network of {self.n_parameters:,} parameters is too large for C code: expected at most "
            f"{LARGEST:,}. {WAY_OUT}"
        )
    about = f"{name}: {', '.join(self.inputs)} ({self.n_inputs}) -> {', '.join(self.outputs)} ({self.n_outputs})"
    about = re.sub(r"[^ -~]|\*/|/\*|@|\\", "?", about)
    source = write_source(lower(self, "Function.to_c"), name, __version__, about)
    if path is not None:
        Path(path).write_text(source.code)
        Path(path).with_suffix(".h").write_text(source.header)
    return source.code
