"""Libraries that are there only where somebody works with them."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

from fastexpr.errors import NotFoundError


def names_of_outputs(port: str, size: int, classes: Sequence[Any]) -> list[str]:
    """y, or y[0], y[1], ...; y[label] where there is one for each class. A single number of two classes is that of the
    second one.
    """
    if len(classes) == size:
        return [f"{port}[{label}]" for label in classes]
    if size == 1:
        return [f"{port}[{classes[1]}]" if len(classes) == 2 else port]
    return [f"{port}[{k}]" for k in range(size)]


def library(caller: str, module: str, packages: Sequence[str]) -> Any:
    """The module, imported now.

    Raises
    ------
    fastexpr.errors.NotFoundError
        It is not installed; the message says what to install.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise NotFoundError(
            f"[{caller}] needs the Python package {error.name!r}, which is not installed: pip install "
            f"{' '.join(packages)}"
        ) from error
