"""The public delivery figures: shares as a plain count gives them, and no number of few readers."""

import json
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from random import Random

import pytest

from contracts.delivery import ChannelName, Lane, Status
from contracts.facts import DayFact, DeliveryFact, FactKind
from contracts.facts.public_figures import FEW, LANES, Missing, public_figures
from contracts.facts.totals import FactSet

LAST = date(2026, 11, 30)
FIRST = date(2026, 11, 1)


def a_day(on: date, *kinds: FactKind) -> DayFact:
    return DayFact(on=on, counted=kinds or (FactKind.DELIVERY,))


def all_days() -> list[DayFact]:
    return [a_day(FIRST + timedelta(days=number)) for number in range(30)]


def a_delivery(number: int, delivered: int, within: int | None, **changes) -> DeliveryFact:
    at = datetime(2026, 11, 10, tzinfo=UTC)
    fact = DeliveryFact(
        channel=ChannelName.EMAIL, content_id=f"tin-{number}", revision=1, lane=Lane.NORMAL,
        began_at=at, ended_at=at, counts={Status.DELIVERED: delivered}, within_10_s=within,
    )  # fmt: skip
    return fact.model_copy(update=changes)


def random_delivery(chance: Random, number: int) -> DeliveryFact:
    at = datetime(2026, 10, 15, tzinfo=UTC) + timedelta(minutes=chance.randrange(60 * 24 * 60))
    delivered = chance.choice((0, chance.randrange(12), chance.randrange(5000)))
    return a_delivery(
        number,
        delivered,
        chance.choice((None, chance.randint(0, delivered))),
        channel=chance.choice(list(ChannelName)),
        lane=chance.choice(LANES),
        began_at=at,
        ended_at=chance.choice((at, at + timedelta(hours=1))),
        counts={Status.DELIVERED: delivered, Status.FAILED: chance.randrange(5)},
    )


def plain_count(bodies, gaps):
    """Rows, delivered, timed, soon and the largest delivery by lane and channel; also by day."""
    sums, most = defaultdict(Counter), Counter()
    for body in bodies:
        raw = json.loads(body)
        ended = datetime.fromisoformat(raw["ended_at"]) + timedelta(hours=7)
        if not "2026-11-01" <= (day := ended.date().isoformat()) <= "2026-11-30" or day in gaps:
            continue
        rows, timed = sum(raw["counts"].values()), "within_10_s" in raw
        for group in ((raw["lane"], raw["channel"]), (raw["lane"], raw["channel"], day)):
            most[group] = max(most[group], rows)
            sums[group].update(n=1, rows=rows, delivered=raw["counts"]["delivered"])
            if timed:
                sums[group].update(timed=raw["counts"]["delivered"], soon=raw["within_10_s"])
    return sums, most


@pytest.mark.parametrize("seed", range(20))
def test_every_share_is_what_a_plain_count_of_the_facts_says(seed):
    chance = Random(seed)
    deliveries = [random_delivery(chance, number) for number in range(chance.randrange(120))]
    days = [one for one in all_days() if one.on == LAST or chance.random() < 0.9]
    gaps = {day.on.isoformat() for day in all_days()} - {day.on.isoformat() for day in days}
    figures = public_figures(FactSet.of([*deliveries, *days]), LAST)
    sums, most = plain_count([one.encode() for one in deliveries], gaps)
    assert {day.isoformat() for day in figures.gaps} == gaps
    shown = [((one.lane, one.channel), one) for one in figures.lanes]
    shown += [((one.lane, "email", one.on.isoformat()), one) for one in figures.days]
    for group, one in shown:
        count = sums[group]
        is_few = group[1] == "email" and most[group] < FEW
        has_share = count["timed"] and not is_few
        expected = count["soon"] * 1000 // count["timed"] if has_share else None
        assert (one.permille, one.missing is None) == (expected, bool(has_share)), group
        if one.missing is None and len(group) == 2:
            numbers = one.deliveries, one.recipients, one.delivered, one.timed, one.within_10_s
            assert numbers == tuple(count[k] for k in ("n", "rows", "delivered", "timed", "soon"))


def of_mail(figures, lane=Lane.NORMAL):
    (found,) = (one for one in figures.lanes if (one.lane, one.channel) == (lane, "email"))
    return found


def on_the_tenth(figures):
    return next(one for one in figures.days if (one.on.day, one.lane) == (10, Lane.NORMAL))


@pytest.mark.parametrize("repeated", [1, 12])
def test_no_number_is_published_of_fewer_readers_however_often_they_got_something(repeated):
    mails = [a_delivery(number, FEW - 1, FEW - 2) for number in range(repeated)]
    figures = public_figures(FactSet.of([*mails, *all_days()]), LAST)
    shown = of_mail(figures), on_the_tenth(figures)
    for one in shown:
        assert (one.permille, one.missing) == (None, Missing.FEW_READERS)
    assert of_mail(figures).recipients is of_mail(figures).within_10_s is None
    assert str(FEW - 1) not in of_mail(figures).model_dump_json(exclude={"deliveries"})


def test_a_page_or_an_article_names_nobody_and_so_needs_no_many():
    pages = [a_delivery(1, 1, 1, channel=ChannelName.PORTAL)]
    figures = public_figures(FactSet.of([*pages, *all_days()]), LAST)
    (one,) = (one for one in figures.lanes if one.deliveries)
    assert (one.permille, one.recipients) == (1000, 1)


def test_what_has_no_data_is_no_zero():
    nothing = public_figures(FactSet.of([]), LAST)
    assert {one.missing for one in (*nothing.lanes, *nothing.days)} == {Missing.NO_DATA}
    assert {one.deliveries for one in nothing.lanes} == {None}
    counted = public_figures(FactSet.of(all_days()), LAST)
    assert {one.missing for one in (*counted.lanes, *counted.days)} == {Missing.NOTHING_SENT}
    untimed = [a_delivery(1, 50, None), *all_days()]
    shown = of_mail(public_figures(FactSet.of(untimed), LAST))
    assert (shown.permille, shown.missing, shown.delivered) == (None, Missing.NOT_TIMED, 50)


def test_a_share_is_rounded_down():
    facts = [a_delivery(1, 10_000, 9_999), *all_days()]
    assert of_mail(public_figures(FactSet.of(facts), LAST)).permille == 999


def test_the_span_ends_with_the_last_day_that_is_told_or_with_the_day_before():
    facts = FactSet.of(all_days())
    told = public_figures(facts, LAST)
    assert (told.first, told.last, told.gaps) == (FIRST, LAST, ())
    waiting = public_figures(facts, LAST + timedelta(days=1))
    assert (waiting.first, waiting.last, waiting.gaps) == (FIRST, LAST, ())
    late = public_figures(facts, LAST + timedelta(days=2))
    assert (late.last, late.gaps) == (LAST + timedelta(days=1), (LAST + timedelta(days=1),))
