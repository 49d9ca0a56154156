"""The index of a rebuild takes the old one's place, and no death in between leaves none.

Once the new one stands under the name NEXT it counts: whoever takes the folder's lock carries the
swap out before anything else, so that nobody writes to the old one any more. What the old one keeps
beside itself goes first, because SQLite would take it for the new one's; the file itself is
replaced, in one step, so that there is an index at every moment.
"""

from pathlib import Path

from channels.portal.storage.atomic_files import sync_folder
from contracts.base.crash_points import crash_point

INDEX_FILE, NEXT_INDEX_FILE = "index.sqlite", "next.sqlite"


def begin_swap(new_index: Path, state: Path) -> None:
    """Let *made*, whole and closed, be the next index of *state*; for who holds the lock."""
    new_index.replace(state / NEXT_INDEX_FILE)
    sync_folder(state)
    crash_point("portal.index_named")


def finish_swap(state: Path) -> None:
    """Finish the swap, if one was begun; for who holds the lock. Raises OSError."""
    new = state / NEXT_INDEX_FILE
    if not new.exists():
        return
    for beside in ("-wal", "-shm"):
        (state / f"{INDEX_FILE}{beside}").unlink(missing_ok=True)
    crash_point("portal.index_alone")
    new.replace(state / INDEX_FILE)
    sync_folder(state)
