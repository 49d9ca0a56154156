"""Ending a connection and seeing it end: a command's loop stops soon after."""

import asyncio

from channels.email.wire import Wire

PATIENCE_S = 5.0


class Farewell:
    """Hears nothing but the end."""

    def __init__(self) -> None:
        self.over = asyncio.Event()

    def reply(self, text: bytes) -> None:
        """The relay's own goodbye."""

    def caught_up(self) -> None:
        pass

    def drained(self) -> None:
        pass

    def lost(self, _why: str) -> None:
        self.over.set()


async def part(wire: Wire) -> None:
    """Say goodbye and wait until the connection is gone."""
    if wire.gone:
        return
    farewell = Farewell()
    wire.listen(farewell)
    wire.write(b"QUIT\r\n")
    wire.transport.close()
    try:
        async with asyncio.timeout(PATIENCE_S):
            await farewell.over.wait()
    except TimeoutError:
        wire.drop("no goodbye")
