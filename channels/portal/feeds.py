"""What a feed says, whatever its format: one shelf of items, newest first."""

from dataclasses import dataclass
from datetime import UTC, datetime

from channels.portal.item import Item
from channels.portal.site import Site, feed_path
from channels.portal.texts import say

EMPTY = datetime(2026, 1, 1, tzinfo=UTC)
"""The age of a feed without items: Atom demands a date, and it must not change by itself."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One item of a feed; `html` is what the feed carries of it, with absolute links."""

    item: Item
    html: str


@dataclass(frozen=True, slots=True)
class Feed:
    """One shelf as a feed, before it is written in a format."""

    title: str
    description: str
    publisher: str
    home_url: str
    address: str
    entries: tuple[Entry, ...]

    @property
    def updated(self) -> datetime:
        return max((entry.item.updated for entry in self.entries), default=EMPTY)

    def url(self, kind: str) -> str:
        """Where the feed is served in the format *kind*: rss, atom or json."""
        return f"{self.address}.{kind}"


def gather(slug: str, entries: tuple[Entry, ...], site: Site) -> Feed:
    """The feed of one shelf."""
    return Feed(
        title=say("feed", "title", name=site.slug_name(slug), site=say("site", "name")),
        description=site.slug_description(slug),
        publisher=say("site", "owner"),
        home_url=site.url("/"),
        address=site.url(feed_path(slug)),
        entries=entries,
    )
