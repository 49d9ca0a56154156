"""The bodies of the gateway's answers."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from contracts.errors import FieldError, FieldWarning

PROBLEM_TYPE = "application/problem+json"
EVENT_ID_PATTERN = "^[a-z2-7]{26}$"
STATUS_PATH = "/v1/events/{event_id}"


class ResponseBody(BaseModel):
    model_config = ConfigDict(frozen=True)


class EventAccepted(ResponseBody):
    """The event is stored. A repeat of the same event gets the same answer."""

    event_id: Annotated[str, Field(pattern=EVENT_ID_PATTERN)]
    content_id: str
    revision: Annotated[
        int | None,
        Field(description="A withdrawal has the newest released revision, or null if none is."),
    ]
    status_url: str
    warnings: Annotated[
        list[FieldWarning],
        Field(
            description="What readers will see otherwise than it was sent; only where they will.",
            exclude_if=lambda warnings: not warnings,
        ),
    ] = []


class BatchAccepted(ResponseBody):
    """All events of the batch are stored, in their order."""

    events: list[EventAccepted]


class Problem(ResponseBody):
    """What is wrong (RFC 9457), for the whole request and by field, in English and Vietnamese."""

    type: str
    title: str
    title_vi: str
    status: int
    detail: str
    detail_vi: str
    instance: str
    errors: list[FieldError]


class Happening(ResponseBody):
    """One entry of an item's history, without personal data."""

    model_config = ConfigDict(
        json_schema_extra={"description": "One line of an item's history; it names nobody."}
    )

    at: str
    event: str
    channel: str | None = None
    detail: str = ""
    errors: Annotated[
        list[FieldError],
        Field(
            description="Why something was refused, in English and Vietnamese; only there.",
            exclude_if=lambda errors: not errors,
        ),
    ] = []
    warnings: Annotated[
        list[FieldWarning],
        Field(
            description="As in the answer to the event; only there.",
            exclude_if=lambda warnings: not warnings,
        ),
    ] = []


class Status(ResponseBody):
    """Where the item of an event is; counts per channel as `loa trace` shows them."""

    content_id: str
    revision: int | None
    state: Annotated[
        str, Field(description="received, waiting, scheduled, released, withdrawn or refused")
    ]
    channels: dict[str, dict[str, Any]]
    timeline: list[Happening]
