"""One connection to NATS: settings, reconnecting, requests that end with a reply or a BusError."""

import asyncio
import json
import math
import os
import re
import socket
import ssl
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from typing import Any

import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import (
    BadHeaderError,
    BadSubjectError,
    MaxPayloadError,
    NoRespondersError,
    SecureConnRequiredError,
)
from nats.errors import Error as NatsError

from producers.access import Access, without_password
from producers.bus.client import BusClient, closing_client, create_client, discard_client
from producers.bus.errors import (
    AccessRefused,
    BusError,
    Denied,
    NoLeader,
    NoReply,
    NotConnected,
    RevisionConflict,
    StorageFull,
    UnknownHost,
    UntrustedServer,
)
from producers.bus.retry import retry_until

Reply = dict[str, Any]
_NO_LIMIT: Any = None
READ_PATIENCE_S = 10.0
_SILENT_S = 3.0
"""How long a request to a cluster's server is unanswered before it counts."""
_STAY_S = 30.0
"""The least time between two departures from a server."""
_WRONG_REVISION_CODES = frozenset({10071, 10164})  # wrong last sequence
_FULL_CODES = frozenset({10023, 10047, 10077, 10122})  # the disk's or the stream's limit
_UNKNOWN_RESULT_CODES = frozenset({10176, 10210, 10211})  # an incomplete atomic batch, or too many
_DENIED, _MAX_LOGGED_ERRORS = "permissions violation", 100
_DENIED_SUBJECT = re.compile(r'permissions violation for publish to "([^"]+)"', re.IGNORECASE)
_REVISION_PATTERN = re.compile(r"wrong last sequence: (\d+)")
log = structlog.get_logger()


class ServerLiveness:
    """Time since which nothing shows that the server reaches others, by a monotonic clock.

    A server that is cut off from the others keeps its clients, and goes on leading streams for ten
    seconds without being able to write; its reads still answer.
    """

    def __init__(self) -> None:
        self._connected_at = self._stored_at = self._left_at = -math.inf

    def connected(self, now: float) -> None:
        self._connected_at = now

    def stored(self, now: float) -> None:
        """A write was stored, which only a server that reaches others can do."""
        self._stored_at = now

    def is_lost(self, asked_at: float, now: float, *, is_alone: bool = False) -> bool:
        """Whether to leave the server now, as a request of *asked_at* has no answer.

        A busy server may answer one request late; it stores others meanwhile. *is_alone*: the
        server itself tells that it reaches no other one, so any failure counts.
        """
        since = (
            self._connected_at if is_alone else max(asked_at, self._connected_at, self._stored_at)
        )
        if now - since < _SILENT_S or now - self._left_at < _STAY_S:
            return False
        self._left_at = now
        return True


class Connection:
    """Requests with time-outs over a NATS client that is replaced after a final close."""

    def __init__(self) -> None:
        self.nc = BusClient()
        self.closed = asyncio.Event()
        self.reopening: asyncio.Task[None] | None = None
        self.disconnects = 0  # subscriptions end with each of them
        self._connected = asyncio.Event()
        self.liveness = ServerLiveness()
        self._leaving: asyncio.Task[None] | None = None
        self._waiting: dict[asyncio.Timeout, str] = {}  # the subject of each pending request
        self._denied: set[str] = set()  # subjects in lower case, as nats-py passes them on
        self._logged_errors: set[str] = set()
        self._refusal_logged_at = -math.inf

    @property
    def server_info(self) -> Reply:
        """The server's INFO: `server_id`, `version`, `max_payload`."""
        return dict(self.nc._server_info)  # no public accessor in nats-py

    @property
    def is_clustered(self) -> bool:
        """Whether the server is one of several: a direct read may come from one that is behind."""
        return bool(self.server_info.get("cluster"))

    async def request(
        self,
        subject: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 5.0,
    ) -> Msg:
        """Send one request, only while connected. Raises NoReply without a timely answer.

        nats-py gets no time-out of its own: two cost as much as the rest of a request.
        """
        copied, asked_at = dict(headers) if headers else None, time.monotonic()
        try:
            async with self.awaiting_reply(subject, timeout_s):
                return await self.nc.request(subject, body, timeout=_NO_LIMIT, headers=copied)
        except NoReply as error:
            self._leave_cut_off_server(asked_at, error)
            raise

    def note_stored(self) -> None:
        """Note that the server has stored a write."""
        self.liveness.stored(time.monotonic())

    def _leave_cut_off_server(self, asked_at: float, error: NoReply) -> None:
        """Go to another server of a cluster where nothing is answered and nothing is stored."""
        nc = self.nc
        if isinstance(error, Denied) or not (self.is_clustered and nc.is_connected):
            return
        if self.liveness.is_lost(asked_at, time.monotonic(), is_alone=nc.is_alone):
            self._leaving = asyncio.create_task(nc.leave_server())

    async def api_request(
        self, call: str, query: Reply | None = None, timeout_s: float = 5.0
    ) -> Reply:
        """One JetStream API call, answered by the leader."""
        body = json.dumps(query).encode() if query is not None else b""
        return parse_reply(await self.request(f"$JS.API.{call}", body, timeout_s=timeout_s))

    async def repeatable_api_request(
        self, call: str, query: Reply | None = None, patience_s: float = READ_PATIENCE_S
    ) -> Reply:
        """A JetStream API call that is safe to repeat; retried after NoReply."""
        attempt = partial(self.api_request, call, query, min(patience_s, 2.0))
        return await retry_until(attempt, patience_s, self.closed)

    @asynccontextmanager
    async def awaiting_reply(self, subject: str, timeout_s: float) -> AsyncIterator[None]:
        """Wait for the connection, limit the time of the body, and translate errors to BusErrors.

        A cancellation always gets through: Python 3.11's `wait_for`, which nats-py uses, swallows
        one that arrives together with the answer.
        """
        cancelled = _count_cancellations()
        try:
            async with asyncio.timeout(timeout_s) as limit:
                if not self.nc.is_connected:
                    await self._connected.wait()
                with self._until_lost(limit, subject):
                    yield
        except MaxPayloadError as error:
            raise BusError(f"{subject}: larger than the server takes") from error
        except (BadSubjectError, BadHeaderError) as error:
            raise BusError(f"{subject!r} or a header can't be sent") from error
        except (TimeoutError, NatsError, OSError) as error:
            raise self._silence(subject, error) from error
        if _count_cancellations() > cancelled:
            raise asyncio.CancelledError

    def _silence(self, subject: str, error: Exception) -> NoReply:
        """Why no answer came."""
        if subject.lower() in self._denied:
            return Denied(subject)
        kind = NoLeader if isinstance(error, NoRespondersError) else NoReply
        return kind(f"{subject}: {type(error).__name__}")

    @contextmanager
    def _until_lost(self, limit: asyncio.Timeout, subject: str) -> Iterator[None]:
        """Register a time-out that ends at once when the connection is lost, or says no."""
        self._waiting[limit] = subject
        try:
            yield
        finally:
            del self._waiting[limit]

    async def on_connected(self) -> None:
        self._logged_errors.clear()
        self._denied.clear()
        self.liveness.connected(time.monotonic())
        self._connected.set()
        log.info("bus_connected")

    async def on_disconnected(self) -> None:
        self.disconnects += 1
        self._end_pending_requests()
        if not self.closed.is_set():  # a closed bus refuses what is asked, and waits for nothing
            self._connected.clear()
            log.warning("bus_disconnected")

    def _end_pending_requests(self, denied: str | None = None) -> None:
        """End every pending request, or those to the subject *denied*."""
        now = asyncio.get_running_loop().time()
        for limit, subject in self._waiting.items():
            if not limit.expired() and denied in {None, subject.lower()}:
                limit.reschedule(now)

    async def close(self) -> None:
        """Close the connection; pending requests end with NoReply."""
        self.closed.set()
        self._connected.set()
        if self.reopening is not None:
            self.reopening.cancel()
            await asyncio.wait([self.reopening])
        with closing_client():
            await self.nc.close()
        self._end_pending_requests()
        log.info("bus_closed")

    async def on_error(self, error: Exception) -> None:
        """Log each kind of error once per outage: a reconnecting client repeats itself.

        Each subject that this client has no right to is logged, too.
        """
        kind, detail = type(error).__name__, str(error)[:200]
        is_denied = _DENIED in detail
        if found := _DENIED_SUBJECT.search(detail):
            self._denied.add(subject := found[1].lower())
            self._end_pending_requests(subject)
        key = detail if is_denied else kind
        if key in self._logged_errors or len(self._logged_errors) >= _MAX_LOGGED_ERRORS:
            return
        self._logged_errors.add(key)
        if is_denied:
            log.error("bus_denied", detail=detail)
        else:
            log.warning("bus_trouble", error=kind, detail=detail)

    def log_refusal(self, refused: AccessRefused) -> None:
        """Log that the server refuses us, once a minute as long as it does."""
        now = time.monotonic()
        if now - self._refusal_logged_at >= _REFUSAL_LOG_S:
            self._refusal_logged_at = now
            log.error("bus_refused", reason=str(refused), variable=refused.variable)


def _count_cancellations() -> int:
    task = asyncio.current_task()
    return task.cancelling() if task else 0


def parse_reply(msg: Msg) -> Reply:
    """The JSON reply in *msg*. Raises the BusError that it carries."""
    reply: Reply = json.loads(msg.data)
    if "error" in reply:
        raise _error_from_reply(reply["error"])
    return reply


def _error_from_reply(error: Reply) -> BusError:
    number, text = error.get("err_code", 0), str(error.get("description", ""))
    if number in _WRONG_REVISION_CODES:
        match = _REVISION_PATTERN.search(text)
        return RevisionConflict(text, number, int(match[1]) if match else None)
    if number in _FULL_CODES:
        return StorageFull(text, number)
    if number in _UNKNOWN_RESULT_CODES or error.get("code") == 503:
        return NoReply(text, number)
    return BusError(text, number)


_CONNECT_TIMEOUT_S = 2.0
_REFUSAL_LOG_S = 60.0
_REFUSAL_PATTERN = re.compile(r"authorization violation|authentication (expired|revoked)", re.I)


def _refusal_in(error: Exception, access: Access) -> AccessRefused | None:
    """The refusal in an error of the client, if it is one."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return UntrustedServer(
            f"the server's certificate is refused: {error.verify_message}", "LOA_NATS_CA_FILE"
        )
    if isinstance(error, SecureConnRequiredError):
        return UntrustedServer("the server does not offer TLS", "LOA_NATS_URL")
    if isinstance(error, NatsError) and (found := _REFUSAL_PATTERN.search(str(error))):
        return AccessRefused(f"the server refuses the credentials: {found[0]}", access.variable)
    return None


async def connect(url: str, name: str, access: Access, patience_s: float) -> Connection:
    """A live connection to one of the servers in *url* (separated by commas)."""
    try:
        options = _options(name, access)
    except OSError as error:
        raise AccessRefused(f"unusable credentials: {error}", access.variable) from error
    link, opener = Connection(), _ClientOpener(url, options, access)
    try:
        await retry_until(partial(opener.open, link), patience_s, link.closed)
    except NoReply as silent:
        raise opener.absence() from silent
    return link


def _options(name: str, access: Access) -> dict[str, Any]:
    return access.client_options() | {
        "name": name,
        "ping_interval": 5,
        "max_outstanding_pings": 2,  # a dead server is detected within 10 to 15 s
        "reconnect_time_wait": 0.25,
        "max_reconnect_attempts": -1,
        "pending_size": 0,  # no buffering while disconnected: stale messages must not be sent
    }


def _error_text(error: Exception | None) -> str:
    """*error* in words; of an error of the system without numbers and addresses."""
    if isinstance(error, OSError) and error.errno and not isinstance(error, ssl.SSLError):
        return os.strerror(error.errno)
    return str(error or "") or "no answer"


class _ClientOpener:
    """Opens the client of a connection, and a new one after a server closed it for good.

    nats-py reconnects after a broken connection, but gives up when the server states a reason
    (rights withdrawn for a moment, too slow, too many connections).
    """

    def __init__(self, url: str, options: dict[str, Any], access: Access) -> None:
        self._url = url
        self._options = options
        self._access = access
        self._trouble: Exception | None = None

    def absence(self) -> NotConnected:
        """Why the last attempt has reached no server, as far as it came."""
        address = without_password(self._url)
        if isinstance(self._trouble, socket.gaierror):
            return UnknownHost(f"LOA_NATS_URL: no machine has the name in {address}", address)
        why = _error_text(self._trouble)
        return NotConnected(f"LOA_NATS_URL: not connected to {address}: {why}", address, why)

    async def open(self, link: Connection) -> None:
        """Connect, once. Raises NotConnected, AccessRefused."""
        nc = create_client(self._url, self._access)
        servers = self._url.split(",")
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT_S):
                await nc.connect(servers, **self._options, **self._callbacks(link, nc))
        except (TimeoutError, NatsError, OSError, AccessRefused) as error:
            self._trouble = nc.last_error or error
            await discard_client(nc)
            if isinstance(error, AccessRefused):
                raise
            raise self.absence() from error
        except asyncio.CancelledError:
            await discard_client(nc)
            raise
        link.nc = nc
        await link.on_connected()

    def _callbacks(self, link: Connection, nc: BusClient) -> dict[str, Any]:
        async def up() -> None:
            await link.on_connected()

        async def down() -> None:
            if link.nc is nc:
                await link.on_disconnected()

        async def closed() -> None:
            if link.nc is nc and not link.closed.is_set():
                log.warning("bus_closed_by_server", error=type(nc.last_error).__name__)
                link.reopening = asyncio.create_task(self._reopen(link))

        return {
            "error_cb": partial(self._on_error, link, nc),
            "reconnected_cb": up,
            "disconnected_cb": down,
            "closed_cb": closed,
        }

    async def _on_error(self, link: Connection, nc: Client, error: Exception) -> None:
        """Log the error; one that refuses a client that is not connected yet ends its attempt."""
        refused = _refusal_in(error, self._access)
        if refused is None:
            self._trouble = error
            await link.on_error(error)
        elif link.nc is nc:
            link.log_refusal(refused)
        else:
            raise refused

    async def _reopen(self, link: Connection) -> None:
        with suppress(NoReply):  # raised only after close()
            await retry_until(partial(self._open_again, link), None, link.closed)

    async def _open_again(self, link: Connection) -> None:
        """As `open`; a refusal may end, so it is logged, and tried again like liveness."""
        try:
            await self.open(link)
        except AccessRefused as refused:
            link.log_refusal(refused)
            raise NoReply(str(refused)) from refused
