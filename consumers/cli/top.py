"""`loa top`: a live screen of problems, lanes and items on their way."""

import asyncio
import os
import signal
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from consumers.app.settings import LoaSettings, read_settings
from consumers.cli import output
from consumers.cli.status import StatusLoader
from consumers.cli.top_screen import Size, TopAnswer, draw
from consumers.ledger.entry import LedgerEntry
from consumers.status.open_plans import OpenPlans
from contracts import subjects
from contracts.delivery import BatchKey
from contracts.errors import Unavailable
from producers.bus import Bus, BusError

_PLAIN_SIZE = Size(80, 10_000, is_screen=False)
_QUIT_KEYS = b"qQ"
Interval = Annotated[
    float, typer.Option("--interval", "-n", min=0.5, max=3600, help="Seconds between two looks.")
]


@output.page(TopAnswer, examples=("loa top", "loa top --interval 5", "loa top --json"))
def top(interval: Interval = 2.0, as_json: output.Json = False) -> None:
    """Watch problems, lanes and items on their way, until q or Ctrl-C.

    Without a terminal, or while no Loa runs here, one look is printed.
    """
    console = Console()
    is_live = console.is_terminal and not (console.is_dumb_terminal or as_json)
    answer = output.run_on_any_bus(partial(_watch, console if is_live else None, interval))
    if answer:
        screen = draw(answer, _PLAIN_SIZE, "")
        plain = Console(width=_PLAIN_SIZE.width)
        output.print_answer(answer, as_json, lambda: plain.print(screen))


async def _watch(console: Console | None, interval: float, bus: Bus, own: bool) -> TopAnswer | None:
    """Show one look after the other on *console*; without it, or without a Loa, return one."""
    looker = _Looker(bus, own)
    first = await looker.look()
    if console is None or own:
        return first
    with _quit_event() as quit_event, _screen(console) as live:
        await _Screen(looker, console, live, interval).run(first, quit_event)
    return None


@dataclass
class _Looker:
    """Loads the status together with the open plans of the ledger."""

    bus: Bus
    own: bool

    def __post_init__(self) -> None:
        self.plans = OpenPlans()
        settings = read_settings(LoaSettings)
        self.loader = StatusLoader(settings, self.bus, self.own, self.add_batch)

    def add_batch(self, batch: BatchKey, entry: LedgerEntry) -> None:
        self.plans.add_batch(batch, entry)

    async def look(self) -> TopAnswer:
        """Raises BusError, Unavailable."""
        self.plans = OpenPlans()
        status = await self.loader.load()
        plans = await self.plans.load(self.bus.bucket(subjects.LEDGER.name))
        return TopAnswer(at=datetime.now(UTC), status=status, plans=plans)


@dataclass
class _Screen:
    """Draws looks until it is told to quit; a bus that is away leaves the last one."""

    looker: _Looker
    console: Console
    live: Live
    interval: float

    async def run(self, answer: TopAnswer, quit_event: asyncio.Event) -> None:
        trouble = ""
        while not quit_event.is_set():
            self.show(answer, trouble)
            with suppress(TimeoutError):
                await asyncio.wait_for(quit_event.wait(), self.interval)
                return
            look = asyncio.ensure_future(self.looker.look())
            quitting = asyncio.ensure_future(quit_event.wait())
            await asyncio.wait({look, quitting}, return_when=asyncio.FIRST_COMPLETED)
            quitting.cancel()
            if quit_event.is_set():
                look.cancel()
            try:
                answer, trouble = await look, ""
            except asyncio.CancelledError:
                return
            except (BusError, Unavailable) as away:
                trouble = f"the bus does not answer: {away}"

    def show(self, answer: TopAnswer, trouble: str) -> None:
        footer = trouble or f"q: quit   every {self.interval:g} s   loa status says more"
        size = Size(*self.console.size)
        self.live.update(draw(answer, size, footer), refresh=True)


def _screen(console: Console) -> Live:
    """A screen of its own, which leaves the terminal as it was."""
    return Live(Text(), console=console, screen=True, auto_refresh=False)


@contextmanager
def _quit_event() -> Iterator[asyncio.Event]:
    """Set by q, Ctrl-C or SIGTERM; keys come one by one while the block runs."""
    loop, event = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, event.set)
    try:
        with _single_keys(loop, event):
            yield event
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


@contextmanager
def _single_keys(loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> Iterator[None]:
    """Read keys from the terminal without waiting for a new line."""
    if not sys.stdin.isatty():
        yield
        return
    file = sys.stdin.fileno()
    before = termios.tcgetattr(file)

    def on_key() -> None:
        pressed = os.read(file, 64)
        if not pressed or set(pressed) & set(_QUIT_KEYS):
            event.set()

    tty.setcbreak(file)
    loop.add_reader(file, on_key)
    try:
        yield
    finally:
        loop.remove_reader(file)
        termios.tcsetattr(file, termios.TCSADRAIN, before)
