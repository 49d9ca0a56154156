"""Connections to the relay, kept for the next batch."""

import ssl
import time
from collections.abc import Callable

from channels.email.settings import EmailSettings
from channels.email.smtp import SmtpConnection, tls_context
from channels.errors import Misconfigured

STALE_S = 10.0
"""An idle connection is asked whether it is alive before it is used again."""


class Pool:
    """Lends connections, one task each; how many run at once is the caller's business."""

    def __init__(
        self,
        settings: EmailSettings,
        request_timeout_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings
        self.request_timeout_s = request_timeout_s
        self.clock = clock
        self.idle: list[tuple[float, SmtpConnection]] = []
        self.tls: ssl.SSLContext | None = None
        self.closed = False

    async def take(self) -> tuple[SmtpConnection, bool]:
        """A connection, and whether it is a new one. Raises Unreachable or Misconfigured."""
        while self.idle:
            since, connection = self.idle.pop()
            fresh = self.clock() - since < STALE_S
            if not connection.closed and (fresh or await connection.alive()):
                return connection, False
        return await self.open(), True

    async def open(self) -> SmtpConnection:
        if not self.settings.host:
            raise Misconfigured("LOA_EMAIL_HOST is missing")
        if self.tls is None:
            self.tls = tls_context(self.settings)
        return await SmtpConnection.open(self.settings, self.tls, self.request_timeout_s)

    def give_back(self, connection: SmtpConnection) -> None:
        if self.closed:
            connection.close()
        elif not connection.closed:
            self.idle.append((self.clock(), connection))

    def close(self) -> None:
        self.closed = True
        while self.idle:
            self.idle.pop()[1].close()
