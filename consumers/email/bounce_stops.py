"""Bounce stops: publications that were warned of, stopped or released. Bucket `control`."""

import time
from collections.abc import Callable
from typing import Literal

import structlog
from pydantic import Field

from consumers.ledger.store import Ledger
from contracts import subjects
from contracts.delivery import PlanKey
from contracts.records import Record
from producers.bus import Bus, records
from producers.bus.records import Versioned

log = structlog.get_logger()
STOPS_KEY = "brakes.email"
RETENTION_S = 30 * 86400.0
StopState = Literal["warned", "stopped", "released", "ended"]


class BounceStop(Record):
    """The verdict on one publication at the time `at`, in epoch seconds.

    `released`: an operator let it go on at `decided`. `ended`: it was stopped, then withdrawn or
    corrected; only `load_stops` sets that state.
    """

    state: StopState
    at: float
    mails: int
    failed: int
    by: str = ""
    decided: float = 0.0
    codes: dict[str, int] = Field(default_factory=dict)
    """Status code → number of failures, the most frequent first; at most MAX_CODES."""

    @property
    def is_stopped(self) -> bool:
        return self.state == "stopped"

    @property
    def percent(self) -> int:
        return round(100 * self.failed / max(self.mails, 1))


class BounceStops(Record):
    """All verdicts by plan."""

    plans: dict[str, BounceStop] = Field(default_factory=dict)

    def with_stop(self, plan: str, stop: BounceStop) -> "BounceStops":
        """Add a verdict; a stop is kept until an operator decides."""
        since, plans = stop.at - RETENTION_S, self.plans.items()
        kept = {name: old for name, old in plans if old.at > since or old.is_stopped}
        return BounceStops(plans={**kept, plan: stop})

    def is_escalation(self, plan: PlanKey, verdict: BounceStop) -> bool:
        """Whether *verdict* is stronger than the current one of *plan*."""
        current = self.plans.get(str(plan))
        return current is None or (current.state == "warned" and verdict.is_stopped)

    def is_stopped(self, plan: PlanKey) -> bool:
        return bool(self.plans) and str(plan) in self.plans and self.plans[str(plan)].is_stopped


async def apply_verdict(bus: Bus, plan: PlanKey, verdict: BounceStop) -> BounceStops:
    """Write a verdict if it is an escalation; return the current stops. Raises BusError.

    A stop that an operator has released is never written again.
    """

    def escalate(stops: BounceStops) -> BounceStops:
        return stops.with_stop(str(plan), verdict) if stops.is_escalation(plan, verdict) else stops

    written = await _update_stops(bus, escalate)
    if written.just_written:
        _log_verdict(plan, verdict)
    return written.value


async def _update_stops(
    bus: Bus, change: Callable[[BounceStops], BounceStops]
) -> Versioned[BounceStops]:
    bucket = bus.bucket(subjects.CONTROL.name)
    return await records.update_or_create(bucket, STOPS_KEY, BounceStops, change)


def _log_verdict(plan: PlanKey, stop: BounceStop) -> None:
    facts = {"content_id": plan.content_id, "revision": plan.revision, "percent": stop.percent}
    facts |= {"mails": stop.mails, "failed": stop.failed}
    if stop.is_stopped:
        log.error("bounces_stopped", **facts)
    else:
        log.warning("bounces_many", **facts)


async def load_stops(bus: Bus) -> BounceStops:
    """Load the verdicts for display. Raises BusError."""
    stored = await records.read(bus.bucket(subjects.CONTROL.name), STOPS_KEY, BounceStops)
    plans, ledger = (stored.value or BounceStops()).plans, Ledger(bus)
    for name, stop in plans.items():
        plan = await ledger.plan(PlanKey.parse(name)) if stop.is_stopped else None
        if plan and plan.value.halt:  # by a newer position
            plans = {**plans, name: stop.model_copy(update={"state": "ended"})}
    return BounceStops(plans=plans)


async def release_stop(bus: Bus, plan: PlanKey, by: str, now: float | None = None) -> bool:
    """Release a stopped *plan*; False if it is not stopped."""
    decided = {"state": "released", "by": by, "decided": time.time() if now is None else now}

    def set_released(stops: BounceStops) -> BounceStops:
        if not stops.is_stopped(plan):
            return stops
        stop = stops.plans[str(plan)].model_copy(update=decided)
        return stops.with_stop(str(plan), stop)

    written = await _update_stops(bus, set_released)
    if written.just_written:
        log.warning("bounces_released", content_id=plan.content_id, revision=plan.revision)
    return written.just_written
