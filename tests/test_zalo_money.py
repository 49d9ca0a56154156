"""What template messages may cost: set aside before the call, in all processes together."""

import asyncio
from collections import Counter
from datetime import datetime

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.base import Verdict
from channels.errors import Unreachable
from channels.zalo.hours import VIETNAM, Until, local
from channels.zalo.meter import Meter
from channels.zalo.outcomes import Stop
from channels.zalo.purse import Purse
from consumers.vault import BusVault
from contracts import subjects
from tests.zalo_stage import MemoryVault

MIDNIGHT = datetime(2026, 12, 1, tzinfo=VIETNAM).timestamp()
"""A day and a month begin."""


def meter(clock, limit=1000, store=None, span=Until.DAY):
    return Meter("daily money", limit, clock, lambda: 0.0, store, "money", span=span)


def purse(clock, store, *, notices=0, today=0, month=0):
    def one(name, limit, span):
        return Meter(name, limit, clock, lambda: 0.0, store, f"quota.{name}", span=span)

    return Purse(
        one("notices", notices, Until.DAY),
        one("today", today, Until.DAY),
        one("month", month, Until.MONTH),
    )


@pytest.mark.parametrize(("span", "wait_s"), [(Until.DAY, 12 * 3600), (Until.MONTH, 19.5 * 86400)])
async def test_what_does_not_fit_waits_for_the_next_day_or_month(clock, span, wait_s):
    clock.now = datetime(2026, 11, 11, 12, tzinfo=VIETNAM).timestamp()
    one = meter(clock, span=span)
    await one.spend(800)
    with pytest.raises(Stop) as stopped:
        await one.spend(201)
    outcome = stopped.value.outcome
    assert (outcome.verdict, outcome.asked) == (Verdict.HELD, False)
    assert outcome.after_s == pytest.approx(wait_s, abs=600)
    await one.spend(200)
    assert await one.used() == 1000
    clock.advance(outcome.after_s)
    assert await one.used() == 0


async def test_a_used_up_cap_is_told_once_a_day_however_many_rows_wait(clock):
    one = meter(clock, limit=1)
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            for _ in range(9):
                with pytest.raises(Stop):
                    await one.spend(2)
            clock.advance(86400)
    assert [line["event"] for line in logs] == ["zalo_quota_spent"] * 3


async def test_what_zalo_closed_stays_closed_for_the_day(clock):
    one = meter(clock, limit=0)
    await one.spend(7)
    await one.close()
    with pytest.raises(Stop):
        await one.spend()
    clock.advance(86400)
    await one.spend()
    assert await one.used() == 1


async def test_what_was_taken_from_yesterday_is_not_given_back_to_today(clock):
    clock.now = MIDNIGHT - 1
    one = meter(clock)
    label = await one.spend(800)
    clock.now = MIDNIGHT + 1
    await one.spend(800)
    await one.give_back(800, label)
    assert await one.used() == 800


async def test_a_clock_that_is_behind_goes_on_with_the_day_that_another_has_begun(clock):
    store, behind = MemoryVault(), lambda: MIDNIGHT - 5
    ahead = meter(lambda: MIDNIGHT + 5, store=store)
    await ahead.spend(600)
    late = meter(behind, store=store)
    with pytest.raises(Stop):
        await late.spend(600)
    await late.spend(400)
    assert await ahead.used() == 1000


async def test_a_clock_that_was_years_ahead_blocks_nobody(clock):
    store = MemoryVault()
    await meter(lambda: MIDNIGHT + 900 * 86400, store=store).spend(1000)
    one = meter(lambda: MIDNIGHT, store=store)
    await one.spend(1000)
    assert await one.used() == 1000


async def test_counts_of_an_older_version_go_on(clock):
    store = MemoryVault()
    month = f"{local(clock()):%Y-%m}"
    await store.swap("money", b'{"month": "%s", "used": 3}' % month.encode(), 0)
    assert await meter(clock, store=store, span=Until.MONTH).used() == 3


@pytest.mark.parametrize("short", ["notices", "today", "month"])
async def test_one_that_is_short_leaves_the_others_as_they_were(clock, short):
    limits = {"notices": 9, "today": 9000, "month": 90000} | {short: 1}
    one = purse(clock, MemoryVault(), **limits)
    before = await counts(one)
    if short == "notices":
        await one.set_aside(800)
        before = await counts(one)
    with pytest.raises(Stop):
        await one.set_aside(800)
    assert await counts(one) == before


async def counts(one):
    return [await each.used() for each in (one.notices, one.today, one.month)]


async def test_what_is_taken_back_can_be_spent_again(clock):
    one = purse(clock, MemoryVault(), notices=1, today=800, month=800)
    for _ in range(5):
        await one.take_back(await one.set_aside(800))
    await one.set_aside(800)
    assert await counts(one) == [1, 800, 800]


@pytest.mark.parametrize(
    ("ours", "told", "most"), [(0, 0, 0), (5, 0, 5), (0, 7, 7), (5, 7, 5), (9, 7, 7)]
)
def test_the_lower_limit_of_the_day_counts(clock, ours, told, most):
    assert purse(clock, None, notices=ours).daily(told) == most


async def test_a_silent_store_lets_nothing_out(clock):
    class Silent(MemoryVault):
        async def get(self, key):
            raise Unreachable("bus")

    with pytest.raises(Unreachable):
        await purse(clock, Silent()).set_aside(800)


async def test_two_processes_on_one_bus_never_exceed_the_cap(bus, clock):
    """Each a vault of its own, as processes have; half of what is set aside comes back."""
    purses = [
        purse(clock, BusVault(bus, subjects.CONTROL.name), today=8000, month=20000)
        for _ in range(2)
    ]
    kept = 0

    async def spends(one):
        nonlocal kept
        for number in range(14):
            try:
                receipt = await one.set_aside(800)
            except Stop:
                continue
            if number % 2:
                await one.take_back(receipt)
            else:
                kept += 800
            assert kept <= 8000

    await asyncio.gather(*map(spends, purses))
    assert kept == await purses[0].today.used() <= 8000


class Interleaved(MemoryVault):
    """Between any two steps anybody may go on."""

    def __init__(self, pauses):
        super().__init__()
        self.pauses = pauses

    async def get(self, key):
        await self.pause()
        return await super().get(key)

    async def swap(self, key, data, revision):
        await self.pause()
        return await super().swap(key, data, revision)

    async def pause(self):
        for _ in range(next(self.pauses, 0)):
            await asyncio.sleep(0)


Deeds = st.lists(
    st.tuples(st.sampled_from([1, 400, 900]), st.booleans(), st.sampled_from([0, 1, 3])),
    max_size=10,
)


@settings(max_examples=300, deadline=None)
@given(
    deeds=st.tuples(Deeds, Deeds, Deeds),
    skews=st.tuples(*[st.sampled_from([-3.0, -0.5, 0.5, 3.0])] * 3),
    pauses=st.lists(st.integers(0, 3), max_size=200),
    caps=st.tuples(st.integers(900, 1500), st.integers(900, 2500)),
)
def test_whatever_overlaps_no_day_and_no_month_costs_more_than_its_cap(deeds, skews, pauses, caps):
    """Three processes around the midnight at which a month begins, none with the same clock."""
    spent: Counter[str] = Counter()
    store, passed = Interleaved(iter(pauses)), 0.0

    def check():
        assert all(spent[day] <= caps[0] for day in spent if len(day) == 10)
        assert all(spent[month] <= caps[1] for month in spent if len(month) == 7)

    async def process(mine, skew):
        nonlocal passed
        one = purse(lambda: MIDNIGHT - 4 + skew + passed, store, today=caps[0], month=caps[1])
        for price, comes_back, later in mine:
            try:
                receipt = await one.set_aside(price)
            except Stop:
                continue
            finally:
                passed += later
            if comes_back:
                await one.take_back(receipt)
                continue
            spent.update({receipt.money_day: price, receipt.money_month: price})
            check()

    async def run():
        await asyncio.gather(*map(process, deeds, skews))

    asyncio.run(run())
