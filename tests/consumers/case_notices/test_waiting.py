"""Case notices that wait: how long, how an operator ends them, and what a restore repeats."""

import pytest
import structlog

from channels.base import Outcome, Verdict
from channels.email.render.personal import notice_date
from consumers.deliver.renderings import RenderCache
from consumers.ledger.backoff import GIVE_UP_S
from consumers.ledger.entry import notice_entry
from consumers.operations.manual_resolution import ManualResolution
from contracts import keys, subjects
from contracts.delivery import BatchKey, Lane, PlanKey, Status
from contracts.records import Dossier
from tests.support.case_pipeline import CASE, EMAIL, MAIL, PHONE, ZALO, case_event, case_event_id
from tests.support.gateway_client import UNIT

DAY_S = 86400.0
PHONE_ONLY = {"phone": PHONE, "consent": True}
BROKE = Outcome(Verdict.HELD, "our monthly money quota", 6 * 3600.0, reached_provider=False)


# --- people with only one channel


@pytest.mark.promise("12.4")
async def test_whoever_has_no_other_channel_is_told_when_zalo_takes_it_at_last(case_pipeline):
    await case_pipeline.accept_and_take_in(contact=PHONE_ONLY)
    case_pipeline.set_outcome(ZALO, BROKE)
    for _ in range(40):  # ten days
        await case_pipeline.wake(ZALO)
        case_pipeline.clock.advance(6.5 * 3600)
    assert await case_pipeline.status(ZALO) == Status.DEFERRED
    case_pipeline.set_outcome(ZALO, Outcome(Verdict.DELIVERED))
    await case_pipeline.wake(ZALO)
    assert await case_pipeline.status(ZALO) == Status.DELIVERED


async def test_a_last_channel_that_stands_still_loses_nobody(case_pipeline):
    await case_pipeline.accept_and_take_in(contact=PHONE_ONLY)
    case_pipeline.set_outcome(ZALO, BROKE)
    await case_pipeline.wake(ZALO)
    case_pipeline.clock.advance(2 * GIVE_UP_S)
    case_pipeline.workers[ZALO].is_paused = lambda: True
    case_pipeline.workers[ZALO].gate_of(Lane.NOTICE).is_paused = lambda: True
    await case_pipeline.wake(ZALO)
    assert await case_pipeline.status(ZALO) == Status.DEFERRED


async def test_an_operator_hears_once_a_day_of_somebody_who_waits_long(case_pipeline):
    await case_pipeline.accept_and_take_in(contact=PHONE_ONLY)
    case_pipeline.set_outcome(ZALO, BROKE)
    said = []
    for _ in range(40):
        with structlog.testing.capture_logs() as logs:
            await case_pipeline.wake(ZALO)
        said += [
            int(case_pipeline.clock.now // DAY_S)
            for one in logs
            if one["event"] == "notice_waits_long"
        ]
        case_pipeline.clock.advance(6.5 * 3600)
    assert 7 <= len(said) <= 9
    assert len(set(said)) == len(said)


async def test_a_last_channel_waits_until_the_contact_is_gone(case_pipeline):
    await case_pipeline.accept_and_take_in(contact=PHONE_ONLY)
    case_pipeline.set_outcome(ZALO, BROKE)
    await case_pipeline.wake(ZALO)
    case_pipeline.clock.advance(30 * DAY_S)
    await case_pipeline.delete_contact()
    await case_pipeline.wake(ZALO)
    assert await case_pipeline.status(ZALO) == Status.SUPPRESSED


# --- evidence from the person


@pytest.fixture
async def resolution(case_pipeline):
    """A notice by Zalo has ended unknown."""
    await case_pipeline.end_unknown()
    ledger, notices = case_pipeline.ledger, case_pipeline.notices
    return ManualResolution(ledger, ZALO, notices, case_pipeline.clock)


@pytest.mark.promise("12.4")
async def test_a_notice_that_was_surely_not_sent_goes_to_another_channel(case_pipeline, resolution):
    [done] = await resolution.resolve(CASE, None, arrived=False, by="Phòng Một cửa")
    assert done.status == await case_pipeline.status(ZALO) == Status.SUPPRESSED
    await case_pipeline.work(EMAIL)
    assert case_pipeline.providers[EMAIL].addresses == [MAIL]


async def test_a_resolution_that_was_cut_short_is_finished_by_its_repeat(case_pipeline, resolution):
    resolution.case_notices = None
    await resolution.resolve(CASE, None, arrived=False, by="Phòng Một cửa")
    assert await case_pipeline.status(EMAIL) is None
    resolution.case_notices = case_pipeline.notices
    assert await resolution.resolve(CASE, None, arrived=False, by="Phòng Một cửa") == []
    assert await case_pipeline.status(EMAIL) == Status.PENDING


async def test_a_notice_that_arrived_after_all_begins_no_other_channel(case_pipeline, resolution):
    await resolution.resolve(CASE, 1, arrived=True, by="Phòng Một cửa")
    assert await case_pipeline.status(ZALO) == Status.DELIVERED
    assert await case_pipeline.status(EMAIL) is None


# --- a number that is assigned again


async def test_a_number_that_is_given_again_is_another_delivery(case_pipeline):
    seen = []
    case_pipeline.set_outcome(ZALO, Outcome(Verdict.DELIVERED))
    send = case_pipeline.providers[ZALO].send

    async def noted(rendered, rows, expired):
        seen.extend(row.delivery_key for row in rows)
        return await send(rendered, rows, expired)

    case_pipeline.providers[ZALO].send = noted
    await case_pipeline.accept_and_take_in(id="e-1")
    await case_pipeline.work(ZALO)
    await lose_everything_of_the_dossier(case_pipeline)
    await case_pipeline.accept_and_take_in(id="e-2")
    await case_pipeline.work(ZALO)
    assert len(set(seen)) == 2
    assert seen[1] == keys.delivery_key(CASE, 1, ZALO, case_event_id("e-2"))


async def lose_everything_of_the_dossier(pipeline):
    """Delete all of a dossier's data, as a restore from an older backup does."""
    unnumbered = Dossier(unit=UNIT).model_dump_json().encode()
    await pipeline.bus.bucket(subjects.PUBLISHED.name).put(CASE, unnumbered)
    await pipeline.bus.bucket(subjects.EVENTS.name).purge(case_event_id("e-1"))
    await pipeline.ledger.bucket.purge(f"state.{BatchKey(ZALO, CASE, 1, 0)}")
    async for one in pipeline.bus.scan(subjects.CONTENT.name):
        await pipeline.bus.erase_message(subjects.CONTENT.name, one.seq)


async def test_a_notice_of_the_first_form_is_still_found(case_pipeline):
    """Its key names no event: the contact lies under the word `person`."""
    await case_pipeline.accepted(case_event())
    record = (await case_pipeline.contact_of()).model_dump_json()
    old = keys.tracking_id(keys.delivery_key(CASE, 1, ZALO, keys.SOLE_RECIPIENT))
    await case_pipeline.bus.bucket(subjects.NOTICES.name).put(old, record.encode())
    await case_pipeline.delete_contact()
    entry = notice_entry(1, "", case_pipeline.clock())
    await case_pipeline.ledger.create_notice(BatchKey(ZALO, CASE, 1, 0), entry)
    await case_pipeline.wake(ZALO)
    assert case_pipeline.providers[ZALO].addresses == [PHONE]


async def test_a_notice_says_when_the_door_took_its_event(case_pipeline):
    """Not the time of the step, which may be days ago; the same after every restart."""
    await case_pipeline.accept_and_take_in(occurred_at="2026-06-01T09:15:00+07:00")
    [stored] = [one async for one in case_pipeline.bus.scan(subjects.CONTENT.name)]
    caches = [
        RenderCache(case_pipeline.bus, case_pipeline.ledger, lambda notice: notice)
        for _ in range(2)
    ]
    plan = PlanKey(ZALO, CASE, 1)
    notices = [(await cache.content(plan, stored.seq)).require() for cache in caches]
    assert {one.accepted_at for one in notices} == {stored.time}
    assert notice_date(notices[0]) == stored.time
