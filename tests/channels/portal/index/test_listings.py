"""The portal's index: speed independent of its size."""

import sqlite3
from contextlib import closing

import pytest

from channels.portal.index.index import FORGET_NAMED_UPLOADS_SQL, UNUSED_UPLOADS_SQL
from channels.portal.index.listings import CHANGES_SQL, NEWEST_SQL, PART_SQL
from tests.support.portal_dir import new_writer


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    folder = tmp_path_factory.mktemp("portal")
    new_writer(folder).close()
    with closing(sqlite3.connect(folder / "state/index.sqlite")) as database:
        yield database


@pytest.mark.parametrize(
    ("sql", "values"),
    [
        (NEWEST_SQL, ("tat-ca", 0, 50)),
        (CHANGES_SQL, ("tat-ca", 70)),
        ("SELECT slug FROM shelf WHERE content_id = ?", ("a",)),
        ("SELECT slug FROM month WHERE slug > ? ORDER BY slug LIMIT 1", ("",)),
        (PART_SQL, ("tat-ca", 0, 1, 50, 100)),
        (UNUSED_UPLOADS_SQL, ("",)),
        (FORGET_NAMED_UPLOADS_SQL, ("",)),
        ("SELECT count(*) FROM item WHERE undone", ()),
        ("SELECT count(*) FROM item WHERE old_print", ()),
        ("SELECT place FROM stale WHERE old_print = ? ORDER BY rank, place LIMIT ?", (0, 9)),
        ("SELECT publication, body FROM item WHERE undone ORDER BY content_id LIMIT ?", (9,)),
        ("SELECT publication, body FROM item WHERE old_print ORDER BY content_id LIMIT ?", (9,)),
    ],
)
def test_the_index_is_never_read_from_end_to_end(database, sql, values):
    plan = [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {sql}", values)]
    assert not any("TEMP B-TREE" in step for step in plan), plan
    assert all(
        step.startswith(("SEARCH", "CORRELATED"))
        or "item_undone" in step
        or "item_old_print" in step
        for step in plan
    ), plan
