"""A web server whose answer does not end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

_CHUNK = bytes(64 << 10)
_MOST = 64 << 20
"""More would hurt the test's machine."""


class EndlessServer:
    """`sent`: the bytes that a client has taken."""

    url = ""
    sent = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request for as long as its client reads."""
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        with suppress(ConnectionError):
            while self.sent < _MOST:
                writer.write(_CHUNK)
                await writer.drain()
                self.sent += len(_CHUNK)
            await reader.read()
        writer.close()


@asynccontextmanager
async def endless_server() -> AsyncIterator[EndlessServer]:
    served = EndlessServer()
    async with asyncio.TaskGroup() as answers:  # the server itself does not wait for them
        server = await asyncio.start_server(
            lambda *ends: answers.create_task(served.serve(*ends)), "127.0.0.1", 0
        )
        served.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with server:
            yield served
