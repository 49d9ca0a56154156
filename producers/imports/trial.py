"""Reading a feed without consequences: what would be imported, and what the contract says to it."""

from datetime import datetime

from pydantic import BaseModel

from contracts import events
from contracts.errors import ContractError, FieldError
from contracts.vocabulary import Vocabulary
from producers.imports import document
from producers.imports.compose import compose
from producers.imports.discovery import feeds_of
from producers.imports.document import Document, NotAFeed
from producers.imports.draft import Draft, Plan, Reading, Twin
from producers.imports.feed import Feed
from producers.imports.known import Known
from producers.imports.plan import plan
from producers.imports.site import Ask, Unreached


class TriedItem(BaseModel):
    """One item of a feed, and what stands against it."""

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


async def tried(ask: Ask, url: str, vocabulary: Vocabulary, now: datetime) -> Trial:
    """What lies at *url*. Raises ValidationError for what is no address."""
    feed = Feed(url=url, topic=next(iter(vocabulary.topics)), most=2000)
    try:
        found = await ask(url, etag="", modified="")
    except Unreached as away:
        return Trial(url=url, trouble=away.error)
    body = found.body or b""
    try:
        read = document.read(body, found.url, found.charset, now)
    except NotAFeed as wrong:
        feeds = tuple(feeds_of(body, found.url))
        return Trial(url=found.url, trouble=wrong.error, feeds=feeds)
    made = planned(read, feed, next(iter(vocabulary.units)), now)
    return Trial(
        url=found.url,
        moved_for_good=found.moved_for_good,
        title=read.title,
        duplicates=made.counts["duplicate"],
        twins=tuple(made.twins.values()),
        items=tuple(judged(one, feed, vocabulary) for one in made.drafts),
    )


def planned(read: Document, feed: Feed, unit: str, now: datetime) -> Plan:
    return plan(Reading(feed, read.entries, now, released=True), Known(unit))


def judged(draft: Draft, feed: Feed, vocabulary: Vocabulary) -> TriedItem:
    """One item as the door would see it, whoever the unit is."""
    entry, errors = draft.entry, tuple[FieldError, ...]()
    try:
        events.check(compose(draft, feed, "thu"), vocabulary)
    except ContractError as wrong:
        errors = wrong.errors
    return TriedItem(title=entry.title, url=entry.url, published=entry.at, errors=errors)
