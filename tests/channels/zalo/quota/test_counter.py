"""Monthly quotas are counted here, in all processes: calls stop before Zalo refuses them."""

import asyncio
from datetime import datetime

import pytest

from channels.base import Verdict
from channels.errors import Unreachable
from channels.zalo.client.store import StoredValue
from channels.zalo.clock import Until
from channels.zalo.errors import RowOutcome, StaleValue
from channels.zalo.quota.counter import QuotaCounter, QuotaWindow
from consumers.zalo.stores import BusKeyValueStore
from contracts import subjects
from contracts.base.times import vietnam_time
from contracts.text.moments import VIETNAM
from tests.support.publications import a_publication
from tests.support.zalo_account import (
    ARTICLE,
    BROADCAST,
    MemoryKeyValueStore,
    fail_with,
    sample_correction,
)

LATE_NOVEMBER = datetime(2026, 11, 30, 23, 30, tzinfo=VIETNAM).timestamp()

DECEMBER = datetime(2026, 12, 1, 0, 0, 1, tzinfo=VIETNAM).timestamp()


def meter(clock, limit=3, store=None):
    window = QuotaWindow("articles", limit, Until.MONTH, clock, lambda: 0.0)
    return QuotaCounter(window, store or MemoryKeyValueStore(), "quota")


async def test_the_last_one_of_the_month_is_the_last_until_the_next(clock):
    clock.now = LATE_NOVEMBER
    one = meter(clock)
    for _ in range(3):
        await one.reserve()
    with pytest.raises(RowOutcome) as stopped:
        await one.reserve()
    outcome = stopped.value.outcome
    assert (outcome.verdict, outcome.reached_provider) == (Verdict.HELD, False)
    assert outcome.retry_after_s == pytest.approx(30 * 60, abs=3600)
    assert (await one.shared.read()).used == 3
    clock.now = DECEMBER
    assert (await one.shared.read()).used == 0
    await one.reserve()


@pytest.mark.parametrize("row", [ARTICLE, BROADCAST])
async def test_a_refusal_after_the_month_s_end_gives_nothing_back_to_the_new_one(zalo_account, row):
    """The answer comes when others have begun to count the next month."""
    zalo_account.elsewhere = zalo_account.stores
    rates = zalo_account.elsewhere.shared
    zalo_account.new_channel()
    await zalo_account.send(a_publication())
    broadcasts = zalo_account.channel.broadcasts.quota.counters[0]
    quota = broadcasts if row == BROADCAST else zalo_account.channel.articles.quota
    zalo_account.clock.now = datetime(2027, 1, 31, 12, tzinfo=VIETNAM).timestamp()
    zalo_account.sandbox.world.tokens.expires = 1e12

    def new_month(request):
        if request.url.endswith(("article/create", "oa/message")):
            zalo_account.clock.now = datetime(2027, 2, 1, 0, 0, 1, tzinfo=VIETNAM).timestamp()
            rates.stored[quota.shared.key] = StoredValue(b'{"month": "2027-02", "used": 5}', 99)

    zalo_account.after_request = new_month
    late = a_publication() if row == BROADCAST else a_publication(content_id="tin-hai")
    zalo_account.fault("oa.message" if row == BROADCAST else "article.create", "refuse", code=-210)
    assert (await zalo_account.send(late, row)).verdict is Verdict.FAILED
    assert (await quota.shared.read()).used == 5


async def test_counts_of_an_older_version_go_on(clock):
    store = MemoryKeyValueStore()
    month = f"{vietnam_time(clock()):%Y-%m}"
    await store.swap("quota", b'{"month": "%s", "used": 3}' % month.encode(), 0)
    assert (await meter(clock, store=store).shared.read()).used == 3


async def test_an_unknown_limit_is_only_counted(clock):
    one = meter(clock, limit=0)
    for _ in range(50):
        await one.reserve()
    assert (await one.shared.read()).used == 50


async def test_processes_count_together_over_the_bus(bus, clock):
    store = BusKeyValueStore(bus, subjects.CONTROL.name)
    counters = [meter(clock, limit=7, store=store) for _ in range(5)]

    async def reserved(counter) -> int:
        try:
            await counter.reserve()
        except RowOutcome:
            return 0
        return 1

    assert sum(await asyncio.gather(*map(reserved, counters * 3))) == 7


async def test_a_silent_store_lets_nothing_out_and_keeps_a_count_too_high(clock):
    store = MemoryKeyValueStore()
    one = meter(clock, store=store)
    month = await one.reserve()
    store.before_swap = fail_with(Unreachable("bus"))
    with pytest.raises(Unreachable):
        await one.reserve()
    await one.release(month)
    store.before_swap = fail_with(StaleValue())
    with pytest.raises(Unreachable, match="too many writers"):
        await one.reserve()
    assert (await one.shared.read()).used == 1


def limit(account, articles=0, broadcasts=0):
    """Set the account's limits, as an operator does."""
    account.channel.articles.quota.window.limit = articles
    account.channel.broadcasts.quota.counters[0].window.limit = broadcasts


async def test_no_article_is_created_beyond_the_months_count_and_zalo_is_not_asked(zalo_account):
    limit(zalo_account, articles=1)
    assert (await zalo_account.send(a_publication())).verdict is Verdict.DELIVERED
    second = await zalo_account.send(a_publication(content_id="tin-thu-hai"))
    assert (second.verdict, second.reason) == (Verdict.HELD, "our articles quota")
    assert second.retry_after_s > 86400
    assert len(zalo_account.articles) == 1
    assert (await zalo_account.send(sample_correction())).verdict is Verdict.DELIVERED, (
        "an update costs nothing"
    )


async def test_what_zalo_refused_is_not_counted_and_what_may_have_been_is(zalo_account):
    limit(zalo_account, articles=2)
    zalo_account.set_rules(article_quota=0)
    assert (await zalo_account.send(a_publication())).verdict is Verdict.HELD
    assert (await zalo_account.channel.articles.quota.shared.read()).used == 0
    zalo_account.set_rules(article_quota=400)
    zalo_account.fault("article.create", "html_after")
    assert (await zalo_account.send(a_publication())).verdict is Verdict.DOUBT
    assert (await zalo_account.channel.articles.quota.shared.read()).used == 1


async def test_a_second_broadcast_of_a_day_waits_for_the_next_and_costs_no_month(zalo_account):
    """Followers with a broadcast today would not see another one, and it would still count."""
    month, day = zalo_account.channel.broadcasts.quota.counters
    day.window.limit = 1
    assert (await zalo_account.send(a_publication())).verdict is Verdict.DELIVERED
    assert (await zalo_account.send(a_publication(), BROADCAST)).verdict is Verdict.DELIVERED
    second = a_publication(content_id="tin-thu-hai")
    assert (await zalo_account.send(second)).verdict is Verdict.DELIVERED
    waits = await zalo_account.send(second, BROADCAST)
    assert (waits.verdict, waits.reached_provider) == (Verdict.HELD, False)
    assert "daily-broadcasts" in waits.reason
    assert ((await month.shared.read()).used, len(zalo_account.broadcasts)) == (1, 1)
    zalo_account.clock.advance(waits.retry_after_s + 7 * 3600)
    zalo_account.sandbox.world.tokens.expires = 1e12
    assert (await zalo_account.send(second, BROADCAST)).verdict is Verdict.DELIVERED
