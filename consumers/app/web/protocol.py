"""HTTP/1.1 with bounds: a request's head, what a peer leaves unread, and open connections."""

import asyncio
from collections.abc import Callable, Sequence
from functools import lru_cache
from http import HTTPStatus
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import unquote

import httptools
import structlog
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from consumers.app.web.connection_limits import ConnectionLimits
from contracts.base.security_headers import (
    SECURITY_HEADERS,
    Header,
    header_lines,
    raw_headers,
)

HEAD_MAX = 64 << 10
"""Bytes of a request line with its headers, or of trailers; web servers in front allow less."""
HEAD_TIMEOUT_S = 15.0
"""Time limit of a request's head, and of a new connection's first bytes."""
UNREAD_TIMEOUT_S = 30.0
_UNREAD_PROGRESS_BYTES = 16 << 10
"""A peer that takes fewer bytes of an answer in that time is not reading: 500 a second."""
PIPELINE_MAX = 4
"""Requests that wait behind the one being answered; a connection with more ends after them.

Browsers and proxies send none. Each one costs the loop time before any other client's turn.
"""

PreparedAnswer = Callable[[Any], tuple[bytes, bytes] | None]
"""An app's prepared answer: head, without its end, and body; None where the app has to be called.
It costs a third less than a task for each request.
"""

log = structlog.get_logger()
_OFFER_HEADERS = frozenset({b"connection", b"upgrade", b"http2-settings"})
"""Headers of an offer to go on in another protocol."""

_ANSWERED = cast(
    "RequestResponseCycle",
    SimpleNamespace(response_complete=True, more_body=False, message_event=asyncio.Event()),
)
"""The request before, as uvicorn sees it, where answers were written without a cycle."""


class _RefusedHead(Exception):
    """Stops the parser, which reports an error of its own."""


class BoundedHttpProtocol(HttpToolsProtocol):
    """Ends a connection whose head or trailers are too long, or too slow, or that is not read.

    `unparsed_bytes`: bytes since the parser's last event. `ignores_input`: accepted requests are
    answered, then the connection ends. The bounds need inner parts of uvicorn, so its version is
    pinned. A server sets `limits` and `security_headers` for its connections.
    """

    limits: ConnectionLimits
    security_headers: Sequence[Header] = raw_headers(SECURITY_HEADERS)
    unparsed_bytes = 0
    ignores_input = False
    is_admitted = False
    deadline: asyncio.TimerHandle | None = None
    unread_check: asyncio.TimerHandle | None = None
    idle_since: float | None = None
    running: RequestResponseCycle | None = None

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.at_once: PreparedAnswer | None = getattr(self.config.app, "at_once", None)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.is_admitted = self.limits.admit(self.peer)
        if not self.is_admitted:
            self.write_error(HTTPStatus.SERVICE_UNAVAILABLE, "Too many connections.")
            return
        transport.set_write_buffer_limits(high=0)  # the unread check needs to know of every byte
        self.start_deadline()

    @property
    def peer(self) -> str:
        return self.client[0] if self.client else ""

    def connection_lost(self, exc: Exception | None) -> None:
        self.clear_deadline()
        self.clear_unread_check()
        super()._unset_keepalive_if_required()
        if self.is_admitted:
            self.is_admitted = False
            self.limits.release(self.peer)
        if self.running is not None:  # uvicorn marks the newest request alone
            self.running.disconnected = True
        self.pipeline.clear()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self.start_unread_check()

    def resume_writing(self) -> None:
        self.clear_unread_check()
        super().resume_writing()

    def start_unread_check(self) -> None:
        self.clear_unread_check()
        unread = self.transport.get_write_buffer_size()
        self.unread_check = self.loop.call_later(UNREAD_TIMEOUT_S, self.check_unread, unread)

    def clear_unread_check(self) -> None:
        if self.unread_check is not None:
            self.unread_check.cancel()
            self.unread_check = None

    def check_unread(self, unread_before: int) -> None:
        """Abort the connection of a peer that has hardly read anything since."""
        taken = unread_before - self.transport.get_write_buffer_size()
        if taken >= _UNREAD_PROGRESS_BYTES:
            self.start_unread_check()
            return
        self.unread_check = None
        self.limits.note_dropped("unread")
        self.transport.abort()

    def eof_received(self) -> bool:  # type: ignore[override]
        """Answer what a peer has asked that sends no more; True keeps the connection for that."""
        newest = self.cycle
        if newest is None or newest.response_complete or newest.more_body:
            return False
        self.ignores_input, newest.keep_alive = True, False
        return True

    def data_received(self, data: bytes) -> None:
        if self.ignores_input:
            return
        if self.unparsed_bytes > HEAD_MAX:
            self.end_request("long")
            return
        begins = self.deadline is None and self.unparsed_bytes == 0
        self.unparsed_bytes += len(data)
        self._unset_keepalive_if_required()
        try:
            self.parse(data)
        except httptools.HttpParserError:
            self.refuse_request("Invalid HTTP request received.")
        if begins and self.unparsed_bytes and not self.transport.is_closing():
            self.start_deadline()  # most heads come whole, and need none

    def parse(self, data: bytes) -> None:
        """Feed the parser. A request that offers another protocol is answered in this one.

        Java's client offers HTTP/2 with its first request. The parser takes what follows such a
        head for that protocol, the body too, so a new one reads the head without the offer.
        """
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            if not self.offers_upgrade():
                return  # CONNECT, answered like any other method
            head, self.headers = self._head_without_offer(), []
            self.parser = httptools.HttpRequestParser(self)
            self.parse(head + data[offer.args[0] :])

    def offers_upgrade(self) -> bool:
        return self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"

    def _head_without_offer(self) -> bytes:
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        kept = [(name, value) for name, value in self.headers if name not in _OFFER_HEADERS]
        if not self.parser.should_keep_alive():
            kept.append((b"connection", b"close"))
        lines = b"".join(b"%b: %b\r\n" % header for header in kept)
        return b"%b %b HTTP/%b\r\n%b\r\n" % (method, self.url, version, lines)

    def on_headers_complete(self) -> None:
        self.clear_deadline()
        self.check_host()
        if self.offers_upgrade():
            return
        if len(self.pipeline) >= PIPELINE_MAX:
            raise _RefusedHead
        if not self.answer_at_once():
            super().on_headers_complete()

    def check_host(self) -> None:
        """Refuse a request that names no host, or two (RFC 9112, 3.2)."""
        hosts = sum(name == b"host" for name, _ in self.headers)
        if hosts > 1 or (not hosts and self.parser.get_http_version() != "1.0"):
            raise _RefusedHead

    def on_body(self, body: bytes) -> None:
        self.clear_deadline()
        super().on_body(body)

    def on_message_complete(self) -> None:
        self.clear_deadline()
        if not self.offers_upgrade():
            super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self.running = cycle
        super()._start_asgi_task(cycle, app)

    def answer_at_once(self) -> bool:
        """Write the app's prepared answer, if there is one and nothing is ahead of it.

        With an access log, or a connection to be closed, requests take the normal path.
        """
        if self.at_once is None or self.access_log or self.limit_concurrency is not None:
            return False
        if not (self.cycle or _ANSWERED).response_complete or self.flow.write_paused:
            return False
        prepared = self.at_once(self.scope) if self._completes_scope() else None
        if prepared:
            self.cycle = self.cycle or _ANSWERED
            self.write_answer(*prepared)
        return prepared is not None

    def _completes_scope(self) -> bool:
        """Complete the scope of a plain request, as uvicorn does; False for any other."""
        parser = self.parser
        if parser.should_upgrade() or not parser.should_keep_alive():
            return False
        path = httptools.parse_url(self.url).path.decode("ascii")
        self.scope["path"] = unquote(path) if "%" in path else path
        self.scope["method"] = parser.get_method().decode("ascii")
        return parser.get_http_version() == "1.1"

    def write_answer(self, head: bytes, body: bytes) -> None:
        """Write the whole answer; *head* is completed by the server's default headers."""
        first, end, rest = head.partition(b"\r\n")
        ours = _header_lines(tuple(self.server_state.default_headers))
        self.transport.write(b"".join((first, end, ours, rest, end)))
        if body:
            self.transport.write(body)
        self.on_response_complete()

    def _unset_keepalive_if_required(self) -> None:
        """The connection is not idle; its timer goes on, and looks then."""
        self.idle_since = None

    def on_response_complete(self) -> None:
        if self.pipeline or self.transport.is_closing() or self.timeout_keep_alive_task is None:
            super().on_response_complete()  # starts the timer, where nothing waits
        else:
            self.server_state.total_requests += 1
            self.flow.resume_reading()
        self.idle_since = self.loop.time()

    def timeout_keep_alive_handler(self) -> None:
        """End the connection if it was idle for all that time.

        A timer for each request would cost more than its answer.
        """
        self.timeout_keep_alive_task = None
        is_answered = self.cycle is None or self.cycle.response_complete
        if self.idle_since is None or not is_answered:
            return
        left_s = self.idle_since + self.timeout_keep_alive - self.loop.time()
        if left_s > 0:
            again = self.loop.call_later(left_s, self.timeout_keep_alive_handler)
            self.timeout_keep_alive_task = again
        else:
            super().timeout_keep_alive_handler()

    def start_deadline(self) -> None:
        self.deadline = self.loop.call_later(HEAD_TIMEOUT_S, self.end_request, "slow")

    def clear_deadline(self) -> None:
        self.unparsed_bytes = 0
        if self.deadline is not None:
            self.deadline.cancel()
            self.deadline = None

    def end_request(self, how: str) -> None:
        """Answer with an error if the connection is open, and close it.

        One that a browser opened ahead and has not used gets no answer: with one it would take it
        for that to a request which it sends just then.
        """
        self.deadline = None
        if self.transport.is_closing():
            return
        if not self.unparsed_bytes:
            self.transport.close()
            return
        log.warning("request_ended", how=how)
        self.refuse_request(f"The request is too {how}.")

    def refuse_request(self, msg: str) -> None:
        """Answer 400, but never in the middle of an answer, or in its place.

        `cycle` is the newest request. If it is complete, it and earlier ones are answered first; if
        its own body is malformed, nothing is waited for.
        """
        newest = self.cycle
        if newest is None or newest.response_complete:
            self.write_error(HTTPStatus.BAD_REQUEST, msg)
        elif not newest.more_body:
            self.ignores_input, newest.keep_alive = True, False
            self.flow.pause_reading()
        elif newest.response_started or self.pipeline:
            self.transport.close()
        else:
            self.write_error(HTTPStatus.BAD_REQUEST, msg)

    def write_error(self, status: HTTPStatus, msg: str) -> None:
        """Answer by the server itself, and close the connection."""
        headers = (
            *self.server_state.default_headers,
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", b"%d" % len(msg)),
            (b"connection", b"close"),
            *self.security_headers,
        )
        head = STATUS_LINE[status] + header_lines(headers) + b"\r\n"
        self.transport.write(head + msg.encode("ascii"))
        self.transport.close()


@lru_cache(maxsize=8)
def _header_lines(headers: tuple[tuple[bytes, bytes], ...]) -> bytes:
    """The server's default headers as bytes: the date, which changes once a second."""
    return header_lines(headers)
