"""The portal's index: speed independent of its size, and atomic changes."""

import sqlite3

import pytest

from channels.portal.index.index import PortalIndex
from channels.portal.index.listings import CHANGES_SQL, NEWEST_SQL, PART_SQL
from channels.portal.model.page_sets import PageKind, PageSet
from tests.support.portal_dir import new_writer


@pytest.mark.parametrize(
    ("sql", "values"),
    [
        (NEWEST_SQL, ("tat-ca", 0, 50)),
        (CHANGES_SQL, ("tat-ca", 70)),
        ("SELECT slug FROM shelf WHERE content_id = ?", ("a",)),
        ("SELECT slug FROM month WHERE slug > ? ORDER BY slug LIMIT 1", ("",)),
        (PART_SQL, ("tat-ca", 0, 1, 50, 100)),
        ("SELECT count(*) FROM item WHERE undone", ()),
        ("SELECT count(*) FROM item WHERE old_print", ()),
        ("SELECT place FROM stale WHERE old_print = ? ORDER BY rank, place LIMIT ?", (0, 9)),
        ("SELECT publication, body FROM item WHERE undone ORDER BY content_id LIMIT ?", (9,)),
        ("SELECT publication, body FROM item WHERE old_print ORDER BY content_id LIMIT ?", (9,)),
    ],
)
def test_the_index_is_never_read_from_end_to_end(tmp_path, sql, values):
    new_writer(tmp_path).close()
    database = sqlite3.connect(tmp_path / "state/index.sqlite")
    plan = [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {sql}", values)]
    database.close()
    assert not any("TEMP B-TREE" in step for step in plan), plan
    assert all(
        step.startswith("SEARCH") or "item_undone" in step or "item_old_print" in step
        for step in plan
    ), plan


def test_an_uncommitted_revision_leaves_no_trace(tmp_path):
    new_writer(tmp_path).close()
    index = PortalIndex(tmp_path / "state/index.sqlite")
    with pytest.raises(ZeroDivisionError), index.transaction():
        index.mark_stale([PageSet(PageKind.HOME)])
        raise ZeroDivisionError
    assert index.stale_page_sets() == []
    index.close()
