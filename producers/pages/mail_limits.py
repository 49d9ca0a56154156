"""Limits of transactional mail per household and per network."""

import math
from collections.abc import Callable
from http import HTTPStatus
from ipaddress import IPv6Address, ip_address

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request

from producers.token_buckets import TokenBuckets

log = structlog.get_logger()
_PER_MINUTE, BURST = 10.0, 40.0
"""Mails that one household may cause; an office behind one address has many people."""
_HOUSEHOLD_BITS, _SITE_BITS, _NEIGHBOUR_BITS = 64, 48, 24
"""Prefix lengths in bits: of a household (IPv6), of a customer (IPv6), of a network (IPv4)."""
_NETWORK_SHARE = 1 / 20
"""Part of the hourly mails that one network may cause at once, and again per hour."""
_MIN_NETWORK_SHARE = 3.0
_MINUTES = 60


def client_address(request: Request) -> str:
    """The client's address, as reported by the trusted proxy."""
    return request.client.host if request.client else ""


def address_group(address: str, *, ipv6_bits: int = _HOUSEHOLD_BITS, ipv4_bits: int = 32) -> str:
    """The group that an address is counted under: its first bits, for IPv6 and IPv4."""
    try:
        ip = ip_address(address)
    except ValueError:
        return address
    if isinstance(ip, IPv6Address):
        mapped = ip.ipv4_mapped
        if mapped is None:
            return f"{int(ip) >> (128 - ipv6_bits):x}/{ipv6_bits}"
        ip = mapped
    return f"{int(ip) >> (32 - ipv4_bits):x}/{ipv4_bits}"


class MailLimits:
    """Mail limits of households and networks; `per_hour` is the limit for all together.

    A network gets at most a tenth of the hourly mails, unless `per_hour` is 0 (no limit).
    """

    def __init__(self, per_hour: int, clock: Callable[[], float]) -> None:
        share = max(per_hour * _NETWORK_SHARE, _MIN_NETWORK_SHARE)
        self.households = TokenBuckets(_PER_MINUTE, BURST, clock)
        self.networks = TokenBuckets(share / _MINUTES, share, clock) if per_hour else None

    def check(self, request: Request) -> None:
        """Raise HTTPException (429) if the client may cause no mail now, for any address."""
        wait = self.take_or_wait_s(client_address(request))
        if wait:
            log.warning("letters_slowed")
            headers = {"Retry-After": str(math.ceil(wait))}
            raise HTTPException(HTTPStatus.TOO_MANY_REQUESTS, headers=headers)

    def take_or_wait_s(self, address: str) -> float:
        """Count one mail and return 0, or return the seconds until one is allowed."""
        wait = self.households.take(address_group(address))
        if wait or self.networks is None:
            return wait
        network = address_group(address, ipv6_bits=_SITE_BITS, ipv4_bits=_NEIGHBOUR_BITS)
        return self.networks.take(network)
