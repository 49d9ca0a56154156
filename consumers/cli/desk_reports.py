"""The desk's figures of reports for commands, from the copy of the facts on this machine."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from consumers.app.settings import LoaSettings, load_deadlines, load_vocabulary, read_settings
from consumers.cli.background import in_background
from consumers.desk.reports.rows_file import ROWS_FILE
from consumers.desk.reports.service import LiveReports
from consumers.facts.store import FactStore
from consumers.messages import field_error
from consumers.periodic_reports.archive import HeaderSources
from consumers.periodic_reports.contents.texts import load_texts
from contracts.errors import Unavailable
from producers.bus import Bus


@asynccontextmanager
async def open_reports(bus: Bus) -> AsyncIterator[LiveReports]:
    """Raises Unavailable where the desk has made no copy, and Invalid for wrong settings."""
    settings = read_settings(LoaSettings)
    path = settings.desk_dir / ROWS_FILE
    if not path.is_file():
        raise Unavailable(field_error("reports", "desk_reports_none", file=path))
    texts, deadlines = load_texts(settings.report_texts_file), load_deadlines(settings)
    sources = HeaderSources(texts, load_vocabulary(settings), deadlines=deadlines)
    reports = LiveReports(FactStore(bus), path, sources)
    async with in_background(reports.run):
        yield reports
