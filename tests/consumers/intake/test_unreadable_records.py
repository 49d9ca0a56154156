"""One record that can't be read or carried out stops nothing: it is named, the others go on."""

import asyncio
import sqlite3
from functools import partial

import pytest
import structlog

from consumers.directory.directory import Directory
from consumers.intake import desk_acts
from consumers.intake.desk import Desk, find_draft
from consumers.intake.handler import Intake
from contracts import events, keys, subjects
from contracts.subscriptions.subscriber import Subscriber
from contracts.vocabulary import DEFAULT
from tests.support.crashing_bus import SimulatedCrash
from tests.support.events import UNIT, register_unit, submitted

CLERK = "Trần Thị Bình"


class DyingDesk(Desk):
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
            await DyingDesk(bus, clock).approve(item, CLERK)
    return intake.desk


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
    await desk.log.act("tin-a", partial(desk_acts.received, strange))
    records = desk.repository.bucket
    await records.put("tin-a.2", (await records.get("tin-a.1")).data)
    with structlog.testing.capture_logs() as logs:
        assert await desk.finish_interrupted() == 2
    assert await released(desk) == {"tin-a", "tin-c"}
    assert [one["draft"] for one in logs if one["event"] == "draft_unusable"] == ["tin-a.2"]


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
