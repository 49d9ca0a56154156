"""Progress of long work: operations tell it, and the command that runs them shows it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Report = Callable[[str, int, int], None]
"""Takes what is counted, how much is done, and how much there is; 0: that is not known."""


def _ignore(_what: str, _done: int, _total: int) -> None:
    """No command shows the progress."""


_report: ContextVar[Report] = ContextVar("progress", default=_ignore)


def report_progress(what: str, done: int, total: int = 0) -> None:
    _report.get()(what, done, total)


@contextmanager
def progress_to(report: Report) -> Iterator[None]:
    """Give the progress of the block, and of its tasks and threads, to *report*."""
    token = _report.set(report)
    try:
        yield
    finally:
        _report.reset(token)
