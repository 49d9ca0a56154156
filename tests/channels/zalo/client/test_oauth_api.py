"""Every answer of the OAuth host: the stored pair, and the operator's log line."""

import json

import pytest
import structlog

from channels.base import Verdict
from channels.errors import ChannelError, Unreachable
from channels.zalo.client.oauth_api import lifetime_s, parse_token_pair
from channels.zalo.client.token_store import PENDING_TIMEOUT_S
from channels.zalo.client.transport import HttpResponse
from channels.zalo.errors import AmbiguousResult, AppNotSetUp, WrongKey
from channels.zalo.outcomes import fix_for_error
from consumers.zalo.stores import BusKeyValueStore
from tests.support.publications import a_publication
from tests.support.zalo_account import memory_stores, open_zalo_account
from tests.support.zalo_oauth_host import reply, seeded_token_store, stored_grant

CONSENT = (
    "an OA admin consents again: developers.zalo.me > Ứng dụng > Official Account > Quyền truy cập"
)
APP = "developers.zalo.me > Ứng dụng: the app must be active (Đang hoạt động)"
CALLBACK = "developers.zalo.me > Ứng dụng > Official Account > Thiết lập chung: the callback"
PAGE = "<html><head><title>504 Gateway Time-out</title></head><body>nginx</body></html>"
SPENT = "Invalid refresh token."


def says(status=200, **body):
    return reply(body, status)


def named(code, name, reason=""):
    return says(error_name=name, error_reason=reason, ref_doc="", error=code)


DEAD = {
    "-14014": says(access_token="", refresh_token="", error_name=SPENT, error=-14014),
    "-14014 as text": says(access_token="", error="-14014"),
    "-118": says(error=-118, error_name="invalid_grant"),
    "names alone": says(error_name=SPENT, error_reason="", error_description=""),
    "a reason alone": says(error=-1, error_reason="Refresh token was used"),
    "a description alone": says(error_description="The refresh_token is expired"),
    "with HTTP 400": says(400, error=-14014, error_name=SPENT),
}
DOUBTED = {
    "nothing, as of a token that was used": reply(""),
    "spaces": reply("  \n"),
    "busy": says(error=-1, error_name="System busy"),
}
AWAY = {
    "504 page": reply(PAGE, 504),
    "502 without a body": reply("", 502),
    "a page with 200": reply(PAGE),
    "500 as JSON": says(500, message="down"),
    "503 with a code": says(503, error=-14014, error_name=SPENT),
    "429": says(429, error=-32, message="too many"),
    "429 page": reply(PAGE, 429),
    "no connection": Unreachable("no connection: x"),
}
LOST = {
    "no answer": AmbiguousResult("no answer: TimeoutError"),
    "half an answer": reply('{"access_token":"abc'),
    "a list": reply([]),
    "a bare 400": reply("", 400),
    "a redirect": HttpResponse(302, {"Location": "https://elsewhere.example/"}, b""),
}
NOT_SET_UP = {
    "-14002": (named(-14002, "Invalid appId", "not active"), "-14002 Invalid appId", APP),
    "-14003": (named(-14003, "Invalid redirect uri"), "-14003 Invalid redirect uri", CALLBACK),
    "-14003 as text": (named("-14003", ""), "-14003", CALLBACK),
    "-14012": (named(-14012, "Oa is wrong"), "-14012 Oa is wrong", CONSENT),
    "-14024": (named(-14024, ""), "-14024", CONSENT),
    "an unknown code": (named(-14999, "Something new"), "-14999 Something new", APP),
    "names alone": (says(error_name="Invalid secret key"), "Invalid secret key", APP),
    "nothing in it": (says(), "without a reason", APP),
    "no tokens and no error": (says(access_token=None, error=0), "without a reason", APP),
    "a list as token": (says(access_token=["x"]), "without a reason", APP),
    "a long name": (named(-1, "x" * 500), f"-1 {'x' * 60}", APP),
    "HTTP 403": (says(403, error_name="Forbidden"), "Forbidden", APP),
}


@pytest.mark.promise("6.5")
@pytest.mark.parametrize("name", [*DEAD, *DOUBTED, *AWAY, *LOST])
async def test_no_failed_refresh_costs_the_stored_pair(bus, clock, name):
    answer = (DEAD | DOUBTED | AWAY | LOST)[name]
    tokens = await seeded_token_store(BusKeyValueStore(bus), clock, answer)
    with structlog.testing.capture_logs() as logs, pytest.raises(ChannelError):
        await tokens.replace_rejected("access-1")
    grant = await stored_grant(tokens)
    assert (grant.access_token, grant.refresh_token) == ("access-1", "refresh-1")
    assert bool(grant.pending_at) is (name in LOST), "a lost answer stays noted"
    assert bool(grant.lost) is (name in DEAD)
    alarms = [line["event"] for line in logs if line["log_level"] == "error"]
    expected = ["zalo_refresh_unknown"] if name in LOST else ["zalo_grant_lost"]
    assert alarms == ([] if name in AWAY | DOUBTED else expected)


@pytest.mark.parametrize(("answer", "reason", "fix"), NOT_SET_UP.values(), ids=NOT_SET_UP)
def test_an_app_that_is_not_set_up_is_told_where_to_correct_it(answer, reason, fix):
    with pytest.raises(AppNotSetUp) as refused:
        parse_token_pair(answer)
    assert (refused.value.reason, refused.value.retry_after_s) == (f"oauth {reason}", 900)
    assert refused.value.fix.startswith(fix)


def test_the_reason_of_a_refusal_shows_no_token():
    with pytest.raises(AppNotSetUp) as refused:
        parse_token_pair(named(-14002, "Invalid appId", "of refresh: very-secret"))
    assert "very-secret" not in f"{refused.value} {refused.value.reason}"


DAY25 = [("90000", 90000), (90000, 90000), (90000.0, 90000)]
HOUR = [(value, 3600) for value in ("0", 0, -5, None, "soon", "9" * 40, True, {})]


@pytest.mark.parametrize(("expires_in", "life_s"), DAY25 + HOUR)
def test_a_lifetime_is_a_text_or_a_number_or_an_hour(expires_in, life_s):
    assert lifetime_s(expires_in) == life_s


# --- a row of an account


class InterceptedOAuth:
    """The sandbox's OAuth host, whose next answer may be replaced or changed."""

    def __init__(self, transport):
        self.real, self.answer, self.change, self.asked = transport.exchange, None, {}, 0
        transport.exchange = self.exchange

    async def exchange(self, request):
        if "/v4/oa/access_token" not in request.url:
            return await self.real(request)
        self.asked += 1
        answer, self.answer = self.answer, None
        if isinstance(answer, Exception):
            raise answer
        if answer is not None:
            return answer
        real = await self.real(request)
        if not self.change:
            return real
        pair = json.loads(real.body) | self.change
        return reply({name: value for name, value in pair.items() if value != "left out"})


@pytest.fixture
async def zalo_account(bus, tmp_path, clock):
    async with open_zalo_account(tmp_path, clock) as account:
        account.elsewhere = memory_stores(BusKeyValueStore(bus), account.article_store, account.key)
        account.oauth = InterceptedOAuth(account.new_channel().api.transport)
        await account.consent()
        account.sandbox.world.tokens.expires = 0.0
        yield account


async def refreshed(account, answer=None):
    """Send with an expired token; the outcome, and the lines of errors."""
    account.oauth.answer = answer
    with structlog.testing.capture_logs() as logs:
        outcome = await account.send(a_publication())
    return outcome, {line["event"]: line for line in logs if line["log_level"] == "error"}


async def works_again(account, after_s):
    account.clock.advance(after_s)
    return (await account.send(a_publication())).verdict is Verdict.DELIVERED


@pytest.mark.promise("6.5")
@pytest.mark.parametrize(
    ("answer", "after_s", "alarms", "fix"),
    [
        (DEAD["-14014"], 900, {"zalo_grant_lost", "zalo_operator_needed"}, CONSENT),
        (NOT_SET_UP["-14003"][0], 5, set(), ""),
        (DOUBTED["spaces"], 5, set(), ""),
        (AWAY["504 page"], 30, set(), ""),
        (LOST["half an answer"], PENDING_TIMEOUT_S, {"zalo_refresh_unknown"}, ""),
    ],
    ids=["dead", "not set up", "empty", "away", "lost"],
)
async def test_a_failed_refresh_holds_the_channel_until_it_works_again(
    zalo_account, answer, after_s, alarms, fix
):
    before = await stored_grant(zalo_account.channel.api.tokens)
    outcome, errors = await refreshed(zalo_account, answer)
    held = (outcome.verdict, outcome.retry_after_s, outcome.channel_wide)
    assert held == (Verdict.HELD, after_s, True)
    grant = await stored_grant(zalo_account.channel.api.tokens)
    assert (grant.access_token, grant.refresh_token) == (before.access_token, before.refresh_token)
    assert set(errors) == alarms
    assert errors.get("zalo_operator_needed", {"fix": ""})["fix"].startswith(fix)
    if grant.lost:
        assert not await works_again(zalo_account, after_s)
        assert zalo_account.oauth.asked == 1, "Zalo is not asked again with a dead token"
        await zalo_account.consent()
    assert await works_again(zalo_account, after_s)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"expires_in": 90000, "error": 0, "message": "Success"},
        {"expires_in": "left out", "refresh_token_expires_in": "7776000"},
        *({"refresh_token": value} for value in ("left out", "", None, False)),
    ],
    ids=str,
)
async def test_a_new_access_token_is_a_success_whatever_else_is_missing(zalo_account, change):
    zalo_account.oauth.change = change
    before = await stored_grant(zalo_account.channel.api.tokens)
    outcome, errors = await refreshed(zalo_account)
    assert (outcome.verdict, errors) == (Verdict.DELIVERED, {})
    grant = await stored_grant(zalo_account.channel.api.tokens)
    live = zalo_account.sandbox.world.tokens
    kept = before.refresh_token if "refresh_token" in change else live.refresh
    assert (grant.access_token, grant.refresh_token) == (live.access, kept)
    life_s = 3600 if change.get("expires_in") == "left out" else 90000
    assert grant.expires_at - grant.obtained_at == life_s
    assert grant.previous_refresh_token == before.refresh_token


def test_a_grant_of_another_key_says_which_file_is_missing():
    assert fix_for_error(WrongKey("another key")).startswith("put the vault.key")
    assert fix_for_error(Unreachable("away")) == ""
