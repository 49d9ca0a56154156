"""A feed as JSON Feed 1.1."""

import json
from typing import Any

from channels.portal.feeds import Entry, Feed
from channels.portal.tree import instant
from contracts.content import Attachment

VERSION = "https://jsonfeed.org/version/1.1"


BETWEEN = b", "
_END = b"]}\n"


def frame(feed: Feed) -> tuple[bytes, bytes]:
    """What stands before and after the items."""
    head = {
        "version": VERSION,
        "title": feed.title,
        "home_page_url": feed.home_url,
        "feed_url": feed.url("json"),
        "description": feed.description,
        "language": "vi",
        "authors": [{"name": feed.publisher}],
    }
    if feed.older:
        head["next_url"] = f"{feed.older}.json"
    if feed.hub and not feed.is_archive:
        head["hubs"] = [{"type": "WebSub", "url": feed.hub}]
    return _written(head)[:-1] + b', "items": [', _END


def entry(entry: Entry) -> bytes:
    return _written(_item(entry))


def _written(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def _item(entry: Entry) -> dict[str, Any]:
    item, publication = entry.item, entry.item.publication
    shown: dict[str, Any] = {
        "id": item.url,
        "url": item.url,
        "title": item.headline,
        "content_html": entry.html,
        "date_published": instant(item.published),
        "date_modified": instant(item.updated),
        "authors": [{"name": item.unit}],
        "tags": [item.topic, *item.audiences],
        "language": publication.language,
    }
    return shown if item.withdrawn else shown | _extras(entry)


def _extras(entry: Entry) -> dict[str, Any]:
    """What only some items have; absent rather than empty."""
    publication, cover = entry.item.publication, entry.item.cover
    extras = {
        "summary": publication.summary,
        "image": cover.url if cover else "",
        "attachments": [_attachment(file) for file in publication.attachments if file.media_type],
    }
    return {name: value for name, value in extras.items() if value}


def _attachment(file: Attachment) -> dict[str, Any]:
    """JSON Feed wants a media type; a file without one is named in the text only."""
    shown: dict[str, Any] = {"url": file.url, "mime_type": file.media_type, "title": file.title}
    return shown if file.size is None else shown | {"size_in_bytes": file.size}
