"""Reports of live facts as they are followed, and facts that are stored for them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import date
from pathlib import Path

from consumers.cli.background import in_background
from consumers.desk.reports.service import LiveReports
from consumers.facts.store import FactStore
from consumers.periodic_reports.archive import HeaderSources
from consumers.periodic_reports.contents.texts import load_texts
from contracts.errors import Unavailable
from contracts.facts import Fact
from contracts.facts.live_reports import LiveReport, ReportScope, ReportWanted
from contracts.vocabulary import DEFAULT

FIRST, LAST = date(2026, 3, 1), date(2026, 3, 25)
ALL = ReportWanted(FIRST, LAST, (ReportScope(),))
SOURCES = HeaderSources(load_texts(Path("none")), DEFAULT)


def reports_of(bus, path: Path) -> LiveReports:
    return LiveReports(FactStore(bus), path, SOURCES)


@asynccontextmanager
async def following(bus, path: Path) -> AsyncIterator[LiveReports]:
    reports = reports_of(bus, path)
    async with in_background(reports.run):
        yield reports


async def whole(reports: LiveReports, wanted: ReportWanted = ALL) -> LiveReport:
    """The report, once it counts all that is stored."""
    async with asyncio.timeout(60):
        while True:
            with suppress(Unavailable):  # until it has opened its file
                if (report := await reports.view(wanted)).is_current:
                    return report
            await asyncio.sleep(0.01)


async def store_all(store: FactStore, facts: list[Fact]) -> None:
    for fact in facts:
        stored = await store.read(fact.key)
        if stored.fact is None or fact.replaces(stored.fact):
            assert await store.add(fact, stored.seq)
