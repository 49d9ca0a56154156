"""The bodies of the gateway's answers."""

import re
from typing import Annotated

from pydantic import Field
from starlette.requests import Request

from contracts.errors import FieldError
from contracts.records import EventRecord
from contracts.trace import EVENT_ID_PATTERN, Happening, OnlyIfTrue, ResponseBody, Warnings
from contracts.trials.dry_run import Quota

PROBLEM_TYPE = "application/problem+json"
STATUS_PATH = "/v1/events/{event_id}"
_TRIAL_HEADER = {"X-Loa-Trial": "1"}


def is_event_id(text: str) -> bool:
    return re.fullmatch(EVENT_ID_PATTERN, text) is not None


def is_trial(request: Request) -> bool:
    """Whether *request* carries a key for trials."""
    return getattr(request.state, "is_trial", False)


def trial_headers(request: Request) -> dict[str, str]:
    """The header of every answer to a key for trials; none for others."""
    return _TRIAL_HEADER if is_trial(request) else {}


class EventAccepted(ResponseBody):
    """The event is stored. A repeat of the same event gets the same answer."""

    event_id: Annotated[str, Field(pattern=EVENT_ID_PATTERN)]
    """Loa's name of the event, the same for every repeat."""
    content_id: str
    """The item that the event is about."""
    revision: int | None
    """The event's revision. A withdrawal has the newest released one, or null if none is."""
    status_url: str
    """Where to ask what became of it, with the same key."""
    warnings: Warnings = []  # noqa: RUF012 -- pydantic copies it
    """Differences between the sent text and the one that readers will see, if there are any."""
    trial: OnlyIfTrue = False
    """true: sent with a key for trials, and for the unit's guests alone; only there."""


class BatchAccepted(ResponseBody):
    """All events of the batch are stored, in their order."""

    events: list[EventAccepted]
    """One answer for each event."""


class Problem(ResponseBody):
    """Errors (RFC 9457) for the whole request and by field, in English and Vietnamese."""

    type: str
    """The kind of problem; the status says the same."""
    title: str
    """Kind of the problem, in English."""
    title_vi: str
    """Kind of the problem, in Vietnamese."""
    status: int
    """The status of the answer once more."""
    detail: str
    """Explanation of this occurrence, in English."""
    detail_vi: str
    """Explanation of this occurrence, in Vietnamese."""
    instance: str
    """The path that was asked for."""
    errors: list[FieldError]
    """Every broken rule, with its field."""
    trial: OnlyIfTrue = False
    """true: asked with a key for trials; only there."""


class ListedEvent(ResponseBody):
    """One event of a list; ids are empty where the event could not be read."""

    event_id: str
    """Loa's name of the event."""
    content_id: str
    """The item that the event is about."""
    revision: int | None
    """The position of the event in its item; null before it has one."""
    kind: str
    """submitted, corrected, withdrawn or updated"""
    at: str
    """When it was accepted."""
    state: str
    """received, waiting, scheduled, released, withdrawn or refused"""
    error: FieldError | None
    """The first reason of a refusal; null without one. The status of the event has all."""


class EventList(ResponseBody):
    """Events of the unit, newest first."""

    events: list[ListedEvent]
    """A page of them; with `state` it may have fewer than asked for, or none."""
    next: str | None
    """The cursor of the next page, with older events; null at the end."""
    days: dict[str, int]
    """How many events came on each day in Vietnam; on the first page alone."""
    quota: Quota
    """The unit's quota of events."""
    trial: OnlyIfTrue = False
    """true: asked with a key for trials, and trials are listed; only there."""


def timeline(record: EventRecord) -> list[Happening]:
    """The steps that an event's own record has: its acceptance, and each rule that it broke."""
    at = record.at.isoformat()
    refusals = [
        Happening(
            at=at, event="refused", detail=f"{refusal.field}: {refusal.message}", errors=[refusal]
        )
        for refusal in record.refused
    ]
    return [Happening(at=at, event="accepted"), *refusals]
