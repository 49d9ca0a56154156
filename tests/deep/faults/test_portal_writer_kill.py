"""Whenever the portal's writer dies: no torn file, and then the bytes of a clean build."""

import shutil
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from channels.base import Verdict
from channels.portal.index.index import PortalIndex
from channels.portal.storage import atomic_files
from tests.support.portal_dir import never_expired, new_writer, public_files, publish
from tests.support.publications import RELEASED_AT, a_publication


class SimulatedKill(BaseException):
    """The process ends here; nothing after it happens."""


class KillAtStep:
    """Kills at the n-th step towards the disk."""

    def __init__(self, monkeypatch):
        self._left = None
        self._monkeypatch = monkeypatch
        self._before(atomic_files, "_write", half_written=True)
        self._before(atomic_files, "_sync_all")
        self._before(Path, "replace")
        self._before(Path, "unlink")
        self._around_commits()

    def after(self, steps):
        self._left = steps

    def step(self):
        if self._left is not None:
            self._left -= 1
            if self._left == 0:
                raise SimulatedKill

    def _before(self, owner, name, half_written=False):
        real = getattr(owner, name)

        def dying(*arguments, **keywords):
            try:
                self.step()
            except SimulatedKill:
                if half_written:
                    arguments[0].write_bytes(arguments[1][: len(arguments[1]) // 2])
                raise
            return real(*arguments, **keywords)

        self._monkeypatch.setattr(owner, name, dying)

    def _around_commits(self):
        real = PortalIndex.transaction

        @contextmanager
        def dying(index):
            with real(index):
                yield
                self.step()
            self.step()

        self._monkeypatch.setattr(PortalIndex, "transaction", dying)


FIRST = a_publication(topic="viec-lam")
CHANGES = (
    {"action": "corrected", "title": "Lịch nghỉ đã sửa"},
    {"action": "withdrawn", "reason": "Nhầm"},
    {},
)
HISTORY = [
    a_publication(revision=1 + day, released_at=RELEASED_AT + timedelta(days=day), **change)
    for day, change in enumerate(CHANGES, 1)
]


@pytest.mark.promise("4.2")
@pytest.mark.parametrize("change", range(3), ids=["correction", "withdrawal", "return"])
def test_killed_at_any_step_the_next_writer_makes_it_whole(tmp_path, monkeypatch, change):
    before, after = (FIRST, *HISTORY[:change]), HISTORY[change]
    publish(tmp_path / "before", *before)
    publish(tmp_path / "clean", *before, after)
    old, new = public_files(tmp_path / "before"), public_files(tmp_path / "clean")
    death = KillAtStep(monkeypatch)
    for steps in range(1, 100):
        folder = tmp_path / f"killed-{steps}"
        shutil.copytree(tmp_path / "before", folder)
        survivor = new_writer(folder)
        if not killed(folder, after, death, steps):
            break
        assert_no_reader_sees_a_part(folder, old, new)
        assert_it_is_made_whole(survivor, folder, after, (old, new))
    survivor.close()
    assert steps > 20


def killed(folder, after, death, steps):
    """Whether the writer died while it showed *after*."""
    writer = new_writer(folder)
    death.after(steps)
    try:
        writer.show(after, never_expired)
    except SimulatedKill:
        return True
    finally:
        death.after(None)
        writer.close()
    return False


def assert_no_reader_sees_a_part(folder, old, new):
    """Each file is the old or the new one, whole; a reader never finds a third thing."""
    for path, body in public_files(folder).items():
        assert body in (old.get(path), new.get(path)), path


def assert_it_is_made_whole(survivor, folder, after, trees):
    """The row in doubt has an answer, and it is the truth about what readers see from now on."""
    old, new = trees
    verdict = survivor.resolve(after).verdict
    if verdict is Verdict.ABSENT:
        assert public_files(folder) == old
        new_writer(folder).close()
        assert public_files(folder) == old
        verdict = survivor.show(after, never_expired).verdict
    survivor.close()
    assert verdict is Verdict.DELIVERED
    assert public_files(folder) == new


def test_work_that_was_committed_is_finished_before_anything_else(tmp_path, monkeypatch):
    killed_one, other = tmp_path / "killed", a_publication(content_id="khac")
    publish(killed_one, FIRST)
    writer = new_writer(killed_one)
    monkeypatch.setattr(
        atomic_files.StagedFiles, "commit", lambda stage: (_ for _ in ()).throw(SimulatedKill)
    )
    with pytest.raises(SimulatedKill):
        writer.show(HISTORY[0], never_expired)
    writer.close()
    monkeypatch.undo()
    publish(killed_one, other)
    publish(tmp_path / "clean", FIRST, HISTORY[0], other)
    assert public_files(tmp_path / "clean") == public_files(killed_one)
