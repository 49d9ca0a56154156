"""Pool of relay connections, with a fallback relay while the primary is unreachable."""

import asyncio
import time

import structlog

from channels.email.settings import EmailSettings
from channels.email.smtp.connection import (
    END_TIMEOUT_S,
    Patience,
    SmtpConnection,
    tls_context,
)
from channels.errors import Misconfigured, Unreachable

log = structlog.get_logger()
IDLE_CHECK_S = 10.0
"""An idle connection is asked whether it is alive before it is used again."""
PRIMARY_RETRY_S = 60.0
"""Use of the fallback before the primary is tried again."""
_OPEN_TIMEOUT_S = 15.0
"""How long the primary may take to open where a fallback is at hand; later it is called slow."""
SESSION_LIMIT_S = 3600.0
"""How long a relay's limit of mails in a session is believed: full disks show the same code."""
TROUBLE_LIMIT = 3
"""Mails put off one after the other that are the relay's trouble, not that of their readers."""


class ConnectionPool:
    """Lends a connection to one task at a time; callers bound how many they borrow."""

    def __init__(self, settings: EmailSettings, request_timeout_s: float) -> None:
        self.settings = settings
        self.fallback = settings.fallback
        self.request_timeout_s = request_timeout_s
        self.end_timeout_s = request_timeout_s if self.fallback else END_TIMEOUT_S
        self.open_timeout_s: float | None = None  # no limit beside that of each reply
        self.session_limits: dict[bool, tuple[int, float]] = {}
        """The limit of the fallback and of the primary, and when it was told."""
        self.put_off = 0  # mails that the primary has put off, one after the other
        self.clock = time.monotonic
        self.idle: list[tuple[float, SmtpConnection]] = []
        self.primary_down_until: float | None = None  # the primary is not tried before
        self.primary_down_since = float("-inf")
        self.is_closed = False

    def use(self, settings: EmailSettings) -> None:
        """Sign in with other passwords from now on; connections at work stay as they are."""
        self.settings, self.fallback = settings, settings.fallback
        self.close_idle()

    async def acquire(self) -> tuple[SmtpConnection, bool]:
        """A connection, and whether it is a new one. Raises Unreachable or Misconfigured."""
        while self.idle:
            since, connection = self.idle.pop()
            is_recent = self.clock() - since < IDLE_CHECK_S
            if connection.is_fallback is self.primary_is_due():
                connection.close()
            elif not connection.is_closed and (is_recent or await connection.is_alive()):
                return connection, False
            elif not is_recent:
                self.close_idle()  # a relay that is silent on one is not asked on each
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
            if self.primary_down_until is not None:  # one tries, the others do not wait for it
                self.primary_down_until = self.clock() + PRIMARY_RETRY_S
            try:
                return await self.connect(self.settings, self.open_timeout_s or _OPEN_TIMEOUT_S)
            except Unreachable as error:
                self.mark_primary_down(error.reason)
        return await self.open_fallback(self.fallback)

    async def open_fallback(self, settings: EmailSettings) -> SmtpConnection:
        """Connect to the fallback; if both fail, the primary comes first next time."""
        try:
            return await self.connect(settings)
        except Unreachable:
            self.primary_down_until = self.clock()
            raise

    def mark_primary_down(self, reason: str) -> None:
        if self.primary_down_until is None:
            log.warning("relay_fallback", reason=reason)
        self.put_off, self.primary_down_since = 0, self.clock()
        self.primary_down_until = self.clock() + PRIMARY_RETRY_S

    def mark_primary_up(self) -> None:
        if self.primary_down_until is not None:
            log.warning("relay_back")
        self.primary_down_until = None

    def use_other_relay(self, connection: SmtpConnection, trouble: str) -> bool:
        """Leave a relay in trouble; whether the fallback takes over.

        When the fallback is in trouble, too, the primary comes first next time.
        """
        if self.fallback is None:
            return False
        connection.leave()
        if connection.is_fallback:
            self.primary_down_until = self.clock()
            return False
        self.mark_primary_down(trouble)
        return True

    def note_answers(self, connection: SmtpConnection, *, accepted: bool, put_off: int) -> None:
        """Learn from a window: how long a session may be, and whether the primary is well."""
        if connection.has_told_limit:
            limit = connection.session_limit, self.clock()
            self.session_limits[connection.is_fallback] = limit
        if connection.is_fallback:
            return
        self.put_off = 0 if accepted else self.put_off + put_off
        if accepted and connection.opened_at >= self.primary_down_since:
            self.mark_primary_up()

    async def connect(
        self, settings: EmailSettings, open_timeout_s: float | None = None
    ) -> SmtpConnection:
        is_fallback = settings is self.fallback
        open_s = open_timeout_s or self.open_timeout_s
        patience = Patience(open_s, self.request_timeout_s, self.end_timeout_s)
        timer = asyncio.get_running_loop().call_later(_OPEN_TIMEOUT_S, _warn_of_slow_relay)
        try:
            connection = await SmtpConnection.open(settings, tls_context(settings), patience)
        finally:
            timer.cancel()
        connection.is_fallback, connection.opened_at = is_fallback, self.clock()
        limit, told_at = self.session_limits.get(connection.is_fallback, (0, 0.0))
        if self.clock() - told_at < SESSION_LIMIT_S:
            connection.session_limit = limit
        return connection

    def release(self, connection: SmtpConnection) -> None:
        if self.is_closed:
            connection.close()
        elif not connection.is_closed:
            self.idle.append((self.clock(), connection))

    def close(self) -> None:
        self.is_closed = True
        self.close_idle()

    def close_idle(self) -> None:
        while self.idle:
            self.idle.pop()[1].close()


def _warn_of_slow_relay() -> None:
    log.warning("relay_slow", waited_s=_OPEN_TIMEOUT_S)
