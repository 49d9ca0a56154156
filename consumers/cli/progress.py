"""Progress bars of commands that take long: on a terminal alone, on stderr, with one look."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from consumers.progress import progress_to
from producers.output import wants_json

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_SHOWN_AFTER_S = 2.0
_UPDATE_INTERVAL_S = 0.1


@dataclass
class ProgressBars:
    """A bar for each kind of work, from two seconds on; all of them go when the work ends.

    One report is enough: work that then waits for another is shown when its time has come.
    """

    shown_at: float = field(default_factory=lambda: time.monotonic() + _SHOWN_AFTER_S)
    updated_at: dict[str, float] = field(default_factory=dict)
    progress: "Progress | None" = None
    tasks: "dict[str, TaskID]" = field(default_factory=dict)
    waiting: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Reports from before the bars are shown."""
    timer: threading.Timer | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def report(self, what: str, done: int, total: int) -> None:
        """Show how much is done; often called, so that most calls draw nothing."""
        with self.lock:
            now = time.monotonic()
            if now < self.shown_at:
                self.waiting[what] = done, total
                self._start_timer(self.shown_at - now)
                return
            if done == total or now >= self.updated_at.get(what, 0.0) + _UPDATE_INTERVAL_S:
                self.updated_at[what] = now
                self._draw(what, done, total)

    def _start_timer(self, delay_s: float) -> None:
        if self.timer is None:
            self.timer = threading.Timer(delay_s, self._draw_waiting)
            self.timer.daemon = True
            self.timer.start()

    def _draw_waiting(self) -> None:
        with self.lock:
            for what, (done, total) in self.waiting.items():
                if what not in self.tasks:
                    self._draw(what, done, total)

    def _draw(self, what: str, done: int, total: int) -> None:
        if self.progress is None:
            self.progress = _new_progress()
            self.progress.start()
        if what not in self.tasks:
            self.tasks[what] = self.progress.add_task(what, total=None)
        self.progress.update(self.tasks[what], completed=done, total=total or None)

    def close(self) -> None:
        if self.timer:
            self.timer.cancel()
        with self.lock:
            self.waiting.clear()
            if self.progress:
                self.progress.stop()


def _new_progress() -> "Progress":
    from rich.console import Console  # most commands draw no bar
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeElapsedColumn as Elapsed
    from rich.progress import TimeRemainingColumn as Remaining

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    console = Console(stderr=True)
    return Progress(*columns, Elapsed(), Remaining(), console=console, transient=True)


@contextmanager
def progress_bars() -> Iterator[None]:
    """Bars while the block runs; none where stderr is no terminal, and none with `--json`."""
    if wants_json.get() or not sys.stderr.isatty():
        yield
        return
    bars = ProgressBars()
    try:
        with progress_to(bars.report):
            yield
    finally:
        bars.close()
