"""A restored bus is what the backup held: paused, and in doubt as far as it must be."""

import json

import pytest

from consumers.channel_health import pauses
from consumers.operations import restore
from contracts import subjects
from contracts.delivery import ChannelName, PlanKey, Status
from contracts.errors import Invalid
from producers.bus import NoReply, topology
from tests.support.publications import a_publication
from tests.support.restored_bus import (
    contents,
    new_machine,
    restored_bus,
    restored_pipeline,
    save_pipeline,
)

EMAIL = ChannelName.EMAIL


async def test_a_restored_bus_holds_the_same_messages_under_the_same_numbers(pipeline, tmp_path):
    await pipeline.work_plan(await pipeline.plan())
    for key in "abc":
        await pipeline.bus.bucket("units").put(key, key.encode())
    await pipeline.bus.bucket("units").purge("b")
    before = await contents(pipeline.bus)
    await save_pipeline(pipeline, tmp_path)
    async with restored_bus(tmp_path, pipeline.clock) as bus:
        assert await contents(bus) == before
        configs = [(await bus.stream_info(name))["config"] for name in topology.stream_names()]
    await topology.apply(pipeline.bus)
    assert configs == [
        (await pipeline.bus.stream_info(n))["config"] for n in topology.stream_names()
    ]


async def test_every_channel_is_paused_and_why_one_was_paused_before_is_not_lost(
    bus, tmp_path, pipeline
):
    await pauses.pause(bus, ChannelName.ZALO, "hợp đồng hết hạn")
    since = (await pauses.load_pauses(bus))[ChannelName.ZALO].since
    manifest = await save_pipeline(pipeline, tmp_path)
    async with restored_bus(tmp_path, pipeline.clock) as new:
        assert await pauses.paused_channels(new) == set(ChannelName)
        reasons = {name: one.reason for name, one in (await pauses.load_pauses(new)).items()}
    plain = f"restored from the backup of {manifest.began:%FT%TZ}"
    before = f"; paused before, since {since:%FT%TZ}: hợp đồng hết hạn"
    assert (reasons[EMAIL], reasons[ChannelName.ZALO]) == (plain, plain + before)


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
async def test_what_the_backup_has_no_plan_for_is_planned_in_doubt(
    pipeline, tmp_path, monkeypatch, begun
):
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


async def test_a_bus_that_holds_something_is_not_touched(pipeline, tmp_path):
    await pipeline.publish(a_publication())
    await save_pipeline(pipeline, tmp_path)
    before = await contents(pipeline.bus)
    with pytest.raises(Invalid, match="holds messages"):
        await restore.restore_backup(pipeline.bus, tmp_path / "backup", pipeline.clock)
    assert await contents(pipeline.bus) == before


async def test_a_bus_that_was_only_started_may_be_restored_onto(pipeline, tmp_path):
    await pipeline.publish(a_publication())
    await save_pipeline(pipeline, tmp_path)
    async with new_machine(tmp_path) as bus:
        await topology.apply(bus)
        await restore.restore_backup(bus, tmp_path / "backup", pipeline.clock)
        assert (await contents(bus))[subjects.PUBLICATIONS.name]


async def test_a_damaged_backup_is_refused_before_anything_is_touched(pipeline, tmp_path):
    await save_pipeline(pipeline, tmp_path)
    path = tmp_path / "backup" / "CONTENT.snapshot"
    path.write_bytes(path.read_bytes()[:-1])
    async with new_machine(tmp_path) as bus:
        with pytest.raises(Invalid, match=r"CONTENT\.snapshot: is damaged"):
            await restore.restore_backup(bus, tmp_path / "backup", pipeline.clock)
        assert not await topology.stream_exists(bus, topology.RESTORING_STREAM)
