"""Whom a request is counted for: the household it came from, and the network around it."""

import math
from collections.abc import Callable
from http import HTTPStatus
from ipaddress import IPv6Address, ip_address

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request

from producers.token_buckets import TokenBuckets

log = structlog.get_logger()
PER_MINUTE, BURST = 10.0, 40.0
"""Letters that one household may cause: an office behind one address is many."""
HOUSEHOLD_BITS, SITE_BITS, NEIGHBOUR_BITS = 64, 48, 24
"""What a household has of IPv6, what its provider may give it, and the like of IPv4: in bits."""
NETWORK_SHARE = 1 / 20
"""Of the letters of an hour, what a network may cause at once, and in each hour after that."""
MIN_NETWORK_SHARE = 3.0
MINUTES = 60


def client_address(request: Request) -> str:
    """Where a request came from, as the server in front of us says if it is trusted to."""
    return request.client.host if request.client else ""


def address_group(address: str, *, ipv6_bits: int = HOUSEHOLD_BITS, ipv4_bits: int = 32) -> str:
    """The name an address is counted under: so many bits of it, of IPv6 and of IPv4."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if isinstance(found, IPv6Address):
        mapped = found.ipv4_mapped
        if mapped is None:
            return f"{int(found) >> (128 - ipv6_bits):x}/{ipv6_bits}"
        found = mapped
    return f"{int(found) >> (32 - ipv4_bits):x}/{ipv4_bits}"


class MailLimits:
    """What a household, and the network around it, may cause in letters; `per_hour`: all together.

    No network has more than a tenth of an hour's letters, as long as all are bounded (not 0).
    """

    def __init__(self, per_hour: int, clock: Callable[[], float]) -> None:
        share = max(per_hour * NETWORK_SHARE, MIN_NETWORK_SHARE)
        self.households = TokenBuckets(PER_MINUTE, BURST, clock)
        self.networks = TokenBuckets(share / MINUTES, share, clock) if per_hour else None

    def check(self, request: Request) -> None:
        """Raises HTTPException (429) for who may cause no letter now, whatever they ask for."""
        wait = self.take_or_wait_s(client_address(request))
        if wait:
            log.warning("letters_slowed")
            said = {"Retry-After": str(math.ceil(wait))}
            raise HTTPException(HTTPStatus.TOO_MANY_REQUESTS, headers=said)

    def take_or_wait_s(self, address: str) -> float:
        """Seconds until a letter; 0: it is counted."""
        wait = self.households.take(address_group(address))
        if wait or self.networks is None:
            return wait
        return self.networks.take(
            address_group(address, ipv6_bits=SITE_BITS, ipv4_bits=NEIGHBOUR_BITS)
        )
