"""Read a feed without sending events: what an import would do, contract errors and warnings."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel

from contracts import events
from contracts.base.conditional_response import ConditionalResponse
from contracts.errors import ContractError, FieldError, FieldWarning
from contracts.vocabulary import Vocabulary
from producers.imports.compose_event import compose_event
from producers.imports.errors import FeedUnavailable, NotAFeed, UnexpectedError
from producers.imports.feed_request import FeedRequest
from producers.imports.feed_state import DuplicateEntry
from producers.imports.imported_articles import ImportedArticles
from producers.imports.isolate_errors import isolate_errors, log_unexpected
from producers.imports.parse import feed_document
from producers.imports.plan import plan_events
from producers.imports.planned import Draft, ManualVisit, Reading
from producers.units.feed_settings import LOOK_BACK, Feed

DryRunResult = Literal["new", "ahead", "old", "backfilled"]
"""`ahead`: news with a future date; `old`: ignored; `backfilled`: for the portal only."""


class DryRunItem(BaseModel):
    """One item of a feed, the result of an import, contract errors and warnings."""

    becomes: DryRunResult
    title: str
    url: str
    published: datetime | None = None
    errors: tuple[FieldError, ...] = ()
    warnings: tuple[FieldWarning, ...] = ()


class DryRun(BaseModel):
    """Result of a dry run."""

    url: str
    """The final address."""
    moved_for_good: bool = False
    title: str = ""
    duplicates: int = 0
    twins: tuple[DuplicateEntry, ...] = ()
    """Duplicates by title and text alone."""
    trouble: FieldError | None = None
    feeds: tuple[str, ...] = ()
    """Feeds that the page names, if the address is a web page."""
    items: tuple[DryRunItem, ...] = ()


def default_feed(url: str, vocabulary: Vocabulary, now: datetime) -> Feed:
    """The settings that `loa import add` would use for *url* by default. Raises ValidationError."""
    return Feed(url=url, topic=next(iter(vocabulary.topics)), since=now - LOOK_BACK)


async def dry_run(fetch: FeedRequest, feed: Feed, vocabulary: Vocabulary, now: datetime) -> DryRun:
    """Read the feed as if for the first time."""
    try:
        response = await fetch(feed.url, etag="", last_modified="")
    except FeedUnavailable as away:
        return DryRun(url=feed.url, trouble=away.error)
    try:
        with isolate_errors(NotAFeed):
            return _read_response(response, feed, vocabulary, now)
    except NotAFeed as wrong:
        return DryRun(url=response.url, trouble=wrong.error, feeds=wrong.feeds)
    except UnexpectedError as odd:
        return DryRun(url=response.url, trouble=log_unexpected(odd).error)


def _read_response(
    response: ConditionalResponse, feed: Feed, vocabulary: Vocabulary, now: datetime
) -> DryRun:
    """The result for one response. Raises NotAFeed."""
    read = feed_document.parse_feed(response.body or b"", response.url, response.charset, now)
    everything = feed.model_copy(update={"backfill": True})  # older items included
    reading = Reading(everything, read.entries, now, manual=ManualVisit(release_held=True))
    planned = plan_events(reading, ImportedArticles(next(iter(vocabulary.units))))
    return DryRun(
        url=response.url,
        moved_for_good=response.moved_permanently,
        title=read.title,
        duplicates=planned.counts["duplicate"],
        twins=tuple(planned.twins.values()),
        items=(
            *(_check_draft(draft, feed, vocabulary) for draft in planned.drafts),
            *(
                DryRunItem(becomes="new", title=entry.title, url=entry.url, errors=(entry.error,))
                for entry in read.unreadable
            ),
        ),
    )


def _check_draft(draft: Draft, feed: Feed, vocabulary: Vocabulary) -> DryRunItem:
    entry, errors = draft.entry, tuple[FieldError, ...]()
    warnings = tuple[FieldWarning, ...]()
    try:
        content = events.check(compose_event(draft, feed, "thu"), vocabulary)
        warnings = events.find_warnings(content)
    except ContractError as wrong:
        errors = wrong.errors
    return DryRunItem(
        becomes=_result_of(draft, feed),
        title=entry.title,
        url=entry.url,
        published=entry.scheduled_for or entry.published_at,
        errors=errors,
        warnings=warnings,
    )


def _result_of(draft: Draft, feed: Feed) -> DryRunResult:
    if draft.reason == "new":
        return "ahead" if draft.entry.scheduled_for else "new"
    return "backfilled" if feed.backfill else "old"
