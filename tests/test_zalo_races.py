"""Two real processes on one refresh token: one refresh each time, and no pair lost by us."""

import pytest

from tests.zalo_mishaps import KEPT, MISHAPS, NONE
from tests.zalo_races import rounds
from tests.zalo_ring import ring

SEED = "20261126"
PLAIN, SPOILED = 80, 2 * len(MISHAPS)


@pytest.mark.timeout(300)
async def test_whoever_races_there_is_one_refresh_and_the_living_pair_is_stored(
    bus, nats_server, tmp_path
):
    async with ring(tmp_path, nats_server.url, SEED) as races:
        tally = await rounds(races, PLAIN, 0)
    assert tally.faults == []
    assert tally.refreshes == tally.ends[NONE.name, KEPT] == PLAIN
    assert tally.met > PLAIN / 10, "they really met"


@pytest.mark.timeout(300)
async def test_through_deaths_and_lost_answers_the_pair_survives_or_is_honestly_lost(
    bus, nats_server, tmp_path
):
    async with ring(tmp_path, nats_server.url, SEED) as races:
        tally = await rounds(races, 0, SPOILED)
    assert tally.faults == []
    assert tally.refreshes == SPOILED
    assert {name for name, _ in tally.ends} == {mishap.name for mishap in MISHAPS}
