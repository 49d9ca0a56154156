"""The client with plain methods: threads, forks, time limits, the end of the process."""

import asyncio
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from loa_client import (
    Accepted,
    Invalid,
    Publisher,
    Spooled,
    SyncPublisher,
    Unavailable,
    sync_publisher,
)
from producers.spool import Spool
from tests.support.frozen_process import frozen
from tests.support.gateway_client import UNIT, sample_event, stored_events
from tests.support.spooled_events import stored_ids

NOWHERE = "nats://127.0.0.1:1"
PATIENCE_S = 120.0
FORKS = """
import os, sys
from pathlib import Path
from loa_client import Accepted, SyncPublisher, sample

url, unit, spool = sys.argv[1:]
publisher = SyncPublisher(url, unit, Path(spool), patience_s=120, time_limit_s=120)

def publish(name):
    event = sample(content_id=name) | {"id": name, "source": f"/units/{unit}"}
    event.pop("subject", None)
    assert isinstance(publisher.publish(event), Accepted)

publish("parent")
child = os.fork()
publish("child" if child == 0 else "parent-again")
if child:
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    publish("parent-at-last")
"""


def numbered(number):
    return sample_event(id=f"e-{number}", content_id=f"tin-{number}")


@pytest.fixture
def publisher(nats_server, bus):
    limits = {"patience_s": PATIENCE_S, "time_limit_s": PATIENCE_S}
    with SyncPublisher(nats_server.url, UNIT, **limits) as publisher:
        yield publisher


async def test_threads_share_one_connection(bus, publisher):
    def send():
        with ThreadPoolExecutor(8) as threads:
            return list(threads.map(publisher.publish, map(numbered, range(40))))

    answers = await asyncio.to_thread(send)
    assert [one.content_id for one in answers] == [f"tin-{number}" for number in range(40)]
    assert sorted(await stored_ids(bus)) == sorted(f"e-{number}" for number in range(40))
    assert publisher.refusal is None


async def test_what_breaks_the_contract_is_raised_where_it_is_published(bus, publisher):
    with pytest.raises(Invalid) as refused:
        await asyncio.to_thread(publisher.publish, sample_event(title=""))
    assert refused.value.errors[0].field == "data.title"
    assert await stored_events(bus) == []


async def test_an_outage_is_outlived(bus, nats_server, tmp_path):
    with SyncPublisher(NOWHERE, UNIT, tmp_path, patience_s=0.2) as away:
        kept = await asyncio.to_thread(away.publish, numbered(1))
    assert isinstance(kept, Spooled)
    with SyncPublisher(nats_server.url, UNIT, tmp_path, patience_s=PATIENCE_S) as publisher:
        drained = await asyncio.to_thread(publisher.drain)
    assert ([one.content_id for one in drained.accepted], drained.left) == (["tin-1"], 0)
    assert await stored_ids(bus) == ["e-1"]


async def test_an_event_that_is_not_sent_in_time_is_kept(own_server, tmp_path):
    with (
        SyncPublisher(
            own_server.url, UNIT, tmp_path, patience_s=PATIENCE_S, time_limit_s=0.3
        ) as publisher,
        frozen(own_server.pid),
    ):
        kept = await asyncio.to_thread(publisher.publish, numbered(1))
    assert isinstance(kept, Spooled)
    assert len(Spool(tmp_path).waiting()) == 1


async def test_without_a_spool_the_caller_is_told_in_time(own_server):
    with (
        SyncPublisher(own_server.url, UNIT, patience_s=PATIENCE_S, time_limit_s=0.3) as publisher,
        frozen(own_server.pid),
        pytest.raises(Unavailable),
    ):
        await asyncio.to_thread(publisher.publish, numbered(1))


def end_of(loop):
    """Let what hung come to its end."""
    for task in asyncio.all_tasks(loop):
        loop.run_until_complete(task)
    loop.close()


async def test_a_call_that_hangs_ends_with_its_limit_and_so_does_closing(monkeypatch):
    released = threading.Event()

    async def hang(*_, **__):
        released.wait()  # a disk that does not answer, in the event loop itself

    monkeypatch.setattr(sync_publisher, "_GRACE_S", 0.1)
    monkeypatch.setattr(sync_publisher, "_CLOSE_S", 0.1)
    monkeypatch.setattr(Publisher, "publish", hang)
    publisher = SyncPublisher(NOWHERE, UNIT, time_limit_s=0)
    with pytest.raises(Unavailable):
        await asyncio.to_thread(publisher.publish, numbered(1))
    worker = publisher._worker
    await asyncio.to_thread(publisher.close)
    released.set()
    await asyncio.to_thread(worker._thread.join)
    await asyncio.to_thread(end_of, worker._loop)


async def test_closing_ends_the_calls_of_other_threads(own_server):
    publisher = SyncPublisher(own_server.url, UNIT, patience_s=PATIENCE_S, time_limit_s=PATIENCE_S)
    await asyncio.to_thread(publisher.close)  # nothing is open yet
    with frozen(own_server.pid):
        call = asyncio.create_task(asyncio.to_thread(publisher.publish, numbered(1)))
        while publisher._worker is None:
            await asyncio.sleep(0)
        await asyncio.to_thread(publisher.close)
        with pytest.raises(Unavailable):
            await call


def call_in_thread(call):
    """A thread, which holds up no test run, and the errors of its call."""
    errors = []

    def run():
        with pytest.raises(Unavailable) as error:
            call()
        errors.append(error.value)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, errors


async def test_closing_ends_a_drain_whose_event_is_not_sent(tmp_path, monkeypatch):
    await Publisher(None, UNIT, tmp_path).publish(numbered(1))
    is_sending = threading.Event()

    async def hang(*_):
        is_sending.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(sync_publisher, "_LAST_EVENT_S", 0)
    monkeypatch.setattr(Publisher, "_send", hang)
    publisher = SyncPublisher(NOWHERE, UNIT, tmp_path)
    thread, errors = call_in_thread(publisher.drain)
    assert await asyncio.to_thread(is_sending.wait, PATIENCE_S)
    worker = publisher._worker
    await asyncio.to_thread(publisher.close)
    await asyncio.to_thread(thread.join, PATIENCE_S)
    assert errors and worker._loop.is_closed()
    assert len(Spool(tmp_path).waiting()) == 1


async def test_closing_ends_a_drain_on_a_disk_that_does_not_answer(monkeypatch):
    is_hanging, released = threading.Event(), threading.Event()

    async def hang(_):
        is_hanging.set()
        released.wait()

    monkeypatch.setattr(sync_publisher, "_CLOSE_S", 0.1)
    monkeypatch.setattr(Publisher, "drain", hang)
    publisher = SyncPublisher(NOWHERE, UNIT)
    thread, errors = call_in_thread(publisher.drain)
    assert await asyncio.to_thread(is_hanging.wait, PATIENCE_S)
    worker = publisher._worker
    await asyncio.to_thread(publisher.close)
    await asyncio.to_thread(thread.join, PATIENCE_S)
    assert errors
    released.set()
    await asyncio.to_thread(worker._thread.join)
    await asyncio.to_thread(end_of, worker._loop)


async def test_a_closed_one_is_opened_by_the_next_event(bus, publisher):
    for number in (1, 2):
        assert isinstance(await asyncio.to_thread(publisher.publish, numbered(number)), Accepted)
        await asyncio.to_thread(publisher.close)
    assert await stored_ids(bus) == ["e-1", "e-2"]


async def test_a_forked_child_has_a_connection_of_its_own(bus, nats_server, tmp_path):
    words = [nats_server.url, UNIT, str(tmp_path / "spool")]
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-X", "dev", "-c", FORKS, *words]
    run = await asyncio.create_subprocess_exec(
        *command, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    out, err = await run.communicate()
    assert run.returncode == 0, err
    names = {event["id"] for event in await stored_events(bus)}
    assert names == {"parent", "child", "parent-again", "parent-at-last"}
    assert b"Traceback" not in err and b"Warning" not in err, err
    logged = [line for line in out.decode().splitlines() if "event_published" in line]
    assert len(logged) == len(names), out
