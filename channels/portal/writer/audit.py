"""The portal's files against its own index: every page and feed there, whole, and nothing else.

Without the writer's lock files may change while they are compared. So what differs is only a
suspicion; `again` holds the lock for the few files concerned, and then it is certain.
"""

from collections.abc import Container, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from channels.portal.index.snapshot import IndexSnapshot
from channels.portal.model.page_sets import FEED_FORMATS, page_set_at
from channels.portal.model.site import CANARY_PATH, item_path
from channels.portal.render.site_files import RenderedFile, SiteFiles
from channels.portal.storage.atomic_files import files_below, has_content
from channels.portal.storage.index_swap import INDEX_FILE
from channels.portal.storage.lock import folder_lock
from channels.portal.writer.writer import LOCK_FILE, SITE_MARKER_FILE

RECHECK_CHUNK = 50
"""So many files are compared before the writer may have its lock again."""
ITEM_PAGES = ("index.html", "410.html")
FEED_SUFFIXES = tuple(f".{kind}" for kind in (*FEED_FORMATS, "opml"))
OWNED_FOLDERS = ("tin", "nguon-tin", "muc", "so-do")
"""In these every file is the portal's."""


class FileProblem(NamedTuple):
    """A file that is wrong, and how."""

    rule: str
    path: str
    detail: str


class MatchAll:
    """Contains whatever one asks for."""

    def __contains__(self, path: object) -> bool:
        return True


class FolderAudit:
    """Reads one portal's folder; `files` counts what was compared."""

    def __init__(self, folder: Path, site_files: SiteFiles) -> None:
        self.public = folder / "public"
        self.aside = folder / "state" / "aside"
        self._state = folder / "state"
        self._site_files = site_files
        self.files_checked = 0

    @property
    def has_pages(self) -> bool:
        """Whether there are a portal's pages in this folder."""
        return (self.public / SITE_MARKER_FILE).exists()

    @property
    def has_state(self) -> bool:
        """Whether a writer has been in this folder, or tried to work in it."""
        return self._state.exists()

    @property
    def has_index(self) -> bool:
        """Whether there is an index that somebody has laid out. Raises sqlite3.Error."""
        if not (self._state / INDEX_FILE).exists():
            return False
        with closing(self.open_snapshot()) as glance:
            return not glance.is_new()

    def open_snapshot(self) -> IndexSnapshot:
        """The index as it is now. Raises sqlite3.Error."""
        return IndexSnapshot(self._state / INDEX_FILE)

    def is_comparable(self, snapshot: IndexSnapshot) -> bool:
        """Whether this program would write the same bytes as the one that wrote the files."""
        return snapshot.metadata("edition") == self._site_files.format_hash

    def find_problems(
        self, snapshot: IndexSnapshot, paths: Container[str] = MatchAll(), *, exact: bool = True
    ) -> Iterator[FileProblem]:
        """What is wrong with the *wanted* files; *exact*: they are compared byte by byte."""
        if exact:
            yield from self._check_items(snapshot, paths)
            yield from self._check_page_sets(snapshot, paths)
        yield from self.find_strays(snapshot, paths)

    def recheck(
        self, suspects: Sequence[FileProblem], lock_timeout_s: float, *, exact: bool
    ) -> list[FileProblem]:
        """Those that are still wrong while nobody writes. Raises Busy, sqlite3.Error, OSError."""
        certain: list[FileProblem] = []
        for start in range(0, len(suspects), RECHECK_CHUNK):
            paths = {one.path for one in suspects[start : start + RECHECK_CHUNK]}
            with (
                folder_lock(self._state / LOCK_FILE, lock_timeout_s),
                closing(self.open_snapshot()) as glance,
            ):
                certain += self.find_problems(glance, paths, exact=exact)
        return certain

    def leftover_files(self, before: float) -> list[str]:
        """Names of files that a writer has put aside before *before* and never took away."""
        if not self.aside.exists():
            return []
        return [one.name for one in self.aside.iterdir() if one.lstat().st_mtime < before]

    def _check_items(
        self, snapshot: IndexSnapshot, wanted: Container[str]
    ) -> Iterator[FileProblem]:
        for item in snapshot.all_items():
            paths = [f"{item_path(item.content_id)[1:]}/{name}" for name in ITEM_PAGES]
            if item.is_written and any(path in wanted for path in paths):
                yield from self._compare(self._site_files.item_files(item.stored), "page-differs")

    def _check_page_sets(
        self, snapshot: IndexSnapshot, wanted: Container[str]
    ) -> Iterator[FileProblem]:
        stale = {*snapshot.stale_page_sets(), *snapshot.stale_page_sets(stale_format=True)}
        for place in self._site_files.all_page_sets(snapshot):
            if place not in stale and any(path in wanted for path in place.paths):
                rule = "feed-differs" if place.paths[0].endswith(FEED_SUFFIXES) else "page-differs"
                yield from self._compare(self._site_files.page_set_files(place, snapshot), rule)
        yield from self._compare(
            (file for file in self._site_files.fixed_files() if file[0] in wanted), "page-differs"
        )

    def _compare(self, files: Iterator[RenderedFile], rule: str) -> Iterator[FileProblem]:
        for path, body in files:
            self.files_checked += 1
            found = self.public / path
            if body is None:
                if found.exists():
                    yield FileProblem(rule, path, "must not be there")
            elif not has_content(found, body):
                yield FileProblem(rule, path, "other bytes" if found.exists() else "is missing")

    def find_strays(
        self, snapshot: IndexSnapshot, paths: Container[str] = MatchAll()
    ) -> Iterator[FileProblem]:
        """Files for which the index has no reason."""
        begin = len(f"{self.public}/")
        for folder in OWNED_FOLDERS:
            root = self.public / folder
            for path in (
                (found[begin:] for found in files_below(str(root))) if root.is_dir() else ()
            ):
                if path in paths and not self.is_expected(path, snapshot):
                    yield FileProblem("page-unexpected", path, "no item of the index stands for it")

    def is_expected(self, path: str, snapshot: IndexSnapshot) -> bool:
        """Whether the index has a reason for the file."""
        folder, *rest = path.split("/")
        if folder == "tin":
            return (
                len(rest) == 2 and rest[1] in ITEM_PAGES and snapshot.current_revision(rest[0]) > 0
            )
        place = page_set_at(path)
        known = (
            place is not None
            and path in place.paths
            and self._site_files.is_needed(place, snapshot)
        )
        return known or path == CANARY_PATH[1:]
