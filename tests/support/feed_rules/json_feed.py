"""The rules of JSON Feed 1.1."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from channels.portal.render.json_feed import VERSION
from channels.portal.render.xml import parse_rfc3339
from tests.support.feed_rules.text import (
    BrokenRule,
    broken_rule,
    check_html,
    duplicates,
    is_language,
    is_media_type,
    is_web_address,
)

_EXTENSION = re.compile(r"_[A-Za-z][^.]*")
_FEED_KEYS = {
    *("version", "title", "home_page_url", "feed_url", "description", "user_comment", "next_url"),
    *("icon", "favicon", "authors", "language", "expired", "hubs", "items"),
}
_ITEM_KEYS = {
    *("id", "url", "external_url", "title", "content_html", "content_text", "summary", "image"),
    *("banner_image", "date_published", "date_modified", "authors", "tags", "language"),
    "attachments",
}


def check_json_feed(data: bytes, url: str) -> Iterator[BrokenRule]:
    try:
        feed = json.loads(data)
    except ValueError as error:
        yield broken_rule("well-formed", str(error))
        return
    items = feed.get("items")
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        yield broken_rule("json-items", "no array of items")
        return
    yield from _check_feed(feed, url)
    for number, item in enumerate(items, 1):
        for rule in _ITEM_RULES:
            yield from rule(item, number)
    for name in duplicates(str(item.get("id")) for item in items):
        yield broken_rule("json-id-unique", f"{name!r} stands twice")


def _check_feed(feed: dict[str, Any], url: str) -> Iterator[BrokenRule]:
    if feed.get("version") != VERSION:
        yield broken_rule("json-version", f"version is {feed.get('version')!r}")
    if not feed.get("title"):
        yield broken_rule("json-title", "no title")
    if not is_web_address(feed.get("home_page_url")):
        yield broken_rule("json-home", "no home_page_url")
    if feed.get("feed_url") != url:
        yield broken_rule("self-is-where-served", f"{feed.get('feed_url')} is served at {url}")
    yield from _check_ways(feed, url)
    yield from _check_keys(feed, _FEED_KEYS, 0)
    yield from _check_shared(feed, 0)


def _check_ways(feed: dict[str, Any], url: str) -> Iterator[BrokenRule]:
    """Check the links to older items and to a hub."""
    if "next_url" in feed and feed["next_url"] in (url, feed.get("feed_url")):
        yield broken_rule("json-next-moves-on", "next_url is this very feed")
    if "next_url" in feed and not is_web_address(feed["next_url"]):
        yield broken_rule("absolute-addresses", "next_url is no web address")
    for hub in feed.get("hubs", []):
        if not hub.get("type") or not is_web_address(hub.get("url")):
            yield broken_rule("json-hub", "a hub needs a type and a web address")


def _check_keys(part: dict[str, Any], known: set[str], number: int) -> Iterator[BrokenRule]:
    for key in part.keys() - known:
        if key == "author":
            yield broken_rule(
                "json-authors", "`author` is of version 1; `authors` is an array", number
            )
        elif not _EXTENSION.fullmatch(key):
            yield broken_rule("json-known-keys", f"{key!r} is no key and no extension", number)


def _check_shared(part: dict[str, Any], number: int) -> Iterator[BrokenRule]:
    if "language" in part and not is_language(part["language"]):
        yield broken_rule("json-language", f"{part['language']!r} is none of RFC 5646", number)
    authors = part.get("authors", [])
    if not isinstance(authors, list) or not all(_is_author(author) for author in authors):
        yield broken_rule("json-authors", "an author needs a name, url or avatar", number)


def _is_author(author: object) -> bool:
    return isinstance(author, dict) and bool({"name", "url", "avatar"} & author.keys())


def _check_identity(item: dict[str, Any], number: int) -> Iterator[BrokenRule]:
    if not isinstance(item.get("id"), str) or not item["id"]:
        yield broken_rule("json-id", "an item needs an id, as a string", number)
    yield from _check_keys(item, _ITEM_KEYS, number)
    yield from _check_shared(item, number)


def _check_content(item: dict[str, Any], number: int) -> Iterator[BrokenRule]:
    if "content_html" not in item and "content_text" not in item:
        yield broken_rule("json-content", "neither content_html nor content_text", number)
    if isinstance(item.get("content_html"), str):
        yield from check_html(item["content_html"], number)


def _check_times(item: dict[str, Any], number: int) -> Iterator[BrokenRule]:
    moments = {}
    for name in ("date_published", "date_modified"):
        if name in item:
            moments[name] = parse_rfc3339(item[name])
    if None in moments.values():
        yield broken_rule("rfc3339", "a time that is not RFC 3339", number)
    elif len(moments) == 2 and moments["date_published"] > moments["date_modified"]:  # type: ignore[operator]
        yield broken_rule("published-before-updated", "published lies after modified", number)


def _check_addresses(item: dict[str, Any], number: int) -> Iterator[BrokenRule]:
    for name in ("url", "external_url", "image", "banner_image"):
        if name in item and not is_web_address(item[name]):
            yield broken_rule("absolute-addresses", f"{name} is no web address", number)
    for attachment in item.get("attachments", []):
        if not is_web_address(attachment.get("url")) or not is_media_type(
            attachment.get("mime_type")
        ):
            yield broken_rule("json-attachment", "an attachment needs url and mime_type", number)


_ITEM_RULES: tuple[Callable[[dict[str, Any], int], Iterator[BrokenRule]], ...] = (
    _check_identity,
    _check_content,
    _check_times,
    _check_addresses,
)
