"""SMTP byte stream: whole replies, bounded sizes, no unexpected replies."""

import asyncio
from typing import cast

_LINE_MAX = 2048
_LINES_MAX = 128


class ReplyHandler:
    """Receiver of the current replies; ignores them."""

    def on_reply(self, text: bytes) -> None:
        """One whole reply, its lines joined by a line feed."""

    def on_replies_processed(self) -> None:
        """All bytes received so far have been handed over."""

    def on_write_drained(self) -> None:
        """All that was written has left this process."""

    def on_connection_lost(self, why: str) -> None:
        """The connection is closed; no more calls follow."""


class SmtpProtocol(asyncio.Protocol):
    """One connection; unusable once `closed_reason` is set."""

    def __init__(self, reply_timeout_s: float | None = None) -> None:
        self.reply_timeout_s = reply_timeout_s  # of one command
        self.closed_reason = ""
        self.is_write_paused = False  # the relay has not read all written bytes
        self._transport: asyncio.Transport | None = None
        self._handler: ReplyHandler | None = None
        self._partial_line = b""
        self._continuation_lines: list[bytes] = []

    @property
    def transport(self) -> asyncio.Transport:
        assert self._transport is not None, "not connected"  # noqa: S101 - a bug, not an event
        return self._transport

    @transport.setter
    def transport(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        transport.set_write_buffer_limits(high=0)

    def set_handler(self, handler: ReplyHandler | None) -> None:
        """Set the handler of replies; without one any reply closes the connection."""
        self._handler = handler

    def write(self, data: bytes) -> None:
        self.transport.write(data)

    def drop(self, why: str) -> None:
        """Close the connection at once and notify the handler."""
        if self._transport is not None:
            self._transport.abort()
        self._end(why)

    def has_buffered_reply(self) -> bool:
        """Whether part of an unexpected reply is buffered."""
        return bool(self._partial_line or self._continuation_lines)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, _exc: Exception | None) -> None:
        self._end("connection lost")

    def pause_writing(self) -> None:
        self.is_write_paused = True

    def resume_writing(self) -> None:
        self.is_write_paused = False
        if self._handler:
            self._handler.on_write_drained()

    def data_received(self, data: bytes) -> None:
        *lines, self._partial_line = (self._partial_line + data).split(b"\r\n")
        for line in lines:
            if not self.closed_reason:
                self._process_line(line)
        if len(self._partial_line) > _LINE_MAX:
            self.drop("reply too long")
        if self._handler and not self.closed_reason:
            self._handler.on_replies_processed()

    def _process_line(self, line: bytes) -> None:
        mark = line[3:4]
        if len(line) > _LINE_MAX or not line[:3].isdigit() or mark not in (b" ", b"-", b""):
            self.drop("not an SMTP reply")
        elif mark == b"-":
            self._continuation_lines.append(line)
            if len(self._continuation_lines) > _LINES_MAX:
                self.drop("reply too long")
        elif self._continuation_lines:
            self._whole_reply(b"\n".join([*self._continuation_lines, line]))
        else:
            self._whole_reply(line)

    def _whole_reply(self, text: bytes) -> None:
        self._continuation_lines.clear()
        if self._handler is None:
            self.drop("reply out of turn")
        else:
            self._handler.on_reply(text)

    def _end(self, why: str) -> None:
        if self.closed_reason:
            return
        self.closed_reason = why
        listener, self._handler = self._handler, None
        if listener:
            listener.on_connection_lost(why)
