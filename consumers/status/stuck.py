"""Stuck deliveries: batches that their worker abandoned, and older revisions that hold up newer
ones."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby

from consumers.channel_health.destinations import Destination
from consumers.ledger import bulk, codec
from consumers.ledger.entry import OPEN_LETTERS, SENDING_LETTERS, LedgerEntry
from consumers.ledger.moves import count_letters
from consumers.status.report import StuckDelivery, StuckKind
from contracts import keys
from contracts.base.times import Clock, utc_time
from contracts.delivery import BatchKey, ChannelName, Lane, PlanKey
from producers.bus import Bucket

_ABANDONED_S = 300.0
"""How long after its lease a batch may be called sending, while nothing else of its lane is
delivered: the sweeper wakes a batch of an idle lane within three minutes."""
_HELD_S = 900.0
"""How long an older revision may take to end."""


@dataclass
class StuckDeliveries:
    """Candidates among the batches that were read, by their last state."""

    clock: Clock
    batches: dict[BatchKey, LedgerEntry] = field(default_factory=dict)
    delivered_at: dict[tuple[ChannelName, Lane], float] = field(default_factory=dict)

    def add_batch(self, batch: BatchKey, entry: LedgerEntry) -> None:
        if entry.progress:
            lane, at = (batch.channel, entry.lane), entry.created + entry.progress[-1]
            self.delivered_at[lane] = max(self.delivered_at.get(lane, 0.0), at)
        if not entry.closed_at and (entry.halt or self._is_abandoned(entry)):
            self.batches[batch] = entry

    def _is_abandoned(self, entry: LedgerEntry, since: float = 0.0) -> bool:
        """Whether a worker took the batch, and has not renewed its lease since; nor after *since*.

        A batch that waits for its turn, or for its next try, has neither owner nor sending rows.
        """
        is_taken = bool(entry.owner) or not SENDING_LETTERS.isdisjoint(entry.rows)
        return is_taken and max(entry.lease_until, since) < self.clock() - _ABANDONED_S

    async def load(
        self, ledger: Bucket, places: Mapping[ChannelName, Destination]
    ) -> dict[ChannelName, list[StuckDelivery]]:
        """Stuck deliveries by channel, the oldest first. Raises BusError.

        *places* say since when each channel has its worker, which needs a moment after its start to
        take up abandoned batches. What an older revision holds up waits, however often it starts.
        """
        found: dict[ChannelName, list[StuckDelivery]] = defaultdict(list)
        newer = await self._newer_since(ledger)
        for plan, group in groupby(sorted(self.batches.items()), key=lambda one: one[0].plan):
            place = places.get(plan.channel)
            entries = [entry for _, entry in group]
            found[plan.channel] += self._of_plan(plan, entries, newer, place.at if place else 0.0)
        return {name: sorted(stuck, key=lambda one: one.since) for name, stuck in found.items()}

    def _of_plan(
        self,
        plan: PlanKey,
        entries: list[LedgerEntry],
        newer: Mapping[PlanKey, float],
        started: float,
    ) -> Iterator[StuckDelivery]:
        waiting = _newer_plan(plan, entries)
        since = newer.get(waiting, 0.0) if waiting else 0.0
        if waiting and since and since < self.clock() - _HELD_S:
            is_leased = any(map(self._is_leased, entries))
            yield _stuck(plan, entries, since, holds=waiting.revision, is_leased=is_leased)
            return
        abandoned = [
            entry
            for entry in entries
            if self._is_abandoned(entry, max(started, self._delivered_at(plan, entry)))
        ]
        if abandoned:
            since = min(entry.lease_until or entry.created for entry in abandoned)
            yield _stuck(plan, abandoned, since)

    def _is_leased(self, entry: LedgerEntry) -> bool:
        """Whether a worker has the batch, or has had it so lately that it ends by itself."""
        return max(entry.lease_until, entry.effects_until) >= self.clock() - _ABANDONED_S

    def _delivered_at(self, plan: PlanKey, entry: LedgerEntry) -> float:
        """The latest delivery of the batch's lane; 0 without one."""
        return self.delivered_at.get((plan.channel, entry.lane), 0.0)

    async def _newer_since(self, ledger: Bucket) -> dict[PlanKey, float]:
        """When the planning of the revisions began that halted a candidate."""
        halted = [(batch.plan, [entry]) for batch, entry in self.batches.items()]
        names = {f"plan.{plan}": plan for one in halted if (plan := _newer_plan(*one))}
        cursors = {
            names[key]: bulk.decode_or_none(codec.decode_cursor, value.data)
            for key, value in (await ledger.get_many(list(names))).items()
        }
        return {
            plan: cursor.created
            for plan, cursor in cursors.items()
            if cursor and not (cursor.complete or cursor.halt)
        }


def _newer_plan(plan: PlanKey, entries: list[LedgerEntry]) -> PlanKey | None:
    """The plan of the newest revision that halted *plan*; a halt is its letter and number."""
    numbers = [int(entry.halt[1:]) for entry in entries if entry.halt[1:].isdecimal()]
    return plan._replace(revision=max(numbers)) if numbers else None


def _stuck(
    plan: PlanKey,
    entries: list[LedgerEntry],
    since: float,
    *,
    holds: int = 0,
    is_leased: bool = False,
) -> StuckDelivery:
    kind = _kind_of(plan.content_id)
    return StuckDelivery(
        content_id=plan.content_id if kind == "item" else "",
        kind=kind,
        revision=plan.revision,
        rows=sum(count_letters(entry, OPEN_LETTERS) for entry in entries),
        batches=len(entries),
        since=utc_time(round(since)),
        holds=holds,
        is_leased=is_leased,
    )


def _kind_of(content_id: str) -> StuckKind:
    if keys.is_case(content_id):
        return "case_notice"
    return "personal_mail" if keys.is_transactional(content_id) else "item"
