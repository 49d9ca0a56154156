"""The spool of the TypeScript client: one form with the Python client's, whole after a kill -9."""

import asyncio
import fcntl
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts import subjects
from contracts.envelope import from_structured
from contracts.vocabulary import DEFAULT
from producers.access import without_password
from producers.admission import admit
from producers.bus import Bus, topology
from producers.bus_access.unit_accounts import UnitAccount
from producers.nats_server import NatsServer
from producers.publisher import drain
from producers.spool import Spool
from tests.support import requirements
from tests.support.event_mutations import good_events
from tests.support.gateway_client import UNIT, sample_event
from tests.support.loa_process import LoaProcess, wait_until
from tests.support.ports import free_port
from tests.support.typescript_client import TypeScriptClient
from tests.support.unit_keys import create_unit_key

NOWHERE = "http://127.0.0.1:1"
OFFICE = "van-phong-bo"
CUTS = ("fsync:1", "fsync:2", "rename:1", "fsync:3", "rename:2", "fsync:5")
"""System calls at which the process is killed: `rename:2` is its second renaming of a file."""


@pytest.fixture(scope="session")
def client(tmp_path_factory):
    return TypeScriptClient(tmp_path_factory.mktemp("typescript"))


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "spool"


def away(folder: Path, unit: str = UNIT) -> dict[str, object]:
    """Options of a publisher that reaches no Loa."""
    return {"url": NOWHERE, "key": "k", "unit": unit, "spool": str(folder), "patienceS": 0}


def revision(number: int) -> dict[str, object]:
    return sample_event(id=f"r-{number}", content_id="ts-order", revision=number)


def content_events() -> Iterator[tuple[str, dict[str, object]]]:
    """Good events of content, each with its unit, and one with extension attributes."""
    odd = {"submitter": "Nguyễn Văn Á 😀", "sequence": 7, "time": "2026-11-24T08:00:00.120+07:00"}
    content = [event for event in good_events() if "contact" not in event["data"]]
    for number, event in enumerate([*content, sample_event() | odd]):
        is_issue = "bulletin" in event["data"]
        unit = "vu-cai-cach-hanh-chinh" if is_issue else event["source"].rpartition("/")[2]
        yield unit, event | {"source": f"/units/{unit}", "id": f"e-{number}"}


def test_both_clients_write_the_same_bytes_for_an_event(client, folder, tmp_path):
    for unit, event in content_events():
        admitted = admit(from_structured(event), unit, DEFAULT)
        with client.driven(**away(folder, unit)) as publisher:
            kept = Path(publisher.publish(event)["path"])
        own = Spool(tmp_path / "own").append(admitted)
        assert kept.read_bytes() == own.read_bytes()
        assert kept.name[21:] == own.name[21:]
        assert Spool(folder).append(admitted) == kept


async def test_the_python_client_sends_what_this_one_has_kept(client, folder, bus):
    with client.driven(**away(folder)) as publisher:
        for number in (1, 2, 3):
            assert publisher.publish(revision(number))["outcome"] == "spooled"
    drained = await drain(bus, folder)
    assert [one.revision for one in drained.accepted] == [1, 2, 3]
    stored = [json.loads(one.data)["id"] async for one in bus.scan(subjects.CONTENT.name)]
    assert stored == ["r-1", "r-2", "r-3"] and Spool(folder).waiting() == []


async def test_this_client_sends_what_the_python_client_has_kept_with_a_units_key(
    client, folder, tmp_path
):
    spool, key = Spool(folder), create_unit_key(tmp_path, UNIT)
    for number in (1, 2, 3):
        spool.append(admit(from_structured(revision(number)), UNIT, DEFAULT))
    other = sample_event(id="other", content_id="other") | {"source": f"/units/{OFFICE}"}
    kept = spool.append(admit(from_structured(other), OFFICE, DEFAULT))
    async with NatsServer(tmp_path / "nats") as server, await Bus.connect(server.url) as bus:
        await topology.apply(bus, [UNIT])
        await server.admit_units([key.account])
        options = {"servers": without_password(server.url), "unit": UNIT, "nkeyFile": str(key.file)}
        with client.driven(**options, spool=str(folder), patienceS=60) as publisher:
            drained = await asyncio.to_thread(publisher.order, "drain")
            assert [one["revision"] for one in drained["accepted"]] == [1, 2, 3]
            repeated = await asyncio.to_thread(publisher.publish, revision(3))
        assert (repeated["outcome"], repeated["duplicate"]) == ("accepted", True)
    assert spool.waiting() == [kept]


async def test_a_key_without_the_right_keeps_what_waits_and_refuses_what_is_new(
    client, folder, tmp_path
):
    spool, key = Spool(folder), create_unit_key(tmp_path, UNIT)
    waiting = spool.append(admit(from_structured(revision(1)), UNIT, DEFAULT))
    async with NatsServer(tmp_path / "nats") as server, await Bus.connect(server.url) as bus:
        await topology.apply(bus, [OFFICE])
        await server.admit_units([UnitAccount(OFFICE, (key.public,))])
        options = {"servers": without_password(server.url), "unit": UNIT, "nkeyFile": str(key.file)}
        with client.driven(**options, spool=str(folder), patienceS=60) as publisher:
            drained = await asyncio.to_thread(publisher.order, "drain")
            assert (drained["denied"], drained["left"]) == ([str(waiting)], 1)
            behind = await asyncio.to_thread(publisher.publish, revision(2))
            assert behind["outcome"] == "spooled"
            new = sample_event(id="new", content_id="new")
            refused = await asyncio.to_thread(publisher.publish, new)
    assert (refused["code"], refused["errors"][0]["field"]) == ("forbidden", "nkeyFile")
    assert f"content.{UNIT}.submitted" in refused["errors"][0]["message"]
    [copy] = (folder / "refused").glob("*.json")
    assert json.loads(copy.read_text())["event"]["id"] == "new"
    assert len(spool.waiting()) == 2


def test_what_was_published_over_the_bus_during_an_outage_arrives_in_order(client, tmp_path):
    with LoaProcess(tmp_path, NATS_PORT=free_port()) as loa:
        loa.add_unit()
        key = tmp_path / "unit.nk"
        made = loa.cli("units", "bus-key", UNIT, "--out", key)
        assert made.exit_code == 0, made.err
        servers = without_password(loa.ready().nats_url)
        options = {"servers": servers, "unit": UNIT, "nkeyFile": str(key), "patienceS": 2}
        with client.driven(**options, spool=str(tmp_path / "spool")) as publisher:
            assert publisher.publish(revision(1))["outcome"] == "accepted"
            loa.trace_when_complete("ts-order")
            loa.kill()
            for number in (2, 3, 4):
                assert publisher.publish(revision(number))["outcome"] == "spooled"
            loa.start()
            drained = wait_until(
                lambda: not (one := publisher.order("drain"))["left"] and one, "the events"
            )
        assert [one["revision"] for one in drained["accepted"]] == [2, 3, 4]
        assert loa.trace_when_complete("ts-order", revision=4)["state"] == "released"
        assert loa.dead_letters() == []


def test_the_two_clients_take_the_same_locks(client, folder):
    first = Spool(folder).append(admit(from_structured(revision(1)), UNIT, DEFAULT))
    with client.driven(**away(folder)) as publisher:
        with Spool(folder).draining() as is_drainer:
            assert is_drainer
            drained = publisher.order("drain")
            assert (drained["left"], drained["refusal"]) == (1, None), "it tried to send"
        assert publisher.order("drain")["refusal"] == "unavailable"
        with (folder / "append.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            publisher.send("publish", event=revision(2))
            wait_until(lambda: b"flock" in children_of(publisher.process.pid), "its flock")
            assert Spool(folder).waiting() == [first]
        assert publisher.answer()["outcome"] == "spooled"


def children_of(pid: int) -> bytes:
    """The commands of a process's children."""
    listed = subprocess.run(["ps", "-o", "comm=", "--ppid", str(pid)], capture_output=True)
    return listed.stdout


@pytest.mark.parametrize("cut", CUTS)
def test_a_kill_at_any_step_of_keeping_an_event_loses_none_that_was_promised(client, folder, cut):
    requirements.strace()
    call, number = cut.split(":")
    calls = "/^rename" if call == "rename" else "fsync"
    inject = f"inject={calls}:signal=SIGKILL:when={number}"
    one_thread = ["env", "UV_THREADPOOL_SIZE=1"]  # strace counts the calls of each thread
    strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={calls}", "-e", inject]
    promised = []
    with client.driven(under=[*one_thread, *strace], **away(folder)) as publisher:
        for number in (1, 2, 3):
            publisher.send("publish", event=revision(number))
            if (answer := publisher.answer_or_end()) is None:
                break
            promised.append(answer["eventId"])
    assert len(promised) < 3, "it was not killed"
    with client.driven(**away(folder)) as publisher:
        for number in (1, 2, 3):
            promised.append(publisher.publish(revision(number))["eventId"])
    waiting = Spool(folder).waiting()
    assert [Spool(folder).read(path).event.id for path in waiting] == ["r-1", "r-2", "r-3"]
    assert {re.split("[-.]", path.name)[1] for path in waiting} == set(promised)
    assert not [*folder.glob("*.tmp")]
