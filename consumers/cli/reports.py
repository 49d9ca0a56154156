"""`loa report`: seal the figures of a year or of another span, make and verify the report."""

import asyncio
import re
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, NamedTuple

import typer
from pydantic import BaseModel, ConfigDict

from consumers.app.settings import LoaSettings, load_deadlines, load_vocabulary, read_settings
from consumers.cli import output
from consumers.cli.acts import By, Command, run_audited
from consumers.cli.progress import progress_bars
from consumers.cli.stores import open_keys
from consumers.facts.store import FactStore
from consumers.key_file import KeyFile
from consumers.messages import field_error
from consumers.periodic_reports.archive import HeaderSources, ReportArchive, check_name
from consumers.periodic_reports.authors import AuthorList, published_by_author
from consumers.periodic_reports.contents.texts import load_texts
from consumers.periodic_reports.sealed_report import (
    FileState,
    ReportSeal,
    Verification,
    sealing_key,
)
from consumers.periodic_reports.span import Span
from consumers.private_files import write_new
from consumers.staff.accounts import AccountStore
from consumers.staff.authorization import Actor
from contracts.errors import FieldError, Invalid
from producers.bus import Bus

app = typer.Typer(
    no_args_is_help=True, help="Make the yearly report from sealed figures, and verify it."
)
Year = Annotated[
    int, typer.Argument(min=2000, max=9999, help="15 December of the year before to 14 December.")
]
First = Annotated[datetime, typer.Argument(formats=["%Y-%m-%d"], help="The first day.")]
Last = Annotated[datetime, typer.Argument(formats=["%Y-%m-%d"], help="The last day.")]
Name = Annotated[str, typer.Option("--name", help="The name of the report; by default its days.")]
WithGaps = Annotated[
    bool, typer.Option("--with-gaps", help="Seal days that are not counted as gaps.")
]
Labels = Annotated[list[str], typer.Argument(help="The sealed years, in any order.")]
Label = Annotated[str, typer.Argument(help="The report: a year, or the name of a span.")]
AuthorsFile = Annotated[Path, typer.Argument(help="The new file: .xlsx or .csv.")]
_AUTHOR_FILES = (".xlsx", ".csv")
_LABEL = re.compile(r"[0-9a-z](?:[0-9a-z-]{0,62}[0-9a-z])?")
_FILE_TEXTS = {
    FileState.SAME: "report_file_same",
    FileState.CHANGED: "report_file_changed",
    FileState.MISSING: "report_file_missing",
}


class SealedAnswer(BaseModel):
    """A sealed report. *sha256*: of its data set; *files*: their hashes, by name.

    *kept*: files that people had changed, under their new names.
    """

    model_config = ConfigDict(frozen=True)

    label: str
    folder: Path
    sha256: str
    files: dict[str, str]
    kept: Sequence[Path] = ()


class AuthorsAnswer(BaseModel):
    """A list of items by author: the file, and how many items of how many authors it has."""

    model_config = ConfigDict(frozen=True)

    file: Path
    items: int
    authors: int


@app.command()
@output.page(SealedAnswer, examples=("loa report year 2026",))
def year(
    year: Year, with_gaps: WithGaps = False, by: By = "", as_json: output.Json = False
) -> None:
    """Seal the figures of a year, and make the report as .docx, .pdf and .xlsx.

    A year is sealed once, when it is over and its last day is counted. The report compares it with
    the plan in `report.toml` and with the year before, if that is sealed.
    """
    order = _SealOrder(Span.of_year(year), str(year), str(year - 1), with_gaps)
    _seal(order, by, as_json)


@app.command()
@output.page(SealedAnswer, examples=("loa report span 2026-07-01 2026-09-30 --name 2026-quy-3",))
def span(
    first: First,
    last: Last,
    name: Name = "",
    with_gaps: WithGaps = False,
    by: By = "",
    as_json: output.Json = False,
) -> None:
    """Seal the figures of any days, and make the report of them."""
    days = _span_of(first, last)
    label = name or f"{days.first}-{days.last}"
    with output.explain_errors():
        check_name(label, days)
    _seal(_SealOrder(days, label, "", with_gaps), by, as_json)


class _SealOrder(NamedTuple):
    """An order to seal a report: its days, its name, and the former report that it compares."""

    span: Span
    label: str
    former: str
    with_gaps: bool


def _seal(order: _SealOrder, by: str, as_json: bool) -> None:
    settings = read_settings(LoaSettings)

    async def work(bus: Bus, _: Actor) -> ReportSeal:
        archive = _archive(await open_keys(bus))
        texts, vocabulary = load_texts(settings.report_texts_file), load_vocabulary(settings)
        sources = HeaderSources(texts, vocabulary, order.former, load_deadlines(settings))
        store = FactStore(bus)
        if not order.with_gaps:
            await archive.check_counted(store, order.span)
        return await archive.seal(store, order.span, order.label, sources)

    with output.explain_errors():
        _check_label(order.label)
    _tell(run_audited(Command("report.seal", order.label, by), work), as_json)


@app.command()
@output.page(SealedAnswer, examples=("loa report review 2024 2025 2026",))
def review(labels: Labels, name: Name = "", by: By = "", as_json: output.Json = False) -> None:
    """Join sealed years that follow one another to a final review, year beside year."""
    settings, label = read_settings(LoaSettings), name or f"{min(labels)}-{max(labels)}"

    async def work(bus: Bus, _: Actor) -> ReportSeal:
        archive = _archive(await open_keys(bus))
        sources = HeaderSources(load_texts(settings.report_texts_file), load_vocabulary(settings))
        return await asyncio.to_thread(archive.review, labels, label, sources)

    with output.explain_errors():
        for one in (label, *labels):
            _check_label(one)
    _tell(run_audited(Command("report.seal", label, by), work), as_json)


@app.command()
@output.page(SealedAnswer, on_bus=False, examples=("loa report files 2026",))
def files(label: Label, as_json: output.Json = False) -> None:
    """Make the files of a sealed report again, from its data set alone.

    A file that a person has changed is kept beside them, under another name.
    """
    with output.explain_errors(), progress_bars():
        _check_label(label)
        report = _own_archive().report(label)
        seal = report.read_seal()
        kept = list(report.keep_changed())
        made = dict(report.write_files())
    _tell(seal.model_copy(update={"files": made}), as_json, kept)


@app.command()
@output.page(
    Verification,
    {output.EXIT_NEEDS_PERSON: "the data set or its seal was changed"},
    on_bus=False,
    examples=("loa report verify 2026",),
)
def verify(label: Label, as_json: output.Json = False) -> None:
    """Prove that a data set is as it was sealed, and that the report can be made again."""
    with output.explain_errors(), progress_bars():
        _check_label(label)
        found = _own_archive().report(label).verify()
    output.print_answer(found, as_json, lambda: output.print_field_texts(*_texts(found)))
    raise typer.Exit(0 if found.holds else output.EXIT_NEEDS_PERSON)


@app.command()
@output.page(
    AuthorsAnswer, examples=("loa report authors 2026-07-01 2026-09-30 nhuan-but-quy-3.xlsx",)
)
def authors(
    first: First, last: Last, file: AuthorsFile, by: By = "", as_json: output.Json = False
) -> None:
    """List the items published in these days by author, for remuneration, as .xlsx or .csv.

    The list names people, so it comes from the records of items; no report holds it.
    """
    span = _span_of(first, last)
    with output.explain_errors():
        if file.suffix not in _AUTHOR_FILES:
            raise Invalid(field_error("file", "report_authors_file", value=file.name))
    settings = read_settings(LoaSettings)

    async def work(bus: Bus, _: Actor) -> AuthorList:
        names = {one.id: one.name for one in await AccountStore(bus, time.time).all()}
        rows = await published_by_author(bus, span, names)
        return AuthorList(rows, load_texts(settings.report_texts_file), load_vocabulary(settings))

    days = f"{span.first}..{span.last}"
    found = run_audited(Command("report.authors", days, by), work)
    with output.explain_errors():
        write_new(file, found.workbook() if file.suffix == ".xlsx" else found.csv())
    people = {(row.author, row.unit, row.account) for row in found.rows}
    answer = AuthorsAnswer(file=file, items=len(found.rows), authors=len(people))
    text = field_error(str(file), "report_authors", items=answer.items, authors=answer.authors)
    output.print_answer(answer, as_json, lambda: output.print_field_texts(text))


def _span_of(first: datetime, last: datetime) -> Span:
    days = Span(first.date(), last.date())
    with output.explain_errors():
        if days.last < days.first:
            raise Invalid(field_error("first", "report_span_backwards"))
    return days


def _texts(found: Verification) -> list[FieldError]:
    texts = [_verdict(found)]
    texts += [field_error(name, _FILE_TEXTS[state]) for name, state in found.files.items()]
    programs = ", ".join(f"{name} {change}" for name, change in found.programs.items()) or "-"
    differing = (name for name, is_same in found.made_again.items() if not is_same)
    return texts + [field_error(name, "report_file_differs", value=programs) for name in differing]


def _verdict(found: Verification) -> FieldError:
    if not found.is_signed:
        return field_error("report", "report_seal_forged", value=found.label)
    code = "report_holds" if found.is_data_same else "report_changed"
    return field_error("report", code, value=found.label)


def _tell(seal: ReportSeal, as_json: bool, kept: Sequence[Path] = ()) -> None:
    folder = read_settings(LoaSettings).reports_dir / seal.label
    answer = SealedAnswer(
        label=seal.label, folder=folder, sha256=seal.sha256, files=dict(seal.files), kept=kept
    )
    output.print_answer(answer, as_json, lambda: _print_sealed(answer))


def _print_sealed(answer: SealedAnswer) -> None:
    files = [(str(answer.folder / name), sha256) for name, sha256 in answer.files.items()]
    texts = [field_error(path, "report_file_made", value=sha256) for path, sha256 in files]
    texts += [field_error(file.name, "report_file_kept") for file in answer.kept]
    output.print_field_texts(*texts)


def _archive(keys: KeyFile) -> ReportArchive:
    return ReportArchive(read_settings(LoaSettings).reports_dir, sealing_key(keys), time.time)


def _own_archive() -> ReportArchive:
    """Reports under the key of this machine. Raises Invalid, KeyFileBroken."""
    return _archive(KeyFile.open(read_settings(LoaSettings).key_file, create=False))


def _check_label(label: str) -> None:
    """Raises Invalid for what can't be the name of a folder."""
    if not _LABEL.fullmatch(label):
        raise Invalid(field_error("name", "report_label_unfit", value=label))
