"""Two real processes on one refresh token: one refresh each time, and no pair lost by us."""

import pytest

from tests.deep.scale.token_races import rounds
from tests.support.token_failures import KEPT, NO_FAILURE, TOKEN_FAILURES
from tests.support.token_race import open_token_race

SEED = "20261126"
PLAIN, SPOILED = 80, 2 * len(TOKEN_FAILURES)


@pytest.mark.promise("6.5")
@pytest.mark.timeout(300)
async def test_whoever_races_there_is_one_refresh_and_the_living_pair_is_stored(
    bus, nats_server, tmp_path
):
    async with open_token_race(tmp_path, nats_server.url, SEED) as races:
        tally = await rounds(races, PLAIN, 0)
    assert tally.faults == []
    assert tally.refreshes == tally.ends[NO_FAILURE.name, KEPT] == PLAIN
    assert tally.failures_met > PLAIN / 10, "they really met"


@pytest.mark.promise("6.5")
@pytest.mark.timeout(300)
async def test_through_deaths_and_lost_answers_the_pair_survives_or_is_honestly_lost(
    bus, nats_server, tmp_path
):
    async with open_token_race(tmp_path, nats_server.url, SEED) as races:
        tally = await rounds(races, 0, SPOILED)
    assert tally.faults == []
    assert tally.refreshes == SPOILED
    assert {name for name, _ in tally.ends} == {mishap.name for mishap in TOKEN_FAILURES}
