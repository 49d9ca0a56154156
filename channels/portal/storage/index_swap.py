"""Crash-safe replacement of the portal's index by that of a rebuild.

A new index counts as soon as it has the name _NEXT_INDEX_FILE: each holder of the folder's lock
finishes the swap before any other work, so that no process writes to the old index any more. The
old index's `-wal` and `-shm` go first, because SQLite would take them for the new one's. The index
itself is replaced in one step, so that there is an index at every moment.
"""

from pathlib import Path

from channels.portal.storage.atomic_files import sync_folder
from contracts.base.crash_points import crash_point

INDEX_FILE, _NEXT_INDEX_FILE = "index.sqlite", "next.sqlite"


def has_index(state: Path) -> bool:
    """Whether *state* has an index, or the next one."""
    return (state / INDEX_FILE).exists() or (state / _NEXT_INDEX_FILE).exists()


def begin_swap(new_index: Path, state: Path) -> None:
    """Make *new_index*, complete and closed, the next index of *state*. Needs the folder's lock."""
    new_index.replace(state / _NEXT_INDEX_FILE)
    sync_folder(state)
    crash_point("portal.index_named")


def finish_swap(state: Path) -> None:
    """Finish a swap that was begun. Needs the folder's lock. Raises OSError."""
    next_index = state / _NEXT_INDEX_FILE
    if not next_index.exists():
        return
    for suffix in ("-wal", "-shm"):
        (state / f"{INDEX_FILE}{suffix}").unlink(missing_ok=True)
    crash_point("portal.index_alone")
    next_index.replace(state / INDEX_FILE)
    sync_folder(state)
