"""A restored bus is what the backup held: paused, and in doubt as far as it must be."""

import json

import pytest

from consumers import backup, control, restore
from contracts import subjects
from contracts.delivery import ChannelName, PlanKey, Status
from contracts.errors import Invalid
from producers.bus import Bus, Silence, Unfit, topology
from tests.backups import a_house, another_machine, contents, saved
from tests.builders import a_publication
from tests.delivery_house import House
from tests.fakes import People, people

EMAIL = ChannelName.EMAIL


@pytest.fixture
def house(bus, tmp_path):
    return House(bus, tmp_path / "slots", People(people(1203)))


async def test_a_restored_bus_holds_the_same_messages_under_the_same_numbers(house, tmp_path):
    await house.work_all(await house.plan())
    for key in "abc":
        await house.bus.bucket("units").put(key, key.encode())
    await house.bus.bucket("units").purge("b")
    before = await contents(house.bus)
    await saved(house, tmp_path)
    async with another_machine(tmp_path) as bus:
        await restore.restore(bus, tmp_path / "backup", house.clock)
        assert await contents(bus) == before
        configs = [(await bus.stream_info(name))["config"] for name in topology.names()]
    await topology.apply(house.bus)
    assert configs == [(await house.bus.stream_info(n))["config"] for n in topology.names()]


async def test_every_channel_is_paused_after_a_restore(house, tmp_path):
    manifest = await saved(house, tmp_path)
    async with another_machine(tmp_path) as bus:
        await restore.restore(bus, tmp_path / "backup", house.clock)
        assert await control.paused(bus) == set(ChannelName)
        why = (await control.reasons(bus))[EMAIL].reason
        assert why == f"restored from the backup of {manifest.began:%FT%TZ}"


async def test_what_was_still_to_be_sent_comes_back_in_doubt_and_is_declared(house, tmp_path):
    plan = await house.plan()
    await house.work(plan, 0)
    await saved(house, tmp_path)
    await house.work(plan, 1)  # lost with the machine: the backup says that these are pending
    async with another_machine(tmp_path) as bus:
        await restore.restore(bus, tmp_path / "backup", house.clock)
        new = a_house(bus, house, tmp_path)
        assert await new.counts(plan) == {Status.DELIVERED: 500, Status.IN_DOUBT: 703}
        await new.work_all(plan)
        assert await new.counts(plan) == {Status.DELIVERED: 1203}
        copies = [(await new.entry(plan, number)).copies for number in range(3)]
    assert copies == [0, 500, 203]
    again = {id for id, count in house.provider.got.items() if count > 0} & set(new.provider.got)
    assert len(again) == 500 <= sum(copies), "really sent twice, and declared"


async def test_after_a_planned_move_nothing_is_in_doubt(house, tmp_path):
    plan = await house.plan()
    await house.work(plan, 0)
    await saved(house, tmp_path)
    async with another_machine(tmp_path) as bus:
        await restore.restore(bus, tmp_path / "backup", house.clock, moved=True)
        assert await a_house(bus, house, tmp_path).counts(plan) == {
            Status.DELIVERED: 500,
            Status.PENDING: 703,
        }
        assert await restore.doubtful(bus) is None


async def test_open_batches_are_woken_at_once_and_closed_ones_are_not(house, tmp_path):
    plan = await house.plan()
    await house.work(plan, 0)
    await saved(house, tmp_path)
    async with another_machine(tmp_path) as bus:
        await restore.restore(bus, tmp_path / "backup", house.clock)
        wake_ups = [json.loads(m.data)["batch"] async for m in bus.scan(subjects.DELIVER.name)]
    assert wake_ups == [f"{plan}.1", f"{plan}.2"]


async def test_a_publication_without_a_plan_is_planned_in_doubt(house, tmp_path):
    """It may have been planned and delivered between the backup and the loss."""
    released = await house.publish(a_publication())
    await saved(house, tmp_path)
    async with another_machine(tmp_path) as bus:
        await restore.restore(bus, tmp_path / "backup", house.clock)
        new = a_house(bus, house, tmp_path)
        new.planner.doubtful = await restore.doubtful(bus)
        await new.planner.on_publication(released)
        plan = PlanKey(EMAIL, released.publication.content_id, 1)
        assert await new.counts(plan) == {Status.IN_DOUBT: 1203}


async def test_the_rest_of_an_unfinished_plan_is_in_doubt_too(house, tmp_path, monkeypatch):
    released = await house.publish(a_publication())
    extend, calls = house.ledger.extend, []

    async def once(*args):
        if calls:
            raise Silence("gone")
        calls.append(args)
        return await extend(*args)

    monkeypatch.setattr(house.ledger, "extend", once)
    with pytest.raises(Silence):
        await house.planner.on_publication(released)
    await saved(house, tmp_path)
    async with another_machine(tmp_path) as bus:
        await restore.restore(bus, tmp_path / "backup", house.clock)
        new = a_house(bus, house, tmp_path)
        new.planner.doubtful = await restore.doubtful(bus)
        await new.planner.on_publication(released)
        assert await new.counts(PlanKey(EMAIL, released.publication.content_id, 1)) == {
            Status.IN_DOUBT: 1203
        }


async def test_consumers_go_on_where_they_had_finished_when_the_backup_began(house, tmp_path):
    stream, durable = subjects.PUBLICATIONS.name, subjects.dispatch(EMAIL)
    for number in range(3):
        await house.publish(a_publication(content_id=f"tin-{number}"))
    reading = await house.bus.js.pull_subscribe_bind(durable, stream)
    first, second, _ = await reading.fetch(3)
    await first.ack_sync()
    await second.ack_sync()
    await saved(house, tmp_path)
    async with another_machine(tmp_path) as bus:
        await restore.restore(bus, tmp_path / "backup", house.clock)
        again = await (await bus.js.pull_subscribe_bind(durable, stream)).fetch(5, timeout=1)
        assert [message.metadata.sequence.stream for message in again] == [3]
        await topology.apply(bus)


async def test_a_bus_that_holds_something_is_not_touched(house, tmp_path):
    await house.publish(a_publication())
    await saved(house, tmp_path)
    before = await contents(house.bus)
    with pytest.raises(Invalid, match="holds messages"):
        await restore.restore(house.bus, tmp_path / "backup", house.clock)
    assert await contents(house.bus) == before


async def test_a_bus_that_was_only_started_may_be_restored_onto(house, tmp_path):
    await house.publish(a_publication())
    await saved(house, tmp_path)
    async with another_machine(tmp_path) as bus:
        await topology.apply(bus)
        await restore.restore(bus, tmp_path / "backup", house.clock)
        assert (await contents(bus))[subjects.PUBLICATIONS.name]


@pytest.mark.parametrize("stream", backup.ORDER)
async def test_a_restore_that_was_cut_short_can_only_be_repeated(
    house, tmp_path, monkeypatch, stream
):
    await house.plan()
    await saved(house, tmp_path)
    real = Bus.restore

    async def cut(bus, name, *args):
        if name == stream:
            raise Silence("killed here")
        await real(bus, name, *args)

    async with another_machine(tmp_path) as bus:
        with monkeypatch.context() as patched, pytest.raises(Silence):
            patched.setattr(Bus, "restore", cut)
            await restore.restore(bus, tmp_path / "backup", house.clock)
        with pytest.raises(Unfit, match="cut short"):
            await topology.apply(bus)
        await restore.restore(bus, tmp_path / "backup", house.clock)
        await topology.apply(bus)
        assert (await contents(bus))[stream] if stream in ("PUBLICATIONS", "KV_ledger") else True


async def test_a_damaged_backup_is_refused_before_anything_is_touched(house, tmp_path):
    await saved(house, tmp_path)
    path = tmp_path / "backup" / "CONTENT.snapshot"
    path.write_bytes(path.read_bytes()[:-1])
    async with another_machine(tmp_path) as bus:
        with pytest.raises(Invalid, match=r"CONTENT\.snapshot: is damaged"):
            await restore.restore(bus, tmp_path / "backup", house.clock)
        assert not await topology.exists(bus, topology.RESTORING)
