"""Woken by the clock: puts canaries into the real queues, and says when one is not back in time."""

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import structlog

from consumers import control
from consumers.canary.settings import CanarySettings
from consumers.canary.standing import Said, Sent, judge, records, sent_key
from consumers.register import Held, change
from consumers.wake import CanaryKey, Waker, queued
from contracts import subjects
from contracts.delivery import ChannelName, Lane
from producers.bus import Bus, BusError

log = structlog.get_logger()
LOOK_S = 5.0
BEATS = 20
"""So often within the time that a canary may take, a sender notes that it is there."""


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
            sent = await self.attend(channel, sent, said)
            await self.put(channel, sent, said)
            self.tell(channel, sent, said)

    async def attend(self, channel: ChannelName, sent: Sent | None, said: Said) -> Sent:
        """Note that a sender is there; after a pause, and with a new period, the time counts anew.

        Only a start brings a new period: two senders that differ forgive a dead channel nothing.
        """
        now, settings, again = self.clock(), self.settings, channel in self.begun
        if sent and again and not sent.rests and now - sent.seen < sent.limit_s / BEATS:
            return sent

        def move(found: Sent | None) -> Sent:
            if found is None or found.rests:
                return self.fresh(found, now)
            periods = {"every_s": settings.every_s, "grace_s": settings.grace_s}
            changed = found.model_copy(update=periods) != found
            if changed and not again:
                return found.model_copy(update={"seen": now, "since": now} | periods)
            found = found if again else found.taken_up(said, now)
            return found.model_copy(update={"seen": now} | periods)

        noted = await self.note(channel, move)
        self.begun.add(channel)
        return noted

    async def rest(self, channel: ChannelName) -> None:
        """A paused channel is not tried, and never late."""
        now = self.clock()

        def move(found: Sent | None) -> Sent:
            rests = found and found.paused and not found.off
            return found if found and rests else self.fresh(found, now, paused=True)

        await self.note(channel, move)
        self.told.pop(channel, None)

    def fresh(self, found: Sent | None, now: float, *, paused: bool = False) -> Sent:
        settings = self.settings
        return Sent(
            number=found.number if found else 0,
            at=found.at if found else 0.0,
            since=now,
            seen=now,
            every_s=settings.every_s,
            grace_s=settings.grace_s,
            paused=paused,
        )

    async def put(self, channel: ChannelName, sent: Sent, said: Said) -> None:
        """Send what is due, unless the one before lies in the queue, with nobody there.

        One that is neither there nor back is sent again: perhaps it was noted and never sent. While
        a worker has it, the queue knows its message id.
        """
        back = said.number >= sent.number
        if not back and await queued(self.bus, channel, Lane.URGENT):
            return
        if self.clock() >= sent.at + sent.every_s:
            await self.send(channel, sent, said)
        elif not back:
            await self.waker.release(CanaryKey(channel, sent.number))

    async def send(self, channel: ChannelName, seen: Sent, said: Said) -> None:
        """The record first: a canary that is back is never one that nobody has sent.

        A worker lets go what has a number that it has seen, so numbers never go back.
        """
        number, now = max(seen.number, said.number) + 1, self.clock()

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
        """Channels that are not tried any more are neither late nor well: nothing is known.

        The record stays for its number.
        """

        def move(found: Sent | None) -> Sent:
            return Held(found).known.model_copy(update={"off": True})

        for channel, (sent, _) in (await records(self.bus, channels)).items():
            if sent:
                await self.note(channel, move)
