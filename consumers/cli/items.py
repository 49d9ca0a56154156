"""Questions and orders about content items: `loa trace`, `loa withdraw`, `loa opinions`."""

import time
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, NamedTuple

import typer

from consumers.app.settings import LoaSettings, load_vocabulary, read_settings
from consumers.cli.output import (
    TIME_FORMAT,
    Json,
    fail,
    item_address,
    print_address,
    print_answer,
    print_field_texts,
    print_table,
    run_on_bus,
)
from consumers.cli.stores import normalized_address, open_subscribers, open_suppressions
from consumers.dead_letters.trace import letters_about, with_letters
from consumers.digests.store import DigestStore
from consumers.email import bounce_stops
from consumers.intake import items
from consumers.intake.approval import reviewer
from consumers.intake.event_log import EventLog
from consumers.intake.items import Item
from consumers.intake.repository import ItemRepository
from consumers.ledger.store import Ledger
from consumers.messages import field_error
from consumers.reporting.channel_state import channel_problems
from consumers.reporting.reactions import ReactionCounts, count_reactions
from consumers.reporting.reader_trace import EMAIL, MailTrace, ReaderTrace, ReaderTracer
from consumers.reporting.trace import TraceReader
from consumers.suppression.store import describe_suppression
from contracts import events, keys
from contracts.base.times import format_utc
from contracts.cloudevent import CloudEvent
from contracts.delivery import ChannelName
from contracts.errors import WHOLE_EVENT, FieldError, Invalid
from contracts.trace import StatusCounts, TimelineEntry, Trace
from producers.bus import Bus
from producers.publisher import Publisher

ContentId = Annotated[str, typer.Argument(help="The item's content_id.")]
ItemOrCase = Annotated[str, typer.Argument(help="A content_id, or the code of a dossier.")]
Reader = Annotated[
    str, typer.Option(metavar="ADDRESS", help="Only what became of it for this reader's mail.")
]
Reason = Annotated[str, typer.Option(help="Why, as the public will read it.")]
Title = Annotated[str, typer.Option(help="Read in place of the item's title, if that is the harm.")]
By = Annotated[
    str,
    typer.Option(
        "--by",
        envvar="USER",
        help="Who; no public page and no unit's answer shows it. Else $USER, if there is one.",
    ),
]
_ALWAYS_SHOWN = ("expected", "delivered", "missing")


def trace(item: ItemOrCase, reader: Reader = "", as_json: Json = False) -> None:
    """Was it sent, to how many, why not: an item's counts per channel, and its timeline."""
    content_id = keys.resolve_content_id(item)
    if reader:
        mails = run_on_bus(partial(_find_reader_trace, content_id, reader))
        print_answer(mails, as_json, lambda: _print_mails(content_id, mails))
        return
    answer = run_on_bus(partial(_find_trace, content_id))
    if answer is None:
        fail(field_error("content_id", "item_unknown", value=item))
    print_answer(answer.to_json(), as_json, answer.print)


class TraceAnswer(NamedTuple):
    """An item's trace, and the channel problems that its open rows wait for."""

    trace: Trace
    waits: list[FieldError]

    @property
    def address(self) -> str:
        """Where readers find it; empty when the portal never had it, and will not."""
        known = (self.trace.channels, *self.trace.earlier.values())
        portal = [one[ChannelName.PORTAL] for one in known if ChannelName.PORTAL in one]
        there = any(one.expected or not one.complete for one in portal)
        return item_address(self.trace.content_id) if there else ""

    @property
    def address_state(self) -> str:
        """How that address answers, where it is not simply with the item."""
        portal = self.trace.channels.get(ChannelName.PORTAL)
        done = portal is None or portal.complete
        if self.trace.state == "withdrawn":
            return "place_gone" if done else "place_goes"
        return "" if done or self.trace.earlier else "place_to_be"

    def to_json(self) -> dict[str, object]:
        """The trace, with the address and the waits if there are any."""
        more = {"address": self.address, "waits": self.waits}
        return self.trace.model_dump(mode="json") | {k: v for k, v in more.items() if v}

    def print(self) -> None:
        print_trace(self.trace)
        if self.address and self.address_state:
            print_address(self.address_state, self.address)
        elif self.address:
            typer.echo(self.address)
        print_field_texts(*self.waits)


async def _find_trace(content_id: str, bus: Bus) -> TraceAnswer | None:
    """The item's trace; None for an unknown item. Raises BusError."""
    stops = partial(bounce_stops.load_stops, bus)
    stores = (ItemRepository(bus), Ledger(bus), time.time, DigestStore(bus))
    reader = TraceReader(*stores, stops, EventLog(bus), with_names=True)
    delivered = await reader.trace(content_id)
    trace = with_letters(content_id, delivered, await letters_about(bus, content_id))
    return TraceAnswer(trace, await channel_problems(bus, trace)) if trace else None


def print_trace(trace: Trace) -> None:
    known = f", revision {trace.revision}" if trace.revision else ""
    typer.echo(f"{trace.content_id}{known}: {trace.state}")
    rows = [
        (revision, name, one)
        for revision, channels in ((trace.revision, trace.channels), *trace.earlier.items())
        for name, one in channels.items()
    ]
    shown = [
        field
        for field in StatusCounts.model_fields
        if field != "complete"
        and (field in _ALWAYS_SHOWN or any(getattr(one, field) for *_, one in rows))
    ]
    print_table(
        ("revision", "channel", *shown, "complete"),
        [
            (revision or "", name, *(getattr(one, field) for field in shown), one.complete)
            for revision, name, one in rows
        ],
    )
    print_table(
        ("when (UTC)", "what", "channel", "detail"),
        [line for one in trace.timeline for line in _timeline_rows(one)],
    )


def _timeline_rows(one: TimelineEntry) -> Iterator[tuple[str, str, str, str]]:
    """A moment as the timeline's table has it: who did it, and why in both languages."""
    by = f", by {one.by}" if one.by else ""
    yield f"{one.at:{TIME_FORMAT}}", one.event, one.channel or "", one.detail + by
    for wrong in one.errors:
        about = "" if wrong.field == WHOLE_EVENT else f"{wrong.field}: "
        for said in (wrong.message, wrong.message_vi):
            if said not in one.detail:
                yield "", "", "", about + said


async def _find_reader_trace(content_id: str, address: str, bus: Bus) -> ReaderTrace:
    """The outcome of an item for one reader. Raises Invalid, BusError or LedgerError."""
    if keys.is_personal(content_id) or keys.is_digest(content_id):
        raise Invalid(field_error("reader", "reader_of_items", value=content_id))
    item = await ItemRepository(bus).item(content_id)
    if item is None:
        raise Invalid(field_error("content_id", "item_unknown", value=content_id))
    clean = normalized_address(address, "reader")
    reader = await (await open_subscribers(bus)).find_by_address(clean)
    if reader is None:
        raise Invalid(field_error("reader", "reader_unknown"))
    trace = await ReaderTracer(bus, reader, datetime.now(UTC)).trace(content_id, item)
    suppression = await (await open_suppressions(bus)).find_active(EMAIL, clean)
    return trace.model_copy(update={"suppressed": suppression})


def _print_mails(content_id: str, trace: ReaderTrace) -> None:
    typer.echo(f"{content_id}, this reader, by mail:")
    if trace.mails:
        columns = ("revision", "in", "status", "in vain", "reason", "again at (UTC)", "came back")
        print_table(columns, map(_mail_cells, trace.mails))
    print_field_texts(*trace.why, *trace.waits)
    if trace.suppressed:
        print_field_texts(describe_suppression(trace.suppressed))


def _mail_cells(mail: MailTrace) -> Sequence[object]:
    place, due = mail.digest or "a mail of its own", f"{mail.due:{TIME_FORMAT}}" if mail.due else ""
    attempts = mail.attempts or ""
    return mail.revision, place, mail.status, attempts, mail.reason, due, mail.came_back


def withdraw(
    content_id: ContentId, reason: Reason, title: Title = "", by: By = "", as_json: Json = False
) -> None:
    """Take an item back on every channel: the portal at once, the others in their order."""
    text = WithdrawalText(reason, title)
    answer = run_on_bus(lambda bus: order_withdrawal(bus, content_id, text, by))
    print_answer(answer.to_json(), as_json, lambda: print_field_texts(answer.to_text()))


class WithdrawalAnswer(NamedTuple):
    """The answer to a withdrawal: its event, or the earlier withdrawal.

    `withdrawn_at`, `reason` and `by` are of the earlier one. `unseen`: the item was not out.
    """

    content_id: str
    event_id: str = ""
    withdrawn_at: datetime | None = None
    reason: str = ""
    by: str = ""
    unseen: bool = False

    def to_json(self) -> dict[str, object]:
        return {name: value for name, value in self._asdict().items() if value}

    def to_text(self) -> FieldError:
        if self.withdrawn_at is None:
            code = "withdrawal_unseen" if self.unseen else "withdrawal_accepted"
            return field_error(self.content_id, code, value=self.content_id)
        at = format_utc(self.withdrawn_at)
        code = "withdrawn_already_by" if self.by else "withdrawn_already"
        return field_error(self.content_id, code, at=at, who=self.by, reason=self.reason)


class WithdrawalText(NamedTuple):
    """What the public reads of a withdrawal: why, and a title in place of the item's own."""

    reason: str
    title: str = ""


async def order_withdrawal(
    bus: Bus, content_id: str, wording: WithdrawalText, by: str = ""
) -> WithdrawalAnswer:
    """Order an item's withdrawal, unless that is done. Raises Invalid, BusError."""
    who = reviewer("by", by) if by else ""
    register = ItemRepository(bus)
    item = await register.item(content_id)
    if item is None:
        raise Invalid(field_error("content_id", "item_unknown", value=content_id))
    if existing := await _existing_withdrawal(register, content_id, item):
        return existing
    event = _withdrawal_event(content_id, item.unit, wording, who)
    words = load_vocabulary(read_settings(LoaSettings))
    answer = await Publisher(bus, item.unit, vocabulary=words).publish(event)
    unseen = not items.is_visible(item, datetime.now(UTC))
    return WithdrawalAnswer(content_id, answer.event_id, unseen=unseen)


async def _existing_withdrawal(
    register: ItemRepository, content_id: str, item: Item
) -> WithdrawalAnswer | None:
    """The existing withdrawal; None while a text can still be seen or released."""
    if not item.barred or item.latest > item.barred:
        return None
    shown = item.state == "withdrawn"
    record = await register.position(content_id, item.revision if shown else item.barred)
    at = item.released[item.revision] if shown else record.at if record else None
    if at is None:
        return None
    why, who = (record.reason, record.submitter) if record else ("", None)
    return WithdrawalAnswer(content_id, withdrawn_at=at, reason=why, by=who or "")


def _withdrawal_event(
    content_id: str, unit: str, wording: WithdrawalText, by: str = ""
) -> CloudEvent:
    words = {name: text for name, text in wording._asdict().items() if text}
    return CloudEvent(
        specversion="1.0",
        id=f"{content_id}.withdrawn.{uuid.uuid4().hex}",
        source=f"/units/{unit}",
        type=events.WITHDRAWN,
        subject=content_id,
        time=datetime.now(UTC),
        data={"content_id": content_id, **words},
        extensions={events.SUBMITTER: by} if by else {},
    )


def opinions(
    content_id: Annotated[str, typer.Argument(help="One item; without it, all of them.")] = "",
    as_json: Json = False,
) -> None:
    """How many readers are satisfied with an item, or not, by the channel they read it on."""
    counts = run_on_bus(lambda bus: _requested_counts(bus, content_id))
    columns = ("item", "channel", "satisfied", "neutral", "dissatisfied")
    rows = (
        (one.content_id, one.channel.value, one.satisfied, one.neutral, one.dissatisfied)
        for one in counts
    )
    print_answer(counts, as_json, lambda: print_table(columns, rows))


async def _requested_counts(bus: Bus, content_id: str) -> list[ReactionCounts]:
    """The counts of reactions. Raises Invalid for an unknown item."""
    found = await count_reactions(bus, content_id)
    if content_id and not found and await ItemRepository(bus).item(content_id) is None:
        raise Invalid(field_error("content_id", "item_unknown", value=content_id))
    return found
