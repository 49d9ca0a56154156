"""The keeper of the file of rows, which follows the facts."""

import sqlite3
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from pathlib import Path

import structlog

from consumers.desk.reports.follow import RowsFollower
from consumers.desk.reports.rows_file import RowsFile, Rules, open_rows
from consumers.desk.sqlite_copy.keeper import CopyKeeper
from consumers.facts.store import FactStore
from consumers.messages import field_error
from contracts.errors import Unavailable
from producers.bus import BusError

log = structlog.get_logger()


class RowsKeeper(CopyKeeper[RowsFile]):
    """Reads what another process wrote as it is: a later fact counts in a later report."""

    idle_s = 2.0

    def __init__(self, store: FactStore, path: Path, rules: Rules) -> None:
        super().__init__(path)
        self.store, self.rules = store, rules

    def open_file(self) -> RowsFile:
        return open_rows(self.path, self.rules)

    def follow(self, file: RowsFile, writer: Executor) -> Callable[[], Awaitable[None]]:
        return RowsFollower(self.store, file, writer).advance

    def log_trouble(self, trouble: BusError | sqlite3.Error | OSError) -> None:
        if isinstance(trouble, BusError):
            log.warning("desk_reports_interrupted", reason=str(trouble))
        else:
            log.error("desk_reports_file_trouble", reason=str(trouble))

    def unreadable(self, trouble: Exception | None) -> Unavailable:
        if trouble:
            log.error("desk_reports_unreadable", reason=str(trouble))
        return Unavailable(field_error("reports", "desk_reports_unreadable"))
