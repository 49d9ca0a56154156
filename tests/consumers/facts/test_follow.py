"""Facts behind the logs and the ledger: each once, wherever a process dies, and never lost."""

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from consumers.dead_letters.store import DeadLetterStore
from consumers.editorial.log import EditorialLog
from consumers.email.bounce_records import BounceRecords
from consumers.facts.all_sources import fact_sources
from consumers.facts.compare import differences
from consumers.facts.days import countable_from
from consumers.facts.follow import FactFollower, read_positions
from consumers.facts.store import FactStore
from consumers.facts.unread import unread_since
from consumers.ledger.entry import notice_entry
from consumers.ledger.store import Ledger
from consumers.operations.old_deliveries import OldDeliveries
from consumers.reporting.trace import TraceReader
from contracts import publication, subjects
from contracts.base.times import utc_time
from contracts.delivery import BatchKey, ChannelName, PlanKey, Status
from contracts.facts import FACT_POSITIONS_KEY, FactKind, decode
from contracts.facts.kinds import day_of
from contracts.subscriptions.reaction import Reaction
from tests.support.clock import FakeClock
from tests.support.crashing_bus import SimulatedCrash, crashing_bus
from tests.support.dead_letters import bury
from tests.support.ledger_plan import store_plan
from tests.support.ledger_rules import NOW
from tests.support.publications import a_publication
from tests.support.scripted_channel import reader_ids

ITEM = a_publication().content_id
PLAN = PlanKey(ChannelName.EMAIL, ITEM, 1)
DELIVERY, RELEASE = f"delivery.{PLAN}", f"release.{ITEM}.1"


def follower(bus, clock=None) -> FactFollower:
    store, clock = FactStore(bus), clock or FakeClock(datetime.now(UTC).timestamp())
    return FactFollower(store, fact_sources(store, EditorialLog(bus), clock, None), clock)


def tomorrow() -> FakeClock:
    """When this day may be counted."""
    return FakeClock((datetime.now(UTC) + timedelta(days=1, hours=1)).timestamp())


async def release(bus, **changes) -> None:
    released = a_publication(**changes)
    subject = subjects.publication(released.topic, released.content_id)
    await bus.publish(subject, publication.encode(released), msg_id=released.key)


async def close(bus, plan: PlanKey, letters: bytes, number: int = 0) -> None:
    """Let a batch end as *letters* say."""
    ledger, key = Ledger(bus), BatchKey(*plan, number)
    known = await ledger.state(key)
    ended = replace(known.value, rows=letters, closed_at=NOW + 9)
    await ledger.swap(key, known, ended, until=NOW)


async def stored(bus) -> list[tuple[str, bytes]]:
    """Every message of FACTS, without those that close a day."""
    messages = [message async for message in bus.scan(subjects.FACTS.name)]
    found = [(subjects.key_of_fact(one.subject), one.data) for one in messages]
    return [(key, data) for key, data in found if not key.startswith(FactKind.DAY)]


async def keys(bus) -> list[str]:
    return sorted(key for key, _ in await stored(bus))


async def newest(bus, key: str):
    return (await FactStore(bus).read(key)).fact


async def a_delivered_item(bus) -> None:
    """An item for three readers, whose plan is in the ledger and has ended."""
    await release(bus)
    await store_plan(Ledger(bus), PLAN, reader_ids(2), ["z"], at=NOW)
    await close(bus, PLAN, b"dx")
    await close(bus, PLAN, b"D", 1)


async def test_a_plan_is_a_fact_once_its_last_row_has_ended(bus):
    await store_plan(Ledger(bus), PLAN, reader_ids(2), ["z"], at=NOW)
    await close(bus, PLAN, b"dx")
    await follower(bus).follow()
    assert await keys(bus) == []
    await close(bus, PLAN, b"D", 1)
    await follower(bus).follow()
    fact = await newest(bus, DELIVERY)
    assert fact.counts == {Status.DELIVERED: 2, Status.FAILED: 1}
    assert fact.ended_at == utc_time(NOW + 9)


async def test_a_round_that_has_nothing_new_writes_nothing(bus):
    await a_delivered_item(bus)
    for _ in range(4):
        await follower(bus).follow()
    assert await keys(bus) == [DELIVERY, RELEASE]
    await follower(bus).rebuild()
    assert await keys(bus) == [DELIVERY, RELEASE]


async def test_what_is_old_is_read_once_and_what_is_new_is_read_again(bus):
    await a_delivered_item(bus)
    for clock, is_read_again in ((FakeClock(time.time()), True), (tomorrow(), False)):
        await bus.bucket(subjects.CONTROL.name).purge(FACT_POSITIONS_KEY)
        one = follower(bus, clock)
        await one.follow()
        await one.follow()
        read = [one.counts[kind].derived > 0 for kind in (FactKind.RELEASE, FactKind.DELIVERY)]
        assert read == [is_read_again] * 2


async def test_a_mail_that_comes_back_later_changes_the_fact(bus):
    await a_delivered_item(bus)
    await follower(bus).follow()
    bounces = BounceRecords(Ledger(bus).bucket)
    await bounces.record_bounce(BatchKey(*PLAN, 0), 0, "5.1.1", NOW + 99)
    await follower(bus).follow()
    assert (await newest(bus, DELIVERY)).bounced == 1
    assert (await keys(bus)).count(DELIVERY) == 2


@pytest.mark.parametrize("after", [False, True])
async def test_wherever_the_process_dies_each_fact_is_there_once(bus, after):
    """Dies at each call of the bus in turn, or just behind it, and another process goes on."""
    await a_delivered_item(bus)
    await release(bus, content_id="tin-2")
    for calls in range(1, 60):
        dying = follower(crashing_bus(bus, calls, after=after))
        try:
            for source in dying.sources:
                await dying.follow_source(source)
        except SimulatedCrash:
            continue
        break
    assert calls < 59
    await follower(bus).follow()
    assert await keys(bus) == [DELIVERY, RELEASE, "release.tin-2.1"]


async def test_two_processes_at_once_write_each_fact_once(bus):
    await a_delivered_item(bus)
    for number in range(20):
        await release(bus, content_id=f"tin-{number}")
    await asyncio.gather(*(follower(bus).follow() for _ in range(3)))
    found = await keys(bus)
    assert len(found) == len(set(found)) == 22


async def test_what_retention_removes_from_the_ledger_stays_a_fact(bus):
    await a_delivered_item(bus)
    await follower(bus).follow()
    before = await stored(bus)
    clock = FakeClock(NOW + 3000 * 86400)
    old = OldDeliveries(bus, None, TraceReader(bus, clock).channel_counts, clock)
    held = await Ledger(bus).plan(PLAN)
    assert await old.remove_plan(PLAN, held)
    await follower(bus).follow()
    await follower(bus).rebuild()
    assert await stored(bus) == before


async def test_a_ledger_without_rows_is_backfilled_from_the_counts_that_it_kept(bus):
    await a_delivered_item(bus)
    clock = FakeClock(NOW + 3000 * 86400)
    old = OldDeliveries(bus, None, TraceReader(bus, clock).channel_counts, clock)
    await old.remove_plan(PLAN, await Ledger(bus).plan(PLAN))
    await follower(bus).rebuild()
    fact = await newest(bus, DELIVERY)
    assert (fact.count(Status.DELIVERED), fact.count(Status.FAILED), fact.ended_at) == (2, 1, None)


async def test_a_restored_bus_is_read_from_its_start(bus):
    await a_delivered_item(bus)
    await follower(bus).follow()
    await bus.bucket(subjects.CONTROL.name).purge(FACT_POSITIONS_KEY)
    assert (await read_positions(bus)).sources == {}
    await follower(bus).follow()
    assert await keys(bus) == [DELIVERY, RELEASE]


async def test_a_message_to_one_person_is_no_fact_of_its_own(bus):
    batch = BatchKey(ChannelName.EMAIL, "case-aaaaaaaaaaaaaaaaaaaa", 1, 0)
    entry = replace(notice_entry(1, "e", NOW), rows=b"d", closed_at=NOW + 1)
    await Ledger(bus).create_notice(batch, entry)
    await follower(bus, FakeClock(NOW + 2)).follow()
    assert await keys(bus) == []


async def test_a_day_is_counted_once_it_is_over(bus):
    for channel, pressed in (("portal", Reaction.SATISFIED), ("email", Reaction.SATISFIED)) * 2:
        await bus.publish(subjects.reaction(channel, "tin-1", pressed), b"")
    today = FakeClock(datetime.now(UTC).timestamp())
    await follower(bus, today).follow()
    assert await keys(bus) == []
    for _ in range(2):
        await follower(bus, tomorrow()).follow()
    [(key, data)] = await stored(bus)
    fact = decode(key, data)
    assert fact.kind is FactKind.OPINIONS
    assert fact.counts == {name: {Reaction.SATISFIED: 2} for name in ("portal", "email")}


async def test_events_are_counted_by_day_unit_and_kind(bus):
    sent = (("vu-cchc", "submitted"), ("vu-cchc", "corrected"), ("so-noi-vu", "submitted"))
    for unit, kind in sent:
        await bus.publish(subjects.content(unit, kind), b"{}")
    await bus.publish(subjects.case("vu-cchc"), b"{}")
    await follower(bus, tomorrow()).follow()
    found = {fact.unit: fact.accepted for fact in [decode(*one) for one in await stored(bus)]}
    assert found == {
        "vu-cchc": {"content.submitted": 1, "content.corrected": 1, "case.updated": 1},
        "so-noi-vu": {"content.submitted": 1},
    }


async def test_refused_events_are_counted_by_day_unit_and_kind(bus):
    """A death that was stored again, and what is no dead letter, counts for nothing more."""
    for _ in range(2):
        await bury(DeadLetterStore(bus), b"{", subject=subjects.content("vu-cchc", "submitted"))
    letter = await bus.next_message(subjects.DEAD.name, 1)
    for body in (letter.data, b"foreign"):
        await bus.publish(letter.subject, body)
    await follower(bus, tomorrow()).follow()
    found = [decode(*one) for one in await stored(bus)]
    [refusals] = [one for one in found if one.kind is FactKind.REFUSALS]
    assert (refusals.unit, refusals.refused) == ("vu-cchc", {"content.submitted": 2})


async def test_an_event_that_is_erased_later_stays_counted(bus):
    """A dead letter's event that names a contact is erased from CONTENT."""
    sent = [await bus.publish(subjects.case("vu-cchc"), b"{}") for _ in range(2)]
    await follower(bus, tomorrow()).follow()
    before = await stored(bus)
    await bus.erase_message(subjects.CONTENT.name, sent[0].seq)
    found = follower(bus, tomorrow())
    await found.rebuild()
    assert await stored(bus) == before
    named = [one for source in found.sources async for one in differences(found.store, source)]
    assert named == []


async def test_an_opinion_that_is_erased_later_stays_counted(bus):
    pressed = subjects.reaction("portal", "tin-1", Reaction.SATISFIED)
    sent = [await bus.publish(pressed, b"") for _ in range(2)]
    await follower(bus, tomorrow()).follow()
    before = await stored(bus)
    await bus.erase_message(subjects.OPINIONS.name, sent[0].seq)
    await follower(bus, tomorrow()).rebuild()
    assert await stored(bus) == before


async def test_a_round_that_reads_from_the_middle_of_a_day_does_not_count_less(bus):
    """As after a round that a replica answered which was behind by more than an hour."""
    pressed = subjects.reaction("portal", "tin-1", Reaction.SATISFIED)
    sent = [await bus.publish(pressed, b"") for _ in range(3)]
    await follower(bus, tomorrow()).follow()
    before = await stored(bus)
    known = await read_positions(bus)
    middle = known.of(FactKind.OPINIONS).model_copy(update={"before": sent[0].seq})
    moved = known.with_position(FactKind.OPINIONS, middle)
    control = bus.bucket(subjects.CONTROL.name)
    await control.put(FACT_POSITIONS_KEY, moved.model_dump_json().encode())
    again = follower(bus, tomorrow())
    await again.follow()
    assert again.counts[FactKind.OPINIONS] == (1, 0), "it was derived, and not written"
    assert await stored(bus) == before


async def test_a_bus_on_which_nothing_happens_is_not_written_to(bus):
    await a_delivered_item(bus)
    found = follower(bus)
    for _ in range(3):
        await found.follow()
    names = (subjects.FACTS.name, f"KV_{subjects.CONTROL.name}")
    before = [(await bus.stream_info(name))["state"]["last_seq"] for name in names]
    await found.follow()
    assert [(await bus.stream_info(name))["state"]["last_seq"] for name in names] == before


async def test_what_no_round_has_read_is_known_by_its_first_moment(bus):
    assert await unread_since(bus, time.time) is None
    await a_delivered_item(bus)
    first = await bus.next_message(subjects.PUBLICATIONS.name, 1)
    assert await unread_since(bus, time.time) == first.time
    await follower(bus).follow()
    assert await unread_since(bus, time.time) is None
    await BounceRecords(Ledger(bus).bucket).record_bounce(BatchKey(*PLAN, 0), 0, "5.1.1", NOW)
    assert await unread_since(bus, time.time) > first.time


async def test_a_day_that_stays_open_is_known_by_its_end(bus):
    await a_delivered_item(bus)
    clock = tomorrow()
    closed = day_of(datetime.now(UTC))
    await follower(bus, clock).follow()
    assert await unread_since(bus, clock) is None
    found = follower(bus, clock)
    opinions = next(one for one in found.sources if one.kind is FactKind.OPINIONS)
    opinions.stream = "no-such-stream"
    clock.advance(24 * 3600)
    await found.follow()
    assert await unread_since(bus, clock) == countable_from(closed + timedelta(days=1))
    await follower(bus, clock).follow()
    assert await unread_since(bus, clock) is None


async def test_a_process_that_read_the_ledger_before_another_does_not_write_over_it(bus):
    await a_delivered_item(bus)
    slow = follower(bus)
    await slow.follow()
    known = await newest(bus, DELIVERY)
    bounces = BounceRecords(Ledger(bus).bucket)
    await bounces.record_bounce(BatchKey(*PLAN, 0), 0, "5.1.1", NOW + 99)
    await follower(bus).follow()
    deliveries = next(one for one in slow.sources if one.kind is FactKind.DELIVERY)
    assert not await slow.write(deliveries, known)
    assert (await newest(bus, DELIVERY)).bounced == 1


async def test_a_fact_is_added_only_right_behind_the_one_that_was_read(bus):
    """The server compares, so this holds also when it has forgotten the message's id."""
    await a_delivered_item(bus)
    await follower(bus).follow()
    store = FactStore(bus)
    known = await store.read(DELIVERY)
    others = [known.fact.model_copy(update={"copies": number}) for number in (7, 8)]
    assert not await store.add(others[0], known.seq - 1)
    assert await store.add(others[0], known.seq)
    assert not await store.add(others[1], known.seq)
    assert (await newest(bus, DELIVERY)) == others[0]
