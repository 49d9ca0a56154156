"""Drafts of an earlier version's bucket come into the editorial log once, wherever Loa dies."""

import json
from contextlib import suppress
from datetime import timedelta
from functools import partial

import pytest

from consumers.intake.approval import record_decision
from consumers.intake.handler import Intake
from consumers.intake.items import Decision
from contracts import subjects
from contracts.vocabulary import DEFAULT
from producers.bus import StorageFull, topology
from tests.support.crashing_bus import SimulatedCrash, dying_buses
from tests.support.decisions import approve_item, reject_item
from tests.support.events import (
    ITEM,
    UNIT,
    open_drafts,
    register_unit,
    released_publications,
    submitted,
)
from tests.support.former_desk import leave_on_former_desk, make_former_desk

CLERK = "Trần Thị Bình"
FORMER = f"KV_{subjects.DESK.name}"


@pytest.fixture
async def intake(bus, clock):
    await register_unit(bus, release="desk")
    return Intake(bus, DEFAULT, clock)


async def test_a_draft_is_carried_over_as_it_was_and_can_be_approved(bus, intake):
    draft = await leave_on_former_desk(intake, submitted(author="Nguyễn Văn An"))
    assert await intake.decisions.carry_over() == 1
    assert await intake.decisions.waiting_drafts() == [draft]
    await approve_item(intake.decisions, draft.content_id, CLERK, hash=draft.hash)
    assert len(await released_publications(bus)) == 1


@pytest.fixture
def a_day_later(monkeypatch):
    """The next start comes when the bucket was not used for a day."""
    monkeypatch.setattr(topology, "FORMER_KEPT", timedelta(0))


async def test_an_earlier_version_beside_this_one_can_still_write_to_an_empty_bucket(bus, intake):
    await make_former_desk(bus)
    await topology.apply(bus)
    draft = await leave_on_former_desk(intake, submitted())
    await intake.decisions.carry_over()
    await topology.apply(bus)
    await bus.bucket(subjects.DESK.name).put(draft.key, draft.model_dump_json().encode())


@pytest.mark.usefixtures("a_day_later")
async def test_the_bucket_ends_a_day_after_it_was_empty(bus, intake):
    await leave_on_former_desk(intake, submitted())
    await topology.apply(bus)
    assert await topology.stream_exists(bus, FORMER)
    await intake.decisions.carry_over()
    await topology.apply(bus)
    assert not await topology.stream_exists(bus, FORMER)
    assert await intake.decisions.carry_over() == 0


@pytest.mark.usefixtures("a_day_later")
async def test_no_draft_is_lost_that_comes_while_the_bucket_is_deleted(bus, intake, monkeypatch):
    await make_former_desk(bus)
    delete = topology.delete_stream

    async def delete_later(bus, name):
        with pytest.raises(StorageFull):  # intake repeats it
            await leave_on_former_desk(intake, submitted())
        await delete(bus, name)

    monkeypatch.setattr(topology, "delete_stream", delete_later)
    await topology.apply(bus)
    assert not await topology.stream_exists(bus, FORMER)
    await intake.handle(submitted(), UNIT)
    assert await open_drafts(bus) == [f"{ITEM}.1"]


@pytest.mark.usefixtures("a_day_later")
async def test_a_bucket_that_holds_something_takes_writes_again_also_after_a_crash(
    bus, intake, monkeypatch
):
    def scan(*args):
        raise SimulatedCrash

    await leave_on_former_desk(intake, submitted())
    with monkeypatch.context() as dying, pytest.raises(SimulatedCrash):
        dying.setattr(bus, "scan", scan)
        await topology.apply(bus)
    assert (await bus.stream_info(FORMER))["config"]["max_bytes"] == 1
    await topology.apply(bus)
    await leave_on_former_desk(intake, submitted("tin-2"))
    assert await intake.decisions.carry_over() == 2


@pytest.mark.parametrize("after", [False, True], ids=["before a call", "after a call"])
async def test_a_carry_over_cut_short_anywhere_is_finished_by_the_next(bus, intake, clock, after):
    for number, dying in enumerate(dying_buses(bus, after=after, fewest=3)):
        item = f"tin-{number}"
        await leave_on_former_desk(intake, submitted(item))
        with suppress(SimulatedCrash):
            await Intake(dying, DEFAULT, clock).decisions.carry_over()
        await intake.decisions.carry_over()
        assert await open_drafts(bus) == [f"{item}.1"]
        assert [key async for key, _ in bus.bucket(subjects.DESK.name).values()] == []
        await reject_item(intake.decisions, item, CLERK, code="trung-lap")


async def test_a_decision_that_an_earlier_version_left_undone_is_carried_out(bus, intake):
    draft = await leave_on_former_desk(intake, submitted())
    decision = Decision(verdict="approved", by=CLERK, at=draft.at, role="lanh-dao")
    book = partial(record_decision, decision=decision, key=draft.key)
    await intake.decisions.repository.update_position(draft.content_id, draft.revision, book)
    assert await released_publications(bus) == []
    await intake.decisions.carry_over()
    assert len(await released_publications(bus)) == 1
    assert await open_drafts(bus) == []
    state = (await intake.decisions.log.read(draft.content_id)).state
    assert (state.status, state.out) == ("published", 1)
    acts = [act async for act in bus.scan(subjects.EDITORIAL.name)]
    assert json.loads(acts[1].data)["role"] == "lanh-dao"


async def test_an_unreadable_draft_stays_and_stops_no_other(bus, intake):
    await leave_on_former_desk(intake, submitted())
    await bus.bucket(subjects.DESK.name).create("hong.1", b"{}")
    assert await intake.decisions.carry_over() == 1
    assert [key async for key, _ in bus.bucket(subjects.DESK.name).values()] == ["hong.1"]
