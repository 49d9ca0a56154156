"""Connections to the relay, kept for the next batch; to a second one while the first is away."""

import ssl
import time
from collections.abc import Callable

import structlog

from channels.email.settings import EmailSettings
from channels.email.smtp import SmtpConnection, tls_context
from channels.errors import Misconfigured, Unreachable

log = structlog.get_logger()
STALE_S = 10.0
"""An idle connection is asked whether it is alive before it is used again."""
AGAIN_S = 60.0
"""So long the second relay is used before the first is tried again."""


class Pool:
    """Lends connections, one task each; how many run at once is the caller's business."""

    def __init__(
        self,
        settings: EmailSettings,
        request_timeout_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings
        self.fallback = settings.fallback
        self.request_timeout_s = request_timeout_s
        self.clock = clock
        self.idle: list[tuple[float, SmtpConnection]] = []
        self.tls: dict[str, ssl.SSLContext | None] = {}
        self.away_until: float | None = None  # the first relay is not tried before
        self.closed = False

    async def take(self) -> tuple[SmtpConnection, bool]:
        """A connection, and whether it is a new one. Raises Unreachable or Misconfigured."""
        while self.idle:
            since, connection = self.idle.pop()
            fresh = self.clock() - since < STALE_S
            if self.outlived(connection):
                connection.close()
            elif not connection.closed and (fresh or await connection.alive()):
                return connection, False
        return await self.open(), True

    def outlived(self, connection: SmtpConnection) -> bool:
        """Whether it is one to the second relay, and the first is to be tried again."""
        return connection.spare and self.first_is_due()

    def first_is_due(self) -> bool:
        return self.away_until is None or self.clock() >= self.away_until

    async def open(self) -> SmtpConnection:
        """To the first relay, or to the second when the first can't be reached."""
        if not self.settings.host:
            raise Misconfigured("LOA_EMAIL_HOST is missing")
        if self.fallback is None:
            return await self.connect(self.settings)
        if self.first_is_due():
            try:
                connection = await self.connect(self.settings)
            except Unreachable as away:
                self.give_up(away.reason)
            else:
                self.come_back()
                return connection
        return await self.open_fallback(self.fallback)

    async def open_fallback(self, settings: EmailSettings) -> SmtpConnection:
        """When both are away, the first is tried first the next time."""
        try:
            connection = await self.connect(settings)
        except Unreachable:
            self.away_until = self.clock()
            raise
        connection.spare = True
        return connection

    def give_up(self, reason: str) -> None:
        if self.away_until is None:
            log.warning("relay_fallback", reason=reason)
        self.away_until = self.clock() + AGAIN_S

    def come_back(self) -> None:
        if self.away_until is not None:
            log.warning("relay_back")
        self.away_until = None

    async def connect(self, settings: EmailSettings) -> SmtpConnection:
        key = f"{settings.tls} {settings.host}"
        if key not in self.tls:
            self.tls[key] = tls_context(settings)
        return await SmtpConnection.open(settings, self.tls[key], self.request_timeout_s)

    def give_back(self, connection: SmtpConnection) -> None:
        if self.closed:
            connection.close()
        elif not connection.closed:
            self.idle.append((self.clock(), connection))

    def close(self) -> None:
        self.closed = True
        while self.idle:
            self.idle.pop()[1].close()
