"""The service behind the desk's page of reports: follows the facts, and answers from their rows."""

import asyncio
import csv
import io
import sqlite3
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from consumers.desk.reports import queries
from consumers.desk.reports.keeper import RowsKeeper
from consumers.desk.reports.queries import FigurePart, Place
from consumers.desk.reports.rows_file import Rules
from consumers.desk.reports.tables import DeskTables
from consumers.desk.sqlite_copy.file import read_position
from consumers.facts.store import FactStore
from consumers.messages import field_error
from consumers.periodic_reports.archive import HeaderSources
from consumers.periodic_reports.contents.composition import figures_of
from consumers.periodic_reports.contents.notes import NamedFigure, coverage, notes
from consumers.periodic_reports.contents.number_texts import hours, number_text
from consumers.periodic_reports.contents.wording import Wording
from consumers.periodic_reports.figures import Figures
from consumers.periodic_reports.indicators import Indicator, load_indicators
from consumers.periodic_reports.rows import DIGESTS
from consumers.periodic_reports.span import Span
from consumers.periodic_reports.tally import By
from contracts.errors import NotFound
from contracts.facts.live_reports import (
    BreakdownRow,
    FigureAt,
    FigureBreakdown,
    ItemFigures,
    ItemsWanted,
    LiveReport,
    ReportCell,
    ReportWanted,
)

_KEPT = 8
"""Reports that are kept as they were made last, about 200 kB each."""
_PAGE = 50
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


class _Made(NamedTuple):
    """A report, and the message of FACTS up to which it counts."""

    seq: int
    report: LiveReport


@dataclass
class LiveReports:
    """Answers while `run` runs beside it. All that takes long is done in threads.

    One process of a machine writes the file, all others read it.
    """

    store: FactStore
    path: Path
    sources: HeaderSources
    _made: OrderedDict[ReportWanted, _Made] = field(default_factory=OrderedDict, repr=False)
    _making: dict[ReportWanted, asyncio.Task[_Made]] = field(default_factory=dict, repr=False)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)
    """Held while a report is made: one of two threads stays free for quick readings."""

    def __post_init__(self) -> None:
        rules = Rules(self.sources.vocabulary.bulletins, self.sources.deadlines)
        self._keeper = RowsKeeper(self.store, self.path, rules)

    async def view(self, wanted: ReportWanted) -> LiveReport:
        """All tables of a span, as they were made last; after a new fact they are made again."""
        is_current = await self._keeper.next_end()
        made, is_newest = await self._last(wanted)
        return replace(made.report, is_current=is_current and is_newest)

    async def _last(self, wanted: ReportWanted) -> tuple[_Made, bool]:
        """The report as it was made last, and whether it counts all that the file has."""
        if not (known := self._made.get(wanted)):
            return await self._newest(wanted), True
        self._made.move_to_end(wanted)
        if known.seq == (await self._keeper.read(read_position)).seq:
            return known, True
        self._begin(wanted)
        return known, False

    async def _newest(self, wanted: ReportWanted) -> _Made:
        """The report that counts all that the file has."""
        known = self._made.get(wanted)
        if known and known.seq == (await self._keeper.read(read_position)).seq:
            return known
        return await asyncio.shield(self._begin(wanted))

    def _begin(self, wanted: ReportWanted) -> asyncio.Task[_Made]:
        """Make a report beside the pages, once for all who want it."""
        if not (making := self._making.get(wanted)):
            making = self._making[wanted] = asyncio.create_task(self._make(wanted))
            making.add_done_callback(lambda ended: self._end(wanted, ended))
        return making

    def _end(self, wanted: ReportWanted, ended: "asyncio.Task[_Made]") -> None:
        del self._making[wanted]
        if ended.cancelled() or ended.exception():  # who waits for it has the error
            return
        self._made[wanted] = ended.result()
        self._made.move_to_end(wanted)
        while len(self._made) > _KEPT:
            self._made.popitem(last=False)

    async def _make(self, wanted: ReportWanted) -> _Made:
        async with self._turn:
            position = await self._keeper.read(read_position)
            at = datetime.fromisoformat(position.at) if position.at else None
            report = await self._keeper.read(lambda db: self._report(db, wanted))
        return _Made(position.seq, replace(report, counted_at=at))

    async def breakdown(self, wanted: ReportWanted, at: FigureAt, page: int) -> FigureBreakdown:
        """A page of the parts of a figure. Raises NotFound for one that is not shown.

        The figure is that of the report as it was made last, as the page of reports shows it.
        """
        await self._keeper.next_end()
        made, is_current = await self._last(wanted)
        if not is_current and not _has(made.report, at):
            made, is_current = await self._newest(wanted), True
        row, cell = _find(made.report, at)
        place = Place(_INDICATORS[at.indicator], By(at.by), at.part)
        limits = (_PAGE + 1, page * _PAGE)
        found = await self._keeper.read(lambda db: queries.figure_parts(db, wanted, place, limits))
        wording = self._wording(wanted)
        return FigureBreakdown(
            name=wording.name(place.indicator),
            part=row if place.by is not By.TOTAL else "",
            text=cell.text,
            measure=wording.measure(place.indicator),
            definition=wording.definition(place.indicator),
            rows=[_breakdown_row(one, place, wording) for one in found[:_PAGE]],
            has_more=len(found) > _PAGE,
            is_current=is_current,
        )

    async def csv(self, wanted: ReportWanted) -> bytes:
        """All tables as one file: a line for each figure."""
        await self._keeper.next_end()
        made = await self._newest(wanted)
        return await asyncio.to_thread(_csv, made.report, self.sources.texts["tables"]["marked"])

    async def of_items(self, wanted: ItemsWanted) -> ItemFigures:
        """Sums of some items alone, as the report of a campaign has them."""
        await self._keeper.next_end()
        indicators = [_INDICATORS[name] for name in wanted.indicators]
        figures = await self._keeper.read(lambda db: _figures_of_items(db, wanted, indicators))
        wording = self._wording(ReportWanted(wanted.first, wanted.last, ()))
        found = [(one, figures.figure(one)) for one in indicators]
        stated = [NamedFigure(wording.name(one), "", figure) for one, figure in found]
        texts = {one.id: wording.cell(one, figure).text for one, figure in found}
        return ItemFigures(texts, notes(stated, wording.texts))

    def _report(self, db: sqlite3.Connection, wanted: ReportWanted) -> LiveReport:
        """The report of one moment of the file."""
        db.execute("BEGIN")
        try:
            tally = queries.tally_of(db, wanted, self.sources.vocabulary.bulletins)
            gaps = queries.gaps_in(db, wanted)
        finally:
            db.execute("COMMIT")
        header = self.sources.header("", Span(wanted.first, wanted.last), None)
        figures = figures_of(header, tally, gaps)
        tables = [*DeskTables(header, figures, self._wording(wanted), wanted).all()]
        return LiveReport(tables, coverage(figures, header.texts))

    def _wording(self, wanted: ReportWanted) -> Wording:
        header = self.sources.header("", Span(wanted.first, wanted.last), None)
        return Wording(header.texts, header.names)

    async def run(self) -> None:
        """Follow the facts until cancelled, over outages of the bus and of the file."""
        try:
            await self._keeper.run()
        finally:
            for making in self._making.values():
                making.cancel()


def _figures_of_items(
    db: sqlite3.Connection, wanted: ItemsWanted, indicators: Sequence[Indicator]
) -> Figures:
    """The figures of one moment of the file."""
    db.execute("BEGIN")
    try:
        tally, gaps = queries.tally_of_items(db, wanted, indicators), queries.gaps_in(db, wanted)
    finally:
        db.execute("COMMIT")
    return Figures(Span(wanted.first, wanted.last), tally, gaps)


_INDICATORS = {one.id: one for one in load_indicators()}


def _has(report: LiveReport, at: FigureAt) -> bool:
    rows = (row for table in report.tables for row in table.rows)
    return any(cell.at == at for row in rows for cell in row.cells)


def _find(report: LiveReport, at: FigureAt) -> tuple[str, ReportCell]:
    """The name of the row of a figure, and its cell. Raises NotFound."""
    rows = (row for table in report.tables for row in table.rows)
    cells = ((row.name, cell) for row in rows for cell in row.cells)
    for name, cell in cells:
        if cell.at == at:
            return name, cell
    raise NotFound(field_error("figure", "report_figure_unknown"))


def _breakdown_row(found: FigurePart, place: Place, wording: Wording) -> BreakdownRow:
    seconds = found.seconds
    return BreakdownRow(
        content_id=found.item,
        unit=wording.part(By.UNIT, DIGESTS) if found.unit == DIGESTS else found.unit,
        day=date.fromisoformat(found.day) if found.day else None,
        channel=wording.part(By.CHANNEL, found.channel) if found.channel else "",
        detail=found.detail,
        part=number_text(Decimal(found.part)),
        of=number_text(Decimal(found.whole)) if place.indicator.of else "",
        time=number_text(hours(Decimal(seconds))) if seconds is not None else "",
    )


def _csv(report: LiveReport, marked: str) -> bytes:
    """Lines as Vietnamese spreadsheets read them; the last column names what lacks days."""
    lines = io.StringIO()
    writer = csv.writer(lines, delimiter=";")
    writer.writerows([[_safe_cell(report.coverage)]] if report.coverage else [])
    for table in report.tables:
        writer.writerow([table.title])
        writer.writerow([table.head, *table.columns, marked])
        for row in table.rows:
            values = (cell.value.replace(".", ",") or cell.text for cell in row.cells)
            pairs = zip(table.columns, row.cells, strict=True)
            short = ", ".join(column for column, cell in pairs if cell.is_marked)
            writer.writerow([*map(_safe_cell, (row.name, *values, short))])
        writer.writerows([[_safe_cell(note)] for note in table.notes])
        writer.writerow([])
    return b"\xef\xbb\xbf" + lines.getvalue().encode()


def _safe_cell(value: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{value}" if value.startswith(_FORMULA_STARTS) else value
