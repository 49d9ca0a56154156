"""Restore a backup onto an empty bus, all or nothing, with every channel paused.

Deliveries between the backup and the loss are not in the backup. Rows that were open in the backup
therefore come back in doubt: they may have been sent, and are declared as possible copies if they
are sent again. The same holds for later plans (see `RestoreDoubts`), until an operator ends it.
Nothing is sent before a person has resumed the channels.
"""

import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import structlog
from pydantic import AwareDatetime, BaseModel, ValidationError

from consumers.channel_health import pauses
from consumers.intake.repository import ItemRepository
from consumers.ledger import codec, moves, watermark
from consumers.ledger.cursor import PlanCursor
from consumers.ledger.entry import LedgerEntry
from consumers.ledger.store import Ledger
from consumers.ledger.wakeups import Waker
from consumers.messages import field_error
from consumers.operations import backup
from consumers.operations.backup import BackupManifest
from contracts import subjects
from contracts.delivery import BatchKey, ChannelName, PlanKey
from contracts.errors import Invalid
from contracts.publication import Publication
from contracts.records import EventRecord
from producers.bus import Bus, topology
from producers.bus.records import Versioned, read

log = structlog.get_logger()
RESTORE_KEY = "restored"
WRITE_TIMEOUT_S = 30.0
IGNORED_STREAMS = (subjects.DELIVER.name, f"KV_{subjects.CONTROL.name}")
"""Streams that an empty bus may already have filled."""


class RestoreRecord(BaseModel):
    """What a restore leaves behind: bucket `control`, key `restored`."""

    backup: AwareDatetime
    at: AwareDatetime
    publications: int
    """The last one that came out of the backup."""


@dataclass
class RestoreDoubts:
    """Says of a publication whether it may have been delivered before the restore.

    In the backup or not, it may have been, if its event is older than the restore: a draft that is
    approved a second time, an event that a unit sends again. An event is older when it says so
    itself (`time`), when it was first accepted before, and when it does not say how old it is.
    """

    bus: Bus

    async def may_have_been_published(self, publication: Publication, seq: int) -> bool:
        restored = await last_restore(self.bus)
        if restored is None:
            return False
        if seq <= restored.publications:
            return True
        born = await self.event_time(publication)
        return born is None or born <= restored.at

    async def may_have_been_notified(self, said: datetime | None, accepted: datetime) -> bool:
        """As `may_be_out`, for a case notice whose event came to be at *said*."""
        restored = await last_restore(self.bus)
        return restored is not None and (said is None or min(said, accepted) <= restored.at)

    async def may_have_been_issued(self, due: datetime) -> bool:
        """As `may_be_out`, for a digest that was *due* at that moment."""
        restored = await last_restore(self.bus)
        return restored is not None and due <= restored.at

    async def event_time(self, publication: Publication) -> datetime | None:
        """The latest time at which its event occurred; None if unknown."""
        content_id, revision = publication.content_id, publication.revision
        events = self.bus.bucket(subjects.EVENTS.name)
        try:
            position = await ItemRepository(self.bus).position(content_id, revision)
            event = (await read(events, publication.event_id, EventRecord)).value
        except ValidationError:
            return None
        said = position.event_time if position else None
        return min(said, event.at) if said and event else None


async def restore_backup(
    bus: Bus, folder: Path, clock: Callable[[], float], *, moved: bool = False
) -> BackupManifest:
    """Restore the bus from the backup in *folder*. Repeat it after an interruption.

    *moved*: nothing has been delivered since the backup, so there are no doubts. Raises Invalid for
    a damaged backup or a bus that is not empty, before anything is changed.
    """
    manifest = backup.load_manifest(folder)
    await clear_bus(bus)
    for saved in manifest.streams:
        pieces = backup.read_pieces(folder, saved)
        await bus.restore_snapshot(saved.stream, backup.to_snapshot(saved), pieces)
    for stream, consumer in backup.tracked_consumers():
        floor = manifest.floors.get(backup.consumer_name(stream, consumer), 0)  # 0: a newer one
        await topology.create_consumer_at(bus, stream, consumer, floor + 1)
    await pause_channels(bus, manifest)
    await watermark.delete_watermark(bus)
    opened = [one async for one in open_batches(Ledger(bus))]
    if not moved:
        await record_restore(bus, manifest, clock())
        await mark_plans_in_doubt(Ledger(bus))
        await mark_in_doubt(Ledger(bus), opened, clock())
    await topology.delete_stream(bus, topology.RESTORING_STREAM)
    await topology.apply(bus)
    for batch, entry in opened:
        await Waker(bus).wake(batch, entry.value.lane)
    log.info("backup_restored", streams=len(manifest.streams), open_batches=len(opened))
    return manifest


async def clear_bus(bus: Bus) -> None:
    """Delete streams left by an interrupted restore or a first start."""
    standing = [one for one in topology.stream_names() if await topology.stream_exists(bus, one)]
    if not await topology.stream_exists(bus, topology.RESTORING_STREAM):
        await require_empty(bus, standing)
        await topology.mark_restoring(bus)
    for stream in standing:
        await topology.delete_stream(bus, stream)


async def require_empty(bus: Bus, streams: list[str]) -> None:
    for stream in streams:
        holds = (await bus.stream_info(stream))["state"]["last_seq"]
        if holds and stream not in IGNORED_STREAMS:
            raise Invalid(field_error("bus", "bus_not_empty", value=stream))


async def pause_channels(bus: Bus, manifest: BackupManifest) -> None:
    """Pause every channel; the reason includes that of an earlier pause."""
    reasons = await pauses.load_pauses(bus)
    for channel in ChannelName:
        why = f"restored from the backup of {manifest.began:%FT%TZ}"
        if before := reasons.get(channel):
            why += f"; paused before, since {before.since:%FT%TZ}: {before.reason or 'no reason'}"
        await pauses.pause(bus, channel, why)


async def record_restore(bus: Bus, manifest: BackupManifest, now: float) -> None:
    """Record the restore, after which events are certainly new."""
    last_seq = (await bus.stream_info(subjects.PUBLICATIONS.name))["state"]["last_seq"]
    at = datetime.fromtimestamp(now, UTC)
    restored = RestoreRecord(backup=manifest.began, at=at, publications=last_seq)
    await bus.bucket(subjects.CONTROL.name).put(RESTORE_KEY, restored.model_dump_json().encode())


async def last_restore(bus: Bus) -> RestoreRecord | None:
    """The last restore, while its doubts are active."""
    value = await bus.bucket(subjects.CONTROL.name).get(RESTORE_KEY)
    return RestoreRecord.model_validate_json(value.data) if value else None


async def end_doubts(bus: Bus) -> bool:
    """End the doubts of a restore; returns whether there were any."""
    were_active = await last_restore(bus) is not None
    await bus.bucket(subjects.CONTROL.name).purge(RESTORE_KEY)
    return were_active


async def active_doubts(bus: Bus) -> RestoreDoubts | None:
    """The doubts that a planner has to ask; None when none are active."""
    return RestoreDoubts(bus) if await last_restore(bus) else None


async def open_batches(ledger: Ledger) -> AsyncIterator[tuple[BatchKey, Versioned[LedgerEntry]]]:
    """Batches that are not closed; an unreadable one is logged and skipped."""
    async for key, value in ledger.bucket.values("state."):
        try:
            batch = BatchKey.parse(key.removeprefix("state."))
            entry = codec.decode_state(value.data)
        except codec.DECODE_ERRORS as broken:
            log.error("batch_unreadable", key=key, error=type(broken).__name__)
            continue
        if not entry.closed_at:
            yield batch, Versioned(entry, value.revision)


async def mark_in_doubt(
    ledger: Ledger, opened: list[tuple[BatchKey, Versioned[LedgerEntry]]], now: float
) -> None:
    """Put open batches in doubt; a bus under restore has no other writer."""
    for batch, held in opened:
        entry = moves.reopen_restored(held.value, now)
        await ledger.swap(batch, held, entry, until=time.monotonic() + WRITE_TIMEOUT_S)


async def mark_plans_in_doubt(ledger: Ledger) -> None:
    """Mark unfinished plans: their remaining recipients may have been reached before."""
    unfinished = [one async for one in all_plans(ledger) if not one[1].value.complete]
    for plan, held in unfinished:
        if not held.value.halt:
            await ledger.swap_plan(plan, held, replace(held.value, doubt=True))


async def all_plans(ledger: Ledger) -> AsyncIterator[tuple[PlanKey, Versioned[PlanCursor]]]:
    """Every plan; an unreadable one is logged and skipped."""
    async for key, value in ledger.bucket.values("plan."):
        try:
            plan = PlanKey.parse(key.removeprefix("plan."))
            cursor = codec.decode_cursor(value.data)
        except codec.DECODE_ERRORS as broken:
            log.error("plan_unreadable", key=key, error=type(broken).__name__)
            continue
        yield plan, Versioned(cursor, value.revision)
