"""Networks of the internet, under which clients are counted."""

from ipaddress import IPv4Address, IPv6Address, ip_address

_HOUSEHOLD_BITS = 64
"""Prefix length of one household's IPv6 network."""
SITE_BITS, NEIGHBOUR_BITS = 48, 24
"""Prefix lengths of a wider network: what one customer has (IPv6), neighbours (IPv4)."""


def parse_address(text: str) -> IPv4Address | IPv6Address | None:
    """The address in *text*; an IPv4 address that is written as IPv6 is an IPv4 one."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def http_url(host: str, port: int) -> str:
    """The address of a server that listens on *host*; this machine's where it listens on all."""
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104 -- only compared
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"


def address_group(text: str, *, ipv6_bits: int = _HOUSEHOLD_BITS, ipv4_bits: int = 32) -> str:
    """The group that an address is counted under: its first bits, for IPv6 and IPv4."""
    address = parse_address(text)
    if address is None:
        return text
    bits = ipv6_bits if address.version == 6 else ipv4_bits
    return f"{int(address) >> (address.max_prefixlen - bits):x}/{bits}"


def wider_group(text: str) -> str:
    """The group of the network around an address's own group."""
    return address_group(text, ipv6_bits=SITE_BITS, ipv4_bits=NEIGHBOUR_BITS)
