"""Questions to the DNS, with plain answers."""

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

Address = IPv4Address | IPv6Address
PATIENCE_S = 5.0
PORT = 53


class Silent(Exception):
    """No server has answered, or none with sense: nothing is known of *name*."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class Names:
    """Asks *server* (host and port), or the servers that this machine asks."""

    def __init__(self, server: tuple[str, int] | None = None) -> None:
        self.resolver = Resolver(configure=server is None)
        if server:
            self.resolver.nameservers = [server[0]]
            self.resolver.port = server[1]
        self.resolver.lifetime = PATIENCE_S

    async def texts(self, name: str) -> list[str]:
        """The TXT records of *name*, each joined; none when there are none. Raises Silent."""
        answers = await self.ask(name, "TXT")
        return [b"".join(one.strings).decode("utf-8", "replace") for one in answers]

    async def mails(self, name: str) -> list[str]:
        """The hosts that take mail for *name*; a null MX (RFC 7505) is none. Raises Silent."""
        hosts = [one.exchange.to_text(omit_final_dot=True) for one in await self.ask(name, "MX")]
        return [host for host in hosts if host not in ("", ".")]

    async def addresses(self, name: str) -> list[Address]:
        """The addresses of *name*, both kinds; an address is its own. Raises Silent."""
        with suppress(ValueError):
            return [ip_address(name)]
        kinds = [await self.ask(name, "A"), await self.ask(name, "AAAA")]
        return [ip_address(one.address) for kind in kinds for one in kind]

    async def pointers(self, address: Address) -> list[str]:
        """The names that *address* says it has. Raises Silent."""
        name = dns.reversename.from_address(str(address)).to_text()
        return [one.target.to_text(omit_final_dot=True) for one in await self.ask(name, "PTR")]

    async def ask(self, name: str, kind: str) -> Sequence[Any]:
        try:
            return list(await self.resolver.resolve(name, kind, search=False))
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except (dns.exception.DNSException, OSError) as error:
            raise Silent(name) from error
