"""A writer on the bus without the key file reaches no reader past the desk."""

import asyncio
from dataclasses import replace

import pytest

from contracts import subjects
from producers.bus import Bus, Message
from tests.support.loa_process import LoaProcess, sandbox_call, wait_until
from tests.support.seals import FORGERIES, write_past_the_desk

ITEM = "kenh-zalo"
READERS = 3
STREAM = subjects.PUBLICATIONS.name


async def genuine_message(url: str) -> Message:
    async with await Bus.connect(url, name="test") as bus:
        return await bus.get_message(STREAM, 1)


async def attack(url: str) -> dict[str, int]:
    """Write every forgery, a copy, and a text of its own; their sequences by name."""
    async with await Bus.connect(url, name="attacker") as bus:
        genuine = await bus.get_message(STREAM, 1)
        own = replace(
            genuine,
            subject=genuine.subject.replace(ITEM, "tin-gia"),
            data=genuine.data.replace(ITEM.encode(), b"tin-gia"),
        )
        attempts = {name: forge(genuine) for name, forge in FORGERIES.items()}
        attempts |= {"copy": genuine, "own text": replace(own, headers={})}
        attempts["own text under a genuine seal"] = own
        return {name: await write_past_the_desk(bus, one) for name, one in attempts.items()}


def sent(loa: LoaProcess) -> tuple[object, ...]:
    """Mails, pages and Zalo as readers got them."""
    zalo = sandbox_call(loa.ready().zalo_sandbox, "state")
    mails = sorted(mail["Message-ID"] for mail in loa.mails())
    return mails, loa.page(f"/tin/{ITEM}"), loa.page_status("/tin/tin-gia"), zalo


def alarms(loa: LoaProcess) -> set[int]:
    lines = loa.logged("publication_not_released")
    assert {line["level"] for line in lines} <= {"error"}
    return {line["seq"] for line in lines}


@pytest.mark.promise("2.7")
def test_what_is_written_past_the_desk_reaches_no_reader_and_is_seen(tmp_path):
    with LoaProcess(tmp_path) as loa:
        loa.readers(READERS)
        loa.add_unit()
        loa.publish(ITEM, title="Bộ Nội vụ ra mắt kênh")
        loa.trace_when_complete(ITEM)
        before = sent(loa)
        assert len(before[0]) == READERS
        written = asyncio.run(attack(loa.ready().nats_url))
        wait_until(lambda: alarms(loa) == set(written.values()), "an alarm for every attempt")
        wait_until(lambda: len(loa.dead_letters()) == len(written), "a dead letter for each")
        loa.publish("tin-sau", title="Tin sau")
        loa.trace_when_complete("tin-sau")  # dispatch takes messages in order: it is past them
        assert not (loa.cli("trace", "tin-gia", "--json").json or {}).get("channels")
        mails, *rest = sent(loa)
        assert len(mails) == 2 * READERS
        assert set(before[0]) <= set(mails)
        assert rest[:2] == list(before[1:3])
        assert len(sandbox_call(loa.ready().zalo_sandbox, "state")["broadcasts"]) == 2
        told = loa.cli("check", "--json")
        named = {one["key"] for one in told.json["violations"]}
        assert told.exit_code == 1
        assert {one["rule"] for one in told.json["violations"]} == {"publication-unexpected"}
        forged = {seq for name, seq in written.items() if name != "copy"}
        assert named == {f"{STREAM}.{seq}" for seq in forged}


def test_a_restart_after_the_record_of_the_take_over_was_removed_admits_nothing(tmp_path):
    loa = LoaProcess(tmp_path)
    with loa:
        loa.readers(READERS)
        loa.add_unit()
        loa.publish(ITEM, title="Bộ Nội vụ ra mắt kênh")
        loa.trace_when_complete(ITEM)
        asyncio.run(remove_record(loa.ready().nats_url))
    with loa:
        written = asyncio.run(attack(loa.ready().nats_url))
        wait_until(lambda: alarms(loa) >= set(written.values()), "an alarm for every attempt")
        assert loa.logged("seal_record_restored")
        assert len(loa.mails()) == READERS


async def remove_record(url: str) -> None:
    async with await Bus.connect(url, name="attacker") as bus:
        await bus.bucket(subjects.CONTROL.name).purge("seals.publications")
