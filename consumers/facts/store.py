"""The stream FACTS: one subject for each fact, whose newest message is what is so.

A fact is stored only right behind the message of its key that was read before, so of two processes
one is first, and the same fact is there once. What Loa did not seal is no fact.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import NamedTuple

import structlog

from contracts import facts, subjects
from contracts.errors import ContractError
from contracts.facts import Fact
from producers.bus import Bus, Message
from producers.seals import RefusedSeals, append_sealed

log = structlog.get_logger()
_STREAM = subjects.FACTS.name


class StoredFact(NamedTuple):
    """A key's newest fact, and the sequence of its message: 0 for none."""

    fact: Fact | None = None
    seq: int = 0


@dataclass
class FactStore:
    """Reads and adds facts. Raises BusError."""

    bus: Bus

    async def read(self, key: str) -> StoredFact:
        """The newest fact of *key*; one that can't be read, or is foreign, may be replaced."""
        message = await self.bus.last_message(_STREAM, subjects.fact(key))
        if message is None:
            return StoredFact()
        return StoredFact(await self._genuine(message), message.seq)

    async def scan(self, kind: str = "", start: int = 1) -> AsyncIterator[StoredFact]:
        """Every genuine fact of *kind*, or of all, in the order in which they were stored."""
        subject = subjects.fact(f"{kind}.>" if kind else ">")
        async for message in self.bus.scan(_STREAM, subject, start):
            if fact := await self._genuine(message):
                yield StoredFact(fact, message.seq)

    async def of_item(self, content_id: str) -> AsyncIterator[Fact]:
        """The facts of an item: its releases, deliveries and opinions, in this order."""
        patterns = (f"release.{content_id}.*", f"delivery.*.{content_id}.*")
        for pattern in (*patterns, f"opinions.*.{content_id}"):
            async for message in self.bus.scan(_STREAM, subjects.fact(pattern)):
                if fact := await self._genuine(message):
                    yield fact

    async def newest(self, kind: str = "") -> dict[str, StoredFact]:
        """The newest fact of each key."""
        return {one.fact.key: one async for one in self.scan(kind) if one.fact}

    async def add(self, fact: Fact, seen: int) -> bool:
        """Store *fact* behind message *seen* of its key; False if another one was first."""
        subject, body = subjects.fact(fact.key), fact.encode()
        name = f"{fact.key}.{seen}"
        return await append_sealed(self.bus, subject, body, name, seen=seen)

    async def foreign(self) -> AsyncIterator[tuple[int, str]]:
        """The messages that Loa did not write, each with the reason."""
        async for message in self.bus.scan(_STREAM):
            if problem := await self._problem(message):
                yield message.seq, problem

    async def _problem(self, message: Message) -> str:
        """Why Loa did not write *message*; without the key nothing is known."""
        seals = self.bus.seals_of(message.subject)
        if seals is None or isinstance(seals, RefusedSeals):
            return ""
        return await seals.problem(message)

    async def _genuine(self, message: Message) -> Fact | None:
        """The fact in *message*, if Loa wrote it and this version can read it."""
        key = subjects.key_of_fact(message.subject)
        if problem := await self._problem(message):
            log.error("fact_not_sealed", key=key, seq=message.seq, reason=problem)
            return None
        try:
            return facts.decode(key, message.data)
        except ContractError:
            log.error("fact_unreadable", key=key, seq=message.seq)
            return None
