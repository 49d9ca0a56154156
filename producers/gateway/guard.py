"""Who is at the door, and whether they knock too often."""

import math

from starlette.requests import Request

from contracts.errors import RateLimited, Unauthorized, fault
from producers.gateway.limits import TokenBuckets
from producers.registry import Clock, Member, Registry

EVENTS_PER_MINUTE = 600
BURST = 200
QUESTIONS_PER_MINUTE = 2400
FAILURES_PER_MINUTE = 20


class Guard:
    """Proves units by their API keys and counts their events. Nothing here outlives the process."""

    def __init__(self, registry: Registry, clock: Clock) -> None:
        self.registry = registry
        self.events = TokenBuckets(EVENTS_PER_MINUTE, BURST, clock)
        self.questions = TokenBuckets(QUESTIONS_PER_MINUTE, QUESTIONS_PER_MINUTE / 2, clock)
        self.failures = TokenBuckets(FAILURES_PER_MINUTE, FAILURES_PER_MINUTE, clock)

    async def prove(self, request: Request) -> Member:
        """The unit whose key *request* carries. Raises Unauthorized; RateLimited for guessing."""
        try:
            return await self.registry.prove(_bearer(request))
        except Unauthorized:
            host = request.client.host if request.client else ""
            _or_wait(self.failures.take(host))
            raise

    def count(self, member: Member, events: int = 1) -> None:
        """Raises RateLimited when *member* sends more than its share."""
        _or_wait(self.events.take(member.unit, events))

    def question(self, member: Member) -> None:
        """Raises RateLimited when *member* asks for statuses without end."""
        _or_wait(self.questions.take(member.unit))


def _bearer(request: Request) -> str:
    scheme, _, api_key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthorized(fault("Authorization", "no_key"))
    if not api_key.strip():
        raise Unauthorized(fault("Authorization", "empty_key"))
    return api_key.strip()


def _or_wait(wait_s: float) -> None:
    if wait_s:
        seconds = math.ceil(wait_s)
        raise RateLimited(
            fault("event", "rate_limited", retry_after_s=seconds), retry_after_s=seconds
        )
