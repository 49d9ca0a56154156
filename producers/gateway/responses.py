"""The bodies of the gateway's answers."""

import re
from typing import Annotated, Any, Literal

from pydantic import Field
from starlette.requests import Request

from contracts.errors import FieldError, FieldWarning
from contracts.records import EventRecord
from contracts.trace import Happening, OnlyIfTrue, ResponseBody, Warnings
from contracts.trials.dry_run import Release

PROBLEM_TYPE = "application/problem+json"
EVENT_ID_PATTERN = "^[a-z2-7]{26}$"
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


class Quota(ResponseBody):
    """A unit's quota of events, as the process that answers counts it."""

    per_minute: int
    """The events that it may send in the long run."""
    at_once: int
    """The events that it may send at once."""
    left: int
    """The events that it may send now."""


class ExpectedEvent(ResponseBody):
    """The expected outcome of one event."""

    event_id: Annotated[str, Field(pattern=EVENT_ID_PATTERN)]
    """Loa's name of the event."""
    content_id: str
    """The item that the event is about."""
    revision: int | None
    """The position that it would get in its item."""
    is_known: bool
    """Whether the same event was accepted before: a repeat changes nothing."""
    refusals: list[FieldError]
    """Why it would be refused after its acceptance, by the item's history; empty: it would not."""
    warnings: list[FieldWarning]
    """Differences between the sent text and the one that readers would see."""
    release: Release | None
    """automatic, desk (a person), or rule (a rule may ask for a person); null if there is none."""
    lane: str | None
    """The lane that it asks for; null for a withdrawal."""
    channels: dict[str, dict[str, Any]]
    """How many it would reach, for each channel of the item."""
    previews: dict[str, str]
    """Each face as its channel would show it, by name of a file; for a single event alone."""


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


class DryRun(ResponseBody):
    """The expected outcome of all events; nothing is stored."""

    dry_run: Literal[True]
    """true: nothing was stored."""
    events: list[ExpectedEvent]
    """One for each event, in their order."""
    quota: Quota
    """The unit's quota; this request counts like any other."""
    trial: OnlyIfTrue = False
    """true: asked with a key for trials; only there."""


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
