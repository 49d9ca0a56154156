"""One connection to NATS that only asks questions: each ends with an answer or a BusError."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any

import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import BadHeaderError, BadSubjectError, MaxPayloadError
from nats.errors import Error as NatsError

from producers.bus.errors import BusError, Conflict, Full, Silence
from producers.bus.patience import patiently

Answer = dict[str, Any]
NO_LIMIT: Any = None

READ_PATIENCE_S = 10.0
LOST = frozenset({10071, 10164})  # wrong last sequence
NO_ROOM = frozenset({10023, 10047, 10077, 10122})  # the disk's or the stream's limit
FELL_APART = frozenset({10176, 10210, 10211})  # an atomic batch incomplete, or too many at once
REVISION = re.compile(r"wrong last sequence: (\d+)")

log = structlog.get_logger()


class Link:
    """Requests with time-outs over a client that `connect` provides, and provides again."""

    def __init__(self) -> None:
        self.nc = Client()
        self.closed = asyncio.Event()
        self.revival: asyncio.Task[None] | None = None
        self.losses = 0  # how often the connection was lost; what lived on it is gone then
        self._up = asyncio.Event()
        self._waiting: set[asyncio.Timeout] = set()
        self._told: set[str] = set()

    @property
    def server_info(self) -> Answer:
        """What the server we talk to said at connecting: `server_id`, `version`, `max_payload`."""
        return dict(self.nc._server_info)  # nats-py has no public way to it

    async def ask(
        self,
        subject: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 5.0,
    ) -> Msg:
        """One request, sent only while connected. Raises Silence when no answer came in time.

        nats-py gets no time-out of its own: two cost as much as the rest of a request.
        """
        known = dict(headers) if headers else None
        async with self.answering(subject, timeout_s):
            return await self.nc.request(subject, body, timeout=NO_LIMIT, headers=known)

    async def api(self, call: str, query: Answer | None = None, timeout_s: float = 5.0) -> Answer:
        """One JetStream API call, answered by the leader."""
        body = json.dumps(query).encode() if query is not None else b""
        return answer(await self.ask(f"$JS.API.{call}", body, timeout_s=timeout_s))

    async def insist(
        self, call: str, query: Answer | None = None, patience_s: float = READ_PATIENCE_S
    ) -> Answer:
        """A JetStream API call that a repeat can't harm: asked again after silence."""
        attempt = partial(self.api, call, query, min(patience_s, 2.0))
        return await patiently(attempt, patience_s, self.closed)

    @asynccontextmanager
    async def answering(self, subject: str, timeout_s: float) -> AsyncIterator[None]:
        """Wait for the connection, bound what happens inside, and turn trouble into BusErrors.

        A cancellation gets through in any case: Python 3.11's `wait_for`, which nats-py uses, keeps
        one to itself that comes together with the answer.
        """
        cancelled = _cancellations()
        try:
            async with asyncio.timeout(timeout_s) as limit:
                if not self.nc.is_connected:
                    await self._up.wait()
                with self._until_lost(limit):
                    yield
        except MaxPayloadError as error:
            raise BusError(f"{subject}: larger than the server takes") from error
        except (BadSubjectError, BadHeaderError) as error:
            raise BusError(f"{subject!r} or a header can't be sent") from error
        except (TimeoutError, NatsError, OSError) as error:
            raise Silence(f"{subject}: {type(error).__name__}") from error
        if _cancellations() > cancelled:
            raise asyncio.CancelledError

    @contextmanager
    def _until_lost(self, limit: asyncio.Timeout) -> Iterator[None]:
        """What was asked on a connection that is lost will not be answered: don't wait for it."""
        self._waiting.add(limit)
        try:
            yield
        finally:
            self._waiting.discard(limit)

    async def on_up(self) -> None:
        self._told.clear()
        self._up.set()
        log.info("bus_connected")

    async def on_down(self) -> None:
        self._up.clear()
        self.losses += 1
        self._release()
        if not self.closed.is_set():
            log.warning("bus_disconnected")

    def _release(self) -> None:
        """Whoever waits for an answer gets Silence now."""
        now = asyncio.get_running_loop().time()
        for limit in self._waiting:
            if not limit.expired():
                limit.reschedule(now)

    async def close(self) -> None:
        """End it; whoever waits for an answer gets Silence."""
        self.closed.set()
        self._up.set()
        if self.revival is not None:
            self.revival.cancel()
            await asyncio.wait([self.revival])
        with closing():
            await self.nc.close()
        self._release()
        log.info("bus_closed")

    async def on_trouble(self, error: Exception) -> None:
        """Say each kind of trouble once per outage: a client that reconnects repeats itself."""
        kind = type(error).__name__
        if kind in self._told:
            return
        self._told.add(kind)
        log.warning("bus_trouble", error=kind, detail=str(error)[:200])


def _cancellations() -> int:
    task = asyncio.current_task()
    return task.cancelling() if task else 0


@contextmanager
def closing() -> Iterator[None]:
    """Around the close of a nats-py client: only a cancellation of our own task gets through.

    A client that is closed while it reconnects cancels the very future on which its close waits.
    """
    try:
        yield
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise


def answer(msg: Msg) -> Answer:
    """The JSON answer in *msg*. Raises the BusError it carries."""
    said: Answer = json.loads(msg.data)
    if "error" in said:
        raise refusal(said["error"])
    return said


def refusal(error: Answer) -> BusError:
    """What JetStream's error object means to a caller."""
    number, text = error.get("err_code", 0), str(error.get("description", ""))
    if number in LOST:
        found = REVISION.search(text)
        return Conflict(text, number, int(found[1]) if found else None)
    if number in NO_ROOM:
        return Full(text, number)
    if number in FELL_APART or error.get("code") == 503:
        return Silence(text, number)
    return BusError(text, number)
