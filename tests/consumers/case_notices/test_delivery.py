"""Case events: numbered by the gateway, sent to one person, by one channel after the other."""

import asyncio
import json
from datetime import UTC, datetime

import pytest

from channels.base import Outcome, Verdict
from consumers.ledger.backoff import GIVE_UP_S
from consumers.operations.restore import RestoreDoubts
from consumers.restored import RESTORE_KEY, RestoreRecord
from contracts import envelope, subjects
from contracts.delivery import Status
from contracts.errors import Invalid
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
from tests.support.gateway_client import BATCH, OTHER, UNIT, open_gateway

NOT_HERE = Outcome(Verdict.SUPPRESSED, "zalo -118")


# --- the gateway


@pytest.mark.promise("12.1")
async def test_a_hundred_at_once_get_a_number_each_and_every_repeat_the_same(case_pipeline):
    events = [case_event(f"e-{number}") for number in range(20)]
    answers = await asyncio.gather(*(case_pipeline.accepted(one) for one in events * 3))
    numbers = [one["revision"] for one in answers]
    assert sorted(numbers[:20]) == list(range(1, 21))
    assert numbers[20:40] == numbers[:20] and numbers[40:] == numbers[:20]
    places = {contact_key(f"e-{place}", number) for place, number in enumerate(numbers[:20])}
    assert set(await case_pipeline.bus.bucket(subjects.NOTICES.name).keys()) == places, (
        "no other contact"
    )


async def test_the_events_of_a_batch_are_numbered_in_its_order(case_pipeline):
    events = [case_event(f"e-{number}") for number in range(30)]
    answer = await case_pipeline.gateway.post(events, BATCH)
    assert [one["revision"] for one in answer.json()["events"]] == list(range(1, 31))


@pytest.mark.promise("12.2")
async def test_the_stream_never_holds_the_contact_and_the_bucket_does(case_pipeline):
    await case_pipeline.accepted(case_event())
    [stored] = await case_pipeline.gateway.stored_events()
    assert "contact" not in stored["data"]
    assert MAIL not in str(stored) and PHONE not in str(stored)
    record = await case_pipeline.contact_of()
    assert (record.contact.phone, record.contact.email) == (PHONE, MAIL)
    assert record.channels == (ZALO, EMAIL)
    assert subjects.NOTICES.ttl is not None


async def test_a_repeat_with_another_contact_is_refused_by_name(case_pipeline):
    await case_pipeline.accepted(case_event())
    answer = await case_pipeline.gateway.post(case_event(contact=BOTH | {"email": "x@example.com"}))
    assert answer.status_code == 409
    assert [one["field"] for one in answer.json()["errors"]] == ["data.contact"]


async def test_a_dossier_belongs_to_the_unit_that_named_it_first(case_pipeline):
    await case_pipeline.accepted(case_event())
    key = await case_pipeline.gateway.registry.add(OTHER, release="automatic")
    stranger = case_event("e-9") | {"source": f"/units/{OTHER}"}
    answer = await case_pipeline.gateway.post(stranger, key=key)
    assert answer.status_code == 403
    assert [one["field"] for one in answer.json()["errors"]] == ["data.case_code"]


async def test_a_contact_that_no_channel_of_the_unit_reaches_is_refused(bus, clock, tmp_path):
    async with open_gateway(bus, clock) as door:
        key = await door.registry.add(OTHER, release="automatic", notices=[ZALO])
        event = case_event(contact={"email": MAIL, "consent": True}) | {"source": f"/units/{OTHER}"}
        answer = await door.post(event, key=key)
    assert answer.status_code == 422
    [error] = answer.json()["errors"]
    assert error["field"] == "data.contact" and "zalo" in error["message"]
    assert "zalo" in error["message_vi"]


async def test_without_consent_nothing_is_taken(case_pipeline):
    answer = await case_pipeline.gateway.post(case_event(contact=BOTH | {"consent": False}))
    assert answer.status_code == 422 and not await case_pipeline.gateway.stored_events()
    assert not await case_pipeline.bus.bucket(subjects.NOTICES.name).keys()


# --- one ledger entry for one person


async def test_a_person_is_told_on_the_first_channel_and_on_no_other(case_pipeline):
    await case_pipeline.accept_and_take_in()
    assert await case_pipeline.pending_subjects() == ["deliver.zalo.notice"]
    await case_pipeline.work(ZALO)
    assert case_pipeline.providers[ZALO].addresses == [PHONE]
    assert await case_pipeline.status(ZALO) == Status.DELIVERED
    assert await case_pipeline.status(EMAIL) is None


@pytest.mark.promise("12.1")
async def test_taking_an_event_in_again_changes_nothing(case_pipeline):
    await case_pipeline.accept_and_take_in()
    await case_pipeline.work(ZALO)
    await case_pipeline.take_in()
    await case_pipeline.work(ZALO)
    assert case_pipeline.providers[ZALO].addresses == [PHONE]


@pytest.mark.parametrize(
    ("contact", "channel", "address"),
    [({"email": MAIL}, EMAIL, MAIL), ({"zalo_user_id": USER}, ZALO, f"zalo:{USER}")],
    ids=["mail", "user id"],
)
async def test_who_has_no_phone_is_told_elsewhere(case_pipeline, contact, channel, address):
    await case_pipeline.accept_and_take_in(contact=contact | {"consent": True})
    await case_pipeline.work(channel)
    assert case_pipeline.providers[channel].addresses == [address]
    assert await case_pipeline.status({ZALO: EMAIL, EMAIL: ZALO}[channel]) is None


async def test_an_event_that_came_past_the_door_is_refused(case_pipeline):
    event = case_event()
    del event["data"]["contact"]
    with pytest.raises(Invalid) as refused:
        await case_pipeline.cases.handle(
            envelope.from_structured(json.dumps(event).encode()), UNIT, seq=1
        )
    assert [one.field for one in refused.value.errors] == ["type"]


# --- the next channel


@pytest.mark.promise("12.4")
async def test_who_has_no_zalo_is_told_by_mail(case_pipeline):
    await case_pipeline.accept_and_take_in()
    case_pipeline.set_outcome(ZALO, NOT_HERE)
    await case_pipeline.work(ZALO)
    assert await case_pipeline.status(ZALO) == Status.SUPPRESSED
    await case_pipeline.work(EMAIL)
    assert case_pipeline.providers[EMAIL].addresses == [MAIL]
    assert await case_pipeline.status(EMAIL) == Status.DELIVERED


@pytest.mark.promise("12.3")
@pytest.mark.parametrize(
    "outcome",
    [
        Outcome(Verdict.DOUBT, "no answer"),
        Outcome(Verdict.FAILED, "zalo -1122"),
        Outcome(Verdict.DEFERRED, "zalo -100"),
        Outcome(Verdict.HELD, "zalo -115", 60.0),
        Outcome(Verdict.DELIVERED),
    ],
    ids=lambda one: one.verdict.value,
)
async def test_only_a_person_out_of_reach_goes_on_to_the_next_channel(case_pipeline, outcome):
    await case_pipeline.accept_and_take_in()
    case_pipeline.set_outcome(ZALO, outcome)
    await case_pipeline.wake(ZALO)
    assert await case_pipeline.status(EMAIL) is None


@pytest.mark.promise("12.3")
async def test_a_doubt_that_nobody_can_end_is_unknown_and_no_mail_goes(case_pipeline):
    await case_pipeline.end_unknown()
    case_pipeline.set_outcome(ZALO, NOT_HERE)
    await case_pipeline.work(ZALO)
    assert await case_pipeline.status(EMAIL) is None


@pytest.mark.promise("12.4")
async def test_out_of_reach_after_a_doubt_is_no_certainty(case_pipeline):
    await case_pipeline.accept_and_take_in()
    case_pipeline.set_outcome(ZALO, Outcome(Verdict.DOUBT, "no answer"))
    await case_pipeline.wake(ZALO)
    case_pipeline.providers[ZALO].known = lambda _: NOT_HERE
    case_pipeline.clock.advance(3600)
    await case_pipeline.wake(ZALO)
    assert await case_pipeline.status(ZALO) == Status.MAYBE_SENT
    assert await case_pipeline.status(EMAIL) is None


@pytest.mark.promise("12.4")
async def test_a_death_behind_the_end_loses_no_second_channel(case_pipeline):
    await case_pipeline.accept_and_take_in()
    case_pipeline.set_outcome(ZALO, NOT_HERE)

    with crash_at("deliver.closed"):
        await case_pipeline.work(ZALO)
    assert await case_pipeline.status(EMAIL) is None
    await case_pipeline.work(ZALO)
    assert await case_pipeline.status(EMAIL) == Status.PENDING


async def test_a_unit_that_tells_by_zalo_alone_sends_no_mail(bus, case_pipeline):
    await bus.bucket(subjects.UNITS.name).purge(UNIT)
    gateway = case_pipeline.gateway
    gateway.key = await gateway.registry.add(UNIT, release="automatic", notices=[ZALO])
    await case_pipeline.accept_and_take_in()
    case_pipeline.set_outcome(ZALO, NOT_HERE)
    await case_pipeline.work(ZALO)
    assert await case_pipeline.status(EMAIL) is None


# --- opt-outs, and deleted contacts


@pytest.mark.promise("12.2")
async def test_a_contact_that_was_deleted_meanwhile_ends_the_notice(case_pipeline):
    await case_pipeline.accept_and_take_in()
    await case_pipeline.delete_contact()
    await case_pipeline.work(ZALO)
    assert await case_pipeline.status(ZALO) == Status.SUPPRESSED
    assert case_pipeline.providers[ZALO].addresses == []
    assert await case_pipeline.status(EMAIL) is None


async def test_after_a_restore_an_older_event_is_in_doubt(case_pipeline):
    at = datetime.fromtimestamp(case_pipeline.clock() + 60, UTC)
    said = RestoreRecord(backup=at, at=at, publications=0)
    await case_pipeline.bus.bucket("control").put(RESTORE_KEY, said.model_dump_json().encode())
    case_pipeline.cases.doubts = RestoreDoubts(case_pipeline.bus)
    await case_pipeline.accept_and_take_in()
    assert await case_pipeline.status(ZALO) == Status.IN_DOUBT


@pytest.mark.promise("12.4")
async def test_what_zalo_would_not_take_for_three_days_goes_by_mail(case_pipeline):
    await case_pipeline.accept_and_take_in()
    case_pipeline.set_outcome(
        ZALO, Outcome(Verdict.HELD, "our monthly money quota", 3600.0, reached_provider=False)
    )
    await case_pipeline.wake(ZALO)
    case_pipeline.clock.advance(GIVE_UP_S)
    assert await case_pipeline.status(EMAIL) is None
    await case_pipeline.wake(ZALO)
    assert await case_pipeline.status(ZALO) == Status.EXPIRED
    assert await case_pipeline.status(EMAIL) == Status.PENDING


@pytest.mark.parametrize(
    ("kind", "name", "stored"),
    [
        ("citizen", "Nguyễn Văn An", "N*** V*** A***"),
        ("citizen", "N*** A***", "N*** A***"),
        ("household", "Trần Thị Ánh", "T*** T*** Á***"),
        ("business", "Công ty TNHH Bình Minh", "Công ty TNHH Bình Minh"),
    ],
)
async def test_a_persons_name_is_masked_before_it_is_stored(case_pipeline, kind, name, stored):
    event = case_event(applicant_kind=kind, applicant_name=name, authorised_person="Lê Văn Bình")
    await case_pipeline.accepted(event)
    await case_pipeline.accepted(event)
    [kept] = await case_pipeline.gateway.stored_events()
    assert kept["data"]["applicant_name"] == stored
    assert kept["data"]["authorised_person"] == "L*** V*** B***"
