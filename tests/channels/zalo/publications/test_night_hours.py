"""A virtual week of broadcasts: none at night, and a quiet morning after."""

import random
from collections import Counter

import pytest

from channels.zalo.client.clock import vietnam_time
from channels.zalo.timing import Timing
from contracts.publication import Publication
from tests.support.publications import a_publication
from tests.support.zalo_account import ZaloAccount
from tests.support.zalo_pipeline import BOTH, CallLog, ZaloPipeline, open_zalo_pipeline

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
async def zalo_pipeline(bus, tmp_path, clock, monkeypatch):
    """An account whose waits are spread by real chance, and repeat for a seed."""
    chance = random.Random(20261126).random
    monkeypatch.setattr(
        ZaloAccount,
        "timing",
        property(lambda s: Timing(sleep=s.sleep, clock=s.clock, jitter=chance)),
    )
    async with open_zalo_pipeline(bus, tmp_path, clock) as house:
        house.account.set_rules(per_minute=60, article_quota=999, broadcast_quota=999, processing=0)
        yield house


class WeekQueue:
    """The queue's work: every batch is woken when it is due, in the order of time."""

    def __init__(self, house: ZaloPipeline) -> None:
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
        wait_s = await self.house.wake(batch)
        if not (await self.house.entry(batch)).closed_at:
            self.due[batch] = self.house.clock() + max(1.0, wait_s)


def refusals(house: ZaloPipeline) -> Counter:
    """How many calls the sandbox let through for its rate, and how many it did not."""
    world, answered = house.account.sandbox.world, Counter()
    count_call = world.count_call

    def counted() -> bool:
        allowed = count_call()
        answered[allowed] += 1
        return allowed

    world.count_call = counted
    return answered


@pytest.mark.promise("6.6")
async def test_fifty_that_wait_leave_in_the_morning_spread_and_unrefused(zalo_pipeline):
    calls, answered, week = (
        CallLog(zalo_pipeline),
        refusals(zalo_pipeline),
        WeekQueue(zalo_pipeline),
    )
    chance, noon = random.Random(7), zalo_pipeline.clock()
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
    assert {tuple((await zalo_pipeline.row_statuses(one)).items()) for one in week.batches} == {
        tuple(BOTH.items())
    }
    sent = [vietnam_time(one.at) for one in zalo_pipeline.account.broadcasts]
    assert len(sent) == len(week.batches) == WAITING + (NIGHTS - 1) * EACH_NIGHT
    assert [at for at, name in calls.calls if name == "message" and not 6 <= at.hour < 22] == []
    assert all(at.hour == 6 and at.minute >= 5 for at in sent), "from 06:05 on, within the hour"
    first = Counter(at.minute for at in sent if at.date() == sent[0].date())
    assert first.total() == WAITING
    assert len(first) >= 8, "spread over the minutes"
    assert max(first.values()) <= 15
    assert answered[False] == 0, "nothing was refused for the rate"
    targets = Counter(str(one.target) for one in zalo_pipeline.account.broadcasts)
    assert len(targets) == 4
    assert max(len(one.articles) for one in zalo_pipeline.account.broadcasts) == 2
