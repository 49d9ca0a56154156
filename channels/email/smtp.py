"""The one SMTP interface: open a connection to the relay, send windows, say what happened."""

import asyncio
import ssl
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Self

import structlog

from channels.email.handshake import ask, shake_hands
from channels.email.replies import LET_GO, Reply, unsent
from channels.email.settings import EmailSettings, Tls
from channels.email.window import Envelope, Terms, Window
from channels.email.wire import Wire
from channels.errors import Misconfigured, Unreachable

log = structlog.get_logger()
OPEN_TIMEOUT_S = 15.0
REQUEST_TIMEOUT_S = 30.0
CHECK_TIMEOUT_S = 5.0


class SmtpConnection:
    """A signed-in connection. Not for two tasks at once."""

    def __init__(self, wire: Wire, terms: Terms) -> None:
        self.wire = wire
        self.terms = terms
        self.left = False  # we ended it ourselves: that says nothing of the relay
        self.spare = False  # to the second relay

    @classmethod
    async def open(
        cls,
        settings: EmailSettings,
        tls: ssl.SSLContext | None = None,
        request_timeout_s: float = REQUEST_TIMEOUT_S,
    ) -> Self:
        """Connect, verify, sign in. Raises Unreachable or Misconfigured; nothing was sent then."""
        wire = Wire()
        ready = False
        try:
            async with asyncio.timeout(OPEN_TIMEOUT_S):
                abilities = await shake_hands(wire, settings, tls)
            ready = True
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError) as error:
            raise Unreachable("connection lost") from error
        except ssl.SSLError as error:
            raise Misconfigured(tls_reason(error)) from error
        except (OSError, TimeoutError) as error:
            raise Unreachable(wire.gone or os_reason(error)) from error
        finally:
            if not ready:
                wire.drop("not opened")
        sender, pipelining = settings.sender.encode("ascii"), "PIPELINING" in abilities
        return cls(wire, Terms(sender, pipelining, request_timeout_s, "DSN" in abilities))

    @property
    def closed(self) -> bool:
        """Whether the relay (or a time-out, or a fault) has ended this connection."""
        return bool(self.wire.gone)

    @property
    def hung_up(self) -> bool:
        """Whether the relay ended it by itself, as relays do after many mails or a long time."""
        return self.wire.gone in ("421", "connection lost")

    async def send_window(
        self, mails: Sequence[Envelope], expired: Callable[[], bool]
    ) -> list[Reply]:
        """Send *mails* in order; one reply per mail, in the same order. Never raises for a mail.

        `expired` is asked before each mail's first command; once true, the rest stays unsent.
        """
        window = Window(self.wire, self.terms, mails, expired)
        window.begin()
        try:
            await window.done
        finally:
            if not window.done.done() or window.done.cancelled():
                self.wire.drop("cancelled")
        return window.replies

    def without_dsn(self, replies: Sequence[Reply]) -> list[Reply]:
        """What was refused for parameters that the relay had offered is unsent: it gets no more."""
        refused = [self.terms.dsn and not self.closed and reply.no_parameters for reply in replies]
        if any(refused):
            log.warning("relay_refuses_dsn")
            self.terms = replace(self.terms, dsn=False)
        pairs = zip(replies, refused, strict=True)
        return [unsent("no DSN after all") if bad else reply for reply, bad in pairs]

    def let_go(self) -> None:
        """End the conversation at once, whatever it is about."""
        self.left = True
        self.wire.drop(LET_GO)

    async def alive(self) -> bool:
        """Whether the relay still answers."""
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                answered = (await ask(self.wire, b"NOOP")).startswith(b"250")
        except (Unreachable, TimeoutError):
            answered = False
        if not answered:
            self.wire.drop("no answer to NOOP")
        return answered

    def close(self) -> None:
        """Say goodbye without waiting for the answer."""
        if not self.closed:
            self.wire.write(b"QUIT\r\n")
            self.wire.transport.close()


def tls_context(settings: EmailSettings) -> ssl.SSLContext | None:
    """Verifies names and certificates, against the given authorities if there are any.

    Raises Misconfigured when their file can't be read.
    """
    if settings.tls is Tls.NONE:
        return None
    try:
        return ssl.create_default_context(cafile=settings.ca_bundle)
    except OSError as error:
        raise Misconfigured("LOA_EMAIL_CA_BUNDLE cannot be read") from error


def tls_reason(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the relay's certificate is not valid: {error.verify_message}"
    return f"TLS failed: {error.reason or 'unknown'}"


def os_reason(error: OSError | TimeoutError) -> str:
    if isinstance(error, TimeoutError):
        return "timeout"
    return f"no connection: {error.strerror or 'nobody answers'}"
