"""Scheduler: due work happens on the sandbox's clock, with or without calls."""

import asyncio
from contextlib import suppress

from aiohttp import web
from aiohttp.typedefs import Handler

from sandbox.zalo.due_effects import LateEffects, deliver_due
from sandbox.zalo.state.world import World
from sandbox.zalo.webhooks.webhook_sender import DeliveryAttempt, WebhookSender

_TICK_S = 0.5
"""Pause between checks, because the clock may be moved without a call."""


class Scheduler:
    """Runs due effects, and sends webhook events."""

    def __init__(self, world: World, sender: WebhookSender) -> None:
        self.world = world
        self.late_effects = LateEffects()
        self.sender = sender
        self.wake = asyncio.Event()
        self.task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self.task = asyncio.create_task(self.run())

    async def run_due(self) -> None:
        """Run all due work but webhooks."""
        await self.late_effects.run_due(self.world.clock())
        deliver_due(self.world)

    async def catch_up(self) -> list[DeliveryAttempt]:
        """Run all due work, webhooks too."""
        await self.run_due()
        return await self.sender.deliver()

    async def run(self) -> None:
        while True:
            await self.catch_up()
            with suppress(TimeoutError):
                async with asyncio.timeout(_TICK_S):
                    await self.wake.wait()
            self.wake.clear()

    async def stop(self) -> None:
        """Stop the scheduler. Raises the error that had stopped it before."""
        ended = await self.cancel()
        await self.sender.close()
        if isinstance(ended, Exception):
            raise ended

    async def cancel(self) -> object:
        """Cancel the loop; returns the error that had ended it, if any."""
        if self.task is None:
            return None
        self.task.cancel()
        [ended] = await asyncio.gather(self.task, return_exceptions=True)
        return ended


SCHEDULER = web.AppKey("heart", Scheduler)


@web.middleware
async def scheduler_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Run due work before a call; wake the scheduler after it."""
    heart = request.app[SCHEDULER]
    await heart.run_due()
    try:
        return await handler(request)
    finally:
        await heart.run_due()
        heart.wake.set()
