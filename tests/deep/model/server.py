"""The simulated nats-server: buckets, a stream of publications, schedules. It never fails."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from contracts import subjects
from producers.bus import Ack, BatchEntry, Message, RevisionConflict, Value
from tests.deep.model.clocks import EPOCH_S
from tests.deep.model.queues import DurableConsumer
from tests.deep.model.random_streams import RandomStream
from tests.deep.model.virtual_loop import Handle, VirtualLoop

THEN = datetime(2027, 1, 15, tzinfo=UTC)
DEDUPE_S = 120.0
Watcher = Callable[[str, bytes | None, bytes | None], None]


class Slot(NamedTuple):
    """What a key holds; data None is a purge's marker."""

    data: bytes | None
    revision: int


@dataclass
class Table:
    """One bucket; `watch` is told of every change before it is made."""

    name: str
    slots: dict[str, Slot] = field(default_factory=dict)
    seq: int = 0
    watch: Watcher = lambda key, old, new: None

    def get(self, key: str) -> Value | None:
        slot = self.slots.get(key)
        return Value(slot.data, slot.revision, THEN) if slot and slot.data is not None else None

    def revision(self, key: str) -> int:
        slot = self.slots.get(key)
        return slot.revision if slot else 0

    def check(self, key: str, expected: int | None) -> None:
        if expected is not None and self.revision(key) != expected:
            stands = self.revision(key)
            raise RevisionConflict(f"wrong last sequence: {stands}", 10071, stands)

    def swap(self, key: str, data: bytes | None, expected: int | None) -> int:
        self.check(key, expected)
        old = self.slots.get(key)
        self.watch(key, old.data if old else None, data)
        self.seq += 1
        self.slots[key] = Slot(data, self.seq)
        return self.seq

    def create(self, key: str, data: bytes) -> int:
        """What `Bucket.create` comes to: a purged key is absent."""
        slot = self.slots.get(key)
        gone = slot is not None and slot.data is None
        return self.swap(key, data, slot.revision if gone and slot else 0)

    def batch(self, entries: Sequence[BatchEntry]) -> int:
        for one in entries:
            self.check(one.key, one.expected_revision)
        for one in entries:
            self.swap(one.key, one.data, None)
        return self.seq

    def many(self, keys: Sequence[str]) -> dict[str, Value]:
        return {key: value for key in keys if (value := self.get(key))}

    def keys(self, prefix: str) -> list[str]:
        found = [key for key in self.slots if key.startswith(prefix) and self.get(key)]
        return sorted(found, key=self.revision)


class Server:
    """What every process talks to; only its clock may be off."""

    def __init__(self, loop: VirtualLoop, chance: RandomStream, seen: Counter[str]) -> None:
        self.loop = loop
        self.chance = chance
        self.seen = seen
        self.skew_s = 0.0
        self.buckets = {one.name: Table(one.name) for one in subjects.BUCKETS}
        self.publications: list[Message] = []
        self.queues: dict[str, DurableConsumer] = {}
        self.ids: dict[str, float] = {}
        self.waiting: dict[str, Handle] = {}
        self.seq = 0

    def queue(self, subject: str) -> DurableConsumer:
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

    def release(self, subject: str, body: bytes, consumers: Sequence[str]) -> Message:
        """Store a publication, which every consumer of the stream is to hear of."""
        seq = len(self.publications) + 1
        message = Message(subject, seq, body, {}, THEN)
        self.publications.append(message)
        for durable in consumers:
            self.queue(durable).put(seq, body)
        return message

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
        """Somebody emptied the queue, or restored an old one."""
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
        return not self.waiting and all(queue.idle() for queue in self.queues.values())
