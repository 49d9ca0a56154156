"""When a case notice may go: news of one's own dossier at any hour, what can wait by day."""

from datetime import datetime
from heapq import heappop, heappush

import pytest

from channels.base import Verdict
from channels.zalo.hours import local
from contracts.vietnam import VIETNAM
from tests.notice_stage import USER_ID, a_notice, noticing, person

TO_USER = f"zalo:{USER_ID}"


@pytest.fixture
async def house(tmp_path, clock):
    async with noticing(tmp_path, clock) as house:
        yield house


@pytest.mark.parametrize("tag", ["TRANSACTION"])
@pytest.mark.parametrize("time", ["00:00:00", "03:30:00", "06:59:59", "21:30:00", "23:59:59"])
async def test_news_of_ones_own_dossier_goes_at_any_hour(house, tag, time):
    house.at(time)
    await house.set_template("2", tag=tag)
    assert (await house.send()).verdict is Verdict.DELIVERED


@pytest.mark.parametrize("tag", ["CUSTOMER_CARE", "PROMOTION"])
@pytest.mark.parametrize(
    ("time", "goes", "release"),
    [
        ("06:59:59", False, "16 07:10"),
        ("07:00:00", True, ""),
        ("12:00:00", True, ""),
        ("21:29:59", True, ""),
        ("21:30:00", False, "17 07:10"),
        ("23:59:59", False, "17 07:10"),
        ("00:00:00", False, "16 07:10"),
    ],
)
async def test_what_can_wait_goes_by_day(house, tag, time, goes, release):
    person(house.stage)
    house.at(time)
    await house.set_template("2", tag=tag)
    outcome = await house.send(address=TO_USER)
    assert (outcome.verdict is Verdict.DELIVERED) == goes, outcome
    if not goes:
        assert (outcome.verdict, outcome.asked) == (Verdict.HELD, False)
        assert f"{local(house.clock() + outcome.after_s):%d %H:%M}" == release
        assert house.messages == []


async def test_the_hours_are_zalos_even_when_our_clock_is_wrong(house):
    await house.set_template("2", tag="CUSTOMER_CARE")
    noon = datetime(2027, 1, 15, 12, tzinfo=VIETNAM).timestamp()
    house.clock.advance(12 * 3600)
    house.stage.sandbox.world.tokens.expires = 1e12
    house.stage.sandbox.clock.set(noon)
    await house.start()
    assert local(house.clock()).hour == 0
    assert (await house.send()).verdict is Verdict.DELIVERED


async def test_without_zalos_time_what_can_wait_waits(house):
    await house.set_template("2", tag="CUSTOMER_CARE")
    await house.start()
    house.stage.fault("business.quota", "html_before", times=9)
    assert (await house.send()).verdict is Verdict.HELD
    assert house.messages == []


async def test_a_virtual_week_sends_nothing_outside_its_hours(house):
    """A notice an hour, day and night, of both tags; what is held comes back spread, and goes."""
    await house.set_template("2", tag="CUSTOMER_CARE")
    house.at("2027-01-18 00:30:00")
    house.channel.notices.pace = Spread()
    queue = [(house.clock() + number * 1800, number) for number in range(2 * 7 * 24)]
    released = []
    while queue:
        due, house.revision = heappop(queue)
        house.clock.now = max(house.clock.now, due)
        outcome = await house.send(a_notice("24"[house.revision % 2]), again=True)
        if outcome.verdict is Verdict.HELD:
            released.append(house.clock() + outcome.after_s)
            heappush(queue, (released[-1], house.revision))
    sent = {tag: list(sent_at(house, tag)) for tag in ("CUSTOMER_CARE", "TRANSACTION")}
    assert {tag: len(times) for tag, times in sent.items()} == dict.fromkeys(sent, 7 * 24)
    times = [f"{local(at):%H:%M:%S}" for at in sent["CUSTOMER_CARE"]]
    assert (min(times) >= "07:00:00", max(times) < "21:30:00") == (True, True)
    assert len({local(at).hour for at in sent["TRANSACTION"]}) == 24
    assert len(released) >= 7 * 9
    assert all("07:05" <= f"{local(at):%H:%M}" <= "07:15" for at in released)
    assert len(set(released)) == len(released), "not all at once"


class Spread:
    """Chances that differ."""

    def __init__(self):
        self.number = 0

    def chance(self):
        self.number += 1
        return self.number * 0.37 % 1


def sent_at(house, tag):
    """When the messages of a tag were taken, by Zalo's own log."""
    for fact in house.stage.sandbox.world.journal.facts():
        if fact["kind"] == "template_sent" and fact["message"]["tag"] == tag:
            yield datetime.fromisoformat(fact["at"]).timestamp()
