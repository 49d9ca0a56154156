"""Importing subscribers from a CSV file: good lines go in, each bad one says what is wrong.

Bucket `subscribers`: `s.<id>` is a person's wishes, `a.<keyed hash of the address>` names the id.
Both are written in one atomic batch, so an address has one person, whoever imports at once.
"""

import hmac
import secrets
from base64 import b32encode
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TypeVar

import structlog
from pydantic import BaseModel

from consumers.subscriber_lines import Lines, Rejected
from contracts import subjects
from contracts.crash import crash_point
from contracts.subscriber import Subscriber
from contracts.vocabulary import Vocabulary
from producers.bus import Bus, BusError, Conflict, Entry, Silence

log = structlog.get_logger()
CHUNK = 250
TRIES = 20
ID_BYTES = 10

T = TypeVar("T")


class Report(BaseModel):
    """What an import did."""

    added: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: list[Rejected] = []


class Held(NamedTuple):
    """What the bucket knows of an address; revisions are 0 for what is absent."""

    person: Subscriber | None = None
    address_revision: int = 0
    person_revision: int = 0


@dataclass
class Chunk:
    """Some lines, laid over what is known: what has to be written, and how it counts."""

    people: dict[str, Subscriber] = field(default_factory=dict)
    added: int = 0
    updated: int = 0
    unchanged: int = 0

    def lay(self, address: str, wanted: Subscriber, held: Held) -> None:
        """Add one line. Whoever left stays away: an import never makes anybody active again."""
        before = self.people.get(address) or held.person
        if before is None:
            self.people[address] = wanted
            self.added += 1
            return
        kept = wanted.model_copy(update={"id": before.id, "active": before.active})
        if kept == before:
            self.unchanged += 1
        else:
            self.people[address] = kept
            self.updated += 1


async def import_csv(bus: Bus, path: Path, vocabulary: Vocabulary, address_key: bytes) -> Report:
    """Import a file; twice changes nothing. Raises OSError, or BusError when the bus fails.

    After an error the lines already stored stay, and importing again completes the file.
    """
    report = Report()
    people = Subscribers(bus, address_key)
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        lines = Lines(file, vocabulary, new_id)
        for some in chunks(lines.read(report.rejected), CHUNK):
            chunk = await people.store(some)
            report.added += chunk.added
            report.updated += chunk.updated
            report.unchanged += chunk.unchanged
    counts = report.model_dump(exclude={"rejected"})
    log.info("subscribers_imported", **counts, rejected=len(report.rejected))
    return report


class Subscribers:
    """The bucket, written in atomic batches."""

    def __init__(self, bus: Bus, address_key: bytes) -> None:
        self.bus = bus
        self.bucket = bus.bucket(subjects.SUBSCRIBERS.name)
        self.address_key = address_key

    async def store(self, wanted: Sequence[Subscriber]) -> Chunk:
        """Store people by address, all or none. Raises BusError."""
        unsure: Chunk | None = None
        trouble: BusError | None = None
        for _ in range(TRIES):
            held = await self.held(wanted, markers=trouble is not None)
            chunk = self.laid(wanted, held)
            entries = list(self.entries(chunk, held))
            if not entries:
                return unsure or chunk
            try:
                crash_point("subscribers.laid_out")
                await self.bucket.batch(entries)
                crash_point("subscribers.stored")
            except (Conflict, Silence) as error:
                trouble, unsure = error, chunk if isinstance(error, Silence) else None
            else:
                return chunk
        raise trouble or Conflict("never stored")

    async def held(self, wanted: Sequence[Subscriber], *, markers: bool) -> dict[str, Held]:
        """What is known of everybody's address; with *markers* also where a purge stands."""
        keys = list(dict.fromkeys(self.address(one.email) for one in wanted))
        addresses = await self.bucket.many(keys)
        people = await self.bucket.many([f"s.{v.data.decode()}" for v in addresses.values()])
        known = {}
        for key in keys:
            if key not in addresses:
                known[key] = Held(address_revision=await self.purged(key) if markers else 0)
                continue
            person = people.get(f"s.{addresses[key].data.decode()}")
            known[key] = Held(
                Subscriber.model_validate_json(person.data) if person else None,
                addresses[key].revision,
                person.revision if person else 0,
            )
        return known

    async def purged(self, key: str) -> int:
        """The revision at which an address was purged; 0 when it never was there."""
        message = await self.bus.last(self.bucket.stream, f"$KV.{self.bucket.name}.{key}")
        return message.seq if message else 0

    def laid(self, wanted: Sequence[Subscriber], held: dict[str, Held]) -> Chunk:
        chunk = Chunk()
        for one in wanted:
            key = self.address(one.email)
            chunk.lay(key, one, held[key])
        return chunk

    def entries(self, chunk: Chunk, held: dict[str, Held]) -> Iterator[Entry]:
        """The batch: only what differs from what stands there."""
        for key, one in chunk.people.items():
            known = held[key]
            if one == known.person:
                continue
            if known.person is None:
                yield Entry(key, one.id.encode(), known.address_revision)
            yield Entry(f"s.{one.id}", one.model_dump_json().encode(), known.person_revision)

    def address(self, email: str) -> str:
        """The key of an address: without the secret nobody can test whether somebody is here."""
        hashed = hmac.digest(self.address_key, email.casefold().encode(), sha256)
        return f"a.{_base32(hashed)}"


def new_id() -> str:
    """A random id: 80 bits, 16 characters; it says nothing about the person."""
    return _base32(secrets.token_bytes(ID_BYTES))


def chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    left = iter(items)
    while some := list(islice(left, size)):
        yield some


def _base32(data: bytes) -> str:
    return b32encode(data).decode().rstrip("=").lower()
