"""Canary sender: on a timer, put canaries into the real queues and report the late ones."""

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import structlog

from consumers.channel_health import pauses
from consumers.channel_health.canary.settings import CanarySettings
from consumers.channel_health.canary.status import (
    CanaryAnswer,
    SentCanary,
    evaluate,
    load_records,
    sent_key,
)
from consumers.ledger.wakeups import CanaryKey, Waker, count_queued
from contracts import subjects
from contracts.delivery import ChannelName, Lane
from producers.bus import Bus, BusError
from producers.bus.records import Versioned, update

log = structlog.get_logger()
POLL_S = 5.0
HEARTBEATS = 20
"""So often within the time that a canary may take, a sender notes that it is there."""


@dataclass
class CanarySender:
    """Sends to every channel in turn. Several senders share the work; one is enough."""

    bus: Bus
    waker: Waker
    settings: CanarySettings
    clock: Callable[[], float] = time.time
    started_channels: set[ChannelName] = field(default_factory=set)
    warned_at: dict[ChannelName, float] = field(
        default_factory=dict
    )  # late ones, and when it was said

    async def run(self) -> None:
        if not self.settings.every_s:
            await self.mark_off(ChannelName)
            return
        await self.mark_off(one for one in ChannelName if one not in self.settings.channel_names)
        while True:
            try:
                await self.send_due()
            except BusError as trouble:
                log.warning("bus_trouble", error=type(trouble).__name__, detail=str(trouble))
            await asyncio.sleep(min(POLL_S, self.settings.every_s / 4))

    async def send_due(self) -> None:
        """Send what is due, and tell what has changed."""
        paused = await pauses.paused_channels(self.bus)
        for channel, (sent, said) in (
            await load_records(self.bus, self.settings.channel_names)
        ).items():
            if channel in paused:
                await self.mark_paused(channel)
                continue
            sent = await self.update_presence(channel, sent, said)
            await self.send_if_due(channel, sent, said)
            self.log_lateness(channel, sent, said)

    async def update_presence(
        self, channel: ChannelName, sent: SentCanary | None, answer: CanaryAnswer
    ) -> SentCanary:
        """Note that a sender is there; after a pause, and with a new period, the time counts anew.

        Only a start brings a new period: two senders that differ forgive a dead channel nothing.
        """
        now, settings, again = self.clock(), self.settings, channel in self.started_channels
        if sent and again and not sent.is_inactive and now - sent.seen < sent.limit_s / HEARTBEATS:
            return sent

        def move(found: SentCanary | None) -> SentCanary:
            if found is None or found.is_inactive:
                return self.new_record(found, now)
            periods = {"every_s": settings.every_s, "grace_s": settings.grace_s}
            changed = found.model_copy(update=periods) != found
            if changed and not again:
                return found.model_copy(update={"seen": now, "since": now} | periods)
            found = found if again else found.resumed(answer, now)
            return found.model_copy(update={"seen": now} | periods)

        noted = await self.update_record(channel, move)
        self.started_channels.add(channel)
        return noted

    async def mark_paused(self, channel: ChannelName) -> None:
        """A paused channel is not tried, and never late."""
        now = self.clock()

        def move(found: SentCanary | None) -> SentCanary:
            rests = found and found.paused and not found.off
            return found if found and rests else self.new_record(found, now, paused=True)

        await self.update_record(channel, move)
        self.warned_at.pop(channel, None)

    def new_record(
        self, found: SentCanary | None, now: float, *, paused: bool = False
    ) -> SentCanary:
        settings = self.settings
        return SentCanary(
            number=found.number if found else 0,
            at=found.at if found else 0.0,
            since=now,
            seen=now,
            every_s=settings.every_s,
            grace_s=settings.grace_s,
            paused=paused,
        )

    async def send_if_due(
        self, channel: ChannelName, sent: SentCanary, answer: CanaryAnswer
    ) -> None:
        """Send what is due, unless the one before lies in the queue, with nobody there.

        One that is neither there nor back is sent again: perhaps it was noted and never sent. While
        a worker has it, the queue knows its message id.
        """
        back = answer.number >= sent.number
        if not back and await count_queued(self.bus, channel, Lane.URGENT):
            return
        if self.clock() >= sent.at + sent.every_s:
            await self.send(channel, sent, answer)
        elif not back:
            await self.waker.send_canary(CanaryKey(channel, sent.number))

    async def send(self, channel: ChannelName, sent: SentCanary, answer: CanaryAnswer) -> None:
        """The record first: a canary that is back is never one that nobody has sent.

        A worker lets go what has a number that it has seen, so numbers never go back.
        """
        number, now = max(sent.number, answer.number) + 1, self.clock()

        def move(found: SentCanary | None) -> SentCanary:
            if found is None or found.number != sent.number:
                return found or sent  # another sender was faster
            return found.model_copy(update={"number": number, "at": now})

        if (await self.update_record(channel, move)).at == now:
            await self.waker.send_canary(CanaryKey(channel, number))

    def log_lateness(self, channel: ChannelName, sent: SentCanary, answer: CanaryAnswer) -> None:
        """A late one is named at once and then as often as they are sent; its return once."""
        now = self.clock()
        standing = evaluate(sent, answer, now)
        if standing.state != "late":
            if standing.state == "ok" and self.warned_at.pop(channel, None) is not None:
                log.warning("canary_back", channel=channel.value)
            return
        if now - self.warned_at.get(channel, float("-inf")) >= sent.every_s:
            self.warned_at[channel] = now
            since = standing.since.isoformat() if standing.since else ""
            log.warning("canary_late", channel=channel.value, since=since, why=standing.why)

    async def update_record(
        self, channel: ChannelName, transition: Callable[[SentCanary | None], SentCanary]
    ) -> SentCanary:
        bucket = self.bus.bucket(subjects.CONTROL.name)
        return (await update(bucket, sent_key(channel), SentCanary, transition)).required

    async def mark_off(self, channels: Iterable[ChannelName]) -> None:
        """Channels that are not tried any more are neither late nor well: nothing is known.

        The record stays for its number.
        """

        def move(found: SentCanary | None) -> SentCanary:
            return Versioned(found).required.model_copy(update={"off": True})

        for channel, (sent, _) in (await load_records(self.bus, channels)).items():
            if sent:
                await self.update_record(channel, move)
