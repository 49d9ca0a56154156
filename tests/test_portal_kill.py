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
from channels.portal import files
from channels.portal.index import Index
from tests.builders import RELEASED_AT, a_publication
from tests.portal_folder import a_writer, check_whole, finish, never, show, tree

KILLS = 12
ITEMS = 30


class Killed(BaseException):
    """The process ends here; nothing after it happens."""


class Death:
    """Kills at the n-th step towards the disk."""

    def __init__(self, monkeypatch):
        self._left = None
        self._monkeypatch = monkeypatch
        self._before(files, "_write", half_written=True)
        self._before(files, "sync_folder")
        self._before(Path, "replace")
        self._before(Path, "unlink")
        self._around_commits()

    def after(self, steps):
        self._left = steps

    def step(self):
        if self._left is not None:
            self._left -= 1
            if self._left == 0:
                raise Killed

    def _before(self, owner, name, half_written=False):
        real = getattr(owner, name)

        def dying(*arguments, **keywords):
            try:
                self.step()
            except Killed:
                if half_written:
                    arguments[0].write_bytes(arguments[1][: len(arguments[1]) // 2])
                raise
            return real(*arguments, **keywords)

        self._monkeypatch.setattr(owner, name, dying)

    def _around_commits(self):
        real = Index.transaction

        @contextmanager
        def dying(index):
            with real(index):
                yield
                self.step()
            self.step()

        self._monkeypatch.setattr(Index, "transaction", dying)


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


@pytest.mark.parametrize("change", range(3), ids=["correction", "withdrawal", "return"])
def test_killed_at_any_step_the_next_writer_makes_it_whole(tmp_path, monkeypatch, change):
    before, after = (FIRST, *HISTORY[:change]), HISTORY[change]
    show(tmp_path / "before", *before)
    show(tmp_path / "clean", *before, after)
    old, new = tree(tmp_path / "before"), tree(tmp_path / "clean")
    death = Death(monkeypatch)
    for steps in range(1, 100):
        folder = tmp_path / f"killed-{steps}"
        shutil.copytree(tmp_path / "before", folder)
        survivor = a_writer(folder)
        if not killed(folder, after, death, steps):
            break
        assert_no_reader_sees_a_part(folder, old, new)
        assert_it_is_made_whole(survivor, folder, after, (old, new))
    survivor.close()
    assert steps > 20


def killed(folder, after, death, steps):
    """Whether the writer died while it showed *after*."""
    writer = a_writer(folder)
    death.after(steps)
    try:
        writer.show(after, never)
    except Killed:
        return True
    finally:
        death.after(None)
        writer.close()
    return False


def assert_no_reader_sees_a_part(folder, old, new):
    """Each file is the old or the new one, whole; a reader never finds a third thing."""
    for path, body in tree(folder).items():
        assert body in (old.get(path), new.get(path)), path


def assert_it_is_made_whole(survivor, folder, after, trees):
    """The row in doubt has an answer, and it is the truth about what readers see from now on."""
    old, new = trees
    verdict = survivor.standing(after).verdict
    if verdict is Verdict.ABSENT:
        assert tree(folder) == old
        a_writer(folder).close()
        assert tree(folder) == old
        verdict = survivor.show(after, never).verdict
    survivor.close()
    assert verdict is Verdict.DELIVERED
    assert tree(folder) == new


def test_work_that_was_committed_is_finished_before_anything_else(tmp_path, monkeypatch):
    show(tmp_path, FIRST)
    writer = a_writer(tmp_path)
    death = Death(monkeypatch)
    monkeypatch.setattr(files.Stage, "swap", lambda stage: (_ for _ in ()).throw(Killed))
    with pytest.raises(Killed):
        writer.show(HISTORY[0], never)
    writer.close()
    monkeypatch.undo()
    death.after(None)
    show(tmp_path, a_publication(content_id="khac"))
    show(tmp_path / "clean", FIRST, HISTORY[0], a_publication(content_id="khac"))
    assert tree(tmp_path / "clean") == {
        path: body for path, body in tree(tmp_path).items() if not path.startswith("clean")
    }


def test_killed_with_signal_9_again_and_again_while_readers_read(tmp_path):
    rng = random.Random(20261124)
    items = [a_publication(content_id=f"tin-{n}", body="Đoạn văn. " * 300) for n in range(ITEMS)]
    items += [item.model_copy(update={"revision": 2, "action": "corrected"}) for item in items[::3]]
    texts = [item.model_dump_json() for item in items]
    folder = tmp_path / "portal"
    a_writer(folder).close()
    with Readers(folder) as readers:
        kills = sum(die_somewhere(folder, texts, rng) for _ in range(KILLS))
        finish(folder, texts)
    assert kills >= KILLS // 2
    assert readers.reads > 500
    assert readers.torn == []
    show(tmp_path / "clean", *items)
    assert tree(folder) == tree(tmp_path / "clean")
    assert integrity(folder) == "ok"


def die_somewhere(folder, texts, rng):
    """Start a worker and kill it at a random moment; whether it still lived then."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.portal_folder"])
    worker = context.Process(target=finish, args=(str(folder), texts))
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


class Readers:
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
            check_whole(path, body)
        except (AssertionError, ValueError, SyntaxError) as error:
            self.torn.append(f"{path}: {error}")
