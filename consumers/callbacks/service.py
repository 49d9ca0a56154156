"""Deliver callbacks: each endpoint has a task, connections and retries of its own."""

import asyncio
import secrets
from dataclasses import dataclass, field
from functools import partial

import structlog

from consumers.callbacks.attempt_log import AttemptLog
from consumers.callbacks.delivery import EndpointDelivery
from consumers.callbacks.disabled_mail import DisabledMailer
from consumers.callbacks.endpoints import EndpointStore, ListedEndpoint
from consumers.callbacks.sender import CallbackSender
from consumers.callbacks.status_store import StatusStore
from consumers.errors import KeyFileBroken
from contracts import subjects
from contracts.base.times import Clock
from producers.bus.periodic import attempt, every

log = structlog.get_logger()
LOOK_S = 1.0


@dataclass
class CallbackService:
    """Keep `run` running. Any number of processes may: a lease gives each endpoint to one."""

    statuses: StatusStore
    endpoints: EndpointStore
    sender: CallbackSender
    attempts: AttemptLog
    mailer: DisabledMailer
    clock: Clock
    owner: str = field(default_factory=lambda: secrets.token_hex(8))
    deliveries: dict[str, EndpointDelivery] = field(default_factory=dict)
    working: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    seen_change: int = -1
    """The bucket's last change when the endpoints were read."""

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            await every(LOOK_S, partial(self.look, group))

    async def look(self, group: asyncio.TaskGroup) -> None:
        """Begin to work for each endpoint that has something to do, and is not at work."""
        if (change := await self.endpoints.bucket.last_seq()) != self.seen_change:
            await self._read_endpoints()
            self.seen_change = change
        info = await self.statuses.bus.stream_info(subjects.STATUS.name)
        last_seq = int(info["state"]["last_seq"])
        for key, delivery in self.deliveries.items():
            if key not in self.working and delivery.has_work(last_seq):
                task = group.create_task(attempt(partial(self._work, delivery, last_seq)))
                self.working[key] = task
                task.add_done_callback(partial(self._end, key))

    def _end(self, key: str, _: asyncio.Task[None]) -> None:
        del self.working[key]

    async def _work(self, delivery: EndpointDelivery, last_seq: int) -> None:
        try:
            await delivery.work(last_seq)
        except KeyFileBroken as broken:
            facts = {"unit": delivery.listed.unit, "endpoint": delivery.listed.id}
            log.error("callback_secret_unreadable", error=str(broken), **facts)

    async def _read_endpoints(self) -> None:
        """Read what people, and other processes, have changed."""
        listed = {one.key: one for one in await self.endpoints.all()}
        for key in self.deliveries.keys() - listed.keys():
            del self.deliveries[key]
        for key, one in listed.items():
            self._refresh(key, one)
            await self.mailer.tell(one)

    def _refresh(self, key: str, listed: ListedEndpoint) -> None:
        known = self.deliveries.get(key) or self._new(listed)
        known.listed = listed
        if known.known and known.known.revision != listed.revision and key not in self.working:
            known.known = None
        self.deliveries[key] = known

    def _new(self, listed: ListedEndpoint) -> EndpointDelivery:
        parts = self.statuses, self.endpoints, self.sender, self.attempts, self.clock
        return EndpointDelivery(listed, *parts, self.owner)
