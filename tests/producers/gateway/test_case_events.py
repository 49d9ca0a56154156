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


async def nothing_kept(office):
    assert await office.gateway.stored_events() == []
    assert not await office.bus.bucket(subjects.NOTICES.name).keys()
    assert not await office.bus.bucket(subjects.PUBLISHED.name).keys()


# --- attributes


@pytest.mark.parametrize("name", ["contact", "phone", "submitter", "email"])
async def test_an_attribute_that_could_name_the_person_is_refused_by_name(office, name):
    answer = await office.gateway.post(case_event() | {name: PHONE})
    assert (answer.status_code, fields(answer)) == (422, [name])
    [error] = answer.json()["errors"]
    assert "traceparent" in error["message"] and "hồ sơ" in error["message_vi"]
    await nothing_kept(office)


async def test_attributes_of_tracing_are_kept(office):
    await office.accepted(case_event() | {"traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01"})
    [stored] = await office.gateway.stored_events()
    assert stored["traceparent"].startswith("00-")


# --- repeats


async def test_a_repeat_after_the_contact_was_deleted_keeps_nothing_anew(office):
    first = await office.accepted(case_event())
    await office.delete_contact()
    assert await office.accepted(case_event()) == first
    assert await office.contact_of() is None


async def test_a_repeat_after_an_id_was_erased_is_no_other_contact(office):
    contact = {**BOTH, "zalo_user_id": USER}
    await office.accepted(case_event(contact=contact))
    record = await office.contact_of()
    left = record.contact.model_copy(update={"zalo_user_id": None})
    left = record.model_copy(update={"contact": left}).model_dump_json().encode()
    await office.bus.bucket(subjects.NOTICES.name).put(contact_key(), left)
    await office.accepted(case_event(contact=contact))
    assert (await office.contact_of()).contact.zalo_user_id is None


@pytest.mark.parametrize("point", ["gateway.case_numbered", "gateway.contact_kept"])
async def test_a_repeat_after_a_death_before_the_event_was_booked_keeps_the_contact(office, point):
    with crash_at(point):
        await office.gateway.post(case_event())
    answer = await office.accepted(case_event())
    assert answer["revision"] == 1
    assert (await office.contact_of()).contact.phone == PHONE


async def test_a_repeat_taken_in_after_the_contact_was_deleted_begins_no_other_channel(office):
    await office.accept_and_take_in(contact={"email": MAIL, "consent": True})
    await office.delete_contact()
    await office.accepted(case_event(contact={"email": MAIL, "consent": True}))
    await office.take_in()
    assert await office.status(ZALO) is None
    assert await office.status(EMAIL) is not None


async def test_a_repeat_is_known_although_the_units_channels_have_changed(office):
    by_mail = case_event(contact={"email": MAIL, "consent": True})
    first = await office.accepted(by_mail)
    await office.gateway.registry.update(UNIT, notices=(ZALO,))
    assert await office.accepted(by_mail) == first
    answer = await office.gateway.post(by_mail | {"id": "e-2"})
    assert (answer.status_code, fields(answer)) == (422, ["data.contact"])


# --- batches


async def test_a_batch_that_repeats_an_event_with_another_contact_stores_nothing_of_itself(office):
    await office.accepted(case_event("e-1"))
    other = case_event("e-1", contact=BOTH | {"email": "khac@example.com"})
    answer = await office.gateway.post([case_event("e-2"), other], BATCH)
    assert (answer.status_code, fields(answer)) == (409, ["[1].data.contact"])
    assert await office.contact_of("e-2", 2) is None
    assert (await office.accepted(case_event("e-3")))["revision"] == 2


async def test_a_batch_that_names_two_contacts_for_one_event_stores_nothing(office):
    other = case_event("e-1", contact=BOTH | {"email": "khac@example.com"})
    answer = await office.gateway.post([case_event("e-1"), other], BATCH)
    assert (answer.status_code, fields(answer)) == (409, ["[1].data.contact"])
    await nothing_kept(office)


# --- bounds


async def test_a_dossier_takes_so_many_events_and_no_more(office, monkeypatch):
    monkeypatch.setattr(case_events, "MAX_DOSSIER_EVENTS", 2)
    answer = await office.gateway.post([case_event(f"e-{number}") for number in range(3)], BATCH)
    assert (answer.status_code, fields(answer)) == (422, ["[2].data.case_code"])
    await nothing_kept(office)
    for number in range(2):
        await office.accepted(case_event(f"e-{number}"))
    answer = await office.gateway.post(case_event("e-9"))
    assert (answer.status_code, fields(answer)) == (422, ["data.case_code"])
    assert "hồ sơ" in answer.json()["errors"][0]["message_vi"]
    assert (await office.accepted(case_event("e-1")))["revision"] == 2
