"""Import subscribers from a CSV file: valid rows are stored, each rejected row is reported."""

import asyncio
import codecs
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import Self, TextIO

import structlog
from pydantic import BaseModel

from consumers.progress import report_progress
from consumers.subscribers.csv_rows import CsvRows, RejectedRow
from consumers.subscribers.store import (
    MAX_TRIES,
    AddressEntry,
    SubscriberStore,
    changed_entries,
    new_subscriber_id,
)
from contracts.base.crash_points import crash_point
from contracts.subscriptions.subscriber import Subscriber
from contracts.vocabulary import Vocabulary
from producers.bus import BatchEntry, Bus, BusError, NoReply, RevisionConflict

log = structlog.get_logger()
CHUNK_SIZE = 500
_TURN = 16
"""The number of rows after which other tasks have their turn."""
_FREQUENCY_FIELDS = ("frequency_since", "frequency_before", "frequency_ended")
_KEPT_FIELDS = ("id", *_FREQUENCY_FIELDS, "paused_until", "consent", "consent_history")
"""Fields that a file does not contain: the subscriber's own values stay."""


class ImportReport(BaseModel):
    """Counts of an import, and its rejected rows."""

    added: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: list[RejectedRow] = []


@dataclass
class _ImportChunk:
    """Some rows merged with the stored records: the records to write, and the counts."""

    imported_at: datetime
    subscribers: dict[str, Subscriber] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, address: str, wanted: Subscriber, known: AddressEntry) -> None:
        """Add one row. An address that its subscriber has exchanged for another stays unused."""
        before = self.subscribers.get(address) or known.subscriber
        if before is None:
            self.counts["unchanged" if known.is_moved else "added"] += 1
            if not known.is_moved:
                given = wanted.with_consent_event("given", "import", self.imported_at)
                self.subscribers[address] = given
            return
        merged = merge(before, wanted, self.imported_at)
        if merged == before:
            self.counts["unchanged"] += 1
        else:
            changed = merged.with_consent_event("changed", "import", self.imported_at)
            self.subscribers[address] = changed
            self.counts["updated"] += 1

    def entries(self, known: Mapping[str, AddressEntry]) -> list[BatchEntry]:
        changed = self.subscribers.items()
        return [entry for key, new in changed for entry in changed_entries(key, new, known[key])]


def merge(before: Subscriber, wanted: Subscriber, at: datetime) -> Subscriber:
    """Merge a row into a stored record.

    A subscriber who has left stays inactive; one who has consented keeps their own choices.
    """
    if not before.active or before.consent:
        return before
    merged = wanted.model_copy(update={name: getattr(before, name) for name in _KEPT_FIELDS})
    as_before = merged.model_copy(update={"frequency": before.frequency})
    return as_before.with_frequency(wanted.frequency, at)


async def import_csv(bus: Bus, path: Path, vocabulary: Vocabulary, secret: bytes) -> ImportReport:
    """Import a file; a second import changes nothing. Raises OSError or BusError.

    After an error the stored rows stay, and a repeated import completes the file.
    """
    rejected: list[RejectedRow] = []
    writer = _ChunkWriter(SubscriberStore(bus, secret))
    with _open_text(path) as file:
        rows = CsvRows(file, vocabulary, new_subscriber_id).read(rejected)
        size = os.fstat(file.fileno()).st_size
        async with writer:
            while wanted := await _next_rows(rows):
                await writer.write(wanted)
                report_progress("bytes", file.buffer.tell(), size)
    report = ImportReport(**writer.counts, rejected=rejected)
    facts = report.model_dump(exclude={"rejected"})
    log.info("subscribers_imported", **facts, rejected=len(rejected))
    return report


@contextmanager
def _open_text(path: Path) -> Iterator[TextIO]:
    """The file as text: UTF-16 where it begins with a byte order mark of it, else UTF-8."""
    with path.open("rb") as file:
        is_utf16 = file.peek(2)[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
        encoding, errors = ("utf-16", "replace") if is_utf16 else ("utf-8-sig", "surrogateescape")
        yield TextIOWrapper(file, encoding, errors, newline="")


async def _next_rows(rows: Iterator[Subscriber]) -> list[Subscriber]:
    """The rows of a chunk; other tasks go on while they are read."""
    chunk: list[Subscriber] = []
    for row in islice(rows, CHUNK_SIZE):
        chunk.append(row)
        if len(chunk) % _TURN == 0:
            await asyncio.sleep(0)
    return chunk


class _ChunkWriter:
    """Writes chunks while the next one is read; rows of one address are stored in their order."""

    def __init__(self, store: SubscriberStore) -> None:
        self.store = store
        self.counts = Counter[str]()
        self._task: asyncio.Task[_ImportChunk] | None = None
        self._addresses: set[str] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, error: type[BaseException] | None, *_: object) -> None:
        if error is None:
            await self._finish()
        elif self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def write(self, wanted: Sequence[Subscriber]) -> None:
        """Begin with a chunk. Raises BusError of the one before, too."""
        addresses = {one.email.casefold() for one in wanted}
        if addresses & self._addresses:
            await self._finish()
        before, self._task = self._task, asyncio.create_task(_write_chunk(self.store, wanted))
        self._addresses = addresses
        if before:
            self.counts += (await before).counts

    async def _finish(self) -> None:
        if self._task:
            task, self._task = self._task, None
            self.counts += (await task).counts


async def _write_chunk(store: SubscriberStore, wanted: Sequence[Subscriber]) -> _ImportChunk:
    """Store subscribers by address in one atomic batch. Raises BusError."""
    unsure: _ImportChunk | None = None
    failure: BusError | None = None
    rows = [(store.key_of_address(subscriber.email), subscriber) for subscriber in wanted]
    keys = list(dict.fromkeys(key for key, _ in rows))
    for _ in range(MAX_TRIES):
        known = await store.load_entries(keys, with_purged=failure is not None)
        chunk = _ImportChunk(datetime.now(UTC))
        for key, subscriber in rows:
            chunk.add(key, subscriber, known[key])
        entries = chunk.entries(known)
        if not entries:
            return unsure or chunk
        try:
            crash_point("subscribers.laid_out")
            await store.bucket.batch(entries)
            crash_point("subscribers.stored")
        except (RevisionConflict, NoReply) as error:
            failure, unsure = error, chunk if isinstance(error, NoReply) else None
        else:
            return chunk
    raise failure or RevisionConflict("never stored")
