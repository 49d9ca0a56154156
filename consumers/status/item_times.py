"""How long items take to their readers: from each plan's batches, once for each mark.

A batch says when its deliveries began, reached 50 and 95 % of its rows, and went on last
(`consumers.ledger.moves`). Several workers, on several machines, write those times. The reader of
the status reads all open batches anyway, so it knows a plan's times, and nothing has to follow the
deliveries.
"""

import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from itertools import product

import structlog

from consumers.intake.event_log import EventLog
from consumers.intake.items import Position
from consumers.intake.repository import ItemRepository
from consumers.ledger import bulk, codec
from consumers.ledger.cursor import PlanCursor
from consumers.ledger.delivery_times import BatchTimes, reached_moments
from consumers.ledger.entry import LedgerEntry
from contracts import keys, subjects
from contracts.base.times import Clock
from contracts.delivery import BatchKey, ChannelName, Lane, PlanKey
from contracts.records import Record
from producers import metrics
from producers.bus import Bucket, Bus, Denied, records

log = structlog.get_logger()
_OBSERVED_KEY = "status.item_times"
_MAX_PLANS = 20_000
"""Plans whose observed marks are remembered after they have closed."""


class ObservedUntil(Record):
    """The record that marks up to `until` are observed."""

    until: float

    def to_bytes(self) -> bytes:
        return self.model_dump_json().encode()


@dataclass
class ItemTimes:
    """Observes `loa_item_delivery_seconds`. Feed it every open batch, then call `observe`.

    Up to when marks are observed is kept on the bus: a process goes on where the one before it
    ended. The first of all observes what is reached from its start on.
    """

    bus: Bus
    clock: Clock = time.time
    batches: dict[PlanKey, dict[int, BatchTimes]] = field(default_factory=dict)
    observed: dict[PlanKey, int] = field(default_factory=dict)  # how many marks of each plan
    seen: set[PlanKey] = field(default_factory=set)  # in the scan under way
    scan_began: float = 0.0
    is_resumed: bool = False  # `began` is where the process before ended

    def __post_init__(self) -> None:
        self.began = self.clock()
        metrics.ITEM_SECONDS.begin(product(ChannelName, Lane, metrics.REACHED))

    def add_batch(self, batch: BatchKey, entry: LedgerEntry) -> None:
        """Note one batch of a scan."""
        if not self.seen:
            self.scan_began = self.clock()
        self.seen.add(batch.plan)
        is_over = self.observed.get(batch.plan, 0) == len(metrics.REACHED)
        if not is_over and (entry.progress or not keys.is_personal(batch.content_id)):
            self.batches.setdefault(batch.plan, {})[batch.number] = BatchTimes.of(entry)

    async def observe(self) -> None:
        """Observe the marks that plans have reached, and forget plans that are over.

        After a BusError the next call observes the rest. A damaged plan tells no more.
        """
        seen, self.seen = self.seen, set()
        until = self.scan_began if seen else self.clock()
        await self.resume()
        self.forget(seen)
        begun = [plan for plan, known in self.batches.items() if _has_begun(known.values())]
        async for plan, batches in self.whole_plans(begun):
            try:
                await self.observe_plan(plan, batches)
            except (ValueError, LookupError, TypeError) as broken:  # damaged: left to `loa check`
                self.observed[plan] = len(metrics.REACHED)
                log.warning("status_fact_missing", fact="item_times", reason=type(broken).__name__)
            if self.observed.get(plan) == len(metrics.REACHED):
                del self.batches[plan]
        await self.keep(until)

    async def resume(self) -> None:
        """Go on where the process before ended, also if its clock was ahead."""
        if self.is_resumed:
            return
        stored = (await records.read_or_absent(self.control, _OBSERVED_KEY, ObservedUntil)).value
        self.began = min(stored.until, self.began) if stored else self.began
        self.is_resumed = True

    async def keep(self, until: float) -> None:
        """Keep *until* for the next process; a key that may not write there loses a minute then."""
        try:
            await self.control.put(_OBSERVED_KEY, ObservedUntil(until=until).to_bytes())
        except Denied:
            log.warning("status_fact_missing", fact="item_times", reason="denied")

    @property
    def control(self) -> Bucket:
        return self.bus.bucket(subjects.CONTROL.name)

    def forget(self, seen: Set[PlanKey]) -> None:
        """Forget the batches of plans that are not in the scan; their marks later.

        A late receipt brings a closed batch into the scan once more.
        """
        self.batches = {plan: known for plan, known in self.batches.items() if plan in seen}
        for plan in list(self.observed)[:-_MAX_PLANS]:
            if plan not in seen:
                del self.observed[plan]

    async def observe_plan(self, plan: PlanKey, batches: Sequence[BatchTimes]) -> None:
        known = self.observed.get(plan, 0)
        reached = reached_moments(batches)
        new = [
            (mark, at)
            for mark, at in zip(metrics.REACHED[known:], reached[known:], strict=False)
            if at >= self.began
        ]
        start = await self.start_of(plan, batches) if new else 0.0
        self.observed[plan] = max(known, len(reached))
        for mark, at in new:
            lane = batches[0].lane
            metrics.ITEM_SECONDS.observe(at - start, plan.channel, lane, mark)

    async def whole_plans(
        self, plans: Sequence[PlanKey]
    ) -> AsyncIterator[tuple[PlanKey, list[BatchTimes]]]:
        """Each plan whose recipients are fixed, and was not halted, with all its batches."""
        shared = [plan for plan in plans if not keys.is_personal(plan.content_id)]
        cursors = await self.cursors(shared)
        for plan in plans:
            cursor = cursors.get(plan, PlanCursor(count=1, complete=plan not in shared))
            if cursor.complete and not cursor.halt:
                yield plan, await self.batches_of(plan, cursor.stored_count)

    async def cursors(self, plans: Sequence[PlanKey]) -> Mapping[PlanKey, PlanCursor]:
        bucket, found = self.bus.bucket(subjects.LEDGER.name), {}
        names = {f"plan.{plan}": plan for plan in plans}
        for key, value in (await bucket.get_many(list(names))).items():
            if cursor := bulk.decode_or_none(codec.decode_cursor, value.data):
                found[names[key]] = cursor
        return found

    async def batches_of(self, plan: PlanKey, count: int) -> list[BatchTimes]:
        """All batches of *plan*; those that no scan had, closed or not begun, are read."""
        known = self.batches[plan]
        missing = [BatchKey(*plan, number) for number in range(count) if number not in known]
        read = dict(known)
        async for batch in bulk.read_batches(self.bus.bucket(subjects.LEDGER.name), missing):
            if batch.entry:
                read[batch.key.number] = BatchTimes.of(batch.entry)
                if batch.entry.closed_at:
                    known[batch.key.number] = read[batch.key.number]
        return list(read.values())

    async def start_of(self, plan: PlanKey, batches: Sequence[BatchTimes]) -> float:
        """When the way of *plan* to its readers began: see `loa_item_delivery_seconds`."""
        created = min(batch.created for batch in batches)
        if keys.is_personal(plan.content_id):
            return created
        position = await ItemRepository(self.bus).position(plan.content_id, plan.revision)
        return min(await self.release_time(position), created) if position else created

    async def release_time(self, position: Position) -> float:
        accepted = await EventLog(self.bus).accepted_at(position.event_id)
        times = [position.decision.at if position.decision else accepted or position.at]
        times += [position.not_before] if position.not_before else []
        return max(times).timestamp()


def _has_begun(batches: Iterable[BatchTimes]) -> bool:
    return any(batch.moments for batch in batches)
