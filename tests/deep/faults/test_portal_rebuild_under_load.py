"""While the portal is made anew it goes on: items are shown, and a hundred readers see them."""

import asyncio
import threading
import time
from pathlib import Path

import pytest

from channels.base import Verdict
from channels.portal.writer.audit import FolderAudit
from channels.portal.writer.rebuild import open_rebuild
from tests.support.forked_loa import fork_context
from tests.support.portal_dir import never_expired, new_writer, public_files, publish, site_files
from tests.support.portal_readers import PATHS, HttpReader, ReadLog, serve
from tests.support.publications import numbered_publication
from tests.support.waiting import until

PRESS = site_files()
SPAWN = fork_context()
ITEMS, READERS = 800, 100
FEED_PATHS = [path for path in PATHS if not path.endswith("/")]


def an_item(number, **changes):
    return numbered_publication(number, topic="viec-lam", **changes)


OLD = [an_item(number) for number in range(8)]


@pytest.mark.promise("4.6")
def test_what_is_shown_while_a_rebuild_goes_on_stands_afterwards(tmp_path):
    publish(tmp_path / "old", *OLD)
    writer = new_writer(tmp_path / "old")
    change = an_item(3, revision=2, action="corrected", reason="Sai")
    gone = an_item(4, revision=2, action="withdrawn", reason="Nhầm")
    with open_rebuild(tmp_path / "old", PRESS, 5.0) as rebuild:
        rebuild.add_publications(OLD[:5])
        for one in (change, gone, an_item(9)):
            assert writer.show(one, never_expired).verdict is Verdict.DELIVERED
        rebuild.add_publications(OLD[5:])
        rebuild.finish()
    assert writer.resolve(change).verdict is Verdict.DELIVERED
    writer.close()
    publish(tmp_path / "clean", *OLD, change, gone, an_item(9))
    assert public_files(tmp_path / "old") == public_files(tmp_path / "clean")


def test_what_the_bus_does_not_know_goes_but_for_what_came_meanwhile(tmp_path):
    publish(tmp_path, *OLD)
    writer = new_writer(tmp_path)
    with open_rebuild(tmp_path, PRESS, 5.0) as rebuild:
        rebuild.add_publications(OLD[:5])
        writer.show(an_item(9), never_expired)
        changes = rebuild.finish()
    writer.close()
    assert changes.items == 6
    pages = {path for path in public_files(tmp_path) if path.startswith("tin/")}
    assert pages == {f"tin/tin-{n}/index.html" for n in (0, 1, 2, 3, 4, 9)}


def test_an_index_of_an_earlier_layout_is_made_anew(tmp_path):
    publish(tmp_path, *OLD)
    writer = new_writer(tmp_path)
    with writer._locked_index() as index:
        index._db.execute("PRAGMA user_version = 1")
    writer.close()
    before = public_files(tmp_path)
    with open_rebuild(tmp_path, PRESS, 5.0) as rebuild:
        rebuild.add_already_shown(OLD)
        assert rebuild.finish() == (len(OLD), 0, 0)
    assert public_files(tmp_path) == before


class FreshnessReader(HttpReader):
    """Notes when it asked for a feed, and how new what it got was."""

    def __init__(self, port, seed, account):
        super().__init__(port, seed, account)
        self.seen = []

    async def run(self, stop):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            while not stop.is_set():
                asked, path = time.monotonic(), self.chance.choice(FEED_PATHS)
                await self.fetch(reader, writer, path)
                self.seen.append((asked, path, self.read_log.newest.get(path, -1)))
                await asyncio.sleep(self.chance.uniform(0.2, 1.0))
        finally:
            writer.close()


def make_anew(folder):
    """A process of its own, as `loa rebuild` is."""
    with open_rebuild(Path(folder), PRESS, 30.0) as rebuild:
        for first in range(0, ITEMS, 100):
            rebuild.add_publications([an_item(number) for number in range(first, first + 100)])
        rebuild.finish()


class PublishingThread(threading.Thread):
    """Shows one more item now and then, as a worker does, and notes when each was shown."""

    def __init__(self, folder, stop):
        super().__init__(daemon=True)
        self.folder, self.stop, self.shown, self.failed = folder, stop, [], []

    def run(self):
        writer = new_writer(self.folder)
        number = ITEMS
        while not self.stop.wait(0.2):
            outcome = writer.show(an_item(number), never_expired)
            while outcome.verdict is Verdict.HELD and not self.stop.wait(outcome.retry_after_s):
                outcome = writer.show(an_item(number), never_expired)
            if outcome.verdict is not Verdict.DELIVERED:
                self.failed.append(outcome)
            self.shown.append((time.monotonic(), number))
            number += 1
        writer.close()


def stale(watchers, shown):
    """Reads of a feed that did not know an item that had been shown before."""
    for asked, path, newest in (one for watcher in watchers for one in watcher.seen):
        due = [number for at, number in shown if at < asked]
        if due and newest < due[-1]:
            yield path, newest, due[-1]


@pytest.mark.promise("4.6")
async def test_a_hundred_readers_see_neither_torn_nor_old_feeds_during_a_rebuild(tmp_path):
    make_anew(tmp_path)
    for page in sorted((tmp_path / "public" / "tin").iterdir())[::2]:
        (page / "index.html").unlink()  # so that there is something to write
    heard, says = SPAWN.Pipe(duplex=False)
    server = SPAWN.Process(target=serve, args=(str(tmp_path), says), daemon=True)
    server.start()
    port, stop = await asyncio.to_thread(heard.recv), threading.Event()
    watchers = [FreshnessReader(port, seed, ReadLog({})) for seed in range(READERS)]
    publisher = PublishingThread(tmp_path, stop)
    publisher.start()
    reading = [asyncio.create_task(watcher.run(stop)) for watcher in watchers]
    worker = SPAWN.Process(target=make_anew, args=(str(tmp_path),), daemon=True)
    worker.start()
    begun = len(publisher.shown)
    await asyncio.to_thread(worker.join)
    meanwhile = len(publisher.shown) - begun
    await until(lambda: min(len(one.seen) for one in watchers) > 5, within_s=300)
    stop.set()
    await asyncio.gather(*reading)
    publisher.join()
    server.kill()
    assert worker.exitcode == 0 and publisher.failed == []
    assert [line for watcher in watchers for line in watcher.read_log.torn] == []
    assert list(stale(watchers, publisher.shown)) == []
    assert meanwhile > 1, "items are shown although the portal is being made anew"
    check_folder(tmp_path, len(publisher.shown))


def check_folder(folder, shown):
    """Everything is there at the end, as a check finds it."""
    assert len(list((folder / "public" / "tin").iterdir())) == ITEMS + shown
    audit = FolderAudit(folder, PRESS)
    glance = audit.open_snapshot()
    assert glance.count_pending() == (0, 0)
    assert list(audit.find_problems(glance)) == []
    glance.close()
