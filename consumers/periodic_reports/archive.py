"""The sealed reports of a data folder, each in a folder of its own, by the label of its span."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from consumers.facts.days import countable_from
from consumers.facts.follow import first_open_day
from consumers.facts.store import FactStore
from consumers.facts.unread import unread_since
from consumers.messages import field_error
from consumers.periodic_reports.contents.composition import read_figures
from consumers.periodic_reports.contents.number_texts import counted
from consumers.periodic_reports.contents.own_texts import PLAN
from consumers.periodic_reports.contents.texts import Texts
from consumers.periodic_reports.data_set import (
    Former,
    Header,
    Part,
    join_data_sets,
    write_lines,
)
from consumers.periodic_reports.errors import DataSetBroken, PartsApart
from consumers.periodic_reports.from_facts import FactRows
from consumers.periodic_reports.gather import Gatherer
from consumers.periodic_reports.indicators import load_indicators
from consumers.periodic_reports.sealed_report import ReportSeal, SealedReport
from consumers.periodic_reports.span import Span
from contracts.base.times import Clock, vietnam_time
from contracts.desk.deadlines import Deadlines, default_deadlines
from contracts.errors import Invalid
from contracts.facts import DayFact, FactKind
from contracts.vocabulary import Vocabulary


@dataclass(frozen=True)
class ReportArchive:
    """Seals reports, and finds them again. Raises OSError, Invalid."""

    folder: Path
    key: Ed25519PrivateKey
    clock: Clock

    def report(self, label: str) -> SealedReport:
        return SealedReport(self.folder / label, self.key)

    async def seal(
        self, store: FactStore, span: Span, label: str, sources: "HeaderSources"
    ) -> ReportSeal:
        """Seal what the facts say of *span*, and make its files. Raises BusError, AlreadySealed."""
        check_name(label, span)
        self._check_over(span)
        gathered = Gatherer(span, sources.fact_rows())
        await gathered.read(store)
        former = self.former(sources.former_label) if sources.former_label else None
        header = sources.header(label, span, former)
        header = header.model_copy(update={"streams": gathered.streams})
        write = partial(write_lines, header=header, gaps=gathered.gaps, lines=gathered.lines())
        return await asyncio.to_thread(self.report(label).seal, write, self.clock)

    async def check_counted(self, store: FactStore, span: Span) -> None:
        """Raise Invalid while facts of *span* may still come or where it has none, or BusError."""
        self._check_over(span)
        unread = await unread_since(store.bus, self.clock)
        is_behind = unread is not None and unread < countable_from(span.last)
        if is_behind or await first_open_day(store, self.clock) <= span.last:
            value = f"{span.last:%d/%m/%Y}"
            raise Invalid(field_error("report", "report_not_counted", value=value))
        if not await _has_counted_day(store, span):
            days = {"first": f"{span.first:%d/%m/%Y}", "last": f"{span.last:%d/%m/%Y}"}
            raise Invalid(field_error("report", "report_no_figures", **days))

    def _check_over(self, span: Span) -> None:
        if span.last >= vietnam_time(self.clock()).date():
            raise Invalid(field_error("report", "report_not_over", value=f"{span.last:%d/%m/%Y}"))

    def review(self, labels: Sequence[str], label: str, sources: "HeaderSources") -> ReportSeal:
        """Join sealed years to one report. Raises NotSealed, PartsApart, DataSetBroken."""
        parts = sorted(map(self._part, labels), key=lambda part: part.first)
        for one, following in pairwise(parts):
            if following.first != one.last + timedelta(days=1):
                raise PartsApart(f"{one.label}, {following.label}")
        span = Span(parts[0].first, parts[-1].last)
        check_name(label, span)
        sets = [self.report(part.label).data for part in parts]
        names = _merged_names(data.header().names for data in sets)
        header = sources.header(label, span, None)
        more = {"period": "review", "parts": tuple(parts), "names": names}
        header = header.model_copy(update=more)
        write = partial(join_data_sets, header=header, sets=sets)
        return self.report(label).seal(write, self.clock)

    def _part(self, label: str) -> Part:
        """A sealed report as a part of a review. Raises NotSealed, DataSetBroken."""
        report = self.report(label)
        if not report.is_whole:
            raise DataSetBroken(label)
        header = report.data.header()
        units = tuple(sorted(header.names.get("unit", {})))
        days = {"first": header.first, "last": header.last}
        return Part(label=label, sha256=report.data.sha256(), units=units, **days)

    def former(self, label: str) -> Former | None:
        """The figures of an earlier report; None where it is not sealed, or was changed.

        Nor is one whose name promises other days.
        """
        report = self.report(label)
        if not (report.is_sealed and report.is_whole):
            return None
        header = report.data.header()
        if Span.named(label) not in (None, Span(header.first, header.last)):
            return None
        figures = read_figures(report.data)
        values = {one.id: figures.figure(one).value for one in load_indicators()}
        texts = {name: None if value is None else str(value) for name, value in values.items()}
        return Former(label=label, sha256=report.data.sha256(), figures=texts)


async def _has_counted_day(store: FactStore, span: Span) -> bool:
    """Whether some kind of facts was counted on some day of *span*."""
    days = [one.fact for one in (await store.newest(FactKind.DAY)).values()]
    counted = {fact.on for fact in days if isinstance(fact, DayFact) and fact.counted}
    return not counted.isdisjoint(span.days())


def check_name(label: str, span: Span) -> None:
    """Raise Invalid for a name that promises other days: reports of years are found by theirs."""
    named = Span.named(label)
    if named and named != span:
        days = {"first": f"{named.first:%d/%m/%Y}", "last": f"{named.last:%d/%m/%Y}"}
        raise Invalid(field_error("name", "report_label_taken", value=label, **days))


@dataclass(frozen=True)
class HeaderSources:
    """Where a header comes from: names, texts and plans. *former_label*: what it is beside."""

    texts: Texts
    vocabulary: Vocabulary
    former_label: str = ""
    deadlines: Deadlines = field(default_factory=default_deadlines)

    def fact_rows(self) -> FactRows:
        """Makes rows of facts, for these bulletins and deadlines."""
        return FactRows(bulletins=self.vocabulary.bulletins, deadlines=self.deadlines)

    def header(self, label: str, span: Span, former: Former | None) -> Header:
        return Header(
            label=label,
            first=span.first,
            last=span.last,
            period="year" if span == Span.of_year(span.last.year) else "span",
            names={"unit": self._units(span), "topic": self._topics(), "detail": self._bulletins()},
            plan=self._plan(label),
            former=former,
            texts={name: value for name, value in self.texts.items() if name != PLAN},
        )

    def _units(self, span: Span) -> dict[str, str]:
        """The units that existed in the span, by the names they had at its end."""
        units = self.vocabulary.units.items()
        return {
            unit_id: unit.name_at(span.last)
            for unit_id, unit in units
            if unit.until is None or unit.until >= span.first
        }

    def _bulletins(self) -> dict[str, str]:
        return {id: one.name for id, one in self.vocabulary.bulletins.items()}

    def _topics(self) -> dict[str, str]:
        topics = self.vocabulary.topics.items()
        return {topic_id: one.name for topic_id, one in topics if one.kind != "system"}

    def _plan(self, label: str) -> dict[str, str]:
        """The plan as figures are counted; the file has each number as reports show it."""
        plan: dict[str, Any] = self.texts.get(PLAN, {}).get(label, {})
        return {name: self._counted(name, value) for name, value in plan.items()}

    def _counted(self, indicator: str, value: Any) -> str:
        measure = self.texts["indicators"][indicator]["measure"]
        return str(counted(Decimal(str(value)), measure))


def _merged_names(names: Iterable[Mapping[str, Mapping[str, str]]]) -> dict[str, dict[str, str]]:
    """The names of all years; of two for one id, the later one."""
    merged: dict[str, dict[str, str]] = {}
    for one in names:
        for kind, known in one.items():
            merged[kind] = merged.get(kind, {}) | dict(known)
    return merged
