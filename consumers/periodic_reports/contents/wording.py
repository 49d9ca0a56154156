"""Figures, indicators and parts in the words of the report's texts."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from consumers.periodic_reports.contents.document import Cell
from consumers.periodic_reports.contents.number_texts import HOURS, hours, number_text
from consumers.periodic_reports.contents.texts import Texts
from consumers.periodic_reports.figures import Figure
from consumers.periodic_reports.indicators import Indicator
from consumers.periodic_reports.rows import DIGESTS
from consumers.periodic_reports.tally import By


@dataclass(frozen=True)
class Wording:
    """The words for what a table holds."""

    texts: Texts
    names: Mapping[str, Mapping[str, str]]

    def name(self, indicator: Indicator) -> str:
        return str(self.texts["indicators"][indicator.id]["name"])

    def short_name(self, indicator: Indicator) -> str:
        """The name in the head of a column."""
        texts = self.texts["indicators"][indicator.id]
        return str(texts.get("short") or texts["name"])

    def definition(self, indicator: Indicator) -> str:
        return str(self.texts["indicators"][indicator.id]["definition"])

    def measure(self, indicator: Indicator) -> str:
        return str(self.texts["measures"][self._measure_id(indicator)])

    def cell(self, indicator: Indicator, figure: Figure) -> Cell:
        """A figure in the indicator's measure; one without a value says so."""
        if figure.value is not None and self._measure_id(indicator) == HOURS:
            figure = Figure(hours(figure.value), figure.reason, figure.missing_days)
        return self.plain_cell(figure)

    def plain_cell(self, figure: Figure) -> Cell:
        """A figure as it is; a number that lacks days is marked."""
        text, is_short = self.value_text(figure.value), bool(figure.missing_days)
        has_mark = is_short and figure.value is not None
        mark = str(self.texts["missing"].get("mark", "")) if has_mark else ""
        return Cell(text + mark, figure, mark)

    def value_text(self, value: Decimal | None) -> str:
        return str(self.texts["missing"]["text"]) if value is None else number_text(value)

    def part(self, by: By, word: str) -> str:
        """The name of a unit, a topic, a channel or a month."""
        tables = self.texts["tables"]
        if by is By.MONTH:
            year, month = map(int, word.split("-"))
            return str(tables["month_name"].format(month=month, year=year))
        if word == DIGESTS:
            return str(tables["digests"])
        known = self.names.get(by, {}) | self.texts.get(f"{by}s", {})
        return str(known.get(word) or word or tables["none_named"])

    def _measure_id(self, indicator: Indicator) -> str:
        return str(self.texts["indicators"][indicator.id]["measure"])
