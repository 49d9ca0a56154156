"""Units are told of their items: each fact once, in order, wherever a process dies."""

import asyncio
import json
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from consumers.callbacks import status_store
from consumers.callbacks.follow import StatusFollower, StatusPositions
from consumers.callbacks.sources import Derived, all_sources
from consumers.callbacks.status_store import StatusStore
from consumers.dead_letters.store import DeadLetterStore
from consumers.facts.store import FactStore
from consumers.intake.draft_decisions import DraftDecisions
from consumers.intake.handler import Intake
from consumers.key_file import KeyFile
from consumers.seals.records import TakenOverUntil, nothing_before, seal_records
from consumers.staff.authorization import Actor
from consumers.staff.policy import Agreement
from contracts import subjects
from contracts.base.seals import SEAL_HEADER
from contracts.delivery import ChannelName, Lane, Status
from contracts.errors import ContractError, field_error
from contracts.facts import DeliveryFact, content_status
from contracts.facts.content_status import (
    STATUS_POSITIONS_KEY,
    ContentStatus,
    StatusFact,
    StatusKind,
    status_fact,
)
from contracts.vocabulary import DEFAULT
from producers.bus import records
from tests.support.clock import FakeClock
from tests.support.crashing_bus import SimulatedCrash, crashing_bus
from tests.support.dead_letters import bury
from tests.support.decisions import approve_item, reject_item
from tests.support.events import (
    ITEM,
    UNIT,
    corrected,
    event_id,
    register_unit,
    submitted,
    withdrawn,
)

OTHER = "lich-nghi-le"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(time.time())


@pytest.fixture
def intake(bus, clock) -> Intake:
    return Intake(bus, DEFAULT, clock)


def follower(bus, clock) -> StatusFollower:
    return StatusFollower(StatusStore(bus), all_sources(bus), clock)


async def told(
    bus, subject: str = f"{subjects.STATUS_SUBJECT}.>"
) -> list[content_status.StatusFact]:
    messages = bus.scan(subjects.STATUS.name, subject)
    return [content_status.decode(one.data) async for one in messages]


async def kinds(bus) -> list[str]:
    return [f"{one.status.revision}.{one.status.kind}" for one in await told(bus)]


async def take_in(intake: Intake, *events, release: str = "automatic") -> None:
    await register_unit(intake.bus, release=release)
    for event in events:
        await intake.handle(event, UNIT)


async def deliver(bus, *, revision: int = 1, item: str = ITEM, **counts: int) -> None:
    """The fact that a mail's delivery has ended."""
    now = datetime.now(UTC)
    fact = DeliveryFact(
        channel=ChannelName.EMAIL,
        content_id=item,
        revision=revision,
        lane=Lane.NORMAL,
        began_at=now,
        ended_at=now,
        counts={Status(name): count for name, count in counts.items()},
        copies=1,
    )
    assert await FactStore(bus).add(fact, 0)


async def refuse(intake: Intake, event) -> None:
    """Let intake refuse an event, which becomes a dead letter."""
    letters = DeadLetterStore(intake.bus)
    with pytest.raises(ContractError) as refused:
        await intake.handle(event, UNIT)
    await bury(letters, event.model_dump_json().encode(), refused.value.errors)


async def test_a_released_item_is_accepted_released_and_delivered(bus, intake, clock):
    await take_in(intake, submitted())
    one = follower(bus, clock)
    await one.follow()
    await deliver(bus, delivered=3, failed=1, unknown=2)
    await one.follow()
    accepted, released, delivered = [fact.status for fact in await told(bus)]
    assert [accepted.kind, released.kind, delivered.kind] == ["accepted", "released", "delivered"]
    for status in (accepted, released, delivered):
        facts = (status.unit, status.content_id, status.revision, status.event_id)
        assert facts == (UNIT, ITEM, 1, event_id(submitted()))
    assert set(released.channels) == set(ChannelName)
    assert delivered.channel is ChannelName.EMAIL
    counts = delivered.counts
    assert (counts.expected, counts.delivered, counts.failed, counts.unknown) == (6, 3, 1, 2)
    assert counts.maybe_duplicate == 1


async def test_an_item_is_told_on_its_own_subject_as_a_cloud_event(bus, intake, clock):
    await take_in(intake, submitted())
    await follower(bus, clock).follow()
    message = await bus.last_message(subjects.STATUS.name, f"publication.status.{UNIT}.{ITEM}")
    assert b'"type":"vn.gov.moha.content.status.v1"' in message.data
    assert content_status.encode(content_status.decode(message.data)) == message.data


async def test_a_delivery_comes_behind_what_was_not_told_before_it(bus, intake, clock):
    await take_in(intake, submitted())
    await deliver(bus, delivered=1)
    one = follower(bus, clock)
    await one.follow_source(one.sources[-1])
    assert await kinds(bus) == ["1.accepted", "1.released", "1.delivered"]
    await one.follow()
    assert len(await told(bus)) == 3


async def test_a_delivery_proves_the_release_that_its_position_does_not_tell_yet(
    bus, intake, clock
):
    await take_in(intake, submitted())
    positions = bus.bucket(subjects.PUBLISHED.name)
    [key] = [one async for one, _ in positions.values() if one == f"{ITEM}.1"]
    unsaid = json.loads((await positions.get(key)).data) | {"seq": None}
    await positions.put(key, json.dumps(unsaid).encode())
    await deliver(bus, delivered=1)
    one = follower(bus, clock)
    await one.follow_source(one.sources[1])
    assert await kinds(bus) == ["1.accepted"]
    await one.follow()
    await take_in(intake, submitted())
    await one.follow()
    assert await kinds(bus) == ["1.accepted", "1.released", "1.delivered"]


async def test_a_rejected_draft_is_told_with_its_code_and_reason(bus, intake, clock):
    await take_in(intake, submitted(), release="desk")
    one = follower(bus, clock)
    await one.follow()
    assert await kinds(bus) == ["1.accepted"]
    code, reason = "khong-dat-chat-luong", "Chưa nêu thời hạn"
    await reject_item(DraftDecisions(bus, clock), ITEM, "Trần Thị Bình", code=code, reason=reason)
    await one.follow()
    rejected = (await told(bus))[-1].status
    assert (rejected.kind, rejected.code, rejected.reason) == ("rejected", code, reason)
    assert b"B\xc3\xacnh" not in content_status.encode((await told(bus))[-1]), "no person's name"


async def test_a_rejection_names_no_account_that_had_proposed_it(bus, intake, clock):
    await take_in(intake, submitted(), release="desk")
    second = Actor("nv-2", "Lê Văn Cường", "lanh-dao", agreed=(Agreement("nv-1", "lanh-dao"),))
    await reject_item(DraftDecisions(bus, clock), ITEM, second, code="trung-lap")
    await follower(bus, clock).follow()
    rejected = (await told(bus))[-1]
    assert rejected.status.kind is StatusKind.REJECTED
    assert b"nv-" not in content_status.encode(rejected)


async def test_an_approved_draft_is_released_and_the_older_draft_is_superseded(bus, intake, clock):
    await take_in(intake, submitted(), submitted(revision=2), release="desk")
    await approve_item(DraftDecisions(bus, clock), ITEM, "Trần Thị Bình")
    await follower(bus, clock).follow()
    assert sorted(await kinds(bus)) == ["1.accepted", "1.rejected", "2.accepted", "2.released"]
    [gone] = [one.status for one in await told(bus) if one.status.kind is StatusKind.REJECTED]
    assert gone.code == "superseded"


async def test_a_withdrawal_is_told_of_itself_and_of_what_was_not_out_yet(bus, intake, clock):
    await take_in(intake, submitted())
    await take_in(intake, corrected(), withdrawn(), release="desk")
    await follower(bus, clock).follow()
    assert sorted(await kinds(bus)) == [
        *("1.accepted", "1.released", "2.accepted", "2.withdrawn"),
        *("3.accepted", "3.withdrawn"),
    ]


async def test_a_refusal_names_the_fields_in_both_languages(bus, intake, clock):
    await take_in(intake, submitted())
    await refuse(intake, withdrawn(content_id=OTHER))
    await follower(bus, clock).follow()
    [refused] = [one.status for one in await told(bus) if one.status.kind is StatusKind.REFUSED]
    [error] = refused.errors
    assert (refused.content_id, error.field) == (OTHER, "data.content_id")
    assert error.message and error.message_vi


async def test_an_event_that_is_none_is_refused_without_an_item(bus, clock):
    await bury(DeadLetterStore(bus), b"{")
    await follower(bus, clock).follow()
    [refused] = await told(bus)
    assert (refused.status.kind, refused.status.content_id) == ("refused", None)
    subject = f"publication.status.{UNIT}._{refused.id}"
    assert await bus.last_message(subjects.STATUS.name, subject)


async def test_the_same_refusal_again_is_told_once_and_another_reason_is_another_fact(bus, clock):
    letters, one = DeadLetterStore(bus), follower(bus, clock)
    body = submitted().model_dump_json().encode()
    await bury(letters, body)
    await bury(letters, body)
    await one.follow()
    assert len(await told(bus)) == 1
    await bury(letters, body, (field_error("data.topic", "missing"),))
    await one.follow()
    assert len(await told(bus)) == 2


def refused_facts(number: int, item: str | None = None) -> list[StatusFact]:
    now = datetime.now(UTC)
    refused = ContentStatus(unit=UNIT, kind=StatusKind.REFUSED, content_id=item, at=now)
    return [status_fact(refused, str(mark)) for mark in range(number)]


@pytest.mark.parametrize("item", [ITEM, None])
async def test_what_was_read_of_an_item_is_not_read_again_for_its_next_fact(bus, item, monkeypatch):
    """Reading grows with the facts, not with their square."""
    store, read = StatusStore(bus), 0
    genuine = store.genuine

    async def counted(message):
        nonlocal read
        read += 1
        return await genuine(message)

    monkeypatch.setattr(store, "genuine", counted)
    for fact in (facts := refused_facts(30, item)):
        assert await store.tell([fact]) == 1
    assert read <= len(facts)
    assert len(await told(bus)) == len(facts)


async def test_a_process_that_remembers_little_tells_nothing_twice(bus, monkeypatch):
    monkeypatch.setattr(status_store, "_REMEMBERED", 1)
    store, facts = StatusStore(bus), refused_facts(20, ITEM)
    for _ in range(2):
        for fact in facts:
            await store.tell([fact])
            await store.tell(refused_facts(1, OTHER))
    await StatusStore(bus).tell(facts)
    assert len(await told(bus, f"publication.status.{UNIT}.{ITEM}")) == 20


async def test_an_item_whose_facts_the_stream_has_forgotten_is_told_new_ones(bus):
    store, facts = StatusStore(bus), refused_facts(3, ITEM)
    for fact in facts[:2]:
        await store.tell([fact])
    await bus.connection.api_request(f"STREAM.PURGE.{subjects.STATUS.name}")
    assert await store.tell(facts) == 1
    assert [one.id for one in await told(bus)] == [facts[2].id]


async def test_a_long_catching_up_that_is_cut_short_goes_on_where_it_was(bus, clock):
    letters = DeadLetterStore(bus)
    for number in range(40):
        await bury(letters, f"{{{number}".encode())
    dying = follower(bus, clock)
    told_before, tell = 0, dying.store.tell

    async def tell_some(facts):
        nonlocal told_before
        if (told_before := told_before + 1) > 20:
            raise SimulatedCrash
        return await tell(facts)

    dying.store.tell = tell_some
    with suppress(SimulatedCrash):
        await dying.follow_source(dying.sources[0])
    control = bus.bucket(subjects.CONTROL.name)
    kept = (await records.read(control, STATUS_POSITIONS_KEY, StatusPositions)).value
    assert kept.of("refusals").before == 16, "the next process begins there"
    await follower(bus, clock).follow()
    ids = [one.id for one in await told(bus)]
    assert len(ids) == len(set(ids)) == 40


async def test_a_source_that_hangs_holds_up_no_other_one(bus, intake, clock):
    await take_in(intake, submitted())
    one = follower(bus, clock)

    async def derive(after):
        await asyncio.Event().wait()
        yield Derived(after)

    one.sources[0].derive = derive
    await bury(DeadLetterStore(bus), b"{")
    running = asyncio.create_task(one.run())
    try:
        async with asyncio.timeout(60):
            while len(await told(bus)) < 2:
                await asyncio.sleep(0.01)
    finally:
        running.cancel()


async def test_what_concerns_one_person_is_told_to_no_unit(bus, clock):
    await bury(DeadLetterStore(bus), b"{}", subject=subjects.case(UNIT))
    await follower(bus, clock).follow()
    assert await told(bus) == []


async def test_a_round_that_has_nothing_new_asks_three_times_and_writes_nothing(bus, intake, clock):
    await take_in(intake, submitted())
    one = follower(bus, clock)
    for _ in range(3):
        await one.follow()
    control = bus.bucket(subjects.CONTROL.name)
    before = await control.last_seq()
    await one.follow()
    assert await control.last_seq() == before
    assert len(await told(bus)) == 2


@pytest.mark.promise("17.1")
@pytest.mark.parametrize("after", [False, True])
async def test_wherever_the_process_dies_each_fact_is_told_once_and_in_order(
    bus, intake, clock, after
):
    """Dies at each call of the bus in turn, or just behind it, and another process goes on."""
    await take_in(intake, submitted(), submitted(OTHER))
    await deliver(bus, delivered=1)
    for calls in range(1, 90):
        dying = follower(crashing_bus(bus, calls, after=after), clock)
        try:
            for source in dying.sources:
                await dying.follow_source(source)
        except SimulatedCrash:
            continue
        break
    assert calls < 89
    await follower(bus, clock).follow()
    ids = [one.id for one in await told(bus)]
    assert len(ids) == len(set(ids)) == 5
    assert [one.status.kind for one in await told(bus, f"publication.status.{UNIT}.{ITEM}")] == [
        "accepted",
        "released",
        "delivered",
    ]


@pytest.mark.promise("17.1")
async def test_two_processes_at_once_tell_each_fact_once(bus, intake, clock):
    await take_in(intake, *(submitted(f"tin-{number}") for number in range(8)))
    await asyncio.gather(*(follower(bus, clock).follow() for _ in range(3)))
    ids = [one.id for one in await told(bus)]
    assert len(ids) == len(set(ids)) == 16


async def test_what_is_so_since_before_the_stream_is_not_told(bus, intake, clock):
    """An update: what units have known for long is no news."""
    await take_in(intake, submitted())
    await follower(bus, clock).follow()
    since = datetime.now(UTC) + timedelta(seconds=1)
    began = StatusPositions(since=since).model_dump_json().encode()
    await bus.bucket(subjects.CONTROL.name).put(STATUS_POSITIONS_KEY, began)
    await bus.connection.api_request(f"STREAM.PURGE.{subjects.STATUS.name}")
    await follower(bus, clock).follow()
    assert await told(bus) == []


async def test_of_a_change_that_is_new_what_was_so_before_is_not_told(bus, intake, clock):
    await take_in(intake, submitted())
    began = StatusPositions(since=datetime.now(UTC)).model_dump_json().encode()
    await bus.bucket(subjects.CONTROL.name).put(STATUS_POSITIONS_KEY, began)
    await deliver(bus, delivered=1)
    await follower(bus, clock).follow()
    assert await kinds(bus) == ["1.delivered"]


async def test_a_lost_position_tells_nothing_twice(bus, intake, clock):
    await take_in(intake, submitted())
    await follower(bus, clock).follow()
    await bus.bucket(subjects.CONTROL.name).purge(STATUS_POSITIONS_KEY)
    await follower(bus, clock).follow()
    assert len(await told(bus)) == 2


async def test_what_the_stream_may_have_forgotten_is_not_told_again(bus, intake, clock):
    await take_in(intake, submitted())
    await follower(bus, clock).follow()
    await bus.bucket(subjects.CONTROL.name).purge(STATUS_POSITIONS_KEY)
    await bus.connection.api_request(f"STREAM.PURGE.{subjects.STATUS.name}")
    clock.advance(timedelta(days=30).total_seconds())
    await follower(bus, clock).follow()
    assert await told(bus) == []


async def test_what_another_writer_stores_is_no_fact(bus, clock, tmp_path):
    at_once = TakenOverUntil(nothing_before, nothing_before)
    seal_records(bus, KeyFile.open(tmp_path / "vault.key"), at_once)
    await take_in(Intake(bus, DEFAULT, clock), submitted())
    one = follower(bus, clock)
    await one.follow()
    genuine = await bus.last_message(subjects.STATUS.name, f"publication.status.{UNIT}.{ITEM}")
    forged = genuine.data.replace(b"released", b"rejected")
    for seal in ({SEAL_HEADER: genuine.headers[SEAL_HEADER]}, {}):
        await bus.publish(genuine.subject, forged, headers=seal)
    stored = [known async for known in one.store.scan(f"publication.status.{UNIT}.*")]
    assert [known.fact.status.kind for known in stored] == ["accepted", "released"]
