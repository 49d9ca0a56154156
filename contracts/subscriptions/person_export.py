"""Everything that Loa keeps about one person, as given to them: JSON Schema `person-export.v1`."""

from typing import Literal

from pydantic import AwareDatetime

from contracts.base.fields import Contract
from contracts.case import Contact
from contracts.delivery import ChannelName, Status
from contracts.subscriptions.subscriber import Subscriber

KIND = "person-export.v1"


class ExportedDelivery(Contract):
    """A message to the person, and how it ended; the texts themselves are public."""

    channel: ChannelName
    content_id: str
    revision: int
    title: str = ""
    items: tuple[str, ...] = ()
    """Of a digest: the items that were in this person's."""
    status: Status
    planned_at: AwareDatetime
    ended_at: AwareDatetime | None = None
    failed_attempts: int = 0
    reason: str = ""
    came_back: str = ""
    """Status code with which the mail came back later."""
    reported_as_spam: bool = False


class ExportedNotice(Contract):
    """A case notice whose contact is still kept."""

    content_id: str
    revision: int
    unit: str
    channels: tuple[ChannelName, ...]
    contact: Contact
    stored_at: AwareDatetime


class ExportedLetter(Contract):
    """A letter about the person's own subscription that is not yet sent."""

    letter: str
    address: str
    at: AwareDatetime
    expires_at: AwareDatetime


class ExportedSuppression(Contract):
    """Why a channel leaves the address alone; kept under a keyed hash of the address."""

    channel: ChannelName
    reason: str
    at: AwareDatetime
    until: AwareDatetime | None = None


class ExportedFollower(Contract):
    """Data kept of a person at Zalo, by their id at the Official Account."""

    follows: bool | None = None
    follows_at: AwareDatetime | None = None
    last_interaction: AwareDatetime | None = None
    replied_at: AwareDatetime | None = None


class PersonExport(Contract):
    """Data kept of one person. Without a record, deliveries belong to an erased one."""

    kind: Literal["person-export.v1"] = "person-export.v1"
    exported_at: AwareDatetime
    state: Literal["reader", "former_reader", "erased", "no_reader"]
    subscriber: Subscriber | None = None
    """Address, wishes, consent and its history."""
    follower: ExportedFollower | None = None
    suppressions: tuple[ExportedSuppression, ...] = ()
    soft_failures: tuple[AwareDatetime, ...] = ()
    """When mail to the address failed for a time, within the last two weeks."""
    notices: tuple[ExportedNotice, ...] = ()
    letters: tuple[ExportedLetter, ...] = ()
    deliveries: tuple[ExportedDelivery, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is kept of this person."""
        kept = self.subscriber or self.follower or self.suppressions or self.soft_failures
        return not (kept or self.notices or self.letters or self.deliveries)
