"""Rebuild projections from the bus: the portal's folder and the subscriber directory."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import structlog

from channels.errors import Unreachable
from channels.portal.errors import FolderBusy
from channels.portal.render.site_files import SiteFiles
from channels.portal.storage.uploads import UploadFiles
from channels.portal.writer.rebuild import RebuildResult, open_rebuild
from consumers.directory.directory import try_lock
from consumers.directory.follow import SUBSCRIBER_PREFIX, parse_change
from consumers.directory.store import DirectoryStore
from consumers.ledger import bulk
from consumers.ledger.entry import DELIVERED_LETTERS, NEVER_SENT_LETTERS
from consumers.messages import field_error
from consumers.progress import report_progress
from consumers.seals.publications import PublicationSeals
from consumers.uploads.portal import PublicUploads
from contracts import publication, subjects
from contracts.delivery import BatchKey, ChannelName
from contracts.errors import ContractError, Invalid
from contracts.publication import Publication
from producers.bus import Bus, Change, Message
from producers.bus.messages import chunked

log = structlog.get_logger()
CHUNK_PUBLICATIONS = 200
LOCK_TIMEOUT_S = 30.0
CHUNK_SUBSCRIBERS = 500


class PublicationChunk(NamedTuple):
    """Publications that are shown by the ledger, and those that it leaves open."""

    shown: list[Publication]
    unsure: list[Publication]


@dataclass
class _StageCounts:
    """Counts of the stages of a rebuild, which reports steps."""

    done: Counter[str] = field(default_factory=Counter)

    def add(self, stage: str, count: int, total: int) -> None:
        self.done[stage] += count
        report_progress(stage, self.done[stage], total)


async def rebuild_portal(
    bus: Bus, folder: Path, files: SiteFiles, seals: PublicationSeals | None = None
) -> RebuildResult:
    """Write the pages again that were shown. Deliveries to the portal wait meanwhile.

    For publications that the ledger leaves open the old portal's index decides: an outcome may not
    be booked yet, and after a restore the ledger is older than the pages. Raises Unreachable when
    another writer keeps the folder, OSError, sqlite3.Error or BusError.
    """
    count = _StageCounts().add
    try:
        with open_rebuild(folder, files, LOCK_TIMEOUT_S, count) as rebuild:
            total = (await bus.stream_info(subjects.PUBLICATIONS.name))["state"]["messages"]
            async for chunk in _publication_chunks(bus, seals):
                await asyncio.to_thread(rebuild.add_publications, chunk.shown)
                await asyncio.to_thread(rebuild.add_already_shown, chunk.unsure)
                count("publications", len(chunk.shown) + len(chunk.unsure), total)
            named = await asyncio.to_thread(rebuild.named_uploads)
            await UploadFiles(folder, PublicUploads(bus)).place(named)
            changes = await asyncio.to_thread(rebuild.finish)
    except FolderBusy:
        raise Unreachable("folder_busy") from None
    log.info("portal_rebuilt", **changes._asdict())
    return changes


async def _publication_chunks(
    bus: Bus, seals: PublicationSeals | None
) -> AsyncIterator[PublicationChunk]:
    """Yield every publication, oldest first.

    An unreadable one, or one that Loa did not release, is logged and skipped.
    """
    async for messages in chunked(_stored_messages(bus), CHUNK_PUBLICATIONS):
        chunk: list[Publication] = []
        for message in messages:
            if seals and (problem := seals.problem(message)):
                log.error("publication_not_released", seq=message.seq, reason=problem)
                continue
            try:
                chunk.append(publication.decode(message.data))
            except ContractError as broken:
                fields = [error.field for error in broken.errors]
                log.error("publication_unreadable", seq=message.seq, fields=fields)
        yield await _sort_by_ledger(bus, chunk)


async def _stored_messages(bus: Bus) -> AsyncIterator[Message]:
    """Yield the whole stream; messages that a lagging replica lacks come from the leader."""
    stream, seq = subjects.PUBLICATIONS.name, 0
    last = (await bus.stream_info(stream))["state"]["last_seq"]
    async for message in bus.scan(stream):
        seq = message.seq
        yield message
    for missing in range(seq + 1, last + 1):
        if found := await bus.get_message(stream, missing):
            yield found


async def _sort_by_ledger(bus: Bus, chunk: list[Publication]) -> PublicationChunk:
    keys = [f"state.{BatchKey(ChannelName.PORTAL, p.content_id, p.revision, 0)}" for p in chunk]
    ledger = bus.bucket(subjects.LEDGER.name)
    now = await ledger.last_seq()  # whichever replica answers
    by_key = await bulk.first_letters(ledger, keys, since=now)
    letters = [by_key.get(key) for key in keys]
    pairs = list(zip(chunk, letters, strict=True))
    return PublicationChunk(
        [text for text, letter in pairs if letter in DELIVERED_LETTERS],
        [text for text, letter in pairs if letter not in DELIVERED_LETTERS | NEVER_SENT_LETTERS],
    )


async def rebuild_directory(bus: Bus, path: Path) -> int:
    """Read every subscriber again; return their number. Raises Invalid while Loa writes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with try_lock(path.with_suffix(".lock")) as is_locked:
        if not is_locked:
            raise Invalid(field_error("directory", "directory_in_use"))
        for file in path.parent.glob(f"{path.name}*"):
            file.unlink()
        with closing(DirectoryStore(path)) as store:
            await _fill_directory(bus, store)
            log.info("directory_rebuilt", people=store.count_subscribers())
            return store.count_subscribers()


async def _fill_directory(bus: Bus, store: DirectoryStore) -> None:
    """Copy all subscribers of the bucket; the service follows later changes."""
    bucket = bus.bucket(subjects.SUBSCRIBERS.name)
    store.reset((await bus.stream_info(bucket.stream))["created"])
    last, read = await bucket.last_seq(), 0
    async for chunk in chunked(bucket.values(SUBSCRIBER_PREFIX), CHUNK_SUBSCRIBERS):
        changes = [Change(key, value.data, value.revision) for key, value in chunk]
        store.apply(map(parse_change, changes), 0)
        read += len(chunk)
        report_progress("readers", read)
    store.apply([], last)
