"""Authentication and rate limits of senders."""

import math

from starlette.requests import Request

from contracts.base.networks import address_group
from contracts.base.times import Clock
from contracts.errors import RateLimited, Unauthorized, field_error
from contracts.trials.dry_run import Quota
from producers.token_buckets import TokenBuckets
from producers.units.registry import Sender, TrialUnit, UnitRegistry

EVENTS_PER_MINUTE = 600
BURST = 200
TRIALS_PER_MINUTE = 60
"""Each goes to up to ten guests, by the lane of letters and case notices."""
_QUERIES_PER_MINUTE = 2400
_FAILURES_PER_MINUTE = 20


class AccessControl:
    """Authenticates units by API key and counts their requests; the counts are kept in memory."""

    def __init__(self, registry: UnitRegistry, clock: Clock) -> None:
        self.registry = registry
        self.events = TokenBuckets(EVENTS_PER_MINUTE, BURST, clock)
        self.trials = TokenBuckets(TRIALS_PER_MINUTE, BURST, clock)
        self.queries = TokenBuckets(_QUERIES_PER_MINUTE, _QUERIES_PER_MINUTE / 2, clock)
        self.failures = TokenBuckets(_FAILURES_PER_MINUTE, _FAILURES_PER_MINUTE, clock)

    async def authenticate(self, request: Request) -> Sender:
        """The unit whose key *request* carries. Raises Unauthorized, RateLimited after failures."""
        try:
            member = await self.registry.authenticate_sender(_bearer_token(request))
        except Unauthorized:
            host = request.client.host if request.client else ""
            _check_wait(self.failures.take(address_group(host)))
            raise
        request.state.is_trial = isinstance(member, TrialUnit)
        return member

    def count_events(self, member: Sender, events: int = 1) -> None:
        """Raise RateLimited if the unit sends too many events, or too many trials."""
        _check_wait(self._buckets(member).take(member.unit, events))

    def quota(self, member: Sender) -> Quota:
        """The unit's quota, and what is left of it in this process."""
        buckets = self._buckets(member)
        left = buckets.left(member.unit)
        per_minute = round(buckets.rate * 60)
        return Quota(per_minute=per_minute, at_once=round(buckets.burst), left=left)

    def _buckets(self, member: Sender) -> TokenBuckets:
        return self.trials if isinstance(member, TrialUnit) else self.events

    def count_query(self, member: Sender) -> None:
        """Raise RateLimited if the unit asks for too many statuses."""
        kind = "trial " if isinstance(member, TrialUnit) else ""
        _check_wait(self.queries.take(kind + member.unit))


def _bearer_token(request: Request) -> str:
    given = request.headers.getlist("authorization")
    if len(given) > 1:
        raise Unauthorized(field_error("Authorization", "key_repeated"))
    scheme, _, api_key = "".join(given).partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthorized(field_error("Authorization", "no_key"))
    if not api_key.strip():
        raise Unauthorized(field_error("Authorization", "empty_key"))
    return api_key.strip()


def _check_wait(wait_s: float) -> None:
    if wait_s:
        seconds = math.ceil(wait_s)
        error = field_error("event", "rate_limited", retry_after_s=seconds)
        raise RateLimited(error, retry_after_s=seconds)
