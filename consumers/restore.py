"""Putting a backup back: onto an empty bus, all or nothing, and with every channel paused.

What was delivered between the backup and the loss is not in the backup. So whatever was still to
be tried comes back in doubt: it may have gone out, and is declared as a possible copy if it goes
again. Nothing leaves before a person has looked and resumed the channels.
"""

import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import structlog

from consumers import backup, control
from consumers.backup import Manifest
from consumers.faults import fault
from consumers.ledger import codec, moves
from consumers.ledger.entry import Entry
from consumers.ledger.store import Held, Ledger
from consumers.wake import Waker
from contracts import subjects
from contracts.delivery import BatchKey, ChannelName, PlanKey
from contracts.errors import Invalid
from producers.bus import Bus, topology

log = structlog.get_logger()
RESTORED = "restored"
WRITE_S = 30.0
LEFT_OUT = (subjects.DELIVER.name, f"KV_{subjects.CONTROL.name}")
"""What may hold something on a bus that counts as empty."""


async def restore(
    bus: Bus, folder: Path, clock: Callable[[], float], *, moved: bool = False
) -> Manifest:
    """Make the bus what *folder* says it was. Repeat it when it was cut short.

    *moved*: nothing has been delivered since the backup, so nothing is in doubt. Raises Invalid for
    a damaged backup or a bus that holds something; then nothing was touched.
    """
    manifest = backup.load(folder)
    await clear(bus)
    for saved in manifest.streams:
        await bus.restore(saved.stream, backup.snapshot(saved), backup.pieces(folder, saved))
    for stream, consumer in backup.followed():
        seq = manifest.floors[backup.name(stream, consumer)] + 1
        await topology.begin_at(bus, stream, consumer, seq)
    await hold(bus, manifest, moved=moved)
    opened = [one async for one in still_open(Ledger(bus))]
    if not moved:
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


async def hold(bus: Bus, manifest: Manifest, *, moved: bool) -> None:
    """Pause every channel, and note up to which publication a new plan is in doubt."""
    last = 0 if moved else (await bus.stream_info(subjects.PUBLICATIONS.name))["state"]["last_seq"]
    for channel in ChannelName:
        await control.pause(bus, channel, f"restored from the backup of {manifest.began:%FT%TZ}")
    note = {"backup": manifest.began.isoformat(), "publications": last}
    await bus.bucket(subjects.CONTROL.name).put(RESTORED, json.dumps(note).encode())


async def doubtful(bus: Bus) -> int:
    """The last publication that may have been delivered before a restore; 0 without one."""
    value = await bus.bucket(subjects.CONTROL.name).get(RESTORED)
    return int(json.loads(value.data)["publications"]) if value else 0


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
    unfinished = [
        (PlanKey.parse(key.removeprefix("plan.")), Held(cursor, value.revision))
        async for key, value in ledger.bucket.values("plan.")
        if not ((cursor := codec.decode_cursor(value.data)).complete or cursor.halt)
    ]
    for plan, held in unfinished:
        await ledger.swap_plan(plan, held, replace(held.value, doubt=True))
