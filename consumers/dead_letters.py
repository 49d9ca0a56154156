"""Dead letters: what could not be processed, whole, with its reason and where it came from.

A letter stays in its stream for ever; what became of it (replayed, discarded) is a record beside
it, so nothing leaves without a trace.
"""

import base64
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import structlog
from faststream.nats.message import NatsMessage
from pydantic import BaseModel

from consumers.faults import fault
from contracts import subjects
from contracts.errors import FieldError, Invalid
from producers.bus import Bus, Conflict, Message

log = structlog.get_logger()
Ending = Literal["replayed", "discarded"]


class Origin(BaseModel):
    """Where a letter's message lay."""

    subject: str
    stream: str
    seq: int
    headers: dict[str, str] = {}


class Ended(BaseModel):
    """What became of a letter."""

    state: Ending
    at: datetime
    by: str = ""
    reason: str = ""


class Letter(BaseModel):
    """One dead letter; `body` is base64 of the original bytes."""

    id: int = 0
    stage: str
    at: datetime
    origin: Origin
    errors: tuple[FieldError, ...]
    body: str
    ended: Ended | None = None

    @property
    def original(self) -> bytes:
        return base64.b64decode(self.body)


@dataclass
class DeadLetters:
    """The stream DEAD and what became of its letters (bucket `control`, key `dead.<id>`)."""

    bus: Bus
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    async def bury_message(
        self, stage: str, message: NatsMessage, errors: Sequence[FieldError]
    ) -> None:
        """Store a message that the broker delivered; a repeat is stored once."""
        raw = message.raw_message
        origin = Origin(
            subject=raw.subject,
            stream=raw.metadata.stream,
            seq=raw.metadata.sequence.stream,
            headers=dict(raw.headers or {}),
        )
        await self.bury(stage, origin, raw.data, errors)

    async def bury(
        self, stage: str, origin: Origin, body: bytes, errors: Sequence[FieldError]
    ) -> None:
        """Store a letter. Raises BusError when it is not surely stored."""
        letter = Letter(
            stage=stage,
            at=self.now(),
            origin=origin,
            errors=tuple(errors),
            body=base64.b64encode(body).decode(),
        )
        stored = letter.model_dump_json(exclude={"id", "ended"}).encode()
        key = f"{origin.stream}.{origin.seq}"
        await self.bus.publish(subjects.dead(stage), stored, msg_id=key)

    async def letters(self, *, ended: bool = False) -> AsyncIterator[Letter]:
        """Letters in the order of their death; with *ended* also those that are dealt with."""
        async for message in self.bus.scan(subjects.DEAD.name):
            letter = await self.read(message)
            if ended or letter.ended is None:
                yield letter

    async def show(self, id: int) -> Letter:
        """One letter. Raises Invalid when there is none."""
        message = await self.bus.get_message(subjects.DEAD.name, id)
        if message is None:
            raise Invalid(fault("id", "letter_unknown", value=id))
        return await self.read(message)

    async def read(self, message: Message) -> Letter:
        letter = Letter.model_validate_json(message.data)
        found = await self.bus.bucket(subjects.CONTROL.name).get(f"dead.{message.seq}")
        ended = Ended.model_validate_json(found.data) if found else None
        return letter.model_copy(update={"id": message.seq, "ended": ended})

    async def replay(self, id: int, by: str = "") -> Letter:
        """Send the original again, to where it came from, under its own identity."""
        letter = await self.open(id)
        origin = letter.origin
        await self.bus.publish(
            origin.subject, letter.original, headers=carried(origin.headers), msg_id=f"replay.{id}"
        )
        return await self.end(letter, Ended(state="replayed", at=self.now(), by=by))

    async def discard(self, id: int, reason: str, by: str = "") -> Letter:
        """Give a letter up, with a reason."""
        letter = await self.open(id)
        return await self.end(
            letter, Ended(state="discarded", at=self.now(), by=by, reason=reason)
        )

    async def open(self, id: int) -> Letter:
        """A letter that nobody has dealt with. Raises Invalid."""
        letter = await self.show(id)
        if letter.ended:
            raise Invalid(fault("id", "letter_ended", value=id, state=letter.ended.state))
        return letter

    async def end(self, letter: Letter, ended: Ended) -> Letter:
        """Note what became of a letter; of two people one is first."""
        bucket = self.bus.bucket(subjects.CONTROL.name)
        try:
            await bucket.create(f"dead.{letter.id}", ended.model_dump_json().encode())
        except Conflict:
            raise Invalid(fault("id", "letter_ended", value=letter.id, state="")) from None
        log.info("dead_letter_ended", letter=letter.id, state=ended.state)
        return letter.model_copy(update={"ended": ended})


def carried(headers: Mapping[str, str]) -> dict[str, str]:
    """What belongs to the event, without what belongs to the bus."""
    return {name: value for name, value in headers.items() if not name.startswith("Nats-")}

