"""Case events at the HTTP door: what is refused, what a repeat gets, and what is kept of it."""

import pytest

from contracts import subjects
from producers import case_events
from tests.support.case_pipeline import (
    BOTH,
    EMAIL,
    MAIL,
    PHONE,
    USER,
    ZALO,
    case_event,
    contact_key,
)
from tests.support.crashing_bus import crash_at
from tests.support.gateway_client import BATCH, UNIT


def fields(answer):
    return [one["field"] for one in answer.json()["errors"]]


async def nothing_kept(pipeline):
    assert await pipeline.gateway.stored_events() == []
    assert not await pipeline.bus.bucket(subjects.NOTICES.name).keys()
    assert not await pipeline.bus.bucket(subjects.PUBLISHED.name).keys()


# --- attributes


@pytest.mark.parametrize("name", ["contact", "phone", "submitter", "email"])
async def test_an_attribute_that_could_name_the_person_is_refused_by_name(case_pipeline, name):
    answer = await case_pipeline.gateway.post(case_event() | {name: PHONE})
    assert (answer.status_code, fields(answer)) == (422, [name])
    [error] = answer.json()["errors"]
    assert "traceparent" in error["message"] and "hồ sơ" in error["message_vi"]
    await nothing_kept(case_pipeline)


async def test_attributes_of_tracing_are_kept(case_pipeline):
    parent = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
    await case_pipeline.accepted(case_event() | {"traceparent": parent})
    [stored] = await case_pipeline.gateway.stored_events()
    assert stored["traceparent"].startswith("00-")


# --- repeats


async def test_a_repeat_after_the_contact_was_deleted_keeps_nothing_anew(case_pipeline):
    first = await case_pipeline.accepted(case_event())
    await case_pipeline.delete_contact()
    assert await case_pipeline.accepted(case_event()) == first
    assert await case_pipeline.contact_of() is None


async def test_a_repeat_after_an_id_was_erased_is_no_other_contact(case_pipeline):
    contact = {**BOTH, "zalo_user_id": USER}
    await case_pipeline.accepted(case_event(contact=contact))
    record = await case_pipeline.contact_of()
    left = record.contact.model_copy(update={"zalo_user_id": None})
    left = record.model_copy(update={"contact": left}).model_dump_json().encode()
    await case_pipeline.bus.bucket(subjects.NOTICES.name).put(contact_key(), left)
    await case_pipeline.accepted(case_event(contact=contact))
    assert (await case_pipeline.contact_of()).contact.zalo_user_id is None


@pytest.mark.parametrize("point", ["gateway.case_numbered", "gateway.contact_kept"])
async def test_a_repeat_after_a_death_before_booking_keeps_the_contact(case_pipeline, point):
    with crash_at(point):
        await case_pipeline.gateway.post(case_event())
    answer = await case_pipeline.accepted(case_event())
    assert answer["revision"] == 1
    assert (await case_pipeline.contact_of()).contact.phone == PHONE


async def test_a_repeat_after_the_contact_was_deleted_begins_no_other_channel(case_pipeline):
    await case_pipeline.accept_and_take_in(contact={"email": MAIL, "consent": True})
    await case_pipeline.delete_contact()
    await case_pipeline.accepted(case_event(contact={"email": MAIL, "consent": True}))
    await case_pipeline.take_in()
    assert await case_pipeline.status(ZALO) is None
    assert await case_pipeline.status(EMAIL) is not None


async def test_a_repeat_is_known_although_the_units_channels_have_changed(case_pipeline):
    by_mail = case_event(contact={"email": MAIL, "consent": True})
    first = await case_pipeline.accepted(by_mail)
    await case_pipeline.gateway.registry.update(UNIT, notices=(ZALO,))
    assert await case_pipeline.accepted(by_mail) == first
    answer = await case_pipeline.gateway.post(by_mail | {"id": "e-2"})
    assert (answer.status_code, fields(answer)) == (422, ["data.contact"])


# --- batches


async def test_a_batch_that_repeats_an_event_with_another_contact_stores_nothing(case_pipeline):
    await case_pipeline.accepted(case_event("e-1"))
    other = case_event("e-1", contact=BOTH | {"email": "khac@example.com"})
    answer = await case_pipeline.gateway.post([case_event("e-2"), other], BATCH)
    assert (answer.status_code, fields(answer)) == (409, ["[1].data.contact"])
    assert await case_pipeline.contact_of("e-2", 2) is None
    assert (await case_pipeline.accepted(case_event("e-3")))["revision"] == 2


async def test_a_batch_that_names_two_contacts_for_one_event_stores_nothing(case_pipeline):
    other = case_event("e-1", contact=BOTH | {"email": "khac@example.com"})
    answer = await case_pipeline.gateway.post([case_event("e-1"), other], BATCH)
    assert (answer.status_code, fields(answer)) == (409, ["[1].data.contact"])
    await nothing_kept(case_pipeline)


# --- bounds


async def test_a_dossier_takes_so_many_events_and_no_more(case_pipeline, monkeypatch):
    monkeypatch.setattr(case_events, "MAX_DOSSIER_EVENTS", 2)
    three = [case_event(f"e-{number}") for number in range(3)]
    answer = await case_pipeline.gateway.post(three, BATCH)
    assert (answer.status_code, fields(answer)) == (422, ["[2].data.case_code"])
    await nothing_kept(case_pipeline)
    for number in range(2):
        await case_pipeline.accepted(case_event(f"e-{number}"))
    answer = await case_pipeline.gateway.post(case_event("e-9"))
    assert (answer.status_code, fields(answer)) == (422, ["data.case_code"])
    assert "hồ sơ" in answer.json()["errors"][0]["message_vi"]
    assert (await case_pipeline.accepted(case_event("e-1")))["revision"] == 2
