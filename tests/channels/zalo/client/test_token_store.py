"""The token store: a pair is encrypted, refreshed once and early, and never lost."""

import asyncio
from dataclasses import replace

import pytest
import structlog
from cryptography.fernet import Fernet

from channels.errors import Misconfigured, Unreachable
from channels.zalo.client.store import NO_REVISION, GrantCipher, TokenGrant
from channels.zalo.client.token_store import (
    BUSY_RETRY_S,
    PENDING_TIMEOUT_S,
    REFRESH_EARLY_S,
    REFUSALS_MAX_S,
)
from channels.zalo.client.transport import CONNECT_S, READ_S
from channels.zalo.errors import AmbiguousResult
from consumers.zalo.stores import BusKeyValueStore
from tests.support.zalo_account import SimulatedKill, kill_at, silence_at
from tests.support.zalo_oauth_host import (
    KEY,
    USED_UP,
    new_token_store,
    pair_of,
    reply,
    seeded_token_store,
    stored_grant,
    token_pair,
)

OTHER_CIPHER = GrantCipher(Fernet.generate_key())
NO_ANSWER = AmbiguousResult("no answer: TimeoutError")


async def test_the_pair_is_stored_encrypted(token_vault, clock):
    tokens = await seeded_token_store(token_vault, clock)
    assert b"access-1" not in token_vault.stored[KEY].data
    assert (await stored_grant(tokens)).refresh_token == "refresh-1"
    with pytest.raises(Misconfigured):
        await new_token_store(token_vault, clock, cipher=OTHER_CIPHER).access_token()


async def test_a_person_can_store_a_pair_over_one_that_nobody_can_read(token_vault, clock):
    await token_vault.swap(KEY, OTHER_CIPHER.encrypt(TokenGrant("a", "b")), NO_REVISION)
    tokens = new_token_store(token_vault, clock)
    with structlog.testing.capture_logs() as logs:
        await tokens.seed(pair_of(1))
    assert await tokens.access_token() == "access-1"
    assert (await stored_grant(tokens)).previous_refresh_token == ""
    assert [line["event"] for line in logs] == ["zalo_grant_replaced"]


async def test_a_pair_that_a_person_stores_keeps_the_one_before(token_vault, clock):
    tokens = await seeded_token_store(token_vault, clock)
    await tokens.seed(pair_of(2))
    assert (await stored_grant(tokens)).previous_refresh_token == "refresh-1"


def test_a_grant_never_shows_its_tokens():
    grant = TokenGrant("very-secret", "very-secret", 1.0, lost="very sad")
    assert "very-secret" not in f"{grant!r} {grant}"


async def test_a_token_is_refreshed_early_with_the_apps_secret(token_vault, clock):
    tokens = await seeded_token_store(token_vault, clock, token_pair())
    clock.advance(90000 - REFRESH_EARLY_S - 1)
    assert await tokens.access_token() == "access-1"
    assert tokens.oauth.transport.requests == []
    clock.advance(1)
    assert await tokens.access_token() == "access-2"
    [request] = tokens.oauth.transport.requests
    assert request.url == "https://oauth.example/v4/oa/access_token"
    assert request.headers["secret_key"] == "secret"
    assert request.body == b"refresh_token=refresh-1&app_id=app&grant_type=refresh_token"


async def test_a_refused_token_is_refreshed_and_the_pair_before_is_kept(token_vault, clock):
    tokens = await seeded_token_store(token_vault, clock, token_pair())
    assert await tokens.replace_rejected("access-0") == "access-1", "another one is stored"
    assert await tokens.replace_rejected("access-1") == "access-2"
    grant = await stored_grant(tokens)
    previous = (grant.previous_access_token, grant.previous_refresh_token)
    assert previous == ("access-1", "refresh-1")
    assert grant.pending_at == 0


async def test_the_beginning_of_a_refresh_is_stored_before_the_call(token_vault, clock):
    tokens = await seeded_token_store(token_vault, clock, token_pair())
    seen = []

    async def look():
        seen.append(await stored_grant(tokens))

    tokens.oauth.transport.meanwhile = look
    await tokens.replace_rejected("access-1")
    assert (seen[0].pending_at, seen[0].refresh_token) == (clock.now, "refresh-1")


@pytest.fixture
async def unstored(token_vault, clock):
    """A token store that has a new pair, which could not be stored."""
    tokens = await seeded_token_store(token_vault, clock, token_pair())
    token_vault.before_swap = silence_at(3)
    with pytest.raises(Unreachable):
        await tokens.replace_rejected("access-1")
    return tokens


async def test_the_new_pair_is_stored_before_its_first_use(unstored):
    assert await unstored.access_token() == "access-2"
    assert (await stored_grant(unstored)).refresh_token == "refresh-2"
    assert len(unstored.oauth.transport.requests) == 1


async def test_a_store_whose_answer_was_lost_is_read_back(token_vault, clock):
    tokens = await seeded_token_store(token_vault, clock, token_pair())
    token_vault.after_swap = silence_at(3)
    with pytest.raises(Unreachable):
        await tokens.replace_rejected("access-1")
    swaps = token_vault.swaps
    assert await tokens.access_token() == "access-2"
    assert token_vault.swaps == swaps


async def test_a_pair_that_a_person_stores_meanwhile_wins(unstored, token_vault, clock):
    await new_token_store(token_vault, clock).seed(pair_of(9))
    assert await unstored.access_token() == "access-9"


async def test_without_consent_nothing_is_called(token_vault, clock):
    tokens = new_token_store(token_vault, clock)
    with pytest.raises(Misconfigured):
        await tokens.access_token()
    assert tokens.oauth.transport.requests == []


async def test_an_early_refresh_that_fails_leaves_the_living_token_in_use(token_vault, clock):
    tokens = await seeded_token_store(token_vault, clock, *[reply("<html>", 502)] * 2)
    clock.advance(90000 - REFRESH_EARLY_S + 1)
    assert await tokens.access_token() == "access-1"
    clock.advance(REFRESH_EARLY_S)
    with pytest.raises(Unreachable):
        await tokens.access_token()


@pytest.mark.parametrize("answer", [NO_ANSWER, reply('{"access_token":"acc')])
async def test_after_a_lost_answer_the_same_token_is_tried_once_more(token_vault, clock, answer):
    tokens = await seeded_token_store(token_vault, clock, answer, token_pair())
    for _ in range(5):
        with pytest.raises(Unreachable):
            await tokens.replace_rejected("access-1")
    assert len(tokens.oauth.transport.requests) == 1, "not again within the minute"
    clock.advance(PENDING_TIMEOUT_S)
    assert await tokens.replace_rejected("access-1") == "access-2"


async def test_a_token_that_was_spent_unseen_needs_consent_and_is_reported_once(token_vault, clock):
    tokens = await seeded_token_store(token_vault, clock, NO_ANSWER, *[USED_UP] * 50)
    with pytest.raises(Unreachable):
        await tokens.replace_rejected("access-1")
    clock.advance(PENDING_TIMEOUT_S)
    with structlog.testing.capture_logs() as logs:
        assert await asked_until_given_up(tokens, clock) >= REFUSALS_MAX_S
        asked = len(tokens.oauth.transport.requests)
        for _ in range(3):
            with pytest.raises(Misconfigured):
                await tokens.replace_rejected("access-1")
    assert [line["event"] for line in logs if line["log_level"] == "error"] == ["zalo_grant_lost"]
    assert len(tokens.oauth.transport.requests) == asked <= 12
    assert (await stored_grant(tokens)).refresh_token == "refresh-1"
    assert (await stored_grant(tokens)).missing_consent
    await tokens.seed(pair_of(9))
    assert await tokens.access_token() == "access-9"


async def test_a_dead_token_whose_successor_is_stored_is_no_loss(token_vault, clock):
    tokens = await seeded_token_store(token_vault, clock, USED_UP)
    other = new_token_store(token_vault, clock)
    tokens.oauth.transport.meanwhile = lambda: other.seed(pair_of(9))
    assert await tokens.replace_rejected("access-1") == "access-9"


@pytest.mark.parametrize(("number", "token"), [(2, "access-3"), (3, "access-2")])
async def test_a_kill_around_a_refresh_loses_only_that_refresh(token_vault, clock, number, token):
    """Killed after "it begins" was stored: nothing is spent. After the new pair: it is there."""
    tokens = await seeded_token_store(token_vault, clock, token_pair())
    token_vault.after_swap = kill_at(number)
    with pytest.raises(SimulatedKill):
        await tokens.replace_rejected("access-1")
    restarted = new_token_store(token_vault, clock, token_pair(3))
    if number == 2:
        with pytest.raises(Unreachable):
            await restarted.replace_rejected("access-1")
        clock.advance(PENDING_TIMEOUT_S)
    assert await restarted.replace_rejected("access-1") == token


def test_a_refresh_is_given_up_only_when_its_call_can_have_no_answer_any_more():
    assert PENDING_TIMEOUT_S > 2 * (CONNECT_S + READ_S), "the call, and the time to store the pair"


MAY_PASS = {
    "empty": USED_UP,
    "busy": reply({"error": -1, "message": "system busy"}),
    "an app that is not active": reply({"error": -14002, "error_name": "Invalid appId"}),
    "a name alone": reply({"error_name": "Something went wrong"}),
}


async def asked_until_given_up(tokens, clock) -> float:
    """Ask as often as the store wants to be asked; the seconds until an operator is needed."""
    began = clock()
    for _ in range(50):
        try:
            await tokens.replace_rejected("access-1")
        except Unreachable as later:
            clock.advance(later.retry_after_s)
        except Misconfigured:
            return clock() - began
    raise AssertionError("no operator was asked")


@pytest.mark.promise("6.5")
@pytest.mark.parametrize("answer", MAY_PASS.values(), ids=MAY_PASS)
async def test_a_refusal_that_may_pass_costs_seconds_and_no_consent(token_vault, clock, answer):
    tokens = await seeded_token_store(token_vault, clock, answer, token_pair())
    other = new_token_store(token_vault, clock, host=tokens.oauth.transport)
    with structlog.testing.capture_logs() as logs:
        for asking in (tokens, tokens, other):
            with pytest.raises(Unreachable) as refused:
                await asking.replace_rejected("access-1")
        assert len(tokens.oauth.transport.requests) == 1, "not again at once, by no process"
        assert refused.value.retry_after_s <= 5
        clock.advance(refused.value.retry_after_s)
        assert await other.replace_rejected("access-1") == "access-2"
    assert [line for line in logs if line["log_level"] == "error"] == []
    grant = await stored_grant(tokens)
    assert (grant.refusals, grant.retry_at, grant.lost) == (0, 0.0, "")


@pytest.mark.parametrize("name", [name for name in MAY_PASS if name != "empty"])
async def test_a_refusal_that_lasts_asks_an_operator_after_minutes_and_goes_on(
    token_vault, clock, name
):
    answers = [MAY_PASS[name]] * 20
    tokens = await seeded_token_store(token_vault, clock, *answers)
    with structlog.testing.capture_logs() as logs:
        assert await asked_until_given_up(tokens, clock) >= REFUSALS_MAX_S
    [alarm] = [line for line in logs if line["log_level"] == "error"]
    assert (alarm["event"], bool(alarm["fix"])) == ("zalo_operator_needed", True)
    tokens.oauth.transport.answers = [token_pair()]
    clock.advance(60)
    assert await tokens.replace_rejected("access-1") == "access-2", "without a person"


async def test_a_refusal_that_lasts_for_days_is_still_no_error_of_ours(token_vault, clock):
    tokens = await seeded_token_store(token_vault, clock, MAY_PASS["busy"], MAY_PASS["busy"])
    with pytest.raises(Unreachable):
        await tokens.replace_rejected("access-1")
    stored = await tokens.read()
    await tokens.write(replace(stored.grant, refusals=5000), stored.revision)
    clock.advance(3 * 86400)
    with pytest.raises(Misconfigured) as refused:
        await tokens.replace_rejected("access-1")
    assert refused.value.retry_after_s == 60


@pytest.mark.parametrize("name", ["busy", "empty"])
async def test_a_refused_refresh_leaves_the_living_token_in_use(token_vault, clock, name):
    tokens = await seeded_token_store(token_vault, clock, *[MAY_PASS[name]] * 500)
    clock.advance(90000 - REFRESH_EARLY_S)
    for _ in range(300):
        assert await tokens.access_token() == "access-1"
        clock.advance(30)


@pytest.mark.parametrize("trouble", [reply("<html>", 502), Unreachable("no connection"), NO_ANSWER])
async def test_a_sign_in_host_that_is_away_holds_up_one_call_and_not_each(
    token_vault, clock, trouble
):
    """Each refresh may take 17 s until it fails; the living token needs none of them."""
    tokens = await seeded_token_store(token_vault, clock, *[trouble] * 100)
    clock.advance(90000 - REFRESH_EARLY_S)
    for _ in range(100):
        assert await tokens.access_token() == "access-1"
        clock.advance(6)
    assert len(tokens.oauth.transport.requests) <= 3, "in ten minutes"
    clock.advance(REFRESH_EARLY_S)
    with pytest.raises(Unreachable):
        await tokens.access_token()


async def test_old_refusals_far_apart_do_not_add_up_to_a_loss(token_vault, clock):
    tokens = await seeded_token_store(token_vault, clock, USED_UP, USED_UP, token_pair())
    for _ in range(2):
        with pytest.raises(Unreachable):
            await tokens.replace_rejected("access-1")
        clock.advance(3600)
    assert await tokens.replace_rejected("access-1") == "access-2"


# --- several processes on one bus


class RotatingHost:
    """Zalo's OAuth host: each refresh token works once, and the one before it is dead."""

    def __init__(self) -> None:
        self.requests = []

    async def exchange(self, request):
        self.requests.append(request)
        await asyncio.sleep(0)
        right = f"refresh_token=refresh-{len(self.requests)}&".encode()
        return token_pair(len(self.requests) + 1) if right in request.body else USED_UP


async def insist(tokens, rejected: str) -> str:
    """Ask until there is a token, as held rows do."""
    for _ in range(50):
        try:
            return await tokens.replace_rejected(rejected)
        except Unreachable as busy:
            assert busy.retry_after_s <= BUSY_RETRY_S
            await asyncio.sleep(0)
    raise AssertionError("never got a token")


@pytest.mark.promise("6.5")
@pytest.mark.parametrize("due", [False, True], ids=["refused", "due"])
async def test_five_processes_refresh_once(bus, clock, due):
    host, vault = RotatingHost(), BusKeyValueStore(bus)
    processes = [await seeded_token_store(vault, clock, host=host)]
    processes += [new_token_store(vault, clock, host=host) for _ in range(4)]
    if due:
        clock.advance(90000 - REFRESH_EARLY_S)
        got = await asyncio.gather(*(tokens.access_token() for tokens in processes))
        assert set(got) <= {"access-1", "access-2"}, "the old one lives on in the meantime"
    else:
        calls = [insist(tokens, "access-1") for tokens in processes for _ in range(10)]
        assert set(await asyncio.gather(*calls)) == {"access-2"}
    assert {await tokens.access_token() for tokens in processes} == {"access-2"}
    assert len(host.requests) == 1
