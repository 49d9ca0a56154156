"""What an operator has set about one feed of a unit; kept in the unit's registration."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from contracts import keys
from contracts.base.fields import Contract, HttpUrl, Instant, TopicId
from contracts.content import Audiences, Channels
from contracts.delivery import ChannelName
from producers.units.canonical_urls import canonical_url

DEFAULT_EVERY_MIN = 15
DEFAULT_MOST = 50
LOOK_BACK = timedelta(days=2)
"""What came out so long before a feed was added is news still."""


class Feed(Contract):
    """Where a unit's site lists its items, and what becomes of them."""

    url: HttpUrl
    topic: TopicId
    audiences: Audiences = ()
    channels: Channels = tuple(ChannelName)
    since: Instant | None = None
    """Older items are not taken; None: all are."""
    backfill: bool = False
    """Older items are taken after all, for the portal alone."""
    every_min: Annotated[int, Field(ge=5, le=1440)] = DEFAULT_EVERY_MIN
    """Minutes between two visits, at least."""
    most: Annotated[int, Field(ge=1, le=2000)] = DEFAULT_MOST
    """So many items at once may reach readers; more are held until somebody has looked."""

    @property
    def feed_id(self) -> str:
        """The feed's short name: the same for every spelling of its address."""
        return keys.digest("feed", canonical_url(self.url))[:12]
