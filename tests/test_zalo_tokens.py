"""The token keeper: a pair lies encrypted, is renewed once and early, and calls outlive a token."""

import asyncio
import json

import pytest
import structlog
from cryptography.fernet import Fernet

from channels.base import Verdict
from channels.errors import Misconfigured, Unreachable
from channels.zalo.oauth import OAuth
from channels.zalo.tokens import EARLY_S, TokenKeeper
from channels.zalo.vault import NEVER, Grant, Seal
from tests.builders import a_publication
from tests.zalo_grants import KEY, Scripted, a_pair, keeper, seeded, stored
from tests.zalo_stage import MemoryVault, silence_at, staged


@pytest.fixture
def vault():
    return MemoryVault()


async def test_the_pair_lies_encrypted(vault, clock):
    await seeded(vault, clock)
    assert b"access-1" not in vault.stored[KEY].data
    assert stored(vault).refresh_token == "refresh-1"


async def test_another_key_cannot_open_it(vault, clock):
    await seeded(vault, clock)
    other = TokenKeeper(
        OAuth("https://oauth.example", "app", "secret", Scripted()),
        vault,
        Seal(Fernet.generate_key()),
        clock,
    )
    with pytest.raises(Misconfigured):
        await other.access()


async def test_a_person_can_store_a_pair_over_one_that_nobody_can_read(vault, clock):
    foreign = Seal(Fernet.generate_key()).close(Grant("access-0", "refresh-0"))
    await vault.swap(KEY, foreign, NEVER)
    tokens = keeper(vault, clock)
    with structlog.testing.capture_logs() as logs:
        await tokens.seed("access-1", "refresh-1", "90000")
    assert await tokens.access() == "access-1"
    assert stored(vault).previous_refresh_token == ""
    assert [one["event"] for one in logs] == ["zalo_grant_replaced"]


async def test_a_pair_that_a_person_stores_remembers_the_one_before(vault, clock):
    tokens = await seeded(vault, clock)
    await tokens.seed("access-2", "refresh-2")
    assert stored(vault).previous_refresh_token == "refresh-1"


def test_a_grant_never_shows_its_tokens():
    grant = Grant("very-secret", "very-secret", 1.0, lost="very sad")
    assert "very-secret" not in f"{grant!r} {grant}"


async def test_a_young_token_is_used_as_it_is(vault, clock):
    tokens = await seeded(vault, clock)
    clock.advance(90000 - EARLY_S - 1)
    assert await tokens.access() == "access-1"
    assert tokens.oauth.transport.requests == []


async def test_a_token_is_refreshed_early_by_the_apps_secret(vault, clock):
    tokens = await seeded(vault, clock, a_pair())
    clock.advance(90000 - EARLY_S)
    assert await tokens.access() == "access-2"
    [request] = tokens.oauth.transport.requests
    assert request.url == "https://oauth.example/v4/oa/access_token"
    assert request.headers["secret_key"] == "secret"
    assert request.body == b"refresh_token=refresh-1&app_id=app&grant_type=refresh_token"


async def test_the_pair_before_is_kept_for_recovery_by_hand(vault, clock):
    tokens = await seeded(vault, clock, a_pair())
    await tokens.renewed("access-1")
    assert stored(vault).previous_refresh_token == "refresh-1"
    assert stored(vault).previous_access_token == "access-1"
    assert stored(vault).pending_at == 0


async def test_a_refused_token_is_refreshed_although_it_should_still_live(vault, clock):
    tokens = await seeded(vault, clock, a_pair())
    assert await tokens.renewed("access-1") == "access-2"


async def test_a_token_that_is_no_longer_the_stored_one_costs_no_refresh(vault, clock):
    tokens = await seeded(vault, clock)
    assert await tokens.renewed("access-0") == "access-1"


async def test_many_callers_at_once_refresh_once(vault, clock):
    tokens = await seeded(vault, clock, a_pair())
    got = await asyncio.gather(*(tokens.renewed("access-1") for _ in range(20)))
    assert set(got) == {"access-2"}
    assert len(tokens.oauth.transport.requests) == 1


async def test_two_processes_refresh_once(vault, clock):
    first = await seeded(vault, clock, a_pair())
    second = keeper(vault, clock)
    halfway = asyncio.Event()

    async def slowly(request):
        halfway.set()
        await asyncio.sleep(0.02)
        return a_pair()

    first.oauth.transport.exchange = slowly
    refreshing = asyncio.create_task(first.renewed("access-1"))
    await halfway.wait()
    with pytest.raises(Unreachable):
        await second.renewed("access-1")
    assert await refreshing == "access-2"
    assert await second.renewed("access-1") == "access-2"


async def test_that_a_refresh_begins_is_stored_before_the_call(vault, clock):
    tokens = await seeded(vault, clock, a_pair())
    seen = []
    tokens.oauth.transport.meanwhile = lambda: seen.append(stored(vault))
    await tokens.renewed("access-1")
    assert seen[0].pending_at == clock.now
    assert seen[0].refresh_token == "refresh-1"


async def test_the_new_pair_is_stored_before_its_first_use(vault, clock):
    tokens = await seeded(vault, clock, a_pair())
    vault.before_swap = silence_at(3)
    with pytest.raises(Unreachable):
        await tokens.renewed("access-1")
    assert await tokens.access() == "access-2"
    assert stored(vault).refresh_token == "refresh-2"
    assert len(tokens.oauth.transport.requests) == 1


async def test_a_store_whose_answer_was_lost_is_read_back(vault, clock):
    tokens = await seeded(vault, clock, a_pair())
    vault.after_swap = silence_at(3)
    with pytest.raises(Unreachable):
        await tokens.renewed("access-1")
    swaps = vault.swaps
    assert await tokens.access() == "access-2"
    assert vault.swaps == swaps


async def test_a_pair_that_a_person_stores_meanwhile_wins(vault, clock):
    tokens = await seeded(vault, clock, a_pair())
    vault.before_swap = silence_at(3)
    with pytest.raises(Unreachable):
        await tokens.renewed("access-1")
    await keeper(vault, clock).seed("access-9", "refresh-9")
    assert await tokens.access() == "access-9"


async def test_without_consent_nothing_is_called(vault, clock):
    tokens = keeper(vault, clock)
    with pytest.raises(Misconfigured):
        await tokens.access()
    assert tokens.oauth.transport.requests == []


@pytest.fixture
async def stage(tmp_path, clock):
    async with staged(tmp_path, clock) as stage:
        yield stage


async def test_a_token_that_dies_on_the_way_is_renewed_and_the_call_goes_on(stage):
    stage.sandbox.world.tokens.expires = 0
    assert (await stage.send(a_publication())).verdict is Verdict.DELIVERED
    assert stage.effects("granted") == 2


@pytest.mark.parametrize("code", [-216, 216, 401, -401, -220, -124])
async def test_each_code_for_a_bad_token_costs_one_refresh(stage, code):
    stage.fault("article.create", "refuse", code=code, words="Access token is invalid")
    assert (await stage.send(a_publication())).verdict is Verdict.DELIVERED
    assert stage.effects("granted") == 2
    assert stage.effects("article_created") == 1


async def test_a_token_that_is_refused_again_is_not_refreshed_in_a_loop(stage):
    stage.fault("article.create", "refuse", code=-216, words="Access token is invalid", times=99)
    with structlog.testing.capture_logs() as logs:
        outcome = await stage.send(a_publication())
    assert outcome.verdict is Verdict.HELD
    assert stage.effects("granted") == 2
    assert "zalo_operator_needed" in [line["event"] for line in logs]


@pytest.mark.parametrize("spent_answer", ["empty", "code", "text_code", "names_only"])
async def test_a_lost_grant_holds_the_channel_and_fails_nothing(stage, spent_answer):
    stage.rules(spent_answer=spent_answer)
    stage.sandbox.grant()
    with structlog.testing.capture_logs() as logs:
        outcome = await stage.send(a_publication())
    assert (outcome.verdict, outcome.after_s) == (Verdict.HELD, 900)
    events = [line["event"] for line in logs]
    assert events.count("zalo_grant_lost") == 1
    assert "zalo_operator_needed" in events
    await stage.consent()
    assert (await stage.send(a_publication())).verdict is Verdict.DELIVERED


async def test_logs_never_show_a_token(stage):
    pair = stage.sandbox.world.tokens
    with structlog.testing.capture_logs() as logs:
        stage.sandbox.world.tokens.expires = 0
        await stage.send(a_publication())
        stage.sandbox.grant()
        await stage.send(a_publication(content_id="tin-khac"))
    text = json.dumps(logs)
    assert pair.access not in text
    assert pair.refresh not in text
    assert all(token not in text for token in stage.sandbox.world.tokens.spent if token)
