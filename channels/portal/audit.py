"""The portal's files against its own index: every page and feed there, whole, and nothing else.

Without the writer's lock files may change while they are compared. So what differs is only a
suspicion; `again` holds the lock for the few files concerned, and then it is certain.
"""

from collections.abc import Container, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from channels.portal import rules
from channels.portal.files import below, holds
from channels.portal.glance import Glance, Standing
from channels.portal.lock import alone
from channels.portal.places import KINDS, place_at
from channels.portal.press import File, Press
from channels.portal.site import CANARY_PATH, item_path
from channels.portal.swap import INDEX
from channels.portal.writer import LAID_OUT, LOCK

HELD = 50
"""So many files are compared before the writer may have its lock again."""
PAGES = ("index.html", "410.html")
FEEDS = tuple(f".{kind}" for kind in (*KINDS, "opml"))
FOLDERS = ("tin", "nguon-tin", "muc", "so-do")
"""In these every file is the portal's."""


class Fault(NamedTuple):
    """A file that is wrong, and how."""

    rule: str
    path: str
    detail: str


class Everything:
    """Contains whatever one asks for."""

    def __contains__(self, path: object) -> bool:
        return True


class Audit:
    """Reads one portal's folder; `files` counts what was compared."""

    def __init__(self, folder: Path, press: Press) -> None:
        self.public = folder / "public"
        self.aside = folder / "state" / "aside"
        self._state = folder / "state"
        self._press = press
        self.files = 0

    @property
    def stands(self) -> bool:
        """Whether there are a portal's pages in this folder."""
        return (self.public / LAID_OUT).exists()

    @property
    def worked_in(self) -> bool:
        """Whether a writer has been in this folder, or tried to work in it."""
        return self._state.exists()

    @property
    def indexed(self) -> bool:
        """Whether there is an index that somebody has laid out. Raises sqlite3.Error."""
        if not (self._state / INDEX).exists():
            return False
        with closing(self.glance()) as glance:
            return not glance.is_new()

    def glance(self) -> Glance:
        """The index as it is now. Raises sqlite3.Error."""
        return Glance(self._state / INDEX)

    def comparable(self, glance: Glance) -> bool:
        """Whether this program would write the same bytes as the one that wrote the files."""
        return glance.mark("edition") == self._press.edition

    def faults(
        self, glance: Glance, wanted: Container[str] = Everything(), *, exact: bool = True
    ) -> Iterator[Fault]:
        """What is wrong with the *wanted* files; *exact*: they are compared byte by byte."""
        if exact:
            yield from self._pages(glance, wanted)
            yield from self._shelves(glance, wanted)
        yield from self.strays(glance, wanted)

    def again(self, suspects: Sequence[Fault], patience_s: float, *, exact: bool) -> list[Fault]:
        """Those that are still wrong while nobody writes. Raises Busy, sqlite3.Error, OSError."""
        certain: list[Fault] = []
        for start in range(0, len(suspects), HELD):
            paths = {one.path for one in suspects[start : start + HELD]}
            with alone(self._state / LOCK, patience_s), closing(self.glance()) as glance:
                certain += self.faults(glance, paths, exact=exact)
        return certain

    def leftovers(self, before: float) -> list[str]:
        """Names of files that a writer has put aside before *before* and never took away."""
        if not self.aside.exists():
            return []
        return [one.name for one in self.aside.iterdir() if one.lstat().st_mtime < before]

    def _pages(self, glance: Glance, wanted: Container[str]) -> Iterator[Fault]:
        for item in glance.standing():
            paths = [f"{item_path(item.content_id)[1:]}/{name}" for name in PAGES]
            if item.settled and any(path in wanted for path in paths):
                yield from self._compare(self._press.item_files(item.row), "page-differs")

    def _shelves(self, glance: Glance, wanted: Container[str]) -> Iterator[Fault]:
        stale = {*glance.stale(), *glance.stale(old_print=True)}
        for place in self._press.everything(glance):
            if place not in stale and any(path in wanted for path in place.paths):
                rule = "feed-differs" if place.paths[0].endswith(FEEDS) else "page-differs"
                yield from self._compare(self._press.files(place, glance), rule)
        yield from self._compare(
            (file for file in self._press.fixed_files() if file[0] in wanted), "page-differs"
        )

    def _compare(self, files: Iterator[File], rule: str) -> Iterator[Fault]:
        for path, body in files:
            self.files += 1
            found = self.public / path
            if body is None:
                if found.exists():
                    yield Fault(rule, path, "must not be there")
            elif not holds(found, body):
                yield Fault(rule, path, "other bytes" if found.exists() else "is missing")
            if path.endswith(FEEDS) and found.exists():
                yield from self._valid(path, found.read_bytes())

    def _valid(self, path: str, body: bytes) -> Iterator[Fault]:
        broken = rules.check(body, self._press.site.url(f"/{path}"))
        if broken:
            yield Fault("feed-broken", path, str(broken[0]))

    def strays(self, glance: Glance, wanted: Container[str] = Everything()) -> Iterator[Fault]:
        """Files for which the index has no reason."""
        begin = len(f"{self.public}/")
        for folder in FOLDERS:
            root = self.public / folder
            for path in (found[begin:] for found in below(str(root))) if root.is_dir() else ():
                if path in wanted and not self.belongs(path, glance):
                    yield Fault("page-unexpected", path, "no item of the index stands for it")

    def belongs(self, path: str, glance: Glance) -> bool:
        """Whether the index has a reason for the file."""
        folder, *rest = path.split("/")
        if folder == "tin":
            return len(rest) == 2 and rest[1] in PAGES and glance.revision(rest[0]) > 0
        place = place_at(path)
        known = place is not None and path in place.paths and self._press.exists(place, glance)
        return known or path == CANARY_PATH[1:]


__all__ = ["Audit", "Fault", "Standing"]
