"""The portal under `loa check`: no alarm about a writer at work, no lock held, no file left."""

import sqlite3
import threading
import time
from datetime import timedelta

import pytest

from channels.portal.errors import FolderBusy, FolderEmpty, IndexLost
from channels.portal.index.index import PortalIndex
from channels.portal.model.site import Site
from channels.portal.render.site_files import SiteFiles
from channels.portal.storage.lock import folder_lock
from channels.portal.writer.audit import FolderAudit
from channels.portal.writer.writer import PortalWriter, add_publication
from consumers.channel_health.breaker import fail
from consumers.channel_health.breaker_store import BreakerStore
from contracts.delivery import ChannelName
from tests.support.events import ITEM, submitted
from tests.support.portal_dir import PUBLIC_URL, WORDS, never_expired, new_writer, publish
from tests.support.publications import RELEASED_AT, a_publication

ITEMS = 40


def items(count: int):
    return [
        a_publication(
            content_id=f"tin-{number}",
            first_released_at=RELEASED_AT + timedelta(minutes=number),
            released_at=RELEASED_AT + timedelta(minutes=number),
        )
        for number in range(count)
    ]


@pytest.fixture
def audit(tmp_path):
    return FolderAudit(tmp_path, SiteFiles(Site(PUBLIC_URL, WORDS)))


LOCK_PATIENCE_S = 60.0
"""How long a check waits for a writer's lock; the writer of these tests holds it for long."""


def look(audit):
    """Violations that a check finds certain."""
    glance = audit.open_snapshot()
    try:
        suspects = list(audit.find_problems(glance))
    finally:
        glance.close()
    return audit.recheck(suspects, LOCK_PATIENCE_S, exact=True)


def test_a_writer_at_work_is_no_alarm(tmp_path, audit):
    publish(tmp_path, *items(1))
    done = threading.Event()

    def write():
        publish(tmp_path, *items(ITEMS))
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    looks = 0
    while not done.is_set() or not looks:
        assert look(audit) == []
        looks += 1
    writer.join()
    assert look(audit) == []


def test_work_that_a_killed_writer_left_undone_is_the_next_ones_and_no_alarm(tmp_path, audit):
    publish(tmp_path, *items(3))
    writer = new_writer(tmp_path)
    with writer._locked_index() as index, index.transaction():
        add_publication(index, writer._site_files, a_publication(content_id="tin-3"))
        index.mark_all_items(stale_format=False)
    writer.close()
    assert look(audit) == []


def test_a_look_leaves_no_file_behind(tmp_path, audit):
    publish(tmp_path, *items(2))
    before = sorted((tmp_path / "state").iterdir())
    audit.open_snapshot().close()
    assert sorted((tmp_path / "state").iterdir()) == before


def test_whoever_comes_after_a_killed_writer_throws_its_files_away(tmp_path, audit):
    publish(tmp_path, *items(1))
    (tmp_path / "state" / "aside" / "7.tmp").write_bytes(b"<html>")
    later = time.time() + 1.0
    assert audit.leftover_files(later) == ["7.tmp"]
    assert audit.leftover_files(later - 700.0) == [], "it may be somebody's at work"
    new_writer(tmp_path).close()
    assert audit.leftover_files(later) == []


def test_an_open_index_is_read_as_its_writer_has_left_it(tmp_path, audit):
    writer = new_writer(tmp_path)
    writer.show(a_publication(), never_expired)
    glance = audit.open_snapshot()
    assert [one.content_id for one in glance.all_items()] == ["lich-nghi-tet-2027"]
    writer.show(a_publication(content_id="tin-moi"), never_expired)
    assert len(list(glance.all_items())) == 1, "one moment only"
    glance.close()
    writer.close()


def test_a_folder_that_is_held_is_not_judged(tmp_path, audit):
    publish(tmp_path, *items(1))
    (tmp_path / "public" / "404.html").write_bytes(b"")
    glance = audit.open_snapshot()
    suspects = list(audit.find_problems(glance))
    glance.close()
    assert [one.path for one in suspects] == ["404.html"]
    with folder_lock(tmp_path / "state" / "lock", 1.0), pytest.raises(FolderBusy):
        audit.recheck(suspects, 0.05, exact=True)
    assert [one.path for one in look(audit)] == ["404.html"]


@pytest.fixture
async def delivered(check_harness):
    """Its only item is on every channel."""
    await check_harness.send(submitted())
    await check_harness.deliver_all(ITEM)
    return check_harness


async def test_a_machine_without_the_portal_says_so(delivered, tmp_path):
    delivered.portal, delivered.has_portal = tmp_path / "nowhere", False
    findings = await delivered.check()
    assert findings.ok
    assert [one.what for one in findings.skipped] == ["portal"]


async def test_pages_of_another_edition_are_not_compared_but_still_have_to_be_there(delivered):
    with delivered.index() as index:
        index.set_metadata("edition", "another")
        index._db.execute("DELETE FROM item")
    findings = await delivered.check()
    found = {one.rule for one in findings.violations}
    assert found == {"page-missing", "page-unexpected"}
    assert [one.what for one in findings.skipped] == ["page-differs, feed-differs"]


def no_state(harness):
    (harness.portal / "state").rename(harness.portal / "away")


def nothing_there(harness):
    harness.portal.rename(harness.portal.with_name("away"))


def a_damaged_index(harness):
    (harness.portal / "state" / "index.sqlite").write_bytes(b"not a database" * 100)


@pytest.mark.parametrize("lose", [no_state, nothing_there, a_damaged_index])
async def test_a_lost_index_is_a_broken_promise_also_once_a_worker_has_found_that(delivered, lose):
    await delivered.close()
    lose(delivered)
    worker = PortalWriter(delivered.portal, SiteFiles(Site(PUBLIC_URL, WORDS)), 5.0)
    with pytest.raises((IndexLost, FolderEmpty, sqlite3.DatabaseError)):
        worker.prepare(allow_new=False)
    assert await delivered.violations() == [("index-lost", "portal")], "while that worker runs"
    worker.close()
    assert await delivered.violations() == [("index-lost", "portal")]


async def test_pages_and_state_gone_is_a_lost_index_where_something_was_delivered(delivered):
    await delivered.close()
    nothing_there(delivered)
    (delivered.portal / "state").mkdir(parents=True)
    assert await delivered.violations() == [("index-lost", "portal")]


async def test_a_portal_that_was_never_begun_is_no_lost_index(check_harness):
    state = check_harness.portal / "state"
    state.mkdir(parents=True)
    PortalIndex(state / "index.sqlite").close()
    findings = await check_harness.check()
    assert findings.ok
    assert [one.what for one in findings.skipped] == ["portal"]


async def test_an_index_that_cannot_be_opened_is_said_and_not_guessed_at(delivered):
    await delivered.close()
    index = delivered.portal / "state" / "index.sqlite"
    for left in index.parent.glob("index.sqlite*"):
        left.unlink()
    index.mkdir()
    findings = await delivered.check()
    assert [one.what for one in findings.skipped] == ["portal"]
    assert "can't be read" in findings.skipped[0].why


def test_indexes_are_opened_for_reading_only(tmp_path, audit):
    publish(tmp_path, *items(1))
    glance = audit.open_snapshot()
    with pytest.raises(Exception, match="readonly"):
        glance.mark_all_items(stale_format=False)
    glance.close()
    assert isinstance(glance, PortalIndex)


async def test_the_plain_check_names_a_portal_that_stands_because_its_index_is_lost(delivered):
    store = BreakerStore(delivered.bus, ChannelName.PORTAL)
    assert (await delivered.check(deep=False)).ok
    await store.update(lambda before: fail(before, "w", "index_lost", 9.0))
    findings = await delivered.check(deep=False)
    assert [(one.rule, one.key) for one in findings.violations] == [("index-lost", "portal")]
    assert not findings.ok and "1970-01-01 07:00:09+07" in findings.violations[0].detail
