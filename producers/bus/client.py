"""The NATS client of a connection: it outlives what can't be read, and leaves no socket open."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import ConnectionClosedError, SecureConnRequiredError

from producers.access import Access
from producers.bus.errors import AccessRefused

_CLOSE_TIMEOUT_S = 0.2
_FLUSH_TIMEOUT_S = 2.0
_BLANK, _SPACE = " \t\n\r\v\f", re.compile(r"\s")
Info = dict[str, Any]
log = structlog.get_logger()


@contextmanager
def closing_client() -> Iterator[None]:
    """Suppress nats-py's own cancellation while a client closes; pass on that of the current task.

    A client that is closed while it reconnects cancels the future that its close awaits.
    """
    try:
        yield
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise


class BusClient(Client):
    """A client whose connection outlives what can't be read: a sender chooses headers and subject.

    An error would end the loop that reads for everything on this connection. Attempts to reconnect
    leave no socket open, and end when the client is closed.
    """

    _is_ended = False
    is_alone = False
    """Whether the server has told that it reaches no other one of its cluster."""
    _left: Any = None

    async def leave_server(self) -> None:
        """Go to another server, if one is known; the present one is tried last."""
        if self.is_connected and len(self._server_pool) > 1:
            log.warning("bus_server_left", server=self._server_info.get("server_name"))
            self._left = self._current_server
            await self.force_reconnect()

    async def _select_next_server(self) -> None:
        if self._left in self._server_pool:
            self._server_pool.remove(self._left)
            self._server_pool.append(self._left)
            self._left = None
        await super()._select_next_server()

    async def connect(self, *servers: Any, **options: Any) -> None:
        """As nats-py's; ends with its ConnectionClosedError if the client is closed meanwhile."""
        try:
            await super().connect(*servers, **options)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if self._is_ended and not (task and task.cancelling()):
                raise ConnectionClosedError from None
            raise

    async def _connect_to_server(self, s: Any) -> None:
        self._close_transport()
        if not self._is_ended:
            await super()._connect_to_server(s)
        if self._is_ended:  # Python 3.11's `wait_for` may swallow the cancellation of this attempt
            self._close_transport()
            self._status = Client.CLOSED
            raise asyncio.CancelledError

    async def _process_info(self, info: Info, initial_connection: bool = False) -> None:
        """As nats-py's; an address that the server names goes with our user and password.

        A server that has lost all others of its cluster is left at once.
        """
        self.is_alone = bool(info.get("cluster")) and len(info.get("connect_urls") or ()) == 1
        if (found := info.get("connect_urls")) and self._current_server:
            own, at, _ = self._current_server.uri.netloc.rpartition("@")
            info = info | {"connect_urls": [f"{own}{at}{address}" for address in found]}
        await super()._process_info(info, initial_connection)
        if self.is_alone and not initial_connection:
            await self.leave_server()

    def _close_transport(self) -> None:
        transport: Any = self._transport
        if transport:
            transport.close()

    async def _close(self, status: int, do_cbs: bool = True) -> None:
        """Send or drop pending commands, then close.

        On a lost connection nats-py's own close would fail while commands are pending, and leave
        the connection open and the subscriptions' tasks running. A server that the
        client has not signed in to gets nothing: it may be another one, or without TLS yet. A
        server that reads nothing of what is sent loses the connection after a moment.
        """
        self._is_ended |= status == Client.CLOSED
        pending, self._pending, self._pending_data_size = self._pending, [], 0
        if pending and (self.is_connected or self.is_draining):
            await self._send_last(pending)
        late = asyncio.get_running_loop().call_later(_FLUSH_TIMEOUT_S, self._abort_transport)
        try:
            await super()._close(status, do_cbs)
        finally:
            late.cancel()

    async def _send_last(self, pending: list[bytes]) -> None:
        """Send *pending*; a server that does not read it in time loses the connection."""
        transport: Any = self._transport
        with suppress(OSError):
            try:
                async with asyncio.timeout(_FLUSH_TIMEOUT_S):
                    transport.writelines(pending)
                    await transport.drain()
            except TimeoutError:
                self._abort_transport()

    def _abort_transport(self) -> None:
        """Drop the connection and its unsent data; nats-py has no public accessor."""
        writer = getattr(self._transport, "_io_writer", None)
        if writer:
            writer.transport.abort()

    async def _process_headers(self, headers: bytes) -> dict[str, str] | None:
        try:
            return await super()._process_headers(headers)
        except (ValueError, IndexError):
            return None

    @staticmethod
    def _parse_header_lines(raw: bytes) -> dict[str, str]:
        """As nats-py's, which decodes line by line and looks at each letter of a name."""
        found = {}
        for line in raw.decode("utf-8", "replace").split("\r\n"):
            name, colon, value = line.partition(":")
            name = name.strip(_BLANK)
            if colon and name.isascii() and not _SPACE.search(name):
                found[name] = value.strip(_BLANK)
        return found

    def _build_message(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: dict[str, str] | None
    ) -> Msg:
        try:
            message: Msg = super()._build_message(sid, subject, reply, data, headers)
        except UnicodeDecodeError:
            subject, reply = (name.decode(errors="replace").encode() for name in (subject, reply))
            message = super()._build_message(sid, subject, reply, data, headers)
        return message


class _TlsClient(BusClient):
    """A client that sends its credentials over TLS only, even to a server that offers none."""

    async def _process_info(self, info: Info, initial_connection: bool = False) -> None:
        if initial_connection and not info.get("tls_required"):
            raise SecureConnRequiredError
        await super()._process_info(info, initial_connection)


def create_client(url: str, access: Access) -> BusClient:
    """A client for *url*; one that insists on TLS where the address or a CA asks for it."""
    return _TlsClient() if access.ca_file or "tls://" in url else BusClient()


async def discard_client(nc: Client) -> None:
    """Close a client that did not connect. After a failed TLS handshake its close would hang."""
    with suppress(TimeoutError, AccessRefused), closing_client():
        async with asyncio.timeout(_CLOSE_TIMEOUT_S):
            await nc.close()
