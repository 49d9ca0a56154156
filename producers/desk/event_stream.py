"""Server-sent events for people who watch: bounded in number, ended with session or right.

Each answer goes on until its session or its right to watch ends, its reader goes away or does not
read, or its events end. All of them together cost one look at the sessions every two seconds, and
at most one at each item.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

import structlog
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from contracts.desk.live import LiveDeliveries, SessionCheck
from contracts.desk.previews import Wanted
from producers.bus import BusError

log = structlog.get_logger()
_MOST_STREAMS, MOST_PER_ACCOUNT = 500, 20
_CHECK_S = 2.0
_HEARTBEAT_S = 10.0
_UNREAD_S = 10.0
"""How long an event may take to be sent: who does not read is dropped."""
_LONGEST_S = 3600.0
"""After that the browser connects anew, as its rules of reconnection say."""
_HEARTBEAT = b": still here\n\n"
_ENDED = b"event: ended\ndata: session\n\n"


@dataclass
class _Open:
    """One stream. `ended`: its session has, or its right."""

    token: str
    watched: Wanted
    ended: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class OpenStreams:
    """The streams of one process. They are checked while there are some."""

    sessions: SessionCheck
    live: LiveDeliveries
    streams: dict[int, _Open] = field(default_factory=dict)
    by_account: Counter[str] = field(default_factory=Counter)
    _check: asyncio.Task[None] | None = None

    def has_room(self, account: str) -> bool:
        is_full = len(self.streams) >= _MOST_STREAMS
        return not is_full and self.by_account[account] < MOST_PER_ACCOUNT

    def open(self, token: str, watched: Wanted) -> _Open:
        stream = _Open(token, watched)
        self.streams[id(stream)] = stream
        self.by_account[watched.account] += 1
        if self._check is None:
            self._check = asyncio.create_task(self._keep_checking())
        return stream

    def close(self, stream: _Open) -> None:
        del self.streams[id(stream)]
        account = stream.watched.account
        self.by_account[account] -= 1
        if not self.by_account[account]:
            del self.by_account[account]
        if not self.streams and self._check:
            self._check.cancel()
            self._check = None

    async def _keep_checking(self) -> None:
        while True:
            await asyncio.sleep(_CHECK_S)
            try:
                await self._end_what_ended(list(self.streams.values()))
            except BusError as error:  # no page is served now either; the next look decides
                log.warning("stream_sessions_not_read", error=type(error).__name__)

    async def _end_what_ended(self, asked: Sequence[_Open]) -> None:
        """End the streams whose session has ended, and those of people who may watch no longer."""
        living = await self.sessions.living({one.token for one in asked})
        barred = await self.live.barred({one.watched for one in asked if one.token in living})
        for one in asked:
            if one.token not in living or one.watched in barred:
                one.ended.set()


class EventStream(Response):
    """The answer whose body is *events*, each the data of one event."""

    media_type = "text/event-stream"

    def __init__(
        self, events: AsyncGenerator[str, None], streams: OpenStreams, of: tuple[str, Wanted]
    ) -> None:
        super().__init__(headers={"X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self.events, self.streams, self.of = events, streams, of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "HEAD":
            await PlainTextResponse(headers=self.headers)(scope, receive, send)
            return
        stream = self.streams.open(*self.of)
        try:
            start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
            await send(start)
            await self._run(stream, receive, send)
        except (TimeoutError, OSError) as error:
            log.info("stream_dropped", error=type(error).__name__)
        finally:
            self.streams.close(stream)

    async def _run(self, stream: _Open, receive: Receive, send: Send) -> None:
        """Send until the first of: the events, the right, the reader's connection ends."""
        work = [
            asyncio.create_task(one)
            for one in (self._send_all(send), stream.ended.wait(), _disconnected(receive))
        ]
        try:
            await asyncio.wait(work, timeout=_LONGEST_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in work:
                task.cancel()
            results = await asyncio.gather(*work, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result
        if not work[2].done() or work[2].cancelled():
            await _send(send, _ENDED if stream.ended.is_set() else b"", more=False)

    async def _send_all(self, send: Send) -> None:
        async with aclosing(_with_heartbeats(self.events)) as parts:
            async for part in parts:
                await _send(send, part)


async def _send(send: Send, body: bytes, *, more: bool = True) -> None:
    """Raises TimeoutError for a reader who does not read."""
    async with asyncio.timeout(_UNREAD_S):
        await send({"type": "http.response.body", "body": body, "more_body": more})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _with_heartbeats(events: AsyncGenerator[str, None]) -> AsyncGenerator[bytes, None]:
    """Each event as it is sent, and a comment where none has come for a while."""
    waiting: asyncio.Future[str] | None = None
    try:
        while True:
            waiting = waiting or asyncio.ensure_future(anext(events))
            done, _ = await asyncio.wait({waiting}, timeout=_HEARTBEAT_S)
            if not done:
                yield _HEARTBEAT
                continue
            try:
                data = waiting.result()
            except StopAsyncIteration:
                return
            waiting = None
            yield _encode(data)
    finally:
        if waiting:
            waiting.cancel()
            await asyncio.wait({waiting})
        await events.aclose()


def _encode(data: str) -> bytes:
    lines = "".join(f"data: {line}\n" for line in data.splitlines())
    return f"{lines}\n".encode()
