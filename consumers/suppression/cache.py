"""In-memory copy of the e-mail suppression list, asked for every window.

One watch per process follows the bucket `suppressed`; an address takes about 200 bytes. A window
or a notice needs no read from the bus, and a suppression is obeyed within ten seconds."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog
from pydantic import ValidationError

from consumers.recipients import Contact, ContactLookup
from consumers.runtime.errors import RetryLater
from consumers.suppression.store import Suppression, SuppressionStore
from contracts import subjects
from contracts.delivery import ChannelName
from producers.bus import Bus, Change
from producers.bus.periodic import every
from producers.bus.watch import Watch

log = structlog.get_logger()
_KEY_PREFIX = f"{ChannelName.EMAIL}."
_HASH_BYTES = 16
MAX_AGE_S = 10.0
_RETRY_AFTER_S = 0.5
_RECONNECT_S = 1.0
_FOREVER = float("inf")
_UNSEALED = Suppression(reason="unsealed", at=datetime.min.replace(tzinfo=UTC))


@dataclass
class SuppressionCache:
    """Active suppressions by *hash_address*. Keep `run` running beside it."""

    bus: Bus
    hash_address: Callable[[str], bytes]
    clock: Callable[[], float] = time.time
    active: dict[bytes, tuple[str, float]] = field(default_factory=dict)  # → reason, until
    reasons: dict[str, str] = field(default_factory=dict)  # one string per reason
    initial_seq: int | None = None  # fresh from this sequence on
    seq: int = 0
    watch: Watch | None = None

    async def run(self) -> None:
        """Follow the bucket until cancelled, over outages of the bus."""
        await every(_RECONNECT_S, self.follow)

    async def follow(self) -> None:
        bucket = self.bus.bucket(subjects.SUPPRESSED.name)
        if self.initial_seq is None:
            self.initial_seq = await bucket.last_seq()
        self.watch = self.watch or bucket.watch(1)
        async for change in self.watch:
            self.apply(change, is_genuine=bool(await bucket.opened([change])))

    def apply(self, change: Change, *, is_genuine: bool = True) -> None:
        """Apply a change; another writer's lifts no suppression, and suppresses at most.

        Keys are hashes with a secret, so it is the key of an address that was suppressed before.
        """
        self.seq = change.seq
        if not change.key.startswith(_KEY_PREFIX):
            return
        try:
            key = bytes.fromhex(change.key.removeprefix(_KEY_PREFIX))[:_HASH_BYTES]
        except ValueError:  # of another writer: it names no address
            log.error("suppression_unreadable", seq=change.seq)
            return
        suppression = _parse_change(change) if is_genuine else _UNSEALED
        until = suppression.until.timestamp() if suppression and suppression.until else _FOREVER
        if suppression is None or until <= self.clock():
            self.active.pop(key, None)
        else:
            reason = self.reasons.setdefault(suppression.reason, suppression.reason)
            self.active[key] = reason, until

    @property
    def is_fresh(self) -> bool:
        """Whether all changes older than ten seconds are applied."""
        if self.watch is None or self.initial_seq is None or self.seq < self.initial_seq:
            return False
        return self.watch.silent_s <= MAX_AGE_S

    def reason_for(self, address: str) -> str:
        """Return the reason why *address* is suppressed now; empty if it is not."""
        reason, until = self.active.get(self.hash_address(address)[:_HASH_BYTES], ("", _FOREVER))
        return reason if until > self.clock() else ""


def _parse_change(change: Change) -> Suppression | None:
    """Return the suppression of a change; None if it was removed or can't be read."""
    if change.data is None:
        return None
    try:
        return Suppression.model_validate_json(change.data)
    except ValidationError:
        log.error("suppression_unreadable", seq=change.seq)
        return None


@dataclass
class CachedSuppressions:
    """Suppressions for mail to one person: from the cache while fresh, else from the bus."""

    store: SuppressionStore
    cache: SuppressionCache

    async def reason(self, channel: ChannelName, address: str) -> str | None:
        if channel is ChannelName.EMAIL and self.cache.is_fresh:
            return self.cache.reason_for(address) or None
        return await self.store.reason(channel, address)

    async def add(
        self, channel: ChannelName, address: str, reason: str, until: datetime | None
    ) -> None:
        await self.store.add(channel, address, reason, until)


@dataclass
class SuppressionAwareContacts:
    """Contacts of subscribers, marked with their suppressions."""

    contacts: ContactLookup
    cache: SuppressionCache

    def lookup(self, ids: Sequence[str]) -> Mapping[str, Contact]:
        """Look up contacts. Raises RetryLater when an answer could be stale."""
        contacts = self.contacts.lookup(ids)
        if not self.cache.is_fresh:
            raise RetryLater(_RETRY_AFTER_S, "the suppressed addresses are not fresh")
        if not self.cache.active:
            return contacts
        reason_for = self.cache.reason_for
        return {
            id: contact._replace(suppression_reason=reason_for(contact.address))
            for id, contact in contacts.items()
        }
