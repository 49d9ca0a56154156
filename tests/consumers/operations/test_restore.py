"""A restored bus is what the backup held: paused, and in doubt as far as it must be."""

import json
from contextlib import asynccontextmanager

import pytest
import structlog

from channels.zalo.settings import ZaloSettings
from consumers.channel_health import pauses
from consumers.dead_letters.decisions import DeadLetterDecisions, Operator
from consumers.dead_letters.letter import MessageOrigin
from consumers.dead_letters.store import DeadLetterStore
from consumers.intake.inbound import InboundMover
from consumers.ledger import codec, watermark
from consumers.ledger.cursor import PlanCursor
from consumers.ledger.entry import LedgerEntry
from consumers.ledger.store import Ledger
from consumers.operations import backup, restore
from consumers.status.facts import FactsReader
from contracts import subjects
from contracts.delivery import BatchKey, ChannelName, PlanKey, Status
from contracts.errors import Invalid, field_error
from producers.bus import NoReply, topology
from tests.support.check_harness import CheckHarness, acknowledge_all
from tests.support.clock import FakeClock
from tests.support.decisions import approve_item
from tests.support.events import (
    ITEM,
    UNIT,
    bucket_records,
    corrected,
    released_publications,
    submitted,
    withdrawn,
)
from tests.support.publications import a_publication
from tests.support.restored_bus import (
    CLERK,
    contents,
    during_backup,
    new_machine,
    opened_backup,
    restored_bus,
    restored_pipeline,
    save_bus,
    save_pipeline,
)

EMAIL = ChannelName.EMAIL
MARKS = (watermark.WATERMARK_KEY, watermark.UNKNOWN_KEY)


async def test_a_restored_bus_holds_the_same_messages_under_the_same_numbers(pipeline, tmp_path):
    await pipeline.work_plan(await pipeline.plan())
    for key in "abc":
        await pipeline.bus.bucket("units").put(key, key.encode())
    await pipeline.bus.bucket("units").purge("b")
    before = await contents(pipeline.bus)
    await save_pipeline(pipeline, tmp_path)
    async with restored_bus(tmp_path, pipeline.clock) as bus:
        assert await contents(bus) == before
        saved = [(await bus.stream_info(name))["config"] for name in topology.stream_names()]
    await topology.apply(pipeline.bus)
    assert saved == [(await pipeline.bus.stream_info(n))["config"] for n in topology.stream_names()]


async def test_streams_are_placed_by_the_new_machines_settings(bus, tmp_path, pipeline):
    """The tags of the servers that are gone may be on none of the new ones."""
    placed = (await bus.stream_info("DEAD"))["config"] | {"placement": {"tags": ["disk:ssd"]}}
    await bus.connection.api_request("STREAM.UPDATE.DEAD", placed)
    assert (await bus.stream_info("DEAD"))["config"]["placement"]
    await save_pipeline(pipeline, tmp_path)
    async with restored_bus(tmp_path, pipeline.clock) as new:
        assert not (await new.stream_info("DEAD"))["config"].get("placement")


async def test_every_channel_is_paused_and_an_earlier_reason_is_not_lost(bus, tmp_path, pipeline):
    await pauses.pause(bus, ChannelName.ZALO, "hợp đồng hết hạn")
    since = (await pauses.load_pauses(bus))[ChannelName.ZALO].since
    manifest = await save_pipeline(pipeline, tmp_path)
    async with restored_bus(tmp_path, pipeline.clock) as new:
        assert await pauses.paused_channels(new) == set(ChannelName)
        reasons = {name: one.reason for name, one in (await pauses.load_pauses(new)).items()}
    plain = f"restored from the backup of {manifest.began:%FT%TZ}"
    before = f"; paused before, since {since:%FT%TZ}: hợp đồng hết hạn"
    assert (reasons[EMAIL], reasons[ChannelName.ZALO]) == (plain, plain + before)


async def test_what_the_lost_machine_s_workers_said_is_not_said_of_the_new_one(pipeline, tmp_path):
    old = pipeline.bus.bucket("control")
    for key in (
        "outlet.email",
        "breaker.zalo.notices",
        "canary.email",
        "canary.email.sent",
        "relays.email",
    ):
        await old.put(key, b"{}")
    await old.put("pace.email", b"{}")
    await save_pipeline(pipeline, tmp_path)
    async with restored_bus(tmp_path, pipeline.clock) as bus:
        left = {key for key in await bus.bucket("control").keys() if "pause" not in key}
        assert left == {"pace.email", "restored"}
        assert (await FactsReader(bus, ZaloSettings(), pipeline.clock).restored_at()) is not None
        assert await restore.end_doubts(bus)
        assert (await FactsReader(bus, ZaloSettings(), pipeline.clock).restored_at()) is None


async def test_what_was_still_to_be_sent_is_woken_at_once_in_doubt_and_declared(pipeline, tmp_path):
    plan = await pipeline.plan()
    await pipeline.work(plan, 0)
    await save_pipeline(pipeline, tmp_path)
    await pipeline.work(plan, 1)  # lost with the machine: the backup says that these are pending
    async with restored_pipeline(pipeline, tmp_path) as new:
        queued = [json.loads(m.data)["batch"] async for m in new.bus.scan(subjects.DELIVER.name)]
        assert queued == [f"{plan}.1", f"{plan}.2"]
        assert await new.status_counts(plan) == {Status.DELIVERED: 500, Status.IN_DOUBT: 703}
        await new.work_plan(plan)
        assert await new.status_counts(plan) == {Status.DELIVERED: 1203}
        copies = [(await new.entry(plan, number)).possible_copies for number in range(3)]
    assert copies == [0, 500, 203]
    again = {id for id, count in pipeline.provider.effects.items() if count > 0} & set(
        new.provider.effects
    )
    assert len(again) == 500 <= sum(copies), "really sent twice, and declared"


async def test_after_a_planned_move_nothing_is_in_doubt(pipeline, tmp_path):
    plan = await pipeline.plan()
    await pipeline.work(plan, 0)
    await save_pipeline(pipeline, tmp_path)
    async with restored_pipeline(pipeline, tmp_path, moved=True) as new:
        assert await new.status_counts(plan) == {Status.DELIVERED: 500, Status.PENDING: 703}
        assert await restore.active_doubts(new.bus) is None


@pytest.mark.parametrize("begun", [False, True])
async def test_what_the_backup_has_no_plan_for_is_in_doubt(pipeline, tmp_path, monkeypatch, begun):
    """It may have been planned and delivered between the backup and the loss."""
    released = await pipeline.publish(a_publication())
    append, calls = pipeline.ledger.append_batches, []

    async def once(*args):
        if calls:
            raise NoReply("gone")
        calls.append(args)
        return await append(*args)

    if begun:
        monkeypatch.setattr(pipeline.ledger, "append_batches", once)
        with pytest.raises(NoReply):
            await pipeline.planner.on_publication(released)
    await save_pipeline(pipeline, tmp_path)
    async with restored_pipeline(pipeline, tmp_path) as new:
        await new.planner.on_publication(released)
        plan = PlanKey(EMAIL, released.publication.content_id, 1)
        assert await new.status_counts(plan) == {Status.IN_DOUBT: 1203}


async def test_consumers_go_on_where_they_had_finished_when_the_backup_began(pipeline, tmp_path):
    stream, durable = subjects.PUBLICATIONS.name, subjects.dispatch(EMAIL)
    for number in range(3):
        await pipeline.publish(a_publication(content_id=f"tin-{number}"))
    reading = await pipeline.bus.js.pull_subscribe_bind(durable, stream)
    first, second, _ = await reading.fetch(3)
    await first.ack_sync()
    await second.ack_sync()
    await save_pipeline(pipeline, tmp_path)
    async with restored_bus(tmp_path, pipeline.clock) as bus:
        again = await (await bus.js.pull_subscribe_bind(durable, stream)).fetch(5, timeout=1)
        assert [message.metadata.sequence.stream for message in again] == [3]
        await topology.apply(bus)


async def test_what_units_sent_on_the_bus_comes_back_moved_or_not(bus, tmp_path, monkeypatch):
    await topology.apply(bus, [UNIT])
    stream = subjects.inbound_stream(UNIT).name

    async def move(bus):
        async with bus.pull(stream, subjects.INTAKE) as pull:
            await InboundMover(bus).move(stream, await pull.next())

    for number in range(3):
        await bus.publish(subjects.inbound(UNIT, "submitted"), b"%d" % number)
    await move(bus)
    with during_backup(monkeypatch, "CONTENT", move):
        await save_bus(bus, tmp_path, FakeClock())
    async with restored_bus(tmp_path, FakeClock()) as restored:
        assert [one.data async for one in restored.scan("CONTENT")] == [b"0", b"1"]
        assert [one.data async for one in restored.scan(stream)] == [b"1", b"2"]
        assert (await restored.consumer_info(stream, subjects.INTAKE))["num_pending"] == 2


async def test_a_bus_that_holds_something_is_not_touched(pipeline, tmp_path):
    await pipeline.publish(a_publication())
    await save_pipeline(pipeline, tmp_path)
    before = await contents(pipeline.bus)
    with pytest.raises(Invalid, match="holds messages"):
        await restore.restore_backup(
            pipeline.bus, opened_backup(tmp_path / "backup"), pipeline.clock
        )
    assert await contents(pipeline.bus) == before


async def test_a_bus_that_was_only_started_may_be_restored_onto(pipeline, tmp_path):
    await pipeline.publish(a_publication())
    await save_pipeline(pipeline, tmp_path)
    async with new_machine(tmp_path) as bus:
        await topology.apply(bus)
        await restore.restore_backup(bus, opened_backup(tmp_path / "backup"), pipeline.clock)
        assert (await contents(bus))[subjects.PUBLICATIONS.name]


async def test_a_damaged_backup_is_refused_before_anything_is_touched(pipeline, tmp_path):
    await save_pipeline(pipeline, tmp_path)
    path = tmp_path / "backup" / "CONTENT.snapshot"
    path.write_bytes(path.read_bytes()[:-1])
    async with new_machine(tmp_path) as bus:
        with pytest.raises(Invalid, match=r"CONTENT\.snapshot: is damaged"):
            await restore.restore_backup(bus, opened_backup(tmp_path / "backup"), pipeline.clock)
        assert not await topology.stream_exists(bus, topology.RESTORING_STREAM)


LETTER_OF = MessageOrigin(subject=subjects.content(UNIT, "submitted"), stream="CONTENT", seq=7)
AFTER_DEAD = backup.SAVE_ORDER.index(subjects.DEAD.name) + 1
AFTER_LEDGER = backup.SAVE_ORDER.index(f"KV_{subjects.LEDGER.name}") + 1
WRONG = [field_error("data.title", "missing")]


async def test_a_decision_made_during_the_backup_ends_no_letter_of_later(
    bus, tmp_path, clock, monkeypatch
):
    """Its letter is not in the backup; the next one takes the same place."""

    async def decide(bus):
        dead = DeadLetterStore(bus)
        await dead.bury("intake", LETTER_OF, b"{", WRONG)
        [letter] = [one async for one in dead.letters()]
        await DeadLetterDecisions(dead).discard(letter, Operator(CLERK, "rác"))

    with during_backup(monkeypatch, backup.SAVE_ORDER[AFTER_DEAD], decide):
        await save_bus(bus, tmp_path, clock)
    async with restored_bus(tmp_path, clock) as new:
        dead = DeadLetterStore(new)
        await dead.bury("intake", LETTER_OF, b"[", WRONG)
        [letter] = [one async for one in dead.letters()]
        assert (letter.id, letter.decisions) == (1, ())


@pytest.mark.parametrize("after", [0, AFTER_LEDGER], ids=["before", "during"])
async def test_where_the_ledger_s_open_part_began_is_forgotten(
    bus, tmp_path, clock, monkeypatch, after
):
    async def move(bus):
        for key in MARKS:
            await watermark.write_watermark(bus, 4711, key)

    with during_backup(monkeypatch, backup.SAVE_ORDER[after], move):
        await save_bus(bus, tmp_path, clock)
    async with restored_bus(tmp_path, clock) as new:
        assert [await watermark.read_watermark(new, key) for key in MARKS] == [1, 1]


async def test_a_plan_that_can_not_be_read_is_named_and_stops_no_restore(bus, tmp_path, clock):
    ledger = Ledger(bus)
    plan = PlanKey(ChannelName.EMAIL, "tin-dang-do", 1)
    await ledger.create_plan(plan, PlanCursor(source=1))
    for key, body in (("plan.email.hong.1", b'{"v":1}'), ("plan.email.la.1", b'{"v":9}')):
        await ledger.bucket.put(key, body)
    await ledger.bucket.put("state.email.hong.1.0", b"\xff")
    await save_bus(bus, tmp_path, clock)
    with structlog.testing.capture_logs() as logs:
        async with restored_bus(tmp_path, clock) as new:
            assert not await topology.stream_exists(new, topology.RESTORING_STREAM)
            held = await Ledger(new).plan(plan)
            assert held.value.doubt, "the others are in doubt all the same"
    named = {(line["event"], line["key"]) for line in logs if line["log_level"] == "error"}
    assert named == {
        ("plan_unreadable", "plan.email.hong.1"),
        ("plan_unreadable", "plan.email.la.1"),
        ("batch_unreadable", "state.email.hong.1.0"),
    }


async def test_what_was_on_the_wire_at_the_backup_comes_back_in_doubt(bus, tmp_path, clock):
    ledger, batch = Ledger(bus), BatchKey(ChannelName.EMAIL, ITEM, 1, 0)
    sending = LedgerEntry(b"dsSp", owner="h.email.0#ab#1", lease_until=clock() + 60)
    await ledger.bucket.put(f"state.{batch}", codec.encode_state(sending))
    await save_bus(bus, tmp_path, clock)
    async with restored_bus(tmp_path, clock) as new:
        held = await Ledger(new).state(batch)
    assert held.value.count_by_status() == {Status.DELIVERED: 1, Status.IN_DOUBT: 3}
    assert (held.value.owner, held.value.possible_copies) == ("", 1)


@asynccontextmanager
async def restored(bus, tmp_path, moment, act, monkeypatch):
    """A ministry on the bus that comes out of a backup; *act* came just before *moment* in it."""
    loa = await CheckHarness(bus, tmp_path / "old").open()
    with during_backup(monkeypatch, moment, lambda _: act(loa)):
        await save_bus(bus, tmp_path, loa.clock)
    await loa.close()
    async with restored_bus(tmp_path, loa.clock) as new:
        again = CheckHarness(new, tmp_path / "new")
        again.clock.now = loa.clock.now + 3600
        try:
            yield again
        finally:
            await again.close()


@pytest.mark.parametrize(
    "events", [[submitted()], [submitted(), corrected()], [submitted(), withdrawn()]]
)
async def test_what_was_published_during_the_backup_is_published_once(
    bus, tmp_path, monkeypatch, events
):
    """Its record is older than its publication; with a correction, it is not even the latest."""

    async def act(loa):
        for event in events:
            loa.clock.advance(60)
            await loa.send(event)

    async with restored(bus, tmp_path, subjects.PUBLICATIONS.name, act, monkeypatch) as loa:
        before = await released_publications(loa.bus)
        assert len(before) == len(events)
        assert f"{ITEM}.1" not in await bucket_records(loa.bus, "publications")
        for event in events:
            await loa.intake.handle(event, UNIT)
        assert await released_publications(loa.bus) == before
        await acknowledge_all(loa.bus, "CONTENT", subjects.INTAKE)
        await loa.deliver_all(ITEM)
        assert await loa.violations() == []
        records = await bucket_records(loa.bus, "publications")
        for one in before:
            record = records[f"{ITEM}.{one['revision']}"]
            assert (record["seq"], record["released_at"]) == (one["seq"], one["released_at"])
            assert records[ITEM]["released"][str(one["revision"])] == one["released_at"]


async def test_a_draft_that_is_approved_during_the_backup_is_not_lost(bus, tmp_path, monkeypatch):
    """The approval takes it off the desk; the backup has it, or the approval."""

    async def act(loa):
        await approve_item(loa.intake.decisions, ITEM, CLERK)

    loa = await CheckHarness(bus, tmp_path / "first").open(release="desk")
    await loa.send(submitted())
    await loa.close()
    async with restored(bus, tmp_path, subjects.PUBLICATIONS.name, act, monkeypatch) as loa:
        [before] = await released_publications(loa.bus)
        [draft] = await loa.intake.decisions.waiting_drafts()
        assert draft.content_id == ITEM
        await approve_item(loa.intake.decisions, ITEM, CLERK)
        assert await released_publications(loa.bus) == [before]
        await acknowledge_all(loa.bus, "CONTENT", subjects.INTAKE)
        await loa.deliver_all(ITEM)
        assert await loa.violations() == [], "approved again, and no later than it has to be"
