"""How a publication becomes visible: staged, committed to the index, put in place, ticked off.

    stage     all files are written aside and fsynced; a full disk is found here, nothing is visible
    commit    the index takes the revision: from here on it will be shown, whoever finishes it
    swap      the files are renamed into place: item, then feeds, then home
    tick off  the index forgets what was undone

A writer that is killed leaves undone work in the index; whoever takes the lock next finishes it
first. So a row in doubt has an answer: what the index has is delivered, the rest never arrived.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import structlog

from channels.base import Deadline, Outcome, Verdict
from channels.portal import swap
from channels.portal.files import Stage, empty
from channels.portal.index import LAYOUT, Index
from channels.portal.lock import Busy, alone
from channels.portal.places import ARCHIVE, MAP, MONTH
from channels.portal.press import File, Press
from channels.portal.search.keeper import Keeper
from channels.portal.site import Site
from channels.portal.swap import INDEX
from channels.portal.work import Tell, Work, nobody, said, sign, taken
from contracts.crash import crash_point
from contracts.publication import Publication

log = structlog.get_logger()
CHUNK = 200
T = TypeVar("T")
LOCK = "lock"
AGAIN_S = 30.0
BUSY_S = 5.0
LAID_OUT = "404.html"
"""Written last of what every site has; without it the public folder is new, or was emptied."""


class IndexLost(Exception):
    """There are pages and no index that we can read: it has to be built again."""


class Empty(Exception):
    """There is nothing here: the folder is new, or all of it was lost."""


class Unfinished(Exception):
    """The index has it and the files could not follow; the next one to come tries again."""


class Writer:
    """The only thing that changes the portal's folder; used by one thread.

    `folder/public` is what web servers serve; `folder/state` is nobody's but the writer's.
    """

    def __init__(self, folder: Path, press: Press, patience_s: float) -> None:
        self.public = folder / "public"
        self._state = folder / "state"
        self._aside = self._state / "aside"
        self._press = press
        self._patience_s = patience_s
        self.written = 0
        self._index: Index | None = None
        self._keeper = Keeper(self._state, press.site, press.paper)

    @property
    def site(self) -> Site:
        return self._press.site

    def close(self) -> None:
        self._keeper.close()
        if self._index:
            self._index.close()
            self._index = None

    def prepare(self, *, begin: bool = True, tell: Tell = nobody) -> None:
        """Make the folder ready: finish what a killed writer left, renew what is out of date.

        Raises OSError, sqlite3.Error, Busy, Unfinished or IndexLost, and Empty where a portal would
        have to be begun and *begin* forbids it.
        """
        self.public.mkdir(parents=True, exist_ok=True)
        self._aside.mkdir(parents=True, exist_ok=True)
        with self._alone() as index:
            empty(self._aside)
            if index.layout != LAYOUT:
                self._begin(index, begin)
            self._keeper.ready()
            self._renew(index)
            self._finish(index, tell, index.waiting())
            self._renew_some(index)

    def refresh(self, limit: int = CHUNK) -> Work:
        """Write again some of what is in old print; returns what that was. Raises as `prepare`."""
        if not self._state.exists():
            return Work()
        with self._alone() as index:
            if index.layout != LAYOUT:
                return Work()
            if not (self.public / LAID_OUT).exists():
                log.warning("portal_files_lost", items=index.items())
                self._renew(index)
            self._finish(index)
            return self._renew_some(index, limit)

    def forget(self) -> None:
        """Let the search find only what the index has. Raises as `prepare`."""
        with self._alone() as index:
            self._keeper.forget_others(index)

    def show(self, publication: Publication, expired: Deadline) -> Outcome:
        """Make *publication* visible. Never raises for what disk or index do."""
        try:
            with self._alone() as index:
                self._finish(index)
                if index.revision(publication.content_id) > publication.revision:
                    return Outcome(Verdict.FAILED, "superseded_by_newer")
                if expired():
                    return Outcome(Verdict.UNSENT, "deadline_passed")
                self._show(index, publication)
                crash_point("portal.ticked_off")
                return Outcome(Verdict.DELIVERED)
        except Unfinished as error:
            return Outcome(Verdict.DOUBT, str(error), AGAIN_S)
        except Busy:
            return Outcome(Verdict.HELD, "folder_busy", BUSY_S, asked=False)
        except (OSError, sqlite3.Error) as error:
            return Outcome(Verdict.HELD, said(error), AGAIN_S, trouble=True)

    def standing(self, publication: Publication) -> Outcome:
        """Say whether *publication* is, or was, visible; what was begun is finished first."""
        try:
            with self._alone() as index:
                self._finish(index)
                if not index.was_shown(publication.content_id, publication.revision):
                    return Outcome(Verdict.ABSENT)
                self._restore(index, publication.content_id)
                return Outcome(Verdict.DELIVERED)
        except Busy:
            return Outcome(Verdict.DOUBT, "folder_busy", BUSY_S)
        except (OSError, sqlite3.Error, Unfinished) as error:
            return Outcome(Verdict.DOUBT, said(error), AGAIN_S)

    def place(self, path: str, body: bytes) -> Outcome:
        """Put a file in place that the index does not know. Never raises, as `show`."""
        try:
            with self._alone():
                stage = Stage(self.public, self._aside)
                stage.put(path, body)
                stage.swap()
        except Busy:
            return Outcome(Verdict.HELD, "folder_busy", BUSY_S)
        except (OSError, sqlite3.Error) as error:
            return Outcome(Verdict.HELD, said(error), AGAIN_S)
        return Outcome(Verdict.DELIVERED)

    def waiting(self) -> tuple[int, int]:
        """How many items and other places are to be written yet. Raises OSError."""
        return self._looked(Index.waiting, (0, 0))

    def documents(self, publication: Publication) -> list[str]:
        """Paths of the feeds that have the item. Raises OSError."""
        return self._looked(lambda index: self._press.documents(publication, index), [])

    def untold(self) -> list[tuple[str, int]]:
        """Feeds of which the hub has not heard, and how often each has changed. Raises OSError."""
        return self._looked(Index.untold, [])

    def told(self, slug: str, turn: int) -> None:
        """The hub has heard of the feed. Raises OSError."""
        self._looked(lambda index: index.told(slug, turn), None)

    def _looked(self, look: Callable[[Index], T], otherwise: T) -> T:
        """What *look* finds in an index that stands."""
        try:
            with self._alone() as index:
                return look(index) if index.layout == LAYOUT else otherwise
        except (Busy, sqlite3.Error) as error:
            raise OSError(said(error)) from error

    def take(self, publications: Iterable[Publication]) -> None:
        """Take many into the index, in any order; `finish` then writes their files."""
        with self._alone() as index, index.transaction():
            for publication in publications:
                taken(index, self._press, publication)

    def finish(self, tell: Tell = nobody) -> None:
        """Bring the files up to the index. Raises as `prepare`."""
        with self._alone() as index:
            self._finish(index, tell, index.waiting())

    def _show(self, index: Index, publication: Publication) -> None:
        with index.transaction():
            row = taken(index, self._press, publication)
            work = Work([row], index.stale())
            stage = self._stage(index, work)
            crash_point("portal.staged")
        crash_point("portal.committed")
        self._complete(index, work, stage)

    def _finish(self, index: Index, tell: Tell = nobody, waiting: tuple[int, int] = (0, 0)) -> None:
        """Bring the files up to the index; nothing to do unless a writer was stopped half-way."""
        while rows := index.undone(CHUNK):
            self._do(index, Work(rows=rows))
            tell("items", len(rows), waiting[0])
        while places := index.stale(CHUNK):
            self._do(index, Work(places=places))
            tell("places", len(places), waiting[1])

    def _renew_some(self, index: Index, limit: int = CHUNK) -> Work:
        """Items first: nothing may point at what is not there yet."""
        rows = index.old_print(limit)
        work = Work(rows, index.stale(limit - len(rows), old_print=True))
        self._do(index, work)
        return replace(work, learnt=self._keeper.renew(index))

    def _do(self, index: Index, work: Work) -> None:
        if work.rows or work.places:
            self._complete(index, work, self._stage(index, work))

    def _stage(self, index: Index, work: Work) -> Stage:
        stage = Stage(self.public, self._aside)
        for path, body in self._files(index, work):
            stage.put(path, body)
        return stage

    def _files(self, index: Index, work: Work) -> Iterator[File]:
        """In the order in which they are put in place: nothing points at what is not there yet."""
        for row in work.rows:
            yield from self._press.item_files(row)
        for place in work.places:
            yield from self._press.files(place, index)

    def _complete(self, index: Index, work: Work, stage: Stage) -> None:
        try:
            stage.swap()
            self.written += stage.changes
            crash_point("portal.swapped")
            self._keeper.learn(work.rows)
            crash_point("portal.learnt")
            with index.transaction():
                index.pages_done(work.rows)
                index.places_done(work.places)
        except (OSError, sqlite3.Error) as error:
            raise Unfinished(said(error)) from error

    def _restore(self, index: Index, content_id: str) -> None:
        """Write again whatever of the item's files is missing or damaged."""
        row = index.row(content_id)
        if row:
            self._do(index, Work([row], index.places_of(content_id, self._press.part)))

    def _begin(self, index: Index, begin: bool) -> None:
        if (self.public / LAID_OUT).exists() or not index.is_new():
            raise IndexLost
        if not begin:
            raise Empty
        index.lay_out()

    def _renew(self, index: Index) -> None:
        """Write what every site has, and have the rest written again after a change of edition."""
        laid_out = (self.public / LAID_OUT).exists()
        if laid_out and index.mark("edition") == self._press.edition:
            return
        with index.transaction():
            self._mark_everything(index, laid_out)
        stage = Stage(self.public, self._aside)
        for path, body in self._press.fixed_files():
            stage.put(path, body)
        stage.swap()
        sign(index, self._press)

    def _mark_everything(self, index: Index, laid_out: bool) -> None:
        """All at once where there is nothing, or else what is about the past bit by bit."""
        index.set_mark("edition", "")
        places = list(self._press.everything(index))
        old = {one for one in places if laid_out and one.kind in (ARCHIVE, MONTH, MAP)}
        index.mark_stale(old, old_print=True)
        index.mark_stale(one for one in places if one not in old)
        if laid_out:
            index.mark_old_print()
        else:
            index.mark_undone()

    @contextmanager
    def _alone(self) -> Iterator[Index]:
        with alone(self._state / LOCK, self._patience_s):
            swap.carry_out(self._state)
            if self._index and not self._index.stands:
                self.close()  # a rebuild has put another one there
            if self._index is None:
                self._index = Index(self._state / INDEX)
            yield self._index
