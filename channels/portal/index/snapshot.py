"""A look at the portal's index by somebody who is not its writer: reads only, locks nobody out."""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from channels.portal.index.index import PortalIndex, StoredItem


@dataclass(frozen=True, slots=True)
class SnapshotItem:
    """One item as the index has it; `settled`: its page was written, by this edition."""

    content_id: str
    revision: int
    stored: StoredItem
    is_written: bool


class IndexSnapshot(PortalIndex):
    """The index at one moment: what its writer does meanwhile is not seen."""

    def __init__(self, path: Path) -> None:
        """Leaves no file behind, which another user's writer could not open."""
        used = path.with_name(f"{path.name}-wal").exists()
        mode = "mode=ro" if used else "immutable=1"
        self._db = sqlite3.connect(
            f"{path.resolve().as_uri()}?{mode}",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
        )
        self._db.execute("BEGIN")

    def all_items(self) -> Iterator[SnapshotItem]:
        """Every item."""
        found = self._db.execute(
            "SELECT content_id, revision, publication, body, undone OR old_print FROM item"
            " ORDER BY content_id"
        )
        for content_id, revision, written, body, unsettled in found:
            yield SnapshotItem(content_id, revision, StoredItem(written, body), not unsettled)

    def shown_revisions(self) -> Iterator[tuple[str, int]]:
        """Every revision that ever was visible."""
        yield from self._db.execute("SELECT content_id, revision FROM shown")
