"""Filters that lists share: how far back, and how many."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from consumers.messages import field_error
from contracts.errors import Invalid

_SPAN = re.compile(r"(\d{1,5})([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
Since = Annotated[
    str, typer.Option(metavar="TIME", help="From then on: a UTC time, or 90m, 12h, 7d ago.")
]
Limit = Annotated[int, typer.Option(min=1, max=100_000, help="The most lines.")]


def parse_time(option: str, text: str) -> datetime | None:
    """Parse an ISO date or time, or a span before now; None for an empty one. Raises Invalid."""
    if span := _SPAN.fullmatch(text):
        return datetime.now(UTC) - timedelta(**{_UNITS[span[2]]: int(span[1])})
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError as wrong:
        raise Invalid(field_error(option, "not_a_time", value=text)) from wrong


def require_time(option: str, text: str) -> datetime:
    """As `parse_time`, in UTC unless the text says; an empty one is the beginning."""
    moment = parse_time(option, text) or datetime.fromtimestamp(0, UTC)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
