"""The consumers' shell: what FastStream makes of our subscribers, and how a message is settled."""

import asyncio
import json
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from fast_depends.pydantic import serializer
from faststream.specification import AsyncAPI
from pydantic import BaseModel, create_model

from consumers.app import broker as app_broker
from consumers.app import process, service_names
from consumers.app.services import SERVICES
from consumers.app.settings import LoaSettings
from consumers.errors import BrokerClosed
from consumers.runtime.errors import RetryLater
from contracts import subjects
from contracts.errors import Invalid, field_error
from contracts.subjects import ConsumerSpec
from producers.bus import topology

ASYNCAPI = Path(subjects.__file__).parent / "schemas" / "asyncapi.json"
LANE = ConsumerSpec("deliver-email-normal", "deliver.email.normal")


class SampleMessage(BaseModel):
    n: int


@pytest.fixture
async def running_shell(nats_server, bus):
    """A broker with one handler on the wake-ups of a lane; what it does is up to the test."""
    buried: list[tuple[str, list[str]]] = []

    async def bury(stage, message, errors):
        buried.append((stage, [error.field for error in errors]))

    broker = app_broker.create_broker(nats_server.url, bury, app_broker.BrokerWatch())
    seen: list[int] = []
    answers: list[Exception] = []
    done = asyncio.Event()

    async def handle(note: SampleMessage) -> None:
        seen.append(note.n)
        if answers:
            raise answers.pop()
        done.set()

    app_broker.subscribe(broker, subjects.DELIVER, LANE, handle)
    await broker.start()
    yield bus, seen, answers, done, buried
    await broker.stop()


async def queue(bus) -> int:
    return (await bus.stream_info("DELIVER"))["state"]["messages"]


async def emptied(bus) -> None:
    while await queue(bus):
        await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("trouble", "calls"),
    [((), [1]), ((RetryLater(0.05, "not yet"),), [1, 1]), ((RuntimeError("a bug"),), [1, 1])],
    ids=["none", "later", "unforeseen"],
)
async def test_a_message_is_acknowledged_once_its_handler_returns(running_shell, trouble, calls):
    bus, seen, answers, done, buried = running_shell
    answers.extend(trouble)
    await bus.publish(LANE.subject, b'{"n": 1}')
    await done.wait()
    await emptied(bus)
    assert (seen, buried) == (calls, [])


@pytest.mark.parametrize("body", [b'{"n": "x"}', b'{"m": 1}'])
async def test_what_breaks_its_contract_is_buried_with_its_field(running_shell, body):
    bus, seen, _, _, buried = running_shell
    await bus.publish(LANE.subject, body)
    await emptied(bus)
    assert seen == []
    assert buried == [("deliver", ["note.n"])]


async def test_a_contract_error_of_the_handler_is_buried_too(running_shell):
    bus, _, answers, _, buried = running_shell
    answers.append(Invalid(field_error("data.title", "missing")))
    await bus.publish(LANE.subject, b'{"n": 1}')
    await emptied(bus)
    assert buried == [("deliver", ["data.title"])]


async def test_the_copies_of_a_handler_share_the_model_of_its_messages(
    nats_server, bus, monkeypatch
):
    """FastStream makes one for each copy: with some eighty, that was an eighth of a start."""
    made = []

    def noted(name, **fields):
        made.append(name)
        return create_model(name, **fields)

    async def first(note: SampleMessage) -> None: ...

    async def second(note: SampleMessage) -> None: ...

    monkeypatch.setattr(serializer, "create_model", noted)
    broker = app_broker.create_broker(nats_server.url, None, app_broker.BrokerWatch())
    for handle in (first, second):
        app_broker.subscribe(broker, subjects.DELIVER, LANE, handle, copies=4)
    await broker.start()
    await broker.stop()
    assert sorted(made) == ["first", "second"]


async def test_a_connection_that_is_given_up_stops_the_process():
    watched = app_broker.BrokerWatch()
    await watched.on_closed()
    with pytest.raises(BrokerClosed):
        await watched.run()


def matches(pattern: str, address: str) -> bool:
    """Whether a subject pattern takes an address of AsyncAPI (`{parameters}` are any token)."""
    theirs, ours = address.split("."), pattern.split(".")
    return len(theirs) == len(ours) and all(
        one == "*" or one == other or other.startswith("{")
        for one, other in zip(ours, theirs, strict=True)
    )


async def test_what_the_services_subscribe_to_is_what_asyncapi_says(nats_server, bus, tmp_path):
    """FastStream's own AsyncAPI of every service, against the committed document."""
    async with AsyncExitStack() as stack:
        settings = LoaSettings(data_dir=tmp_path, http_port=0)
        addresses = process.NodeAddresses(nats_server.url, "http://127.0.0.1:1")
        node = await process.build_node(stack, settings, bus, addresses)
        await process.add_services(node, None)
        said = AsyncAPI(node.broker).to_specification().to_jsonable()
    patterns = {pattern for title in said["channels"] for pattern in title.split(" ")[1:]}
    committed = json.loads(ASYNCAPI.read_text())["channels"].values()
    addresses = {channel["address"] for channel in committed}
    assert [one for one in patterns if not any(matches(one, to) for to in addresses)] == []
    unheard = {to for to in addresses if not any(matches(one, to) for one in patterns)}
    for_people = {"dead.{stage}", "opinion.{channel}.{content_id}.{opinion}"}
    for_people |= {"publication.status.{unit}.{content_id}", "callback.{unit}.{endpoint}"}
    for_people |= {"audit.record", "fact.{key}", "$O.uploads.C.{object}", "$O.uploads.M.{object}"}
    assert unheard == {"sched.{batch}.{wake}"} | for_people, "the bus itself, and people"


def test_every_service_that_is_named_exists():
    assert tuple(SERVICES) == service_names.SERVICE_NAMES


async def test_a_start_waits_for_no_answer_of_jetstream_and_asks_calmly(nats_server, bus):
    """A server that reloads its configuration answers nothing for a moment."""
    await topology.delete_stream(bus, "DELIVER")
    broker = app_broker.create_broker(nats_server.url, None, app_broker.BrokerWatch())
    done = asyncio.Event()

    async def handle(note: SampleMessage) -> None:
        done.set()

    app_broker.subscribe(broker, subjects.DELIVER, LANE, handle)
    await broker.start()
    asked = broker._connection.stats["out_msgs"]
    await asyncio.sleep(1)
    assert broker._connection.stats["out_msgs"] - asked < 10
    await topology.apply(bus)
    await bus.publish("deliver.email.normal", b'{"n": 1}')
    await asyncio.wait_for(done.wait(), 20)
    await broker.stop()


async def test_a_start_that_is_cancelled_leaves_no_connection_open():
    """A server that takes the connection and does not answer it."""
    arrived, ended = asyncio.Event(), asyncio.Event()

    async def keep(reader, writer):
        writer.write(b'INFO {"max_payload": 1048576}\r\n')
        await reader.readuntil(b"PING\r\n")
        arrived.set()
        await reader.read()
        ended.set()
        writer.close()

    server = await asyncio.start_server(keep, "127.0.0.1", 0)
    url = f"nats://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    broker = app_broker.create_broker(url, None, app_broker.BrokerWatch())
    starting = asyncio.create_task(broker.connect())
    await arrived.wait()
    starting.cancel()
    await asyncio.wait([starting])
    await asyncio.wait_for(ended.wait(), 20)
    server.close()
