"""A writer on the bus, with all that it holds but the key file, reaches no reader."""

import asyncio
import json
import time

import pytest

from consumers.ledger import codec
from consumers.ledger.cursor import PlanCursor
from consumers.ledger.entry import planned_entry
from contracts import subjects
from contracts.delivery import BatchKey, ChannelName, Lane, PlanKey
from producers.bus import Bus, Message
from tests.support.gateway_client import UNIT, sample_event
from tests.support.loa_process import LoaProcess, wait_until
from tests.support.records_forger import RecordsForger

SENT, WAITING = "tin-da-gui", "tin-cho-duyet"
DESK_UNIT = "cuc-viec-lam"
READERS = 3
LEDGER, PUBLISHED, ACTS = subjects.LEDGER.name, subjects.PUBLISHED.name, subjects.EDITORIAL.name
DIGESTS, UNITS = subjects.DIGESTS.name, subjects.UNITS.name
SEALED = (LEDGER, PUBLISHED, DIGESTS, UNITS)
MAIL = PlanKey(ChannelName.EMAIL, SENT, 1)
DIGEST = PlanKey(ChannelName.EMAIL, "digest-daily-2026-11-29", 1)
NOW = "2026-11-29T00:00:00Z"


def wake_up(batch: BatchKey) -> tuple[str, bytes]:
    body = json.dumps({"batch": str(batch), "lane": "normal"}).encode()
    return subjects.deliver(batch.channel, Lane.NORMAL), body


async def forge_deliveries(forger: RecordsForger, first: dict[str, Message]) -> set[str]:
    """Set a sent batch back, in every way, and plan the text anew for each channel; the keys."""
    state = f"state.{BatchKey(*MAIL, 0)}"
    fresh = codec.encode_state(planned_entry(READERS, Lane.NORMAL, time.time()))
    assert not await forger.send_again(first[f"{LEDGER}.{state}"])
    await forger.send_again(first[f"{LEDGER}.{state}"], is_swap=True)
    keys = {f"{LEDGER}.{state}"}
    for plan in (DIGEST, *(MAIL._replace(channel=one, revision=7) for one in ChannelName)):
        batch = BatchKey(*plan, 0)
        cursor = PlanCursor(count=1, planned=READERS, complete=True, source=1, created=time.time())
        await forger.write(LEDGER, f"plan.{plan}", codec.encode_cursor(cursor))
        await forger.move(LEDGER, f"rows.{BatchKey(*MAIL, 0)}", f"rows.{batch}")
        await forger.write(LEDGER, f"state.{batch}", fresh)
        keys |= {f"{LEDGER}.plan.{plan}", f"{LEDGER}.state.{batch}"}
        await forger.bus.publish(*wake_up(batch))
    await forger.bus.publish(*wake_up(BatchKey(*MAIL, 0)))
    return keys


async def forge_decisions(forger: RecordsForger) -> set[str]:
    """Approve a draft in its records, put another text there, and name it in a digest."""
    decision = {"verdict": "approved", "by": "Trần Thị B", "at": NOW}
    released = {"state": "released", "released_at": NOW, "decision": decision}
    await forger.change(PUBLISHED, f"{WAITING}.1", **released)
    act = await forger.bus.last_message(ACTS, subjects.editorial(WAITING))
    body = json.loads(act.data) | {"id": "khac", "by": "nv-em"}
    forged = await forger.bus.publish(act.subject, json.dumps(body).encode())
    item = {"content_id": SENT, "revision": 1, "seq": 1}
    issue = {"digest_id": DIGEST.content_id, "revision": 1, "items": [item], "issued": NOW}
    await forger.write(DIGESTS, f"issue.{DIGEST.content_id}.1", issue)
    await forger.write(DIGESTS, "open", {"calls": {DIGEST.content_id: "x"}})
    keys = (f"issue.{DIGEST.content_id}.1", "open")
    return {f"{ACTS}.{forged.seq}", *(f"{DIGESTS}.{key}" for key in keys)}


async def attack(url: str, first: dict[str, Message]) -> set[str]:
    async with await Bus.connect(url, name="attacker") as bus:
        forger = RecordsForger(bus)
        keys = await forge_deliveries(forger, first) | await forge_decisions(forger)
        await forger.change(UNITS, DESK_UNIT, release="automatic", urgent=True)
        return keys | {f"{UNITS}.{DESK_UNIT}"}


async def stored(url: str) -> dict[str, Message]:
    """The records of the sealed buckets as an attacker copies them."""
    found: dict[str, Message] = {}
    async with await Bus.connect(url, name="attacker") as bus:
        for name in SEALED:
            async for message in bus.scan(f"KV_{name}"):
                found[f"{name}.{message.subject.removeprefix(f'$KV.{name}.')}"] = message
    return found


def planned_only(loa: LoaProcess) -> dict[str, Message]:
    """The records while the mail channel is paused: its batch is planned, and not yet sent."""
    assert loa.cli("pause", "email").exit_code == 0
    wait_until(lambda: loa.logged("channel_paused"), "the pause")
    loa.publish(SENT, title="Bộ Nội vụ ra mắt kênh")
    url, state = loa.ready().nats_url, f"{LEDGER}.state.{BatchKey(*MAIL, 0)}"
    wait_until(lambda: state in asyncio.run(stored(url)), "the plan", pause_s=0.2)
    first = asyncio.run(stored(url))
    assert loa.cli("resume", "email").exit_code == 0
    return first


def waiting_draft(loa: LoaProcess) -> str:
    """Register a unit of the desk, and send an item that waits; the unit's key."""
    key = loa.cli("units", "add", DESK_UNIT, "--release", "desk", "--json").json["api_key"]
    event = sample_event(id=WAITING, content_id=WAITING, author="Nguyễn Văn A")
    event |= {"source": f"/units/{DESK_UNIT}"}
    assert loa.post(event, Authorization=f"Bearer {key}").status == 202
    wait_until(lambda: loa.cli("desk", "list", "--json").json, "the draft")
    return key


@pytest.mark.promise("2.7")
def test_what_is_written_into_records_reaches_no_reader_and_is_named(tmp_path):
    with LoaProcess(tmp_path) as loa:
        loa.readers(READERS)
        loa.add_unit()
        first = planned_only(loa)
        loa.trace_when_complete(SENT)
        key = waiting_draft(loa)
        forged = asyncio.run(attack(loa.ready().nats_url, first))
        event = sample_event(id="gia", content_id="tin-gia") | {"source": f"/units/{DESK_UNIT}"}
        assert loa.post(event, Authorization=f"Bearer {key}").status == 401
        assert loa.cli("desk", "approve", WAITING, "--clean", "--by", "Trần Thị B").exit_code == 2
        wait_until(lambda: len(loa.dead_letters()) >= 5, "a dead letter for each wake-up")
        loa.publish("tin-sau", title="Tin sau")
        loa.trace_when_complete("tin-sau")
        assert len(loa.mails()) == 2 * READERS, "a mail per reader and genuine item"
        assert loa.page_status(f"/tin/{WAITING}") == 404
        assert loa.page_status("/tin/tin-gia") == 404
        told = loa.cli("check", "--deep", "--json")
        named = {one["key"] for one in told.json["violations"] if one["rule"] == "record-unsealed"}
        assert told.exit_code == 1
        missing = forged - named
        assert not missing, f"{len(forged)} forged records, not named: {missing}"
        assert {line["level"] for line in loa.logged("record_not_sealed")} == {"error"}
        assert UNIT in {one["unit"] for one in loa.cli("units", "list", "--json").json}
