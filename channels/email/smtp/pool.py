"""Pool of relay connections, with a fallback relay while the primary is unreachable."""

import time

import structlog

from channels.email.settings import EmailSettings
from channels.email.smtp.connection import SmtpConnection, tls_context
from channels.errors import Misconfigured, Unreachable

log = structlog.get_logger()
IDLE_CHECK_S = 10.0
"""An idle connection is asked whether it is alive before it is used again."""
PRIMARY_RETRY_S = 60.0
"""Use of the fallback before the primary is tried again."""


class ConnectionPool:
    """Lends a connection to one task at a time; callers bound how many they borrow."""

    def __init__(self, settings: EmailSettings, request_timeout_s: float) -> None:
        self.settings = settings
        self.fallback = settings.fallback
        self.request_timeout_s = request_timeout_s
        self.clock = time.monotonic
        self.idle: list[tuple[float, SmtpConnection]] = []
        self.primary_down_until: float | None = None  # the primary is not tried before
        self.is_closed = False

    async def acquire(self) -> tuple[SmtpConnection, bool]:
        """A connection, and whether it is a new one. Raises Unreachable or Misconfigured."""
        while self.idle:
            since, connection = self.idle.pop()
            is_recent = self.clock() - since < IDLE_CHECK_S
            if connection.is_fallback and self.primary_is_due():
                connection.close()
            elif not connection.is_closed and (is_recent or await connection.is_alive()):
                return connection, False
        return await self.open(), True

    def primary_is_due(self) -> bool:
        return self.primary_down_until is None or self.clock() >= self.primary_down_until

    async def open(self) -> SmtpConnection:
        """Connect to the primary, or to the fallback if the primary can't be reached."""
        if not self.settings.host:
            raise Misconfigured("LOA_EMAIL_HOST is missing")
        if self.fallback is None:
            return await self.connect(self.settings)
        if self.primary_is_due():
            try:
                connection = await self.connect(self.settings)
            except Unreachable as error:
                self.mark_primary_down(error.reason)
            else:
                self.mark_primary_up()
                return connection
        return await self.open_fallback(self.fallback)

    async def open_fallback(self, settings: EmailSettings) -> SmtpConnection:
        """Connect to the fallback; if both fail, the primary comes first next time."""
        try:
            connection = await self.connect(settings)
        except Unreachable:
            self.primary_down_until = self.clock()
            raise
        connection.is_fallback = True
        return connection

    def mark_primary_down(self, reason: str) -> None:
        if self.primary_down_until is None:
            log.warning("relay_fallback", reason=reason)
        self.primary_down_until = self.clock() + PRIMARY_RETRY_S

    def mark_primary_up(self) -> None:
        if self.primary_down_until is not None:
            log.warning("relay_back")
        self.primary_down_until = None

    async def connect(self, settings: EmailSettings) -> SmtpConnection:
        return await SmtpConnection.open(settings, tls_context(settings), self.request_timeout_s)

    def release(self, connection: SmtpConnection) -> None:
        if self.is_closed:
            connection.close()
        elif not connection.is_closed:
            self.idle.append((self.clock(), connection))

    def close(self) -> None:
        self.is_closed = True
        while self.idle:
            self.idle.pop()[1].close()
