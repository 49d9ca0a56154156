"""The sandbox: access, rate limit, clock, controls, and a state that survives restarts."""

from datetime import datetime

import pytest

from channels.zalo.clock import is_broadcast_time
from contracts.base.times import vietnam_time
from contracts.text.moments import VIETNAM
from sandbox.zalo import server
from sandbox.zalo.state.clock import daytime_clock
from sandbox.zalo.state.journal import Journal
from tests.support.publications import a_publication
from tests.support.sandbox_client import BY_PHONE, PHONE, order

PROFILE = "/v2.0/oa/getoa"


@pytest.mark.parametrize(
    ("method", "headers", "query", "status", "error"),
    [
        ("get", {}, {}, 200, -216),
        ("get", {"access_token": "x"}, {}, 200, -216),
        ("get", {}, {"access_token": "x"}, 404, -404),
        ("post", {}, {"access_token": "x"}, 200, -216),
    ],
)
async def test_a_call_without_its_token_is_refused(zalo, method, headers, query, status, error):
    path = PROFILE if method == "get" else "/v2.0/oa/message"
    code, body = await getattr(zalo, method)(path, headers=headers, **query)
    assert (code, body["error"]) == (status, error)


async def test_an_expired_token_and_the_business_host_have_codes_of_their_own(zalo):
    zalo.account.clock.advance(89999)
    assert (await zalo.get(PROFILE))[1]["error"] == 0
    zalo.account.clock.advance(1)
    assert (await zalo.get(PROFILE))[1]["error"] == -220
    for path in ("/quality", "/message/quota", "/template/info/v2"):
        assert (await zalo.get(path))[1]["error"] == -124


@pytest.mark.parametrize(
    ("method", "path", "status", "error", "words"),
    [
        ("get", "/v3.0/oa/nothing", 404, -404, "empty or invalid API"),
        ("post", PROFILE, 200, -200, "POST not supported"),
        ("get", "/v2.0/article/create", 200, -200, "GET not supported"),
    ],
)
async def test_paths_and_verbs_that_are_not_there(zalo, method, path, status, error, words):
    code, body = await getattr(zalo, method)(path)
    assert (code, body["error"]) == (status, error)
    assert words in body["message"]


async def test_the_rate_limit_counts_down_by_the_minute(zalo):
    zalo.account.set_rules(per_minute=2)
    for remain in ("1", "0", "0"):
        async with zalo.http.get(PROFILE, headers=zalo.headers) as answer:
            assert answer.headers["X-RateLimit-Remain"] == remain
            last = await answer.json()
    assert last["error"] == -32
    zalo.account.clock.advance(60)
    assert (await zalo.get(PROFILE))[1]["error"] == 0


async def test_every_answer_tells_the_sandboxs_time(zalo):
    await zalo.said("/_sandbox/clock", {"now": "2027-03-01T10:00:00+07:00"})
    async with zalo.http.get(PROFILE, headers=zalo.headers) as answer:
        assert answer.headers["Date"] == "Mon, 01 Mar 2027 03:00:00 GMT"


@pytest.mark.parametrize("minute", [0, 4, 6, 49, 51])
def test_in_a_demo_it_is_never_night(minute):
    for hour in range(24):
        here = datetime(2027, 1, 15, hour, minute, tzinfo=VIETNAM)
        shown = daytime_clock(here.timestamp)()
        assert is_broadcast_time(shown)
        assert vietnam_time(shown).date() == here.date(), "quotas are those of the real day"
        is_day = "06:05" <= f"{here:%H:%M}" < "21:50"
        assert (shown == here.timestamp()) is is_day
    late = datetime(2027, 1, 15, 23, 20, tzinfo=VIETNAM)
    assert f"{vietnam_time(daytime_clock(late.timestamp)()):%H:%M}" == "10:30"


async def test_the_state_survives_a_restart(zalo, tmp_path, clock):
    """The journal restores articles, tokens, people, messages, rules, clock and balance."""
    for row in ("article", "broadcast"):
        await zalo.account.send(a_publication(), row)
    user_id = await zalo.person(phone=PHONE, name="Bình")
    off = await zalo.person(phone="84987654321", online=False)
    await zalo.act(user_id, "write", text="Hỏi")
    answer = await zalo.said("/v2.0/oa/message", zalo.message(user_id))
    for phone in (PHONE, "84987654321"):
        await zalo.said(BY_PHONE, order(phone=phone))
    await zalo.settle()
    await zalo.act(user_id, "read")
    await zalo.act(user_id, "feedback", message_id=answer["data"]["message_id"])
    await zalo.act(user_id, "withdraw")
    await zalo.act(off, "unfollow")
    await zalo.said("/_sandbox/balance", {"balance": 7})
    await zalo.said("/_sandbox/rules", {"processing": 7, "broken_images": ["x"]})
    await zalo.said("/_sandbox/clock", {"now": "2027-03-01T10:00:00+07:00"})
    before = zalo.world
    before.record("rules_set", rules={"an_older_rule": 1})
    message = {"id": "old", "user_id": user_id, "sort": "text", "content": {}, "old_field": True}
    before.record("cs_sent", message=message)
    await zalo.account.sandbox.scheduler.stop()
    again = await server.start("127.0.0.1", 0, tmp_path, clock)
    await again.close()
    after = again.world
    for part in ("people", "conversations", "templates", "webhook_queue"):
        assert plain(getattr(after, part)) == plain(getattr(before, part))
    for part in ("articles", "broadcasts", "tokens", "rules"):
        assert getattr(after, part) == getattr(before, part)
    assert after.articles_left() == before.articles_left()
    assert f"{vietnam_time(again.clock()):%H:%M %d/%m/%Y}" == "10:00 01/03/2027"


def plain(part):
    return {name: value for name, value in vars(part).items() if name not in ("handlers", "people")}


def test_half_a_line_at_the_end_never_happened(tmp_path):
    journal = Journal(tmp_path)
    journal.append({"kind": "one"})
    with journal.path.open("ab") as file:
        file.write(b'{"kind": "tw')
    again = Journal(tmp_path)
    again.append({"kind": "three"})
    assert [fact["kind"] for fact in again.facts()] == ["one", "three"]


async def test_faults_switches_and_tokens_are_set_by_calls(zalo):
    fault = {"route": "oa.getoa", "kind": "html_before"}
    await zalo.said("/_sandbox/faults", fault)
    async with zalo.http.get(PROFILE, headers=zalo.headers) as answer:
        assert (answer.status, answer.content_type) == (502, "text/html")
    assert (await zalo.get(PROFILE))[1]["error"] == 0
    assert (await zalo.post("/_sandbox/faults", {"route": "x", "kind": "magic"}))[0] == 400
    status, told = await zalo.post("/_sandbox/faults", fault | {"route": "oa.getaa"})
    assert (status, "oa.getoa" in told["error"]) == (400, True)
    await zalo.said("/_sandbox/faults", fault)
    async with zalo.http.delete("/_sandbox/faults"):
        assert (await zalo.get(PROFILE))[1]["error"] == 0
    changed = await zalo.said("/_sandbox/rules", {"processing": 7})
    assert (changed["processing"], changed["article_quota"]) == (7, 400)
    before = zalo.world.tokens.access
    pair = await zalo.said("/_sandbox/grant")
    assert before != pair["access_token"] == zalo.world.tokens.access
