"""Acts of `loa desk` on a text: write it, send it on, confirm it, propose it, return it, remark."""

import sys
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel

from consumers.cli import output
from consumers.cli.acts import By, look
from consumers.cli.authorization import Staff, names_by_id
from consumers.cli.filters import parse_time
from consumers.cli.item_orders import ItemOrders
from consumers.desk.access import item_facts
from consumers.desk.history import history_lines, open_agreements
from consumers.desk.orders.rules import OrderRules
from consumers.desk.text_file import read_text_file
from consumers.editorial.log import EditorialLog
from consumers.messages import field_error
from consumers.staff.policy import Policy
from contracts.base.times import utc_now
from contracts.campaigns.composition import PLAN
from contracts.desk.editorial import ActLine, Order
from contracts.desk.shown.planned_time import move_time
from contracts.editorial import ActionKind, ItemState, Status
from contracts.editorial.action import GIVEN_UP, RULE, UNIT_SYSTEM
from contracts.editorial.moves import name_of
from contracts.editorial.notes import moved_note
from contracts.errors import Bilingual, FieldError, Invalid, NotFound
from producers.bus import Bus

_FILE_MAX = 1 << 20
ContentId = Annotated[str, typer.Argument(help="The item's content_id.")]
Hash = Annotated[str, typer.Option("--hash", help="The content hash of the text that you read.")]
Reason = Annotated[str, typer.Option(help="Why, for who wrote the text.")]
Clean = Annotated[
    bool,
    typer.Option("--clean", help="You have checked: nothing secret, nothing personal is in it."),
]
File = Annotated[
    str,
    typer.Argument(help="The text: an event's data as JSON, or Markdown; - reads the input."),
]
Item = Annotated[
    str, typer.Option("--item", metavar="CONTENT_ID", help="The item whose text it changes.")
]
Edit = Annotated[bool, typer.Option("--edit", help="Change it as an editor; not as a new draft.")]
Unit = Annotated[
    str, typer.Option(metavar="UNIT", help="The unit of a new item; else your account's.")
]
Paragraph = Annotated[int | None, typer.Option(min=1, help="The paragraph, counted from 1.")]
Text = Annotated[str, typer.Argument(help="The remark.")]
At = Annotated[
    str, typer.Option(metavar="TIME", help="When it leaves; without an offset Vietnam's time.")
]
Now = Annotated[bool, typer.Option("--now", help="Leave at once when it is approved.")]


class OrderAnswer(BaseModel):
    """The answer to an act: the item as it is now, and the hash of its newest text."""

    content_id: str
    revision: int
    status: Status
    hash: str

    @classmethod
    def of(cls, content_id: str, state: ItemState) -> "OrderAnswer":
        status = state.status or Status.DRAFT
        return cls(content_id=content_id, revision=state.revision, status=status, hash=state.hash)


class HistoryLine(BaseModel):
    """An act on an item. `place`: the paragraph that a remark is about.

    `rule`: the rule that approved what the unit's system sent; empty where people decide.
    `begins`: from when on readers have what was published, where that is later. `is_agreement`: the
    person agreed to the act, which another one had to do as well.
    """

    at: datetime
    who: str
    role: str
    kind: ActionKind
    revision: int
    hash: str
    note: str
    code: str
    place: int | None
    rule: str = ""
    begins: datetime | None = None
    is_agreement: bool = False

    @classmethod
    def of(cls, line: ActLine) -> "HistoryLine":
        return cls(**line._asdict())


@output.page(
    OrderAnswer,
    examples=(
        "loa desk write tin.md --unit van-phong-bo",
        "loa desk write tin.json --item tb-15 --hash HASH --edit",
    ),
)
def write(
    file: File,
    item: Item = "",
    hash: Hash = "",
    edit: Edit = False,
    unit: Unit = "",
    by: By = "",
    as_json: output.Json = False,
) -> None:
    """Save a text: of a new item, or with --item a new text of that one.

    A new text of an item names by --hash the text that it was made of, so that what another person
    saved meanwhile is not lost. Fields that the file does not have stay as they are; an empty one
    is removed. Markdown has the other fields before it, in TOML between two lines of +++. A new
    campaign has a campaign_plan, and the name in its field campaign.
    """
    with output.explain_errors():
        data = _read_file(file)
    item = item or (str(data.get("content_id", "")) if hash else "")
    kind = ActionKind.EDIT if edit else ActionKind.SAVE

    async def save(bus: Bus) -> OrderAnswer:
        orders = ItemOrders(bus, by)
        if not item:
            return await _begin(orders, unit, data)
        await require_hash(orders, item, hash)
        order = Order(item, kind, "", hash, await orders.merge(item, hash, _text_fields(data)))
        return OrderAnswer.of(item, await orders.give(order))

    print_order(output.act_on_bus(save), as_json)


def _read_file(file: str) -> dict[str, Any]:
    """The data in a file. Raises Invalid, Unreadable, OSError."""
    if file == "-":
        return read_text_file(sys.stdin.buffer.read(_FILE_MAX))
    with Path(file).open("rb") as stream:
        return read_text_file(stream.read(_FILE_MAX))


async def _begin(orders: ItemOrders, unit: str, data: Mapping[str, Any]) -> OrderAnswer:
    content_id = await orders.begin(unit, data, _name_of_campaign(data))
    return OrderAnswer.of(content_id, await orders.state(content_id))


def _name_of_campaign(data: Mapping[str, Any]) -> str:
    """The name that a campaign gives itself, its address for ever; Loa names every other item."""
    return str(data.get("campaign") or data.get("content_id") or "") if data.get(PLAN) else ""


def _text_fields(data: Mapping[str, Any]) -> dict[str, Any]:
    """The data without what Loa writes itself."""
    own = ("content_id", "revision", "corrects_revision")
    return {name: value for name, value in data.items() if name not in own}


async def require_hash(orders: ItemOrders, content_id: str, hash: str) -> None:
    """Raises Invalid where no text is named that the new one was made of."""
    if not hash:
        state = await orders.state(content_id)
        raise Invalid(field_error("hash", "hash_of_text", value=state.hash))


@output.page(OrderAnswer, examples=("loa desk submit tb-15 --hash HASH",))
def submit(
    content_id: ContentId, hash: Hash = "", by: By = "", as_json: output.Json = False
) -> None:
    """Send a draft to the unit's leader."""
    _give(Order(content_id, ActionKind.SUBMIT, "", hash), by, as_json)


@output.page(OrderAnswer, examples=("loa desk confirm tb-15 --hash HASH --clean",))
def confirm(
    content_id: ContentId,
    hash: Hash = "",
    clean: Clean = False,
    by: By = "",
    as_json: output.Json = False,
) -> None:
    """Confirm a text for the unit; it goes to the editors."""
    _give(Order(content_id, ActionKind.CONFIRM, "", hash, is_clean=clean), by, as_json)


@output.page(OrderAnswer, examples=("loa desk propose tb-15 --hash HASH --clean",))
def propose(
    content_id: ContentId,
    hash: Hash = "",
    clean: Clean = False,
    by: By = "",
    as_json: output.Json = False,
) -> None:
    """Propose a text for approval, as an editor."""
    _give(Order(content_id, ActionKind.PROPOSE, "", hash, is_clean=clean), by, as_json)


@output.page(OrderAnswer, examples=('loa desk return tb-15 --hash HASH --reason "Thiếu căn cứ"',))
def send_back(
    content_id: ContentId,
    reason: Reason,
    hash: Hash = "",
    by: By = "",
    as_json: output.Json = False,
) -> None:
    """Return a text to who wrote it, with a reason."""
    _give(Order(content_id, ActionKind.RETURN, "", hash, note=reason), by, as_json)


@output.page(OrderAnswer, examples=("loa desk discard tb-15 --hash HASH",))
def discard(
    content_id: ContentId, hash: Hash = "", by: By = "", as_json: output.Json = False
) -> None:
    """Give up a text of your own before it is sent; it can be written on later."""
    _give(Order(content_id, ActionKind.REJECT, "", hash, code=GIVEN_UP), by, as_json)


@output.page(
    OrderAnswer,
    examples=('loa desk comment tb-15 "Xem lại số văn bản" --paragraph 2 --hash HASH',),
)
def comment(
    content_id: ContentId,
    text: Text,
    paragraph: Paragraph = None,
    hash: Hash = "",
    by: By = "",
    as_json: output.Json = False,
) -> None:
    """Remark on a text, or on one of its paragraphs."""
    _give(Order(content_id, ActionKind.COMMENT, "", hash, note=text, place=paragraph), by, as_json)


@output.page(
    OrderAnswer,
    examples=(
        "loa desk reschedule tb-15 --at 2026-12-01T08:00 --hash HASH",
        "loa desk reschedule tb-15 --now --hash HASH",
    ),
)
def reschedule(
    content_id: ContentId,
    at: At = "",
    now: Now = False,
    hash: Hash = "",
    by: By = "",
    as_json: output.Json = False,
) -> None:
    """Change the time at which a text leaves; it has to be approved again.

    Of a text that was sent on it is an edit; else it is a save. What readers have gets no other
    time.
    """
    at = _new_time(at, now=now)
    require_read(hash)
    note = moved_note(at)

    async def give(bus: Bus) -> OrderAnswer:
        orders, now = ItemOrders(bus, by), utc_now(time.time)
        status = (await orders.state(content_id)).status or Status.DRAFT
        state = await orders.change(
            content_id, hash, lambda data: move_time(status, data, at, now), note
        )
        return OrderAnswer.of(content_id, state)

    print_order(output.act_on_bus(give), as_json)


def _new_time(at: str, *, now: bool) -> str:
    """The time in ISO 8601; empty for at once. Exit code 2 unless it is one of the two."""
    with output.explain_errors():
        moment = parse_time("at", at)
    if now == bool(moment):
        output.fail(field_error("--at", "time_or_now"))
    return moment.isoformat() if moment else ""


def _give(order: Order, by: str, as_json: bool) -> None:
    """Give an order on the text that it names, and print the item as it is then."""
    require_read(order.hash)

    async def give(bus: Bus) -> OrderAnswer:
        return OrderAnswer.of(order.content_id, await ItemOrders(bus, by).give(order))

    print_order(output.act_on_bus(give), as_json)


def require_read(hash: str) -> None:
    """End with exit code 2 where no text is named that was read."""
    if not hash:
        output.fail(field_error("--hash", "hash_of_read"))


def print_order(answer: OrderAnswer, as_json: bool) -> None:
    """Print the item as it is after an act."""
    text = field_error(
        answer.content_id, "item_now", of=answer.revision, value=name_of(answer.status)
    )
    output.print_answer(answer, as_json, lambda: _show(answer.hash, text))


def _show(hash: str, text: FieldError) -> None:
    output.print_field_texts(text)
    typer.echo(f"hash: {hash}")


@output.page(list[HistoryLine], examples=("loa desk history tb-15",))
def history(content_id: ContentId, by: By = "", as_json: output.Json = False) -> None:
    """Show every act on an item: who did what as what, when, to which text, and why."""

    async def read(bus: Bus) -> tuple[list[HistoryLine], Policy]:
        right = await look(bus, "desk.read", content_id, by)
        state, acts = await EditorialLog(bus).history(content_id)
        if state.text is None:
            raise NotFound(field_error("content_id", "item_unknown", value=content_id))
        right.require(item_facts(state))
        names = await names_by_id(bus)
        staff = Staff.open(bus)
        open_to = (OrderRules(bus, staff.policy), staff.rules.proposals)
        agreed = await open_agreements(*open_to, content_id, state)
        lines = history_lines(acts, names, state, agreed)
        return [HistoryLine.of(line) for line in lines], staff.policy

    lines, policy = output.run_on_bus(read)
    output.print_answer(lines, as_json, lambda: _print_history(lines, policy))


def _print_history(lines: Sequence[HistoryLine], policy: Policy) -> None:
    """Print the columns that have something, with acts and roles in words."""
    roles = {id: Bilingual(one.en, one.vi) for id, one in policy.file.roles.items()}
    roles |= {id: name_of(id) for id in (UNIT_SYSTEM, RULE)}

    def cell(line: HistoryLine, column: str) -> object:
        if column == "kind":
            return output.in_one_line(*name_of(line.kind))
        if column == "role" and line.role in roles:
            return output.in_one_line(*roles[line.role])
        return getattr(line, column)

    fields = HistoryLine.model_fields
    columns = [name for name in fields if any(getattr(one, name) for one in lines)]
    output.print_table(columns, ([cell(one, name) for name in columns] for one in lines))
