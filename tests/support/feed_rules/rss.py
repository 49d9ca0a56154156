"""The rules of RSS 2.0, with the Atom link that names the feed itself."""

import re
from collections.abc import Iterator
from datetime import datetime

from lxml import etree

from channels.portal.render.xml import CONTENT_NS, Element, atom_tag
from tests.support.feed_rules.paging import check_paging
from tests.support.feed_rules.text import (
    BrokenRule,
    broken_rule,
    check_html,
    duplicates,
    is_language,
    is_media_type,
    is_web_address,
    parse_rfc822,
)

_MAILBOX = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+(?: \(.+\))?")
_DATES = ("pubDate", "lastBuildDate")


def check_rss(root: Element, url: str) -> Iterator[BrokenRule]:
    if root.get("version") != "2.0":
        yield broken_rule("rss-version", f"version is {root.get('version')!r}, not 2.0")
    channels = root.findall("channel")
    if len(channels) != 1:
        yield broken_rule("rss-one-channel", f"{len(channels)} channels")
        return
    channel = channels[0]
    yield from _check_channel(channel)
    yield from _check_self(channel, url)
    yield from check_paging(channel)
    items = channel.findall("item")
    for number, item in enumerate(items, 1):
        yield from _check_item(item, number, parse_rfc822(channel.findtext("lastBuildDate")))
    for guid in duplicates(item.findtext("guid") or "" for item in items):
        yield broken_rule("guid-unique", f"{guid!r} stands twice")


def _check_channel(channel: Element) -> Iterator[BrokenRule]:
    for name in ("title", "link", "description"):
        if not (channel.findtext(name) or "").strip():
            yield broken_rule("rss-channel-has", f"no {name}")
    if not is_language(channel.findtext("language")):
        yield broken_rule("rss-language", "no language, or none of RFC 5646")
    ttl = channel.findtext("ttl")
    if ttl is not None and not ttl.isdigit():
        yield broken_rule("rss-ttl", f"{ttl!r} is no number of minutes")
    yield from _check_dates_and_people(channel, 0)


def _check_self(channel: Element, url: str) -> Iterator[BrokenRule]:
    links = [link for link in channel.findall(atom_tag("link")) if link.get("rel") == "self"]
    if len(links) != 1:
        yield broken_rule("one-self-link", f"{len(links)} links with rel=self")
        return
    if links[0].get("href") != url:
        yield broken_rule("self-is-where-served", f"{links[0].get('href')} is served at {url}")
    if links[0].get("type") != "application/rss+xml":
        yield broken_rule("self-type", f"type is {links[0].get('type')!r}")


def _check_item(item: Element, number: int, built: datetime | None) -> Iterator[BrokenRule]:
    if item.find("title") is None and item.find("description") is None:
        yield broken_rule("rss-item-has", "neither title nor description", number)
    if not is_web_address(item.findtext("link")):
        yield broken_rule("rss-item-link", "no link, or not a web address", number)
    yield from _check_dates_and_people(item, number)
    yield from _check_guid(item, number)
    yield from _check_enclosures(item, number)
    for text in (item.findtext("description"), item.findtext(f"{{{CONTENT_NS}}}encoded")):
        yield from check_html(text or "", number)
    published = parse_rfc822(item.findtext("pubDate"))
    if built and published and published > built:
        yield broken_rule("not-newer-than-its-feed", "pubDate lies after lastBuildDate", number)


def _check_dates_and_people(parent: Element, number: int) -> Iterator[BrokenRule]:
    """Dates are RFC 822 in GMT, authors are mail addresses."""
    for date in (element.text for name in _DATES for element in parent.findall(name)):
        if parse_rfc822(date) is None or not (date or "").endswith(" GMT"):
            yield broken_rule("rfc822-gmt", f"{date!r}", number)
    for name in ("author", "managingEditor", "webMaster"):
        written = parent.findtext(name)
        if written is not None and not _MAILBOX.fullmatch(written):
            yield broken_rule(
                "author-is-a-mailbox", f"{name} is a name; dc:creator is for that", number
            )


def _check_guid(item: Element, number: int) -> Iterator[BrokenRule]:
    guids = item.findall("guid")
    if len(guids) != 1:
        yield broken_rule("one-guid", f"{len(guids)} guids", number)
    for guid in guids:
        if guid.get("isPermaLink", "true") == "true" and not is_web_address(guid.text):
            yield broken_rule("guid-permalink", "a permanent link that is no web address", number)


def _check_enclosures(item: etree._Element, number: int) -> Iterator[BrokenRule]:
    enclosures = item.findall("enclosure")
    if len(enclosures) > 1:
        yield broken_rule("one-enclosure", f"{len(enclosures)} enclosures", number)
    for enclosure in enclosures:
        sound = is_web_address(enclosure.get("url")) and is_media_type(enclosure.get("type"))
        if not sound or not (enclosure.get("length") or "").isdigit():
            yield broken_rule("enclosure-complete", "needs url, length and type", number)
