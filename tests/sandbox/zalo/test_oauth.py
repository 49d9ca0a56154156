"""Consent, exchange and refresh at the sandbox: grants, and every form of refusal."""

import json
from base64 import urlsafe_b64encode
from hashlib import sha256

import aiohttp
import pytest

VERIFIER = "v" * 43
CHALLENGE = urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).decode().rstrip("=")


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


async def test_consent_leads_back_with_a_code_that_works_once(sandbox_client):
    back = await consent(sandbox_client)
    assert back.startswith("https://loa.example/zalo?code=")
    assert back.endswith("&state=s1")
    code = back.partition("code=")[2].partition("&")[0]
    form = {"grant_type": "authorization_code", "code": code, "code_verifier": VERIFIER}
    pair = await sandbox_client.form(**form)
    assert pair["expires_in"] == "90000"
    assert pair["access_token"] == sandbox_client.stage.sandbox.world.tokens.access
    assert "error" in await sandbox_client.form(**form)


@pytest.mark.parametrize("late_s", [0, 601])
async def test_a_code_needs_its_verifier_and_lives_ten_minutes(sandbox_client, late_s):
    code = (await consent(sandbox_client)).partition("code=")[2].partition("&")[0]
    sandbox_client.stage.clock.advance(late_s)
    verifier = VERIFIER if late_s else "wrong"
    form = {"grant_type": "authorization_code", "code": code, "code_verifier": verifier}
    assert "access_token" not in await sandbox_client.form(**form)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"redirect_uri": "https://loa.example/?x=1"}, -14003),
        ({"redirect_uri": "nowhere"}, -14003),
        ({"app_id": "other"}, -14002),
    ],
)
async def test_a_consent_that_is_set_up_wrongly_says_how(sandbox_client, changes, error):
    assert (await consent(sandbox_client, **changes))["error"] == error


async def test_an_inactive_app_gets_no_consent(sandbox_client):
    sandbox_client.stage.set_rules(app_active=False)
    assert (await consent(sandbox_client))["error"] == -14002


async def test_a_refresh_kills_both_old_tokens(sandbox_client):
    old = sandbox_client.stage.sandbox.world.tokens
    form = {"grant_type": "refresh_token", "refresh_token": old.refresh}
    fresh = await sandbox_client.form(**form)
    assert fresh["refresh_token"] not in (old.refresh, "")
    assert await sandbox_client.form(**form) == ""
    headers = {"access_token": old.access}
    assert (await sandbox_client.get("/v2.0/oa/getoa", headers=headers))[1]["error"] == -216


async def test_an_unknown_refresh_token_and_a_wrong_secret_are_refused(sandbox_client):
    token = sandbox_client.stage.sandbox.world.tokens.refresh
    unknown = await sandbox_client.form(grant_type="refresh_token", refresh_token="nobody")
    assert (unknown["error"], unknown["access_token"]) == (-14014, "")
    wrong = await sandbox_client.form(secret="x", grant_type="refresh_token", refresh_token=token)
    assert wrong["error"]
    assert (await sandbox_client.form(grant_type="refresh_token", refresh_token=token))[
        "access_token"
    ]


async def test_a_refresh_may_answer_without_a_new_refresh_token(sandbox_client):
    sandbox_client.stage.set_rules(omit_refresh_token=True, expires_in=90000)
    form = {"grant_type": "refresh_token"}
    form["refresh_token"] = sandbox_client.stage.sandbox.world.tokens.refresh
    for _ in range(2):
        fresh = await sandbox_client.form(**form)
        assert "refresh_token" not in fresh
        assert fresh["expires_in"] == 90000


FORMS = {
    "code": lambda text, said: said["error"] == -14014 and said["access_token"] == "",
    "text_code": lambda text, said: said["error"] == "-14014",
    "names_only": lambda text, said: said["error_name"] and "error" not in said,
    "empty": lambda text, said: text == "",
    "html": lambda text, said: "504" in text,
}
"""Every form in which the OAuth host was seen to say no."""


async def renewal(zalo, token):
    form = {"app_id": "sandbox-app", "grant_type": "refresh_token", "refresh_token": token}
    headers = {"secret_key": "sandbox-app-secret"}
    async with zalo.http.post("/v4/oa/access_token", data=form, headers=headers) as answer:
        text = await answer.text()
        said = json.loads(text) if answer.content_type == "application/json" else None
        return answer.status, text, said


@pytest.mark.parametrize("form", FORMS)
async def test_a_dead_refresh_token_is_refused_in_every_form_that_was_seen(sandbox_client, form):
    sandbox_client.stage.set_rules(spent_answer=form, oauth_failure=form)
    spent = sandbox_client.stage.sandbox.world.tokens.refresh
    sandbox_client.stage.sandbox.grant()
    for token in (spent, "nobody", ""):
        status, text, said = await renewal(sandbox_client, token)
        assert status == (504 if form == "html" else 200)
        assert FORMS[form](text, said)


async def test_by_default_a_spent_token_is_answered_with_nothing_and_an_unknown_one_by_number(
    sandbox_client,
):
    spent = sandbox_client.stage.sandbox.world.tokens.refresh
    sandbox_client.stage.sandbox.grant()
    assert (await renewal(sandbox_client, spent))[1] == ""
    assert (await renewal(sandbox_client, "nobody"))[2]["error"] == -14014


async def test_a_refresh_token_lives_three_months(sandbox_client):
    token = sandbox_client.stage.sandbox.world.tokens.refresh
    sandbox_client.stage.clock.advance(90 * 86400)
    assert (await renewal(sandbox_client, token))[2]["error"] == -14014
    token = sandbox_client.stage.sandbox.grant().refresh_token
    sandbox_client.stage.clock.advance(90 * 86400 - 1)
    assert (await renewal(sandbox_client, token))[2]["access_token"]


@pytest.mark.parametrize("kind", ["drop_after", "empty_after", "html_after", "truncate_after"])
async def test_a_rotation_whose_answer_is_lost_kills_the_old_pair(sandbox_client, kind):
    token = sandbox_client.stage.sandbox.world.tokens.refresh
    sandbox_client.stage.fault("oauth.token", kind)
    if kind == "drop_after":
        with pytest.raises(aiohttp.ClientError):
            await renewal(sandbox_client, token)
    elif kind != "truncate_after":
        assert "access_token" not in (await renewal(sandbox_client, token))[1]
    else:
        with pytest.raises(json.JSONDecodeError):
            await renewal(sandbox_client, token)
    assert sandbox_client.stage.sandbox.world.tokens.refresh != token
    assert (await renewal(sandbox_client, token))[1] == ""


@pytest.mark.parametrize("kind", ["drop_before", "html_before"])
async def test_a_gateway_s_failure_leaves_the_pair_alive(sandbox_client, kind):
    token = sandbox_client.stage.sandbox.world.tokens.refresh
    sandbox_client.stage.fault("oauth.token", kind, status=504)
    if kind == "drop_before":
        with pytest.raises(aiohttp.ClientError):
            await renewal(sandbox_client, token)
    else:
        assert (await renewal(sandbox_client, token))[0] == 504
    assert (await renewal(sandbox_client, token))[2]["access_token"]


@pytest.mark.parametrize("life", ["90000", 90000, None, "0", "soon", "9" * 30])
async def test_a_life_span_may_come_in_any_form(sandbox_client, life):
    sandbox_client.stage.set_rules(expires_in=life, refresh_token_expires_in="7776000")
    said = (await renewal(sandbox_client, sandbox_client.stage.sandbox.world.tokens.refresh))[2]
    assert (said["expires_in"], said["refresh_token_expires_in"]) == (life, "7776000")


async def test_the_callback_has_to_be_the_one_that_was_saved(sandbox_client):
    sandbox_client.stage.set_rules(callback_url="https://loa.example/zalo")
    assert (await consent(sandbox_client)).startswith("https://loa.example/zalo?code=")
    assert (await consent(sandbox_client, redirect_uri="https://loa.example/other"))[
        "error"
    ] == -14003
