"""Add the dead letters of an item to its trace."""

from consumers.dead_letters.letter import DeadLetter, DeadLetterQuery
from consumers.dead_letters.store import DeadLetterStore
from contracts.trace import TimelineEntry, Trace, TraceState
from producers.bus import Bus

_SENT_STATES = ("replayed", "edited")


async def letters_about(bus: Bus, content_id: str) -> list[DeadLetter]:
    """Return every letter that names the item, ended or not."""
    query = DeadLetterQuery(content_id=content_id, ended=True)
    return [letter async for letter in DeadLetterStore(bus).letters(query)]


def with_letters(content_id: str, trace: Trace | None, letters: list[DeadLetter]) -> Trace | None:
    """Add an entry for each letter.

    An item of which only letters are known is `refused`, or `received` while one is sent again.
    """
    if not letters:
        return trace
    is_sent = all(letter.ended and letter.ended.state in _SENT_STATES for letter in letters)
    state: TraceState = "received" if is_sent else "refused"
    trace = trace or Trace(content_id=content_id, revision=0, state=state, channels={}, timeline=[])
    timeline = [*trace.timeline, *map(_timeline_entry, letters)]
    return trace.model_copy(update={"timeline": sorted(timeline, key=lambda entry: entry.at)})


def _timeline_entry(letter: DeadLetter) -> TimelineEntry:
    error = letter.errors[0]
    times = f", {letter.times} times" if letter.times > 1 else ""
    ended = f", {letter.ended.state}" if letter.ended else ""
    detail = f"{letter.id}: {error.field}: {error.message}{times}{ended}"
    return TimelineEntry(at=letter.at, event="dead_letter", detail=detail, errors=letter.errors)
