"""The bounce brake: a publication whose mail comes back too often is stopped until a person says.

Counted anew each time from what the ledger's bucket holds (states of batches, and what came back
of them), so that no restart loses a count. The verdicts lie in bucket `control`, one key for all.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import structlog
from pydantic import Field

from channels.email import meanings
from consumers import register
from consumers.ledger.store import Ledger
from consumers.mail.books import Back, Books
from contracts import subjects
from contracts.delivery import ChannelName, PlanKey
from contracts.records import Record
from producers.bus import Bus, BusError

log = structlog.get_logger()
KEY = "brakes.email"
MAILS_MIN = 1000
WARN, STOP = 0.05, 0.10
LOOK_S = 5.0
REMEMBERED_S = 30 * 86400.0
SENT = b"dDxXkK"
"""Letters of rows of which the relay has said, or may have said, something final."""
State = Literal["warned", "stopped", "released"]


class Brake(Record):
    """One publication's verdict. `released`: a person said that it goes on, whatever comes back."""

    state: State
    at: float
    mails: int
    failed: int
    by: str = ""

    @property
    def percent(self) -> int:
        return round(100 * self.failed / max(self.mails, 1))


class Brakes(Record):
    """All of them, by plan."""

    plans: dict[str, Brake] = Field(default_factory=dict)

    def put(self, plan: str, brake: Brake) -> "Brakes":
        since = brake.at - REMEMBERED_S
        kept = {name: one for name, one in self.plans.items() if one.at > since}
        return Brakes(plans={**kept, plan: brake})

    def stops(self, plan: PlanKey) -> bool:
        found = self.plans.get(str(plan)) if self.plans else None
        return found is not None and found.state == "stopped"


def failing(back: Back) -> int:
    """How many of a batch's recipients could not be reached, and never will be."""
    codes = [*back.bounced.values(), *back.refused.values()]
    return sum(meanings.returned(code) in meanings.RECIPIENT for code in codes)


def judge(mails: int, failed: int) -> State | None:
    """What so many failures call for."""
    if mails < MAILS_MIN or failed < WARN * mails:
        return None
    return "stopped" if failed >= STOP * mails else "warned"


@dataclass
class BounceBrake:
    """Looks at every publication of which something has come back since it last looked."""

    bus: Bus
    ledger: Ledger
    clock: Callable[[], float] = time.time
    changed: set[PlanKey] = field(default_factory=set)

    async def run(self) -> None:
        """As a task. What came back before a restart is looked at once more."""
        remembered = False
        while True:
            try:
                if not remembered:
                    await self.remember()
                    remembered = True
                await self.look()
            except BusError as trouble:
                log.warning("bus_trouble", error=type(trouble).__name__, detail=str(trouble))
            await asyncio.sleep(LOOK_S)

    async def remember(self) -> None:
        since = self.clock() - REMEMBERED_S
        async for batch, back in Books(self.ledger.bucket).of(f"{ChannelName.EMAIL}."):
            if back.at > since:
                self.changed.add(batch.plan)

    async def look(self) -> None:
        """Judge what has changed; what the bus did not answer for comes again."""
        for plan in list(self.changed):
            self.changed.discard(plan)
            try:
                await self.check(plan)
            except BusError:
                self.changed.add(plan)
                raise

    async def check(self, plan: PlanKey) -> None:
        failed = 0
        async for _, back in Books(self.ledger.bucket).of(f"{plan}."):
            failed += failing(back)
        if failed < WARN * MAILS_MIN:
            return
        mails = await self.mails(plan)
        state = judge(mails, failed)
        if state:
            await self.apply(plan, Brake(state=state, at=self.clock(), mails=mails, failed=failed))

    async def mails(self, plan: PlanKey) -> int:
        """How many mails of *plan* the relay has judged."""
        held = await self.ledger.plan(plan)
        if held is None:
            return 0
        entries = self.ledger.entries(plan, held.value)
        return sum([sum(map(one.value.rows.count, SENT)) async for _, one in entries])

    async def apply(self, plan: PlanKey, verdict: Brake) -> None:
        """Write it unless as much stands there; a stop that was lifted is not put on again."""

        def move(found: Brakes | None) -> Brakes:
            brakes = found or Brakes()
            stands = brakes.plans.get(str(plan))
            if stands and (stands.state != "warned" or verdict.state == "warned"):
                return brakes
            return brakes.put(str(plan), verdict)

        held = await register.change(self.bus.bucket(subjects.CONTROL.name), KEY, Brakes, move)
        if held.fresh:
            tell(plan, verdict)


def tell(plan: PlanKey, one: Brake) -> None:
    facts = {"content_id": plan.content_id, "revision": plan.revision, "percent": one.percent}
    if one.state == "stopped":
        log.error("bounces_stopped", mails=one.mails, failed=one.failed, **facts)
    else:
        log.warning("bounces_many", mails=one.mails, failed=one.failed, **facts)


async def brakes(bus: Bus) -> Brakes:
    """What stands. Raises BusError."""
    held = await register.read(bus.bucket(subjects.CONTROL.name), KEY, Brakes)
    return held.value or Brakes()


async def release(bus: Bus, plan: PlanKey, by: str) -> bool:
    """Let *plan* go on; False when nothing stops it."""

    def move(found: Brakes | None) -> Brakes:
        held = found or Brakes()
        one = held.plans.get(str(plan))
        if one is None or one.state != "stopped":
            return held
        return held.put(str(plan), one.model_copy(update={"state": "released", "by": by}))

    held = await register.change(bus.bucket(subjects.CONTROL.name), KEY, Brakes, move)
    if held.fresh:
        log.warning("bounces_released", content_id=plan.content_id, revision=plan.revision)
    return held.fresh
