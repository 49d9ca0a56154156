"""One process's way to the bus, with every fault that a network and a server can show."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from producers.bus import Ack, BatchEntry, BusError, Message, NoReply, Value
from tests.deep.model.random_streams import RandomStream
from tests.deep.model.server import Server, Table
from tests.deep.model.virtual_loop import ProcessState, VirtualLoop

READ_S, READ_PATIENCE_S = 2.0, 10.0
WRITE_S, WRITE_PATIENCE_S = 5.0, 30.0


@dataclass
class NetworkFaults:
    """How often a request is lost on its way, its answer is lost, or it arrives much later."""

    lost: float = 0.0
    unanswered: float = 0.0
    late: float = 0.0
    slow: float = 0.0
    base_s: float = 0.001

    def healed(self) -> None:
        self.lost = self.unanswered = self.late = self.slow = 0.0


@dataclass
class NetworkClient:
    """Asks the server for *actor*; `stumble` is where the actor may be frozen or killed."""

    actor: ProcessState
    server: Server
    loop: VirtualLoop
    weather: NetworkFaults
    chance: RandomStream
    interrupt: Callable[[str], Any]

    async def ask(self, what: str, apply: Callable[[], Any], timeout_s: float) -> Any:
        """One request. Raises Silence when no answer came, and what *apply* raises."""
        if wait := self.interrupt(what):
            await wait
        answer = self.loop.create_future()
        self.send(apply, answer)
        timer = self.loop.call_later(timeout_s, complete, answer, NoReply("no answer"))
        if wait := self.interrupt(what + ", asked"):
            await wait
        said = await answer
        timer.cancel()
        if isinstance(said, BusError):
            raise said
        return said

    def send(self, apply: Callable[[], Any], answer: asyncio.Future[Any]) -> None:
        delay_s = self.delay_s()
        if self.chance.is_hit(self.weather.lost):
            self.server.seen["a request was lost"] += 1
            return
        if self.chance.is_hit(self.weather.late):
            delay_s += self.chance.duration(((0.5, 6.0), (5.0, 40.0)))
            self.server.seen["a request arrived late"] += 1
        self.loop.later(delay_s, self.arrive, apply, answer)

    def delay_s(self) -> float:
        if self.chance.is_hit(self.weather.slow):
            return self.chance.between(0.01, 3.0)
        return self.weather.base_s * self.chance.between(0.2, 4.0)

    def arrive(self, apply: Callable[[], Any], answer: asyncio.Future[Any]) -> None:
        if self.actor.cut_off:
            self.server.seen["a request met a partition"] += 1
            return
        said: Any
        try:
            said = apply()
        except BusError as refused:
            said = refused
        if self.chance.is_hit(self.weather.unanswered):
            self.server.seen["an answer was lost"] += 1
            return
        self.loop.later(self.delay_s(), self.reply, answer, said)

    def reply(self, answer: asyncio.Future[Any], said: Any) -> None:
        if not self.actor.cut_off:
            complete(answer, said)

    async def ask_until_answered(
        self, what: str, apply: Callable[[], Any], once_s: float, patience_s: float
    ) -> Any:
        """Ask again after silence, as the product's bus does."""
        until, pause_s = self.loop.time() + patience_s, 0.05
        while True:
            rest_s = until - self.loop.time()
            try:
                return await self.ask(what, apply, min(once_s, rest_s))
            except NoReply:
                self.server.seen["a question was asked again"] += 1
                if until - self.loop.time() <= pause_s:
                    raise
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, 1.0)

    def send_reply(self, apply: Callable[[], Any]) -> None:
        """Send without an answer: acknowledgements. What is lost is lost."""
        self.send(apply, self.loop.create_future())


def complete(answer: asyncio.Future[Any], said: Any) -> None:
    if not answer.done():
        answer.set_result(said)


class SimBucket:
    """The part of `producers.bus.Bucket` that deliveries use."""

    def __init__(self, wire: NetworkClient, table: Table) -> None:
        self.wire = wire
        self.table = table
        self.name = table.name
        self.stream = f"KV_{table.name}"

    async def get(self, key: str, *, patience_s: float = READ_PATIENCE_S) -> Value | None:
        found = await self.wire.ask_until_answered(
            "get", lambda: self.table.get(key), READ_S, patience_s
        )
        return found  # noqa: RET504 -- typed

    async def get_many(self, keys: Sequence[str], *, min_seq: int = 0) -> dict[str, Value]:
        wanted = list(keys)
        return await self.wire.ask_until_answered(
            "many", lambda: self.table.many(wanted), WRITE_S, READ_PATIENCE_S
        )

    async def keys(self, prefix: str = "") -> list[str]:
        return await self.wire.ask_until_answered(
            "keys", lambda: self.table.keys(prefix), WRITE_S, READ_PATIENCE_S
        )

    async def values(self, prefix: str = "", *, start: int = 1) -> AsyncIterator[tuple[str, Value]]:
        found = await self.get_many(await self.keys(prefix))
        for key, value in found.items():
            if value.revision >= start:
                yield key, value

    async def last_seq(self) -> int:
        return await self.wire.ask_until_answered(
            "last_seq", lambda: self.table.seq, READ_S, READ_PATIENCE_S
        )

    async def create(self, key: str, data: bytes, *, timeout_s: float = WRITE_S) -> int:
        return await self.wire.ask("create", lambda: self.table.create(key, data), timeout_s)

    async def swap(
        self, key: str, data: bytes, revision: int, *, timeout_s: float = WRITE_S
    ) -> int:
        return await self.wire.ask("swap", lambda: self.table.swap(key, data, revision), timeout_s)

    async def put(self, key: str, data: bytes) -> int:
        return await self.wire.ask_until_answered(
            "put", lambda: self.table.swap(key, data, None), WRITE_S, WRITE_PATIENCE_S
        )

    async def purge(self, key: str) -> int:
        return await self.wire.ask_until_answered(
            "purge", lambda: self.table.swap(key, None, None), WRITE_S, WRITE_PATIENCE_S
        )

    async def batch(self, entries: Sequence[BatchEntry], *, timeout_s: float = 10.0) -> int:
        some = list(entries)
        return await self.wire.ask("batch", lambda: self.table.batch(some), timeout_s)


class SimBus:
    """The part of `producers.bus.Bus` that deliveries use."""

    def __init__(self, wire: NetworkClient) -> None:
        self.wire = wire
        self.server = wire.server

    def bucket(self, name: str) -> SimBucket:
        return SimBucket(self.wire, self.server.buckets[name])

    async def publish(
        self, subject: str, body: bytes, *, msg_id: str | None = None, **_: Any
    ) -> Ack:
        return await self.wire.ask_until_answered(
            "publish",
            lambda: self.server.publish(subject, body, msg_id),
            WRITE_S,
            WRITE_PATIENCE_S,
        )

    async def schedule(self, at: datetime, subject: str, target: str, body: bytes) -> Ack:
        return await self.wire.ask_until_answered(
            "schedule",
            lambda: self.server.schedule(at, subject, target, body),
            WRITE_S,
            WRITE_PATIENCE_S,
        )

    async def get_message(self, stream: str, seq: int) -> Message | None:
        return await self.wire.ask_until_answered(
            "message", lambda: self.server.message(seq), READ_S, READ_PATIENCE_S
        )

    async def consumer_info(self, stream: str, durable: str) -> dict[str, Any]:
        return await self.wire.ask_until_answered(
            "consumer_info", lambda: self.server.info(durable), READ_S, READ_PATIENCE_S
        )
