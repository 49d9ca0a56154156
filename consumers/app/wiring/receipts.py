"""Handlers of RECEIPTS get what Loa's own doors have stored, and nothing else."""

from collections.abc import Awaitable, Callable

from consumers.app.broker import Handler
from consumers.app.decode import StoredMessage
from consumers.feedback.guard import require_sealed
from consumers.feedback.handler import AnyReceipt
from producers.bus import Bus


def sealed_only(bus: Bus, handle: Callable[[AnyReceipt], Awaitable[None]]) -> Handler:
    """The handler of messages that passes sealed receipts to *handle*."""

    async def on_message(message: StoredMessage) -> None:
        await handle(await require_sealed(bus, message.stored))

    return on_message
