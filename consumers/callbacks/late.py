"""Late callbacks: due for five minutes, while nothing of their endpoint explains it."""

from datetime import datetime, timedelta

from consumers.callbacks import progress as rules
from consumers.callbacks.endpoints import EndpointStore, ListedEndpoint
from consumers.callbacks.follow import StatusPositions
from consumers.callbacks.progress import Progress
from consumers.callbacks.sources import all_sources
from consumers.callbacks.status_store import StatusStore, item_of
from contracts import subjects
from contracts.facts.content_status import STATUS_POSITIONS_KEY
from producers.bus import Bus, records

LATE_AFTER = timedelta(minutes=5)
_MOST_READ = 1000
"""Facts that are looked at for one endpoint, most of them of kinds that it may not want."""


async def late_since(
    statuses: StatusStore, listed: ListedEndpoint, now: datetime
) -> datetime | None:
    """Since when the oldest due fact of an endpoint waits for Loa; None if none does.

    No fact of an endpoint is late that is disabled, down or full, has asked for a pause or was
    called meanwhile; nor is the item late that waits for its next try. Raises BusError.
    """
    progress, before = listed.progress, now - LATE_AFTER
    if progress.tried_at and progress.tried_at > before:
        return None
    progress = await _with_untaken(statuses, listed, before)
    if not (items := rules.choose(progress, before)):
        return None
    due = min(progress.waiting[item].due for item in items)
    return max(
        one for one in (due, progress.tried_at, progress.paused_until) if one and one <= before
    )


async def _with_untaken(
    statuses: StatusStore, listed: ListedEndpoint, before: datetime
) -> Progress:
    """The progress with the oldest untaken facts, up to the first of an item that is not known."""
    progress, read, subject = listed.progress, 0, subjects.status(listed.unit, "*")
    if not progress.room:
        return progress
    async for one in statuses.scan(subject, progress.spans[-1].next):
        read, item = read + 1, item_of(one.fact)
        if one.at > before or read > _MOST_READ or not progress.room:
            break
        if one.fact.status.kind in listed.endpoint.told_kinds:
            is_known = item in progress.waiting
            progress = rules.take(progress, [(one.seq, item)], progress.spans, one.at)
            if not is_known:
                break
    return progress


async def untold_since(bus: Bus) -> datetime | None:
    """When the oldest change was stored of which units may not have been told; None without one.

    Before facts were followed for the first time: since when a unit has an endpoint. Raises
    BusError.
    """
    bucket = bus.bucket(subjects.CONTROL.name)
    stored = await records.read_or_absent(bucket, STATUS_POSITIONS_KEY, StatusPositions)
    if stored.value is None:
        endpoints = await EndpointStore(bus).all()
        return min((one.endpoint.created for one in endpoints), default=None)
    found = list[datetime]()
    for source in all_sources(bus):
        info = await bus.stream_info(source.stream)
        created, last = str(info["created"]), int(info["state"]["last_seq"])
        position = stored.value.of(source.name).of_stream(created, last)
        if message := await bus.next_message(source.stream, position.seq + 1):
            found.append(max(message.time, stored.value.since))
    return min(found, default=None)
