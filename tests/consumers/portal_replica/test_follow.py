"""A replica of the portal follows the ledger, and writes the files that the portal wrote."""

import asyncio
import time
from contextlib import asynccontextmanager, suppress
from functools import partial

import pytest

from channels.portal.channel import PortalChannel
from consumers.ledger import codec
from consumers.ledger.entry import RowNote, planned_entry
from consumers.operations.rebuild import rebuild_portal
from consumers.portal_replica.follow import ReplicaFollower
from consumers.portal_replica.position import Position, ledger_end
from consumers.portal_replica.shown import is_shown
from contracts import subjects
from contracts.delivery import BatchKey, ChannelName, Lane
from producers.bus.errors import NoReply
from tests.support.portal_dir import PORTAL_SITE, public_files, publish, site_files
from tests.support.released_items import CORRECTED, FIRST, ITEMS, deliver_to_portal
from tests.support.waiting import until


@asynccontextmanager
async def replica(bus, folder):
    """A replica that follows, in a folder of its own."""
    channel = PortalChannel(folder, PORTAL_SITE)
    rebuild = partial(rebuild_portal, bus, folder, site_files())
    follower = ReplicaFollower(bus, channel, rebuild, None, time.time)
    following = asyncio.create_task(follower.run())
    try:
        yield follower
    finally:
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following
        await channel.close()


async def caught_up(bus, follower) -> None:
    end = await ledger_end(bus)
    await until(lambda: follower.position.seq >= end.seq)


@pytest.fixture
def portal(tmp_path):
    """The files of a portal to which all of this was delivered."""
    publish(tmp_path / "portal", *ITEMS, FIRST, CORRECTED)
    return public_files(tmp_path / "portal")


async def test_an_empty_folder_gets_what_the_portal_has(bus, tmp_path, portal):
    for one in (*ITEMS, FIRST, CORRECTED):
        await deliver_to_portal(bus, one)
    async with replica(bus, tmp_path / "replica") as follower:
        await caught_up(bus, follower)
    assert public_files(tmp_path / "replica") == portal


async def test_what_comes_while_a_replica_runs_or_rests_is_written(bus, tmp_path, portal):
    folder, told = tmp_path / "replica", [*ITEMS, FIRST, CORRECTED]
    for part in (told[:2], told[2:4], told[4:]):
        async with replica(bus, folder) as follower:
            await caught_up(bus, follower)
            await deliver_to_portal(bus, part[0])
            await caught_up(bus, follower)
        for one in part[1:]:
            await deliver_to_portal(bus, one)
    async with replica(bus, folder) as follower:
        await caught_up(bus, follower)
    assert public_files(folder) == portal


async def test_another_ledger_than_before_is_followed_from_its_beginning(bus, tmp_path, portal):
    """Its numbers say nothing of what the folder has."""
    folder = tmp_path / "replica"
    publish(folder, ITEMS[0])
    for one in (*ITEMS, FIRST, CORRECTED):
        await deliver_to_portal(bus, one)
    end = await ledger_end(bus)
    channel = PortalChannel(folder, PORTAL_SITE)
    await channel.follow([], str(end._replace(ledger="another")))
    await channel.close()
    async with replica(bus, folder) as follower:
        await until(lambda: follower.position == end)
    assert public_files(folder) == portal


async def test_a_replica_that_was_interrupted_still_notices_time_outs(bus, tmp_path, monkeypatch):
    """A cancellation that Python 3.11 leaves counted would end its task without a word."""

    async def lost(*_) -> None:
        raise NoReply("lost")

    channel = PortalChannel(tmp_path / "replica", PORTAL_SITE)
    rebuild = partial(rebuild_portal, bus, tmp_path / "replica", site_files())
    follower = ReplicaFollower(bus, channel, rebuild, None, time.time)
    monkeypatch.setattr(follower, "read_changes", lost)
    with pytest.raises(ExceptionGroup):
        await follower.follow()
    await channel.close()
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_damaged_index_is_made_anew(bus, tmp_path, portal):
    for one in (*ITEMS, FIRST, CORRECTED):
        await deliver_to_portal(bus, one)
    folder = tmp_path / "replica"
    async with replica(bus, folder) as follower:
        await caught_up(bus, follower)
    (folder / "state/index.sqlite").write_bytes(b"no index" * 1000)
    async with replica(bus, folder) as follower:
        await caught_up(bus, follower)
    assert public_files(folder) == portal


async def test_the_lag_is_the_age_of_the_oldest_row_that_is_not_followed(bus, tmp_path):
    await deliver_to_portal(bus, FIRST)
    behind = ReplicaFollower(bus, PortalChannel(tmp_path, PORTAL_SITE), None, None, time.time)
    behind.position = (await ledger_end(bus))._replace(seq=0)
    behind.clock = lambda: time.time() + 100
    await behind.measure()
    assert 100 <= behind.lag_s < 160
    assert await behind.check()
    behind.position = await ledger_end(bus)
    await behind.measure()
    assert behind.lag_s == 0
    assert await behind.check() is None


async def test_a_replica_that_can_not_ask_the_ledger_is_behind_after_a_while(bus, tmp_path):
    alone = ReplicaFollower(bus, PortalChannel(tmp_path, PORTAL_SITE), None, None, time.time)
    assert await alone.check(), "it knows nothing yet"
    alone.position = await ledger_end(bus)
    await alone.measure()
    alone.clock = lambda: time.time() + 61
    assert await alone.check()


NOT_SEEN = RowNote(reason="not_seen: HTTP 404")


@pytest.mark.parametrize(
    ("letter", "note", "shown"),
    [
        *((letter, None, True) for letter in "dD"),
        *((letter, None, False) for letter in "pPsSrRxuewvXUEWVkK"),
        ("P", NOT_SEEN, True),
        ("P", RowNote(reason="timed_out"), False),
    ],
)
def test_shown_is_what_was_delivered_or_written_and_not_seen(letter, note, shown):
    """Readback may ask a replica: neither may wait for the other."""
    entry = planned_entry(1, Lane.NORMAL, 0.0).with_rows({0: ord(letter)}, {0: note})
    assert is_shown(entry) is shown


async def test_rows_that_say_nothing_are_passed(bus, tmp_path):
    batch = BatchKey(ChannelName.PORTAL, "tin", 1, 0)
    planned = codec.encode_state(planned_entry(1, Lane.NORMAL, 0.0))
    async with replica(bus, tmp_path) as follower:
        await caught_up(bus, follower)
        await bus.bucket(subjects.LEDGER.name).put(f"state.{batch}", planned)
        await caught_up(bus, follower)
        await deliver_to_portal(bus, FIRST)
        await caught_up(bus, follower)
    publish(tmp_path / "portal", FIRST)
    assert public_files(tmp_path) == public_files(tmp_path / "portal")


@pytest.mark.parametrize("text", ["", "nonsense", "2026 x", "5"])
def test_anything_else_is_the_position_of_no_ledger(text):
    assert Position.parse(text) == Position()


def test_a_position_can_be_kept_as_text():
    position = Position("2026-11-30T10:00:00Z/2026-12-01T00:00:00+00:00", 17)
    assert Position.parse(str(position)) == position
