"""Commands that look at content items: `loa trace`, `loa opinions`."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from types import MappingProxyType
from typing import Annotated, NamedTuple

import typer
from pydantic import Field

from consumers.callbacks.item_state import ToldItem, read_told
from consumers.channel_health.destinations import load_destinations
from consumers.cli.acts import By, Command, look, record
from consumers.cli.authorization import names_by_id
from consumers.cli.failures import FailuresAnswer, find_failures, limited, print_failures
from consumers.cli.filters import Limit, Since
from consumers.cli.output import (
    Json,
    desk_address,
    fail,
    item_address,
    page,
    print_address,
    print_answer,
    print_field_texts,
    print_table,
    run_on_any_bus,
    run_on_bus,
)
from consumers.cli.stores import normalized_address, open_subscribers, open_suppressions
from consumers.cli.trace_timeline import timeline_rows
from consumers.cli.trace_told import told_texts
from consumers.dead_letters.letter import DeadLetter
from consumers.dead_letters.trace import letters_about, with_letters
from consumers.desk.access import item_facts
from consumers.editorial import waiting
from consumers.editorial.log import EditorialLog
from consumers.intake.repository import ItemRepository
from consumers.messages import field_error, translate
from consumers.reporting.channel_state import channel_problems
from consumers.reporting.reactions import ReactionCounts, count_reactions
from consumers.reporting.reader_trace import EMAIL, MailTrace, ReaderTrace, ReaderTracer
from consumers.reporting.refusals import find_refusal
from consumers.reporting.trace import TraceReader
from consumers.runtime.store_check import store_problem
from consumers.staff.authorization import ReadingRight
from consumers.staff.policy import ObjectFacts
from consumers.status.places import describe_place
from consumers.suppression.store import describe_suppression
from contracts import events, keys, subjects
from contracts.delivery import ChannelName
from contracts.editorial import UNSENT, ItemState
from contracts.errors import Conflict, FieldError, Invalid
from contracts.records import EventRecord
from contracts.trace import StatusCounts, TimelineEntry, Trace
from producers.bus import Bus
from producers.bus.records import read
from producers.output import print_bilingual

ContentId = Annotated[str, typer.Argument(help="The item's content_id.")]
ItemOrCase = Annotated[
    str, typer.Argument(help="A content_id, the code of a dossier, or an event_id.")
]
Failed = Annotated[
    bool, typer.Option("--failed", help="Who was not reached, and why; without an item, of all.")
]
Reader = Annotated[
    str,
    typer.Option(
        metavar="ADDRESS", help="Only what became of it for this reader's mail; also an opaque id."
    ),
]
_OPAQUE_ID = re.compile(r"[\w-]+", re.ASCII)
_ALWAYS_SHOWN = ("expected", "delivered", "missing", "complete")


class TraceReport(Trace):
    """An item's trace. *waits*: what its open rows or its text wait for.

    *event_id*: how it was named.

    *refused*: why that event was refused; the trace is its item's all the same. *reason*: why the
    item was withdrawn. *told*: what its unit was told of it, and to which endpoints.
    """

    omitted_when_empty = Trace.omitted_when_empty | {
        *("address", "waits", "event_id", "refused", "stand_ins", "reason", "told")
    }

    address: str = ""
    waits: tuple[FieldError, ...] = ()
    event_id: str = ""
    refused: tuple[FieldError, ...] = ()
    stand_ins: dict[ChannelName, str] = Field(default_factory=dict)
    reason: str = ""
    told: ToldItem | None = None


@page(
    TraceReport | ReaderTrace | FailuresAnswer,
    examples=("loa trace tb-15", "loa trace tb-15 --reader an@example.vn", "loa trace --failed"),
)
def trace(
    item: ItemOrCase = "",
    reader: Reader = "",
    failed: Failed = False,
    since: Since = "",
    limit: Limit = 50,
    by: By = "",
    as_json: Json = False,
) -> None:
    """Show whether an item was sent, to how many, and why not: counts per channel, and a timeline.

    The `event_id` that a sender got finds the event's item, too. With --failed: recipients who were
    not reached, by opaque ids; of all items those of the last seven days, or --since.
    """
    content_id = keys.resolve_content_id(item)
    _require_question(item, reader, failed=failed)
    if failed:
        found = run_on_bus(lambda bus: find_failures(bus, content_id, since, by))
        shown = limited(found, limit)
        print_answer(shown, as_json, lambda: print_failures(shown))
        return
    if reader:
        mails = run_on_bus(partial(_find_reader_trace, content_id, reader, by))
        print_answer(mails, as_json, lambda: _print_mails(content_id, mails))
        return
    answer = run_on_any_bus(partial(_find_trace, content_id, by))
    if answer is None:
        fail(field_error("content_id", "item_unknown", value=item))
    print_answer(answer.report, as_json, answer.print)


def _require_question(item: str, reader: str, *, failed: bool) -> None:
    """Exit code 2 for a trace of nothing, or of one reader and all who were not reached."""
    if failed and reader:
        fail(field_error("--reader", "failed_or_reader"))
    if not (item or failed):
        fail(field_error("item", "trace_what"))


class TraceAnswer(NamedTuple):
    """An item's trace, and what its open rows, or its text, wait for."""

    trace: Trace
    waits: list[FieldError]
    event_id: str = ""
    stand_ins: Mapping[str, str] = {}
    """Channels whose output stays on this machine, and where."""
    names: Mapping[str, str] = {}
    """Names of the accounts that acted, by their ids."""
    refused: Sequence[FieldError] = ()
    """Why the event was refused by which the trace was asked for."""
    reason: str = ""
    told: ToldItem | None = None

    @property
    def address(self) -> str:
        """The item's address on the portal; empty if the portal never had it, and never will."""
        revisions = (self.trace.channels, *self.trace.earlier.values())
        counts = [channels.get(ChannelName.PORTAL) for channels in revisions]
        has_page = any(count and (count.expected or not count.complete) for count in counts)
        return item_address(self.trace.content_id) if has_page else ""

    @property
    def address_state(self) -> str:
        """The text code for an address that does not show the item now."""
        portal = self.trace.channels.get(ChannelName.PORTAL)
        is_complete = portal is None or portal.complete
        if self.trace.state == "withdrawn":
            return "place_gone" if is_complete else "place_goes"
        return "" if is_complete or self.trace.earlier else "place_to_be"

    @property
    def report(self) -> TraceReport:
        facts = {"address": self.address, "waits": self.waits, "event_id": self.event_id}
        more = {"refused": self.refused, "stand_ins": self.stand_ins, "reason": self.reason}
        return TraceReport(**dict(self.trace), **facts, **more, told=self.told)

    def print(self) -> None:
        for one in self.refused:
            print_bilingual(
                f"event {self.event_id}: refused: {one.field}: {one.message}",
                f"sự kiện {self.event_id}: bị từ chối: {one.field}: {one.message_vi}",
            )
        if self.event_id and not self.refused:
            typer.echo(f"event {self.event_id}:")
        print_trace(self.trace, self.names)
        if self.reason:
            print_field_texts(field_error("reason", "withdrawn_why", reason=self.reason))
        for channel, place in self.stand_ins.items():
            to = describe_place(place)
            print_field_texts(field_error(channel, "stand_in_delivers", to=to))
        if self.address and self.address_state:
            print_address(self.address_state, self.address)
        elif self.address:
            typer.echo(self.address)
        print_field_texts(*told_texts(self.told) if self.told else (), *self.waits)


async def _find_trace(name: str, by: str, bus: Bus, own: bool) -> TraceAnswer | None:
    """The trace of an item, or of an event's; None for an unknown one. *own*: no Loa runs.

    Raises BusError, Unauthorized, Forbidden, and Invalid for a text that only the desk has.
    """
    right, event = await look(bus, "item.read", name, by), None
    trace = await _trace_item(right, bus, name)
    if trace is None:
        event = (await read(bus.bucket(subjects.EVENTS.name), name, EventRecord)).value
        trace = await _trace_event(right, bus, event) if event else None
    if trace is None:
        await _refuse_unsent(right, bus, name)
        return None
    waits, event_id = await channel_problems(bus, trace), name if event else ""
    if not own:
        waits += await _store_problems(bus, trace)
    refused = await find_refusal(bus, name, event.content_id) if event else ()
    stand_ins = await _stand_ins(bus, trace)
    names = await names_by_id(bus) if any(entry.by for entry in trace.timeline) else {}
    reason = await _withdrawal_reason(bus, trace)
    waits += await _desk_waits(right, bus, trace, names)
    told = await _told(bus, trace, event)
    return TraceAnswer(trace, waits, event_id, stand_ins, names, refused, reason, told)


async def _told(bus: Bus, trace: Trace, event: EventRecord | None) -> ToldItem | None:
    """The facts that the unit was told of its item; None for those of one person."""
    item = await ItemRepository(bus).item(trace.content_id)
    unit = (item.unit if item else "") or (event.unit if event else "")
    if not unit or keys.is_personal(trace.content_id):
        return None
    return await read_told(bus, unit, trace.content_id)


async def _refuse_unsent(right: ReadingRight, bus: Bus, content_id: str) -> None:
    """Raises Invalid for an item that only the desk has, if the person may read it."""
    history = await waiting.read_history(bus, content_id)
    if not _reads_notes(right, history[0]):
        return
    names = await names_by_id(bus)
    if told := waiting.describe_unsent(content_id, history, names, desk_address()):
        raise Invalid(told)


async def _desk_waits(
    right: ReadingRight, bus: Bus, trace: Trace, names: Mapping[str, str]
) -> Sequence[FieldError]:
    """Whom the item's newest text waits for, if it waits; an older one may be out meanwhile."""
    history = await waiting.read_history(bus, trace.content_id)
    if not _reads_notes(right, history[0]):
        history = waiting.without_notes(history)
    is_with_people = history[0].is_undecided or history[0].status in UNSENT
    found = waiting.describe_wait(history, names)
    return (found,) if found and (is_with_people or trace.state == "waiting") else ()


async def _withdrawal_reason(bus: Bus, trace: Trace) -> str:
    """Why the item of the trace was withdrawn; empty if it was not."""
    if trace.state != "withdrawn":
        return ""
    position = await ItemRepository(bus).position(trace.content_id, trace.revision)
    return (position.reason or "") if position else ""


async def _store_problems(bus: Bus, trace: Trace) -> list[FieldError]:
    """That the bus stores nothing, if something of the trace has to be stored."""
    counts = trace.channels.values()
    is_unfinished = trace.state == "received" or not all(count.complete for count in counts)
    if not (is_unfinished and (why := await store_problem(bus))):
        return []
    return [field_error("bus", "trace_bus_cannot_store", why=translate(why))]


async def _stand_ins(bus: Bus, trace: Trace) -> Mapping[str, str]:
    """Channels of the trace whose output stays on this machine, and where it goes."""
    places = (await load_destinations(bus)).items()
    return {name: place.to for name, place in places if place.stand_in and name in trace.channels}


async def _trace_item(
    right: ReadingRight, bus: Bus, content_id: str, step: int | None = None
) -> Trace | None:
    reader = TraceReader(bus, for_staff=True, reads_notes=partial(_reads_notes, right))
    delivered = await reader.trace(content_id, step)
    letters = await letters_about(bus, content_id)
    if trace := with_letters(content_id, delivered, letters):
        right.require(await _item_facts(bus, content_id, letters))
        return trace
    return None


def _reads_notes(right: ReadingRight, state: ItemState) -> bool:
    return right.reads_drafts(item_facts(state))


async def _trace_event(right: ReadingRight, bus: Bus, event: EventRecord) -> Trace:
    """The trace of an event's item, or step of a dossier; the event alone before intake has it."""
    content_id = event.content_id
    step = event.revision if keys.is_case(content_id) else None
    if trace := await _trace_item(right, bus, content_id, step):
        return trace
    right.require(ObjectFacts(unit=event.unit))
    received = TimelineEntry(at=event.at, event="received", detail=events.kind_of(event.type))
    facts = {"content_id": content_id, "revision": event.revision or 0, "timeline": [received]}
    return Trace(**facts, state="received", channels={})


async def _item_facts(bus: Bus, content_id: str, letters: Sequence[DeadLetter]) -> ObjectFacts:
    """The facts of an item, a dossier, or of dead letters of which no more is known."""
    repository = ItemRepository(bus)
    item = await repository.item(content_id)
    if item is None and letters:
        return ObjectFacts(unit=letters[0].about.unit)
    number = (item.revision or item.latest) if item else 0
    position = await repository.position(content_id, number) if number else None
    return item_facts(await _written(bus, content_id), item, position)


async def _written(bus: Bus, content_id: str) -> ItemState:
    """The item as the editorial log has it; a broken one is judged by its records alone."""
    try:
        return (await EditorialLog(bus).read(content_id)).state
    except Conflict:
        return ItemState()


def print_trace(trace: Trace, names: Mapping[str, str] = MappingProxyType({})) -> None:
    revision = f", revision {trace.revision}" if trace.revision else ""
    number = f", bản số {trace.revision}" if trace.revision else ""
    print_bilingual(
        f"{trace.content_id}{revision}: {trace.state}",
        f"{trace.content_id}{number}: {translate(trace.state).vi}",
    )
    rows = [
        (number or "", channel, dict(counts))
        for number, channels in ((trace.revision, trace.channels), *trace.earlier.items())
        for channel, counts in channels.items()
    ]
    columns = [
        name
        for name in StatusCounts.model_fields
        if name in _ALWAYS_SHOWN or any(counts[name] for *_, counts in rows)
    ]
    counts_rows = [(*row, *map(counts.get, columns)) for *row, counts in rows]
    if counts_rows:
        print_table(("revision", "channel", *columns), counts_rows)
    timeline = timeline_rows(trace.timeline, names)
    print_table(("when", "what", "channel", "detail"), timeline)


async def _find_reader_trace(content_id: str, reader: str, by: str, bus: Bus) -> ReaderTrace:
    """The outcome of an item for the reader with an address or an id.

    Raises ContractError, BusError or LedgerError.
    """
    if keys.is_personal(content_id) or keys.is_digest(content_id):
        raise Invalid(field_error("reader", "reader_of_items", value=content_id))
    item = await ItemRepository(bus).require_item(content_id)
    subscribers = await open_subscribers(bus)
    if _OPAQUE_ID.fullmatch(reader):
        subscriber = await subscribers.find_by_id(reader)
    else:
        subscriber = await subscribers.find_by_address(normalized_address(reader, "reader"))
    await record(bus, Command("subscribers.find", subscriber.id if subscriber else "", by))
    if subscriber is None:
        raise Invalid(field_error("reader", "reader_unknown"))
    trace = await ReaderTracer(bus, subscriber, datetime.now(UTC)).trace(content_id, item)
    suppression = await (await open_suppressions(bus)).find_active(EMAIL, subscriber.email)
    return trace.model_copy(update={"suppressed": suppression})


def _print_mails(content_id: str, trace: ReaderTrace) -> None:
    typer.echo(f"{content_id}, this reader, by mail:")
    if trace.mails:
        columns = ("revision", "in", "status", "in vain", "reason", "again at", "came back")
        print_table(columns, map(_mail_cells, trace.mails))
        print_field_texts(*map(_mail_text, trace.mails))
    print_field_texts(*trace.why, *trace.waits)
    if trace.suppressed:
        print_field_texts(describe_suppression(trace.suppressed))


def _mail_cells(mail: MailTrace) -> Sequence[object]:
    attempts = (mail.attempts or "", mail.reason, mail.due, mail.came_back)
    return (mail.revision, mail.digest or "a mail of its own", mail.status, *attempts)


def _mail_text(mail: MailTrace) -> FieldError:
    """The Message-ID of a mail and when it left, as the relay's log and the reader's mail say."""
    times = {"first": mail.sent_from, "last": mail.sent_to, "failed": mail.failed_at}
    code = "mail_failed" if mail.failed_at else "mail_named"
    if mail.sent_from:
        code = "mail_sent" if mail.sent_to else "mail_doubted"
    return field_error(f"revision {mail.revision}", code, value=mail.message_id, **times)


@page(
    list[ReactionCounts],
    examples=(
        "loa opinions",
        "loa opinions tb-15",
    ),
)
def opinions(
    content_id: Annotated[str, typer.Argument(help="One item; without it, all of them.")] = "",
    as_json: Json = False,
) -> None:
    """Count the readers who are satisfied with an item, or not, by channel."""

    async def count(bus: Bus) -> list[ReactionCounts]:
        counts = await count_reactions(bus, content_id)
        if content_id and not counts:
            await ItemRepository(bus).require_item(content_id)
        return counts

    counts = run_on_bus(count)
    columns = ("item", "channel", "satisfied", "neutral", "dissatisfied")
    rows = [list(dict(one).values()) for one in counts]
    print_answer(counts, as_json, lambda: print_table(columns, rows))
