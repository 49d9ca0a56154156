"""Errors of the portal, and the short reason of an error.

FolderBusy        another process held the folder's lock until the timeout
FolderEmpty       the folder is new, or everything in it was lost
IndexLost         there are pages, and no readable index: rebuild the portal
FilesNotWritten   the index has the item, its files could not be written; the next writer retries
InvalidQuery      a field of a search address cannot be read"""

import errno
import sqlite3
from typing import Literal


class FolderBusy(Exception):
    """Another process held the folder all the time we were willing to wait."""


class IndexLost(Exception):
    """There are pages and no index that we can read: it has to be built again."""


class FolderEmpty(Exception):
    """There is nothing here: the folder is new, or all of it was lost."""


class FilesNotWritten(Exception):
    """The index has it and the files could not follow; the next one to come tries again."""


QueryProblem = Literal["long", "empty", "unknown", "day", "order", "page"]


class InvalidQuery(Exception):
    """A field of the address can't be read: its name, as the address has it, and why."""

    def __init__(self, field: str, reason: QueryProblem) -> None:
        super().__init__(field)
        self.field = field
        self.reason = reason


def error_reason(error: Exception) -> str:
    """An error as an outcome's reason: short, and without paths or text."""
    if isinstance(error, OSError):
        return errno.errorcode.get(error.errno or 0, "os_error").lower()
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorname", "sqlite_error").lower()
    return str(error)
