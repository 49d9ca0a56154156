"""From a host name to a connection that may carry mail: greeting, TLS, signing in."""

import asyncio
import re
import socket
import ssl
from base64 import b64encode
from collections.abc import Callable, Mapping

from channels.email.settings import EmailSettings, Tls
from channels.email.wire import Wire
from channels.errors import ChannelError, Misconfigured, Unreachable

Abilities = Mapping[str, str]
"""What the relay announced: keyword → parameters, upper case."""

_HOST = re.compile(r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")


class Question:
    """One command that waits for its one reply; a second one ends the connection."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.answer.add_done_callback(heard)

    def reply(self, text: bytes) -> None:
        if self.answer.done():
            self.wire.drop("reply out of turn")
        else:
            self.answer.set_result(text)

    def caught_up(self) -> None:
        pass

    def drained(self) -> None:
        pass

    def lost(self, why: str) -> None:
        if not self.answer.done():
            self.answer.set_exception(Unreachable(why))


def heard(answer: asyncio.Future[bytes]) -> None:
    """A lost connection is told by whoever waits; an answer nobody waits for is no news."""
    if not answer.cancelled():
        answer.exception()


async def ask(wire: Wire, command: bytes) -> bytes:
    """Write *command* and wait for the reply. Raises Unreachable when the connection ends."""
    if wire.gone:
        raise Unreachable(wire.gone)
    question = Question(wire)
    wire.listen(question)
    wire.write(command + b"\r\n")
    try:
        return await question.answer
    finally:
        wire.listen(None)


async def shake_hands(wire: Wire, settings: EmailSettings, tls: ssl.SSLContext | None) -> Abilities:
    """Connect *wire* and get it ready for MAIL. Raises ChannelError or OSError."""
    greeting = Question(wire)
    wire.listen(greeting)  # before connecting: the relay speaks first
    await connect(wire, settings, tls)
    check(await greeting.answer, b"220", "greeting")
    wire.listen(None)
    abilities = await greet(wire)
    if settings.tls is Tls.STARTTLS:
        await start_tls(wire, abilities, settings.host, tls)
        abilities = await greet(wire)  # what was said in the clear does not count
    if settings.username:
        await sign_in(wire, abilities, settings)
    return abilities


async def connect(wire: Wire, settings: EmailSettings, tls: ssl.SSLContext | None) -> None:
    loop = asyncio.get_running_loop()
    if settings.tls is Tls.TLS:
        await loop.create_connection(
            lambda: wire, settings.host, settings.port, ssl=tls, server_hostname=settings.host
        )
    else:
        await loop.create_connection(lambda: wire, settings.host, settings.port)


async def expect(
    wire: Wire,
    command: bytes,
    wanted: bytes,
    step: str,
    trouble: Callable[[str], ChannelError] = Unreachable,
) -> bytes:
    """Ask, and raise *trouble* for another reply than *wanted*."""
    text = await ask(wire, command)
    check(text, wanted, step, trouble)
    return text


def check(
    text: bytes,
    wanted: bytes,
    step: str,
    trouble: Callable[[str], ChannelError] = Unreachable,
) -> None:
    """Raise *trouble* for another reply than *wanted*; a temporary one is always Unreachable."""
    if not text.startswith(wanted):
        kind = Unreachable if text.startswith(b"4") else trouble
        raise kind(f"{step} {text[:3].decode()}")


async def greet(wire: Wire) -> Abilities:
    """EHLO, and what the relay can do."""
    name = own_name(wire).encode("ascii")
    lines = (await expect(wire, b"EHLO " + name, b"250", "EHLO")).decode("ascii", "replace")
    said = (line[4:].upper().partition(" ") for line in lines.split("\n")[1:])
    return {keyword: parameters for keyword, _, parameters in said}


def own_name(wire: Wire) -> str:
    """Our full host name, else our address, as EHLO wants it."""
    name = socket.gethostname()
    if _HOST.fullmatch(name):
        return name
    host = str(wire.transport.get_extra_info("sockname", ("127.0.0.1",))[0]).partition("%")[0]
    return f"[IPv6:{host}]" if ":" in host else f"[{host}]"


async def start_tls(
    wire: Wire, abilities: Abilities, host: str, tls: ssl.SSLContext | None
) -> None:
    """Protect the connection and verify the relay's certificate."""
    if "STARTTLS" not in abilities or tls is None:
        raise Misconfigured("the relay offers no STARTTLS")
    await expect(wire, b"STARTTLS", b"220", "STARTTLS", Misconfigured)
    if wire.gone or wire.leftover():
        raise Misconfigured("answers smuggled in before TLS")
    loop = asyncio.get_running_loop()
    protected = await loop.start_tls(wire.transport, wire, tls, server_hostname=host)
    if protected is None:
        raise Unreachable("connection lost")
    wire.transport = protected


async def sign_in(wire: Wire, abilities: Abilities, settings: EmailSettings) -> None:
    """AUTH PLAIN or LOGIN. Raises Misconfigured when the relay doesn't want us."""
    offered = abilities.get("AUTH", "").split()
    name, secret = settings.username.encode(), settings.password.get_secret_value().encode()
    if "PLAIN" in offered:
        command = b"AUTH PLAIN " + b64encode(b"\0%b\0%b" % (name, secret))
        await expect(wire, command, b"235", "AUTH", Misconfigured)
    elif "LOGIN" in offered:
        await expect(wire, b"AUTH LOGIN", b"334", "AUTH", Misconfigured)
        await expect(wire, b64encode(name), b"334", "AUTH", Misconfigured)
        await expect(wire, b64encode(secret), b"235", "AUTH", Misconfigured)
    else:
        raise Misconfigured("the relay offers neither AUTH PLAIN nor LOGIN")
