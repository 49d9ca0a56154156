"""Report of a campaign: its plan, its published items and their figures."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from functools import cached_property

from consumers.periodic_reports.contents.document import (
    Block,
    Cell,
    Document,
    Heading,
    Masthead,
    Paragraph,
    Signature,
    Table,
)
from consumers.periodic_reports.contents.notes import NamedFigure, notes
from consumers.periodic_reports.contents.texts import Texts
from consumers.periodic_reports.contents.wording import Wording
from consumers.periodic_reports.figures import Figure, Figures, percent
from consumers.periodic_reports.indicators import Indicator, load_indicators
from consumers.periodic_reports.tally import By
from contracts.campaigns.plan import Metric, PlannedItem
from contracts.campaigns.progress import CampaignItem, EntryProgress
from contracts.campaigns.reported import INDICATORS, ReportedCampaign

_STATED = (
    *("items_published", "items_corrected", "items_withdrawn"),
    *("expected", "delivered", "failed", "delivered_share", "opinions_received"),
)
_ADDED_UP = (
    *("items_published", "items_corrected", "items_withdrawn"),
    *("delivered", "failed", "opinions_received"),
)
"""The indicators whose counts the report adds up for days without figures."""


@dataclass(frozen=True)
class CampaignReport:
    """Composes the report. *figures*: of the campaign's items alone. *units*: names by id.

    *other_days*: the figures of the items on all days that *figures* leave out.
    """

    campaign: ReportedCampaign
    figures: Figures
    other_days: Figures
    texts: Texts
    units: Mapping[str, str]

    def document(self) -> Document:
        masthead = self._masthead()
        recipients = self.texts["recipients"]
        return Document(
            title=f"{masthead.kind}: {masthead.subject}",
            language="vi",
            masthead=masthead,
            blocks=tuple(self._blocks()),
            annexes=(),
            signatures=(Signature(**self._signature()),),
            recipients_title=recipients["title"],
            recipients=tuple(recipients["list"]),
            watermark=self.texts["masthead"]["watermark"],
            notes_word=self.texts["tables"]["notes"],
            year=self.figures.span.last.year,
        )

    @cached_property
    def _wording(self) -> Wording:
        return Wording(self.texts, {})

    @property
    def _words(self) -> Texts:
        found: Texts = self.texts["campaign"]
        return found

    def _signature(self) -> dict[str, str]:
        signature = self.texts["signature"]
        return {"authority": signature["authority"], "name": signature["name"]}

    def _masthead(self) -> Masthead:
        known = Masthead.__dataclass_fields__
        texts = {name: text for name, text in self.texts["masthead"].items() if name in known}
        texts["subject"] = self._words["subject"]
        return Masthead(**{name: text.format(**self._facts()) for name, text in texts.items()})

    def _facts(self) -> dict[str, str]:
        """The values that texts of the masthead may name in braces."""
        span = self.figures.span
        days = {"first": _day(span.first), "last": _day(span.last)}
        facts = {"label": self.campaign.title, "issuer": self.texts["masthead"]["issuer"], **days}
        return {"period": self.texts["periods"]["span"].format(**facts), **facts}

    def _blocks(self) -> Iterator[Block]:
        words, plan, span = self._words, self.campaign.plan, self.figures.span
        yield Heading(words["plan"])
        yield Paragraph(words["purpose"].format(text=plan.purpose))
        yield Paragraph(words["days"].format(first=_day(plan.first_day), last=_day(plan.last_day)))
        yield Paragraph(words["proposed_by"].format(unit=self._unit(self.campaign.unit)))
        if plan.partners:
            names = "; ".join(map(self._unit, plan.partners))
            yield Paragraph(words["partners"].format(units=names))
        yield Heading(words["results"])
        days = {"first": _day(span.first), "last": _day(span.last)}
        said = words["span" if span.last < self.campaign.today else "span_to_come"]
        yield Paragraph(said.format(today=_day(self.campaign.today), **days))
        yield from self._remarks()
        yield from self._tables()
        for name in ("assessment", "proposals"):
            yield Heading(words[name])
            yield Paragraph(words[f"{name}_prompt"], is_prompt=True)

    def _remarks(self) -> Iterator[Block]:
        """Items outside the campaign's days or those of the figures, and withdrawn items."""
        words = self._words
        outside = self.campaign.progress.outside(self.campaign.plan)
        for name, items in (("outside", outside), ("withdrawn", self.campaign.withdrawn)):
            if items:
                named = "; ".join(map(self._item, items))
                yield Paragraph(words[name].format(count=len(items), items=named))
        if found := "; ".join(self._on_other_days()):
            yield Paragraph(words["other_days"].format(figures=found))

    def _on_other_days(self) -> Iterator[str]:
        words, wording = self._words, self._wording
        for indicator in map(_indicator, _ADDED_UP):
            figure = self.other_days.figure(indicator)
            if figure.value:
                name, number = wording.name(indicator), wording.value_text(figure.value)
                yield words["counted"].format(name=name, number=number)

    def _tables(self) -> Iterator[Block]:
        number = 0
        for table in (self._plan_table(), self._additional(), self._targets(), self._figures()):
            if table.rows:
                number += 1
                caption = self.texts["tables"]["caption"].format(number=number, title=table.name)
                yield replace(table, caption=caption)

    def _plan_table(self) -> Table:
        words, progress = self._words, self.campaign.progress
        columns = (words["planned"], words["day"], words["unit"], words["result"])
        rows = tuple(
            (
                Cell(self._planned(one.planned)),
                Cell(_day(one.planned.day)),
                Cell(self._unit(one.planned.unit or self.campaign.unit)),
                Cell(self._result(one)),
            )
            for one in progress.entries
        )
        return Table(words["plan_table"], "", columns, rows, is_prose=True)

    def _planned(self, one: PlannedItem) -> str:
        channel = f" ({self._wording.part(By.CHANNEL, one.channel)})" if one.channel else ""
        return f"{one.number}. {one.title}{channel}"

    def _result(self, one: EntryProgress) -> str:
        words = self._words
        said = [words["states"][one.state]]
        if one.working_days_late:
            said.append(words["working_days_late"].format(days=one.working_days_late))
        shown = [item for item in one.items if item.shown_on]
        return "; ".join([*said, *(self._item(item, one.planned) for item in shown)])

    def _item(self, item: CampaignItem, planned: PlannedItem | None = None) -> str:
        shown_on = item.shown_for(planned) if planned else item.shown_on
        day = _day(shown_on) if shown_on else ""
        is_elsewhere = planned and not planned.is_on(item.channels)
        words = self._words["item_elsewhere" if is_elsewhere else "item"]
        return str(words.format(title=item.title, day=day))

    def _additional(self) -> Table:
        words, found = self._words, self.campaign.progress.additional
        columns = (words["item_title"], words["published_on"], words["unit"])
        rows = tuple(
            (
                Cell(one.title),
                Cell(_day(one.shown_on) if one.shown_on else ""),
                Cell(self._unit(one.unit)),
            )
            for one in found
        )
        return Table(words["additional"], "", columns, rows, is_prose=True)

    def _targets(self) -> Table:
        words, wording, stated = self._words, self._wording, list[NamedFigure]()
        columns = (words["metric"], words["target"], words["reached"], words["share"])
        rows = list[tuple[Cell, ...]]()
        for one in self.campaign.plan.targets:
            indicator, target = _indicator(INDICATORS[one.metric]), Decimal(one.number)
            figure = self._reached(one.metric)
            share = None if figure.value is None else percent(figure.value, target)
            name = words["metrics"][one.metric]
            stated.append(NamedFigure(name, "", figure))
            reached = wording.cell(indicator, figure)
            cells = (wording.plain_cell(Figure(target)), reached)
            last = Cell("") if share is None else wording.plain_cell(Figure(share))
            rows.append((Cell(name), *cells, last))
        lines = notes(stated, self.texts)
        return Table(words["targets"], "", columns, tuple(rows), lines)

    def _reached(self, metric: Metric) -> Figure:
        """Items by progress, as the desk's page counts them; the others by the facts."""
        if metric == "items":
            return Figure(Decimal(len(self.campaign.progress.published)))
        return self.figures.figure(_indicator(INDICATORS[metric]))

    def _figures(self) -> Table:
        """The figures of the campaign's items, as a whole and by channel."""
        words, wording = self._words, self._wording
        indicators = [_indicator(name) for name in _STATED]
        channels = [one for one in self.figures.words(indicators, By.CHANNEL) if one]
        names = [words["all"], *(wording.part(By.CHANNEL, one) for one in channels)]
        stated, rows = list[NamedFigure](), list[tuple[Cell, ...]]()
        for one in indicators:
            parts = [self.figures.figure(one), *self._by_channel(one, channels)]
            name, known = wording.name(one), [part for part in parts if part is not None]
            stated += [
                NamedFigure(name, part, figure) for part, figure in zip(names, known, strict=False)
            ]
            cells = [Cell("") if part is None else wording.cell(one, part) for part in parts]
            rows.append((Cell(name), *cells))
        columns = (words["metric"], *names)
        return Table(words["figures"], "", columns, tuple(rows), notes(stated, self.texts))

    def _by_channel(self, indicator: Indicator, channels: Iterable[str]) -> Iterator[Figure | None]:
        """Figures of channels; None for what no channel divides."""
        for channel in channels:
            is_divided = By.CHANNEL in indicator.by
            yield self.figures.figure(indicator, By.CHANNEL, channel) if is_divided else None

    def _unit(self, unit: str) -> str:
        return self.units.get(unit, unit)


def _indicator(name: str) -> Indicator:
    return next(one for one in load_indicators() if one.id == name)


def _day(day: date) -> str:
    return f"{day:%d/%m/%Y}"
