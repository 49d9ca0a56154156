"""The single-use refresh token under fire: one refresh each time, and no pair lost."""

import asyncio
import json
from urllib.parse import parse_qs

import pytest
import structlog
from cryptography.fernet import Fernet

from channels.errors import ChannelError, Misconfigured, Unreachable
from channels.zalo.client.errors import AmbiguousResult
from channels.zalo.client.oauth_api import OAuthClient
from channels.zalo.client.store import GrantCipher
from channels.zalo.client.token_store import (
    BUSY_RETRY_S,
    PENDING_TIMEOUT_S,
    REFRESH_EARLY_S,
    TokenStore,
    grant_key,
)
from channels.zalo.client.transport import Reply
from consumers.zalo.stores import BusKeyValueStore
from producers.bus import Bus
from tests.support.zalo_account import SimulatedKill

SEAL = GrantCipher(Fernet.generate_key())


def reply(body, status=200) -> Reply:
    return Reply(status, {}, body if isinstance(body, bytes) else json.dumps(body).encode())


class RefreshHost:
    """Zalo's OAuth host: each refresh token works once, and the one before it is dead."""

    def __init__(self) -> None:
        self.number = 0
        self.refreshes = 0
        self.spent_used = 0
        self.dither = lambda: 0

    def pair(self, number: int) -> tuple[str, str]:
        return f"access-{number}", f"refresh-{number}"

    async def exchange(self, request) -> Reply:
        for _ in range(self.dither()):
            await asyncio.sleep(0)
        [token] = parse_qs(request.body.decode())["refresh_token"]
        if token != f"refresh-{self.number}":
            self.spent_used += 1
            return reply(b"")
        self.number += 1
        self.refreshes += 1
        access_token, refresh_token = self.pair(self.number)
        pair = {"access_token": access_token, "refresh_token": refresh_token}
        return reply(pair | {"expires_in": "90000"})

    async def close(self) -> None:
        """Nothing to close."""


def keeper(bus: Bus, host, clock) -> TokenStore:
    """One process: it shares the bus and the host with others, and nothing else."""
    return TokenStore(
        OAuthClient("https://oauth.example", "app", "secret", host),
        BusKeyValueStore(bus),
        SEAL,
        clock,
    )


async def stored(bus: Bus):
    return SEAL.decrypt((await BusKeyValueStore(bus).get(grant_key("app"))).data)


async def insist(tokens: TokenStore, failed: str) -> tuple[str, int]:
    """Ask until there is a token, as held rows do; how often it had to wait."""
    for waits in range(50):
        try:
            return await tokens.replace_rejected(failed), waits
        except Unreachable as busy:
            assert busy.retry_after_s <= BUSY_RETRY_S
            await asyncio.sleep(0)
    raise AssertionError("never got a token")


async def test_five_processes_with_many_callers_each_refresh_once(bus, clock):
    host = RefreshHost()
    processes = [keeper(bus, host, clock) for _ in range(5)]
    await processes[0].seed("access-0", "refresh-0", "90000")
    calls = [insist(one, "access-0") for one in processes for _ in range(10)]
    assert {token for token, _ in await asyncio.gather(*calls)} == {"access-1"}
    assert (host.refreshes, host.spent_used) == (1, 0)


async def test_processes_that_look_early_refresh_once(bus, clock):
    """No call was refused: the refresh is due, for all processes at once."""
    host = RefreshHost()
    processes = [keeper(bus, host, clock) for _ in range(5)]
    await processes[0].seed("access-0", "refresh-0", "90000")
    clock.advance(90000 - REFRESH_EARLY_S)
    got = await asyncio.gather(*(one.access_token() for one in processes))
    assert set(got) <= {"access-0", "access-1"}, "the old one lives on in the meantime"
    assert {await one.access_token() for one in processes} == {"access-1"}
    assert (host.refreshes, host.spent_used) == (1, 0)


async def test_a_process_that_dies_in_the_refresh_is_waited_for_and_then_replaced(bus, clock):
    host = RefreshHost()
    dying, other = keeper(bus, host, clock), keeper(bus, host, clock)
    await dying.seed("access-0", "refresh-0", "90000")

    async def dies(request):
        raise SimulatedKill

    dying.oauth.transport = type("Dead", (), {"exchange": staticmethod(dies)})()
    with pytest.raises(SimulatedKill):
        await dying.replace_rejected("access-0")
    with pytest.raises(Unreachable):
        await other.replace_rejected("access-0")
    clock.advance(PENDING_TIMEOUT_S)
    assert await other.replace_rejected("access-0") == "access-1"
    assert (host.refreshes, host.spent_used) == (1, 0)


LOST = {
    "no answer": AmbiguousResult("no answer: TimeoutError"),
    "half an answer": reply(b'{"access_token":"acc'),
    "a list": reply([]),
    "a bare 400": reply(b"", 400),
}
NOT_DONE = {
    "504": reply(b"<html>504 Gateway Time-out</html>", 504),
    "502 without a body": reply(b"", 502),
    "a page": reply(b"<html>busy</html>"),
    "500 as JSON": reply({"message": "down"}, 500),
    "no connection": Unreachable("no connection"),
}
DEAD = {
    "empty 200": reply(b""),
    "its code": reply({"error": -14014, "access_token": "", "refresh_token": ""}),
}


class AnsweringTransport:
    """A host with one fixed answer, regardless of its effect."""

    def __init__(self, answer) -> None:
        self.answer = answer
        self.calls = 0

    async def exchange(self, request) -> Reply:
        self.calls += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def close(self) -> None:
        """Nothing to close."""


@pytest.mark.promise("6.5")
@pytest.mark.parametrize("name", [*LOST, *NOT_DONE, *DEAD])
async def test_whatever_a_refresh_is_answered_the_stored_pair_stays(bus, clock, name):
    host = AnsweringTransport((LOST | NOT_DONE | DEAD)[name])
    tokens = keeper(bus, host, clock)
    await tokens.seed("access-0", "refresh-0", "90000")
    with structlog.testing.capture_logs() as logs, pytest.raises(ChannelError):
        await tokens.replace_rejected("access-0")
    grant = await stored(bus)
    assert (grant.access_token, grant.refresh_token) == ("access-0", "refresh-0")
    assert bool(grant.pending_at) is (name in LOST), "a lost answer stays noted"
    assert bool(grant.lost) is (name in DEAD)
    alarms = [line["event"] for line in logs if line["log_level"] == "error"]
    expected = {"zalo_refresh_unknown"} if name in LOST else {"zalo_grant_lost"}
    assert set(alarms) == (set() if name in NOT_DONE else expected), "said at once, once"


@pytest.mark.parametrize("name", LOST)
@pytest.mark.parametrize("spent", [False, True])
async def test_after_a_lost_answer_the_same_token_is_tried_once_more_and_then_a_person_is_needed(
    bus, clock, name, spent
):
    host = AnsweringTransport(LOST[name])
    tokens = keeper(bus, host, clock)
    await tokens.seed("access-0", "refresh-0", "90000")
    for _ in range(5):
        with pytest.raises(Unreachable):
            await tokens.replace_rejected("access-0")
    assert host.calls == 1, "not again within the minute"
    clock.advance(PENDING_TIMEOUT_S)
    good = {"access_token": "access-1", "refresh_token": "refresh-1"}
    host.answer = reply(b"") if spent else reply(good | {"expires_in": "90000"})
    if spent:
        with pytest.raises(Misconfigured):
            await tokens.replace_rejected("access-0")
        assert (await stored(bus)).refresh_token == "refresh-0"
    else:
        assert await tokens.replace_rejected("access-0") == "access-1"
    assert host.calls == 2
