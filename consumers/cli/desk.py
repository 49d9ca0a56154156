"""`loa desk`: the texts of the desk, what people do to them, and the decisions on them."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, NamedTuple

import typer
from pydantic import BaseModel

from consumers.cli import (
    desk_acts,
    desk_checks,
    desk_previews,
    desk_release,
    desk_uploads,
    output,
)
from consumers.cli.acts import By, look
from consumers.cli.authorization import names_by_id
from consumers.cli.desk_index import find_rows
from consumers.cli.filters import Limit, parse_time
from consumers.cli.item_orders import ItemOrders
from consumers.cli.item_text import print_text
from consumers.cli.stores import open_editorial_log
from consumers.desk import person_lists
from consumers.desk.access import item_facts
from consumers.editorial.log import EditorialLog
from consumers.intake import approval
from consumers.intake.approval import Draft, draft_of
from consumers.intake.draft_decisions import DraftDecisions
from consumers.messages import field_error
from consumers.reporting.review import (
    DraftEffect,
    EffectKind,
    Review,
    ReviewAnswer,
    content_lines,
    draft_effects,
    read_text,
    review_draft,
)
from consumers.staff.authorization import ReadingRight
from contracts.delivery import ChannelName
from contracts.desk.editorial import Order
from contracts.desk.index import ItemFilter
from contracts.desk.index import Order as ItemOrder
from contracts.editorial import ActionKind, Status
from contracts.editorial.action import NOT_RELEASED
from contracts.editorial.moves import UNDECIDED, name_of
from contracts.errors import Invalid, Unauthorized
from producers.bus import Bus

app = typer.Typer(no_args_is_help=True, help="Write texts, review them, release or reject them.")
app.command("write")(desk_acts.write)
app.command("submit")(desk_acts.submit)
app.command("confirm")(desk_acts.confirm)
app.command("propose")(desk_acts.propose)
app.command("return")(desk_acts.send_back)
app.command("discard")(desk_acts.discard)
app.command("check")(desk_checks.check)
app.command("comment")(desk_acts.comment)
app.command("reschedule")(desk_acts.reschedule)
app.command("upload")(desk_uploads.upload)
app.command("preview")(desk_previews.preview)
app.command("dry-run")(desk_release.dry_run)
app.command("test-send")(desk_release.test_send)
app.command("history")(desk_acts.history)
ContentId = Annotated[str, typer.Argument(help="The item's content_id.")]
Revision = Annotated[int | None, typer.Option(help="Which revision; else the newest that waits.")]
Hash = Annotated[str | None, typer.Option("--hash", help="The content hash that you reviewed.")]
ShownHash = Annotated[
    str, typer.Option("--hash", help="The content hash of a text that the item has had.")
]
Code = Annotated[str, typer.Option(help="The reason's code, e.g. trung-lap.")]
Reason = Annotated[str, typer.Option(help="The reason in words.")]


Statuses = Annotated[
    list[Status] | None,
    typer.Option("--status", help="Items that are there now; repeatable. Else what waits."),
]


Mine = Annotated[bool, typer.Option("--mine", help="What waits for you.")]
Words = Annotated[str, typer.Option(help="Words of title, text, author or id; marks may lack.")]
From = Annotated[
    str, typer.Option("--from", metavar="TIME", help="By the calendar: from this day on.")
]
Until = Annotated[str, typer.Option(metavar="TIME", help="By the calendar: before this day.")]


class ListedDraft(Draft):
    """A draft in the answer of `list`. *what*: new, or what it changes.

    *writers*: the names of the accounts that wrote it; of a unit's system, as it named them.
    """

    what: EffectKind
    status: Status | None = None
    writers: tuple[str, ...] = ()


class ApprovalAnswer(BaseModel):
    """The answer of `approve`. *not_before*: when it goes out, if not at once.

    *is_released*: false where another plan alone was approved, and readers keep what they have.
    """

    content_id: str
    revision: int
    title: str
    channels: tuple[ChannelName, ...]
    not_before: datetime | None = None
    is_released: bool = True


class RejectionAnswer(BaseModel):
    """The answer of `reject`."""

    content_id: str
    revision: int


@app.command("list")
@output.page(list[ListedDraft], examples=("loa desk list", "loa desk list --status draft"))
def list_drafts(
    status: Statuses = None,
    mine: Mine = False,
    words: Words = "",
    since: From = "",
    until: Until = "",
    limit: Limit = 50,
    by: By = "",
    as_json: output.Json = False,
) -> None:
    """List what waits, most urgent first: since when, and what it changes.

    With other options the items that they name, as on the desk's pages.
    """
    with output.explain_errors():
        days = parse_time("from", since), parse_time("until", until)
    search = _Search(frozenset(status or ()), mine, words, *days)
    drafts = output.run_on_bus(partial(_load, search=search, limit=limit, by=by))
    columns = ("content_id", "revision", "unit", "since", "what", "title", "author", "status")
    rows = (_draft_cells(draft, effect) for draft, effect in drafts[:limit])
    facts = [draft for draft, _ in drafts[:limit]]
    output.print_answer(facts, as_json, lambda: output.print_table(columns, rows))
    if len(drafts) > limit:
        output.print_errors([field_error("items", "items_more")])


async def _load(
    bus: Bus, search: "_Search", limit: int, by: str
) -> list[tuple[ListedDraft, DraftEffect]]:
    right = await look(bus, "desk.read", "", by)
    find = _find(bus, right, search, limit) if any(search) else _waiting(bus, right)
    found = await find
    effects = await draft_effects(bus, [one.draft for one in found])
    names = await names_by_id(bus)
    return [
        (one.named(effect.kind, names), effect) for one, effect in zip(found, effects, strict=True)
    ]


class _Found(NamedTuple):
    """A text with the status of its item, and who wrote it."""

    draft: Draft
    status: Status | None
    writers: frozenset[str]

    def named(self, what: EffectKind, names: Mapping[str, str]) -> ListedDraft:
        writers = sorted(names.get(one, one) for one in self.writers)
        facts = self.draft.model_dump()
        return ListedDraft(**facts, what=what, status=self.status, writers=tuple(writers))


async def _waiting(bus: Bus, right: ReadingRight) -> list[_Found]:
    """Texts that wait for a decision."""
    decisions = DraftDecisions(bus, time.time)
    decisions.log = open_editorial_log(bus)
    drafts, states = await decisions.waiting_drafts(), await decisions.log.waiting_items()
    known = [(one, states[one.content_id]) for one in drafts if one.content_id in states]
    return [
        _Found(one, state.status, state.writers)
        for one, state in known
        if right.covers(item_facts(state))
    ]


class _Search(NamedTuple):
    """Which items are listed. *mine*: those that wait for the person."""

    statuses: frozenset[Status]
    mine: bool
    words: str
    since: datetime | None
    until: datetime | None

    def filter_for(self, right: ReadingRight) -> ItemFilter:
        """Raises Unauthorized for what waits for a person without an account."""
        if self.mine and right.account is None:
            raise Unauthorized(field_error("by", "sign_in_first"))
        lists = person_lists.waiting_for if self.mine else person_lists.readable
        found = lists(right.policy, right.account) if right.account else ItemFilter()
        return replace(
            found,
            statuses=self.statuses,
            words=self.words,
            after=self.since,
            before=self.until,
            order=ItemOrder.DATE if self.since or self.until else found.order,
        )


async def _find(bus: Bus, right: ReadingRight, search: _Search, limit: int) -> list[_Found]:
    """The newest texts of the items that are searched: one more than *limit* at most."""
    log, found = EditorialLog(bus), list[_Found]()
    for row in await find_rows(bus, search.filter_for(right), limit + 1):
        state = (await log.read(row.content_id)).state
        if state.text and state.last_change and right.covers(item_facts(state)):
            at = state.last_change.at
            draft = draft_of(row.content_id, state.revision, state.text, at)
            found.append(_Found(draft, row.status, state.writers))
    return found


def _draft_cells(draft: ListedDraft, effect: DraftEffect) -> Sequence[object]:
    identity = (draft.content_id, draft.revision, draft.unit, draft.at)
    title = str(draft.data.get("title", ""))
    status = _status_text(draft.status) if draft.status else ""
    return (*identity, output.in_one_line(*effect.text), title, _author(draft), status)


def _status_text(status: Status) -> str:
    """Whom a text waits for, else its status."""
    return output.in_one_line(*name_of(f"waits_{status}" if status in UNDECIDED else status))


def _author(draft: ListedDraft) -> str:
    """The named author, else the writers of the text."""
    return draft.author or ", ".join(draft.writers)


@app.command()
@output.page(ReviewAnswer, examples=("loa desk show tb-15", "loa desk show tb-15 --hash HASH"))
def show(
    content_id: ContentId,
    revision: Revision = None,
    hash: ShownHash = "",
    by: By = "",
    as_json: output.Json = False,
) -> None:
    """Show a draft: its fields, its text, and the changes from the released revision.

    With --hash any text that the item has had, as `loa desk history` names it.
    """
    if hash and revision:
        output.fail(field_error("--hash", "hash_or_revision"))

    async def read(bus: Bus) -> Review | ReviewAnswer:
        right = await look(bus, "desk.read", content_id, by)
        show = read_text(bus, content_id, hash) if hash else _read(bus, content_id, revision)
        found = await show
        right.require(item_facts((await EditorialLog(bus).read(content_id)).state))
        return found

    found = output.run_on_bus(read)
    if isinstance(found, Review):
        output.print_answer(found.answer, as_json, partial(_print_review, found))
    else:
        output.print_answer(found, as_json, partial(print_text, found))


async def _read(bus: Bus, content_id: str, revision: int | None) -> Review | ReviewAnswer:
    """The draft, or the newest text of an item that waits for no decision. Raises Invalid."""
    try:
        return await review_draft(bus, content_id, revision)
    except Invalid:
        if revision:
            raise
    return await read_text(bus, content_id)


async def _review(bus: Bus, content_id: str, revision: int | None, by: str) -> Review:
    """The draft, for a person who may read it. Raises Unauthorized, Forbidden, Invalid."""
    right = await look(bus, "desk.read", content_id, by)
    review = await review_draft(bus, content_id, revision)
    right.require(item_facts((await EditorialLog(bus).read(content_id)).state))
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
    ApprovalAnswer,
    examples=("loa desk approve tb-15 --clean", "loa desk approve tb-15 --hash HASH --json"),
)
def approve(
    content_id: ContentId,
    by: By = "",
    revision: Revision = None,
    hash: Hash = None,
    clean: desk_acts.Clean = False,
    as_json: output.Json = False,
) -> None:
    """Release a draft: with --hash exactly the content you reviewed, else the text is shown.

    A text that no editor has proposed as it is takes --clean.
    """

    async def decide(bus: Bus) -> ApprovalAnswer:
        reviewed = hash or await _confirmed_hash(bus, content_id, revision, by)
        orders = ItemOrders(bus, by)
        number = await orders.newest(content_id, revision)
        await orders.give(Order(content_id, ActionKind.APPROVE, "", reviewed, is_clean=clean))
        position = await orders.released(content_id, number)
        facts = position.model_dump(include={"title", "channels", "not_before"})
        facts["is_released"] = position.code != NOT_RELEASED
        return ApprovalAnswer(content_id=content_id, revision=number, **facts)

    answer = output.act_on_bus(decide)
    output.print_answer(answer, as_json, lambda: _print_approval(answer))


def _print_approval(answer: ApprovalAnswer) -> None:
    if not answer.is_released:
        output.print_field_texts(field_error(answer.content_id, "internal_change"))
        return
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
        return typer.confirm(output.in_one_line(question.message, question.message_vi), err=True)
    except typer.Abort:
        return False


@app.command()
@output.page(RejectionAnswer, examples=("loa desk reject tb-15 --hash HASH --code trung-lap",))
def reject(
    content_id: ContentId,
    by: By = "",
    revision: Revision = None,
    hash: Hash = None,
    code: Code = "",
    reason: Reason = "",
    as_json: output.Json = False,
) -> None:
    """Turn a draft down, with a code or a reason; the unit sees it in its event's status."""
    reviewed = hash or ""
    desk_acts.require_read(reviewed)

    async def decide(bus: Bus) -> int:
        orders = ItemOrders(bus, by)
        chosen, why = approval.rejection(code, reason)
        number = await orders.newest(content_id, revision)
        await orders.give(Order(content_id, ActionKind.REJECT, "", reviewed, code=chosen, note=why))
        return number

    number = output.act_on_bus(decide)
    answer = RejectionAnswer(content_id=content_id, revision=number)
    text = field_error(content_id, "draft_refused", of=number)
    output.print_answer(answer, as_json, lambda: output.print_field_texts(text))
