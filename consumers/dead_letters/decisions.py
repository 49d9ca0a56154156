"""Ending dead letters: sending them again as they are or mended, or giving them up.

Nothing leaves without a trace: a decision is written down before anything is sent, and again with
what came of it. A crash between the two leaves the letter open, and repeating is harmless: the same
burial is sent under the same message id, and further on the event's own key makes it a repeat.
"""

from dataclasses import dataclass
from hashlib import sha256

import structlog

from consumers.dead_letters.letter import Decision, Ending, History, Letter, carried
from consumers.dead_letters.store import DeadLetters, key
from consumers.faults import fault
from contracts import envelope, events, subjects
from contracts.crash import crash_point
from contracts.errors import FieldError, Invalid, shown
from contracts.vocabulary import Vocabulary
from producers.bus import Ack, Conflict, Value

log = structlog.get_logger()
NAME_MAX = 100
REASON_MAX = 500


@dataclass(frozen=True)
class Person:
    """Who decides, and why; both are kept for ever."""

    name: str
    reason: str = ""

    def __post_init__(self) -> None:
        """Raises Invalid for a decision that nobody takes."""
        if not self.name.strip():
            raise Invalid(fault("by", "who_required"))


@dataclass(frozen=True)
class Sending:
    """What is to be sent for a letter, and where to."""

    subject: str
    body: bytes
    headers: dict[str, str]


@dataclass
class Decisions:
    """What people decide about letters. Of two who decide at once, one is first."""

    dead: DeadLetters

    async def replay(self, letter: Letter, person: Person) -> Letter:
        """Send the original again, to where it came from, under its own identity.

        Raises Invalid for a letter that is dealt with, BusError when it is not surely sent.
        """
        letter = letter if letter.body is not None else await self.dead.whole(letter)
        origin = letter.origin
        again = Sending(origin.subject, letter.original, carried(origin.headers))
        return await self.send("replayed", letter, person, again)

    async def edit(self, letter: Letter, mended: Sending, person: Person) -> Letter:
        """Send a mended event in the original's place; the original stays. Raises as `replay`."""
        return await self.send("edited", letter, person, mended)

    async def discard(self, letter: Letter, person: Person) -> Letter:
        """Give a letter up, with a reason. Raises Invalid as `replay`, or without a reason."""
        if not person.reason.strip():
            raise Invalid(fault("reason", "reason_required"))
        decision = self.decision("discarded", letter, person)
        await self.write(letter, decision)
        return self.told(letter, decision)

    def open(self, letter: Letter) -> None:
        """Raises Invalid for a letter that is dealt with."""
        if letter.ended:
            raise Invalid(taken(letter, History(decisions=letter.decisions)))

    async def send(self, state: Ending, letter: Letter, person: Person, what: Sending) -> Letter:
        """Write down, send, write down what came of it."""
        decision = self.decision(state, letter, person, what.body)
        revision = await self.write(letter, decision.model_copy(update={"done": False}))
        crash_point("dead.decided")
        ack = await self.dead.bus.publish(
            what.subject, what.body, headers=what.headers, msg_id=f"{state}.{letter.latest}"
        )
        crash_point("dead.replayed")
        decision = decision.model_copy(update={"sent_to": where(ack)})
        await self.close(letter, decision, revision)
        return self.told(letter, decision)

    def decision(
        self, state: Ending, letter: Letter, person: Person, sent: bytes | None = None
    ) -> Decision:
        return Decision(
            state=state,
            at=self.dead.now(),
            by=shown(person.name.strip(), NAME_MAX),
            reason=shown(person.reason.strip(), REASON_MAX),
            covers=letter.latest,
            before=hash_of(letter.original) if letter.body is not None else "",
            after=hash_of(sent) if sent is not None else "",
        )

    async def write(self, letter: Letter, decision: Decision) -> int:
        """Add a decision to the letter's history. Raises Invalid when somebody was first."""
        value = await self.dead.histories.get(key(letter.id))
        history = read(value)
        if history.ended(letter.id, letter.latest):
            raise Invalid(taken(letter, history))
        data = added(history, decision)
        try:
            if value is None:
                return await self.dead.histories.create(key(letter.id), data)
            return await self.dead.histories.swap(key(letter.id), data, value.revision)
        except Conflict as first:
            raise await self.overtaken(letter) from first

    async def close(self, letter: Letter, decision: Decision, revision: int) -> None:
        """Put the finished decision in the place of the one that was written before sending."""
        value = await self.dead.histories.get(key(letter.id))
        if value is None or value.revision != revision:
            raise await self.overtaken(letter)
        history = read(value)
        data = added(History(decisions=history.decisions[:-1]), decision)
        try:
            await self.dead.histories.swap(key(letter.id), data, revision)
        except Conflict as first:
            raise await self.overtaken(letter) from first

    async def overtaken(self, letter: Letter) -> Invalid:
        return Invalid(taken(letter, read(await self.dead.histories.get(key(letter.id)))))

    def told(self, letter: Letter, decision: Decision) -> Letter:
        log.info("dead_letter_ended", letter=letter.id, state=decision.state, **letter.about.bound)
        return letter.model_copy(update={"decisions": (*letter.decisions, decision)})


def mend(letter: Letter, body: bytes, words: Vocabulary) -> Sending:
    """Check *body*, a structured event. Raises ContractError when it is still broken."""
    unit = letter.about.unit
    if letter.stage != "intake" or not unit:
        raise Invalid(fault("id", "letter_not_editable", value=letter.id))
    event = envelope.from_structured(body)
    events.check(event, words)
    events.check_sender(event, unit, words)
    headers = {"Content-Type": envelope.CONTENT_TYPE}
    return Sending(subjects.content(unit, events.kind_of(event.type)), body, headers)


def taken(letter: Letter, history: History) -> FieldError:
    last = history.decisions[-1] if history.decisions else None
    who = (last.state, last.by) if last else ("", "")
    return fault("id", "letter_ended", value=letter.id, state=who[0], who=who[1])


def added(history: History, decision: Decision) -> bytes:
    return History(decisions=(*history.decisions, decision)).model_dump_json().encode()


def read(value: Value | None) -> History:
    return History.model_validate_json(value.data) if value else History()


def where(ack: Ack) -> str:
    return f"{ack.stream} #{ack.seq}"


def hash_of(body: bytes) -> str:
    return sha256(body).hexdigest()
