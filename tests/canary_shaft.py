"""A canary's shaft: one channel's sender and worker on a real bus, and the queue between them."""

from pathlib import Path
from typing import Any

import structlog

from channels.base import Canary, Outcome, Verdict
from consumers.canary.sender import Canaries
from consumers.canary.settings import CanarySettings
from consumers.canary.standing import Standing, standings
from consumers.canary.taker import Taker
from consumers.wake import Waker, WakeUp
from contracts import subjects
from contracts.delivery import ChannelName, Lane
from producers.bus import Bus
from tests.delivery_house import House
from tests.fakes import People, Provider, people

EMAIL = ChannelName.EMAIL
EVERY_S, GRACE_S = 900.0, 300.0
SETTINGS = CanarySettings(every_s=EVERY_S, grace_s=GRACE_S, channels="email")
SUBJECT = subjects.deliver(EMAIL, Lane.URGENT)
TAKEN = Outcome(Verdict.DELIVERED)


class Way(Provider):
    """A provider that is tried; what it says of a canary is the test's business."""

    def __init__(self) -> None:
        super().__init__()
        self.says: Outcome = TAKEN
        self.tried: list[Canary] = []

    async def probe(self, canary: Canary) -> Outcome:
        self.tried.append(canary)
        return self.says


class Shaft:
    """One channel's sender and worker, and the queue between them."""

    def __init__(self, bus: Bus, folder: Path) -> None:
        self.bus, self.way = bus, Way()
        self.house = House(bus, folder, People(people(3)), self.way)
        self.clock = self.house.clock
        self.house.worker.prove = self.a_taker().take
        self.sender = self.a_sender()

    def a_taker(self) -> Taker:
        return Taker(self.bus, self.way, "truc@example.com", self.clock)

    def a_sender(self, settings: CanarySettings = SETTINGS) -> Canaries:
        return Canaries(self.bus, Waker(self.bus), settings, self.clock)

    async def waiting(self) -> list[WakeUp]:
        found = self.bus.scan(subjects.DELIVER.name, SUBJECT)
        return [WakeUp.model_validate_json(one.data) async for one in found]

    async def take(self) -> None:
        """What the queue does: hand over each wake-up once."""
        pull = await self.bus.js.pull_subscribe(
            SUBJECT, subjects.durable(SUBJECT), subjects.DELIVER.name
        )
        for message in await pull.fetch(len(await self.waiting()), timeout=5):
            await self.house.worker.on_wake_up(WakeUp.model_validate_json(message.data))
            await message.ack_sync()

    async def round(self) -> list[dict[str, Any]]:
        """The sender looks, and its log."""
        with structlog.testing.capture_logs() as logs:
            await self.sender.tick()
        return [one for one in logs if one["event"].startswith("canary_")]

    async def stands(self) -> Standing:
        return (await standings(self.bus, self.clock()))[EMAIL]
