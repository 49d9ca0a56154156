"""The bus on a real server: what is stored, what is refused, what stays unknown."""

import asyncio
import os
import signal
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

import pytest

from contracts import subjects
from producers.bus import AccessRefused, Bus, BusError, NoReply, StorageFull, topology
from tests.support.frozen_process import frozen
from tests.support.waiting import until

UNITS = subjects.UNITS.name


async def test_a_message_published_twice_under_one_id_is_stored_once(bus):
    first = await bus.publish("dead.intake", b"x", msg_id="one")
    again = await bus.publish("dead.intake", b"x", msg_id="one")
    assert (first.stream, first.duplicate) == ("DEAD", False)
    assert (again.seq, again.duplicate) == (first.seq, True)
    assert [m.data async for m in bus.scan("DEAD")] == [b"x"]


async def test_headers_are_stored_with_the_message(bus):
    ack = await bus.publish("dead.intake", b"", headers={"Loa-Reason": "thư chết: không rõ"})
    message = await bus.get_message("DEAD", ack.seq)
    assert message.headers["Loa-Reason"] == "thư chết: không rõ"
    assert [m.headers["Loa-Reason"] async for m in bus.scan("DEAD")] == ["thư chết: không rõ"]


async def test_a_full_stream_refuses_and_keeps_what_it_has(bus):
    config = {"name": "TINY", "subjects": ["tiny"], "max_msgs": 1, "discard": "new"}
    await bus.connection.api_request("STREAM.CREATE.TINY", config | {"allow_direct": True})
    await bus.publish("tiny", b"first")
    with pytest.raises(StorageFull) as refused:
        await bus.publish("tiny", b"second")
    assert refused.value.err_code == 10077
    assert [m.data async for m in bus.scan("TINY")] == [b"first"]


@pytest.mark.parametrize("size", [(1 << 20) + 1, (2 << 20) + 1])
async def test_a_message_that_is_too_large_is_refused_at_once(bus, size):
    with pytest.raises(BusError) as refused:
        await bus.publish("dead.intake", bytes(size))
    assert not isinstance(refused.value, NoReply)


async def test_a_subject_without_a_stream_is_silence(bus):
    with pytest.raises(NoReply):
        await bus.publish("nowhere.at.all", b"x", patience_s=0.2)


async def test_publishing_outlasts_a_server_that_is_silent_for_a_while(own_bus, own_server):
    with frozen(own_server.pid):
        waiting = asyncio.create_task(own_bus.publish("dead.a", b"x", msg_id="1", timeout_s=0.1))
        done, _ = await asyncio.wait([waiting], timeout=0.5)
        assert not done
    assert (await waiting).stream == "DEAD"
    assert [m.data async for m in own_bus.scan("DEAD")] == [b"x"]


async def test_publishing_gives_up_when_its_patience_is_over(own_bus, own_server):
    with frozen(own_server.pid), pytest.raises(NoReply):
        await own_bus.publish("dead.a", b"x", timeout_s=0.1, patience_s=0.3)


async def test_closing_the_bus_ends_a_patient_publish(own_bus):
    waiting = asyncio.create_task(own_bus.publish("nowhere.at.all", b"x", patience_s=60))
    await asyncio.wait([waiting], timeout=0.2)
    await own_bus.close()
    with pytest.raises(NoReply):
        await asyncio.wait_for(waiting, 20)


async def test_closing_ends_where_the_server_reads_nothing_of_what_is_sent(own_server):
    bus = await Bus.connect(own_server.url, name="test")
    with frozen(own_server.pid):
        sending = [asyncio.create_task(bus.nc.publish("x", bytes(900_000))) for _ in range(30)]
        while not bus.nc._transport._io_writer.transport.get_write_buffer_size():
            await asyncio.sleep(0)
        async with asyncio.timeout(60):
            await bus.close()
    for one in sending:
        one.cancel()
    await asyncio.gather(*sending, return_exceptions=True)
    assert bus.nc.is_closed


async def test_a_cancellation_that_comes_with_the_answer_is_not_swallowed(bus, monkeypatch):
    """Python 3.11's `wait_for`, inside nats-py, hands out the answer instead."""
    request, going_on = bus.nc.request, []

    async def as_in_3_11(*args, **more):
        answer = await request(*args, **more)
        asked.cancel()
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            return answer

    async def ask():
        await bus.stream_info("CONTENT")
        going_on.append("as if nothing had happened")

    monkeypatch.setattr(bus.nc, "request", as_in_3_11)
    asked = asyncio.create_task(ask())
    await asyncio.wait([asked])
    assert asked.cancelled()
    assert going_on == []


@pytest.mark.parametrize("steps", range(5))
async def test_closing_the_bus_at_any_step_of_its_reconnection_just_closes_it(own_server, steps):
    bus = await Bus.connect(own_server.url, name="test")
    os.kill(own_server.pid, signal.SIGKILL)
    async with asyncio.timeout(10):
        while not bus.nc.is_reconnecting:
            await asyncio.sleep(0)
    for _ in range(steps):
        await asyncio.sleep(0)
    await bus.close()
    assert bus.nc.is_closed


async def test_a_closed_bus_answers_at_once_that_there_is_no_answer(bus):
    await bus.close()
    async with asyncio.timeout(5):
        with pytest.raises(NoReply):
            await bus.connection.request("units", timeout_s=60)


async def test_connecting_to_nobody_ends_in_silence():
    with pytest.raises(NoReply):
        await Bus.connect("nats://127.0.0.1:1", patience_s=0.3)


async def test_what_could_not_be_sent_is_not_sent_later(own_bus, own_server):
    with frozen(own_server.pid):
        await own_bus.nc.force_reconnect()
        await until(lambda: not own_bus.nc.is_connected)
        with pytest.raises(NoReply):
            await own_bus.bucket(UNITS).swap("vp", b"late", 0, timeout_s=0.2)
    assert await own_bus.bucket(UNITS).get("vp") is None


GUARDED = """
jetstream { store_dir: STORE, sync_interval: always, max_file_store: 1TB }
authorization { users: [{user: loa, password: "PASSWORD"}] }
"""


async def test_a_bus_whose_rights_were_withdrawn_for_a_while_comes_back(other_server):
    with other_server(GUARDED.replace("PASSWORD", "first")) as other:
        async with await Bus.connect(other.url.replace("//", "//loa:first@")) as bus:
            await topology.apply(bus)
            other.reload(GUARDED.replace("PASSWORD", "other"))
            await until(lambda: not bus.nc.is_connected)
            other.reload(GUARDED.replace("PASSWORD", "first"))
            async with aclosing(aiter(bus.bucket(UNITS).watch(1))) as changes:
                await bus.bucket(UNITS).put("vp", b"1")
                assert (await asyncio.wait_for(anext(changes), 20)).key == "vp"


async def test_a_wrong_password_is_told(other_server):
    with (
        other_server(GUARDED.replace("PASSWORD", "first")) as other,
        pytest.raises(AccessRefused, match="Authorization Violation"),
    ):
        await Bus.connect(other.url.replace("//", "//loa:wrong@"), patience_s=3)


async def test_a_scan_lets_other_work_have_its_turn_within_a_page(bus):
    await asyncio.gather(*(bus.publish("dead.1", b"x") for _ in range(100)))
    turns = list[int]()

    async def other_work():
        while True:
            turns.append(0)
            await asyncio.sleep(0)

    other = asyncio.create_task(other_work())
    seen = [len(turns) async for _ in bus.scan("DEAD")]
    other.cancel()
    assert len({*seen}) > 3


async def test_a_scan_reads_page_after_page_in_order(bus):
    await asyncio.gather(*(bus.publish(f"dead.{n % 2}", b"%d" % n) for n in range(700)))
    seqs = [m.seq async for m in bus.scan("DEAD")]
    assert seqs == list(range(1, 701))
    odd = [m async for m in bus.scan("DEAD", "dead.1", start=101)]
    assert all(m.subject == "dead.1" and m.seq >= 101 for m in odd)
    assert len(odd) == sum(m.subject == "dead.1" for m in [m async for m in bus.scan("DEAD")][100:])


async def test_messages_since_a_moment_are_counted_on_their_subject(bus):
    for subject in ("dead.1", "dead.2", "dead.1", "dead.1"):
        await bus.publish(subject, b"x")
    times = [message.time async for message in bus.scan("DEAD")]
    assert [await bus.count_since("DEAD", "dead.1", at) for at in times] == [3, 2, 2, 1]
    assert await bus.count_since("DEAD", "dead.*", times[0]) == 4
    assert await bus.count_since("DEAD", "dead.1", times[-1] + timedelta(seconds=1)) == 0
    assert await bus.count_since("DEAD", "dead.3", times[0]) == 0


async def test_a_message_that_is_not_there_is_none(bus):
    assert [message async for message in bus.scan("DEAD")] == []
    assert await bus.get_message("DEAD", 7) is None
    assert await bus.last_message("DEAD", "dead.intake") is None
    await bus.publish("dead.intake", b"1")
    await bus.publish("dead.intake", b"2")
    assert (await bus.last_message("DEAD", "dead.intake")).data == b"2"


async def test_asking_for_a_stream_that_is_not_there_says_so(bus):
    with pytest.raises(BusError) as missing:
        await bus.stream_info("NONE")
    assert missing.value.err_code == 10059


async def test_a_scheduled_message_arrives_when_it_is_due(bus):
    target, later = "deliver.email.normal", datetime.now(UTC) + timedelta(seconds=1)
    await bus.schedule(later, "sched.b.1", target, b"wake")
    fired = await _arrival(bus, "DELIVER", target)
    assert fired.data == b"wake"
    assert fired.time >= later - timedelta(milliseconds=50)


async def _arrival(bus, stream, subject):
    async with asyncio.timeout(10):
        while True:
            if found := await bus.last_message(stream, subject):
                return found
            await asyncio.sleep(0.05)


async def test_a_schedule_on_the_same_subject_replaces_the_earlier_one(bus):
    target = "deliver.email.normal"
    far = datetime.now(UTC) + timedelta(hours=1)
    await bus.schedule(far, "sched.b.1", target, b"far")
    await bus.schedule(datetime.now(UTC), "sched.b.1", target, b"near")
    assert (await _arrival(bus, "DELIVER", target)).data == b"near"
    assert await bus.last_message("DELIVER", "sched.b.1") is None


async def test_an_erased_message_is_gone_and_erasing_it_again_changes_nothing(bus):
    acks = [await bus.publish("receipt.zalo.follow", b"%d" % number) for number in range(3)]
    for seq in (acks[1].seq, acks[1].seq, 999):
        await bus.erase_message("RECEIPTS", seq)
    assert [one.data async for one in bus.scan("RECEIPTS")] == [b"0", b"2"]


async def test_a_disk_that_was_given_too_little_is_full_not_silent(other_server):
    settings = "jetstream { store_dir: STORE, sync_interval: always, max_file_store: 20KB }"
    with other_server(settings) as other:
        async with await Bus.connect(other.url) as bus:
            await bus.connection.api_request("STREAM.CREATE.A", {"name": "A", "subjects": ["a"]})
            with pytest.raises(StorageFull):
                for _ in range(20):
                    await bus.publish("a", bytes(5000))
