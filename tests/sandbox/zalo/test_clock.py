"""The sandbox's clock: a demo never falls into the night, and a set clock stays set."""

from datetime import datetime

import pytest

from channels.zalo.client.clock import VIETNAM, is_broadcast_time, vietnam_time
from sandbox.zalo import server
from sandbox.zalo.state.clock import daytime_clock
from tests.support.zalo_account import NOON


async def test_every_answer_tells_the_sandboxs_time(sandbox_client):
    await sandbox_client.post("/_sandbox/clock", {"now": "2027-03-01T10:00:00+07:00"})
    async with sandbox_client.http.get("/v2.0/oa/getoa", headers=sandbox_client.headers) as answer:
        assert answer.headers["Date"] == "Mon, 01 Mar 2027 03:00:00 GMT"


def at(hour: int, minute: int = 0) -> float:
    return datetime(2027, 1, 15, hour, minute, tzinfo=VIETNAM).timestamp()


@pytest.mark.parametrize("hour", range(24))
@pytest.mark.parametrize("minute", [0, 4, 6, 49, 51])
def test_in_a_demo_it_is_never_night(hour, minute):
    shown = daytime_clock(lambda: at(hour, minute))()
    assert is_broadcast_time(shown)
    if at(6, 5) <= at(hour, minute) < at(21, 50):
        assert shown == at(hour, minute)


def test_a_demo_at_night_begins_at_nine():
    assert f"{vietnam_time(daytime_clock(lambda: at(21, 50))()):%H:%M}" == "09:00"
    assert f"{vietnam_time(daytime_clock(lambda: at(23, 20))()):%H:%M}" == "10:30"


def test_noon_is_noon():
    assert f"{vietnam_time(NOON):%H:%M}" == "12:00"


async def test_a_set_clock_stays_set_over_a_restart(tmp_path, clock, sandbox_client):
    await sandbox_client.post("/_sandbox/clock", {"now": "2027-03-01T10:00:00+07:00"})
    await sandbox_client.post("/_sandbox/rules", {"processing": 7, "broken_images": ["x"]})
    again = await server.start("127.0.0.1", 0, tmp_path, clock)
    try:
        assert f"{vietnam_time(again.clock()):%H:%M %d/%m/%Y}" == "10:00 01/03/2027"
        assert (again.world.rules.processing, again.world.rules.broken_images) == (7, ("x",))
    finally:
        await again.close()
