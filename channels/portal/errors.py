"""Errors of the portal, and the short reason of an error."""

import errno
import sqlite3
from typing import Literal

INDEX_LOST = "index_lost"
"""Why the channel stands when the index, or the whole folder, is gone."""

NOT_SEEN = "not_seen"
"""How the reason of a doubt begins: the files have the item, and readers could not see it there."""


class FolderBusy(Exception):
    """Another process held the folder's lock until the timeout."""


class IndexLost(Exception):
    """The folder has pages and no readable index; the portal has to be rebuilt."""


class FolderEmpty(Exception):
    """The folder has neither pages nor an index: it is new, or everything was lost."""


class FilesNotWritten(Exception):
    """The index has the item, its files could not be written; the next writer retries."""


_QueryProblem = Literal["long", "empty", "unknown", "day", "order", "page"]


class InvalidQuery(Exception):
    """One field of a search address is invalid: its name in the address, and the problem."""

    def __init__(self, field: str, reason: _QueryProblem) -> None:
        super().__init__(field)
        self.field = field
        self.reason = reason


def error_reason(error: Exception) -> str:
    """The short reason of *error* for an outcome, without paths or message text."""
    if isinstance(error, OSError):
        return errno.errorcode.get(error.errno or 0, "os_error").lower()
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorname", "sqlite_error").lower()
    return str(error)
