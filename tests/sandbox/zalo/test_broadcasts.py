"""Broadcasts at the sandbox: acceptance, delivery time, audience."""

import pytest

from tests.support.sandbox_client import broadcast

SEND = "/v2.0/oa/message"
ALL = {"hà nội", "đà nẵng", "ẩn danh"}


async def test_only_one_to_five_visible_articles_can_be_broadcast(zalo):
    await zalo.create()
    await zalo.create(status="show")
    hidden, shown = (item.id for item in zalo.account.articles)
    for ids in ((), (hidden,), ("unknown",), (shown,) * 6):
        assert await zalo.code(SEND, broadcast(*ids)) == -201
    answer = await zalo.said(SEND, broadcast(shown))
    assert answer["data"]["message_id"] == zalo.account.broadcasts[0].id


@pytest.mark.parametrize("hour", [22, 5])
async def test_no_broadcast_at_night(zalo, hour):
    await zalo.create(status="show")
    await zalo.said("/_sandbox/clock", {"now": f"2027-01-15T{hour:02}:00:00+07:00"})
    assert await zalo.code(SEND, broadcast(zalo.account.articles[0].id)) == -234


async def test_broadcasts_have_a_quota_and_arrive_half_an_hour_later(zalo):
    zalo.account.set_rules(broadcast_quota=1)
    await zalo.create(status="show")
    body = broadcast(zalo.account.articles[0].id)
    assert [await zalo.code(SEND, body) for _ in range(2)] == [0, -211]
    assert (await zalo.said("/v2.0/oa/quota/message"))["data"]["remain"] == "0"
    await zalo.later(seconds=1799)
    assert delivered(zalo) == {}
    await zalo.later(seconds=1)
    assert delivered(zalo) == {zalo.account.broadcasts[0].id: []}


async def sent(zalo, target=None):
    """The id of a new broadcast of a visible article."""
    await zalo.create(status="show")
    answer = await zalo.said(SEND, broadcast(zalo.account.articles[-1].id, target=target))
    return answer["data"]["message_id"]


def delivered(zalo):
    return {fact["id"]: fact["users"] for fact in zalo.facts("broadcast_delivered")}


@pytest.mark.parametrize(
    ("target", "meant"),
    [
        ({}, ALL),
        ({"cities": "9"}, {"hà nội"}),
        ({"cities": "20, 34"}, {"đà nẵng"}),
        ({"cities": 9}, {"hà nội"}),
        ({"cities": ["9", 20]}, {"hà nội", "đà nẵng"}),
        ({"cities": ""}, ALL),
        ({"locations": "0"}, {"hà nội"}),
        ({"locations": "1,2"}, {"đà nẵng"}),
        ({"locations": "0", "cities": "20"}, {"đà nẵng"}),
        ({"ages": "2,3"}, {"hà nội"}),
        ({"gender": "0"}, ALL),
        ({"gender": 2}, {"hà nội"}),
        ({"gender": "2", "ages": "7"}, set()),
    ],
)
async def test_a_target_reads_the_same_in_every_notation(zalo, target, meant):
    people = {
        "hà nội": await zalo.person(city=9, age=24, gender=2),
        "đà nẵng": await zalo.person(city=20, age=65, gender=1),
        "ẩn danh": await zalo.person(),
    }
    await zalo.person(follower=False, city=9, age=24, gender=2)
    id = await sent(zalo, target)
    await zalo.later(minutes=30)
    assert set(delivered(zalo)[id]) == {people[name] for name in meant}


async def test_a_target_that_makes_no_sense_is_refused(zalo):
    await zalo.create(status="show")
    last = {"ages": 7, "gender": 2, "locations": 2, "cities": 63}
    beyond = [{field: code + 1} for field, code in last.items()]
    for target in ([], "all", {"ages": "x"}, {"moon": "1"}, {"gender": -1}, *beyond):
        body = broadcast(zalo.account.articles[0].id) | {"recipient": {"target": target}}
        assert await zalo.code(SEND, body) == -201, target
    assert await zalo.code(SEND, broadcast(zalo.account.articles[0].id, target=last)) == 0


async def test_a_follower_gets_one_broadcast_a_day_and_so_many_a_month(zalo):
    zalo.account.set_rules(follower_broadcasts=2)
    user_id = await zalo.person()
    arrived = []
    for pause in ({"minutes": 1}, {"days": 1}, {"days": 1}, {"days": 15}, {}):
        id = await sent(zalo)
        await zalo.later(minutes=30)
        arrived.append(delivered(zalo)[id] == [user_id])
        await zalo.later(**pause)
    assert arrived == [True, False, True, False, True]


async def test_a_clock_that_is_set_forward_brings_the_delivery_at_its_due_time(zalo):
    user_id = await zalo.person()
    id = await sent(zalo)
    await zalo.said("/_sandbox/clock", {"now": "2027-01-15T14:00:00+07:00"})
    [arrived] = zalo.facts("broadcast_delivered")
    assert (arrived["id"], arrived["users"]) == (id, [user_id])
    assert arrived["at"] == "2027-01-15T05:30:00+00:00"
