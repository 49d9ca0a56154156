"""`Publisher` for code without an event loop: views of Django, commands, scripts."""

import asyncio
import os
import threading
import weakref
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeVar

from contracts.cloudevent import CloudEvent
from contracts.vocabulary import DEFAULT, Vocabulary
from producers.access import Access
from producers.admission import unavailable_error
from producers.bus import AccessRefused
from producers.publisher import Accepted, Drained, Publisher, Spooled
from producers.spool import Spool

_GRACE_S = 5.0
"""How long a call may last beyond its limit: until an event is kept."""
_CLOSE_S = 10.0
_LAST_EVENT_S = 5.0
"""How long closing waits for a drain to send its last event."""
T = TypeVar("T")
_Work = Callable[[Publisher], Coroutine[Any, Any, T]]


class _Worker:
    """A publisher, and a thread with the event loop that it lives in."""

    def __init__(self, open_publisher: Callable[[], Publisher]) -> None:
        self.publisher = open_publisher()
        self._calls: set[Future[Any]] = set()
        self._pid = os.getpid()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="loa-client", daemon=True
        )
        self._thread.start()

    def submit(self, work: _Work[T]) -> Future[T]:
        call = asyncio.run_coroutine_threadsafe(work(self.publisher), self._loop)
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)
        return call

    def close(self) -> None:
        """End the calls under way, the connection and the thread.

        A forked child leaves both alone: it has no such thread, and the connection is its parent's.
        So does the thread itself, which may be the one that collects garbage. A thread that hangs,
        as on a disk that does not answer, is left to the end of the process.
        """
        if self._pid != os.getpid() or self._thread is threading.current_thread():
            return
        with suppress(TimeoutError):
            self.submit(_end).result(_CLOSE_S)
        for call in self._calls.copy():  # of a thread that hangs: it ends none itself
            call.cancel()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_CLOSE_S)
        if not self._thread.is_alive():
            self._loop.close()


async def _end(publisher: Publisher) -> None:
    calls = asyncio.all_tasks() - {asyncio.current_task()}
    with suppress(TimeoutError):
        async with asyncio.timeout(_LAST_EVENT_S):
            await publisher.close()
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    await publisher.close()  # the connection that the last of them opened


class SyncPublisher:
    """`Publisher` with plain methods, for any number of threads.

    It connects with the first event, and again in a forked child. Each call ends within
    *time_limit_s*, but for `drain`, which goes on while events can be sent. Use it as a context
    manager, or leave it open: it is closed at the exit of the process.
    """

    def __init__(
        self,
        url: str | None,
        unit: str,
        spool: Path | None = None,
        *,
        vocabulary: Vocabulary = DEFAULT,
        access: Access | None = None,
        patience_s: float = 5.0,
        time_limit_s: float = 10.0,
    ) -> None:
        if spool:
            Spool(spool)  # a system without locks is named at once, not by the first call
        self.time_limit_s = time_limit_s
        self._open_publisher = partial(
            Publisher, url, unit, spool,
            vocabulary=vocabulary, access=access, patience_s=patience_s,
        )  # fmt: skip
        self._lock = threading.Lock()
        self._worker: _Worker | None = None
        self._close_worker: Callable[[], object] = _do_nothing
        _publishers.add(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def publish(self, event: CloudEvent | Mapping[str, Any]) -> Accepted | Spooled:
        """As `Publisher.publish`; an event that is not sent in time is kept, or Unavailable."""
        work = partial(Publisher.publish, event=event, time_limit_s=self.time_limit_s)
        return self._call(work, self.time_limit_s + _GRACE_S)

    def drain(self) -> Drained:
        """Send spooled events, oldest first, until none is left or the bus is unavailable."""
        return self._call(Publisher.drain)

    @property
    def refusal(self) -> AccessRefused | None:
        """Why the server refuses the access, or a right to events that wait; else None."""
        worker = self._worker
        return worker.publisher.refusal if worker else None

    def close(self) -> None:
        """Close the connection until the next call.

        Calls of other threads end with Unavailable; a drain with what it has sent, unless its last
        event takes longer than 5 s.
        """
        with self._lock:
            self._worker = None
            self._close_worker()

    def _call(self, work: _Work[T], limit_s: float | None = None) -> T:
        with self._lock:
            if self._worker is None:
                self._worker = _Worker(self._open_publisher)
                self._close_worker = weakref.finalize(self, self._worker.close)
            future = self._worker.submit(work)
        try:
            return future.result(limit_s)
        except (CancelledError, TimeoutError) as unanswered:
            raise unavailable_error() from unanswered
        finally:
            future.cancel()  # where the caller was interrupted

    def _forget_worker(self) -> None:
        """Begin anew; the lock may be held by a thread that a forked child does not have."""
        self._lock = threading.Lock()
        self._worker, self._close_worker = None, _do_nothing


def _do_nothing() -> None:
    """Close no worker."""


_publishers: weakref.WeakSet[SyncPublisher] = weakref.WeakSet()


def _forget_workers() -> None:
    for publisher in _publishers:
        publisher._forget_worker()


if hasattr(os, "register_at_fork"):  # Windows does not fork
    os.register_at_fork(after_in_child=_forget_workers)
