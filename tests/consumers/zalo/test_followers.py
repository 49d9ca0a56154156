"""Followers: events in any order end the same, and Zalo's list counts where it is newer."""

import asyncio
import itertools
import random

import pytest
import structlog

from consumers.zalo.follower_keys import FollowerKeys
from consumers.zalo.followers import Follower, FollowerStore, apply_event, apply_listing
from tests.support.zalo_webhook import T0, USER, minutes_past_noon, parsed_event


def test_events_in_any_order_and_number_end_the_same():
    events = [
        parsed_event("follow", 1),
        parsed_event("inbound", 2),
        parsed_event("unfollow", 3),
        parsed_event("follow", 4),
        parsed_event("unfollow", 5),
        parsed_event("interaction", 6),
    ]
    for order in itertools.permutations([*events, events[2]]):
        person = Follower()
        for event in order:
            person = apply_event(person, event)
        assert person == Follower(
            follows=False, follows_at=minutes_past_noon(5), last_interaction=minutes_past_noon(6)
        )


def test_coming_and_leaving_in_the_same_moment_counts_as_leaving():
    both = [parsed_event("follow", 1), parsed_event("unfollow", 1)]
    for order in (both, both[::-1]):
        person = Follower()
        for event in order:
            person = apply_event(person, event)
        assert person.follows is False


def test_who_only_wrote_is_neither_a_follower_nor_one_who_left():
    assert apply_event(Follower(), parsed_event("inbound", 1)) == Follower(
        last_interaction=minutes_past_noon(1)
    )


@pytest.mark.parametrize(
    ("before", "follows", "after"),
    [
        (None, True, Follower(follows=True, follows_at=T0)),
        (None, False, None),
        (Follower(follows=True, follows_at=minutes_past_noon(-5)), True, "same"),
        (
            Follower(follows=True, follows_at=minutes_past_noon(-5)),
            False,
            Follower(follows=False, follows_at=T0),
        ),
        (Follower(follows=True, follows_at=minutes_past_noon(5)), False, "same"),
        (Follower(follows=False, follows_at=minutes_past_noon(5)), True, "same"),
        (
            Follower(last_interaction=minutes_past_noon(-9)),
            True,
            Follower(follows=True, follows_at=T0, last_interaction=minutes_past_noon(-9)),
        ),
    ],
)
def test_zalos_list_counts_unless_an_event_is_newer(before, follows, after):
    assert apply_listing(before, follows, T0) == (before if after == "same" else after)


async def test_a_record_moves_forward_only_however_many_write_at_once(bus):
    followers = FollowerStore(bus, b"secret")
    events = [parsed_event(kind, n) for n, kind in enumerate(["follow", "inbound", "unfollow"] * 8)]
    random.Random(3).shuffle(events)
    await asyncio.gather(*(followers.record_event(event) for event in events))
    [(key, value)] = [one async for one in followers.bucket.values()]
    assert (key, USER in key) == (followers.key_of(USER), False)
    person = Follower.model_validate_json(value.data)
    assert (person.follows, person.last_interaction) == (False, minutes_past_noon(22))
    assert person.follows_at == minutes_past_noon(23)


async def test_a_page_of_the_list_writes_only_what_differs(bus):
    followers = FollowerStore(bus, b"secret")
    ids = [str(number) for number in range(50)]
    await followers.record_listing(ids, True, T0)
    before = await followers.bucket.last_seq()
    await followers.record_listing(ids, True, minutes_past_noon(60))
    assert await followers.bucket.last_seq() == before
    await followers.record_listing(["7", "999"], False, minutes_past_noon(60))
    assert await followers.bucket.last_seq() == before + 1, "a stranger who follows not stays one"
    count = await followers.count(minutes_past_noon(61))
    assert (count.followers, count.left, count.unknown) == (49, 1, 0)


async def test_who_was_heard_of_within_two_days_is_within_reach(bus):
    followers = FollowerStore(bus, b"secret")
    await followers.record_event(parsed_event("inbound", -60 * 47, "1"))
    await followers.record_event(parsed_event("inbound", -60 * 49, "2"))
    await followers.record_event(parsed_event("follow", -60, "3"))
    count = await followers.count(T0)
    assert (count.within_reach, count.unknown, count.followers) == (2, 2, 1)


async def test_records_under_ids_move_to_their_hashes_and_no_file_names_an_id(own_bus, tmp_path):
    stored, ids = own_bus.bucket("followers"), [str(10**18 + number) for number in range(30)]
    for id in ids:
        old = Follower(follows=True, follows_at=T0, replied_at=minutes_past_noon(1))
        await stored.put(id, old.model_dump_json().encode())
    await stored.purge(ids[0])
    followers = FollowerStore(own_bus, b"secret")
    await followers.record_event(parsed_event("unfollow", 5, ids[1]))
    before = await own_bus.stream_info("KV_followers")
    with structlog.testing.capture_logs() as logs:
        assert await FollowerKeys(own_bus, followers).run() == len(ids)
        assert await FollowerKeys(own_bus, followers).run() == 0
    assert [line["bucket"] for line in logs if line["event"] == "people_sealed"] == ["followers"]
    after = await own_bus.stream_info("KV_followers")
    assert after["state"]["num_subjects"] >= before["state"]["num_subjects"] - 1, "no key is lost"
    assert {key async for key, _ in stored.values()} == {*map(followers.key_of, ids[1:])}
    changed = await followers.find(ids[1])
    assert (changed.follows, changed.replied_at) == (False, minutes_past_noon(1))
    assert (await followers.find(ids[2])).follows is True
    files = [path for path in (tmp_path / "own-nats").rglob("*") if path.is_file()]
    assert [path.name for path in files if b"1000000000000000" in path.read_bytes()] == []
