"""Watching a bucket on a real server: every change, in order, over every break."""

import asyncio
import os
import signal
from contextlib import aclosing

import pytest

from contracts import subjects
from tests.support.frozen_process import frozen
from tests.support.waiting import until

UNITS = subjects.UNITS.name


async def test_a_watch_tells_every_change_in_order(bus):
    units = bus.bucket(UNITS)
    await units.put("a", b"1")
    await units.put("a", b"2")
    await units.purge("a")
    start = await units.put("b", b"3")
    async with aclosing(aiter(units.watch(1))) as changes:
        seen = [await anext(changes), await anext(changes)]
        await units.put("c", b"4")
        seen.append(await anext(changes))
    assert [(c.key, c.data) for c in seen] == [("a", None), ("b", b"3"), ("c", b"4")]
    assert seen[1].seq == start
    async with aclosing(aiter(units.watch(start))) as changes:
        assert (await anext(changes)).key == "b", "it starts where it is told"
    assert await units.last_seq() == seen[2].seq


async def test_a_watch_follows_more_changes_than_one_pull_brings(bus):
    units = bus.bucket(UNITS)
    keys = [f"k{number}" for number in range(1000)]
    await asyncio.gather(*(units.put(key, b"") for key in keys))
    async with aclosing(aiter(units.watch(1))) as changes:
        seen = [await anext(changes) for _ in keys]
    assert [change.seq for change in seen] == list(range(1, 1001))


async def test_a_quiet_watch_is_not_silent(bus):
    watch = bus.bucket(UNITS).watch(1)
    changes = aiter(watch)
    waiting = asyncio.ensure_future(anext(changes))
    for _ in range(2):  # a sign of life, and another
        await until(lambda: watch.silent_s > 0.5)
        await until(lambda: watch.silent_s < 0.4)
    waiting.cancel()


async def test_a_watch_outlives_the_server_and_misses_nothing(own_bus, own_server):
    units = own_bus.bucket(UNITS)
    watch = units.watch(1)
    async with aclosing(aiter(watch)) as changes:
        await units.put("a", b"1")
        assert (await anext(changes)).key == "a"
        os.kill(own_server.pid, signal.SIGKILL)
        await units.put("b", b"2")
        await units.purge("a")
        seen = [await asyncio.wait_for(anext(changes), 20) for _ in range(2)]
    assert [(c.key, c.data) for c in seen] == [("b", b"2"), ("a", None)]


async def test_a_watch_shows_that_the_server_is_silent(own_bus, own_server):
    watch = own_bus.bucket(UNITS).watch(1)
    async with aclosing(aiter(watch)) as changes:
        waiting = asyncio.ensure_future(anext(changes))
        await asyncio.wait([waiting], timeout=0.3)
        with frozen(own_server.pid):
            await until(lambda: watch.silent_s > 1.5)
        waiting.cancel()
        await asyncio.wait([waiting])


async def test_a_watch_ends_when_the_bus_is_closed(own_bus):
    changes = aiter(own_bus.bucket(UNITS).watch(1))
    waiting = asyncio.ensure_future(anext(changes))
    await asyncio.wait([waiting], timeout=0.2)
    await own_bus.close()
    with pytest.raises(StopAsyncIteration):
        await asyncio.wait_for(waiting, 10)
