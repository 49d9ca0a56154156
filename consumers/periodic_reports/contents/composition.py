"""The report itself: masthead, sections, tables, annexes, signature."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from consumers.periodic_reports.contents.document import (
    Block,
    Document,
    Heading,
    Masthead,
    Paragraph,
    Signature,
)
from consumers.periodic_reports.contents.notes import coverage
from consumers.periodic_reports.contents.tables import TableMaker
from consumers.periodic_reports.contents.texts import Texts
from consumers.periodic_reports.contents.wording import Wording
from consumers.periodic_reports.data_set import DataSet, Former, Header, Part
from consumers.periodic_reports.figures import Figures
from consumers.periodic_reports.indicators import STATISTICS
from consumers.periodic_reports.rows import Gap
from consumers.periodic_reports.span import Span
from consumers.periodic_reports.tally import By, Tally

_DIVISIONS = (
    (By.MONTH, "by_month"),
    (By.UNIT, "by_unit"),
    (By.TOPIC, "by_topic"),
)


def read_figures(data: DataSet) -> Figures:
    """The figures of a data set. Raises OSError, DataSetBroken."""
    header = data.header()
    return figures_of(header, Tally.of(data.rows()), data.gaps())


def figures_of(header: Header, tally: Tally, gaps: Sequence[Gap]) -> Figures:
    """The figures of the span of a header, for the units that it names."""
    span, units = Span(header.first, header.last), header.names.get(By.UNIT, {})
    return Figures(span, tally, gaps, frozenset(units))


def read_parts(data: DataSet) -> dict[str, Figures]:
    """The figures of each year of a review. Raises OSError, DataSetBroken."""
    header = data.header()
    gaps, parts = data.gaps(), header.parts
    figures = {
        part.label: Figures(Span(part.first, part.last), Tally(), gaps, _units(header, part))
        for part in parts
    }
    for row in data.rows() if parts else ():
        for one in figures.values():
            if one.span.first <= row.day <= one.span.last:
                one.tally.add(row)
    return figures


def _units(header: Header, part: Part) -> frozenset[str]:
    """The units that a year of a review had."""
    return frozenset(header.names.get(By.UNIT, {}) if part.units is None else part.units)


def compose(data: DataSet) -> Document:
    """The report of a data set. Raises OSError, DataSetBroken."""
    header = data.header()
    wording = Wording(header.texts, header.names)
    maker = TableMaker(header, read_figures(data), wording, read_parts(data))
    return _Composer(header, maker, data.sha256()).document()


@dataclass(frozen=True)
class _Composer:
    header: Header
    tables: TableMaker
    sha256: str

    @property
    def texts(self) -> Texts:
        return self.header.texts

    def document(self) -> Document:
        masthead, recipients = self.masthead(), self.texts["recipients"]
        return Document(
            title=f"{masthead.kind}: {masthead.subject}",
            language="vi",
            masthead=masthead,
            blocks=tuple(self.blocks()),
            annexes=tuple(self.annexes()),
            signatures=tuple(self.signatures()),
            recipients_title=recipients["title"],
            recipients=tuple(recipients["list"]),
            watermark=self.texts["masthead"]["watermark"],
            notes_word=self.texts["tables"]["notes"],
            year=self.header.last.year,
        )

    def masthead(self) -> Masthead:
        known = Masthead.__dataclass_fields__
        texts = {name: text for name, text in self.texts["masthead"].items() if name in known}
        return Masthead(**{name: text.format(**self.facts()) for name, text in texts.items()})

    def facts(self) -> dict[str, str]:
        """The values that texts may name in braces."""
        header = self.header
        days = {"first": f"{header.first:%d/%m/%Y}", "last": f"{header.last:%d/%m/%Y}"}
        facts = {"label": header.label, "issuer": self.texts["masthead"]["issuer"], **days}
        periods = self.texts["periods"]
        is_day = header.first == header.last and "day" in periods
        period = periods["day" if is_day else header.period].format(**facts)
        named = "" if header.period == "span" else periods.get("days", "").format(**facts)
        return {"period": period, "days": named, **facts}

    def blocks(self) -> Iterator[Block]:
        sections = self.texts["sections"]
        for basis in self.texts["opening"]["basis"]:
            yield Paragraph(basis.format(**self.facts()))
        if covered := coverage(self.tables.figures, self.texts):
            yield Paragraph(covered)
        yield Heading(sections["results"])
        for number, (title, blocks) in enumerate(self.results(), start=1):
            yield Heading(f"{number}. {title}", 2)
            yield from blocks
        for name in ("assessment", "directions", "proposals"):
            yield Heading(sections[name])
            yield Paragraph(sections[f"{name}_prompt"], is_prompt=True)

    def results(self) -> Iterator[tuple[str, list[Block]]]:
        """The parts of the first section, each with its title."""
        sections, tables = self.texts["sections"], self.tables
        prompt = Paragraph(sections["steering_prompt"], is_prompt=True)
        yield sections["steering"], [prompt]
        yield sections["figures"], [tables.summary(), *self.remarks()]
        if self.header.parts:
            yield sections["by_year"], [tables.by_part(sections["by_year"])]
        for by, name in _DIVISIONS:
            charts = [tables.chart()] if by is By.MONTH else []
            yield sections[name], [tables.divided(by, sections[name]), *charts]
        yield sections["by_channel"], [tables.by_channel(sections["by_channel"])]
        if self.header.names.get(By.DETAIL):
            yield sections["by_bulletin"], [tables.divided(By.DETAIL, sections["by_bulletin"])]
        yield sections["statistics"], [*self.statistics()]

    def statistics(self) -> Iterator[Block]:
        """The statistics that Decree 224/2026/NĐ-CP, article 12, wants of each unit."""
        sections = self.texts["sections"]
        yield Paragraph(sections["statistics_basis"])
        for name in STATISTICS:
            yield self.tables.statistic(name, sections[name])

    def remarks(self) -> Iterator[Block]:
        if self.header.period == "year" and not self.header.former:
            yield Paragraph(self.texts["sections"]["no_former"])

    def annexes(self) -> Iterator[Block]:
        sections, former = self.texts["sections"], self.header.former
        yield Heading(sections["annex_definitions"])
        yield self.tables.definitions()
        yield Heading(sections["annex_source"])
        yield Paragraph(sections["source"].format(sha256=self.sha256))
        sources: list[Former | Part] = [*([former] if former else []), *self.header.parts]
        for part in sources:
            text: str = sections["former_source"]
            yield Paragraph(text.format(label=part.label, sha256=part.sha256))

    def signatures(self) -> Iterator[Signature]:
        signature = self.texts["signature"]
        yield Signature(signature["authority"], signature["name"])
        if second := signature.get("second_authority"):
            yield Signature(second, signature.get("second_name", ""))
