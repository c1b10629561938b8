"""A function as one of CasADi's, evaluated by fastexpr's own library: no Python while a solver runs."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from fastexpr._core import Function
from fastexpr.errors import FileError
from fastexpr.frameworks.libraries import library
from fastexpr.unfinished import unfinished

_PACKAGE = Path(__file__).resolve().parent.parent
C_LIBRARY = _PACKAGE / "libfastexpr.so"
CASADI_LIBRARY = _PACKAGE / "libfastexpr_casadi.so"


def to_casadi(self: Function, name: str = "net") -> Any:
    """The function as a ``casadi.Function`` of x (n,) that gives y (m,).

    Value, Jacobian, adjoints and the Hessian of any combination of the outputs come from fastexpr's library, exact,
    with their sparsity; CasADi asks for them as for its own, also through `map` and in its threads. The network is
    written into the cache folder (``$FASTEXPR_CACHE_DIR``, else ``~/.cache/fastexpr``), beside a small copy of the
    library of its own: a function that CasADi saved or pickled finds both there.

    Parameters
    ----------
    name : str
        What CasADi calls the function: letters, digits and single underscores.

    Returns
    -------
    casadi.Function

    Raises
    ------
    fastexpr.errors.NotFoundError
        CasADi is not installed.
    fastexpr.errors.FileError
        There is no folder for the network's file.

    Examples
    --------
    >>> import casadi, numpy as np, fastexpr as fx
    >>> x = fx.variables(2)
    >>> net = fx.Function(x, np.tanh(x[0] * x[1])).to_casadi()
    >>> z = casadi.MX.sym("z", 2)
    >>> hessian = casadi.Function("hessian", [z], [casadi.hessian(net(z), z)[0]])
    >>> np.round(hessian([1.0, 0.5]).full(), 4)
    array([[-0.1817,  0.423 ],
           [ 0.423 , -0.7269]])
    """
    casadi = library("Function.to_casadi", "casadi", ["casadi"])
    # Imported here, because it brings Pyomo along.
    from fastexpr.pyomo.external.files import NetworkFile

    file = NetworkFile(self)
    file.ensure()
    own_library = _library_of_its_own(Path(file.path))
    external = casadi.external("fastexpr", str(own_library), {"config_args": [file.path, str(C_LIBRARY)]})
    x = casadi.MX.sym("x", self.n_inputs)
    return casadi.Function(name, [x], [external(x)], ["x"], ["y"], {"always_inline": True})


def _library_of_its_own(file: Path) -> Path:
    """A copy of the library beside the network's file: what a process loads from one place serves one network."""
    status = CASADI_LIBRARY.stat()
    copy = file.with_name(f"{file.stem}-casadi-{status.st_size}-{status.st_mtime_ns}.so")
    if copy.exists():
        return copy
    try:
        with unfinished(file.parent) as scratch:
            whole = Path(shutil.copyfile(CASADI_LIBRARY, scratch / copy.name))
            whole.chmod(0o700)
            whole.replace(copy)
    except OSError as error:
        raise FileError(
            f"The library for CasADi cannot be put beside {file} ({error.strerror}). What to do: make room there, or "
            "set FASTEXPR_CACHE_DIR to a folder that can be written to."
        ) from error
    return copy
