"""The worker's side: a canary from the queue goes through the channel's real session."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from channels.base import Canary, Channel, Outcome, Verdict
from channels.errors import ChannelError
from consumers.canary.standing import Said, said_key
from consumers.register import change, read
from consumers.wake import CanaryKey
from contracts import subjects
from producers.bus import Bus

log = structlog.get_logger()
PATIENCE_S = 60.0


@dataclass
class Taker:
    """One channel's canaries; `target` is where they go, if the channel has such a place."""

    bus: Bus
    channel: Channel
    target: str = ""
    clock: Callable[[], float] = time.time
    patience_s: float = PATIENCE_S

    async def take(self, key: CanaryKey) -> None:
        """Try the channel and note what it said; a doubled wake-up is nothing new."""
        bucket, name = self.bus.bucket(subjects.CONTROL.name), said_key(key.channel)
        held = await read(bucket, name, Said)
        if held.value and held.value.number >= key.number:
            return
        outcome = await self.ask(key)
        log.info("canary_taken", number=key.number, said=outcome.verdict.value, why=outcome.reason)

        def move(found: Said | None) -> Said:
            before = found or Said()
            return before if before.number >= key.number else self.said(before, key, outcome)

        await change(bucket, name, Said, move)

    async def ask(self, key: CanaryKey) -> Outcome:
        canary = Canary(key.number, datetime.fromtimestamp(self.clock(), UTC), self.target)
        try:
            async with asyncio.timeout(self.patience_s), self.channel.session() as session:
                return await session.probe(canary)
        except ChannelError as trouble:
            return Outcome(Verdict.HELD, trouble.reason)
        except TimeoutError:
            return Outcome(Verdict.HELD, f"no answer within {self.patience_s:.0f} s")

    def said(self, before: Said, key: CanaryKey, outcome: Outcome) -> Said:
        now, ok = self.clock(), outcome.verdict is Verdict.DELIVERED
        ok_at = now if ok else before.ok_at
        return Said(number=key.number, at=now, ok=ok, reason=outcome.reason, ok_at=ok_at)
