"""The daily follower scan of large accounts."""

import random
from datetime import UTC, date, datetime, timedelta

import pytest

from channels.zalo.account.followers import FIRST_DAY, LIST_MAX, PAGE_SIZE, ScanCount
from consumers.zalo.followers import FollowerStore
from tests.support.sandbox_client import open_sandbox_client
from tests.support.zalo_followers import TODAY, FollowerList, a_roll_call, populate
from tests.support.zalo_webhook import parsed_event


@pytest.mark.parametrize("count", [LIST_MAX + 1, 12_000, 25_000])
def test_a_long_list_is_cut_by_days_until_every_part_can_be_reached(count):
    rng = random.Random(count)
    days: dict[date | None, int] = {}
    for _ in range(count):
        day = TODAY - timedelta(days=int(rng.expovariate(1 / 200)))
        days[day] = days.get(day, 0) + 1
    followers = FollowerList(days)
    walk, seen = followers.walked()
    assert walk.followers == ScanCount(listed=count, reached=count)
    assert len(seen) == count
    wasted = len(followers.asked) - count / PAGE_SIZE
    assert wasted < 80 + count / 500, "cutting costs little"


def test_older_days_are_read_first_so_that_nobody_slips_away_by_interacting():
    followers = FollowerList({TODAY - timedelta(days=n): 400 for n in range(50)})
    followers.walked()
    firsts = [part.since for part, _ in followers.asked if part.since and part.since != FIRST_DAY]
    assert firsts == sorted(firsts)


async def test_twelve_thousand_followers_are_all_counted(bus, tmp_path, clock):
    async with open_sandbox_client(tmp_path, clock) as zalo:
        account = zalo.account
        populate(account, 12_000, 90)
        populate(account, 30, 5, follower=False, first=2 * 10**18)
        followers = FollowerStore(bus, b"secret")
        await followers.record_event(parsed_event("follow", -600, str(2 * 10**18)))
        walk = await a_roll_call(bus, account).sync()
        assert walk.followers == ScanCount(listed=12_000, reached=12_000)
        assert walk.others == ScanCount(listed=30, reached=30)
        count = await followers.count(datetime.fromtimestamp(account.clock(), UTC))
        assert (count.followers, count.left, count.unknown) == (12_000, 1, 0)
        ids = [*(str(10**18 + number) for number in range(12_000)), str(2 * 10**18)]
        stored = {key async for key, _ in followers.bucket.values()}
        assert stored == {*map(followers.key_of, ids)}
        calls = sum(account.sandbox.world.calls.values())
        assert calls < 12_000 / PAGE_SIZE + 60
        rate = max(account.sandbox.world.calls.values())
        assert rate <= 5 * 60 + 10, "never faster than agreed"
