"""A band of urgent items above all others, which they leave when they end."""

import re
import sqlite3
from contextlib import closing
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from channels.portal.index.index import PortalIndex
from channels.portal.storage.atomic_files import StagedFiles
from channels.portal.storage.index_swap import INDEX_FILE
from channels.portal.writer.audit import FolderAudit
from channels.portal.writer.writer import add_publication
from design.frame import URGENT_SHEET
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


def named(folder):
    """Addition of the sheet of all pages to their hidden link; empty while it hides it."""
    sheet = (folder / "public" / URGENT_SHEET[1:]).read_text("ascii")
    content = re.search(r'content: "(.*)";', sheet)
    return re.sub(r"\\([0-9a-f]+) ", _unescaped, content[1]) if content else sheet


def _unescaped(escape):
    return chr(int(escape[1], 16))


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


def test_every_page_names_it_through_one_sheet_that_alone_is_written(tmp_path, clock, shown):
    shown(*LATER)
    assert named(tmp_path) == ""
    older = public_files(tmp_path)
    for path in ("tin/tin-1", "muc/lich-nghi-le", "kenh", "muc/lich-nghi-le/2026/11"):
        head = page(tmp_path, path)
        [line] = head.xpath("//*[@class='urgent-line' and @hidden]//a")
        assert (line.text, line.get("href")) == ("Tin khẩn", "/#tin-khan"), path
        assert head.xpath("//link[@rel='stylesheet']/@href")[1] == URGENT_SHEET
    for path in ("", "muc/tat-ca"):
        assert not page(tmp_path, path).xpath("//*[@class='urgent-line']"), "it has the band"
    shown(STORM)
    assert named(tmp_path) == ": Bão số 9"
    clock.advance(60)
    shown(numbered_publication(4, lane="urgent"))
    assert named(tmp_path) == ": Tin 4 (và 1 tin khẩn khác)"
    clock.advance(2 * DAY_S)
    shown()
    assert named(tmp_path) == ""
    new = public_files(tmp_path)
    same = [path for path in older if path.startswith(("kenh", "tin/", "gioi-thieu"))]
    assert {path: new[path] for path in same} == {path: older[path] for path in same}


def test_a_title_cannot_leave_its_string(tmp_path, clock, shown):
    title = """"; } body { display: none } \\22 </style>'*/ Bão"""
    shown(STORM.model_copy(update={"title": title}))
    assert named(tmp_path) == f": {title}"
    sheet = (tmp_path / "public" / URGENT_SHEET[1:]).read_text()
    assert (sheet.count('"'), sheet.count("{"), sheet.count("<")) == (2, 3, 0)
    assert sheet.startswith("@media screen {"), "paper shows no link that cannot be followed"


def test_the_audit_compares_the_sheet(tmp_path, clock, shown):
    shown(STORM)
    audit = FolderAudit(tmp_path, site_files())
    with closing(audit.open_snapshot()) as snapshot:
        assert list(audit.find_problems(snapshot)) == []
        (tmp_path / "public" / URGENT_SHEET[1:]).write_bytes(b"")
        [problem] = audit.find_problems(snapshot)
    assert (problem.rule, problem.path) == ("page-differs", URGENT_SHEET[1:])


def test_an_item_that_is_not_urgent_leaves_the_sheet_alone(tmp_path, clock):
    with closing(new_writer(tmp_path, clock=clock)) as writer:
        writer.show(STORM, never_expired)
        (tmp_path / "public" / URGENT_SHEET[1:]).unlink()
        for publication in LATER:
            writer.show(publication, never_expired)
        assert not (tmp_path / "public" / URGENT_SHEET[1:]).exists()


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
    assert (titles(tmp_path), named(tmp_path)) == (["Bão số 9"], ": Bão số 9")
    clock.advance(1)
    writer.rewrite_stale()
    assert named(tmp_path) == ""
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
    assert (titles(tmp_path), named(tmp_path)) == (["Bão số 9"], ": Bão số 9")
    shown()
    assert (titles(tmp_path), named(tmp_path)) == ([], "")


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
    assert named(tmp_path) == "".join(f": {title}" for title in band)
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
