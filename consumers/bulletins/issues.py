"""The issues of a series: those that are out, those that people work on, and the next one."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

from consumers.bulletins.approval import days_error
from consumers.bulletins.pdf import IssuePrinter
from consumers.bulletins.released import ReleasedItems
from consumers.bulletins.released_issues import ReleasedIssues
from consumers.editorial.log import EditorialLog
from consumers.messages import field_error
from contracts import subjects
from contracts.base.times import Clock, utc_now, vietnam_time
from contracts.bulletins import correction, proposal, sequence
from contracts.bulletins.correction import IssueCorrection
from contracts.bulletins.issue import BulletinIssue, PublishedIssue, is_issue_of, issue_id
from contracts.bulletins.proposal import NewIssue, ReleasedItem
from contracts.bulletins.series import Series, Span
from contracts.editorial import ActionKind, ItemState, Status
from contracts.editorial.action import DESK_ACT
from contracts.errors import Conflict, Invalid, NotFound, unknown_word
from contracts.vocabulary import Vocabulary

_LOOK_BACK = timedelta(days=366)
"""A text may be approved this long before the time that it names."""
_LATEST = timedelta(days=14)
"""An approval is carried out this long after its time, if Loa was down, and is still seen."""
_DAY = timedelta(days=1)
_FREE = frozenset({Status.REJECTED, Status.WITHDRAWN})
"""Last states of an issue that never went out: its number is free again."""


@dataclass(frozen=True)
class IssueAtWork:
    """An issue as the editorial log has it; `issue` is its newest text."""

    content_id: str
    state: ItemState
    issue: BulletinIssue


@dataclass(frozen=True)
class SeriesIssues:
    """The issues of the series of *vocabulary*. Methods raise BusError."""

    items: ReleasedItems
    log: EditorialLog
    vocabulary: Vocabulary
    clock: Clock
    printer: IssuePrinter = field(default_factory=IssuePrinter)

    def series(self, series_id: str) -> Series:
        """Raises Invalid, naming those that there are."""
        known = self.vocabulary.bulletins
        if series_id not in known:
            raise Invalid(unknown_word("series", "unknown_series", series_id, known))
        return known[series_id]

    async def published(self, series_id: str) -> list[PublishedIssue]:
        issues = ReleasedIssues(self.items.publications)
        return await issues.of_series(self.series(series_id).topic, series_id)

    async def of_year(self, series_id: str, year: int) -> list[IssueAtWork]:
        """The issues of a year as the editorial log has them, given up ones too."""
        names = await self._names(series_id, year)
        found = [await self.read(name) for name in names]
        return sorted(filter(None, found), key=lambda one: one.issue.order)

    async def _names(self, series_id: str, year: int | None = None) -> list[str]:
        """Sorted names of the issues that the editorial log has, of all years or of one."""
        stored = await self.log.bus.count_by_subject(subjects.EDITORIAL.name)
        names = map(subjects.item_of_editorial, stored)
        return sorted(one for one in names if is_issue_of(one, series_id, year))

    async def read(self, content_id: str) -> IssueAtWork | None:
        """An item that is an issue, as the log has it."""
        state = (await self.log.read(content_id)).state
        issue = _issue_in(state)
        return IssueAtWork(content_id, state, issue) if issue else None

    async def require(self, content_id: str) -> IssueAtWork:
        """Raises NotFound for an item that is no issue."""
        if found := await self.read(content_id):
            return found
        raise NotFound(field_error("content_id", "no_issue", value=content_id))

    async def propose(
        self, series_id: str, span: Span | None = None, number: int | None = None
    ) -> BulletinIssue:
        """Propose the next issue from the items released since the last one.

        Else than told, it covers the days after the last one, to the end of the newest span that
        is over; a number that was given up before a later one comes first, with its own days.
        Raises Invalid for days in the wrong order, Conflict if no span is over, if another issue or
        draft leaves no room for the days, or if the number is taken or leaves a gap.
        """
        series, now = self.series(series_id), utc_now(self.clock)
        if span:
            _check_order(span)
        others = await self._others(series_id)
        days = span or await self._open_days(others) or self._next_span(series, others)
        new = NewIssue(series_id, series, _free_number(others, days, number), days)
        _check_free(new, others)
        start = proposal.window_start(new, others)
        told = proposal.known_revisions(one.issue for one in others if one.is_out)
        after = start - _LATEST if told else start
        released = await self.items.of_topics(series.topics, start - _LOOK_BACK, after, now)
        for one in [*released.values()]:
            if one.first_shown_at <= start and one.content_id not in told:
                released[one.content_id] = await self._gathered_later(one, series)
        released |= await self.items.of_changed(told, now)
        return proposal.propose(new, others, released, now)

    async def _gathered_later(self, item: ReleasedItem, series: Series) -> ReleasedItem:
        """The item with the time at which readers first had a text that the series gathers.

        That is late where Loa was down, and where a correction first brought it to the portal or
        under a topic of the series.
        """
        _, acts = await self.log.history(item.content_id)
        carried_out = (one.at for one in acts if one.kind is ActionKind.PUBLISH)
        times = [next(carried_out, None), await self.items.first_gathered(item.content_id, series)]
        return item._replace(gathered_from=max(filter(None, times), default=None))

    async def begun_by(self, series_id: str, act_id: str) -> str:
        """The draft that the form with *act_id* has begun; empty for none."""
        drafts = await self._drafts(series_id, await self.published(series_id))
        act = f"{DESK_ACT}{act_id}.{ActionKind.SAVE}"
        return next((one.content_id for one in drafts if act in one.state.ids), "")

    async def begun_for(self, series_id: str, span: Span) -> str:
        """The issue of exactly the days that a person names, if it is not out; empty for none.

        One that was withdrawn is found where no issue that is out has its days. Raises Invalid for
        days that have not begun.
        """
        self.series(series_id)
        _check_order(span)
        if span.first_day > self._today:
            value = f"{self._today:%d/%m/%Y}"
            raise Invalid(field_error("first_day", "issue_days_ahead", value=value))
        published = await self.published(series_id)
        drafts = await self._drafts(series_id, published)
        if known := next((one.content_id for one in drafts if one.issue.span == span), ""):
            return known
        taken = any(one.is_out and span.overlaps(one.issue.span) for one in published)
        known = next((one.content_id for one in published if one.issue.span == span), "")
        return "" if taken else known

    @property
    def _today(self) -> date:
        return vietnam_time(self.clock()).date()

    async def released(self, content_id: str, issue: BulletinIssue) -> ReleasedItem:
        """An item that may be put into *issue*.

        Raises NotFound for one that is not out, Conflict for one that another issue or draft has,
        or that has expired.
        """
        now = utc_now(self.clock)
        item = (await self.items.of_items([content_id], now)).get(content_id)
        if item is None or item.action == proposal.WITHDRAWN or not item.has_page:
            raise NotFound(field_error("content_id", "not_released", value=content_id))
        if item.is_over(now):
            values = {"value": content_id, "title": item.title}
            raise Conflict(field_error("content_id", "item_expired", **values))
        told = sequence.items_of_others(await self._others(issue.series), issue.content_id)
        if other := told.get(content_id):
            values = {"value": content_id, "title": item.title, "other": other}
            raise Conflict(field_error("content_id", "bulletin_item_elsewhere", **values))
        return item

    async def outdated(self, issue: BulletinIssue, *, is_out: bool) -> tuple[str, ...]:
        """The items of an issue that changed, or expired before it is out, since it was made."""
        now = utc_now(self.clock)
        released = await self.items.of_items(issue.content_ids, now)
        return proposal.outdated(issue, released, None if is_out else now)

    async def correction(self, issue: BulletinIssue) -> IssueCorrection:
        """An issue that is out, as its items are now. Raises Conflict if none is left."""
        now = utc_now(self.clock)
        out = await self.items.publications.issue_at(issue.content_id, now) or issue
        released = await self.items.of_items({*issue.content_ids, *out.content_ids}, now)
        released |= await self._with_kept_texts(issue, released)
        corrected = correction.correct(issue, released, out)
        if not corrected.issue.content_ids:
            raise Conflict(field_error("content_id", "issue_without_items", value=issue.content_id))
        return corrected

    async def _with_kept_texts(
        self, issue: BulletinIssue, released: Mapping[str, ReleasedItem]
    ) -> dict[str, ReleasedItem]:
        """Corrected items whose own text did not change, with the text that *issue* has of them."""
        changed = {*proposal.outdated(issue, released)} & released.keys()
        entries = {one.content_id: one for one in issue.entries if one.content_id in changed}
        told = {name: one.revision for name, one in entries.items()}
        return {
            name: released[name]._replace(text=entries[name].text, language=proposal.LANGUAGE)
            for name in await self.items.same_texts(told, utc_now(self.clock))
        }

    async def telling(self, content_id: str) -> list[str]:
        """The issues of all series that are out and tell of an item otherwise than it is now."""
        item = (await self.items.of_items([content_id], utc_now(self.clock))).get(content_id)
        current = None, item.revision if item else 0
        found = [one for id in self.vocabulary.bulletins for one in await self.published(id)]
        return [
            one.content_id
            for one in found
            if one.is_out and dict(one.issue.positions()).get(content_id) not in current
        ]

    def print_issue(self, issue: BulletinIssue, *, is_draft: bool) -> bytes:
        """The issue as a PDF for print. Raises Invalid for an unknown series."""
        name = self.series(issue.series).name
        return self.printer.pdf(issue, name, is_draft=is_draft)

    async def _others(self, series_id: str) -> list[PublishedIssue]:
        """Published issues and drafts: an item that a draft has is not proposed again."""
        published = await self.published(series_id)
        found = {one.content_id: one for one in published}
        for one in await self._drafts(series_id, published):
            found[one.content_id] = PublishedIssue(one.content_id, one.issue)
        return sorted(found.values(), key=lambda one: one.issue.order)

    async def _drafts(
        self, series_id: str, published: Collection[PublishedIssue]
    ) -> list[IssueAtWork]:
        """The issues that people work on and that are not out, also withdrawn ones."""
        out = {one.content_id for one in published if one.is_out}
        names = [one for one in await self._names(series_id) if one not in out]
        found = filter(None, [await self.read(name) for name in names])
        return [one for one in found if one.state.status not in _FREE]

    async def _open_days(self, others: list[PublishedIssue]) -> Span | None:
        """The days of the first number that is missing before a later one; None for none."""
        if not (behind := sequence.behind_gap(others)):
            return None
        issue = behind.issue
        missing = sequence.missing_number(_numbers(others, issue.year), issue.number) or 1
        if known := await self.read(issue_id(issue.series, issue.year, missing)):
            return known.issue.span
        before = [one.issue.last_day for one in others if one.issue.order < issue.order]
        first_day, last_day = max(before, default=issue.first_day) + _DAY, issue.first_day - _DAY
        if first_day > last_day:
            raise _gap(issue, missing)
        return Span(first_day, last_day)

    def _next_span(self, series: Series, others: list[PublishedIssue]) -> Span:
        """The newest span that is over, with all days since the last issue. Raises Conflict."""
        span = series.last_span(self._today)
        if not others:
            return span
        first_day = max(one.issue.last_day for one in others) + _DAY
        if first_day > span.last_day:
            raise Conflict(field_error("series", "no_span_is_over", value=f"{first_day:%d/%m/%Y}"))
        return Span(first_day, span.last_day)


def _check_order(span: Span) -> None:
    """Raise Invalid for days in the wrong order."""
    if span.first_day > span.last_day:
        value = f"{span.first_day:%d/%m/%Y}"
        raise Invalid(field_error("last_day", "issue_ends_early", value=value))


def _check_free(new: NewIssue, others: Iterable[PublishedIssue]) -> None:
    """Raise Conflict for days for which another issue leaves no room."""
    order = new.span.last_day.year, new.number
    for one in sequence.days_taken(order, new.span, others):
        raise Conflict(days_error("first_day", new.span, one))


def _numbers(issues: Iterable[PublishedIssue], year: int) -> frozenset[int]:
    return frozenset(one.issue.number for one in issues if one.issue.year == year)


def _free_number(others: list[PublishedIssue], span: Span, wanted: int | None) -> int:
    """The next number of the year, or *wanted*. Raises Conflict if it is taken or leaves a gap."""
    taken = _numbers(others, span.last_day.year)
    if wanted in taken:
        raise Conflict(field_error("number", "issue_exists", value=wanted))
    number = wanted or sequence.next_number(taken)
    missing = sequence.missing_number(taken, number)
    if wanted and missing:
        values = {"value": number, "missing": missing}
        raise Conflict(field_error("number", "bulletin_number_gap", **values))
    return _in_gap(others, span, missing) if missing else number


def _in_gap(others: Iterable[PublishedIssue], span: Span, missing: int) -> int:
    """The number *missing* for days before the issue behind it. Raises Conflict for others."""
    order = span.last_day.year, missing
    later = min((one.issue for one in others if one.issue.order > order), key=lambda one: one.order)
    if span.last_day >= later.first_day:
        raise _gap(later, missing)
    return missing


def _gap(later: BulletinIssue, missing: int) -> Conflict:
    """Why no issue begins behind *later* while a number before it is missing."""
    values = {"value": f"{later.first_day:%d/%m/%Y}", "missing": missing, "number": later.number}
    return Conflict(field_error("last_day", "issue_gap", **values))


def _issue_in(state: ItemState) -> BulletinIssue | None:
    """The issue that an item's newest text is."""
    parts = state.text.data.get("bulletin") if state.text else None
    return BulletinIssue.model_validate(parts) if parts else None
