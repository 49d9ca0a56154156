"""Wherever a rebuild is killed, the portal goes on by itself, with the old index or the new one."""

import shutil

from channels.base import Verdict
from channels.portal.press import Press
from channels.portal.rebuild import rebuilding
from channels.portal.site import Site
from channels.portal.swap import INDEX
from contracts import crash
from tests.builders import a_publication
from tests.portal_folder import PUBLIC_URL, WORDS, a_writer, check_whole, never, show, tree
from tests.test_portal_kill import Death, Killed, integrity

OLD = [a_publication(content_id=f"tin-{n}") for n in range(2)]
NEW = [*OLD, a_publication(content_id="tin-2", topic="viec-lam")]
LATER = a_publication(content_id="tin-sau")


def killed(folder, death, steps):
    """Whether the rebuild died at this step of its swap."""
    with rebuilding(folder, Press(Site(PUBLIC_URL, WORDS)), 5.0) as rebuild:
        rebuild.take(NEW)
        swap, rebuild._swap = rebuild._swap, lambda: death.during(swap, steps)
        try:
            rebuild.finish()
        except Killed:
            return True
    return False


class DeathInside(Death):
    """Kills nowhere but inside one piece of work, at crash points too."""

    def __init__(self, monkeypatch):
        super().__init__(monkeypatch)
        monkeypatch.setattr(crash, "_armed", lambda point: self.step())

    def during(self, work, steps):
        self.after(steps)
        try:
            work()
        finally:
            self.after(None)


def renewed(writer):
    """Everything that waits for its time."""
    while writer.refresh().any:
        pass


def the_rest_of(folder, writer):
    """A writer that goes on: what it shows lies in the index that everybody opens."""
    assert writer.show(LATER, never).verdict is Verdict.DELIVERED
    renewed(writer)
    other = a_writer(folder)
    assert other.standing(LATER).verdict is Verdict.DELIVERED
    other.close()
    writer.close()
    assert integrity(folder) == "ok"
    return tree(folder)


def test_killed_at_any_step_of_the_swap_the_running_writer_goes_on(tmp_path, monkeypatch):
    show(tmp_path / "before", *OLD)
    show(tmp_path / "old", *OLD, LATER)
    show(tmp_path / "new", *NEW, LATER)
    ends = tree(tmp_path / "old"), tree(tmp_path / "new")
    death, seen, died = DeathInside(monkeypatch), [], True
    while died:
        folder = tmp_path / f"killed-{len(seen)}"
        shutil.copytree(tmp_path / "before", folder)
        running = a_writer(folder)
        died = killed(folder, death, len(seen) + 1)
        assert (folder / "state" / INDEX).exists(), "there is an index at every moment"
        for path, body in tree(folder).items():
            check_whole(path, body)
        seen.append(ends.index(the_rest_of(folder, running)))
    assert seen == sorted(seen), "old first, then new"
    assert {*seen} == {0, 1} and len(seen) > 8


def test_what_the_old_index_kept_beside_itself_is_not_taken_for_the_new_ones(tmp_path):
    """A writer that is open, and one that was killed, both leave pages in the old journal."""
    show(tmp_path, *OLD)
    running = a_writer(tmp_path)
    running.show(LATER, never)
    shutil.copytree(tmp_path, tmp_path / "killed")
    assert (tmp_path / "killed/state" / f"{INDEX}-wal").stat().st_size
    for folder in (tmp_path, tmp_path / "killed"):
        with rebuilding(folder, Press(Site(PUBLIC_URL, WORDS)), 5.0) as rebuild:
            rebuild.take(NEW)
            rebuild.finish()
        assert integrity(folder) == "ok"
    running.close()
    assert integrity(tmp_path) == "ok"
