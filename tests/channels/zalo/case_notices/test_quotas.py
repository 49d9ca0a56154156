"""Quotas and prices of case notices: our own limits, and Zalo's."""

from dataclasses import replace

import pytest

from channels.base import Verdict
from contracts.base.times import vietnam_time
from tests.support.zalo_notices import BY_PHONE, count_calls, sample_notice


@pytest.mark.promise("12.5")
async def test_our_own_limit_of_the_day_stops_before_zalo_is_called(zalo_notices):
    await zalo_notices.start(notices_per_day=3)
    outcomes = [await zalo_notices.send() for _ in range(8)]
    assert [one.verdict for one in outcomes] == [Verdict.DELIVERED] * 3 + [Verdict.HELD] * 5
    assert len(zalo_notices.messages) == 3
    assert outcomes[-1].reason == "our notices quota"
    again = zalo_notices.clock() + outcomes[-1].retry_after_s
    assert vietnam_time(again).day == vietnam_time(zalo_notices.clock()).day + 1
    zalo_notices.clock.advance(outcomes[-1].retry_after_s)
    assert (await zalo_notices.send()).verdict is Verdict.DELIVERED


async def test_zalos_daily_quota_counts_where_it_is_the_lower_one(zalo_notices):
    zalo_notices.account.set_rules(daily_quota=2)
    await zalo_notices.templates.sync()
    calls = count_calls(zalo_notices)
    outcomes = [await zalo_notices.send() for _ in range(5)]
    assert [one.verdict for one in outcomes] == [Verdict.DELIVERED] * 2 + [Verdict.HELD] * 3
    assert calls["template"] == 2


async def test_an_answer_that_says_nothing_is_left_closes_the_day(zalo_notices):
    """Another sender uses the same account, so that our count was too low."""
    zalo_notices.account.set_rules(daily_quota=1)
    calls = count_calls(zalo_notices)
    assert (await zalo_notices.send()).verdict is Verdict.DELIVERED
    assert [(await zalo_notices.send()).verdict for _ in range(4)] == [Verdict.HELD] * 4
    assert calls["template"] == 1


async def test_a_day_that_zalo_refuses_is_asked_about_once(zalo_notices):
    """We have counted less than Zalo; -144 is of the day, for every template."""
    zalo_notices.account.fault(BY_PHONE, "refuse", code=-144)
    calls = count_calls(zalo_notices)
    outcomes = [await zalo_notices.send(sample_notice("24"[number % 2])) for number in range(6)]
    assert {one.verdict for one in outcomes} == {Verdict.HELD}
    assert calls["template"] == 1
    assert await zalo_notices.amount_reserved("notices") == 0, "what was refused is given back"
    await zalo_notices.start()
    assert (await zalo_notices.send()).reached_provider is False, "nor does another process"
    zalo_notices.clock.advance(max(one.retry_after_s for one in outcomes))
    assert (await zalo_notices.send()).verdict is Verdict.DELIVERED


async def test_a_higher_quota_that_zalo_tells_of_opens_the_day_again(zalo_notices):
    zalo_notices.account.set_rules(daily_quota=2)
    await zalo_notices.templates.sync()
    calls = count_calls(zalo_notices)
    assert [(await zalo_notices.send()).verdict for _ in range(3)][2] is Verdict.HELD
    zalo_notices.account.set_rules(daily_quota=4)
    await zalo_notices.templates.apply_quota_event(4, zalo_notices.clock())
    outcomes = [await zalo_notices.send() for _ in range(4)]
    assert [one.verdict for one in outcomes] == [Verdict.DELIVERED] * 2 + [Verdict.HELD] * 2
    assert calls["template"] == 4


async def test_news_of_a_quota_that_comes_late_or_says_nothing_changes_nothing(zalo_notices):
    now = zalo_notices.clock()
    for daily, at in ((500, now), (100, now - 60), (None, now + 1), (500, now)):
        await zalo_notices.templates.apply_quota_event(daily, at)
        assert (await zalo_notices.templates.current()).daily == 500
    await zalo_notices.templates.apply_quota_event(100, now + 2)
    assert (await zalo_notices.templates.current()).daily == 100


async def test_a_used_up_template_waits_for_the_next_day_and_the_others_do_not(zalo_notices):
    await zalo_notices.set_template("2", daily_limit=1)
    calls = count_calls(zalo_notices)
    outcomes = [await zalo_notices.send() for _ in range(5)]
    assert [one.verdict for one in outcomes] == [Verdict.DELIVERED] + [Verdict.HELD] * 4
    assert calls["template"] == 2
    again = [vietnam_time(zalo_notices.clock() + one.retry_after_s) for one in outcomes[1:]]
    assert {f"{at:%d %H:%M}" for at in again} == {"16 00:10"}
    assert (await zalo_notices.send(sample_notice("4"))).verdict is Verdict.DELIVERED
    zalo_notices.clock.advance(outcomes[-1].retry_after_s)
    assert (await zalo_notices.send()).verdict is Verdict.DELIVERED


async def test_used_up_promotions_wait_for_the_next_month_and_nothing_else_does(zalo_notices):
    zalo_notices.account.set_rules(monthly_promotions=1)
    for kind in ("2", "4"):
        await zalo_notices.set_template(kind, tag="PROMOTION")
    calls = count_calls(zalo_notices)
    outcomes = [
        await zalo_notices.send(sample_notice(kind), f"8491000000{n}")
        for n, kind in enumerate("24424")
    ]
    assert [one.verdict for one in outcomes] == [Verdict.DELIVERED] + [Verdict.HELD] * 4
    assert calls["template"] == 2, "one refusal is enough for all promotions"
    again = [vietnam_time(zalo_notices.clock() + one.retry_after_s) for one in outcomes[1:]]
    assert {f"{at:%d/%m}" for at in again} == {"01/02"}
    assert (await zalo_notices.send(sample_notice("5"))).verdict is Verdict.DELIVERED


async def test_a_quota_of_promotions_never_stops_news_of_ones_own_dossier(zalo_notices):
    zalo_notices.account.fault(BY_PHONE, "refuse", code=-1441)
    assert (await zalo_notices.send()).verdict is Verdict.HELD
    assert (await zalo_notices.send()).verdict is Verdict.DELIVERED


@pytest.mark.promise("12.5")
@pytest.mark.parametrize(
    ("caps", "goes", "reason"),
    [
        ({"money_per_day": 2400}, 3, "our daily money quota"),
        ({"money_per_day": 2399}, 2, "our daily money quota"),
        ({"money_per_month": 1600}, 2, "our monthly money quota"),
        ({"money_per_day": 800, "money_per_month": 9999}, 1, "our daily money quota"),
        ({"money_per_day": 799}, 0, "our daily money quota"),
    ],
)
async def test_money_stops_before_zalo_is_called(zalo_notices, caps, goes, reason):
    await zalo_notices.start(**caps)
    calls = count_calls(zalo_notices)
    outcomes = [await zalo_notices.send() for _ in range(6)]
    verdicts = [Verdict.DELIVERED] * goes + [Verdict.HELD] * (6 - goes)
    assert [outcome.verdict for outcome in outcomes] == verdicts
    assert (outcomes[-1].reason, outcomes[-1].reached_provider) == (reason, False)
    assert calls["template"] == len(zalo_notices.messages) == goes
    spent = sum(message["price"] for message in zalo_notices.messages)
    assert spent == await zalo_notices.amount_reserved("today")


async def test_an_unknown_price_stops_a_budget_with_a_money_limit(zalo_notices):
    await zalo_notices.start(money_per_day=8000)
    zalo_notices.account.edit_reply = lambda request, reply: replace(
        reply, body=reply.body.replace(b'"price', b'"cost')
    )
    await zalo_notices.templates.sync()
    outcome = await zalo_notices.send()
    assert (outcome.verdict, outcome.reached_provider) == (Verdict.HELD, False)
    assert zalo_notices.messages == []
    await zalo_notices.start()
    assert (await zalo_notices.send()).verdict is Verdict.DELIVERED, "without a limit it is sent"
