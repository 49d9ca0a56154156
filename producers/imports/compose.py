"""A draft as the event that the unit sends: a content item, with what the import goes by."""

from typing import Any
from urllib.parse import urlsplit

from contracts import events
from contracts.cloudevent import CloudEvent
from producers.imports import plain
from producers.imports.entry import Entry
from producers.imports.feed import Feed
from producers.imports.known import FEED, MARK, NAMES, SOURCE
from producers.imports.plan import Draft
from producers.wording import say

SUMMARY_MAX = 500


def compose(draft: Draft, feed: Feed, unit: str) -> CloudEvent:
    """The event of *draft*. Nothing is judged here: the door does that."""
    entry = draft.entry
    return CloudEvent(
        specversion="1.0",
        id=f"{draft.content_id}.{draft.revision}",
        source=f"{SOURCE}{unit}",
        type=events.CORRECTED if draft.story else events.SUBMITTED,
        subject=draft.content_id,
        time=entry.at,
        datacontenttype="application/json",
        data=data(draft, feed),
        extensions={
            FEED: feed.feed_id,
            NAMES: " ".join(entry.keys or (entry.first_key,)),
            MARK: entry.mark,
        },
    )


def data(draft: Draft, feed: Feed) -> dict[str, Any]:
    entry = draft.entry
    said: dict[str, Any] = {
        "content_id": draft.content_id,
        "revision": draft.revision,
        "title": entry.title,
        **words(entry),
        **card(draft, feed),
    }
    if draft.story:
        said["corrects_revision"] = draft.story.revision
    if entry.author:
        said["author"] = entry.author
    if entry.url:
        host = urlsplit(entry.url).hostname or ""
        title = say("import", "read_on", host=host.removeprefix("www.")).vi
        said["links"] = [{"url": entry.url, "title": title}]
    return said


def words(entry: Entry) -> dict[str, str]:
    """Summary and body; a site that writes but one text says it once."""
    lead, full = plain.text_of(entry.lead), plain.text_of(entry.full)
    body = full or lead or entry.title
    summary = plain.short(lead or body, SUMMARY_MAX)
    alone = summary == " ".join(body.split())
    return {"summary": "" if alone else summary, "body": plain.markdown_of(body)}


def card(draft: Draft, feed: Feed) -> dict[str, Any]:
    """Topic, audiences and channels: those of the feed, and for a correction those of the item."""
    if draft.story:
        return dict(draft.story.card)
    return {
        "topic": feed.topic,
        "audiences": list(feed.audiences),
        "channels": [str(name) for name in draft.channels],
    }
