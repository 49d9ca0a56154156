"""The proposal of an issue: what was released since the last one, without what readers had."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import NamedTuple

from contracts.bulletins.composition import marked_text
from contracts.bulletins.issue import (
    MAX_ENTRIES,
    BulletinAmendment,
    BulletinEntry,
    BulletinIssue,
    BulletinSection,
    PublishedIssue,
)
from contracts.bulletins.series import Series, Span
from contracts.text.moments import VIETNAM

_DAY, _TICK = timedelta(days=1), timedelta(microseconds=1)
WITHDRAWN = "withdrawn"
LANGUAGE = "vi"
"""The language of every issue; items in another one are added by hand."""


class ReleasedItem(NamedTuple):
    """An item as readers have it now: its newest text that is out, or its withdrawal."""

    content_id: str
    revision: int
    topic: str
    title: str
    text: str
    action: str
    first_shown_at: datetime
    reason: str = ""
    has_page: bool = True
    """Whether the portal shows it: an entry leads there."""
    expires_at: datetime | None = None
    language: str = LANGUAGE
    gathered_from: datetime | None = None
    """When readers first had a text that the series gathers, if that was after `first_shown_at`."""

    @property
    def seen_at(self) -> datetime:
        """When readers first saw what the series gathers."""
        return max(self.first_shown_at, self.gathered_from or self.first_shown_at)

    def is_over(self, at: datetime) -> bool:
        """Whether it has expired."""
        return self.expires_at is not None and self.expires_at <= at


class NewIssue(NamedTuple):
    """The issue that is proposed: its series, its number and its days."""

    series_id: str
    series: Series
    number: int
    span: Span


def window_start(new: NewIssue, earlier: Iterable[PublishedIssue]) -> datetime:
    """The moment after which items are new: the last issue gathered until then.

    Behind a withdrawn issue its items are new again.
    """
    year = new.span.last_day.year
    before = [one for one in earlier if one.issue.order < (year, new.number)]
    ends = [one.issue.gathered_until for one in before if one.is_out]
    days = [one.issue.first_day for one in before]
    return max(ends) if ends else _midnight(min(days, default=new.span.first_day)) - _TICK


def _midnight(day: date) -> datetime:
    """The beginning of a day in Vietnam."""
    return datetime.combine(day, time(), VIETNAM)


def _window_end(span: Span, now: datetime) -> datetime:
    """Up to when an issue gathers: the last moment of its last day, or now."""
    return min(_midnight(span.last_day + _DAY) - _TICK, now)


def propose(
    new: NewIssue,
    earlier: Sequence[PublishedIssue],
    released: Mapping[str, ReleasedItem],
    now: datetime,
) -> BulletinIssue:
    """The issue of what *released* has for it. *earlier*: the series' other issues.

    An item is in one issue. What was corrected or withdrawn since an earlier issue is an amendment,
    also once. What finds no room goes into the next issue.
    """
    out = [one.issue for one in earlier if one.is_out]
    amendments = list(_amendments(out, released))[:MAX_ENTRIES]
    window = window_start(new, earlier), _window_end(new.span, now)
    current = [one for one in released.values() if not one.is_over(now)]
    found = _new_items(new.series, out, current, window)
    room = MAX_ENTRIES - len(amendments)
    until = found[room].first_shown_at - _TICK if len(found) > room else window[1]
    return BulletinIssue(
        series=new.series_id,
        year=new.span.last_day.year,
        number=new.number,
        first_day=new.span.first_day,
        last_day=new.span.last_day,
        gathered_until=until,
        sections=_sections(new.series, found[:room]),
        amendments=tuple(amendments),
        masthead=new.series.masthead,
    )


def _new_items(
    series: Series,
    out: Sequence[BulletinIssue],
    released: Iterable[ReleasedItem],
    window: tuple[datetime, datetime],
) -> list[ReleasedItem]:
    """The items of the window that no issue has had, oldest first."""
    start, end = window
    had = {content_id for issue in out for content_id in issue.content_ids}
    found = [
        item
        for item in released
        if start < item.seen_at
        and item.first_shown_at <= end
        and item.content_id not in had
        and is_gathered(item, series)
    ]
    return sorted(found, key=lambda item: (item.first_shown_at, item.content_id))


def is_gathered(item: ReleasedItem, series: Series) -> bool:
    """Whether issues of the series gather such a text by themselves."""
    is_shown = item.action != WITHDRAWN and item.has_page
    return is_shown and item.topic in series.topics and item.language == LANGUAGE


def _sections(series: Series, items: Sequence[ReleasedItem]) -> tuple[BulletinSection, ...]:
    """Every section of the series, the empty ones for what people add."""
    return tuple(
        BulletinSection(
            id=id,
            name=section.name,
            entries=tuple(entry_of(one) for one in items if series.section_of(one.topic) == id),
        )
        for id, section in series.sections.items()
    )


def entry_of(item: ReleasedItem) -> BulletinEntry:
    """The entry that is proposed for an item; one in another language says so."""
    text = marked_text(item.text, item.language) if item.language != LANGUAGE else item.text
    return BulletinEntry(
        content_id=item.content_id, revision=item.revision, title=item.title, text=text
    )


def _amendments(
    out: Sequence[BulletinIssue], released: Mapping[str, ReleasedItem]
) -> Iterator[BulletinAmendment]:
    """Changes to items that readers of earlier issues know in an outdated text."""
    for content_id, revision in known_revisions(out).items():
        item = released.get(content_id)
        if item and item.revision > revision:
            yield amendment_of(item)


def amendment_of(item: ReleasedItem) -> BulletinAmendment:
    """Change to an item of an earlier issue."""
    return BulletinAmendment(
        content_id=item.content_id,
        revision=item.revision,
        title=item.title,
        change="withdrawn" if item.action == WITHDRAWN else "corrected",
        reason=item.reason,
    )


def known_revisions(issues: Iterable[BulletinIssue]) -> dict[str, int]:
    """Each item of *issues* with the newest revision that they told of, in their order."""
    known: dict[str, int] = {}
    for issue in sorted(issues, key=lambda one: one.order):
        for content_id, revision in issue.positions():
            known[content_id] = max(revision, known.get(content_id, 0))
    return known


def outdated(
    issue: BulletinIssue, released: Mapping[str, ReleasedItem], at: datetime | None = None
) -> tuple[str, ...]:
    """The items of an issue that readers no longer have in the revision that it tells of.

    *at*: those too that have expired by then.
    """
    entries = {one.content_id for one in issue.entries}
    return tuple(
        content_id
        for content_id, revision in issue.positions()
        if (item := released.get(content_id)) is None
        or item.revision != revision
        or (content_id in entries and (item.action == WITHDRAWN or (at and item.is_over(at))))
    )
