"""The copy of the facts for reports: every mistake in it is named, and nothing else is."""

import random
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from consumers.desk.reports.check import find_wrong_report_rows
from consumers.desk.reports.follow import RowsFollower
from consumers.desk.reports.rows_file import ROWS_FILE, RowsFile, Rules
from consumers.facts.store import FactStore
from contracts import subjects
from contracts.facts import DayFact, FactKind, ReleaseFact
from producers.bus import topology
from tests.consumers.desk.test_reports import store_all
from tests.support.random_facts import random_facts

RULES = Rules()
FACTS = random_facts(random.Random(7), 8)
LATER = random_facts(random.Random(8), 8)


@pytest.fixture
async def store(bus) -> FactStore:
    store = FactStore(bus)
    await store_all(store, FACTS)
    return store


@pytest.fixture
async def path(store, tmp_path):
    found = tmp_path / ROWS_FILE
    await follow(store, found)
    return found


async def follow(store, path) -> None:
    with closing(RowsFile(path, RULES)) as file, ThreadPoolExecutor(1) as writer:
        await RowsFollower(store, file, writer).advance()


async def wrong(store, path) -> list[str]:
    return [one.key for one in await find_wrong_report_rows(store, path, RULES)]


def spoil(path, sql: str) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        assert db.execute(sql).rowcount == 1


def rows_of(path) -> list[tuple[int, str]]:
    """The number of a row, and the subject of the fact that it is of."""
    with closing(sqlite3.connect(path)) as db:
        sql = "SELECT row.rowid, key FROM row JOIN fact ON fact.id = row.fact ORDER BY 1"
        return [(number, subjects.fact(key)) for number, key in db.execute(sql)]


async def test_a_copy_as_loa_writes_it_has_no_mistake_also_behind_the_facts(store, path):
    assert await wrong(store, path) == []
    await store_all(store, LATER)
    assert await wrong(store, path) == [], "what it has not read yet"
    await follow(store, path)
    assert await wrong(store, path) == []


@pytest.mark.parametrize(
    "mistake",
    [
        "UPDATE row SET times = times + 1 WHERE rowid = {row}",
        "UPDATE row SET day = '2026-03-02', unit = 'khac' WHERE rowid = {row}",
        "DELETE FROM row WHERE rowid = {row}",
        "INSERT INTO row SELECT * FROM row WHERE rowid = {row}",
        "UPDATE fact SET body = '{{}}', item = 'khac' WHERE id = (SELECT fact FROM row"
        " WHERE rowid = {row})",
    ],
)
async def test_each_mistake_in_the_rows_of_a_fact_is_named(store, path, mistake):
    rows = rows_of(path)
    for number, key in (rows[0], rows[-1]):
        spoil(path, mistake.format(row=number))
        assert key in await wrong(store, path)
        path.unlink()
        await follow(store, path)


async def test_rows_of_no_fact_and_lost_facts_and_days_are_named(store, path):
    [(number, key), *_] = rows_of(path)
    spoil(path, f"UPDATE row SET fact = -1 WHERE rowid = {number}")
    assert await wrong(store, path) == [key, str(path)]
    path.unlink()
    await follow(store, path)
    [release, *_] = (one for one in FACTS if isinstance(one, ReleaseFact))
    day = next(one for one in FACTS if isinstance(one, DayFact))
    counted = f"fact = '{DayFact(on=day.on, counted=(FactKind.DELIVERY,)).encode().decode()}'"
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(
            "DELETE FROM row WHERE fact = (SELECT id FROM fact WHERE key = ?)", [release.key]
        )
        db.execute("DELETE FROM fact WHERE key = ?", [release.key])
    spoil(path, f"UPDATE day SET {counted} WHERE day = '{day.on}'")
    expected = sorted(subjects.fact(one.key) for one in (release, day))
    assert await wrong(store, path) == expected


async def test_a_copy_that_is_made_anew_anyway_is_no_mistake_and_a_damaged_one_is(store, path):
    spoil(path, "UPDATE row SET times = times + 1 WHERE rowid = 1")
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE meta SET value = 'of another Loa' WHERE name = 'format'")
    assert await wrong(store, path) == []
    path.write_bytes(b"no database" * 1000)
    assert await wrong(store, path) == [str(path)]
    path.unlink()
    assert await wrong(store, path) == []


async def test_a_copy_of_another_stream_is_no_mistake(store, path, bus):
    await bus.connection.api_request(f"STREAM.DELETE.{subjects.FACTS.name}")
    await topology.apply(bus)
    await store_all(store, LATER)
    assert await wrong(store, path) == []
