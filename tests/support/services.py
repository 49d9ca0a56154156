"""Dispatchers and workers, each wired in one place, as the composition root does it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from channels.base import Channel
from consumers.channel_health.breaker_store import BreakerStore
from consumers.deliver.renderings import RenderCache
from consumers.deliver.worker import DeliveryWorker
from consumers.deliver.worker_slot_file import WorkerSlot
from consumers.dispatch.audience import Audience, PortalAudience, SubscriberAudience, ZaloAudience
from consumers.dispatch.handler import Dispatcher
from consumers.dispatch.supersede import Supersession
from consumers.ledger.store import Ledger
from consumers.ledger.wakeups import Waker, WakeUp
from consumers.recipients import FixedRecipients
from consumers.runtime.errors import RetryLater
from consumers.runtime.lanes import LaneSemaphore
from consumers.seals.publications import PublicationSeals
from contracts import publication as publications
from contracts import subjects
from contracts.base import tracing
from contracts.delivery import BatchKey, ChannelName, Lane
from contracts.publication import Publication, StoredPublication
from producers.bus import Bus
from tests.support.clock import FakeClock

ROUNDS = 200


def new_worker(
    bus: Bus, channel: Channel[Any], clock: Callable[[], float], folder: Path, **parts: Any
) -> DeliveryWorker[Any]:
    """A worker of *channel* with its slot in *folder*; *parts* replace what it is made of."""
    ledger = parts.pop("ledger", None) or Ledger(bus)
    defaults = {
        "render_cache": RenderCache(bus, ledger, channel.render),
        "contact_lookup": FixedRecipients(),
        "waker": Waker(bus),
        "semaphore": LaneSemaphore(channel.connections),
        "breaker_store": BreakerStore(bus, channel.name, clock),
        "is_paused": lambda: False,
        "clock": clock,
    }
    slot = parts.pop("slot", None) or WorkerSlot(folder, channel.name)
    return DeliveryWorker(channel, ledger, slot=slot, **defaults | parts)


def new_audience(channel: ChannelName, readers: Any) -> Audience:
    """The audience of *channel*; on e-mail *readers*."""
    if channel is ChannelName.EMAIL:
        return SubscriberAudience(readers)
    return PortalAudience() if channel is ChannelName.PORTAL else ZaloAudience()


def new_dispatcher(
    bus: Bus, audience: Audience, positions: Any, clock: Callable[[], float], **parts: Any
) -> Dispatcher:
    """A dispatcher, by default of e-mail; *parts* replace what it is made of."""
    channel = parts.setdefault("channel", ChannelName.EMAIL)
    ledger = parts.setdefault("ledger", Ledger(bus))
    waker = parts.setdefault("waker", Waker(bus))
    defaults = {
        "supersession": Supersession(ledger, waker, clock),
        "gate": LaneSemaphore(3),
        "waits_for_earlier": channel is not ChannelName.PORTAL,
        "clock": clock,
    }
    return Dispatcher(positions=positions, audience=audience, **defaults | parts)


@dataclass
class ReleasedPositions:
    """The positions that a test has released, oldest first."""

    known: dict[str, list[int]] = field(default_factory=dict)

    async def released_positions(self, content_id: str) -> list[int]:
        return self.known.get(content_id, [])

    async def halt_mark(self, content_id: str, revision: int) -> str:
        return ""

    async def publish(self, bus: Bus, publication: Publication) -> StoredPublication:
        """Release *publication* at once."""
        self.known.setdefault(publication.content_id, []).append(publication.revision)
        return await store_publication(bus, publication)


async def store_publication(
    bus: Bus, publication: Publication, seals: PublicationSeals | None = None
) -> StoredPublication:
    """Put *publication* into its stream, as its release does."""
    subject = subjects.publication(publication.topic, publication.content_id)
    body = publications.encode(publication)
    sealed = seals.headers(subject, body) if seals else {}
    ack = await bus.publish(subject, body, headers={**tracing.carrier(), **sealed})
    return StoredPublication(publication=publication, seq=ack.seq)


async def wake_until_closed(
    worker: DeliveryWorker[Any], clock: FakeClock, batch: BatchKey, lane: Lane = Lane.NORMAL
) -> None:
    """Wake *batch* as the queue does, each time when it is due, until it is closed."""
    for _ in range(ROUNDS):
        state = await worker.ledger.state(batch)
        assert state is not None
        if state.value.closed_at:
            return
        clock.advance(max(0.0, state.value.due - clock()))
        try:
            await worker.on_wake_up(WakeUp(batch=str(batch), lane=lane))
        except RetryLater as later:
            clock.advance(later.delay_s)
    raise AssertionError(f"{batch} never closes")
