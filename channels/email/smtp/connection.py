"""Signed-in SMTP connection to the relay: open, send windows, report results."""

import asyncio
import math
import os
import ssl
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import NamedTuple, Self

import structlog

from channels.base import Deadline
from channels.email.relays import RelaySettings
from channels.email.settings import Tls
from channels.email.smtp.handshake import Extensions, perform_handshake, send_command
from channels.email.smtp.mail_result import (
    SESSION_FULL,
    STOPPED,
    MailResult,
    MailStatus,
    exceeds_limit,
)
from channels.email.smtp.protocol import SmtpProtocol
from channels.email.smtp.window import (
    DEADLINE,
    ConnectionOptions,
    Envelope,
    WindowTransfer,
    unstuffed_size,
)
from channels.errors import Misconfigured, Unreachable

log = structlog.get_logger()
REPLY_TIMEOUT_S, END_TIMEOUT_S = 300.0, 600.0
"""RFC 5321 4.5.3.2: the greeting and a command of the handshake; a whole mail."""
REQUEST_TIMEOUT_S = 30.0
"""A command of a mail, before its end has left: the relay has nothing yet."""
TIMEOUT = "timeout"
"""The reason of a relay that has not answered in time."""
_CANCELLED = "cancelled"
_CHECK_TIMEOUT_S = 5.0
_SIZE_DIGITS = 20
"""RFC 1870: the longest number of an announced size."""


class Patience(NamedTuple):
    """How long a relay is waited for: all of the opening (None: no limit beside that of each
    reply), a command of a mail, the reply to a whole mail."""

    open_s: float | None = None
    request_s: float = REQUEST_TIMEOUT_S
    end_s: float = END_TIMEOUT_S


class SmtpConnection:
    """A signed-in connection, used by one task at a time."""

    def __init__(
        self, protocol: SmtpProtocol, options: ConnectionOptions, extensions: Extensions
    ) -> None:
        self.protocol = protocol
        self.options = options
        self.extensions = extensions
        self.ended_by_us = False  # says nothing about the relay
        self.limit_elsewhere = 0.0  # the most bytes of a mail that another relay takes
        self.admitted = 0  # how many of the mails it was lent for may go now
        self.is_left = False
        self.opened_at = 0.0
        self.carried = 0  # mails that the relay has handled on this connection
        self.session_limit = 0  # the most mails of a session, if that is known
        self.has_told_limit = False  # the relay has told it on this connection

    @classmethod
    async def open(
        cls,
        settings: RelaySettings,
        tls: ssl.SSLContext | None = None,
        patience: Patience = Patience(),  # noqa: B008 -- immutable
    ) -> Self:
        """Connect, verify, sign in. Raises Unreachable or Misconfigured; nothing was sent then."""
        protocol = SmtpProtocol(REPLY_TIMEOUT_S)
        ready = False
        try:
            async with asyncio.timeout(patience.open_s):
                extensions = await perform_handshake(protocol, settings, tls)
            ready = True
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError) as error:
            raise Unreachable("connection lost") from error
        except ssl.SSLError as error:
            raise Misconfigured(_tls_reason(error)) from error
        except (OSError, TimeoutError) as error:
            raise Unreachable(protocol.closed_reason or _os_reason(error)) from error
        finally:
            if not ready:
                protocol.drop("not opened")
        return cls(protocol, _connection_options(settings, extensions, patience), extensions)

    @property
    def is_closed(self) -> bool:
        """Whether the relay (or a time-out, or a fault) has ended this connection."""
        return bool(self.protocol.closed_reason) or self.is_left

    @property
    def room(self) -> int | None:
        """How many more mails the relay takes on this connection; None if that is not known."""
        return max(self.session_limit - self.carried, 0) if self.session_limit else None

    @property
    def is_broken(self) -> bool:
        """Whether the relay or the way to it has ended this connection, and not we."""
        return self.protocol.closed_reason not in ("", STOPPED, DEADLINE, _CANCELLED)

    @property
    def closed_by_relay(self) -> bool:
        """Whether the relay closed the connection itself, as relays do after many mails or time."""
        return self.protocol.closed_reason in ("421", "connection lost")

    async def send_window(self, mails: Sequence[Envelope], expired: Deadline) -> list[MailResult]:
        """Send *mails* in order; one result per mail, in the same order. Never raises for a mail.

        `expired` is asked before each mail's first command; once true, the rest stays unsent.
        """
        too_large = self.refuse_too_large(mails)
        if not too_large:
            return await self._transfer(mails, expired)
        fitting = [mail for number, mail in enumerate(mails) if number not in too_large]
        sent = iter(await self._transfer(fitting, expired) if fitting else ())
        return [too_large.get(number) or next(sent) for number in range(len(mails))]

    def refuse_too_large(self, mails: Sequence[Envelope]) -> dict[int, MailResult]:
        """Results of mails that the relay has said it will not take (RFC 1870), by number.

        Such a mail has failed only if no other relay may take it.
        """
        limit = self.size_limit
        large = [n for n, mail in enumerate(mails) if limit and len(mail.body) > limit]
        sizes = {number: unstuffed_size(mails[number].body) for number in large}
        sizes = {number: size for number, size in sizes.items() if size > limit}
        if sizes:
            log.error("mail_too_large", mails=len(sizes), size=max(sizes.values()), limit=limit)
        return {
            n: exceeds_limit(size, limit, is_final=size > self.limit_elsewhere)
            for n, size in sizes.items()
        }

    @property
    def size_limit(self) -> int:
        """The most bytes of a mail that the relay takes; 0 if it has named no limit."""
        size = self.extensions.get("SIZE", "").strip()
        return int(size) if size.isdecimal() and len(size) <= _SIZE_DIGITS else 0

    async def _transfer(self, mails: Sequence[Envelope], expired: Deadline) -> list[MailResult]:
        window = WindowTransfer(self.protocol, self.options, mails, expired)
        window.start()
        try:
            await window.done
        finally:
            if not window.done.done() or window.done.cancelled():
                self.protocol.drop(_CANCELLED)
        return window.results

    def disable_refused_parameters(self, results: Sequence[MailResult]) -> list[MailResult]:
        """Mark mails refused for their parameters as unsent, and use none from then on."""
        if not (self.options.dsn or self.options.declares_size) or self.is_closed:
            return list(results)
        if any(result.refuses_parameters for result in results):
            log.warning("relay_refuses_dsn" if self.options.dsn else "relay_refuses_size")
            self.options = replace(self.options, dsn=False, declares_size=False)
        unsent = MailResult(MailStatus.UNSENT, cause="no parameters after all")
        return [unsent if result.refuses_parameters else result for result in results]

    def count_carried(self, results: Sequence[MailResult]) -> list[MailResult]:
        """Count a window's mails; those that only this connection takes no more are unsent.

        A session that is full is left, and `session_limit` says how many it took. One that has not
        taken a single mail shows that there is no such limit.
        """
        self.add_carried(sum(one.is_settled and not one.ends_session for one in results))
        if not any(result.ends_session for result in results):
            return list(results)
        self.session_limit, self.has_told_limit = self.carried, True
        if not self.carried:
            return list(results)
        log.info("relay_session_full", mails=self.carried)
        self.leave()
        return [SESSION_FULL if result.ends_session else result for result in results]

    def add_carried(self, mails: int) -> None:
        """Count mails that the relay has handled, and leave a session that is full."""
        self.carried += mails
        if self.room == 0:
            self.leave()

    def leave(self) -> None:
        """Say QUIT and use this connection no more."""
        self.close()
        self.is_left = True

    def abort(self) -> None:
        """End the connection at once."""
        self.ended_by_us = True
        self.protocol.drop(STOPPED)

    async def is_alive(self) -> bool:
        """Whether the relay still answers."""
        answered = False
        try:
            with suppress(Unreachable, TimeoutError):
                async with asyncio.timeout(_CHECK_TIMEOUT_S):
                    answered = (await send_command(self.protocol, b"NOOP")).startswith(b"250")
        finally:
            if not answered:
                self.protocol.drop("no answer to NOOP")
        return answered

    def close(self) -> None:
        """Send QUIT without waiting for the reply."""
        if not self.is_closed:
            self.protocol.write(b"QUIT\r\n")
            self.protocol.transport.close()

    async def quit(self, ends_at: float = math.inf) -> None:
        """Send QUIT, wait for the reply until *ends_at* at most, and end the connection."""
        latest = asyncio.get_running_loop().time() + _CHECK_TIMEOUT_S
        with suppress(Unreachable, TimeoutError):
            async with asyncio.timeout_at(min(ends_at, latest)):
                await send_command(self.protocol, b"QUIT")
        self.protocol.drop("quit")


def _connection_options(
    settings: RelaySettings, extensions: Extensions, patience: Patience
) -> ConnectionOptions:
    return ConnectionOptions(
        sender=settings.sender.encode("ascii"),
        pipelining="PIPELINING" in extensions,
        timeout_s=patience.request_s,
        end_timeout_s=patience.end_s,
        dsn="DSN" in extensions,
        declares_size="SIZE" in extensions,
    )


@cache
def tls_context(settings: RelaySettings) -> ssl.SSLContext | None:
    """TLS context that verifies names and certificates, against *ca_bundle* if given.

    It has the client certificate, if there is one. Loaded once, because that takes long.
    Raises Misconfigured if a file can't be read.
    """
    if settings.tls is Tls.NONE:
        return None
    try:
        context = ssl.create_default_context(cafile=settings.ca_bundle)
    except OSError as error:
        raise Misconfigured("LOA_EMAIL_CA_BUNDLE cannot be read") from error
    if settings.client_certificate:
        _add_client_certificate(context, settings.client_certificate, settings.client_key)
    return context


def _add_client_certificate(context: ssl.SSLContext, certificate: Path, key: Path | None) -> None:
    """Raises Misconfigured; a key with a pass phrase is refused, because no one could type it."""
    try:
        context.load_cert_chain(certificate, key, password=lambda: "")
    except OSError as error:  # also those of TLS
        raise Misconfigured("the client certificate or its key cannot be used") from error


def _tls_reason(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the relay's certificate is not valid: {error.verify_message}"
    return f"TLS failed: {error.reason or 'unknown'}"


def _os_reason(error: OSError | TimeoutError) -> str:
    if isinstance(error, TimeoutError):
        return TIMEOUT
    number = error.errno or 0  # negative: of a look-up; asyncio puts addresses into the text
    words = os.strerror(number) if number > 0 else error.strerror
    return f"no connection: {words or 'nobody answers'}"
