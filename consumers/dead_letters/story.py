"""What an item's story owes to dead letters: an event that died has no other trace."""

from collections.abc import Sequence

from consumers.dead_letters.letter import Letter
from consumers.dead_letters.query import Query
from consumers.dead_letters.store import DeadLetters
from consumers.story import Moment, Story
from producers.bus import Bus

SENT = ("replayed", "edited")


async def letters_about(bus: Bus, content_id: str) -> list[Letter]:
    """Every letter that names the item, dealt with or not."""
    query = Query(content_id=content_id, ended=True)
    return [letter async for letter in DeadLetters(bus).letters(query)]


def with_letters(content_id: str, story: Story | None, letters: Sequence[Letter]) -> Story | None:
    """The story with a moment for each letter.

    An item of which only letters are known is `refused`, or `received` while one is sent again.
    """
    if not letters:
        return story
    waits = [one for one in letters if one.ended is None or one.ended.state not in SENT]
    state = "refused" if waits else "received"
    story = story or Story.model_validate(
        {"content_id": content_id, "revision": 0, "state": state, "channels": {}, "timeline": []}
    )
    timeline = [*story.timeline, *map(moment, letters)]
    return story.model_copy(update={"timeline": sorted(timeline, key=lambda one: one.at)})


def moment(letter: Letter) -> Moment:
    error = letter.errors[0]
    times = f", {letter.times} times" if letter.times > 1 else ""
    ended = f", {letter.ended.state}" if letter.ended else ""
    detail = f"{letter.id}: {error.field}: {error.message}{times}{ended}"
    return Moment(at=letter.at, event="dead_letter", detail=detail, errors=letter.errors)
