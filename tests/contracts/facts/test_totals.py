"""Sums of facts: over random histories they equal a plain count, and no data is never 0."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from random import Random

import pytest

from contracts.delivery import ChannelName, Lane, Status
from contracts.errors import Unreadable
from contracts.facts import DayFact, DeliveryFact, EventsFact, FactKind, ReleaseFact, decode
from contracts.facts.totals import FactSet, Figure, Span, Speed, rows, speed_by_lane

FIRST = date(2026, 11, 1)
SPAN = Span(FIRST, date(2026, 11, 30))
UNITS, TOPICS = ("vu-cchc", "so-noi-vu", "thanh-tra"), ("cai-cach", "tuyen-dung")
ENDS = (Status.DELIVERED, Status.FAILED, Status.SUPPRESSED, Status.UNKNOWN)


def moment(chance: Random) -> datetime:
    """A moment within a month before, in, or after the span."""
    return datetime(2026, 10, 15, tzinfo=UTC) + timedelta(minutes=chance.randrange(60 * 24 * 60))


def a_release(chance: Random, number: int) -> ReleaseFact:
    at = moment(chance)
    return ReleaseFact(
        content_id=f"tin-{number}", revision=1, action="published", unit=chance.choice(UNITS),
        topic=chance.choice(TOPICS), lane=Lane.NORMAL, channels=tuple(ChannelName),
        released_at=at, shown_at=at,
    )  # fmt: skip


def a_delivery(chance: Random, number: int) -> DeliveryFact:
    at = moment(chance)
    return DeliveryFact(
        channel=chance.choice(list(ChannelName)), content_id=f"tin-{number}", revision=1,
        lane=chance.choice(list(Lane)), began_at=at, ended_at=at + timedelta(hours=1),
        counts={status: chance.randrange(5000) for status in ENDS},
        within_10_s=chance.choice((None, chance.randrange(10))),
    )  # fmt: skip


def history(seed: int) -> list:
    chance = Random(seed)
    facts = [a_release(chance, number) for number in range(40)]
    facts += [a_delivery(chance, chance.randrange(40)) for _ in range(80)]  # some twice: the last
    chance.shuffle(facts)
    return facts


@pytest.mark.parametrize("seed", range(20))
def test_a_figure_is_what_a_plain_count_of_the_newest_facts_says(seed):
    stored = history(seed)
    facts = FactSet.of(decode(fact.key, fact.encode()) for fact in stored)
    newest = {fact.key: fact for fact in stored if isinstance(fact, DeliveryFact)}
    sums, behind = Counter(), Counter()
    for fact in newest.values():
        local = (fact.ended_at + timedelta(hours=7)).date()
        if SPAN.first <= local <= SPAN.last:
            unit = facts.facts[f"release.{fact.content_id}.1"].unit
            sums[unit, fact.channel] += fact.counts[Status.DELIVERED] + fact.counts[Status.UNKNOWN]
            behind[unit, fact.channel] += 1
    found = facts.figures(
        DeliveryFact, SPAN, lambda one: (facts.release_of(one).unit, one.channel),
        rows(Status.DELIVERED, Status.UNKNOWN),
    )  # fmt: skip
    assert {group: figure.value for group, figure in found.items()} == sums
    assert {group: len(figure.keys) for group, figure in found.items()} == behind
    total = facts.figure(DeliveryFact, SPAN, rows(Status.DELIVERED, Status.UNKNOWN))
    assert total.value == sum(sums.values())
    assert {*total.keys} == {key for figure in found.values() for key in figure.keys}
    whole = facts.figure(DeliveryFact, SPAN)
    assert facts.figure(DeliveryFact, SPAN, rows()).value >= total.value
    assert whole.value == sum(behind.values())


def closed(day: date, *kinds: FactKind) -> DayFact:
    return DayFact(on=day, counted=kinds)


def test_what_was_not_counted_has_no_value_and_what_was_counted_may_be_0():
    assert FactSet().figure(EventsFact, SPAN).value is None
    counted = FactSet.of([closed(FIRST, FactKind.EVENTS), closed(SPAN.last, FactKind.READERS)])
    figure = counted.figure(EventsFact, SPAN)
    assert (figure.value, figure.keys, len(figure.gaps)) == (0, (), 29)
    assert FIRST not in figure.gaps
    assert SPAN.last in figure.gaps
    whole = FactSet.of(closed(day, FactKind.EVENTS) for day in SPAN.days())
    assert whole.figure(EventsFact, SPAN) == Figure(0)


def test_a_fact_without_the_amount_is_left_out():
    chance = Random(1)
    known, unknown = (a_delivery(chance, number) for number in range(2))
    facts = FactSet.of([
        known.model_copy(update={"within_10_s": 7, "ended_at": None, "began_at": _noon()}),
        unknown.model_copy(update={"within_10_s": None, "ended_at": None, "began_at": _noon()}),
    ])  # fmt: skip
    figure = facts.figure(DeliveryFact, SPAN, lambda one: one.within_10_s)
    assert (figure.value, len(figure.keys)) == (7, 1)


def _noon() -> datetime:
    return datetime(2026, 11, 5, 5, tzinfo=UTC)


def test_the_share_within_ten_seconds_counts_known_times_alone():
    chance = Random(2)
    one, two, three = (
        a_delivery(chance, n).model_copy(
            update={"lane": Lane.URGENT, "within_10_s": within, "counts": {Status.DELIVERED: 10}}
        )
        for n, within in enumerate((4, 10, None))
    )
    assert speed_by_lane([one, two, three]) == {Lane.URGENT: Speed(20, 14)}


def test_a_fact_is_the_same_bytes_always_and_a_foreign_one_is_refused():
    fact = a_delivery(Random(3), 1)
    assert decode(fact.key, fact.encode()).encode() == fact.encode()
    for key, data in ((fact.key, b"{}"), ("delivery.email.tin-9.1", fact.encode()), ("la.1", b"")):
        with pytest.raises(Unreadable):
            decode(key, data)


def test_a_field_of_a_later_version_is_kept():
    fact = closed(FIRST, FactKind.EVENTS)
    later = fact.encode().replace(b"{", b'{"added":1,', 1)
    assert decode(fact.key, later).encode() == later
