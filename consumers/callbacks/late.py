"""Late callbacks: due for five minutes, while nothing of their endpoint explains it."""

from datetime import datetime, timedelta

from consumers.callbacks import progress as rules
from consumers.callbacks.endpoints import ListedEndpoint
from consumers.callbacks.follow import StatusPositions
from consumers.callbacks.sources import all_sources
from consumers.callbacks.status_store import StatusStore, facts_of, item_of
from contracts import subjects
from contracts.facts.content_status import STATUS_POSITIONS_KEY
from producers.bus import Bus, records

LATE_AFTER = timedelta(minutes=5)


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
    async for one in facts_of(statuses, listed, progress.spans[-1]):
        if one.at > before or not progress.room:
            break
        progress = rules.take(progress, [(one.seq, item_of(one.fact))], progress.spans, one.at)
    if not (items := rules.choose(progress, before)):
        return None
    due = min(progress.waiting[item].due for item in items)
    return max(
        one for one in (due, progress.tried_at, progress.paused_until) if one and one <= before
    )


async def untold_since(bus: Bus) -> datetime | None:
    """When the oldest change was stored of which units may not have been told; None without one.

    None also before facts were followed for the first time. Raises BusError.
    """
    bucket = bus.bucket(subjects.CONTROL.name)
    stored = await records.read_or_absent(bucket, STATUS_POSITIONS_KEY, StatusPositions)
    if stored.value is None:
        return None
    found = list[datetime]()
    for source in all_sources(bus):
        info = await bus.stream_info(source.stream)
        created, last = str(info["created"]), int(info["state"]["last_seq"])
        position = stored.value.of(source.name).of_stream(created, last)
        if message := await bus.next_message(source.stream, position.seq + 1):
            found.append(message.time)
    return min(found, default=None)
