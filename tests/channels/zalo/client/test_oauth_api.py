"""Every answer of the OAuth host: the stored pair, and the operator's log line."""

import json

import pytest
import structlog

from channels.base import Verdict
from channels.errors import Unreachable
from channels.zalo.client.errors import AmbiguousResult, AppNotSetUp, WrongKey
from channels.zalo.client.oauth_api import parse_token_pair
from channels.zalo.client.store import GrantCipher
from channels.zalo.client.token_store import PENDING_TIMEOUT_S, grant_key
from channels.zalo.client.transport import AiohttpTransport, Reply
from channels.zalo.factory import ChannelStores, open_channel
from channels.zalo.outcomes import fix_for_error
from consumers.zalo.stores import BusKeyValueStore
from tests.support.publications import a_publication
from tests.support.zalo_account import open_zalo_account

CONSENT = (
    "an OA admin consents again: developers.zalo.me > Ứng dụng > Official Account > Quyền truy cập"
)
APP = "developers.zalo.me > Ứng dụng: the app must be active (Đang hoạt động)"
CALLBACK = "developers.zalo.me > Ứng dụng > Official Account > Thiết lập chung: the callback"
PAGE = b"<html><head><title>504 Gateway Time-out</title></head><body>nginx</body></html>"


def says(status=200, **body):
    return Reply(status, {}, json.dumps(body).encode())


def named(code, name, reason=""):
    return says(error_name=name, error_reason=reason, ref_doc="", error=code)


class Scripted(AiohttpTransport):
    """A transport with one scripted answer of the OAuth host; other calls reach the sandbox."""

    def __init__(self):
        super().__init__()
        self.answer = None
        self.change = None
        self.asked = 0

    async def exchange(self, request):
        if "/v4/oa/access_token" not in request.url:
            return await super().exchange(request)
        self.asked += 1
        answer, self.answer = self.answer, None
        if isinstance(answer, Exception):
            raise answer
        if answer is not None:
            return answer
        reply = await super().exchange(request)
        if self.change:
            return Reply(reply.status, {}, json.dumps(self.change(json.loads(reply.body))).encode())
        return reply


@pytest.fixture
async def zalo_account(bus, tmp_path, clock):
    async with open_zalo_account(tmp_path, clock) as stage:
        stage.elsewhere = ChannelStores(BusKeyValueStore(bus), stage.article_store, stage.key)
        stage.wire = Scripted()
        settings = stage.sandbox.settings
        channel = open_channel(settings, stage.stores, stage.site, stage.timing, stage.wire)
        stage.started.append(channel)
        await stage.consent()
        stage.sandbox.world.tokens.expires = 0.0
        yield stage


async def stored(stage):
    key = grant_key(stage.sandbox.settings.app_id)
    return GrantCipher(stage.key).decrypt((await stage.stores.token_grants.get(key)).data)


async def refreshed(stage, answer):
    """Send with an expired token; the outcome, and the log lines."""
    stage.wire.answer = answer
    with structlog.testing.capture_logs() as logs:
        outcome = await stage.send(a_publication())
    loud = [line for line in logs if line["log_level"] == "error"]
    return outcome, {line["event"]: line for line in loud}


async def works_again(stage, after_s):
    stage.clock.advance(after_s)
    return (await stage.send(a_publication())).verdict is Verdict.DELIVERED


DEAD = {
    "-14014 with empty tokens": says(
        access_token="", refresh_token="", error_name="Invalid refresh token.", error=-14014
    ),
    "-14014 as text": says(access_token="", error="-14014"),
    "nothing, as of a token that was used": Reply(200, {}, b""),
    "-118": says(error=-118, error_name="invalid_grant"),
    "names alone": says(error_name="Invalid refresh token.", error_reason="", error_description=""),
    "a description alone": says(error_description="The refresh_token is expired"),
    "with HTTP 400": says(400, error=-14014, error_name="Invalid refresh token."),
}


@pytest.mark.promise("6.5")
@pytest.mark.parametrize("name", DEAD)
async def test_a_dead_token_is_kept_called_lost_and_an_admin_is_asked_for(zalo_account, name):
    before = await stored(zalo_account)
    outcome, loud = await refreshed(zalo_account, DEAD[name])
    assert (outcome.verdict, outcome.retry_after_s, outcome.channel_wide) == (
        Verdict.HELD,
        900,
        True,
    )
    grant = await stored(zalo_account)
    assert grant.lost.startswith("the consent is lost: ")
    assert (grant.access_token, grant.refresh_token) == (before.access_token, before.refresh_token)
    assert set(loud) == {"zalo_grant_lost", "zalo_operator_needed"}
    assert loud["zalo_operator_needed"]["fix"].startswith(CONSENT)
    assert not await works_again(zalo_account, 900)
    assert zalo_account.wire.asked == 1, "Zalo is not asked again with a dead token"
    await zalo_account.consent()
    assert await works_again(zalo_account, 0)


NOT_SET_UP = {
    "-14002": (
        named(-14002, "Invalid appId", "App is not active but user is not admin"),
        "oauth -14002 Invalid appId",
        APP,
    ),
    "-14003": (
        named(-14003, "Invalid redirect uri"),
        "oauth -14003 Invalid redirect uri",
        CALLBACK,
    ),
    "-14003 as text": (named("-14003", ""), "oauth -14003", CALLBACK),
    "-14012": (named(-14012, "Oa is wrong"), "oauth -14012 Oa is wrong", CONSENT),
    "-14024": (named(-14024, ""), "oauth -14024", CONSENT),
    "a code nobody knows": (named(-14999, "Something new"), "oauth -14999 Something new", APP),
    "names alone": (
        says(error_name="Invalid secret key", error_reason="x", error_description="y"),
        "oauth Invalid secret key",
        APP,
    ),
    "nothing in it": (says(), "oauth without a reason", APP),
    "no tokens and no error": (
        says(access_token=None, refresh_token=None, error=0),
        "oauth without a reason",
        APP,
    ),
    "a long name": (named(-1, "x" * 500), f"oauth -1 {'x' * 60}", APP),
    "HTTP 403": (says(403, error_name="Forbidden"), "oauth Forbidden", APP),
}


@pytest.mark.parametrize("name", NOT_SET_UP)
async def test_an_app_that_is_not_set_up_keeps_its_pair_and_says_where_it_is_mended(
    zalo_account, name
):
    answer, reason, fix = NOT_SET_UP[name]
    before = await stored(zalo_account)
    outcome, loud = await refreshed(zalo_account, answer)
    assert (outcome.verdict, outcome.retry_after_s, outcome.channel_wide) == (
        Verdict.HELD,
        900,
        True,
    )
    assert outcome.reason == reason
    assert await stored(zalo_account) == before
    assert set(loud) == {"zalo_operator_needed"}
    assert loud["zalo_operator_needed"]["reason"] == reason
    assert loud["zalo_operator_needed"]["fix"].startswith(fix)
    assert await works_again(zalo_account, 900)


AWAY = {
    "504 page": Reply(504, {}, PAGE),
    "502 without a body": Reply(502, {}, b""),
    "a page with 200": Reply(200, {}, PAGE),
    "500 as JSON": says(500, message="down"),
    "503 with a code": says(503, error=-14014, error_name="Invalid refresh token."),
    "429": says(429, error=-32, message="too many"),
    "429 page": Reply(429, {}, PAGE),
    "no connection": Unreachable("no connection: x"),
}


@pytest.mark.parametrize("name", AWAY)
async def test_a_host_that_is_away_costs_nothing_but_time_and_nobody_is_woken(zalo_account, name):
    before = await stored(zalo_account)
    outcome, loud = await refreshed(zalo_account, AWAY[name])
    assert (outcome.verdict, outcome.retry_after_s, outcome.channel_wide) == (
        Verdict.HELD,
        30,
        True,
    )
    assert await stored(zalo_account) == before
    assert loud == {}
    assert await works_again(zalo_account, 30)


UNHEARD = {
    "no answer": AmbiguousResult("no answer: TimeoutError"),
    "half an answer": Reply(200, {}, b'{"access_token":"abc'),
    "a list": Reply(200, {}, b"[]"),
    "a bare 400": Reply(400, {}, b""),
    "a redirect": Reply(302, {"Location": "https://elsewhere.example/"}, b""),
}


@pytest.mark.parametrize("name", UNHEARD)
async def test_an_answer_that_was_lost_is_noted_and_the_token_is_tried_once_more(
    zalo_account, name
):
    before = await stored(zalo_account)
    outcome, loud = await refreshed(zalo_account, UNHEARD[name])
    assert (outcome.verdict, outcome.retry_after_s, outcome.channel_wide) == (
        Verdict.HELD,
        PENDING_TIMEOUT_S,
        True,
    )
    grant = await stored(zalo_account)
    assert (grant.access_token, grant.refresh_token) == (before.access_token, before.refresh_token)
    assert (bool(grant.pending_at), grant.lost) == (True, "")
    assert set(loud) == {"zalo_refresh_unknown"}
    assert await works_again(zalo_account, PENDING_TIMEOUT_S)
    assert zalo_account.wire.asked == 2


def without(*names):
    return lambda said: {name: value for name, value in said.items() if name not in names}


def with_(**more):
    return lambda said: said | more


HOUR, DAY25 = 3600, 90000
GOOD = {
    "as documented": (lambda said: said, True, DAY25),
    "a number as life": (with_(expires_in=90000), True, DAY25),
    "no refresh token": (without("refresh_token"), False, DAY25),
    "an empty refresh token": (with_(refresh_token=""), False, DAY25),
    "null as refresh token": (with_(refresh_token=None), False, DAY25),
    "false as refresh token": (with_(refresh_token=False), False, DAY25),
    "no life": (without("expires_in"), True, HOUR),
    "null as life": (with_(expires_in=None), True, HOUR),
    "zero as life": (with_(expires_in="0"), True, HOUR),
    "words as life": (with_(expires_in="soon"), True, HOUR),
    "a huge life": (with_(expires_in="9" * 30), True, HOUR),
    "a field that is not documented": (with_(refresh_token_expires_in="7776000"), True, DAY25),
    "an error beside a good pair": (with_(error=0, message="Success"), True, DAY25),
}


@pytest.mark.parametrize("name", GOOD)
async def test_a_new_access_token_is_a_success_whatever_else_is_missing(zalo_account, name):
    zalo_account.wire.change, renewed, life_s = GOOD[name]
    before = await stored(zalo_account)
    outcome, loud = await refreshed(zalo_account, None)
    assert (outcome.verdict, loud) == (Verdict.DELIVERED, {})
    grant, live = await stored(zalo_account), zalo_account.sandbox.world.tokens
    assert grant.access_token == live.access
    assert grant.refresh_token == (live.refresh if renewed else before.refresh_token)
    assert grant.expires_at - grant.obtained_at == life_s
    assert grant.previous_refresh_token == before.refresh_token


@pytest.mark.parametrize("form", ["code", "text_code", "names_only", "empty"])
async def test_each_form_in_which_the_sandbox_says_spent_loses_the_consent(zalo_account, form):
    zalo_account.set_rules(spent_answer=form)
    zalo_account.sandbox.grant()
    outcome, loud = await refreshed(zalo_account, None)
    assert outcome.verdict is Verdict.HELD
    assert set(loud) == {"zalo_grant_lost", "zalo_operator_needed"}


@pytest.mark.parametrize("form", ["code", "text_code", "names_only"])
async def test_each_form_in_which_the_sandbox_refuses_a_secret_keeps_the_consent(
    zalo_account, form
):
    zalo_account.set_rules(oauth_failure=form)
    zalo_account.channel.api.tokens.oauth.app_secret = "another"
    before = await stored(zalo_account)
    outcome, loud = await refreshed(zalo_account, None)
    assert outcome.reason.endswith("Invalid secret key")
    assert loud["zalo_operator_needed"]["fix"].startswith(APP)
    assert await stored(zalo_account) == before


def test_what_only_another_key_opens_says_which_file_is_missing():
    assert fix_for_error(WrongKey("another key")).startswith("put the vault.key")
    assert fix_for_error(Unreachable("away")) == ""


def test_what_zalo_says_of_an_app_has_no_token_in_it():
    with pytest.raises(AppNotSetUp) as said:
        parse_token_pair(named(-14002, "Invalid appId", "of refresh: very-secret"))
    assert "very-secret" not in f"{said.value} {said.value.reason}"
