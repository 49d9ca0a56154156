"""End or erase a subscription, by the token in a mail or by an operator; idempotent."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

import structlog

from channels.email.unsubscribe import HmacSigner
from consumers.key_file import KeyFile
from consumers.subscribers.closing_mail import BY_SUBSCRIBER, pending_entry
from consumers.subscribers.store import SubscriberStore
from contracts import keys
from contracts.subscriptions.subscriber import RetainedData, Subscriber
from producers.bus import Bus

log = structlog.get_logger()


@dataclass
class UnsubscribeService:
    """Takes readers off. Raises BusError."""

    store: SubscriberStore
    signer: HmacSigner
    clock: Callable[[], float] = time.time

    @classmethod
    def from_key_file(cls, bus: Bus, keys: KeyFile) -> Self:
        """For whatever door a subscription ends by."""
        return cls(SubscriberStore.from_key_file(bus, keys), HmacSigner(keys.derive("unsubscribe")))

    async def is_subscribed(self, token: str) -> bool | None:
        """Whether the reader whom a mail's link names still gets mail; None for a forged link."""
        id = self.signer.subscriber_of(token)
        if id is None:
            return None
        person = await self.store.find_by_id(id)
        return person is not None and person.active

    async def retained_data(self, token: str) -> RetainedData | None:
        """What stays of the reader whom a mail's link names once they leave; None if forged."""
        id = self.signer.subscriber_of(token)
        return None if id is None else RetainedData.of(await self.store.find_by_id(id))

    async def unsubscribe_by_token(self, token: str) -> bool:
        """End the subscription that a mail's link names, for good; False for a forged link.

        Somebody who is gone is gone: that is what was wanted.
        """
        id = self.signer.subscriber_of(token)
        if id is None:
            return False
        await self.unsubscribe(id)
        return True

    async def erase_by_token(self, token: str) -> bool | None:
        """Delete what is kept of whoever has left, as a mail's link proves that they are asking.

        None for a forged link, False while they read: they have to leave before. A note stands
        until all is done, so that a process with the pages ends what a crash cuts short.
        """
        id = self.signer.subscriber_of(token)
        if id is None:
            return None
        person = await self.store.find_by_id(id)
        if person is None:
            await self.store.purge_address_keys(
                id
            )  # what an erasure that was cut short may have left
            return True
        return not person.active and await self.erase_inactive(id)

    async def erase_inactive(self, id: str) -> bool:
        """False where they have just come back."""
        note = pending_entry(keys.transactional_content_id("own", "erased", id), None, id)
        await self.store.bucket.put(note.key, note.data)
        gone = await self.store.purge_inactive(id)
        if gone:
            await self.store.purge_address_keys(id)
            log.info("reader_erased", recipient=id, reason=BY_SUBSCRIBER)
        await self.store.bucket.purge(note.key)
        return gone

    async def unsubscribe(self, id: str) -> None:
        """Nothing more is sent from now on; name, address and wishes are forgotten."""
        if await self.store.deactivate(id, datetime.fromtimestamp(self.clock(), UTC)):
            log.info("reader_left", recipient=id)

    async def erase(self, subscriber: Subscriber, email: str, *, reason: str) -> None:
        """Purge everything there is of a person; *reason* must not name them."""
        await self.store.erase(subscriber.id, email)
        log.info("reader_erased", recipient=subscriber.id, reason=reason)
