"""One record that can't be read or carried out stops nothing: it is named, the others go on."""

import asyncio
import sqlite3
from functools import partial

import pytest
import structlog

from consumers.cli.item_orders import ItemOrders
from consumers.directory.directory import Directory
from consumers.intake import desk_acts
from consumers.intake.draft_decisions import DraftDecisions, find_draft
from consumers.intake.errors import BrokenItem
from consumers.intake.handler import Intake
from consumers.runtime.errors import RetryLater
from contracts import events, keys, subjects
from contracts.desk.editorial import Order
from contracts.editorial import ActionKind
from contracts.subscriptions.subscriber import Subscriber
from contracts.vocabulary import DEFAULT
from tests.support.crashing_bus import SimulatedCrash
from tests.support.decisions import approve_item
from tests.support.events import (
    ITEM,
    UNIT,
    bucket_records,
    corrected,
    event_id,
    register_unit,
    released_actions,
    stored_position,
    submitted,
    withdrawn,
)

CLERK = "Trần Thị Bình"


class DyingDesk(DraftDecisions):
    """Dies between a decision and what follows from it."""

    async def complete(self, draft, record):
        raise SimulatedCrash


@pytest.fixture
async def desk(bus, clock):
    """A desk with two approvals that a crash cut short: tin-a, tin-c."""
    await register_unit(bus, release="desk")
    intake = Intake(bus, DEFAULT, clock)
    for item in ("tin-a", "tin-b", "tin-c"):
        await intake.handle(submitted(item), UNIT)
    for item in ("tin-a", "tin-c"):
        with pytest.raises(SimulatedCrash):
            await approve_item(DyingDesk(bus, clock), item, CLERK)
    return intake.decisions


async def released(desk):
    return {item for item in ("tin-a", "tin-b", "tin-c") if await seq(desk, item)}


async def seq(desk, item):
    return (await desk.repository.position(item, 1)).seq


async def test_nothing_is_in_the_way_of_what_was_cut_short(desk):
    assert await released(desk) == set()
    assert await desk.finish_interrupted() == 2
    assert await released(desk) == {"tin-a", "tin-c"}


@pytest.mark.parametrize("data", [b"{", b"{}", b"[]", b'{"content_id": 3}'])
async def test_an_act_that_cannot_be_read_holds_up_no_other_item(desk, data):
    await desk.bus.publish(subjects.editorial("tin-0"), data)
    await desk.bus.publish(subjects.editorial("tin-b"), data)
    with structlog.testing.capture_logs() as logs:
        assert await desk.finish_interrupted() == 2
    assert await released(desk) == {"tin-a", "tin-c"}
    named = [one["content_id"] for one in logs if one["event"] == "editorial_item_broken"]
    assert named == ["tin-0", "tin-b"]
    assert await desk.waiting_drafts() == []


async def test_a_draft_whose_record_cannot_be_read_holds_up_no_other(desk):
    await desk.repository.bucket.put("tin-a.1", b'{"state": "lost"}')
    with structlog.testing.capture_logs() as logs:
        assert await desk.finish_interrupted() == 1
    assert await seq(desk, "tin-c")
    assert [one["draft"] for one in logs if one["event"] == "draft_unusable"] == ["tin-a.1"]


@pytest.mark.parametrize(
    ("type", "data"),
    [
        ("vn.gov.moha.unknown.v1", {}),
        (events.SUBMITTED, {}),
        (events.WITHDRAWN, {"content_id": "tin-a", "reason": "Sai"}),
    ],
)
async def test_a_draft_of_another_version_holds_up_no_other(desk, type, data):
    draft = await find_draft(desk.bus, "tin-a", 1)
    changes = {"type": type, "data": data, "hash": keys.content_hash(type, data)}
    strange = draft.model_copy(update=changes | {"revision": 2, "event_id": "khac"})
    await desk.log.act("tin-a", partial(desk_acts.arrival_act, strange))
    records = desk.repository.bucket
    await records.put("tin-a.2", (await records.get("tin-a.1")).data)
    with structlog.testing.capture_logs() as logs:
        assert await desk.finish_interrupted() == 2
    assert await released(desk) == {"tin-a", "tin-c"}
    assert [one["draft"] for one in logs if one["event"] == "draft_unusable"] == ["tin-a.2"]


@pytest.fixture
async def intake(bus, clock):
    """Of an item that is out and has a revision at the desk, the log can no longer be read."""
    await register_unit(bus, release="desk")
    intake = Intake(bus, DEFAULT, clock)
    await intake.handle(submitted(), UNIT)
    await approve_item(intake.decisions, ITEM, CLERK)
    await intake.handle(corrected(), UNIT)
    await bus.publish(subjects.editorial(ITEM), b"{}")
    return intake


async def refusal_of(intake, event):
    """The errors that the sender of *event* reads in its status."""
    return await intake.event_log.refusal_errors(event_id(event))


async def test_a_withdrawal_of_a_broken_item_is_out_and_not_refused(bus, intake):
    with structlog.testing.capture_logs() as logs:
        await intake.handle(withdrawn(), UNIT)
    assert await released_actions(bus) == ["published", "withdrawn"]
    assert await refusal_of(intake, withdrawn()) == ()
    assert [(await stored_position(bus, one))["state"] for one in (2, 3)] == ["withdrawn"] * 2
    assert (await bucket_records(bus, "publications"))[ITEM]["waiting"] == []
    named = {one["content_id"] for one in logs if one["event"] == "withdrawal_not_in_log"}
    assert named == {ITEM}


async def test_a_revision_of_a_broken_item_waits_for_its_repair_and_is_not_refused(bus, intake):
    with pytest.raises(RetryLater):
        await intake.handle(submitted(revision=3), UNIT)
    assert await refusal_of(intake, submitted(revision=3)) == ()
    assert f"{ITEM}.3" not in await bucket_records(bus, subjects.PUBLISHED.name)


async def test_a_decision_on_a_broken_item_says_that_its_log_is_broken(bus, intake):
    order = Order(ITEM, ActionKind.APPROVE, "", is_clean=True)
    for work in (
        partial(ItemOrders(bus, CLERK).give, order),
        partial(intake.decisions.carry_out, ITEM),
        partial(find_draft, bus, ITEM, 2),
    ):
        with pytest.raises(BrokenItem, match="loa check"):
            await work()
    assert (await stored_position(bus, 2))["state"] == "waiting"


class FailingStore:
    """The directory's file, which fails a few times."""

    def __init__(self, directory, times):
        self.apply, self.left = directory.store.apply, times

    def __call__(self, people, seq):
        if self.left:
            self.left -= 1
            raise sqlite3.OperationalError("database or disk is full")
        self.apply(people, seq)


async def test_a_full_disk_delays_the_directory_and_loses_nobody(bus, tmp_path, monkeypatch):
    monkeypatch.setattr("consumers.directory.follow.PAUSE_S", 0.01)
    directory = Directory(bus, tmp_path / "directory.sqlite")
    directory.store.apply = FailingStore(directory, 2)
    bucket = bus.bucket(subjects.SUBSCRIBERS.name)
    for id in ("an", "binh"):
        one = Subscriber.model_validate({"id": id, "email": f"{id}@example.com", "name": id})
        await bucket.put(f"s.{id}", one.model_dump_json().encode())
    with structlog.testing.capture_logs() as logs:
        running = asyncio.create_task(directory.run())
        await directory.ready()
        running.cancel()
        await asyncio.wait({running})
    assert directory.store.all_ids("", 9) == ["an", "binh"]
    trouble = [one for one in logs if one["event"] == "directory_file_trouble"]
    assert [one["log_level"] for one in trouble] == ["error", "error"]
    directory.close()


def test_a_transaction_that_cannot_be_stored_is_taken_back(bus, tmp_path):
    directory = Directory(bus, tmp_path / "directory.sqlite")
    with pytest.raises(sqlite3.IntegrityError), directory.store._transaction():
        directory.store.db.execute("create table one (id integer primary key)")
        directory.store.db.execute("insert into one values (1), (1)")
    assert not directory.store.db.in_transaction
    directory.store.reset("new")
    assert directory.store.bucket == "new"
    directory.close()
