"""A start that knows the open items of an earlier one finds what one finds that reads all acts."""

import random

import pytest

from consumers.editorial import open_items_file
from consumers.editorial.log import EditorialLog
from consumers.editorial.open_items_file import OpenItemsFile
from consumers.key_file import KeyFile
from contracts import subjects
from contracts.editorial import ActionKind, ItemState, Status
from contracts.editorial.action import RULE
from producers.bus import Bus
from tests.support.listed_items import listed_text, save, step
from tests.support.records_forger import seal_new_records

DRAFT = frozenset({Status.DRAFT, Status.RETURNED})
ENDED = frozenset({None, Status.REJECTED})


@pytest.fixture(autouse=True)
def sealed(bus, tmp_path, monkeypatch):
    monkeypatch.setattr(open_items_file, "SAVE_AFTER", 10)
    seal_new_records(bus, KeyFile.open(tmp_path / "vault.key"))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "records" / "open-items.json"


def service(bus, path):
    """The log of a process that runs for long."""
    return EditorialLog(bus, OpenItemsFile(path, may_write=True))


def looked_at(bus, path):
    return EditorialLog(bus, OpenItemsFile(path))


async def do_something(log, item, chance):
    """An act that fits the item, which is rejected in the end and may begin anew."""
    state = (await log.read(item)).state
    if state.has_open_rejection:
        build = step(ActionKind.SETTLE, "loa", role=RULE)
    elif state.status in ENDED or (state.status in DRAFT and chance.random() < 0.5):
        build = save("nv-an", listed_text(body=f"{chance.random()}"))
    elif state.status in DRAFT:
        build = step(ActionKind.SUBMIT, "nv-an")
    else:
        kind = chance.choice([ActionKind.RETURN, ActionKind.REJECT])
        build = step(kind, "nv-binh", note="Sai.")
    await log.act(item, build)


async def found_by(log):
    return await log.open_items(), await log.waiting_items(), dict(log._held)


@pytest.mark.parametrize("seed", range(2))
async def test_starts_find_what_a_reader_of_all_acts_finds(seed, bus, path):
    chance, writer = random.Random(seed), EditorialLog(bus)
    for _ in range(5):
        for _ in range(chance.randrange(1, 20)):
            await do_something(writer, f"tin-{chance.randrange(9)}", chance)
        whole = await found_by(EditorialLog(bus))
        assert await found_by(looked_at(bus, path)) == whole
        assert await found_by(service(bus, path)) == whole
    assert path.exists()


async def settled(log, count):
    for number in range(count):
        for build in (
            save("nv-an", listed_text(body=f"{number}")),
            step(ActionKind.SUBMIT, "nv-an"),
            step(ActionKind.REJECT, "nv-binh", note="Sai."),
            step(ActionKind.SETTLE, "loa", role=RULE),
        ):
            await log.act(f"tin-{number}", build)


async def kept_log(bus, path):
    """Three settled items and a draft, all read and kept; then one more act."""
    writer = EditorialLog(bus)
    await settled(writer, 3)
    await writer.act("tin-a", save("nv-an", listed_text(body="a")))
    await service(bus, path).open_items()
    await writer.act("tin-a", step(ActionKind.SUBMIT, "nv-an"))


async def test_a_start_reads_the_open_items_and_what_is_new(bus, path, acts_read):
    await kept_log(bus, path)
    acts_read.clear()
    assert [*await looked_at(bus, path).open_items()] == ["tin-a"]
    assert len(acts_read) == 3, "the item with two acts, and the newer of them as new"


def garble(path, monkeypatch):
    path.write_bytes(path.read_bytes()[:-9])


def remove(path, monkeypatch):
    path.unlink()


def change_rules(path, monkeypatch):
    monkeypatch.setattr(open_items_file, "_rules_digest", lambda: "another version's")


@pytest.mark.parametrize("change", [garble, remove, change_rules])
async def test_a_file_that_can_not_be_used_costs_one_whole_reading(
    change, bus, path, acts_read, monkeypatch
):
    await kept_log(bus, path)
    change(path, monkeypatch)
    acts_read.clear()
    assert [*await looked_at(bus, path).open_items()] == ["tin-a"]
    assert len(acts_read) == 14
    assert path.exists() == (change is not remove), "who looks writes nothing"


async def test_the_file_of_another_log_or_key_is_not_used(bus, path, tmp_path, acts_read):
    """As after a restore of an older backup that has grown since."""
    await kept_log(bus, path)
    other = Bus(bus.connection)
    seal_new_records(other, KeyFile.open(tmp_path / "other.key"))
    acts_read.clear()
    assert await looked_at(other, path).open_items() == {}, "it has sealed none of these acts"
    assert len(acts_read) == 14
    kept = path.read_text()
    path.write_text(kept.replace('"act":"', '"act":"0'))
    acts_read.clear()
    assert [*await looked_at(bus, path).open_items()] == ["tin-a"]
    assert len(acts_read) == 14


async def test_an_item_that_contradicts_itself_is_left_out_by_every_start(bus, path):
    writer = EditorialLog(bus)
    await kept_log(bus, path)
    lost = save("nv-em", listed_text(body="b"))(ItemState())
    seals = bus.seals_of(subjects.editorial("tin-a"))
    subject, msg_id = subjects.editorial("tin-a"), seals.own_id("x")
    headers = seals.headers(subject, lost.encode(), msg_id)
    await bus.publish(subject, lost.encode(), msg_id=msg_id, headers=headers)
    for log in (writer, looked_at(bus, path), service(bus, path)):
        assert await found_by(log) == ({}, {}, {})
