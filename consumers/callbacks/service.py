"""Deliver callbacks: each endpoint has a task, connections and retries of its own."""

import asyncio
import secrets
from dataclasses import dataclass, field
from functools import partial

import structlog

from consumers.callbacks.attempt_log import AttemptLog
from consumers.callbacks.delivery import EndpointDelivery
from consumers.callbacks.endpoints import EndpointStore, ListedEndpoint
from consumers.callbacks.sender import CallbackSender
from consumers.callbacks.status_store import StatusStore
from consumers.errors import KeyFileBroken
from contracts import subjects
from contracts.base.times import Clock
from producers.bus.periodic import attempt, every

log = structlog.get_logger()
LOOK_S = 1.0
_REST_S = 60.0


@dataclass
class CallbackService:
    """Keep `run` running. Any number of processes may: a lease gives each endpoint to one."""

    statuses: StatusStore
    endpoints: EndpointStore
    sender: CallbackSender
    attempts: AttemptLog
    clock: Clock
    owner: str = field(default_factory=lambda: secrets.token_hex(8))
    deliveries: dict[str, EndpointDelivery] = field(default_factory=dict)
    working: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    resting: dict[str, float] = field(default_factory=dict)
    """When the endpoints go on whose work ended in an error."""
    seen_change: int = -1
    """The bucket's last change when the endpoints were read."""

    async def run(self) -> None:
        try:
            await every(LOOK_S, self.look)
        finally:
            for task in self.working.values():
                task.cancel()
            await asyncio.gather(*self.working.values(), return_exceptions=True)

    async def look(self) -> None:
        """Begin to work for each endpoint that has something to do, and is not at work."""
        if (change := await self.endpoints.bucket.last_seq()) != self.seen_change:
            await self._read_endpoints()
            self.seen_change = change
        info = await self.statuses.bus.stream_info(subjects.STATUS.name)
        last_seq = int(info["state"]["last_seq"])
        for key, delivery in self.deliveries.items():
            is_free = key not in self.working and self.resting.get(key, 0) <= self.clock()
            if is_free and delivery.has_work(last_seq):
                task = asyncio.create_task(attempt(partial(delivery.work, last_seq)))
                self.working[key] = task
                task.add_done_callback(partial(self._end, delivery))

    def _end(self, delivery: EndpointDelivery, task: asyncio.Task[None]) -> None:
        """Log what has stopped an endpoint, which stops no other one, and let it rest."""
        del self.working[delivery.listed.key]
        if task.cancelled() or not (error := task.exception()):
            return
        delivery.known = None
        self.resting[delivery.listed.key] = self.clock() + _REST_S
        facts = {"unit": delivery.listed.unit, "endpoint": delivery.listed.id}
        if isinstance(error, KeyFileBroken):
            log.error("callback_secret_unreadable", error=str(error), **facts)
        else:
            log.error("callback_failed", exc_info=error, **facts)

    async def _read_endpoints(self) -> None:
        """Read what people, and other processes, have changed."""
        listed = {one.key: one for one in await self.endpoints.all()}
        for key in self.deliveries.keys() - listed.keys():
            del self.deliveries[key]
        for key, one in listed.items():
            self._refresh(key, one)

    def _refresh(self, key: str, listed: ListedEndpoint) -> None:
        known = self.deliveries.get(key) or self._new(listed)
        known.listed = listed
        if known.known and known.known.revision != listed.revision and key not in self.working:
            known.known = None
        self.deliveries[key] = known

    def _new(self, listed: ListedEndpoint) -> EndpointDelivery:
        parts = self.statuses, self.endpoints, self.sender, self.attempts, self.clock
        return EndpointDelivery(listed, *parts, self.owner)
