"""A hundred readers while five hundred items are written and the writer is killed 104 times."""

import hashlib
import os
import random
import signal
import sqlite3
import tempfile
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from channels.base import Verdict
from channels.portal.index import listings
from channels.portal.index.index import RelatedItem
from channels.portal.model.months import to_microseconds
from channels.portal.model.site import Site
from channels.portal.render.site_files import SiteFiles
from channels.portal.writer.rebuild import open_rebuild
from channels.portal.writer.writer import PortalWriter
from contracts.base import crash_points
from contracts.publication import Publication
from tests.support.forked_loa import fork_context
from tests.support.portal_dir import PUBLIC_URL, WORDS, feed, guids, never_expired, public_files
from tests.support.portal_readers import FEEDS, ReadLog, run_readers, serve
from tests.support.publications import RELEASED_AT, a_publication

ITEMS, CORRECTED, KILLS = 500, 10, 104
ENTRIES = 10
"""A feed's length here: a tenth of the work, and the same renames."""
MEMORY = Path("/dev/shm")
"""Writes of a killed process are there for the next one, on a disk or not."""
POINTS = {
    "portal.tmp_written",
    "portal.staged",
    "portal.committed",
    "portal.file_in_place",
    "portal.all_in_place",
    "portal.swapped",
    "portal.learnt",
    "portal.ticked_off",
}
PRESS = SiteFiles(Site(PUBLIC_URL, WORDS))
SPAWN = fork_context("tests.deep.faults.test_torn_reads", "tests.support.portal_dir")


def story(number: int) -> Publication:
    """The n-th publication: every tenth corrects an item that has been out for a while."""
    item, correction = divmod(number, CORRECTED + 1)
    at = RELEASED_AT + timedelta(minutes=number)
    if correction == CORRECTED:
        return item_of(item * CORRECTED + CORRECTED // 2, at, revision=2)
    return item_of(item * CORRECTED + correction, at)


def item_of(item: int, at: Any, revision: int = 1) -> Publication:
    said = "Bản đã sửa." if revision == 2 else "Bản đầu."
    return a_publication(
        content_id=f"tin-{item}",
        revision=revision,
        action="corrected" if revision == 2 else "published",
        topic="viec-lam",
        title=f"Tin số {item}",
        body=f"{said} " + "Đoạn văn về việc làm. " * 10 + said,
        first_released_at=RELEASED_AT + timedelta(minutes=item),
        released_at=at,
    )


STORIES = ITEMS + ITEMS // CORRECTED


def related_to(publication: Publication) -> list[RelatedItem]:
    """The three items before it, which are out already."""
    own = int(publication.content_id.removeprefix("tin-"))
    older = (item_of(item, RELEASED_AT) for item in range(own - 1, max(own - 4, -1), -1))
    return [
        RelatedItem(one.content_id, one.title, one.language, to_microseconds(one.first_released_at))
        for one in older
    ]


def pages() -> dict[str, frozenset[str]]:
    """Texts that each page may have: the first one, or the corrected one; nothing in between."""
    found: dict[str, set[str]] = {}
    for number in range(STORIES):
        publication = story(number)
        related = related_to(publication)
        [(_, page), _] = PRESS.item_files(PRESS.to_stored_item(publication), related)
        digest = hashlib.sha256(page or b"").hexdigest()
        found.setdefault(f"/tin/{publication.content_id}", set()).add(digest)
    return {path: frozenset(digests) for path, digests in found.items()}


def write(folder: str, done: Any, share: int, fuse: Any) -> None:
    """A worker: it asks first for what its predecessor may have left half-done, as all do.

    Its *fuse* kills it, or another process, or the end of its *share*, unless that is all the rest.
    """
    listings.FEED_LIMIT = ENTRIES
    if fuse:
        crash_points.arm(fuse)
    writer = PortalWriter(Path(folder), PRESS, lock_timeout_s=5.0)
    writer.prepare()
    known = writer.resolve(story(done.value)).verdict if done.value < STORIES else None
    while done.value < share:
        if known is not Verdict.DELIVERED:
            assert writer.show(story(done.value), never_expired).verdict is Verdict.DELIVERED
        done.value += 1
        known = None
    if share < STORIES:
        os.kill(os.getpid(), signal.SIGKILL)


class KillFuse:
    """Ends the process, as a kill does, at the n-th crash point, or the n-th time at *point*."""

    def __init__(self, passes: int, died: Any, point: str = "") -> None:
        self.left, self.died, self.point = passes, died, point

    def __call__(self, name: str) -> None:
        self.left -= self.point in ("", name)
        if self.left == 0:
            self.died.send(name)
            os.kill(os.getpid(), signal.SIGKILL)


class KilledWriter:
    """Starts workers and kills them: at crash points, and at any moment in between."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)
        self.chance = random.Random(20261125)
        self.done = SPAWN.Value("i", 0)
        self.points: Counter[str] = Counter()
        self.kills = 0

    def one_life(self) -> None:
        """From its start to its kill; one story at least is left for each life to come."""
        heard, died = SPAWN.Pipe(duplex=False)
        with heard, died:
            fuse, share = self.fuse(died), STORIES - (KILLS - self.kills)
            worker = SPAWN.Process(target=write, args=(self.folder, self.done, share, fuse))
            worker.start()
            if not fuse:
                self.let_work(worker)
                worker.kill()
            worker.join()
            assert worker.exitcode == -signal.SIGKILL
            self.kills += 1
            self.points.update([heard.recv()] if heard.poll() else [])
        worker.close()

    def fuse(self, died: Any) -> KillFuse | None:
        """Every second life has one, and every second of these is meant for one point."""
        number, kind = divmod(self.kills, 4)
        if kind == 1:
            return KillFuse(self.chance.randrange(1, 150), died)
        point = sorted(POINTS)[number % len(POINTS)]
        return KillFuse(self.chance.randrange(1, 5), died, point) if kind == 3 else None

    def let_work(self, worker: Any) -> None:
        """Until it has shown some items, and then to any moment of the next one."""
        target = self.done.value + self.chance.randrange(0, 8)
        while worker.is_alive() and self.done.value < min(target, STORIES):
            worker.join(0.002)
        worker.join(self.chance.uniform(0.0, 0.03))

    def finish(self) -> None:
        worker = SPAWN.Process(target=write, args=(self.folder, self.done, STORIES, None))
        worker.start()
        worker.join()
        assert worker.exitcode == 0
        worker.close()


class ConcurrentReaders:
    """A server and two processes with fifty readers each."""

    def __init__(self, folder: Path) -> None:
        self.stop, self.gone = SPAWN.Event(), False
        heard, says = SPAWN.Pipe(duplex=False)
        self.server = SPAWN.Process(target=serve, args=(str(folder), says))
        self.server.start()
        port = heard.recv()
        self.reports, self.readers = [], []
        for _ in range(2):
            report, told = SPAWN.Pipe(duplex=False)
            given = (port, str(folder), pages(), self.stop, told)
            self.readers.append(SPAWN.Process(target=run_readers, args=given))
            self.readers[-1].start()
            self.reports.append(report)

    def leave(self) -> list[dict[str, Any]]:
        """Reports of the readers; afterwards none is left."""
        self.stop.set()
        said = [report.recv() for report in self.reports if report.poll(120)]
        self.go()
        return said

    def go(self) -> None:
        if self.gone:
            return
        self.gone = True
        for process in (*self.readers, self.server):
            process.kill()
            process.join()
            process.close()


NEW, OLD = (
    next(iter(PRESS.item_files(PRESS.to_stored_item(item_of(7, RELEASED_AT, revision)), ())))[1]
    or b""
    for revision in (2, 1)
)
RSS = "/nguon-tin/tat-ca.rss"
EMPTY = b"<rss><channel></channel></rss>\n"


def rss(*items: int) -> bytes:
    guids = "".join(f"<item><guid>{PUBLIC_URL}/tin/tin-{n}</guid></item>" for n in items)
    return EMPTY.replace(b"</channel>", guids.encode() + b"</channel>")


@pytest.mark.parametrize(
    ("path", "bodies", "torn"),
    [
        (RSS, [rss(2, 1), rss(3, 2, 1)], 0),
        (RSS, [rss(2, 1)[:-7]], 1),
        (RSS, [rss(2, 1)[:40] + b"</rss>\n"], 1),
        (RSS, [rss(2, 2, 1)], 1),
        (RSS, [rss(1, 2)], 1),
        (RSS, [rss(3, 2, 1), rss(2, 1)], 1),
        (RSS, [b""], 1),
        ("/nguon-tin/tat-ca.json", [b'{"items": [], "a": {}'], 1),
        ("/tin/tin-7", [OLD, NEW], 0),
        ("/tin/tin-7", [NEW[:-9]], 1),
        ("/tin/tin-7", [NEW[:4000] + OLD[4000:]], 1),
    ],
)
def test_a_reader_notices_whatever_is_not_whole(path, bodies, torn):
    digests = frozenset(hashlib.sha256(body).hexdigest() for body in (NEW, OLD))
    account = ReadLog({"/tin/tin-7": digests})
    for body in bodies:
        account.check(path, body)
    assert len(account.torn) == torn


@pytest.fixture
def portal_dir(tmp_path, monkeypatch):
    monkeypatch.setattr(listings, "FEED_LIMIT", ENTRIES)
    if not os.access(MEMORY, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=MEMORY, prefix="loa-portal-") as folder:
        yield Path(folder)


@pytest.fixture
def concurrent_readers(portal_dir):
    folder = portal_dir / "portal"
    writer = PortalWriter(folder, PRESS, lock_timeout_s=5.0)
    writer.prepare()
    writer.close()
    audience = ConcurrentReaders(folder)
    yield folder, audience
    audience.go()


@pytest.mark.promise("4.1")
@pytest.mark.timeout(1800)
def test_a_hundred_readers_see_no_torn_page_when_the_writer_dies(concurrent_readers, portal_dir):
    folder, readers = concurrent_readers
    killer = KilledWriter(folder)
    while killer.kills < KILLS:
        killer.one_life()
    killer.finish()
    said = readers.leave()
    check_readers(said)
    assert set(killer.points) == POINTS, "each crash point was the last moment of some writer"
    check_folder(folder, portal_dir / "clean")


def check_readers(said: list[dict[str, Any]]) -> None:
    assert [line for one in said for line in one["torn"]] == []
    reads = [count for one in said for count in one["reads"]]
    assert len(reads) == 100
    assert min(reads) > 20, "everybody read all the time"
    assert all(one["unchanged"] > 100 for one in said), "and was told when nothing had changed"
    assert all(one["pages"] > 100 for one in said)


def check_folder(folder: Path, clean: Path) -> None:
    """Nothing is missing, and a build from nothing gives the same bytes."""
    found = public_files(folder)
    shown = {path for path in found if path.startswith("tin/")}
    assert shown == {f"tin/tin-{number}/index.html" for number in range(ITEMS)}
    for slug in FEEDS:
        ids = guids(feed(folder, f"{slug}.rss"))
        assert [one.rpartition("-")[2] for one in ids] == [
            str(ITEMS - 1 - n) for n in range(len(ids))
        ]
    with open_rebuild(clean, PRESS, 5.0) as portal:
        portal.add_publications(map(story, range(STORIES)))
        portal.finish()
    assert public_files(clean) == found
    assert list((folder / "state" / "aside").iterdir()) == []
    database = sqlite3.connect(folder / "state/index.sqlite")
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()
