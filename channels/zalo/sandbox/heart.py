"""Keeps the sandbox going: what is due on its clock happens, asked for or not."""

import asyncio
from contextlib import suppress

from aiohttp import web
from aiohttp.typedefs import Handler

from channels.zalo.sandbox.passing import Late, settle
from channels.zalo.sandbox.postman import Postman, Tried
from channels.zalo.sandbox.world import World

PULSE_S = 0.5
"""The clock may be moved without a word: somebody has to look."""


class Heart:
    """Settles what is due, and sends the postman."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.late = Late()
        self.postman = Postman(world)
        self.stirred = asyncio.Event()
        self.beating: asyncio.Task[None] | None = None

    def start(self) -> None:
        self.beating = asyncio.create_task(self.beat())

    async def settle(self) -> None:
        """Everything but webhooks."""
        await self.late.happen(self.world.clock())
        settle(self.world)

    async def catch_up(self) -> list[Tried]:
        """Everything that is due now, webhooks too."""
        await self.settle()
        return await self.postman.deliver()

    async def beat(self) -> None:
        while True:
            await self.catch_up()
            with suppress(TimeoutError):
                async with asyncio.timeout(PULSE_S):
                    await self.stirred.wait()
            self.stirred.clear()

    async def stop(self) -> None:
        """Raises what stopped it before it was told to."""
        ended = await self.still()
        await self.postman.close()
        if isinstance(ended, Exception):
            raise ended

    async def still(self) -> object:
        """The postman is on his round no more; what ended the beat, if it was an error."""
        if self.beating is None:
            return None
        self.beating.cancel()
        [ended] = await asyncio.gather(self.beating, return_exceptions=True)
        return ended


HEART = web.AppKey("heart", Heart)


@web.middleware
async def living(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Before a call, what fell due has happened; after it, what it brought about is on its way."""
    heart = request.app[HEART]
    await heart.settle()
    try:
        return await handler(request)
    finally:
        await heart.settle()
        heart.stirred.set()
