"""Add the dead letters of an item to its trace: an event that died has no other mark."""

from collections.abc import Sequence

from consumers.dead_letters.letter import DeadLetter
from consumers.dead_letters.selection import DeadLetterQuery
from consumers.dead_letters.store import DeadLetterStore
from contracts.trace import TimelineEntry, Trace
from producers.bus import Bus

SENT_STATES = ("replayed", "edited")


async def letters_about(bus: Bus, content_id: str) -> list[DeadLetter]:
    """Every letter that names the item, dealt with or not."""
    query = DeadLetterQuery(content_id=content_id, ended=True)
    return [letter async for letter in DeadLetterStore(bus).letters(query)]


def with_letters(
    content_id: str, trace: Trace | None, letters: Sequence[DeadLetter]
) -> Trace | None:
    """The story with a moment for each letter.

    An item of which only letters are known is `refused`, or `received` while one is sent again.
    """
    if not letters:
        return trace
    waits = [one for one in letters if one.ended is None or one.ended.state not in SENT_STATES]
    state = "refused" if waits else "received"
    trace = trace or Trace.model_validate(
        {"content_id": content_id, "revision": 0, "state": state, "channels": {}, "timeline": []}
    )
    timeline = [*trace.timeline, *map(timeline_entry, letters)]
    return trace.model_copy(update={"timeline": sorted(timeline, key=lambda one: one.at)})


def timeline_entry(letter: DeadLetter) -> TimelineEntry:
    error = letter.errors[0]
    times = f", {letter.times} times" if letter.times > 1 else ""
    ended = f", {letter.ended.state}" if letter.ended else ""
    detail = f"{letter.id}: {error.field}: {error.message}{times}{ended}"
    return TimelineEntry(at=letter.at, event="dead_letter", detail=detail, errors=letter.errors)
