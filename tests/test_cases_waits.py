"""How long a case notice waits, what a person may end, and what a restore must not repeat."""

import pytest
import structlog

from channels.base import Outcome, Verdict
from channels.email.notice import date
from consumers.ledger.entry import noticed
from consumers.library import Library
from consumers.retry import GIVE_UP_S
from consumers.settlement import Settlement
from contracts import keys, subjects
from contracts.delivery import BatchKey, Status
from contracts.records import Dossier
from tests.doors import UNIT, open_door
from tests.office import CASE, EMAIL, MAIL, PHONE, ZALO, Office, a_case, event_id

DAY_S = 86400.0
PHONE_ONLY = {"phone": PHONE, "consent": True}
BROKE = Outcome(Verdict.HELD, "our monthly money quota", 6 * 3600.0, asked=False)


@pytest.fixture
async def office(bus, clock, tmp_path):
    async with open_door(bus, clock) as door:
        yield Office(bus, door, tmp_path, clock)


# --- whoever has only one channel


async def test_whoever_has_no_other_channel_is_told_when_zalo_takes_it_at_last(office):
    await office.told(contact=PHONE_ONLY)
    office.says(ZALO, BROKE)
    for _ in range(40):  # ten days
        await office.worked(ZALO)
        office.clock.advance(6.5 * 3600)
    assert await office.status(ZALO, CASE) == Status.DEFERRED
    office.says(ZALO, Outcome(Verdict.DELIVERED))
    await office.worked(ZALO)
    assert await office.status(ZALO, CASE) == Status.DELIVERED


async def test_a_last_channel_that_stands_still_loses_nobody(office):
    await office.told(contact=PHONE_ONLY)
    office.says(ZALO, BROKE)
    await office.worked(ZALO)
    office.clock.advance(2 * GIVE_UP_S)
    office.workers[ZALO].paused = lambda: True
    office.workers[ZALO].guard.paused = lambda: True
    await office.worked(ZALO)
    assert await office.status(ZALO, CASE) == Status.DEFERRED


async def test_an_operator_hears_once_a_day_of_somebody_who_waits_long(office):
    await office.told(contact=PHONE_ONLY)
    office.says(ZALO, BROKE)
    said = []
    for _ in range(40):
        with structlog.testing.capture_logs() as logs:
            await office.worked(ZALO)
        said += [
            int(office.clock.now // DAY_S) for one in logs if one["event"] == "notice_waits_long"
        ]
        office.clock.advance(6.5 * 3600)
    assert 7 <= len(said) <= 9
    assert len(set(said)) == len(said)


async def test_a_last_channel_waits_until_the_contact_is_gone(office):
    await office.told(contact=PHONE_ONLY)
    office.says(ZALO, BROKE)
    await office.worked(ZALO)
    office.clock.advance(30 * DAY_S)
    await office.forget()
    await office.worked(ZALO)
    assert await office.status(ZALO, CASE) == Status.SUPPRESSED


# --- what a person has seen


async def unknown(office, **data):
    await office.told(**data)
    office.says(ZALO, Outcome(Verdict.DOUBT, "no answer"))
    office.providers[ZALO].known = lambda _: Outcome(Verdict.UNKNOWN, "zalo can't say")
    for _ in range(2):
        await office.worked(ZALO)
    assert await office.status(ZALO, CASE) == Status.UNKNOWN
    return Settlement(office.ledger, ZALO, office.notices, office.clock)


async def test_a_notice_that_surely_was_not_sent_goes_on_to_the_next_channel(office):
    settlement = await unknown(office)
    [done] = await settlement.settle(CASE, None, arrived=False, by="Phòng Một cửa")
    assert done.status == await office.status(ZALO, CASE) == Status.SUPPRESSED
    await office.work(EMAIL, CASE)
    assert office.providers[EMAIL].addresses == [MAIL]


async def test_a_settlement_that_was_cut_short_is_finished_by_its_repeat(office):
    settlement = await unknown(office)
    settlement.notices = None
    await settlement.settle(CASE, None, arrived=False, by="Phòng Một cửa")
    assert await office.status(EMAIL, CASE) is None
    settlement.notices = office.notices
    assert await settlement.settle(CASE, None, arrived=False, by="Phòng Một cửa") == []
    assert await office.status(EMAIL, CASE) == Status.PENDING


async def test_a_notice_that_arrived_after_all_begins_no_other_channel(office):
    settlement = await unknown(office)
    await settlement.settle(CASE, 1, arrived=True, by="Phòng Một cửa")
    assert await office.status(ZALO, CASE) == Status.DELIVERED
    assert await office.status(EMAIL, CASE) is None


# --- a number that is given again


async def test_a_number_that_is_given_again_is_another_delivery(office):
    seen = []
    office.says(ZALO, Outcome(Verdict.DELIVERED))
    send = office.providers[ZALO].send

    async def noted(rendered, rows, expired):
        seen.extend(row.delivery_key for row in rows)
        return await send(rendered, rows, expired)

    office.providers[ZALO].send = noted
    await office.told(id="e-1")
    await office.work(ZALO, CASE)
    await lose_everything_of_the_dossier(office)
    await office.told(id="e-2")
    await office.work(ZALO, CASE)
    assert len(set(seen)) == 2
    assert seen[1] == keys.delivery_key(CASE, 1, ZALO, event_id("e-2"))


async def lose_everything_of_the_dossier(office):
    """As after a restore from a backup that was made before it."""
    unnumbered = Dossier(unit=UNIT).model_dump_json().encode()
    await office.bus.bucket(subjects.PUBLISHED.name).put(CASE, unnumbered)
    await office.bus.bucket(subjects.EVENTS.name).purge(event_id("e-1"))
    await office.ledger.bucket.purge(f"state.{BatchKey(ZALO, CASE, 1, 0)}")
    async for one in office.bus.scan(subjects.CONTENT.name):
        await office.bus.erase(subjects.CONTENT.name, one.seq)


async def test_a_notice_of_the_first_form_is_still_found(office):
    """It names no event: its contact lies where the word `person` leads."""
    await office.accepted(a_case())
    record = await office.kept()
    old = keys.tracking_id(keys.delivery_key(CASE, 1, ZALO, keys.PERSON))
    await office.bus.bucket(subjects.NOTICES.name).put(old, record.model_dump_json().encode())
    await office.forget()
    await office.ledger.notice(BatchKey(ZALO, CASE, 1, 0), noticed(1, "", office.clock()))
    await office.worked(ZALO)
    assert office.providers[ZALO].addresses == [PHONE]


async def test_a_notice_says_when_the_door_took_its_event(office):
    """Not when the step was, which may lie days back; and the same after every restart."""
    await office.told(occurred_at="2026-06-01T09:15:00+07:00")
    [stored] = [one async for one in office.bus.scan(subjects.CONTENT.name)]
    notices = [await Library(office.bus, office.ledger, str).notice(stored.seq) for _ in range(2)]
    assert {one.accepted_at for one in notices} == {stored.time}
    assert date(notices[0]) == stored.time
