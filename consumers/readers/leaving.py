"""Ending a subscription: at once, however often it is asked for, and as far as is asked for."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

import structlog

from channels.email.unsubscribe import HmacSigner
from consumers.readers.people import People
from consumers.vault import KeyFile
from contracts.subscriber import Subscriber
from producers.bus import Bus

log = structlog.get_logger()


@dataclass
class Leaving:
    """Takes readers off. Raises BusError."""

    people: People
    signer: HmacSigner
    clock: Callable[[], float] = time.time

    @classmethod
    def opened(cls, bus: Bus, keys: KeyFile) -> Self:
        """For whatever door a subscription ends by."""
        return cls(People.opened(bus, keys), HmacSigner(keys.derive("unsubscribe")))

    async def reads(self, token: str) -> bool | None:
        """Whether the reader whom a mail's link names still gets mail; None for a forged link."""
        id = self.signer.subscriber(token)
        if id is None:
            return None
        person = await self.people.by_id(id)
        return person is not None and person.active

    async def by_token(self, token: str) -> bool:
        """End the subscription that a mail's link names, for good; False for a forged link.

        Somebody who is gone is gone: that is what was wanted.
        """
        id = self.signer.subscriber(token)
        if id is None:
            return False
        await self.leave(id)
        return True

    async def leave(self, id: str) -> None:
        """Nothing more is sent from now on; name, address and wishes are forgotten."""
        now = datetime.fromtimestamp(self.clock(), UTC)

        def gone(person: Subscriber) -> Subscriber:
            return person.gone(now) if person.active else person

        after = await self.people.change(id, gone)
        if after and after.left_at == now:
            log.info("reader_left", recipient=id)

    async def erase(self, person: Subscriber, email: str, *, reason: str) -> None:
        """Purge everything there is of a person; *reason* must not name them."""
        await self.people.erase(person.id, email)
        log.info("reader_erased", recipient=person.id, reason=reason)
