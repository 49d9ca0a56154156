"""What a worker of the mail channel minds while it sends: pace and brakes, and who was refused."""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from channels.base import Outcome, Verdict
from consumers import register
from consumers.lanes import Gate
from consumers.mail import pace
from consumers.mail.brake import KEY as BRAKES
from consumers.mail.brake import Brakes
from consumers.mail.pace import Pace
from consumers.mail.receipts import Refused
from contracts import keys, subjects
from contracts.delivery import BatchKey, ChannelName, PlanKey
from producers.bus import Bus, BusError

log = structlog.get_logger()
LOOK_S = 1.0
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


@dataclass
class Sending:
    """The mail channel's `Conduct`. Keep `run` running beside it."""

    bus: Bus
    gate: Gate
    clock: Callable[[], float] = time.time
    pace: Pace = pace.FULL
    brakes: Brakes = field(default_factory=Brakes)
    stopped: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.connections = self.gate.places

    async def run(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Silence changes nothing."""
        bucket = self.bus.bucket(subjects.CONTROL.name)
        try:
            found = await bucket.many([pace.KEY, BRAKES])
        except BusError:
            return
        if stands := found.get(pace.KEY):
            self.pace = Pace.model_validate_json(stands.data)
        if stands := found.get(BRAKES):
            self.brakes = Brakes.model_validate_json(stands.data)
        self.keep_pace()

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

    async def heard(self, outcomes: Mapping[int, Outcome]) -> None:
        """Slow down if somebody finds us too fast. A bus that is silent changes nothing."""
        slow = [one.code for one in outcomes.values() if one.code.startswith("4.7.")]
        if not slow:
            return
        try:
            self.pace = await slow_down(self.bus, slow[0], self.clock())
        except BusError as trouble:
            log.warning("bus_trouble", error=type(trouble).__name__, detail=str(trouble))
        else:
            self.keep_pace()

    async def witness(self, batch: BatchKey, outcomes: Mapping[int, Outcome]) -> None:
        """Tell who was refused, before it is booked: a row that has ended is not asked again.

        A bus that is silent must not keep the booking waiting: then the next mail tells.
        """
        failed = {row: one for row, one in outcomes.items() if one.verdict is Verdict.FAILED}
        refused = {row: one.code for row, one in failed.items() if one.code}
        if not refused or keys.is_letter(batch.content_id):
            return
        try:
            await self.tell(batch, refused)
        except BusError as trouble:
            log.warning("bus_trouble", error=type(trouble).__name__, detail=str(trouble))

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
