"""Canary sender: on a timer, put canaries into the real queues and report the late ones."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

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
from producers.bus import Bus
from producers.bus.periodic import attempt, every
from producers.bus.records import require, update

log = structlog.get_logger()
_POLL_S = 5.0
_HEARTBEATS = 20
"""Presence updates of a sender within the time limit of one canary."""


@dataclass
class CanarySender:
    """Sends canaries to every channel. Several senders share the work; one is enough."""

    bus: Bus
    waker: Waker
    settings: CanarySettings
    clock: Callable[[], float] = time.time
    started_channels: set[ChannelName] = field(default_factory=set)
    warned_at: dict[ChannelName, float] = field(default_factory=dict)  # of late canaries

    async def run(self) -> None:
        if not self.settings.every_s:
            await self.mark_off(ChannelName)
            return
        await self.mark_off(one for one in ChannelName if one not in self.settings.channel_names)
        await every(min(_POLL_S, self.settings.every_s / 4), self.send_due)

    async def send_due(self) -> None:
        """Send due canaries, and log late ones and returned ones, each channel for itself."""
        paused = await pauses.paused_channels(self.bus)
        for channel in self.settings.channel_names:
            await attempt(partial(self.send_of, channel, is_paused=channel in paused))

    async def send_of(self, channel: ChannelName, *, is_paused: bool) -> None:
        """Send the canary of *channel* if it is due."""
        if is_paused:
            await self.mark_paused(channel)
            return
        sent, answer = (await load_records(self.bus, [channel]))[channel]
        sent = await self.update_presence(channel, sent, answer)
        await self.send_if_due(channel, sent, answer)
        self.log_lateness(channel, sent, answer)

    async def update_presence(
        self, channel: ChannelName, sent: SentCanary | None, answer: CanaryAnswer
    ) -> SentCanary:
        """Record this sender's presence; after a pause or with a new period, start anew.

        Only a start may set a new period, so that two senders with different settings do not keep
        resetting a dead channel.
        """
        now, periods, is_running = self.clock(), self.periods, channel in self.started_channels
        is_active = is_running and sent is not None and not sent.is_inactive
        if sent and is_active and now - sent.seen < sent.limit_s / _HEARTBEATS:
            return sent

        def move(stored: SentCanary | None) -> SentCanary:
            if stored is None or stored.is_inactive:
                return self.new_record(stored, now)
            changed = stored.model_copy(update=periods) != stored
            if changed and not is_running:
                return stored.model_copy(update={"seen": now, "since": now} | periods)
            stored = stored if is_running else stored.resumed(answer, now)
            return stored.model_copy(update={"seen": now} | periods)

        noted = await self.update_record(channel, move)
        self.started_channels.add(channel)
        return noted

    async def mark_paused(self, channel: ChannelName) -> None:
        """Mark a channel as paused: no canaries are due, and none is late."""
        now = self.clock()

        def move(stored: SentCanary | None) -> SentCanary:
            is_resting = stored and stored.paused and not stored.off
            return stored if stored and is_resting else self.new_record(stored, now, paused=True)

        await self.update_record(channel, move)
        self.warned_at.pop(channel, None)

    @property
    def periods(self) -> dict[str, float]:
        return {"every_s": self.settings.every_s, "grace_s": self.settings.grace_s}

    def new_record(self, stored: SentCanary | None, now: float, paused: bool = False) -> SentCanary:
        """A record that begins anew; the number goes on."""
        last = {"number": stored.number, "at": stored.at} if stored else {}
        return SentCanary(**last, **self.periods, since=now, seen=now, paused=paused)

    async def send_if_due(
        self, channel: ChannelName, sent: SentCanary, answer: CanaryAnswer
    ) -> None:
        """Send a due canary, unless the one before still waits in the queue.

        A canary that is neither queued nor answered is sent again, as a crash may have come between
        its record and its message. The queue drops the repeat of one that a worker has.
        """
        back = answer.number >= sent.number
        if not back and await count_queued(self.bus, channel, Lane.URGENT):
            return
        due_at = sent.next_at(answer) if back else sent.at + sent.every_s
        if self.clock() >= due_at:
            await self.send(channel, sent, answer)
        elif not back:
            await self.waker.send_canary(CanaryKey(channel, sent.number))

    async def send(self, channel: ChannelName, sent: SentCanary, answer: CanaryAnswer) -> None:
        """Record a new canary, then send it.

        A worker ignores numbers that it has seen, so numbers only grow.
        """
        number, now = max(sent.number, answer.number) + 1, self.clock()

        def move(stored: SentCanary | None) -> SentCanary:
            if stored is None or stored.number != sent.number:
                return stored or sent  # another sender was faster
            return stored.model_copy(update={"number": number, "at": now})

        if (await self.update_record(channel, move)).at == now:
            await self.waker.send_canary(CanaryKey(channel, number))

    def log_lateness(self, channel: ChannelName, sent: SentCanary, answer: CanaryAnswer) -> None:
        """Log a late canary at once and then once per period; log its return once."""
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
        return (await update(bucket, sent_key(channel), SentCanary, transition)).value

    async def mark_off(self, channels: Iterable[ChannelName]) -> None:
        """Mark channels without canaries as off; the record stays for its number."""

        def turn_off(stored: SentCanary | None) -> SentCanary:
            return require(stored).model_copy(update={"off": True})

        for channel, (sent, _) in (await load_records(self.bus, channels)).items():
            if sent:
                await self.update_record(channel, turn_off)
