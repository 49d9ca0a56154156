"""Filters that lists share: how far back, how many, and of which unit and topic."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from consumers.app.settings import LoaSettings, load_vocabulary, read_settings
from consumers.messages import field_error
from contracts import subjects
from contracts.errors import Invalid, unknown_word
from contracts.text.moments import parse_moment
from producers.bus import Bus

_SPAN = re.compile(r"(\d{1,5})([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
Since = Annotated[
    str, typer.Option(metavar="TIME", help="From then on: a time, or 90m, 12h, 7d ago.")
]
Limit = Annotated[int, typer.Option(min=1, max=100_000, help="The most lines.")]


def check_topic(topic: str) -> None:
    """Raises Invalid for a topic that the vocabulary does not know; none is no filter."""
    words = load_vocabulary(read_settings(LoaSettings))
    if topic and not words.knows("topic", topic):
        raise Invalid(words.word_error("topic", "topic", topic))


async def check_unit(bus: Bus, unit: str) -> None:
    """Raises Invalid for a unit that is neither of the vocabulary nor registered."""
    words = load_vocabulary(read_settings(LoaSettings))
    if not unit or unit in words.units or unit in words.aliases:
        return
    registered = await bus.bucket(subjects.UNITS.name).keys()
    if unit not in registered:
        raise Invalid(unknown_word("unit", "unknown_unit", unit, (*words.units, *registered)))


def parse_time(option: str, text: str) -> datetime | None:
    """Parse an ISO date or time, or a span before now; None for an empty one. Raises Invalid.

    A time without an offset is Vietnam's, as in the lists.
    """
    if not text:
        return None
    if span := _SPAN.fullmatch(text):
        return datetime.now(UTC) - timedelta(**{_UNITS[span[2]]: int(span[1])})
    try:
        return parse_moment(text)
    except ValueError as wrong:
        raise Invalid(field_error(option, "not_a_time", value=text)) from wrong


def require_time(option: str, text: str) -> datetime:
    """As `parse_time`; an empty one is the beginning."""
    return parse_time(option, text) or datetime.fromtimestamp(0, UTC)
