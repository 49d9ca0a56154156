"""Wherever a rebuild is killed, the portal goes on by itself, with the old index or the new one."""

import shutil
import sqlite3
from contextlib import closing

from channels.base import Verdict
from channels.portal.model.site import Site
from channels.portal.render.site_files import SiteFiles
from channels.portal.storage.index_swap import INDEX_FILE
from channels.portal.writer.rebuild import open_rebuild
from contracts.base import crash_points
from tests.deep.faults.test_portal_writer_kill import KillAtStep, SimulatedKill
from tests.support.portal_dir import (
    PUBLIC_URL,
    WORDS,
    check_complete,
    never_expired,
    new_writer,
    public_files,
    publish,
)
from tests.support.publications import a_publication

OLD = [a_publication(content_id=f"tin-{n}") for n in range(2)]
NEW = [*OLD, a_publication(content_id="tin-2", topic="viec-lam")]
LATER = a_publication(content_id="tin-sau")


def killed(folder, death, steps):
    """Whether the rebuild died at this step of its swap."""
    with open_rebuild(folder, SiteFiles(Site(PUBLIC_URL, WORDS)), 5.0) as rebuild:
        rebuild.add_publications(NEW)
        swap, rebuild._swap = rebuild._swap, lambda: death.during(swap, steps)
        try:
            rebuild.finish()
        except SimulatedKill:
            return True
    return False


class KillInside(KillAtStep):
    """Kills nowhere but inside one piece of work, at crash points too."""

    def __init__(self, monkeypatch):
        super().__init__(monkeypatch)
        monkeypatch.setattr(crash_points, "_armed", lambda point: self.step())

    def during(self, work, steps):
        self.after(steps)
        try:
            work()
        finally:
            self.after(None)


def integrity(folder):
    with closing(sqlite3.connect(folder / "state" / INDEX_FILE)) as database:
        return database.execute("PRAGMA integrity_check").fetchone()[0]


def renewed(writer):
    """Everything that waits for its time."""
    while writer.rewrite_stale().has_work:
        pass


def the_rest_of(folder, writer):
    """A writer that goes on: what it shows lies in the index that all writers open."""
    assert writer.show(LATER, never_expired).verdict is Verdict.DELIVERED
    renewed(writer)
    other = new_writer(folder)
    assert other.resolve(LATER).verdict is Verdict.DELIVERED
    other.close()
    writer.close()
    assert integrity(folder) == "ok"
    return public_files(folder)


def test_killed_at_any_step_of_the_swap_the_running_writer_goes_on(tmp_path, monkeypatch):
    publish(tmp_path / "before", *OLD)
    publish(tmp_path / "old", *OLD, LATER)
    publish(tmp_path / "new", *NEW, LATER)
    ends = public_files(tmp_path / "old"), public_files(tmp_path / "new")
    death, seen, died = KillInside(monkeypatch), [], True
    while died:
        folder = tmp_path / f"killed-{len(seen)}"
        shutil.copytree(tmp_path / "before", folder)
        running = new_writer(folder)
        died = killed(folder, death, len(seen) + 1)
        assert (folder / "state" / INDEX_FILE).exists(), "there is an index at every moment"
        for path, body in public_files(folder).items():
            check_complete(path, body)
        seen.append(ends.index(the_rest_of(folder, running)))
    assert seen == sorted(seen), "old first, then new"
    assert {*seen} == {0, 1} and len(seen) > 8


def test_what_the_old_index_kept_beside_itself_is_not_taken_for_the_new_ones(tmp_path):
    """A writer that is open, and one that was killed, both leave pages in the old journal."""
    publish(tmp_path, *OLD)
    running = new_writer(tmp_path)
    running.show(LATER, never_expired)
    shutil.copytree(tmp_path, tmp_path / "killed")
    assert (tmp_path / "killed/state" / f"{INDEX_FILE}-wal").stat().st_size
    for folder in (tmp_path, tmp_path / "killed"):
        with open_rebuild(folder, SiteFiles(Site(PUBLIC_URL, WORDS)), 5.0) as rebuild:
            rebuild.add_publications(NEW)
            rebuild.finish()
        assert integrity(folder) == "ok"
    running.close()
    assert integrity(tmp_path) == "ok"
