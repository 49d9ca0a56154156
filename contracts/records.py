"""What two rooms keep together in the buckets: the doors book it, intake goes by it."""

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

from contracts import keys
from contracts.case import Contact
from contracts.delivery import ChannelName
from contracts.errors import FieldError


class Record(BaseModel):
    """Frozen; what a newer version has added is kept when an older one writes the record."""

    model_config = ConfigDict(
        frozen=True,
        extra="allow",
        use_attribute_docstrings=True,
        defer_build=True,
        hide_input_in_errors=True,  # as `Contract`
    )


class EventRecord(Record):
    """Bucket `events`, for ever: an event's identity, and what it said as a hash."""

    hash: str
    unit: str
    content_id: str
    revision: int | None
    type: str
    at: AwareDatetime
    refused: tuple[FieldError, ...] = ()
    """Why intake refused it, if that is how its last try ended."""


class Ownership(Record):
    """Bucket `publications`, key `<content_id>`: the owner; `consumers.intake.items` adds more."""

    unit: str
    revision: int = 0
    """The highest released position, be it a withdrawal."""


class Dossier(Ownership):
    """Bucket `publications`, key `<content_id>` of a dossier; the HTTP door numbers its events.

    A content item's record has the same fields, so that whatever reads one can read the other.
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
    """Bucket `notices`, for 30 days: whom one case notice is for, and where that person is told.

    Its key is the tracking id of the notice on Zalo (`notice_key`), so that what Zalo tells later
    finds the notice.
    """

    content_id: str
    revision: int
    event_id: str
    unit: str
    contact: Contact
    channels: tuple[ChannelName, ...]
    """The unit's channels that reach this contact: the first is used, the next if that can't."""

    def next_after(self, channel: ChannelName | None) -> ChannelName | None:
        """The channel to try after *channel*; the first one after None."""
        place = self.channels.index(channel) + 1 if channel else 0
        return self.channels[place] if place < len(self.channels) else None


def notice_key(content_id: str, revision: int, event_id: str) -> str:
    """Where a notice's contact lies: the `tracking_id` that Zalo gets with it.

    The event makes it another one for a number that is given again after a restore.
    """
    delivery = keys.delivery_key(content_id, revision, ChannelName.ZALO, event_id)
    return keys.tracking_id(delivery)


class UnitPolicy(BaseModel):
    """What a unit may do (bucket `units`). Nothing is known of a unit: the safe way."""

    release: Literal["automatic", "desk"] = "desk"
    urgent: bool = False
