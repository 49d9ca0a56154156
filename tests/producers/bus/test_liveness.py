"""When a client leaves its server of a cluster: not for a slow request while writes are stored."""

import asyncio
import time

import pytest

from contracts import subjects
from producers.bus import BatchEntry, NoReply
from producers.bus.connection import ServerLiveness


@pytest.fixture
def liveness():
    liveness = ServerLiveness()
    liveness.connected(100.0)
    return liveness


def test_a_request_without_an_answer_for_three_seconds_is_enough(liveness):
    assert not liveness.is_lost(200.0, 202.9)
    assert liveness.is_lost(200.0, 203.0)


def test_a_slow_request_is_not_while_writes_are_stored(liveness):
    liveness.stored(203.0)
    assert not liveness.is_lost(200.0, 205.0)
    assert liveness.is_lost(200.0, 206.0)


def test_a_server_that_knows_that_it_is_alone_is_left_after_any_failure(liveness):
    assert liveness.is_lost(203.0, 203.0, is_alone=True)


def test_time_before_the_connection_does_not_count(liveness):
    liveness.connected(204.0)
    assert not liveness.is_lost(200.0, 206.0)
    assert not liveness.is_lost(200.0, 206.0, is_alone=True)


def test_the_next_server_is_left_after_half_a_minute_at_the_earliest(liveness):
    left = [at for at in range(200, 270) if liveness.is_lost(at - 5, at)]
    assert left == [200, 230, 260]


@pytest.fixture
async def left(bus, monkeypatch):
    """Whether *bus*, as a client of a cluster, has gone to another server."""
    left = asyncio.Event()

    async def leave_server():
        left.set()

    monkeypatch.setattr("producers.bus.connection._SILENT_S", 0.0)
    bus.connection.liveness.connected(0.0)
    monkeypatch.setattr(bus.connection.nc, "leave_server", leave_server)
    monkeypatch.setitem(bus.connection.nc._server_info, "cluster", "loa")
    await bus.connection.nc.subscribe("silent.>")
    return left


async def ask_in_vain(bus, timeout_s=0.01):
    with pytest.raises(NoReply):
        await bus.connection.request("silent.one", timeout_s=timeout_s)


async def test_a_client_leaves_a_server_that_answers_nothing(bus, left):
    await ask_in_vain(bus)
    async with asyncio.timeout(60):
        await left.wait()


@pytest.mark.parametrize("store", ["one value", "a batch"])
async def test_a_client_stays_where_its_writes_are_stored(bus, left, monkeypatch, store):
    monkeypatch.setattr("producers.bus.connection._SILENT_S", 60.0)
    asked_at = time.monotonic() - 61
    bucket = bus.bucket(subjects.LEDGER.name)
    if store == "one value":
        await bucket.put("a", b"x")
    else:
        await bucket.batch([BatchEntry(one, b"x") for one in "ab"])
    assert not bus.connection.liveness.is_lost(asked_at, time.monotonic())


async def test_requests_that_were_given_up_count_for_nothing(bus, left):
    for _ in range(3):
        asked = asyncio.create_task(bus.connection.request("silent.one"))
        while not bus.connection._waiting:
            await asyncio.sleep(0)
        asked.cancel()
        await asyncio.wait([asked])
    assert bus.connection._leaving is None


async def test_requests_that_a_client_has_no_right_to_count_for_nothing(bus, left):
    bus.connection._denied.add("silent.one")
    for _ in range(3):
        await ask_in_vain(bus)
    assert bus.connection._leaving is None
