"""What a worker of the mail channel minds while it sends: pace and brakes, and who was refused."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from channels.base import Outcome, Verdict
from channels.email import meanings
from consumers import register
from consumers.lanes import Gate
from consumers.ledger.store import Ledger, LedgerError
from consumers.mail import brake, brakes, pace
from consumers.mail.brakes import KEY as BRAKES
from consumers.mail.brakes import Brakes
from consumers.mail.pace import Pace
from consumers.mail.receipts import Refused
from consumers.mail.tally import Tally
from contracts import keys, subjects
from contracts.delivery import BatchKey, ChannelName, PlanKey
from producers.bus import Bus, BusError

log = structlog.get_logger()
LOOK_S, SOON_S = 1.0, 0.2
PATIENCE_S = 5.0
REFUSAL = "refusal"


async def slow_down(bus: Bus, reason: str, now: float) -> Pace:
    """Note that somebody finds us too fast. Raises BusError."""

    def move(found: Pace | None) -> Pace:
        return pace.slower(found or pace.FULL, reason, now)

    held = await register.change(bus.bucket(subjects.CONTROL.name), pace.KEY, Pace, move)
    if held.fresh:
        log.warning("mail_slowed", level=held.known.level, reason=reason)
    return held.known


async def quietly(step: Awaitable[None]) -> None:
    """What can't be done now must not end the sending; the next window brings it up again."""
    try:
        await step
    except (BusError, LedgerError) as trouble:
        log.warning("bus_trouble", error=type(trouble).__name__, detail=str(trouble))


@dataclass
class Sending:
    """The mail channel's `Conduct`. Keep `run` running beside it."""

    bus: Bus
    gate: Gate
    clock: Callable[[], float] = time.time
    pace: Pace = pace.FULL
    brakes: Brakes = field(default_factory=Brakes)
    tally: Tally = field(default_factory=Tally)
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    judging: asyncio.Lock = field(default_factory=asyncio.Lock)
    asked: int = 0  # how often the ledger was, about any publication

    def __post_init__(self) -> None:
        self.connections = self.gate.places
        self.ledger = Ledger(self.bus)

    async def run(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(SOON_S if self.suspects() else LOOK_S)

    async def look(self) -> None:
        """Silence changes nothing."""
        try:
            async with self.judging:  # what is read here is never older than what stands
                await self.read()
        except BusError:
            return
        self.keep_pace()
        await self.recount()

    async def read(self) -> None:
        found = await self.bus.bucket(subjects.CONTROL.name).many([pace.KEY, BRAKES])
        if stands := found.get(pace.KEY):
            self.pace = Pace.model_validate_json(stands.data)
        if stands := found.get(BRAKES):
            self.brakes = Brakes.model_validate_json(stands.data)

    def suspects(self) -> list[PlanKey]:
        """Publications of which more seems to be refused than anybody has said so far."""
        found = self.tally.suspects(self.clock())
        return [plan for plan, verdict in found.items() if self.brakes.wants(plan, verdict)]

    async def recount(self) -> None:
        """Several workers, or one before and after a restart, have seen enough together."""
        for plan in self.suspects():
            await quietly(self.judge(plan))

    async def judge(self, plan: PlanKey) -> None:
        """Ask the ledger. Who waits meanwhile goes by its answer, or asks with the next window.

        Other batches of this worker stop at once; other workers when they look.
        """
        before = self.asked
        async with self.judging:
            if self.asked > before or plan not in self.suspects():
                return
            try:
                await self.ask(plan)
            finally:
                self.asked += 1

    async def ask(self, plan: PlanKey) -> None:
        mails, codes = await brake.counted(self.ledger, plan)
        found = brake.verdict(mails, codes, self.clock())
        if found and self.brakes.wants(plan, found):
            self.brakes = await brakes.apply(self.bus, plan, found)
        self.tally.learn(plan, mails, codes)

    def keep_pace(self) -> None:
        level = self.pace.now(self.clock())
        wanted = pace.places(self.connections, level)
        if wanted != self.gate.places:
            log.info("mail_paced", level=level, connections=wanted)
            self.gate.places = wanted
            self.gate.admit()

    def stops(self, plan: PlanKey) -> bool:
        return self.brakes.stops(plan)

    def tight(self) -> bool:
        return bool(self.pace.level) and self.pause_s() > 0

    def pause_s(self) -> float:
        return pace.PAUSES_S[self.pace.now(self.clock())]

    async def breathe(self) -> None:
        """Keep one's place empty; a stop ends that."""
        if self.tight():
            with suppress(TimeoutError):
                await asyncio.wait_for(self.stopped.wait(), self.pause_s())

    def stop(self) -> None:
        self.stopped.set()

    async def heard(self, batch: BatchKey, outcomes: Mapping[int, Outcome]) -> None:
        """Slow down if somebody finds us too fast, and stop what too many can't be reached of.

        A bus that is silent changes nothing, nor does a ledger that can't be counted.
        """
        said = list(outcomes.values())
        await quietly(self.mind_brake(batch.plan, said))
        await quietly(self.mind_pace(said))

    async def mind_pace(self, said: Sequence[Outcome]) -> None:
        slow = next((one.code for one in said if meanings.slows(one.code)), "")
        if slow:
            self.pace = await slow_down(self.bus, slow, self.clock())
            self.keep_pace()

    async def mind_brake(self, plan: PlanKey, said: Sequence[Outcome]) -> None:
        if keys.is_personal(plan.content_id):
            return
        count = self.tally.add(plan, said, self.clock())
        if count.enough and count.suspicion(self.clock()):
            await self.judge(plan)

    async def witness(self, batch: BatchKey, outcomes: Mapping[int, Outcome]) -> None:
        """Tell who was refused, before it is booked: a row that has ended is not asked again.

        A bus that is silent must not keep the booking waiting: then the next mail tells.
        """
        failed = {row: one for row, one in outcomes.items() if one.verdict is Verdict.FAILED}
        refused = {row: one.code for row, one in failed.items() if one.code}
        if not refused or keys.is_letter(batch.content_id):
            return
        await quietly(self.tell(batch, refused))

    async def tell(self, batch: BatchKey, refused: Mapping[int, str]) -> None:
        _, content_id, revision, number = batch
        at = datetime.fromtimestamp(self.clock(), UTC)
        receipt = Refused(
            content_id=content_id, revision=revision, batch=number, at=at, refused=dict(refused)
        )
        rows = ",".join(map(str, sorted(refused)))
        await self.bus.publish(
            subjects.receipt(ChannelName.EMAIL, REFUSAL),
            receipt.model_dump_json().encode(),
            msg_id=f"{batch}.refused.{rows}",
            patience_s=PATIENCE_S,
        )
