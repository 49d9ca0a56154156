"""`loa units`: what a unit may do, in words."""

from tests.support.cli import json_output
from tests.support.events import UNIT


async def test_a_change_shows_what_the_unit_may_do_now_as_the_list_does(bus, loa):
    await loa("units", "add", UNIT)
    changed = (await loa("units", "set", UNIT, "--urgent")).stdout.splitlines()[-2:]
    listed = (await loa("units", "list")).stdout.splitlines()[-2:]
    assert [line.split() for line in changed] == [line.split()[:-1] for line in listed]
    assert changed[1].split() == [UNIT, "desk", "yes", "zalo,email"]
    answer = json_output(await loa("units", "set", UNIT, "--no-urgent", "--json"))
    assert answer["urgent"] is False
