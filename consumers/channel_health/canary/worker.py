"""Canary worker: send a canary from the queue through the channel's real session."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic

import structlog

from channels.base import Canary, Channel, Outcome, Rendered, Verdict
from channels.errors import ChannelError
from consumers.channel_health.canary.status import CanaryAnswer, answer_key
from consumers.ledger.wakeups import CanaryKey
from contracts import subjects
from contracts.base.times import utc_now
from producers.bus import Bus
from producers.bus.records import read_or_absent, update_or_create

log = structlog.get_logger()
_TIMEOUT_S = 60.0


@dataclass
class CanaryWorker(Generic[Rendered]):
    """Sends one channel's canaries to `target`, if the channel has a target."""

    bus: Bus
    channel: Channel[Rendered]
    target: str = ""
    clock: Callable[[], float] = time.time
    timeout_s: float = _TIMEOUT_S

    async def handle(self, key: CanaryKey) -> None:
        """Probe the channel and record its answer; a repeated wake-up changes nothing."""
        bucket, name = self.bus.bucket(subjects.CONTROL.name), answer_key(key.channel)
        stored = await read_or_absent(bucket, name, CanaryAnswer)
        if stored.value and stored.value.number >= key.number:
            return
        outcome = await self.probe_channel(key)
        log.info("canary_taken", number=key.number, said=outcome.verdict.value, why=outcome.reason)

        def record(before: CanaryAnswer) -> CanaryAnswer:
            is_known = before.number >= key.number
            return before if is_known else self.with_outcome(before, key, outcome)

        await update_or_create(bucket, name, CanaryAnswer, record, stored)

    async def probe_channel(self, key: CanaryKey) -> Outcome:
        canary = Canary(key.number, utc_now(self.clock), self.target)
        try:
            async with asyncio.timeout(self.timeout_s), self.channel.session() as session:
                return await session.probe(canary)
        except ChannelError as trouble:
            return Outcome(Verdict.HELD, trouble.reason)
        except TimeoutError:
            return Outcome(Verdict.HELD, f"no answer within {self.timeout_s:.0f} s")

    def with_outcome(self, before: CanaryAnswer, key: CanaryKey, outcome: Outcome) -> CanaryAnswer:
        now, ok = self.clock(), outcome.verdict is Verdict.DELIVERED
        ok_at = now if ok else before.ok_at
        return CanaryAnswer(number=key.number, at=now, ok=ok, reason=outcome.reason, ok_at=ok_at)
