"""Counts and times the requests of POST /v1/events, for `/metrics`."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from contracts.cloudevent import CloudEvent
from contracts.errors import ContractError, Unavailable
from producers import metrics
from producers.acceptance import AcceptedEvent
from producers.bus import BusError
from producers.units.registry import Sender, TrialUnit

_DOOR, _TRIAL, _DRY_RUN = "http", "trial", "dry_run"
_ERROR, _UNFINISHED = "error", "unfinished"


@dataclass
class RequestCount:
    """One request: its unit and the kinds of its events, as far as they are known."""

    unit: str = metrics.OTHER
    kinds: Sequence[str] = (metrics.OTHER,)
    door: str = _DOOR

    def begin(self, member: Sender, *, only_asks: bool) -> None:
        """Note who sends; dry runs and trials are counted apart."""
        self.unit = member.unit
        self.door = _TRIAL if isinstance(member, TrialUnit) else _DOOR
        if only_asks:
            self.door = _DRY_RUN

    def read(self, unit: str, read: Sequence[CloudEvent]) -> None:
        """Note the events of *unit* that were read."""
        self.unit = unit
        self.kinds = [metrics.event_kind(event.type) for event in read]

    def accepted(self, accepted: Sequence[AcceptedEvent]) -> None:
        for kind, event in zip(self.kinds, accepted, strict=True):
            answer = "known" if event.is_known else "accepted"
            metrics.EVENTS.add(self.unit, kind, answer, self.door)

    def refused(self, answer: str) -> None:
        for kind in self.kinds:
            metrics.EVENTS.add(self.unit, kind, answer, self.door)


@contextmanager
def count_request() -> Iterator[RequestCount]:
    """Count the events of one request, and time an answer in earnest; errors are passed on."""
    began, count, result = time.monotonic(), RequestCount(), "unavailable"
    try:
        yield count
        result = "accepted"
    except ContractError as refusal:
        result = "unavailable" if isinstance(refusal, Unavailable) else "refused"
        count.refused(refusal.code)
        raise
    except (ClientDisconnect, HTTPException):  # gone, or too slow
        result = "refused"
        count.refused(_UNFINISHED)
        raise
    except BusError:
        count.refused(Unavailable.code)
        raise
    except Exception:
        count.refused(_ERROR)
        raise
    finally:
        if count.door == _DOOR:
            metrics.DOOR_SECONDS.observe(time.monotonic() - began, result)
