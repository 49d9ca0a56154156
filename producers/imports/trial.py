"""Reading a feed without consequences: what would be imported, and what the contract says to it."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel

from contracts import events
from contracts.errors import ContractError, FieldError
from contracts.vocabulary import Vocabulary
from producers.imports import document
from producers.imports.compose import compose
from producers.imports.document import Document, NotAFeed
from producers.imports.draft import Draft, Plan, Reading, Twin
from producers.imports.entry import Odd
from producers.imports.feed import LOOK_BACK, Feed
from producers.imports.known import Known
from producers.imports.net import Unforeseen, net, told
from producers.imports.plan import plan
from producers.imports.site import Ask, Found, Unreached

Becomes = Literal["new", "ahead", "old", "backfilled"]
"""`ahead`: news, but not before its date; `old`: nothing; `backfilled`: for the portal alone."""


class TriedItem(BaseModel):
    """One item of a feed, what would become of it, and what stands against it."""

    becomes: Becomes
    title: str
    url: str
    published: datetime | None
    errors: tuple[FieldError, ...] = ()


class Trial(BaseModel):
    """What a feed holds today."""

    url: str
    """Where it was found in the end."""
    moved_for_good: bool = False
    title: str = ""
    duplicates: int = 0
    twins: tuple[Twin, ...] = ()
    """Of those, the ones that only a title and a text make so."""
    trouble: FieldError | None = None
    feeds: tuple[str, ...] = ()
    """Where the site's feeds are, if this is a page that says so."""
    items: tuple[TriedItem, ...] = ()


def any_feed(url: str, vocabulary: Vocabulary, now: datetime) -> Feed:
    """What `loa import add` would make of *url*, were nothing else said. Raises ValidationError."""
    return Feed(url=url, topic=next(iter(vocabulary.topics)), since=now - LOOK_BACK)


async def tried(ask: Ask, feed: Feed, vocabulary: Vocabulary, now: datetime) -> Trial:
    """What lies there, as if it were read for the first time now."""
    try:
        found = await ask(feed.url, etag="", modified="")
    except Unreached as away:
        return Trial(url=feed.url, trouble=away.error)
    try:
        with net(NotAFeed):
            return looked_at(found, feed, vocabulary, now)
    except NotAFeed as wrong:
        return Trial(url=found.url, trouble=wrong.error, feeds=wrong.feeds)
    except Unforeseen as odd:
        return Trial(url=found.url, trouble=told(odd).error)


def looked_at(found: Found, feed: Feed, vocabulary: Vocabulary, now: datetime) -> Trial:
    """What *found* holds. Raises NotAFeed."""
    read = document.read(found.body or b"", found.url, found.charset, now)
    made = planned(read, feed, next(iter(vocabulary.units)), now)
    return Trial(
        url=found.url,
        moved_for_good=found.moved_for_good,
        title=read.title,
        duplicates=made.counts["duplicate"],
        twins=tuple(made.twins.values()),
        items=(*(judged(one, feed, vocabulary) for one in made.drafts), *map(left_out, read.odd)),
    )


def planned(read: Document, feed: Feed, unit: str, now: datetime) -> Plan:
    """Older items are looked at as well, whether they are taken or not."""
    everything = feed.model_copy(update={"backfill": True})
    return plan(Reading(everything, read.entries, now, first=True, released=True), Known(unit))


def judged(draft: Draft, feed: Feed, vocabulary: Vocabulary) -> TriedItem:
    """One item as the door would see it, whoever the unit is."""
    entry, errors = draft.entry, tuple[FieldError, ...]()
    try:
        events.check(compose(draft, feed, "thu"), vocabulary)
    except ContractError as wrong:
        errors = wrong.errors
    return TriedItem(
        becomes=becomes(draft, feed),
        title=entry.title,
        url=entry.url,
        published=entry.ahead or entry.at,
        errors=errors,
    )


def left_out(odd: Odd) -> TriedItem:
    """An entry that nobody can understand."""
    said = {"title": odd.title, "url": odd.url, "published": None, "errors": (odd.error,)}
    return TriedItem(becomes="new", **said)


def becomes(draft: Draft, feed: Feed) -> Becomes:
    if draft.why == "new":
        return "ahead" if draft.entry.ahead else "new"
    return "backfilled" if feed.backfill else "old"
