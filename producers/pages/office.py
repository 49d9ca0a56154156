"""What the pages ask of whoever keeps the readers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from contracts.errors import FieldError
from contracts.letter import Parted
from contracts.links import Application
from contracts.subscriber import Kept, Subscriber


class Moving(Protocol):
    """A change of address that waits to be confirmed."""

    @property
    def old(self) -> str: ...
    @property
    def new(self) -> str: ...


class Office(Protocol):
    """For strangers. Raises LinkRefused for a link that leads nowhere, BusError, and NoLetterNow
    where a letter would answer."""

    def judge(self, asked: Application) -> Sequence[FieldError]: ...
    async def apply(self, asked: Application) -> None: ...
    async def ask(self, address: str) -> Sequence[FieldError]: ...
    def pending(self, token: str) -> Application: ...
    async def confirm(self, token: str) -> None: ...
    async def check_way_in(self, token: str, browser: str) -> None: ...
    async def enter(self, token: str, browser: str) -> str: ...


class Own(Protocol):
    """For readers whom a letter has let in. Raises as `Office` does."""

    async def reader(self, session: str) -> Subscriber | None: ...
    async def out(self, session: str) -> None: ...
    def judge(self, reader: Subscriber, asked: Application) -> Sequence[FieldError]: ...
    async def save(self, reader: Subscriber, asked: Application) -> None: ...
    async def pause(self, reader: Subscriber, until: datetime | None) -> None: ...
    async def resume(self, reader: Subscriber) -> None: ...
    async def ask_to_move(self, reader: Subscriber, address: str) -> Sequence[FieldError]: ...
    def moving(self, token: str) -> Moving: ...
    async def move(self, token: str) -> None: ...
    async def leave(self, reader: Subscriber) -> Parted: ...
    async def erase(self, reader: Subscriber) -> Parted: ...
    async def export(self, reader: Subscriber) -> Mapping[str, Any]: ...


class Leaving(Protocol):
    """For the link in every mail. Raises BusError."""

    async def reads(self, token: str) -> bool | None:
        """Whether the reader whom a mail's link names gets mail; None for a forged link."""

    async def kept(self, token: str) -> Kept | None:
        """What stays of the reader whom a mail's link names once they leave; None if forged."""

    async def by_token(self, token: str) -> bool: ...

    async def erase_by_token(self, token: str) -> bool | None:
        """Delete what is kept of whoever has left; None for a forged link, False: still reads."""


@dataclass(frozen=True)
class Doors:
    """Whom the pages ask."""

    office: Office
    own: Own
    leaving: Leaving
    letters_per_hour: int = 0
    """What strangers may cause, all together; 0: as many as they like."""
