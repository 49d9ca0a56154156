"""Whenever the portal's writer is killed: no torn read, and then the bytes of a clean build."""

import multiprocessing
import random
import shutil
import sqlite3
import threading
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from channels.base import Verdict
from channels.portal.index.index import PortalIndex
from channels.portal.storage import atomic_files
from tests.support.portal_dir import (
    check_complete,
    finish_after_restart,
    never_expired,
    new_writer,
    public_files,
    publish,
)
from tests.support.publications import RELEASED_AT, a_publication

KILLS = 12
ITEMS = 30


class SimulatedKill(BaseException):
    """The process ends here; nothing after it happens."""


class KillAtStep:
    """Kills at the n-th step towards the disk."""

    def __init__(self, monkeypatch):
        self._left = None
        self._monkeypatch = monkeypatch
        self._before(atomic_files, "_write", half_written=True)
        self._before(atomic_files, "sync_folder")
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
HISTORY = (
    a_publication(
        action="corrected",
        revision=2,
        title="Lịch nghỉ đã sửa",
        released_at=RELEASED_AT + timedelta(days=1),
    ),
    a_publication(
        action="withdrawn",
        revision=3,
        reason="Nhầm",
        released_at=RELEASED_AT + timedelta(days=2),
    ),
    a_publication(revision=4, released_at=RELEASED_AT + timedelta(days=3)),
)


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
    publish(tmp_path, FIRST)
    writer = new_writer(tmp_path)
    death = KillAtStep(monkeypatch)
    monkeypatch.setattr(
        atomic_files.StagedFiles, "commit", lambda stage: (_ for _ in ()).throw(SimulatedKill)
    )
    with pytest.raises(SimulatedKill):
        writer.show(HISTORY[0], never_expired)
    writer.close()
    monkeypatch.undo()
    death.after(None)
    publish(tmp_path, a_publication(content_id="khac"))
    publish(tmp_path / "clean", FIRST, HISTORY[0], a_publication(content_id="khac"))
    assert public_files(tmp_path / "clean") == {
        path: body for path, body in public_files(tmp_path).items() if not path.startswith("clean")
    }


def test_killed_with_signal_9_again_and_again_while_readers_read(tmp_path):
    rng = random.Random(20261124)
    items = [a_publication(content_id=f"tin-{n}", body="Đoạn văn. " * 300) for n in range(ITEMS)]
    items += [item.model_copy(update={"revision": 2, "action": "corrected"}) for item in items[::3]]
    texts = [item.model_dump_json() for item in items]
    folder = tmp_path / "portal"
    new_writer(folder).close()
    with ReadingThreads(folder) as readers:
        kills = sum(die_somewhere(folder, texts, rng) for _ in range(KILLS))
        finish_after_restart(folder, texts)
    assert kills >= KILLS // 2
    assert readers.reads > 500
    assert readers.torn == []
    publish(tmp_path / "clean", *items)
    assert public_files(folder) == public_files(tmp_path / "clean")
    assert integrity(folder) == "ok"


def die_somewhere(folder, texts, rng):
    """Start a worker and kill it at a random moment; whether it still lived then."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.support.portal_dir"])
    worker = context.Process(target=finish_after_restart, args=(str(folder), texts))
    worker.start()
    worker.join(rng.uniform(0.05, 0.5))
    alive = worker.is_alive()
    worker.kill()
    worker.join()
    worker.close()
    return alive


def integrity(folder):
    database = sqlite3.connect(folder / "state/index.sqlite")
    answer = database.execute("PRAGMA integrity_check").fetchone()[0]
    database.close()
    return answer


class ReadingThreads:
    """Threads that read what is public, all the time, and note every file that is not whole."""

    def __init__(self, folder):
        self._public = folder / "public"
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._read) for _ in range(2)]
        self.reads = 0
        self.torn = []

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _read(self):
        watched = [f"nguon-tin/tat-ca.{kind}" for kind in ("rss", "atom", "json")]
        watched += ["index.html", "nguon-tin/index.html", "nguon-tin/van-phong-bo.rss"]
        watched += [f"tin/tin-{n}/index.html" for n in range(0, ITEMS, 5)]
        while not self._stop.is_set():
            for path in watched:
                self._look(path)

    def _look(self, path):
        try:
            body = (self._public / path).read_bytes()
        except FileNotFoundError:
            if not path.startswith("tin/"):
                self.torn.append(f"{path} is gone")
            return
        self.reads += 1
        try:
            check_complete(path, body)
        except (AssertionError, ValueError, SyntaxError) as error:
            self.torn.append(f"{path}: {error}")
