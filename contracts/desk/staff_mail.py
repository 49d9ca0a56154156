"""Mail to staff about items on the desk: its kinds, what it says, and what each person wants."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from pydantic import AwareDatetime

from contracts.records import Record


class StaffMailKind(StrEnum):
    """Subject of a mail to staff."""

    WAITS = "waits"  # an item waits for the person's decision
    OVERDUE = "overdue"  # it has waited longer than it should
    RETURNED = "returned"  # the other kinds tell those who wrote or sent the item
    REJECTED = "rejected"
    PROGRESS = "progress"  # a step between submission and approval
    APPROVED = "approved"
    PUBLISHED = "published"
    CORRECTED = "corrected"
    WITHDRAWN = "withdrawn"
    WITHHELD = "withheld"  # an approved issue was not sent at its time; its approvers are told, too
    OUTDATED = "outdated"  # an issue that readers have tells of an item that was withdrawn
    OVERTAKEN = "overtaken"  # a newer text of the unit's system stands in its place
    FAILED = "failed"  # not everybody whom it was for got it


OPTIONAL_KINDS = (
    *(StaffMailKind.PROGRESS, StaffMailKind.APPROVED, StaffMailKind.PUBLISHED),
    *(StaffMailKind.CORRECTED, StaffMailKind.FAILED),
)
"""Kinds that a person may turn off; the others ask for something, or say that it was refused."""


class MailChoice(Record):
    """How a person gets mail about items: at once, or together on the morning of a working day."""

    in_morning: bool = False
    off: tuple[StaffMailKind, ...] = ()
    """Kinds that the person does not want; of `OPTIONAL_KINDS` alone."""
    has_no_address: bool = False
    """The person wants none kept; then the identity provider's is not taken."""

    def with_kinds(
        self, off: Iterable[StaffMailKind], on: Iterable[StaffMailKind] = ()
    ) -> "MailChoice":
        """The choice without kinds *off*, and with kinds *on*; only optional ones can be off."""
        unwanted = {*self.off, *off} - {*on}
        kinds = tuple(kind for kind in OPTIONAL_KINDS if kind in unwanted)
        return self.model_copy(update={"off": kinds})

    @property
    def wanted(self) -> tuple[StaffMailKind, ...]:
        """Those of `OPTIONAL_KINDS` that the person gets."""
        return tuple(kind for kind in OPTIONAL_KINDS if kind not in self.off)

    def wants(self, kind: StaffMailKind) -> bool:
        return kind not in self.off or kind not in OPTIONAL_KINDS


@dataclass(frozen=True)
class MailSettings:
    """A person's mail address, empty for none, and the wishes for mail."""

    address: str = field(repr=False)
    choice: MailChoice


INTERNAL = "internal"
"""The step of `approved` where readers get nothing new."""


class StaffMailLine(Record):
    """One mail, or one line of a morning's mail, about one item: nothing of its body."""

    kind: StaffMailKind
    step: str = ""
    """Of `waits` and `overdue`: `confirm`, `edit` or `approve`; of `progress`: the new status.

    Of `approved`: `internal` where readers get nothing new.
    """
    content_id: str
    title: str
    unit: str
    code: str = ""
    """Why it was rejected: a code of `rejections.toml`."""
    reason: str = ""
    due: AwareDatetime | None = None
    """The deadline of what waits."""
    begins: AwareDatetime | None = None
    """Of `published` and `corrected`: when readers will see the text, if that time is to come."""
    withdrawn: str = ""
    """Of `outdated`: the content_id of the withdrawn item."""
    missed: int = 0
    """Of `failed`: how many did not get it."""
    expected: int = 0
    """Of `failed`: for how many it was."""
