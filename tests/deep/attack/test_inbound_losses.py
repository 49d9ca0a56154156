"""Messages that left a unit's inbound stream without a move to CONTENT are named, and no others."""

import pytest

from consumers.audit.anchor import Anchor
from consumers.intake.inbound import InboundMover
from consumers.key_file import KeyFile
from contracts import subjects
from producers.bus import topology
from tests.support.cli import json_output
from tests.support.crashing_bus import crash_at

UNIT = "van-phong-bo"
INBOUND = subjects.inbound_stream(UNIT).name


async def api(bus, call, query=None):
    return await bus.connection.api_request(call, query)


async def found(anchor):
    return [(damage.stream, damage.code) for damage in await anchor.examine()]


@pytest.fixture
async def fed(bus, clock, tmp_path):
    """The anchor of a bus on whose inbound stream five messages wait."""
    KeyFile.open(tmp_path / "vault.key")
    anchor = Anchor(bus, tmp_path / "a.json", tmp_path / "vault.key", clock)
    await topology.apply(bus, [UNIT])
    for number in range(5):
        await bus.publish(subjects.inbound(UNIT, "submitted"), b"%d" % number)
    await anchor.renew()
    return anchor


async def move(bus, number):
    mover = InboundMover(bus)
    async with bus.pull(INBOUND, subjects.INTAKE) as pull:
        for _ in range(number):
            await mover.move(INBOUND, await pull.next())


async def acknowledge(bus):
    """Take one message from the stream as the mover would, and lose it."""
    async with bus.pull(INBOUND, subjects.INTAKE) as pull:
        await bus.connection.request((await pull.next()).reply, b"+ACK", timeout_s=5)


async def test_messages_that_the_mover_has_taken_are_no_loss(bus, fed):
    for _ in range(2):
        await move(bus, 2)
        await bus.publish(subjects.content(UNIT, "submitted"), b"over HTTP")
        assert await found(fed) == []
    await fed.renew()
    await move(bus, 1)
    await fed.renew()
    assert fed.damages == []
    assert (await fed._baseline()).streams[INBOUND].kept == 0


async def test_a_message_that_was_being_moved_when_the_anchor_was_written_is_no_loss(bus, fed):
    """Also where the process died between the two writes, and however often it was renewed."""
    with crash_at("intake.moved"):
        await move(bus, 1)
    for _ in range(2):
        await fed.renew()
    await bus.connection.api_request(f"CONSUMER.DELETE.{INBOUND}.{subjects.INTAKE}")
    await topology.apply(bus, [UNIT])  # the message is delivered again at once
    await move(bus, 2)
    assert await found(fed) == []
    await fed.renew()
    await move(bus, 3)
    assert await found(fed) == []


async def test_a_message_that_is_being_moved_hides_no_stolen_one(bus, fed):
    with crash_at("intake.moved"):
        await move(bus, 1)
    await api(bus, f"STREAM.MSG.DELETE.{INBOUND}", {"seq": 3, "no_erase": True})
    assert await found(fed) == [(INBOUND, "bus_stream_lost")]


@pytest.mark.parametrize("moved", [0, 2])
@pytest.mark.parametrize(
    "steal",
    [
        lambda bus: api(bus, f"STREAM.PURGE.{INBOUND}", {"seq": 4}),
        lambda bus: api(bus, f"STREAM.MSG.DELETE.{INBOUND}", {"seq": 3, "no_erase": True}),
        acknowledge,
    ],
    ids=["purged", "deleted", "acknowledged"],
)
async def test_a_message_that_left_before_the_mover_took_it_is_named(bus, fed, steal, moved):
    """Also where the door accepts more events over HTTP than were stolen."""
    await move(bus, moved)
    await steal(bus)
    for _ in range(9):
        await bus.publish(subjects.content(UNIT, "submitted"), b"over HTTP")
    for _ in range(2):
        await fed.renew()
        assert [(one.stream, one.code) for one in fed.damages] == [(INBOUND, "bus_stream_lost")]
    await fed.accept()
    assert await found(fed) == []


async def test_a_moved_event_that_was_erased_for_its_contact_is_no_loss(bus, fed):
    await move(bus, 5)
    await bus.publish(subjects.dead("intake"), b"{}")
    await bus.erase_message("CONTENT", (await bus.stream_info("CONTENT"))["state"]["last_seq"])
    assert await found(fed) == []


async def test_an_inbound_stream_that_was_deleted_or_reconfigured_is_named(bus, fed):
    config = (await bus.stream_info(INBOUND))["config"]
    copied = config | {"republish": {"src": ">", "dest": "copy.>"}}
    await api(bus, f"STREAM.UPDATE.{INBOUND}", copied)
    assert await found(fed) == [(INBOUND, "bus_stream_changed")]
    await api(bus, f"STREAM.DELETE.{INBOUND}")
    assert await found(fed) == [(INBOUND, "bus_stream_gone")]
    await topology.apply(bus, [UNIT])
    assert await found(fed) == [(INBOUND, "bus_stream_anew")]


async def test_the_loss_of_a_units_stream_hides_no_other_finding(bus, fed, loa, tmp_path):
    await api(bus, f"STREAM.DELETE.{INBOUND}")
    await bus.bucket("ledger").put("state.email.tin-mo-coi.1.0", b"{")
    (tmp_path / "records").mkdir(exist_ok=True)
    fed.path.rename(tmp_path / "records" / "bus-state.json")
    found = json_output(await loa("check", "--json"))["violations"]
    assert {one["rule"] for one in found} >= {"bus-damaged", "orphan"}
    assert INBOUND in (await loa("status")).stdout
