"""Dead letters: what could not be processed, whole, with its reason and where it came from.

A letter stays in its stream for ever; what became of it (replayed, discarded) is a record beside
it (bucket `control`, key `dead.<id>`), so nothing leaves without a trace. `id` is the letter's
sequence in DEAD.
"""

import base64
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import structlog
from faststream.nats.message import NatsMessage
from pydantic import BaseModel, ConfigDict

from consumers.faults import fault
from contracts import envelope, events, subjects
from contracts.errors import FieldError, Invalid, few
from contracts.vocabulary import Vocabulary
from producers.bus import Bus, BusError, Conflict, Full, Message, Silence

log = structlog.get_logger()
Ending = Literal["replayed", "edited", "discarded"]
CHUNK = 200
INLINE_BYTES = 512 * 1024  # as base64, with headers and reasons, well below what a message holds
LETTER_BYTES = subjects.DEAD.max_message_bytes - 4096  # the rest is for what the bus adds
FIRST = 5


class Origin(BaseModel):
    """Where a letter's message lay."""

    model_config = ConfigDict(frozen=True)

    subject: str
    stream: str
    seq: int
    headers: dict[str, str] = {}


class Ended(BaseModel):
    """What became of a letter."""

    model_config = ConfigDict(frozen=True)

    state: Ending
    at: datetime
    by: str = ""
    reason: str = ""


class Letter(BaseModel):
    """One dead letter. `body` is base64 of the original bytes.

    A body too large for a letter stays where it is: `body` is None in the stream then, and is
    filled in from the origin when the letter is shown; so are the headers.
    """

    model_config = ConfigDict(frozen=True)

    id: int = 0
    stage: str
    at: datetime
    origin: Origin
    errors: tuple[FieldError, ...]
    body: str | None
    ended: Ended | None = None

    @property
    def original(self) -> bytes:
        return base64.b64decode(self.body or "")

    @property
    def stored(self) -> bytes:
        """What the stream keeps of it."""
        return self.model_dump_json(exclude={"id", "ended"}).encode()

    def light(self) -> "Letter":
        """The same letter with the first reasons only, everything else left at its origin."""
        origin = self.origin.model_copy(update={"headers": {}})
        errors = few(self.errors, FIRST)
        return self.model_copy(update={"origin": origin, "errors": errors, "body": None})


@dataclass
class DeadLetters:
    """The stream DEAD, and what became of its letters."""

    bus: Bus
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def __post_init__(self) -> None:
        self.endings = self.bus.bucket(subjects.CONTROL.name)

    async def bury_message(
        self, stage: str, message: NatsMessage, errors: Sequence[FieldError]
    ) -> None:
        """Store a message that the broker delivered. Raises as `bury`."""
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
        """Store a letter; the same message again is listed once.

        Raises BusError when it is not surely stored.
        """
        letter = Letter(
            stage=stage,
            at=self.now(),
            origin=origin,
            errors=few(errors),
            body=base64.b64encode(body).decode() if len(body) <= INLINE_BYTES else None,
        )
        await self.store(letter if len(letter.stored) <= LETTER_BYTES else letter.light())

    async def store(self, letter: Letter) -> None:
        """Whole, or light where the server does not take so much. Raises as `bury`."""
        try:
            await self.send(letter)
        except (Silence, Full):
            raise
        except BusError as refused:
            log.warning("dead_letter_cut", stage=letter.stage, detail=str(refused))
            await self.send(letter.light())

    async def send(self, letter: Letter) -> None:
        origin = f"{letter.origin.stream}.{letter.origin.seq}"
        await self.bus.publish(subjects.dead(letter.stage), letter.stored, msg_id=origin)

    async def letters(self, *, ended: bool = False) -> AsyncIterator[Letter]:
        """Letters in the order of their death; with *ended* also those that are dealt with.

        A message that was buried again (after a crash, when the stream had forgotten its id) is
        one letter: the first.
        """
        seen: set[tuple[str, int]] = set()
        async for chunk in self.chunks():
            for letter in await self.with_endings(chunk):
                origin = (letter.origin.stream, letter.origin.seq)
                if origin not in seen and (ended or letter.ended is None):
                    yield letter
                seen.add(origin)

    async def show(self, id: int) -> Letter:
        """One letter, with its whole body. Raises Invalid when there is none."""
        message = await self.bus.get_message(subjects.DEAD.name, id) if id > 0 else None
        if message is None:
            raise Invalid(fault("id", "letter_unknown", value=id))
        [letter] = await self.with_endings([message])
        return letter if letter.body is not None else await self.whole(letter)

    async def replay(self, id: int, by: str = "") -> Letter:
        """Send the original again, to where it came from, under its own identity.

        Raises Invalid for a letter that is unknown or dealt with, BusError when it is not sent.
        """
        letter = await self.open(id)
        origin = letter.origin
        await self.bus.publish(
            origin.subject, letter.original, headers=carried(origin.headers), msg_id=f"replay.{id}"
        )
        return await self.end(letter, Ended(state="replayed", at=self.now(), by=by))

    async def edit(self, id: int, body: bytes, words: Vocabulary, by: str = "") -> Letter:
        """Send *body*, a mended structured event, in the original's place.

        Raises ContractError when it is still broken (nothing is sent then), else as `replay`.
        """
        letter = await self.open(id)
        if letter.stage != "intake":
            raise Invalid(fault("id", "letter_not_editable", value=id))
        events.check(envelope.from_structured(body), words)
        headers = {"Content-Type": envelope.CONTENT_TYPE}
        await self.bus.publish(letter.origin.subject, body, headers=headers, msg_id=f"edit.{id}")
        return await self.end(letter, Ended(state="edited", at=self.now(), by=by))

    async def discard(self, id: int, reason: str, by: str = "") -> Letter:
        """Give a letter up, with a reason. Raises Invalid as `replay`, or without a reason."""
        if not reason.strip():
            raise Invalid(fault("reason", "reason_required"))
        letter = await self.open(id)
        ended = Ended(state="discarded", at=self.now(), by=by, reason=reason.strip())
        return await self.end(letter, ended)

    async def open(self, id: int) -> Letter:
        """A letter that nobody has dealt with. Raises Invalid."""
        letter = await self.show(id)
        if letter.ended:
            raise Invalid(fault("id", "letter_ended", value=id, state=letter.ended.state))
        return letter

    async def end(self, letter: Letter, ended: Ended) -> Letter:
        """Note what became of a letter. Of two people one is first; Invalid for the other."""
        try:
            await self.endings.create(key(letter.id), ended.model_dump_json().encode())
        except Conflict as first:
            raise Invalid(await self.taken(letter.id)) from first
        log.info("dead_letter_ended", letter=letter.id, state=ended.state)
        return letter.model_copy(update={"ended": ended})

    async def taken(self, id: int) -> FieldError:
        value = await self.endings.get(key(id))
        state = Ended.model_validate_json(value.data).state if value else ""
        return fault("id", "letter_ended", value=id, state=state)

    async def whole(self, letter: Letter) -> Letter:
        """The letter with what was left at its origin. Raises Invalid when that is gone."""
        origin = letter.origin
        message = await self.bus.get_message(origin.stream, origin.seq)
        if message is None:
            raise Invalid(fault("id", "letter_unknown", value=f"{origin.stream} #{origin.seq}"))
        body = base64.b64encode(message.data).decode()
        found = origin.model_copy(update={"headers": dict(message.headers)})
        return letter.model_copy(update={"origin": found, "body": body})

    async def chunks(self) -> AsyncIterator[list[Message]]:
        chunk: list[Message] = []
        async for message in self.bus.scan(subjects.DEAD.name):
            chunk.append(message)
            if len(chunk) == CHUNK:
                yield chunk
                chunk = []
        if chunk:
            yield chunk

    async def with_endings(self, messages: Sequence[Message]) -> list[Letter]:
        """The letters in *messages*, each with what became of it."""
        found = await self.endings.many([key(one.seq) for one in messages])
        letters = []
        for message in messages:
            value = found.get(key(message.seq))
            ended = Ended.model_validate_json(value.data) if value else None
            letter = Letter.model_validate_json(message.data)
            letters.append(letter.model_copy(update={"id": message.seq, "ended": ended}))
        return letters


def key(id: int) -> str:
    return f"dead.{id}"


def carried(headers: Mapping[str, str]) -> dict[str, str]:
    """What belongs to the event, without what belongs to the bus."""
    return {name: value for name, value in headers.items() if not name.startswith("Nats-")}
