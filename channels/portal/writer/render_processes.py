"""Processes that render for a rebuild of the portal, so that it uses every core."""

import os
import signal
import socket
import sqlite3
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any, TypeVar

from channels.portal.render.site_files import SiteFiles

T = TypeVar("T")
R = TypeVar("R")
_PROCESSES_MAX = 4
"""More would wait: the rebuild's own process stores what they have rendered."""
_ITEMS_MIN = 2000
"""A rebuild of fewer items ends before the processes are ready."""
_AHEAD = 2
"""Tasks for each process that are under way or done, but not taken yet."""


class RenderProcesses:
    """Renders *files* in *count* processes more; in this one where there are none."""

    def __init__(self, files: SiteFiles, count: int) -> None:
        self._files, self._count = files, count
        self._idle: SimpleQueue[_RenderProcess] = SimpleQueue()
        self._processes = [_RenderProcess(files) for _ in range(count)]
        for process in self._processes:
            self._idle.put(process)
        self._threads = ThreadPoolExecutor(max(count, 1))

    def map(self, work: Callable[[SiteFiles, T], R], tasks: Iterable[T]) -> Iterator[R]:
        """Results of *work*, a function of a module, in the order of *tasks*. Raises OSError.

        *tasks* is read ahead of the results, by _AHEAD tasks for each process.
        """
        if not self._count:
            yield from (work(self._files, task) for task in tasks)
            return
        under_way: deque[Future[R]] = deque()
        for task in tasks:
            if len(under_way) == _AHEAD * self._count:
                yield under_way.popleft().result()
            under_way.append(self._threads.submit(self._ask, work, task))
        while under_way:
            yield under_way.popleft().result()

    def close(self) -> None:
        """End the processes; what they still do is lost."""
        for process in self._processes:
            process.end()
        self._threads.shutdown(cancel_futures=True)

    def _ask(self, work: Callable[[SiteFiles, T], R], task: T) -> R:
        process = self._idle.get()
        try:
            result: R = process.ask(work, task)
            return result
        finally:
            self._idle.put(process)


class _RenderProcess:
    """One process; it ends when this one does, because its connection closes then."""

    def __init__(self, files: SiteFiles) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 -- this program
                [sys.executable, "-m", __name__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},  # no settings
            )
        self._connection = Connection(ours.detach())
        self._connection.send((files.site, files.public))

    def ask(self, work: Callable[[SiteFiles, T], R], task: T) -> Any:
        """Raises OSError, sqlite3.Error: those of *work*, or that the process has ended."""
        try:
            self._connection.send((work, task))
            is_done, result = self._connection.recv()
        except EOFError:
            raise ChildProcessError("a process that renders has ended") from None
        if not is_done:
            raise result
        return result

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        self._connection.close()


def process_count(items: int) -> int:
    """Processes for a rebuild of so many items: one for each core that may be used."""
    cores = len(os.sched_getaffinity(0))
    return min(cores, _PROCESSES_MAX) if cores > 1 and items >= _ITEMS_MIN else 0


def serve(connection: Connection) -> None:
    """Do tasks until the other side closes."""
    site, public = connection.recv()
    files = SiteFiles(site, public)
    while True:
        work, task = connection.recv()
        try:
            answer = True, work(files, task)
        except (OSError, sqlite3.Error) as failed:
            answer = False, failed
        connection.send(answer)


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt ends the rebuild, and so this
    try:
        serve(Connection(int(sys.argv[1])))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return


if __name__ == "__main__":
    main()
