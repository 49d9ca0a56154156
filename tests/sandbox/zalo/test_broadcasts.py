"""Broadcasts at the sandbox: acceptance, delivery time, audience."""

from datetime import datetime

import pytest

from channels.zalo.client.clock import VIETNAM


def broadcast(*ids):
    elements = [{"media_type": "article", "attachment_id": id} for id in ids]
    attachment = {"type": "template", "payload": {"template_type": "media", "elements": elements}}
    return {"recipient": {"target": {}}, "message": {"attachment": attachment}}


async def test_only_one_to_five_visible_articles_can_be_broadcast(sandbox_client):
    await sandbox_client.create()
    await sandbox_client.create(status="show")
    hidden, shown = (item.id for item in sandbox_client.stage.articles)
    for ids in ((), (hidden,), ("nobody",), (shown,) * 6):
        assert (await sandbox_client.post("/v2.0/oa/message", broadcast(*ids)))[1]["error"] == -201
    answer = (await sandbox_client.post("/v2.0/oa/message", broadcast(shown)))[1]
    assert answer["data"]["message_id"] == sandbox_client.stage.broadcasts[0].id


@pytest.mark.parametrize("hour", [22, 5])
async def test_no_broadcast_at_night(sandbox_client, hour):
    await sandbox_client.create(status="show")
    at = datetime(2027, 1, 15, hour, tzinfo=VIETNAM)
    await sandbox_client.post("/_sandbox/clock", {"now": at.isoformat()})
    answer = (
        await sandbox_client.post(
            "/v2.0/oa/message", broadcast(sandbox_client.stage.articles[0].id)
        )
    )[1]
    assert answer["error"] == -234


async def test_broadcasts_have_a_quota_and_arrive_half_an_hour_later(sandbox_client):
    sandbox_client.stage.set_rules(broadcast_quota=1)
    await sandbox_client.create(status="show")
    body = broadcast(sandbox_client.stage.articles[0].id)
    assert (await sandbox_client.post("/v2.0/oa/message", body))[1]["error"] == 0
    assert (await sandbox_client.post("/v2.0/oa/message", body))[1]["error"] == -211
    assert (await sandbox_client.post("/v2.0/oa/quota/message"))[1]["data"]["remain"] == "0"
    before = (await sandbox_client.get("/_sandbox/state"))[1]
    sandbox_client.stage.clock.advance(1800)
    after = (await sandbox_client.get("/_sandbox/state"))[1]
    assert [sent["broadcasts"][0]["delivered"] for sent in (before, after)] == [False, True]


async def sent(zalo, target=None):
    """One broadcast of a visible article; its id."""
    await zalo.create(status="show")
    body = broadcast(zalo.stage.articles[-1].id)
    body["recipient"]["target"] = target or {}
    return (await zalo.said("/v2.0/oa/message", body))["data"]["message_id"]


def delivered(zalo):
    return {fact["id"]: fact["users"] for fact in zalo.facts("broadcast_delivered")}


@pytest.mark.parametrize(
    ("target", "meant"),
    [
        ({}, {"hà nội", "đà nẵng", "ẩn danh"}),
        ({"cities": "9"}, {"hà nội"}),
        ({"cities": "20, 34"}, {"đà nẵng"}),
        ({"cities": 9}, {"hà nội"}),
        ({"cities": [9, 20]}, {"hà nội", "đà nẵng"}),
        ({"cities": ["9", "20"]}, {"hà nội", "đà nẵng"}),
        ({"cities": ""}, {"hà nội", "đà nẵng", "ẩn danh"}),
        ({"locations": "0"}, {"hà nội"}),
        ({"locations": "1,2"}, {"đà nẵng"}),
        ({"locations": "0", "cities": "20"}, {"đà nẵng"}),
        ({"ages": "2,3"}, {"hà nội"}),
        ({"ages": [7]}, {"đà nẵng"}),
        ({"gender": "0"}, {"hà nội", "đà nẵng", "ẩn danh"}),
        ({"gender": 2}, {"hà nội"}),
        ({"platform": "1"}, {"hà nội"}),
        ({"platforms": [1, 2]}, {"hà nội", "đà nẵng"}),
        ({"telcos": "3"}, {"hà nội", "đà nẵng", "ẩn danh"}),
        ({"gender": "2", "ages": "7"}, set()),
    ],
)
async def test_a_target_reads_the_same_in_every_notation(sandbox_client, target, meant):
    people = {
        "hà nội": await sandbox_client.person(city=9, age=24, gender=2, platform=1),
        "đà nẵng": await sandbox_client.person(city=20, age=65, gender=1, platform=2),
        "ẩn danh": await sandbox_client.person(),
    }
    await sandbox_client.person(follower=False, city=9, age=24, gender=2, platform=1)
    id = await sent(sandbox_client, target)
    await sandbox_client.later(minutes=30)
    assert set(delivered(sandbox_client)[id]) == {people[name] for name in meant}


@pytest.mark.parametrize(
    "target", [[], "all", {"cities": "64"}, {"ages": "x"}, {"moon": "1"}, {"gender": -1}]
)
async def test_a_target_that_makes_no_sense_is_refused(sandbox_client, target):
    await sandbox_client.create(status="show")
    body = broadcast(sandbox_client.stage.articles[0].id)
    body["recipient"]["target"] = target
    assert await sandbox_client.code("/v2.0/oa/message", body) == -201


@pytest.mark.parametrize(
    ("field", "last"),
    [("ages", 7), ("gender", 2), ("locations", 2), ("cities", 63), ("platform", 3), ("telcos", 4)],
)
async def test_every_field_has_its_codes(sandbox_client, field, last):
    await sandbox_client.create(status="show")
    body, codes = broadcast(sandbox_client.stage.articles[0].id), []
    for code in (0, last, last + 1):
        body["recipient"]["target"] = {field: code}
        codes.append(await sandbox_client.code("/v2.0/oa/message", body))
    assert codes == [0, 0, -201]


async def test_a_follower_gets_one_broadcast_a_day_and_so_many_a_month(sandbox_client):
    sandbox_client.stage.set_rules(follower_broadcasts=2)
    user_id = await sandbox_client.person()
    got = []
    for _ in range(3):
        for _ in range(2):
            id = await sent(sandbox_client)
            await sandbox_client.later(minutes=30)
            got.append(delivered(sandbox_client)[id] == [user_id])
        await sandbox_client.later(hours=23)
    await sandbox_client.later(days=14)
    id = await sent(sandbox_client)
    await sandbox_client.later(minutes=30)
    assert [*got, delivered(sandbox_client)[id] == [user_id]] == [
        True,
        False,
        True,
        False,
        False,
        False,
        True,
    ]


async def test_the_time_until_delivery_can_be_set(sandbox_client):
    sandbox_client.stage.set_rules(delivery_s=60)
    id = await sent(sandbox_client)
    await sandbox_client.later(seconds=59)
    assert delivered(sandbox_client) == {}
    await sandbox_client.later(seconds=1)
    assert delivered(sandbox_client) == {id: []}


async def test_a_clock_that_is_set_forward_brings_the_delivery(sandbox_client):
    user_id = await sandbox_client.person()
    id = await sent(sandbox_client)
    await sandbox_client.post("/_sandbox/clock", {"now": "2027-01-15T14:00:00+07:00"})
    [arrived] = sandbox_client.facts("broadcast_delivered")
    assert (arrived["id"], arrived["users"]) == (id, [user_id])
    assert arrived["at"] == "2027-01-15T05:30:00+00:00", "when it was due, not when it was noticed"


async def test_a_journal_with_an_unchecked_target_harms_nobody(sandbox_client):
    user_id = await sandbox_client.person()
    sandbox_client.stage.sandbox.world.record(
        "broadcast_sent", id="old", articles=[], target={"moon": 1}
    )
    await sandbox_client.later(minutes=30)
    assert delivered(sandbox_client) == {"old": [user_id]}
