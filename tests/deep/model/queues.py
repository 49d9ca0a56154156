"""A durable consumer: hands messages out, and hands them out again when no acknowledgement came."""

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass

from tests.deep.model.random_streams import RandomStream
from tests.deep.model.virtual_loop import ProcessState, VirtualLoop

ACK_WAIT_S = 30.0


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
    """One process's subscribers of this consumer: `free` of them ask for a message."""

    actor: ProcessState
    free: int
    deliver: Callable[[UnackedMessage], None]


class DurableConsumer:
    """Messages of one subject, in order, but what comes back comes first."""

    def __init__(
        self, name: str, loop: VirtualLoop, chance: RandomStream, seen: Counter[str]
    ) -> None:
        self.name = name
        self.loop = loop
        self.chance = chance
        self.seen = seen
        self.fresh: deque[UnackedMessage] = deque()
        self.back: deque[UnackedMessage] = deque()
        self.open: dict[int, UnackedMessage] = {}
        self.takers: list[Subscription] = []

    def put(self, seq: int, body: bytes) -> None:
        if seq in self.open:
            return
        parcel = UnackedMessage(seq, body)
        self.open[seq] = parcel
        self.fresh.append(parcel)
        self.serve()

    def serve(self) -> None:
        """Give what waits to whoever asks."""
        while self.back or self.fresh:
            ready = [one for one in self.takers if one.free and not one.actor.cut_off]
            if not ready:
                return
            parcel = (self.back or self.fresh).popleft()
            if self.is_pending(parcel):
                self.hand_over(parcel, self.chance.choice(ready))

    def hand_over(self, parcel: UnackedMessage, taker: Subscription) -> None:
        taker.free -= 1
        parcel.deliveries += 1
        self.seen["a message was delivered again"] += parcel.deliveries > 1
        parcel.out = True
        parcel.until_s = self.loop.now + ACK_WAIT_S
        self.loop.later(ACK_WAIT_S, self.expire, parcel, parcel.deliveries)
        self.loop.later(self.chance.between(0.0002, 0.004), self.arrive, parcel, taker)

    def arrive(self, parcel: UnackedMessage, taker: Subscription) -> None:
        if taker.actor.cut_off:
            self.seen["a delivery was lost"] += 1
            self.return_messages(taker)
        elif taker.actor.alive:
            self.loop.call_soon(taker.deliver, parcel, context=taker.actor.context)

    def expire(self, parcel: UnackedMessage, delivery: int) -> None:
        """Nobody acknowledged in time."""
        if not self.is_pending(parcel) or parcel.deliveries != delivery or not parcel.out:
            return
        if parcel.until_s > self.loop.now:
            self.loop.later(parcel.until_s - self.loop.now, self.expire, parcel, delivery)
            return
        self.seen["an acknowledgement did not come in time"] += 1
        self.redeliver(parcel)

    def is_pending(self, parcel: UnackedMessage) -> bool:
        return self.open.get(parcel.seq) is parcel

    def redeliver(self, parcel: UnackedMessage) -> None:
        if self.is_pending(parcel):
            parcel.out = False
            self.back.append(parcel)
            self.serve()

    def ack(self, parcel: UnackedMessage) -> None:
        if self.is_pending(parcel):
            del self.open[parcel.seq]

    def nak(self, parcel: UnackedMessage, delivery: int, delay_s: float) -> None:
        if parcel.deliveries == delivery and parcel.out:
            parcel.out = False
            self.loop.later(delay_s, self.redeliver, parcel)

    def extend(self, parcel: UnackedMessage) -> None:
        parcel.until_s = self.loop.now + ACK_WAIT_S

    def return_messages(self, taker: Subscription) -> None:
        """A subscriber asks again."""
        taker.free += 1
        self.serve()

    def join(self, taker: Subscription) -> None:
        self.takers.append(taker)
        self.serve()

    def leave(self, actor: ProcessState) -> None:
        self.takers = [one for one in self.takers if one.actor is not actor]

    def purge(self) -> int:
        lost = len(self.open)
        self.open.clear()
        self.fresh.clear()
        self.back.clear()
        return lost

    def idle(self) -> bool:
        return not self.open
