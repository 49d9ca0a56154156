"""A writer on the bus without the key gives no rights, decides nothing and sends nothing."""

import json
import time
from dataclasses import replace

import pytest

from consumers.case_notices.handler import CaseNoticeHandler
from consumers.case_notices.recipients import CaseNotices
from consumers.intake.handler import Intake
from consumers.key_file import KeyFile
from consumers.ledger import codec
from consumers.ledger.cursor import PlanCursor
from consumers.ledger.entry import planned_entry
from consumers.ledger.store import Ledger
from consumers.ledger.wakeups import Waker
from consumers.staff.sessions import token_key
from contracts import subjects
from contracts.cloudevent import CloudEvent
from contracts.delivery import BatchKey, ChannelName, Lane, PlanKey
from contracts.errors import Invalid, Unauthorized
from contracts.records import Ownership
from contracts.vocabulary import DEFAULT
from producers.bus import Bus
from producers.seals import NotSealed
from producers.units.registry import UnitRegistry
from tests.support.case_pipeline import case_event
from tests.support.decisions import approve_item
from tests.support.delivery_pipeline import new_delivery_pipeline
from tests.support.events import (
    ITEM,
    UNIT,
    released_actions,
    released_publications,
    submitted,
)
from tests.support.records_forger import RecordsForger, seal_new_records
from tests.support.staff import StaffHarness

UNITS, PUBLISHED = subjects.UNITS.name, subjects.PUBLISHED.name
LEDGER, STAFF, SESSIONS = subjects.LEDGER.name, subjects.STAFF.name, subjects.SESSIONS.name
OTHER_UNIT = "vu-to-chuc-bien-che"


@pytest.fixture
def forger(bus):
    """It has what the bus holds, and no key."""
    return RecordsForger(Bus(bus.connection))


@pytest.fixture
def sealed_bus(bus, tmp_path):
    seal_new_records(bus, KeyFile.open(tmp_path / "vault.key"))
    return bus


@pytest.fixture
def registry(sealed_bus):
    return UnitRegistry(sealed_bus, DEFAULT, time.time)


@pytest.fixture
async def intake(sealed_bus, registry):
    await registry.add(UNIT, release="desk")
    return Intake(sealed_bus, DEFAULT, time.time)


@pytest.mark.parametrize("changes", [{"urgent": True}, {"release": "automatic"}, {"keys": []}])
async def test_a_changed_registration_has_no_rights(registry, forger, changes):
    key = await registry.add(UNIT, release="desk")
    assert (await registry.authenticate(key)).unit == UNIT
    await forger.change(UNITS, UNIT, **changes)
    with pytest.raises(Unauthorized):
        await registry.authenticate(key)
    with pytest.raises(Invalid, match="find out who may write to the bus"):
        await registry.rotate(UNIT)
    key = await registry.add(UNIT, release="desk")
    assert (await registry.authenticate(key)).registration.urgent is False


async def test_the_key_of_one_unit_opens_no_other(registry, forger):
    await registry.add(UNIT, release="automatic")
    await forger.move(UNITS, UNIT, OTHER_UNIT)
    assert await registry.find(OTHER_UNIT) is None
    assert [one.unit for one in await registry.registered_units()] == [UNIT]


async def test_a_revoked_key_does_not_come_back(registry, forger):
    key = await registry.add(UNIT, release="automatic")
    before = await forger.message(UNITS, UNIT)
    await registry.revoke(UNIT)
    assert not await forger.send_again(before)
    assert await forger.send_again(before, is_swap=True)
    with pytest.raises(Unauthorized):
        await registry.authenticate(key)


async def test_an_event_of_a_forged_registration_waits_at_the_desk(intake, forger, bus):
    await forger.change(UNITS, UNIT, release="automatic")
    await intake.handle(submitted(), UNIT)
    assert await released_actions(bus) == []
    assert [one.key for one in await intake.decisions.waiting_drafts()] == [f"{ITEM}.1"]


async def test_a_case_notice_under_a_forged_registration_is_not_begun(sealed_bus, registry, forger):
    """A gateway without any key may have taken it."""
    notices = CaseNotices(sealed_bus, Ledger(sealed_bus), Waker(sealed_bus))
    sample = case_event()
    del sample["data"]["contact"]
    handler, event = (
        CaseNoticeHandler(sealed_bus, notices, time.time),
        CloudEvent.model_validate(sample),
    )
    await registry.add(UNIT, release="desk")
    with pytest.raises(Invalid, match="type"):
        await handler.handle(event, UNIT, seq=1)  # as far as the gateway's own record
    await forger.change(UNITS, UNIT, urgent=True)
    with pytest.raises(NotSealed):
        await handler.handle(event, UNIT, seq=1)


async def test_a_forged_decision_releases_nothing(intake, forger, bus):
    await intake.handle(submitted(), UNIT)
    decision = {"verdict": "approved", "by": "Trần Thị B", "at": "2026-11-29T00:00:00Z"}
    await forger.change(PUBLISHED, f"{ITEM}.1", state="released", decision=decision)
    assert await intake.decisions.finish_interrupted() == 0
    with pytest.raises(NotSealed):
        await intake.handle(submitted(), UNIT)
    assert await released_actions(bus) == []


async def test_a_forged_release_in_the_item_releases_nothing(intake, forger, bus):
    await intake.handle(submitted(), UNIT)
    now = {"1": "2026-11-29T00:00:00Z"}
    await forger.change(PUBLISHED, ITEM, state="released", revision=1, released=now, waiting=[])
    with pytest.raises(NotSealed):
        await intake.handle(submitted(), UNIT)
    assert await released_actions(bus) == []


async def test_a_draft_of_another_text_is_not_approved(intake, forger, bus):
    await intake.handle(submitted(), UNIT)
    [draft] = await intake.decisions.waiting_drafts()
    text = draft.text.model_copy(update={"data": draft.data | {"body": "Kẻ tấn công"}})
    state = (await intake.decisions.log.read(ITEM)).state
    changes = {"id": "gia", "revision": 2, "text": text, "hash": text.hash, "prev": state.head}
    await forger.bus.publish(
        subjects.editorial(ITEM), state.last_change.model_copy(update=changes).encode()
    )
    await approve_item(intake.decisions, ITEM, "Trần Thị B")
    [released] = await released_publications(bus)
    assert (released["revision"], released["body"]) == (1, draft.data["body"])


@pytest.fixture
async def delivered(sealed_bus, tmp_path):
    """A publication that three readers have, and what the forger saw of it before."""
    pipeline = new_delivery_pipeline(sealed_bus, tmp_path)
    plan = await pipeline.plan()
    seen = [one async for one in Bus(sealed_bus.connection).scan(f"KV_{LEDGER}", ">")]
    await pipeline.work_plan(plan)
    assert len(pipeline.provider.arrivals) == 3
    return pipeline, plan, seen


async def test_a_batch_that_is_set_back_is_not_sent_again(delivered, forger):
    pipeline, plan, seen = delivered
    key = f"state.{BatchKey(*plan, 0)}"
    [before] = [one for one in seen if one.subject.endswith(key)]
    assert not await forger.send_again(before)
    fresh = codec.encode_state(planned_entry(3, Lane.NORMAL, time.time()))
    for message in (before, replace(before, data=fresh)):
        assert await forger.send_again(message, is_swap=True)
        with pytest.raises(NotSealed):
            await pipeline.work(plan)
    assert len(pipeline.provider.arrivals) == 3


async def test_a_forged_plan_sends_nothing(delivered, forger):
    pipeline, plan, _ = delivered
    other = PlanKey(ChannelName.EMAIL, plan.content_id, plan.revision + 1)
    entry = codec.encode_state(planned_entry(3, Lane.NORMAL, time.time()))
    cursor = codec.encode_cursor(PlanCursor(count=1, planned=3, complete=True, source=1))
    await forger.write(LEDGER, f"plan.{other}", cursor)
    await forger.move(LEDGER, f"rows.{BatchKey(*plan, 0)}", f"rows.{BatchKey(*other, 0)}")
    await forger.write(LEDGER, f"state.{BatchKey(*other, 0)}", entry)
    with pytest.raises(NotSealed):
        await pipeline.work(other)
    assert len(pipeline.provider.arrivals) == 3


async def test_other_recipients_of_a_batch_get_nothing(delivered, forger, sealed_bus):
    pipeline, plan, _ = delivered
    await forger.write(LEDGER, f"rows.{BatchKey(*plan, 0)}", b"r000007")
    with pytest.raises(NotSealed):
        await pipeline.ledger.rows(BatchKey(*plan, 0))


async def test_a_session_that_another_writer_made_opens_nothing(sealed_bus, forger, clock):
    staff = StaffHarness(sealed_bus, clock)
    token = await staff.sessions.start(await staff.active())
    own = "A" * len(token)
    await forger.move(SESSIONS, token_key(token), token_key(own))
    await forger.change(SESSIONS, token_key(token), second_factor="2030-01-01T00:00:00Z")
    for stolen in (token, own):
        with pytest.raises(NotSealed):
            await staff.sessions.find(stolen)


async def test_a_role_that_another_writer_granted_is_none(sealed_bus, forger, clock):
    staff = StaffHarness(sealed_bus, clock)
    account = await staff.active("an", "bien-tap-vien")
    token = await staff.sessions.start(account)
    [key] = [one async for one, _ in sealed_bus.bucket(STAFF).values() if one.endswith(account.id)]
    await forger.change(STAFF, key, grants=[{"role": "lanh-dao-duyet"}])
    with pytest.raises(NotSealed):
        await staff.sessions.find(token)


async def test_a_service_without_the_key_claims_an_item_and_changes_none(bus, sealed_bus):
    keyless, register = Bus(bus.connection).bucket(PUBLISHED), sealed_bus.bucket(PUBLISHED)
    claim = Ownership(unit=UNIT).model_dump_json().encode()
    revision = await keyless.create("tin-moi", claim)
    assert (await register.get("tin-moi")).data == claim
    await keyless.swap("tin-moi", claim, revision)
    with pytest.raises(NotSealed):
        await register.get("tin-moi")
    for more in ({"revision": 1}, {"released": [1]}, {"state": "released"}):
        key = f"tin-{next(iter(more))}"
        await keyless.create(key, json.dumps({"unit": UNIT, "revision": 0} | more).encode())
        with pytest.raises(NotSealed):
            await register.get(key)
