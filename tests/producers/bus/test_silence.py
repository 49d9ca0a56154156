"""When a client leaves its server of a cluster: not for one slow request, nor for an election."""

import asyncio

import pytest

from contracts import subjects
from producers.bus import BatchEntry, NoReply
from producers.bus.silence import Silence


@pytest.fixture
def silence():
    silence = Silence()
    silence.connected(100.0)
    return silence


def test_two_requests_without_an_answer_are_enough(silence):
    assert not silence.is_too_long(200.0, 205.0)
    assert silence.is_too_long(200.5, 205.5)


def test_one_slow_request_is_not(silence):
    assert not silence.is_too_long(200.0, 260.0)
    assert not silence.is_too_long(300.0, 305.0), "the first one is long ago"


def test_a_write_between_two_slow_requests_shows_that_the_server_reaches_others(silence):
    assert not silence.is_too_long(200.0, 205.0)
    silence.end()
    assert not silence.is_too_long(200.5, 206.0)


def test_short_requests_do_not_count(silence):
    for at in range(200, 240, 2):
        assert not silence.is_too_long(at, at + 2.0)


def test_an_election_is_waited_for_and_more_is_not(silence):
    left = [at for at in range(200, 215) if silence.is_too_long(at, at, is_leaderless=True)]
    assert left == [210]


def test_a_server_that_knows_that_it_is_alone_is_left_after_one_request(silence):
    assert not silence.is_too_long(200.0, 202.0, is_leaderless=True, is_alone=True)
    assert silence.is_too_long(203.0, 203.0, is_leaderless=True, is_alone=True)


def test_time_before_the_connection_does_not_count(silence):
    assert not silence.is_too_long(200.0, 205.0)
    silence.connected(204.0)
    assert not silence.is_too_long(200.0, 206.0)
    assert not silence.is_too_long(200.0, 206.5)


def test_the_next_server_is_left_after_half_a_minute_at_the_earliest(silence):
    left = [at for at in range(200, 270) if silence.is_too_long(at - 5, at)]
    assert left == [201, 231, 261]


@pytest.fixture
async def left(bus, monkeypatch):
    """Whether *bus*, as a client of a cluster, has gone to another server."""
    left = asyncio.Event()

    async def leave_server():
        left.set()

    monkeypatch.setattr("producers.bus.silence._SILENT_S", 0.0)
    monkeypatch.setattr(bus.connection.nc, "leave_server", leave_server)
    monkeypatch.setitem(bus.connection.nc._server_info, "cluster", "loa")
    await bus.connection.nc.subscribe("silent.>")
    return left


async def ask_in_vain(bus, timeout_s=0.01):
    with pytest.raises(NoReply):
        await bus.connection.request("silent.one", timeout_s=timeout_s)


async def test_a_client_leaves_a_server_that_answers_nothing(bus, left):
    await ask_in_vain(bus)
    await ask_in_vain(bus)
    async with asyncio.timeout(60):
        await left.wait()


@pytest.mark.parametrize("store", ["one value", "a batch"])
async def test_a_client_stays_where_its_writes_are_stored(bus, left, store):
    bucket = bus.bucket(subjects.LEDGER.name)
    for number in range(3):
        await ask_in_vain(bus)
        if store == "one value":
            await bucket.put(str(number), b"x")
        else:
            await bucket.batch([BatchEntry(f"{number}.{one}", b"x") for one in "ab"])
    assert bus.connection._leaving is None


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
