"""Two real processes on one refresh token: one refresh each time, and no pair lost by us."""

import pytest

from tests.deep.scale.token_races import KEPT, NO_FAILURE, TOKEN_FAILURES, open_token_race

PLAIN, SPOILED = 80, 2 * len(TOKEN_FAILURES)


@pytest.mark.promise("6.5")
async def test_through_races_deaths_and_lost_answers_the_pair_survives_or_is_honestly_lost(
    bus, nats_server, tmp_path
):
    async with open_token_race(tmp_path, nats_server.url, "20261126") as race:
        await race.rounds(PLAIN, SPOILED)
    assert race.errors == []
    assert race.ends[NO_FAILURE.name, KEPT] == PLAIN
    assert race.encounters > PLAIN / 10, "they really met"
    assert {name for name, _ in race.ends} == {failure.name for failure in TOKEN_FAILURES} | {
        NO_FAILURE.name
    }
