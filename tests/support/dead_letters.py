"""Messages on CONTENT that were buried, and their letters in DEAD."""

from typing import Any

from consumers.dead_letters.decisions import Operator
from consumers.dead_letters.letter import DeadLetterQuery, MessageOrigin
from consumers.dead_letters.store import DeadLetterStore
from contracts import subjects
from contracts.errors import field_error
from producers.bus import Bus
from tests.support.events import UNIT

SUBJECT = subjects.content(UNIT, "submitted")
WRONG = (field_error("data.title", "missing"), field_error("data.body", "missing"))
CLERK = Operator("Trần Thị Bình")


async def store_on_content(
    bus: Bus, body: bytes, subject: str = SUBJECT, **headers: str
) -> MessageOrigin:
    """A message on CONTENT, and where it lies."""
    ack = await bus.publish(subject, body, headers=headers)
    return MessageOrigin(subject=subject, stream=ack.stream, seq=ack.seq, headers=headers)


async def bury(letters: DeadLetterStore, body: bytes, errors=WRONG, **where: str) -> MessageOrigin:
    """A message that came in and was buried."""
    origin = await store_on_content(letters.bus, body, **where)
    await letters.bury("intake", origin, body, errors)
    return origin


async def letters_of(letters: DeadLetterStore, *, ended: bool = False) -> list[Any]:
    return [letter async for letter in letters.letters(DeadLetterQuery(ended=ended))]


async def buried(letters: DeadLetterStore, body: bytes = b"{", **where: str) -> Any:
    """The letter of a message that came in and was buried."""
    await bury(letters, body, **where)
    return (await letters_of(letters))[-1]


async def letter_ids(letters: DeadLetterStore, **query: Any) -> list[int]:
    return [letter.id async for letter in letters.letters(DeadLetterQuery(**query))]


async def content_messages(bus: Bus) -> list[Any]:
    return [message async for message in bus.scan(subjects.CONTENT.name)]
