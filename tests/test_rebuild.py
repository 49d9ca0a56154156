"""Projections can be thrown away: from the bus they come back, byte for byte."""

import errno
import multiprocessing
import os
import random
import shutil
import signal
import sqlite3
from functools import partial

import pytest
import structlog

from channels.base import Verdict
from channels.errors import Misconfigured, Unreachable
from channels.portal.channel import PortalChannel
from channels.portal.files import Stage
from channels.portal.press import Press
from channels.portal.rebuild import Changes, rebuilding
from channels.portal.site import Site
from channels.portal.writer import IndexLost
from consumers import rebuild
from consumers.app.channels import pages_booked
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
from producers.bus import Bucket, Bus, Silence
from tests.builders import a_publication
from tests.portal_folder import PUBLIC_URL, WORDS, a_writer, check_whole, never, sent, show, tree
from tests.test_directory import running as following

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


def full_disk(_) -> None:
    raise OSError(errno.ENOSPC, "full")


async def stored(bus: Bus, publication) -> int:
    subject = subjects.publication(publication.topic, publication.content_id)
    return (await bus.publish(subject, publications.encode(publication))).seq


async def released(bus: Bus, publication, letter: str = "d") -> None:
    """In the stream, and in the ledger as the portal's delivery has left it."""
    seq = await stored(bus, publication)
    plan = PlanKey(PORTAL, publication.content_id, publication.revision)
    bucket = bus.bucket(subjects.LEDGER.name)
    cursor = Cursor(count=1, planned=1, complete=True, source=seq)
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


@pytest.mark.parametrize("letter", "sSpPrRXWV")
async def test_what_was_shown_and_is_not_booked_yet_stays(bus, tmp_path, letter):
    """Its owner still knows the outcome; or it comes out of a backup, and was shown after that."""
    show(tmp_path, *ITEMS)
    before = tree(tmp_path)
    for one in ITEMS[1:]:
        await released(bus, one)
    await released(bus, ITEMS[0], letter)
    assert await rebuild.portal(bus, tmp_path, a_press()) == Changes(items=5)
    assert tree(tmp_path) == before


async def test_what_was_shown_before_its_plan_was_lost_stays(bus, tmp_path):
    show(tmp_path, FIRST, CORRECTED)
    before = tree(tmp_path)
    await released(bus, FIRST)
    await stored(bus, CORRECTED)
    await rebuild.portal(bus, tmp_path, a_press())
    assert tree(tmp_path) == before


@pytest.mark.parametrize("letter", "xuewv")
async def test_what_the_ledger_calls_surely_not_shown_goes(bus, tmp_path, letter):
    show(tmp_path, *ITEMS)
    for one in ITEMS[1:]:
        await released(bus, one)
    await released(bus, ITEMS[0], letter)
    assert (await rebuild.portal(bus, tmp_path, a_press())).items == 4
    assert not (tmp_path / "public/tin/tin-0").exists() or not [
        *(tmp_path / "public/tin/tin-0").iterdir()
    ]


async def test_what_a_killed_writer_had_committed_is_finished(bus, tmp_path, monkeypatch):
    """The index took it and no file followed: whoever takes the lock next shows it."""
    writer = a_writer(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(Stage, "swap", full_disk)
        assert writer.show(FIRST, never).verdict is Verdict.DOUBT
    writer.close()
    await released(bus, FIRST, "P")
    await rebuild.portal(bus, tmp_path, a_press())
    show(tmp_path / "clean", FIRST)
    assert tree(tmp_path) == tree(tmp_path / "clean")


async def test_a_row_in_doubt_is_delivered_after_a_rebuild_too(bus, tmp_path):
    show(tmp_path, FIRST)
    await released(bus, FIRST, "P")
    await rebuild.portal(bus, tmp_path, a_press())
    writer = a_writer(tmp_path)
    assert writer.standing(FIRST).verdict is Verdict.DELIVERED
    writer.close()


async def test_without_an_index_nobody_knows_what_is_not_booked(bus, tmp_path):
    show(tmp_path, *ITEMS[:2])
    (tmp_path / "state/index.sqlite").write_bytes(b"no database at all" * 100)
    await released(bus, ITEMS[0])
    await released(bus, ITEMS[1], "P")
    assert (await rebuild.portal(bus, tmp_path, a_press())).items == 1


async def test_a_replica_that_is_behind_makes_no_delivered_item_go(bus, tmp_path, monkeypatch):
    """What the ledger has taken before the folder's lock was ours is seen."""
    asked = []
    many = Bucket.many

    async def noted(bucket, keys, *, since=0):
        asked.append(since)
        return await many(bucket, keys, since=since)

    monkeypatch.setattr(Bucket, "many", noted)
    await released(bus, FIRST)
    await rebuild.portal(bus, tmp_path, a_press())
    assert asked == [await bus.bucket(subjects.LEDGER.name).last_seq()]


async def test_a_replica_that_has_not_all_publications_hides_none(bus, tmp_path, monkeypatch):
    for one in ITEMS:
        await released(bus, one)
    scan = Bus.scan

    async def behind(bus, stream, *args):
        async for message in scan(bus, stream, *args):
            if message.seq <= 3:
                yield message

    monkeypatch.setattr(Bus, "scan", behind)
    assert (await rebuild.portal(bus, tmp_path, a_press())).items == len(ITEMS)


async def test_what_can_not_be_read_is_named_and_the_rest_goes_on(bus, tmp_path):
    show(tmp_path, *ITEMS)
    before = tree(tmp_path)
    for one in ITEMS:
        await released(bus, one)
    await bus.bucket(subjects.LEDGER.name).put("state.portal.tin-0.1.0", b'{"v":1,"r":7}')
    await bus.publish("publication.lich-nghi-le.hong", b"damaged")
    with structlog.testing.capture_logs() as logs:
        await rebuild.portal(bus, tmp_path, a_press())
    assert tree(tmp_path) == before, "the old index knows that it was shown"
    named = [(line["event"], line.get("key") or line.get("seq")) for line in logs]
    assert sorted(one for one in named if "unreadable" in one[0]) == [
        ("batch_unreadable", "state.portal.tin-0.1.0"),
        ("publication_unreadable", 6),
    ]


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


def test_a_rebuild_tells_how_far_it_is(tmp_path):
    told = []
    with rebuilding(tmp_path, a_press(), 5.0, lambda *what: told.append(what)) as portal:
        portal.take([*ITEMS, FIRST, CORRECTED])
        portal.finish()
    assert ("items", 6, 6) in told
    places = [(count, total) for what, count, total in told if what == "places"]
    assert sum(count for count, _ in places) == places[0][1] > 6


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


@pytest.mark.parametrize(
    ("letter", "begun"), [("d", True), ("D", True), ("p", False), ("x", False), ("s", False)]
)
async def test_only_what_is_booked_as_delivered_says_that_a_portal_was_begun(bus, letter, begun):
    assert not await pages_booked(bus)
    await released(bus, ITEMS[0], "p")
    await released(bus, ITEMS[1], letter)
    assert await pages_booked(bus) is begun


async def test_what_nobody_can_read_begins_no_portal(bus):
    await released(bus, ITEMS[0], "p")
    await bus.bucket(subjects.LEDGER.name).put("state.portal.tin-0.1.0", b"broken")
    with structlog.testing.capture_logs() as logs:
        assert not await pages_booked(bus)
    assert [line["event"] for line in logs] == ["batch_unreadable"]


async def test_a_lost_folder_stands_until_the_portal_is_made_anew(bus, tmp_path):
    for one in ITEMS:
        await released(bus, one)
    begun = partial(pages_booked, bus)
    channel = PortalChannel(tmp_path, PUBLIC_URL, WORDS, shown_before=begun)
    with pytest.raises(Misconfigured, match="index_lost"):
        await sent(channel, FIRST)
    assert tree(tmp_path) == {}
    await rebuild.portal(bus, tmp_path, a_press())
    assert (await sent(channel, FIRST))[0].verdict is Verdict.DELIVERED
    await channel.close()
    show(tmp_path / "clean", *ITEMS, FIRST)
    assert tree(tmp_path / "clean").items() <= tree(tmp_path).items()


async def test_a_bus_that_is_away_begins_no_portal(bus, tmp_path, monkeypatch):
    def silent(*_):
        raise Silence("no answer")

    monkeypatch.setattr(Bucket, "values", silent)
    with pytest.raises(Unreachable, match="bus"):
        await pages_booked(bus)


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


TABLES = {
    "person": "select person.id, address, name, wishes from person"
    " join taste on taste.id = person.taste order by person.id",
    "taste": "select wishes, people from taste where people order by wishes",
    "meta": "select * from meta where name <> 'confirmed' order by name",
}
"""Everything but when it was read, how tastes are numbered, and those that nobody has any more."""


@pytest.fixture
def dump(tmp_path):
    def read(path):
        db = sqlite3.connect(path)
        try:
            return {name: [*db.execute(query)] for name, query in TABLES.items()}
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
    async with following(Directory(bus, tmp_path / "followed.sqlite")) as followed:
        await followed.ready()
        await reader(bus, "n1", "lich-nghi-le")
        await reader(bus, "n2", "cai-cach-hanh-chinh")
        await reader(bus, "n2", "viec-lam")
        await reader(bus, "nghi", "viec-lam")
        await reader(bus, "n4", "lich-nghi-le", active=False)
        await bus.bucket(subjects.SUBSCRIBERS.name).purge("s.n3")
        await reader(bus, "moi", "viec-lam")
        await followed.ready()
    assert await rebuild.directory(bus, tmp_path / "rebuilt.sqlite") == 5
    found = dump(tmp_path / "rebuilt.sqlite")
    assert found == dump(tmp_path / "followed.sqlite")
    assert [row[0] for row in found["person"]] == ["moi", "n0", "n1", "n2", "nghi"]
    assert sorted(count for _, count in found["taste"]) == [2, 3]
    assert dict(found["meta"])["seq"] == await bus.bucket(subjects.SUBSCRIBERS.name).last_seq()


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
