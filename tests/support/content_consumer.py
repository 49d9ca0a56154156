"""The consumers' own shell over CONTENT: the real broker, the real intake, real dead letters."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from consumers.app import broker as app_broker
from consumers.app.decode import ContentMessage
from consumers.dead_letters.letter import DeadLetter
from consumers.dead_letters.store import DeadLetterStore
from consumers.intake.handler import Intake
from contracts import subjects
from producers.bus import Bus

COPIES = 4
"""As many subscribers as the intake service has."""


@dataclass
class ContentConsumer:
    """Access of a test to the running intake."""

    bus: Bus
    dead: DeadLetterStore

    async def acknowledged_up_to(self, seq: int) -> dict[str, object]:
        """Wait until everything up to *seq* is acknowledged; what the server says of the durable.

        "Nothing pending" is also said before the server has counted the last message.
        """
        while True:
            info = await self.bus.consumer_info(subjects.CONTENT.name, subjects.INTAKE)
            if info["ack_floor"]["stream_seq"] >= seq:
                return info
            await asyncio.sleep(0.01)

    async def all_acknowledged(self) -> dict[str, object]:
        state = (await self.bus.stream_info(subjects.CONTENT.name))["state"]
        return await self.acknowledged_up_to(state["last_seq"])

    async def letters(self) -> list[DeadLetter]:
        return [letter async for letter in self.dead.letters()]


@asynccontextmanager
async def content_consumer(bus: Bus, url: str, intake: Intake) -> AsyncIterator[ContentConsumer]:
    dead = DeadLetterStore(bus)
    broker = app_broker.create_broker(url, dead.bury_message, app_broker.BrokerWatch())

    async def on_content(arrival: ContentMessage) -> None:
        await intake.handle(arrival.event, arrival.unit, arrival.kind, seq=arrival.seq)

    app_broker.subscribe(
        broker, subjects.CONTENT, subjects.CONTENT.consumers[0], on_content, COPIES
    )
    await broker.start()
    try:
        yield ContentConsumer(bus, dead)
    finally:
        await broker.stop()
