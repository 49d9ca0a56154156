"""Bugs in planning, in the order between revisions, and in wake-ups."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

from consumers import fence, items, sweep
from consumers.audience import Subscribers
from consumers.deliver import Deliver
from consumers.dispatch import Dispatch
from consumers.fence import Fence
from consumers.ledger import moves
from consumers.ledger.cursor import Cursor
from consumers.ledger.entry import Entry
from consumers.ledger.store import Held, Ledger
from consumers.settle import Later
from consumers.wake import Waker
from contracts import subjects
from contracts.delivery import BatchKey, PlanKey
from tests.model.planted import Plant, nothing


def no_cursor_fence() -> Sequence[Plant]:
    """A correction stops the batches that are there, not the plan that makes more."""

    async def halt_cursor(self: Fence, plan: PlanKey, held: Held[Cursor], why: str) -> Any:
        return Held(replace(held.value, halt=why), held.revision)

    return [Plant(Fence, "halt_cursor", halt_cursor)]


def no_head_fence() -> Sequence[Plant]:
    """An older revision that was not planned yet is not stopped."""
    halt = Fence.halt

    async def only_existing(self: Fence, plan: PlanKey, why: str) -> Any:
        if await self.ledger.plan(plan) is None:
            return Cursor(halt=why)
        return await halt(self, plan, why)

    async def held(self: Fence, plan: PlanKey) -> Any:
        return await self.ledger.plan(plan) or Held(Cursor(), 0)

    return [Plant(Fence, "halt", only_existing), Plant(Fence, "held", held)]


def no_quiet() -> Sequence[Plant]:
    """The newer text does not wait until the older batches have ended."""
    return [Plant(Fence, "quiet", nothing)]


def no_settle() -> Sequence[Plant]:
    """The newer text does not wait for late effects of the older."""
    check = Fence.check_quiet

    async def check_quiet(self: Fence, batch: BatchKey, entry: Entry) -> None:
        await check(self, batch, replace(entry, settle=0.0))

    return [Plant(Fence, "check_quiet", check_quiet)]


def only_the_last() -> Sequence[Plant]:
    """A correction goes only to those who got the revision just before."""
    reached = Fence.reached

    def last_only(self: Fence, plans: Sequence[PlanKey], after: str) -> Any:
        return reached(self, plans[-1:], after)

    return [Plant(Fence, "reached", last_only)]


def doubts_not_told() -> Sequence[Plant]:
    """A correction goes only to those who surely got the older text."""

    def surely(self: Entry) -> list[int]:
        return [row for row, letter in enumerate(self.rows) if letter in b"dD"]

    return [Plant(Entry, "reached", surely)]


def halted_too_hard() -> Sequence[Plant]:
    """A halt ends rows that are on the wire, too."""
    halt = moves.halt

    def hard(entry: Entry, why: str, now: float) -> Entry:
        halted = halt(entry, why, now)
        if halted is entry:
            return entry
        wire = {row: ord(why[0]) for row, letter in enumerate(halted.rows) if letter in b"sS"}
        halted = halted.put(wire, {})
        return halted if halted.is_open else replace(halted, closed=now, owner="", lease=0.0)

    return [Plant(moves, "halt", hard)]


def plan_without_compare() -> Sequence[Plant]:
    """Two planners of one publication do not notice each other."""
    extend = Ledger.extend

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

    return [Plant(Ledger, "extend", careless)]


def no_wakes_on_resume() -> Sequence[Plant]:
    """A planner that goes on after a crash does not wake the batches that it finds."""
    wake = Dispatch.wake

    def not_on_resume(self: Dispatch, plan: PlanKey, numbers: range, cursor: Cursor) -> Any:
        if sys._getframe(1).f_code.co_name == "dispatch":
            return nothing()
        return wake(self, plan, numbers, cursor)

    return [Plant(Dispatch, "wake", not_on_resume)]


def no_wakes_after_conflict() -> Sequence[Plant]:
    """A planner does not wake what a late write of its own stored before."""

    async def catch_up(self: Dispatch, plan: PlanKey, held: Held[Cursor]) -> Held[Cursor]:
        return await self.fence.held(plan)

    return [Plant(Dispatch, "catch_up", catch_up)]


def acknowledged_before_planned() -> Sequence[Plant]:
    """The publication is acknowledged, and planned afterwards."""
    dispatch = Dispatch.dispatch

    async def later(self: Dispatch, released: Any) -> None:
        self.__dict__.setdefault("running", []).append(
            asyncio.create_task(quietly(dispatch, self, released))
        )

    return [Plant(Dispatch, "dispatch", later)]


async def quietly(what: Callable[..., Awaitable[None]], *args: Any) -> None:
    """What fails unseen."""
    try:
        await what(*args)
    except (Later, fence.Conflict, fence.Silence, fence.LedgerError):
        return


def planned_too_early() -> Sequence[Plant]:
    """`not_before` is forgotten."""
    return [Plant(Dispatch, "respect_start", lambda self, publication: None)]


def overtaken_all_the_same() -> Sequence[Plant]:
    """A text whose time comes after a newer one was released is planned all the same."""
    return [Plant(items, "halted", lambda item, position: "")]


def directory_behind() -> Sequence[Plant]:
    """The plan does not wait until the directory knows everybody who subscribed before."""
    return [Plant(Subscribers, "ready", nothing)]


def resumed_from_the_start() -> Sequence[Plant]:
    """A planner that goes on after a crash reads the readers from the first one."""
    advance = Cursor.advance

    def forgetful(self: Cursor, batches: Any, *, complete: bool, now: float) -> Cursor:
        return replace(advance(self, batches, complete=complete, now=now), last="")

    return [Plant(Cursor, "advance", forgetful)]


# --- wake-ups


def acknowledged_before_scheduled() -> Sequence[Plant]:
    """A wake-up is acknowledged before the next one is stored."""
    come_back = Deliver.come_back

    async def unawaited(self: Deliver, batch: BatchKey, entry: Entry) -> None:
        task = asyncio.create_task(quietly(come_back, self, batch, entry))
        self.__dict__.setdefault("running", []).append(task)

    return [Plant(Deliver, "come_back", unawaited)]


def early_wake_up_swallowed() -> Sequence[Plant]:
    """A wake-up that comes too early does not store its schedule again."""
    early = Deliver.early
    come_back = Deliver.come_back

    async def only_after_work(self: Deliver, batch: BatchKey, entry: Entry) -> None:
        if not early(self, entry) or sys._getframe(1).f_code.co_name == "work":
            await come_back(self, batch, entry)

    return [Plant(Deliver, "come_back", only_after_work)]


def busy_wake_up_swallowed() -> Sequence[Plant]:
    """A wake-up that finds a living owner is acknowledged."""
    at_hand, respect = Deliver.at_hand, Deliver.respect

    async def swallowed(self: Deliver, batch: BatchKey) -> Any:
        state = await self.ledger.state(batch)
        if state is not None and not state.value.closed:
            try:
                respect(self, state.value)
            except Later:
                return None
        return await at_hand(self, batch)

    return [Plant(Deliver, "at_hand", swallowed)]


def sweeper_with_an_id() -> Sequence[Plant]:
    """The sweeper's wake-ups carry a message id, and are taken for repeats."""
    wake = Waker.wake

    async def numbered(self: Waker, batch: BatchKey, lane: Any, number: int | None = None) -> None:
        await wake(self, batch, lane, number or 0)

    return [Plant(Waker, "wake", numbered)]


def sweeper_asleep() -> Sequence[Plant]:
    """The sweeper finds nothing."""
    return [Plant(sweep.Sweep, "is_stuck", nothing)]


def sweeper_shy_of_broken_channels() -> Sequence[Plant]:
    """The sweeper leaves a broken channel alone, although nobody tries it any more."""

    async def look(self: sweep.Sweep) -> None:
        self.standing = self.pauses.standing
        self.untried = set()

    return [Plant(sweep.Sweep, "look_at_channels", look)]


def one_schedule_per_batch() -> Sequence[Plant]:
    """A scheduled wake-up has no number: a stale worker's replaces a newer one's."""
    return [Plant(subjects, "scheduled", lambda batch, number: f"sched.{batch}")]


BUGS: dict[str, Callable[[], Sequence[Plant]]] = {
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
    "no-wakes-after-conflict": "tests/test_dispatch_crash.py::"
    "test_a_chunk_that_lands_after_the_planner_gave_up_waiting_is_woken_all_the_same",
}
"""Needs more seeds than a test should run; the test that sees it at once."""
