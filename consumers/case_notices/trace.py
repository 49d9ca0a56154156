"""Trace the notices of one dossier: each event is one person's, on one or two channels."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence

from consumers.ledger.entry import LedgerEntry
from consumers.ledger.interruptions import interruption_entries
from consumers.ledger.store import Ledger
from contracts.base.times import format_utc, utc_time
from contracts.delivery import BatchKey, ChannelName, Status
from contracts.records import Dossier
from contracts.trace import StatusCounts, TimelineEntry, Trace


async def trace_dossier(
    ledger: Ledger, content_id: str, dossier: Dossier, step: int | None = None
) -> Trace:
    """Trace all steps of a dossier, or one: counts per channel, and the timeline."""
    channels: dict[ChannelName, list[LedgerEntry]] = {}
    moments = []
    for number, at in sorted(dossier.released.items()):
        if step not in (None, number):
            continue
        moments.append(TimelineEntry(at=at, event="received", detail=f"status event {number}"))
        async for batch, entry in _event_batches(ledger, content_id, number):
            moments += _batch_entries(batch, entry)
            channels.setdefault(batch.channel, []).append(entry)
    return Trace(
        content_id=content_id,
        revision=step or dossier.revision,
        state="released" if channels else "received",
        channels={name: _count_statuses(entries) for name, entries in channels.items()},
        timeline=sorted(moments, key=lambda moment: moment.at),
    )


async def trace_transactional(ledger: Ledger, content_id: str) -> Trace | None:
    """Trace a transactional mail; None if it never began."""
    batches = [batch async for batch in _event_batches(ledger, content_id, 1)]
    if not batches:
        return None
    began = utc_time(batches[0][1].created)
    dossier = Dossier(unit="", revision=1, released={1: began})
    return await trace_dossier(ledger, content_id, dossier)


async def _event_batches(
    ledger: Ledger, content_id: str, number: int
) -> AsyncIterator[tuple[BatchKey, LedgerEntry]]:
    """Yield an event's batches, in the order of their channels."""
    batches = [BatchKey(channel, content_id, number, 0) for channel in ChannelName]
    states = [(batch, await ledger.state(batch)) for batch in batches]
    begun = [(batch, state.value) for batch, state in states if state]
    for batch, entry in sorted(begun, key=lambda channel: channel[1].created):
        yield batch, entry


def _count_statuses(entries: Sequence[LedgerEntry]) -> StatusCounts:
    """Count the rows of some steps on one channel."""
    statuses: Counter[Status] = Counter()
    for entry in entries:
        statuses.update(entry.count_by_status())
    return StatusCounts(
        **{status.value: number for status, number in statuses.items()},
        expected=sum(statuses.values()),
        maybe_duplicate=sum(entry.possible_copies for entry in entries),
        complete=not any(entry.is_open for entry in entries),
    )


def _batch_entries(batch: BatchKey, entry: LedgerEntry) -> Iterator[TimelineEntry]:
    """Yield entries for a batch's start, its status, and the channel's reason."""
    label = f"status event {batch.revision}"
    yield channel_entry(entry.created, "planned", batch.channel, label)
    yield from interruption_entries(batch.channel, entry.doubts)
    status = next(iter(entry.count_by_status()))
    reason = entry.notes[0].reason if 0 in entry.notes else ""
    detail = f"{label}: {reason}" if reason else label
    if entry.closed_at:
        yield channel_entry(entry.closed_at, status.value, batch.channel, detail)
    elif status is not Status.PENDING:
        since = entry.notes[0].since - 1 if 0 in entry.notes else 0.0  # `since` is rounded up
        at, detail = max(entry.created, since), f"{detail}, due {format_utc(utc_time(entry.due))}"
        yield channel_entry(at, status.value, batch.channel, detail)


def channel_entry(at: float, event: str, channel: ChannelName, detail: str = "") -> TimelineEntry:
    return TimelineEntry(at=utc_time(at), event=event, channel=channel, detail=detail)
