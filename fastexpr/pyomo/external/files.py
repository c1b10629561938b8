"""Where solvers find what they load: the AMPL library and the networks' files.

A solver runs in a process of its own and is told two paths, one of a shared library and one of a network's file.
Neither may contain a blank (several solvers split there) or a character outside ASCII (the interface has no others).
Networks are therefore kept in a folder of ours, named by their content: the same network is written once, and a changed
one gets a new name. They are written when a solver asks, and never for solves in Python's own process.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from fastexpr._core import Function, content_hash, load, read_content_hash
from fastexpr.errors import FileError
from fastexpr.unfinished import unfinished

CACHE_VARIABLE = "FASTEXPR_CACHE_DIR"  # the AMPL library reads it, too: see src/ampl/loaded_network.cpp
_PACKAGE = Path(__file__).resolve().parents[2]
_LIBRARY = "libfastexpr_ampl.so"


def is_plain(path: str | os.PathLike[str]) -> bool:
    """Whether every solver can be given this path: ASCII, without blanks and control characters."""
    return all("!" <= character <= "~" for character in os.fspath(path))


def cache_directory() -> Path:
    """The folder for networks' files, made where it does not exist yet.

    ``$FASTEXPR_CACHE_DIR`` where that is set; else the first of these that is writable, private and has a plain path:
    ``$XDG_CACHE_HOME/fastexpr``, ``~/.cache/fastexpr``, ``fastexpr-<user>`` in the folder for temporary files.

    Raises
    ------
    FileError
        The folder that was set will not do, and why; or none of the others will.
    """
    if chosen := os.environ.get(CACHE_VARIABLE):
        if defect := _defect(Path(chosen)):
            raise FileError(
                f"{CACHE_VARIABLE} is {chosen!r}, which {defect}. What to do: set it to the absolute path of a folder "
                "of your own, ASCII without blanks, that nobody else may write to; or unset it."
            )
        return Path(chosen)
    defects = {}
    for candidate in _cache_candidates():
        defects[candidate] = _defect(candidate)
        if not defects[candidate]:
            return candidate
    raise FileError(
        "There is no place for the networks' files: "
        + "; ".join(f"{candidate} {defect}" for candidate, defect in defects.items())
        + f". What to do: set {CACHE_VARIABLE} to a folder of your own whose path is ASCII without blanks."
    )


def _cache_candidates() -> Iterator[Path]:
    if caches := os.environ.get("XDG_CACHE_HOME"):
        yield Path(caches) / "fastexpr"
    yield Path("~").expanduser() / ".cache" / "fastexpr"
    yield Path(tempfile.gettempdir()) / f"fastexpr-{os.getuid()}"
    yield Path("/tmp") / f"fastexpr-{os.getuid()}"


def _defect(path: Path) -> str:
    """Why the folder will not do; empty where it will. It is made where there is none."""
    if not path.is_absolute():
        return "is relative: the solver's process would look elsewhere"
    if not is_plain(path):
        return "has a blank or a character outside ASCII, where some solvers split a path or misread it"
    if path.is_symlink():
        return "is a symbolic link, which somebody could lead elsewhere: the folder itself is wanted"
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = path.lstat()
    except FileExistsError:
        return "is no folder"
    except OSError as error:
        return f"cannot be made ({error.strerror})"
    if status.st_uid != os.getuid():
        return "belongs to another user, who could put other networks under our names"
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not status.st_mode & stat.S_ISVTX:
        return (
            f"may be written to by others (mode {stat.S_IMODE(status.st_mode):o}), who could put other networks there"
        )
    if not os.access(path, os.W_OK | os.X_OK):
        return "may not be written to"
    return ""


def library_path() -> str:
    """The AMPL library's path, copied to the cache folder where the package's own path is not plain.

    Raises
    ------
    FileError
        The library was not built, or cannot be copied.
    """
    library = _PACKAGE / _LIBRARY
    if not library.exists():
        raise FileError(f"The AMPL library is missing: expected {library}. Install the package again: pip install .")
    if is_plain(library):
        return str(library)
    return str(_copied_library(library, cache_directory()))


def _copied_library(library: Path, cache: Path) -> Path:
    """A copy of the library and of the libraries it loads, which it finds by their place relative to its own."""
    status = library.stat()
    home = cache / f"library-{status.st_size}-{status.st_mtime_ns}"
    copy = home / library.parent.name / library.name
    if copy.exists():
        return copy
    with unfinished(cache) as scratch:
        package = scratch / "home" / library.parent.name
        package.mkdir(parents=True)
        for file in library.parent.glob("lib*.so*"):
            shutil.copy2(file, package)
        repaired = library.parent.with_name(f"{library.parent.name}.libs")  # where wheels for every Linux keep them
        if repaired.is_dir():
            shutil.copytree(repaired, package.with_name(repaired.name))
        try:
            package.parent.rename(home)
        except OSError:
            if not copy.exists():  # otherwise another process was faster
                raise
    return copy


class NetworkFile:
    """A network and its file, for solvers that run in a process of their own.

    In the cache folder the file is written when a solver first asks for it, and again wherever it is missing: solving
    in Python's own process needs none. Copies (a model's clone, an unpickled model) share the network and have a file
    of their own to ensure.

    Parameters
    ----------
    net : Function
    path : path-like, optional
        Where the file shall be, at once, instead of in the cache folder.
    """

    def __init__(self, net: Any, path: str | os.PathLike[str] | None = None) -> None:
        self.replace(net, path)

    def replace(self, net: Any, path: str | os.PathLike[str] | None = None) -> None:
        """Put another network in place, in a file of its own: copies of the model may still need the one of before.

        Raises
        ------
        TypeError
            `net` is not a Function.
        FileError
            The path has blanks or characters outside ASCII.
        """
        if not isinstance(net, Function):
            raise TypeError(
                f"A model takes a fastexpr.Function: got {type(net).__name__} {net!r}. For an ONNX file use "
                "fastexpr.load_onnx(path), for a saved network fastexpr.load(path)."
            )
        if path is None:
            new_path = str(_planned_directory() / f"{content_hash(net)}.fx")
        else:
            new_path = str(Path(path).absolute())
            if not is_plain(new_path):
                raise FileError(
                    f"A network's file needs a path that every solver can read: got {new_path!r}, expected ASCII "
                    "characters without blanks. Choose another path=, or leave it out."
                )
            _write(net, Path(new_path))
        self.net = net
        self.path = new_path
        self.is_in_cache = path is None
        _networks[new_path] = net

    def ensure(self) -> None:
        """Write the file where it is missing or, in the cache folder, damaged.

        On another machine the path of before may be one that cannot be written. The file is then put into this
        machine's cache folder, where the AMPL library looks for files that are not at the path it is given.
        """
        file = Path(self.path)
        if _holds(file) if self.is_in_cache else file.exists():
            return
        try:
            _write(self.net, file)
        except OSError as error:
            if not self.is_in_cache:
                raise FileError(
                    f"The network's file {self.path} is gone and cannot be written again ({error.strerror}). "
                    "Make its folder writable, or build the model with another path=."
                ) from error
            cache = cache_directory()
            moved = cache / file.name
            if not _holds(moved):
                _write_into_cache(self.net, moved)
            os.environ[CACHE_VARIABLE] = str(cache)

    def __deepcopy__(self, memo: dict[int, Any]) -> NetworkFile:
        copy = object.__new__(NetworkFile)
        copy.__dict__.update(self.__dict__)
        memo[id(self)] = copy
        return copy

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        _networks[self.path] = self.net


_networks: WeakValueDictionary[str, Function] = WeakValueDictionary()  # by path, those of this process


def is_any_network() -> bool:
    """Whether any model of this process has a network."""
    return len(_networks) > 0


def network_at(path: str) -> Any:
    """The network that this file is of, whether it was written yet or not.

    Raises
    ------
    FileError
        No model of this process has it any more, and the file is not there.
    """
    net = _networks.get(path)
    if net is None:
        try:
            net = _networks[path] = load(path)
        except FileNotFoundError as error:
            raise FileError(
                f"There is no network {path}: a transformation copied an expression whose network was replaced since. "
                "Apply the transformation again."
            ) from error
    return net


def _planned_directory() -> Path:
    """The cache folder; where there is none, a place that is named when a solver asks for the file."""
    try:
        return cache_directory()
    except FileError:
        if os.environ.get(CACHE_VARIABLE):  # a setting that will not do is told at once
            raise
        return list(_cache_candidates())[-1]


_whole: dict[Path, tuple[int, int, int]] = {}  # files found whole, and which ones they were


def _holds(file: Path) -> bool:
    """Whether the file is whole, as far as its first page tells, and of the content that it is named by."""
    try:
        status = file.stat()
        identity = (status.st_ino, status.st_size, status.st_mtime_ns)
        if _whole.get(file) != identity:
            if read_content_hash(file) != file.stem:
                return False
            _whole[file] = identity
    except (OSError, FileError):
        return False
    return True


def _write_into_cache(net: Any, path: Path) -> None:
    try:
        _write(net, path)
    except OSError as error:
        if _holds(path):  # another process was faster
            return
        raise FileError(
            f"The network's file {path} cannot be written ({error.strerror}). What to do: make room there, or set "
            f"{CACHE_VARIABLE} to a folder that can be written to."
        ) from error


def _write(net: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    net.save(path)
