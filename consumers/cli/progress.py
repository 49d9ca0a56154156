"""How far a long piece of work has come, for somebody who watches on a terminal."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.progress import TimeElapsedColumn as Elapsed

from channels.portal.work import Tell, nobody


@contextmanager
def shown() -> Iterator[Tell]:
    """A bar per stage on stderr, as each begins; nothing where nobody watches."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield nobody
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Elapsed())
    bars: dict[str, TaskID] = {}
    with Progress(*columns, console=console) as progress:

        def tell(what: str, count: int, total: int) -> None:
            if what not in bars:
                bars[what] = progress.add_task(what, total=total or None)
            progress.advance(bars[what], count)

        yield tell
