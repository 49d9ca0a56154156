"""The simulated bus: a server that never fails, its consumers, and the network on the way to it."""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from contracts import subjects
from producers.bus import (
    Ack,
    BatchEntry,
    Bucket,
    BusError,
    Message,
    NoReply,
    RevisionConflict,
    Value,
)
from producers.bus.messages import PAGE_SIZE, Page
from tests.deep.model.random_streams import RandomStream
from tests.deep.model.virtual_loop import EPOCH_S, Handle, ProcessState, VirtualLoop

THEN = datetime(2027, 1, 15, tzinfo=UTC)
DEDUPE_S = 120.0
ACK_WAIT_S = 30.0
READ_S, READ_PATIENCE_S = 2.0, 10.0
WRITE_S, WRITE_PATIENCE_S = 5.0, 30.0


# --- the server


class Slot(NamedTuple):
    """Value of a key; data None is a purge's marker."""

    data: bytes | None
    revision: int


@dataclass
class Table:
    """One bucket; `watch` is told of every change before it is made."""

    name: str
    slots: dict[str, Slot] = field(default_factory=dict)
    seq: int = 0
    watch: Callable[[str, bytes | None, bytes | None], None] = lambda key, old, new: None
    clock: Callable[[], float] = lambda: 0.0
    history: list[tuple[float, str, Slot]] = field(default_factory=list)

    def get(self, key: str) -> Value | None:
        slot = self.slots.get(key)
        return Value(slot.data, slot.revision, THEN) if slot and slot.data is not None else None

    def revision(self, key: str) -> int:
        slot = self.slots.get(key)
        return slot.revision if slot else 0

    def check(self, key: str, expected: int | None) -> None:
        if expected is not None and self.revision(key) != expected:
            stored = self.revision(key)
            raise RevisionConflict(f"wrong last sequence: {stored}", 10071, stored)

    def swap(self, key: str, data: bytes | None, expected: int | None) -> int:
        self.check(key, expected)
        old = self.slots.get(key)
        self.watch(key, old.data if old else None, data)
        self.seq += 1
        self.slots[key] = Slot(data, self.seq)
        self.history.append((self.clock(), key, self.slots[key]))
        return self.seq

    def create(self, key: str, data: bytes) -> int:
        """Create a key as `Bucket.create` does: a purged one is absent."""
        slot = self.slots.get(key)
        gone = slot is not None and slot.data is None
        return self.swap(key, data, slot.revision if gone and slot else 0)

    def batch(self, entries: Sequence[BatchEntry]) -> int:
        for entry in entries:
            self.check(entry.key, entry.expected_revision)
        for entry in entries:
            self.swap(entry.key, entry.data, None)
        return self.seq

    def as_of(self, at_s: float) -> "Table":
        """Table of a replica that has applied the writes until *at_s*."""
        replica = Table(self.name)
        for when_s, key, slot in self.history:
            if when_s > at_s:
                break
            replica.slots[key], replica.seq = slot, slot.revision
        return replica

    def messages(self) -> list[Message]:
        """The values and purge markers as stored, in order."""
        slots = sorted(self.slots.items(), key=lambda pair: pair[1].revision)
        return [self.message(key, slot) for key, slot in slots]

    def message(self, key: str, slot: Slot) -> Message:
        headers = {"KV-Operation": "PURGE"} if slot.data is None else {}
        return Message(f"$KV.{self.name}.{key}", slot.revision, slot.data or b"", headers, THEN)

    def page(self, query: dict[str, Any]) -> Page:
        """The answer to a direct get."""
        if wanted := query.get("multi_last"):
            return Page([one for one in self.messages() if one.subject in wanted], 0)
        found = self.following(query)
        return Page(found[:PAGE_SIZE], max(len(found) - PAGE_SIZE, 0))

    def one(self, query: dict[str, Any]) -> Message | None:
        """The message that is asked of the leader."""
        if subject := query.get("last_by_subj"):
            found = [one for one in self.messages() if subject in {">", one.subject}]
            return found[-1] if found else None
        return next(iter(self.following(query)), None)

    def following(self, query: dict[str, Any]) -> list[Message]:
        start, prefix = query["seq"], query["next_by_subj"].removesuffix(">")
        return [m for m in self.messages() if m.seq >= start and m.subject.startswith(prefix)]

    def many(self, keys: Sequence[str]) -> dict[str, Value]:
        return {key: value for key in keys if (value := self.get(key))}

    def keys(self, prefix: str) -> list[str]:
        keys = [key for key in self.slots if key.startswith(prefix) and self.get(key)]
        return sorted(keys, key=self.revision)


class Server:
    """Buckets, a stream of publications, schedules; only its clock may be off."""

    def __init__(self, loop: VirtualLoop, chance: RandomStream, seen: Counter[str]) -> None:
        self.loop, self.chance, self.seen = loop, chance, seen
        self.skew_s = 0.0
        names = [bucket.name for bucket in subjects.BUCKETS]
        self.buckets = {name: Table(name, clock=lambda: loop.now) for name in names}
        self.publications: list[Message] = []
        self.queues: dict[str, DurableConsumer] = {}
        self.ids: dict[str, float] = {}
        self.waiting: dict[str, Handle] = {}
        self.seq = 0

    def queue(self, subject: str) -> "DurableConsumer":
        if subject not in self.queues:
            self.queues[subject] = DurableConsumer(subject, self.loop, self.chance, self.seen)
        return self.queues[subject]

    def publish(self, subject: str, body: bytes, msg_id: str | None = None) -> Ack:
        """Store a message, unless its id was seen within the stream's window."""
        if msg_id is not None:
            if self.loop.now - self.ids.get(msg_id, -DEDUPE_S) < DEDUPE_S:
                self.seen["a repeated message was absorbed"] += 1
                return Ack("DELIVER", self.seq, True)
            self.ids[msg_id] = self.loop.now
        self.seq += 1
        self.queue(subject).put(self.seq, body)
        return Ack("DELIVER", self.seq)

    def release(self, subject: str, body: bytes, consumers: Sequence[str]) -> None:
        """Store a publication, which every consumer of the stream is to hear of."""
        seq = len(self.publications) + 1
        self.publications.append(Message(subject, seq, body, {}, THEN))
        for durable in consumers:
            self.queue(durable).put(seq, body)

    def message(self, seq: int) -> Message | None:
        return self.publications[seq - 1] if 0 < seq <= len(self.publications) else None

    def schedule(self, at: datetime, subject: str, target: str, body: bytes) -> Ack:
        """Publish *body* by the server's own clock; the same subject replaces."""
        if subject in self.waiting:
            self.waiting.pop(subject).cancel()
            self.seen["a schedule was replaced"] += 1
        rest_s = at.timestamp() - EPOCH_S - self.skew_s - self.loop.now
        delay_s = max(rest_s, 0.0) + self.chance.between(0.001, 0.2)
        self.waiting[subject] = self.loop.later(delay_s, self.fire, subject, target, body)
        return Ack("DELIVER", self.seq)

    def fire(self, subject: str, target: str, body: bytes) -> None:
        del self.waiting[subject]
        self.seen["a schedule fired"] += 1
        self.publish(target, body)

    def lose_wake_ups(self) -> None:
        """An operator emptied the queue, or restored an old one."""
        for handle in self.waiting.values():
            handle.cancel()
        self.waiting.clear()
        for subject, queue in self.queues.items():
            if subject.startswith("deliver."):
                self.seen["wake-ups were lost"] += queue.purge()

    def info(self, durable: str) -> dict[str, Any]:
        names = {subjects.durable(subject): queue for subject, queue in self.queues.items()}
        return {"num_pending": len(names[durable].fresh) if durable in names else 0}

    def idle(self) -> bool:
        """Nothing waits to be delivered or acknowledged, now or later."""
        return not self.waiting and not any(queue.open for queue in self.queues.values())


# --- consumers


@dataclass
class UnackedMessage:
    """A message that is not acknowledged yet."""

    seq: int
    body: bytes
    deliveries: int = 0
    until_s: float = 0.0  # handed out until then
    out: bool = False


@dataclass
class Subscription:
    """One process's subscribers of a consumer: `free` of them ask for a message."""

    actor: ProcessState
    free: int
    deliver: Callable[[UnackedMessage], None]


class DurableConsumer:
    """Messages of one subject, in order, but what comes back comes first.

    What is not acknowledged in time is handed out again.
    """

    def __init__(
        self, name: str, loop: VirtualLoop, chance: RandomStream, seen: Counter[str]
    ) -> None:
        self.name, self.loop, self.chance, self.seen = name, loop, chance, seen
        self.fresh: deque[UnackedMessage] = deque()
        self.back: deque[UnackedMessage] = deque()
        self.open: dict[int, UnackedMessage] = {}
        self.subscriptions: list[Subscription] = []

    def put(self, seq: int, body: bytes) -> None:
        if seq not in self.open:
            self.open[seq] = UnackedMessage(seq, body)
            self.fresh.append(self.open[seq])
            self.serve()

    def serve(self) -> None:
        """Give what waits to the subscribers that ask."""
        while self.back or self.fresh:
            ready = [each for each in self.subscriptions if each.free and not each.actor.cut_off]
            if not ready:
                return
            message = (self.back or self.fresh).popleft()
            if self.is_pending(message):
                self.hand_over(message, self.chance.choice(ready))

    def hand_over(self, message: UnackedMessage, to: Subscription) -> None:
        to.free -= 1
        message.deliveries += 1
        self.seen["a message was delivered again"] += message.deliveries > 1
        message.out = True
        self.extend(message)
        self.loop.later(ACK_WAIT_S, self.expire, message, message.deliveries)
        self.loop.later(self.chance.between(0.0002, 0.004), self.arrive, message, to)

    def arrive(self, message: UnackedMessage, to: Subscription) -> None:
        if to.actor.cut_off:
            self.seen["a delivery was lost"] += 1
            self.ask_again(to)
        elif to.actor.alive:
            self.loop.call_soon(to.deliver, message, context=to.actor.context)

    def expire(self, message: UnackedMessage, delivery: int) -> None:
        """No acknowledgement came in time."""
        if not self.is_pending(message) or message.deliveries != delivery or not message.out:
            return
        if message.until_s > self.loop.now:
            self.loop.later(message.until_s - self.loop.now, self.expire, message, delivery)
            return
        self.seen["an acknowledgement did not come in time"] += 1
        self.redeliver(message)

    def is_pending(self, message: UnackedMessage) -> bool:
        return self.open.get(message.seq) is message

    def redeliver(self, message: UnackedMessage) -> None:
        if self.is_pending(message):
            message.out = False
            self.back.append(message)
            self.serve()

    def ack(self, message: UnackedMessage) -> None:
        if self.is_pending(message):
            del self.open[message.seq]

    def nak(self, message: UnackedMessage, delivery: int, delay_s: float) -> None:
        if message.deliveries == delivery and message.out:
            message.out = False
            self.loop.later(delay_s, self.redeliver, message)

    def extend(self, message: UnackedMessage) -> None:
        message.until_s = self.loop.now + ACK_WAIT_S

    def ask_again(self, subscription: Subscription) -> None:
        subscription.free += 1
        self.serve()

    def join(self, subscription: Subscription) -> None:
        self.subscriptions.append(subscription)
        self.serve()

    def leave(self, actor: ProcessState) -> None:
        self.subscriptions = [each for each in self.subscriptions if each.actor is not actor]

    def purge(self) -> int:
        lost = len(self.open)
        for messages in (self.open, self.fresh, self.back):
            messages.clear()
        return lost


# --- the network


@dataclass
class NetworkFaults:
    """How often a request is lost on its way, its answer is lost, or it arrives much later.

    With `is_clustered` direct reads are answered by replicas, which are behind as often as `behind`
    says.
    """

    lost: float = 0.0
    unanswered: float = 0.0
    late: float = 0.0
    slow: float = 0.0
    base_s: float = 0.001
    behind: float = 0.0
    is_clustered: bool = False

    def heal(self) -> None:
        self.lost = self.unanswered = self.late = self.slow = self.behind = 0.0


@dataclass
class NetworkClient:
    """Asks the server for *actor*; at an `interrupt` the actor may be frozen or killed."""

    actor: ProcessState
    server: Server
    loop: VirtualLoop
    faults: NetworkFaults
    chance: RandomStream
    interrupt: Callable[[str], Any]
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_clustered(self) -> bool:
        return self.faults.is_clustered

    def replica(self, table: Table) -> Table:
        """Who answers a direct get: the leader, or a follower that is behind."""
        if not self.chance.is_hit(self.faults.behind):
            return table
        self.server.seen["a replica was behind"] += 1
        return table.as_of(self.loop.now - self.chance.duration(((0.001, 0.2), (0.2, 10.0))))

    async def ask(self, what: str, apply: Callable[[], Any], timeout_s: float) -> Any:
        """One request. Raises NoReply when no answer came, and what *apply* raises."""
        if wait := self.interrupt(what):
            await wait
        answer = self.loop.create_future()
        self.send(apply, answer)
        timer = self.loop.call_later(timeout_s, complete, answer, NoReply("no answer"))
        if wait := self.interrupt(what + ", asked"):
            await wait
        result = await answer
        timer.cancel()
        if isinstance(result, BusError):
            raise result
        return result

    def send(self, apply: Callable[[], Any], answer: asyncio.Future[Any]) -> None:
        delay_s = self.delay_s()
        if self.chance.is_hit(self.faults.lost):
            self.server.seen["a request was lost"] += 1
            return
        if self.chance.is_hit(self.faults.late):
            delay_s += self.chance.duration(((0.5, 6.0), (5.0, 40.0)))
            self.server.seen["a request arrived late"] += 1
        self.loop.later(delay_s, self.arrive, apply, answer)

    def delay_s(self) -> float:
        if self.chance.is_hit(self.faults.slow):
            return self.chance.between(0.01, 3.0)
        return self.faults.base_s * self.chance.between(0.2, 4.0)

    def arrive(self, apply: Callable[[], Any], answer: asyncio.Future[Any]) -> None:
        if self.actor.cut_off:
            self.server.seen["a request met a partition"] += 1
            return
        result: Any
        try:
            result = apply()
        except BusError as refused:
            result = refused
        if self.chance.is_hit(self.faults.unanswered):
            self.server.seen["an answer was lost"] += 1
            return
        self.loop.later(self.delay_s(), self.reply, answer, result)

    def reply(self, answer: asyncio.Future[Any], result: Any) -> None:
        if not self.actor.cut_off:
            complete(answer, result)

    async def read(self, what: str, apply: Callable[[], Any], once_s: float = READ_S) -> Any:
        return await self.ask_until_answered(what, apply, once_s, READ_PATIENCE_S)

    async def write(self, what: str, apply: Callable[[], Any]) -> Any:
        return await self.ask_until_answered(what, apply, WRITE_S, WRITE_PATIENCE_S)

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


def complete(answer: asyncio.Future[Any], result: Any) -> None:
    if not answer.done():
        answer.set_result(result)


@dataclass
class SimBucket:
    """The part of `producers.bus.Bucket` that deliveries use."""

    wire: NetworkClient
    table: Table

    def __post_init__(self) -> None:
        self.name, self.stream = self.table.name, f"KV_{self.table.name}"

    async def get(self, key: str, *, patience_s: float = READ_PATIENCE_S) -> Value | None:
        return await self.wire.ask_until_answered(
            "get", lambda: self.table.get(key), READ_S, patience_s
        )

    async def get_many(self, keys: Sequence[str], *, min_seq: int = 0) -> dict[str, Value]:
        wanted = list(keys)
        return await self.wire.read("many", lambda: self.table.many(wanted), WRITE_S)

    async def keys(self, prefix: str = "") -> list[str]:
        return await self.wire.read("keys", lambda: self.table.keys(prefix), WRITE_S)

    async def values(self, prefix: str = "", *, start: int = 1) -> AsyncIterator[tuple[str, Value]]:
        values = await self.get_many(await self.keys(prefix))
        for key, value in values.items():
            if value.revision >= start:
                yield key, value

    async def last_seq(self) -> int:
        return await self.wire.read("last_seq", lambda: self.table.seq)

    async def create(self, key: str, data: bytes, *, timeout_s: float = WRITE_S) -> int:
        return await self.wire.ask("create", lambda: self.table.create(key, data), timeout_s)

    async def swap(
        self, key: str, data: bytes, revision: int, *, timeout_s: float = WRITE_S
    ) -> int:
        if not revision:
            return await self.create(key, data, timeout_s=timeout_s)
        return await self.wire.ask("swap", lambda: self.table.swap(key, data, revision), timeout_s)

    async def put(self, key: str, data: bytes) -> int:
        return await self.wire.write("put", lambda: self.table.swap(key, data, None))

    async def purge(self, key: str) -> int:
        return await self.wire.write("purge", lambda: self.table.swap(key, None, None))

    async def batch(self, entries: Sequence[BatchEntry], *, timeout_s: float = 10.0) -> int:
        frozen = list(entries)
        return await self.wire.ask("batch", lambda: self.table.batch(frozen), timeout_s)


class ClusterBucket(Bucket):
    """The product's own reads, over replicas that may be behind; writes as on one server."""

    def __init__(self, wire: NetworkClient, table: Table) -> None:
        super().__init__(wire, table.name)  # type: ignore[arg-type]
        self.wire, self.table = wire, table

    last_seq = SimBucket.last_seq
    create = SimBucket.create
    swap = SimBucket.swap
    put = SimBucket.put
    purge = SimBucket.purge
    batch = SimBucket.batch


async def read_message(
    link: NetworkClient, stream: str, query: dict[str, Any], patience_s: float = READ_PATIENCE_S
) -> Message | None:
    """In place of `messages.read_message`: the leader's answer."""
    table = link.server.buckets[stream.removeprefix("KV_")]
    found: Message | None = await link.ask_until_answered(
        "get", lambda: table.one(query), READ_S, patience_s
    )
    return found


async def direct_get(
    link: NetworkClient, stream: str, query: dict[str, Any], min_seq: int = 0
) -> Page:
    """In place of `messages.direct_get`: the answer of any replica that has seen *min_seq*."""
    table = link.server.buckets[stream.removeprefix("KV_")]

    def answer() -> Page:
        replica = link.replica(table)
        page = replica.page(query)
        if page.messages and replica.seq < min_seq:  # a replica that finds none does not say
            raise NoReply("from a replica that is behind")
        return page

    page: Page = await link.read("many", answer, WRITE_S)
    return page


@dataclass
class SimBus:
    """The part of `producers.bus.Bus` that deliveries use."""

    wire: NetworkClient

    def bucket(self, name: str) -> SimBucket | ClusterBucket:
        kind = ClusterBucket if self.wire.is_clustered else SimBucket
        return kind(self.wire, self.wire.server.buckets[name])

    async def publish(
        self, subject: str, body: bytes, *, msg_id: str | None = None, **_: Any
    ) -> Ack:
        publish = self.wire.server.publish
        return await self.wire.write("publish", lambda: publish(subject, body, msg_id))

    async def schedule(self, at: datetime, subject: str, target: str, body: bytes) -> Ack:
        schedule = self.wire.server.schedule
        return await self.wire.write("schedule", lambda: schedule(at, subject, target, body))

    async def get_message(self, stream: str, seq: int) -> Message | None:
        return await self.wire.read("message", lambda: self.wire.server.message(seq))

    async def consumer_info(self, stream: str, durable: str) -> dict[str, Any]:
        return await self.wire.read("consumer_info", lambda: self.wire.server.info(durable))
