"""Every answer to a refresh, or none: no pair is lost by us."""

import pytest
import structlog

from channels.errors import Misconfigured, Unreachable
from channels.zalo.client.errors import AmbiguousResult, RefreshTokenUsed
from channels.zalo.client.oauth_api import lifetime_s, parse_token_pair
from channels.zalo.client.token_store import PENDING_TIMEOUT_S, REFRESH_EARLY_S
from channels.zalo.client.transport import CONNECT_S, READ_S
from tests.support.zalo_account import SimulatedKill, kill_at
from tests.support.zalo_oauth_host import (
    USED_UP,
    new_token_store,
    reply,
    seeded_token_store,
    stored_grant,
    token_pair,
)


@pytest.mark.parametrize(
    ("expires_in", "life"),
    [
        ("90000", 90000),
        (90000, 90000),
        (90000.0, 90000),
        ("0", 3600),
        (0, 3600),
        (-5, 3600),
        (None, 3600),
        ("soon", 3600),
        ("9" * 40, 3600),
        (True, 3600),
        ({}, 3600),
    ],
)
def test_a_lifetime_is_a_text_or_a_number_or_an_hour(expires_in, life):
    assert lifetime_s(expires_in) == life


async def test_without_a_new_refresh_token_the_old_one_goes_on(token_vault, clock):
    body = {"access_token": "access-2", "expires_in": 90000}
    tokens = await seeded_token_store(token_vault, clock, reply(body), token_pair(3))
    assert await tokens.replace_rejected("access-1") == "access-2"
    assert stored_grant(token_vault).refresh_token == "refresh-1"
    assert await tokens.replace_rejected("access-2") == "access-3"


@pytest.mark.parametrize(
    "answer",
    [
        reply(""),
        reply("  \n"),
        reply({"error": -14014, "access_token": "", "refresh_token": ""}),
        reply({"error": "-14014"}),
        reply({"error": -118, "error_name": "invalid_grant"}),
        reply({"error_name": "Invalid refresh token."}),
        reply({"error_description": "refresh_token is expired"}),
        reply({"error": -1, "error_reason": "Refresh token was used"}),
    ],
)
def test_every_form_of_a_dead_refresh_token_is_known(answer):
    with pytest.raises(RefreshTokenUsed):
        parse_token_pair(answer)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (reply("<html>502</html>", 502), Unreachable),
        (reply("<html>busy</html>"), Unreachable),
        (reply("", 503), Unreachable),
        (reply({"message": "down"}, 500), Unreachable),
        (reply({"error": -14002, "error_name": "Invalid appId"}), Misconfigured),
        (reply({"error": -14003}), Misconfigured),
        (reply({"error_name": "Invalid secret key"}), Misconfigured),
        (reply({}), Misconfigured),
        (reply({"access_token": None, "error": 0}), Misconfigured),
        (reply({"access_token": ["x"]}), Misconfigured),
        (reply('{"access_token":"abc'), AmbiguousResult),
        (reply("[]"), AmbiguousResult),
    ],
)
def test_every_other_failure_keeps_the_pair(answer, kind):
    with pytest.raises(kind):
        parse_token_pair(answer)


@pytest.mark.parametrize(
    "answer",
    [reply("<html>", 502), Unreachable("no connection"), reply({"error": -14002})],
)
async def test_a_refresh_that_did_not_happen_can_be_tried_again_at_once(token_vault, clock, answer):
    tokens = await seeded_token_store(token_vault, clock, answer, token_pair())
    with pytest.raises((Unreachable, Misconfigured)):
        await tokens.replace_rejected("access-1")
    assert stored_grant(token_vault).refresh_token == "refresh-1"
    assert await tokens.replace_rejected("access-1") == "access-2"


async def test_an_early_refresh_that_fails_leaves_the_living_token_in_use(token_vault, clock):
    tokens = await seeded_token_store(
        token_vault, clock, reply("<html>", 502), reply("<html>", 502)
    )
    clock.advance(90000 - REFRESH_EARLY_S + 1)
    assert await tokens.access_token() == "access-1"
    clock.advance(REFRESH_EARLY_S)
    with pytest.raises(Unreachable):
        await tokens.access_token()


async def test_a_refresh_without_an_answer_is_tried_once_more_later(token_vault, clock):
    tokens = await seeded_token_store(
        token_vault, clock, AmbiguousResult("no answer"), token_pair()
    )
    with pytest.raises(Unreachable):
        await tokens.replace_rejected("access-1")
    with pytest.raises(Unreachable):
        await tokens.replace_rejected("access-1")
    assert len(tokens.oauth.transport.requests) == 1
    clock.advance(PENDING_TIMEOUT_S)
    assert await tokens.replace_rejected("access-1") == "access-2"


async def test_a_token_that_was_spent_unseen_needs_a_new_consent_and_says_so_once(
    token_vault, clock
):
    tokens = await seeded_token_store(token_vault, clock, AmbiguousResult("no answer"), USED_UP)
    with pytest.raises(Unreachable):
        await tokens.replace_rejected("access-1")
    clock.advance(PENDING_TIMEOUT_S)
    with structlog.testing.capture_logs() as logs, pytest.raises(Misconfigured):
        await tokens.replace_rejected("access-1")
    assert [line["event"] for line in logs] == ["zalo_grant_lost"]
    with pytest.raises(Misconfigured):
        await tokens.access_token()
    assert len(tokens.oauth.transport.requests) == 2
    assert stored_grant(token_vault).refresh_token == "refresh-1"
    assert not await tokens.has_consent()
    await tokens.seed("access-9", "refresh-9")
    assert await tokens.access_token() == "access-9"


async def test_a_dead_token_whose_successor_is_stored_is_no_loss(token_vault, clock):
    tokens = await seeded_token_store(token_vault, clock)

    async def overtaken(request):
        await new_token_store(token_vault, clock).seed("access-9", "refresh-9")
        return USED_UP

    tokens.oauth.transport.exchange = overtaken
    assert await tokens.replace_rejected("access-1") == "access-9"


@pytest.mark.parametrize("number", [2, 3])
async def test_a_kill_around_a_refresh_never_loses_more_than_that_refresh(
    token_vault, clock, number
):
    """Killed after "it begins" was stored: nothing is spent. After the new pair: it is there."""
    tokens = await seeded_token_store(token_vault, clock, token_pair())
    token_vault.after_swap = kill_at(number)
    with pytest.raises(SimulatedKill):
        await tokens.replace_rejected("access-1")
    clock.advance(PENDING_TIMEOUT_S)
    restarted = new_token_store(token_vault, clock, token_pair(3))
    assert await restarted.replace_rejected("access-1") == (
        "access-3" if number == 2 else "access-2"
    )


def test_a_refresh_is_given_up_only_when_its_call_can_have_no_answer_any_more():
    assert PENDING_TIMEOUT_S > 2 * (CONNECT_S + READ_S), (
        "the call, and the time to store what it brought"
    )
