"""Ending dead letters: sending them again as they are or mended, or giving them up.

Nothing leaves without a trace: a decision is written down before anything is sent, and again with
what came of it. Between the two the letter is in somebody's hands: for a while nobody else decides.
A crash there leaves it open. Whoever comes next looks first whether the message was sent after all.
"""

from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

import structlog

from consumers.dead_letters.letter import Decision, Ending, History, Letter, carried
from consumers.dead_letters.store import DeadLetters, key
from consumers.faults import fault, word
from consumers.register import change, read
from contracts import envelope, events, subjects
from contracts.crash import crash_point
from contracts.errors import FieldError, Invalid, shown
from contracts.vocabulary import Vocabulary
from producers.bus import Ack, Silence

log = structlog.get_logger()
NAME_MAX = 100
REASON_MAX = 500
HOLD = timedelta(minutes=2)
"""So long after it was begun, a sending may still be on its way."""
PATIENCE_S = 30.0
START = HOLD - timedelta(seconds=PATIENCE_S + 15)
"""So long after it was begun, it may still start: it ends before others get their turn, even by a
clock that differs by some seconds."""


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
        if not letter.readable:
            raise Invalid(fault("id", "not_sendable", value=letter.id))
        whole(letter)
        letter = letter if letter.body is not None else await self.dead.whole(letter)
        origin = letter.origin
        again = Sending(origin.subject, letter.original, carried(origin.headers))
        return await self.send("replayed", letter, person, again)

    async def edit(self, letter: Letter, mended: Sending, person: Person) -> Letter:
        """Send a mended event in the original's place; the original stays. Raises as `replay`."""
        whole(letter)
        return await self.send("edited", letter, person, mended)

    async def discard(self, letter: Letter, person: Person) -> Letter:
        """Give a letter up, with a reason. Raises Invalid as `replay`, or without a reason."""
        if not person.reason.strip():
            raise Invalid(fault("reason", "reason_required"))
        decision = self.decision("discarded", letter, person)
        return self.told(letter, await self.write(letter, decision))

    def open(self, letter: Letter) -> None:
        """Raises Invalid for a letter that is dealt with."""
        if letter.ended:
            raise Invalid(taken(letter, History(decisions=letter.decisions)))

    async def send(self, state: Ending, letter: Letter, person: Person, what: Sending) -> Letter:
        """Write down, send, write down what came of it."""
        begun = self.decision(state, letter, person, what.body)
        history = await self.write(letter, begun)
        crash_point("dead.decided")
        ack = await self.sent(letter, begun) if history.repeats(begun) else None
        ack = ack or await self.publish(begun, what)
        crash_point("dead.replayed")
        return self.told(letter, await self.finish(letter, begun, ack))

    async def publish(self, begun: Decision, what: Sending) -> Ack:
        """Raises Silence when it is too late to begin, Invalid when the message id is taken."""
        if self.dead.now() - begun.at > START:
            raise Silence("it took too long to write the decision down; nothing was sent")
        ack = await self.dead.bus.publish(
            what.subject,
            what.body,
            headers=what.headers,
            msg_id=begun.message_id,
            patience_s=PATIENCE_S,
        )
        if ack.duplicate and not await self.says(ack, what):
            raise Invalid(fault("id", "id_taken", value=begun.message_id))
        return ack

    async def says(self, ack: Ack, what: Sending) -> bool:
        """A message that is gone meanwhile was taken by whom it was for."""
        stored = await self.dead.bus.get_message(ack.stream, ack.seq)
        return stored is None or (stored.subject, stored.data) == (what.subject, what.body)

    async def sent(self, letter: Letter, begun: Decision) -> Ack | None:
        """Where a message lies that was perhaps sent, however long ago."""
        origin = letter.origin
        mended = begun.state == "edited"
        subject = subjects.content(letter.about.unit, "*") if mended else origin.subject
        async for message in self.dead.bus.scan(origin.stream, subject, origin.seq + 1):
            named = message.headers.get("Nats-Msg-Id") == begun.message_id
            if named and hash_of(message.data) == begun.after:
                return Ack(origin.stream, message.seq)
        return None

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
            done=sent is None,
        )

    async def write(self, letter: Letter, decision: Decision) -> History:
        """Add a decision to the letter's history. Raises Invalid when somebody was first."""
        held = await read(self.dead.histories, key(letter.id), History)
        await self.settle(letter, held.value or History(), decision)

        def move(found: History | None) -> History:
            history = found or History()
            if decision not in history.decisions:
                free(letter, history, decision)
            return history.plus(decision)

        return (await change(self.dead.histories, key(letter.id), History, move, held)).known

    async def settle(self, letter: Letter, history: History, decision: Decision) -> None:
        """Raises Invalid when something else is being sent, or was: then it is on record now."""
        free(letter, history, decision)
        for begun in history.begun(letter.latest):
            if begun.message_id == decision.message_id:
                continue
            if ack := await self.sent(letter, begun):
                raise Invalid(taken(letter, await self.finish(letter, begun, ack)))

    async def finish(self, letter: Letter, begun: Decision, ack: Ack) -> History:
        """Put down where the message lies, whatever else was decided meanwhile."""
        done = begun.model_copy(update={"done": True, "sent_to": where(ack)})

        def move(found: History | None) -> History:
            return (found or History()).finished(begun, done)

        return (await change(self.dead.histories, key(letter.id), History, move)).known

    def told(self, letter: Letter, history: History) -> Letter:
        state = history.decisions[-1].state
        log.info("dead_letter_ended", letter=letter.id, state=state, **letter.about.bound)
        return letter.model_copy(update={"decisions": history.decisions})


def free(letter: Letter, history: History, decision: Decision) -> None:
    """Raises Invalid for a letter that is dealt with, or in the hands of somebody else.

    Whoever began to send it may go on at once; but not give up what may be on its way.
    """
    if history.ended(letter.id, letter.latest):
        raise Invalid(taken(letter, history))
    for begun in history.begun(letter.latest):
        own = begun.by == decision.by and decision.state != "discarded"
        if not own and decision.at - begun.at < HOLD:
            raise Invalid(in_hand(letter, begun))


def whole(letter: Letter) -> None:
    """Raises Invalid for a letter that is not all of its message."""
    if letter.erased:
        named = ", ".join(letter.left_out)
        raise Invalid(fault("id", "only_by_http", value=letter.id, names=named))


def mend(letter: Letter, body: bytes, words: Vocabulary) -> Sending:
    """Check *body*, a structured event. Raises ContractError when it is still broken."""
    whole(letter)
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
    return fault("id", "letter_ended", value=letter.id, state=word(who[0]), who=who[1])


def in_hand(letter: Letter, begun: Decision) -> FieldError:
    times = {"begun": f"{begun.at:%H:%M:%S}", "free": f"{begun.at + HOLD:%H:%M:%S}"}
    return fault("id", "in_hand", value=letter.id, who=begun.by, **times)


def where(ack: Ack) -> str:
    return f"{ack.stream} #{ack.seq}"


def hash_of(body: bytes) -> str:
    return sha256(body).hexdigest()
