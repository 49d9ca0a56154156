"""Deliveries of the last 30 days on the public page, without figures of few readers."""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from enum import StrEnum
from itertools import product

from contracts.base.fields import Count
from contracts.delivery import ChannelName, Lane, Status
from contracts.facts.kinds import DeliveryFact, FactKind
from contracts.facts.totals import FactSet, Span, speed_by_lane
from contracts.records import Record

DAYS = 30
FEW = 10
"""Below so many readers of the largest delivery, no number of a group is published."""
LANES = (Lane.URGENT, Lane.NORMAL, Lane.BULK)
"""Those of items and digests; what concerns one person is no part of the page."""
_READERS = frozenset((ChannelName.EMAIL,))
"""Channels whose rows are readers; the others have a page, an article and a broadcast."""


class Missing(StrEnum):
    """Why a number is not there."""

    NO_DATA = "no_data"
    """Some day was not counted to its end, and nothing is known of the group."""
    NOTHING_SENT = "nothing_sent"
    NOT_TIMED = "not_timed"
    """Delivered, or not; no times are known."""
    FEW_READERS = "few_readers"


class Speed(Record):
    """The share of what was delivered that was there within ten seconds; None: see `missing`."""

    permille: Count | None = None
    """Rounded down."""
    missing: Missing | None = None


class LaneFigures(Speed):
    """The deliveries of one channel and lane that ended in the span.

    `deliveries`: items and digests, each revision and channel one. `recipients`: the sum of their
    rows, of which `delivered` arrived; `timed` are those whose times are known.
    """

    channel: ChannelName
    lane: Lane
    deliveries: Count | None = None
    recipients: Count | None = None
    delivered: Count | None = None
    timed: Count | None = None
    within_10_s: Count | None = None


class DayFigures(Speed):
    """The mails of one lane whose deliveries ended on a day."""

    on: date
    lane: Lane


class PublicFigures(Record):
    """The figures from `first` to `last`, both included, without `gaps`, the days without data."""

    first: date
    last: date
    gaps: tuple[date, ...] = ()
    lanes: tuple[LaneFigures, ...] = ()
    days: tuple[DayFigures, ...] = ()

    @property
    def counted_from(self) -> date | None:
        """The first day with data; None where no day of the span has any."""
        days = Span(self.first, self.last).days()
        return next((day for day in days if day not in self.gaps), None)


def public_figures(facts: FactSet, over: date) -> PublicFigures:
    """The figures up to *over*, the last day that is over, or up to the day before.

    Deliveries of a day are counted a moment after its end, and the page waits for that for a day;
    after that it is a day without data.
    """
    is_counted = FactKind.DELIVERY in facts.counted.get(over, frozenset())
    return figures_up_to(facts, over if is_counted else over - timedelta(days=1))


def figures_up_to(facts: FactSet, last: date) -> PublicFigures:
    """The figures of the span that ends with *last*."""
    span = Span(last - timedelta(days=DAYS - 1), last)
    gaps = facts.gaps(FactKind.DELIVERY, span)
    ended = [fact for fact in facts.of_kind(DeliveryFact, span) if fact.day not in gaps]
    groups = product(LANES, ChannelName)
    return PublicFigures(
        first=span.first,
        last=last,
        gaps=gaps,
        lanes=tuple(
            _of_lane(lane, channel, _group(ended, lane, channel), has_gaps=bool(gaps))
            for lane, channel in groups
        ),
        days=tuple(_of_days(span, gaps, [*_of_channel(ended, ChannelName.EMAIL)])),
    )


def _of_channel(facts: Iterable[DeliveryFact], channel: ChannelName) -> Iterable[DeliveryFact]:
    return (fact for fact in facts if fact.channel is channel)


def _group(
    facts: Iterable[DeliveryFact], lane: Lane, channel: ChannelName
) -> Sequence[DeliveryFact]:
    return [fact for fact in _of_channel(facts, channel) if fact.lane is lane]


def _of_lane(
    lane: Lane, channel: ChannelName, facts: Sequence[DeliveryFact], *, has_gaps: bool
) -> LaneFigures:
    group = {"lane": lane, "channel": channel}
    if not facts and has_gaps:
        return LaneFigures(**group, missing=Missing.NO_DATA)
    speed = _speed(facts)
    if speed.missing is Missing.FEW_READERS:
        return LaneFigures(**group, **speed.model_dump(), deliveries=len(facts))
    timed = speed_by_lane(facts).get(lane)
    return LaneFigures(
        **group,
        **speed.model_dump(),
        deliveries=len(facts),
        recipients=sum(fact.expected for fact in facts),
        delivered=sum(fact.count(Status.DELIVERED) for fact in facts),
        timed=timed.delivered if timed else 0,
        within_10_s=timed.within_10_s if timed else 0,
    )


def _of_days(
    span: Span, gaps: Sequence[date], mails: Sequence[DeliveryFact]
) -> Iterable[DayFigures]:
    groups: dict[tuple[date, Lane], list[DeliveryFact]] = {}
    for fact in mails:
        groups.setdefault((fact.day, fact.lane), []).append(fact)
    for day, lane in product(span.days(), LANES):
        no_data = Speed(missing=Missing.NO_DATA)
        speed = no_data if day in gaps else _speed(groups.get((day, lane), ()))
        yield DayFigures(on=day, lane=lane, **speed.model_dump())


def _speed(facts: Sequence[DeliveryFact]) -> Speed:
    """The share of one lane's deliveries on one channel."""
    if not facts:
        return Speed(missing=Missing.NOTHING_SENT)
    if _has_few_readers(facts):
        return Speed(missing=Missing.FEW_READERS)
    timed = speed_by_lane(facts).get(facts[0].lane)
    if timed is None or not timed.delivered:
        return Speed(missing=Missing.NOT_TIMED)
    return Speed(permille=timed.within_10_s * 1000 // timed.delivered)


def _has_few_readers(facts: Sequence[DeliveryFact]) -> bool:
    """Whether the group may be about fewer than FEW people: its deliveries may be to the same."""
    is_of_readers = facts[0].channel in _READERS
    return is_of_readers and max(fact.expected for fact in facts) < FEW
