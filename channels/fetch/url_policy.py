"""URL policy: only addresses of the public Internet may be fetched."""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from yarl import URL

from channels.fetch.errors import FetchReason, ForbiddenAddress

_SCHEMES = ("http", "https")
PORTS = (80, 443)
_INTERNAL_SUFFIXES = (
    *("localhost", "local", "internal", "intranet", "lan", "home", "corp", "arpa", "onion"),
)
"""Last parts of names that are local to a network."""
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.IGNORECASE)
# Lists of our own: the answers of the standard library differ between versions.
_BLOCKED_V4 = (
    ip_network("0.0.0.0/8"),  # this network
    ip_network("10.0.0.0/8"),  # private
    ip_network("100.64.0.0/10"),  # behind a carrier's translation
    ip_network("127.0.0.0/8"),  # this machine
    ip_network("169.254.0.0/16"),  # link-local; the metadata of clouds
    ip_network("172.16.0.0/12"),  # private
    ip_network("192.0.0.0/24"),  # protocol assignments
    ip_network("192.0.2.0/24"),  # documentation
    ip_network("192.88.99.0/24"),  # 6to4 relays
    ip_network("192.168.0.0/16"),  # private
    ip_network("198.18.0.0/15"),  # benchmarks
    ip_network("198.51.100.0/24"),  # documentation
    ip_network("203.0.113.0/24"),  # documentation
    ip_network("224.0.0.0/3"),  # multicast, reserved, broadcast
)
_GLOBAL_V6 = ip_network("2000::/3")
"""All addresses allocated so far; mapped, translated, private and local ones are outside."""
_BLOCKED_V6 = (
    ip_network("2001::/23"),  # protocol assignments: Teredo, ORCHID, benchmarks
    ip_network("2001:db8::/32"),  # documentation
    ip_network("2002::/16"),  # 6to4: an IPv4 address in disguise
    ip_network("3fff::/20"),  # documentation
)


@dataclass(frozen=True, slots=True)
class UrlPolicy:
    """The policy; *exceptions* are addresses and ports that an operator allows."""

    exceptions: frozenset[tuple[str, int]] = frozenset()

    def check_url(self, url: URL) -> None:
        """Check a URL without DNS. Raises ForbiddenAddress."""
        if url.scheme not in _SCHEMES or not url.raw_host:
            raise ForbiddenAddress(FetchReason.NOT_AN_ADDRESS)
        if "@" in url.raw_authority:
            raise ForbiddenAddress(FetchReason.USER_NAME)
        host = _host_of(url)
        if (host, url.port) in self.exceptions:
            return
        if url.port not in PORTS:
            raise ForbiddenAddress(FetchReason.PORT)
        _check_host(host)

    def check_address(self, address: str, port: int) -> None:
        """Check an address before a connection. Raises ForbiddenAddress."""
        if (address, port) not in self.exceptions and not is_public_address(address):
            raise ForbiddenAddress(FetchReason.NOT_PUBLIC)


def _check_host(host: str) -> None:
    """Require a full public DNS name or a public address. Raises ForbiddenAddress."""
    if _parse_ip(host):
        if not is_public_address(host):
            raise ForbiddenAddress(FetchReason.NOT_PUBLIC)
        return
    *above, last = host.split(".")
    if _NUMBER.fullmatch(last):
        raise ForbiddenAddress(FetchReason.NUMBER)
    if not above or last in _INTERNAL_SUFFIXES:
        raise ForbiddenAddress(FetchReason.INNER_NAME)


def is_public_address(address: str) -> bool:
    """Whether *address* belongs to the public Internet and has its usual form."""
    ip = _parse_ip(address)
    if isinstance(ip, IPv4Address):
        return not any(ip in network for network in _BLOCKED_V4)
    if ip is None or ip.scope_id:
        return False
    return ip in _GLOBAL_V6 and not any(ip in network for network in _BLOCKED_V6)


def is_public_url(url: str) -> bool:
    """Whether other machines could fetch *url*, one of our own addresses."""
    try:
        _check_host(_host_of(URL(url)))
    except (ForbiddenAddress, ValueError):
        return False
    return True


def _host_of(url: URL) -> str:
    return (url.raw_host or "").rstrip(".").casefold()


def _parse_ip(host: str) -> IPv4Address | IPv6Address | None:
    """Parse an IP address; None for a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def parse_policy(written: str) -> UrlPolicy:
    """Policy with exceptions written as `127.0.0.1:8090,[::1]:8090`. Raises ValueError."""
    exceptions = set()
    for part in filter(None, map(str.strip, written.split(","))):
        host, _, port = part.rpartition(":")
        exceptions.add((str(ip_address(host.strip("[]"))), int(port)))
    return UrlPolicy(frozenset(exceptions))
