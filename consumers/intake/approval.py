"""Drafts at the desk and the rules of a decision: four eyes, one decision, a reason.

The rules of `contracts.editorial` know people as the log names them; here an account's name counts
as well.
"""

from datetime import datetime
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from consumers.intake.items import SUPERSEDED_CODE, Decision, Position
from consumers.messages import field_error, translate
from contracts import errors, events, keys, text
from contracts.content import Submitted
from contracts.editorial import EditorialText, name_hash
from contracts.errors import Conflict, Forbidden, Invalid
from contracts.vocabulary import REJECTIONS

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


class Reviewer(NamedTuple):
    """A person who decides: `by` is recorded, an account's id or a name; `name`: the account's.

    `agreed`: ids of accounts that proposed the decision before.
    """

    by: str
    name: str = ""
    role: str = ""
    agreed: tuple[str, ...] = ()

    def is_person(self, named: str) -> bool:
        """Whether *named*, an id or a name, is this person; names match without marks and case."""
        return any(text.is_same_name(own, named) for own in (self.by, self.name))

    def approval(self, at: datetime, reviewed_hash: str = "") -> Decision:
        reason = f"proposed by {', '.join(self.agreed)}" if self.agreed else ""
        return self._decision("approved", at, reason=reason, hash=reviewed_hash)

    def rejection(self, at: datetime, code: str, reason: str) -> Decision:
        return self._decision("rejected", at, code=code, reason=reason)

    def _decision(self, verdict: str, at: datetime, **facts: str) -> Decision:
        who = {"by": self.by, "name_hash": name_hash(self.name), "role": self.role}
        return Decision.model_validate({"verdict": verdict, "at": at, **who, **facts})


def draft_of(content_id: str, revision: int, text: EditorialText, at: datetime) -> Draft:
    """The draft of a revision whose whole text an act carried."""
    facts = {"content_id": content_id, "revision": revision, "hash": text.hash, "at": at}
    return Draft.model_validate(text.model_dump() | facts)


def reviewer(field: str, who: str | Reviewer) -> Reviewer:
    """The reviewer, a name cleaned. Raises Invalid without one."""
    if isinstance(who, Reviewer):
        return who
    line = errors.check_line(field, who, _NAME_MAX)
    if text.name_key(line):
        return Reviewer(line)
    raise Invalid(field_error(field, "who_required"))


def rejection(code: str, reason: str) -> tuple[str, str]:
    """The code and the reason of a rejection, cleaned. Raises Invalid when both are missing."""
    codes = tuple(REJECTIONS)
    if code and code not in codes:
        words = {"codes": codes, "near": errors.nearest(code, codes)}
        raise Invalid(field_error("code", "unknown_reject_code", value=code, **words))
    reason = errors.check_line("reason", reason, _REASON_MAX)
    if not (code or reason):
        raise Invalid(field_error("reason", "why_required", codes=codes))
    return code, reason


def check_four_eyes(record: Position, approver: Reviewer) -> None:
    """Refuse approval by the author or the submitter. Raises Forbidden."""
    if any(approver.is_person(name) for name in (record.author, record.submitter) if name):
        raise Forbidden(field_error("approver", "own_content", value=approver.name or approver.by))


def decided_hash(record: Position) -> str:
    """The hash of the text that was decided on."""
    return (record.decision and record.decision.hash) or record.hash


def check_hash(hash: str, expected: str) -> None:
    """Refuse content other than the expected one, if that is named. Raises Conflict."""
    if expected not in ("", hash):
        raise Conflict(field_error("content_hash", "content_differs"))


def about(decision: Decision, hash: str) -> Decision:
    """The decision on the text of *hash*. Raises Conflict if another one was reviewed."""
    check_hash(hash, decision.hash)
    return decision.model_copy(update={"hash": hash})


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
        is_out = record.state in ("released", "scheduled")
        code = "overtaken" if gone else "released_already" if is_out else "not_waiting"
        raise Conflict(field_error("revision", code, value=key))
    if record.decision.verdict != decision.verdict:
        state, who = translate(record.decision.verdict), record.decision.by
        raise Conflict(field_error("revision", "already_decided", value=key, state=state, who=who))
    return record


def repeated(record: Position | None, decision: Decision, key: str) -> Position:
    """The record of a decided position. Raises as `record_decision`, and Conflict if it waits."""
    if record and record.state == "waiting":
        raise Conflict(field_error("revision", "not_waiting", value=key))
    if record:
        check_hash(decided_hash(record), decision.hash)
    return record_decision(record, decision, key)


def _with_decision(record: Position, decision: Decision) -> Position:
    if decision.verdict == "approved":
        update = {"state": "released", "released_at": decision.at}
    else:
        update = {"state": "refused", "code": decision.code, "reason": decision.reason}
    return record.model_copy(update={**update, "decision": decision})
