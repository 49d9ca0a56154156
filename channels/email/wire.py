"""The bytes of an SMTP conversation: whole replies in, nothing unbounded, nothing out of turn."""

import asyncio
from typing import Protocol, cast

LINE_MAX = 2048
LINES_MAX = 128


class Listener(Protocol):
    """Whoever the replies are for at the moment."""

    def reply(self, text: bytes) -> None:
        """One whole reply, its lines joined by a line feed."""

    def caught_up(self) -> None:
        """Everything received so far has been handed over."""

    def drained(self) -> None:
        """All that was written has left this process."""

    def lost(self, why: str) -> None:
        """The connection is gone; nothing more will come."""


class Wire(asyncio.Protocol):
    """One connection. Once `gone` says why, it stays useless."""

    def __init__(self) -> None:
        self.gone = ""
        self.choked = False  # the other side has not taken all of what was written
        self._transport: asyncio.Transport | None = None
        self._listener: Listener | None = None
        self._rest = b""
        self._more: list[bytes] = []

    @property
    def transport(self) -> asyncio.Transport:
        assert self._transport is not None, "not connected"  # noqa: S101 - a bug, not an event
        return self._transport

    @transport.setter
    def transport(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        transport.set_write_buffer_limits(high=0)

    def listen(self, listener: Listener | None) -> None:
        """From now on replies go to *listener*; without one any reply breaks the connection."""
        self._listener = listener

    def write(self, data: bytes) -> None:
        self.transport.write(data)

    def drop(self, why: str) -> None:
        """End the connection at once and tell the listener."""
        if self._transport is not None:
            self._transport.abort()
        self._end(why)

    def leftover(self) -> bool:
        """Whether part of a reply that nobody asked for is waiting."""
        return bool(self._rest or self._more)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, _exc: Exception | None) -> None:
        self._end("connection lost")

    def pause_writing(self) -> None:
        self.choked = True

    def resume_writing(self) -> None:
        self.choked = False
        if self._listener:
            self._listener.drained()

    def data_received(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\r\n")
        for line in lines:
            if not self.gone:
                self._line(line)
        if len(self._rest) > LINE_MAX:
            self.drop("reply too long")
        if self._listener and not self.gone:
            self._listener.caught_up()

    def _line(self, line: bytes) -> None:
        mark = line[3:4]
        if len(line) > LINE_MAX or not line[:3].isdigit() or mark not in (b" ", b"-", b""):
            self.drop("not an SMTP reply")
        elif mark == b"-":
            self._more.append(line)
            if len(self._more) > LINES_MAX:
                self.drop("reply too long")
        elif self._more:
            self._whole(b"\n".join([*self._more, line]))
        else:
            self._whole(line)

    def _whole(self, text: bytes) -> None:
        self._more.clear()
        if self._listener is None:
            self.drop("reply out of turn")
        else:
            self._listener.reply(text)

    def _end(self, why: str) -> None:
        if self.gone:
            return
        self.gone = why
        listener, self._listener = self._listener, None
        if listener:
            listener.lost(why)
