"""The sandbox's clock: a demo never falls into the night, and a set clock stays set."""

from datetime import datetime

import pytest

from channels.zalo.hours import VIETNAM, broadcasting, local
from channels.zalo.sandbox import server
from channels.zalo.sandbox.clock import day_clock
from tests.test_zalo_sandbox import calling
from tests.zalo_stage import NOON


@pytest.fixture
async def zalo(tmp_path, clock):
    async with calling(tmp_path, clock) as zalo:
        yield zalo


async def test_every_answer_tells_the_sandboxs_time(zalo):
    await zalo.post("/_sandbox/clock", {"now": "2027-03-01T10:00:00+07:00"})
    async with zalo.http.get("/v2.0/oa/getoa", headers=zalo.headers) as answer:
        assert answer.headers["Date"] == "Mon, 01 Mar 2027 03:00:00 GMT"


def at(hour: int, minute: int = 0) -> float:
    return datetime(2027, 1, 15, hour, minute, tzinfo=VIETNAM).timestamp()


@pytest.mark.parametrize("hour", range(24))
@pytest.mark.parametrize("minute", [0, 4, 6, 49, 51])
def test_in_a_demo_it_is_never_night(hour, minute):
    shown = day_clock(lambda: at(hour, minute))()
    assert broadcasting(shown)
    if at(6, 5) <= at(hour, minute) < at(21, 50):
        assert shown == at(hour, minute)


def test_a_demo_at_night_begins_at_nine():
    assert f"{local(day_clock(lambda: at(21, 50))()):%H:%M}" == "09:00"
    assert f"{local(day_clock(lambda: at(23, 20))()):%H:%M}" == "10:30"


def test_noon_is_noon():
    assert f"{local(NOON):%H:%M}" == "12:00"


async def test_a_set_clock_stays_set_over_a_restart(tmp_path, clock, zalo):
    await zalo.post("/_sandbox/clock", {"now": "2027-03-01T10:00:00+07:00"})
    await zalo.post("/_sandbox/rules", {"processing": 7, "broken_images": ["x"]})
    again = await server.start("127.0.0.1", 0, tmp_path, clock)
    try:
        assert f"{local(again.clock()):%H:%M %d/%m/%Y}" == "10:00 01/03/2027"
        assert (again.world.rules.processing, again.world.rules.broken_images) == (7, ("x",))
    finally:
        await again.close()
