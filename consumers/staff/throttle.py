"""Failed sign-ins slow down further ones, per account and per network, and never lock out.

An attempt is counted before it is judged, so that attempts at the same time don't share one
count. Where an account has signed in from a network before, the two have a count of their own: the
failures of strangers elsewhere, and of others in the same network, don't slow its holder down.
"""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_network

from pydantic import BaseModel, ConfigDict

from consumers.messages import field_error
from contracts import subjects
from contracts.base.networks import NEIGHBOUR_BITS, SITE_BITS, parse_address
from contracts.base.times import Clock, utc_now
from contracts.errors import RateLimited
from producers.bus import Bus, records

_FREE_ATTEMPTS = 5
_FREE_PER_NETWORK = 20
_FIRST_WAIT_S = 2
_LONGEST_WAIT_S = 120
_FORGOTTEN_AFTER = timedelta(hours=1)


class Attempts(BaseModel):
    """Attempts since the last success: bucket `sessions`, key `attempts.<digest>`."""

    model_config = ConfigDict(frozen=True)

    count: int = 0
    last: datetime | None = None

    def due(self, free: int) -> datetime | None:
        """The time of the next attempt; None: at once."""
        if self.last is None or self.count < free:
            return None
        return self.last + timedelta(seconds=wait_s(self.count - free))


def wait_s(failures: int) -> int:
    """The wait after that many failures above the free ones: 2 s, doubled up to two minutes."""
    return min(_FIRST_WAIT_S << min(failures, 10), _LONGEST_WAIT_S)


def network_of(address: str) -> str:
    """The network of an address: /24 or /48; other text, a terminal's say, is its own network."""
    parsed = parse_address(address)
    if parsed is None:
        return address
    bits = SITE_BITS if parsed.version == 6 else NEIGHBOUR_BITS
    return str(ip_network((parsed, bits), strict=False))


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an attempt comes from: the account's name, the network, and whether they are known."""

    login: str
    network: str
    is_familiar: bool = False


@dataclass
class Throttle:
    """Counts attempts; *secret* keys the digests, so that records name no one."""

    bus: Bus
    clock: Clock
    secret: bytes

    def __post_init__(self) -> None:
        self.bucket = self.bus.bucket(subjects.SESSIONS.name)

    async def admit(self, origin: Origin) -> None:
        """Count an attempt. Raises RateLimited while its account or network has to wait.

        Both are asked before either counts: attempts that are refused for their network slow down
        no account.
        """
        counters = self._counters(origin)
        for key, free in counters:
            known = (await records.read(self.bucket, key, Attempts)).value
            self._require_due(known or Attempts(), free)
        for key, free in counters:
            await self._count(key, free)

    async def succeeded(self, origin: Origin) -> None:
        """Forget the account's attempts, and take this one back from its network's."""
        (account, _), *networks = self._counters(origin)
        await records.update_or_create(self.bucket, account, Attempts, lambda _: Attempts())
        for network, _ in networks:
            await records.update_or_create(self.bucket, network, Attempts, _one_less)

    def digest(self, *parts: str) -> str:
        text = "\x00".join(parts).encode()
        return hmac.new(self.secret, text, hashlib.sha256).hexdigest()[:32]

    def _counters(self, origin: Origin) -> list[tuple[str, int]]:
        """The keys of the counts that an attempt adds to, with the free attempts of each."""
        network = origin.network if origin.is_familiar else ""
        account = f"attempts.{self.digest('account', origin.login, network)}"
        if origin.is_familiar:
            return [(account, _FREE_ATTEMPTS)]
        everyone = f"attempts.{self.digest('network', origin.network)}"
        return [(account, _FREE_ATTEMPTS), (everyone, _FREE_PER_NETWORK)]

    async def _count(self, key: str, free: int) -> None:
        def count(known: Attempts) -> Attempts:
            recent = self._require_due(known, free)
            return Attempts(count=recent.count + 1, last=utc_now(self.clock))

        await records.update_or_create(self.bucket, key, Attempts, count, is_idempotent=False)

    def _require_due(self, known: Attempts, free: int) -> Attempts:
        """The attempts that still count. Raises RateLimited while the next one has to wait."""
        now = utc_now(self.clock)
        if known.last and now - known.last > _FORGOTTEN_AFTER:
            return Attempts()
        if (due := known.due(free)) and now < due:
            raise slowed((due - now).total_seconds())
        return known


def slowed(seconds: float) -> RateLimited:
    """The refusal of an attempt that may be made again after so many seconds."""
    error = field_error("login", "sign_in_slowed", seconds=int(seconds) + 1)
    return RateLimited(error, retry_after_s=seconds)


def _one_less(known: Attempts) -> Attempts:
    return known.model_copy(update={"count": max(known.count - 1, 0)})
