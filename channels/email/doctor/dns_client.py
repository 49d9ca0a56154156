"""DNS queries with plain answers, and the tag lists of DKIM and DMARC records."""

from collections.abc import Sequence
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

import dns.exception
import dns.name
import dns.rdatatype
import dns.resolver
import dns.reversename
from dns.asyncresolver import Resolver

from channels.email.errors import DnsUnanswered

Address = IPv4Address | IPv6Address
DNS_TIMEOUT_S = 5.0
DNS_PORT = 53


class DnsClient:
    """Queries *server* (host and port), or the machine's own servers."""

    def __init__(self, server: tuple[str, int] | None = None) -> None:
        self.resolver = Resolver(configure=server is None)
        if server:
            self.resolver.nameservers = [server[0]]
            self.resolver.port = server[1]
        self.resolver.lifetime = DNS_TIMEOUT_S

    async def txt_records(self, name: str) -> list[str]:
        """TXT records of *name*, each joined. Raises DnsUnanswered."""
        answers = await self.query(name, "TXT")
        return [b"".join(answer.strings).decode("utf-8", "replace") for answer in answers]

    async def mail_hosts(self, name: str) -> list[str]:
        """Mail hosts of *name*; none for a null MX (RFC 7505). Raises DnsUnanswered."""
        answers = await self.query(name, "MX")
        hosts = [answer.exchange.to_text(omit_final_dot=True) for answer in answers]
        return [host for host in hosts if host not in ("", ".")]

    async def addresses(self, name: str) -> list[Address]:
        """IPv4 and IPv6 addresses of *name*, which may be an address. Raises DnsUnanswered."""
        with suppress(ValueError):
            return [ip_address(name)]
        answers = [*await self.query(name, "A"), *await self.query(name, "AAAA")]
        return [ip_address(answer.address) for answer in answers]

    async def reverse_names(self, address: Address) -> list[str]:
        """Names of *address* in reverse DNS. Raises DnsUnanswered."""
        answers = await self.query(dns.reversename.from_address(str(address)).to_text(), "PTR")
        return [answer.target.to_text(omit_final_dot=True) for answer in answers]

    async def query(self, name: str, kind: str) -> Sequence[Any]:
        try:
            return list(await self.resolver.resolve(name, kind, search=False))
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except (dns.exception.DNSException, OSError) as error:
            raise DnsUnanswered(name) from error


def parse_tags(text: str) -> dict[str, str]:
    """Tags by name, in order; the first of equal names counts."""
    tags: dict[str, str] = {}
    for part in text.split(";"):
        name, _, value = part.partition("=")
        if name.strip():
            tags.setdefault(name.strip().lower(), value.strip())
    return tags
