"""Whom a request is counted for: the address it came from."""

from ipaddress import IPv6Address, ip_address

import structlog
from starlette.requests import Request

from producers.gateway.limits import TokenBuckets

log = structlog.get_logger()
HOUSEHOLD = 64


def source(request: Request) -> str:
    """Where a request came from, as the server in front of us says if it is trusted to."""
    return request.client.host if request.client else ""


def counted(address: str) -> str:
    """The name an address is counted under: a household has a whole IPv6 network to itself."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if isinstance(found, IPv6Address):
        mapped = found.ipv4_mapped
        return str(mapped) if mapped else str(int(found) >> (128 - HOUSEHOLD))
    return str(found)


def too_often(buckets: TokenBuckets, request: Request) -> bool:
    """Whether this one may cause no letter now; nobody is told so."""
    slowed = buckets.take(counted(source(request))) > 0
    if slowed:
        log.warning("letters_slowed")
    return slowed
