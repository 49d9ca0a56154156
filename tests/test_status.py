"""`loa status`: what waits in each lane, how fast it goes, and which channels may and can work."""

import json
from dataclasses import replace

import pytest

from consumers import control
from consumers.cli.answers import print_json
from consumers.ledger import codec
from consumers.ledger.entry import planned
from consumers.ledger.store import Ledger
from consumers.status import Status
from contracts.delivery import BatchKey, ChannelName, Lane

EMAIL, ZALO, PORTAL = ChannelName.EMAIL, ChannelName.ZALO, ChannelName.PORTAL


@pytest.fixture
def ledger(bus):
    return Ledger(bus)


@pytest.fixture
def status(bus, ledger, clock):
    return Status(bus, ledger, clock)


@pytest.fixture
def keep(ledger, clock):
    """Store a batch: its letters, how old it is, how long closed."""
    numbers = iter(range(1000))

    async def keep(letters, channel=EMAIL, lane=Lane.NORMAL, age_s=0.0, closed_s=None):
        entry = replace(planned(0, lane, clock() - age_s), rows=letters)
        closed = 0.0 if closed_s is None else clock() - closed_s
        data = codec.encode_state(replace(entry, closed=closed))
        await ledger.bucket.put(f"state.{BatchKey(channel, 'tin', 1, next(numbers))}", data)

    return keep


async def test_an_idle_loa_shows_every_lane_of_every_channel_at_rest(status):
    report = (await status.report()).model_dump(mode="json")
    rest = {"backlog": 0, "oldest_s": 0.0, "per_s": 0.0}
    lanes = {"urgent": rest, "normal": rest, "bulk": rest}
    idle = {"paused": False, "breaker": "closed", "lanes": lanes}
    assert report == {"channels": {"portal": idle, "email": idle, "zalo": idle}}


async def test_the_backlog_counts_open_rows_by_channel_and_lane(status, keep):
    await keep(b"ppsSrRPd", EMAIL, Lane.BULK)
    await keep(b"dp", EMAIL, Lane.BULK)
    await keep(b"p", EMAIL, Lane.URGENT)
    await keep(b"pp", ZALO)
    await keep(b"dxuewvkDXUEWVK", PORTAL)
    channels = (await status.report()).channels
    waiting = {
        (channel, lane): facts.backlog
        for channel, one in channels.items()
        for lane, facts in one.lanes.items()
        if facts.backlog
    }
    assert waiting == {(EMAIL, Lane.BULK): 8, (EMAIL, Lane.URGENT): 1, (ZALO, Lane.NORMAL): 2}


async def test_the_oldest_waiting_batch_gives_its_age(status, keep):
    await keep(b"dp", age_s=30)
    await keep(b"p", age_s=90.26)
    await keep(b"dd", age_s=5000, closed_s=4000)
    assert (await status.report()).channels[EMAIL].lanes[Lane.NORMAL].oldest_s == 90.3


async def test_the_speed_is_that_of_the_batches_closed_within_the_last_minute(status, keep):
    await keep(b"d" * 120, closed_s=59)
    await keep(b"d" * 60, closed_s=0)
    await keep(b"d" * 500, closed_s=61)
    facts = (await status.report()).channels[EMAIL].lanes[Lane.NORMAL]
    assert (facts.per_s, facts.backlog) == (3.0, 0)


async def test_pauses_and_breakers_are_shown_per_channel(bus, status, clock):
    await control.pause(bus, ZALO)
    await control.trip(bus, EMAIL, "AUTH 535", clock() + 60)
    channels = (await status.report()).channels
    shown = {name: (one.paused, one.breaker) for name, one in channels.items()}
    assert shown == {PORTAL: (False, "closed"), EMAIL: (False, "open"), ZALO: (True, "closed")}


async def test_the_json_has_exactly_the_keys_that_scripts_rely_on(status, keep, capsys):
    await keep(b"pp", age_s=3)
    capsys.readouterr()
    print_json(await status.report())
    told = json.loads(capsys.readouterr().out)
    assert list(told) == ["channels"]
    for channel in told["channels"].values():
        assert set(channel) == {"paused", "breaker", "lanes"}
        assert list(channel["lanes"]) == ["urgent", "normal", "bulk"]
        for lane in channel["lanes"].values():
            assert set(lane) == {"backlog", "oldest_s", "per_s"}
