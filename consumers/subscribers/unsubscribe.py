"""End or erase a subscription, by the token in a mail or by an operator; idempotent."""

import time
from dataclasses import dataclass
from typing import Self

import structlog

from channels.email.unsubscribe import HmacSigner
from consumers.key_file import KeyFile
from consumers.subscribers.closing_mail import BY_SUBSCRIBER, pending_entry
from consumers.subscribers.store import SubscriberStore
from contracts import keys
from contracts.base.times import Clock, utc_now
from contracts.subscriptions.errors import LinkProblem, LinkRefused
from contracts.subscriptions.subscriber import RetainedData, Subscriber
from contracts.subscriptions.transactional import mask_address
from producers.bus import Bus

log = structlog.get_logger()


@dataclass
class UnsubscribeService:
    """Ends subscriptions. Raises BusError."""

    store: SubscriberStore
    signer: HmacSigner
    clock: Clock = time.time

    @classmethod
    def from_key_file(cls, bus: Bus, keys: KeyFile) -> Self:
        return cls(SubscriberStore.from_key_file(bus, keys), HmacSigner(keys.derive("unsubscribe")))

    def subscriber_of(self, token: str) -> str:
        """Return the subscriber of a token in a mail. Raises LinkRefused for a forged one."""
        id = self.signer.subscriber_of(token)
        if id is None:
            raise LinkRefused(LinkProblem.FORGED)
        return id

    async def subscribed_address(self, token: str) -> str:
        """Return the masked address of a token; empty if inactive. Raises LinkRefused.

        It is masked: a mail that was forwarded carries the token.
        """
        subscriber = await self.store.find_by_id(self.subscriber_of(token))
        return mask_address(subscriber.email) if subscriber and subscriber.active else ""

    async def retained_data(self, token: str) -> RetainedData:
        """Return which data stay after unsubscribing. Raises LinkRefused."""
        return RetainedData.of(await self.store.find_by_id(self.subscriber_of(token)))

    async def unsubscribe_by_token(self, token: str) -> bool:
        """End the subscription of a token for good; False for a forged token."""
        id = self.signer.subscriber_of(token)
        if id is not None:
            await self.unsubscribe(id)
        return id is not None

    async def erase_by_token(self, token: str) -> bool:
        """Erase an inactive subscriber by the token in a mail. Raises LinkRefused.

        False for an active subscriber, who has to unsubscribe first. A pending entry is kept until
        all is done, so that a process with the pages finishes it after a crash.
        """
        id = self.subscriber_of(token)
        subscriber = await self.store.find_by_id(id)
        if subscriber is None:
            await self.store.purge_address_keys(id)  # an interrupted erasure may have left keys
            return True
        return not subscriber.active and await self.erase_inactive(id)

    async def erase_inactive(self, id: str, *, reason: str = BY_SUBSCRIBER) -> bool:
        """Erase an inactive subscriber; False if active again."""
        note = pending_entry(keys.transactional_content_id("own", "erased", id), None, id)
        await self.store.bucket.put(note.key, note.data)
        is_purged = await self.store.purge_inactive(id)
        if is_purged:
            await self.store.purge_address_keys(id)
            log.info("reader_erased", recipient=id, reason=reason)
        await self.store.bucket.purge(note.key)
        return is_purged

    async def unsubscribe(self, id: str) -> None:
        """Deactivate a subscriber: name, address and preferences are deleted at once."""
        if await self.store.deactivate(id, utc_now(self.clock), "mail"):
            log.info("reader_left", recipient=id)

    async def erase(self, subscriber: Subscriber, email: str, *, reason: str) -> None:
        """Purge all data of a subscriber; *reason* must not contain personal data."""
        await self.store.erase(subscriber.id, email)
        log.info("reader_erased", recipient=subscriber.id, reason=reason)
