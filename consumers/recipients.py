"""Recipients of a batch, and their contacts, looked up anew for every window."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from channels.base import Outcome
from consumers.ledger.codec import BatchRows
from consumers.ledger.entry import LedgerEntry
from contracts.delivery import BatchKey, ChannelName


class Contact(NamedTuple):
    """A recipient's address and name at this moment; `barred`: why nothing may be sent there."""

    id: str
    address: str = ""
    name: str = ""
    suppression_reason: str = ""


class ContactLookup(Protocol):
    """Looks up recipients; one that is not in the answer is gone."""

    def lookup(self, ids: Sequence[str]) -> Mapping[str, Contact]:
        """Raises Later when the answer could be stale: look-up failed is not gone."""


class FixedRecipients:
    """Recipients that are places, not people: the portal, the Official Account."""

    def lookup(self, ids: Sequence[str]) -> Mapping[str, Contact]:
        return {id: Contact(id) for id in ids}


class SuppressionList(Protocol):
    """Which addresses a channel must not try; see `consumers.suppression.store`."""

    async def reason(self, channel: ChannelName, address: str) -> str | None: ...
    async def add(
        self, channel: ChannelName, address: str, reason: str, until: datetime | None
    ) -> None: ...


class RowSource(Protocol):
    """The frozen rows of publications; see `consumers.deliver.renderings`."""

    async def rows(self, batch: BatchKey) -> BatchRows: ...


class BatchRecipients(NamedTuple):
    """The rows of a batch, and where their recipients are reached at this moment.

    `last`: nobody else will tell them if this channel can't, so that it does not give them up.
    """

    rows: BatchRows
    contact_lookup: ContactLookup
    is_last_channel: bool = False


@dataclass(frozen=True, slots=True)
class SingleRecipient:
    """The one recipient of a notice, at this moment; without an address it is gone."""

    address: str
    suppression_reason: str = ""

    def lookup(self, ids: Sequence[str]) -> Mapping[str, Contact]:
        if not self.address:
            return {}
        return {
            id: Contact(id, self.address, suppression_reason=self.suppression_reason) for id in ids
        }


@dataclass
class PublicationRecipients:
    """The recipients of publications, as `Persons` are those of notices: nothing follows."""

    row_source: RowSource
    contact_lookup: ContactLookup

    async def recipients(self, batch: BatchKey, _entry: LedgerEntry) -> BatchRecipients:
        return BatchRecipients(await self.row_source.rows(batch), self.contact_lookup)

    async def is_last_channel(self, _batch: BatchKey, _entry: LedgerEntry) -> bool:
        """Who was tried in vain for 72 h is given up."""
        return False

    async def on_deferred(self, _batch: BatchKey, entry: LedgerEntry, now: float) -> None:
        """Readers wait as their publication's plan says."""

    async def on_closed(self, batch: BatchKey, entry: LedgerEntry, now: float) -> None:
        """Nothing follows from a batch's end."""

    async def on_outcomes(
        self, batch: BatchKey, entry: LedgerEntry, outcomes: Sequence[Outcome], now: float
    ) -> None:
        """What readers want, they have said elsewhere."""
