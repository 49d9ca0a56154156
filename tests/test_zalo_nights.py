"""A virtual week of broadcasts: none at night, and a quiet morning after."""

import random
from collections import Counter

import pytest

from channels.zalo.hours import local
from channels.zalo.pace import Pace
from contracts.publication import Publication
from tests.builders import a_publication
from tests.zalo_house import BOTH, Calls, ZaloHouse, zalo_house
from tests.zalo_stage import Stage

NIGHTS, WAITING, EACH_NIGHT = 7, 50, 2
HOUR_S = 3600.0
TARGETS = [
    None,
    {"provinces": ["da-nang", "hue"]},
    {"ages": ["18-24", "25-34"], "gender": "female"},
    {"regions": ["north"]},
    {"also": ["tin-0-0"]},
]


@pytest.fixture
async def house(bus, tmp_path, clock, monkeypatch):
    """An account whose waits are spread by real chance, and repeat for a seed."""
    chance = random.Random(20261126).random
    monkeypatch.setattr(
        Stage, "pace", property(lambda s: Pace(sleep=s.sleep, clock=s.clock, chance=chance))
    )
    async with zalo_house(bus, tmp_path, clock) as house:
        house.stage.rules(per_minute=60, article_quota=999, broadcast_quota=999, processing=0)
        yield house


class Week:
    """The queue's work: every batch is woken when it is due, in the order of time."""

    def __init__(self, house: ZaloHouse) -> None:
        self.house = house
        self.due: dict = {}
        self.batches: list = []

    async def release(self, item: Publication, at: float) -> None:
        await self.until(at)
        batch = await self.house.publish(item)
        self.batches.append(batch)
        self.due[batch] = self.house.clock()

    async def until(self, at: float) -> None:
        while self.due and min(self.due.values()) <= at:
            await self.wake(min(self.due, key=self.due.__getitem__))
        self.house.clock.now = max(self.house.clock(), at)

    async def wake(self, batch) -> None:
        self.house.clock.now = max(self.house.clock(), self.due.pop(batch))
        wait_s = await self.house.visit(batch)
        if not (await self.house.entry(batch)).closed:
            self.due[batch] = self.house.clock() + max(1.0, wait_s)


def refusals(house: ZaloHouse) -> Counter:
    """How many calls the sandbox let through for its rate, and how many it did not."""
    world, answered = house.stage.sandbox.world, Counter()
    count_call = world.count_call

    def counted() -> bool:
        allowed = count_call()
        answered[allowed] += 1
        return allowed

    world.count_call = counted
    return answered


async def test_fifty_that_wait_leave_in_the_morning_spread_and_unrefused(house):
    calls, answered, week = Calls(house), refusals(house), Week(house)
    chance, noon = random.Random(7), house.clock()
    for night in range(NIGHTS):
        evening = noon + (night * 24 + 10) * HOUR_S
        moments = sorted(
            evening + chance.random() * 7 * HOUR_S
            for _ in range(WAITING if night == 0 else EACH_NIGHT)
        )
        for number, at in enumerate(moments):
            broadcast = TARGETS[number % len(TARGETS)] if number else None
            item = a_publication(
                content_id=f"tin-{night}-{number}",
                title=f"Thông báo {night}.{number}",
                broadcast=broadcast,
            )
            await week.release(item, at)
    await week.until(noon + (NIGHTS + 1) * 24 * HOUR_S)
    assert week.due == {}
    assert {tuple((await house.ending(one)).items()) for one in week.batches} == {
        tuple(BOTH.items())
    }
    sent = [local(one.at) for one in house.stage.broadcasts]
    assert len(sent) == len(week.batches) == WAITING + (NIGHTS - 1) * EACH_NIGHT
    assert [at for at, name in calls.made if name == "message" and not 6 <= at.hour < 22] == []
    assert all(at.hour == 6 and at.minute >= 5 for at in sent), "from 06:05 on, within the hour"
    first = Counter(at.minute for at in sent if at.date() == sent[0].date())
    assert first.total() == WAITING
    assert len(first) >= 8, "spread over the minutes"
    assert max(first.values()) <= 15
    assert answered[False] == 0, "nothing was refused for the rate"
    targets = Counter(str(one.target) for one in house.stage.broadcasts)
    assert len(targets) == 4
    assert max(len(one.articles) for one in house.stage.broadcasts) == 2
