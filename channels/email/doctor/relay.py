"""The relay as Loa meets it: the same handshake as for mail, what it offers, whose host it is."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from channels.email.doctor.finding import Finding, found
from channels.email.doctor.names import Address, Names
from channels.email.doctor.parting import part
from channels.email.handshake import Abilities, shake_hands
from channels.email.settings import EmailSettings, Tls, is_loopback
from channels.email.smtp import OPEN_TIMEOUT_S, os_reason, tls_context, tls_reason
from channels.email.wire import Wire
from channels.errors import ChannelError

ENDS_SOON_DAYS = 21
SIZE_MIN = 1_000_000


async def examine(settings: EmailSettings, now: datetime) -> list[Finding]:
    """What a handshake shows; nothing is sent."""
    if not settings.host:
        return [found("relay_none")]
    where = {"host": settings.host, "port": settings.port}
    wire = Wire()
    try:
        async with asyncio.timeout(OPEN_TIMEOUT_S):
            abilities = await shake_hands(wire, settings, tls_context(settings))
        seen = [*protection(settings, wire, now), *offers(settings, abilities)]
        await part(wire)
        return seen
    except ChannelError as trouble:
        return [found("relay_failed", reason=trouble.reason, **where)]
    except ssl.SSLError as error:
        return [found("relay_failed", reason=tls_reason(error), **where)]
    except (OSError, TimeoutError) as error:
        return [found("relay_failed", reason=os_reason(error), **where)]
    finally:
        wire.drop("looked at")


def protection(settings: EmailSettings, wire: Wire, now: datetime) -> Iterator[Finding]:
    """TLS as it was agreed: the certificate has been verified by then."""
    host = settings.host
    if settings.tls is Tls.NONE:
        yield found("relay_plain_here" if is_loopback(host) else "relay_plain", host=host)
        return
    certificate: Mapping[str, Any] = wire.transport.get_extra_info("peercert") or {}
    ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(certificate["notAfter"]), UTC)
    facts = {
        "host": host,
        "ends": f"{ends:%d/%m/%Y}",
        "version": wire.transport.get_extra_info("cipher")[1],
    }
    soon = (ends - now).days < ENDS_SOON_DAYS
    yield found("relay_ends" if soon else "relay_tls", **facts)


def offers(settings: EmailSettings, abilities: Abilities) -> Iterator[Finding]:
    """The extensions that Loa makes use of."""
    host = settings.host
    if settings.tls is Tls.NONE and "STARTTLS" in abilities and not is_loopback(host):
        yield found("relay_could_tls", host=host)
    for name, code in (("PIPELINING", "relay_slow"), ("DSN", "relay_no_dsn")):
        if name not in abilities:
            yield found(code, host=host)
    size = abilities.get("SIZE", "")
    if size.isdecimal() and 0 < int(size) < SIZE_MIN:
        yield found("relay_small", host=host, size=size)
    yield found("relay_offers", host=host, offers=", ".join(sorted(abilities)))


async def addresses(settings: EmailSettings, names: Names) -> list[Address]:
    """The relay's addresses that others can see. Raises Silent."""
    if not settings.host or is_loopback(settings.host):
        return []
    return [one for one in await names.addresses(settings.host) if one.is_global]


async def pointers(known: list[Address], names: Names) -> AsyncIterator[Finding]:
    """Each address needs a name that leads back to it. Raises Silent."""
    for address in known:
        hosts = await names.pointers(address)
        back = [one for host in hosts for one in await names.addresses(host)]
        if not hosts:
            yield found("ptr_missing", address=address)
        elif address not in back:
            yield found("ptr_astray", address=address, name=hosts[0])
        else:
            yield found("ptr_ok", address=address, name=hosts[0])
