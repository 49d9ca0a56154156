"""Threads for what may hang: a look-up of a name, a disk, a mount that is gone.

Each piece of work has a daemon thread of its own, so that it holds up no other, and no end of the
process. A caller limits its own wait with `asyncio.timeout`; the thread then goes on alone.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from threading import Thread
from typing import Any, TypeVar

from contracts.errors import ContractError

T = TypeVar("T")


class DaemonThreads(ThreadPoolExecutor):
    """An executor with a daemon thread for each piece of work; its end waits for none."""

    def submit(self, work: Callable[..., Any], /, *args: Any, **named: Any) -> Future[Any]:
        done: Future[Any] = Future()
        Thread(target=_settle, args=(done, work, args, named), daemon=True).start()
        return done

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Wait for nothing."""


_threads = DaemonThreads()


def begin(work: Callable[[], T]) -> "asyncio.Future[T]":
    """Begin *work* on a daemon thread: its result, or its OSError, ValueError or ContractError."""
    loop = asyncio.get_running_loop()
    result: asyncio.Future[T] = loop.create_future()

    def hand_over(done: Future[T]) -> None:
        with suppress(RuntimeError):  # the loop is closed: the process has ended meanwhile
            loop.call_soon_threadsafe(_copy, done, result)

    _threads.submit(work).add_done_callback(hand_over)
    return result


def _copy(done: Future[T], result: "asyncio.Future[T]") -> None:
    if result.done():  # given up
        return
    if error := done.exception():
        result.set_exception(error)
    else:
        result.set_result(done.result())


def _settle(done: Future[Any], work: Callable[..., Any], args: Any, named: Any) -> None:
    """Give the result to *done*; another error than the system's ends the thread in the open."""
    done.set_running_or_notify_cancel()
    try:
        result = work(*args, **named)
    except (OSError, ValueError, ContractError) as error:
        done.set_exception(error)
    else:
        done.set_result(result)
