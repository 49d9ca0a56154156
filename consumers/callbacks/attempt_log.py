"""The log of each endpoint's callbacks: when, which fact, and the receiver's answer; no content."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Self

import structlog
from pydantic import AwareDatetime

from consumers.callbacks.sender import Sent
from contracts import subjects
from contracts.delivery import ChannelName
from contracts.facts.content_status import StatusFact, StatusKind
from contracts.records import Record
from producers.bus import Bus, BusError
from producers.bus.records import parse

log = structlog.get_logger()
_STREAM = subjects.CALLBACKS_LOG.name


class Attempt(Record):
    """One try. `status`: of the answer, 0 without one. `reason`: why it did not arrive."""

    at: AwareDatetime
    fact: str
    kind: StatusKind
    content_id: str | None = None
    revision: int | None = None
    channel: ChannelName | None = None
    status: int = 0
    reason: str = ""
    took_s: float = 0.0

    @classmethod
    def of(cls, fact: StatusFact, at: datetime, sent: Sent) -> Self:
        about = fact.status.model_dump(include={"kind", "content_id", "revision", "channel"})
        reason = sent.failure.reason if sent.failure else ""
        return cls(
            at=at, fact=fact.id, status=sent.status, reason=reason, took_s=sent.took_s, **about
        )


class _Round(Record):
    attempts: tuple[Attempt, ...]


class AttemptPlace(NamedTuple):
    """A place in the log: the message of a round, and how many of its newest attempts lie before.

    A place without a sequence is the end of the log.
    """

    seq: int = 0
    passed: int = 0


@dataclass(frozen=True)
class AttemptLog:
    """Attempts by endpoint, as long as retention keeps them."""

    bus: Bus

    async def add(self, unit: str, id: str, attempts: Sequence[Attempt]) -> None:
        """Store the attempts of a round; a log that takes none holds up no callback."""
        body = _Round(attempts=tuple(attempts)).model_dump_json().encode()
        try:
            await self.bus.publish(subjects.callback(unit, id), body)
        except BusError as error:
            log.warning("callback_not_logged", unit=unit, endpoint=id, detail=str(error))

    async def newest(self, unit: str, id: str, limit: int) -> list[Attempt]:
        """The newest attempts, newest first. Raises BusError."""
        return (await self.page(unit, id, AttemptPlace(), limit))[0]

    async def page(
        self, unit: str, id: str, place: AttemptPlace, limit: int
    ) -> tuple[list[Attempt], AttemptPlace]:
        """Attempts behind a place, newest first, and the place of older ones, if there are any.

        Raises BusError.
        """
        found: list[Attempt] = []
        last = (await self.bus.stream_info(_STREAM))["state"]["last_seq"]
        high = min(place.seq, last) if place.seq else last
        async for message in self.bus.scan_backwards(_STREAM, high, subjects.callback(unit, id)):
            stored = parse(_Round, message.data)
            passed = place.passed if message.seq == place.seq else 0
            behind = [*reversed(stored.attempts if stored else ())][passed:]
            left = limit - len(found)
            found += behind[:left]
            if len(behind) > left:
                return found, AttemptPlace(message.seq, passed + left)
        return found, AttemptPlace()
