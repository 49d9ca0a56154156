"""Addresses that mail leaves alone, kept in memory beside the sending: asked for every window.

One watch per process follows the bucket `suppressed`; about 200 bytes an address. So a window and
a notice cost no question to the bus, and nobody is written to of whom that was known ten seconds
ago.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import structlog
from pydantic import ValidationError

from consumers.addresses import Addresses, Contact
from consumers.settle import Later
from consumers.suppressions import Suppression, Suppressions, read
from contracts import subjects
from contracts.delivery import ChannelName
from producers.bus import Bus, BusError, Change
from producers.bus.watch import Watch

log = structlog.get_logger()
PREFIX = f"{ChannelName.EMAIL}."
SEAL_BYTES = 16
FRESH_S = 10.0
LATER_S = 0.5
PAUSE_S = 1.0
EVER = float("inf")


@dataclass
class Suppressed:
    """What stands against addresses. *digest*: the MAC of one. Keep `run` running beside it."""

    bus: Bus
    digest: Callable[[str], bytes]
    clock: Callable[[], float] = time.time
    standing: dict[bytes, tuple[str, float]] = field(default_factory=dict)  # → why, until when
    reasons: dict[str, str] = field(default_factory=dict)  # each text once
    behind: int | None = None  # everything up to this place has to be read first
    seq: int = 0
    watch: Watch | None = None

    async def run(self) -> None:
        """Follow the bucket until cancelled, over outages of the bus."""
        while True:
            try:
                await self.follow()
            except BusError as trouble:
                log.warning("bus_trouble", error=type(trouble).__name__, detail=str(trouble))
            await asyncio.sleep(PAUSE_S)

    async def follow(self) -> None:
        bucket = self.bus.bucket(subjects.SUPPRESSED.name)
        if self.behind is None:
            self.behind = await bucket.last_seq()
        self.watch = self.watch or bucket.watch(1)
        async for change in self.watch:
            self.take(change)

    def take(self, change: Change) -> None:
        """Apply one change."""
        self.seq = change.seq
        if not change.key.startswith(PREFIX):
            return
        key = bytes.fromhex(change.key.removeprefix(PREFIX))[:SEAL_BYTES]
        said = stands(change)
        until = said.until.timestamp() if said and said.until else EVER
        if said is None or until <= self.clock():
            self.standing.pop(key, None)
        else:
            self.standing[key] = (self.reasons.setdefault(said.reason, said.reason), until)

    @property
    def fresh(self) -> bool:
        """Whether everything that was so ten seconds ago is known."""
        if self.watch is None or self.behind is None or self.seq < self.behind:
            return False
        return self.watch.silent_s <= FRESH_S

    def why(self, address: str) -> str:
        """Why nothing may be sent to *address* now; empty when nothing stands against it."""
        reason, until = self.standing.get(self.digest(address)[:SEAL_BYTES], ("", EVER))
        return reason if until > self.clock() else ""


def stands(change: Change) -> Suppression | None:
    """None where nothing stands any more."""
    if change.data is None:
        return None
    try:
        return read(change.data)
    except ValidationError:
        log.error("suppression_unreadable", seq=change.seq)
        return None


@dataclass
class Near:
    """For the mails to one person: answered from memory while that is fresh, else by the bus."""

    suppressions: Suppressions
    known: Suppressed

    async def reason(self, channel: ChannelName, address: str) -> str | None:
        if channel is ChannelName.EMAIL and self.known.fresh:
            return self.known.why(address) or None
        return await self.suppressions.reason(channel, address)

    async def add(
        self, channel: ChannelName, address: str, reason: str, until: datetime | None
    ) -> None:
        await self.suppressions.add(channel, address, reason, until)


@dataclass
class Open:
    """Readers' addresses, those marked that must not be written to."""

    readers: Addresses
    suppressed: Suppressed

    def lookup(self, ids: Sequence[str]) -> Mapping[str, Contact]:
        """Raises Later when an answer could be stale."""
        found = self.readers.lookup(ids)
        if not self.suppressed.fresh:
            raise Later(LATER_S, "the suppressed addresses are not fresh")
        if not self.suppressed.standing:
            return found
        return {id: self.marked(contact) for id, contact in found.items()}

    def marked(self, contact: Contact) -> Contact:
        why = self.suppressed.why(contact.address)
        return contact._replace(barred=why) if why else contact
