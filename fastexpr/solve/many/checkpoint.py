"""What is done already of many solves, in a file that is appended to: a line for each, of JSON."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

#: Solves that ended so say nothing about the problem: they are made again.
AGAIN = ("error", "crashed", "timed_out", "not_run")


class Checkpoint:
    """Records by the values that they were solved for.

    Parameters
    ----------
    path : path
        Made where there is none. A last line that was cut short, by a crash or a full disk, does not count.
    identity : dict
        What the records depend on beside their values; another one in the file is an error.

    Raises
    ------
    ValueError
        The file is no checkpoint, or one of other solves.
    """

    def __init__(self, path: str | os.PathLike[str], identity: dict[str, Any]) -> None:
        self._path = Path(path)
        self._records: dict[str, dict[str, Any]] = {}
        head = {"checkpoint": "fastexpr.solve_many", **identity}
        whole = self._path.read_bytes() if self._path.exists() else b""
        lines = whole.splitlines(keepends=True)
        if lines and not lines[-1].endswith(b"\n"):
            lines.pop()
        if lines:
            self._read(lines, head)
        size = sum(map(len, lines))
        if size < len(whole):  # cut off, never written again: a crash meanwhile must not cost what is whole
            os.truncate(self._path, size)
        if not lines:
            self._append([head])

    def _read(self, lines: list[bytes], head: dict[str, Any]) -> None:
        try:
            found = json.loads(lines[0])
            entries = [json.loads(line) for line in lines[1:]]
            self._records = {entry["values"]: entry["record"] for entry in entries}
            is_own = found["checkpoint"] == head["checkpoint"]
        except (ValueError, KeyError, TypeError):
            is_own = False
        if not is_own:
            raise ValueError(f"[solve_many] {self._path} is no checkpoint of solve_many. What to do: another path.")
        different = [name for name in head if found.get(name) != head[name]]
        if different:
            name = different[0]
            raise ValueError(
                f"[solve_many] the checkpoint {self._path} is of other solves, with another {name}: got "
                f"{found.get(name)!r}, expected {head[name]!r}. What to do: another path, or delete it."
            )

    def find(self, values: tuple[Any, ...]) -> dict[str, Any] | None:
        """The record for these values, where there is one that need not be made again."""
        record = self._records.get(digest(values))
        return None if record is None or record["status"] in AGAIN else record

    def add(self, entries: list[tuple[tuple[Any, ...], dict[str, Any]]]) -> None:
        """Writes records down."""
        self._append([{"values": digest(values), "record": record} for values, record in entries])

    def _append(self, entries: list[dict[str, Any]]) -> None:
        with self._path.open("ab") as file:
            file.write(b"".join(json.dumps(entry).encode() + b"\n" for entry in entries))
            file.flush()
            os.fsync(file.fileno())


def digest(values: tuple[Any, ...]) -> str:
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()
