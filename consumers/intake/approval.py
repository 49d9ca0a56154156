"""Drafts at the desk, and decisions on them in the records of their positions.

`contracts.editorial` has the rules of a decision.
"""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from consumers.intake.items import SUPERSEDED_CODE, Decision, Position
from consumers.messages import field_error, translate
from contracts import errors, events, keys, text
from contracts.content import Submitted
from contracts.editorial import EditorialText
from contracts.errors import Conflict, Invalid
from contracts.vocabulary import GIVEN_BY_PEOPLE

_NAME_MAX = 150
_REASON_MAX = 500


class Draft(BaseModel):
    """A revision that waits, as the editorial log has it.

    `data` is the unit's event data. An approval is given to its `hash`.
    """

    model_config = ConfigDict(frozen=True)

    content_id: str
    revision: int
    unit: str
    event_id: str
    hash: str
    type: str
    data: dict[str, Any]
    at: datetime
    event_time: datetime | None = None
    author: str | None = None
    submitter: str | None = None
    trace: dict[str, str] = Field(default_factory=dict)  # its trace context, for the release

    @property
    def key(self) -> str:
        return keys.publication_key(self.content_id, self.revision)

    @property
    def text(self) -> EditorialText:
        """The draft as an act of the editorial log carries it."""
        return EditorialText.model_validate(self.model_dump(include={*EditorialText.model_fields}))

    def verify_hash(self) -> None:
        """Raises Conflict when the data does not match the hash."""
        if keys.content_hash(self.type, self.data) != self.hash:
            raise Conflict(field_error("content_hash", "content_differs"))

    @property
    def content(self) -> Submitted:
        """The unit's content, after its hash is verified."""
        self.verify_hash()
        read = events.KINDS[self.type].model_validate(self.data)
        if not isinstance(read, Submitted):
            raise TypeError(f"{self.type} never waits at the desk")
        return read


def draft_of(content_id: str, revision: int, text: EditorialText, at: datetime) -> Draft:
    """The draft of a revision whose whole text an act carried."""
    facts = {"content_id": content_id, "revision": revision, "hash": text.hash, "at": at}
    return Draft.model_validate(text.model_dump() | facts)


def reviewer_name(field: str, name: str) -> str:
    """The name of a person, cleaned. Raises Invalid without one."""
    line = errors.check_line(field, name, _NAME_MAX)
    if text.name_key(line):
        return line
    raise Invalid(field_error(field, "who_required"))


def rejection(code: str, reason: str) -> tuple[str, str]:
    """The code and the reason of a rejection, cleaned. Raises Invalid when both are missing."""
    codes = GIVEN_BY_PEOPLE
    if code and code not in codes:
        words = {"codes": codes, "near": errors.nearest(code, codes)}
        raise Invalid(field_error("code", "unknown_reject_code", value=code, **words))
    reason = errors.check_line("reason", reason, _REASON_MAX)
    if not (code or reason):
        raise Invalid(field_error("reason", "why_required", codes=codes))
    return code, reason


def is_own_content(record: Position, approver: str) -> bool:
    """Whether *approver* is the author or the submitter; names match without marks and case."""
    people = (record.author, record.submitter)
    return any(text.is_same_name(approver, one) for one in people if one)


def decided_hash(record: Position) -> str:
    """The hash of the text that was decided on."""
    return (record.decision and record.decision.hash) or record.hash


def check_hash(hash: str, expected: str) -> None:
    """Refuse content other than the expected one, if that is named. Raises Conflict."""
    if expected not in ("", hash):
        raise Conflict(field_error("content_hash", "content_differs"))


def record_decision(record: Position | None, decision: Decision, key: str) -> Position:
    """The record with the decision; a repeated decision changes nothing.

    Raises Conflict after another decision, Invalid when nothing waits.
    """
    if record is None:
        raise Invalid(field_error("content_id", "not_waiting", value=key))
    if record.state == "waiting":
        return _with_decision(record, decision)
    if record.decision is None:
        gone = record.state == "withdrawn" or record.code == SUPERSEDED_CODE
        code = "overtaken" if gone else "not_waiting"
        raise Conflict(field_error("revision", code, value=key))
    if record.decision.verdict != decision.verdict:
        state, who = translate(record.decision.verdict), record.decision.by
        raise Conflict(field_error("revision", "already_decided", value=key, state=state, who=who))
    return record


def _with_decision(record: Position, decision: Decision) -> Position:
    if decision.verdict == "approved":
        update = {"state": "released", "released_at": decision.at}
    else:
        update = {"state": "refused", "code": decision.code, "reason": decision.reason}
    return record.model_copy(update={**update, "decision": decision})
