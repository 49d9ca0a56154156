"""Rows that Zalo refuses until a person acts, and their next try once it takes such rows again."""

import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from functools import partial

import structlog

from channels.base import Outcome, Verdict
from consumers.deliver.policy import SendPolicy
from consumers.ledger import bulk, moves, watermark
from consumers.ledger.entry import LedgerEntry
from consumers.ledger.errors import ConcurrentUpdate
from consumers.ledger.store import Ledger
from consumers.ledger.wakeups import Waker
from consumers.zalo.wait_causes import explain_wait
from contracts import keys
from contracts.base.times import Clock
from contracts.delivery import BatchKey, ChannelName
from producers.bus import Bus
from producers.bus.periodic import attempt

log = structlog.get_logger()
_SWAP_TIMEOUT_S = 5.0
_LOOK_AGAIN_S = 60.0


def needs_person(reason: str) -> bool:
    """Whether a row with *reason* waits until a person has acted at Zalo."""
    cause = explain_wait(reason)
    return cause is not None and cause.needs_person


def held_reasons(entry: LedgerEntry) -> dict[int, str]:
    """The open rows of a batch that wait for a person, with the reason of each."""
    waiting = entry.waiting_reasons.items()
    return {row: reason for row, reason in waiting if needs_person(reason)}


async def open_batches(bus: Bus) -> AsyncIterator[tuple[BatchKey, LedgerEntry]]:
    """Zalo's open batches. Raises BusError."""
    start, bucket = await watermark.read_watermark(bus), Ledger(bus).bucket
    async for _, batch in bulk.read_states(bucket, f"{ChannelName.ZALO}.", start=start):
        if batch and batch.entry and batch.entry.is_open:
            yield batch.key, batch.entry


@dataclass
class ZaloSendPolicy(SendPolicy):
    """Tries held rows at once when Zalo takes a row by the same call.

    The rows of a publication are its article and its broadcast, always in this order, and each has
    its own call. Notices are held apart, by their templates.
    """

    bus: Bus
    clock: Clock = time.time
    held_rows: set[int] = field(default_factory=set)
    """Rows that this worker has held since the last look."""
    looked_at: dict[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ledger, self.waker = Ledger(self.bus), Waker(self.bus)

    async def after_commit(self, batch: BatchKey, outcomes: Mapping[int, Outcome]) -> None:
        if keys.is_personal(batch.content_id):
            return
        for row, outcome in outcomes.items():
            if needs_person(outcome.reason):
                self.held_rows.add(row)
            elif outcome.verdict is Verdict.DELIVERED and self.may_be_held(row):
                await attempt(partial(self.try_held, row))

    def may_be_held(self, row: int) -> bool:
        """Whether a look is due: this worker has held such rows, or others may have."""
        looked_at = self.looked_at.get(row)
        return row in self.held_rows or looked_at is None or self.waited(looked_at)

    def waited(self, looked_at: float) -> bool:
        return self.clock() - looked_at >= _LOOK_AGAIN_S

    async def try_held(self, row: int) -> None:
        """Make the held *row* of every publication due, and wake its batch. Raises BusError."""
        async for batch, entry in open_batches(self.bus):
            is_free = not (entry.owner or keys.is_personal(batch.content_id))
            if is_free and row in held_reasons(entry):
                await self.hasten(batch, row)
        self.held_rows.discard(row)
        self.looked_at[row] = self.clock()

    async def hasten(self, batch: BatchKey, row: int) -> None:
        """A batch that another worker changes meanwhile is left to it."""
        state = await self.ledger.state(batch)
        if state is None or state.value.owner or row not in held_reasons(state.value):
            return
        entry = moves.hasten(state.value, row, self.clock())
        try:
            until = time.monotonic() + _SWAP_TIMEOUT_S
            await self.ledger.swap(batch, state, entry, until=until)
        except ConcurrentUpdate:
            return
        await self.waker.wake(batch, entry.lane)
        log.info("held_row_called_back", batch=str(batch))
