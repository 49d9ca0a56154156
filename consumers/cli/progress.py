"""Progress bars of commands that take long: on a terminal alone, on stderr, with one look."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

_SHOWN_AFTER_S = 2.0
Report = Callable[[int], None]
"""Takes how much is done."""


@dataclass
class ProgressBar:
    """A bar that appears once the work has taken two seconds, and goes when it ends."""

    title: str
    total: int | None = None
    began: float = field(default_factory=time.monotonic)
    shown: Progress | None = None
    task: TaskID | None = None

    def report(self, done: int, title: str = "", total: int | None = None) -> None:
        """Show that *done* of the total is done; *title* and *total* begin another step."""
        self.title, self.total = title or self.title, total or self.total
        if self.shown is None and time.monotonic() - self.began >= _SHOWN_AFTER_S:
            self.shown = _new_bar()
            self.task = self.shown.add_task(self.title, total=self.total)
            self.shown.start()
        if self.shown and self.task is not None:
            self.shown.update(self.task, completed=done, description=self.title, total=self.total)

    def close(self) -> None:
        if self.shown:
            self.shown.stop()


def _new_bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=False,
    )


@contextmanager
def progress(title: str, total: int | None = None, *, as_json: bool = False) -> Iterator[Report]:
    """A bar while the block runs; none where stderr is no terminal, and none for scripts."""
    if as_json or not sys.stderr.isatty():
        yield _ignore
        return
    bar = ProgressBar(title, total)
    try:
        yield bar.report
    finally:
        bar.close()


def _ignore(done: int) -> None:
    """No bar is shown."""
