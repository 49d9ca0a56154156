"""Atomic replacement of files: readers see the old or the new file, also after a kill."""

import ctypes
import os
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from contracts.base.crash_points import crash_point

RenderedFile = tuple[str, bytes | None]
"""A path below the public folder and its content; None if the file must not exist."""
_SYNC_THREADS = 8
"""Fsyncs at the same time: the file system makes one commit of its journal for many of them."""
_MANY = 150
"""For so many paths one fsync of the whole file system costs less than one of each."""


class StagedFiles:
    """Files written aside and then renamed into place; readers see none of them before `commit`.

    *aside* is on the file system of *root*, outside the served folder, and belongs to one writer at
    a time. A new instance removes files that a killed writer left there. Where processes stage for
    the writer at the same time, each instance has a *name* of its own, and removes nothing.
    """

    def __init__(self, root: Path, aside: Path, name: str = "") -> None:
        self._root = root
        self._aside, self._name = aside, name
        self._moves: list[tuple[Path, Path]] = []
        self._removals: list[Path] = []
        self._folders: set[Path] = set()
        self._synced = 0
        if not name:
            remove_leftovers(aside)

    @property
    def count_writes(self) -> int:
        """Number of files to be written."""
        return len(self._moves)

    def stage(self, path: str, body: bytes | None) -> None:
        """Stage *body* for *path*, relative to the root; None removes the file.

        A file with the same content stays untouched.
        """
        target = self._root / path
        self._folders.add(target.parent)
        if body is None:
            self._removals.append(target)
        elif not has_content(target, body):
            beside = self._aside / f"{self._name}{len(self._moves)}.tmp"
            _write(beside, body)
            self._moves.append((beside, target))

    def stage_all(self, files: Iterable[RenderedFile]) -> None:
        """Stage files in this order."""
        for path, body in files:
            self.stage(path, body)

    def sync(self) -> None:
        """Fsync the files staged since the last call. Raises OSError, also for a full disk."""
        _sync_all([beside for beside, _ in self._moves[self._synced :]])
        self._synced = len(self._moves)

    def commit(self) -> None:
        """Rename the files into place in the order of staging, and fsync their folders."""
        self.sync()
        for beside, target in self._moves:
            self._make_folder(target.parent)
            beside.replace(target)
            crash_point("portal.file_in_place")
        for target in self._removals:
            target.unlink(missing_ok=True)
        crash_point("portal.all_in_place")
        _sync_all([folder for folder in self._folders if folder.is_dir()])

    def _make_folder(self, folder: Path) -> None:
        if not folder.is_dir():
            self._make_folder(folder.parent)
            folder.mkdir(exist_ok=True)
            self._folders |= {folder, folder.parent}


def write_files(root: Path, aside: Path, files: Iterable[RenderedFile]) -> None:
    staged = StagedFiles(root, aside)
    staged.stage_all(files)
    staged.commit()


def has_content(path: Path, body: bytes) -> bool:
    """Whether the file *path* has exactly the content *body*."""
    try:
        return path.stat().st_size == len(body) and path.read_bytes() == body
    except (FileNotFoundError, NotADirectoryError):
        return False


def sync_folder(folder: Path) -> None:
    """Fsync the folder, which makes renames in it durable."""
    _sync(folder)


def _sync_all(paths: Collection[Path]) -> None:
    """Fsync files and folders of one file system. Raises OSError."""
    if len(paths) >= _MANY:
        _sync_file_system(next(iter(paths)))
        return
    with ThreadPoolExecutor(_SYNC_THREADS) as threads:
        list(threads.map(_sync, paths))  # in a list, so that an error is raised


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sync_file_system(path: Path) -> None:
    """Fsync everything that was written on the file system of *path*. Raises OSError."""
    handle = os.open(path, os.O_RDONLY)
    try:
        if _LIBC.syncfs(handle):
            raise OSError(ctypes.get_errno(), "syncfs", str(path))
    finally:
        os.close(handle)


_LIBC = ctypes.CDLL(None, use_errno=True)


def _write(path: Path, body: bytes) -> None:
    with path.open("wb") as file:
        file.write(body)
        crash_point("portal.tmp_written")


def files_below(folder: str) -> Iterator[str]:
    """Paths of all files below a folder, found lazily."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from files_below(entry.path)
            else:
                yield entry.path


def remove_leftovers(folder: Path) -> None:
    """Remove files that a killed writer left."""
    for file in folder.iterdir():
        file.unlink()
