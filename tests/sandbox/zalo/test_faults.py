"""Faults at the sandbox: every kind, on calls with an effect, before it, after it, or late."""

import json

import aiohttp
import pytest

from tests.sandbox.zalo.test_broadcasts import broadcast
from tests.sandbox.zalo.test_templates import order, to
from tests.support.sandbox_client import article_payload, open_sandbox_client


@pytest.fixture
async def sandbox_client(tmp_path, clock):
    async with open_sandbox_client(tmp_path, clock) as zalo:
        zalo.user_id = await zalo.person(phone="84912345678")
        await zalo.create(status="show")
        zalo.article = zalo.stage.articles[0].id
        yield zalo


ROUTES = {
    "article.create": ("/v2.0/article/create", lambda zalo: article_payload(), "article_created"),
    "article.remove": (
        "/v2.0/article/remove",
        lambda zalo: {"id": zalo.article},
        "article_removed",
    ),
    "oa.message": ("/v2.0/oa/message", lambda zalo: broadcast(zalo.article), "broadcast_sent"),
    "oa.cs": ("/v3.0/oa/message/cs", lambda zalo: zalo.message(zalo.user_id), "cs_sent"),
    "oa.template": ("/v3.0/oa/message/template", lambda zalo: to(zalo.user_id), "template_sent"),
    "business.template": ("/message/template", lambda zalo: order(), "template_sent"),
    "oa.deletefollowerinfo": (
        "/v2.0/oa/deletefollowerinfo",
        lambda zalo: {"user_id": zalo.user_id},
        "info_deleted",
    ),
}


async def outcome(zalo, path, body):
    """The caller's view: None without an answer, otherwise status and body."""
    try:
        async with zalo.http.post(path, json=body, headers=zalo.headers) as answer:
            return answer.status, await answer.text()
    except aiohttp.ClientError:
        return None


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    ("kind", "seen", "effects"),
    [
        ("drop_before", None, 0),
        ("hang_before", None, 0),
        ("html_before", 502, 0),
        ("refuse", -32, 0),
        ("drop_after", None, 1),
        ("hang_after", None, 1),
        ("html_after", 502, 1),
        ("truncate_after", "half", 1),
        ("empty_after", "", 1),
        ("error_after", -32, 1),
        ("slow_after", 0, 1),
        ("late_effect", None, 0),
    ],
)
async def test_each_fault_leaves_its_effect_and_its_answer(
    sandbox_client, route, kind, seen, effects
):
    sandbox_client.stage.set_rules(oa_type=2)
    path, body, fact = ROUTES[route]
    before = len(sandbox_client.facts(fact))
    sandbox_client.stage.fault(
        route, kind, delay_s=0.01, code=-32, words="Your OA reached limit call api"
    )
    got = await outcome(sandbox_client, path, body(sandbox_client))
    assert as_seen(got) == seen
    assert len(sandbox_client.facts(fact)) - before == effects
    await sandbox_client.later(seconds=60)
    late = effects or kind == "late_effect"
    assert len(sandbox_client.facts(fact)) - before == late, (
        "a late effect comes once, on the clock"
    )


def as_seen(got):
    if got is None:
        return None
    status, text = got
    if status == 502:
        return 502 if "<html>" in text else text
    if not text:
        return ""
    try:
        return json.loads(text)["error"]
    except ValueError:
        return "half"


async def test_a_late_effect_keeps_the_clock_s_time(sandbox_client):
    sandbox_client.stage.fault("oa.message", "late_effect", late_s=1800)
    assert (
        await outcome(sandbox_client, "/v2.0/oa/message", broadcast(sandbox_client.article)) is None
    )
    await sandbox_client.later(seconds=1799)
    assert sandbox_client.stage.broadcasts == []
    await sandbox_client.later(seconds=1)
    assert [sent.at for sent in sandbox_client.stage.broadcasts] == [sandbox_client.stage.clock()]


async def test_a_late_effect_is_admitted_by_the_token_it_came_with(sandbox_client):
    sandbox_client.stage.fault("oa.deletefollowerinfo", "late_effect", times=2)
    path, body, _ = ROUTES["oa.deletefollowerinfo"]
    assert await outcome(sandbox_client, path, body(sandbox_client)) is None
    sandbox_client.stage.sandbox.grant()
    await sandbox_client.later(seconds=60)
    [erased] = sandbox_client.facts("info_deleted")
    assert erased["user_id"] == sandbox_client.user_id
    sandbox_client.stage.sandbox.world.tokens.expires = 0
    assert "-220" in (await outcome(sandbox_client, path, body(sandbox_client)))[1], (
        "a refusal is not late"
    )


async def test_a_late_effect_that_is_refused_in_the_end_has_none(sandbox_client):
    sandbox_client.stage.fault("oa.message", "late_effect")
    await outcome(sandbox_client, "/v2.0/oa/message", broadcast(sandbox_client.article))
    await sandbox_client.post("/v2.0/article/remove", {"id": sandbox_client.article})
    await sandbox_client.later(seconds=60)
    assert sandbox_client.stage.broadcasts == []
    assert (await sandbox_client.get("/v2.0/oa/getoa"))[1]["error"] == 0


async def test_a_fault_waits_its_turn_and_passes(sandbox_client):
    sandbox_client.stage.fault("oa.getoa", "html_before", skip=1, times=2, status=504)
    statuses = []
    for _ in range(4):
        async with sandbox_client.http.get(
            "/v2.0/oa/getoa", headers=sandbox_client.headers
        ) as answer:
            statuses.append(answer.status)
    assert statuses == [200, 504, 504, 200]
