"""Readers who come, leave and are erased, and each process's copy of the list, which lags."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from consumers.recipients import Contact
from consumers.runtime.errors import RetryLater
from contracts.publication import Publication
from tests.deep.model.simulated_bus import SimBucket, Table
from tests.deep.model.virtual_loop import VirtualLoop

FRESH_S = 10.0
READY_S = 5.0
LATER_S = 0.5
LOOK_S = 0.25


class SubscriberChange(NamedTuple):
    at_s: float
    id: str
    subscribed: bool


@dataclass
class SubscriberBucket:
    """The truth: the bucket `subscribers`."""

    table: Table
    changes: list[SubscriberChange] = field(default_factory=list)

    def change(self, at_s: float, id: str, here: bool) -> None:
        self.changes.append(SubscriberChange(at_s, id, here))
        self.table.seq += 1

    def known_at(self, at_s: float) -> set[str]:
        state = {change.id: change.subscribed for change in self.changes if change.at_s <= at_s}
        return {id for id, subscribed in state.items() if subscribed}

    def seq_at(self, at_s: float) -> int:
        return sum(change.at_s <= at_s for change in self.changes)

    def gone_since(self, id: str) -> float | None:
        """When a reader who is not here left."""
        last = [change for change in self.changes if change.id == id]
        return last[-1].at_s if last and not last[-1].subscribed else None

    def remained(self, since_s: float, until_s: float) -> set[str]:
        """Who was here all the time."""
        left = {change.id for change in self.changes if since_s < change.at_s <= until_s}
        return self.known_at(since_s) - left


@dataclass
class LaggingDirectory:
    """One process's copy: what it knows is as old as `lag_s`, or older while it is stalled."""

    readers: SubscriberBucket
    loop: VirtualLoop
    bucket: SimBucket
    lag_s: float
    stalls: list[tuple[float, float]] = field(default_factory=list)

    def as_of(self) -> float:
        """The moment whose truth is known here."""
        now = self.loop.now
        stalled = [begin for begin, end in self.stalls if begin <= now < end]
        return min([now, *stalled]) - self.lag_s

    def freeze(self, for_s: float) -> None:
        self.stalls.append((self.loop.now, self.loop.now + for_s))

    async def ready(self) -> None:
        """Raise RetryLater until every earlier subscription is known."""
        wanted = await self.bucket.last_seq()
        until = self.loop.time() + READY_S
        while self.readers.seq_at(self.as_of()) < wanted:
            if self.loop.time() >= until:
                raise RetryLater(LATER_S, "the directory is behind")
            await asyncio.sleep(LOOK_S)

    def count(self, publication: Publication) -> int:
        return len(self.readers.known_at(self.as_of()))

    def ids_after(self, publication: Publication, last: str, limit: int) -> Sequence[str]:
        known = sorted(self.readers.known_at(self.as_of()))
        return [id for id in known if id > last][:limit]

    def lookup(self, ids: Sequence[str]) -> Mapping[str, Contact]:
        """The address says how old the knowledge is, so that a receiver can judge it."""
        as_of = self.as_of()
        if self.loop.now - as_of > FRESH_S:
            raise RetryLater(LATER_S, "the directory is not fresh")
        known = self.readers.known_at(as_of)
        return {id: Contact(id, f"{as_of:.6f}") for id in ids if id in known}
