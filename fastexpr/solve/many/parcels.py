"""Tasks that travel to an executor's workers: pickled once, with their networks beside them in files.

A network is written once, under its content hash, and mapped by all processes of the machine. A worker that does not
see these files, on another machine, says so, is sent their contents once, and keeps them in a folder of its own.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import io
import pickle
import shutil
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from fastexpr import _core
from fastexpr._core import Function

try:  # where it is installed (with Dask it is), functions and classes of scripts and notebooks travel, too
    from cloudpickle import Pickler as _BasePickler  # type: ignore[import-untyped, unused-ignore]
except ImportError:
    _BasePickler = pickle.Pickler

Contents = dict[str, bytes]


class Executor(Protocol):
    """As in `concurrent.futures`; Dask's Client and others' pools are of this kind, too."""

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Any:
        """A future of function(*arguments)."""
        ...


@dataclass(frozen=True)
class Parcel:
    """What a worker needs to find a task.

    Attributes
    ----------
    key : str
        The hash of the pickle, which is in a file of this name.
    folder : str
        Where the files are, on the machine of the sender.
    networks : tuple of str
        The names of the networks' files.
    """

    key: str
    folder: str
    networks: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """All files."""
        return (self.key, *self.networks)


@dataclass(frozen=True)
class Unopened:
    """The answer of a worker where the task cannot be made, or raised; without a message, files are missing there."""

    message: str = ""
    error: BaseException | None = field(default=None, compare=False)


class _Pickler(_BasePickler):  # type: ignore[misc, valid-type, unused-ignore]
    """Networks become numbers in the order in which they are met: two that are equal stay two."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, protocol=pickle.HIGHEST_PROTOCOL)
        self.networks: list[Function] = []

    def persistent_id(self, part: Any) -> int | None:
        if type(part) is not Function:
            return None
        for k, known in enumerate(self.networks):
            if known is part:
                return k
        self.networks.append(part)
        return len(self.networks) - 1


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, paths: Sequence[Path]) -> None:
        super().__init__(file)
        self._paths = paths
        self._networks: dict[int, Function] = {}

    def persistent_load(self, number: int) -> Function:
        if number not in self._networks:
            self._networks[number] = _core.load(self._paths[number])
        return self._networks[number]


class Sender:
    """A task on its way to the workers of an executor; ends by `close`.

    Parameters
    ----------
    task : callable
        Called as task(*call) by the workers, each of whose threads makes a copy of its own once.
    executor : Executor

    Raises
    ------
    Exception
        Whatever pickling raises.
    """

    def __init__(self, task: Callable[..., Any], executor: Executor) -> None:
        self.executor = executor
        stream = io.BytesIO()
        pickler = _Pickler(stream)
        pickler.dump(task)
        content = stream.getvalue()
        folder = Path(tempfile.mkdtemp(prefix="fastexpr-"))
        self._folder = folder
        self.hashes = [_core.content_hash(network) for network in pickler.networks]
        for name, network in zip(self.hashes, pickler.networks, strict=True):
            if not (folder / name).exists():
                _core.save(network, folder / name)
        key = hashlib.sha256(content).hexdigest()
        (folder / key).write_bytes(content)
        self.parcel = Parcel(key, str(folder), tuple(self.hashes))

    def submit(self, calls: Sequence[tuple[Any, ...]], with_contents: bool = False) -> Any:
        """A future of the list of what task(*call) gives for each of the calls; or of an `Unopened`."""
        return self.executor.submit(open_and_call, self.parcel, self._contents() if with_contents else None, calls)

    def result(self, future: Any, calls: Sequence[tuple[Any, ...]]) -> list[Any]:
        """What a future of `submit` gives; where files were missing, they are sent."""
        found = future.result()
        if found == Unopened():
            found = self.submit(calls, with_contents=True).result()
        if isinstance(found, Unopened):
            raise found.error or RuntimeError(found.message)
        return list(found)

    def close(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Sender:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _contents(self) -> Contents:
        return {name: (self._folder / name).read_bytes() for name in self.parcel.names}


# ---- the worker's side

_local = threading.local()
_received: dict[str, Path] = {}
_lock = threading.Lock()


def open_and_call(parcel: Parcel, contents: Contents | None, calls: Sequence[tuple[Any, ...]]) -> list[Any] | Unopened:
    """The answers of the parcel's task; each thread keeps the task that it had last, for what it solves is compiled."""
    try:
        if getattr(_local, "key", None) != parcel.key:
            folder = folder_of(parcel, contents)
            if folder is None:
                return Unopened()
            _local.task, _local.key = unpacked(parcel, folder), parcel.key
        return [_local.task(*call) for call in calls]
    except Exception as error:
        return Unopened(f"{type(error).__name__}: {error}", portable(error))


def folder_of(parcel: Parcel, contents: Contents | None) -> Path | None:
    """Where the files are, on this machine."""
    if all((Path(parcel.folder) / name).exists() for name in parcel.names):
        return Path(parcel.folder)
    with _lock:
        if parcel.key not in _received and contents is not None:
            folder = Path(tempfile.mkdtemp(prefix="fastexpr-"))
            atexit.register(shutil.rmtree, folder, ignore_errors=True)
            for name, content in contents.items():
                (folder / name).write_bytes(content)
            _received[parcel.key] = folder
        return _received.get(parcel.key)


def unpacked(parcel: Parcel, folder: Path) -> Callable[..., Any]:
    stream = io.BytesIO((folder / parcel.key).read_bytes())
    task: Callable[..., Any] = _Unpickler(stream, [folder / name for name in parcel.networks]).load()
    return task


def portable(error: BaseException) -> BaseException | None:
    """The error where it pickles."""
    with contextlib.suppress(Exception):
        pickle.loads(pickle.dumps(error))
        return error
    return None
