"""`loa desk`: the texts of the desk, what people do to them, and the decisions on them."""

import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Annotated

import typer
from pydantic import BaseModel

from consumers.cli import desk_acts, output
from consumers.cli.acts import By, Command, look, perform
from consumers.cli.authorization import Staff, position_facts
from consumers.cli.stores import open_seals
from consumers.desk.access import item_facts
from consumers.desk.order_rules import OrderRules
from consumers.intake import item_log
from consumers.intake.approval import Draft, Reviewer, draft_of
from consumers.intake.desk import Desk
from consumers.intake.items import Position
from consumers.intake.repository import ItemRepository
from consumers.messages import field_error
from consumers.reporting.review import (
    DraftEffect,
    EffectKind,
    Review,
    ReviewAnswer,
    content_lines,
    data_lines,
    draft_effects,
    read_newest,
    review_draft,
)
from consumers.staff.authorization import Actor
from consumers.staff.policy import ObjectFacts
from contracts.delivery import ChannelName
from contracts.desk.editorial import Order
from contracts.editorial import ActionKind, Status
from contracts.editorial.state import name_of
from contracts.errors import Invalid
from producers.bus import Bus

app = typer.Typer(no_args_is_help=True, help="Write texts, review them, release or reject them.")
app.command("write")(desk_acts.write)
app.command("submit")(desk_acts.submit)
app.command("confirm")(desk_acts.confirm)
app.command("propose")(desk_acts.propose)
app.command("return")(desk_acts.send_back)
app.command("comment")(desk_acts.comment)
app.command("history")(desk_acts.history)
ContentId = Annotated[str, typer.Argument(help="The item's content_id.")]
Revision = Annotated[int | None, typer.Option(help="Which revision; else the newest that waits.")]
Hash = Annotated[str | None, typer.Option("--hash", help="The content hash that you reviewed.")]
Code = Annotated[str, typer.Option(help="The reason's code, e.g. trung-lap.")]
Reason = Annotated[str, typer.Option(help="The reason in words.")]


Statuses = Annotated[
    list[Status] | None,
    typer.Option("--status", help="Items that are there now; repeatable. Else what waits."),
]


class ListedDraft(Draft):
    """A draft in the answer of `list`. *what*: new, or what it changes."""

    what: EffectKind
    status: Status | None = None


class ApprovalAnswer(BaseModel):
    """The answer of `approve`. *not_before*: when it goes out, if not at once."""

    content_id: str
    revision: int
    title: str
    channels: tuple[ChannelName, ...]
    not_before: datetime | None = None


class RejectionAnswer(BaseModel):
    """The answer of `reject`."""

    content_id: str
    revision: int


@app.command("list")
@output.page(list[ListedDraft], examples=("loa desk list", "loa desk list --status draft"))
def list_drafts(status: Statuses = None, by: By = "", as_json: output.Json = False) -> None:
    """List what waits, most urgent first: since when, and what it changes."""

    async def load(bus: Bus) -> list[tuple[ListedDraft, DraftEffect]]:
        right = await look(bus, "desk.read", "", by)
        found = await _listed(Desk(bus, time.time), status)
        shown = [one for one in found if right.covers(_draft_facts(one[0]))]
        effects = await draft_effects(ItemRepository(bus), [draft for draft, _ in shown])
        return [
            (ListedDraft(**draft.model_dump(), what=effect.kind, status=state), effect)
            for (draft, state), effect in zip(shown, effects, strict=True)
        ]

    drafts = output.run_on_bus(load)
    columns = ("content_id", "revision", "unit", "since", "what", "title", "author", "status")
    rows = (_draft_cells(draft, effect) for draft, effect in drafts)
    facts = [draft for draft, _ in drafts]
    output.print_answer(facts, as_json, lambda: output.print_table(columns, rows))


async def _listed(desk: Desk, statuses: list[Status] | None) -> list[tuple[Draft, Status | None]]:
    """What waits, or the newest texts of the items that have one of *statuses*; with the status."""
    if not statuses:
        drafts, states = await desk.waiting_drafts(), await desk.log.waiting_items()
        return [(one, states[one.content_id].status) for one in drafts if one.content_id in states]
    items = (await desk.log.audit(with_texts=True)).states
    return [
        (draft_of(name, state.revision, state.text, state.last_change.at), state.status)
        for name, state in items.items()
        if state.status in statuses and state.text and state.last_change
    ]


def _draft_cells(draft: ListedDraft, effect: DraftEffect) -> Sequence[object]:
    identity = (draft.content_id, draft.revision, draft.unit, draft.at)
    title = str(draft.data.get("title", ""))
    status = " / ".join(name_of(draft.status)) if draft.status else ""
    return (*identity, " / ".join(effect.text), title, draft.author or "", status)


@app.command()
@output.page(ReviewAnswer, examples=("loa desk show tb-15",))
def show(
    content_id: ContentId, revision: Revision = None, by: By = "", as_json: output.Json = False
) -> None:
    """Show a draft: its fields, its text, and the changes from the released revision."""

    async def read(bus: Bus) -> Review | ReviewAnswer:
        right = await look(bus, "desk.read", content_id, by)
        found = await _read(bus, content_id, revision)
        right.require(_draft_facts(found.draft if isinstance(found, Review) else found))
        return found

    found = output.run_on_bus(read)
    if isinstance(found, Review):
        output.print_answer(found.answer, as_json, partial(_print_review, found))
    else:
        output.print_answer(found, as_json, partial(_print_newest, found))


async def _read(bus: Bus, content_id: str, revision: int | None) -> Review | ReviewAnswer:
    """The draft, or the newest text of an item that waits for no decision. Raises Invalid."""
    try:
        return await review_draft(bus, content_id, revision)
    except Invalid:
        if revision:
            raise
    return await read_newest(bus, content_id)


def _print_newest(text: ReviewAnswer) -> None:
    """Print a text that waits for no decision."""
    value = name_of(text.status or "new")
    output.print_field_texts(field_error(text.key, "item_now", of=text.revision, value=value))
    typer.echo(f"hash: {text.hash}")
    for line in (*data_lines(text.data), *(["", *text.changes] if text.changes else [])):
        typer.echo(line)


def _draft_facts(draft: Draft) -> ObjectFacts:
    writers = frozenset(name for name in (draft.author, draft.submitter) if name)
    return ObjectFacts(draft.unit, str(draft.data.get("topic", "")), writers)


async def _review(bus: Bus, content_id: str, revision: int | None, by: str) -> Review:
    """The draft, for a person who may read it. Raises Unauthorized, Forbidden, Invalid."""
    right = await look(bus, "desk.read", content_id, by)
    review = await review_draft(bus, content_id, revision)
    right.require(_draft_facts(review.draft))
    return review


def _print_review(review: Review) -> None:
    draft, text = review.draft, review.proposed
    waits = {"what": review.effect.text, "since": draft.at}
    output.print_field_texts(field_error(f"{draft.key}, {draft.unit}", "draft_waits", **waits))
    typer.echo(f"hash: {draft.hash}")
    _print_where(draft.content_id, text.channels, is_published=review.is_on_portal)
    if text.reason:
        typer.echo(f"reason: {text.reason}")
    for line in (*content_lines(text), *(["", *review.changes] if review.changes else [])):
        typer.echo(line)


def _print_where(content_id: str, channels: Iterable[ChannelName], *, is_published: bool) -> None:
    """Print the item's address on the portal, if it has one or will have."""
    if ChannelName.PORTAL in channels:
        label = "place" if is_published else "place_to_be"
        output.print_address(label, output.item_address(content_id))


@app.command()
@output.page(
    ApprovalAnswer, examples=("loa desk approve tb-15", "loa desk approve tb-15 --hash HASH --json")
)
def approve(
    content_id: ContentId,
    by: By = "",
    revision: Revision = None,
    hash: Hash = None,
    as_json: output.Json = False,
) -> None:
    """Release a draft: with --hash exactly the content you reviewed, else the text is shown."""

    async def decide(bus: Bus) -> tuple[int, Position]:
        desk = Desk(bus, time.time, await open_seals(bus))
        reviewed = hash or await _confirmed_hash(bus, content_id, revision, by)
        number = revision or await desk.newest_waiting(content_id)
        order = Order(content_id, ActionKind.APPROVE, "", reviewed)
        approval = await _approval(desk, order, number)
        command = approval._replace(by=by, after=reviewed)

        async def release(who: Actor) -> Position:
            person = Reviewer(who.by, who.name, who.role, who.agreed)
            return await desk.approve(content_id, person, revision=number, content_hash=reviewed)

        return number, await perform(bus, command, release)

    number, position = output.act_on_bus(decide)
    facts = position.model_dump(include={"title", "channels", "not_before"})
    answer = ApprovalAnswer(content_id=content_id, revision=number, **facts)
    output.print_answer(answer, as_json, lambda: _print_approval(answer))


def _print_approval(answer: ApprovalAnswer) -> None:
    start = answer.not_before
    code = "draft_released_later" if start and start > datetime.now(UTC) else "draft_released"
    output.print_field_texts(field_error(answer.content_id, code, of=answer.revision, at=start))
    typer.echo(answer.title)
    _print_where(answer.content_id, answer.channels, is_published=False)


async def _confirmed_hash(bus: Bus, content_id: str, revision: int | None, by: str) -> str:
    """Show the draft, ask, and return its hash. Raises Invalid without a yes."""
    review = await _review(bus, content_id, revision, by)
    if output.wants_json.get() or not _is_confirmed(review):
        raise Invalid(field_error("hash", "hash_required", value=review.draft.hash))
    return review.draft.hash


def _is_confirmed(review: Review) -> bool:
    _print_review(review)
    question = field_error("hash", "ask_approve")
    try:
        return typer.confirm(f"{question.message} / {question.message_vi}", err=True)
    except typer.Abort:
        return False


async def _approval(desk: Desk, order: Order, number: int) -> Command:
    """The approval for the check of roles; an urgent or a very large item takes two people."""
    state = await item_log.read(desk.log, order.content_id)
    act = await OrderRules(desk.bus, Staff.open(desk.bus).policy).act_of(order, state)
    facts = act.facts if state.text else await _facts_of(desk, order.content_id, number)
    object_id = f"{order.content_id}.{number}"
    return Command(f"desk.{act.action}", object_id, facts=facts, arguments=act.arguments)


async def _facts_of(desk: Desk, content_id: str, number: int) -> ObjectFacts:
    """The facts of the newest text, else those of the position."""
    state = await item_log.read(desk.log, content_id)
    if state.text:
        return item_facts(state)
    return position_facts(await desk.repository.position(content_id, number))


@app.command()
@output.page(RejectionAnswer, examples=("loa desk reject tb-15 --code trung-lap",))
def reject(
    content_id: ContentId,
    by: By = "",
    revision: Revision = None,
    code: Code = "",
    reason: Reason = "",
    as_json: output.Json = False,
) -> None:
    """Turn a draft down, with a code or a reason; the unit sees it in its event's status."""

    async def decide(bus: Bus) -> int:
        desk = Desk(bus, time.time)
        number = revision or await desk.newest_waiting(content_id)
        facts = await _facts_of(desk, content_id, number)
        item, why = f"{content_id}.{number}", {"code": code, "reason": reason}
        command = Command("desk.reject", item, by, reason=code or reason, facts=facts)

        async def refuse(who: Actor) -> Position:
            person = Reviewer(who.by, who.name, who.role, who.agreed)
            return await desk.reject(content_id, person, revision=number, **why)

        await perform(bus, command, refuse)
        return number

    number = output.act_on_bus(decide)
    answer = RejectionAnswer(content_id=content_id, revision=number)
    text = field_error(content_id, "draft_refused", of=number)
    output.print_answer(answer, as_json, lambda: output.print_field_texts(text))
