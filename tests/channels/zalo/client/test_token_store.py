"""The token keeper: a pair lies encrypted, is renewed once and early, and calls outlive a token."""

import asyncio
import json

import pytest
import structlog
from cryptography.fernet import Fernet

from channels.base import Verdict
from channels.errors import Misconfigured, Unreachable
from channels.zalo.client.oauth_api import OAuthClient
from channels.zalo.client.store import NO_REVISION, GrantCipher, TokenGrant
from channels.zalo.client.token_store import REFRESH_EARLY_S, TokenStore
from tests.support.publications import a_publication
from tests.support.zalo_account import silence_at
from tests.support.zalo_oauth_host import (
    KEY,
    ScriptedOAuthHost,
    new_token_store,
    seeded_token_store,
    stored_grant,
    token_pair,
)


async def test_the_pair_lies_encrypted(token_vault, clock):
    await seeded_token_store(token_vault, clock)
    assert b"access-1" not in token_vault.stored[KEY].data
    assert stored_grant(token_vault).refresh_token == "refresh-1"


async def test_another_key_cannot_open_it(token_vault, clock):
    await seeded_token_store(token_vault, clock)
    other = TokenStore(
        OAuthClient("https://oauth.example", "app", "secret", ScriptedOAuthHost()),
        token_vault,
        GrantCipher(Fernet.generate_key()),
        clock,
    )
    with pytest.raises(Misconfigured):
        await other.access_token()


async def test_a_person_can_store_a_pair_over_one_that_nobody_can_read(token_vault, clock):
    foreign = GrantCipher(Fernet.generate_key()).encrypt(TokenGrant("access-0", "refresh-0"))
    await token_vault.swap(KEY, foreign, NO_REVISION)
    tokens = new_token_store(token_vault, clock)
    with structlog.testing.capture_logs() as logs:
        await tokens.seed("access-1", "refresh-1", "90000")
    assert await tokens.access_token() == "access-1"
    assert stored_grant(token_vault).previous_refresh_token == ""
    assert [one["event"] for one in logs] == ["zalo_grant_replaced"]


async def test_a_pair_that_a_person_stores_remembers_the_one_before(token_vault, clock):
    tokens = await seeded_token_store(token_vault, clock)
    await tokens.seed("access-2", "refresh-2")
    assert stored_grant(token_vault).previous_refresh_token == "refresh-1"


def test_a_grant_never_shows_its_tokens():
    grant = TokenGrant("very-secret", "very-secret", 1.0, lost="very sad")
    assert "very-secret" not in f"{grant!r} {grant}"


async def test_a_young_token_is_used_as_it_is(token_vault, clock):
    tokens = await seeded_token_store(token_vault, clock)
    clock.advance(90000 - REFRESH_EARLY_S - 1)
    assert await tokens.access_token() == "access-1"
    assert tokens.oauth.transport.requests == []


async def test_a_token_is_refreshed_early_by_the_apps_secret(token_vault, clock):
    tokens = await seeded_token_store(token_vault, clock, token_pair())
    clock.advance(90000 - REFRESH_EARLY_S)
    assert await tokens.access_token() == "access-2"
    [request] = tokens.oauth.transport.requests
    assert request.url == "https://oauth.example/v4/oa/access_token"
    assert request.headers["secret_key"] == "secret"
    assert request.body == b"refresh_token=refresh-1&app_id=app&grant_type=refresh_token"


async def test_the_pair_before_is_kept_for_recovery_by_hand(token_vault, clock):
    tokens = await seeded_token_store(token_vault, clock, token_pair())
    await tokens.replace_rejected("access-1")
    assert stored_grant(token_vault).previous_refresh_token == "refresh-1"
    assert stored_grant(token_vault).previous_access_token == "access-1"
    assert stored_grant(token_vault).pending_at == 0


async def test_a_refused_token_is_refreshed_although_it_should_still_live(token_vault, clock):
    tokens = await seeded_token_store(token_vault, clock, token_pair())
    assert await tokens.replace_rejected("access-1") == "access-2"


async def test_a_token_that_is_no_longer_the_stored_one_costs_no_refresh(token_vault, clock):
    tokens = await seeded_token_store(token_vault, clock)
    assert await tokens.replace_rejected("access-0") == "access-1"


async def test_many_callers_at_once_refresh_once(token_vault, clock):
    tokens = await seeded_token_store(token_vault, clock, token_pair())
    got = await asyncio.gather(*(tokens.replace_rejected("access-1") for _ in range(20)))
    assert set(got) == {"access-2"}
    assert len(tokens.oauth.transport.requests) == 1


async def test_two_processes_refresh_once(token_vault, clock):
    first = await seeded_token_store(token_vault, clock, token_pair())
    second = new_token_store(token_vault, clock)
    halfway = asyncio.Event()

    async def slowly(request):
        halfway.set()
        await asyncio.sleep(0.02)
        return token_pair()

    first.oauth.transport.exchange = slowly
    refreshing = asyncio.create_task(first.replace_rejected("access-1"))
    await halfway.wait()
    with pytest.raises(Unreachable):
        await second.replace_rejected("access-1")
    assert await refreshing == "access-2"
    assert await second.replace_rejected("access-1") == "access-2"


async def test_that_a_refresh_begins_is_stored_before_the_call(token_vault, clock):
    tokens = await seeded_token_store(token_vault, clock, token_pair())
    seen = []
    tokens.oauth.transport.meanwhile = lambda: seen.append(stored_grant(token_vault))
    await tokens.replace_rejected("access-1")
    assert seen[0].pending_at == clock.now
    assert seen[0].refresh_token == "refresh-1"


async def test_the_new_pair_is_stored_before_its_first_use(token_vault, clock):
    tokens = await seeded_token_store(token_vault, clock, token_pair())
    token_vault.before_swap = silence_at(3)
    with pytest.raises(Unreachable):
        await tokens.replace_rejected("access-1")
    assert await tokens.access_token() == "access-2"
    assert stored_grant(token_vault).refresh_token == "refresh-2"
    assert len(tokens.oauth.transport.requests) == 1


async def test_a_store_whose_answer_was_lost_is_read_back(token_vault, clock):
    tokens = await seeded_token_store(token_vault, clock, token_pair())
    token_vault.after_swap = silence_at(3)
    with pytest.raises(Unreachable):
        await tokens.replace_rejected("access-1")
    swaps = token_vault.swaps
    assert await tokens.access_token() == "access-2"
    assert token_vault.swaps == swaps


async def test_a_pair_that_a_person_stores_meanwhile_wins(token_vault, clock):
    tokens = await seeded_token_store(token_vault, clock, token_pair())
    token_vault.before_swap = silence_at(3)
    with pytest.raises(Unreachable):
        await tokens.replace_rejected("access-1")
    await new_token_store(token_vault, clock).seed("access-9", "refresh-9")
    assert await tokens.access_token() == "access-9"


async def test_without_consent_nothing_is_called(token_vault, clock):
    tokens = new_token_store(token_vault, clock)
    with pytest.raises(Misconfigured):
        await tokens.access_token()
    assert tokens.oauth.transport.requests == []


async def test_a_token_that_dies_on_the_way_is_renewed_and_the_call_goes_on(zalo_account):
    zalo_account.sandbox.world.tokens.expires = 0
    assert (await zalo_account.send(a_publication())).verdict is Verdict.DELIVERED
    assert zalo_account.effects("granted") == 2


@pytest.mark.parametrize("code", [-216, 216, 401, -401, -220, -124])
async def test_each_code_for_a_bad_token_costs_one_refresh(zalo_account, code):
    zalo_account.fault("article.create", "refuse", code=code, words="Access token is invalid")
    assert (await zalo_account.send(a_publication())).verdict is Verdict.DELIVERED
    assert zalo_account.effects("granted") == 2
    assert zalo_account.effects("article_created") == 1


async def test_a_token_that_is_refused_again_is_not_refreshed_in_a_loop(zalo_account):
    zalo_account.fault(
        "article.create", "refuse", code=-216, words="Access token is invalid", times=99
    )
    with structlog.testing.capture_logs() as logs:
        outcome = await zalo_account.send(a_publication())
    assert outcome.verdict is Verdict.HELD
    assert zalo_account.effects("granted") == 2
    assert "zalo_operator_needed" in [line["event"] for line in logs]


@pytest.mark.parametrize("spent_answer", ["empty", "code", "text_code", "names_only"])
async def test_a_lost_grant_holds_the_channel_and_fails_nothing(zalo_account, spent_answer):
    zalo_account.set_rules(spent_answer=spent_answer)
    zalo_account.sandbox.grant()
    with structlog.testing.capture_logs() as logs:
        outcome = await zalo_account.send(a_publication())
    assert (outcome.verdict, outcome.retry_after_s) == (Verdict.HELD, 900)
    events = [line["event"] for line in logs]
    assert events.count("zalo_grant_lost") == 1
    assert "zalo_operator_needed" in events
    await zalo_account.consent()
    assert (await zalo_account.send(a_publication())).verdict is Verdict.DELIVERED


async def test_logs_never_show_a_token(zalo_account):
    pair = zalo_account.sandbox.world.tokens
    with structlog.testing.capture_logs() as logs:
        zalo_account.sandbox.world.tokens.expires = 0
        await zalo_account.send(a_publication())
        zalo_account.sandbox.grant()
        await zalo_account.send(a_publication(content_id="tin-khac"))
    text = json.dumps(logs)
    assert pair.access not in text
    assert pair.refresh not in text
    assert all(token not in text for token in zalo_account.sandbox.world.tokens.spent if token)
