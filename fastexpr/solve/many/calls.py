"""Many solves that do not depend on each other: here, by processes of our own, or by any executor.

Whoever calls gives a task, `task(values) -> record`, that pickles where solves run elsewhere; a record is a dict of
plain numbers and texts, with a "status". Every solve begins afresh, so records do not depend on who makes them, nor in
what order.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import math
import queue
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any

import fastexpr
from fastexpr.solve.many.checkpoint import Checkpoint
from fastexpr.solve.many.parcels import Executor, Sender, Unopened
from fastexpr.solve.many.pool import WorkerHungError, WorkerPool
from fastexpr.solve.many.rows import Rows

Record = dict[str, Any]
Values = tuple[Any, ...]

#: A worker of our own that takes longer than its solves may, by this factor and so many seconds, hangs.
HANGS = 2.0
GRACE = 30.0
#: A solve whose worker dies is made again, by itself; after so many deaths it is what kills them.
DEATHS = 2
CHUNKS = 64
LARGEST_CHUNK = 50


@dataclass(repr=False)
class ManyResult(Rows):
    """What many solves found, in the order of the table.

    Attributes
    ----------
    table : list of dict
        A row for each: the parameters; "status", "success", "objective", "iterations", "seconds", "message"; the
        variables by name, NaN where there was no result. Beside the words of a solver, the status is "error" (an
        exception; the message has it), "crashed" (its process died, again and again), "timed_out" (its process hung)
        or "not_run".
    """

    table: list[Record] = field(default_factory=list)

    @property
    def success(self) -> bool:
        """Whether every solve succeeded."""
        return not self.failed

    @property
    def failed(self) -> list[int]:
        """The numbers of the rows that have no solution."""
        return [k for k, row in enumerate(self.table) if not row["success"]]

    def __len__(self) -> int:
        return len(self.table)

    def __iter__(self) -> Iterator[Record]:
        return iter(self.table)

    def __repr__(self) -> str:
        by_status: dict[str, int] = {}
        for row in self.table:
            by_status[row["status"]] = by_status.get(row["status"], 0) + 1
        return f"<ManyResult of {len(self)} solves: {', '.join(f'{n} {s}' for s, n in sorted(by_status.items()))}>"


@dataclass
class How:
    """Where and how solves run, as `fastexpr.solve_many` has it."""

    executor: Executor | None
    workers: int | None
    checkpoint: Any
    chunk: int | None
    progress: Callable[[int, int], object] | None
    time_limit: float | None
    threads: int

    def __post_init__(self) -> None:
        if self.executor is not None and self.workers is not None:
            raise ValueError("[solve_many] give executor or workers, not both.")
        if self.executor is not None and not callable(getattr(self.executor, "submit", None)):
            raise TypeError(
                f"[solve_many] the executor needs a method submit(function, *arguments): got "
                f"{type(self.executor).__name__}. With Dask: client.get_executor()."
            )
        for name in ("workers", "chunk", "threads"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, Integral) or value < 1):
                raise ValueError(f"[solve_many] {name} must be a positive whole number: got {value!r}.")
        limit = self.time_limit
        if limit is not None and (isinstance(limit, bool) or not isinstance(limit, Real) or not limit > 0.0):
            raise ValueError(f"[solve_many] time_limit must be a positive number of seconds: got {limit!r}.")
        if self.progress is not None and not callable(self.progress):
            raise TypeError(
                f"[solve_many] progress must be a function of two counts, those done and all: got "
                f"{type(self.progress).__name__}."
            )


class Many:
    """The records of all rows, as they come in."""

    def __init__(self, rows: Sequence[Values], checkpoint: Checkpoint | None, how: How) -> None:
        self.rows, self._checkpoint, self._how = rows, checkpoint, how
        self.records: list[Record | None] = [None if checkpoint is None else checkpoint.find(row) for row in rows]
        self.is_stopped = False

    @property
    def missing(self) -> list[int]:
        return [k for k, record in enumerate(self.records) if record is None]

    def put(self, places: Sequence[int], records: Sequence[Record]) -> None:
        """Takes records in, and tells whoever wants to know."""
        for k, record in zip(places, records, strict=True):
            self.records[k] = record
        if self._checkpoint is not None:
            self._checkpoint.add([(self.rows[k], record) for k, record in zip(places, records, strict=True)])
        if self._how.progress is not None:
            done = sum(record is not None for record in self.records)
            self.is_stopped = self.is_stopped or self._how.progress(done, len(self.rows)) is False


def solve_rows(
    task: Callable[[Values], Record], rows: Sequence[Values], how: How, identity: dict[str, Any], names: Sequence[str]
) -> ManyResult:
    """The table.

    Parameters
    ----------
    task : callable
    rows : sequence of tuple
        What the task is called with.
    how : How
    identity : dict
        What records depend on beside their rows, for the checkpoint.
    names : sequence of str
        What records of solves without a result have, beside what is said of them.
    """
    checkpoint = None if how.checkpoint is None else Checkpoint(how.checkpoint, identity)
    many = Many(rows, checkpoint, how)
    before = fastexpr.num_threads()
    try:
        if how.executor is None and how.workers is None:
            fastexpr.set_num_threads(how.threads)
            for k in many.missing:
                if many.is_stopped:
                    break
                many.put([k], [task(rows[k])])
        elif many.missing:
            with contextlib.closing(Dispatch(task, many, how)) as dispatch:
                dispatch.run()
    finally:
        fastexpr.set_num_threads(before)
    return ManyResult(alike([record or said("not_run", "stopped by the progress function") for record in many.records],
                            rows, names))  # fmt: skip


class Dispatch:
    """Sends chunks of rows to workers until every row has a record."""

    def __init__(self, task: Callable[[Values], Record], many: Many, how: How) -> None:
        self._many, self._how = many, how
        self._own: WorkerPool | None = None
        executor = how.executor
        if executor is None:
            executor = self._own = WorkerPool(how.workers or 1, how.threads)
        self._sender = Sender(task, executor)
        self._done: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._waiting: dict[int, tuple[Any, list[int]]] = {}
        self._deaths = [0] * len(many.rows)

    def run(self) -> None:
        """Until all is there, or the progress function says stop."""
        missing = self._many.missing
        size = self._how.chunk or max(1, min(LARGEST_CHUNK, math.ceil(len(missing) / CHUNKS)))
        for begin in range(0, len(missing), size):
            self._submit(missing[begin : begin + size])
        while self._waiting and not self._many.is_stopped:
            future = self._done.get()
            _, places = self._waiting.pop(id(future))
            try:
                found = future.result()
            except (Exception, concurrent.futures.CancelledError) as error:
                self._has_failed(places, error)
                continue
            if found == Unopened():
                self._submit(places, with_contents=True)
            elif isinstance(found, Unopened):
                raise found.error or RuntimeError(f"[solve_many] a worker cannot make the solves: {found.message}")
            else:
                self._many.put(places, found)

    def close(self) -> None:
        """Calls off what is left."""
        for future, _ in self._waiting.values():
            future.cancel()
        if self._own is not None:
            self._own.shutdown(wait=False)
        self._sender.close()

    def _submit(self, places: list[int], with_contents: bool = False) -> None:
        calls = [(self._many.rows[k],) for k in places]
        limit = self._how.time_limit
        try:
            if self._own is not None and limit is not None:
                within = Within(self._own, GRACE + HANGS * limit * len(places))
                self._sender.executor = within
            future = self._sender.submit(calls, with_contents)
        except concurrent.futures.BrokenExecutor:
            self._replace()
            return self._submit(places, with_contents)
        self._waiting[id(future)] = (future, places)
        future.add_done_callback(self._done.put)
        return None

    def _has_failed(self, places: list[int], error: BaseException) -> None:
        """A chunk did not come back: what is in it is made again, one by one, to find out which solve it is."""
        if isinstance(error, concurrent.futures.BrokenExecutor):  # all that ran there are lost, whosever fault it was
            self._replace()
            return self._submit(places)
        if len(places) > 1:
            for k in places:
                self._submit([k])
            return None
        k = places[0]
        self._deaths[k] += 1
        if isinstance(error, WorkerHungError):
            self._many.put([k], [said("timed_out", f"{error}.")])
        elif self._deaths[k] >= DEATHS:
            self._many.put([k], [said("crashed", f"{type(error).__name__}: {error}")])
        else:
            self._submit([k])
        return None

    def _replace(self) -> None:
        """A pool of concurrent.futures is of no use after one of its processes died: ours takes its place."""
        if self._own is None:
            workers = getattr(self._how.executor, "_max_workers", None) or 1
            self._own = WorkerPool(workers, self._how.threads)
            self._sender.executor = self._own


class Within:
    """Our pool with a limit for each call."""

    def __init__(self, pool: WorkerPool, seconds: float) -> None:
        self._pool, self._seconds = pool, seconds

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Any:
        return self._pool.submit_within(self._seconds, function, *arguments)


# ---- records


def said(status: str, message: str) -> Record:
    """The record of a solve without a result."""
    return {
        "status": status, "success": False, "objective": math.nan, "iterations": 0, "seconds": math.nan,
        "message": message,
    }  # fmt: skip


def alike(records: list[Record], rows: Sequence[Values], names: Sequence[str]) -> list[Record]:
    """All with the same columns in one order, with the values that the solves were made for in front."""
    columns = list(dict.fromkeys(name for record in records for name in record))
    return [
        {**by_name(names, row), **{name: record.get(name, math.nan) for name in columns}}
        for row, record in zip(rows, records, strict=True)
    ]


def by_name(names: Sequence[str], row: Values) -> Record:
    """The values of a row: those of arrays by component."""
    result: Record = {}
    for name, value in zip(names, row, strict=True):
        result |= components(name, value)
    return result


def components(name: str, value: Any) -> Record:
    if not isinstance(value, list):
        return {name: value}
    found: Record = {}
    for k, part in enumerate(value):
        inner = components("", part)
        found |= {f"{name}[{', '.join(filter(None, [str(k), index.strip('[]')]))}]": v for index, v in inner.items()}
    return found


def rows_of(table: Any) -> tuple[list[str], list[Values]]:
    """Columns and rows of a DataFrame, a dict of columns, or a list of dicts.

    Raises
    ------
    TypeError, ValueError
        It is none of these; columns of different lengths; rows of different keys; no rows.
    """
    if hasattr(table, "columns") and hasattr(table, "to_dict"):
        names = [str(name) for name in table.columns]
        columns = [list(table[name]) for name in table.columns]
    elif isinstance(table, dict):
        names = [str(name) for name in table]
        columns = [list(values) if hasattr(values, "__iter__") else [values] for values in table.values()]
    elif isinstance(table, Sequence) and not isinstance(table, str) and all(isinstance(row, dict) for row in table):
        names = [str(name) for name in (table[0] if table else {})]
        for k, row in enumerate(table):
            if [str(name) for name in row] != names and {str(name) for name in row} != set(names):
                raise ValueError(f"[solve_many] row {k} of the table has the keys {list(row)}, expected {names}.")
        columns = [[row[name] for row in table] for name in (table[0] if table else {})]
    else:
        raise TypeError(
            "[solve_many] the table must be a DataFrame, a dict of columns or a list of dicts: got "
            f"{type(table).__name__}."
        )
    lengths = {name: len(column) for name, column in zip(names, columns, strict=True)}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"[solve_many] the columns of the table have different lengths: got {lengths}.")
    if not names or not columns[0]:
        raise ValueError("[solve_many] the table has no rows: got an empty one.")
    if len(set(names)) < len(names):
        raise ValueError(f"[solve_many] two columns of the table have one name: got {names}.")
    return names, [tuple(map(plain, row)) for row in zip(*columns, strict=True)]


def plain(value: Any) -> Any:
    """A number, or lists of numbers."""
    value = value.tolist() if hasattr(value, "tolist") else value
    return [plain(part) for part in value] if isinstance(value, list | tuple) else value
