"""An act on an item: who did what as what, when, to which text, and which act came before."""

import json
import operator
from enum import StrEnum
from hashlib import sha256
from typing import Annotated, Any

from pydantic import AwareDatetime, ConfigDict, Field, PositiveInt

from contracts import keys, text
from contracts.text.descriptions import Described

UNIT_SYSTEM = "unit-system"
"""The role of a unit's system, which its key proves."""
RULE = "rule"
"""The role of Loa itself, where a rule acts and no person."""
GIVEN_UP = "bo-ban-nhap"
"""The code of a rejection by which who wrote a text that is not sent gives it up."""
WITHHELD = "khong-phat-hanh"
"""The code of a withdrawal by which Loa itself keeps back what was to go out at its time."""
NOT_RELEASED = "khong-doi-noi-dung-cong-bo"
"""The code of a publication by which a text is in force, while readers keep what they have.

It differs from theirs in fields that are not released; the stream of publications lacks it.
"""
AUTOMATIC_RELEASE = "automatic-release"
"""The rule by which what a unit's system sends is approved, where its registration says so."""
DESK_ACT = "desk."
"""The beginning of the id of an act that a person ordered at the desk; others have an event's."""


def name_hash(name: str) -> str:
    """The hash of a name, or of an id, in every spelling; empty without letters."""
    key = text.name_key(name)
    return sha256(key.encode()).hexdigest() if key else ""


class ActionKind(StrEnum):
    """Acts on an item; `contracts.editorial.moves.MOVES` says when each is possible."""

    RECEIVE = "receive"
    """A unit's system sends a revision; one that a rule approves is about to leave at once."""
    SAVE = "save"
    """A person of the unit writes or changes a draft."""
    SUBMIT = "submit"
    """The draft goes to the unit's leader."""
    CONFIRM = "confirm"
    """The unit's leader confirms it, and that nothing secret or personal is in it."""
    EDIT = "edit"
    """An editor takes it or changes its text."""
    PROPOSE = "propose"
    """The editor proposes it, and confirms the same a second time."""
    APPROVE = "approve"
    SCHEDULE = "schedule"
    """The text is about to leave at its time, and can't be edited any more."""
    PUBLISH = "publish"
    """An approved revision is out."""
    RETURN = "return"
    """The text goes back to who sent it, with a reason."""
    REJECT = "reject"
    SETTLE = "settle"
    """A rejection is carried out: the position's record has it."""
    SUPERSEDE = "supersede"
    """A newer revision took the place of one that was not out."""
    WITHDRAW = "withdraw"
    COMMENT = "comment"
    """A person remarks on the text, or on one of its paragraphs."""


class _Frozen(Described):
    """Fields that a later version adds are kept, because digests cover them."""

    model_config = ConfigDict(frozen=True, extra="allow", hide_input_in_errors=True)


class EditorialText(_Frozen):
    """A whole text of an item, as its event carries it, and where it comes from."""

    unit: str
    type: str
    """The kind of event that it makes."""
    data: dict[str, Any]
    event_id: str = ""
    """The unit's event that it came with."""
    event_time: Annotated[AwareDatetime | None, Field(exclude_if=lambda at: at is None)] = None
    """When the event came to be, as it says itself."""
    author: str | None = None
    submitter: str | None = None
    trace: dict[str, str] = Field(default_factory=dict)
    """The trace context in which it came, for its release."""

    @property
    def hash(self) -> str:
        return keys.content_hash(self.type, self.data)


class AgreementBefore(_Frozen):
    """One of two people agreed to an act, which the other one did."""

    by: str
    role: str
    at: AwareDatetime


class Action(_Frozen):
    """One act on one revision of an item. Acts of one item form a chain by their hashes."""

    id: str = Field(min_length=1)
    """The same for every repeat of the act."""
    at: AwareDatetime
    by: str = Field(min_length=1)
    """An account's id, a name where there are no accounts, or a unit whose system acts."""
    name_hash: str = Field(default="", exclude_if=operator.not_)
    """The hash of the account's name, by which a unit's system may know the same person.

    The name itself is not here, because it is erased with its account.
    """
    role: str = ""
    kind: ActionKind
    revision: PositiveInt
    hash: str
    """The content hash of the text it concerns."""
    text: EditorialText | None = None
    """The whole text, where the act changed it."""
    rule: str = Field(default="", exclude_if=operator.not_)
    """The rule of Loa that approves what a unit's system sends; empty where people decide."""
    agreed: tuple[str, ...] = Field(default=(), exclude_if=operator.not_)
    """The accounts that had agreed before, where an act takes two people."""
    agreements: tuple[AgreementBefore, ...] = Field(default=(), exclude_if=operator.not_)
    """The same with their roles and times; an earlier version did not keep them."""
    is_clean: Annotated[bool | None, Field(exclude_if=lambda promise: promise is None)] = None
    """Whether the person answers that nothing secret or personal is in the text.

    None: no person acts, or an earlier version did not keep it.
    """
    note: str = ""
    code: str = ""
    place: Annotated[PositiveInt | None, Field(exclude_if=lambda place: place is None)] = None
    """The paragraph of the text, counted from 1, that a remark is about."""
    title: str = Field(default="", exclude_if=operator.not_)
    """Title for readers in place of the one that is withdrawn."""
    short_title: str = Field(default="", exclude_if=operator.not_)
    """The same on Zalo, in fewer words."""
    prev: str = ""
    """The digest of the item's act before; empty for its first."""

    def encode(self) -> bytes:
        """Canonical JSON: sorted keys, no spaces, UTF-8."""
        values = self.model_dump(mode="json")
        canonical = json.dumps(values, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return canonical.encode()

    @property
    def digest(self) -> str:
        """Hash that the next act names as `prev`."""
        return sha256(self.encode()).hexdigest()
