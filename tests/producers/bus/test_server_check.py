"""The check of the servers' settings: silence is no refusal, and a refusal is not waited for."""

import asyncio
import json

import pytest

from producers.bus import Bus, NoReply, UnfitServer, server_check
from producers.bus.server_check import SETTINGS_SUBJECT, verify

JETSTREAM = "jetstream { store_dir: STORE }"
ANOTHER = "ANOTHER"
LATE_S = 3 * server_check._LAST_ANSWER_WAIT_S


@pytest.fixture
async def plain_bus(other_server):
    """A connection to a server whose system account no client may ask."""
    with other_server(JETSTREAM) as server:
        async with await Bus.connect(server.url, name="test") as bus:
            yield bus


async def answer_settings(bus, *answers):
    """Answer in the servers' place: after so many seconds, as the server of this id."""

    async def asked(message):
        for wait_s, server_id in answers:
            await asyncio.sleep(wait_s)
            server = {"id": server_id, "ver": "2.14.0"}
            data = {"config": {"sync_always": True}}
            await message.respond(json.dumps({"server": server, "data": data}).encode())

    await bus.nc.subscribe(SETTINGS_SUBJECT, cb=asked)


async def test_a_server_that_may_not_be_asked_is_unfit(plain_bus):
    with pytest.raises(UnfitServer, match="can't see whether sync_interval is always"):
        await verify(plain_bus)


@pytest.mark.parametrize("others", [(), ((0.0, ANOTHER),)], ids=["alone", "after another one"])
async def test_a_slow_answer_of_our_server_is_waited_for(plain_bus, others):
    own = plain_bus.connection.server_info["server_id"]
    await answer_settings(plain_bus, *others, (LATE_S, own))
    await verify(plain_bus)


@pytest.mark.parametrize("others", [(), ((0.0, ANOTHER),)], ids=["alone", "beside another one"])
async def test_our_servers_silence_is_no_answer(plain_bus, monkeypatch, others):
    monkeypatch.setattr(server_check, "_ANSWER_WAIT_S", 1.0)
    await answer_settings(plain_bus, *others)
    with pytest.raises(NoReply):
        await verify(plain_bus)
