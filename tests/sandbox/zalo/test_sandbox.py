"""The sandbox: access, rate limit, faults, and a state that survives restarts."""

import json

import pytest

from channels.zalo.settings import ZaloSettings
from sandbox.zalo import server
from sandbox.zalo.state.journal import Journal
from sandbox.zalo.state.world import World
from tests.support.publications import a_publication


@pytest.fixture
def zalo_account(sandbox_client):
    return sandbox_client.stage


@pytest.mark.parametrize(
    ("headers", "query", "status", "error"),
    [
        ({}, {}, 200, -216),
        ({"access_token": "x"}, {}, 200, -216),
        ({}, {"access_token": "x"}, 404, -404),
    ],
)
async def test_a_call_without_its_token_is_refused(sandbox_client, headers, query, status, error):
    answer = await sandbox_client.get("/v2.0/oa/getoa", headers=headers, **query)
    assert (answer[0], answer[1]["error"]) == (status, error)


async def test_an_expired_token_and_the_business_host_have_codes_of_their_own(sandbox_client):
    sandbox_client.stage.clock.advance(89999)
    assert (await sandbox_client.get("/v2.0/oa/getoa"))[1]["error"] == 0
    sandbox_client.stage.clock.advance(1)
    assert (await sandbox_client.get("/v2.0/oa/getoa"))[1]["error"] == -220
    assert (await sandbox_client.get("/message/quota"))[1]["error"] == -124


async def test_a_token_in_the_query_of_a_post_is_an_invalid_token(sandbox_client):
    answer = await sandbox_client.post("/v2.0/oa/message", headers={}, access_token="x")
    assert answer == (200, {"error": -216, "message": "Access token is invalid"})


@pytest.mark.parametrize(
    ("method", "path", "status", "error", "words"),
    [
        ("get", "/v3.0/oa/nothing", 404, -404, "empty or invalid API"),
        ("get", "/v3.0/article/getslice", 404, -404, "empty or invalid API"),
        ("post", "/v2.0/oa/getoa", 200, -200, "POST not supported"),
        ("get", "/v2.0/article/create", 200, -200, "GET not supported"),
    ],
)
async def test_paths_and_verbs_that_are_not_there(
    sandbox_client, method, path, status, error, words
):
    code, body = await getattr(sandbox_client, method)(path)
    assert (code, body["error"]) == (status, error)
    assert words in body["message"]


async def test_the_rate_limit_counts_down_by_the_minute(sandbox_client):
    sandbox_client.stage.set_rules(per_minute=2)
    for remain in ("1", "0", "0"):
        async with sandbox_client.http.get(
            "/v2.0/oa/getoa", headers=sandbox_client.headers
        ) as answer:
            assert answer.headers["X-RateLimit-Remain"] == remain
            last = await answer.json()
    assert last["error"] == -32
    sandbox_client.stage.clock.advance(60)
    assert (await sandbox_client.get("/v2.0/oa/getoa"))[1]["error"] == 0


async def test_what_happened_survives_a_restart(zalo_account, tmp_path, clock):
    await zalo_account.send(a_publication(), "article")
    await zalo_account.send(a_publication(), "broadcast")
    again = await server.start("127.0.0.1", 0, tmp_path, clock)
    try:
        assert again.world.articles == zalo_account.sandbox.world.articles
        assert again.world.broadcasts == zalo_account.broadcasts
        assert again.world.tokens == zalo_account.sandbox.world.tokens
        assert again.world.articles_left() == zalo_account.sandbox.world.articles_left()
    finally:
        await again.close()


async def test_people_and_their_messages_survive_a_restart(sandbox_client, tmp_path, clock):
    """The journal restores people, messages and balances."""
    user_id = await sandbox_client.person(phone="84912345678", name="Bình")
    off = await sandbox_client.person(phone="84987654321", online=False)
    await sandbox_client.act(user_id, "write", text="Hỏi")
    id = (await sandbox_client.said("/v2.0/oa/message", sandbox_client.message(user_id)))["data"][
        "message_id"
    ]
    data = {"ho_ten": "Bình", "ma_ho_so": "1", "trang_thai": "Xong"}
    for phone in ("84912345678", "84987654321"):
        body = {"phone": phone, "template_id": "100001", "template_data": data}
        await sandbox_client.post("/message/template", body)
    await sandbox_client.settle()
    await sandbox_client.act(user_id, "read")
    await sandbox_client.act(user_id, "feedback", message_id=id)
    await sandbox_client.act(user_id, "withdraw")
    await sandbox_client.act(off, "unfollow")
    await sandbox_client.post("/_sandbox/balance", {"development": 7})
    before = sandbox_client.stage.sandbox.world
    await sandbox_client.stage.sandbox.scheduler.stop()
    after = World(Journal(tmp_path), clock)
    for part in ("people", "conversations", "templates", "webhook_queue"):
        assert story(getattr(after, part)) == story(getattr(before, part))
    assert list(after.conversations.in_transit) == list(before.conversations.in_transit) != []


def story(part):
    return {name: value for name, value in vars(part).items() if name not in ("handlers", "people")}


def test_half_a_line_at_the_end_never_happened(tmp_path):
    journal = Journal(tmp_path)
    journal.append({"kind": "one"})
    with journal.path.open("ab") as file:
        file.write(b'{"kind": "tw')
    again = Journal(tmp_path)
    again.append({"kind": "three"})
    assert [fact["kind"] for fact in again.facts()] == ["one", "three"]


async def test_faults_switches_and_tokens_are_set_by_calls(sandbox_client):
    fault = {"route": "oa.getoa", "kind": "html_before"}
    await sandbox_client.post("/_sandbox/faults", fault)
    async with sandbox_client.http.get("/v2.0/oa/getoa", headers=sandbox_client.headers) as answer:
        assert (answer.status, answer.content_type) == (502, "text/html")
    assert (await sandbox_client.get("/v2.0/oa/getoa"))[1]["error"] == 0
    assert (await sandbox_client.post("/_sandbox/faults", {"route": "x", "kind": "magic"}))[
        0
    ] == 400
    await sandbox_client.post("/_sandbox/faults", fault)
    async with sandbox_client.http.delete("/_sandbox/faults"):
        assert (await sandbox_client.get("/v2.0/oa/getoa"))[1]["error"] == 0
    changed = (await sandbox_client.post("/_sandbox/rules", {"processing": 7}))[1]
    assert (changed["processing"], changed["article_quota"]) == (7, 400)
    before = sandbox_client.stage.sandbox.world.tokens.access
    pair = (await sandbox_client.post("/_sandbox/grant"))[1]
    assert before != pair["access_token"] == sandbox_client.stage.sandbox.world.tokens.access


async def test_the_effect_log_tells_everything_in_order(zalo_account, sandbox_client):
    await zalo_account.send(a_publication(), "article")
    async with sandbox_client.http.get("/_sandbox/effects") as answer:
        lines = [json.loads(line) for line in (await answer.text()).splitlines()]
    assert [line["kind"] for line in lines] == ["granted", "article_created", "article_updated"]


def test_the_real_hosts_are_the_default(monkeypatch):
    settings = ZaloSettings(_env_file=None)
    assert settings.openapi_url == "https://openapi.zalo.me"
    assert settings.business_url == "https://business.openapi.zalo.me"
    assert settings.oauth_url == "https://oauth.zaloapp.com"
    assert not settings.is_configured
    monkeypatch.setenv("LOA_ZALO_APP_ID", "1")
    monkeypatch.setenv("LOA_ZALO_APP_SECRET", "very-secret")
    configured = ZaloSettings(_env_file=None)
    assert configured.is_configured
    assert "very-secret" not in repr(configured)
