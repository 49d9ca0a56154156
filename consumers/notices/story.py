"""Where the notices of one dossier are: each event is one person's, on one channel or two."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime

from consumers.ledger.entry import Entry
from consumers.ledger.store import Ledger
from consumers.story import Count, Moment, Story
from contracts.delivery import BatchKey, ChannelName, Status
from contracts.records import Dossier


async def story(
    ledger: Ledger, content_id: str, dossier: Dossier, step: int | None = None
) -> Story:
    """All of a dossier's steps, or one: their channels together, and what happened."""
    channels: dict[ChannelName, list[Entry]] = {}
    moments = []
    for number, at in sorted(dossier.released.items()):
        if step not in (None, number):
            continue
        moments.append(Moment(at=at, event="received", detail=f"status event {number}"))
        async for batch, entry in entries(ledger, content_id, number):
            moments += happened(batch, entry)
            channels.setdefault(batch.channel, []).append(entry)
    return Story(
        content_id=content_id,
        revision=step or dossier.revision,
        state="released" if channels else "received",
        channels={name: count(found) for name, found in channels.items()},
        timeline=sorted(moments, key=lambda moment: moment.at),
    )


async def letter(ledger: Ledger, content_id: str) -> Story | None:
    """A letter's story; None for one that never began."""
    found = [one async for one in entries(ledger, content_id, 1)]
    if not found:
        return None
    began = datetime.fromtimestamp(found[0][1].created, UTC)
    return await story(ledger, content_id, Dossier(unit="", revision=1, released={1: began}))


async def entries(
    ledger: Ledger, content_id: str, number: int
) -> AsyncIterator[tuple[BatchKey, Entry]]:
    """An event's batches, in the order in which its channels were tried."""
    batches = [BatchKey(one, content_id, number, 0) for one in ChannelName]
    found = [(batch, await ledger.state(batch)) for batch in batches]
    begun = [(batch, held.value) for batch, held in found if held]
    for batch, entry in sorted(begun, key=lambda one: one[1].created):
        yield batch, entry


def count(entries: Sequence[Entry]) -> Count:
    """The rows of some steps on one channel."""
    statuses: Counter[Status] = Counter()
    for entry in entries:
        statuses.update(entry.count())
    return Count(
        **{status.value: number for status, number in statuses.items()},
        expected=sum(statuses.values()),
        maybe_duplicate=sum(entry.copies for entry in entries),
        complete=not any(entry.is_open for entry in entries),
    )


def happened(batch: BatchKey, entry: Entry) -> Iterator[Moment]:
    """A batch's beginning, how it stands, and what its channel said."""
    label = f"status event {batch.revision}"
    yield moment(entry.created, "planned", batch.channel, label)
    status = next(iter(entry.count()))
    reason = entry.notes[0].reason if 0 in entry.notes else ""
    detail = f"{label}: {reason}" if reason else label
    if entry.closed:
        yield moment(entry.closed, status.value, batch.channel, detail)
    elif status is not Status.PENDING:
        due = datetime.fromtimestamp(entry.due, UTC)
        since = entry.notes[0].since - 1 if 0 in entry.notes else 0.0  # it is rounded up
        at = max(entry.created, since)
        yield moment(at, status.value, batch.channel, f"{detail}, due {due:%Y-%m-%dT%H:%M:%SZ}")


def moment(at: float, event: str, channel: ChannelName, detail: str) -> Moment:
    return Moment(at=datetime.fromtimestamp(at, UTC), event=event, channel=channel, detail=detail)
