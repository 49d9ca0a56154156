"""The daily follower sync reaches everyone on Zalo's list who can be reached."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
import structlog

from channels.errors import Unreachable
from channels.zalo.account.followers import LIST_MAX, PAGE_SIZE, FollowerPage, ScanCount, parse_page
from channels.zalo.client.response import ApiResponse
from channels.zalo.errors import Refused
from channels.zalo.webhook.events import EventKind, ZaloEvent
from consumers.zalo import follower_sync
from consumers.zalo.erasure import WITHDRAWN_REASON, zalo_address
from consumers.zalo.followers import FollowerStore
from contracts.delivery import ChannelName
from tests.support.zalo_followers import APP, TODAY, FollowerList, a_roll_call, populate
from tests.support.zalo_webhook import T0, USER

# --- the arithmetic


@pytest.mark.parametrize("count", [0, 1, 49, 50, 51, 100, 9_999, LIST_MAX])
def test_a_short_list_is_read_page_by_page(count):
    followers = FollowerList({TODAY: count}, others=3)
    walk, seen = followers.walked()
    assert walk.followers == ScanCount(listed=count, reached=count)
    assert walk.others == ScanCount(listed=3, reached=3)
    assert len(seen) == count
    assert len(followers.asked) == max(1, -(-count // PAGE_SIZE)) + 1


def test_what_cannot_be_reached_is_counted_and_said():
    followers = FollowerList({TODAY: LIST_MAX + 700, TODAY - timedelta(days=3): 300, None: 250})
    walk, seen = followers.walked()
    assert walk.followers.listed == LIST_MAX + 700 + 300 + 250
    assert walk.followers.reached == len(seen) == LIST_MAX + 300
    with structlog.testing.capture_logs() as logs:
        follower_sync.log_result(walk)
    assert [(one["event"], one["reached"]) for one in logs] == [
        ("zalo_followers_not_all_listed", LIST_MAX + 300)
    ]


@pytest.mark.parametrize(
    "data",
    [None, {}, {"total": 5}, {"users": []}, {"total": "x", "users": []}, {"total": 5, "users": 0}],
)
def test_an_answer_without_a_list_is_not_an_empty_list(data):
    with pytest.raises(Unreachable):
        parse_page(ApiResponse(0, "Success", data))


def test_ids_and_numbers_are_read_as_zalo_writes_them():
    users = [{"user_id": 4318420240101000777}, {"user_id": "12"}, {"user_id": "../x"}, {}, "no"]
    said = {"total": "5", "users": users}
    assert parse_page(ApiResponse(0, "Success", said)) == FollowerPage(5, (USER, "12"))
    assert parse_page(ApiResponse(0, "Success", {"total": 0})) == FollowerPage(0, ())


# --- through the sandbox


@pytest.fixture
def account(sandbox_client):
    return sandbox_client.account


class DyingSync(Exception):
    """A sync whose process dies."""


async def test_a_walk_goes_on_where_it_was_killed(bus, account, monkeypatch):
    populate(account, 1200, 30)
    pages: list[int] = []
    real = FollowerStore.record_listing

    async def confirm(self, ids, follows, when):
        if len(pages) in (5, 17):
            pages.append(0)
            raise DyingSync
        pages.append(len(ids))
        await real(self, ids, follows, when)

    monkeypatch.setattr(FollowerStore, "record_listing", confirm)
    for _ in range(2):
        with pytest.raises(DyingSync):
            await a_roll_call(bus, account).sync()
        assert (await follower_sync.last_scan(bus, APP)).ended is None
    walk = await a_roll_call(bus, account).sync()
    assert walk.followers == ScanCount(listed=1200, reached=1200)
    assert len(pages) == 1200 // PAGE_SIZE + 2 + 1, "no page twice but those that were cut short"
    assert (await FollowerStore(bus, b"secret").count(T0)).followers == 1200


async def test_of_two_processes_one_walks(bus, account, clock):
    populate(account, 1000, 30)
    others = [a_roll_call(bus, account) for _ in range(2)]
    await asyncio.gather(*(one.sync() for one in others))
    scan = await follower_sync.last_scan(bus, APP)
    assert scan.followers == ScanCount(listed=1000, reached=1000)
    assert (await FollowerStore(bus, b"secret").count(T0)).followers == 1000
    assert sum(account.sandbox.world.calls.values()) < 2 * 1000 / PAGE_SIZE


async def test_it_is_due_once_a_day_and_after_an_interruption(bus, account, clock):
    one = a_roll_call(bus, account)
    assert await one.is_due()
    await one.sync()
    assert not await one.is_due()
    clock.advance(24 * 3600)
    assert await one.is_due()
    await account.consent()
    account.set_rules(free_package=True)
    with pytest.raises(Refused) as refused:
        await one.sync()
    assert "-224" in follower_sync.failure_reason(refused.value)


async def test_an_event_that_comes_during_the_walk_is_newer_than_the_list(bus, account, clock):
    populate(account, 120, 1)
    one = a_roll_call(bus, account)
    left = ZaloEvent(
        kind=EventKind.UNFOLLOW, key="k", user_id=str(10**18 + 60),
        at=datetime.fromtimestamp(clock() + 1, UTC),
    )  # fmt: skip
    await one.followers.record_event(left)
    await one.sync()
    count = await one.followers.count(T0)
    assert (count.followers, count.left) == (119, 1)


async def test_who_wants_to_be_forgotten_is_not_remembered_by_zalos_list(bus, account, clock):
    populate(account, 60, 1)
    one, gone = a_roll_call(bus, account), zalo_address(str(10**18 + 7))
    await one.suppressions.add(ChannelName.ZALO, gone, WITHDRAWN_REASON, None)
    await one.suppressions.add(ChannelName.ZALO, zalo_address(str(10**18)), "blocked", None)
    walk = await one.sync()
    assert walk.followers == ScanCount(listed=60, reached=60)
    kept = {key async for key, _ in one.followers.bucket.values()}
    assert (len(kept), one.followers.key_of(str(10**18 + 7)) in kept) == (59, False)
