"""The stream DEAD: burying messages, and finding letters again.

Nothing is ever removed from it (the server refuses to), and nothing is pushed out of it: when it is
full, a message that should die stays where it lies.
"""

import base64
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog
from faststream.nats.message import NatsMessage
from pydantic import ValidationError

from consumers.dead_letters import about
from consumers.dead_letters.letter import NAMES, History, Letter, Origin, fingerprint
from consumers.dead_letters.personal import Kept, bounded, impersonal
from consumers.dead_letters.query import Query
from consumers.faults import fault
from contracts import subjects
from contracts.errors import FieldError, Invalid, few, shown
from producers.bus import Bus, BusError, Full, Message, Silence

log = structlog.get_logger()
CHUNK = 200
INLINE_BYTES = 512 * 1024  # as base64, with headers and reasons, well below what a message holds
LETTER_BYTES = subjects.DEAD.max_message_bytes - 4096  # the rest is for what the bus adds


@dataclass(slots=True)
class Tally:
    """The deaths of one letter."""

    id: int
    latest: int
    last: datetime
    times: int = 1

    def count(self, letter: Letter, seq: int) -> None:
        self.times += 1
        self.latest = seq
        self.last = max(self.last, letter.at)


@dataclass(slots=True)
class Deaths:
    """Every death there was: `tallies` by the letter's identity, `letters` by the place in DEAD.

    A message that was buried again because a crash came before its acknowledgement died once.
    """

    tallies: dict[str, Tally] = field(default_factory=dict)
    letters: dict[int, int] = field(default_factory=dict)
    seen: dict[tuple[str, int], Tally] = field(default_factory=dict)

    def count(self, letter: Letter, seq: int) -> None:
        origin = (letter.origin.stream, letter.origin.seq)
        if origin not in self.seen:
            self.seen[origin] = self.tally(letter, seq)
        self.letters[seq] = self.seen[origin].id

    def tally(self, letter: Letter, seq: int) -> Tally:
        known = self.tallies.get(letter.identity)
        if known is None:
            return self.tallies.setdefault(letter.identity, Tally(seq, seq, letter.at))
        known.count(letter, seq)
        return known


@dataclass
class DeadLetters:
    """The letters; `consumers.dead_letters.decisions` ends them."""

    bus: Bus
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def __post_init__(self) -> None:
        self.histories = self.bus.bucket(subjects.CONTROL.name)

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
        """Store a letter; the same message again counts up in the same letter.

        What could say where a person is reached is left out, and its message erased: the letter
        comes first. Raises BusError when it is not surely stored, or not surely erased.
        """
        kept = bounded(impersonal(origin.subject, origin.headers, body), INLINE_BYTES)
        letter = self.letter(stage, origin, kept, errors)
        await self.store(letter if len(letter.stored) <= LETTER_BYTES else letter.light())
        if letter.erased:
            await self.bus.erase(origin.stream, origin.seq)
            log.warning("message_erased", left_out=letter.left_out, **letter.about.bound)

    def letter(
        self, stage: str, origin: Origin, kept: Kept, errors: Sequence[FieldError]
    ) -> Letter:
        origin = origin.model_copy(update={"headers": kept.headers})
        body = kept.body
        return Letter(
            stage=stage,
            at=self.now(),
            origin=origin,
            about=about.read(origin.subject, origin.headers, body),
            errors=few(errors),
            body=base64.b64encode(body).decode() if len(body) <= INLINE_BYTES else None,
            digest=fingerprint(origin, body),
            left_out=shown_names(kept.left_out),
            erased=bool(kept.left_out),
        )

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

    async def letters(
        self, query: Query | None = None, *, ended: bool = False
    ) -> AsyncIterator[Letter]:
        """Letters that *query* asks for, in the order of their first death.

        Read twice, so that memory holds no bodies: first how often each died, then the letters.
        """
        query = query or Query(ended=ended)
        tallies = (await self.deaths()).tallies
        async for chunk in self.chunks({one.id for one in tallies.values()}):
            for letter in await self.with_histories(chunk, tallies):
                if query.matches(letter) and (not query.text or await self.reads(query, letter)):
                    yield letter

    async def show(self, id: int) -> Letter:
        """One letter, with its whole body; by the place of any of its deaths.

        Raises Invalid when there is none.
        """
        await self.message(id)
        deaths = await self.deaths()
        message = await self.message(deaths.letters.get(id, id))
        [letter] = await self.with_histories([message], deaths.tallies)
        return letter if letter.body is not None else await self.whole(letter)

    async def message(self, id: int) -> Message:
        """A letter as the stream holds it. Raises Invalid when there is none."""
        message = await self.bus.get_message(subjects.DEAD.name, id) if id > 0 else None
        if message is None:
            raise Invalid(fault("id", "letter_unknown", value=id))
        return message

    async def whole(self, letter: Letter) -> Letter:
        """The letter with what was left at its origin. Raises Invalid when that is gone."""
        origin = letter.origin
        message = await self.bus.get_message(origin.stream, origin.seq)
        if message is None:
            raise Invalid(fault("id", "letter_unknown", value=f"{origin.stream} #{origin.seq}"))
        body = base64.b64encode(message.data).decode()
        found = origin.model_copy(update={"headers": dict(message.headers)})
        return letter.model_copy(update={"origin": found, "body": body})

    async def reads(self, query: Query, letter: Letter) -> bool:
        whole = letter if letter.body is not None else await self.whole(letter)
        return query.reads(whole.original)

    async def deaths(self) -> Deaths:
        """Whose death lies where, and how often each letter died. Names what is no letter."""
        found = Deaths()
        async for message in self.bus.scan(subjects.DEAD.name):
            letter = letter_of(message)
            if not letter.readable:
                log.warning("dead_letter_unreadable", letter=message.seq, stage=letter.stage)
            found.count(letter, message.seq)
        return found

    async def chunks(self, wanted: set[int]) -> AsyncIterator[list[Message]]:
        chunk: list[Message] = []
        async for message in self.bus.scan(subjects.DEAD.name):
            if message.seq in wanted:
                chunk.append(message)
            if len(chunk) == CHUNK:
                yield chunk
                chunk = []
        if chunk:
            yield chunk

    async def with_histories(
        self, messages: Sequence[Message], tallies: dict[str, Tally]
    ) -> list[Letter]:
        """The letters in *messages*, each with its deaths and what was decided about it."""
        found = await self.histories.many([key(one.seq) for one in messages])
        letters = []
        for message in messages:
            value = found.get(key(message.seq))
            history = History.model_validate_json(value.data) if value else History()
            letter = letter_of(message)
            tally = tallies.get(letter.identity) or Tally(message.seq, message.seq, letter.at)
            letters.append(put_together(letter, message.seq, tally, history))
        return letters


def letter_of(message: Message) -> Letter:
    """The letter as it was stored; what an earlier version did not store is made up for.

    What is no letter is shown as one of its own, so that somebody can look at it and give it up.
    """
    try:
        letter = Letter.model_validate_json(message.data)
    except ValidationError:
        return unreadable(message)
    if letter.digest or letter.body is None:
        return letter
    origin = letter.origin
    update = {
        "digest": fingerprint(origin, letter.original),
        "about": about.read(origin.subject, origin.headers, letter.original),
    }
    return letter.model_copy(update=update)


def unreadable(message: Message) -> Letter:
    """Somebody else's message in DEAD, as a letter that came from there."""
    _, _, stage = message.subject.partition(".")
    return Letter(
        stage=stage,
        at=message.time,
        origin=Origin(subject=message.subject, stream=subjects.DEAD.name, seq=message.seq),
        errors=(fault("letter", "no_letter", subject=message.subject),),
        body=base64.b64encode(message.data).decode(),
    )


def put_together(letter: Letter, id: int, tally: Tally, history: History) -> Letter:
    update = {
        "id": id,
        "last": tally.last,
        "times": tally.times,
        "latest": tally.latest,
        "decisions": history.decisions,
    }
    return letter.model_copy(update=update)


def shown_names(left_out: Sequence[str]) -> tuple[str, ...]:
    """Names that somebody else has chosen: visible, and not too many."""
    return tuple(shown(name, about.ATTRIBUTE_MAX) for name in left_out[:NAMES])


def key(id: int) -> str:
    return f"dead.{id}"
