"""A draft at the desk, with the rules of deciding on it: four eyes, one decision, a reason."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic_core import PydanticCustomError

from consumers.faults import fault, texts, word
from consumers.items import SUPERSEDED, Decision, Position
from contracts import errors, events, keys, text
from contracts.content import Submitted
from contracts.errors import Conflict, Forbidden, Invalid

CLERK_MAX = 150
REASON_MAX = 500


class Draft(BaseModel):
    """A revision that waits: bucket `desk`, key `<content_id>.<revision>`.

    `data` is what the unit sent; `hash` names it, and an approval is given to that hash.
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

    @property
    def key(self) -> str:
        return keys.publication_key(self.content_id, self.revision)

    def verify(self) -> None:
        """Raises Conflict when the data is not what the hash names."""
        if keys.content_hash(self.type, self.data) != self.hash:
            raise Conflict(fault("content_hash", "content_differs"))

    @property
    def text(self) -> Submitted:
        """What the unit wrote, verified."""
        self.verify()
        read = events.KINDS[self.type].model_validate(self.data)
        if not isinstance(read, Submitted):
            raise TypeError(f"{self.type} never waits at the desk")
        return read


def clerk(field: str, name: str) -> str:
    """The name of whoever decides. Raises Invalid without one."""
    return _line(field, name, CLERK_MAX) or _refuse(field, "who_required")


def why(code: str, reason: str) -> tuple[str, str]:
    """Why content is turned down: a known code, a reason, or both. Raises Invalid for neither."""
    codes = ", ".join(texts("rejections"))
    if code and code not in texts("rejections"):
        raise Invalid(fault("code", "unknown_reject_code", value=code, codes=codes))
    reason = _line("reason", reason, REASON_MAX)
    if not (code or reason):
        raise Invalid(fault("reason", "why_required", codes=codes))
    return code, reason


def check_eyes(record: Position, approver: str) -> None:
    """Nobody approves what they wrote or submitted. Raises Forbidden."""
    own = {text.squeeze(name) for name in (record.author, record.submitter) if name}
    if text.squeeze(approver) in own:
        raise Forbidden(fault("approver", "own_content", value=approver))


def check_content(record: Position, shown: str | None) -> None:
    """What was reviewed is what is decided on. Raises Conflict."""
    if shown is not None and shown != record.hash:
        raise Conflict(fault("content_hash", "content_differs"))


def decide(record: Position | None, decision: Decision, key: str) -> Position:
    """The record with the decision; the same one again changes nothing.

    Raises Conflict after another decision, Invalid when nothing waits.
    """
    if record is None:
        raise Invalid(fault("content_id", "not_waiting", value=key))
    if record.state == "waiting":
        return _decided(record, decision)
    if record.decision is None:
        overtaken = record.state == "withdrawn" or record.code == SUPERSEDED
        raise Conflict(fault("revision", "overtaken" if overtaken else "not_waiting", value=key))
    if record.decision.verdict != decision.verdict:
        values = {"value": key, "state": word(record.decision.verdict), "who": record.decision.by}
        raise Conflict(fault("revision", "already_decided", **values))
    return record


def _decided(record: Position, decision: Decision) -> Position:
    if decision.verdict == "approved":
        update = {"state": "released", "released_at": decision.at}
    else:
        update = {"state": "refused", "code": decision.code, "reason": decision.reason}
    return record.model_copy(update={**update, "decision": decision})


def _line(field: str, value: str, longest: int) -> str:
    try:
        line = text.line(value)
    except PydanticCustomError as error:
        raise Invalid(errors.fault(field, error.type, **(error.context or {}))) from error
    if len(line) > longest:
        raise Invalid(errors.fault(field, "string_too_long", max_length=longest))
    return line


def _refuse(field: str, code: str) -> str:
    raise Invalid(fault(field, code))
