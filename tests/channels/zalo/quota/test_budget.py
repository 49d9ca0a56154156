"""The budget of template messages: reserved before the call, across all processes."""

import asyncio
from collections import Counter
from datetime import datetime

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.base import Verdict
from channels.zalo.clock import Until
from channels.zalo.errors import RowOutcome
from channels.zalo.quota.budget import Budget, BudgetWindows
from channels.zalo.quota.counter import QuotaWindow
from consumers.zalo.stores import BusKeyValueStore
from contracts import subjects
from contracts.text.moments import VIETNAM
from tests.support.zalo_account import MemoryKeyValueStore

MIDNIGHT = datetime(2026, 12, 1, tzinfo=VIETNAM).timestamp()
"""A day and a month begin."""


def purse(clock, store, *, notices=0, today=0, month=0):
    def cap(name, limit, span):
        return QuotaWindow(name, limit, span, clock, lambda: 0.0)

    caps = BudgetWindows(
        cap("notices", notices, Until.DAY),
        cap("daily money", today, Until.DAY),
        cap("monthly money", month, Until.MONTH),
    )
    return Budget(caps, store, "purse")


async def counts(one):
    spent = await one.shared.read()
    return [count.used for count in (spent.notices, spent.today, spent.month)]


@pytest.mark.parametrize(("span", "wait_s"), [("today", 12 * 3600), ("month", 19.5 * 86400)])
async def test_what_does_not_fit_waits_for_the_next_day_or_month(clock, span, wait_s):
    clock.now = datetime(2026, 11, 11, 12, tzinfo=VIETNAM).timestamp()
    one = purse(clock, MemoryKeyValueStore(), **{span: 1000})
    await one.reserve(800)
    with pytest.raises(RowOutcome) as stopped:
        await one.reserve(201)
    outcome = stopped.value.outcome
    assert (outcome.verdict, outcome.reached_provider) == (Verdict.HELD, False)
    assert outcome.retry_after_s == pytest.approx(wait_s, abs=600)
    await one.reserve(200)
    assert getattr(await one.shared.read(), span).used == 1000
    clock.advance(outcome.retry_after_s)
    assert getattr(await one.shared.read(), span).used == 0


async def test_a_used_up_cap_is_told_once_a_day_however_many_rows_wait(clock):
    one = purse(clock, MemoryKeyValueStore(), today=1)
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            for _ in range(9):
                with pytest.raises(RowOutcome):
                    await one.reserve(2)
            clock.advance(86400)
    assert [line["event"] for line in logs] == ["zalo_quota_spent"] * 3


async def test_a_message_is_set_aside_with_one_write(clock):
    store = MemoryKeyValueStore()
    one = purse(clock, store, notices=9, today=9000, month=9000)
    for _ in range(5):
        await one.reserve(800)
    assert store.swaps == 5


# --- a day that Zalo has closed


async def closed(one, receipt, way):
    """Zalo says that there is no more: in its answer, or by a refusal."""
    if way == "answer":
        await one.close_day(receipt)
    else:
        await one.release(receipt, closing=True)


WAYS = pytest.mark.parametrize("way", ["answer", "refusal"])


@WAYS
async def test_an_answer_that_comes_after_midnight_closes_no_new_day(clock, way):
    clock.now = MIDNIGHT - 1
    one = purse(clock, MemoryKeyValueStore())
    receipt = await one.reserve(800)
    clock.now = MIDNIGHT + 1
    if way == "answer":
        await one.reserve(800)
    await closed(one, receipt, way)
    await one.reserve(800)
    assert (await one.shared.read()).notices.closed is None


@WAYS
@pytest.mark.parametrize("before", [0, 500])
async def test_a_higher_quota_opens_the_day_again_and_the_same_one_does_not(clock, way, before):
    one = purse(clock, MemoryKeyValueStore())
    await closed(one, await one.reserve(800, before), way)
    for told in (before, 0, before // 2):
        with pytest.raises(RowOutcome):
            await one.reserve(800, told)
    await one.reserve(800, before + 100)
    await one.reserve(800, before + 100)
    assert (await one.shared.read()).notices.closed is None


# --- midnight, and clocks that differ


async def test_a_clock_that_is_behind_goes_on_with_the_day_that_another_has_begun(clock):
    store, behind = MemoryKeyValueStore(), lambda: MIDNIGHT - 5
    ahead = purse(lambda: MIDNIGHT + 5, store, today=1000)
    await ahead.reserve(600)
    late = purse(behind, store, today=1000)
    with pytest.raises(RowOutcome):
        await late.reserve(600)
    await late.reserve(400)
    assert await counts(ahead) == [2, 1000, 1000]


async def test_a_clock_that_was_years_ahead_blocks_nobody(clock):
    store = MemoryKeyValueStore()
    await purse(lambda: MIDNIGHT + 900 * 86400, store, today=1000).reserve(1000)
    one = purse(lambda: MIDNIGHT, store, today=1000)
    await one.reserve(1000)
    assert await counts(one) == [1, 1000, 1000]


@pytest.mark.parametrize("short", ["notices", "today", "month"])
async def test_one_that_is_short_leaves_the_others_as_they_were(clock, short):
    limits = {"notices": 9, "today": 9000, "month": 90000} | {short: 1}
    one = purse(clock, MemoryKeyValueStore(), **limits)
    before = await counts(one)
    if short == "notices":
        await one.reserve(800)
        before = await counts(one)
    with pytest.raises(RowOutcome):
        await one.reserve(800)
    assert await counts(one) == before


@pytest.mark.parametrize(
    ("ours", "told", "most"), [(0, 0, 0), (5, 0, 5), (0, 7, 7), (5, 7, 5), (9, 7, 7)]
)
def test_the_lower_limit_of_the_day_counts(clock, ours, told, most):
    assert purse(clock, MemoryKeyValueStore(), notices=ours).daily_limit(told) == most


@pytest.mark.promise("12.5")
async def test_two_processes_on_one_bus_never_exceed_the_cap(bus, clock):
    """Each process has a store of its own; half of the reservations are released."""
    purses = [
        purse(clock, BusKeyValueStore(bus, subjects.CONTROL.name), today=8000, month=20000)
        for _ in range(2)
    ]
    kept = 0

    async def spends(one):
        nonlocal kept
        for number in range(14):
            try:
                receipt = await one.reserve(800)
            except RowOutcome:
                continue
            if number % 2:
                await one.release(receipt)
            else:
                kept += 800
            assert kept <= 8000

    await asyncio.gather(*map(spends, purses))
    assert kept == (await purses[0].shared.read()).today.used <= 8000


class InterleavedStore(MemoryKeyValueStore):
    """A store that lets other processes run between any two steps."""

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
    """Three processes with different clocks, around the midnight at which a month begins."""
    spent: Counter[str] = Counter()
    store, passed = InterleavedStore(iter(pauses)), 0.0

    def check():
        assert all(spent[day] <= caps[0] for day in spent if len(day) == 10)
        assert all(spent[month] <= caps[1] for month in spent if len(month) == 7)

    async def process(mine, skew):
        nonlocal passed
        one = purse(lambda: MIDNIGHT - 4 + skew + passed, store, today=caps[0], month=caps[1])
        for price, comes_back, later in mine:
            try:
                receipt = await one.reserve(price)
            except RowOutcome:
                continue
            finally:
                passed += later
            if comes_back:
                await one.release(receipt)
                continue
            spent.update({receipt.day: price, receipt.month: price})
            check()

    async def run():
        await asyncio.gather(*map(process, deeds, skews))

    asyncio.run(run())
