"""Messages on CONTENT that were buried, and their letters in DEAD."""

from typing import Any

from consumers.dead_letters import DeadLetters, Origin, Person, Query
from contracts import subjects
from contracts.errors import fault
from producers.bus import Bus
from tests.arrivals import UNIT

SUBJECT = subjects.content(UNIT, "submitted")
WRONG = (fault("data.title", "missing"), fault("data.body", "missing"))
CLERK = Person("Trần Thị Bình")


async def stored(bus: Bus, body: bytes, subject: str = SUBJECT, **headers: str) -> Origin:
    """A message on CONTENT, and where it lies."""
    ack = await bus.publish(subject, body, headers=headers)
    return Origin(subject=subject, stream=ack.stream, seq=ack.seq, headers=headers)


async def died(letters: DeadLetters, body: bytes, errors=WRONG, **where: str) -> Origin:
    """A message that came in and was buried."""
    origin = await stored(letters.bus, body, **where)
    await letters.bury("intake", origin, body, errors)
    return origin


async def listed(letters: DeadLetters, *, ended: bool = False) -> list[Any]:
    return [letter async for letter in letters.letters(ended=ended)]


async def found(letters: DeadLetters, **query: Any) -> list[int]:
    return [letter.id async for letter in letters.letters(Query(**query))]


async def on_content(bus: Bus) -> list[Any]:
    return [message async for message in bus.scan(subjects.CONTENT.name)]
