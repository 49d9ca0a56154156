"""Audit of the portal's folder: compare every page and feed with the index.

Files may change during a comparison without the writer's lock. A difference is therefore only a
suspicion until `recheck` confirms it with the lock held, for the files concerned.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from channels.portal.index.index import IndexSnapshot, has_tables
from channels.portal.model.cover import PICTURES_FOLDER
from channels.portal.model.page_sets import FEED_FORMATS, page_set_at
from channels.portal.model.site import CAMPAIGNS_FOLDER, CANARY_PATH, FIGURES_PATH, item_path
from channels.portal.render.site_files import SiteFiles
from channels.portal.storage.atomic_files import RenderedFile, files_below, has_content
from channels.portal.storage.index_swap import INDEX_FILE
from channels.portal.storage.lock import folder_lock
from channels.portal.storage.uploads import has_hash
from channels.portal.writer.writer import LOCK_FILE, SITE_MARKER_FILE
from contracts.desk.uploads import FOLDER as UPLOADS_FOLDER
from contracts.desk.uploads import parse_file

_RECHECK_CHUNK = 50
"""Files compared before the lock is released for the writer."""
_ITEM_PAGES = ("index.html", "410.html")
_FEED_SUFFIXES = tuple(f".{kind}" for kind in (*FEED_FORMATS, "opml"))
_OWNED_FOLDERS = (
    *("tin", "nguon-tin", "muc", CAMPAIGNS_FOLDER, "so-do", FIGURES_PATH[1:]),
    *(PICTURES_FOLDER, UPLOADS_FOLDER),
)
"""Folders whose files all belong to the portal, but for Zalo's pictures in `anh/` itself."""
_Filter = Callable[[str], bool]
"""Whether a file is to be checked; `bool` for all."""


class FileProblem(NamedTuple):
    """A wrong file: the broken rule, its path, and the difference."""

    rule: str
    path: str
    detail: str


class FolderAudit:
    """Audit of one portal's folder; `files_checked` counts compared files.

    *is_here*: this machine is known to have the portal, even without a folder.
    """

    def __init__(self, folder: Path, site_files: SiteFiles, *, is_here: bool = False) -> None:
        self.public = folder / "public"
        self.aside = folder / "state" / "aside"
        self._state = folder / "state"
        self._site_files = site_files.with_covers(self.public)
        self.is_here = is_here
        self.files_checked = 0

    @property
    def has_pages(self) -> bool:
        return (self.public / SITE_MARKER_FILE).exists()

    @property
    def has_state(self) -> bool:
        """Whether a writer ever worked in the folder."""
        return self._state.exists()

    @property
    def has_index(self) -> bool:
        """Whether the folder has an index with tables. Raises sqlite3.Error."""
        return has_tables(self._state / INDEX_FILE)

    def open_snapshot(self) -> IndexSnapshot:
        """Open a snapshot of the index. Raises sqlite3.Error."""
        return IndexSnapshot(self._state / INDEX_FILE)

    def is_comparable(self, snapshot: IndexSnapshot) -> bool:
        """Whether the files have the current format, so that bytes can be compared."""
        return snapshot.metadata("edition") == self._site_files.format_hash

    def find_problems(
        self, snapshot: IndexSnapshot, is_wanted: _Filter = bool, *, exact: bool = True
    ) -> Iterator[FileProblem]:
        """Problems of the wanted files; *exact*: compare them byte by byte."""
        if exact:
            yield from self._check_items(snapshot, is_wanted)
            yield from self._check_sets(snapshot, is_wanted)
            yield from self._check_uploads(snapshot, is_wanted)
        yield from self.find_strays(snapshot, is_wanted)

    def recheck(
        self, suspects: Sequence[FileProblem], lock_timeout_s: float, *, exact: bool
    ) -> list[FileProblem]:
        """Problems that persist under the lock. Raises FolderBusy, sqlite3.Error, OSError."""
        certain: list[FileProblem] = []
        for start in range(0, len(suspects), _RECHECK_CHUNK):
            paths = {problem.path for problem in suspects[start : start + _RECHECK_CHUNK]}
            with (
                folder_lock(self._state / LOCK_FILE, lock_timeout_s),
                closing(self.open_snapshot()) as snapshot,
            ):
                certain += self.find_problems(snapshot, paths.__contains__, exact=exact)
        return certain

    def leftover_files(self, before: float) -> list[str]:
        """Names of staged files older than *before*, left by a killed writer."""
        if not self.aside.exists():
            return []
        return [file.name for file in self.aside.iterdir() if file.lstat().st_mtime < before]

    def _check_items(self, snapshot: IndexSnapshot, is_wanted: _Filter) -> Iterator[FileProblem]:
        for item in snapshot.all_items():
            paths = [f"{item_path(item.content_id)[1:]}/{name}" for name in _ITEM_PAGES]
            if item.is_written and any(map(is_wanted, paths)):
                related = snapshot.related_items(item.content_id)
                campaign = snapshot.campaign_of(item.stored.publication.campaign)
                files = self._site_files.item_files(item.stored, related, campaign)
                yield from self._compare(files, "page-differs")

    def _check_sets(self, snapshot: IndexSnapshot, is_wanted: _Filter) -> Iterator[FileProblem]:
        stale = {*snapshot.stale_page_sets(), *snapshot.stale_page_sets(stale_format=True)}
        for page_set in self._site_files.all_page_sets(snapshot):
            if page_set not in stale and any(map(is_wanted, page_set.paths)):
                is_feed = page_set.paths[0].endswith(_FEED_SUFFIXES)
                files = self._site_files.page_set_files(page_set, snapshot)
                yield from self._compare(files, "feed-differs" if is_feed else "page-differs")
        fixed = (file for file in self._site_files.fixed_files() if is_wanted(file[0]))
        yield from self._compare(fixed, "page-differs")

    def _check_uploads(self, snapshot: IndexSnapshot, is_wanted: _Filter) -> Iterator[FileProblem]:
        """Uploaded files have the content that their address names."""
        for file in filter(is_wanted, snapshot.named_uploads()):
            self.files_checked += 1
            if not has_hash(self.public / file, parse_file(file).hash):
                there = (self.public / file).exists()
                yield FileProblem("page-differs", file, "other bytes" if there else "is missing")

    def _compare(self, files: Iterator[RenderedFile], rule: str) -> Iterator[FileProblem]:
        for path, body in files:
            self.files_checked += 1
            target = self.public / path
            if body is None:
                if target.exists():
                    yield FileProblem(rule, path, "must not be there")
            elif not has_content(target, body):
                yield FileProblem(rule, path, "other bytes" if target.exists() else "is missing")

    def find_strays(
        self, snapshot: IndexSnapshot, is_wanted: _Filter = bool
    ) -> Iterator[FileProblem]:
        """Files the index does not reference."""
        prefix_length = len(f"{self.public}/")
        for root in (self.public / folder for folder in _OWNED_FOLDERS):
            for file in files_below(str(root)) if root.is_dir() else ():
                path = file[prefix_length:]
                if is_wanted(path) and not self.is_expected(path, snapshot):
                    yield FileProblem("page-unexpected", path, "no item of the index stands for it")

    def is_expected(self, path: str, snapshot: IndexSnapshot) -> bool:
        """Whether the index references the file."""
        if path.startswith(f"{UPLOADS_FOLDER}/"):
            return not snapshot.knows_uploads or snapshot.is_upload_named(path)
        return self._is_page_expected(path, snapshot)

    def _is_page_expected(self, path: str, snapshot: IndexSnapshot) -> bool:
        match path.split("/"):
            case ["tin", content_id, name]:
                return name in _ITEM_PAGES and snapshot.current_revision(content_id) > 0
            case ["tin", *_]:
                return False
            case [folder, name] if folder == PICTURES_FOLDER:
                return name.endswith(".jpg")
            case [folder, content_id, _] if folder == PICTURES_FOLDER:
                stored = snapshot.find_item(content_id)
                return stored is not None and self._site_files.has_cover_file(stored, path)
        page_set = page_set_at(path)
        if page_set is None or path not in page_set.paths:
            return path == CANARY_PATH[1:]
        return self._site_files.is_needed(page_set, snapshot)
