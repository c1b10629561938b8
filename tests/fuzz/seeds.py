"""A saved network for each operator, for the fuzzer of saved files to begin with: python seeds.py FOLDER."""

from __future__ import annotations

import sys
from pathlib import Path

LARGEST = 4000  # bytes


def write_seeds(folder: Path) -> None:
    from operator_table import ROWS

    from fastexpr import _core

    folder.mkdir(parents=True, exist_ok=True)
    for row in ROWS:
        path = folder / f"{row.name}.fx"
        content = _core.to_bytes(row.function())
        if not path.exists() and len(content) <= LARGEST:
            path.write_bytes(content)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1] / "support"))
    write_seeds(Path(sys.argv[1]))
