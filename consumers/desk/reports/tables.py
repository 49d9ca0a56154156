"""The tables of a report as the desk shows them, in the words of the report's texts."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from consumers.periodic_reports.contents.notes import NamedFigure, absent_channels, notes
from consumers.periodic_reports.contents.wording import Wording
from consumers.periodic_reports.data_set import Header
from consumers.periodic_reports.figures import Figure, Figures
from consumers.periodic_reports.indicators import STATISTICS, Indicator, load_indicators
from consumers.periodic_reports.tally import By
from contracts.facts.live_reports import FigureAt, ReportCell, ReportRow, ReportTable, ReportWanted

_DIVISIONS = {
    By.MONTH: "by_month",
    By.UNIT: "by_unit",
    By.TOPIC: "by_topic",
    By.CHANNEL: "by_channel",
    By.DETAIL: "by_bulletin",
}
_MADE = "bulletins.due"
"""A kind that no fact has: it follows from the calendar."""
_WITHOUT_TOPIC = ("events.", "refusals.")
"""Kinds that no item is behind: who sees some topics alone sees nothing of them."""


@dataclass(frozen=True)
class DeskTables:
    """Makes the tables of what a person may see."""

    header: Header
    figures: Figures
    wording: Wording
    wanted: ReportWanted

    def all(self) -> Iterator[ReportTable]:
        yield self._summary()
        for by, title in _DIVISIONS.items():
            wanted = [one for one in self._indicators() if by in one.by]
            if wanted and (by is not By.DETAIL or self.wanted.is_of_all):
                yield self._divided(by, title, wanted)
        for title in STATISTICS:
            wanted = [one for one in self._indicators() if one.statistic == title]
            yield self._divided(By.UNIT, title, wanted)

    def _indicators(self) -> list[Indicator]:
        """Of a few units only what is counted by unit: readers and cases are the ministry's."""
        found = [*load_indicators()]
        if not self.wanted.is_of_all:
            found = [one for one in found if one.is_divided_by(By.UNIT)]
            if all(scope.topics for scope in self.wanted.scopes):
                found = [one for one in found if not _lacks_topic(one)]
        return found

    def _summary(self) -> ReportTable:
        words, rows = self.wording.texts["tables"], list[ReportRow]()
        stated = list[NamedFigure]()
        for indicator in self._indicators():
            figure = self.figures.figure(indicator)
            name, measure = self.wording.name(indicator), self.wording.measure(indicator)
            cells = (ReportCell(measure), self._cell(indicator, figure, By.TOTAL, ""))
            rows.append(ReportRow(name, cells))
            stated.append(NamedFigure(name, "", figure))
        columns = (words["measure"], words["achieved"])
        lines = notes(stated, self.wording.texts)
        return ReportTable("summary", words["summary"], words["indicator"], columns, rows, lines)

    def _divided(self, by: By, title: str, indicators: Sequence[Indicator]) -> ReportTable:
        wording, texts = self.wording, self.wording.texts
        names, rows, stated = [*map(wording.short_name, indicators)], list[ReportRow](), []
        for word in self._words(by, indicators):
            part = wording.part(by, word)
            figures = [self.figures.figure(one, by, word) for one in indicators]
            pairs = zip(indicators, figures, strict=True)
            cells = [self._cell(one, figure, by, word) for one, figure in pairs]
            rows.append(ReportRow(part, cells))
            stated += [
                NamedFigure(name, part, one) for name, one in zip(names, figures, strict=True)
            ]
        lines, heading = [*notes(stated, texts)], texts["sections"][title]
        if by is By.CHANNEL:
            lines += absent_channels(self.figures, self._words(by, indicators), texts)
        if all(one.figure.value is None for one in stated):
            rows = []
        return ReportTable(title, heading, texts["tables"][by], names, rows, lines)

    def _cell(self, indicator: Indicator, figure: Figure, by: By, word: str) -> ReportCell:
        cell = self.wording.cell(indicator, figure)
        value = cell.figure.value if cell.figure else None
        is_behind = bool(value) and _MADE not in indicator.all_kinds
        at = FigureAt(indicator.id, by, word) if is_behind else None
        return ReportCell(cell.text, "" if value is None else str(value), at, bool(cell.mark))

    def _words(self, by: By, indicators: Iterable[Indicator]) -> list[str]:
        """The parts with rows, and those that have a name and may be seen."""
        known = set(self.header.names.get(by, {}))
        scopes = self.wanted.scopes
        if by is By.UNIT and not self.wanted.is_of_all:
            known &= {unit for scope in scopes for unit in scope.units}
        if by is By.TOPIC and all(one.topics for one in scopes):
            known &= {topic for scope in scopes for topic in scope.topics}
        found = known | set(self.figures.words(indicators, by))
        return sorted(found, key=lambda word: (not word, word))


def _lacks_topic(indicator: Indicator) -> bool:
    return any(kind.startswith(_WITHOUT_TOPIC) for kind in indicator.all_kinds)
