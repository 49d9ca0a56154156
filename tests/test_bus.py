"""The bus on a real server: what is stored, what conflicts, what stays unknown."""

import asyncio
import os
import signal
from contextlib import aclosing, contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from contracts import subjects
from producers.bus import Bus, BusError, Conflict, Full, Silence, topology
from producers.server import NatsServer

UNITS = subjects.UNITS.name


@pytest.fixture
async def server(tmp_path):
    """A server of the test's own, for what would disturb others."""
    async with NatsServer(tmp_path / "nats", check_s=0.1) as server:
        yield server


@pytest.fixture
async def own(server):
    async with await Bus.connect(server.url) as bus:
        await topology.apply(bus)
        yield bus


@contextmanager
def frozen(server):
    """The server hears nothing, but keeps its connections."""
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


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
    await bus.link.api("STREAM.CREATE.TINY", config | {"allow_direct": True})
    await bus.publish("tiny", b"first")
    with pytest.raises(Full) as refused:
        await bus.publish("tiny", b"second")
    assert refused.value.err_code == 10077
    assert [m.data async for m in bus.scan("TINY")] == [b"first"]


@pytest.mark.parametrize("size", [(1 << 20) + 1, (2 << 20) + 1])
async def test_a_message_that_is_too_large_is_refused_at_once(bus, size):
    with pytest.raises(BusError) as refused:
        await bus.publish("dead.intake", bytes(size))
    assert not isinstance(refused.value, Silence)


async def test_a_subject_without_a_stream_is_silence(bus):
    with pytest.raises(Silence):
        await bus.publish("nowhere.at.all", b"x", patience_s=0.2)


async def test_publishing_outlasts_a_server_that_is_silent_for_a_while(own, server):
    with frozen(server):
        waiting = asyncio.create_task(own.publish("dead.a", b"x", msg_id="1", timeout_s=0.1))
        done, _ = await asyncio.wait([waiting], timeout=0.5)
        assert not done
    assert (await waiting).stream == "DEAD"
    assert [m.data async for m in own.scan("DEAD")] == [b"x"]


async def test_publishing_gives_up_when_its_patience_is_over(own, server):
    with frozen(server), pytest.raises(Silence):
        await own.publish("dead.a", b"x", timeout_s=0.1, patience_s=0.3)


async def test_closing_the_bus_ends_a_patient_publish(own):
    waiting = asyncio.create_task(own.publish("nowhere.at.all", b"x", patience_s=60))
    await asyncio.wait([waiting], timeout=0.2)
    await own.close()
    with pytest.raises(Silence):
        await asyncio.wait_for(waiting, 1)


async def test_connecting_to_nobody_ends_in_silence():
    with pytest.raises(Silence):
        await Bus.connect("nats://127.0.0.1:1", patience_s=0.3)


async def test_what_could_not_be_sent_is_not_sent_later(own, server):
    os.kill(server.pid, signal.SIGSTOP)
    await _until(lambda: not own.nc.is_connected, own.nc.force_reconnect)
    with pytest.raises(Silence):
        await own.bucket(UNITS).swap("vp", b"late", 0, timeout_s=0.2)
    os.kill(server.pid, signal.SIGCONT)
    assert await own.bucket(UNITS).get("vp") is None


async def _until(condition, action):
    await action()
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_key_is_created_once(bus):
    units = bus.bucket(UNITS)
    revision = await units.create("vp", b"1")
    with pytest.raises(Conflict) as lost:
        await units.create("vp", b"2")
    assert lost.value.revision == revision
    value = await units.get("vp")
    assert (value.data, value.revision) == (b"1", revision)
    assert abs(datetime.now(UTC) - value.created) < timedelta(minutes=1)


async def test_of_many_creators_one_wins(bus):
    units = bus.bucket(UNITS)
    tries = (units.create("vp", b"%d" % number) for number in range(20))
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(result, int) for result in results) == 1
    assert sum(isinstance(result, Conflict) for result in results) == 19


async def test_a_swap_replaces_exactly_the_revision_it_names(bus):
    units = bus.bucket(UNITS)
    first = await units.create("vp", b"1")
    second = await units.swap("vp", b"2", first)
    with pytest.raises(Conflict) as lost:
        await units.swap("vp", b"3", first)
    assert lost.value.revision == second
    assert (await units.get("vp")).data == b"2"


async def test_a_swap_without_an_answer_is_settled_by_repeating_it(own, server):
    """A read alone can't: it may overtake the write that is still on its way."""
    units = own.bucket(UNITS)
    first = await units.create("vp", b"1")
    with frozen(server), pytest.raises(Silence):
        await units.swap("vp", b"2", first, timeout_s=0.2)
    with pytest.raises(Conflict) as landed:
        await units.swap("vp", b"2", first)
    value = await units.get("vp")
    assert (value.data, value.revision) == (b"2", landed.value.revision)


async def test_a_purged_key_is_absent_and_can_be_created_again(bus):
    units = bus.bucket(UNITS)
    await units.create("vp", b"1")
    await units.purge("vp")
    assert await units.get("vp") is None
    assert await units.many(["vp"]) == {}
    assert await units.keys() == []
    await units.create("vp", b"2")
    assert (await units.get("vp")).data == b"2"
    with pytest.raises(Conflict):
        await units.create("vp", b"3")


async def test_a_purge_leaves_nothing_of_the_value(bus):
    units = bus.bucket(UNITS)
    await units.create("vp", b"personal")
    await units.purge("vp")
    assert [m.data async for m in bus.scan(units.stream)] == [b""]


async def test_a_key_deleted_by_other_tools_is_absent(bus):
    units = bus.bucket(UNITS)
    await units.create("vp", b"1")
    await bus.publish(f"$KV.{UNITS}.vp", b"", headers={"KV-Operation": "DEL"})
    assert await units.get("vp") is None
    await units.create("vp", b"2")


async def test_put_stores_whatever_stands_there(bus):
    units = bus.bucket(UNITS)
    revisions = [await units.put("vp", data) for data in (b"1", b"2")]
    assert revisions == sorted(revisions)
    assert (await units.get("vp")).data == b"2"


@pytest.mark.parametrize("key", ["", "a b", "a..b", ".a", "a.", "*", "a.>", "é", "+84", "a\r\nb"])
async def test_what_cannot_be_a_key_is_refused(bus, key):
    units = bus.bucket(UNITS)
    for attempt in (units.get(key), units.put(key, b""), units.many([key]), units.purge(key)):
        with pytest.raises(ValueError, match="can't be a key"):
            await attempt


async def test_many_answers_more_keys_than_fit_one_request(bus):
    ledger = bus.bucket(subjects.LEDGER.name)
    keys = [f"k.{number}" for number in range(1200)]
    await asyncio.gather(*(ledger.put(key, key.encode()) for key in keys))
    values = await ledger.many([*keys, "k.none"])
    assert {key: value.data for key, value in values.items()} == {k: k.encode() for k in keys}


async def test_keys_and_values_are_found_by_prefix(bus):
    ledger = bus.bucket(subjects.LEDGER.name)
    for key in ("state.email.a.1.0", "state.email.ab.1.0", "state.zalo.a.1.0", "states"):
        await ledger.put(key, key.encode())
    assert await ledger.keys("state.email.") == ["state.email.a.1.0", "state.email.ab.1.0"]
    assert await ledger.keys("state.email.ab") == ["state.email.ab.1.0"]
    assert len(await ledger.keys("state")) == len(await ledger.keys()) == 4
    values = {key: value.data async for key, value in ledger.values("state.zalo")}
    assert values == {"state.zalo.a.1.0": b"state.zalo.a.1.0"}


async def test_a_scan_reads_page_after_page_in_order(bus):
    await asyncio.gather(*(bus.publish(f"dead.{n % 2}", b"%d" % n) for n in range(700)))
    seqs = [m.seq async for m in bus.scan("DEAD")]
    assert seqs == list(range(1, 701))
    odd = [m async for m in bus.scan("DEAD", "dead.1", start=101)]
    assert all(m.subject == "dead.1" and m.seq >= 101 for m in odd)
    assert len(odd) == sum(m.subject == "dead.1" for m in [m async for m in bus.scan("DEAD")][100:])


async def test_a_scan_of_an_empty_stream_ends(bus):
    assert [m async for m in bus.scan("DEAD")] == []


async def test_a_message_that_is_not_there_is_none(bus):
    assert await bus.get_message("DEAD", 7) is None
    assert await bus.last("DEAD", "dead.intake") is None
    await bus.publish("dead.intake", b"1")
    await bus.publish("dead.intake", b"2")
    assert (await bus.last("DEAD", "dead.intake")).data == b"2"


async def test_asking_for_a_stream_that_is_not_there_says_so(bus):
    with pytest.raises(BusError) as missing:
        await bus.stream_info("NONE")
    assert missing.value.err_code == 10059


async def test_a_scheduled_message_arrives_when_it_is_due(bus):
    target, later = "deliver.email.normal", datetime.now(UTC) + timedelta(seconds=1)
    await bus.schedule(later, "sched.b.1", target, b"wake")
    assert await bus.last("DELIVER", target) is None
    fired = await _arrival(bus, "DELIVER", target)
    assert fired.data == b"wake"
    assert fired.time >= later - timedelta(milliseconds=50)


async def _arrival(bus, stream, subject):
    async with asyncio.timeout(10):
        while True:
            if found := await bus.last(stream, subject):
                return found
            await asyncio.sleep(0.05)


async def test_a_schedule_on_the_same_subject_replaces_the_earlier_one(bus):
    target = "deliver.email.normal"
    far = datetime.now(UTC) + timedelta(hours=1)
    await bus.schedule(far, "sched.b.1", target, b"far")
    await bus.schedule(datetime.now(UTC), "sched.b.1", target, b"near")
    assert (await _arrival(bus, "DELIVER", target)).data == b"near"
    assert await bus.last("DELIVER", "sched.b.1") is None


async def test_a_watch_tells_every_change_in_order(bus):
    units = bus.bucket(UNITS)
    await units.put("a", b"1")
    await units.put("a", b"2")
    await units.purge("a")
    start = await units.put("b", b"3")
    async with aclosing(aiter(units.watch(1))) as changes:
        seen = [await anext(changes), await anext(changes)]
        await units.put("c", b"4")
        seen.append(await anext(changes))
    assert [(c.key, c.data) for c in seen] == [("a", None), ("b", b"3"), ("c", b"4")]
    assert seen[1].seq == start
    assert await units.last_seq() == seen[2].seq


async def test_a_watch_starts_where_it_is_told(bus):
    units = bus.bucket(UNITS)
    await units.put("a", b"1")
    start = await units.put("b", b"2")
    async with aclosing(aiter(units.watch(start))) as changes:
        assert (await anext(changes)).key == "b"


async def test_a_watch_follows_more_changes_than_one_pull_brings(bus):
    units = bus.bucket(UNITS)
    keys = [f"k{number}" for number in range(1000)]
    await asyncio.gather(*(units.put(key, b"") for key in keys))
    async with aclosing(aiter(units.watch(1))) as changes:
        seen = [await anext(changes) for _ in keys]
    assert [change.seq for change in seen] == list(range(1, 1001))


async def test_a_quiet_watch_is_not_silent(bus):
    watch = bus.bucket(UNITS).watch(1)
    changes = aiter(watch)
    waiting = asyncio.ensure_future(anext(changes))
    await asyncio.wait([waiting], timeout=2.5)
    assert watch.silent_s < 1.5
    waiting.cancel()


async def test_a_watch_outlives_the_server_and_misses_nothing(own, server):
    units = own.bucket(UNITS)
    watch = units.watch(1)
    async with aclosing(aiter(watch)) as changes:
        await units.put("a", b"1")
        assert (await anext(changes)).key == "a"
        os.kill(server.pid, signal.SIGKILL)
        await units.put("b", b"2")
        await units.purge("a")
        seen = [await asyncio.wait_for(anext(changes), 20) for _ in range(2)]
    assert [(c.key, c.data) for c in seen] == [("b", b"2"), ("a", None)]


async def test_a_watch_shows_that_the_server_is_silent(own, server):
    watch = own.bucket(UNITS).watch(1)
    async with aclosing(aiter(watch)) as changes:
        waiting = asyncio.ensure_future(anext(changes))
        await asyncio.wait([waiting], timeout=0.3)
        with frozen(server):
            await asyncio.wait([waiting], timeout=2)
            assert watch.silent_s > 1.5
        waiting.cancel()
        await asyncio.wait([waiting])


async def test_a_watch_ends_when_the_bus_is_closed(own):
    changes = aiter(own.bucket(UNITS).watch(1))
    waiting = asyncio.ensure_future(anext(changes))
    await asyncio.wait([waiting], timeout=0.2)
    await own.close()
    with pytest.raises(StopAsyncIteration):
        await asyncio.wait_for(waiting, 10)
