"""Erasure on request: here, in the notices and at Zalo, repeated until it is complete."""

import pytest
import structlog

from channels.zalo.webhook.events import ZaloEvent
from consumers.case_notices import erasure
from consumers.runtime.errors import RetryLater
from consumers.zalo.erasure import WITHDRAWN_REASON, zalo_address
from contracts import subjects
from contracts.records import NoticeRecord
from producers.bus.records import write
from tests.support.crashing_bus import crash_at
from tests.support.zalo_events import ZALO
from tests.support.zalo_webhook import PHONE, USER


def notice(number: int, **contact) -> NoticeRecord:
    return NoticeRecord(
        content_id=f"case-{number}", revision=1, event_id="e", unit="u",
        contact={"consent": True, **contact}, channels=("zalo", "email"),
    )  # fmt: skip


async def store_notices(bus):
    """Store four notices: two of the person, one with an e-mail address, and two of others."""
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
    return bucket


async def left(bucket) -> dict[str, NoticeRecord]:
    return {
        key: NoticeRecord.model_validate_json(value.data)
        async for key, value in bucket.values()
        if "." not in key
    }


@pytest.mark.promise("12.7")
async def test_who_wants_to_be_forgotten_is_forgotten_everywhere(zalo_events):
    bucket = await store_notices(zalo_events.bus)
    await zalo_events.zalo.act(USER, "share", name="Ông A")
    await zalo_events.zalo.act(USER, "follow")
    await zalo_events.consume_all()
    await zalo_events.zalo.act(USER, "withdraw")
    with structlog.testing.capture_logs() as logs:
        await zalo_events.consume_all()
    found = await left(bucket)
    assert set(found) == {"both", "other", "phone"}
    contact = found["both"].contact
    assert (contact.zalo_user_id, contact.email, contact.phone) == (None, "a@example.com", PHONE)
    assert found["other"].contact.zalo_user_id == "5"
    assert [key async for key, _ in zalo_events.people.followers.bucket.values()] == []
    assert [one async for one in zalo_events.bus.scan(subjects.RECEIPTS.name)] == []
    assert len(zalo_events.zalo.facts("info_deleted")) == 1
    reason = await zalo_events.people.suppressions.reason(ZALO, zalo_address(USER))
    assert reason == WITHDRAWN_REASON
    [line] = [one for one in logs if one["event"] == "zalo_person_erased"]
    assert line["notices"] == 2
    assert USER not in repr(logs)


async def test_older_events_that_come_late_do_not_bring_a_person_back(zalo_events):
    await zalo_events.handle("withdrawn")
    for kind in ("follow", "inbound", "unfollow", "interaction"):
        await zalo_events.handle(kind, ago_s=30)
    assert [key async for key, _ in zalo_events.people.followers.bucket.values()] == []
    assert zalo_events.sent() == []
    suppressions = zalo_events.people.suppressions
    assert await suppressions.reason(ZALO, zalo_address(USER)) == WITHDRAWN_REASON


@pytest.mark.parametrize("late", [True, False])
async def test_who_comes_back_after_that_begins_anew(zalo_events, late):
    order = [zalo_events.event("withdrawn", ago_s=60), zalo_events.event("follow")]
    for event in order[::-1] if late else order:
        await zalo_events.people.on_event(event)
    count = await zalo_events.people.followers.count(zalo_events.now())
    assert count.followers == 1
    assert await zalo_events.people.suppressions.reason(ZALO, zalo_address(USER)) is None


@pytest.mark.parametrize(
    "kind", ["drop_before", "drop_after", "html_before", "empty_after", "refuse"]
)
async def test_it_is_tried_again_until_zalo_has_erased_too(zalo_events, kind):
    zalo_events.account.fault("oa.deletefollowerinfo", kind, code=-200, words="try again")
    event = zalo_events.event("withdrawn")
    with pytest.raises(RetryLater) as later:
        await zalo_events.people.on_event(event)
    assert 1 <= later.value.delay_s <= 600
    await zalo_events.people.on_event(event)
    await zalo_events.people.on_event(event)
    assert zalo_events.zalo.facts("info_deleted")


async def test_until_zalo_has_erased_too_the_wish_stays_and_nobody_elses_words_go(zalo_events):
    other = await zalo_events.zalo.person()
    for user_id, deed in ((other, "follow"), (USER, "follow"), (USER, "withdraw")):
        await zalo_events.zalo.act(user_id, deed)
    zalo_events.account.fault("oa.deletefollowerinfo", "drop_before")
    wish = ZaloEvent.model_validate((await zalo_events.webhook.post_due_events())[-1])
    with pytest.raises(RetryLater):
        await zalo_events.people.on_event(wish)
    assert await names(zalo_events) == [(other, "follow"), (USER, "withdrawn")]
    await zalo_events.people.on_event(wish)
    assert await names(zalo_events) == [(other, "follow")]
    await zalo_events.people.on_event(wish)
    assert await names(zalo_events) == [(other, "follow")]


@pytest.mark.promise("12.7")
async def test_while_zalo_cannot_be_asked_our_own_part_is_not_done_again(zalo_events):
    await zalo_events.zalo.act(USER, "follow")
    await zalo_events.zalo.act(USER, "withdraw")
    wish = ZaloEvent.model_validate((await zalo_events.webhook.post_due_events())[-1])
    erasure, scanned, walked = zalo_events.people.erasure, [], []
    scan, notices = erasure.bus.scan, erasure.erase_from_notices
    erasure.bus.scan = lambda *place: scanned.append(place) or scan(*place)
    erasure.erase_from_notices = lambda user_id: walked.append(1) or notices(user_id)
    for _ in range(5):
        zalo_events.account.fault("oa.deletefollowerinfo", "drop_before")
        with pytest.raises(RetryLater):
            await zalo_events.people.on_event(wish)
    assert (len(scanned), len(walked)) == (1, 1)
    [place] = await left_in_control(zalo_events)
    assert USER not in repr(place)
    late = zalo_events.event("interaction", key="late", ago_s=60)
    await zalo_events.webhook.publisher.publish(late)
    await zalo_events.people.on_event(wish)
    assert (len(scanned), len(walked)) == (2, 1)
    assert scanned[1][-1] == 2, "only from the wish on"
    assert await names(zalo_events) == []
    assert await left_in_control(zalo_events) == []


async def left_in_control(harness):
    bucket = harness.bus.bucket(subjects.CONTROL.name)
    return [(key, value.data) async for key, value in bucket.values("erasing.")]


async def names(harness):
    """Return every user id that the bus still holds."""
    return [(one["user_id"], one["kind"]) for one in await harness.webhook.post_due_events()]


async def test_whom_zalo_does_not_know_is_forgotten_there(zalo_events):
    await zalo_events.handle("withdrawn", "424242")
    assert zalo_events.zalo.facts("info_deleted") == []


async def test_a_death_in_the_middle_leaves_nothing_undone(zalo_events):
    bucket = await store_notices(zalo_events.bus)
    with crash_at("zalo.person_purged"):
        await zalo_events.handle("withdrawn")
    await zalo_events.new_process().on_event(zalo_events.event("withdrawn"))
    assert set(await left(bucket)) == {"both", "other", "phone"}
    assert len(zalo_events.zalo.facts("info_deleted")) == 1


async def test_a_notice_that_changes_meanwhile_is_looked_at_again(zalo_events, monkeypatch):
    bucket = await store_notices(zalo_events.bus)
    meanwhile = notice(2, zalo_user_id=USER, email="b@example.com")

    async def overtaken(bucket, key, record, revision):
        if key == "both" and not record.contact.email.startswith("b"):
            await bucket.put(key, meanwhile.model_dump_json().encode())
        return await write(bucket, key, record, revision)

    monkeypatch.setattr(erasure, "write", overtaken)
    await zalo_events.people.erasure.erase_from_notices(USER)
    contact = (await left(bucket))["both"].contact
    assert (contact.zalo_user_id, contact.email) == (None, "b@example.com")
