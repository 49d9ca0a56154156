"""A band of urgent items above all others, which they leave when they end."""

import sqlite3
from contextlib import closing
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from channels.portal.index.index import PortalIndex
from channels.portal.storage.atomic_files import StagedFiles
from channels.portal.storage.index_swap import INDEX_FILE
from channels.portal.writer.writer import add_publication
from tests.support.clock import FakeClock
from tests.support.portal_dir import (
    never_expired,
    new_writer,
    page,
    public_files,
    rebuild,
    site_files,
)
from tests.support.publications import RELEASED_AT, a_publication, numbered_publication

DAY_S = 24 * 3600
STORM = a_publication(content_id="bao-so-9", title="Bão số 9", lane="urgent", topic="viec-lam")
LATER = [numbered_publication(number) for number in (1, 2, 3)]
NEXT = {"revision": 2, "released_at": RELEASED_AT + timedelta(hours=1)}
LISTINGS = ("", "muc/tat-ca", "muc/viec-lam", "muc/van-phong-bo")


@pytest.fixture
def clock():
    return FakeClock(RELEASED_AT.timestamp())


@pytest.fixture
def shown(tmp_path, clock):
    """Shows publications with a writer of its own, as a process that was started anew."""

    def show(*publications, folder=tmp_path):
        writer = new_writer(folder, clock=clock)
        for publication in publications:
            writer.show(publication, never_expired)
        writer.close()
        return folder

    return show


def titles(folder, path="", part="urgent-band"):
    """The titles in the band of a page, or in its list."""
    found = page(folder, path).xpath(f"//section[contains(@class, '{part}')]//h3/a")
    return [title.text for title in found]


def listed(folder, path=""):
    return titles(folder, path, "day")


def feeds(folder):
    return {
        path: body for path, body in public_files(folder).items() if path.startswith("nguon-tin")
    }


def test_an_urgent_item_stays_above_what_comes_later(tmp_path, shown):
    shown(STORM, *LATER)
    for path in LISTINGS:
        assert titles(tmp_path, path) == ["Bão số 9"], path
        assert "Bão số 9" not in listed(tmp_path, path), path
    assert listed(tmp_path) == ["Tin 3", "Tin 2", "Tin 1"]
    assert titles(tmp_path, "muc/lich-nghi-le") == []


def test_a_portal_with_an_urgent_item_alone_is_not_called_empty(tmp_path, shown):
    shown(STORM)
    for path in LISTINGS:
        assert "Chưa có tin" not in page(tmp_path, path).text_content(), path


@pytest.mark.parametrize(("hours", "stays"), [(None, 24), (3, 3), (100, 100), (9000, 7 * 24)])
def test_it_leaves_at_its_end_or_after_a_time_and_feeds_stay(tmp_path, clock, shown, hours, stays):
    end = RELEASED_AT + timedelta(hours=hours) if hours else None
    shown(STORM.model_copy(update={"expires_at": end}), *LATER)
    before, writer = feeds(tmp_path), new_writer(tmp_path, clock=clock)
    clock.advance(stays * 3600 - 1)
    assert not writer.rewrite_stale().has_work
    assert titles(tmp_path) == ["Bão số 9"]
    clock.advance(1)
    writer.rewrite_stale()
    for path in LISTINGS:
        assert titles(tmp_path, path) == [], path
        assert "Bão số 9" in listed(tmp_path, path), path
    assert feeds(tmp_path) == before
    assert not writer.rewrite_stale().has_work
    writer.close()


def test_what_ended_while_no_loa_ran_is_gone_at_the_start(tmp_path, clock, shown):
    shown(STORM, *LATER)
    clock.advance(DAY_S)
    shown()
    assert (titles(tmp_path), len(listed(tmp_path))) == ([], 4)


def test_a_kill_in_the_middle_of_taking_it_off_is_made_good(tmp_path, clock, shown, monkeypatch):
    shown(STORM, *LATER)
    clock.advance(DAY_S)

    def killed(_):
        raise SystemExit

    with monkeypatch.context() as dying, pytest.raises(SystemExit):
        dying.setattr(StagedFiles, "commit", killed)
        shown()
    assert titles(tmp_path) == ["Bão số 9"]
    shown()
    assert titles(tmp_path) == []


@pytest.mark.parametrize(
    ("change", "band"),
    [
        ({"action": "withdrawn", "reason": "Nhầm"}, []),
        ({"action": "corrected", "lane": "normal"}, []),
        ({"action": "corrected", "title": "Bão số 10"}, ["Bão số 10"]),
    ],
)
def test_a_newer_position_decides(tmp_path, clock, shown, change, band):
    shown(STORM, *LATER, STORM.model_copy(update=NEXT | change))
    assert titles(tmp_path) == band
    clock.advance(DAY_S)
    shown()
    assert titles(tmp_path) == band, "a day counts from the newer text on"
    clock.advance(3600)
    shown()
    assert titles(tmp_path) == []


def test_a_rebuild_makes_the_same_pages_before_the_end_and_after(tmp_path, clock, shown):
    over = a_publication(content_id="lu", lane="urgent", expires_at=RELEASED_AT)
    every = [over, STORM, *LATER]
    assert titles(shown(*every)) == ["Bão số 9"]
    for _ in range(2):
        before = public_files(tmp_path)
        rebuild(tmp_path, reversed(every), clock=clock)
        assert public_files(tmp_path) == before
        clock.advance(DAY_S)
        shown()
    assert titles(tmp_path) == []


def test_an_index_of_an_earlier_version_gets_its_band(tmp_path, clock, shown):
    over = a_publication(content_id="lu", lane="urgent", expires_at=RELEASED_AT)
    shown(STORM, over, *LATER)
    expected = public_files(tmp_path)
    with closing(sqlite3.connect(tmp_path / "state" / INDEX_FILE)) as index:
        index.execute("DROP TABLE IF EXISTS urgent")
    (tmp_path / "public" / "index.html").unlink()
    (tmp_path / "public" / "404.html").unlink()  # so that all pages are written
    with capture_logs() as log:
        shown()
        shown()
    assert public_files(tmp_path) == expected
    assert [one["items"] for one in log if one["event"] == "portal_urgent_found"] == [1]


def test_the_newest_five_are_in_the_band_and_the_rest_in_the_list(tmp_path, clock, shown):
    many = [numbered_publication(number, lane="urgent", topic="viec-lam") for number in range(8)]
    shown(*many, numbered_publication(8))
    assert titles(tmp_path) == [f"Tin {number}" for number in (7, 6, 5, 4, 3)]
    assert listed(tmp_path) == [f"Tin {number}" for number in (8, 2, 1, 0)]
    clock.advance(DAY_S + 6 * 60)  # of the band, only the newest is left
    shown()
    assert titles(tmp_path) == ["Tin 7"]
    assert len(listed(tmp_path)) == 8


def test_a_put_costs_the_same_with_many_urgent_items(tmp_path):
    index, numbers = PortalIndex(tmp_path / INDEX_FILE), iter(range(10_000))
    index.create_tables()

    def put(in_lane):
        changes = {"pause": timedelta(days=31), "lane": in_lane, "topic": "viec-lam"}
        publication = numbered_publication(next(numbers), **changes)
        add_publication(index, site_files(), publication)
        index.urgent_items("tat-ca")
        index.end_urgent(0)

    def cost(lane):
        """Characters of SQL with its values, and steps of SQLite."""
        work = []
        index._db.set_trace_callback(lambda sql: work.append(len(sql)))
        index._db.set_progress_handler(lambda: work.append(1), 1)
        put(lane)
        index._db.set_trace_callback(None)
        index._db.set_progress_handler(None, 0)
        return sum(work)

    with index.transaction():
        for _ in range(10):
            put("urgent")
        few = cost("urgent"), cost("normal")
        for _ in range(200):
            put("urgent")
        assert cost("urgent") < 1.3 * few[0]
        assert cost("normal") < 1.3 * few[1]
    index.close()
