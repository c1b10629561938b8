"""A pool of processes in which each worker stands alone: one that dies or hangs takes its own call along, no other."""

from __future__ import annotations

import concurrent.futures
import contextlib
import multiprocessing
import os
import pickle
import queue
import signal
import threading
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any

#: What limits the threads of libraries that a worker may load.
_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_starting = threading.Lock()  # the environment is one for the whole process


class WorkerDiedError(RuntimeError):
    """The process that ran the call has ended."""


class WorkerHungError(RuntimeError):
    """The call took longer than it may, and its process was ended."""


class WorkerPool(concurrent.futures.Executor):
    """Processes that are started where they are needed, and again where they have ended.

    Parameters
    ----------
    workers : int
    threads : int
        Of each worker, for libraries that read that from the environment.
    """

    def __init__(self, workers: int, threads: int = 1) -> None:
        self._workers = [_Worker(threads) for _ in range(workers)]
        self._idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        for worker in self._workers:
            self._idle.put(worker)
        self._threads = concurrent.futures.ThreadPoolExecutor(workers)

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> concurrent.futures.Future[Any]:  # type: ignore[override]
        """A future of function(*arguments)."""
        return self.submit_within(None, function, *arguments)

    def submit_within(
        self, seconds: float | None, function: Callable[..., Any], /, *arguments: Any
    ) -> concurrent.futures.Future[Any]:
        """The same; after so many seconds the worker is ended and the future raises `WorkerHungError`."""
        return self._threads.submit(self._call, seconds, function, arguments)

    def _call(self, seconds: float | None, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        worker = self._idle.get()
        try:
            return worker.call(seconds, function, arguments)
        finally:
            self._idle.put(worker)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Ends all processes; calls that still run are lost where `wait` is false."""
        if not wait:
            for worker in self._workers:
                worker.end()
        self._threads.shutdown(wait=True, cancel_futures=cancel_futures or not wait)
        for worker in self._workers:
            worker.end()


class _Worker:
    """The parent's end of a process; used by one thread at a time."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._process: Any = None
        self._connection: Connection | None = None
        self._has_ended = False

    def call(self, seconds: float | None, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        connection = self._connected()
        try:
            connection.send_bytes(pickle.dumps((function, arguments)))
            if not connection.poll(seconds):
                self._kill()
                raise WorkerHungError(f"the call took more than {seconds:g} s, and its process was ended")
            is_value, answer = pickle.loads(connection.recv_bytes())
        except (EOFError, ConnectionError) as error:
            self._process.join(5.0)
            code = self._process.exitcode
            self._kill()
            raise WorkerDiedError(f"the process of the worker has ended: exit code {code}") from error
        if is_value:
            return answer
        raise answer

    def end(self) -> None:
        """For good."""
        self._has_ended = True
        self._kill()

    def _connected(self) -> Connection:
        if self._has_ended:
            raise WorkerDiedError("the pool was shut down")
        if self._connection is None or not self._process.is_alive():
            self._kill()
            context = multiprocessing.get_context("spawn")
            self._connection, other = context.Pipe()
            self._process = context.Process(target=serve, args=(other,), daemon=True)
            with _starting, environment({name: str(self._threads) for name in _VARIABLES}):
                self._process.start()
            other.close()
        assert self._connection is not None
        return self._connection

    def _kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
        if self._connection is not None and not self._has_ended:
            self._connection.close()
            self._connection = None


@contextlib.contextmanager
def environment(values: dict[str, str]) -> Iterator[None]:
    """These variables while a process starts; what the user has set stays."""
    new = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(new)
    try:
        yield
    finally:
        for name in new:
            os.environ.pop(name, None)


def serve(connection: Connection) -> None:
    """The process: answers calls until the parent is gone. Ctrl-C is the parent's to handle."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        try:
            content = connection.recv_bytes()
        except EOFError:
            return
        try:
            function, arguments = pickle.loads(content)
            answer = pickle.dumps((True, function(*arguments)))
        except Exception as error:
            try:
                answer = pickle.dumps((False, error))
                pickle.loads(answer)
            except Exception:
                answer = pickle.dumps((False, RuntimeError(f"{type(error).__name__}: {error}")))
        connection.send_bytes(answer)
