"""Transactional mail: to one person, about their own subscription or work; of no list."""

from enum import StrEnum

from pydantic import AwareDatetime

from contracts.desk.staff_mail import StaffMailLine
from contracts.publication import Publication
from contracts.records import Record


class TransactionalKind(StrEnum):
    """The kinds of transactional mail."""

    CONFIRM = "confirm"  # confirm a sign-up with this address
    MANAGE = "manage"  # an access link to the subscription
    ABSENT = "absent"  # an access link was requested without a subscription
    CHANGE = "change"  # confirm the new address
    CHANGED = "changed"  # to the old address: the address has changed
    GOODBYE = "goodbye"  # the subscription has ended
    ERASED = "erased"  # it has ended, and everything is deleted
    AUDIT_HEAD = "audit_head"  # to the auditor: the day's head of the audit log
    STAFF = "staff"  # to a person who works at the desk, about items
    TRIAL = "trial"  # to such a person, as asked: an item as its readers would get it


NOTIFICATION_KINDS = frozenset(
    {
        TransactionalKind.CHANGED,
        TransactionalKind.GOODBYE,
        TransactionalKind.ERASED,
        TransactionalKind.AUDIT_HEAD,
        TransactionalKind.STAFF,
        TransactionalKind.TRIAL,
    }
)
"""Kinds that report a completed change, once; all other kinds can be requested again."""


class TransactionalMail(Record):
    """Bucket `notices`, key `<content_id>`, until the mail has been sent; 30 days at most."""

    kind: TransactionalKind
    address: str
    path: str = ""
    """Path of its link below the public address; empty for none."""
    other: str = ""
    """The other address of an address change, masked."""
    text: str = ""
    """Quotation in the mail; no text of a person."""
    lines: tuple[StaffMailLine, ...] = ()
    """To staff: the items that it is about."""
    desk_url: str = ""
    """To staff: the address of the desk; empty where it is not known."""
    disabled_endpoint: str = ""
    """To a unit: its endpoint that is called no more. An earlier version takes the mail for one to
    staff."""
    publication: Publication | None = None
    """Of a trial: the item."""
    trial_unit: str = ""
    """Of a trial that a unit's system sent: the unit's name. An earlier version takes it for one of
    the desk."""
    is_correction: bool = False
    """Of a trial: whether its reader had an earlier position of the item."""
    at: AwareDatetime
    expires_at: AwareDatetime
    """When the link expires; the mail is not sent after."""
    write: str = ""
    """Write id, unique per mail: identifies the stored value after a write without reply."""


class UnsubscribeResult(StrEnum):
    """The result of unsubscribing or erasing."""

    DONE = "done"
    IN_PROGRESS = "soon"  # in force; the remaining steps finish within minutes
    ALREADY_DONE = "before"  # already unsubscribed or erased


class ClosingMail(Record):
    """Bucket `subscribers`, key `f.<content_id>`: steps that follow a change, until they are done.

    The record is written in one commit with the change, so a crash cannot separate them.
    """

    letter: TransactionalMail | None = None
    """None if the address is no longer known."""
    forget: str = ""
    """Id of a former subscriber whose empty record is deleted as well."""

    @property
    def erases_address(self) -> bool:
        """Whether records that hold the address are deleted, too."""
        return self.letter is None or self.letter.kind is TransactionalKind.ERASED


def mask_address(address: str) -> str:
    """A masked address that only its owner recognises: `ng***@example.com`."""
    name, _, domain = address.rpartition("@")
    return f"{name[:2]}***@{domain}"
