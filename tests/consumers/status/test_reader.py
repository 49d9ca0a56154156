"""`loa status`: what waits in each lane, how fast it goes, and which channels may and can work."""

from dataclasses import replace
from datetime import UTC

import pytest

from consumers.channel_health import breaker, pauses
from consumers.channel_health.breaker_store import BreakerStore
from consumers.channel_health.destinations import Destination, write_destination
from consumers.cli.status import lane_cells
from consumers.email import bounce_stops
from consumers.ledger import codec, watermark
from consumers.ledger.cursor import PlanCursor
from consumers.ledger.entry import RowNote, planned_entry
from consumers.ledger.wakeups import Waker
from consumers.operations.sweep import Sweeper
from consumers.status.findings import Facts, find
from consumers.status.reader import StatusReader
from contracts import subjects
from contracts.base.times import utc_now
from contracts.delivery import BatchKey, ChannelName, Lane, PlanKey

EMAIL, ZALO, PORTAL = ChannelName.EMAIL, ChannelName.ZALO, ChannelName.PORTAL


@pytest.fixture
def wait_between_counts(clock):
    """Events between two looks at the batches, first in first out; a second passes."""
    happens = []

    async def wait(span_s):
        clock.advance(span_s)
        if happens:
            await happens.pop(0)

    wait.happens = happens
    yield wait
    assert not happens, "it was looked at less often"


@pytest.fixture
def status(bus, clock, wait_between_counts):
    return StatusReader(bus, clock, wait_between_counts)


@pytest.fixture
def store_batch(ledger, clock):
    """Store a batch: its letters, how old it is, how long closed, when due; anew as *number*."""
    numbers = iter(range(1000))

    async def keep(
        letters, channel=EMAIL, lane=Lane.NORMAL, age_s=0.0, closed_s=None, due_s=0.0, number=None
    ):
        entry = replace(planned_entry(0, lane, clock() - age_s), rows=letters, due=clock() + due_s)
        closed = 0.0 if closed_s is None else clock() - closed_s
        data = codec.encode_state(replace(entry, closed_at=closed))
        batch = BatchKey(channel, "tin", 1, next(numbers) if number is None else number)
        await ledger.bucket.put(f"state.{batch}", data)

    return keep


async def test_an_idle_loa_shows_every_lane_of_every_channel_at_rest(status):
    report = (await status.report()).model_dump(mode="json")
    rest = {"backlog": 0, "oldest_s": 0.0, "ready": 0, "ready_s": 0.0, "in_doubt": 0}
    rest |= {"per_s": 0.0, "left_s": None}
    lanes = {"urgent": rest, "notice": rest, "normal": rest, "bulk": rest}
    calm = {"paused_since": None, "paused_reason": "", "paused_by": ""}
    calm |= {"breaker_since": None, "breaker_reason": "", "breaker_part": ""}
    calm |= {"failing": "", "failing_since": None, "other_breakers": []}
    calm |= {"slowed": 0, "slowed_reason": "", "stopped": [], "refused": []}
    calm |= {"goes_to": "", "stand_in": False, "unseen": None, "waits": []}
    calm |= {"former": "", "former_until": None, "stuck": [], "relays_out": []}
    calm["canary"] = {"state": "off", "since": None, "why": "", "next_at": None}
    idle = {"paused": False, "breaker": "closed", "next_probe": None, "lanes": lanes, **calm}
    channels = {"portal": idle, "email": idle, "zalo": idle}
    told = {"channels": channels, "at_work": True, "bus": [], "findings": [], "versions": {}}
    told |= {"replicas": [], "unplanned": {}}
    assert report == told


async def test_the_backlog_counts_open_rows_by_channel_and_lane(status, store_batch):
    await store_batch(b"ppsSrRPd", EMAIL, Lane.BULK)
    await store_batch(b"dp", EMAIL, Lane.BULK)
    await store_batch(b"p", EMAIL, Lane.URGENT)
    await store_batch(b"pp", ZALO)
    await store_batch(b"dxuewvkDXUEWVK", PORTAL)
    channels = (await status.report()).channels
    waiting = {
        (channel, lane): facts.backlog
        for channel, one in channels.items()
        for lane, facts in one.lanes.items()
        if facts.backlog
    }
    assert waiting == {(EMAIL, Lane.BULK): 8, (EMAIL, Lane.URGENT): 1, (ZALO, Lane.NORMAL): 2}


async def test_the_oldest_batch_gives_its_age_beside_an_unreadable_one(ledger, status, store_batch):
    await store_batch(b"dp", age_s=30)
    for key in ("state.pigeon.tin.1.0", "state.email.tin.1", "state.email.tin.1.x"):
        await ledger.bucket.put(key, b"{}")
    await ledger.bucket.put("state.email.tin.1.99", b"not a state")
    await store_batch(b"pp", age_s=90.26)
    await store_batch(b"dd", age_s=5000, closed_s=4000)
    lane = (await status.report(at_work=False)).channels[EMAIL].lanes[Lane.NORMAL]
    assert (lane.oldest_s, lane.backlog) == (90.3, 3)


async def test_the_speed_counts_rows_that_ended_meanwhile(status, store_batch, wait_between_counts):
    await store_batch(b"d" * 500, closed_s=2)
    await store_batch(b"d" * 100 + b"p" * 400, number=7)
    wait_between_counts.happens.append(store_batch(b"d" * 250 + b"x" * 50 + b"p" * 200, number=7))
    facts = (await status.report()).channels[EMAIL].lanes[Lane.NORMAL]
    assert (facts.per_s, facts.backlog, facts.left_s) == (200.0, 200, 1.0)


async def test_a_slow_channel_is_looked_at_longer(status, store_batch, wait_between_counts):
    await store_batch(b"pp", ZALO, number=1)
    await store_batch(b"pp", EMAIL, number=2)
    wait_between_counts.happens += [
        store_batch(b"dd", EMAIL, number=2),
        store_batch(b"dp", ZALO, number=1),
    ]
    channels = (await status.report()).channels
    speed = {name: one.lanes[Lane.NORMAL].per_s for name, one in channels.items()}
    assert speed == {PORTAL: 0.0, EMAIL: 1.0, ZALO: 0.5}
    assert channels[ZALO].lanes[Lane.NORMAL].left_s == 2.0


async def test_what_is_finished_or_stands_has_no_speed_and_no_estimate(status, store_batch, clock):
    await store_batch(b"d" * 500, closed_s=5)
    began = clock()
    finished = (await status.report()).channels[EMAIL].lanes[Lane.NORMAL]
    assert (lane_cells(finished), clock() - began) == ((0, 0.0, "-", "-"), 0), "and nobody waited"
    await store_batch(b"d" * 20 + b"p" * 480)
    at_rest = (await status.report(at_work=False)).channels[EMAIL].lanes[Lane.NORMAL]
    assert (at_rest.backlog, at_rest.per_s, at_rest.left_s) == (480, None, None)
    assert (lane_cells(at_rest)[2:], clock()) == (("-", "-"), began), "no Loa runs"
    stands = (await status.report()).channels[EMAIL].lanes[Lane.NORMAL]
    assert (lane_cells(stands)[0], lane_cells(stands)[2:], clock() - began) == (480, ("-", "-"), 3)


async def test_rows_that_wait_for_a_person_or_their_time_are_in_no_estimate(
    bus, status, store_batch, wait_between_counts, clock
):
    stop = bounce_stops.BounceStop(state="stopped", at=clock(), mails=20, failed=9)
    stored = bounce_stops.BounceStops(plans={"email.tin.1": stop}).model_dump_json().encode()
    await store_batch(b"r" * 30, ZALO, due_s=3600)
    await store_batch(b"p" * 90)
    await bus.bucket(subjects.CONTROL.name).put(bounce_stops.STOPS_KEY, stored)
    began = clock()
    channels = (await status.report()).channels
    assert [channels[one].lanes[Lane.NORMAL].backlog for one in (EMAIL, ZALO)] == [90, 30]
    assert clock() == began, "nobody looks twice at what can't move"
    await store_batch(b"pp", ZALO, number=50)
    wait_between_counts.happens.append(store_batch(b"dp", ZALO, number=50))
    zalo = (await status.report()).channels[ZALO].lanes[Lane.NORMAL]
    assert (zalo.backlog, zalo.per_s, zalo.left_s) == (31, 1.0, 1.0)


async def test_a_standing_channel_says_since_when_why_and_when_it_tries_again(bus, status, clock):
    await pauses.pause_if_running(bus, ZALO, "nghỉ Tết", "Trần Thị B")
    mail = BreakerStore(bus, EMAIL, clock)
    await mail.update(lambda one: breaker.fail(one, "w", "AUTH 535", clock()))
    channels = (await status.report()).channels
    email, zalo = channels[EMAIL], channels[ZALO]
    shown = {name: (one.paused, one.breaker) for name, one in channels.items()}
    assert shown == {PORTAL: (False, "closed"), EMAIL: (False, "open"), ZALO: (True, "closed")}
    assert (email.breaker_since.timestamp(), email.breaker_reason) == (clock(), "AUTH 535")
    assert email.next_probe.timestamp() == clock() + 5
    assert (zalo.paused_reason, zalo.paused_since.tzinfo) == ("nghỉ Tết", UTC)
    assert zalo.paused_by == "Trần Thị B"
    broken, paused = find(Facts(utc_now(clock), channels))
    said = "breaker open since 2027-01-15 15:00:00+07: AUTH 535, next try at "
    assert (broken.about, broken.message.startswith(said)) == (EMAIL, True)
    assert "máy chủ gửi thư từ chối đăng nhập" in broken.message_vi
    assert (paused.about, paused.since) == (ZALO, zalo.paused_since)
    assert paused.message.endswith("+07 (by: Trần Thị B; reason: nghỉ Tết)")
    clock.advance(5)
    await mail.update(lambda one: breaker.start_probe(one, "w", clock()))
    assert (await status.report()).channels[EMAIL].breaker == "half-open"


async def test_an_open_breaker_whose_wait_is_over_says_who_is_next(bus, status, store_batch, clock):
    mail = BreakerStore(bus, EMAIL, clock)
    await mail.update(lambda one: breaker.fail(one, "w", "AUTH 535", clock()))
    clock.advance(5)
    email = (await status.report()).channels[EMAIL]
    assert (email.breaker, email.next_probe) == ("open", None)
    assert ": AUTH 535, next try: with the next item; " in await broken_text(status)
    await store_batch(b"r", due_s=600)
    assert ", next try: with the next row that is due; " in await broken_text(status)
    await pauses.pause(bus, EMAIL)
    assert ", next try: once it is resumed; " in await broken_text(status)


async def broken_text(status) -> str:
    channels = (await status.report()).channels
    found = find(Facts(utc_now(status.clock), channels))
    return next(one.message for one in found if one.code == "channel_broken")


async def test_rows_that_were_tried_say_why_since_when_and_until_when_they_wait(
    status, ledger, clock
):
    entry = replace(planned_entry(0, Lane.NORMAL, clock() - 90), rows=b"rdrp", due=clock() + 60)
    reason, began = "zalo -211 quota", clock() - 30
    notes = {0: RowNote(1, clock() + 60, reason, began), 1: RowNote(0, 0.0, reason)}
    notes[2] = RowNote(0, clock() + 99, reason)
    data = codec.encode_state(replace(entry, notes=notes))
    await ledger.bucket.put(f"state.{BatchKey(ZALO, 'tin', 1, 0)}", data)
    [wait] = (await status.report(at_work=False)).channels[ZALO].waits
    assert (wait.reason, wait.rows) == (reason, 2)
    assert (wait.since.timestamp(), wait.until.timestamp()) == (clock() - 90, clock() + 60)


async def test_the_estimate_counts_the_lanes_before_and_is_none_while_nothing_may_move(
    bus, status, store_batch, wait_between_counts
):
    await store_batch(b"p" * 61, lane=Lane.URGENT, number=1)
    await store_batch(b"p" * 120, lane=Lane.BULK)
    wait_between_counts.happens.append(store_batch(b"d" + b"p" * 60, lane=Lane.URGENT, number=1))
    lanes = (await status.report()).channels[EMAIL].lanes
    assert {lane: facts.left_s for lane, facts in lanes.items()} == {
        Lane.URGENT: 60.0,
        Lane.NOTICE: 0.0,
        Lane.NORMAL: 0.0,
        Lane.BULK: 180.0,
    }
    await pauses.pause(bus, EMAIL)
    assert (await status.report()).channels[EMAIL].lanes[Lane.BULK].left_s is None


async def test_what_was_closed_long_ago_is_not_read(bus, ledger, status, store_batch, clock):
    for _ in range(5):
        await store_batch(b"d", closed_s=1000)
    await store_batch(b"p")
    await Sweeper(bus, ledger, Waker(bus), pauses.ChannelMonitor(bus), clock).sweep()
    assert (await status.report()).channels[EMAIL].lanes[Lane.NORMAL].backlog == 1
    sweeper = Sweeper(bus, ledger, Waker(bus), pauses.ChannelMonitor(bus), clock)
    for _ in range(2):
        await sweeper.sweep()
    await ledger.bucket.put("state.email.tin.1.0", b"damaged, and would not be found closed")
    read = [key async for key, _ in ledger.bucket.values("state.", start=6)]
    assert await watermark.read_watermark(bus) == 6
    assert len(read) == 2
    assert (await status.report()).channels[EMAIL].lanes[Lane.NORMAL].backlog == 1


async def stand_still(ledger, batch: BatchKey, **changes) -> None:
    entry = replace(planned_entry(2, Lane.NORMAL, 0.0), **changes)
    await ledger.bucket.put(f"state.{batch}", codec.encode_state(entry))


@pytest.mark.parametrize(
    ("changes", "is_told"),
    [
        ({"rows": b"ds", "owner": "w#1#1", "lease_until": -301.0}, True),
        ({"rows": b"ds", "owner": "w#1#1", "lease_until": -299.0}, False),
        ({"rows": b"pp", "owner": "w#1#1", "lease_until": -301.0}, True),
        ({"rows": b"pr", "lease_until": -3000.0}, False),
        ({"rows": b"dd", "closed_at": -900.0}, False),
    ],
    ids=str,
)
async def test_a_batch_without_its_worker_is_named(status, ledger, clock, changes, is_told):
    """Times are seconds from now; one that waits for its turn has no owner."""
    times = {name: clock() + at for name, at in changes.items() if isinstance(at, float)}
    await stand_still(ledger, BatchKey(EMAIL, "tin", 1, 0), **changes | times)
    report = await status.report(at_work=False)
    told = [one.model_dump(exclude={"since"}) for one in report.channels[EMAIL].stuck]
    facts = {"content_id": "tin", "kind": "item", "revision": 1, "batches": 1, "holds": 0}
    facts["is_leased"] = False
    facts["rows"] = sum(letter in b"spr" for letter in changes["rows"])
    assert told == ([facts] if is_told else [])
    found = find(Facts(now=utc_now(clock), channels=report.channels))
    assert [one.code for one in found] == ["delivery_stuck"] * is_told


async def test_a_worker_that_has_just_started_is_given_time(status, ledger, bus, clock):
    await stand_still(ledger, BatchKey(EMAIL, "tin", 1, 0), rows=b"s", owner="w#1#1", lease_until=9)
    await write_destination(bus, EMAIL, Destination(to="the relay", at=clock()))
    assert (await status.report(at_work=False)).channels[EMAIL].stuck == ()
    clock.advance(301)
    [told] = (await status.report(at_work=False)).channels[EMAIL].stuck
    assert told.since.timestamp() == 9


@pytest.mark.parametrize("shift", [{}, {"lane": Lane.BULK}, {"created": -700.0}], ids=str)
async def test_no_batch_is_stuck_whose_lane_is_worked_through(status, ledger, clock, shift):
    """The sweep wakes no batch of a lane that goes on; the rest of the queue comes first."""
    await stand_still(ledger, BatchKey(EMAIL, "tin", 1, 0), rows=b"s", owner="w#1#1", lease_until=9)
    created = clock() + shift.get("created", -600.0)
    other = {"rows": b"dp", "created": created, "progress": (1.0, 350.0)}
    other["lane"] = shift.get("lane", Lane.NORMAL)
    await stand_still(ledger, BatchKey(EMAIL, "tin", 1, 1), **other)
    report = await status.report(at_work=False)
    assert len(report.channels[EMAIL].stuck) == bool(shift)


@pytest.mark.parametrize(
    ("id", "kind"),
    [("case-" + "a" * 20, "case_notice"), ("letter-" + "a" * 20, "personal_mail")],
)
async def test_no_stuck_message_to_one_person_is_named(status, ledger, id, kind):
    await stand_still(ledger, BatchKey(EMAIL, id, 1, 0), rows=b"s", owner="w#1#1", lease_until=9)
    [told] = (await status.report(at_work=False)).channels[EMAIL].stuck
    assert (told.content_id, told.kind) == ("", kind)


async def hold_up(ledger, clock, **changes) -> None:
    """An older revision that a withdrawal waits for."""
    busy = {"rows": b"ds", "owner": "w#1#1", "halt": "w2", "lease_until": clock() + 60}
    await stand_still(ledger, BatchKey(EMAIL, "tin", 1, 0), **busy | changes)


@pytest.mark.parametrize(
    ("changes", "waits_s", "severity"),
    [
        ({}, 899, None),
        ({}, 901, "watch"),
        ({"lease_until": -299.0}, 901, "watch"),
        ({"lease_until": -301.0, "effects_until": -299.0}, 901, "watch"),
        ({"lease_until": -301.0}, 901, "act"),
        ({}, 3601, "act"),
    ],
    ids=str,
)
async def test_a_withdrawal_says_that_an_older_revision_holds_it_up(
    bus, status, ledger, clock, changes, waits_s, severity
):
    """While a worker renews the lease a restart would only make copies. It may start often."""
    began = clock()
    await ledger.create_plan(PlanKey(EMAIL, "tin", 2), PlanCursor(created=began))
    clock.advance(waits_s)
    await write_destination(bus, EMAIL, Destination(to="the relay", at=clock()))
    times = {name: clock() + at for name, at in changes.items()}
    await hold_up(ledger, clock, **times)
    report = await status.report(at_work=False)
    found = find(Facts(now=utc_now(clock), channels=report.channels))
    if severity is None:
        assert not found
        return
    [held] = found
    assert (held.severity, held.code) == (severity, "revision_held")
    assert held.since.timestamp() == began
    assert "revision 2 of tin" in held.message and "bản số 2" in held.message_vi
    assert ("restart deliver-email" in held.remedy) == (severity == "act")
