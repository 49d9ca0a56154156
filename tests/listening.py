"""The consumers' own shell over CONTENT: the real broker, the real intake, real dead letters."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from consumers.app import shell
from consumers.arrivals import Arrival
from consumers.dead_letters import DeadLetters, Letter
from consumers.intake import Intake
from contracts import subjects
from producers.bus import Bus

COPIES = 4
"""As many subscribers as the intake service has."""


@dataclass
class Listening:
    """What a test asks of the running intake."""

    bus: Bus
    dead: DeadLetters

    async def settled(self, seq: int) -> dict[str, object]:
        """Wait until everything up to *seq* is acknowledged; what the server says of the durable.

        "Nothing pending" is also said before the server has counted the last message.
        """
        while True:
            info = await self.bus.consumer_info(subjects.CONTENT.name, subjects.INTAKE)
            if info["ack_floor"]["stream_seq"] >= seq:
                return info
            await asyncio.sleep(0.01)

    async def all_settled(self) -> dict[str, object]:
        state = (await self.bus.stream_info(subjects.CONTENT.name))["state"]
        return await self.settled(state["last_seq"])

    async def letters(self) -> list[Letter]:
        return [letter async for letter in self.dead.letters()]


@asynccontextmanager
async def listening(bus: Bus, url: str, intake: Intake) -> AsyncIterator[Listening]:
    dead = DeadLetters(bus)
    broker = shell.broker(url, dead.bury_message, shell.Watched())

    async def on_content(arrival: Arrival) -> None:
        await intake.handle(arrival.event, arrival.unit, arrival.kind, seq=arrival.seq)

    shell.subscribe(broker, subjects.CONTENT, subjects.CONTENT.consumers[0], on_content, COPIES)
    await broker.start()
    try:
        yield Listening(bus, dead)
    finally:
        await broker.stop()
