"""Who follows: events in any order end the same, and Zalo's list counts where it is newer."""

import asyncio
import itertools
import random

import pytest

from consumers.zalo.followers import Follower, Followers, heard, listed
from tests.zalo_hook import T0, USER, at, told


def test_events_in_any_order_and_number_end_the_same():
    events = [
        told("follow", 1), told("inbound", 2), told("unfollow", 3), told("follow", 4),
        told("unfollow", 5), told("interaction", 6),
    ]  # fmt: skip
    for order in itertools.permutations([*events, events[2]]):
        person = None
        for event in order:
            person = heard(person, event)
        assert person == Follower(follows=False, follows_at=at(5), last_interaction=at(6))


def test_coming_and_leaving_in_the_same_moment_counts_as_leaving():
    both = [told("follow", 1), told("unfollow", 1)]
    for order in (both, both[::-1]):
        person = None
        for event in order:
            person = heard(person, event)
        assert person.follows is False


def test_who_only_wrote_is_neither_a_follower_nor_one_who_left():
    assert heard(None, told("inbound", 1)) == Follower(last_interaction=at(1))


@pytest.mark.parametrize(
    ("before", "follows", "after"),
    [
        (None, True, Follower(follows=True, follows_at=T0)),
        (None, False, None),
        (Follower(follows=True, follows_at=at(-5)), True, "same"),
        (Follower(follows=True, follows_at=at(-5)), False, Follower(follows=False, follows_at=T0)),
        (Follower(follows=True, follows_at=at(5)), False, "same"),
        (Follower(follows=False, follows_at=at(5)), True, "same"),
        (
            Follower(last_interaction=at(-9)),
            True,
            Follower(follows=True, follows_at=T0, last_interaction=at(-9)),
        ),
    ],
)
def test_zalos_list_counts_unless_an_event_is_newer(before, follows, after):
    assert listed(before, follows, T0) == (before if after == "same" else after)


async def test_a_record_moves_forward_only_however_many_write_at_once(bus):
    followers = Followers(bus)
    events = [told(kind, n) for n, kind in enumerate(["follow", "inbound", "unfollow"] * 8)]
    random.Random(3).shuffle(events)
    await asyncio.gather(*(followers.hear(event) for event in events))
    [(key, value)] = [one async for one in followers.bucket.values()]
    assert key == USER
    person = Follower.model_validate_json(value.data)
    assert (person.follows, person.follows_at, person.last_interaction) == (False, at(23), at(22))


async def test_a_page_of_the_list_writes_only_what_differs(bus):
    followers = Followers(bus)
    ids = [str(number) for number in range(50)]
    await followers.confirm(ids, True, T0)
    before = await followers.bucket.last_seq()
    await followers.confirm(ids, True, at(60))
    assert await followers.bucket.last_seq() == before
    await followers.confirm(["7", "999"], False, at(60))
    assert await followers.bucket.last_seq() == before + 1, "a stranger who follows not stays one"
    count = await followers.count(at(61))
    assert (count.followers, count.left, count.unknown) == (49, 1, 0)


async def test_who_was_heard_of_within_two_days_is_within_reach(bus):
    followers = Followers(bus)
    await followers.hear(told("inbound", -60 * 47, "1"))
    await followers.hear(told("inbound", -60 * 49, "2"))
    await followers.hear(told("follow", -60, "3"))
    count = await followers.count(T0)
    assert (count.within_reach, count.unknown, count.followers) == (2, 2, 1)
