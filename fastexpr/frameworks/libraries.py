"""Libraries that are there only where somebody works with them."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

from fastexpr.errors import NotFoundError


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
