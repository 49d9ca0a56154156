"""The delivery figures as JSON and CSV, for reuse."""

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

from contracts.delivery import ChannelName
from contracts.facts.public_figures import LaneFigures, PublicFigures, Speed

_COUNTS = ("deliveries", "recipients", "delivered", "timed", "within_10_s")
_COLUMNS = ("first", "last", "channel", "lane", *_COUNTS, "percent_within_10_s", "missing")


def figures_json(figures: PublicFigures) -> bytes:
    """All figures; a number that is not published is `null`, beside the reason."""
    rows = [*_rows(figures)]
    document = {
        "first": figures.first.isoformat(),
        "last": figures.last.isoformat(),
        "days_without_data": [day.isoformat() for day in figures.gaps],
        "lanes": rows[: len(figures.lanes)],
        "days": rows[len(figures.lanes) :],
    }
    return (json.dumps(document, ensure_ascii=False, indent=1) + "\n").encode()


def figures_csv(figures: PublicFigures) -> bytes:
    """The same as one table (RFC 4180): the rows of the whole span, then those of each day."""
    out = io.StringIO()
    table = csv.DictWriter(out, _COLUMNS, lineterminator="\r\n")
    table.writeheader()
    table.writerows(_rows(figures))
    return out.getvalue().encode()


def _rows(figures: PublicFigures) -> Iterator[dict[str, Any]]:
    for one in figures.lanes:
        yield _row(figures.first, figures.last, one.channel, one)
    for day in figures.days:
        yield _row(day.on, day.on, ChannelName.EMAIL, day)


def _row(first: object, last: object, channel: ChannelName, speed: Any) -> dict[str, Any]:
    counts = {name: getattr(speed, name) for name in _COUNTS} if _is_of_span(speed) else {}
    return {
        "first": str(first),
        "last": str(last),
        "channel": channel.value,
        "lane": speed.lane.value,
        **counts,
        "percent_within_10_s": None if speed.permille is None else speed.permille / 10,
        "missing": speed.missing and speed.missing.value,
    }


def _is_of_span(speed: Speed) -> bool:
    """Whether the row has counts: those of a day are not published."""
    return isinstance(speed, LaneFigures)
