"""A canary's shaft: one channel's sender and worker on a real bus, and the queue between them."""

from pathlib import Path
from typing import Any

import structlog

from channels.base import Canary, Outcome, Verdict
from consumers.channel_health.canary.sender import CanarySender
from consumers.channel_health.canary.settings import CanarySettings
from consumers.channel_health.canary.status import CanaryStatus, load_statuses
from consumers.channel_health.canary.worker import CanaryWorker
from consumers.ledger.wakeups import Waker, WakeUp
from contracts import subjects
from contracts.delivery import ChannelName, Lane
from producers.bus import Bus
from tests.support.delivery_pipeline import DeliveryPipeline
from tests.support.scripted_channel import ScriptedChannel, StaticReaders, reader_ids

EMAIL = ChannelName.EMAIL
EVERY_S, GRACE_S = 900.0, 300.0
SETTINGS = CanarySettings(every_s=EVERY_S, grace_s=GRACE_S, channels="email")
SUBJECT = subjects.deliver(EMAIL, Lane.URGENT)
ACCEPTED = Outcome(Verdict.DELIVERED)


class ProbedChannel(ScriptedChannel):
    """A provider that is tried; what it says of a canary is the test's business."""

    def __init__(self) -> None:
        super().__init__()
        self.probe_outcome: Outcome = ACCEPTED
        self.probed: list[Canary] = []

    async def probe(self, canary: Canary) -> Outcome:
        self.probed.append(canary)
        return self.probe_outcome


class CanaryHarness:
    """One channel's sender and worker, and the queue between them."""

    def __init__(self, bus: Bus, folder: Path) -> None:
        self.bus, self.channel = bus, ProbedChannel()
        self.pipeline = DeliveryPipeline(bus, folder, StaticReaders(reader_ids(3)), self.channel)
        self.clock = self.pipeline.clock
        self.pipeline.worker.try_canary = self.new_worker().handle
        self.sender = self.new_sender()

    def new_worker(self) -> CanaryWorker:
        return CanaryWorker(self.bus, self.channel, "truc@example.com", self.clock)

    def new_sender(self, settings: CanarySettings = SETTINGS) -> CanarySender:
        return CanarySender(self.bus, Waker(self.bus), settings, self.clock)

    async def pending_wake_ups(self) -> list[WakeUp]:
        found = self.bus.scan(subjects.DELIVER.name, SUBJECT)
        return [WakeUp.model_validate_json(one.data) async for one in found]

    async def work(self) -> None:
        """Work as the queue does: hand over each wake-up once."""
        pull = await self.bus.js.pull_subscribe(
            SUBJECT, subjects.durable(SUBJECT), subjects.DELIVER.name
        )
        for message in await pull.fetch(len(await self.pending_wake_ups()), timeout=5):
            await self.pipeline.worker.on_wake_up(WakeUp.model_validate_json(message.data))
            await message.ack_sync()

    async def send_round(self) -> list[dict[str, Any]]:
        """The sender looks, and its log."""
        with structlog.testing.capture_logs() as logs:
            await self.sender.send_due()
        return [one for one in logs if one["event"].startswith("canary_")]

    async def round_trips(self, times: int = 1) -> None:
        """Send a canary and take it; with several, a period passes after each."""
        for _ in range(times):
            await self.send_round()
            await self.work()
            if times > 1:
                self.clock.advance(EVERY_S)

    async def status(self) -> CanaryStatus:
        return (await load_statuses(self.bus, self.clock()))[EMAIL]
