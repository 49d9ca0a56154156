"""Ending a subscription: at once, however often it is asked for, and as far as is asked for."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

import structlog

from channels.email.unsubscribe import HmacSigner
from consumers.readers.farewells import BY_THE_READER, kept
from consumers.readers.people import People
from consumers.vault import KeyFile
from contracts import keys
from contracts.subscriber import Kept, Subscriber
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

    async def kept(self, token: str) -> Kept | None:
        """What stays of the reader whom a mail's link names once they leave; None if forged."""
        id = self.signer.subscriber(token)
        return None if id is None else Kept.of(await self.people.by_id(id))

    async def by_token(self, token: str) -> bool:
        """End the subscription that a mail's link names, for good; False for a forged link.

        Somebody who is gone is gone: that is what was wanted.
        """
        id = self.signer.subscriber(token)
        if id is None:
            return False
        await self.leave(id)
        return True

    async def erase_by_token(self, token: str) -> bool | None:
        """Delete what is kept of whoever has left, as a mail's link proves that they are asking.

        None for a forged link, False while they read: they have to leave before. A note stands
        until all is done, so that a process with the pages ends what a crash cuts short.
        """
        id = self.signer.subscriber(token)
        if id is None:
            return None
        person = await self.people.by_id(id)
        if person is None:
            await self.people.unname(id)  # what an erasure that was cut short may have left
            return True
        return not person.active and await self.erase_left(id)

    async def erase_left(self, id: str) -> bool:
        """False where they have just come back."""
        note = kept(keys.letter_content_id("own", "erased", id), None, id)
        await self.people.bucket.put(note.key, note.data)
        gone = await self.people.forget(id)
        if gone:
            await self.people.unname(id)
            log.info("reader_erased", recipient=id, reason=BY_THE_READER)
        await self.people.bucket.purge(note.key)
        return gone

    async def leave(self, id: str) -> None:
        """Nothing more is sent from now on; name, address and wishes are forgotten."""
        if await self.people.leave(id, datetime.fromtimestamp(self.clock(), UTC)):
            log.info("reader_left", recipient=id)

    async def erase(self, person: Subscriber, email: str, *, reason: str) -> None:
        """Purge everything there is of a person; *reason* must not name them."""
        await self.people.erase(person.id, email)
        log.info("reader_erased", recipient=person.id, reason=reason)
