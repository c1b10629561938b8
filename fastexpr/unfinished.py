"""Files that are put together beside their place, and of which nothing stays when the process is killed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def unfinished(folder: Path) -> Iterator[Path]:
    """A folder inside this one, for what is moved elsewhere when it is whole. Those of killed processes are removed."""
    for left in folder.glob(".unfinished-*"):
        with contextlib.suppress(OSError), _locked(left):
            shutil.rmtree(left)
    with contextlib.ExitStack() as stack:
        while True:
            scratch = tempfile.mkdtemp(dir=folder, prefix=".unfinished-")
            stack.callback(shutil.rmtree, scratch, ignore_errors=True)
            try:
                stack.enter_context(_locked(Path(scratch)))
            except (FileNotFoundError, BlockingIOError):  # taken for one of a killed process before it was locked
                continue
            except OSError:  # a file system without locks: nobody removes folders there, either
                pass
            break
        yield Path(scratch)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """A lock that ends with the process, too; BlockingIOError where another one has it."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)
