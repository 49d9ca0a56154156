"""Spooled events that a key may not publish: they hold up no other unit, and none is lost."""

import json

import pytest

from contracts.errors import Forbidden
from producers import publisher as client
from producers.access import Access, without_password
from producers.bus import Bus, topology
from producers.bus_access.unit_accounts import UnitAccount
from producers.nats_server import NatsServer
from producers.publisher import Accepted, Publisher, Spooled
from producers.spool import Spool
from tests.support.gateway_client import UNIT, sample_event
from tests.support.unit_keys import create_unit_key

OTHER = "van-phong-bo"
PATIENCE_S = 0.5


@pytest.fixture
def key(tmp_path):
    return create_unit_key(tmp_path, UNIT)


@pytest.fixture
async def server(tmp_path, key):
    """A server that knows *key* as one of UNIT."""
    async with NatsServer(tmp_path / "nats") as server:
        async with await Bus.connect(server.url) as bus:
            await topology.apply(bus, (UNIT, OTHER))
        await server.admit_units([key.account])
        yield server


@pytest.fixture
def spool(tmp_path):
    return Spool(tmp_path / "spool")


def event_of(unit, name, kind="submitted", item=""):
    event = sample_event(kind, id=name, content_id=item or f"tin-{name}")
    return event | {"source": f"/units/{unit}"}


async def spooled(spool, *events):
    for event in events:
        unit = event["source"].removeprefix("/units/")
        assert isinstance(await Publisher(None, unit, spool.folder).publish(event), Spooled)


def publisher_of(server, key, spool, unit=UNIT):
    url, access = without_password(server.url), Access(nkey_file=key.file)
    return Publisher(url, unit, spool.folder, access=access, patience_s=PATIENCE_S)


def waiting(spool):
    return [spool.read(path).event.id for path in spool.waiting()]


async def ids_in(server, unit):
    async with await Bus.connect(server.url) as bus:
        return [json.loads(one.data)["id"] async for one in bus.scan(f"IN_{unit}")]


async def test_what_another_unit_may_publish_does_not_wait_behind_it(server, key, spool):
    await spooled(spool, event_of(OTHER, "a-1"), event_of(UNIT, "b-1"), event_of(OTHER, "a-2"))
    async with publisher_of(server, key, spool) as publisher:
        assert isinstance(await publisher.publish(event_of(UNIT, "b-2")), Accepted)
        assert f"content.{OTHER}.submitted" in str(publisher.refusal)
        drained = await publisher.drain()
    assert await ids_in(server, UNIT) == ["b-1", "b-2"]
    assert waiting(spool) == ["a-1", "a-2"]
    assert (drained.denied, drained.left, drained.refused) == (spool.waiting(), 2, [])


async def test_what_waits_for_a_right_is_sent_in_order_when_the_right_comes(server, key, spool):
    """The key, or the server's settings, may be put right at any time."""
    await spooled(
        spool,
        event_of(OTHER, "a-1", item="tin-a"),
        event_of(OTHER, "a-2", "corrected", "tin-a"),
        event_of(OTHER, "a-3", "withdrawn", "tin-a"),
        event_of(UNIT, "b-1"),
    )
    async with publisher_of(server, key, spool) as publisher:
        assert [one.content_id for one in (await publisher.drain()).accepted] == ["tin-b-1"]
    await server.admit_units([UnitAccount(OTHER, (key.public,))])
    async with publisher_of(server, key, spool, OTHER) as publisher:
        assert isinstance(await publisher.publish(event_of(OTHER, "a-4")), Accepted)
        assert publisher.refusal is None
    assert await ids_in(server, OTHER) == ["a-1", "a-2", "a-3", "a-4"]
    assert waiting(spool) == []


async def test_a_denied_sender_is_told_and_its_copy_can_be_sent_later(server, key, spool):
    event = event_of(OTHER, "a-1")
    async with publisher_of(server, key, spool, OTHER) as publisher:
        for _ in range(2):
            with pytest.raises(Forbidden) as told:
                await publisher.publish(event)
    assert told.value.errors[0].field == "LOA_NATS_NKEY_FILE"
    [copy] = (spool.folder / "refused").glob("*.json")
    copy.rename(spool.folder / copy.name)
    await server.admit_units([UnitAccount(OTHER, (key.public,))])
    async with publisher_of(server, key, spool, OTHER) as publisher:
        assert len((await publisher.drain()).accepted) == 1
    assert await ids_in(server, OTHER) == ["a-1"]


async def test_a_new_event_does_not_overtake_an_older_one_of_its_item(server, key, spool):
    """The older one was answered as kept, so a withdrawal must not arrive before it."""
    await spooled(spool, event_of(OTHER, "a-1", item="tin-a"))
    async with publisher_of(server, key, spool, OTHER) as publisher:
        with pytest.raises(Forbidden):
            await publisher.publish(event_of(OTHER, "a-2", item="tin-khac"))
        answer = await publisher.publish(event_of(OTHER, "a-3", "withdrawn", "tin-a"))
    assert isinstance(answer, Spooled)
    assert waiting(spool) == ["a-1", "a-3"]


async def test_other_units_denied_events_cost_a_publisher_one_try_a_minute(
    server, key, spool, monkeypatch
):
    """And each is read once, however many lie there."""
    await spooled(spool, event_of(OTHER, "a-1"))
    tries, reads = [], []
    send, read = client.send_event, Spool.read

    async def noted(bus, event, **how):
        tries.append(event.unit)
        return await send(bus, event, **how)

    def noted_read(spool, path):
        reads.append(path)
        return read(spool, path)

    monkeypatch.setattr(client, "send_event", noted)
    monkeypatch.setattr(Spool, "read", noted_read)
    async with publisher_of(server, key, spool) as publisher:
        for number in range(5):
            await publisher.publish(event_of(UNIT, f"b-{number}"))
    assert tries == [OTHER, *[UNIT] * 5]
    assert len(reads) == 1
