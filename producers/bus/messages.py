"""Read stored messages: one from the leader, or many by direct get.

In a cluster any replica answers a direct get, also one that is behind. So each of these reads is
completed from the leader: it reflects every write that was acknowledged before the read began.
"""

import asyncio
import base64
import json
from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar

from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from producers.bus.connection import READ_PATIENCE_S, Connection
from producers.bus.errors import BusError, NoReply
from producers.bus.retry import retry_until

_NO_MESSAGE_CODE = 10037
T = TypeVar("T")
PAGE_SIZE = 256
_PAGE_BYTES = 4 << 20
_PERHAPS_MORE = 1
_BEHIND_PAUSES_S = (0.001, 0.004, 0.016)
_ALL = ">"
_COUNTED_PER_PAGE = 9_000
"""Subjects that the server counts in the time in which it reads one page."""
_LARGE = 1_000_000
"""Messages of a stream in which to count one filter's subjects may take a second, or many."""
_SPARSE = 8
"""A filter is worth to be counted if it matches less than one in so many of a page's messages."""
_TURN = 32
"""Messages of a scan after which other work of the process has its turn."""
_FIRST_WINDOW, _MAX_WINDOW = 64, 1 << 14
"""Sequences in a window that is read backwards: of the first, which is often enough; at most."""


@dataclass(frozen=True, slots=True)
class Message:
    """One stored message."""

    subject: str
    seq: int
    data: bytes
    headers: Mapping[str, str]
    time: datetime

    @property
    def is_deleted(self) -> bool:
        """In a bucket: a marker of a purged, deleted or expired key."""
        return "KV-Operation" in self.headers or "Nats-Marker-Reason" in self.headers


class Page(NamedTuple):
    """One answer to a direct get; `pending` more messages match behind it."""

    messages: list[Message]
    pending: int


async def read_message(
    link: Connection, stream: str, query: dict[str, Any], patience_s: float = READ_PATIENCE_S
) -> Message | None:
    """One message from the stream's leader; retried after NoReply."""
    try:
        reply = await link.repeatable_api_request(f"STREAM.MSG.GET.{stream}", query, patience_s)
    except BusError as error:
        if error.err_code == _NO_MESSAGE_CODE:
            return None
        raise
    return _from_api(reply["message"])


async def scan_messages(
    link: Connection, stream: str, subject: str, start: int
) -> AsyncIterator[Message]:
    """Every stored message on *subject* from sequence *start*, in order, up to the end."""
    limits = {"batch": PAGE_SIZE, "max_bytes": _PAGE_BYTES}
    asked = _PageFilter(subject, in_large=start == 1 and await _is_large(link, stream, subject))
    while True:
        query = {"seq": start, "next_by_subj": asked.filter, **limits}
        page = await _next_page(link, stream, query)
        wanted = [one for one in page.messages if asked.wants(one)]
        for number, message in enumerate(wanted, 1):
            yield message
            if number % _TURN == 0:
                await asyncio.sleep(0)
        if not page.pending:
            return
        start = page.messages[-1].seq + 1
        asked.choose(page, len(wanted))


async def _is_large(link: Connection, stream: str, subject: str) -> bool:
    """Whether *subject* has wildcards, and *stream* so many messages that it may match very many.

    A message of all tells it without counting.
    """
    if subject == _ALL or not {"*", _ALL} & set(subject.split(".")):
        return False
    query = {"seq": 1, "next_by_subj": _ALL, "batch": 1}
    return (await direct_get(link, stream, query)).pending > _LARGE


class _PageFilter:
    """The filter of a scan's next page: the wanted subject, or all messages if that costs less.

    With each page of a filter the server counts all subjects that match it. Where these are many,
    reading what does not match as well costs less; a page of all messages tells how many there are.
    In a large stream, where one count may outlast the reader's patience, pages of all come first.
    """

    def __init__(self, subject: str, *, in_large: bool) -> None:
        self.subject = subject
        self.filter = _ALL if in_large else subject
        self._pending: dict[str, int] = {}
        self._is_chosen = subject == _ALL

    def wants(self, message: Message) -> bool:
        return self.filter == self.subject or _covers(self.subject, message.subject)

    def choose(self, page: Page, wanted: int) -> None:
        """Choose by the last page, of whose messages *wanted* are of the subject."""
        if self._is_chosen:
            return
        self._pending[self.filter] = page.pending
        if len(self._pending) == 2:
            self._is_chosen, self.filter = True, self._cheaper()
        elif self.filter == _ALL:
            if wanted * _SPARSE < len(page.messages):
                self.filter = self.subject
        elif page.pending > _COUNTED_PER_PAGE:
            self.filter = _ALL

    def _cheaper(self) -> str:
        """The filter that costs the server less, now that it has counted for both."""
        everything, matching = self._pending[_ALL], self._pending[self.subject]
        is_costly = everything <= matching * (1 + matching / _COUNTED_PER_PAGE)
        return _ALL if is_costly else self.subject


def _covers(pattern: str, subject: str) -> bool:
    """Whether *pattern*, with the wildcards of NATS, covers *subject*."""
    wanted, given = pattern.split("."), subject.split(".")
    if wanted[-1] == _ALL and len(given) >= len(wanted):
        del wanted[-1], given[len(wanted) :]
    pairs = zip(wanted, given, strict=False)
    return len(wanted) == len(given) and all(word in {"*", own} for word, own in pairs)


async def chunked(stream: AsyncIterable[T], size: int) -> AsyncIterator[list[T]]:
    """Yield the items of *stream* in lists of *size*; the last one may be shorter."""
    chunk: list[T] = []
    async for item in stream:
        chunk.append(item)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


async def scan_backwards(
    link: Connection, stream: str, subject: str, span: tuple[int, int]
) -> AsyncIterator[Message]:
    """Stored messages on *subject* within *span*, latest first, a window of sequences at a time."""
    first, high = span
    size = _FIRST_WINDOW
    while high >= first:
        low = max(high - size + 1, first)
        found = await _read_window(link, stream, subject, (low, high))
        for message in reversed(found):
            yield message
        high = low - 1
        if size < PAGE_SIZE or len(found) < PAGE_SIZE // 4:
            size = min(size * 2, _MAX_WINDOW)


async def first_seq_since(link: Connection, stream: str, moment: datetime) -> int | None:
    """The sequence of the first message at or after *moment*; None without one."""
    query = {"start_time": moment.astimezone(UTC).isoformat(), "next_by_subj": ">", "batch": 1}

    async def attempt() -> int | None:
        page = await direct_get(link, stream, query)
        if page.messages:
            return page.messages[0].seq
        if link.is_clustered and (last := await last_message(link, stream)) and last.time >= moment:
            raise _ReplicaBehind
        return None

    return await retry_until(attempt, READ_PATIENCE_S, link.closed)


async def count_since(link: Connection, stream: str, subject: str, moment: datetime) -> int:
    """The number of messages on *subject* at or after *moment*; a replica may lack the last."""
    start = moment.astimezone(UTC).isoformat()
    page = await direct_get(
        link, stream, {"start_time": start, "next_by_subj": subject, "batch": 1}
    )
    return len(page.messages) + page.pending


async def _read_window(
    link: Connection, stream: str, subject: str, span: tuple[int, int]
) -> list[Message]:
    """The messages on *subject* within *span*, in order."""
    found: list[Message] = []
    start, last = span
    while start <= last:
        batch = min(PAGE_SIZE, last - start + 1)
        query = {"seq": start, "next_by_subj": subject, "batch": batch, "max_bytes": _PAGE_BYTES}
        page = await _next_page(link, stream, query)
        found += [message for message in page.messages if message.seq <= last]
        if not page.pending or not page.messages:
            break
        start = page.messages[-1].seq + 1
    return found


async def _next_page(link: Connection, stream: str, query: dict[str, Any]) -> Page:
    """A page of a scan; where a replica has no more, with the leader's next one, if it has it."""
    page = await direct_get(link, stream, query)
    if page.pending or not link.is_clustered:
        return page
    start = page.messages[-1].seq + 1 if page.messages else query["seq"]
    wanted = {"seq": start, "next_by_subj": query["next_by_subj"]}
    following = await read_message(link, stream, wanted)
    return Page([*page.messages, following], _PERHAPS_MORE) if following else page


async def last_message(link: Connection, stream: str) -> Message | None:
    """The last message that the leader of *stream* has; None without one."""
    return await read_message(link, stream, {"last_by_subj": ">"})


async def last_messages(
    link: Connection, stream: str, subjects: Sequence[str], min_seq: int = 0
) -> list[Message]:
    """The last message on each of *subjects*, as of sequence *min_seq* at least.

    In a cluster as of the leader's last message, if that is later.
    """
    if not link.is_clustered:
        return (await direct_get(link, stream, {"multi_last": list(subjects)}, min_seq)).messages

    async def attempt() -> list[Message]:
        return await _last_messages(link, stream, subjects, min_seq)

    return await retry_until(attempt, READ_PATIENCE_S, link.closed)


async def _last_messages(
    link: Connection, stream: str, subjects: Sequence[str], min_seq: int
) -> list[Message]:
    """Ask for the last message of all, too: a replica that finds none is silent on how far it is.

    Raises NoReply if the replica is behind.
    """
    if (last := await last_message(link, stream)) is None:
        return []
    query = {"multi_last": [*subjects, *({last.subject} - set(subjects))]}
    found = await direct_get(link, stream, query, max(last.seq, min_seq))
    if not found.messages:
        raise _ReplicaBehind
    return [message for message in found.messages if message.subject in subjects]


async def direct_get(
    link: Connection, stream: str, query: dict[str, Any], min_seq: int = 0
) -> Page:
    """The messages that *query* selects. Raises NoReply instead of returning a part of them.

    Any replica may answer; one that has not yet seen sequence *min_seq* is asked again.
    """

    async def attempt() -> Page:
        subject = f"$JS.API.DIRECT.GET.{stream}"
        for pause_s in _BEHIND_PAUSES_S:  # it mostly lacks a millisecond
            with suppress(_ReplicaBehind):
                return await _Collector(link, min_seq).ask(subject, query)
            await asyncio.sleep(pause_s)
        return await _Collector(link, min_seq).ask(subject, query)

    return await retry_until(attempt, READ_PATIENCE_S, link.closed)


class _ReplicaBehind(NoReply):
    """A replica that is behind has answered a direct get."""

    def __init__(self) -> None:
        super().__init__("direct get: from a replica that is behind")


class _Collector:
    """Collects the replies to one direct get, until the final one."""

    def __init__(self, link: Connection, since: int) -> None:
        self.link = link
        self.since = since
        self.messages: list[Message] = []
        self.end: asyncio.Future[Mapping[str, str]] = asyncio.get_running_loop().create_future()

    async def ask(self, subject: str, query: dict[str, Any]) -> Page:
        nc = self.link.nc
        async with self.link.awaiting_reply(subject, 5.0):
            inbox = nc.new_inbox()
            subscription = await nc.subscribe(inbox, cb=self._on_reply)
            try:
                await nc.publish(subject, json.dumps(query).encode(), reply=inbox)
                return self._build_page(await self.end)
            finally:
                with suppress(NatsError):
                    await subscription.unsubscribe()

    async def _on_reply(self, msg: Msg) -> None:
        headers = msg.headers or {}
        if "Nats-Subject" in headers:  # a stored message may have a header "Status" of its own
            self.messages.append(_from_direct(msg.data, headers))
        elif not self.end.done():
            self.end.set_result(headers)

    def _build_page(self, end: Mapping[str, str]) -> Page:
        status = end["Status"]
        if status == "404":
            return Page([], 0)
        if status == "503":
            raise NoReply("direct get: nobody answers")
        if status != "204":
            raise BusError(f"direct get: refused with status {status}")
        if self.messages and int(end["Nats-Last-Sequence"]) != self.messages[-1].seq:
            raise NoReply("direct get: a part of the answer was lost")
        if self.since > int(end.get("Nats-UpTo-Sequence", 0)):
            raise _ReplicaBehind
        return Page(self.messages, int(end["Nats-Num-Pending"]))


def _from_direct(data: bytes, headers: Mapping[str, str]) -> Message:
    return Message(
        subject=headers["Nats-Subject"],
        seq=int(headers["Nats-Sequence"]),
        data=data,
        headers=headers,
        time=datetime.fromisoformat(headers["Nats-Time-Stamp"]),
    )


def _from_api(stored: dict[str, Any]) -> Message:
    return Message(
        subject=stored["subject"],
        seq=stored["seq"],
        data=base64.b64decode(stored.get("data", "")),
        headers=_headers(base64.b64decode(stored.get("hdrs", ""))),
        time=datetime.fromisoformat(stored["time"]),
    )


def _headers(block: bytes) -> dict[str, str]:
    lines = (line.partition(":") for line in block.decode(errors="replace").split("\r\n")[1:])
    return {name: value.strip() for name, separator, value in lines if separator}
