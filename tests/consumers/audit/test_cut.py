"""Retention removes the start of the audit log; what remains is proven, and nothing else may go."""

import asyncio
import time

import pytest
import structlog

from consumers.audit.anchor import Anchor
from consumers.audit.chain import ChainFault, ChainHead, ChainVerifier, Fault
from consumers.audit.cut import AuditCutter, load_cut
from consumers.audit.log import Act, AuditLog
from consumers.audit.signed import signing_key
from consumers.key_file import KeyFile
from producers.bus import BusError, topology
from tests.support.crashing_bus import crash_at
from tests.support.records_forger import seal_new_records

ACT = Act("units.add", "vu-a", "an")
STREAM = "AUDIT"


@pytest.fixture
def key(tmp_path):
    return signing_key(KeyFile.open(tmp_path / "vault.key"))


@pytest.fixture
async def audit(bus, tmp_path):
    """Six records; `middle` is the time of the fourth."""
    seal_new_records(bus, KeyFile.open(tmp_path / "vault.key"))
    audit = AuditLog(bus, time.time)
    for _ in range(6):
        await audit.record(ACT)
    return audit


@pytest.fixture
async def middle(bus, audit):
    return (await bus.get_message(STREAM, 4)).time


@pytest.fixture
async def anchor(bus, audit, key, tmp_path):
    anchor = Anchor(bus, tmp_path / "anchor.json", tmp_path / "vault.key", time.time)
    await anchor.renew()
    return anchor


async def verified(audit, key):
    verifier = ChainVerifier({}, await load_cut(audit.bus, key))
    async for message in audit.messages():
        verifier.add(message.data)
    return verifier.count, verifier.finish()


async def shorten(audit, key, before):
    cutter = AuditCutter(audit, key)
    old = await cutter.find_old(before)
    await cutter.cut(old.end)
    return old.number


async def damages(anchor):
    return [(one.stream, one.code) for one in await anchor.examine()]


async def test_the_start_goes_and_the_rest_is_whole_and_grows(bus, audit, key, middle, anchor):
    before = (await bus.stream_info(STREAM))["config"]
    assert await shorten(audit, key, middle) == 3
    info = await bus.stream_info(STREAM)
    assert (info["state"]["first_seq"], info["config"]) == (4, before)
    assert await audit.record(ACT) == 7
    assert await verified(audit, key) == (4, [])
    assert await damages(anchor) == []
    with pytest.raises(BusError):
        await bus.connection.api_request(f"STREAM.PURGE.{STREAM}")
    later = (await bus.get_message(STREAM, 7)).time
    assert await shorten(audit, key, later) == 3, "the second cut begins at the first"
    assert await verified(audit, key) == (1, [])


async def test_the_last_record_stays_however_old_it_is(audit, key, middle):
    assert await shorten(audit, key, middle.replace(year=2100)) == 5
    assert await AuditCutter(audit, key).find_old(middle.replace(year=2100)) is None
    assert (await audit.head()).n == 6


async def test_more_than_the_mark_says_is_named(bus, audit, key, middle, anchor):
    await shorten(audit, key, middle)
    await topology.remove_oldest(bus, STREAM, 4)
    assert await damages(anchor) == [(STREAM, "bus_stream_lost")]
    assert await verified(audit, key) == (2, [ChainFault(4, Fault.PURGED)])


async def test_without_a_mark_of_this_key_nothing_may_be_missing(bus, audit, key, middle, anchor):
    await shorten(audit, key, middle)
    await bus.bucket("control").purge("audit-cut")
    foreign = AuditCutter(audit, signing_key(KeyFile(b"x" * 32)))
    await foreign.cut(ChainHead(n=4, h="00"))
    assert await load_cut(bus, key) is None
    assert await damages(anchor) == [(STREAM, "bus_stream_lost")]
    assert (await verified(audit, key))[1][0].fault is Fault.PURGED


async def test_a_start_that_contradicts_itself_is_evidence_and_stays(bus, audit, key, middle):
    bodies = [message.data async for message in audit.messages()]
    await bus.connection.api_request(f"STREAM.DELETE.{STREAM}")
    await topology.apply(bus)
    for body in (bodies[0].replace(b'"an"', b'"em"'), *bodies[1:]):
        await bus.publish("audit.record", body)
    with structlog.testing.capture_logs() as logs:
        assert (
            await AuditCutter(audit, key).find_old((await bus.get_message(STREAM, 4)).time) is None
        )
    assert [(line["event"], line["record"]) for line in logs] == [("audit_cut_refused", 1)]


@pytest.mark.parametrize("point", ["audit.cut_signed", "audit.cut"])
async def test_a_cut_that_is_killed_leaves_a_whole_log_that_grows(
    bus, audit, key, middle, anchor, point, monkeypatch
):
    monkeypatch.setattr(topology, "CUT_PATIENCE_S", 0.0)
    before = (await bus.stream_info(STREAM))["config"]
    with crash_at(point):
        await shorten(audit, key, middle)
    assert (await verified(audit, key))[1] == []
    await audit.record(ACT)
    if await AuditCutter(audit, key).find_old(middle):
        await shorten(audit, key, middle)
    assert await verified(audit, key) == (4, [])
    assert (await bus.stream_info(STREAM))["config"] == before
    assert await damages(anchor) == []


async def test_a_record_that_comes_during_the_cut_pushes_no_other_one_out(
    bus, audit, key, middle, monkeypatch
):
    monkeypatch.setattr(topology, "CUT_PATIENCE_S", 0.2)
    read, writer = bus.stream_info, None

    async def read_and_record(name):
        nonlocal writer
        info = await read(name)
        if writer is None:
            writer = asyncio.create_task(audit.record(ACT))
            await asyncio.wait([writer], timeout=0.05)
        return info

    monkeypatch.setattr(bus, "stream_info", read_and_record)
    await shorten(audit, key, middle)
    assert await writer == 7
    assert await verified(audit, key) == (4, [])
