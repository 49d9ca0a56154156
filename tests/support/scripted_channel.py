"""A provider at the edge that plays back a script, and readers without a directory."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from channels.base import Content, Deadline, Outcome, Recipient, Verdict
from channels.errors import ChannelError
from consumers.recipients import Contact
from contracts.delivery import ChannelName
from contracts.publication import Publication

OK = Outcome(Verdict.DELIVERED)
Answer = Callable[[Recipient], Outcome]


@dataclass
class ScriptedChannel:
    """A channel whose provider notes every effect and answers as told."""

    name: ChannelName = ChannelName.EMAIL
    connections: int = 2
    window: int = 25
    request_timeout_s: float = 5.0
    settle_s: float = 1.0
    answer: Answer = lambda row: OK
    known: Answer = lambda row: Outcome(Verdict.RESEND)
    down: ChannelError | None = None
    effects: Counter[tuple[str, str]] = field(default_factory=Counter)
    arrivals: list[tuple[str, str]] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)
    windows: list[int] = field(default_factory=list)
    hold: asyncio.Event | None = None

    def render(self, content: Content) -> str:
        return content.key if isinstance(content, Publication) else content.content_id

    @asynccontextmanager
    async def session(self) -> AsyncIterator["ScriptedChannel"]:
        if self.down:
            raise self.down
        yield self

    async def send(
        self, rendered: str, rows: Sequence[Recipient], expired: Deadline
    ) -> list[Outcome]:
        self.windows.append(len(rows))
        if self.hold:
            await self.hold.wait()
        return [self.answer_row(rendered, row, expired) for row in rows]

    def answer_row(self, rendered: str, row: Recipient, expired: Deadline) -> Outcome:
        if expired():
            return Outcome(Verdict.UNSENT)
        said = self.answer(row)
        if said.verdict is Verdict.DELIVERED:
            self.effects[rendered, row.id] += 1
            self.arrivals.append((rendered, row.id))
            self.addresses.append(row.address)
        return said

    def abort(self) -> None:
        """It answers at once."""

    async def resolve(self, rendered: str, rows: Sequence[Recipient]) -> list[Outcome]:
        return [self.known(row) for row in rows]

    async def close(self) -> None:
        """Nothing to let go of."""


@dataclass
class StaticReaders:
    """Readers by id; `gone` ones have left since the plan."""

    ids: list[str]
    left: set[str] = field(default_factory=set)

    async def ready(self) -> None:
        """They are always up to date."""

    def count(self, publication: Publication) -> int:
        return len(self.ids)

    def ids_after(self, publication: Publication, last: str, limit: int) -> list[str]:
        return [one for one in sorted(self.ids) if one > last][:limit]

    def lookup(self, ids: Sequence[str]) -> dict[str, Contact]:
        return {one: Contact(one, f"{one}@example.com") for one in ids if one not in self.left}


def reader_ids(count: int) -> list[str]:
    return [f"r{number:06d}" for number in range(count)]
