"""Where letters come from: a message is refused with its name, and stays where it was when DEAD
takes no more."""

import asyncio
import json
from collections import UserList

import pytest
import structlog

from consumers.app import broker as app_broker
from consumers.app.decode import ContentMessage
from consumers.dead_letters import message_info
from consumers.dead_letters.store import DeadLetterStore
from consumers.runtime import ack
from contracts import envelope, events, subjects
from contracts.vocabulary import DEFAULT
from producers.bus import Bus
from tests.support.case_pipeline import MAIL, PHONE, case_event
from tests.support.dead_letters import letters_of
from tests.support.events import ITEM, UNIT, event_id, submitted

SUBJECT = subjects.content(UNIT, "submitted")


class Lines(UserList):
    """The lines of the log, and the broker whose they are."""

    def __init__(self, logs: list, broker: app_broker.Broker) -> None:
        super().__init__()
        self.data, self.broker = logs, broker


@pytest.fixture
async def intake(bus, nats_server, monkeypatch):
    """The consumers' shell over CONTENT, with real dead letters; impatient."""
    monkeypatch.setattr(ack, "MAX_RETRY_S", 0.05)
    broker = app_broker.create_broker(
        nats_server.url, DeadLetterStore(bus).bury_message, app_broker.BrokerWatch()
    )

    async def on_content(arrival: ContentMessage) -> None:
        events.check(arrival.event, DEFAULT)

    app_broker.subscribe(broker, subjects.CONTENT, subjects.CONTENT.consumers[0], on_content)
    with structlog.testing.capture_logs() as logs:
        await broker.start()
        yield Lines(logs, broker)
        await broker.stop()


async def resize(bus: Bus, max_bytes: int) -> None:
    config = (await bus.stream_info("DEAD"))["config"] | {"max_bytes": max_bytes}
    await bus.connection.api_request("STREAM.UPDATE.DEAD", config)


async def logged(logs: list, event: str, times: int = 1) -> list:
    async with asyncio.timeout(20):
        while len(found := [one for one in logs if one["event"] == event]) < times:
            await asyncio.sleep(0.01)
    return found


async def unsettled(bus: Bus) -> int:
    info = await bus.consumer_info(subjects.CONTENT.name, subjects.INTAKE)
    return info["num_ack_pending"] + info["num_pending"]


async def test_a_refusal_names_whose_event_it_is_and_what_it_is_about(bus, intake):
    event = submitted(title="")
    await bus.publish(SUBJECT, envelope.to_structured(event))
    [line] = await logged(intake, "event_refused")
    assert line["fields"] == ["data.title"]
    assert (line["unit"], line["event_id"], line["content_id"]) == (UNIT, event_id(event), ITEM)


async def test_a_flood_of_refusals_is_summed_up_and_a_stop_loses_no_sum(bus, intake):
    for number in range(25):
        body = envelope.to_structured(submitted(id=f"hong-{number}", title=""))
        await bus.publish(SUBJECT, body)
    while len(await letters_of(DeadLetterStore(bus))) < 25 or await unsettled(bus):
        await asyncio.sleep(0.02)
    await intake.broker.stop()
    lines = [one for one in intake if one["event"] == "event_refused"]
    assert [one["log_level"] for one in lines] == ["warning"] * 10
    [told] = [one for one in intake if one["event"] == "events_refused"]
    assert (told["unit"], told["refused"], told["codes"]) == (UNIT, 25, {"invalid": 25})


async def test_when_dead_is_full_the_message_stays_and_an_alarm_sounds(bus, intake):
    await resize(bus, 100)
    body = envelope.to_structured(submitted(title=""))
    await bus.publish(SUBJECT, body)
    alarms = await logged(intake, "dead_letters_full", times=2)
    assert {one["log_level"] for one in alarms} == {"error"}
    assert alarms[0]["content_id"] == ITEM
    assert await unsettled(bus) == 1
    assert await letters_of(DeadLetterStore(bus)) == []
    await resize(bus, 1 << 20)
    await logged(intake, "event_refused")
    [letter] = await letters_of(DeadLetterStore(bus))
    assert (letter.original, letter.times) == (body, 1)


@pytest.mark.parametrize(
    ("subject", "body", "known"),
    [
        (SUBJECT, b"{", {"unit": UNIT}),
        (SUBJECT, b"[" * 100_000, {"unit": UNIT}),
        (SUBJECT, b'{"data": {"content_id": "tin-1"}}', {"unit": UNIT, "content_id": "tin-1"}),
        (SUBJECT, b'{"id": 3, "source": [], "data": {"content_id": "A b"}}', {"unit": UNIT}),
        (SUBJECT, b'{"source": "\\ud800", "data": 3}', {"unit": UNIT}),
        ("content.K\xc3.submitted", b"{}", {}),
        ("publication.chu-de.tin-1", b"\xff", {"content_id": "tin-1"}),
        (
            "publication.chu-de.tin-1",
            b'{"data": {"unit": "u"}}',
            {"unit": "u", "content_id": "tin-1"},
        ),
        ("deliver.email.urgent", b'{"batch": "email.tin-1.2.0"}', {"content_id": "tin-1"}),
        ("deliver.email.urgent", b'{"batch": "x.y"}', {}),
        ("receipt.zalo.seen", b'{"content_id": "tin-1"}', {"content_id": "tin-1"}),
    ],
)
def test_whatever_can_be_read_of_a_broken_message_is(subject, body, known):
    assert message_info.read_message_info(subject, {}, body).log_facts == known


async def test_a_case_event_that_comes_by_the_bus_leaves_no_address_anywhere(bus, intake):
    body = json.dumps(case_event() | {"phone": PHONE}).encode()
    for subject in (subjects.case(UNIT), SUBJECT):
        await bus.publish(subject, body)
    await logged(intake, "event_refused", times=2)
    assert [one async for one in bus.scan(subjects.CONTENT.name)] == []
    found = await letters_of(DeadLetterStore(bus))
    assert [one.left_out for one in found] == [("phone", "data.contact")] * 2
    assert not [one for one in (PHONE, MAIL) if one.encode() in found[0].original]
    assert [one for one in (PHONE, MAIL) if one in str(intake)] == []
