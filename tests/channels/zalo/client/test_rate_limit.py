"""How fast Zalo is called: one bucket for every process, slower when Zalo says so."""

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.errors import Unreachable
from channels.zalo.client.rate_limit import (
    BucketState,
    TokenBucket,
    burst,
    recovered,
    server_wait_until,
    take,
)
from channels.zalo.clock import next_minute
from consumers.zalo.stores import BusKeyValueStore
from contracts import subjects
from tests.support.zalo_account import MemoryKeyValueStore, fail_with

NOW = 1_800_000_000.0


def bucket_in(store, clock):
    return TokenBucket(clock, 5.0, store)


@given(st.lists(st.floats(0, 3), min_size=30, max_size=120), st.sampled_from([5.0, 0.2, 50.0]))
def test_no_window_of_time_holds_more_calls_than_rate_and_burst_allow(pauses, limit_per_s):
    """The times at which calls leave obey the bucket, for any callers and times."""
    flow, now, left = BucketState(limit_per_s), NOW, []
    for pause in pauses:
        now += pause
        flow, wait_s = take(flow, now, limit_per_s)
        left.append(now + wait_s)
    left.sort()
    for first in range(len(left)):
        for last in range(first, len(left)):
            span = left[last] - left[first]
            assert last - first + 1 <= burst(limit_per_s) + span * limit_per_s + 1e-3


def test_after_a_pause_a_burst_leaves_at_once_and_then_calls_are_spaced():
    flow, waits = BucketState(5.0), []
    for _ in range(15):
        flow, wait_s = take(flow, NOW, 5.0)
        waits.append(wait_s)
    assert waits[:10] == [0] * 10
    assert [later - sooner for sooner, later in pairwise(waits[9:])] == pytest.approx(
        [0.2] * 5, abs=1e-4
    )


@pytest.mark.parametrize(
    ("headers", "until"),
    [
        ({}, 0),
        ({"X-RateLimit-Remain": "1"}, 0),
        ({"X-RateLimit-Remain": "0"}, next_minute(NOW)),
        ({"Retry-After": "120"}, NOW + 120),
        ({"Retry-After": "1", "X-RateLimit-Remain": "0"}, next_minute(NOW)),
        ({"Retry-After": "9999999"}, NOW + 86400),
        ({"Retry-After": "soon"}, 0),
    ],
)
def test_what_zalo_says_of_its_patience(headers, until):
    assert server_wait_until(headers, NOW) == until


async def test_nothing_is_sent_when_nothing_remains_of_the_minute(clock):
    bucket = bucket_in(MemoryKeyValueStore(), clock)
    await bucket.apply_headers({"X-RateLimit-Remain": "1"})
    await bucket.take()
    await bucket.apply_headers({"X-RateLimit-Remain": "0"})
    with pytest.raises(Unreachable) as held:
        await bucket.take()
    assert 0 < held.value.retry_after_s <= 60
    clock.advance(held.value.retry_after_s)
    await bucket.take()


async def test_minus_32_halves_the_rate_and_quiet_minutes_bring_it_back(clock):
    bucket = TokenBucket(clock, 4.0, MemoryKeyValueStore())
    await bucket.halve_rate()
    await bucket.halve_rate()
    assert bucket.state.per_s == 1
    with pytest.raises(Unreachable):
        await bucket.take()
    for expected in (2, 4, 4):
        clock.advance(61)
        await bucket.take()
        assert bucket.state.per_s == expected


def test_a_lower_limit_than_before_holds_at_once():
    assert recovered(BucketState(20.0), NOW, 5.0).per_s == 5


async def patiently(bucket, calls):
    """That many calls, each in its turn; how long each waited."""
    waits = []

    async def sleep(seconds):
        waits.append(seconds)

    bucket.sleep = sleep
    for _ in range(calls):
        try:
            await bucket.take()
        except Unreachable as full:
            waits.append(full.retry_after_s)
    return waits


async def test_processes_share_one_rate_over_the_bus(bus, clock):
    """Ten processes at once: of forty calls ten leave at once, ten within two seconds."""
    store = BusKeyValueStore(bus, subjects.CONTROL.name)
    buckets = [bucket_in(store, clock) for _ in range(10)]
    waits = [
        one for some in await asyncio.gather(*(patiently(b, 4) for b in buckets)) for one in some
    ]
    assert len(waits) == 40 - 10, "a burst needs no wait"
    assert sorted(waits)[:10] == pytest.approx([0.2 * n for n in range(1, 11)], abs=1e-4)
    assert all(one > 2 for one in sorted(waits)[10:]), "the others come again"


async def test_a_slow_down_is_everybodys(clock):
    store = MemoryKeyValueStore()
    one, other = bucket_in(store, clock), bucket_in(store, clock)
    await other.take()
    await one.halve_rate()
    with pytest.raises(Unreachable):
        await other.take()
    clock.advance(61)
    await other.take()
    assert other.state.per_s == 5


async def test_a_silent_store_sends_nothing_and_loses_no_answer(clock):
    store = MemoryKeyValueStore()
    store.before_swap = fail_with(Unreachable("bus"))
    bucket = bucket_in(store, clock)
    with pytest.raises(Unreachable):
        await bucket.take()
    await bucket.apply_headers({"X-RateLimit-Remain": "0"})
    await bucket.halve_rate()
    assert bucket.state.closed_until == next_minute(clock.now)
    assert bucket.state.per_s == 2.5


async def test_what_another_version_left_there_is_read_or_begun_anew(clock):
    store = MemoryKeyValueStore()
    await store.swap("rate", b'{"per_s": 1.0, "slowed_at": 1800000000.0, "added_later": true}', 0)
    bucket = bucket_in(store, clock)
    await bucket.take()
    assert bucket.state.per_s == 1
    broken = MemoryKeyValueStore()
    await broken.swap("rate", b"not json", 0)
    other = bucket_in(broken, clock)
    await other.take()
    assert other.state.per_s == 5
