"""A validator of feeds: rules of RSS 2.0, Atom, JSON Feed, RFC 5005 and OPML."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from lxml import etree

from channels.portal.render.json_feed import VERSION
from channels.portal.render.xml import ATOM_NS, CONTENT_NS, parse_rfc3339
from tests.support.feed_rules.text import (
    BrokenRule,
    Rules,
    are_unique,
    are_web_addresses,
    broken_rules,
    check_html,
    find,
    is_absolute,
    is_language,
    is_media_type,
    is_web_address,
    parse_rfc822,
)

_ATOM = f"{{{ATOM_NS}}}"
_BOM = b"\xef\xbb\xbf"
_TITLE = re.compile(rb"<title>([^<]*)</title>")
_NAMED_REFERENCE = re.compile(rb"&(?:amp|lt);")


def check_feed(data: bytes, url: str) -> list[BrokenRule]:
    """Every rule that the feed *data*, served at *url*, breaks; its first bytes show the format."""
    return list(_check_feed(data, url))


def _check_feed(data: bytes, url: str) -> Iterator[BrokenRule]:
    if data.startswith(_BOM):
        yield BrokenRule("no-byte-order-mark", "the document begins with a byte order mark")
    body = data.removeprefix(_BOM)
    try:
        body.decode()
    except UnicodeDecodeError as error:
        yield BrokenRule("utf-8", f"not UTF-8 at byte {error.start}")
        return
    try:
        if body.lstrip().startswith(b"{"):
            yield from _check_json(json.loads(body), url)
        else:
            parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False)
            yield from _check_xml(etree.fromstring(data, parser), data, url)
    except (ValueError, etree.XMLSyntaxError) as error:
        yield BrokenRule("well-formed", str(error))


def _check_xml(root: Any, data: bytes, url: str) -> Iterator[BrokenRule]:
    titles = _TITLE.findall(data) if root.tag == "rss" else []
    document: Rules = {
        "no-doctype": lambda root: not root.getroottree().docinfo.doctype,  # readers refuse it
        "known-format": lambda root: root.tag in _FORMATS,
        "hexadecimal-references": lambda _: not any(map(_NAMED_REFERENCE.search, titles)),
    }
    yield from broken_rules(root, document)
    if root.tag in _FORMATS:
        yield from _FORMATS[str(root.tag)](root, url)


# --- RFC 5005: complete, paged and archived feeds are three things, never mixed

_PAGED = "a:link[@rel='first' or @rel='previous' or @rel='next' or @rel='last']"
_ARCHIVED = "a:link[@rel='prev-archive' or @rel='next-archive' or @rel='current']"
_LINK_RULES: Rules = {
    "one-self-link": "count(a:link[@rel='self'])=1",
    "complete-has-no-pages": f"not(h:complete and ({_PAGED} or {_ARCHIVED}))",
    "paged-or-archived": f"not({_PAGED} and (h:archive or {_ARCHIVED}))",
    "archive-names-current": "not(h:archive) or a:link[@rel='current']",
    "one-way-on": f"not({_ARCHIVED}[@rel=preceding-sibling::a:link/@rel])",
    "archive-moves-on": f"not({_ARCHIVED}[@href=../a:link[@rel='self']/@href])",
    "absolute-addresses": lambda feed: are_web_addresses(
        link.get("href") for link in find(feed, _ARCHIVED)
    ),
}
"""Rules of Atom's feed and of RSS's channel."""


def _check_links(feed: Any, url: str) -> Iterator[BrokenRule]:
    yield from broken_rules(feed, _LINK_RULES)
    for href in find(feed, "a:link[@rel='self']/@href"):
        if href != url:
            yield BrokenRule("self-is-where-served", f"{href} is served at {url}")


# --- RSS 2.0

_MAILBOX = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+(?: \(.+\))?")
_RSS_SHARED: Rules = {
    "rfc822-gmt": lambda part: all(
        parse_rfc822(date.text) and date.text.endswith(" GMT")
        for date in find(part, "pubDate|lastBuildDate")
    ),
    "author-is-a-mailbox": lambda part: all(  # dc:creator is for names
        _MAILBOX.fullmatch(person.text or "")
        for person in find(part, "author|managingEditor|webMaster")
    ),
}
_RSS_CHANNEL: Rules = {
    **_RSS_SHARED,
    "rss-channel-has": "title[normalize-space()] and link[normalize-space()] "
    "and description[normalize-space()]",
    "rss-language": lambda channel: is_language(channel.findtext("language")),
    "rss-ttl": lambda channel: channel.findtext("ttl", "0").isdigit(),
    "self-type": "not(a:link[@rel='self'][not(@type='application/rss+xml')])",
    "guid-unique": lambda channel: are_unique(find(channel, "item/guid[1]/text()")),
}
_RSS_ITEM: Rules = {
    **_RSS_SHARED,
    "rss-item-has": "title or description",
    "rss-item-link": lambda item: is_web_address(item.findtext("link")),
    "one-guid": "count(guid)=1",
    "guid-permalink": lambda item: are_web_addresses(
        guid.text for guid in find(item, "guid[not(@isPermaLink) or @isPermaLink='true']")
    ),
    "one-enclosure": "count(enclosure)<=1",
    "enclosure-complete": lambda item: all(map(_is_enclosure, item.findall("enclosure"))),
}


def _is_enclosure(file: Any) -> bool:
    is_sound = is_web_address(file.get("url")) and is_media_type(file.get("type"))
    return is_sound and file.get("length", "").isdigit()


def _check_rss(root: Any, url: str) -> Iterator[BrokenRule]:
    document = {"rss-version": "@version='2.0'", "rss-one-channel": "count(channel)=1"}
    yield from broken_rules(root, document)
    for channel in root.findall("channel"):
        yield from broken_rules(channel, _RSS_CHANNEL)
        yield from _check_links(channel, url)
        built = parse_rfc822(channel.findtext("lastBuildDate"))
        for number, item in enumerate(channel.findall("item"), 1):
            yield from broken_rules(item, _RSS_ITEM, number)
            for text in (item.findtext("description"), item.findtext(f"{{{CONTENT_NS}}}encoded")):
                yield from check_html(text, number)
            published = parse_rfc822(item.findtext("pubDate"))
            if built and published and published > built:
                yield BrokenRule("not-newer-than-its-feed", f"{published} > {built}", number)


# --- Atom 1.0 (RFC 4287)

_PERSON = "*[self::a:author or self::a:contributor]"
_TEXT = "*[self::a:title or self::a:subtitle or self::a:summary or self::a:rights]"
_ALTERNATE = "a:link[not(@rel) or @rel='alternate']"


def _is_ordered(published: object, updated: object) -> bool:
    times = [time for time in map(parse_rfc3339, (published, updated)) if time]
    return times == sorted(times)


_ATOM_PART: Rules = {
    "atom-exactly-one": "count(a:id)=1 and count(a:title)=1 and count(a:updated)=1",
    "atom-id-absolute": lambda part: is_absolute(part.findtext(f"{_ATOM}id")),
    "rfc3339": lambda part: all(
        parse_rfc3339(time.text) for time in find(part, "a:published|a:updated")
    ),
    "published-before-updated": lambda part: _is_ordered(
        part.findtext(f"{_ATOM}published"), part.findtext(f"{_ATOM}updated")
    ),
    "atom-person-name": f"not({_PERSON}[count(a:name)!=1])",
    "atom-person-once": f"not({_PERSON}[count(a:email)>1 or count(a:uri)>1])",
    "atom-text-type": f"not({_TEXT}[@type!='text' and @type!='html' and @type!='xhtml'])",
    "atom-xhtml-div": f"not({_TEXT}[@type='xhtml'][count(*)!=1 or not(x:div)])",
}
"""Rules of the feed and of each entry."""
_ATOM_FEED: Rules = {
    "atom-author": "a:author or not(a:entry[not(a:author)])",
    "atom-versions-differ": lambda feed: are_unique(
        (entry.findtext(f"{_ATOM}id"), entry.findtext(f"{_ATOM}updated"))
        for entry in find(feed, "a:entry")
    ),
}
_ATOM_ENTRY: Rules = {
    "atom-one-content": "count(a:content)<=1",
    "atom-content-src": "not(a:content[@src!=''][text() or *])",
    "atom-summary-required": "a:summary or not(a:content[@src!=''])",
    "atom-content-or-link": f"a:content or {_ALTERNATE}",
    "atom-one-alternate": lambda entry: are_unique(
        (link.get("type"), link.get("hreflang")) for link in find(entry, _ALTERNATE)
    ),
}


def _check_atom(root: Any, url: str) -> Iterator[BrokenRule]:
    yield from broken_rules(root, _ATOM_FEED)
    yield from _check_links(root, url)
    for number, part in enumerate([root, *find(root, "a:entry")]):
        yield from broken_rules(part, {**_ATOM_PART, **(_ATOM_ENTRY if number else {})}, number)
        for text in find(part, f"{_TEXT}[@type='html']|a:content[@type='html']"):
            yield from check_html(text.text, number)


# --- OPML 2.0

_OPML: Rules = {
    "opml-version": "@version='2.0'",
    "opml-head-and-body": "count(head)=1 and count(body)=1",
    "opml-has-outlines": ".//outline",
    "opml-feed-once": lambda root: are_unique(find(root, "//outline[@type='rss']/@xmlUrl")),
}
_OUTLINE: Rules = {
    "opml-text": "normalize-space(@text)",
    "opml-feed-address": lambda outline: (
        outline.get("type") != "rss" or is_web_address(outline.get("xmlUrl"))
    ),
    "opml-page-address": lambda outline: are_web_addresses(find(outline, "@htmlUrl")),
}


def _check_opml(root: Any, url: str) -> Iterator[BrokenRule]:
    yield from broken_rules(root, _OPML)
    for number, outline in enumerate(root.iter("outline"), 1):
        yield from broken_rules(outline, _OUTLINE, number)
        if outline.get("xmlUrl") == url:
            yield BrokenRule("opml-names-feeds", "the list names itself as a feed")


_FORMATS: dict[str, Callable[[Any, str], Iterator[BrokenRule]]] = {
    "rss": _check_rss,
    "opml": _check_opml,
    f"{_ATOM}feed": _check_atom,
}


# --- JSON Feed 1.1

_EXTENSION = re.compile(r"_[A-Za-z][^.]*")
_DATES = ("date_published", "date_modified")
_SHARED_KEYS = {"title", "authors", "language"}
_FEED_KEYS = _SHARED_KEYS | {
    *("version", "home_page_url", "feed_url", "description", "user_comment", "next_url"),
    *("icon", "favicon", "expired", "hubs", "items"),
}
_ITEM_KEYS = _SHARED_KEYS | {
    *("id", "url", "external_url", "content_html", "content_text", "summary", "image"),
    *("banner_image", "date_published", "date_modified", "tags", "attachments"),
}


def _json_part(keys: set[str]) -> Rules:
    """Rules of an object that has only these *keys* and extensions."""
    return {
        "json-known-keys": lambda part: all(
            map(_EXTENSION.fullmatch, part.keys() - keys - {"author"})
        ),
        "json-language": lambda part: is_language(part.get("language", "vi")),
        "json-authors": lambda part: "author" not in part and _are_authors(part.get("authors", [])),
    }


def _are_authors(authors: object) -> bool:
    """Whether it is an array; `author` is of version 1."""
    return isinstance(authors, list) and all(
        isinstance(author, dict) and {"name", "url", "avatar"} & author.keys() for author in authors
    )


_JSON_FEED: Rules = {
    **_json_part(_FEED_KEYS),
    "json-version": lambda feed: feed.get("version") == VERSION,
    "json-title": lambda feed: feed.get("title"),
    "json-home": lambda feed: is_web_address(feed.get("home_page_url")),
    "absolute-addresses": lambda feed: is_web_address(feed.get("next_url", VERSION)),
    "json-hub": lambda feed: all(
        hub.get("type") and is_web_address(hub.get("url")) for hub in feed.get("hubs", [])
    ),
    "json-id-unique": lambda feed: are_unique(str(item.get("id")) for item in feed["items"]),
}
_JSON_ITEM: Rules = {
    **_json_part(_ITEM_KEYS),
    "json-id": lambda item: isinstance(item.get("id"), str) and item["id"],
    "json-content": lambda item: {"content_html", "content_text"} & item.keys(),
    "rfc3339": lambda item: all(map(parse_rfc3339, _members(item, *_DATES))),
    "published-before-updated": lambda item: _is_ordered(*(item.get(name) for name in _DATES)),
    "absolute-addresses": lambda item: are_web_addresses(
        _members(item, "url", "external_url", "image", "banner_image")
    ),
    "json-attachment": lambda item: all(
        is_web_address(file.get("url")) and is_media_type(file.get("mime_type"))
        for file in item.get("attachments", [])
    ),
}


def _members(item: dict[str, Any], *names: str) -> list[Any]:
    return [item[name] for name in names if name in item]


def _check_json(feed: dict[str, Any], url: str) -> Iterator[BrokenRule]:
    items = feed.get("items")
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        yield BrokenRule("json-items", "no array of items")
        return
    served: Rules = {
        "self-is-where-served": lambda feed: feed.get("feed_url") == url,
        "json-next-moves-on": lambda feed: feed.get("next_url") not in (url, feed.get("feed_url")),
    }
    yield from broken_rules(feed, {**_JSON_FEED, **served})
    for number, item in enumerate(items, 1):
        yield from broken_rules(item, _JSON_ITEM, number)
        if isinstance(item.get("content_html"), str):
            yield from check_html(item["content_html"], number)
