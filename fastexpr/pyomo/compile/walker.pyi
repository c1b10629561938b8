from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

class _Targets(Protocol):
    def find(self, function: Any, arguments: Any, /) -> tuple[int, int]: ...

class Walker:
    variables: list[Any]
    parameters: list[Any]
    named: list[Any]
    contents: list[Any]
    calls: list[Any]
    arguments: list[Any]
    constraints: list[Any]
    expressions: list[Any]
    row_constraints: list[Any]
    lower: list[Any]
    upper: list[Any]
    constant_rows: list[int]

    def __init__(self, targets: _Targets) -> None: ...
    def add_expression(self, expression: Any, owner: Any, is_negated: bool = False) -> int: ...
    def add_constraints(self, constraints: Iterable[Any]) -> None: ...
    def take_arrays(
        self,
    ) -> tuple[
        npt.NDArray[np.uint8],
        npt.NDArray[np.int32],
        npt.NDArray[np.int32],
        npt.NDArray[np.float64],
        npt.NDArray[np.int32],
    ]: ...
