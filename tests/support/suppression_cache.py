"""A suppression cache that follows the bus."""

import asyncio

from consumers.suppression.cache import SuppressionCache
from consumers.suppression.store import SuppressionStore
from contracts.delivery import ChannelName
from tests.support.bounce_pipeline import SECRET
from tests.support.waiting import until


class RunningCache:
    """The cache of one process, with its watch."""

    def __init__(self, bus, clock=None) -> None:
        self.suppressions = SuppressionStore(bus, SECRET)
        options = {"clock": clock} if clock else {}
        self.suppressed = SuppressionCache(bus, self.suppressions.hash_address_bytes, **options)

    async def __aenter__(self) -> "RunningCache":
        self.task = asyncio.create_task(self.suppressed.run())
        await until(lambda: self.suppressed.is_fresh)
        return self

    async def __aexit__(self, *_exc) -> None:
        self.task.cancel()
        await asyncio.wait({self.task})

    async def add(self, text: str, reason="bounced 5.1.1", until=None) -> None:
        await self.suppressions.add(ChannelName.EMAIL, text, reason, until)
        await self.caught_up()

    async def caught_up(self) -> None:
        last = await self.suppressions.bucket.last_seq()
        await until(lambda: self.suppressed.seq >= last)
