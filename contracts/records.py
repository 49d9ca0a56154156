"""Records in buckets that producers write and consumers read."""

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

from contracts import keys
from contracts.case import Contact
from contracts.delivery import ChannelName
from contracts.errors import FieldError
from contracts.text.descriptions import Described


class Record(Described, BaseModel):
    """Frozen; fields added by a newer version are kept when an older version writes the record."""

    model_config = ConfigDict(
        frozen=True,
        extra="allow",
        defer_build=True,
        hide_input_in_errors=True,  # as `Contract`
    )


class EventRecord(Record):
    """Bucket `events`, kept for ever: an event's identity and the hash of its content."""

    hash: str
    unit: str
    content_id: str
    revision: int | None
    type: str
    at: AwareDatetime
    channel: ChannelName | None = None
    """The first channel of a case notice; None for other events, and from an earlier version."""
    refused: tuple[FieldError, ...] = ()
    """The errors, if intake refused the event on its last try."""


class Ownership(Record):
    """Bucket `publications`, key `<content_id>`: the owner; `consumers.intake.items` adds more."""

    unit: str
    revision: int = 0
    """The highest released position, be it a withdrawal."""


class Dossier(Ownership):
    """Bucket `publications`, key `<content_id>` of a dossier; the gateway numbers its events.

    The fields are those of a content item's record, so either model can read the other's record.
    """

    state: str = "released"
    positions: dict[int, str] = {}
    """revision → the event that got it, for ever"""
    released: dict[int, AwareDatetime] = {}
    """revision → when the door accepted it"""

    def position_of(self, event_id: str) -> int:
        """The revision that an event got; 0 for none."""
        return next((n for n, event in self.positions.items() if event == event_id), 0)


class NoticeRecord(Record):
    """Bucket `notices`, kept for 30 days: the recipient and channels of one case notice.

    The key is the notice's tracking id on Zalo (`notice_key`), by which receipts find the record.
    """

    content_id: str
    revision: int
    event_id: str
    unit: str
    contact: Contact
    channels: tuple[ChannelName, ...]
    """The unit's channels that reach this contact; the second is used if the first fails."""
    erased: tuple[str, ...] = ()
    """Fields of the contact that were erased; a repeat of the event may still name them."""

    def next_after(self, channel: ChannelName | None) -> ChannelName | None:
        """The channel to try after *channel*; the first one after None."""
        place = self.channels.index(channel) + 1 if channel else 0
        return self.channels[place] if place < len(self.channels) else None


def notice_key(content_id: str, revision: int, event_id: str) -> str:
    """Key of a notice's contact: the `tracking_id` that is sent to Zalo.

    The event id keeps keys apart when a revision is assigned again after a restore.
    """
    delivery = keys.delivery_key(content_id, revision, ChannelName.ZALO, event_id)
    return keys.tracking_id(delivery)


class UnitPolicy(BaseModel):
    """Permissions of a unit (bucket `units`); the defaults are the strictest."""

    release: Literal["automatic", "desk"] = "desk"
    urgent: bool = False
    bus_ended: AwareDatetime | None = None
    """Since when the unit has no key for the bus any more."""
