"""Recipients of a batch, and their contacts, looked up anew for every window."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, Protocol

from channels.base import Outcome
from consumers.ledger.codec import BatchRows
from consumers.ledger.entry import LedgerEntry
from contracts.delivery import BatchKey, ChannelName


class Contact(NamedTuple):
    """A recipient's current address and name; a `suppression_reason` forbids sending.

    A paused recipient gets only the corrections and withdrawals of texts that they were sent.
    """

    id: str
    address: str = ""
    name: str = ""
    suppression_reason: str = ""
    is_paused: bool = False


class Unsent(StrEnum):
    """Why a recipient without a suppression gets nothing."""

    LEFT = "left"
    PAUSED = "paused"


def reason_not_to_send(contact: Contact | None, *, mends_text: bool) -> str | None:
    """Why a row must not be sent: one of `Unsent`, or its suppression; None if it may be.

    *mends_text*: the recipient was sent the text that this corrects or takes back.
    """
    if contact is None:
        return Unsent.LEFT
    if contact.is_paused and not mends_text:
        return Unsent.PAUSED
    return contact.suppression_reason or None


class ContactLookup(Protocol):
    """Looks up contacts by recipient id; a recipient who has left is not in the result."""

    def lookup(self, ids: Sequence[str]) -> Mapping[str, Contact]:
        """Raises RetryLater when the result could be outdated."""


class FixedRecipients:
    """Recipients without contacts: the portal, the Official Account."""

    def lookup(self, ids: Sequence[str]) -> Mapping[str, Contact]:
        return {id: Contact(id) for id in ids}


class SuppressionList(Protocol):
    """Addresses that a channel must not try; see `consumers.suppression.store`."""

    async def reason(self, channel: ChannelName, address: str) -> str | None: ...
    async def add(
        self, channel: ChannelName, address: str, reason: str, until: datetime | None
    ) -> None: ...


class RowSource(Protocol):
    """The frozen rows of publications; see `consumers.deliver.renderings`."""

    async def rows(self, batch: BatchKey) -> BatchRows: ...


class BatchRecipients(NamedTuple):
    """The rows of a batch, and the current contacts of their recipients.

    `is_last_channel`: no other channel follows, so this one does not give the recipient up.
    """

    rows: BatchRows
    contact_lookup: ContactLookup
    is_last_channel: bool = False


@dataclass(frozen=True, slots=True)
class SingleRecipient:
    """The recipient of a notice; the address is empty once the contact is deleted."""

    address: str
    suppression_reason: str = ""

    def lookup(self, ids: Sequence[str]) -> Mapping[str, Contact]:
        if not self.address:
            return {}
        return {id: Contact(id, self.address, "", self.suppression_reason) for id in ids}


class RecipientStrategy:
    """Recipients of one kind of content, and what follows from their outcomes: here nothing."""

    def serves(self, batch: BatchKey) -> bool:
        """Whether *batch* is of this kind."""
        raise NotImplementedError

    async def recipients(self, batch: BatchKey, entry: LedgerEntry) -> BatchRecipients:
        """The rows of *batch*, and the lookup of their contacts."""
        raise NotImplementedError

    async def is_last_channel(self, _batch: BatchKey, _entry: LedgerEntry) -> bool:
        """Whether no other channel follows if this one gives up."""
        return False

    async def on_deferred(self, batch: BatchKey, entry: LedgerEntry, now: float) -> None:
        """Called when the batch waits for its next attempt."""

    async def on_closed(self, batch: BatchKey, entry: LedgerEntry, now: float) -> None:
        """Called when every row has ended; repeated after a crash, so it has to be idempotent."""

    async def on_outcomes(
        self, batch: BatchKey, entry: LedgerEntry, outcomes: Sequence[Outcome], now: float
    ) -> None:
        """Called after a window's outcomes are committed."""


@dataclass
class PublicationRecipients(RecipientStrategy):
    """Recipients of publications and digests, given up after 72 hours."""

    row_source: RowSource
    contact_lookup: ContactLookup

    def serves(self, _batch: BatchKey) -> bool:
        return True

    async def recipients(self, batch: BatchKey, _entry: LedgerEntry) -> BatchRecipients:
        return BatchRecipients(await self.row_source.rows(batch), self.contact_lookup)


class ChannelRecipients(NamedTuple):
    """Contacts of a channel's publications, and the strategies for its other content."""

    contacts: ContactLookup = FixedRecipients()
    strategies: Sequence[RecipientStrategy] = ()
