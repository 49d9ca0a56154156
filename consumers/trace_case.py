"""Where the notices of one dossier are: each event is one person's, on one channel or two."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime

from consumers.ledger.entry import Entry
from consumers.ledger.store import Ledger
from consumers.story import Count, Moment, Story
from contracts.delivery import BatchKey, ChannelName, Status
from contracts.records import Dossier


async def story(ledger: Ledger, content_id: str, dossier: Dossier) -> Story:
    """The newest event's channels, and what happened to all of them."""
    channels: dict[ChannelName, Count] = {}
    moments = []
    for number, at in sorted(dossier.released.items()):
        moments.append(Moment(at=at, event="received", detail=f"status event {number}"))
        async for batch, entry in entries(ledger, content_id, number):
            moments += happened(batch, entry)
            if number == dossier.revision:
                channels[batch.channel] = count(entry)
    return Story(
        content_id=content_id,
        revision=dossier.revision,
        state="released" if channels else "received",
        channels=channels,
        timeline=sorted(moments, key=lambda moment: moment.at),
    )


async def entries(
    ledger: Ledger, content_id: str, number: int
) -> AsyncIterator[tuple[BatchKey, Entry]]:
    """An event's batches, in the order in which its channels were tried."""
    batches = [BatchKey(one, content_id, number, 0) for one in ChannelName]
    found = [(batch, await ledger.state(batch)) for batch in batches]
    begun = [(batch, held.value) for batch, held in found if held]
    for batch, entry in sorted(begun, key=lambda one: one[1].created):
        yield batch, entry


def count(entry: Entry) -> Count:
    statuses = {status.value: number for status, number in entry.count().items()}
    expected, copies = len(entry.rows), entry.copies
    return Count(**statuses, expected=expected, maybe_duplicate=copies, complete=not entry.is_open)


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
        yield moment(entry.due, status.value, batch.channel, detail)


def moment(at: float, event: str, channel: ChannelName, detail: str) -> Moment:
    return Moment(at=datetime.fromtimestamp(at, UTC), event=event, channel=channel, detail=detail)
