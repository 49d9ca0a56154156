"""A feed as JSON Feed 1.1."""

import json
from typing import Any

from channels.portal.render.feed import Feed, FeedEntry
from channels.portal.render.xml import format_rfc3339
from contracts.content import Attachment

VERSION = "https://jsonfeed.org/version/1.1"
SEPARATOR = b", "
_END = b"]}\n"


def render_frame(feed: Feed) -> tuple[bytes, bytes]:
    """Render the bytes before and after the items."""
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
    return _dump(head)[:-1] + b', "items": [', _END


def render_entry(entry: FeedEntry) -> bytes:
    return _dump(_item(entry))


def _dump(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def _item(entry: FeedEntry) -> dict[str, Any]:
    item, publication = entry.item, entry.item.publication
    members: dict[str, Any] = {
        "id": item.url,
        "url": item.url,
        "title": item.headline,
        "content_html": entry.html,
        "date_published": format_rfc3339(item.published),
        "date_modified": format_rfc3339(item.updated),
        "authors": [{"name": item.unit}],
        "tags": [item.topic, *item.audiences],
        "language": publication.language,
    }
    return members if item.withdrawn else members | _extras(entry)


def _extras(entry: FeedEntry) -> dict[str, Any]:
    """Optional members, absent rather than empty."""
    publication, cover = entry.item.publication, entry.item.cover
    extras = {
        "summary": publication.summary,
        "image": cover.url if cover else "",
        "attachments": [_attachment(file) for file in publication.attachments if file.media_type],
    }
    return {name: value for name, value in extras.items() if value}


def _attachment(file: Attachment) -> dict[str, Any]:
    """An attachment; JSON Feed requires a media type, so files without one are only linked."""
    members: dict[str, Any] = {"url": file.url, "mime_type": file.media_type, "title": file.title}
    return members if file.size is None else members | {"size_in_bytes": file.size}
