"""Rebuild: only files that differ are written, and a kill in between is harmless."""

import sqlite3

import pytest

from channels.portal.errors import IndexLost
from channels.portal.writer.rebuild import RebuildResult, open_rebuild
from tests.support.portal_dir import (
    never_expired,
    new_writer,
    public_files,
    publish,
    rebuild,
    site_files,
)
from tests.support.released_items import CORRECTED, FIRST, ITEMS


def test_a_rebuild_tells_how_far_it_is(tmp_path):
    told = []
    with open_rebuild(tmp_path, site_files(), 5.0, lambda *what: told.append(what)) as portal:
        portal.add_publications([*ITEMS, FIRST, CORRECTED])
        portal.finish()
    assert ("items", 6, 6) in told
    places = [(count, total) for what, count, total in told if what == "places"]
    assert sum(count for count, _ in places) == places[0][1] > 6


def test_only_files_that_differ_are_touched(tmp_path):
    publish(tmp_path, *ITEMS, FIRST)
    public = tmp_path / "public"
    (public / "tin/tin-1/index.html").write_bytes(b"damaged")
    (public / "tin/tin-2/index.html").unlink()
    (public / "tin/la/index.html").parent.mkdir()
    (public / "tin/la/index.html").write_bytes(b"nobody published this")
    same = (public / "tin/tin-0/index.html").stat().st_ino
    assert rebuild(tmp_path, [*ITEMS, FIRST]) == RebuildResult(items=6, written=2, removed=1)
    assert (public / "tin/tin-0/index.html").stat().st_ino == same
    publish(tmp_path / "clean", *ITEMS, FIRST)
    assert public_files(tmp_path) == public_files(tmp_path / "clean")


def test_an_operators_own_files_stay(tmp_path):
    publish(tmp_path, FIRST)
    (tmp_path / "public/robots.txt").write_text("User-agent: *")
    rebuild(tmp_path, [FIRST])
    assert (tmp_path / "public/robots.txt").exists()


@pytest.mark.parametrize("left", [b"no database at all" * 100, None])
def test_a_lost_or_damaged_index_is_made_anew(tmp_path, left):
    publish(tmp_path, *ITEMS)
    for path in (tmp_path / "state").glob("index.sqlite*"):
        path.unlink()
    if left:
        (tmp_path / "state/index.sqlite").write_bytes(left)
    with pytest.raises((IndexLost, sqlite3.DatabaseError)):
        new_writer(tmp_path)
    rebuild(tmp_path, [*ITEMS])
    publish(tmp_path, FIRST)
    publish(tmp_path / "clean", *ITEMS, FIRST)
    assert public_files(tmp_path) == public_files(tmp_path / "clean")


def test_a_running_writer_goes_on_with_the_new_index(tmp_path):
    writer = new_writer(tmp_path)
    writer.show(ITEMS[0], never_expired)
    rebuild(tmp_path, [*ITEMS[:2]])
    writer.show(ITEMS[2], never_expired)
    writer.close()
    publish(tmp_path / "clean", *ITEMS[:3])
    assert public_files(tmp_path) == public_files(tmp_path / "clean")
