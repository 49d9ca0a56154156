"""Read-only snapshots of the portal's index, which do not block its writer."""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from channels.portal.index.index import PortalIndex, StoredItem


@dataclass(frozen=True, slots=True)
class SnapshotItem:
    """One item of the snapshot; `is_written`: its page is on disk in the current format."""

    content_id: str
    revision: int
    stored: StoredItem
    is_written: bool


class IndexSnapshot(PortalIndex):
    """The index at one moment; later writes are invisible."""

    def __init__(self, path: Path) -> None:
        """Open *path* without creating files that another user's writer could not open."""
        has_wal = path.with_name(f"{path.name}-wal").exists()
        mode = "mode=ro" if has_wal else "immutable=1"
        self._db = sqlite3.connect(
            f"{path.resolve().as_uri()}?{mode}",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
        )
        self._db.execute("BEGIN")

    def all_items(self) -> Iterator[SnapshotItem]:
        """Every item of the index."""
        rows = self._db.execute(
            "SELECT content_id, revision, publication, body, undone OR old_print FROM item"
            " ORDER BY content_id"
        )
        for content_id, revision, publication_json, body_html, is_pending in rows:
            yield SnapshotItem(
                content_id, revision, StoredItem(publication_json, body_html), not is_pending
            )

    def shown_revisions(self) -> Iterator[tuple[str, int]]:
        """Every revision that was ever visible, by content id."""
        yield from self._db.execute("SELECT content_id, revision FROM shown")
