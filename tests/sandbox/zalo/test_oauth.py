"""Consent, exchange and refresh at the sandbox: grants, and every form of refusal."""

import json
from base64 import urlsafe_b64encode
from hashlib import sha256

import aiohttp
import pytest

VERIFIER = "v" * 43
CALLBACK = "https://loa.example/zalo"
CHALLENGE = urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).decode().rstrip("=")


async def consent(zalo, **changes):
    query = {"app_id": "sandbox-app", "redirect_uri": CALLBACK, "code_challenge": CHALLENGE}
    async with zalo.http.get(
        "/v4/oa/permission", params=query | {"state": "s1"} | changes, allow_redirects=False
    ) as answer:
        return answer.headers["Location"] if answer.status == 302 else await answer.json()


def code_of(location):
    return location.partition("code=")[2].partition("&")[0]


async def exchange(zalo, code, verifier=VERIFIER):
    return await zalo.form(grant_type="authorization_code", code=code, code_verifier=verifier)


async def test_consent_leads_back_with_a_code_that_works_once(zalo):
    back = await consent(zalo)
    assert back.startswith(f"{CALLBACK}?code=")
    assert back.endswith("&state=s1")
    pair = await exchange(zalo, code_of(back))
    assert pair["expires_in"] == "90000"
    assert pair["access_token"] == zalo.world.tokens.access
    assert "error" in await exchange(zalo, code_of(back))


@pytest.mark.parametrize(("late_s", "verifier"), [(0, "wrong"), (601, VERIFIER)])
async def test_a_code_needs_its_verifier_and_lives_ten_minutes(zalo, late_s, verifier):
    code = code_of(await consent(zalo))
    zalo.account.clock.advance(late_s)
    assert "access_token" not in await exchange(zalo, code, verifier)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"redirect_uri": f"{CALLBACK}?x=1"}, -14003),
        ({"redirect_uri": "nowhere"}, -14003),
        ({"redirect_uri": "https://loa.example/other"}, -14003),
        ({"app_id": "other"}, -14002),
    ],
)
async def test_a_consent_that_is_set_up_wrongly_says_how(zalo, changes, error):
    zalo.account.set_rules(callback_url=CALLBACK)
    assert isinstance(await consent(zalo), str)
    assert (await consent(zalo, **changes))["error"] == error


async def renewal(zalo, token, secret="sandbox-app-secret"):
    """Status, text and, if it is JSON, the content of the answer to a refresh."""
    form = {"app_id": "sandbox-app", "grant_type": "refresh_token", "refresh_token": token}
    headers = {"secret_key": secret}
    async with zalo.http.post("/v4/oa/access_token", data=form, headers=headers) as answer:
        text = await answer.text()
        is_json = text and answer.content_type == "application/json"
        return answer.status, text, json.loads(text) if is_json else None


async def test_a_refresh_with_the_right_secret_kills_both_old_tokens(zalo):
    old = zalo.world.tokens
    assert (await renewal(zalo, old.refresh, secret="x"))[2]["error"] == -14005
    _, _, fresh = await renewal(zalo, old.refresh)
    assert fresh["refresh_token"] not in (old.refresh, "")
    assert (await renewal(zalo, old.refresh))[1] == ""
    headers = {"access_token": old.access}
    assert (await zalo.get("/v2.0/oa/getoa", headers=headers))[1]["error"] == -216


FORMS = {
    "code": lambda text, body: body["error"] == -14014 and body["access_token"] == "",
    "text_code": lambda text, body: body["error"] == "-14014",
    "names_only": lambda text, body: body["error_name"] and "error" not in body,
    "empty": lambda text, body: text == "",
    "html": lambda text, body: "504" in text,
}
"""Every observed form of a refusal by the OAuth host."""


@pytest.mark.parametrize("form", FORMS)
async def test_a_dead_refresh_token_is_refused_in_every_form_that_was_seen(zalo, form):
    zalo.account.set_rules(spent_answer=form, oauth_failure=form)
    spent = zalo.world.tokens.refresh
    zalo.account.sandbox.grant()
    for token in (spent, "unknown", ""):
        status, text, body = await renewal(zalo, token)
        assert status == (504 if form == "html" else 200)
        assert FORMS[form](text, body)


async def test_a_refresh_token_lives_three_months(zalo):
    token = zalo.world.tokens.refresh
    zalo.account.clock.advance(90 * 86400)
    assert (await renewal(zalo, token))[2]["error"] == -14014
    token = zalo.account.sandbox.grant().refresh_token
    zalo.account.clock.advance(90 * 86400 - 1)
    assert (await renewal(zalo, token))[2]["access_token"]


@pytest.mark.parametrize(
    ("kind", "rotated"),
    [
        ("drop_after", True),
        ("empty_after", True),
        ("html_after", True),
        ("truncate_after", True),
        ("drop_before", False),
        ("html_before", False),
    ],
)
async def test_a_rotation_whose_answer_is_lost_kills_the_old_pair(zalo, kind, rotated):
    token = zalo.world.tokens.refresh
    zalo.account.fault("oauth.token", kind)
    try:
        assert (await renewal(zalo, token))[2] is None
    except (aiohttp.ClientError, json.JSONDecodeError):
        assert kind in ("drop_after", "drop_before", "truncate_after")
    assert (zalo.world.tokens.refresh != token) is rotated
    assert ((await renewal(zalo, token))[1] == "") is rotated
