"""A dead letter, the history of decisions about it, and queries for letters."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Annotated, Any, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    computed_field,
    field_validator,
    model_validator,
)

from consumers.dead_letters.message_info import MessageInfo
from contracts import subjects
from contracts.errors import FieldError, limit_errors
from contracts.text import nfc

DecisionState = Literal["replayed", "edited", "discarded"]
DeadLetterStage = Literal["intake", "dispatch", "deliver", "feedback"]
_SHORT_ERRORS_MAX = 5
_SHORT_HASH_LENGTH = 16
_ADDED_FIELDS = {"id", "last", "times", "latest", "decisions", "ended"}
"""Fields that are added when a letter is read; the others are stored."""
LEFT_OUT_NAMES_MAX = 30
"""How many of the parts that were left out are named."""


class MessageOrigin(BaseModel):
    """The place of a letter's message in its stream."""

    model_config = ConfigDict(frozen=True)

    subject: str
    stream: str
    seq: int
    headers: dict[str, str] = {}


class Decision(BaseModel):
    """A decision about a letter. Hashes are SHA-256 of whole bodies.

    It is written before the message is sent (`done` is false), and again after it (`sent_to`).
    `covers` is the latest death that it is about: a later one opens the letter again.
    """

    model_config = ConfigDict(frozen=True)

    state: DecisionState
    at: datetime
    by: str = ""
    reason: str = ""
    covers: int = 0
    before: str = ""
    after: str = ""
    sent_to: str = ""
    done: bool = True

    @property
    def message_id(self) -> str:
        """The same for the same body sent for the same death, and for no other message."""
        return f"{self.state}.{self.covers}.{self.after[:_SHORT_HASH_LENGTH]}"


class History(BaseModel):
    """Every decision about one letter, in order: bucket `control`, key `dead.<id>`, for ever."""

    model_config = ConfigDict(frozen=True)

    decisions: tuple[Decision, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _single(cls, value: Any) -> Any:
        """Read the first version, which kept one decision."""
        is_single = isinstance(value, dict) and "state" in value
        return {"decisions": [value]} if is_single else value

    def ended(self, id: int, latest: int) -> Decision | None:
        """The decision that ended the letter, unless its message died again since."""
        last = self.decisions[-1] if self.decisions else None
        return last if last and last.done and (last.covers or id) >= latest else None

    def begun(self, latest: int) -> tuple[Decision, ...]:
        """Decisions about the latest death that are not known to be finished."""
        return tuple(one for one in self.decisions if not one.done and one.covers >= latest)

    def is_repeat(self, decision: Decision) -> bool:
        """Whether the same message was to be sent before."""
        return [earlier.message_id for earlier in self.decisions].count(decision.message_id) > 1

    def with_finished(self, begun: Decision, done: Decision) -> "History":
        """Replace *begun* by *done*, as the last decision, behind those made meanwhile."""
        if done in self.decisions:
            return self
        others = list(self.decisions)
        if begun in others:
            others.remove(begun)
        return History(decisions=(*others, done))


class DeadLetter(BaseModel):
    """One dead letter. `body` is base64 of the original bytes; `at` is its first death.

    A message that dies again (after a replay, say) is the same letter: `times` counts its deaths,
    `last` and `latest` are the time and the place in DEAD of the latest. A body too large for a
    letter stays at its origin: `body` is None in the stream, and it is loaded, with the headers,
    when the letter is shown. The parts that `left_out` names were never stored, because they may
    contain a contact; then the message is `erased` at its origin.
    """

    model_config = ConfigDict(frozen=True)

    id: int = 0
    stage: str
    at: AwareDatetime
    last: datetime | None = None
    times: int = 1
    latest: int = 0
    origin: MessageOrigin
    about: MessageInfo = MessageInfo()
    errors: Annotated[tuple[FieldError, ...], Field(min_length=1)]
    body: str | None
    digest: str = ""
    left_out: tuple[str, ...] = ()
    erased: bool = False
    decisions: tuple[Decision, ...] = ()

    @field_validator("body")
    @classmethod
    def _base64(cls, body: str | None) -> str | None:
        base64.b64decode(body or "", validate=True)
        return body

    @computed_field  # type: ignore[prop-decorator]
    @property
    def ended(self) -> Decision | None:
        """The decision that ended it; None while it is open."""
        return History(decisions=self.decisions).ended(self.id, self.latest)

    @property
    def is_readable(self) -> bool:
        """Whether it is a dead letter, and not a foreign message in DEAD."""
        return self.origin.stream != subjects.DEAD.name

    @property
    def original(self) -> bytes:
        return base64.b64decode(self.body or "")

    @property
    def identity(self) -> str:
        """The same for the same message at each of its deaths."""
        return self.digest or f"{self.origin.stream}.{self.origin.seq}"

    @property
    def to_stored(self) -> bytes:
        return self.model_dump_json(exclude=_ADDED_FIELDS).encode()

    def without_body(self) -> "DeadLetter":
        """Return the letter with its first errors only; body and headers stay at the origin."""
        origin = self.origin.model_copy(update={"headers": {}})
        errors = limit_errors(self.errors, _SHORT_ERRORS_MAX)
        body = "" if self.erased else None
        return self.model_copy(update={"origin": origin, "errors": errors, "body": body})


@dataclass(frozen=True, slots=True)
class DeadLetterQuery:
    """All given parts have to match; `ended`: also ended letters.

    `ids` is None for any letter; an empty tuple selects none.
    """

    ids: tuple[int, ...] | None = None
    stage: str = ""
    unit: str = ""
    field: str = ""
    text: str = ""
    content_id: str = ""
    since: datetime | None = None
    until: datetime | None = None
    ended: bool = False

    @property
    def is_selective(self) -> bool:
        """Whether it selects some letters, instead of all."""
        return self != DeadLetterQuery(ended=self.ended)

    def matches(self, letter: DeadLetter) -> bool:
        return (
            (self.ended or letter.ended is None)
            and (self.ids is None or letter.id in self.ids)
            and self.stage in ("", letter.stage)
            and self.unit in ("", letter.about.unit)
            and self.content_id in ("", letter.about.content_id)
            and self.matches_field(letter)
            and self.matches_time(letter)
        )

    def matches_field(self, letter: DeadLetter) -> bool:
        """Whether an error is at the field or below it."""
        below = f"{self.field}."
        return not self.field or any(f"{error.field}.".startswith(below) for error in letter.errors)

    def matches_time(self, letter: DeadLetter) -> bool:
        """A letter matches from its first to its last death."""
        last = letter.last or letter.at
        return (self.since is None or last >= self.since) and (
            self.until is None or letter.at < self.until
        )

    def matches_text(self, body: bytes) -> bool:
        """Whether the original contains *text*, in upper or lower case."""
        return nfc(self.text).casefold() in nfc(body.decode("utf-8", "replace")).casefold()


def fingerprint(origin: MessageOrigin, body: bytes) -> str:
    """Identify a letter by the subject, the event's own headers, and every byte."""
    own = sorted(event_headers(origin.headers).items())
    head = "\x00".join([origin.subject, *(part for pair in own for part in pair)])
    return sha256(head.encode(errors="replace") + b"\x00\x00" + body).hexdigest()


EDITED_HEADER = "Loa-Edited"
"""Marks an event that a person has corrected: its text waits for another's approval.

It stays on the event when that is buried and sent again."""


def event_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the event's own headers, without those of the bus."""
    return {name: value for name, value in headers.items() if not name.startswith("Nats-")}
