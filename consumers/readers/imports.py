"""Importing subscribers from a CSV file: good lines go in, each bad one says what is wrong."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TypeVar

import structlog
from pydantic import BaseModel

from consumers.readers.lines import Lines, Rejected
from consumers.readers.people import TRIES, Held, People, new_id, writes
from contracts.crash import crash_point
from contracts.subscriber import Subscriber
from contracts.vocabulary import Vocabulary
from producers.bus import Bus, BusError, Conflict, Entry, Silence

log = structlog.get_logger()
CHUNK = 250
RHYTHM = ("frequency_since", "frequency_before", "frequency_ended")
OWN = ("id", *RHYTHM, "paused_until", "consent")
"""What a file says nothing about: it stays as the reader has it."""

T = TypeVar("T")


class Report(BaseModel):
    """What an import did."""

    added: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: list[Rejected] = []


@dataclass
class Chunk:
    """Some lines, laid over what is known: what has to be written, and how it counts."""

    at: datetime
    people: dict[str, Subscriber] = field(default_factory=dict)
    added: int = 0
    updated: int = 0
    unchanged: int = 0

    def lay(self, address: str, wanted: Subscriber, held: Held) -> None:
        """Add one line. Whoever left, or moved away, is not brought back to this address."""
        before = self.people.get(address) or held.person
        if held.moved and before is None:
            self.unchanged += 1
            return
        if before is None:
            self.people[address] = wanted
            self.added += 1
            return
        kept = laid_over(before, wanted, self.at)
        if kept == before:
            self.unchanged += 1
        else:
            self.people[address] = kept
            self.updated += 1


def laid_over(before: Subscriber, wanted: Subscriber, at: datetime) -> Subscriber:
    """What a line makes of somebody who is known.

    Whoever has left stays away, and whoever has chosen for themselves keeps what they chose.
    """
    if not before.active or before.consent:
        return before
    kept = wanted.model_copy(update={name: getattr(before, name) for name in OWN})
    as_before = kept.model_copy(update={"frequency": before.frequency})
    return as_before.told(wanted.frequency, at)


async def import_csv(bus: Bus, path: Path, vocabulary: Vocabulary, address_key: bytes) -> Report:
    """Import a file; twice changes nothing. Raises OSError, or BusError when the bus fails.

    After an error the lines already stored stay, and importing again completes the file.
    """
    report = Report()
    store = Importing(People(bus, address_key))
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        lines = Lines(file, vocabulary, new_id)
        for some in chunks(lines.read(report.rejected), CHUNK):
            chunk = await store.store(some)
            report.added += chunk.added
            report.updated += chunk.updated
            report.unchanged += chunk.unchanged
    counts = report.model_dump(exclude={"rejected"})
    log.info("subscribers_imported", **counts, rejected=len(report.rejected))
    return report


@dataclass
class Importing:
    """Writes people many at a time, in atomic batches."""

    people: People

    async def store(self, wanted: Sequence[Subscriber]) -> Chunk:
        """Store people by address, all or none. Raises BusError."""
        unsure: Chunk | None = None
        trouble: BusError | None = None
        keys = list(dict.fromkeys(self.people.address(one.email) for one in wanted))
        for _ in range(TRIES):
            held = await self.people.held(keys, markers=trouble is not None)
            chunk = self.laid(wanted, held)
            entries = list(self.entries(chunk, held))
            if not entries:
                return unsure or chunk
            try:
                crash_point("subscribers.laid_out")
                await self.people.bucket.batch(entries)
                crash_point("subscribers.stored")
            except (Conflict, Silence) as error:
                trouble, unsure = error, chunk if isinstance(error, Silence) else None
            else:
                return chunk
        raise trouble or Conflict("never stored")

    def laid(self, wanted: Sequence[Subscriber], held: dict[str, Held]) -> Chunk:
        chunk = Chunk(datetime.now(UTC))
        for one in wanted:
            key = self.people.address(one.email)
            chunk.lay(key, one, held[key])
        return chunk

    def entries(self, chunk: Chunk, held: dict[str, Held]) -> Iterator[Entry]:
        for key, one in chunk.people.items():
            yield from writes(key, one, held[key])


def chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    left = iter(items)
    while some := list(islice(left, size)):
        yield some
