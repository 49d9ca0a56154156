"""Restore a backup onto an empty bus, all or nothing, with every channel paused.

Deliveries between the backup and the loss are not in the backup. Rows that were open in the backup
therefore come back in doubt: they may have been sent, and are declared as possible copies if they
are sent again. The same holds for later plans (see `RestoreDoubts`), until an operator ends it.
No message is sent before an operator has resumed the channels.
"""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime

import structlog
from pydantic import ValidationError

from consumers.channel_health import pauses
from consumers.intake.repository import ItemRepository
from consumers.ledger import bulk, codec, moves, watermark
from consumers.ledger.entry import LedgerEntry
from consumers.ledger.store import Ledger
from consumers.ledger.wakeups import Waker
from consumers.messages import field_error
from consumers.operations import backup
from consumers.operations.backup import (
    BackupManifest,
    StoredBackup,
    StreamFile,
)
from consumers.progress import report_progress
from consumers.restored import RESTORE_KEY, RestoreRecord, last_restore
from contracts import subjects
from contracts.base.times import Clock, utc_time
from contracts.delivery import BatchKey, ChannelName, Lane, PlanKey
from contracts.errors import Invalid
from contracts.facts import FACT_POSITIONS_KEY
from contracts.facts.content_status import STATUS_POSITIONS_KEY
from contracts.publication import Publication
from contracts.records import EventRecord
from producers.bus import Bus, Snapshot, topology
from producers.bus.records import Versioned, read
from producers.encryption.maintenance import purge_records_without_key

log = structlog.get_logger()
_WRITE_TIMEOUT_S = 30.0
_IGNORED_STREAMS = (
    subjects.AUDIT.name,
    subjects.DELIVER.name,
    f"KV_{subjects.CONTROL.name}",
    f"KV_{subjects.SESSIONS.name}",
    f"KV_{subjects.KEPT_TEXTS.name}",
    f"KV_{subjects.TRIALS.name}",
)
"""Streams that an empty bus may already have filled."""


@dataclass
class RestoreDoubts:
    """Tells whether a publication may have been delivered before the restore.

    In the backup or not, it may have been, if its event is older than the restore: a draft that is
    approved a second time, an event that a unit sends again. An event is older by its own `time`,
    by its first acceptance, or if its age is unknown.
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
        """As `may_have_been_published`, for a case notice whose event occurred at *said*."""
        restored = await last_restore(self.bus)
        return restored is not None and (said is None or min(said, accepted) <= restored.at)

    async def may_have_been_issued(self, due: datetime) -> bool:
        """As `may_have_been_published`, for a digest that was *due* at that time."""
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


def _pass() -> None:
    """Do nothing on a cleared bus."""


_Hook = Callable[[], None]
_Loading = Callable[[], AbstractAsyncContextManager[None]]


async def restore_backup(
    bus: Bus,
    stored: StoredBackup,
    clock: Clock,
    *,
    moved: bool = False,
    reconcile_only: bool = False,
    on_cleared: _Hook = _pass,
    loading: _Loading = nullcontext,
) -> BackupManifest:
    """Restore the bus from an opened backup. Repeat it after an interruption.

    *moved*: nothing was delivered since, so there are no doubts. *reconcile_only*: mail in doubt is
    not sent again until an operator ends them. *on_cleared*: called on the empty bus. *loading*:
    what surrounds the largest part. Raises Invalid, before any change, for a bus in use.
    """
    manifest = stored.manifest
    await _clear_bus(bus)
    on_cleared()
    async with loading():
        await _restore_streams(bus, stored)
    await _forget_lost_machine(bus, manifest)
    if not moved:
        await _record_restore(bus, manifest, clock(), reconcile_only)
    opened = await _reopen_batches(bus, None if moved else clock())
    await _complete(bus, opened)
    log.info("backup_restored", streams=len(manifest.streams), open_batches=len(opened))
    return manifest


async def _complete(bus: Bus, opened: list[tuple[BatchKey, Lane]]) -> None:
    """From here on the bus may be used; its open batches are woken."""
    await topology.delete_stream(bus, topology.RESTORING_STREAM)
    await topology.apply(bus)
    for batch, lane in opened:
        await Waker(bus).wake(batch, lane)


async def _forget_lost_machine(bus: Bus, manifest: BackupManifest) -> None:
    """Remove what held only there, and let nothing leave before an operator says so."""
    await bus.stream_info(topology.RESTORING_STREAM)  # waits for a server that is just starting
    await _complete_people(bus, manifest)
    await _forget_workers(bus)
    await _pause_channels(bus, manifest)
    await watermark.delete_watermarks(bus)
    for key in (FACT_POSITIONS_KEY, STATUS_POSITIONS_KEY):
        await bus.bucket(subjects.CONTROL.name).purge(key)


async def _clear_bus(bus: Bus) -> None:
    """Delete streams left by an interrupted restore or a first start."""
    names = topology.stream_names() + topology.former_names()
    fixed = [name for name in names if await topology.stream_exists(bus, name)]
    present = [*fixed, *await topology.inbound_stream_names(bus)]
    if not await topology.stream_exists(bus, topology.RESTORING_STREAM):
        for name in present:
            last_seq = (await bus.stream_info(name))["state"]["last_seq"]
            if last_seq and name not in _IGNORED_STREAMS:
                raise Invalid(field_error("bus", "bus_not_empty", value=name))
        await topology.mark_restoring(bus)
    for name in present:
        await topology.delete_stream(bus, name)


async def _restore_streams(bus: Bus, stored: StoredBackup) -> None:
    """Restore every stream, and the consumers' positions in them."""
    streams = stored.manifest.streams
    await bus.stream_info(topology.RESTORING_STREAM)  # waits for a server that is just starting
    for number, saved in enumerate(streams):
        report_progress("streams", number, len(streams))
        await _restore_stream(bus, stored, saved)
    for stream, consumer in backup.tracked_consumers():
        name = backup.consumer_name(stream, consumer)
        floor = stored.manifest.floors.get(name, 0)  # 0: a newer one
        await topology.create_consumer_at(bus, stream, consumer, floor + 1)


async def _restore_stream(bus: Bus, stored: StoredBackup, saved: StreamFile) -> None:
    pieces = stored.pieces(saved)
    unplaced = {name: value for name, value in saved.config.items() if name != "placement"}
    config = unplaced | topology.placement(bus)
    await bus.restore_snapshot(saved.stream, Snapshot(config, saved.state), pieces)
    bucket = backup.saved_bucket(bus, saved.stream)
    for change in stored.changes(saved):
        key, value = change.key, change.value
        await (bucket.purge(key) if value is None else bucket.put(key, value))


async def _complete_people(bus: Bus, manifest: BackupManifest) -> None:
    """Purge readers who were erased between the saving of their records and of their keys."""
    if any(one.stream == f"KV_{subjects.PERSON_KEYS.name}" for one in manifest.streams):
        await purge_records_without_key(bus)


async def _forget_workers(bus: Bus) -> None:
    """Forget what the workers of the lost machine said: destinations, breakers and canaries."""
    bucket = bus.bucket(subjects.CONTROL.name)
    for key in await bucket.keys():
        if key.startswith(("outlet.", "breaker.", "canary.", "relays.")):
            await bucket.purge(key)


async def _pause_channels(bus: Bus, manifest: BackupManifest) -> None:
    """Pause every channel; the reason includes that of an earlier pause."""
    reasons = await pauses.load_pauses(bus)
    for channel in ChannelName:
        why = f"restored from the backup of {manifest.began:%FT%TZ}"
        if before := reasons.get(channel):
            why += f"; paused before, since {before.since:%FT%TZ}: {before.reason or 'no reason'}"
        await pauses.pause(bus, channel, why)


async def _record_restore(
    bus: Bus, manifest: BackupManifest, now: float, reconcile_only: bool
) -> None:
    """Record the restore, after which events are certainly new."""
    last_seq = (await bus.stream_info(subjects.PUBLICATIONS.name))["state"]["last_seq"]
    earlier = await last_restore(bus)  # the backup is of a Loa that was restored itself
    restored = RestoreRecord(
        backup=min(manifest.began, earlier.backup) if earlier else manifest.began,
        at=utc_time(now),
        publications=last_seq,
        reconcile_only=reconcile_only,
    )
    await bus.bucket(subjects.CONTROL.name).put(RESTORE_KEY, restored.model_dump_json().encode())


async def end_doubts(bus: Bus) -> bool:
    """End the doubts of a restore; True if there were any."""
    were_active = await last_restore(bus) is not None
    await bus.bucket(subjects.CONTROL.name).purge(RESTORE_KEY)
    return were_active


async def active_doubts(bus: Bus) -> RestoreDoubts | None:
    """Return the doubts that a planner has to ask; None when none are active."""
    return RestoreDoubts(bus) if await last_restore(bus) else None


async def open_batches(ledger: Ledger) -> AsyncIterator[tuple[BatchKey, Versioned[LedgerEntry]]]:
    """Yield the batches that are not closed; an unreadable one is logged and skipped.

    Those that change meanwhile move to the end, and do not come again.
    """
    last = await ledger.bucket.last_seq()
    async for key, value in ledger.bucket.values("state."):
        if value.revision > last:
            return
        if decoded := bulk.decode_batch(key, value.data):
            batch, entry = decoded
            if not entry.closed_at:
                yield batch, Versioned(entry, value.revision)


async def _reopen_batches(bus: Bus, in_doubt_at: float | None) -> list[tuple[BatchKey, Lane]]:
    """Put open plans and batches in doubt at *in_doubt_at*, unless it is None.

    Returns the open batches; no other process writes during a restore.
    """
    ledger, opened = Ledger(bus), []
    if in_doubt_at is not None:
        await _mark_plans_in_doubt(ledger)
    async for batch, state in open_batches(ledger):
        opened.append((batch, state.value.lane))
        if in_doubt_at is not None:
            entry = moves.reopen_restored(state.value, in_doubt_at)
            await ledger.swap(batch, state, entry, until=time.monotonic() + _WRITE_TIMEOUT_S)
    return opened


async def _mark_plans_in_doubt(ledger: Ledger) -> None:
    """Mark unfinished plans: their remaining recipients may have been reached before.

    An unreadable plan is logged and skipped.
    """
    for key, value in [pair async for pair in ledger.bucket.values("plan.")]:
        try:
            plan = PlanKey.parse(key.removeprefix("plan."))
            cursor = codec.decode_cursor(value.data)
        except codec.DECODE_ERRORS as broken:
            log.error("plan_unreadable", key=key, error=type(broken).__name__)
            continue
        if not (cursor.complete or cursor.halt):
            stored = Versioned(cursor, value.revision)
            await ledger.swap_plan(plan, stored, replace(cursor, doubt=True))
