"""Putting files in place: a reader sees the old one or the new one, whenever we are killed."""

import os
from collections.abc import Iterator
from pathlib import Path

from contracts.base.crash_points import crash_point


class StagedFiles:
    """Files written aside and then put in place together; before `swap` no reader sees any of it.

    *aside* lies on the file system of *root*, outside what is served, and belongs to one writer at
    a time: what a killed one left there is thrown away by the next.
    """

    def __init__(self, root: Path, aside: Path) -> None:
        self._root = root
        self._aside = aside
        self._moves: list[tuple[Path, Path]] = []
        self._removals: list[Path] = []
        self._folders: set[Path] = set()
        remove_leftovers(aside)

    @property
    def count_writes(self) -> int:
        """How many files are to be written."""
        return len(self._moves)

    def stage(self, path: str, body: bytes | None) -> None:
        """Stage *body* for *path* (relative to the root); None has the file removed.

        A file that holds these bytes already stays as it is.
        """
        target = self._root / path
        self._folders.add(target.parent)
        if body is None:
            self._removals.append(target)
        elif not has_content(target, body):
            beside = self._aside / f"{len(self._moves)}.tmp"
            _write(beside, body)
            self._moves.append((beside, target))

    def commit(self) -> None:
        """Put everything in place, in the order of staging, and make it last."""
        for beside, target in self._moves:
            self._make_folder(target.parent)
            beside.replace(target)
            crash_point("portal.file_in_place")
        for target in self._removals:
            target.unlink(missing_ok=True)
        crash_point("portal.all_in_place")
        for folder in sorted(self._folders):
            if folder.is_dir():
                sync_folder(folder)

    def _make_folder(self, folder: Path) -> None:
        if not folder.is_dir():
            self._make_folder(folder.parent)
            folder.mkdir(exist_ok=True)
            self._folders |= {folder, folder.parent}


def has_content(path: Path, body: bytes) -> bool:
    """Whether *path* has exactly these bytes."""
    try:
        return path.stat().st_size == len(body) and path.read_bytes() == body
    except (FileNotFoundError, NotADirectoryError):
        return False


def sync_folder(folder: Path) -> None:
    """Make the folder's names last: a rename counts only after this."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write(path: Path, body: bytes) -> None:
    with path.open("wb") as file:
        file.write(body)
        crash_point("portal.tmp_written")
        file.flush()
        os.fsync(file.fileno())


def files_below(folder: str) -> Iterator[str]:
    """The paths of all files in a folder and its folders, however many there are."""
    with os.scandir(folder) as found:
        for entry in found:
            if entry.is_dir(follow_symlinks=False):
                yield from files_below(entry.path)
            else:
                yield entry.path


def remove_leftovers(folder: Path) -> None:
    """Throw away what a killed writer has left."""
    for left in folder.iterdir():
        left.unlink()
