"""Bugs in planning, in the order between revisions, and in wake-ups."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

from consumers.deliver.worker import DeliveryWorker
from consumers.dispatch import supersede
from consumers.dispatch.audience import SubscriberAudience
from consumers.dispatch.handler import Dispatcher
from consumers.dispatch.supersede import Supersession
from consumers.intake import items
from consumers.ledger import moves
from consumers.ledger.cursor import PlanCursor
from consumers.ledger.entry import LedgerEntry
from consumers.ledger.store import Ledger
from consumers.ledger.wakeups import Waker
from consumers.operations import sweep
from consumers.runtime.errors import RetryLater
from contracts import subjects
from contracts.delivery import BatchKey, PlanKey
from producers.bus.records import Versioned
from tests.deep.model.planted_bug import Replacement, no_op


def no_cursor_fence() -> Sequence[Replacement]:
    """A correction stops the batches that are there, not the plan that makes more."""

    async def halt_cursor(
        self: Supersession, plan: PlanKey, held: Versioned[PlanCursor], why: str
    ) -> Any:
        return Versioned(replace(held.value, halt=why), held.revision)

    return [Replacement(Supersession, "halt_cursor", halt_cursor)]


def no_head_fence() -> Sequence[Replacement]:
    """An older revision that was not planned yet is not stopped."""
    halt = Supersession.halt

    async def only_existing(self: Supersession, plan: PlanKey, why: str) -> Any:
        if await self.ledger.plan(plan) is None:
            return PlanCursor(halt=why)
        return await halt(self, plan, why)

    async def held(self: Supersession, plan: PlanKey) -> Any:
        return await self.ledger.plan(plan) or Versioned(PlanCursor(), 0)

    return [
        Replacement(Supersession, "halt", only_existing),
        Replacement(Supersession, "load_plan", held),
    ]


def no_quiet() -> Sequence[Replacement]:
    """The newer text does not wait until the older batches have ended."""
    return [Replacement(Supersession, "require_settled", no_op)]


def no_settle() -> Sequence[Replacement]:
    """The newer text does not wait for late effects of the older."""
    check = Supersession.require_entry_settled

    async def check_quiet(self: Supersession, batch: BatchKey, entry: LedgerEntry) -> None:
        await check(self, batch, replace(entry, effects_until=0.0))

    return [Replacement(Supersession, "require_entry_settled", check_quiet)]


def only_the_last() -> Sequence[Replacement]:
    """A correction goes only to those who got the revision just before."""
    reached = Supersession.reached_recipients

    def last_only(self: Supersession, plans: Sequence[PlanKey], after: str) -> Any:
        return reached(self, plans[-1:], after)

    return [Replacement(Supersession, "reached_recipients", last_only)]


def doubts_not_told() -> Sequence[Replacement]:
    """A correction goes only to those who surely got the older text."""

    def surely(self: LedgerEntry) -> list[int]:
        return [row for row, letter in enumerate(self.rows) if letter in b"dD"]

    return [Replacement(LedgerEntry, "reached_rows", surely)]


def halted_too_hard() -> Sequence[Replacement]:
    """A halt ends rows that are on the wire, too."""
    halt = moves.halt

    def hard(entry: LedgerEntry, why: str, now: float) -> LedgerEntry:
        halted = halt(entry, why, now)
        if halted is entry:
            return entry
        wire = {row: ord(why[0]) for row, letter in enumerate(halted.rows) if letter in b"sS"}
        halted = halted.with_rows(wire, {})
        return (
            halted if halted.is_open else replace(halted, closed_at=now, owner="", lease_until=0.0)
        )

    return [Replacement(moves, "halt", hard)]


def plan_without_compare() -> Sequence[Replacement]:
    """Two planners of one publication do not notice each other."""
    extend = Ledger.append_batches

    async def careless(self: Ledger, plan: PlanKey, held: Any, cursor: Any, batches: Any) -> Any:
        commit = self.bucket.batch

        async def unconditional(entries: Any) -> int:
            return await commit([type(one)(one.key, one.data, None) for one in entries])

        bucket, self.bucket = self.bucket, type(self.bucket)(self.bucket.wire, self.bucket.table)
        self.bucket.batch = unconditional
        try:
            return await extend(self, plan, held, cursor, batches)
        finally:
            self.bucket = bucket

    return [Replacement(Ledger, "append_batches", careless)]


def no_wakes_on_resume() -> Sequence[Replacement]:
    """A planner that goes on after a crash does not wake the batches that it finds."""
    wake = Dispatcher.wake_batches

    def not_on_resume(self: Dispatcher, plan: PlanKey, numbers: range, cursor: PlanCursor) -> Any:
        if sys._getframe(1).f_code.co_name == "dispatch":
            return no_op()
        return wake(self, plan, numbers, cursor)

    return [Replacement(Dispatcher, "wake_batches", not_on_resume)]


def no_wakes_after_conflict() -> Sequence[Replacement]:
    """A planner does not wake what a late write of its own stored before."""

    async def catch_up(
        self: Dispatcher, plan: PlanKey, held: Versioned[PlanCursor]
    ) -> Versioned[PlanCursor]:
        return await self.supersession.load_plan(plan)

    return [Replacement(Dispatcher, "wake_new_batches", catch_up)]


def acknowledged_before_planned() -> Sequence[Replacement]:
    """The publication is acknowledged, and planned afterwards."""
    dispatch = Dispatcher.dispatch

    async def later(self: Dispatcher, released: Any) -> None:
        self.__dict__.setdefault("running", []).append(
            asyncio.create_task(quietly(dispatch, self, released))
        )

    return [Replacement(Dispatcher, "dispatch", later)]


async def quietly(what: Callable[..., Awaitable[None]], *args: Any) -> None:
    """What fails unseen."""
    try:
        await what(*args)
    except (RetryLater, supersede.RevisionConflict, supersede.NoReply, supersede.LedgerError):
        return


def planned_too_early() -> Sequence[Replacement]:
    """`not_before` is forgotten."""
    return [Replacement(Dispatcher, "require_start_reached", lambda self, publication: None)]


def overtaken_all_the_same() -> Sequence[Replacement]:
    """A text whose time comes after a newer one was released is planned all the same."""
    return [Replacement(items, "halt_mark", lambda item, position: "")]


def directory_behind() -> Sequence[Replacement]:
    """The plan does not wait until the directory knows everybody who subscribed before."""
    return [Replacement(SubscriberAudience, "ready", no_op)]


def resumed_from_the_start() -> Sequence[Replacement]:
    """A planner that goes on after a crash reads the readers from the first one."""
    advance = PlanCursor.advance

    def forgetful(self: PlanCursor, batches: Any, *, complete: bool, now: float) -> PlanCursor:
        return replace(advance(self, batches, complete=complete, now=now), last="")

    return [Replacement(PlanCursor, "advance", forgetful)]


# --- wake-ups


def acknowledged_before_scheduled() -> Sequence[Replacement]:
    """A wake-up is acknowledged before the next one is stored."""
    come_back = DeliveryWorker.reschedule

    async def unawaited(self: DeliveryWorker, batch: BatchKey, entry: LedgerEntry) -> None:
        task = asyncio.create_task(quietly(come_back, self, batch, entry))
        self.__dict__.setdefault("running", []).append(task)

    return [Replacement(DeliveryWorker, "reschedule", unawaited)]


def early_wake_up_swallowed() -> Sequence[Replacement]:
    """A wake-up that comes too early does not store its schedule again."""
    early = DeliveryWorker.is_premature
    come_back = DeliveryWorker.reschedule

    async def only_after_work(self: DeliveryWorker, batch: BatchKey, entry: LedgerEntry) -> None:
        if not early(self, entry) or sys._getframe(1).f_code.co_name == "follow_up":
            await come_back(self, batch, entry)

    return [Replacement(DeliveryWorker, "reschedule", only_after_work)]


def busy_wake_up_swallowed() -> Sequence[Replacement]:
    """A wake-up that finds a living owner is acknowledged."""
    at_hand, respect = DeliveryWorker.load_if_due, DeliveryWorker.check_lease

    async def swallowed(self: DeliveryWorker, batch: BatchKey) -> Any:
        state = await self.ledger.state(batch)
        if state is not None and not state.value.closed_at:
            try:
                respect(self, state.value)
            except RetryLater:
                return None
        return await at_hand(self, batch)

    return [Replacement(DeliveryWorker, "load_if_due", swallowed)]


def sweeper_with_an_id() -> Sequence[Replacement]:
    """The sweeper's wake-ups carry a message id, and are taken for repeats."""
    wake = Waker.wake

    async def numbered(self: Waker, batch: BatchKey, lane: Any, number: int | None = None) -> None:
        await wake(self, batch, lane, number or 0)

    return [Replacement(Waker, "wake", numbered)]


def sweeper_asleep() -> Sequence[Replacement]:
    """The sweeper finds nothing."""
    return [Replacement(sweep.Sweeper, "is_stuck", no_op)]


def sweeper_shy_of_broken_channels() -> Sequence[Replacement]:
    """The sweeper leaves a broken channel alone, although nobody tries it any more."""

    async def look(self: sweep.Sweeper) -> None:
        self.blocked_channels = self.channel_monitor.blocked_channels
        self.unprobed_channels = set()

    return [Replacement(sweep.Sweeper, "refresh_channels", look)]


def one_schedule_per_batch() -> Sequence[Replacement]:
    """A scheduled wake-up has no number: a stale worker's replaces a newer one's."""
    return [Replacement(subjects, "scheduled", lambda batch, number: f"sched.{batch}")]


BUGS: dict[str, Callable[[], Sequence[Replacement]]] = {
    made.__name__.replace("_", "-"): made
    for made in (
        no_cursor_fence,
        no_head_fence,
        no_quiet,
        no_settle,
        only_the_last,
        doubts_not_told,
        halted_too_hard,
        plan_without_compare,
        no_wakes_on_resume,
        no_wakes_after_conflict,
        acknowledged_before_planned,
        planned_too_early,
        overtaken_all_the_same,
        directory_behind,
        resumed_from_the_start,
        acknowledged_before_scheduled,
        early_wake_up_swallowed,
        busy_wake_up_swallowed,
        sweeper_with_an_id,
        sweeper_asleep,
        sweeper_shy_of_broken_channels,
        one_schedule_per_batch,
    )
}
HARMLESS = {
    "sweeper-with-an-id": "the sweeper waits 120 s, no less than the queue remembers an id",
    "one-schedule-per-batch": "a stale worker's time is the earlier one, and a wake-up that comes "
    "too early stores its schedule again",
}
"""Why these cost time at most: each is a second line of defence."""
RARE = {
    "no-wakes-after-conflict": "tests/deep/faults/test_planner_crash.py::"
    "test_a_chunk_that_lands_after_the_planner_gave_up_waiting_is_woken_all_the_same",
}
"""Needs more seeds than a test should run; the test that sees it at once."""
