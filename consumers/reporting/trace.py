"""Trace of a content item: its counts per channel and its timeline."""

import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from consumers.case_notices import trace as case_notices
from consumers.case_notices.trace import channel_entry
from consumers.digests import trace as digests
from consumers.digests.store import DigestStore
from consumers.editorial import waiting
from consumers.email import bounce_stops
from consumers.email import trace as mail
from consumers.email.bounce_records import BounceRecords, BounceTotals
from consumers.email.bounce_stops import BounceStop
from consumers.intake.event_log import EventLog
from consumers.intake.items import NOT_ADMITTED_CODE, SUPERSEDED_CODE, Decision, Item, Position
from consumers.intake.repository import ItemRepository
from consumers.ledger.cursor import PlanCursor
from consumers.ledger.interruptions import INTERRUPTED
from consumers.ledger.store import Ledger
from consumers.messages import field_error
from consumers.reporting.blocked import PlanBlockers
from consumers.reporting.plan_summary import status_counts, summarize
from contracts import keys
from contracts.base.times import Clock
from contracts.delivery import ChannelName, PlanKey
from contracts.editorial import ItemState
from contracts.editorial.action import NOT_RELEASED
from contracts.errors import WHOLE_EVENT, FieldError, localized
from contracts.events import title_warnings
from contracts.records import Dossier
from contracts.trace import StatusCounts, TimelineEntry, Trace, TraceState
from contracts.vocabulary import REJECTIONS
from producers.bus import Bus


@dataclass
class TraceReader:
    """Reads items and the ledger; changes nothing.

    `for_staff`: include who decided and who withdrew, why rows failed, and when older revisions
    were sent. The status URL, which units' programs read, leaves that out. `reads_notes`: whether
    the reader may also read what people wrote about the texts of an item.
    """

    bus: Bus
    clock: Clock = time.time
    for_staff: bool = False
    reads_notes: Callable[[ItemState], bool] = lambda _: True

    def __post_init__(self) -> None:
        self.repository, self.ledger = ItemRepository(self.bus), Ledger(self.bus)
        self.digest_store = DigestStore(self.bus)

    async def trace(self, content_id: str, step: int | None = None) -> Trace | None:
        """Trace an item: its newest released position, or the newest one; a dossier; or a digest.

        *step*: only this one of a dossier.
        """
        trace = await self.trace_any(content_id, step)
        if trace and not self.for_staff:
            trace.timeline = [one for one in trace.timeline if one.event != INTERRUPTED]
        return trace

    async def trace_any(self, content_id: str, step: int | None) -> Trace | None:
        if keys.is_transactional(content_id):
            return await case_notices.trace_transactional(self.ledger, content_id)
        if keys.is_digest(content_id):
            stores = self.digest_store, self.ledger
            return await digests.trace_digest(*stores, content_id, self.channel_counts)
        item = await self.repository.item(content_id)
        if item and keys.is_case(content_id):
            dossier = Dossier.model_validate(item.model_dump())
            return await case_notices.trace_dossier(self.ledger, content_id, dossier, step)
        return await self.trace_item(content_id, item)

    async def trace_item(self, content_id: str, item: Item | None) -> Trace | None:
        """Trace an item's positions, its plans, and the digests that held it."""
        positions = await self.positions(content_id)
        if not (item or positions):
            return None
        item = item or Item(unit="")
        number = item.revision or max([*positions, *item.positions], default=0)
        timeline = await self.position_entries(positions)
        timeline += await self.desk_entries(content_id, positions)
        state = self.item_state(item, positions.get(number))
        channels: dict[ChannelName, StatusCounts] = {}
        async for channel, count, past in self.channels(content_id, number, item):
            channels[channel] = count
            timeline += past
        earlier: dict[int, dict[ChannelName, StatusCounts]] = {}
        async for older, counts, past in self.earlier(content_id, number, item):
            earlier[older] = counts
            timeline += past if self.for_staff else []
        in_digests = digests.item_entries(self.digest_store, content_id)
        timeline += [entry async for entry in in_digests]
        return Trace(
            content_id=content_id,
            revision=number,
            state=state,
            channels=channels,
            timeline=sorted(timeline, key=lambda entry: entry.at),
            earlier=earlier,
        )

    async def position_entries(self, positions: Mapping[int, Position]) -> list[TimelineEntry]:
        shown, timeline = {} if self.for_staff else {"by": ""}, list[TimelineEntry]()
        for key, record in sorted(positions.items()):
            entries = _position_entries(key, record, await self.refusal_errors(record))
            timeline += [entry.model_copy(update=shown) for entry in entries]
        return timeline

    async def desk_entries(
        self, content_id: str, positions: Mapping[int, Position]
    ) -> Sequence[TimelineEntry]:
        """The entries of acts that only the editorial log has, for staff."""
        if not self.for_staff:
            return ()
        history = await waiting.read_history(self.bus, content_id)
        if not self.reads_notes(history[0]):
            history = waiting.without_notes(history)
        _, acts = history
        undecided = [number for number, one in positions.items() if one.state == "waiting"]
        return [*waiting.act_entries(acts, undecided)]

    async def earlier(
        self, content_id: str, number: int, item: Item
    ) -> AsyncIterator[tuple[int, dict[ChannelName, StatusCounts], list[TimelineEntry]]]:
        """Yield counts and times of older revisions, the latest first; digests are apart."""
        for earlier in sorted(item.released, reverse=True):
            counts, times = dict[ChannelName, StatusCounts](), list[TimelineEntry]()
            if earlier < number:
                async for channel, count, past in self.channels(content_id, earlier, Item(unit="")):
                    counts[channel] = count
                    times += [_of_revision(entry, earlier) for entry in past]
            if counts:
                yield earlier, counts, times

    async def refusal_errors(self, position: Position) -> Sequence[FieldError]:
        """Return why a position was refused, if not by the desk and if it is known."""
        if position.code == SUPERSEDED_CODE:
            return (field_error("data.revision", "superseded"),)
        if position.code == NOT_ADMITTED_CODE:
            return await EventLog(self.bus).refusal_errors(position.event_id)
        return ()

    def item_state(self, item: Item, position: Position | None) -> TraceState:
        """Return an item's state; without a position, its first event is still on its way."""
        if item.state == "withdrawn":
            return "withdrawn"
        if position is None:
            return item.state or "received"
        if position.state == "released" and position.not_before:
            waits = position.not_before.timestamp() > self.clock()
            return "scheduled" if waits else "released"
        return position.state

    async def positions(self, content_id: str) -> dict[int, Position]:
        return {
            int(key.rpartition(".")[2]): Position.model_validate_json(value.data)
            async for key, value in self.repository.bucket.values(f"{content_id}.")
        }

    async def channels(
        self, content_id: str, number: int, item: Item
    ) -> AsyncIterator[tuple[ChannelName, StatusCounts, list[TimelineEntry]]]:
        """Yield the channels of one position, without those halted before their start."""
        blockers, released = PlanBlockers(self.ledger, self.digest_store), sorted(item.released)
        for channel in ChannelName:
            plan = PlanKey(channel, content_id, number)
            stored = await self.ledger.plan(plan)
            if stored is None and item.revision and channel in item.channels:
                yield channel, StatusCounts(), []
            elif stored and not stored.value.is_halted_before_start:
                count, past = await self.channel_counts(plan, stored.value)
                blocked = await blockers.timeline_entry(plan, stored.value, released, self.clock())
                yield channel, count, [*past, blocked] if blocked else past

    async def channel_counts(
        self, plan: PlanKey, cursor: PlanCursor
    ) -> tuple[StatusCounts, list[TimelineEntry]]:
        if cursor.removed:
            count = StatusCounts.model_validate(cursor.counts)
            return count, _planning_entries(plan.channel, cursor, count, cursor.finished)
        summary = await summarize(self.ledger, plan, cursor)
        bounces, stop = await self.bounces(plan)
        returned = {"bounced": bounces.bounced, "complained": bounces.complained}
        count = status_counts(cursor, summary.statuses, summary.copies).model_copy(update=returned)
        past = _planning_entries(plan.channel, cursor, count, summary.closed)
        past += [*mail.bounce_entries(bounces), *mail.stop_entries(plan.content_id, stop)]
        past += summary.end_entries(plan.channel) if self.for_staff else ()
        return count, [*past, *summary.wait_entries(plan.channel)]

    async def bounces(self, plan: PlanKey) -> tuple[BounceTotals, BounceStop | None]:
        """Return the bounces of a plan of mails, and its stop because of too many."""
        if plan.channel is not ChannelName.EMAIL:
            return BounceTotals(), None
        stops = (await bounce_stops.load_stops(self.bus)).plans
        return await BounceRecords(self.ledger.bucket).totals(plan), stops.get(str(plan))


def _planning_entries(
    channel: ChannelName, cursor: PlanCursor, count: StatusCounts, closed: float
) -> list[TimelineEntry]:
    entries = [channel_entry(cursor.created, "planning_started", channel)]
    if cursor.finished:
        detail = f"{cursor.planned} recipients"
        entries.append(channel_entry(cursor.finished, "planned", channel, detail))
    if count.complete:
        detail = f"{count.delivered} of {count.expected} delivered"
        entries.append(channel_entry(closed or cursor.finished, "completed", channel, detail))
    return entries


def _of_revision(entry: TimelineEntry, number: int) -> TimelineEntry:
    """The entry of an older revision, which its detail names."""
    detail = ": ".join(filter(None, (f"revision {number}", entry.detail)))
    return entry.model_copy(update={"detail": detail})


def _position_entries(
    number: int, position: Position, refusal: Sequence[FieldError] = ()
) -> Iterator[TimelineEntry]:
    """Yield the timeline of one position; *refusal*: errors of one refused without a decision."""
    label, decision = f"revision {number}", position.decision
    detail, sender = f"{position.kind}, {label}", position.submitter or ""
    titles, is_text = (position.title, position.short_title), position.kind != "withdrawn"
    yield TimelineEntry(
        at=position.at,
        event="received",
        detail=detail,
        by=sender,
        warnings=title_warnings(*titles, position.channels) if is_text else (),
    )
    if decision:
        yield _decision_entry(label, decision)
    if position.code == NOT_RELEASED:
        unchanged = field_error(WHOLE_EVENT, "internal_change")
        at = decision.at if decision else position.at
        yield TimelineEntry(at=at, event="not_released", detail=label, errors=(unchanged,))
    elif position.released_at and (position.state == "released" or position.kind == "withdrawn"):
        yield from _release_entries(label, position.released_at, position.not_before)
    if position.state == "refused" and (decision is None or decision.verdict == "approved"):
        at = decision.at if decision else position.at
        detail = f"{label}: {position.reason or position.code}"
        yield TimelineEntry(at=at, event="refused", detail=detail, errors=tuple(refusal))


def _release_entries(
    label: str, at: datetime, not_before: datetime | None
) -> Iterator[TimelineEntry]:
    """Yield the release of a position, and that it was scheduled; both stay in the timeline."""
    yield TimelineEntry(at=at, event="released", detail=label)
    if not_before and not_before > at:
        detail = f"{label}: not before {not_before.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
        yield TimelineEntry(at=at, event="scheduled", detail=detail, until=not_before)


def _decision_entry(label: str, decision: Decision) -> TimelineEntry:
    """Make the entry of a decision of the desk, with the meaning of its code."""
    texts = REJECTIONS.get(decision.code)
    meaning = (localized(WHOLE_EVENT, texts),) if texts else ()
    code = " ".join([decision.code, *(f"({error.message})" for error in meaning)])
    why = ", ".join(filter(None, (code, decision.reason)))
    detail = f"{label}: {why}" if why else label
    return TimelineEntry(
        at=decision.at, event=decision.verdict, detail=detail, by=decision.by, errors=meaning
    )
