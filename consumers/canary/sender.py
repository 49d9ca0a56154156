"""Woken by the clock: puts canaries into the real queues, and says when one is not back in time."""

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import structlog

from consumers import control
from consumers.canary.settings import CanarySettings
from consumers.canary.standing import Said, Sent, judge, records, sent_key
from consumers.register import change
from consumers.wake import CanaryKey, Waker, queued
from contracts import subjects
from contracts.delivery import ChannelName, Lane
from producers.bus import Bus, BusError

log = structlog.get_logger()
LOOK_S = 5.0


@dataclass
class Canaries:
    """Sends to every channel in turn. Several senders share the work; one is enough."""

    bus: Bus
    waker: Waker
    settings: CanarySettings
    clock: Callable[[], float] = time.time
    begun: set[ChannelName] = field(default_factory=set)
    told: dict[ChannelName, float] = field(default_factory=dict)  # late ones, and when it was said

    async def run(self) -> None:
        if not self.settings.every_s:
            await self.retire(ChannelName)
            return
        await self.retire(one for one in ChannelName if one not in self.settings.names)
        while True:
            try:
                await self.tick()
            except BusError as trouble:
                log.warning("bus_trouble", error=type(trouble).__name__, detail=str(trouble))
            await asyncio.sleep(min(LOOK_S, self.settings.every_s / 4))

    async def tick(self) -> None:
        """Send what is due, and tell what has changed."""
        paused = await control.paused(self.bus)
        for channel, (sent, said) in (await records(self.bus, self.settings.names)).items():
            if channel in paused:
                await self.rest(channel)
                continue
            sent = await self.begin(channel, sent)
            if await self.due(channel, sent, said):
                await self.send(channel, sent)
            self.tell(channel, sent, said)

    async def begin(self, channel: ChannelName, sent: Sent | None) -> Sent:
        """At the start, and after a pause, the time counts anew: nothing was sent meanwhile."""
        if sent and channel in self.begun and not sent.paused:
            return sent
        self.begun.add(channel)

        def move(found: Sent | None) -> Sent:
            return self.fresh(found, paused=False)

        return await self.note(channel, move)

    async def rest(self, channel: ChannelName) -> None:
        """A paused channel is not tried, and never late."""

        def move(found: Sent | None) -> Sent:
            return found if found and found.paused else self.fresh(found, paused=True)

        await self.note(channel, move)
        self.told.pop(channel, None)

    def fresh(self, found: Sent | None, *, paused: bool) -> Sent:
        settings = self.settings
        return Sent(
            number=found.number if found else 0,
            at=found.at if found else 0.0,
            since=self.clock(),
            every_s=settings.every_s,
            grace_s=settings.grace_s,
            paused=paused,
        )

    async def due(self, channel: ChannelName, sent: Sent, said: Said) -> bool:
        """Time is up, and the one before does not still lie in the queue, with nobody there."""
        if self.clock() < sent.at + sent.every_s:
            return False
        return said.number >= sent.number or not await queued(self.bus, channel, Lane.URGENT)

    async def send(self, channel: ChannelName, seen: Sent) -> None:
        """The record first: a canary that is back is never one that nobody has sent."""
        number, now = seen.number + 1, self.clock()

        def move(found: Sent | None) -> Sent:
            if found is None or found.number != seen.number:
                return found or seen  # another sender was faster
            return found.model_copy(update={"number": number, "at": now})

        if (await self.note(channel, move)).at == now:
            await self.waker.release(CanaryKey(channel, number))

    def tell(self, channel: ChannelName, sent: Sent, said: Said) -> None:
        """A late one is named at once and then as often as they are sent; its return once."""
        now = self.clock()
        standing = judge(sent, said, now)
        if standing.state != "late":
            if standing.state == "ok" and self.told.pop(channel, None) is not None:
                log.warning("canary_back", channel=channel.value)
            return
        if now - self.told.get(channel, float("-inf")) >= sent.every_s:
            self.told[channel] = now
            since = standing.since.isoformat() if standing.since else ""
            log.warning("canary_late", channel=channel.value, since=since, why=standing.why)

    async def note(self, channel: ChannelName, move: Callable[[Sent | None], Sent]) -> Sent:
        bucket = self.bus.bucket(subjects.CONTROL.name)
        return (await change(bucket, sent_key(channel), Sent, move)).known

    async def retire(self, channels: Iterable[ChannelName]) -> None:
        """Channels that are not tried any more are neither late nor well: nothing is known."""
        for channel in channels:
            await self.bus.bucket(subjects.CONTROL.name).purge(sent_key(channel))
