"""A replica of the portal with its own part of the key file, and without the whole."""

import asyncio
import time
from contextlib import AsyncExitStack, asynccontextmanager
from unittest.mock import MagicMock

import pytest
from structlog.testing import capture_logs

from channels.email.settings import EmailSettings
from channels.zalo.settings import ZaloSettings
from consumers.app.broker import BrokerWatch
from consumers.app.node import Node
from consumers.app.settings import LoaSettings
from consumers.app.wiring.portal import add_portal_replica
from consumers.errors import StoppedEarly
from consumers.key_file import KeyFile, open_key_file
from consumers.portal_replica.position import ledger_end
from consumers.seals.records import REPLICA_PURPOSES
from contracts import subjects
from contracts.errors import Invalid
from producers.bus import Bus
from tests.support.portal_dir import PUBLIC_URL, WORDS, public_files
from tests.support.publications import a_publication
from tests.support.released_items import ITEMS, deliver_to_portal
from tests.support.seals import open_seals, use_key, write_replica_key
from tests.support.waiting import until

READER = b'{"email": "doc-gia@example.com"}'


@pytest.fixture
async def seals(bus, tmp_path):
    """The seals under `vault.key` in *tmp_path*, with which *bus* writes."""
    await open_key_file(bus, tmp_path / "vault.key")
    seals = await open_seals(bus, tmp_path, time.time)
    await use_key(bus, tmp_path)
    return seals


@pytest.fixture
def machine(nats_server):
    """A replica in a folder of its own, on a connection of its own."""

    @asynccontextmanager
    async def machine(folder, stopped=None):
        settings = LoaSettings(_env_file=None, data_dir=folder, http_port=0, public_url=PUBLIC_URL)
        email, zalo = EmailSettings(_env_file=None), ZaloSettings(_env_file=None)
        async with await Bus.connect(nats_server.url) as own, AsyncExitStack() as stack:
            parts = settings, email, zalo, own, MagicMock(), BrokerWatch(), PUBLIC_URL, stack
            node = Node(*parts)
            node.stopped = stopped or node.stopped
            vars(node)["vocabulary"] = WORDS
            await add_portal_replica(node)
            yield node

    return machine


async def written(node, end):
    """The public files once *node* has followed the ledger to its *end*."""
    following = asyncio.create_task(node.replica.run())
    await until(lambda: node.replica.position == end)
    following.cancel()
    await asyncio.wait([following])
    return public_files(node.settings.portal_dir)


async def test_it_writes_the_same_bytes_and_opens_nothing_else(
    bus, nats_server, seals, machine, tmp_path
):
    for one in ITEMS:
        await deliver_to_portal(bus, one, seals=seals)
    await deliver_to_portal(bus, a_publication(content_id="khong-niem"))
    async with await Bus.connect(nats_server.url) as foreign:
        forged = a_publication(content_id="so-cai-gia")
        await deliver_to_portal(foreign, forged, seals=seals)
    await bus.bucket(subjects.SUBSCRIBERS.name).put("s.doc-gia", READER)
    end, files = await ledger_end(bus), {}
    write_replica_key(tmp_path)
    for folder, key in (("whole", "vault.key"), ("part", "replica.key")):
        (tmp_path / folder).mkdir()
        (tmp_path / key).rename(tmp_path / folder / key)
        async with machine(tmp_path / folder) as node:
            files[folder] = await written(node, end)
            reader = await node.bus.bucket(subjects.SUBSCRIBERS.name).get("s.doc-gia")
    pages = {path for path in files["part"] if path.startswith("tin/")}
    assert {path.split("/")[1] for path in pages} == {one.content_id for one in ITEMS}
    assert files["part"] == files["whole"]
    assert not node.settings.key_file.exists(), "it has made no key of its own"
    assert set(node.bus.bucket_types) == {subjects.LEDGER.name}
    assert b"doc-gia@example.com" not in reader.data


@pytest.fixture
async def early(bus, machine, tmp_path, monkeypatch):
    """A replica that starts, waits for the take-over, and ends when it has written its files."""
    monkeypatch.setattr("consumers.app.wiring.portal._TAKE_OVER_POLL_S", 0.01)
    write_replica_key(tmp_path)
    (tmp_path / "early").mkdir()
    (tmp_path / "replica.key").rename(tmp_path / "early" / "replica.key")
    stopped = asyncio.Event()

    async def follow():
        async with machine(tmp_path / "early", stopped) as node:
            return await written(node, await ledger_end(bus))

    with capture_logs() as logged:
        starting = asyncio.create_task(follow())
        await until(lambda: "replica_awaits_take_over" in [one["event"] for one in logged])
        yield starting, stopped, logged
    starting.cancel()
    await asyncio.wait([starting])


async def test_it_waits_for_the_take_over_and_shows_what_was_stored_before(bus, early, tmp_path):
    starting, _, logged = early
    await deliver_to_portal(bus, ITEMS[0])
    await open_key_file(bus, tmp_path / "vault.key")
    await open_seals(bus, tmp_path, time.time)
    assert f"tin/{ITEMS[0].content_id}/index.html" in await starting
    assert [one["event"] for one in logged].count("replica_awaits_take_over") == 1


async def test_a_stop_ends_its_wait(early):
    starting, stopped, _ = early
    stopped.set()
    with pytest.raises(StoppedEarly):
        await starting


async def test_it_ends_when_the_key_turns_out_to_be_another_ones(bus, early, tmp_path):
    (tmp_path / "other").mkdir()
    await open_key_file(bus, tmp_path / "other" / "vault.key")
    with pytest.raises(Invalid):
        await early[0]


OTHER = KeyFile(b"x" * 32).part(REPLICA_PURPOSES).keys.items()
BROKEN = {
    "of another key file": "".join(f"{key.hex()} {purpose}\n" for purpose, key in OTHER),
    "the whole key": "ab" * 32,
    "cut": "ab" * 32 + " fingerprint\nabab seal publications\n",
    "empty": "",
    "not ASCII": "khóa",
    "a folder": None,
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
async def test_a_part_that_is_not_of_this_data_is_refused_by_name(seals, machine, tmp_path, text):
    (tmp_path / "own").mkdir()
    part = tmp_path / "own" / "replica.key"
    part.mkdir() if text is None else part.write_text(text)
    with pytest.raises(Invalid) as refused:
        async with machine(tmp_path / "own"):
            pass
    assert [error.field for error in refused.value.errors] == ["replica.key"]
