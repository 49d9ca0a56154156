"""Case events: numbered at the door, told to one person, by one channel after the other."""

import asyncio
import json
from datetime import UTC, datetime

import pytest

from channels.base import Outcome, Verdict
from consumers.restore import RESTORED, Doubts, Restored
from consumers.retry import GIVE_UP_S
from contracts import crash, envelope, subjects
from contracts.delivery import Status
from contracts.errors import Invalid
from tests.crashing import Crash
from tests.doors import BATCH, OTHER, UNIT, open_door
from tests.office import BOTH, CASE, EMAIL, MAIL, PHONE, USER, ZALO, Office, a_case, kept_at

NOT_HERE = Outcome(Verdict.SUPPRESSED, "zalo -118")


@pytest.fixture
async def office(bus, clock, tmp_path):
    async with open_door(bus, clock) as door:
        yield Office(bus, door, tmp_path, clock)


# --- the door


async def test_events_of_a_dossier_are_numbered_in_their_order_and_a_repeat_keeps_its_number(
    office,
):
    first, second = a_case("e-1"), a_case("e-2", status=4, handled_by="Chuyên viên")
    answers = [await office.accepted(one) for one in (first, second, first, second)]
    assert [one["revision"] for one in answers] == [1, 2, 1, 2]
    assert {one["content_id"] for one in answers} == {CASE}


async def test_a_hundred_at_once_get_a_number_each_and_every_repeat_the_same(office):
    events = [a_case(f"e-{number}") for number in range(20)]
    answers = await asyncio.gather(*(office.accepted(one) for one in events * 3))
    numbers = [one["revision"] for one in answers]
    assert sorted(numbers[:20]) == list(range(1, 21))
    assert numbers[20:40] == numbers[:20] and numbers[40:] == numbers[:20]
    places = {kept_at(f"e-{place}", number) for place, number in enumerate(numbers[:20])}
    assert set(await office.bus.bucket(subjects.NOTICES.name).keys()) == places, "no other contact"


async def test_the_events_of_a_batch_are_numbered_in_its_order(office):
    events = [a_case(f"e-{number}") for number in range(30)]
    answer = await office.door.post(events, BATCH)
    assert [one["revision"] for one in answer.json()["events"]] == list(range(1, 31))


async def test_the_stream_never_holds_the_contact_and_the_bucket_does(office):
    await office.accepted(a_case())
    [stored] = await office.door.stored()
    assert "contact" not in stored["data"]
    assert MAIL not in str(stored) and PHONE not in str(stored)
    record = await office.kept()
    assert (record.contact.phone, record.contact.email, record.channels) == (
        PHONE,
        MAIL,
        (ZALO, EMAIL),
    )
    assert subjects.NOTICES.ttl is not None


async def test_a_repeat_with_another_contact_is_refused_by_name(office):
    await office.accepted(a_case())
    answer = await office.door.post(a_case(contact=BOTH | {"email": "khac@example.com"}))
    assert answer.status_code == 409
    assert [one["field"] for one in answer.json()["errors"]] == ["data.contact"]


async def test_a_dossier_belongs_to_the_unit_that_named_it_first(office):
    await office.accepted(a_case())
    key = await office.door.registry.add(OTHER, release="automatic")
    stranger = a_case("e-9") | {"source": f"/units/{OTHER}"}
    answer = await office.door.post(stranger, key=key)
    assert answer.status_code == 403
    assert [one["field"] for one in answer.json()["errors"]] == ["data.case_code"]


async def test_a_contact_that_no_channel_of_the_unit_reaches_is_refused(bus, clock, tmp_path):
    async with open_door(bus, clock) as door:
        key = await door.registry.add(OTHER, release="automatic", notices=[ZALO])
        event = a_case(contact={"email": MAIL, "consent": True}) | {"source": f"/units/{OTHER}"}
        answer = await door.post(event, key=key)
    assert answer.status_code == 422
    [error] = answer.json()["errors"]
    assert error["field"] == "data.contact" and "zalo" in error["message"]
    assert "kênh" in error["message_vi"]


async def test_without_consent_nothing_is_taken(office):
    answer = await office.door.post(a_case(contact=BOTH | {"consent": False}))
    assert answer.status_code == 422 and not await office.door.stored()
    assert not await office.bus.bucket(subjects.NOTICES.name).keys()


# --- one entry, one person


async def test_a_person_is_told_on_the_first_channel_and_on_no_other(office):
    await office.told()
    assert await office.woken() == ["deliver.zalo.notice"]
    await office.work(ZALO, CASE)
    assert office.providers[ZALO].addresses == [PHONE]
    assert await office.status(ZALO, CASE) == Status.DELIVERED
    assert await office.status(EMAIL, CASE) is None


async def test_taking_an_event_in_again_changes_nothing(office):
    await office.told()
    await office.work(ZALO, CASE)
    await office.take_in()
    await office.work(ZALO, CASE)
    assert office.providers[ZALO].addresses == [PHONE]


async def test_someone_without_a_phone_is_told_by_mail_at_once(office):
    await office.told(contact={"email": MAIL, "consent": True})
    await office.work(EMAIL, CASE)
    assert office.providers[EMAIL].addresses == [MAIL]
    assert await office.status(ZALO, CASE) is None


async def test_a_user_of_the_account_is_told_by_that_id(office):
    await office.told(contact={"zalo_user_id": USER, "consent": True})
    await office.work(ZALO, CASE)
    assert office.providers[ZALO].addresses == [f"zalo:{USER}"]


async def test_an_event_that_came_past_the_door_is_refused(office):
    event = a_case()
    del event["data"]["contact"]
    with pytest.raises(Invalid) as refused:
        await office.cases.take(envelope.from_structured(json.dumps(event).encode()), UNIT, seq=1)
    assert [one.field for one in refused.value.errors] == ["type"]


# --- the next channel


async def test_who_has_no_zalo_is_told_by_mail(office):
    await office.told()
    office.says(ZALO, NOT_HERE)
    await office.work(ZALO, CASE)
    assert await office.status(ZALO, CASE) == Status.SUPPRESSED
    await office.work(EMAIL, CASE)
    assert office.providers[EMAIL].addresses == [MAIL]
    assert await office.status(EMAIL, CASE) == Status.DELIVERED


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
async def test_nothing_but_a_person_out_of_reach_goes_on_to_the_next_channel(office, outcome):
    await office.told()
    office.says(ZALO, outcome)
    await office.worked(ZALO)
    assert await office.status(EMAIL, CASE) is None


async def test_a_doubt_that_nobody_can_end_is_unknown_and_no_mail_goes(office):
    await office.told()
    office.says(ZALO, Outcome(Verdict.DOUBT, "no answer"))
    office.providers[ZALO].known = lambda _: Outcome(Verdict.UNKNOWN, "zalo can't say")
    await office.worked(ZALO)
    await office.worked(ZALO)
    assert await office.status(ZALO, CASE) == Status.UNKNOWN
    office.says(ZALO, NOT_HERE)
    await office.work(ZALO, CASE)
    assert await office.status(EMAIL, CASE) is None


async def test_out_of_reach_after_a_doubt_is_no_certainty(office):
    await office.told()
    office.says(ZALO, Outcome(Verdict.DOUBT, "no answer"))
    await office.worked(ZALO)
    office.providers[ZALO].known = lambda _: NOT_HERE
    office.clock.advance(3600)
    await office.worked(ZALO)
    assert await office.status(ZALO, CASE) == Status.MAYBE_SENT
    assert await office.status(EMAIL, CASE) is None


async def test_a_death_behind_the_end_loses_no_second_channel(office):
    await office.told()
    office.says(ZALO, NOT_HERE)

    def die(point):
        if point == "deliver.closed":
            raise Crash

    crash.arm(die)
    try:
        with pytest.raises(Crash):
            await office.work(ZALO, CASE)
    finally:
        crash.arm(None)
    assert await office.status(EMAIL, CASE) is None
    await office.work(ZALO, CASE)
    assert await office.status(EMAIL, CASE) == Status.PENDING


async def test_a_unit_that_tells_by_zalo_alone_sends_no_mail(bus, clock, tmp_path):
    async with open_door(bus, clock) as door:
        await bus.bucket(subjects.UNITS.name).purge(UNIT)
        door.key = await door.registry.add(UNIT, release="automatic", notices=[ZALO])
        office = Office(bus, door, tmp_path, clock)
        await office.told()
        office.says(ZALO, NOT_HERE)
        await office.work(ZALO, CASE)
        assert await office.status(EMAIL, CASE) is None


# --- who wants nothing, and who is gone


async def test_whoever_refused_is_not_asked_again_and_gets_the_next_notice_by_mail(office):
    await office.told()
    office.says(ZALO, Outcome(Verdict.SUPPRESSED, "zalo -141", silence_s=86400.0))
    await office.work(ZALO, CASE)
    assert await office.suppressed.reason(ZALO, PHONE) == "zalo -141"
    office.says(ZALO, Outcome(Verdict.DELIVERED))
    await office.told(id="e-2")
    await office.work(ZALO, CASE, 2)
    assert office.providers[ZALO].addresses == []
    await office.work(EMAIL, CASE, 2)
    assert office.providers[EMAIL].addresses == [MAIL]


async def test_a_contact_that_was_deleted_meanwhile_ends_the_notice(office):
    await office.told()
    await office.forget()
    await office.work(ZALO, CASE)
    assert await office.status(ZALO, CASE) == Status.SUPPRESSED
    assert office.providers[ZALO].addresses == []
    assert await office.status(EMAIL, CASE) is None


async def test_after_a_restore_an_older_event_is_in_doubt(office):
    at = datetime.fromtimestamp(office.clock() + 60, UTC)
    said = Restored(backup=at, at=at, publications=0)
    await office.bus.bucket("control").put(RESTORED, said.model_dump_json().encode())
    office.cases.doubtful = Doubts(office.bus)
    await office.told()
    assert await office.status(ZALO, CASE) == Status.IN_DOUBT


async def test_what_zalo_would_not_take_for_three_days_goes_by_mail(office):
    await office.told()
    office.says(ZALO, Outcome(Verdict.HELD, "our monthly money quota", 3600.0, asked=False))
    await office.worked(ZALO)
    office.clock.advance(GIVE_UP_S)
    assert await office.status(EMAIL, CASE) is None
    await office.worked(ZALO)
    assert await office.status(ZALO, CASE) == Status.EXPIRED
    assert await office.status(EMAIL, CASE) == Status.PENDING


@pytest.mark.parametrize(
    ("kind", "name", "stored"),
    [
        ("citizen", "Nguyễn Văn An", "N*** V*** A***"),
        ("citizen", "N*** A***", "N*** A***"),
        ("household", "Trần Thị Ánh", "T*** T*** Á***"),
        ("business", "Công ty TNHH Bình Minh", "Công ty TNHH Bình Minh"),
    ],
)
async def test_a_persons_name_is_masked_before_it_is_stored(office, kind, name, stored):
    event = a_case(applicant_kind=kind, applicant_name=name, authorised_person="Lê Văn Bình")
    await office.accepted(event)
    await office.accepted(event)
    [kept] = await office.door.stored()
    assert kept["data"]["applicant_name"] == stored
    assert kept["data"]["authorised_person"] == "L*** V*** B***"
