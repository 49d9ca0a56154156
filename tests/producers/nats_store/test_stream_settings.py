"""Settings that the server was killed over are completed; damaged ones stop the start."""

import asyncio
import os
import shutil

import pytest

from producers.bus import Bus, topology
from producers.errors import StreamSettingsDamaged
from producers.nats_server import NatsServer
from producers.nats_store.stream_settings import complete_checksums

MESSAGES = 5


@pytest.fixture(scope="module")
def stopped_store(tmp_path_factory):
    """A store with messages in CONTENT, of which `intake` has acknowledged three."""
    store = tmp_path_factory.mktemp("nats")

    async def fill():
        async with NatsServer(store) as server, await Bus.connect(server.url) as bus:
            await topology.apply(bus)
            for number in range(MESSAGES):
                await bus.publish("content.van-phong-bo.submitted", b"%d" % number)
            await acknowledge(bus, 3)

    asyncio.run(fill())
    return store


@pytest.fixture
def store(stopped_store, tmp_path):
    return shutil.copytree(stopped_store, tmp_path / "nats")


async def acknowledge(bus, count):
    jetstream = bus.connection.nc.jetstream()
    subscription = await jetstream.pull_subscribe_bind("intake", "CONTENT")
    for message in await subscription.fetch(count):
        await message.ack_sync()


def streams_of(store):
    return store / "jetstream" / "LOA" / "streams"


def stream_of(store):
    return streams_of(store) / "CONTENT"


def consumer_of(store):
    return stream_of(store) / "obs" / "intake"


def change_settings(folder):
    """As the server does before it writes the checksum of the new settings."""
    settings = folder / "meta.inf"
    before = settings.read_bytes()
    settings.write_bytes(before.replace(b'"max_age":0', b'"max_age":86400000000000'))
    assert settings.read_bytes() != before


def remove_checksum(folder):
    """As if killed when the stream or consumer had just been created."""
    (folder / "meta.sum").unlink()


async def state_of(bus):
    info = await bus.stream_info("CONTENT")
    consumer = await bus.connection.api_request("CONSUMER.INFO.CONTENT.intake")
    counts = [consumer[name]["stream_seq"] for name in ("delivered", "ack_floor")]
    return info["created"], info["state"]["messages"], consumer["created"], counts


async def read_store(store, *, apply=False):
    """Streams of a server that is started on *store*."""
    async with NatsServer(store) as server, await Bus.connect(server.url) as bus:
        if apply:
            await topology.apply(bus)
        return await state_of(bus)


def test_every_checksum_of_the_server_is_left_as_it_is(store):
    checksums = {file: file.read_bytes() for file in streams_of(store).rglob("meta.sum")}
    for file in checksums:
        file.touch()  # nothing says that settings are newer
    complete_checksums(streams_of(store))
    assert {file: file.read_bytes() for file in checksums} == checksums
    for file in checksums:
        file.unlink()
    complete_checksums(streams_of(store))
    assert {file: file.read_bytes() for file in checksums} == checksums


@pytest.mark.parametrize(
    ("folder", "tear"),
    [
        (stream_of, change_settings),
        (stream_of, remove_checksum),
        (consumer_of, remove_checksum),
    ],
)
async def test_what_the_server_was_killed_over_is_there_at_its_next_start(
    folder, tear, store, stopped_store, capsys
):
    whole = await read_store(stopped_store)
    tear(folder(store))
    assert await read_store(store) == whole
    assert "stream_settings_completed" in capsys.readouterr().out
    assert await read_store(store) == whole
    assert "stream_settings_completed" not in capsys.readouterr().out


def cut_in_half(folder):
    settings = folder / "meta.inf"
    settings.write_bytes(settings.read_bytes()[:200])


def empty(folder):
    (folder / "meta.inf").write_bytes(b"")


def take_over_another_streams(folder):
    shutil.copy(folder.parent / "DEAD" / "meta.inf", folder)


def rot(folder):
    """Of what changed on the disk by itself the checksum stays younger."""
    change_settings(folder)
    written = (folder / "meta.sum").stat().st_mtime_ns
    os.utime(folder / "meta.inf", ns=(written, written - 1))


@pytest.mark.parametrize("damage", [cut_in_half, empty, take_over_another_streams, rot])
def test_damaged_settings_are_refused_and_left_as_they_are(damage, store):
    damage(stream_of(store))
    left = {file: file.read_bytes() for file in stream_of(store).glob("meta.*")}
    for _ in range(2):
        with pytest.raises(StreamSettingsDamaged, match=r"CONTENT.*/CONTENT/meta\.inf"):
            complete_checksums(streams_of(store))
    assert {file: file.read_bytes() for file in left} == left


async def test_damaged_settings_stop_the_start_and_are_made_anew_over_the_messages(store):
    cut_in_half(stream_of(store))
    with pytest.raises(StreamSettingsDamaged):
        await read_store(store)
    (stream_of(store) / "meta.inf").unlink()
    created, messages, _, counts = await read_store(store, apply=True)
    assert (messages, counts) == (MESSAGES, [3, 3])
    assert (await read_store(store))[:2] == (created, messages)


async def test_a_damaged_consumer_is_made_anew_where_it_was(store):
    cut_in_half(consumer_of(store))
    _, messages, _, counts = await read_store(store, apply=True)
    assert (messages, counts) == (MESSAGES, [3, 3])


def test_a_stream_that_is_being_deleted_is_left_alone(store):
    deleted = streams_of(store) / ".CONTENT"
    stream_of(store).rename(deleted)
    empty(deleted)
    complete_checksums(streams_of(store))
