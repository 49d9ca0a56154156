"""Doors and intake keep the same records: what one writes, the other reads whole."""

from datetime import UTC, datetime

from consumers.intake.event_log import EventLog
from consumers.intake.items import Item
from contracts import subjects
from contracts.errors import field_error
from contracts.records import EventRecord, Ownership
from contracts.vocabulary import DEFAULT
from producers.acceptance import Acceptance

RECORD = EventRecord(
    hash="h", unit="van-phong-bo", content_id="tin-1", revision=2, type="t",
    at=datetime(2026, 11, 24, tzinfo=UTC),
)  # fmt: skip


async def test_a_refusal_that_intake_notes_is_what_the_door_tells(bus, clock):
    seen, door = EventLog(bus), Acceptance(bus, DEFAULT, clock)
    assert await seen.record("e1", RECORD) == RECORD
    await seen.record_result("e1", RECORD, [field_error("data.title", "missing")])
    assert (await door.find_record("e1")).refused == (field_error("data.title", "missing"),)


async def test_what_a_newer_version_added_survives_an_older_one(bus):
    newer = EventRecord.model_validate(RECORD.model_dump() | {"later": "kept"})
    await bus.bucket(subjects.EVENTS.name).create("e1", newer.model_dump_json().encode())
    await EventLog(bus).record_result("e1", RECORD, [field_error("id", "missing")])
    value = await bus.bucket(subjects.EVENTS.name).get("e1")
    assert b'"later":"kept"' in value.data


def test_an_item_is_read_by_the_door_and_a_reservation_by_intake():
    item = Item(unit="van-phong-bo", revision=3, title="Tin")
    owner = Ownership.model_validate_json(item.model_dump_json())
    assert (owner.unit, owner.revision) == ("van-phong-bo", 3)
    reserved = Ownership(unit="van-phong-bo").model_dump_json()
    assert Item.model_validate_json(reserved) == Item(unit="van-phong-bo")
