"""The tables and charts of a report."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from itertools import repeat

from consumers.periodic_reports.contents.document import Cell, Chart, Table
from consumers.periodic_reports.contents.notes import NamedFigure, absent_channels, notes
from consumers.periodic_reports.contents.wording import Wording
from consumers.periodic_reports.data_set import Header
from consumers.periodic_reports.figures import Figure, Figures, percent
from consumers.periodic_reports.indicators import Indicator, load_indicators
from consumers.periodic_reports.tally import By

_CHARTED = "items_published"
_SHEET_NAME = 31
"""The characters that the name of a sheet may have."""


@dataclass
class TableMaker:
    """Makes tables and charts, and numbers them in the order in which they are asked for."""

    header: Header
    figures: Figures
    wording: Wording
    parts: Mapping[str, Figures] = field(default_factory=dict)
    """Of a review: the figures of each year."""
    _numbers: dict[str, int] = field(default_factory=dict)

    def summary(self) -> Table:
        """All indicators beside the plan and the year before."""
        words = self.wording.texts["tables"]
        former = self.header.former.label if self.header.former else ""
        columns = [words["indicator"], words["measure"], words["planned"]]
        columns += [words["achieved"], words["of_plan"]]
        if former:
            columns += [words["former"].format(former=former), words["of_former"]]
        stated, rows = list[NamedFigure](), list[tuple[Cell, ...]]()
        for indicator in load_indicators():
            figure = self.figures.figure(indicator)
            rows.append(tuple(self._summary_row(indicator, figure)))
            stated += self._stated(indicator, figure)
        name: str = words["summary"]
        lines = notes(stated, self.wording.texts)
        return Table(name, self._caption(name), tuple(columns), tuple(rows), lines)

    def _stated(self, indicator: Indicator, figure: Figure) -> Iterator[NamedFigure]:
        """The summary's rows of an indicator: the figure, and that of the year before."""
        name, words = self.wording.name(indicator), self.wording.texts["tables"]
        yield NamedFigure(name, "", figure)
        if former := self.header.former:
            earlier = _number(former.figures.get(indicator.id), "no_former")
            yield NamedFigure(name, words["former"].format(former=former.label), earlier)

    def _summary_row(self, indicator: Indicator, figure: Figure) -> Iterator[Cell]:
        wording = self.wording
        yield Cell(wording.name(indicator))
        yield Cell(wording.measure(indicator))
        planned = _number(self.header.plan.get(indicator.id), "no_plan")
        yield Cell("") if planned.value is None else wording.cell(indicator, planned)
        yield wording.cell(indicator, figure)
        yield self._ratio(figure, planned)
        if self.header.former:
            former = _number(self.header.former.figures.get(indicator.id), "no_former")
            yield wording.cell(indicator, former)
            yield self._ratio(figure, former)

    def _ratio(self, figure: Figure, other: Figure) -> Cell:
        """*figure* in percent of *other*; blank where there is nothing to compare."""
        if figure.value is None or other.value is None:
            return Cell("")
        value = percent(figure.value, other.value)
        if value is None:
            return Cell("")
        return self.wording.plain_cell(Figure(value, missing_days=figure.missing_days))

    def divided(self, by: By, title: str) -> Table:
        """The indicators that `by` divides: a row for each part."""
        return self._divided(by, title, [one for one in load_indicators() if by in one.by])

    def statistic(self, name: str, title: str) -> Table:
        """The indicators of a statistic, by unit."""
        wanted = [one for one in load_indicators() if one.statistic == name]
        return self._divided(By.UNIT, title, wanted)

    def _divided(self, by: By, title: str, indicators: list[Indicator]) -> Table:
        wording = self.wording
        names = [*map(wording.short_name, indicators)]
        stated, rows = list[NamedFigure](), list[tuple[Cell, ...]]()
        for word in self._words(indicators, by):
            part = wording.part(by, word)
            figures = [self.figures.figure(one, by, word) for one in indicators]
            cells = map(wording.cell, indicators, figures)
            rows.append((Cell(part), *cells))
            stated += [
                NamedFigure(*pair) for pair in zip(names, repeat(part), figures, strict=False)
            ]
        columns, lines = (wording.texts["tables"][by], *names), notes(stated, wording.texts)
        return Table(title[:_SHEET_NAME], self._caption(title), columns, tuple(rows), lines)

    def by_part(self, title: str) -> Table:
        """All indicators, with a column for each year of a review."""
        columns = {label: figures.figure for label, figures in self.parts.items()}
        return self._side_by_side(title, load_indicators(), columns)

    def by_channel(self, title: str) -> Table:
        """The indicators that channels divide, with a column for each channel."""
        indicators = [one for one in load_indicators() if By.CHANNEL in one.by]
        words = self._words(indicators, By.CHANNEL)
        columns = {
            self.wording.part(By.CHANNEL, word): partial(
                self.figures.figure, by=By.CHANNEL, word=word
            )
            for word in words
        }
        table = self._side_by_side(title, indicators, columns)
        lines = absent_channels(self.figures, words, self.wording.texts)
        return replace(table, notes=(*table.notes, *lines))

    def _side_by_side(
        self,
        title: str,
        indicators: Iterable[Indicator],
        columns: Mapping[str, Callable[[Indicator], Figure]],
    ) -> Table:
        wording, words = self.wording, self.wording.texts["tables"]
        stated, rows = list[NamedFigure](), list[tuple[Cell, ...]]()
        for indicator in indicators:
            name, figures = wording.name(indicator), [find(indicator) for find in columns.values()]
            cells = (wording.cell(indicator, figure) for figure in figures)
            rows.append((Cell(name), Cell(wording.measure(indicator)), *cells))
            stated += map(NamedFigure, repeat(name), columns, figures)
        heads, lines = (words["indicator"], words["measure"]), notes(stated, wording.texts)
        caption = self._caption(title)
        return Table(title[:_SHEET_NAME], caption, (*heads, *columns), tuple(rows), lines)

    def _words(self, indicators: list[Indicator], by: By) -> list[str]:
        """The parts with rows, and all that have a name: a unit without an item has a row."""
        known = set(self.header.names.get(by, {})) | set(self.figures.words(indicators, by))
        return sorted(known, key=lambda word: (not word, word))

    def chart(self) -> Chart:
        """The chart of published items, by month."""
        indicator = next(one for one in load_indicators() if one.id == _CHARTED)
        months = self.figures.words([indicator], By.MONTH)
        values = [self.figures.figure(indicator, By.MONTH, month).value for month in months]
        labels = [self.wording.part(By.MONTH, month) for month in months]
        return self._chart(indicator, labels, values)

    def _chart(
        self, indicator: Indicator, labels: list[str], values: list[Decimal | None]
    ) -> Chart:
        words, texts = self.wording.texts["tables"], [*map(self.wording.value_text, values)]
        said = [
            words["chart_value"].format(label=label, value=value)
            for label, value in zip(labels, texts, strict=True)
        ]
        caption = self._caption(words["chart_of"], "chart_caption")
        description = words["chart_alt"].format(values="; ".join(said))
        series = self.wording.short_name(indicator)
        return Chart(caption, description, series, tuple(labels), tuple(values), tuple(texts))

    def definitions(self) -> Table:
        """How each indicator is worked out, and from which kinds of rows."""
        wording, words = self.wording, self.wording.texts["tables"]
        columns = (words["indicator"], words["definition"], words["kinds"])
        rows = tuple(
            (
                Cell(wording.name(one)),
                Cell(wording.definition(one)),
                Cell(", ".join(one.all_kinds)),
            )
            for one in load_indicators()
        )
        name: str = words["definitions"]
        return Table(name, self._caption(name), columns, rows, is_prose=True)

    def _caption(self, title: str, form: str = "caption") -> str:
        number = self._numbers[form] = self._numbers.get(form, 0) + 1
        return str(self.wording.texts["tables"][form].format(number=number, title=title))


def _number(text: str | None, reason: str) -> Figure:
    return Figure(reason=reason) if text is None else Figure(Decimal(text))
