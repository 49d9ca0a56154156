"""Projections can be thrown away: from the bus they come back, byte for byte."""

import multiprocessing
import os
import random
import shutil
import signal
import sqlite3

import pytest

from channels.errors import Unreachable
from channels.portal.press import Press
from channels.portal.rebuild import Changes, rebuilding
from channels.portal.site import Site
from channels.portal.writer import IndexLost
from consumers import rebuild
from consumers.directory import Directory
from consumers.directory import alone as holding
from consumers.ledger import codec
from consumers.ledger.codec import Rows
from consumers.ledger.cursor import Cursor
from consumers.ledger.entry import planned
from contracts import publication as publications
from contracts import subjects
from contracts.delivery import BatchKey, ChannelName, Lane, PlanKey
from contracts.errors import Invalid
from producers.bus import Bus
from tests.builders import a_publication
from tests.portal_folder import PUBLIC_URL, WORDS, a_writer, check_whole, never, show, tree

PORTAL = ChannelName.PORTAL
FIRST = a_publication(content_id="nghi-tet")
CORRECTED = a_publication(content_id="nghi-tet", revision=2, action="corrected", title="Đã sửa")
GONE = a_publication(content_id="sai-so", revision=2, action="withdrawn", reason="Sai số liệu")
ITEMS = [a_publication(content_id=f"tin-{number}") for number in range(5)]


def a_press(url: str = PUBLIC_URL) -> Press:
    return Press(Site(url, WORDS))


def made_anew(folder, *taken) -> Changes:
    with rebuilding(folder, a_press(), 5.0) as portal:
        portal.take(taken)
        return portal.finish()


async def released(bus: Bus, publication, letter: str = "d") -> None:
    """In the stream, and in the ledger as the portal's delivery has left it."""
    ack = await bus.publish(
        subjects.publication(publication.topic, publication.content_id),
        publications.encode(publication),
    )
    plan = PlanKey(PORTAL, publication.content_id, publication.revision)
    bucket = bus.bucket(subjects.LEDGER.name)
    cursor = Cursor(count=1, planned=1, complete=True, source=ack.seq)
    await bucket.put(f"plan.{plan}", codec.encode_cursor(cursor))
    batch, entry = BatchKey(*plan, 0), planned(1, Lane.NORMAL, 0.0)
    await bucket.put(f"rows.{batch}", codec.encode_rows(Rows(("portal",)).ids, frozenset()))
    state = codec.encode_state(entry.put({0: ord(letter)}, {}))
    await bucket.put(f"state.{batch}", state)


async def test_a_lost_portal_comes_back_from_the_bus_byte_for_byte(bus, tmp_path):
    told = [*ITEMS, FIRST, a_publication(content_id="sai-so"), CORRECTED, GONE]
    show(tmp_path / "old", *told)
    for one in told:
        await released(bus, one)
    changes = await rebuild.portal(bus, tmp_path / "new", a_press())
    assert tree(tmp_path / "new") == tree(tmp_path / "old")
    assert changes.items == len({one.content_id for one in told})


async def test_what_the_ledger_does_not_call_delivered_is_not_shown(bus, tmp_path):
    await released(bus, ITEMS[0], "d")
    await released(bus, ITEMS[1], "D")
    for letter, one in zip("pPxw", [*ITEMS[2:], FIRST], strict=True):
        await released(bus, one, letter)
    await rebuild.portal(bus, tmp_path / "new", a_press())
    show(tmp_path / "old", *ITEMS[:2])
    assert tree(tmp_path / "new") == tree(tmp_path / "old")


async def test_many_publications_are_read_in_chunks(bus, tmp_path, monkeypatch):
    monkeypatch.setattr(rebuild, "AT_ONCE", 2)
    for one in ITEMS:
        await released(bus, one)
    await rebuild.portal(bus, tmp_path / "new", a_press())
    show(tmp_path / "old", *ITEMS)
    assert tree(tmp_path / "new") == tree(tmp_path / "old")


def test_the_order_in_which_publications_come_makes_no_difference(tmp_path):
    show(tmp_path / "sent", *ITEMS, FIRST, CORRECTED)
    made_anew(tmp_path / "new", CORRECTED, FIRST, *reversed(ITEMS))
    assert tree(tmp_path / "new") == tree(tmp_path / "sent")


def test_only_files_that_differ_are_touched(tmp_path):
    show(tmp_path, *ITEMS, FIRST)
    public = tmp_path / "public"
    (public / "tin/tin-1/index.html").write_bytes(b"damaged")
    (public / "tin/tin-2/index.html").unlink()
    (public / "tin/la/index.html").parent.mkdir()
    (public / "tin/la/index.html").write_bytes(b"nobody published this")
    same = (public / "tin/tin-0/index.html").stat().st_ino
    assert made_anew(tmp_path, *ITEMS, FIRST) == Changes(items=6, written=2, removed=1)
    assert (public / "tin/tin-0/index.html").stat().st_ino == same
    show(tmp_path / "clean", *ITEMS, FIRST)
    assert tree(tmp_path) == tree(tmp_path / "clean")


def test_an_operators_own_files_stay(tmp_path):
    show(tmp_path, FIRST)
    (tmp_path / "public/robots.txt").write_text("User-agent: *")
    made_anew(tmp_path, FIRST)
    assert (tmp_path / "public/robots.txt").exists()


@pytest.mark.parametrize("left", [b"no database at all" * 100, None])
def test_a_lost_or_damaged_index_is_made_anew(tmp_path, left):
    show(tmp_path, *ITEMS)
    for path in (tmp_path / "state").glob("index.sqlite*"):
        path.unlink()
    if left:
        (tmp_path / "state/index.sqlite").write_bytes(left)
    with pytest.raises((IndexLost, sqlite3.DatabaseError)):
        a_writer(tmp_path)
    made_anew(tmp_path, *ITEMS)
    show(tmp_path, FIRST)
    show(tmp_path / "clean", *ITEMS, FIRST)
    assert tree(tmp_path) == tree(tmp_path / "clean")


def test_a_running_writer_goes_on_with_the_new_index(tmp_path):
    writer = a_writer(tmp_path)
    writer.show(ITEMS[0], never)
    made_anew(tmp_path, *ITEMS[:2])
    writer.show(ITEMS[2], never)
    writer.close()
    show(tmp_path / "clean", *ITEMS[:3])
    assert tree(tmp_path) == tree(tmp_path / "clean")


async def test_while_another_writer_holds_the_folder_nothing_is_changed(bus, tmp_path, monkeypatch):
    monkeypatch.setattr(rebuild, "PATIENCE_S", 0.05)
    show(tmp_path, *ITEMS)
    before = tree(tmp_path)
    with rebuilding(tmp_path, a_press(), 1.0), pytest.raises(Unreachable, match="folder_busy"):
        await rebuild.portal(bus, tmp_path, a_press())
    assert tree(tmp_path) == before


def test_killed_at_any_moment_a_rebuild_leaves_what_the_next_one_finishes(tmp_path):
    show(tmp_path / "old", *ITEMS, FIRST)
    show(tmp_path / "clean", *ITEMS, CORRECTED)
    chance = random.Random(7)
    for number in range(12):
        folder = tmp_path / f"try-{number}"
        shutil.copytree(tmp_path / "old", folder)
        worker = multiprocessing.get_context("fork").Process(
            target=made_anew, args=(folder, *ITEMS, CORRECTED)
        )
        worker.start()
        worker.join(chance.uniform(0.0, 0.12))
        if worker.is_alive():
            os.kill(worker.pid, signal.SIGKILL)
        worker.join()
        for path, body in tree(folder).items():
            check_whole(path, body)
        made_anew(folder, *ITEMS, CORRECTED)
        assert tree(folder) == tree(tmp_path / "clean"), f"seed 7, try {number}"


@pytest.fixture
def dump(tmp_path):
    def read(path):
        db = sqlite3.connect(path)
        try:
            return [*db.execute("select * from person order by id")], [
                *db.execute("select wishes, people from taste order by wishes")
            ]
        finally:
            db.close()

    return read


async def reader(bus: Bus, id: str, topics: str, *, active: bool = True) -> None:
    wishes = {"topics": [topics], "audiences": [], "units": [], "active": active}
    body = {"email": f"{id}@example.com", "name": f"Người {id}", "frequency": "immediate"}
    await bus.bucket(subjects.SUBSCRIBERS.name).put(f"s.{id}", codec.dumps(wishes | body))


async def test_the_directory_comes_back_from_the_bus(bus, tmp_path, dump, monkeypatch):
    monkeypatch.setattr(rebuild, "CHUNK", 2)
    for number in range(5):
        await reader(bus, f"n{number}", "viec-lam" if number % 2 else "lich-nghi-le")
    await reader(bus, "nghi", "viec-lam", active=False)
    await bus.bucket(subjects.SUBSCRIBERS.name).purge("s.n3")
    assert await rebuild.directory(bus, tmp_path / "a.sqlite") == 4
    assert await rebuild.directory(bus, tmp_path / "b.sqlite") == 4
    assert dump(tmp_path / "a.sqlite") == dump(tmp_path / "b.sqlite")
    people, tastes = dump(tmp_path / "a.sqlite")
    assert [row[0] for row in people] == ["n0", "n1", "n2", "n4"]
    assert sorted(count for _, count in tastes) == [1, 3]


async def test_a_rebuilt_directory_is_followed_from_there_on(bus, tmp_path):
    await reader(bus, "n1", "viec-lam")
    await rebuild.directory(bus, tmp_path / "d.sqlite")
    directory = Directory(bus, tmp_path / "d.sqlite")
    try:
        assert directory.as_of() == await directory.bucket.last_seq()
        assert set(directory.store.contacts(["n1"])) == {"n1"}
    finally:
        directory.close()


async def test_a_damaged_directory_is_made_anew(bus, tmp_path):
    await reader(bus, "n1", "viec-lam")
    (tmp_path / "d.sqlite").write_bytes(b"no database" * 100)
    assert await rebuild.directory(bus, tmp_path / "d.sqlite") == 1


async def test_a_directory_that_loa_is_writing_is_left_alone(bus, tmp_path):
    await rebuild.directory(bus, tmp_path / "d.sqlite")
    with holding(tmp_path / "d.lock") as mine:
        assert mine
        with pytest.raises(Invalid, match="stop it first"):
            await rebuild.directory(bus, tmp_path / "d.sqlite")
