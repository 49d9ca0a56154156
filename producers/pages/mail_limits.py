"""Limits of transactional mail per household and per network."""

import math
from collections.abc import Callable
from http import HTTPStatus

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request

from contracts.base.networks import address_group, wider_group
from producers.token_buckets import TokenBuckets

log = structlog.get_logger()
_PER_MINUTE, BURST = 10.0, 40.0
"""Mails that one household may cause; an office behind one address has many people."""
_NETWORK_SHARE = 1 / 20
"""Part of the hourly mails that one network may cause at once, and again per hour."""
_MIN_NETWORK_SHARE = 3.0
_REFUSED_PER_MINUTE, REFUSED_BURST = 20.0, 60.0
"""Forms with errors that one household may send."""
_MINUTES = 60


def client_address(request: Request) -> str:
    """The client's address, as reported by the trusted proxy."""
    return request.client.host if request.client else ""


class MailLimits:
    """Mail limits of households and networks; `per_hour` is the limit for all together.

    A network gets at most a tenth of the hourly mails, unless `per_hour` is 0 (no limit).
    """

    def __init__(self, per_hour: int, clock: Callable[[], float]) -> None:
        share = max(per_hour * _NETWORK_SHARE, _MIN_NETWORK_SHARE)
        self.households = TokenBuckets(_PER_MINUTE, BURST, clock)
        self.networks = TokenBuckets(share / _MINUTES, share, clock) if per_hour else None
        self.refused = TokenBuckets(_REFUSED_PER_MINUTE, REFUSED_BURST, clock)

    def check(self, request: Request) -> None:
        """Raise HTTPException (429) if the client may cause no mail now, for any address."""
        if wait := self.take_or_wait_s(client_address(request)):
            raise _too_many_requests(wait)

    def count_refused(self, request: Request) -> None:
        """Count a form with errors. Raises HTTPException (429) if the client sends too many."""
        if wait := self.refused.take(address_group(client_address(request))):
            raise _too_many_requests(wait)

    def take_or_wait_s(self, address: str) -> float:
        """Count one mail and return 0, or return the seconds until one is allowed."""
        wait = self.households.take(address_group(address))
        if wait or self.networks is None:
            return wait
        return self.networks.take(wider_group(address))


def _too_many_requests(wait_s: float) -> HTTPException:
    log.warning("letters_slowed")
    headers = {"Retry-After": str(math.ceil(wait_s))}
    return HTTPException(HTTPStatus.TOO_MANY_REQUESTS, headers=headers)
