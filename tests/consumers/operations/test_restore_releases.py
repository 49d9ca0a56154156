"""A backup taken while something is released: after the restore it is out once, as it was."""

from contextlib import asynccontextmanager

import pytest

from contracts import subjects
from tests.support.check_harness import CheckHarness, acknowledge_all
from tests.support.events import (
    ITEM,
    UNIT,
    bucket_records,
    corrected,
    released_publications,
    submitted,
    withdrawn,
)
from tests.support.restored_bus import CLERK, during_backup, restored_bus, save_bus


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
        await loa.intake.desk.approve(ITEM, CLERK)

    loa = await CheckHarness(bus, tmp_path / "first").open(release="desk")
    await loa.send(submitted())
    await loa.close()
    async with restored(bus, tmp_path, subjects.PUBLICATIONS.name, act, monkeypatch) as loa:
        [before] = await released_publications(loa.bus)
        [draft] = await loa.intake.desk.waiting_drafts()
        assert draft.content_id == ITEM
        await loa.intake.desk.approve(ITEM, CLERK)
        assert await released_publications(loa.bus) == [before]
        await acknowledge_all(loa.bus, "CONTENT", subjects.INTAKE)
        await loa.deliver_all(ITEM)
        assert await loa.violations() == [], "approved again, and no later than it has to be"
