"""Faults at the sandbox: every kind, on calls with an effect, before it, after it, or late."""

import json
from itertools import product

import aiohttp
import pytest

from tests.support.sandbox_client import (
    BY_PHONE,
    BY_USER_ID,
    PHONE,
    article_payload,
    broadcast,
    order,
    order_by_user_id,
)  # fmt: skip

FORGET = "/v2.0/oa/deletefollowerinfo"
ROUTES = {
    "article.create": ("/v2.0/article/create", "article_created"),
    "article.remove": ("/v2.0/article/remove", "article_removed"),
    "oa.message": ("/v2.0/oa/message", "broadcast_sent"),
    "oa.cs": ("/v3.0/oa/message/cs", "cs_sent"),
    "oa.template": (BY_USER_ID, "template_sent"),
    "business.template": (BY_PHONE, "template_sent"),
    "oa.deletefollowerinfo": (FORGET, "info_deleted"),
}
FAULTS = {
    "drop_before": (None, 0),
    "hang_before": (None, 0),
    "html_before": (502, 0),
    "refuse": (-32, 0),
    "drop_after": (None, 1),
    "hang_after": (None, 1),
    "html_after": (502, 1),
    "truncate_after": ("half", 1),
    "empty_after": ("", 1),
    "error_after": (-32, 1),
    "slow_after": (0, 1),
    "late_effect": (None, 0),
}
"""The caller's view of each fault, and the effects at once."""


@pytest.fixture
async def bodies(zalo):
    """The body of a call of each route."""
    user_id = await zalo.person(phone=PHONE)
    await zalo.create(status="show")
    [article] = zalo.account.articles
    return {
        "article.create": article_payload(),
        "article.remove": {"id": article.id},
        "oa.message": broadcast(article.id),
        "oa.cs": zalo.message(user_id),
        "oa.template": order_by_user_id(user_id),
        "business.template": order(),
        "oa.deletefollowerinfo": {"user_id": user_id},
    }


async def outcome(zalo, path, body):
    """The caller's view: None without an answer, otherwise a status, a code or a text."""
    try:
        async with zalo.http.post(path, json=body, headers=zalo.headers) as answer:
            text = await answer.text()
    except aiohttp.ClientError:
        return None
    if answer.status != 200:
        return answer.status if "<html>" in text else text
    try:
        return json.loads(text)["error"]
    except ValueError:
        return "half" if text else ""


@pytest.mark.parametrize(
    ("route", "kind"),
    [*product(["oa.cs"], FAULTS), *product(ROUTES, ["drop_after", "late_effect"])],
)
async def test_each_fault_leaves_its_effect_and_its_answer(zalo, bodies, route, kind):
    zalo.account.set_rules(oa_type=2)
    (path, fact), (seen, effects) = ROUTES[route], FAULTS[kind]
    before = len(zalo.facts(fact))
    zalo.account.fault(route, kind, delay_s=0.01, code=-32)
    assert await outcome(zalo, path, bodies[route]) == seen
    assert len(zalo.facts(fact)) - before == effects
    await zalo.later(seconds=60)
    late = effects or kind == "late_effect"
    assert len(zalo.facts(fact)) - before == late, "a late effect comes once, on the clock"


async def test_a_late_effect_is_admitted_by_the_token_it_came_with(zalo, bodies):
    zalo.account.fault("oa.deletefollowerinfo", "late_effect", times=2)
    body = bodies["oa.deletefollowerinfo"]
    assert await outcome(zalo, FORGET, body) is None
    zalo.account.sandbox.grant()
    await zalo.later(seconds=60)
    [erased] = zalo.facts("info_deleted")
    assert erased["user_id"] == body["user_id"]
    zalo.world.tokens.expires = 0
    assert await outcome(zalo, FORGET, body) == -220, "a refusal is not late"


async def test_a_late_effect_that_is_refused_in_the_end_has_none(zalo, bodies):
    zalo.account.fault("oa.message", "late_effect")
    assert await outcome(zalo, "/v2.0/oa/message", bodies["oa.message"]) is None
    await zalo.said("/v2.0/article/remove", bodies["article.remove"])
    await zalo.later(seconds=60)
    assert zalo.account.broadcasts == []
    assert (await zalo.get("/v2.0/oa/getoa"))[1]["error"] == 0


async def test_a_fault_waits_its_turn_and_passes(zalo):
    zalo.account.fault("oa.getoa", "html_before", skip=1, times=2, status=504)
    statuses = []
    for _ in range(4):
        async with zalo.http.get("/v2.0/oa/getoa", headers=zalo.headers) as answer:
            statuses.append(answer.status)
    assert statuses == [200, 504, 504, 200]
