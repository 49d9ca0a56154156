"""Texts that an earlier Loa has taken and today's doors refuse: they are released and corrected."""

import json

import pytest

from consumers.intake.handler import Intake
from contracts import events, keys, subjects
from contracts.errors import Invalid
from contracts.records import EventRecord
from contracts.vocabulary import DEFAULT
from tests.support.cli import json_output
from tests.support.events import (
    ITEM,
    UNIT,
    bucket_records,
    corrected,
    event_id,
    refusal,
    register_unit,
    released_actions,
    released_publications,
    stored_position,
    submitted,
    withdrawn,
)
from tests.support.former_desk import leave_on_former_desk

VPS, TCVN3, VNI = "B¶ N¶i vø", "Bé Néi vô", "Boä Noäi vuï"
MISREAD = "ThÃ´ng bÃ¡o"
EARLIER = [VPS, TCVN3, VNI, MISREAD]


@pytest.fixture
async def intake(bus, clock):
    await register_unit(bus)
    return Intake(bus, DEFAULT, clock)


async def record_as_accepted(bus, clock, event):
    """Leave what the HTTP door of an earlier Loa has left of *event*."""
    record = EventRecord(
        hash=keys.content_hash(event.type, event.data),
        unit=UNIT,
        content_id=ITEM,
        revision=1,
        type=event.type,
        at=clock(),
    )
    stored = record.model_dump_json().encode()
    await bus.bucket(subjects.EVENTS.name).create(event_id(event), stored)


@pytest.mark.parametrize("text", EARLIER)
async def test_an_event_that_was_accepted_before_is_taken_in(bus, intake, clock, text):
    event = submitted(title=text, short_title=text, summary=text, body=text)
    await record_as_accepted(bus, clock, event)
    await intake.handle(event, UNIT, "submitted")
    [released] = await released_publications(bus)
    assert (released["title"], released["short_title"]) == (text, text)
    assert (await stored_position(bus))["state"] == "released"


@pytest.mark.parametrize("text", EARLIER)
async def test_a_new_event_on_the_bus_is_refused_and_claims_no_id(bus, intake, clock, text):
    assert await refusal(intake.handle(submitted(title=text), UNIT), Invalid) == ["data.title"]
    assert await bucket_records(bus, subjects.EVENTS.name) == {}
    await record_as_accepted(bus, clock, submitted(title=text))
    other = submitted(title=text, body=f"{text}.")
    fields = await refusal(intake.handle(other, UNIT), Invalid)
    assert fields == ["data.title", "data.body"], "the record is of another content"


@pytest.mark.parametrize("text", EARLIER)
async def test_what_is_released_can_be_corrected_and_withdrawn(bus, intake, clock, text):
    event = submitted(title=text, short_title=text)
    await record_as_accepted(bus, clock, event)
    await intake.handle(event, UNIT)
    await intake.handle(corrected(), UNIT)
    await intake.handle(withdrawn(), UNIT)
    assert await released_actions(bus) == ["published", "corrected", "withdrawn"]


@pytest.mark.parametrize("text", EARLIER)
async def test_what_is_released_can_be_withdrawn_and_its_release_is_found(bus, intake, clock, text):
    event = submitted(title=text, short_title=text)
    await record_as_accepted(bus, clock, event)
    await intake.handle(event, UNIT)
    await intake.handle(event, UNIT)
    await intake.handle(withdrawn(), UNIT)
    gone = (await released_publications(bus))[-1]
    assert await released_actions(bus) == ["published", "withdrawn"]
    assert (gone["title"], gone["short_title"]) == (text, text)


@pytest.mark.parametrize("text", EARLIER)
async def test_a_draft_of_before_can_be_read_and_approved_once(bus, intake, loa, text):
    await register_unit(bus, release="desk")
    draft = await leave_on_former_desk(intake, submitted())
    data = draft.data | {"title": text, "body": text}
    changes = {"data": data, "hash": keys.content_hash(events.SUBMITTED, data)}
    stored = draft.model_copy(update=changes).model_dump_json().encode()
    await bus.bucket(subjects.DESK.name).put(draft.key, stored)
    await intake.decisions.carry_over()
    position = await stored_position(bus) | {"title": text, "hash": changes["hash"]}
    records = bus.bucket(subjects.PUBLISHED.name)
    await records.put(draft.key, json.dumps(position).encode())
    [shown] = await intake.decisions.waiting_drafts()
    assert shown.content.title == text
    words = ("desk", "approve", ITEM, "--clean", "--by", "Trần Thị Bình", "--hash", changes["hash"])
    first, again = [await loa(*words, "--json") for _ in range(2)]
    assert first.exit_code == 0, first.stderr
    assert json_output(again) == json_output(first), "a repeat is the same decision"
    [released] = await released_publications(bus)
    assert (released["title"], released["body"]) == (text, text)
