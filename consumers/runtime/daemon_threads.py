"""Threads for what may hang: a look-up of a name, a disk, a mount that is gone."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Thread
from typing import Any


class DaemonThreads(ThreadPoolExecutor):
    """An executor with a daemon thread for each piece of work; its end waits for none."""

    def submit(self, work: Callable[..., Any], /, *args: Any, **named: Any) -> Future[Any]:
        done: Future[Any] = Future()
        Thread(target=_settle, args=(done, work, args, named), daemon=True).start()
        return done

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Wait for nothing."""


def _settle(done: Future[Any], work: Callable[..., Any], args: Any, named: Any) -> None:
    """Give the result to *done*; another error than the system's ends the thread in the open."""
    done.set_running_or_notify_cancel()
    try:
        result = work(*args, **named)
    except (OSError, ValueError) as error:
        done.set_exception(error)
    else:
        done.set_result(result)
