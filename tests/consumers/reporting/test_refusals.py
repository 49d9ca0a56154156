"""`loa publish` of an event that was refused says so with the reason, and ends with 2."""

import asyncio
import json
from contextlib import suppress

import pytest

from consumers.dead_letters.letter import MessageOrigin
from consumers.dead_letters.store import DeadLetterStore
from consumers.reporting.refusals import find_refusal
from contracts import envelope, subjects
from contracts.cloudevent import CloudEvent
from contracts.errors import ContractError, field_error
from tests.support.cli import json_output
from tests.support.decisions import reject_item
from tests.support.events import ITEM, UNIT, corrected, event_id, register_unit, submitted


@pytest.fixture
def file(tmp_path):
    def write(event: CloudEvent) -> str:
        path = tmp_path / "event.json"
        path.write_bytes(envelope.to_structured(event))
        return str(path)

    return write


async def take_in(intake, event) -> None:
    """As the service does: a refusal is recorded for the event's status."""
    with suppress(ContractError):
        await intake.handle(event, UNIT)


async def test_a_correction_of_nothing_is_refused_each_time_it_is_published(bus, loa, intake, file):
    await register_unit(bus)
    event = corrected()
    first = await loa("publish", file(event), "--json")
    assert first.exit_code == 0
    await take_in(intake, event)
    again = await loa("publish", file(event), "--json")
    assert again.exit_code == 2
    errors = json_output(again)["errors"]
    assert [one["field"] for one in errors] == ["event", "data.content_id"]
    assert "loa dead replay" in errors[0]["message"] and "gửi lại" in errors[0]["message_vi"]
    assert "nothing to correct" in errors[1]["message"]


async def test_an_event_that_may_be_taken_now_is_accepted_once_it_is(bus, loa, intake, file):
    """Sent again behind the window of duplicates, it is tried anew."""
    await register_unit(bus)
    event = corrected()
    await take_in(intake, event)
    waiting = asyncio.create_task(loa("publish", file(event), "--json"))
    while not (await bus.stream_info("CONTENT"))["state"]["messages"]:
        await asyncio.sleep(0.01)
    await take_in(intake, submitted())
    await take_in(intake, event)
    assert (await waiting).exit_code == 0


async def test_what_the_desk_refused_says_code_and_reason(bus, intake):
    await register_unit(bus, release="desk")
    event = submitted()
    await take_in(intake, event)
    id = event_id(event, UNIT)
    assert await find_refusal(bus, id, ITEM) == ()
    await reject_item(intake.decisions, ITEM, "An", code="trung-lap", reason="đã có tin này")
    [error] = await find_refusal(bus, id, ITEM)
    assert "trung-lap" in error.message and "đã có tin này" in error.message_vi


async def test_an_event_that_died_before_it_was_recorded_is_found_by_its_letter(bus):
    event = submitted()
    origin = MessageOrigin(subject=subjects.content(UNIT, "submitted"), stream="CONTENT", seq=1)
    wrong = field_error("source", "missing")
    body = envelope.to_structured(event)
    await DeadLetterStore(bus).bury("intake", origin, body, [wrong])
    assert await find_refusal(bus, event_id(event, UNIT), ITEM) == (wrong,)
    assert json.loads(body)["id"] == event.id
