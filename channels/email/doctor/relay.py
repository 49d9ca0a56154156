"""Check the relay: handshake of real mails, sender, extensions, certificate, reverse DNS."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from channels.email.doctor.dns_client import Address, DnsClient
from channels.email.doctor.finding import Finding, new_finding
from channels.email.relays import RelaySettings
from channels.email.settings import Tls, is_loopback
from channels.email.smtp.connection import TIMEOUT, Patience, SmtpConnection, tls_context
from channels.email.smtp.handshake import Extensions, send_command
from channels.email.smtp.mail_result import Stage, parse_refusal
from channels.email.smtp.protocol import SmtpProtocol
from channels.errors import ChannelError, Unreachable
from contracts.base.times import utc_time

DIALOGUE_TIMEOUT_S = 8.0
"""How long all of the dialogue with one relay may take."""
_CERTIFICATE_WARNING_DAYS = 21
_SIZE_MIN = 1_000_000


async def examine(settings: RelaySettings, now: datetime, sender: bytes) -> AsyncIterator[Finding]:
    """Findings of a handshake, and whether mail of *sender* may begin; sends no mail."""
    ends_at = asyncio.get_running_loop().time() + DIALOGUE_TIMEOUT_S
    try:
        patience = Patience(open_s=DIALOGUE_TIMEOUT_S)
        connection = await SmtpConnection.open(settings, tls_context(settings), patience)
    except ChannelError as error:
        yield _failure(settings, error)
        return
    for finding in _tls_findings(settings, connection.protocol, now):
        yield finding
    for finding in _extension_findings(settings, connection.extensions):
        yield finding
    async for finding in _sender_findings(settings, connection.protocol, sender, ends_at):
        yield finding
    await connection.quit(ends_at)


async def _sender_findings(
    settings: RelaySettings, smtp: SmtpProtocol, sender: bytes, ends_at: float
) -> AsyncIterator[Finding]:
    """A finding if no mail of *sender* may begin."""
    try:
        async with asyncio.timeout_at(ends_at):
            refusal = await _ask_for_sender(smtp, sender)
    except TimeoutError:
        yield _failure(settings, Unreachable(TIMEOUT))
    except Unreachable as error:
        yield _failure(settings, error)
    else:
        if refusal:
            place = {"host": settings.host, "port": settings.port}
            yield new_finding("relay_refuses", reply=refusal, **place)


async def _ask_for_sender(smtp: SmtpProtocol, sender: bytes) -> str:
    """Begin a mail of *sender* and take it back: the codes of a refusal, empty for none."""
    reply = await send_command(smtp, b"MAIL FROM:<%b>" % sender)
    if not reply.startswith(b"2"):
        return parse_refusal(Stage.MAIL, reply).reason
    await send_command(smtp, b"RSET")
    return ""


def _failure(settings: RelaySettings, error: ChannelError) -> Finding:
    """The finding of a relay that can't be used."""
    place = {"host": settings.host, "port": settings.port}
    if isinstance(error, Unreachable) and error.reason == TIMEOUT:
        return new_finding("relay_silent", seconds=round(DIALOGUE_TIMEOUT_S), **place)
    return new_finding("relay_failed", reason=error.reason, **place)


def _tls_findings(settings: RelaySettings, smtp: SmtpProtocol, now: datetime) -> Iterator[Finding]:
    """Findings of the TLS connection, whose certificate has been verified."""
    host = settings.host
    if settings.tls is Tls.NONE:
        yield new_finding("relay_plain_here" if is_loopback(host) else "relay_plain", host=host)
        return
    certificate: Mapping[str, Any] = smtp.transport.get_extra_info("peercert") or {}
    ends = utc_time(ssl.cert_time_to_seconds(certificate["notAfter"]))
    soon = (ends - now).days < _CERTIFICATE_WARNING_DAYS
    version = smtp.transport.get_extra_info("cipher")[1]
    code = "relay_ends" if soon else "relay_tls"
    yield new_finding(code, host=host, ends=f"{ends:%d/%m/%Y}", version=version)


def _extension_findings(settings: RelaySettings, extensions: Extensions) -> Iterator[Finding]:
    host = settings.host
    if settings.tls is Tls.NONE and "STARTTLS" in extensions and not is_loopback(host):
        yield new_finding("relay_could_tls", host=host)
    for name, code in (("PIPELINING", "relay_slow"), ("DSN", "relay_no_dsn")):
        if name not in extensions:
            yield new_finding(code, host=host)
    size = extensions.get("SIZE", "")
    if size.isdecimal() and 0 < int(size) < _SIZE_MIN:
        yield new_finding("relay_small", host=host, size=size)
    yield new_finding("relay_offers", host=host, offers=", ".join(sorted(extensions)))


async def public_addresses(relays: Sequence[RelaySettings], dns: DnsClient) -> list[Address]:
    """Public addresses of all relays. Raises DnsUnanswered."""
    hosts = [relay.host for relay in relays if not is_loopback(relay.host)]
    addresses = [address for host in hosts for address in await dns.addresses(host)]
    return list(dict.fromkeys(address for address in addresses if address.is_global))


async def reverse_dns_findings(
    relays: Sequence[RelaySettings], dns: DnsClient
) -> AsyncIterator[Finding]:
    """Findings of each address: its name has to resolve back. Raises DnsUnanswered."""
    for address in await public_addresses(relays, dns):
        hosts = await dns.reverse_names(address)
        resolved = [each for host in hosts for each in await dns.addresses(host)]
        if not hosts:
            yield new_finding("ptr_missing", address=address)
        else:
            code = "ptr_ok" if address in resolved else "ptr_astray"
            yield new_finding(code, address=address, name=hosts[0])
