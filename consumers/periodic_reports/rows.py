"""The plain input of a report: counts of one day with their dimensions, and days without data."""

import json
from collections.abc import Iterable, Iterator
from datetime import date
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict

from consumers.periodic_reports.errors import LevelTwice

DIGESTS = "~digests"
"""In place of the unit and the topic: a digest has items of many. No vocabulary has the word."""
_LEVEL = ".level"
_CANONICAL = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))


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


def encode_row(row: Row) -> bytes:
    """A line without its end; the count is last."""
    values: list[Any] = [row.day.isoformat(), row.kind, *row[3:], row.times]
    return dumps(values)


def merge_lines(lines: Iterable[bytes]) -> Iterator[bytes]:
    """*lines* sorted, with those of equal rows added up: the same from lines in any order.

    Raises LevelTwice.
    """
    parted = sorted(line.rpartition(b",")[::2] for line in lines)
    for key, group in groupby(parted, itemgetter(0)):
        counts = [int(count[:-1]) for _, count in group]
        if len(counts) > 1 and decode_row(key + b",0]").is_level:
            raise LevelTwice(key.decode())
        yield b"%s,%d]" % (key, sum(counts))


def decode_row(line: bytes) -> Row:
    """Raises ValueError."""
    day, kind, *others, count = json.loads(line)
    return Row(date.fromisoformat(day), kind, count, *others)


def dumps(value: Any) -> bytes:
    """Canonical JSON."""
    return _CANONICAL.encode(value).encode()
