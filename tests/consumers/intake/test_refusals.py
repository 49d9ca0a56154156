"""Refusals of intake on a real bus: of whom, of which events, and the traces that they leave."""

import json

import pytest

from contracts import events, subjects
from contracts.envelope import to_structured
from contracts.errors import Conflict, ContractError, Forbidden, Invalid
from tests.support.decisions import reject_item
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
    unit_event,
    withdrawn,
)

OTHER = "vu-cai-cach-hanh-chinh"


ELSEWHERE = unit_event("submitted", submitted().data, source="/elsewhere")
CASE_EVENT = unit_event("submitted", submitted().data, type="vn.gov.moha.case.updated.v1")


@pytest.mark.parametrize(
    ("event", "subject", "kind", "field"),
    [
        (submitted(), (OTHER,), Forbidden, "source"),
        (ELSEWHERE, ("khong-co-don-vi-nay",), ContractError, "source"),
        (submitted(), (UNIT, "withdrawn"), Invalid, "type"),
        (CASE_EVENT, (UNIT, "updated"), Invalid, "type"),
    ],
)
async def test_an_event_must_agree_with_its_subject(bus, intake, event, subject, kind, field):
    assert await refusal(intake.handle(event, *subject), kind) == [field]
    assert await bucket_records(bus, "events") == {}


async def test_an_item_belongs_to_the_unit_that_named_it_first(bus, intake):
    await intake.handle(submitted(), UNIT)
    theirs = submitted(revision=2).model_copy(update={"source": f"/units/{OTHER}"})
    assert await refusal(intake.handle(theirs, OTHER), Forbidden) == ["data.content_id"]
    gone = withdrawn(source=f"/units/{OTHER}")
    assert await refusal(intake.handle(gone, OTHER)) == ["data.content_id"]
    assert len(await released_publications(bus)) == 1


async def test_the_door_may_have_reserved_the_item(bus, intake):
    """The HTTP door books ownership and the event before intake sees it."""
    owner = json.dumps({"unit": UNIT, "revision": 0}).encode()
    await bus.bucket(subjects.PUBLISHED.name).create(ITEM, owner)
    await intake.handle(submitted(), UNIT)
    assert len(await released_publications(bus)) == 1


async def test_a_revision_that_is_not_newer_is_refused_with_the_current_one(bus, intake):
    await intake.handle(submitted(revision=3), UNIT)
    assert await refusal(intake.handle(submitted(revision=2), UNIT)) == ["data.revision"]
    assert [one["revision"] for one in await released_publications(bus)] == [3]
    record = await stored_position(bus, 2)
    assert record["state"] == "refused"
    marked = (await bucket_records(bus, "events"))[event_id(submitted(revision=2))]
    [told] = marked["refused"]
    assert told["field"] == "data.revision"
    assert "3" in told["message"] and "3" in told["message_vi"]


async def test_a_revision_used_by_another_event_is_refused(bus, intake):
    await intake.handle(submitted(), UNIT)
    again = submitted().model_copy(update={"id": "another-name"})
    assert await refusal(intake.handle(again, UNIT), Conflict) == ["data.revision"]
    record = await stored_position(bus)
    assert (record["state"], record["event_id"]) == ("released", event_id(submitted()))


async def test_the_urgent_lane_is_for_units_that_may_use_it(bus, intake):
    urgent = submitted(lane="urgent")
    assert await refusal(intake.handle(urgent, UNIT)) == ["data.lane"]
    assert (await stored_position(bus))["state"] == "refused"
    await register_unit(bus, urgent=True)
    await intake.handle(urgent, UNIT)
    assert [one["lane"] for one in await released_publications(bus)] == ["urgent"]
    assert (await stored_position(bus))["state"] == "released"
    assert (await bucket_records(bus, "events"))[event_id(urgent)]["refused"] == []


async def test_after_a_refusal_another_event_may_have_the_revision(bus, intake):
    await refusal(intake.handle(submitted(lane="urgent"), UNIT))
    mended = submitted().model_copy(update={"id": "mended"})
    await intake.handle(mended, UNIT)
    record = await stored_position(bus)
    assert (record["state"], record["event_id"]) == ("released", event_id(mended))


async def test_what_nobody_sent_cannot_be_withdrawn(bus, intake):
    assert await refusal(intake.handle(withdrawn(), UNIT)) == ["data.content_id"]
    assert await bucket_records(bus, "publications") == {}


async def test_a_correction_of_nothing_is_refused_and_is_no_news(bus, intake):
    assert await refusal(intake.handle(corrected(), UNIT)) == ["data.content_id"]
    assert await released_publications(bus) == []
    assert (await stored_position(bus, 2))["state"] == "refused"
    await intake.handle(submitted(), UNIT)
    await intake.handle(corrected(), UNIT)
    assert await released_actions(bus) == ["published", "corrected"]


async def test_an_item_that_was_only_reserved_or_refused_has_nothing_to_correct(bus, intake):
    urgent = submitted(lane="urgent")
    assert await refusal(intake.handle(urgent, UNIT), Forbidden) == ["data.lane"]
    owner = json.dumps({"unit": UNIT, "revision": 0}).encode()
    await bus.bucket(subjects.PUBLISHED.name).create(ITEM, owner)
    assert await refusal(intake.handle(corrected(), UNIT)) == ["data.content_id"]
    assert await released_publications(bus) == []


async def test_a_first_text_that_the_desk_turned_down_may_be_corrected(bus, intake):
    await register_unit(bus, release="desk")
    await intake.handle(submitted(), UNIT)
    await reject_item(intake.decisions, ITEM, "Trần Thị B", reason="Sai tên.")
    await intake.handle(corrected(), UNIT)
    assert [draft.revision for draft in await intake.decisions.waiting_drafts()] == [2]


@pytest.mark.parametrize("event", [withdrawn(), corrected()], ids=["withdrawn", "corrected"])
async def test_an_unknown_item_is_refused_once_everything_earlier_is_settled(bus, intake, event):
    subject = subjects.content(UNIT, events.kind_of(event.type))
    ack = await bus.publish(subject, to_structured(event))
    pull = await bus.js.pull_subscribe_bind(consumer=subjects.INTAKE, stream=subjects.CONTENT.name)
    await pull.fetch(1)
    assert await refusal(intake.handle(event, UNIT, seq=ack.seq)) == ["data.content_id"]
