"""Build the event of a draft: a content item with the import's extension attributes."""

from typing import Any
from urllib.parse import urlsplit

from contracts import events
from contracts.base.times import format_date
from contracts.cloudevent import CloudEvent
from contracts.errors import Invalid
from producers.imports import imported_articles
from producers.imports.errors import UnexpectedError
from producers.imports.isolate_errors import isolate_errors
from producers.imports.parse.feed_entry import Enclosure, Entry, UnreadableEntry, site_day
from producers.imports.planned import Draft
from producers.texts import get_text
from producers.units.feed_settings import Feed


def compose_event(draft: Draft, feed: Feed, unit: str) -> CloudEvent:
    """Build the event of *draft*; acceptance validates it.

    Raises Invalid for an entry that causes an unexpected error.
    """
    try:
        with isolate_errors():
            return _build_event(draft, feed, unit)
    except UnexpectedError as trouble:
        raise Invalid(UnreadableEntry(trouble.kind).error) from trouble


def _build_event(draft: Draft, feed: Feed, unit: str) -> CloudEvent:
    entry = draft.entry
    return CloudEvent(
        specversion="1.0",
        id=imported_articles.import_event_id(draft.content_id, draft.revision),
        source=f"{imported_articles.IMPORT_SOURCE_PREFIX}{unit}",
        type=events.CORRECTED if draft.corrects else events.SUBMITTED,
        subject=draft.content_id,
        time=entry.published_at,
        datacontenttype="application/json",
        data=_event_data(draft, feed),
        extensions={
            imported_articles.FEED_ATTRIBUTE: feed.feed_id,
            imported_articles.NAMES_ATTRIBUTE: " ".join(entry.keys),
            imported_articles.FINGERPRINT_ATTRIBUTE: entry.fingerprint,
        },
    )


def _event_data(draft: Draft, feed: Feed) -> dict[str, Any]:
    entry = draft.entry
    summary, body = entry.markdown_texts
    fields: dict[str, Any] = {
        "content_id": draft.content_id,
        "revision": draft.revision,
        "title": entry.headline,
        "summary": summary,
        "body": body,
        "lane": str(draft.lane),
        **_routing_fields(draft, feed),
    }
    if draft.corrects:
        fields["corrects_revision"] = draft.corrects.revision
    if entry.scheduled_for:
        fields["not_before"] = entry.scheduled_for.isoformat()
    return fields | _links_and_files(entry)


def _links_and_files(entry: Entry) -> dict[str, Any]:
    """Fields beside the text: author, links and attachments."""
    fields: dict[str, Any] = {"author": entry.author} if entry.author else {}
    if entry.url:
        fields["links"] = [{"url": entry.url, "title": _source_line(entry)}]
    if entry.files:
        fields["attachments"] = [attachment(file) for file in entry.files]
    return fields


def _source_line(entry: Entry) -> str:
    """Title of the source link: the site, and its own date, if any."""
    host = (urlsplit(entry.url).hostname or "").removeprefix("www.")
    if day := site_day(entry):
        return get_text("import", "read_on_of", host=host, day=format_date(day)).vi
    return get_text("import", "read_on", host=host).vi


def attachment(file: Enclosure) -> dict[str, Any]:
    fields: dict[str, Any] = {"url": file.url, "title": file.title}
    if file.media_type:
        fields["media_type"] = file.media_type
    return fields | ({"size": file.size} if file.size else {})


def _routing_fields(draft: Draft, feed: Feed) -> dict[str, Any]:
    """Topic, audiences and channels: the feed's, or for a correction those of the item."""
    if draft.corrects:
        return dict(draft.corrects.routing)
    return {
        "topic": feed.topic,
        "audiences": list(feed.audiences),
        "channels": [str(name) for name in draft.channels],
    }
