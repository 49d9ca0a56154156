"""HTTP/1.1 with bounds on the size and the time of a request's head."""

import asyncio
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import structlog
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

HEAD_MAX = 64 << 10
"""Bytes of a request line with its headers, or of trailers; web servers in front allow less."""
HEAD_TIMEOUT_S = 15.0
"""Time limit of a request's head, and of a new connection's first bytes."""

PreparedAnswer = Callable[[Any], tuple[bytes, bytes] | None]
"""An app's prepared answer: head, without its end, and body; None where the app has to be called.
It costs a third less than a task for each request.
"""

log = structlog.get_logger()


class BoundedHttpProtocol(HttpToolsProtocol):
    """Ends a connection whose head or trailers are too long, or too slow.

    `unparsed_bytes`: bytes since the parser's last event. `ignores_input`: accepted requests are
    answered, then the connection ends. The bounds need inner parts of uvicorn, so its version is
    pinned.
    """

    unparsed_bytes = 0
    ignores_input = False
    deadline: asyncio.TimerHandle | None = None

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.at_once: PreparedAnswer | None = getattr(self.config.app, "at_once", None)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.start_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        self.clear_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.ignores_input:
            return
        if self.unparsed_bytes > HEAD_MAX:
            self.end_request("long")
            return
        if self.deadline is None and self.unparsed_bytes == 0:
            self.start_deadline()
        self.unparsed_bytes += len(data)
        super().data_received(data)

    def on_headers_complete(self) -> None:
        self.clear_deadline()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self.clear_deadline()
        super().on_body(body)

    def on_message_complete(self) -> None:
        self.clear_deadline()
        super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        prepared = self.prepared_answer(cycle) if app is self.app else None
        if prepared:
            self.write_answer(cycle, *prepared)
        else:
            super()._start_asgi_task(cycle, app)

    def prepared_answer(self, cycle: RequestResponseCycle) -> tuple[bytes, bytes] | None:
        """The app's prepared answer, if no other request and no full buffer is ahead of it.

        With an access log, or a connection to be closed, requests take the normal path.
        """
        if self.at_once is None or self.pipeline or self.flow.write_paused:
            return None
        if self.access_log or not cycle.keep_alive:
            return None
        return self.at_once(cycle.scope)

    def write_answer(self, cycle: RequestResponseCycle, head: bytes, body: bytes) -> None:
        """Write the whole answer; *head* is completed by the server's default headers."""
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        first, end, rest = head.partition(b"\r\n")
        ours = _header_lines(tuple(self.server_state.default_headers))
        self.transport.write(b"".join((first, end, ours, rest, end)))
        if body:
            self.transport.write(body)
        cycle.message_event.set()
        cycle.on_response()

    def start_deadline(self) -> None:
        self.deadline = self.loop.call_later(HEAD_TIMEOUT_S, self.end_request, "slow")

    def clear_deadline(self) -> None:
        self.unparsed_bytes = 0
        if self.deadline is not None:
            self.deadline.cancel()
            self.deadline = None

    def end_request(self, how: str) -> None:
        """Answer with an error if the connection is open, and close it."""
        self.deadline = None
        if not self.transport.is_closing():
            log.warning("request_ended", how=how)
            self.refuse_request(f"The request is too {how}.")

    def send_400_response(self, msg: str) -> None:
        """Called by the parser for bytes that are no HTTP."""
        self.refuse_request(msg)

    def refuse_request(self, msg: str) -> None:
        """Answer 400, but never in the middle of an answer, or in its place.

        `cycle` is the newest request. If it is complete, it and earlier ones are answered first; if
        its own body is malformed, nothing is waited for.
        """
        newest = self.cycle
        if newest is None or newest.response_complete:
            super().send_400_response(msg)
        elif not newest.more_body:
            self.ignores_input, newest.keep_alive = True, False
            self.flow.pause_reading()
        elif newest.response_started or self.pipeline:
            self.transport.close()
        else:
            super().send_400_response(msg)


@lru_cache(maxsize=8)
def _header_lines(headers: tuple[tuple[bytes, bytes], ...]) -> bytes:
    """The server's default headers as bytes: the date, which changes once a second."""
    return b"".join(b"%b: %b\r\n" % header for header in headers)
