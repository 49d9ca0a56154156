"""Reports of live facts: every figure is that of a sealed report, and has its items behind it."""

import asyncio
import csv
import io
import random
import threading
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from consumers.desk.reports.rows_file import ROWS_FILE, forget_rows
from consumers.desk.reports.service import LiveReports
from consumers.desk.reports.tables import DeskTables
from consumers.facts.store import FactStore
from consumers.periodic_reports.archive import ReportArchive
from consumers.periodic_reports.contents.composition import read_figures
from consumers.periodic_reports.contents.wording import Wording
from consumers.periodic_reports.indicators import How, load_indicators
from consumers.periodic_reports.span import Span
from contracts.errors import NotFound
from contracts.facts.live_reports import (
    FigureAt,
    ItemsWanted,
    LiveReport,
    ReportCell,
    ReportScope,
    ReportWanted,
)
from contracts.vocabulary import DEFAULT
from producers.bus import topology
from tests.support.live_reports import ALL, FIRST, LAST, SOURCES, following, store_all, whole
from tests.support.random_facts import random_facts

END = datetime(2026, 4, 1, tzinfo=UTC)
OWN = ReportWanted(FIRST, LAST, (ReportScope(("van-phong-bo",)),))


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "desk" / ROWS_FILE


async def test_every_figure_is_that_of_a_report_sealed_of_the_same_facts(bus, path, tmp_path):
    """In any order of the facts, and although the copy has read the half of them before."""
    facts, store = random_facts(random.Random(18), 25), FactStore(bus)
    await store_all(store, facts[: len(facts) // 2])
    async with following(bus, path) as reports:
        await whole(reports)
        await store_all(store, facts[len(facts) // 2 :])
        live = await whole(reports)
    archive = ReportArchive(tmp_path, Ed25519PrivateKey.generate(), lambda: END.timestamp())
    await archive.seal(store, Span(FIRST, LAST), "thang-3", SOURCES)
    data = archive.report("thang-3").data
    header = data.header()
    wording = Wording(header.texts, header.names)
    tables = [*DeskTables(header, read_figures(data), wording, ALL).all()]
    assert [one.id for one in live.tables] == [one.id for one in tables]
    for table, expected in zip(live.tables, tables, strict=True):
        assert table == expected
    texts = {cell.text for table in tables for row in table.rows for cell in row.cells}
    assert "chưa có số liệu" in texts


@pytest.fixture
async def reports(bus, path) -> AsyncIterator[LiveReports]:
    await store_all(FactStore(bus), random_facts(random.Random(19), 12))
    async with following(bus, path) as opened:
        await whole(opened)
        yield opened


def cells_of(report: LiveReport) -> list[ReportCell]:
    return [cell for table in report.tables for row in table.rows for cell in row.cells]


async def test_what_is_behind_each_figure_adds_up_to_it(reports):
    sums = {one.id for one in load_indicators() if one.how is How.SUM}
    places = [one for one in cells_of(await whole(reports)) if one.at]
    looked = 0
    for cell in places:
        breakdown = await reports.breakdown(ALL, cell.at, 0)
        assert breakdown.rows
        assert (breakdown.text, breakdown.has_more) == (cell.text, False)
        if cell.at.indicator in sums:
            parts = sum(int(row.part.replace(".", "")) for row in breakdown.rows)
            assert parts == int(cell.value), cell.at
            looked += 1
    assert looked > 50


async def test_figures_of_some_items_are_what_these_add_to_those_of_all(reports):
    names = ("delivered", "opinions_received", "items_published")
    for name in names:
        breakdown = await reports.breakdown(ALL, FigureAt(name), 0)
        parts = {row.content_id: int(row.part.replace(".", "")) for row in breakdown.rows}
        some = tuple(sorted(parts)[::2])
        found = await reports.of_items(ItemsWanted(FIRST, LAST, (*some, "tin-la"), names))
        assert int(found.texts[name].replace(".", "").rstrip("*")) == sum(
            parts[one] for one in some
        )
    nothing = await reports.of_items(ItemsWanted(date(2020, 1, 1), date(2020, 1, 2), (), names))
    assert set(nothing.texts.values()) == {"chưa có số liệu"}
    assert nothing.notes


async def test_a_unit_sees_its_own_figures_and_none_of_the_ministry(reports):
    own, all_of = [
        {table.id: table for table in (await whole(reports, wanted)).tables}
        for wanted in (OWN, ALL)
    ]
    mine = DEFAULT.units["van-phong-bo"].name_at(LAST)
    assert [row.name for row in own["by_unit"].rows] == [mine]
    [row] = [row for row in all_of["by_unit"].rows if row.name == mine]
    assert own["by_unit"].rows[0] == row
    shown = {cell.at.indicator for cell in cells_of(await whole(reports, OWN)) if cell.at}
    assert not shown & {"followers", "cases", "incidents", "units_with_items", "bulletins"}
    breakdown = await reports.breakdown(OWN, FigureAt("delivered"), 0)
    assert {row.unit for row in breakdown.rows} == {"van-phong-bo"}
    for at in (FigureAt("followers"), FigureAt("delivered", "unit", "vu-phap-che")):
        with pytest.raises(NotFound):
            await reports.breakdown(OWN, at, 0)


async def test_no_unit_at_all_sees_nothing(reports):
    nobody = ReportWanted(FIRST, LAST, (ReportScope(("",)),))
    assert not [cell for cell in cells_of(await whole(reports, nobody)) if cell.at]


async def test_the_file_has_every_figure(reports):
    report = await whole(reports)
    written = (await reports.csv(ALL)).decode("utf-8-sig")
    lines = [*csv.reader(io.StringIO(written), delimiter=";")]
    for table in report.tables:
        assert [table.title] in lines
        for row in table.rows:
            values = [cell.value.replace(".", ",") or cell.text for cell in row.cells]
            assert [row.name, *values] in [line[:-1] for line in lines]


async def test_who_sees_some_topics_is_told_nothing_of_what_has_no_topic(reports):
    """Refused events have no topic: of a topic they are neither none nor missing."""
    wanted = ReportWanted(FIRST, LAST, (ReportScope((), ("chuyen-doi-so",)),))
    tables = {one.id: one for one in (await whole(reports, wanted)).tables}
    refused = Wording(SOURCES.texts, {}).short_name(
        next(one for one in load_indicators() if one.id == "refused_share")
    )
    shown = tables["complete_and_timely"]
    assert refused not in shown.columns
    assert len(tables["by_topic"].rows) == 1
    assert all(any(cell.at for cell in row.cells) for row in tables["by_unit"].rows), "others: none"


async def test_while_a_newer_report_is_made_the_last_one_is_shown(bus, reports, monkeypatch):
    before, going_on = await whole(reports), threading.Event()
    make = LiveReports._report

    def slowly(*args):
        assert going_on.wait(60)
        return make(*args)

    monkeypatch.setattr(LiveReports, "_report", slowly)
    await store_all(FactStore(bus), random_facts(random.Random(21), 3))
    try:
        async with asyncio.timeout(60):
            while (shown := await reports.view(ALL)).is_current:
                await asyncio.sleep(0.01)
        assert shown.counted_at == before.counted_at
        async with asyncio.timeout(60):
            breakdown = await reports.breakdown(ALL, FigureAt("delivered"), 0)
        assert not breakdown.is_current
        assert breakdown.text in {cell.text for cell in cells_of(before)}
    finally:
        going_on.set()
    assert (await whole(reports)).counted_at > before.counted_at


async def test_a_damaged_copy_and_one_of_another_stream_are_made_anew(bus, path):
    await store_all(FactStore(bus), random_facts(random.Random(20), 3))
    async with following(bus, path) as reports:
        before = await whole(reports)
        forget_rows(path)
        assert path.exists(), "a running Loa keeps it"
    path.write_bytes(b"damaged" * 1000)
    async with following(bus, path) as reports:
        assert (await whole(reports)).tables == before.tables
    forget_rows(path)
    assert not path.exists()
    await topology.delete_stream(bus, "FACTS")
    await topology.apply(bus)
    async with following(bus, path) as reports:
        assert not [cell for cell in cells_of(await whole(reports)) if cell.at]
