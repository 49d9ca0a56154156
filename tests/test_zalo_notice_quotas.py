"""How many case notices may go, and what they may cost: our own limits, and Zalo's."""

import asyncio

import pytest

from channels.base import Verdict
from channels.zalo.hours import local
from channels.zalo.shutters import SHUT_S
from tests.notice_stage import BY_PHONE, PHONE, a_notice, counting, noticing


@pytest.fixture
async def house(tmp_path, clock):
    async with noticing(tmp_path, clock) as house:
        yield house


async def test_our_own_limit_of_the_day_stops_before_zalo_is_called(house):
    await house.start(notices_per_day=3)
    outcomes = [await house.send() for _ in range(8)]
    assert [one.verdict for one in outcomes] == [Verdict.DELIVERED] * 3 + [Verdict.HELD] * 5
    assert len(house.messages) == 3
    assert outcomes[-1].reason == "our notices quota"
    assert local(house.clock() + outcomes[-1].after_s).day == local(house.clock()).day + 1
    house.clock.advance(outcomes[-1].after_s)
    assert (await house.send()).verdict is Verdict.DELIVERED


async def test_zalos_daily_quota_counts_where_it_is_the_lower_one(house):
    house.stage.rules(daily_quota=2)
    await house.templates.sync()
    calls = counting(house)
    outcomes = [await house.send() for _ in range(5)]
    assert [one.verdict for one in outcomes] == [Verdict.DELIVERED] * 2 + [Verdict.HELD] * 3
    assert calls["template"] == 2


async def test_an_answer_that_says_nothing_is_left_closes_the_day(house):
    """Somebody else sends for the same account; we had counted less."""
    house.stage.rules(daily_quota=1)
    calls = counting(house)
    assert (await house.send()).verdict is Verdict.DELIVERED
    assert [(await house.send()).verdict for _ in range(4)] == [Verdict.HELD] * 4
    assert calls["template"] == 1


async def test_a_day_that_zalo_refuses_is_asked_about_once(house):
    """We have counted less than Zalo; -144 is of the day, for every template."""
    house.stage.fault(BY_PHONE, "refuse", code=-144)
    calls = counting(house)
    outcomes = [await house.send(a_notice("24"[number % 2])) for number in range(6)]
    assert {one.verdict for one in outcomes} == {Verdict.HELD}
    assert calls["template"] == 1
    assert await house.used("notices") == 0, "what was refused is given back"
    await house.start()
    assert (await house.send()).asked is False, "nor does another process"
    house.clock.advance(max(one.after_s for one in outcomes))
    assert (await house.send()).verdict is Verdict.DELIVERED


async def test_a_last_answer_that_comes_after_midnight_closes_no_new_day(house):
    house.stage.rules(daily_quota=1)
    house.at("23:59:59")

    def passes(request):
        if request.url.endswith("/message/template"):
            house.clock.advance(2)

    house.stage.after_request = passes
    assert (await house.send()).verdict is Verdict.DELIVERED
    house.clock.advance(5)
    assert (await house.send()).verdict is Verdict.DELIVERED, "the new day's own one"
    assert (await house.send()).verdict is Verdict.HELD


async def test_a_higher_quota_that_zalo_tells_of_opens_the_day_again(house):
    house.stage.rules(daily_quota=2)
    await house.templates.sync()
    calls = counting(house)
    assert [(await house.send()).verdict for _ in range(3)][2] is Verdict.HELD
    house.stage.rules(daily_quota=4)
    await house.templates.heard_quota(4, house.clock())
    outcomes = [await house.send() for _ in range(4)]
    assert [one.verdict for one in outcomes] == [Verdict.DELIVERED] * 2 + [Verdict.HELD] * 2
    assert calls["template"] == 4


async def test_news_of_a_quota_that_comes_late_or_says_nothing_changes_nothing(house):
    now = house.clock()
    for daily, at in ((500, now), (100, now - 60), (None, now + 1), (500, now)):
        await house.templates.heard_quota(daily, at)
        assert (await house.templates.book()).daily == 500
    await house.templates.heard_quota(100, now + 2)
    assert (await house.templates.book()).daily == 100


async def test_a_used_up_template_waits_for_the_next_day_and_the_others_do_not(house):
    await house.set_template("2", daily_limit=1)
    calls = counting(house)
    outcomes = [await house.send() for _ in range(5)]
    assert [one.verdict for one in outcomes] == [Verdict.DELIVERED] + [Verdict.HELD] * 4
    assert calls["template"] == 2
    assert {f"{local(house.clock() + one.after_s):%d %H:%M}" for one in outcomes[1:]} == {
        "16 00:10"
    }
    assert (await house.send(a_notice("4"))).verdict is Verdict.DELIVERED
    house.clock.advance(outcomes[-1].after_s)
    assert (await house.send()).verdict is Verdict.DELIVERED


async def test_used_up_promotions_wait_for_the_next_month_and_nothing_else_does(house):
    house.stage.rules(monthly_promotions=1)
    for kind in ("2", "4"):
        await house.set_template(kind, tag="PROMOTION")
    calls = counting(house)
    outcomes = [
        await house.send(a_notice(kind), f"8491000000{n}") for n, kind in enumerate("24424")
    ]
    assert [one.verdict for one in outcomes] == [Verdict.DELIVERED] + [Verdict.HELD] * 4
    assert calls["template"] == 2, "one refusal is enough for all promotions"
    assert all(f"{local(house.clock() + one.after_s):%d/%m}" == "01/02" for one in outcomes[1:])
    assert (await house.send(a_notice("5"))).verdict is Verdict.DELIVERED


async def test_a_quota_of_promotions_never_stops_news_of_ones_own_dossier(house):
    house.stage.fault(BY_PHONE, "refuse", code=-1441)
    assert (await house.send()).verdict is Verdict.HELD
    assert (await house.send()).verdict is Verdict.DELIVERED


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
async def test_money_stops_before_zalo_is_called(house, caps, goes, reason):
    await house.start(**caps)
    calls = counting(house)
    outcomes = [await house.send() for _ in range(6)]
    assert [one.verdict for one in outcomes] == [Verdict.DELIVERED] * goes + [Verdict.HELD] * (
        6 - goes
    )
    assert (outcomes[-1].reason, outcomes[-1].asked) == (reason, False)
    assert calls["template"] == len(house.messages) == goes
    assert sum(message["price"] for message in house.messages) == await house.used("today")


async def test_a_month_s_cap_outlives_the_day_and_ends_with_the_month(house):
    await house.start(money_per_month=800)
    await house.send()
    house.clock.advance(86400)
    held = await house.send()
    assert held.verdict is Verdict.HELD
    house.clock.advance(held.after_s)
    house.stage.sandbox.world.tokens.expires = 1e12
    assert f"{local(house.clock()):%d/%m}" == "01/02"
    assert (await house.send()).verdict is Verdict.DELIVERED


async def test_what_zalo_refused_costs_nothing(house):
    await house.start(money_per_day=800, notices_per_day=1)
    for code in (-108, -131, -1122, -115):
        house.stage.fault(BY_PHONE, "refuse", code=code)
        await house.send()
        house.clock.advance(SHUT_S + 1)
    assert await house.used("today") == await house.used("notices") == 0
    assert (await house.send()).verdict is Verdict.DELIVERED


async def test_two_processes_share_one_cap(house):
    first = house.channel
    await house.start(money_per_day=4000)
    second = house.channel
    first.notices.purse.caps.today.limit = 4000
    rendered, revisions = first.render(a_notice()), iter(range(100, 200))

    async def several(channel):
        async with channel.session() as session:
            rows = [house.row(next(revisions), PHONE) for _ in range(8)]
            return [(await session.send(rendered, [row], lambda: False))[0] for row in rows]

    await asyncio.gather(several(first), several(second))
    assert len(house.messages) == 5
    assert await house.used("today") == 4000


async def test_a_price_that_nobody_knows_keeps_a_capped_purse_shut(house, monkeypatch):
    await house.start(money_per_day=8000)
    transport = house.channel.api.transport
    original = transport.exchange

    async def without_prices(request):
        reply = await original(request)
        body = reply.body.replace(b'"price', b'"cost')
        return type(reply)(reply.status, reply.headers, body)

    monkeypatch.setattr(transport, "exchange", without_prices)
    await house.templates.sync()
    outcome = await house.send()
    assert (outcome.verdict, outcome.asked) == (Verdict.HELD, False)
    assert house.messages == []
    await house.start()
    assert (await house.send()).verdict is Verdict.DELIVERED, "without a cap it is no matter"
