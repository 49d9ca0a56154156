"""Putting a backup back: onto an empty bus, all or nothing, and with every channel paused.

What was delivered between the backup and the loss is not in the backup. So whatever was still to
be tried comes back in doubt: it may have gone out, and is declared as a possible copy if it goes
again. The same holds for what is planned afterwards (see `Doubts`), until an operator ends it.
Nothing leaves before a person has looked and resumed the channels.
"""

import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import structlog
from pydantic import AwareDatetime, BaseModel, ValidationError

from consumers import backup, control, extent
from consumers.backup import Manifest
from consumers.faults import fault
from consumers.ledger import codec, moves
from consumers.ledger.cursor import Cursor
from consumers.ledger.entry import Entry
from consumers.ledger.store import Held, Ledger
from consumers.register import Register, read
from consumers.wake import Waker
from contracts import subjects
from contracts.delivery import BatchKey, ChannelName, PlanKey
from contracts.errors import Invalid
from contracts.publication import Publication
from contracts.records import EventRecord
from producers.bus import Bus, topology

log = structlog.get_logger()
RESTORED = "restored"
WRITE_S = 30.0
LEFT_OUT = (subjects.DELIVER.name, f"KV_{subjects.CONTROL.name}")
"""What may hold something on a bus that counts as empty."""


class Restored(BaseModel):
    """What a restore leaves behind: bucket `control`, key `restored`."""

    backup: AwareDatetime
    at: AwareDatetime
    publications: int
    """The last one that came out of the backup."""


@dataclass
class Doubts:
    """Says of a publication whether it may have been delivered before the restore.

    In the backup or not, it may have been, if its event is older than the restore: a draft that is
    approved a second time, an event that a unit sends again. An event is older when it says so
    itself (`time`), when it was first accepted before, and when it does not say how old it is.
    """

    bus: Bus

    async def may_be_out(self, publication: Publication, seq: int) -> bool:
        restored = await last(self.bus)
        if restored is None:
            return False
        if seq <= restored.publications:
            return True
        born = await self.born(publication)
        return born is None or born <= restored.at

    async def may_be_told(self, said: datetime | None, accepted: datetime) -> bool:
        """As `may_be_out`, for a case notice whose event came to be at *said*."""
        restored = await last(self.bus)
        return restored is not None and (said is None or min(said, accepted) <= restored.at)

    async def may_be_cut(self, due: datetime) -> bool:
        """As `may_be_out`, for a digest that was *due* at that moment."""
        restored = await last(self.bus)
        return restored is not None and due <= restored.at

    async def born(self, publication: Publication) -> datetime | None:
        """When its event came to be, at the latest; None where nobody can say."""
        content_id, revision = publication.content_id, publication.revision
        events = self.bus.bucket(subjects.EVENTS.name)
        try:
            position = await Register(self.bus).position(content_id, revision)
            event = (await read(events, publication.event_id, EventRecord)).value
        except ValidationError:
            return None
        said = position.event_time if position else None
        return min(said, event.at) if said and event else None


async def restore(
    bus: Bus, folder: Path, clock: Callable[[], float], *, moved: bool = False
) -> Manifest:
    """Make the bus what *folder* says it was. Repeat it when it was cut short.

    *moved*: nothing has been delivered since the backup, so no doubt comes up. Raises Invalid for
    a damaged backup or a bus that holds something; then nothing was touched.
    """
    manifest = backup.load(folder)
    await clear(bus)
    for saved in manifest.streams:
        await bus.restore(saved.stream, backup.snapshot(saved), backup.pieces(folder, saved))
    for stream, consumer in backup.followed():
        seq = manifest.floors.get(backup.name(stream, consumer), 0) + 1  # 0: a newer consumer
        await topology.begin_at(bus, stream, consumer, seq)
    await hold(bus, manifest)
    await extent.forget(bus)
    opened = [one async for one in still_open(Ledger(bus))]
    if not moved:
        await note(bus, manifest, clock())
        await doubt_plans(Ledger(bus))
        await doubt(Ledger(bus), opened, clock())
    await topology.remove(bus, topology.RESTORING)
    await topology.apply(bus)
    for batch, entry in opened:
        await Waker(bus).wake(batch, entry.value.lane)
    log.info("backup_restored", streams=len(manifest.streams), open_batches=len(opened))
    return manifest


async def clear(bus: Bus) -> None:
    """Take away what a restore that was cut short, or a first start, has made."""
    standing = [one for one in topology.names() if await topology.exists(bus, one)]
    if not await topology.exists(bus, topology.RESTORING):
        await refuse_full(bus, standing)
        await topology.mark_restoring(bus)
    for stream in standing:
        await topology.remove(bus, stream)


async def refuse_full(bus: Bus, standing: list[str]) -> None:
    for stream in standing:
        holds = (await bus.stream_info(stream))["state"]["last_seq"]
        if holds and stream not in LEFT_OUT:
            raise Invalid(fault("bus", "bus_not_empty", value=stream))


async def hold(bus: Bus, manifest: Manifest) -> None:
    """Pause every channel; why one was paused before is said, too."""
    reasons = await control.reasons(bus)
    for channel in ChannelName:
        why = f"restored from the backup of {manifest.began:%FT%TZ}"
        if before := reasons.get(channel):
            why += f"; paused before, since {before.since:%FT%TZ}: {before.reason or 'no reason'}"
        await control.pause(bus, channel, why)


async def note(bus: Bus, manifest: Manifest, now: float) -> None:
    """Leave behind from when on something is certainly new."""
    last_seq = (await bus.stream_info(subjects.PUBLICATIONS.name))["state"]["last_seq"]
    at = datetime.fromtimestamp(now, UTC)
    restored = Restored(backup=manifest.began, at=at, publications=last_seq)
    await bus.bucket(subjects.CONTROL.name).put(RESTORED, restored.model_dump_json().encode())


async def last(bus: Bus) -> Restored | None:
    """The restore whose doubts have not ended."""
    value = await bus.bucket(subjects.CONTROL.name).get(RESTORED)
    return Restored.model_validate_json(value.data) if value else None


async def end_doubt(bus: Bus) -> bool:
    """From now on nothing that is planned counts as delivered before; whether something did."""
    stood = await last(bus) is not None
    await bus.bucket(subjects.CONTROL.name).purge(RESTORED)
    return stood


async def doubtful(bus: Bus) -> Doubts | None:
    """Whom a planner has to ask; nobody where no restore's doubts stand."""
    return Doubts(bus) if await last(bus) else None


async def still_open(ledger: Ledger) -> AsyncIterator[tuple[BatchKey, Held[Entry]]]:
    """Batches that have not ended; what this version can't read is left to a person."""
    async for key, value in ledger.bucket.values("state."):
        try:
            batch = BatchKey.parse(key.removeprefix("state."))
            entry = codec.decode_state(value.data)
        except codec.BROKEN as broken:
            log.error("batch_unreadable", key=key, error=type(broken).__name__)
            continue
        if not entry.closed:
            yield batch, Held(entry, value.revision)


async def doubt(ledger: Ledger, opened: list[tuple[BatchKey, Held[Entry]]], now: float) -> None:
    """Nobody else writes on a bus that is being restored."""
    for batch, held in opened:
        entry = moves.reopen(held.value, now)
        await ledger.swap(batch, held, entry, until=time.monotonic() + WRITE_S)


async def doubt_plans(ledger: Ledger) -> None:
    """What the rest of a plan will name may have been planned, and reached, before."""
    unfinished = [one async for one in plans(ledger) if not one[1].value.complete]
    for plan, held in unfinished:
        if not held.value.halt:
            await ledger.swap_plan(plan, held, replace(held.value, doubt=True))


async def plans(ledger: Ledger) -> AsyncIterator[tuple[PlanKey, Held[Cursor]]]:
    """Every plan; what this version can't read is left to a person."""
    async for key, value in ledger.bucket.values("plan."):
        try:
            plan = PlanKey.parse(key.removeprefix("plan."))
            cursor = codec.decode_cursor(value.data)
        except codec.BROKEN as broken:
            log.error("plan_unreadable", key=key, error=type(broken).__name__)
            continue
        yield plan, Held(cursor, value.revision)
