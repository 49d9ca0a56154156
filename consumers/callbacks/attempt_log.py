"""The log of each endpoint's callbacks: when, which fact, and the receiver's answer; no content."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

import structlog
from pydantic import AwareDatetime

from consumers.callbacks.sender import Sent
from contracts import subjects
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
    status: int = 0
    reason: str = ""
    took_s: float = 0.0

    @classmethod
    def of(cls, fact: StatusFact, at: datetime, sent: Sent) -> Self:
        about = fact.status.model_dump(include={"kind", "content_id", "revision"})
        reason = sent.failure.reason if sent.failure else ""
        return cls(
            at=at, fact=fact.id, status=sent.status, reason=reason, took_s=sent.took_s, **about
        )


class _Round(Record):
    attempts: tuple[Attempt, ...]


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
        found: list[Attempt] = []
        last = (await self.bus.stream_info(_STREAM))["state"]["last_seq"]
        async for message in self.bus.scan_backwards(_STREAM, last, subjects.callback(unit, id)):
            stored = parse(_Round, message.data)
            found += reversed(stored.attempts if stored else ())
            if len(found) >= limit:
                break
        return found[:limit]
