"""The rows of facts: what each kind of fact counts, with the unit and the topic of its item."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial, singledispatchmethod
from typing import Any

from consumers.periodic_reports.releases import ItemReleases
from consumers.periodic_reports.rhythm import rhythm_rows
from consumers.periodic_reports.rows import DIGESTS, Gap, Row
from consumers.periodic_reports.span import Span
from consumers.periodic_reports.steps import steps_of
from contracts import keys
from contracts.base.errors import UnknownYear
from contracts.bulletins.issue import is_issue_of
from contracts.bulletins.series import Series
from contracts.delivery import Lane, Status
from contracts.desk.deadlines import Deadlines, default_deadlines
from contracts.facts import (
    DayFact,
    DecisionFact,
    DeliveryFact,
    EventsFact,
    Fact,
    FactKind,
    IncidentFact,
    NoticesFact,
    OpinionsFact,
    ReadersFact,
    RefusalsFact,
    ReleaseFact,
)
from contracts.facts.kinds import day_of
from contracts.interruptions.notice_period import Notice, judge

_NOT_RECORDED = "not_recorded"
_ROW_KINDS: Mapping[FactKind, tuple[str, ...]] = {
    FactKind.RELEASE: ("items", "bulletins", "interruptions"),
    FactKind.DECISION: ("desk",),
    FactKind.DELIVERY: ("deliveries", "withdrawals"),
    FactKind.EVENTS: ("events",),
    FactKind.REFUSALS: ("refusals",),
    FactKind.OPINIONS: ("opinions",),
    FactKind.READERS: ("readers",),
    FactKind.INCIDENT: ("incidents",),
    FactKind.NOTICES: ("notices",),
}
"""Prefixes of the kinds of rows."""
FACT_ROW_KINDS = frozenset(prefix for prefixes in _ROW_KINDS.values() for prefix in prefixes)
_UNCOUNTED: Mapping[str, str] = {"opinions.answered": "anonymous", "views": "untracked"}
"""Kinds that indicators name and no fact can count, each with the reason."""
_INCIDENTS = {"pause": "paused", "breaker": "broken"}
_DAY = timedelta(days=1)


@dataclass
class FactRows:
    """Turns facts into rows. Releases have to be learnt first: deliveries name no unit, and what
    a release was for readers follows from the others of its item."""

    releases: dict[str, ItemReleases] = field(default_factory=dict)
    """The releases of each item."""
    bulletins: Mapping[str, Series] = field(default_factory=dict)
    """The series of bulletins, whose issues are items."""
    deadlines: Deadlines = field(default_factory=default_deadlines)

    def learn(self, release: ReleaseFact) -> None:
        self.releases.setdefault(release.content_id, ItemReleases()).learn(release)

    def rhythm(self, span: Span, counted: Set[date]) -> Iterator[Row]:
        """The periods of each series that end in *span*, once all releases are learnt.

        Issues of days that were not *counted* are none: nothing is known of these days.
        """
        issued: dict[str, list[date]] = {}
        for content_id, releases in self.releases.items():
            published = releases.published
            if not published or published.day not in counted:
                continue
            if series := self._series_of(content_id, published.topic):
                issued.setdefault(series, []).append(published.day)
        return rhythm_rows(self.bulletins, issued, span, counted)

    def of(self, fact: Fact) -> list[Row]:
        return [row for row in self._rows(fact) if row.times or row.is_level]

    @singledispatchmethod
    def _rows(self, fact: Any) -> Iterator[Row]:  # noqa: ARG002 -- a kind that no report counts
        return iter(())

    @_rows.register
    def _(self, fact: ReleaseFact) -> Iterator[Row]:
        self.learn(fact)
        releases = self.releases[fact.content_id]
        if not (action := releases.action(fact.revision)):
            return
        row = partial(self._item_row(fact.content_id), lane=fact.lane)
        yield row(fact.day, f"items.{action}", 1)
        series = self._series_of(fact.content_id, fact.topic)
        if series and action == "published":
            yield row(fact.day, "bulletins.issued", 1, detail=series)
        for channel in fact.channels:
            yield row(fact.day, f"items.{action}_on", 1, channel=channel)
        if fact.interrupts_at and fact.revision in releases.announcements():
            yield from self._announcement(fact)

    def _announcement(self, fact: ReleaseFact) -> Iterator[Row]:
        """An announced interruption, in time or late."""
        row = self._item_row(fact.content_id)
        yield row(fact.day, "interruptions.announced", 1)
        if notice := self._notice(fact):
            yield row(fact.day, f"interruptions.{notice}", 1)

    def _notice(self, fact: ReleaseFact) -> Notice | None:
        """How it was announced: as it was stated, where the working days of a year are unknown."""
        begins, is_force_majeure = fact.interrupts_at, bool(fact.is_force_majeure)
        days = self.deadlines.days
        try:
            return judge(
                begins or fact.shown_at, fact.shown_at, days, is_force_majeure=is_force_majeure
            )
        except UnknownYear:
            return Notice.FORCE_MAJEURE if is_force_majeure else None

    @_rows.register
    def _(self, fact: DecisionFact) -> Iterator[Row]:
        row = partial(Row, item=fact.content_id, unit=fact.unit, topic=fact.topic)
        yield row(fact.day, "desk.returned", fact.returns)
        if fact.verdict:
            yield row(fact.day, f"desk.{fact.verdict}", 1, detail=fact.code)
        if fact.verdict == "approved" and fact.decided_at and not fact.by_rule:
            seconds = _seconds(fact.decided_at - fact.sent_at)
            yield row(fact.day, "desk.approved_after", 1, seconds=seconds)
        if published_at := self._published_at(fact):
            began = min(fact.event_at or fact.sent_at, fact.sent_at)
            seconds = _seconds(published_at - began)
            yield row(day_of(published_at), "desk.published_after", 1, seconds=seconds)
        known = self.releases.get(fact.content_id)
        lane = known.newest.lane if known else Lane.NORMAL
        for step, is_late in steps_of(fact, lane, self.deadlines):
            yield row(fact.day, "desk.steps", 1, detail=step)
            yield row(fact.day, "desk.steps_late", int(is_late), detail=step)

    def _published_at(self, fact: DecisionFact) -> datetime | None:
        """When readers had the revision; None if they never did, or do not yet."""
        known = self.releases.get(fact.content_id)
        if not fact.published_at or not known or fact.revision not in known.known:
            return fact.published_at
        is_seen = fact.revision in known.seen()
        return known.known[fact.revision].shown_at if is_seen else None

    @_rows.register
    def _(self, fact: DeliveryFact) -> Iterator[Row]:
        row = partial(self._item_row(fact.content_id), channel=fact.channel, lane=fact.lane)
        counts = {status.value: count for status, count in fact.counts.items()}
        known = self.releases.get(fact.content_id)
        is_withdrawal = known is not None and known.is_withdrawal(fact.revision)
        kind = "withdrawals" if is_withdrawal else "deliveries"
        more = {"expected": fact.expected, "copies": fact.copies}
        more |= {"bounced": fact.bounced, "complained": fact.complained}
        for name, count in (counts | more).items():
            yield row(fact.day, f"{kind}.{name}", count)
        if fact.within_10_s is not None:
            timed = fact.count(Status.DELIVERED)
            yield row(fact.day, f"{kind}.timed", timed)
            yield row(fact.day, f"{kind}.within_10_s", fact.within_10_s)
        if (most := fact.reached_s.get("most")) is not None:
            yield row(fact.day, f"{kind}.most_after", 1, seconds=math.ceil(most))

    @_rows.register
    def _(self, fact: EventsFact) -> Iterator[Row]:
        for name, count in fact.accepted.items():
            yield Row(fact.day, f"events.{name}", count, unit=fact.unit)
        yield Row(fact.day, "events.accepted", fact.total, unit=fact.unit)

    @_rows.register
    def _(self, fact: RefusalsFact) -> Iterator[Row]:
        for name, count in fact.refused.items():
            for kind in (name, "events"):
                yield Row(fact.day, f"refusals.{kind}", count, unit=fact.unit)

    @_rows.register
    def _(self, fact: OpinionsFact) -> Iterator[Row]:
        row = self._item_row(fact.content_id)
        for channel, counts in fact.counts.items():
            for reaction, count in counts.items():
                for kind in ("received", reaction):
                    yield row(fact.day, f"opinions.{kind}", count, channel=channel)

    @_rows.register
    def _(self, fact: ReadersFact) -> Iterator[Row]:
        if fact.total is not None:
            yield Row(fact.day, "readers.level", fact.total, channel=fact.channel)
        yield Row(fact.day, "readers.gained", fact.came, channel=fact.channel)
        for way, count in fact.left.items():
            yield Row(fact.day, "readers.lost", count, channel=fact.channel, detail=way)

    @_rows.register
    def _(self, fact: NoticesFact) -> Iterator[Row]:
        kind = f"notices.{fact.sort}"
        yield Row(fact.day, f"{kind}_expected", sum(fact.counts.values()), channel=fact.channel)
        for status, count in fact.counts.items():
            yield Row(fact.day, f"{kind}_{status}", count, channel=fact.channel)

    @_rows.register
    def _(self, fact: IncidentFact) -> Iterator[Row]:
        yield Row(fact.day, f"incidents.{_INCIDENTS[fact.what]}", 1, detail=fact.circuit)
        if fact.ended_at:
            seconds = _seconds(fact.ended_at - fact.began_at)
            yield Row(fact.day, "incidents.lasted", 1, detail=fact.circuit, seconds=seconds)

    def _series_of(self, content_id: str, topic: str) -> str:
        """The series whose issue the item is; empty for any other item."""
        named = (id for id, one in self.bulletins.items() if one.topic == topic)
        return next((id for id in named if is_issue_of(content_id, id)), "")

    def _item_row(self, content_id: str) -> partial[Row]:
        """Makes rows of an item, or of a digest, which is of no one unit and topic."""
        if keys.is_digest(content_id):
            return partial(Row, item=content_id, unit=DIGESTS, topic=DIGESTS)
        if not (known := self.releases.get(content_id)):
            return partial(Row, item=content_id)
        return partial(Row, item=content_id, unit=known.newest.unit, topic=known.newest.topic)


def uncounted_days(days: Iterable[DayFact], span: Span) -> Iterator[tuple[str, list[date]]]:
    """By what the kinds of rows begin with: the days of *span* on which they were not counted."""
    counted = {fact.on: fact.counted for fact in days}
    for kind, prefixes in _ROW_KINDS.items():
        lost = sorted(day for day in span.days() if kind not in counted.get(day, ()))
        yield from ((prefix, lost) for prefix in prefixes)


def gaps_of(days: Iterable[DayFact], span: Span) -> Iterator[Gap]:
    """The runs of days on which a kind was not counted, and the kinds that nothing counts."""
    for prefix, lost in uncounted_days(days, span):
        for first, last in _runs(lost):
            yield Gap(kind=prefix, first=first, last=last, reason=_NOT_RECORDED)
    for uncounted, reason in _UNCOUNTED.items():
        yield Gap(kind=uncounted, first=span.first, last=span.last, reason=reason)


def _runs(days: Sequence[date]) -> Iterator[tuple[date, date]]:
    """The first and the last day of each run of *days*, which are sorted."""
    first = 0
    for number, day in enumerate(days):
        if number + 1 == len(days) or days[number + 1] != day + _DAY:
            yield days[first], day
            first = number + 1


def _seconds(span: timedelta) -> int:
    return max(math.ceil(span.total_seconds()), 0)
