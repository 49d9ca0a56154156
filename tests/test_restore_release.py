"""A backup taken while something is released: after the restore it is out once, as it was."""

from contextlib import asynccontextmanager

import pytest

from consumers import backup, restore
from contracts import subjects
from producers.bus import Bus
from producers.server import NatsServer
from tests.arrivals import ITEM, UNIT, corrected, in_bucket, published, submitted, withdrawn
from tests.checked import Checked, settled

CLERK = "Trần Thị Bình"


@asynccontextmanager
async def restored(bus, tmp_path, moment, act, monkeypatch):
    """A ministry on the bus that comes out of a backup; *act* came just before *moment* in it."""
    real, loa = Bus.save, await Checked(bus, tmp_path / "old").open()

    async def meanwhile(bus, name, take):
        if name == moment:
            await act(loa)
        return await real(bus, name, take)

    with monkeypatch.context() as patched:
        patched.setattr(Bus, "save", meanwhile)
        await backup.save(bus, tmp_path / "backup", loa.clock)
    await loa.close()
    async with NatsServer(tmp_path / "nats") as server, await Bus.connect(server.url) as new:
        await restore.restore(new, tmp_path / "backup", loa.clock)
        again = Checked(new, tmp_path / "new")
        again.clock.now = loa.clock.now + 3600
        try:
            yield again
        finally:
            await again.close()


@pytest.mark.parametrize("events", [[submitted()], [submitted(), corrected()]])
async def test_what_was_published_during_the_backup_is_published_once(
    bus, tmp_path, monkeypatch, events
):
    """Its record is older than its publication; with a correction, it is not even the latest."""

    async def act(loa):
        for event in events:
            loa.clock.forward(60)
            await loa.send(event)

    async with restored(bus, tmp_path, subjects.PUBLICATIONS.name, act, monkeypatch) as loa:
        before = await published(loa.bus)
        assert len(before) == len(events)
        assert f"{ITEM}.1" not in await in_bucket(loa.bus, "publications")
        for event in events:
            await loa.intake.handle(event, UNIT)
        assert await published(loa.bus) == before
        await settled(loa.bus, "CONTENT", subjects.INTAKE)
        await loa.hand_out(ITEM)
        assert await loa.found() == []
        records = await in_bucket(loa.bus, "publications")
        for one in before:
            record = records[f"{ITEM}.{one['revision']}"]
            assert (record["seq"], record["released_at"]) == (one["seq"], one["released_at"])
            assert records[ITEM]["released"][str(one["revision"])] == one["released_at"]


async def test_a_withdrawal_during_the_backup_is_published_once(bus, tmp_path, monkeypatch):
    async def act(loa):
        await loa.send(submitted())
        loa.clock.forward(60)
        await loa.send(withdrawn())

    async with restored(bus, tmp_path, subjects.PUBLICATIONS.name, act, monkeypatch) as loa:
        before = await published(loa.bus)
        for event in (submitted(), withdrawn()):
            await loa.intake.handle(event, UNIT)
        assert await published(loa.bus) == before
        assert [one["action"] for one in before] == ["published", "withdrawn"]


async def test_a_draft_that_is_approved_during_the_backup_is_not_lost(bus, tmp_path, monkeypatch):
    """The approval takes it off the desk; the backup has it, or the approval."""

    async def act(loa):
        await loa.intake.desk.approve(ITEM, CLERK)

    loa = await Checked(bus, tmp_path / "first").open(release="desk")
    await loa.send(submitted())
    await loa.close()
    async with restored(bus, tmp_path, subjects.PUBLICATIONS.name, act, monkeypatch) as loa:
        [before] = await published(loa.bus)
        [draft] = await loa.intake.desk.waiting()
        assert draft.content_id == ITEM
        await loa.intake.desk.approve(ITEM, CLERK)
        assert await published(loa.bus) == [before]
        await settled(loa.bus, "CONTENT", subjects.INTAKE)
        await loa.hand_out(ITEM)
        assert await loa.found() == [], "approved again, and no later than it has to be"
