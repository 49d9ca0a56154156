"""HTTP/1.1 on the wire: the parser written in C, with the bounds that it lacks."""

import asyncio

import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_MAX = 64 << 10
"""Bytes of a request line with its headers, or of trailers; web servers in front allow less."""
HEAD_S = 15.0
"""So long a request may take to say what it wants, and a new connection to begin."""

log = structlog.get_logger()


class Bounded(HttpToolsProtocol):
    """Ends a connection whose head or trailers have no end, and one that does not go on with them.

    `silent` counts bytes since the parser last made something of them.
    """

    silent = 0
    deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self.got_on()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.silent > HEAD_MAX:
            self.end("long")
            return
        if self.deadline is None and self.silent == 0:
            self.wait()
        self.silent += len(data)
        super().data_received(data)

    def on_headers_complete(self) -> None:
        self.got_on()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self.got_on()
        super().on_body(body)

    def on_message_complete(self) -> None:
        self.got_on()
        super().on_message_complete()

    def wait(self) -> None:
        self.deadline = self.loop.call_later(HEAD_S, self.end, "slow")

    def got_on(self) -> None:
        self.silent = 0
        if self.deadline is not None:
            self.deadline.cancel()
            self.deadline = None

    def end(self, how: str) -> None:
        """Say so, if anybody still listens, and hang up."""
        self.deadline = None
        if not self.transport.is_closing():
            log.warning("request_ended", how=how)
            self.send_400_response(f"The request is too {how}.")
