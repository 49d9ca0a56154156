"""`loa campaign`: campaigns with plan beside done; propose one, change its plan, let items join.

A campaign is an item like others: it is submitted, confirmed, proposed and approved by `loa desk`.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from pydantic import BaseModel

from consumers.app.settings import LoaSettings, load_vocabulary, load_working_days, read_settings
from consumers.campaigns.report_files import RENDERERS, CampaignReports
from consumers.cli import output
from consumers.cli.acts import By, look
from consumers.cli.desk_acts import OrderAnswer, print_order
from consumers.cli.desk_index import open_current_index
from consumers.cli.desk_reports import open_reports
from consumers.cli.item_orders import Change, ItemOrders
from consumers.desk.access import item_facts
from consumers.desk.person_lists import readable
from consumers.editorial.joining import approved_data
from consumers.editorial.log import EditorialLog
from consumers.messages import field_error
from consumers.staff.authorization import ReadingRight
from contracts.base.times import utc_now
from contracts.campaigns import composition, editing
from contracts.campaigns.doors import FIELD as PLAN_FIELD
from contracts.campaigns.doors import plan_errors
from contracts.campaigns.plan import TOPIC, CampaignPlan, Metric, PlannedItem
from contracts.campaigns.progress import CampaignItem, EntryState
from contracts.campaigns.reported import Campaign, ReportedCampaign
from contracts.delivery import ChannelName
from contracts.desk.campaigns import (
    CountedRow,
    JoinedRows,
    count_campaign,
    counted_rows,
    joined_rows,
)
from contracts.desk.index import MOST_ROWS, ItemFilter, all_rows
from contracts.editorial import OUT, ItemState, Status
from contracts.errors import Invalid, NotFound, Unavailable
from contracts.facts.campaign_targets import facts_wanted, reached_targets
from contracts.facts.live_reports import ItemFigures
from producers.bus import Bus

app = typer.Typer(no_args_is_help=True, help="Plan campaigns, and see plan beside done.")

CampaignName = Annotated[str, typer.Argument(help="The campaign's content_id, its address.")]
Item = Annotated[str, typer.Argument(help="The content_id of an item.")]
EntryNumber = Annotated[int, typer.Argument(help="The number of a planned item.")]
Title = Annotated[str, typer.Option(help="The title, as readers see it.")]
Introduction = Annotated[str, typer.Option(help="What readers read on its page, as Markdown.")]
Purpose = Annotated[str, typer.Option(help="What it is for; it is not published.")]
First = Annotated[str, typer.Option(metavar="DAY", help="The first day, as 2026-12-01.")]
Last = Annotated[str, typer.Option(metavar="DAY", help="The last day.")]
Unit = Annotated[str, typer.Option(help="The unit that proposes it; else the account's.")]
Topic = Annotated[str, typer.Option(help="The topic of its own item.")]
Partner = Annotated[list[str] | None, typer.Option("--partner", help="A unit that co-operates.")]
TargetOption = Annotated[
    list[str] | None,
    typer.Option("--target", metavar="METRIC=N", help="items, delivered or opinions, as items=8."),
]
PlannedTitle = Annotated[str, typer.Argument(help="What it is to be about.")]
PlannedDay = Annotated[str, typer.Argument(metavar="DAY", help="The day by which it is out.")]
PlannedUnit = Annotated[str, typer.Option("--unit", help="Who writes it; else the campaign's.")]
PlannedChannel = Annotated[ChannelName | None, typer.Option("--channel", help="Its channel.")]
ReportFile = Annotated[Path, typer.Argument(help="A .docx or a .pdf to write.", dir_okay=False)]
Reason = Annotated[str, typer.Option(help="What a correction corrects; readers read it.")]
Note = Annotated[str, typer.Option(help="Why the plan changes, for the item's history.")]
Entry = Annotated[int | None, typer.Option(help="The planned item that it is, by its number.")]


class ReportAnswer(BaseModel):
    """The answer to `report`: the file that was written."""

    content_id: str
    file: Path


class ListedCampaign(BaseModel):
    """A campaign in the answer of `list`. `done` and `late`: of its planned items."""

    content_id: str
    title: str
    unit: str
    status: Status | None
    first_day: date
    last_day: date
    planned: int
    done: int
    late: int
    published: int


class ShownItem(BaseModel):
    """An item that joined; without `shown_on`, readers do not have it.

    `shown_on`: the day they first saw it, for a planned item on its channel. `channels`: where
    they saw it, or will.
    """

    content_id: str
    title: str
    unit: str
    shown_on: date | None = None
    channels: tuple[ChannelName, ...] = ()


class ShownEntry(BaseModel):
    """A planned item, and the items that say they are it.

    Those on other channels than the planned one do not fulfil it.
    """

    planned: PlannedItem
    state: EntryState
    working_days_late: int | None = None
    items: tuple[ShownItem, ...] = ()


class ShownCampaign(BaseModel):
    """A campaign with its plan beside done.

    `plan` and `title`: the approved ones, else the newest; `draft`: a newer plan, which waits.
    `reached`: of its targets, as the desk's page has it; `notes`: why one has no figure.
    """

    content_id: str
    title: str
    unit: str
    revision: int
    status: Status | None
    hash: str
    plan: CampaignPlan
    draft: CampaignPlan | None = None
    reached: dict[Metric, str] = {}
    notes: tuple[str, ...] = ()
    entries: tuple[ShownEntry, ...] = ()
    additional: tuple[ShownItem, ...] = ()
    at_work: tuple[ShownItem, ...] = ()


class _Found(NamedTuple):
    """A campaign in the log: as it is counted, its item, and the newest plan."""

    campaign: Campaign
    state: ItemState
    newest: CampaignPlan


async def _find(bus: Bus, content_id: str) -> _Found:
    """Raises NotFound for an item that is no campaign."""
    state, acts = await EditorialLog(bus).history(content_id)
    newest, unit = _require_plan(content_id, state), state.text.unit if state.text else ""
    data = state.text.data if state.text else {}
    campaign = Campaign.of(content_id, unit, approved_data(state, acts), data)
    return _Found(campaign or Campaign(content_id, "", unit, newest), state, newest)


async def _counted(
    bus: Bus, content_id: str, right: ReadingRight
) -> tuple[_Found, ReportedCampaign]:
    """Count a campaign as the desk's page does. Raises NotFound, Forbidden."""
    found = await _find(bus, content_id)
    right.require(item_facts(found.state))
    async with open_current_index(bus) as index:
        joined = await joined_rows(index, content_id, _readable(right))
    return found, _count(found.campaign, joined)


def _readable(right: ReadingRight) -> ItemFilter:
    return readable(right.policy, right.account) if right.account else ItemFilter()


def _count(campaign: Campaign, joined: JoinedRows) -> ReportedCampaign:
    days = load_working_days(read_settings(LoaSettings))
    return count_campaign(campaign, joined, utc_now(time.time), days.is_working)


@app.command("list")
@output.page(list[ListedCampaign], examples=("loa campaign list",))
def list_campaigns(by: By = "", as_json: output.Json = False) -> None:
    """List campaigns, drafts too: their days, and how much of each plan is done."""

    async def read(bus: Bus) -> list[ListedCampaign]:
        right = await look(bus, "desk.read", "", by)
        wanted = replace(_readable(right), is_campaign=True, limit=MOST_ROWS)
        async with open_current_index(bus) as index:
            rows = await all_rows(index, wanted)
            return [*_listed(await counted_rows(index, rows, utc_now(time.time)))]

    output.print_records(ListedCampaign, output.run_on_bus(read), as_json)


def _listed(found: Iterable[CountedRow]) -> Iterator[ListedCampaign]:
    for row, campaign, counts in found:
        yield ListedCampaign(
            content_id=row.content_id,
            title=campaign.title,
            unit=campaign.unit,
            status=row.status,
            first_day=campaign.plan.first_day,
            last_day=campaign.plan.last_day,
            planned=counts.planned,
            done=counts.done,
            late=counts.late,
            published=counts.published,
        )


@app.command()
@output.page(ShownCampaign, examples=("loa campaign show luong-moi-2027",))
def show(campaign: CampaignName, by: By = "", as_json: output.Json = False) -> None:
    """Show a campaign's plan beside what is done, and what was published in addition."""

    async def read(bus: Bus) -> ShownCampaign:
        right = await look(bus, "desk.read", campaign, by)
        found, counted = await _counted(bus, campaign, right)
        return _shown(found, counted, await _reached(bus, counted))

    answer = output.run_on_bus(read)
    output.print_answer(answer, as_json, lambda: typer.echo("\n".join(_lines(answer))))


async def _reached(bus: Bus, campaign: ReportedCampaign) -> ItemFigures:
    """Find the figure of each target, or the reason why this machine has none."""
    found, wanted = ItemFigures({}), facts_wanted(campaign)
    try:
        if wanted:
            async with open_reports(bus) as reports:
                found = await reports.of_items(wanted)
    except Unavailable as refused:
        found = ItemFigures({}, [one.message for one in refused.errors])
    return reached_targets(campaign, found)


@app.command()
@output.page(
    OrderAnswer,
    examples=(
        'loa campaign propose luong-moi-2027 --title "Tiền lương mới" --introduction "Từ '
        '01/01/2027 tiền lương tính theo quy định mới." --purpose "Giảm số câu hỏi gửi về Bộ." '
        "--first 2026-12-01 --last 2027-01-31 --target items=8",
    ),
)
def propose(
    campaign: CampaignName,
    title: Title,
    introduction: Introduction,
    purpose: Purpose,
    first: First,
    last: Last,
    unit: Unit = "",
    topic: Topic = TOPIC,
    partner: Partner = None,
    target: TargetOption = None,
    by: By = "",
    as_json: output.Json = False,
) -> None:
    """Begin a campaign as a draft. Its name is its address: /chuyen-de/CAMPAIGN/."""
    with output.explain_errors():
        fields = {"purpose": purpose, "first_day": first, "last_day": last}
        more = {"partners": partner or [], "targets": _targets(target)}
        plan = _checked_plan({**fields, **more}, "")

    async def begin(bus: Bus) -> OrderAnswer:
        new = composition.NewCampaign(campaign, title, topic, introduction)
        text = composition.new_text_of(new, plan)
        orders = ItemOrders(bus, by)
        await orders.begin(unit, text, campaign)
        return OrderAnswer.of(campaign, await orders.state(campaign))

    print_order(output.act_on_bus(begin), as_json)


@app.command("change")
@output.page(OrderAnswer, examples=("loa campaign change luong-moi-2027 --last 2027-02-28",))
def change_plan(
    campaign: CampaignName,
    introduction: Introduction = "",
    purpose: Purpose = "",
    first: First = "",
    last: Last = "",
    partner: Partner = None,
    target: TargetOption = None,
    reason: Reason = "",
    note: Note = "",
    by: By = "",
    as_json: output.Json = False,
) -> None:
    """Change introduction, purpose, days, partners or targets; the rest stays as it is.

    A campaign that is out needs --reason where what readers have changes.
    """
    given: dict[str, Any] = {"purpose": purpose, "first_day": first, "last_day": last}
    with output.explain_errors():
        given |= {"partners": partner, "targets": _targets(target) if target else None}
    named = {name: value for name, value in given.items() if value}
    public = {"introduction": introduction, "reason": reason}
    _Command(campaign, by, as_json, note).edit(
        lambda plan, _: editing.change(plan, **named), **public
    )


@app.command()
@output.page(OrderAnswer, examples=('loa campaign plan luong-moi-2027 "Hỏi đáp" 2026-12-18',))
def plan(
    campaign: CampaignName,
    title: PlannedTitle,
    day: PlannedDay,
    unit: PlannedUnit = "",
    channel: PlannedChannel = None,
    note: Note = "",
    by: By = "",
    as_json: output.Json = False,
) -> None:
    """Plan one more item, by a day."""
    fields = {"title": title, "day": day, "unit": unit or None, "channel": channel}
    command = _Command(campaign, by, as_json, note)
    command.edit(lambda parts, new: editing.add_entry(parts, new, **fields))


@app.command("move")
@output.page(OrderAnswer, examples=("loa campaign move luong-moi-2027 2 2026-12-20",))
def move_entry(
    campaign: CampaignName,
    entry: EntryNumber,
    day: PlannedDay,
    note: Note = "",
    by: By = "",
    as_json: output.Json = False,
) -> None:
    """Give a planned item another day."""
    command = _Command(campaign, by, as_json, note)
    command.edit(lambda parts, _: editing.change_entry(parts, entry, day=day))


@app.command("drop")
@output.page(OrderAnswer, examples=("loa campaign drop luong-moi-2027 2",))
def drop_entry(
    campaign: CampaignName,
    entry: EntryNumber,
    note: Note = "",
    by: By = "",
    as_json: output.Json = False,
) -> None:
    """Drop a planned item; the others keep their numbers, and items that were it stay."""
    command = _Command(campaign, by, as_json, note)
    command.edit(lambda parts, _: editing.drop_entry(parts, entry))


@app.command()
@output.page(OrderAnswer, examples=("loa campaign join hoi-dap-luong luong-moi-2027 --entry 2",))
def join(
    item: Item,
    campaign: CampaignName,
    entry: Entry = None,
    by: By = "",
    as_json: output.Json = False,
) -> None:
    """Let an item join a campaign, as one of its planned items or beside them."""
    _Command(item, by, as_json).set_fields({"campaign": campaign, "campaign_entry": entry})


@app.command()
@output.page(OrderAnswer, examples=("loa campaign leave hoi-dap-luong",))
def leave(item: Item, by: By = "", as_json: output.Json = False) -> None:
    """Take an item out of its campaign."""
    _Command(item, by, as_json).set_fields({"campaign": None, "campaign_entry": None})


@app.command()
@output.page(ReportAnswer, examples=("loa campaign report luong-moi-2027 bao-cao-chuyen-de.docx",))
def report(
    campaign: CampaignName, file: ReportFile, by: By = "", as_json: output.Json = False
) -> None:
    """Write the short report of a campaign, from the facts of its items: .docx or .pdf.

    At any time: what is not over yet is counted up to yesterday.
    """
    kind = file.suffix.removeprefix(".")
    with output.explain_errors():
        if kind not in RENDERERS:
            raise Invalid(field_error("file", "campaign_report_kind", value=file.name))

    async def write(bus: Bus) -> ReportAnswer:
        right = await look(bus, "desk.read", campaign, by)
        _, counted = await _counted(bus, campaign, right)
        settings = read_settings(LoaSettings)
        reports = CampaignReports(bus, load_vocabulary(settings), settings.report_texts_file)
        content = await reports.render(counted, kind)
        file.write_bytes(content)
        return ReportAnswer(content_id=campaign, file=file)

    answer = output.run_on_bus(write)
    output.print_answer(answer, as_json, lambda: typer.echo(answer.file))


Edit = Callable[[CampaignPlan, int], Mapping[str, Any]]
"""Of a plan, and of a number that no planned item of the campaign has had."""


@dataclass(frozen=True)
class _Command:
    """A command that saves a text of an item, and prints the item as it is then."""

    item: str
    by: str
    as_json: bool
    note: str = ""

    def edit(self, edit: Edit, *, introduction: str = "", reason: str = "") -> None:
        """Save an edit of the newest plan.

        *reason*: of the correction; a text after one that is out has one of its own.
        """

        async def save(bus: Bus) -> OrderAnswer:
            newest = await ItemOrders(bus, self.by).state(self.item)
            unused = await _unused_number(bus, self.item)

            def change(data: Mapping[str, Any]) -> Mapping[str, Any]:
                edited = _checked_plan(edit(_require_plan(self.item, newest), unused))
                fields = composition.fields_of(self.item, edited, data, introduction or None)
                known = "" if newest.status in OUT else data.get("reason", "")
                return {**fields, "reason": reason or known}

            return await self._save(bus, newest, change)

        print_order(output.act_on_bus(save), self.as_json)

    def set_fields(self, fields: Mapping[str, Any]) -> None:
        """Save the newest text with other *fields*."""

        async def save(bus: Bus) -> OrderAnswer:
            newest = await ItemOrders(bus, self.by).state(self.item)
            return await self._save(bus, newest, lambda _: fields)

        print_order(output.act_on_bus(save), self.as_json)

    async def _save(self, bus: Bus, newest: ItemState, change: Change) -> OrderAnswer:
        orders = ItemOrders(bus, self.by)
        state = await orders.change(self.item, newest.hash, change, self.note)
        return OrderAnswer.of(self.item, state)


async def _unused_number(bus: Bus, campaign: str) -> int:
    _, acts = await EditorialLog(bus).history(campaign)
    return editing.next_number(act.text.data for act in acts if act.text)


def _checked_plan(fields: Mapping[str, Any], name: str = PLAN_FIELD) -> CampaignPlan:
    """The plan of *fields*. Raises Invalid with all that is wrong in them."""
    if wrong := plan_errors(fields, load_vocabulary(read_settings(LoaSettings)), name):
        raise Invalid(*wrong)
    return CampaignPlan.model_validate(fields)


def _targets(given: list[str] | None) -> list[dict[str, Any]]:
    """Targets as `items=8`. Raises Invalid."""
    found: list[dict[str, Any]] = []
    for one in given or ():
        metric, _, number = one.partition("=")
        if not number.isdecimal():
            raise Invalid(field_error("--target", "campaign_target", value=one))
        found.append({"metric": metric, "number": int(number)})
    return found


def _require_plan(campaign: str, state: ItemState) -> CampaignPlan:
    """Raises NotFound for an item that is no campaign, Invalid for a plan with mistakes."""
    data = state.text.data if state.text else {}
    if plan := data.get(composition.PLAN):
        return _checked_plan(plan)
    raise NotFound(field_error("content_id", "campaign_none_yet", value=campaign))


def _shown(found: _Found, counted: ReportedCampaign, reached: ItemFigures) -> ShownCampaign:
    state, progress = found.state, counted.progress
    return ShownCampaign(
        content_id=counted.content_id,
        title=counted.title,
        unit=counted.unit,
        revision=state.revision,
        status=state.status,
        hash=state.hash,
        plan=counted.plan,
        draft=found.newest if found.newest != counted.plan else None,
        reached={one.metric: reached.texts.get(one.metric, "-") for one in counted.plan.targets},
        notes=tuple(reached.notes),
        entries=tuple(
            ShownEntry(
                planned=one.planned,
                state=one.state,
                working_days_late=one.working_days_late,
                items=_items(one.items, one.planned),
            )
            for one in progress.entries
        ),
        additional=_items(progress.additional),
        at_work=_items(progress.at_work),
    )


def _items(
    items: tuple[CampaignItem, ...], planned: PlannedItem | None = None
) -> tuple[ShownItem, ...]:
    return tuple(
        ShownItem(
            content_id=one.content_id,
            title=one.title,
            unit=one.unit,
            shown_on=one.shown_for(planned) if planned else one.shown_on,
            channels=tuple(name for name in ChannelName if name in one.channels),
        )
        for one in items
    )


def _lines(shown: ShownCampaign) -> Iterator[str]:
    plan = shown.plan
    yield f"{shown.content_id}: {plan.first_day:%d/%m/%Y} - {plan.last_day:%d/%m/%Y}"
    yield f"hash: {shown.hash or '-'}"
    yield output.visible(plan.purpose)
    for one in plan.targets:
        yield f"{one.metric}: {shown.reached[one.metric]} / {one.number}"
    yield from shown.notes
    if shown.draft:
        yield "(a newer plan waits for its approval)"
    for entry in shown.entries:
        planned, late = entry.planned, entry.working_days_late
        days = f" (+{late})" if late else ""
        title = output.visible(planned.title) + (f" ({planned.channel})" if planned.channel else "")
        yield f"{planned.number:>3}  {planned.day:%d/%m/%Y}  {entry.state}{days}  {title}"
        for item in entry.items:
            is_on = planned.is_on(item.channels)
            yield _item_line(item) + ("" if is_on else f" (not on {planned.channel})")
    for name, items in (("additional", shown.additional), ("at_work", shown.at_work)):
        if items:
            yield f"{name}:"
            yield from map(_item_line, items)


def _item_line(one: ShownItem) -> str:
    day = f"{one.shown_on:%d/%m/%Y}" if one.shown_on else "-"
    return f"     {day}  {one.content_id}  {output.visible(one.title)}"
