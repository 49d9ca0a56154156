"""Who wants to be forgotten is forgotten: here, in their notices and at Zalo, until it is done."""

from contextlib import asynccontextmanager

import pytest
import structlog

from channels.zalo.events import ZaloEvent
from consumers.settle import Later
from consumers.zalo.erasure import WITHDRAWN, address_of
from contracts import crash, subjects
from contracts.records import NoticeRecord
from tests.zalo_hook import PHONE, USER
from tests.zalo_office import ZALO, an_office


@pytest.fixture
async def office(bus, tmp_path, clock):
    async with an_office(bus, tmp_path, clock) as office:
        yield office


def notice(number: int, **contact) -> NoticeRecord:
    return NoticeRecord(
        content_id=f"case-{number}", revision=1, event_id="e", unit="u",
        contact={"consent": True, **contact}, channels=("zalo", "email"),
    )  # fmt: skip


@asynccontextmanager
async def noticed(bus):
    """Four notices: two of the person, of which one has a mail address too, and two of others."""
    bucket = bus.bucket(subjects.NOTICES.name)
    records = {
        "only": notice(1, zalo_user_id=USER),
        "both": notice(2, zalo_user_id=USER, email="a@example.com", phone=PHONE),
        "other": notice(3, zalo_user_id="5"),
        "phone": notice(4, phone=PHONE),
    }
    for key, record in records.items():
        await bucket.put(key, record.model_dump_json().encode())
    await bucket.put("sent.only", b"m-1")
    await bucket.put("message.m-1", b"only")
    yield bucket


async def left(bucket) -> dict[str, NoticeRecord]:
    return {
        key: NoticeRecord.model_validate_json(value.data)
        async for key, value in bucket.values()
        if "." not in key
    }


async def test_who_wants_to_be_forgotten_is_forgotten_everywhere(office):
    async with noticed(office.bus) as bucket:
        await office.zalo.said("/v3.0/oa/user/update", {"user_id": USER, "user_alias": "Ông A"})
        await office.zalo.act(USER, "follow")
        await office.on_all()
        await office.zalo.act(USER, "withdraw")
        with structlog.testing.capture_logs() as logs:
            await office.on_all()
        found = await left(bucket)
    assert set(found) == {"both", "other", "phone"}
    contact = found["both"].contact
    assert (contact.zalo_user_id, contact.email, contact.phone) == (None, "a@example.com", PHONE)
    assert found["other"].contact.zalo_user_id == "5"
    assert [key async for key, _ in office.people.followers.bucket.values()] == []
    assert [one async for one in office.bus.scan(subjects.RECEIPTS.name)] == []
    assert len(office.zalo.facts("info_deleted")) == 1
    reason = await office.people.suppressions.reason(ZALO, address_of(USER))
    assert reason == WITHDRAWN
    [line] = [one for one in logs if one["event"] == "zalo_person_erased"]
    assert line["notices"] == 2
    assert USER not in repr(logs)


async def test_older_events_that_come_late_do_not_bring_a_person_back(office):
    await office.people.on_event(office.event("withdrawn"))
    for kind in ("follow", "inbound", "unfollow", "interaction"):
        await office.people.on_event(office.event(kind, ago_s=30))
    assert [key async for key, _ in office.people.followers.bucket.values()] == []
    assert office.sent() == []
    assert await office.people.suppressions.reason(ZALO, address_of(USER)) == WITHDRAWN


@pytest.mark.parametrize("late", [True, False])
async def test_who_comes_back_after_that_begins_anew(office, late):
    order = [office.event("withdrawn", ago_s=60), office.event("follow")]
    for event in order[::-1] if late else order:
        await office.people.on_event(event)
    count = await office.people.followers.count(office.now())
    assert count.followers == 1
    assert await office.people.suppressions.reason(ZALO, address_of(USER)) is None


@pytest.mark.parametrize(
    "kind", ["drop_before", "drop_after", "html_before", "empty_after", "refuse"]
)
async def test_it_is_tried_again_until_zalo_has_erased_too(office, kind):
    office.stage.fault("oa.deletefollowerinfo", kind, code=-200, words="try again")
    event = office.event("withdrawn")
    with pytest.raises(Later) as later:
        await office.people.on_event(event)
    assert 1 <= later.value.delay_s <= 600
    await office.people.on_event(event)
    await office.people.on_event(event)
    assert office.zalo.facts("info_deleted")


async def test_until_zalo_has_erased_too_the_wish_stays_and_nobody_elses_words_go(
    office,
):
    other = await office.zalo.person()
    for user_id, deed in ((other, "follow"), (USER, "follow"), (USER, "withdraw")):
        await office.zalo.act(user_id, deed)
    office.stage.fault("oa.deletefollowerinfo", "drop_before")
    wish = ZaloEvent.model_validate((await office.line.heard())[-1])
    with pytest.raises(Later):
        await office.people.on_event(wish)
    assert await names(office) == [(other, "follow"), (USER, "withdrawn")]
    await office.people.on_event(wish)
    assert await names(office) == [(other, "follow")]
    await office.people.on_event(wish)
    assert await names(office) == [(other, "follow")]


async def test_while_zalo_cannot_be_asked_our_own_part_is_not_done_again(office):
    await office.zalo.act(USER, "follow")
    await office.zalo.act(USER, "withdraw")
    wish = ZaloEvent.model_validate((await office.line.heard())[-1])
    erasure, scanned, walked = office.people.erasure, [], []
    scan, notices = erasure.bus.scan, erasure.notices
    erasure.bus.scan = lambda *place: scanned.append(place) or scan(*place)
    erasure.notices = lambda: walked.append(1) or notices()
    for _ in range(5):
        office.stage.fault("oa.deletefollowerinfo", "drop_before")
        with pytest.raises(Later):
            await office.people.on_event(wish)
    assert (len(scanned), len(walked)) == (1, 1)
    [place] = await left_in_control(office)
    assert USER not in repr(place)
    await office.line.hearing.store(office.event("interaction", key="late", ago_s=60))
    await office.people.on_event(wish)
    assert (len(scanned), len(walked)) == (2, 1)
    assert scanned[1][-1] == 2, "only from the wish on"
    assert await names(office) == []
    assert await left_in_control(office) == []


async def left_in_control(office):
    bucket = office.bus.bucket(subjects.CONTROL.name)
    return [(key, value.data) async for key, value in bucket.values("erasing.")]


async def names(office):
    """Who did what, as the bus still knows it."""
    return [(one["user_id"], one["kind"]) for one in await office.line.heard()]


async def test_whom_zalo_does_not_know_is_forgotten_there(office):
    await office.people.on_event(office.event("withdrawn", "424242"))
    assert office.zalo.facts("info_deleted") == []


async def test_a_death_in_the_middle_leaves_nothing_undone(office):
    class Killed(Exception):
        pass

    def hook(name):
        if name == "zalo.person_purged":
            raise Killed

    async with noticed(office.bus) as bucket:
        crash.arm(hook)
        try:
            with pytest.raises(Killed):
                await office.people.on_event(office.event("withdrawn"))
        finally:
            crash.arm(None)
        await office.open().on_event(office.event("withdrawn"))
        assert set(await left(bucket)) == {"both", "other", "phone"}
    assert len(office.zalo.facts("info_deleted")) == 1


async def test_a_notice_that_changes_meanwhile_is_looked_at_again(office):
    async with noticed(office.bus) as bucket:
        erasure, real = office.people.erasure, office.people.erasure.clear
        meanwhile = notice(2, zalo_user_id=USER, email="b@example.com")

        async def overtaken(key, value):
            if key == "both" and value.data != meanwhile.model_dump_json().encode():
                await bucket.put(key, meanwhile.model_dump_json().encode())
            return await real(key, value)

        erasure.clear = overtaken
        await erasure.clear_notices(USER)
        contact = (await left(bucket))["both"].contact
        assert (contact.zalo_user_id, contact.email) == (None, "b@example.com")
