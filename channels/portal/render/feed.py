"""What a feed says, whatever its format, apart from its entries; those are fragments."""

from dataclasses import dataclass
from datetime import UTC, datetime

from channels.portal.model.item import Item
from channels.portal.model.site import ALL_SLUG, Site, feed_path, listing_path
from channels.portal.model.texts import catalog_text

EMPTY_FEED_DATE = datetime(2026, 1, 1, tzinfo=UTC)
"""The age of a feed without items: Atom demands a date, and it must not change by itself."""


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """One item of a feed; `html` is what the feed carries of it, with absolute links."""

    item: Item
    html: str


@dataclass(frozen=True, slots=True)
class Feed:
    """One shelf as a feed, or one of its archives (RFC 5005). Addresses are without a suffix.

    `current` is the feed that readers subscribe to: its own address, or that of an archive's feed.
    """

    title: str
    description: str
    publisher: str
    home_url: str
    address: str
    current: str
    updated: datetime = EMPTY_FEED_DATE
    older: str = ""
    newer: str = ""
    hub: str = ""

    @property
    def is_archive(self) -> bool:
        return self.address != self.current

    def url(self, feed_format: str) -> str:
        """Where the feed is served in the format *kind*: rss, atom or json."""
        return f"{self.address}.{feed_format}"

    def paging(self, feed_format: str) -> list[tuple[str, str]]:
        """The links to what comes before and after: relation and address."""
        links = [("prev-archive", self.older), ("next-archive", self.newer)]
        if self.is_archive:
            links.insert(0, ("current", self.current))
        return [(rel, f"{address}.{feed_format}") for rel, address in links if address]


def feed_of_listing(slug: str, site: Site) -> Feed:
    """The feed of one shelf, as it is before its first item."""
    address = site.url(feed_path(slug))
    return Feed(
        title=catalog_text(
            "feed", "title", name=site.slug_name(slug), site=catalog_text("site", "name")
        ),
        description=site.slug_description(slug),
        publisher=catalog_text("site", "owner"),
        home_url=site.url("/" if slug == ALL_SLUG else listing_path(slug)),
        address=address,
        current=address,
        hub=site.hub,
    )
