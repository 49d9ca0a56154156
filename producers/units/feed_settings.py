"""Settings of one imported feed, stored in the unit's registration."""

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
"""Items this much older than the feed's registration count as news."""


class Feed(Contract):
    """The address of a unit's feed, and how its items are published."""

    url: HttpUrl
    topic: TopicId
    audiences: Audiences = ()
    channels: Channels = tuple(ChannelName)
    since: Instant | None = None
    """Older items are ignored; None: all items are imported."""
    backfill: bool = False
    """Import older items as well, for the portal only."""
    every_min: Annotated[int, Field(ge=5, le=1440)] = DEFAULT_EVERY_MIN
    """Minimum number of minutes between two visits."""
    most: Annotated[int, Field(ge=1, le=2000)] = DEFAULT_MOST
    """Limit of new items per visit; more are held until an operator releases them."""

    @property
    def feed_id(self) -> str:
        """The feed's short id; equal for every spelling of its address."""
        return keys.digest("feed", canonical_url(self.url))[:12]
