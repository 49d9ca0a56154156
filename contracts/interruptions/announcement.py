"""The announcement in an item's data: of which interruption, to whom, and when it leaves."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from contracts.base.fields import Instant
from contracts.delivery import ChannelName
from contracts.interruptions.interruption import Interruption


class Announcement(BaseModel):
    """The part of an item's data that announces an interruption."""

    model_config = ConfigDict(frozen=True)

    interruption: Interruption | None = None
    not_before: Instant | None = None
    expires_at: Instant | None = None
    channels: tuple[str, ...] = tuple(ChannelName)
    audiences: tuple[str, ...] = ()

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> "Announcement":
        """Read the data of an event; unfinished data announce nothing."""
        try:
            return cls.model_validate(data)
        except ValidationError:
            return cls()

    def shown_at(self, released: datetime) -> datetime:
        """When readers have what is released at *released*."""
        return max(released, self.not_before or released)
