"""A letter to one person about their own subscription: it belongs to no list and can't be left."""

from enum import StrEnum

from pydantic import AwareDatetime

from contracts.records import Record


class TransactionalKind(StrEnum):
    """What a letter says."""

    CONFIRM = "confirm"  # somebody asked for mail with this address: was it you?
    MANAGE = "manage"  # a link to one's own subscription
    ABSENT = "absent"  # somebody asked for that link, and there is no subscription
    CHANGE = "change"  # confirm that this is the new address
    CHANGED = "changed"  # to the old address: it is another one now
    GOODBYE = "goodbye"  # the subscription has ended
    ERASED = "erased"  # it has ended, and everything is deleted


NOTIFICATION_KINDS = frozenset(
    {TransactionalKind.CHANGED, TransactionalKind.GOODBYE, TransactionalKind.ERASED}
)
"""What tells readers of their own act, once; any other letter can be asked for again."""


class TransactionalMail(Record):
    """Bucket `notices`, key `<content_id>`, until the letter has ended; 30 days at most."""

    kind: TransactionalKind
    address: str
    path: str = ""
    """Where its link leads, below the public address; empty for none."""
    other: str = ""
    """The other address of a change, as much of it as its owner needs to know it by."""
    at: AwareDatetime
    expires_at: AwareDatetime
    """When the link ends; a letter that has not left by then never does."""
    write: str = ""
    """Unique per letter: after silence it tells whose lies there."""


class UnsubscribeResult(StrEnum):
    """What has become of somebody's wish to leave, or to be erased."""

    DONE = "done"
    IN_PROGRESS = "soon"  # it stands and is in force; what follows from it is done within minutes
    ALREADY_DONE = "before"  # it was so already


class MailQuotaReached(Exception):
    """So many letters have left lately that none leaves now, whoever it is for."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(f"none for {retry_after_s:.0f} s")
        self.retry_after_s = retry_after_s


class ClosingMail(Record):
    """Bucket `subscribers`, key `f.<content_id>`: what follows from a change, until it is done.

    It is written in one commit with the change itself, so that no crash can part them.
    """

    letter: TransactionalMail | None = None
    """None where nobody knows the address any more."""
    forget: str = ""
    """The id of somebody who has left and whose empty record goes as well."""

    @property
    def erases_address(self) -> bool:
        """Whether what names them by their addresses goes, too."""
        return self.letter is None or self.letter.kind is TransactionalKind.ERASED


def mask_address(address: str) -> str:
    """An address that only its owner knows again: `ng***@example.com`."""
    name, _, domain = address.rpartition("@")
    return f"{name[:2]}***@{domain}"
