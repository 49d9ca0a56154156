"""The sandbox has Zalo's manners, forgets nothing, and can be told to misbehave."""

import json
from base64 import urlsafe_b64encode
from datetime import datetime
from hashlib import sha256

import aiohttp
import pytest

from channels.zalo.hours import VIETNAM, broadcasting, local
from channels.zalo.render import render
from channels.zalo.sandbox import server
from channels.zalo.sandbox.clock import day_clock
from channels.zalo.sandbox.journal import Journal
from channels.zalo.settings import ZaloSettings
from tests.builders import a_publication
from tests.zalo_stage import NOON, SITE, staged

VERIFIER = "v" * 43
CHALLENGE = urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).decode().rstrip("=")


@pytest.fixture
async def stage(tmp_path, clock):
    async with staged(tmp_path, clock) as stage:
        yield stage


@pytest.fixture
async def zalo(stage):
    async with aiohttp.ClientSession(stage.sandbox.url) as http:
        yield Client(http, stage)


class Client:
    """Calls the sandbox as any program might."""

    def __init__(self, http, stage):
        self.http = http
        self.stage = stage

    @property
    def headers(self):
        return {"access_token": self.stage.sandbox.world.tokens.access}

    async def get(self, path, headers=None, **query):
        chosen = self.headers if headers is None else headers
        async with self.http.get(path, params=query, headers=chosen) as answer:
            return answer.status, await answer.json(content_type=None)

    async def post(self, path, body=None, headers=None, **query):
        chosen = self.headers if headers is None else headers
        async with self.http.post(path, json=body or {}, params=query, headers=chosen) as answer:
            return answer.status, await answer.json(content_type=None)

    async def create(self, **changes):
        return (await self.post("/v2.0/article/create", payload(**changes)))[1]

    async def form(self, secret="sandbox-app-secret", **form):
        fields = {"app_id": "sandbox-app", **form}
        headers = {"secret_key": secret}
        async with self.http.post("/v4/oa/access_token", data=fields, headers=headers) as answer:
            text = await answer.text()
            return json.loads(text) if text else text


def payload(**changes):
    article = render(a_publication(), SITE)
    return article.payload("loa-x", article.cover, "hide") | changes


async def consent(zalo, **changes):
    query = {
        "app_id": "sandbox-app",
        "redirect_uri": "https://loa.example/zalo",
        "code_challenge": CHALLENGE,
        "state": "s1",
    } | changes
    path = "/v4/oa/permission"
    async with zalo.http.get(path, params=query, allow_redirects=False) as answer:
        if answer.status != 302:
            return await answer.json()
        return answer.headers["Location"]


async def test_consent_leads_back_with_a_code_that_works_once(zalo):
    back = await consent(zalo)
    assert back.startswith("https://loa.example/zalo?code=")
    assert back.endswith("&state=s1")
    code = back.partition("code=")[2].partition("&")[0]
    form = {"grant_type": "authorization_code", "code": code, "code_verifier": VERIFIER}
    pair = await zalo.form(**form)
    assert pair["expires_in"] == "90000"
    assert pair["access_token"] == zalo.stage.sandbox.world.tokens.access
    assert "error" in await zalo.form(**form)


@pytest.mark.parametrize("late_s", [0, 601])
async def test_a_code_needs_its_verifier_and_lives_ten_minutes(zalo, late_s):
    code = (await consent(zalo)).partition("code=")[2].partition("&")[0]
    zalo.stage.clock.advance(late_s)
    verifier = VERIFIER if late_s else "wrong"
    form = {"grant_type": "authorization_code", "code": code, "code_verifier": verifier}
    assert "access_token" not in await zalo.form(**form)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"redirect_uri": "https://loa.example/?x=1"}, -14003),
        ({"redirect_uri": "nowhere"}, -14003),
        ({"app_id": "other"}, -14002),
    ],
)
async def test_a_consent_that_is_set_up_wrongly_says_how(zalo, changes, error):
    assert (await consent(zalo, **changes))["error"] == error


async def test_an_inactive_app_gets_no_consent(zalo):
    zalo.stage.rules(app_active=False)
    assert (await consent(zalo))["error"] == -14002


async def test_a_refresh_kills_both_old_tokens(zalo):
    old = zalo.stage.sandbox.world.tokens
    form = {"grant_type": "refresh_token", "refresh_token": old.refresh}
    fresh = await zalo.form(**form)
    assert fresh["refresh_token"] not in (old.refresh, "")
    assert await zalo.form(**form) == ""
    headers = {"access_token": old.access}
    assert (await zalo.get("/v2.0/oa/getoa", headers=headers))[1]["error"] == -216


async def test_an_unknown_refresh_token_and_a_wrong_secret_are_refused(zalo):
    token = zalo.stage.sandbox.world.tokens.refresh
    unknown = await zalo.form(grant_type="refresh_token", refresh_token="nobody")
    assert (unknown["error"], unknown["access_token"]) == (-14014, "")
    wrong = await zalo.form(secret="x", grant_type="refresh_token", refresh_token=token)
    assert wrong["error"]
    assert (await zalo.form(grant_type="refresh_token", refresh_token=token))["access_token"]


async def test_a_refresh_may_answer_without_a_new_refresh_token(zalo):
    zalo.stage.rules(omit_refresh_token=True, expires_in=90000)
    form = {"grant_type": "refresh_token"}
    form["refresh_token"] = zalo.stage.sandbox.world.tokens.refresh
    for _ in range(2):
        fresh = await zalo.form(**form)
        assert "refresh_token" not in fresh
        assert fresh["expires_in"] == 90000


@pytest.mark.parametrize(
    ("headers", "query", "status", "error"),
    [
        ({}, {}, 200, -216),
        ({"access_token": "x"}, {}, 200, -216),
        ({}, {"access_token": "x"}, 404, -404),
    ],
)
async def test_a_call_without_its_token_is_refused(zalo, headers, query, status, error):
    answer = await zalo.get("/v2.0/oa/getoa", headers=headers, **query)
    assert (answer[0], answer[1]["error"]) == (status, error)


async def test_an_expired_token_and_the_business_host_have_codes_of_their_own(zalo):
    zalo.stage.clock.advance(90001)
    assert (await zalo.get("/v2.0/oa/getoa"))[1]["error"] == -220
    assert (await zalo.get("/message/quota"))[1]["error"] == -124


async def test_a_token_in_the_query_of_a_post_is_an_invalid_token(zalo):
    answer = await zalo.post("/v2.0/oa/message", headers={}, access_token="x")
    assert answer == (200, {"error": -216, "message": "Access token is invalid"})


@pytest.mark.parametrize(
    ("method", "path", "status", "error", "words"),
    [
        ("get", "/v3.0/oa/nothing", 404, -404, "empty or invalid API"),
        ("get", "/v3.0/article/getslice", 404, -404, "empty or invalid API"),
        ("post", "/v2.0/article/upload_image", 404, -209, "not support"),
        ("post", "/v2.0/oa/getoa", 200, -200, "POST not supported"),
        ("get", "/v2.0/article/create", 200, -200, "GET not supported"),
    ],
)
async def test_paths_and_verbs_that_are_not_there(zalo, method, path, status, error, words):
    code, body = await getattr(zalo, method)(path)
    assert (code, body["error"]) == (status, error)
    assert words in body["message"]


async def test_the_rate_limit_counts_down_by_the_minute(zalo):
    zalo.stage.rules(per_minute=2)
    for remain in ("1", "0", "0"):
        async with zalo.http.get("/v2.0/oa/getoa", headers=zalo.headers) as answer:
            assert answer.headers["X-RateLimit-Remain"] == remain
            last = await answer.json()
    assert last["error"] == -32
    zalo.stage.clock.advance(60)
    assert (await zalo.get("/v2.0/oa/getoa"))[1]["error"] == 0


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"title": "a" * 150}, -201, "title allow 1 to 150 characters"),
        ({"title": ""}, -201, "title allow 1 to 150 characters"),
        ({"description": "a" * 300}, -201, "description"),
        ({"author": "a" * 51}, -201, "author"),
        ({"cover": None}, -201, "cover value is invalid"),
        ({"cover": {"cover_type": 1, "status": "show"}}, -201, "cover value is invalid"),
        ({"cover": {"cover_type": "photo", "photo_url": "http://x"}}, -201, "create media fail"),
        (
            {"cover": {"cover_type": "photo", "photo_url": "http://x/ả", "status": "show"}},
            -201,
            "photo_url",
        ),
        ({"body": []}, -201, "body"),
        ({"body": [{"type": "poem"}]}, -201, "body"),
        ({"status": "maybe"}, -201, "status"),
        ({"type": "poem"}, -201, "type"),
    ],
)
async def test_an_article_is_checked_strictly(zalo, changes, error, words):
    answer = await zalo.create(**changes)
    assert answer["error"] == error
    assert words in answer["message"]


async def test_the_documented_bounds_can_be_switched_on(zalo):
    zalo.stage.rules(exclusive_lengths=False)
    assert (await zalo.create(title="a" * 150, description="a" * 300))["error"] == 0


async def verify(zalo, token):
    return (await zalo.post("/v2.0/article/verify", {"token": token}))[1]


async def test_verifying_takes_a_while(zalo):
    token = (await zalo.create())["data"]["token"]
    answers = [await verify(zalo, token) for _ in range(3)]
    assert [answer["error"] for answer in answers] == [-214, -214, 0]
    assert answers[-1]["data"]["id"] == zalo.stage.articles[0].id
    assert (await verify(zalo, "nobody"))["error"] == -201


async def test_a_picture_that_can_not_be_fetched_is_told_at_verify(zalo):
    zalo.stage.rules(broken_images=("mac-dinh",), processing=0)
    token = (await zalo.create())["data"]["token"]
    words = [(await verify(zalo, token))["message"] for _ in range(4)]
    assert words == ["Upload media failed"] * 3 + ["Too many failed attempts"]
    assert zalo.stage.articles == []


async def test_a_removed_article_gives_its_place_in_the_quota_back(zalo):
    zalo.stage.rules(article_quota=1)
    await zalo.create()
    assert "limit quota create article" in (await zalo.create())["message"]
    article_id = zalo.stage.articles[0].id
    assert (await zalo.post("/v2.0/article/remove", {"id": article_id}))[1]["error"] == 0
    assert (await zalo.create())["error"] == 0
    zalo.stage.clock.advance(31 * 86400)
    zalo.stage.sandbox.world.tokens.expires = 1e12
    assert (await zalo.create())["error"] == 0


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"limit": 11, "type": "normal"}, "maximum limit is 10"),
        ({"limit": 10}, "type accept only 2 value"),
        ({"data": '{"offset":0,"limit":10,"type":"normal"}'}, "type accept only 2 value"),
        ({"limit": "x", "type": "normal"}, "limit is invalid"),
    ],
)
async def test_the_list_is_particular_about_its_parameters(zalo, query, words):
    code, body = await zalo.get("/v2.0/article/getslice", **query)
    assert (code, body["error"]) == (200, -201)
    assert words in body["message"]


async def test_the_list_shows_hidden_articles_newest_first(zalo):
    for number in range(12):
        zalo.stage.clock.advance(1)
        await zalo.create(title=f"Tin {number}")
    _, body = await zalo.get("/v2.0/article/getslice", limit=10, offset=0, type="normal")
    assert [media["title"] for media in body["data"]["medias"]] == [
        f"Tin {number}" for number in range(11, 1, -1)
    ]
    assert body["data"]["total"] == 12
    media = body["data"]["medias"][0]
    _, one = await zalo.get("/v2.0/article/getdetail", id=media["id"])
    assert (one["data"]["status"], one["data"]["title"]) == ("hide", "Tin 11")


def broadcast(*ids):
    elements = [{"media_type": "article", "attachment_id": id} for id in ids]
    attachment = {"type": "template", "payload": {"template_type": "media", "elements": elements}}
    return {"recipient": {"target": {}}, "message": {"attachment": attachment}}


async def test_only_one_to_five_visible_articles_can_be_broadcast(zalo):
    await zalo.create()
    await zalo.create(status="show")
    hidden, shown = (item.id for item in zalo.stage.articles)
    for ids in ((), (hidden,), ("nobody",), (shown,) * 6):
        assert (await zalo.post("/v2.0/oa/message", broadcast(*ids)))[1]["error"] == -201
    answer = (await zalo.post("/v2.0/oa/message", broadcast(shown)))[1]
    assert answer["data"]["message_id"] == zalo.stage.broadcasts[0].id


@pytest.mark.parametrize("hour", [22, 5])
async def test_no_broadcast_at_night(zalo, hour):
    await zalo.create(status="show")
    at = datetime(2027, 1, 15, hour, tzinfo=VIETNAM)
    await zalo.post("/_sandbox/clock", {"now": at.isoformat()})
    answer = (await zalo.post("/v2.0/oa/message", broadcast(zalo.stage.articles[0].id)))[1]
    assert answer["error"] == -234


async def test_broadcasts_have_a_quota_and_arrive_half_an_hour_later(zalo):
    zalo.stage.rules(broadcast_quota=1)
    await zalo.create(status="show")
    body = broadcast(zalo.stage.articles[0].id)
    assert (await zalo.post("/v2.0/oa/message", body))[1]["error"] == 0
    assert (await zalo.post("/v2.0/oa/message", body))[1]["error"] == -211
    assert (await zalo.post("/v2.0/oa/quota/message"))[1]["data"]["remain"] == "0"
    before = (await zalo.get("/_sandbox/state"))[1]
    zalo.stage.clock.advance(1800)
    after = (await zalo.get("/_sandbox/state"))[1]
    assert [sent["broadcasts"][0]["delivered"] for sent in (before, after)] == [False, True]


async def test_every_answer_tells_the_sandboxs_time(zalo):
    await zalo.post("/_sandbox/clock", {"now": "2027-03-01T10:00:00+07:00"})
    async with zalo.http.get("/v2.0/oa/getoa", headers=zalo.headers) as answer:
        assert answer.headers["Date"] == "Mon, 01 Mar 2027 03:00:00 GMT"


async def test_what_happened_survives_a_restart(stage, tmp_path, clock):
    await stage.send(a_publication(), "article")
    await stage.send(a_publication(), "broadcast")
    again = await server.start("127.0.0.1", 0, tmp_path, clock)
    try:
        assert again.world.articles == stage.sandbox.world.articles
        assert again.world.broadcasts == stage.broadcasts
        assert again.world.tokens == stage.sandbox.world.tokens
        assert again.world.articles_left() == stage.sandbox.world.articles_left()
    finally:
        await again.close()


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
    await zalo.post("/_sandbox/faults", fault)
    async with zalo.http.get("/v2.0/oa/getoa", headers=zalo.headers) as answer:
        assert (answer.status, answer.content_type) == (502, "text/html")
    assert (await zalo.get("/v2.0/oa/getoa"))[1]["error"] == 0
    assert (await zalo.post("/_sandbox/faults", {"route": "x", "kind": "magic"}))[0] == 400
    await zalo.post("/_sandbox/faults", fault)
    async with zalo.http.delete("/_sandbox/faults"):
        assert (await zalo.get("/v2.0/oa/getoa"))[1]["error"] == 0
    changed = (await zalo.post("/_sandbox/rules", {"processing": 7}))[1]
    assert (changed["processing"], changed["article_quota"]) == (7, 400)
    before = zalo.stage.sandbox.world.tokens.access
    pair = (await zalo.post("/_sandbox/grant"))[1]
    assert before != pair["access_token"] == zalo.stage.sandbox.world.tokens.access


async def test_the_effect_log_tells_everything_in_order(stage, zalo):
    await stage.send(a_publication(), "article")
    async with zalo.http.get("/_sandbox/effects") as answer:
        lines = [json.loads(line) for line in (await answer.text()).splitlines()]
    assert [line["kind"] for line in lines] == ["granted", "article_created", "article_updated"]


async def test_the_page_shows_what_a_follower_sees(stage, zalo):
    body = "Lương <script>alert(1)</script> & thưởng"
    await stage.send(a_publication(body=body), "article")
    await stage.send(a_publication(body=body), "broadcast")
    async with zalo.http.get("/") as answer:
        html = await answer.text()
    assert html.count("Lịch nghỉ Tết Nguyên đán năm 2027") == 2
    assert "đang hiển thị" in html
    assert "Zalo đang xếp hàng gửi" in html
    assert "<script>" not in html
    assert "&amp; thưởng" in html
    assert "12:00 15/01/2027" in html


async def test_an_empty_page_says_so(zalo):
    async with zalo.http.get("/") as answer:
        assert (await answer.text()).count("Chưa có") == 2


def at(hour: int, minute: int = 0) -> float:
    return datetime(2027, 1, 15, hour, minute, tzinfo=VIETNAM).timestamp()


@pytest.mark.parametrize("hour", range(24))
@pytest.mark.parametrize("minute", [0, 4, 6, 49, 51])
def test_in_a_demo_it_is_never_night(hour, minute):
    shown = day_clock(lambda: at(hour, minute))()
    assert broadcasting(shown)
    if at(6, 5) <= at(hour, minute) < at(21, 50):
        assert shown == at(hour, minute)


def test_a_demo_at_night_begins_at_nine():
    assert f"{local(day_clock(lambda: at(21, 50))()):%H:%M}" == "09:00"
    assert f"{local(day_clock(lambda: at(23, 20))()):%H:%M}" == "10:30"


def test_the_real_hosts_are_the_default(monkeypatch):
    settings = ZaloSettings(_env_file=None)
    assert settings.openapi_url == "https://openapi.zalo.me"
    assert settings.business_url == "https://business.openapi.zalo.me"
    assert settings.oauth_url == "https://oauth.zaloapp.com"
    assert not settings.configured
    monkeypatch.setenv("LOA_ZALO_APP_ID", "1")
    monkeypatch.setenv("LOA_ZALO_APP_SECRET", "very-secret")
    configured = ZaloSettings(_env_file=None)
    assert configured.configured
    assert "very-secret" not in repr(configured)


def test_noon_is_noon():
    assert f"{local(NOON):%H:%M}" == "12:00"
