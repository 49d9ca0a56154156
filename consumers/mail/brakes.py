"""The bounce brake's verdicts: what was warned of, stopped, let go on; one key in `control`."""

import time
from typing import Literal

import structlog
from pydantic import Field

from consumers import register
from consumers.ledger.store import Ledger
from contracts import subjects
from contracts.delivery import PlanKey
from contracts.records import Record
from producers.bus import Bus

log = structlog.get_logger()
KEY = "brakes.email"
REMEMBERED_S = 30 * 86400.0
State = Literal["warned", "stopped", "released", "ended"]


class Brake(Record):
    """One publication's verdict, of the moment `at`; epoch seconds.

    `released`: a person said that it goes on, whatever comes back; `decided`: when. `ended`: it was
    stopped, and then withdrawn or corrected; only `brakes` says so.
    """

    state: State
    at: float
    mails: int
    failed: int
    by: str = ""
    decided: float = 0.0
    codes: dict[str, int] = Field(default_factory=dict)
    """With which codes how many failed, the most frequent first; CODES_MAX of them."""

    @property
    def stops(self) -> bool:
        return self.state == "stopped"

    @property
    def percent(self) -> int:
        return round(100 * self.failed / max(self.mails, 1))


class Brakes(Record):
    """All of them, by plan."""

    plans: dict[str, Brake] = Field(default_factory=dict)

    def put(self, plan: str, brake: Brake) -> "Brakes":
        """What stops a publication is kept for as long as nobody has decided about it."""
        since = brake.at - REMEMBERED_S
        stands = {n: one for n, one in self.plans.items() if one.at > since or one.stops}
        return Brakes(plans={**stands, plan: brake})

    def decided(self, plan: PlanKey) -> bool:
        """Whether it is stopped, or a person has let it go on."""
        stands = self.plans.get(str(plan))
        return stands is not None and stands.state != "warned"

    def wants(self, plan: PlanKey, verdict: Brake) -> bool:
        """Whether *verdict* says more than what stands of *plan*."""
        stands = self.plans.get(str(plan))
        return stands is None or (stands.state == "warned" and verdict.stops)

    def stops(self, plan: PlanKey) -> bool:
        found = self.plans.get(str(plan)) if self.plans else None
        return found is not None and found.stops


async def apply(bus: Bus, plan: PlanKey, verdict: Brake) -> Brakes:
    """Write it unless as much stands there; what stands now. Raises BusError.

    A stop that was lifted is not put on again.
    """

    def move(found: Brakes | None) -> Brakes:
        brakes = found or Brakes()
        return brakes.put(str(plan), verdict) if brakes.wants(plan, verdict) else brakes

    held = await register.change(bus.bucket(subjects.CONTROL.name), KEY, Brakes, move)
    if held.fresh:
        tell(plan, verdict)
    return held.known


def tell(plan: PlanKey, one: Brake) -> None:
    facts = {"content_id": plan.content_id, "revision": plan.revision, "percent": one.percent}
    if one.state == "stopped":
        log.error("bounces_stopped", mails=one.mails, failed=one.failed, **facts)
    else:
        log.warning("bounces_many", mails=one.mails, failed=one.failed, **facts)


async def standing(bus: Bus) -> Brakes:
    """What stands, as people should see it. Raises BusError."""
    held = await register.read(bus.bucket(subjects.CONTROL.name), KEY, Brakes)
    plans, ledger = (held.value or Brakes()).plans, Ledger(bus)
    for name, one in plans.items():
        if one.stops and await is_over(ledger, PlanKey.parse(name)):
            plans = {**plans, name: one.model_copy(update={"state": "ended"})}
    return Brakes(plans=plans)


async def is_over(ledger: Ledger, plan: PlanKey) -> bool:
    """Whether something newer has ended *plan*."""
    held = await ledger.plan(plan)
    return held is not None and bool(held.value.halt)


async def release(bus: Bus, plan: PlanKey, by: str, now: float | None = None) -> bool:
    """Let *plan* go on; False when nothing stops it."""
    decided = {"state": "released", "by": by, "decided": time.time() if now is None else now}

    def move(found: Brakes | None) -> Brakes:
        held = found or Brakes()
        one = held.plans.get(str(plan))
        if one is None or one.state != "stopped":
            return held
        return held.put(str(plan), one.model_copy(update=decided))

    held = await register.change(bus.bucket(subjects.CONTROL.name), KEY, Brakes, move)
    if held.fresh:
        log.warning("bounces_released", content_id=plan.content_id, revision=plan.revision)
    return held.fresh
