"""Limits of open connections: of all together, and of one client's network."""

import resource
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from consumers.app.web.proxies import TrustedProxies
from contracts.base.networks import address_group, parse_address

log = structlog.get_logger()
MAX_CONNECTIONS, MAX_PER_CLIENT = 4096, 256
_FILES_RESERVED = 256
"""File descriptors kept for the bus, files, the relay and Zalo."""
_LOG_EVERY_S = 60.0


@dataclass
class ConnectionLimits:
    """Counts connections. Loopback and trusted proxies have no limit of their own.

    Refused and dropped connections are logged once a minute, as counts.
    """

    most: int = MAX_CONNECTIONS
    per_client: int = MAX_PER_CLIENT
    proxies: TrustedProxies = field(default_factory=TrustedProxies)
    clock: Callable[[], float] = time.monotonic
    open: int = 0
    by_client: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    log_not_before: float = float("-inf")

    def admit(self, peer: str) -> bool:
        """Count a connection of *peer*, or refuse it; `release` takes back a counted one."""
        group = self._group(peer)
        if self.open >= self.most or (group and self.by_client[group] >= self.per_client):
            self.note_dropped("client" if self.open < self.most else "all")
            return False
        self.open += 1
        if group:
            self.by_client[group] += 1
        return True

    def release(self, peer: str) -> None:
        self.open -= 1
        if group := self._group(peer):
            self.by_client[group] -= 1
            if not self.by_client[group]:
                del self.by_client[group]

    def note_dropped(self, why: str) -> None:
        """Count a connection that was refused (`all`, `client`) or aborted (`unread`)."""
        self.dropped[why] += 1
        if self.clock() < self.log_not_before:
            return
        self.log_not_before = self.clock() + _LOG_EVERY_S
        log.warning("connections_dropped", open=self.open, **self.dropped)
        self.dropped.clear()

    def _group(self, peer: str) -> str:
        """The group that *peer* is counted under; empty for one without a limit of its own."""
        address = parse_address(peer)
        if address is None or address.is_loopback or self.proxies.trusts(peer):
            return ""
        return address_group(peer)


def raise_file_limit() -> int:
    """Raise the limit of open files to what the system allows; return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == hard:
        return soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError) as error:
        log.warning("file_limit_kept", limit=soft, error=type(error).__name__)
        return soft
    log.info("file_limit_raised", limit=hard, was=soft)
    return hard


def bounded_by_files(wanted: int, file_limit: int) -> int:
    """The limit of connections that *file_limit* leaves room for."""
    if file_limit == resource.RLIM_INFINITY:
        return wanted
    return min(wanted, max(file_limit - _FILES_RESERVED, file_limit // 2))
