"""A rebuild that renders in several processes makes what one process makes, byte for byte."""

import sqlite3
from contextlib import closing

import pytest

from channels.portal.index.index import PortalIndex
from channels.portal.model.site import Site
from channels.portal.render.site_files import SiteFiles
from channels.portal.writer import rebuild as rebuild_module
from channels.portal.writer import staging
from channels.portal.writer.render_processes import RenderProcesses
from channels.portal.writer.writer import add_publication, add_unrendered
from contracts.vocabulary import DEFAULT
from tests.support.portal_dir import PUBLIC_URL, public_files, rebuild, site_files
from tests.support.portal_log import drawn_log

TABLES = ("shelf", "month", "urgent", "cover", "upload", "untold")


@pytest.fixture
def small_chunks(monkeypatch):
    """Many tasks, so that their order can go wrong."""
    monkeypatch.setattr(staging, "CHUNK_SIZE", 7)
    monkeypatch.setattr(rebuild_module, "CHUNK_SIZE", 7)


def made(folder, log, processes, monkeypatch):
    monkeypatch.setattr(rebuild_module, "process_count", lambda _: processes)
    return rebuild(folder, log, words=DEFAULT)


def rows(file, *tables):
    with closing(sqlite3.connect(file)) as database:
        return {name: sorted(database.execute(f"SELECT * FROM {name}")) for name in tables}


@pytest.mark.usefixtures("small_chunks")
def test_two_processes_make_what_one_makes(tmp_path, monkeypatch):
    log = drawn_log(60, DEFAULT, seed=3)
    one, two = tmp_path / "one", tmp_path / "two"
    assert made(one, log, 0, monkeypatch) == made(two, log, 2, monkeypatch)
    assert public_files(two) == public_files(one)
    for name, tables in {"index": (*TABLES, "item", "fragment"), "search": ("item",)}.items():
        file = f"state/{name}.sqlite"
        assert rows(two / file, *tables) == rows(one / file, *tables)


@pytest.mark.parametrize("seed", range(4))
def test_an_index_made_at_once_is_the_one_made_item_by_item(tmp_path, seed):
    files = SiteFiles(Site(PUBLIC_URL, DEFAULT))
    for name, add in {"step": add_publication, "once": add_unrendered}.items():
        with closing(PortalIndex(tmp_path / name)) as index:
            index.create_tables()
            with index.transaction():
                for one in drawn_log(80, DEFAULT, seed):
                    add(index, files, one)
    assert rows(tmp_path / "once", *TABLES) == rows(tmp_path / "step", *TABLES)


def square(_, task):
    return task * task


def missing(_, task):
    raise FileNotFoundError(task)


def end(_, task):
    raise SystemExit(task)


@pytest.mark.parametrize("count", [0, 2])
def test_results_come_in_the_order_of_the_tasks(count):
    with closing(RenderProcesses(site_files(), count)) as processes:
        assert list(processes.map(square, range(40))) == [n * n for n in range(40)]


@pytest.mark.parametrize("count", [0, 2])
def test_no_more_is_read_ahead_than_the_processes_need(count):
    read = []
    with closing(RenderProcesses(site_files(), count)) as processes:
        results = processes.map(square, (read.append(n) or n for n in range(40)))
        next(results)
        assert len(read) <= 2 * count + 1


def test_an_error_of_the_disk_is_raised_here(tmp_path):
    with (
        closing(RenderProcesses(site_files(), 1)) as processes,
        pytest.raises(FileNotFoundError, match="gone"),
    ):
        list(processes.map(missing, ["gone"]))


def test_a_process_that_ends_is_an_error(tmp_path):
    with closing(RenderProcesses(site_files(), 1)) as processes, pytest.raises(ChildProcessError):
        list(processes.map(end, [1]))
