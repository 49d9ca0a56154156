"""End dead letters: send them again, unchanged or corrected, or discard them.

Every decision leaves a trace: it is recorded before the message is sent, and again with the result.
Between the two the letter is reserved: for a while no other operator can decide. A crash there
leaves it open. The next decision first checks whether the message was sent after all.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import sha256

import structlog

from consumers.dead_letters.letter import (
    EDITED_HEADER,
    DeadLetter,
    Decision,
    DecisionState,
    History,
    MessageOrigin,
    event_headers,
)
from consumers.dead_letters.store import DeadLetterStore, history_key
from consumers.messages import field_error, translate
from contracts import envelope, events, subjects
from contracts.base.crash_points import crash_point
from contracts.errors import FieldError, Invalid, printable
from contracts.vocabulary import Vocabulary
from producers.bus import Ack, Message, NoReply
from producers.bus.records import read, update_or_create

log = structlog.get_logger()
ReplaySealer = Callable[[Message, str], Awaitable[Mapping[str, str]]]
"""Returns the headers under which a sealed message is sent again with another message id.

Raises Invalid for a forged one; see `ReleaseGuard` and `consumers.feedback.guard`."""
_SEALED_STREAMS = (subjects.PUBLICATIONS.name, subjects.RECEIPTS.name)
_NAME_MAX = 100
_REASON_MAX = 500
SENDING_HOLD = timedelta(minutes=2)
"""How long after its start a message may still be on its way."""
PUBLISH_TIMEOUT_S = 30.0
_LATEST_START = SENDING_HOLD - timedelta(seconds=PUBLISH_TIMEOUT_S + 15)
"""The latest time to publish: it ends before the hold does, even if clocks differ by seconds."""


@dataclass(frozen=True)
class Operator:
    """The person who decides, and the reason; both are kept for ever."""

    name: str
    reason: str = ""

    def __post_init__(self) -> None:
        """Raises Invalid without a name."""
        if not self.name.strip():
            raise Invalid(field_error("by", "who_required"))


@dataclass(frozen=True)
class OutgoingMessage:
    """The message to send for a letter."""

    subject: str
    body: bytes
    headers: dict[str, str]

    def submitted_by(self, name: str) -> "OutgoingMessage":
        """The same event with *name* as its submitter. Raises ContractError."""
        stored = json.loads(self.body) | {events.SUBMITTER: name}
        return replace(self, body=envelope.to_structured(envelope.from_structured(stored)))


@dataclass
class DeadLetterDecisions:
    """Records and carries out decisions. Of two that come at once, the first counts."""

    store: DeadLetterStore
    replay_sealer: ReplaySealer | None = None  # for publications and receipts

    async def replay(self, letter: DeadLetter, person: Operator) -> DeadLetter:
        """Send the original again, to where it came from, under its own identity.

        Raises Invalid for a letter that has ended, or a message that Loa did not seal; BusError
        when it is not surely sent.
        """
        is_act = letter.origin.stream == subjects.EDITORIAL.name  # the log has it already
        if is_act or not (letter.is_readable and _is_of_its_stream(letter.origin)):
            raise Invalid(field_error("id", "not_sendable", value=letter.id))
        require_whole(letter)
        letter = letter if letter.body is not None else await self.store.with_original(letter)
        origin = letter.origin
        msg_id = self.new_decision("replayed", letter, person, letter.original).message_id
        headers = event_headers(origin.headers) | dict(await self.replay_seal(letter, msg_id))
        again = OutgoingMessage(origin.subject, letter.original, headers)
        return await self.send("replayed", letter, person, again)

    async def replay_seal(self, letter: DeadLetter, msg_id: str) -> Mapping[str, str]:
        """The seal by which a genuine message that is sent again is recognised.

        Raises Invalid for a forged one. Of a letter whose message is gone, its own seal decides.
        """
        origin, original = letter.origin, letter.original
        if origin.stream not in _SEALED_STREAMS or self.replay_sealer is None:
            return {}
        stored = await self.store.bus.get_message(origin.stream, origin.seq)
        if stored is None or (stored.subject, stored.data) != (origin.subject, original):
            now = self.store.now()
            stored = Message(origin.subject, origin.seq, original, origin.headers, now)
        return await self.replay_sealer(stored, msg_id)

    async def edit(self, letter: DeadLetter, new: OutgoingMessage, person: Operator) -> DeadLetter:
        """Send a corrected event in place of the original, which stays. Raises as `replay`.

        The event names *person* as its submitter: who edits a letter can't approve its item. It
        waits for approval, also where its unit releases at once.
        """
        require_whole(letter)
        new = new.submitted_by(printable(person.name.strip(), _NAME_MAX))
        return await self.send("edited", letter, person, new)

    async def discard(self, letter: DeadLetter, person: Operator) -> DeadLetter:
        """Discard a letter. Raises Invalid as `replay`, or without a reason."""
        if not person.reason.strip():
            raise Invalid(field_error("reason", "discard_reason"))
        decision = self.new_decision("discarded", letter, person)
        return self.log_ended(letter, await self.record_decision(letter, decision))

    def require_open(self, letter: DeadLetter) -> None:
        """Raises Invalid for a letter that has ended."""
        if letter.ended:
            raise Invalid(_already_ended_error(letter, History(decisions=letter.decisions)))

    async def send(
        self, state: DecisionState, letter: DeadLetter, person: Operator, message: OutgoingMessage
    ) -> DeadLetter:
        begun = self.new_decision(state, letter, person, message.body)
        history = await self.record_decision(letter, begun)
        crash_point("dead.decided")
        ack = await self.find_sent(letter, begun) if history.is_repeat(begun) else None
        ack = ack or await self.publish(begun, message)
        crash_point("dead.replayed")
        return self.log_ended(letter, await self.record_sent(letter, begun, ack))

    async def publish(self, begun: Decision, message: OutgoingMessage) -> Ack:
        """Raises NoReply when it is too late to begin, Invalid when the message id is taken."""
        if self.store.now() - begun.at > _LATEST_START:
            raise NoReply("it took too long to write the decision down; nothing was sent")
        ack = await self.store.bus.publish(
            message.subject,
            message.body,
            headers=message.headers,
            msg_id=begun.message_id,
            patience_s=PUBLISH_TIMEOUT_S,
        )
        if ack.duplicate:
            stored = await self.store.bus.get_message(ack.stream, ack.seq)
            same = (message.subject, message.body)
            if stored and (stored.subject, stored.data) != same:  # a missing one was processed
                raise Invalid(field_error("id", "id_taken", value=begun.message_id))
        return ack

    async def find_sent(self, letter: DeadLetter, begun: Decision) -> Ack | None:
        """Find a message that was perhaps sent, however long ago."""
        origin = letter.origin
        is_edited = begun.state == "edited"
        subject = subjects.content(letter.about.unit, "*") if is_edited else origin.subject
        async for message in self.store.bus.scan(origin.stream, subject, origin.seq + 1):
            has_id = message.headers.get("Nats-Msg-Id") == begun.message_id
            if has_id and _hash_of(message.data) == begun.after:
                return Ack(origin.stream, message.seq)
        return None

    def new_decision(
        self, state: DecisionState, letter: DeadLetter, person: Operator, sent: bytes | None = None
    ) -> Decision:
        return Decision(
            state=state,
            at=self.store.now(),
            by=printable(person.name.strip(), _NAME_MAX),
            reason=printable(person.reason.strip(), _REASON_MAX),
            covers=letter.latest,
            before=_hash_of(letter.original) if letter.body is not None else "",
            after=_hash_of(sent) if sent is not None else "",
            done=sent is None,
        )

    async def record_decision(self, letter: DeadLetter, decision: Decision) -> History:
        """Add a decision to the letter's history. Raises Invalid when another one was first."""
        key = history_key(letter.id)
        before = await read(self.store.histories, key, History)
        await self.finish_begun(letter, before.value or History(), decision)

        def add(history: History) -> History:
            if decision in history.decisions:
                return history
            _require_decidable(letter, history, decision)
            return History(decisions=(*history.decisions, decision))

        return (await update_or_create(self.store.histories, key, History, add, before)).value

    async def finish_begun(self, letter: DeadLetter, history: History, decision: Decision) -> None:
        """Raises Invalid when another message is being sent, or was: then it is recorded now."""
        _require_decidable(letter, history, decision)
        for begun in history.begun(letter.latest):
            if begun.message_id == decision.message_id:
                continue
            if ack := await self.find_sent(letter, begun):
                ended = await self.record_sent(letter, begun, ack)
                raise Invalid(_already_ended_error(letter, ended))

    async def record_sent(self, letter: DeadLetter, begun: Decision, ack: Ack) -> History:
        """Record where the message was stored, also after another decision meanwhile."""
        sent = {"done": True, "sent_to": f"{ack.stream} #{ack.seq}"}
        done = begun.model_copy(update=sent)

        key = history_key(letter.id)
        written = await update_or_create(
            self.store.histories, key, History, lambda history: history.with_finished(begun, done)
        )
        return written.value

    def log_ended(self, letter: DeadLetter, history: History) -> DeadLetter:
        state = history.decisions[-1].state
        log.info("dead_letter_ended", letter=letter.id, state=state, **letter.about.log_facts)
        return letter.model_copy(update={"decisions": history.decisions})


def _require_decidable(letter: DeadLetter, history: History, decision: Decision) -> None:
    """Raises Invalid for a letter that has ended, or that another operator is sending.

    The operator who began to send it may continue at once, but not discard it.
    """
    if history.ended(letter.id, letter.latest):
        raise Invalid(_already_ended_error(letter, history))
    for begun in history.begun(letter.latest):
        own = begun.by == decision.by and decision.state != "discarded"
        if not own and decision.at - begun.at < SENDING_HOLD:
            times = {"begun": begun.at, "free": begun.at + SENDING_HOLD}
            raise Invalid(field_error("id", "in_hand", value=letter.id, who=begun.by, **times))


def _is_of_its_stream(origin: MessageOrigin) -> bool:
    """Whether the subject is one of the stream's: a forged letter may name any, also a command."""
    words = origin.subject.split(".")
    patterns = [
        one.split(".") for s in subjects.STREAMS if s.name == origin.stream for one in s.subjects
    ]
    return any(
        len(words) == len(pattern) and all(map(_fits, words, pattern)) for pattern in patterns
    )


def _fits(word: str, wanted: str) -> bool:
    return wanted in ("*", word)


def require_whole(letter: DeadLetter) -> None:
    """Raises Invalid for a letter that lacks a part of its message."""
    if letter.erased:
        names = ", ".join(letter.left_out)
        raise Invalid(field_error("id", "only_by_http", value=letter.id, names=names))


def check_corrected(letter: DeadLetter, body: bytes, vocabulary: Vocabulary) -> OutgoingMessage:
    """Check *body*, a structured event. Raises ContractError when it is still broken."""
    require_whole(letter)
    unit = letter.about.unit
    if letter.stage != "intake" or not unit:
        raise Invalid(field_error("id", "letter_not_editable", value=letter.id))
    event = envelope.from_structured(body)
    events.check(event, vocabulary)
    events.check_sender(event, unit, vocabulary)
    headers = {"Content-Type": envelope.CONTENT_TYPE, EDITED_HEADER: "1"}
    return OutgoingMessage(subjects.content(unit, events.kind_of(event.type)), body, headers)


def _already_ended_error(letter: DeadLetter, history: History) -> FieldError:
    last = history.decisions[-1] if history.decisions else None
    state, who = (last.state, last.by) if last else ("", "")
    return field_error("id", "letter_ended", value=letter.id, state=translate(state), who=who)


def _hash_of(body: bytes) -> str:
    return sha256(body).hexdigest()
