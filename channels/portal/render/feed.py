"""Feeds: their metadata in all formats; their entries are fragments."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from channels.portal.model.item import Item
from channels.portal.model.site import ALL_SLUG, Site, feed_path, listing_path
from channels.portal.model.texts import catalog_text
from channels.portal.render.xml import Xml, element

EMPTY_FEED_DATE = datetime(2026, 1, 1, tzinfo=UTC)
"""Date of an empty feed: Atom requires a date, and it has to be constant."""


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """One item of a feed; `html` is its content, with absolute links."""

    item: Item
    html: str


@dataclass(frozen=True, slots=True)
class Feed:
    """A listing's feed, or one of its archives (RFC 5005); addresses are without a suffix.

    `current` is the address that readers subscribe to, which for an archive is that of its feed.
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
        """Address of the feed in *feed_format*: rss, atom or json."""
        return f"{self.address}.{feed_format}"


def atom_links(
    feed: Feed, feed_format: str, *, tag: str = "link", alternate: str = ""
) -> Iterator[Xml]:
    """Atom's links to the feed itself, its page, the hub, and other documents (RFC 5005)."""
    media_type = f"application/{feed_format}+xml"
    yield element(tag, rel="self", type=media_type, href=feed.url(feed_format))
    if alternate:
        yield element(tag, rel="alternate", type="text/html", href=alternate)
    if feed.hub and not feed.is_archive:
        yield element(tag, rel="hub", href=feed.hub)
    paging = {"current": feed.current if feed.is_archive else ""}
    paging |= {"prev-archive": feed.older, "next-archive": feed.newer}
    for rel, address in paging.items():
        if address:
            yield element(tag, rel=rel, type=media_type, href=f"{address}.{feed_format}")
    if feed.is_archive:
        yield element("fh:archive")


def feed_of_listing(slug: str, site: Site, campaign: str = "") -> Feed:
    """The empty feed of a listing. *campaign*: the title of the one whose listing it is."""
    name = campaign or site.slug_name(slug)
    address, site_name = site.url(feed_path(slug)), catalog_text("site", "name")
    return Feed(
        title=catalog_text("feed", "title", name=name, site=site_name),
        description=site.slug_description(slug, name),
        publisher=catalog_text("site", "owner"),
        home_url=site.url("/" if slug == ALL_SLUG else listing_path(slug)),
        address=address,
        current=address,
        hub=site.hub,
    )
