"""A thousand races for one refresh token."""

import asyncio
import random

import pytest

from producers.bus import Bus
from tests.channels.zalo.client.test_token_refresh import RefreshHost, insist, keeper, stored

RACES = 1000


@pytest.mark.promise("6.5")
@pytest.mark.timeout(600)
async def test_a_thousand_races_for_one_token_are_a_thousand_refreshes(bus, nats_server, clock):
    chance, host = random.Random(20261125), RefreshHost()
    host.dither = lambda: chance.randrange(8)
    async with await Bus.connect(nats_server.url, name="other") as other:
        processes = [keeper(bus, host, clock), keeper(other, host, clock)]
        await processes[0].seed("access-0", "refresh-0", "90000")
        waited = 0
        for race in range(RACES):
            chance.shuffle(processes)
            got = await asyncio.gather(*(insist(one, f"access-{race}") for one in processes))
            assert {token for token, _ in got} == {f"access-{race + 1}"}
            waited += sum(waits > 0 for _, waits in got)
            assert host.refreshes == race + 1
    assert host.spent_used == 0
    assert (await stored(bus)).refresh_token == f"refresh-{RACES}"
    assert waited > RACES / 10, "they really met"
