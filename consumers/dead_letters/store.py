"""Store of dead letters: the stream DEAD.

The server removes no message from it, neither on request nor by age. When it is full, a message
that should become a dead letter stays in its own stream.
"""

import base64
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import uuid4

import structlog
from pydantic import ValidationError

from consumers.dead_letters import message_info
from consumers.dead_letters.letter import (
    LEFT_OUT_NAMES_MAX,
    DeadLetter,
    DeadLetterQuery,
    History,
    MessageOrigin,
    fingerprint,
)
from consumers.dead_letters.redaction import RedactedMessage, limit_body, redact
from consumers.messages import field_error
from contracts import subjects
from contracts.errors import FieldError, Invalid, NotFound, limit_errors, printable
from producers.bus import Bus, BusError, Message, NoReply, StorageFull
from producers.bus.messages import chunked
from producers.bus.records import parse_stored

if TYPE_CHECKING:  # commands read letters, too, without a broker
    from faststream.nats.message import NatsMessage

log = structlog.get_logger()
_CHUNK_LETTERS = 200
_ALL_OPEN = DeadLetterQuery()
INLINE_BYTES = 512 * 1024  # as base64, with headers and reasons, well below what a message holds
LETTER_BYTES = subjects.DEAD.max_message_bytes - 4096  # the rest is for what the bus adds


@dataclass(slots=True)
class DeathCount:
    """The deaths of one letter."""

    id: int
    latest: int
    last: datetime
    times: int = 1

    def count(self, letter: DeadLetter, seq: int) -> None:
        self.times += 1
        self.latest = seq
        self.last = max(self.last, letter.at)


@dataclass(slots=True)
class Deaths:
    """All deaths: counts by the letter's identity, letter ids by the place in DEAD.

    A message that was stored again because a crash came before its acknowledgement died once.
    """

    by_identity: dict[str, DeathCount] = field(default_factory=dict)
    letter_ids: dict[int, int] = field(default_factory=dict)
    by_origin: dict[tuple[str, int], DeathCount] = field(default_factory=dict)

    def count(self, letter: DeadLetter, seq: int) -> None:
        origin = (letter.origin.stream, letter.origin.seq)
        if origin not in self.by_origin:
            first = DeathCount(seq, seq, letter.at, times=0)
            self.by_origin[origin] = self.by_identity.setdefault(letter.identity, first)
            self.by_origin[origin].count(letter, seq)
        self.letter_ids[seq] = self.by_origin[origin].id


@dataclass
class DeadLetterStore:
    """The letters; `consumers.dead_letters.decisions` ends them."""

    bus: Bus
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def __post_init__(self) -> None:
        self.histories = self.bus.bucket(subjects.CONTROL.name)

    async def bury_message(
        self, stage: str, message: "NatsMessage", errors: Sequence[FieldError]
    ) -> None:
        """Store a message that the broker delivered. Raises as `bury`."""
        raw = message.raw_message
        origin = MessageOrigin(
            subject=raw.subject,
            stream=raw.metadata.stream,
            seq=raw.metadata.sequence.stream,
            headers=dict(raw.headers or {}),
        )
        await self.bury(stage, origin, raw.data, errors)

    async def bury(
        self, stage: str, origin: MessageOrigin, body: bytes, errors: Sequence[FieldError]
    ) -> None:
        """Store a letter; the same message again counts up in the same letter.

        Parts that may contain a contact are left out, and the message is erased after the letter is
        stored. Raises BusError when it is not surely stored, or not surely erased.
        """
        kept = limit_body(redact(origin.subject, origin.headers, body), INLINE_BYTES)
        letter = self.new_letter(stage, origin, kept, errors)
        await self.store(letter if len(letter.to_stored) <= LETTER_BYTES else letter.without_body())
        if letter.erased:
            await self.bus.erase_message(origin.stream, origin.seq)
            log.warning("message_erased", left_out=letter.left_out, **letter.about.log_facts)

    def new_letter(
        self, stage: str, origin: MessageOrigin, kept: RedactedMessage, errors: Sequence[FieldError]
    ) -> DeadLetter:
        origin, body = origin.model_copy(update={"headers": kept.headers}), kept.body
        names = kept.left_out[:LEFT_OUT_NAMES_MAX]
        return DeadLetter(
            stage=stage,
            at=self.now(),
            origin=origin,
            about=message_info.read_message_info(origin.subject, origin.headers, body),
            errors=limit_errors(errors),
            body=base64.b64encode(body).decode() if len(body) <= INLINE_BYTES else None,
            digest=fingerprint(origin, body),
            left_out=tuple(printable(name, message_info.ATTRIBUTE_MAX) for name in names),
            erased=bool(kept.left_out),
        )

    async def store(self, letter: DeadLetter) -> None:
        """Store it whole, or without body if the server refuses the size. Raises as `bury`."""
        try:
            await self.send(letter)
        except (NoReply, StorageFull):
            raise
        except BusError as refused:
            log.warning("dead_letter_cut", stage=letter.stage, detail=str(refused))
            await self.send(letter.without_body())

    async def send(self, letter: DeadLetter) -> None:
        """Send it once; under another message id if a foreign message has its own."""
        origin = f"{letter.origin.stream}.{letter.origin.seq}"
        subject = subjects.dead(letter.stage)
        ack = await self.bus.publish(subject, letter.to_stored, msg_id=origin)
        if ack.duplicate and not await self.is_stored(ack.seq, letter.origin):
            log.warning("message_id_taken", origin=origin, seq=ack.seq)
            await self.bus.publish(subject, letter.to_stored, msg_id=f"{origin}.{uuid4().hex}")

    async def is_stored(self, seq: int, origin: MessageOrigin) -> bool:
        """Whether the message *seq* of DEAD is a letter about the message *origin*."""
        stored = await self.bus.get_message(subjects.DEAD.name, seq)
        letter = parse_letter(stored) if stored else None
        found = letter and (letter.origin.stream, letter.origin.seq)
        return found == (origin.stream, origin.seq)

    async def letters(self, query: DeadLetterQuery = _ALL_OPEN) -> AsyncIterator[DeadLetter]:
        """Yield the letters of *query*, in the order of their first death.

        Reads the stream twice, so that memory holds no bodies: first the deaths, then the letters.
        """
        counts = (await self.count_deaths()).by_identity
        async for chunk in chunked(self.first_deaths(counts.values()), _CHUNK_LETTERS):
            for one in await self.with_histories(chunk, counts):
                if query.matches(one) and (not query.text or await self.matches_text(query, one)):
                    yield one

    async def last_change(self) -> tuple[int, int]:
        """The place of the last letter, and that of the last decision; they change with these."""
        letter = (await self.bus.stream_info(subjects.DEAD.name))["state"]["last_seq"]
        decisions = f"$KV.{self.histories.name}.{history_key('*')}"
        decision = await self.bus.last_message(self.histories.stream, decisions)
        return letter, decision.seq if decision else 0

    async def load(self, id: int) -> DeadLetter:
        """Load a letter with its whole body, by any of its deaths. Raises NotFound if unknown."""
        await self.read_message(id)
        deaths = await self.count_deaths()
        message = await self.read_message(deaths.letter_ids.get(id, id))
        [letter] = await self.with_histories([message], deaths.by_identity)
        return letter if letter.body is not None else await self.with_original(letter)

    async def read_message(self, id: int) -> Message:
        """Read a letter's message. Raises NotFound if unknown."""
        message = await self.bus.get_message(subjects.DEAD.name, id) if id > 0 else None
        if message is None:
            raise NotFound(field_error("id", "letter_unknown", value=id))
        return message

    async def with_original(self, letter: DeadLetter) -> DeadLetter:
        """Add body and headers from its origin. Raises Invalid when that is gone."""
        origin = letter.origin
        message = await self.bus.get_message(origin.stream, origin.seq)
        if message is None:
            place = f"{origin.stream} #{origin.seq}"
            raise Invalid(field_error("id", "letter_unknown", value=place))
        body = base64.b64encode(message.data).decode()
        whole = origin.model_copy(update={"headers": dict(message.headers)})
        return letter.model_copy(update={"origin": whole, "body": body})

    async def matches_text(self, query: DeadLetterQuery, letter: DeadLetter) -> bool:
        whole = letter if letter.body is not None else await self.with_original(letter)
        return query.matches_text(whole.original)

    async def count_deaths(self) -> Deaths:
        """Count the deaths of each letter; log foreign messages."""
        deaths = Deaths()
        async for message in self.bus.scan(subjects.DEAD.name):
            letter = parse_letter(message)
            if not letter.is_readable:
                log.warning("dead_letter_unreadable", letter=message.seq, stage=letter.stage)
            deaths.count(letter, message.seq)
        return deaths

    async def first_deaths(self, counts: Iterable[DeathCount]) -> AsyncIterator[Message]:
        wanted = {count.id for count in counts}
        async for message in self.bus.scan(subjects.DEAD.name):
            if message.seq in wanted:
                yield message

    async def with_histories(
        self, messages: Sequence[Message], counts: Mapping[str, DeathCount]
    ) -> list[DeadLetter]:
        """Parse letters, each with its deaths and the decisions about it."""
        stored = await self.histories.get_many([history_key(message.seq) for message in messages])
        letters = []
        for message in messages:
            id, letter = message.seq, parse_letter(message)
            value = stored.get(history_key(id))
            history = parse_stored(History, history_key(id), value.data) if value else History()
            count = counts.get(letter.identity) or DeathCount(id, id, letter.at)
            times = {"last": count.last, "times": count.times, "latest": count.latest}
            facts = {"id": id, **times, "decisions": history.decisions}
            letters.append(letter.model_copy(update=facts))
        return letters


def parse_letter(message: Message) -> DeadLetter:
    """Parse a letter, and add fields that an earlier version did not store.

    A foreign message becomes a letter of its own, so that an operator can discard it.
    """
    try:
        letter = DeadLetter.model_validate_json(message.data)
    except ValidationError:
        return _unreadable_letter(message)
    if letter.digest or letter.body is None:
        return letter
    origin = letter.origin
    about = message_info.read_message_info(origin.subject, origin.headers, letter.original)
    update = {"digest": fingerprint(origin, letter.original), "about": about}
    return letter.model_copy(update=update)


def _unreadable_letter(message: Message) -> DeadLetter:
    """A foreign message in DEAD, as a letter with DEAD as its origin."""
    _, _, stage = message.subject.partition(".")
    return DeadLetter(
        stage=stage,
        at=message.time,
        origin=MessageOrigin(subject=message.subject, stream=subjects.DEAD.name, seq=message.seq),
        errors=(field_error("letter", "no_letter", subject=message.subject),),
        body=base64.b64encode(message.data).decode(),
    )


def history_key(id: int | str) -> str:
    return f"dead.{id}"
