"""`loa rebuild`: portal and directory come back from the bus, as they were."""

import errno
import sqlite3
from functools import partial

import pytest
import structlog

from channels.base import Verdict
from channels.errors import Misconfigured, Unreachable
from channels.portal.channel import PortalChannel
from channels.portal.storage.atomic_files import StagedFiles
from channels.portal.writer.rebuild import open_rebuild
from consumers.app.wiring.portal import has_delivered_pages
from consumers.directory.directory import Directory, try_lock
from consumers.directory.directory import try_lock as holding
from consumers.ledger import codec
from consumers.operations import rebuild
from contracts import subjects
from contracts.errors import Invalid
from producers.bus import Bucket, Bus, NoReply
from tests.support.cli import json_output
from tests.support.directory_harness import running_directory as following
from tests.support.portal_dir import (
    PORTAL_SITE,
    never_expired,
    new_writer,
    public_files,
    publish,
    send_to,
    site_files,
)
from tests.support.publications import a_publication
from tests.support.released_items import (
    CORRECTED,
    FIRST,
    ITEMS,
    deliver_to_portal,
    store_publication,
)

GONE = a_publication(content_id="sai-so", revision=2, action="withdrawn", reason="Sai số liệu")


def full_disk(_) -> None:
    raise OSError(errno.ENOSPC, "full")


@pytest.mark.promise("11.1")
async def test_a_lost_portal_comes_back_from_the_bus_byte_for_byte(bus, tmp_path):
    told = [*ITEMS, FIRST, a_publication(content_id="sai-so"), CORRECTED, GONE]
    publish(tmp_path / "old", *told)
    for one in told:
        await deliver_to_portal(bus, one)
    changes = await rebuild.rebuild_portal(bus, tmp_path / "new", site_files())
    assert public_files(tmp_path / "new") == public_files(tmp_path / "old")
    assert changes.items == len({one.content_id for one in told})


BOOKED, OPEN, NEVER_SHOWN = "dD", "sSpPrRXWV", "xuewv"


async def every_letter(bus, monkeypatch) -> dict[str, object]:
    """An item for each letter, as the ledger has it; read in several chunks."""
    monkeypatch.setattr(rebuild, "CHUNK_PUBLICATIONS", 2)
    texts = {
        letter: a_publication(content_id=f"tin-{number}")
        for number, letter in enumerate(BOOKED + OPEN + NEVER_SHOWN)
    }
    for letter, text in texts.items():
        await deliver_to_portal(bus, text, letter)
    return texts


async def test_what_the_ledger_does_not_call_delivered_is_not_shown(bus, tmp_path, monkeypatch):
    texts = await every_letter(bus, monkeypatch)
    await rebuild.rebuild_portal(bus, tmp_path / "new", site_files())
    publish(tmp_path / "old", *(texts[letter] for letter in BOOKED))
    assert public_files(tmp_path / "new") == public_files(tmp_path / "old")


async def test_of_what_was_shown_only_what_surely_was_not_goes(bus, tmp_path, monkeypatch):
    """An open row's owner still knows the outcome; or it comes out of a backup."""
    texts = await every_letter(bus, monkeypatch)
    publish(tmp_path, *texts.values())
    result = await rebuild.rebuild_portal(bus, tmp_path, site_files())
    assert result.items == len(BOOKED + OPEN)
    publish(tmp_path / "clean", *(texts[letter] for letter in BOOKED + OPEN))
    assert public_files(tmp_path) == public_files(tmp_path / "clean")


async def test_what_was_shown_before_its_plan_was_lost_stays(bus, tmp_path):
    publish(tmp_path, FIRST, CORRECTED)
    before = public_files(tmp_path)
    await deliver_to_portal(bus, FIRST)
    await store_publication(bus, CORRECTED)
    await rebuild.rebuild_portal(bus, tmp_path, site_files())
    assert public_files(tmp_path) == before


async def test_what_a_killed_writer_had_committed_is_finished(bus, tmp_path, monkeypatch):
    """The index took it and no file followed: the next holder of the lock shows it."""
    writer = new_writer(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(StagedFiles, "commit", full_disk)
        assert writer.show(FIRST, never_expired).verdict is Verdict.DOUBT
    writer.close()
    await deliver_to_portal(bus, FIRST, "P")
    await rebuild.rebuild_portal(bus, tmp_path, site_files())
    publish(tmp_path / "clean", FIRST)
    assert public_files(tmp_path) == public_files(tmp_path / "clean")


async def test_a_row_in_doubt_is_delivered_after_a_rebuild_too(bus, tmp_path):
    publish(tmp_path, FIRST)
    await deliver_to_portal(bus, FIRST, "P")
    await rebuild.rebuild_portal(bus, tmp_path, site_files())
    writer = new_writer(tmp_path)
    assert writer.resolve(FIRST).verdict is Verdict.DELIVERED
    writer.close()


async def test_without_an_index_nobody_knows_what_is_not_booked(bus, tmp_path):
    publish(tmp_path, *ITEMS[:2])
    (tmp_path / "state/index.sqlite").write_bytes(b"no database at all" * 100)
    await deliver_to_portal(bus, ITEMS[0])
    await deliver_to_portal(bus, ITEMS[1], "P")
    assert (await rebuild.rebuild_portal(bus, tmp_path, site_files())).items == 1


async def test_a_replica_that_is_behind_makes_no_delivered_item_go(bus, tmp_path, monkeypatch):
    """Rows that the ledger took before the folder's lock was ours are seen."""
    asked = []
    many = Bucket.get_many

    async def noted(bucket, keys, *, min_seq=0):
        asked.append(min_seq)
        return await many(bucket, keys, min_seq=min_seq)

    monkeypatch.setattr(Bucket, "get_many", noted)
    await deliver_to_portal(bus, FIRST)
    await rebuild.rebuild_portal(bus, tmp_path, site_files())
    assert asked == [await bus.bucket(subjects.LEDGER.name).last_seq()]


async def test_a_replica_that_has_not_all_publications_hides_none(bus, tmp_path, monkeypatch):
    for one in ITEMS:
        await deliver_to_portal(bus, one)
    scan = Bus.scan

    async def behind(bus, stream, *args):
        async for message in scan(bus, stream, *args):
            if message.seq <= 3:
                yield message

    monkeypatch.setattr(Bus, "scan", behind)
    assert (await rebuild.rebuild_portal(bus, tmp_path, site_files())).items == len(ITEMS)


async def test_what_can_not_be_read_is_named_and_the_rest_goes_on(bus, tmp_path):
    publish(tmp_path, *ITEMS)
    before = public_files(tmp_path)
    for one in ITEMS:
        await deliver_to_portal(bus, one)
    await bus.bucket(subjects.LEDGER.name).put("state.portal.tin-0.1.0", b'{"v":1,"r":7}')
    await bus.publish("publication.lich-nghi-le.hong", b"damaged")
    with structlog.testing.capture_logs() as logs:
        await rebuild.rebuild_portal(bus, tmp_path, site_files())
    assert public_files(tmp_path) == before, "the old index knows that it was shown"
    named = [(line["event"], line.get("key") or line.get("seq")) for line in logs]
    assert sorted(one for one in named if "unreadable" in one[0]) == [
        ("batch_unreadable", "state.portal.tin-0.1.0"),
        ("publication_unreadable", 6),
    ]


@pytest.mark.parametrize("booked", BOOKED)
async def test_only_what_is_booked_as_delivered_says_that_a_portal_was_begun(bus, booked):
    assert not await has_delivered_pages(bus)
    for text, letter in zip(ITEMS, "pxsp", strict=False):
        await deliver_to_portal(bus, text, letter)
    await bus.bucket(subjects.LEDGER.name).put("state.portal.tin-3.1.0", b"broken")
    with structlog.testing.capture_logs() as logs:
        assert not await has_delivered_pages(bus)
    assert [line["event"] for line in logs] == ["batch_unreadable"]
    await deliver_to_portal(bus, ITEMS[4], booked)
    assert await has_delivered_pages(bus)


async def test_a_lost_folder_stands_until_the_portal_is_made_anew(bus, tmp_path):
    for one in ITEMS:
        await deliver_to_portal(bus, one)
    begun = partial(has_delivered_pages, bus)
    channel = PortalChannel(tmp_path, PORTAL_SITE, was_shown_before=begun)
    with pytest.raises(Misconfigured, match="index_lost"):
        await send_to(channel, FIRST)
    assert public_files(tmp_path) == {}
    await rebuild.rebuild_portal(bus, tmp_path, site_files())
    assert (await send_to(channel, FIRST))[0].verdict is Verdict.DELIVERED
    await channel.close()
    publish(tmp_path / "clean", *ITEMS, FIRST)
    assert public_files(tmp_path / "clean").items() <= public_files(tmp_path).items()


async def test_a_bus_that_is_away_begins_no_portal(bus, tmp_path, monkeypatch):
    def silent(*_):
        raise NoReply("no answer")

    monkeypatch.setattr(Bucket, "values", silent)
    with pytest.raises(Unreachable, match="bus"):
        await has_delivered_pages(bus)


async def test_while_another_writer_holds_the_folder_nothing_is_changed(bus, tmp_path, monkeypatch):
    monkeypatch.setattr(rebuild, "LOCK_TIMEOUT_S", 0.05)
    publish(tmp_path, *ITEMS)
    before = public_files(tmp_path)
    with open_rebuild(tmp_path, site_files(), 1.0), pytest.raises(Unreachable, match="folder_busy"):
        await rebuild.rebuild_portal(bus, tmp_path, site_files())
    assert public_files(tmp_path) == before


TABLES = {
    "person": "select person.id, address, name, wishes from person"
    " join taste on taste.id = person.taste order by person.id",
    "taste": "select wishes, people from taste where people order by wishes",
    "meta": "select * from meta where name <> 'confirmed' order by name",
}
"""Columns to compare: without read times, preference numbers and unused preferences."""


@pytest.fixture
def directory_tables(tmp_path):
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
    await bus.bucket(subjects.SUBSCRIBERS.name).put(f"s.{id}", codec.dump_json(wishes | body))


@pytest.mark.promise("11.1")
async def test_the_directory_comes_back_from_the_bus(bus, tmp_path, directory_tables, monkeypatch):
    monkeypatch.setattr(rebuild, "CHUNK_SUBSCRIBERS", 2)
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
    assert await rebuild.rebuild_directory(bus, tmp_path / "rebuilt.sqlite") == 5
    found = directory_tables(tmp_path / "rebuilt.sqlite")
    followed = directory_tables(tmp_path / "followed.sqlite")
    followed["meta"] = [one for one in followed["meta"] if one[0] != "in_time"]
    assert found == followed
    assert [row[0] for row in found["person"]] == ["moi", "n0", "n1", "n2", "nghi"]
    assert sorted(count for _, count in found["taste"]) == [2, 3]
    assert dict(found["meta"])["seq"] == await bus.bucket(subjects.SUBSCRIBERS.name).last_seq()


async def test_a_rebuilt_directory_is_followed_from_there_on(bus, tmp_path):
    await reader(bus, "n1", "viec-lam")
    await rebuild.rebuild_directory(bus, tmp_path / "d.sqlite")
    directory = Directory(bus, tmp_path / "d.sqlite")
    try:
        assert directory.store.seq == await directory.bucket.last_seq()
        assert set(directory.store.contacts(["n1"])) == {"n1"}
    finally:
        directory.close()


async def test_a_damaged_directory_is_made_anew(bus, tmp_path):
    await reader(bus, "n1", "viec-lam")
    (tmp_path / "d.sqlite").write_bytes(b"no database" * 100)
    assert await rebuild.rebuild_directory(bus, tmp_path / "d.sqlite") == 1


async def test_a_directory_that_loa_is_writing_is_left_alone(bus, tmp_path):
    await rebuild.rebuild_directory(bus, tmp_path / "d.sqlite")
    with holding(tmp_path / "d.lock") as mine:
        assert mine
        with pytest.raises(Invalid, match="stop it first"):
            await rebuild.rebuild_directory(bus, tmp_path / "d.sqlite")


async def test_a_rebuild_of_all_leaves_the_copies_that_a_running_loa_keeps(loa, tmp_path):
    (tmp_path / "desk").mkdir()
    with try_lock(tmp_path / "directory.lock"), try_lock(tmp_path / "desk" / "index.lock"):
        done = await loa("rebuild", "--json")
        assert (done.exit_code, [*json_output(done)]) == (0, ["portal"])
        for kept in ("directory", "desk's index"):
            assert f"a running Loa writes the {kept}" in done.stderr
        for name in ("directory", "desk"):
            assert (await loa("rebuild", name)).exit_code == 2
    assert [*json_output(await loa("rebuild", "--json"))] == ["portal", "directory", "desk"]
