"""Trace of a content item: its counts per channel and its timeline."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from consumers.case_notices import trace as steps
from consumers.digests import trace as gathered
from consumers.digests.store import DigestStore
from consumers.email import trace as mail
from consumers.email.bounce_records import BounceRecords, BounceTotals
from consumers.email.bounce_stops import BounceStop, BounceStops
from consumers.intake.event_log import EventLog
from consumers.intake.items import NOT_ADMITTED_CODE, SUPERSEDED_CODE, Decision, Item, Position
from consumers.intake.repository import ItemRepository
from consumers.ledger.cursor import PlanCursor
from consumers.ledger.store import Ledger
from consumers.messages import field_error, load_catalog
from consumers.reporting.blocked import PlanBlockers
from contracts import keys
from contracts.delivery import OPEN, ChannelName, PlanKey, Status
from contracts.errors import WHOLE_EVENT, FieldError, localized
from contracts.records import Dossier
from contracts.trace import StatusCounts, TimelineEntry, Trace, TraceState


@dataclass
class TraceReader:
    """Reads items and the ledger; changes nothing.

    `names`: the story tells who decided and who withdrew. That is for the ministry's own eyes: the
    status URL, which units' programs read, does without.
    """

    repository: ItemRepository
    ledger: Ledger
    clock: Callable[[], float]
    digest_store: DigestStore | None = None
    bounce_stops: Callable[[], Awaitable[BounceStops]] | None = None
    event_log: EventLog | None = None
    with_names: bool = False

    async def trace(self, content_id: str, step: int | None = None) -> Trace | None:
        """The newest released position of an item, or the newest one at all; or one dossier's.

        *step*: only this one of a dossier's.
        """
        if keys.is_transactional(content_id):
            return await steps.trace_transactional(self.ledger, content_id)
        if self.digest_store and keys.is_digest(content_id):
            return await gathered.trace_digest(
                self.digest_store, self.ledger, content_id, self.channel_counts
            )
        item = await self.repository.item(content_id)
        if item and keys.is_case(content_id):
            dossier = Dossier.model_validate(item.model_dump())
            return await steps.trace_dossier(self.ledger, content_id, dossier, step)
        return await self.trace_item(content_id, item)

    async def trace_item(self, content_id: str, item: Item | None) -> Trace | None:
        """An item's trace: its positions, its plans, and the digests that held it."""
        positions = {number: one async for number, one in self.positions(content_id)}
        if not (item or positions):
            return None
        item = item or Item(unit="")
        number = item.revision or max([*positions, *item.positions], default=0)
        timeline: list[TimelineEntry] = []
        for key, record in sorted(positions.items()):
            entries = position_entries(key, record, await self.refusal_errors(record))
            timeline += self.without_names(entries)
        state = self.item_state(item, positions.get(number))
        if state == "scheduled":
            timeline.append(scheduled_entry(number, positions[number], self.clock()))
        channels: dict[ChannelName, StatusCounts] = {}
        async for channel, count, past in self.channels(content_id, number, item):
            channels[channel] = count
            timeline += past
        if self.digest_store:
            timeline += [one async for one in gathered.item_entries(self.digest_store, content_id)]
        return Trace(
            content_id=content_id,
            revision=number,
            state=state,
            channels=channels,
            timeline=sorted(timeline, key=lambda entry: entry.at),
            earlier={
                n: counts async for n, counts in self.earlier_revisions(content_id, number, item)
            },
        )

    async def earlier_revisions(
        self, content_id: str, number: int, item: Item
    ) -> AsyncIterator[tuple[int, dict[ChannelName, StatusCounts]]]:
        """Who got which older revision, the latest first; digests have stories of their own."""
        for one in sorted(item.released, reverse=True):
            if one < number:
                found = self.channels(content_id, one, Item(unit=""))
                counts = {channel: count async for channel, count, _ in found}
                if counts:
                    yield one, counts

    def without_names(self, entries: Iterable[TimelineEntry]) -> Iterator[TimelineEntry]:
        """The entries without the names of who acted, unless this reader may show names."""
        for one in entries:
            yield one if self.with_names else one.model_copy(update={"by": ""})

    async def refusal_errors(self, position: Position) -> Sequence[FieldError]:
        """Why a position was refused, if not by the desk, in both languages where that is known."""
        if position.code == SUPERSEDED_CODE:
            return (field_error("data.revision", "superseded"),)
        if position.code == NOT_ADMITTED_CODE and self.event_log:
            return await self.event_log.refusal_errors(position.event_id)
        return ()

    def item_state(self, item: Item, position: Position | None) -> TraceState:
        """An item without a position is one whose first event is still on its way."""
        if item.state == "withdrawn":
            return "withdrawn"
        if position is None:
            return item.state or "received"
        if position.state == "released" and position.not_before:
            waits = position.not_before.timestamp() > self.clock()
            return "scheduled" if waits else "released"
        return position.state

    async def positions(self, content_id: str) -> AsyncIterator[tuple[int, Position]]:
        """Every position of an item, refused ones too."""
        async for key, value in self.repository.bucket.values(f"{content_id}."):
            yield int(key.rpartition(".")[2]), Position.model_validate_json(value.data)

    async def channels(
        self, content_id: str, number: int, item: Item
    ) -> AsyncIterator[tuple[ChannelName, StatusCounts, list[TimelineEntry]]]:
        """The channels of one position, without those that were stopped before they began."""
        for channel in ChannelName:
            plan = PlanKey(channel, content_id, number)
            held = await self.ledger.plan(plan)
            if held is None and item.revision and channel in item.channels:
                yield channel, StatusCounts(), []
            elif held and not held.value.is_halted_before_start:
                count, past = await self.channel_counts(plan, held.value)
                waits = PlanBlockers(self.ledger, self.digest_store)
                told = await waits.timeline_entry(
                    plan, held.value, sorted(item.released), self.clock()
                )
                yield channel, count, [*past, told] if told else past

    async def channel_counts(
        self, plan: PlanKey, cursor: PlanCursor
    ) -> tuple[StatusCounts, list[TimelineEntry]]:
        """One plan's rows and moments."""
        statuses: Counter[Status] = Counter()
        waits: Counter[str] = Counter()
        copies, closed = 0, 0.0
        async for _, entry in self.ledger.entries(plan, cursor):
            statuses.update(entry.value.count_by_status())
            waits.update(entry.value.waiting_reasons)
            copies += entry.value.possible_copies
            closed = max(closed, entry.value.closed_at)
        back, brakes = await self.bounce_counts(plan), await self.bounce_stop(plan)
        count = status_counts(cursor, statuses, copies)
        count = count.model_copy(update={"bounced": back.bounced, "complained": back.complained})
        past = planning_entries(plan.channel, cursor, count, closed)
        past += [*mail.bounce_entries(back), *mail.stop_entries(plan.content_id, brakes)]
        return count, past + [
            self.waiting_entry(plan.channel, *why) for why in waits.most_common(3)
        ]

    async def bounce_counts(self, plan: PlanKey) -> BounceTotals:
        """What came back; of mail alone anything does."""
        if plan.channel is not ChannelName.EMAIL:
            return BounceTotals()
        return await BounceRecords(self.ledger.bucket).totals(plan)

    async def bounce_stop(self, plan: PlanKey) -> BounceStop | None:
        """What the bounce brake says of it."""
        if self.bounce_stops is None or plan.channel is not ChannelName.EMAIL:
            return None
        return (await self.bounce_stops()).plans.get(str(plan))

    def waiting_entry(self, channel: ChannelName, reason: str, rows: int) -> TimelineEntry:
        """What rows wait for, as it is now."""
        return channel_entry(self.clock(), "waiting", channel, f"{rows} rows: {reason}")


def status_counts(cursor: PlanCursor, statuses: Counter[Status], copies: int) -> StatusCounts:
    """The public counts of a plan."""
    unfinished = any(statuses[status] for status in OPEN)
    return StatusCounts(
        **{status.value: statuses[status] for status in Status},
        expected=sum(statuses.values()) + cursor.missing_count,
        missing=cursor.missing_count,
        maybe_duplicate=copies,
        complete=bool(cursor.complete or cursor.halt)
        and not unfinished
        and not cursor.missing_count,
    )


def planning_entries(
    channel: ChannelName, cursor: PlanCursor, count: StatusCounts, closed: float
) -> list[TimelineEntry]:
    """A plan's own moments."""
    moments = [channel_entry(cursor.created, "planning_started", channel)]
    if cursor.finished:
        moments.append(
            channel_entry(cursor.finished, "planned", channel, f"{cursor.planned} recipients")
        )
    if count.complete:
        detail = f"{count.delivered} of {count.expected} delivered"
        moments.append(channel_entry(closed or cursor.finished, "completed", channel, detail))
    return moments


def scheduled_entry(number: int, position: Position, now: float) -> TimelineEntry:
    """Until when nothing leaves, as it is now."""
    at, until = datetime.fromtimestamp(now, UTC), position.not_before
    detail = f"revision {number}"
    if until:
        detail += f": not before {until.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    return TimelineEntry(at=at, event="scheduled", detail=detail, until=until)


def channel_entry(at: float, event: str, channel: ChannelName, detail: str = "") -> TimelineEntry:
    return TimelineEntry(
        at=datetime.fromtimestamp(at, UTC), event=event, channel=channel, detail=detail
    )


def position_entries(
    number: int, position: Position, refusal: Sequence[FieldError] = ()
) -> Iterator[TimelineEntry]:
    """The timeline of one position; *refusal*: its errors, if it was refused without a decision."""
    label, said = f"revision {number}", position.decision
    sender = position.submitter or ""
    yield TimelineEntry(
        at=position.at, event="received", detail=f"{position.kind}, {label}", by=sender
    )
    if said:
        yield decision_entry(label, said)
    if position.released_at and (position.state == "released" or position.kind == "withdrawn"):
        yield TimelineEntry(at=position.released_at, event="released", detail=label)
    if position.state == "refused" and (said is None or said.verdict == "approved"):
        at = said.at if said else position.at
        detail = f"{label}: {position.reason or position.code}"
        yield TimelineEntry(at=at, event="refused", detail=detail, errors=tuple(refusal))


def decision_entry(label: str, decision: Decision) -> TimelineEntry:
    """What the desk said, who did, and what the code means that it gave."""
    words = load_catalog("rejections").get(decision.code)
    meaning = (localized(WHOLE_EVENT, words),) if words else ()
    code = " ".join([decision.code, *(f"({one.message})" for one in meaning)])
    why = ", ".join(filter(None, (code, decision.reason)))
    detail = f"{label}: {why}" if why else label
    return TimelineEntry(
        at=decision.at, event=decision.verdict, detail=detail, by=decision.by, errors=meaning
    )
