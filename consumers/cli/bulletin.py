"""`loa bulletin`: the issues of bulletins: propose one, edit it, look at those that there are.

An issue is an item like others: it is submitted, confirmed, proposed and approved by `loa desk`.
"""

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import date
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel, ValidationError

from consumers.app.settings import LoaSettings, load_vocabulary, read_settings
from consumers.bulletins.issues import IssueAtWork, SeriesIssues
from consumers.bulletins.pdf import IssuePrinter
from consumers.bulletins.print_texts import load_print_texts
from consumers.bulletins.released import ReleasedItems
from consumers.cli import output
from consumers.cli.acts import By, look
from consumers.cli.desk_acts import OrderAnswer, print_order
from consumers.cli.item_orders import ItemOrders
from consumers.cli.stores import find_seals
from consumers.desk.access import item_facts
from consumers.editorial.log import EditorialLog
from consumers.messages import field_error
from consumers.staff.authorization import ReadingRight
from contracts.base.times import vietnam_time
from contracts.bulletins import composition, editing
from contracts.bulletins.issue import BulletinAmendment, BulletinEntry, BulletinIssue
from contracts.bulletins.proposal import entry_of
from contracts.bulletins.series import Series as SeriesEntry
from contracts.bulletins.series import Span
from contracts.editorial import OUT, ItemState, Status
from contracts.errors import Conflict, FieldError, Invalid, NotFound, explain
from producers.bus import Bus

app = typer.Typer(no_args_is_help=True, help="Make issues of bulletins of what was published.")


class Direction(StrEnum):
    UP = "up"
    DOWN = "down"


_STEPS = {Direction.UP: editing.UP, Direction.DOWN: editing.DOWN}
Issue = Annotated[str, typer.Argument(help="The issue's content_id.")]
IssueOrItem = Annotated[str, typer.Argument(help="The content_id of an issue, or of an item.")]
Item = Annotated[str, typer.Argument(help="The content_id of an item in the issue.")]
Way = Annotated[Direction, typer.Argument(help="To the reader's beginning, or end.")]
NewItem = Annotated[str, typer.Argument(help="The content_id of a published item.")]
Section = Annotated[str, typer.Argument(help="The section's id.")]
Series = Annotated[str, typer.Argument(help="The id of the bulletin; see loa bulletin series.")]
Before = Annotated[str, typer.Option(metavar="ITEM", help="The item that follows; else none.")]
Text = Annotated[str, typer.Argument(help="What the issue says of it; empty: the title alone.")]
Introduction = Annotated[str, typer.Argument(help="Markdown; empty: none.")]
Compiler = Annotated[str, typer.Argument(help="A name; empty: none.")]
Number = Annotated[int | None, typer.Option(min=1, help="Its number; else the next of the year.")]
First = Annotated[str, typer.Option(metavar="DAY", help="Its first day; else after the last one.")]
Last = Annotated[str, typer.Option(metavar="DAY", help="Its last day; else of the last full span.")]
PdfFile = Annotated[Path, typer.Argument(help="The PDF to write.", dir_okay=False)]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the proposal, save nothing.")]
OfYear = Annotated[int | None, typer.Option("--year", help="The year; else this one.")]


class ListedSeries(BaseModel):
    """A bulletin in the answer of `series`."""

    series: str
    name: str
    unit: str
    topic: str
    rhythm: str


class ListedIssue(BaseModel):
    """An issue in the answer of `list`."""

    content_id: str
    number: int
    first_day: date
    last_day: date
    items: int
    status: Status


class ShownIssue(BaseModel):
    """An issue with its parts. `outdated`: its items that changed since it was made."""

    content_id: str
    revision: int
    status: Status | None
    hash: str
    issue: BulletinIssue
    outdated: tuple[str, ...] = ()


class CorrectedIssue(OrderAnswer):
    """A correction that waits for people; how many items it drops, and tells anew."""

    dropped: int = 0
    renewed: int = 0


class PrintAnswer(BaseModel):
    """The answer to `print`: the file that was written."""

    content_id: str
    file: Path


def _issues(bus: Bus) -> SeriesIssues:
    settings = read_settings(LoaSettings)
    items = ReleasedItems(bus, partial(find_seals, bus))
    vocabulary = load_vocabulary(settings)
    texts = load_print_texts(settings.bulletin_texts_file)
    printer = IssuePrinter(settings.public_url, texts)
    return SeriesIssues(items, EditorialLog(bus), vocabulary, time.time, printer)


@app.command("series")
@output.page(list[ListedSeries], examples=("loa bulletin series",))
def list_series(by: By = "", as_json: output.Json = False) -> None:
    """List the bulletins that there are: id, name, unit, topic and rhythm."""

    async def read(bus: Bus) -> list[ListedSeries]:
        await look(bus, "desk.read", "", by)
        known = load_vocabulary(read_settings(LoaSettings)).bulletins
        return [_listed_series(id, one) for id, one in known.items()]

    output.print_records(ListedSeries, output.run_on_bus(read), as_json)


def _listed_series(id: str, one: SeriesEntry) -> ListedSeries:
    facts = {"name": one.name, "unit": one.unit, "topic": one.topic, "rhythm": one.rhythm}
    return ListedSeries(series=id, **facts)


@app.command("list")
@output.page(list[ListedIssue], examples=("loa bulletin list ban-tin-cai-cach-hanh-chinh",))
def list_issues(
    series: Series = "", year: OfYear = None, by: By = "", as_json: output.Json = False
) -> None:
    """List the issues of a bulletin in a year: number, days, items, and where each is."""

    async def read(bus: Bus) -> list[ListedIssue]:
        right = await look(bus, "desk.read", "", by)
        issues = _issues(bus)
        if not series:
            known = ", ".join(issues.vocabulary.bulletins) or "-"
            raise Invalid(field_error("series", "series_missing", known=known))
        issues.series(series)
        found = await issues.of_year(series, year or vietnam_time(time.time()).year)
        return [_listed(one) for one in found if right.covers(item_facts(one.state))]

    output.print_records(ListedIssue, output.run_on_bus(read), as_json)


def _listed(one: IssueAtWork) -> ListedIssue:
    issue = one.issue
    return ListedIssue(
        content_id=one.content_id,
        number=issue.number,
        first_day=issue.first_day,
        last_day=issue.last_day,
        items=len(issue.content_ids),
        status=one.state.status or Status.DRAFT,
    )


@app.command()
@output.page(
    ShownIssue,
    examples=(
        "loa bulletin propose ban-tin-cai-cach-hanh-chinh --dry-run",
        "loa bulletin propose ban-tin-cai-cach-hanh-chinh --first 2026-11-30 --last 2026-12-06",
    ),
)
def propose(
    series: Series,
    number: Number = None,
    first: First = "",
    last: Last = "",
    dry_run: DryRun = False,
    by: By = "",
    as_json: output.Json = False,
) -> None:
    """Begin the next issue as a draft, with the items published since the last one.

    No item of another issue is in it again; what was corrected or withdrawn since has a section.
    A draft of the days that are named is that draft again.
    """
    with output.explain_errors():
        span = _span(first, last)

    async def begin(bus: Bus) -> ShownIssue:
        right = await look(bus, "desk.read", "", by)
        issues = _issues(bus)
        if known := await issues.begun_for(series, span) if span else "":
            return await _begun_before(issues, known, right)
        issue = await issues.propose(series, span, number)
        if dry_run:
            return _shown(IssueAtWork(issue.content_id, ItemState(), issue))
        await _begin(issues, ItemOrders(bus, by), issue)
        return _shown(await issues.require(issue.content_id))

    run = output.run_on_bus if dry_run else output.act_on_bus
    _print(run(begin), as_json)


async def _begun_before(issues: SeriesIssues, content_id: str, right: ReadingRight) -> ShownIssue:
    """The draft of the same days, as it is. Raises Forbidden."""
    found = await issues.require(content_id)
    right.require(item_facts(found.state))
    output.tell_afterwards(field_error(content_id, "issue_begun_before"))
    return _shown(found)


async def _begin(issues: SeriesIssues, orders: ItemOrders, issue: BulletinIssue) -> None:
    """Save an issue as a draft; the number of one that was given up gets a new text."""
    series = issues.series(issue.series)
    text = composition.new_text_of(issue, series)
    if known := await issues.read(issue.content_id):
        await orders.change(issue.content_id, known.state.hash, lambda _: text)
    else:
        await orders.begin(series.unit, text, issue.content_id)


@app.command()
@output.page(ShownIssue, examples=("loa bulletin show ban-tin-cai-cach-hanh-chinh-2026-so-48",))
def show(issue: Issue, by: By = "", as_json: output.Json = False) -> None:
    """Show the items of an issue by section, and which of them changed since it was made."""

    async def read(bus: Bus) -> ShownIssue:
        right = await look(bus, "desk.read", issue, by)
        issues = _issues(bus)
        found = await issues.require(issue)
        right.require(item_facts(found.state))
        return _shown(found, await issues.outdated(found.issue, is_out=found.state.status in OUT))

    _print(output.run_on_bus(read), as_json)


@app.command()
@output.page(
    list[CorrectedIssue],
    examples=(
        "loa bulletin correct ban-tin-cai-cach-hanh-chinh-2026-so-48",
        "loa bulletin correct ITEM",
    ),
)
def correct(name: IssueOrItem, by: By = "", as_json: output.Json = False) -> None:
    """Begin the correction of an issue that readers have, without its withdrawn items.

    Items that were corrected are told as they are now. Of an item: the correction of each issue
    that tells of it, but for those that can have none, which are named. It is a draft; a repeat is
    the same one.
    """
    refused: list[FieldError] = []

    async def begin(bus: Bus) -> list[CorrectedIssue]:
        right = await look(bus, "desk.read", name, by)
        issues, orders = _issues(bus), ItemOrders(bus, by)
        names = [name] if await issues.read(name) else await issues.telling(name)
        if not names:
            raise Conflict(field_error("content_id", "told_by_no_issue", value=name))
        begun = list[CorrectedIssue]()
        for one in names:
            try:
                begun.append(await _correct(issues, orders, right, one))
            except Conflict as conflict:
                refused.extend(conflict.errors)
        if not begun:
            raise Conflict(*refused)
        return begun

    begun = output.act_on_bus(begin)
    output.print_answer(begun, as_json, lambda: _show_corrected(begun))
    if refused:
        output.print_errors(refused)
        raise typer.Exit(output.EXIT_INVALID)


def _show_corrected(begun: list[CorrectedIssue]) -> None:
    for one in begun:
        print_order(one, as_json=False)
        typer.echo(f"dropped: {one.dropped}, renewed: {one.renewed}")


async def _correct(
    issues: SeriesIssues, orders: ItemOrders, right: ReadingRight, content_id: str
) -> CorrectedIssue:
    """Save the correction of an issue; one that waits already stays. Raises Conflict, Forbidden."""
    found = await issues.require(content_id)
    right.require(item_facts(found.state))
    state, is_new = found.state, found.state.status in OUT
    if not state.out:
        raise Conflict(field_error("content_id", "issue_not_out", value=content_id))
    correction = await issues.correction(found.issue)
    if correction.issue != found.issue:
        change = partial(correction.fields, is_new=is_new)
        state = await orders.change(content_id, state.hash, change)
    elif is_new:
        raise Conflict(field_error("content_id", "issue_is_current", value=content_id))
    order = OrderAnswer.of(content_id, state).model_dump()
    return CorrectedIssue(**order, dropped=correction.withdrawn, renewed=correction.corrected)


@app.command("print")
@output.page(
    PrintAnswer, examples=("loa bulletin print ban-tin-cai-cach-hanh-chinh-2026-so-48 so-48.pdf",)
)
def print_issue(issue: Issue, file: PdfFile, by: By = "", as_json: output.Json = False) -> None:
    """Write an issue as a PDF for print, marked as a draft where readers do not have that text."""

    async def read(bus: Bus) -> PrintAnswer:
        right = await look(bus, "desk.read", issue, by)
        issues = _issues(bus)
        found = await issues.require(issue)
        right.require(item_facts(found.state))
        file.write_bytes(issues.print_issue(found.issue, is_draft=found.state.status not in OUT))
        return PrintAnswer(content_id=issue, file=file)

    answer = output.run_on_bus(read)
    output.print_answer(answer, as_json, lambda: typer.echo(answer.file))


@app.command()
@output.page(OrderAnswer, examples=("loa bulletin move ISSUE ITEM up",))
def move(
    issue: Issue, item: Item, direction: Way, by: By = "", as_json: output.Json = False
) -> None:
    """Move an item up or down by one place; at the end of a section, into the next one."""
    step = _STEPS[direction]
    _edit(issue, by, as_json, lambda parts: editing.move(parts, item, step))


@app.command()
@output.page(OrderAnswer, examples=("loa bulletin put ISSUE ITEM the-che --before OTHER",))
def put(
    issue: Issue,
    item: Item,
    section: Section,
    before: Before = "",
    by: By = "",
    as_json: output.Json = False,
) -> None:
    """Put an item into a section, before another one or at its end."""
    _edit(issue, by, as_json, lambda parts: editing.place_before(parts, item, section, before))


@app.command()
@output.page(OrderAnswer, examples=("loa bulletin drop ISSUE ITEM",))
def drop(issue: Issue, item: Item, by: By = "", as_json: output.Json = False) -> None:
    """Leave an item out of the issue."""
    _edit(issue, by, as_json, lambda parts: editing.drop(parts, item))


@app.command()
@output.page(OrderAnswer, examples=("loa bulletin add ISSUE ITEM quoc-te",))
def add(
    issue: Issue, item: NewItem, section: Section, by: By = "", as_json: output.Json = False
) -> None:
    """Put a published item at the end of a section."""

    async def change(bus: Bus) -> OrderAnswer:
        await ItemOrders(bus, by).state(issue)
        issues = _issues(bus)
        entry = entry_of(await issues.released(item, (await issues.require(issue)).issue))
        return await _save(bus, issue, by, lambda parts: editing.add(parts, section, entry))

    print_order(output.act_on_bus(change), as_json)


@app.command()
@output.page(OrderAnswer, examples=('loa bulletin shorten ISSUE ITEM "Một câu ngắn."',))
def shorten(
    issue: Issue, item: Item, text: Text, by: By = "", as_json: output.Json = False
) -> None:
    """Give an item another text in this issue; the item itself stays as it is."""
    _edit(issue, by, as_json, lambda parts: editing.shorten(parts, item, text))


@app.command()
@output.page(OrderAnswer, examples=('loa bulletin introduce ISSUE "Tuần qua, ..."',))
def introduce(issue: Issue, text: Introduction, by: By = "", as_json: output.Json = False) -> None:
    """Give the issue an introduction."""
    _edit(issue, by, as_json, lambda parts: editing.introduce(parts, text))


@app.command("compiled-by")
@output.page(OrderAnswer, examples=('loa bulletin compiled-by ISSUE "Lê An"',))
def compiled_by(issue: Issue, name: Compiler, by: By = "", as_json: output.Json = False) -> None:
    """Say in the issue's last lines who compiled it."""
    _edit(issue, by, as_json, lambda parts: editing.compiled_by(parts, name))


Edit = Callable[[BulletinIssue], BulletinIssue]


def _edit(content_id: str, by: str, as_json: bool, edit: Edit) -> None:
    """Save an edit of the newest text, and print the item as it is then."""
    answer = output.act_on_bus(lambda bus: _save(bus, content_id, by, edit))
    print_order(answer, as_json)


async def _save(bus: Bus, content_id: str, by: str, edit: Edit) -> OrderAnswer:
    orders = ItemOrders(bus, by)
    newest = await orders.state(content_id)
    change = partial(_edited, content_id, edit)
    return OrderAnswer.of(content_id, await orders.change(content_id, newest.hash, change))


def _edited(content_id: str, edit: Edit, data: Mapping[str, Any]) -> Mapping[str, Any]:
    """The changed fields of a text. Raises NotFound, Invalid, Conflict."""
    if not data.get("bulletin"):
        raise NotFound(field_error("content_id", "no_issue", value=content_id))
    try:
        return composition.fields_of(edit(BulletinIssue.model_validate(data["bulletin"])))
    except ValidationError as error:
        raise Invalid(*explain(error, "data.bulletin")) from error


def _span(first: str, last: str) -> Span | None:
    """The days that are named, both or none. Raises Invalid."""
    if not (first or last):
        return None
    try:
        return Span(date.fromisoformat(first), date.fromisoformat(last))
    except ValueError as error:
        raise Invalid(field_error("--first, --last", "two_days")) from error


def _shown(one: IssueAtWork, outdated: tuple[str, ...] = ()) -> ShownIssue:
    return ShownIssue(
        content_id=one.content_id,
        revision=one.state.revision,
        status=one.state.status,
        hash=one.state.hash,
        issue=one.issue,
        outdated=outdated,
    )


def _print(shown: ShownIssue, as_json: bool) -> None:
    output.print_answer(shown, as_json, lambda: _show(shown))


def _show(shown: ShownIssue) -> None:
    typer.echo("\n".join(_lines(shown)))
    if shown.outdated:
        output.print_field_texts(field_error("*", "issue_outdated"))


def _lines(shown: ShownIssue) -> Iterator[str]:
    issue = shown.issue
    yield f"{shown.content_id}: {issue.first_day:%d/%m/%Y} - {issue.last_day:%d/%m/%Y}"
    yield f"hash: {shown.hash or '-'}"
    for section in issue.sections:
        yield f"{section.id}: {section.name}"
        for entry in section.entries:
            yield f"  {_line(entry, shown.outdated)}"
    for one in issue.amendments:
        yield f"{one.change}: {_line(one, shown.outdated)}"


def _line(one: BulletinEntry | BulletinAmendment, outdated: Collection[str]) -> str:
    """An item with its revision and title, marked if it has changed."""
    changed = " *" if one.content_id in outdated else ""
    return f"{one.content_id}.{one.revision}{changed}  {output.visible(one.title)}"
