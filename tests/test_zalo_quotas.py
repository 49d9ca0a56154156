"""What a month may cost is counted here: we stop before Zalo does, in every process."""

import asyncio
from datetime import datetime

import pytest
from pydantic import ValidationError

from channels.base import Verdict
from channels.errors import Unreachable
from channels.zalo.connect import Stores
from channels.zalo.counts import Cap
from channels.zalo.hours import Until, local
from channels.zalo.meter import Meter
from channels.zalo.outcomes import Stop
from channels.zalo.settings import ZaloSettings
from channels.zalo.vault import Sealed, Stale
from consumers.vault import BusVault
from contracts import subjects
from contracts.vietnam import VIETNAM
from tests.builders import a_publication
from tests.zalo_stage import ARTICLE, BROADCAST, MemoryVault, a_correction, staged

LATE_NOVEMBER = datetime(2026, 11, 30, 23, 30, tzinfo=VIETNAM).timestamp()

DECEMBER = datetime(2026, 12, 1, 0, 0, 1, tzinfo=VIETNAM).timestamp()


def meter(clock, limit=3, store=None):
    return Meter(Cap("articles", limit, Until.MONTH, clock, lambda: 0.0), store, "quota")


async def test_the_last_one_of_the_month_is_the_last_until_the_next(clock):
    clock.now = LATE_NOVEMBER
    one = meter(clock)
    for _ in range(3):
        await one.spend()
    with pytest.raises(Stop) as stopped:
        await one.spend()
    outcome = stopped.value.outcome
    assert (outcome.verdict, outcome.asked) == (Verdict.HELD, False)
    assert outcome.after_s == pytest.approx(30 * 60, abs=3600)
    assert await one.used() == 3
    clock.now = DECEMBER
    assert await one.used() == 0
    await one.spend()


async def test_what_had_no_effect_is_given_back(clock):
    one = meter(clock, limit=1)
    for _ in range(5):
        await one.give_back(await one.spend())
    await one.spend()
    with pytest.raises(Stop):
        await one.spend()


async def test_what_was_taken_from_the_last_month_is_not_given_back_to_this_one(clock):
    clock.now = LATE_NOVEMBER
    one = meter(clock)
    november = await one.spend()
    clock.now = DECEMBER
    await one.spend()
    await one.give_back(november)
    assert await one.used() == 1


@pytest.mark.parametrize("row", [ARTICLE, BROADCAST])
async def test_a_refusal_after_the_month_s_end_gives_nothing_back_to_the_new_one(stage, row):
    """The answer comes when others have begun to count the next month."""
    rates = MemoryVault()
    stage.elsewhere = Stores(stage.vault, stage.notebook, stage.key, rates)
    stage.start()
    await stage.send(a_publication())
    broadcasts = stage.channel.broadcasts.quota.meters[0]
    quota = broadcasts if row == BROADCAST else stage.channel.articles.quota
    stage.clock.now = datetime(2027, 1, 31, 12, tzinfo=VIETNAM).timestamp()
    stage.sandbox.world.tokens.expires = 1e12

    def new_month(request):
        if request.url.endswith(("article/create", "oa/message")):
            stage.clock.now = datetime(2027, 2, 1, 0, 0, 1, tzinfo=VIETNAM).timestamp()
            rates.stored[quota.cell.key] = Sealed(b'{"month": "2027-02", "used": 5}', 99)

    stage.after_request = new_month
    late = a_publication() if row == BROADCAST else a_publication(content_id="tin-hai")
    stage.fault("oa.message" if row == BROADCAST else "article.create", "refuse", code=-210)
    assert (await stage.send(late, row)).verdict is Verdict.FAILED
    assert await quota.used() == 5


async def test_counts_of_an_older_version_go_on(clock):
    store = MemoryVault()
    month = f"{local(clock()):%Y-%m}"
    await store.swap("quota", b'{"month": "%s", "used": 3}' % month.encode(), 0)
    assert await meter(clock, store=store).used() == 3


async def test_an_unknown_limit_is_only_counted(clock):
    one = meter(clock, limit=0)
    for _ in range(50):
        await one.spend()
    assert await one.used() == 50


async def test_processes_count_together_over_the_bus(bus, clock):
    store = BusVault(bus, subjects.CONTROL.name)
    meters = [meter(clock, limit=7, store=store) for _ in range(5)]

    async def spends(one):
        got = 0
        for _ in range(3):
            try:
                await one.spend()
                got += 1
            except Stop:
                pass
        return got

    assert sum(await asyncio.gather(*map(spends, meters))) == 7


async def test_a_silent_store_lets_nothing_out_and_keeps_a_count_too_high(clock):
    class Silent(MemoryVault):
        silent = False

        async def get(self, key):
            if self.silent:
                raise Unreachable("bus")
            return await super().get(key)

        async def swap(self, key, data, revision):
            if self.silent:
                raise Unreachable("bus")
            return await super().swap(key, data, revision)

    store = Silent()
    one = meter(clock, store=store)
    month = await one.spend()
    store.silent = True
    with pytest.raises(Unreachable):
        await one.spend()
    await one.give_back(month)
    store.silent = False
    assert await one.used() == 1


async def test_whoever_never_gets_to_count_is_told_to_come_again(clock):
    class Busy(MemoryVault):
        async def swap(self, key, data, revision):
            raise Stale

    with pytest.raises(Unreachable):
        await meter(clock, store=Busy()).spend()


@pytest.fixture
async def stage(tmp_path, clock):
    async with staged(tmp_path, clock) as opened:
        yield opened


def limit(stage, articles=0, broadcasts=0):
    """Set the account's limits, as an operator does."""
    stage.channel.articles.quota.cap.limit = articles
    stage.channel.broadcasts.quota.meters[0].cap.limit = broadcasts


async def test_no_article_is_created_beyond_the_months_count_and_zalo_is_not_asked(stage):
    limit(stage, articles=1)
    assert (await stage.send(a_publication())).verdict is Verdict.DELIVERED
    second = await stage.send(a_publication(content_id="tin-thu-hai"))
    assert (second.verdict, second.reason) == (Verdict.HELD, "our articles quota")
    assert second.after_s > 86400
    assert len(stage.articles) == 1
    assert (await stage.send(a_correction())).verdict is Verdict.DELIVERED, (
        "an update costs nothing"
    )


async def test_what_zalo_refused_is_not_counted_and_what_may_have_been_is(stage):
    limit(stage, articles=2)
    stage.rules(article_quota=0)
    assert (await stage.send(a_publication())).verdict is Verdict.HELD
    assert await stage.channel.articles.quota.used() == 0
    stage.rules(article_quota=400)
    stage.fault("article.create", "html_after")
    assert (await stage.send(a_publication())).verdict is Verdict.DOUBT
    assert await stage.channel.articles.quota.used() == 1


async def test_no_broadcast_goes_out_beyond_the_months_count(stage):
    limit(stage, broadcasts=1)
    for content_id in ("tin-mot", "tin-hai"):
        publication = a_publication(content_id=content_id)
        assert (await stage.send(publication)).verdict is Verdict.DELIVERED
        outcome = await stage.send(publication, BROADCAST)
    assert (outcome.verdict, outcome.reason) == (Verdict.HELD, "our broadcasts quota")
    assert len(stage.broadcasts) == 1


def test_the_limits_are_settings():
    settings = ZaloSettings(articles_per_month=15, broadcasts_per_month=4)
    assert (settings.articles_per_month, settings.broadcasts_per_month) == (15, 4)
    with pytest.raises(ValidationError):
        ZaloSettings(articles_per_month=-1)


async def test_a_second_broadcast_of_a_day_waits_for_the_next_and_costs_no_month(stage):
    """Whoever was told of one today would not see it, and it would count all the same."""
    month, day = stage.channel.broadcasts.quota.meters
    day.cap.limit = 1
    assert (await stage.send(a_publication())).verdict is Verdict.DELIVERED
    assert (await stage.send(a_publication(), BROADCAST)).verdict is Verdict.DELIVERED
    second = a_publication(content_id="tin-thu-hai")
    assert (await stage.send(second)).verdict is Verdict.DELIVERED
    waits = await stage.send(second, BROADCAST)
    assert (waits.verdict, waits.asked) == (Verdict.HELD, False)
    assert "daily-broadcasts" in waits.reason
    assert (await month.used(), len(stage.broadcasts)) == (1, 1)
    stage.clock.advance(waits.after_s + 7 * 3600)
    stage.sandbox.world.tokens.expires = 1e12
    assert (await stage.send(second, BROADCAST)).verdict is Verdict.DELIVERED
