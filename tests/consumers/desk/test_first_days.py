"""A new Loa: no day before the installation is data, and a year of one day says so."""

import re
import time
from collections.abc import Iterator
from datetime import timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from consumers.editorial.log import EditorialLog
from consumers.facts.all_sources import fact_sources
from consumers.facts.days import countable_from
from consumers.facts.follow import FactFollower
from consumers.facts.public_figures import read_public_figures
from consumers.facts.store import FactStore
from consumers.periodic_reports.archive import ReportArchive
from consumers.periodic_reports.contents.composition import compose
from consumers.periodic_reports.contents.document import Paragraph
from consumers.periodic_reports.span import Span
from contracts.base.times import utc_now, vietnam_time
from contracts.facts.live_reports import LiveReport, ReportScope, ReportWanted
from contracts.facts.public_figures import Missing
from tests.consumers.desk.test_reports import SOURCES, following, whole
from tests.consumers.periodic_reports.test_archive import publish
from tests.support.clock import FakeClock

ONE = timedelta(days=1)
TEXTS = SOURCES.texts
NO_DATA = TEXTS["missing"]["text"]


def follower(bus, clock) -> FactFollower:
    store = FactStore(bus)
    return FactFollower(store, fact_sources(store, EditorialLog(bus), clock, None), clock)


def figures_of(report: LiveReport) -> Iterator[str]:
    """Those of tables whose parts are as long as the span."""
    for table in report.tables:
        cells = [row.cells[table.id == "summary" :] for row in table.rows]
        if table.id != "by_month":
            yield from (cell.text for row in cells for cell in row)


async def test_a_new_loa_has_figures_from_its_first_day_on(bus, tmp_path):
    clock = FakeClock(time.time())
    await follower(bus, clock).follow()
    at = utc_now(clock)
    await publish(bus, "tin-dau", released_at=at, first_released_at=at)
    await follower(bus, clock).follow()
    today = vietnam_time(clock()).date()
    year = ReportWanted(today - 349 * ONE, today, (ReportScope(),))
    async with following(bus, tmp_path / "reports.sqlite") as reports:
        before = await whole(reports, year)
        assert set(figures_of(before)) == {NO_DATA}
        assert before.coverage == TEXTS["coverage"]["none"]
        public = await read_public_figures(bus, clock)
        assert public.counted_from is None
        assert {one.missing for one in (*public.lanes, *public.days)} == {Missing.NO_DATA}
        clock.now = countable_from(today).timestamp()
        await follower(bus, clock).follow()
        after = await whole(reports, year)
    assert f"{today:%d/%m/%Y}" in after.coverage
    assert "349" in after.coverage
    shown = {*figures_of(after)} - {NO_DATA}
    assert "1*" in shown, "the item of the first day"
    assert all(text.endswith("*") for text in shown)
    assert (await read_public_figures(bus, clock)).counted_from == today
    await check_sealed(bus, tmp_path, clock, Span(year.first, year.last))


async def check_sealed(bus, path, clock, span: Span) -> None:
    """The sealed report says the same as the desk's page."""
    archive, store = ReportArchive(path, Ed25519PrivateKey.generate(), clock), FactStore(bus)
    clock.now = countable_from(span.last + ONE).timestamp()
    await follower(bus, clock).follow()
    await archive.check_counted(store, span)
    await archive.seal(store, span, "nam", SOURCES)
    document = compose(archive.report("nam").data)
    opening = [one.text for one in document.blocks if isinstance(one, Paragraph)][1]
    assert f"từ ngày {span.last:%d/%m/%Y}; 349 trong 350 ngày" in opening
    tables = [one for one in document.tables() if one.name != TEXTS["sections"]["by_month"]]
    cells = [cell for table in tables for row in table.rows for cell in row]
    numbers = [cell.text for cell in cells if re.match(r"\d", cell.text) and cell.figure]
    assert numbers
    assert all(text.endswith("*") for text in numbers)
    assert any(note.startswith("Số có dấu *") for table in tables for note in table.notes)
