"""A draft as the event that the unit sends: a content item, with what the import goes by."""

from typing import Any
from urllib.parse import urlsplit

from contracts import events
from contracts.cloudevent import CloudEvent
from contracts.errors import Invalid
from producers.imports.draft import Draft
from producers.imports.entry import Entry, File, Odd, day_of
from producers.imports.feed import Feed
from producers.imports.known import FEED, MARK, NAMES, SOURCE, event_name
from producers.imports.net import Unforeseen, net
from producers.wording import say


def compose(draft: Draft, feed: Feed, unit: str) -> CloudEvent:
    """The event of *draft*. Nothing is judged here: the door does that.

    Raises Invalid for an entry of which no event can be made.
    """
    try:
        with net():
            return worded(draft, feed, unit)
    except Unforeseen as trouble:
        raise Invalid(Odd(trouble.kind).error) from trouble


def worded(draft: Draft, feed: Feed, unit: str) -> CloudEvent:
    entry = draft.entry
    return CloudEvent(
        specversion="1.0",
        id=event_name(draft.content_id, draft.revision),
        source=f"{SOURCE}{unit}",
        type=events.CORRECTED if draft.story else events.SUBMITTED,
        subject=draft.content_id,
        time=entry.at,
        datacontenttype="application/json",
        data=data(draft, feed),
        extensions={
            FEED: feed.feed_id,
            NAMES: " ".join(entry.keys),
            MARK: entry.mark,
        },
    )


def data(draft: Draft, feed: Feed) -> dict[str, Any]:
    entry = draft.entry
    summary, body = entry.words
    said: dict[str, Any] = {
        "content_id": draft.content_id,
        "revision": draft.revision,
        "title": entry.headline,
        "summary": summary,
        "body": body,
        "lane": str(draft.lane),
        **card(draft, feed),
    }
    if draft.story:
        said["corrects_revision"] = draft.story.revision
    if entry.ahead:
        said["not_before"] = entry.ahead.isoformat()
    return said | beside(entry)


def beside(entry: Entry) -> dict[str, Any]:
    """What stands beside the text: who wrote it, where to read on, what belongs to it."""
    said: dict[str, Any] = {"author": entry.author} if entry.author else {}
    if entry.url:
        said["links"] = [{"url": entry.url, "title": where_and_when(entry)}]
    if entry.files:
        said["attachments"] = [attached(file) for file in entry.files]
    return said


def where_and_when(entry: Entry) -> str:
    """The site that the item is from, and the day that it bears there: Loa shows its own moment."""
    host = (urlsplit(entry.url).hostname or "").removeprefix("www.")
    if day := day_of(entry):
        return say("import", "read_on_of", host=host, day=day).vi
    return say("import", "read_on", host=host).vi


def attached(file: File) -> dict[str, Any]:
    said: dict[str, Any] = {"url": file.url, "title": file.title}
    if file.media_type:
        said["media_type"] = file.media_type
    return said | ({"size": file.size} if file.size else {})


def card(draft: Draft, feed: Feed) -> dict[str, Any]:
    """Topic, audiences and channels: those of the feed, and for a correction those of the item."""
    if draft.story:
        return dict(draft.story.card)
    return {
        "topic": feed.topic,
        "audiences": list(feed.audiences),
        "channels": [str(name) for name in draft.channels],
    }
