"""The plain input of a report: counts of one day with their dimensions, and days without data."""

import json
from collections.abc import Iterable, Iterator
from datetime import date
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict

from consumers.periodic_reports.errors import LevelTwice

_LEVEL = ".level"


class Row(NamedTuple):
    """How often *kind* happened on *day*, in Vietnam's time; it names no person.

    `times` of a kind that ends in `.level` is the state at the end of the day, never added up.
    `seconds`: how long it took, each time. `detail`: a code, such as the reason of a failure.
    """

    day: date
    kind: str
    times: int
    unit: str = ""
    topic: str = ""
    channel: str = ""
    lane: str = ""
    item: str = ""
    detail: str = ""
    seconds: int | None = None

    @property
    def is_level(self) -> bool:
        return self.kind.endswith(_LEVEL)


class Gap(BaseModel):
    """Days on which nothing was recorded of *kind* and the kinds below it, with the reason's code.

    A kind without a row on a day outside its gaps did not happen then: a true 0.
    """

    model_config = ConfigDict(frozen=True)

    kind: str
    first: date
    last: date
    reason: str

    def covers(self, kind: str) -> bool:
        return kind == self.kind or kind.startswith(f"{self.kind}.")


def encode_rows(rows: Iterable[Row]) -> Iterator[bytes]:
    """A line each, sorted, with equal rows added up: the same from rows in any order.

    Raises LevelTwice.
    """
    encoded = sorted((_encode_key(row), row.times) for row in rows)
    for key, group in groupby(encoded, itemgetter(0)):
        counts = [count for _, count in group]
        if len(counts) > 1 and decode_row(key + b"0]").is_level:
            raise LevelTwice(key.decode())
        yield b"%s%d]" % (key, sum(counts))


def _encode_key(row: Row) -> bytes:
    """All but the count, which ends the line."""
    values: list[Any] = [row.day.isoformat(), row.kind, *row[3:]]
    return dumps(values)[:-1] + b","


def decode_row(line: bytes) -> Row:
    """Raises ValueError."""
    day, kind, *others, count = json.loads(line)
    return Row(date.fromisoformat(day), kind, count, *others)


def dumps(value: Any) -> bytes:
    """Canonical JSON."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.encode()
