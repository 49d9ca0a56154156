"""SMTP handshake: connect, greeting, STARTTLS, authentication."""

import asyncio
import hmac
import re
import socket
import ssl
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from contextlib import ExitStack

from channels.email.relays import RelaySettings
from channels.email.settings import Tls
from channels.email.smtp.protocol import ReplyHandler, SmtpProtocol
from channels.errors import ChannelError, Misconfigured, Unreachable
from channels.name_lookup import look_up

Extensions = Mapping[str, str]
"""The relay's announced extensions: keyword → parameters, upper case."""

_CONNECT_TIMEOUT_S = 15.0
_HELO_CODES = (b"500", b"501", b"502", b"504", b"550")
"""RFC 5321 3.2, and 1869 for 550: answers of relays that know HELO only."""
_HOST = re.compile(r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")


class PendingReply(ReplyHandler):
    """One command waiting for one reply; a second reply ends the connection."""

    def __init__(self, protocol: SmtpProtocol) -> None:
        self.protocol = protocol
        self.future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.future.add_done_callback(_mark_retrieved)

    def on_reply(self, text: bytes) -> None:
        if self.future.done():
            self.protocol.drop("reply out of turn")
        else:
            self.future.set_result(text)

    def on_connection_lost(self, why: str) -> None:
        if not self.future.done():
            self.future.set_exception(Unreachable(why))


def _mark_retrieved(future: asyncio.Future[bytes]) -> None:
    """Retrieve the exception, so that asyncio reports none for an abandoned reply."""
    if not future.cancelled():
        future.exception()


async def send_command(protocol: SmtpProtocol, command: bytes) -> bytes:
    """Write *command* and wait for the reply. Raises Unreachable when the connection ends."""
    if protocol.closed_reason:
        raise Unreachable(protocol.closed_reason)
    reply = PendingReply(protocol)
    protocol.set_handler(reply)
    protocol.write(command + b"\r\n")
    try:
        async with asyncio.timeout(protocol.reply_timeout_s):
            return await reply.future
    finally:
        protocol.set_handler(None)


async def perform_handshake(
    protocol: SmtpProtocol, settings: RelaySettings, tls: ssl.SSLContext | None
) -> Extensions:
    """Connect *protocol* and prepare it for MAIL. Raises ChannelError or OSError."""
    greeting = PendingReply(protocol)
    protocol.set_handler(greeting)  # before connecting: the relay speaks first
    async with asyncio.timeout(_CONNECT_TIMEOUT_S):
        await _connect(protocol, settings, tls if settings.tls is Tls.TLS else None)
    async with asyncio.timeout(protocol.reply_timeout_s):
        _check_reply(await greeting.future, b"220", "greeting")
    protocol.set_handler(None)
    extensions = await _say_hello(protocol)
    if settings.tls is Tls.STARTTLS:
        await _start_tls(protocol, extensions, settings.host, tls)
        extensions = await _say_hello(protocol)  # what was said in the clear does not count
    if settings.username:
        await _sign_in(protocol, extensions, settings)
    return extensions


async def _connect(
    protocol: SmtpProtocol, settings: RelaySettings, at_once: ssl.SSLContext | None
) -> None:
    """Connect to the first address of the relay that answers. Raises OSError."""
    loop, name = asyncio.get_running_loop(), settings.host if at_once else None
    with ExitStack() as stack:
        sock = stack.enter_context(await _open_socket(settings.host, settings.port))
        await loop.create_connection(lambda: protocol, sock=sock, ssl=at_once, server_hostname=name)
        stack.pop_all()  # the connection has it now


async def _open_socket(host: str, port: int) -> socket.socket:
    failures: list[OSError] = []
    for family, kind, number, _, address in await look_up(host, port):
        with ExitStack() as stack:
            sock = stack.enter_context(socket.socket(family, kind, number))
            sock.setblocking(False)
            try:
                await asyncio.get_running_loop().sock_connect(sock, address)
            except OSError as failure:
                failures.append(failure)
                continue
            stack.pop_all()
            return sock
    raise failures[0] if failures else OSError("no address")


async def _expect_reply(
    protocol: SmtpProtocol,
    command: bytes,
    wanted: bytes,
    step: str,
    error_type: Callable[[str], ChannelError] = Unreachable,
) -> bytes:
    """Send a command; raise *error_type* for another reply than *wanted*."""
    text = await send_command(protocol, command)
    _check_reply(text, wanted, step, error_type)
    return text


def _check_reply(
    text: bytes, wanted: bytes, step: str, error_type: Callable[[str], ChannelError] = Unreachable
) -> None:
    """Raise *error_type* for another reply than *wanted*; Unreachable if it is temporary."""
    if not text.startswith(wanted):
        kind = Unreachable if text.startswith(b"4") else error_type
        raise kind(f"{step} {text[:3].decode()}")


async def _say_hello(protocol: SmtpProtocol) -> Extensions:
    """Send EHLO; return the relay's extensions: none of a relay that knows HELO only."""
    name = _local_host_name(protocol).encode("ascii")
    reply = await send_command(protocol, b"EHLO " + name)
    if reply.startswith(_HELO_CODES):
        await _expect_reply(protocol, b"HELO " + name, b"250", "HELO")
        return {}
    _check_reply(reply, b"250", "EHLO")
    lines = reply.decode("ascii", "replace").upper().split("\n")[1:]
    offers = (line[4:].partition(" ") for line in lines)
    return {keyword: parameters for keyword, _, parameters in offers}


def _local_host_name(protocol: SmtpProtocol) -> str:
    """Our full host name, else our address literal, for EHLO."""
    name = socket.gethostname()
    if _HOST.fullmatch(name):
        return name
    host = str(protocol.transport.get_extra_info("sockname", ("127.0.0.1",))[0]).partition("%")[0]
    return f"[IPv6:{host}]" if ":" in host else f"[{host}]"


async def _start_tls(
    protocol: SmtpProtocol, extensions: Extensions, host: str, tls: ssl.SSLContext | None
) -> None:
    """Protect the connection and verify the relay's certificate."""
    if "STARTTLS" not in extensions or tls is None:
        raise Misconfigured("the relay offers no STARTTLS")
    await _expect_reply(protocol, b"STARTTLS", b"220", "STARTTLS", Misconfigured)
    if protocol.closed_reason or protocol.has_buffered_reply():
        raise Misconfigured("answers smuggled in before TLS")
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(protocol.reply_timeout_s):
        protected = await loop.start_tls(protocol.transport, protocol, tls, server_hostname=host)
    if protected is None:
        raise Unreachable("connection lost")
    protocol.transport = protected


async def _sign_in(protocol: SmtpProtocol, extensions: Extensions, relay: RelaySettings) -> None:
    """Sign in with AUTH PLAIN, LOGIN or CRAM-MD5. Raises Misconfigured if the relay refuses."""
    offered = extensions.get("AUTH", "").split()
    name, secret = relay.username.encode(), relay.password.get_secret_value().encode()
    if "PLAIN" in offered:
        command = b"AUTH PLAIN " + b64encode(b"\0%b\0%b" % (name, secret))
        await _expect_reply(protocol, command, b"235", "AUTH", Misconfigured)
    elif "LOGIN" in offered:
        await _expect_reply(protocol, b"AUTH LOGIN", b"334", "AUTH", Misconfigured)
        await _expect_reply(protocol, b64encode(name), b"334", "AUTH", Misconfigured)
        await _expect_reply(protocol, b64encode(secret), b"235", "AUTH", Misconfigured)
    elif "CRAM-MD5" in offered:
        reply = await _expect_reply(protocol, b"AUTH CRAM-MD5", b"334", "AUTH", Misconfigured)
        answer = _cram_md5_answer(reply[4:], name, secret)
        await _expect_reply(protocol, answer, b"235", "AUTH", Misconfigured)
    else:
        raise Misconfigured("the relay offers none of AUTH PLAIN, LOGIN and CRAM-MD5")


def _cram_md5_answer(challenge: bytes, name: bytes, secret: bytes) -> bytes:
    """The answer to a challenge of RFC 2195. Raises Misconfigured for one that is not base64."""
    try:
        digest = hmac.new(secret, b64decode(challenge, validate=True), "md5").hexdigest()
    except ValueError as error:  # also of a Python that has no MD5
        raise Misconfigured("AUTH CRAM-MD5 failed") from error
    return b64encode(b"%b %b" % (name, digest.encode()))
